"""API Gateway in one process: requests to events and back, with the real authorizer in front of what it guards."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from world import CONTEXT, app

RECIPIENTS = {"u": "token", "preferences": "token", "confirm": "token", "forms": "form"}
"""First part of a recipient's paths → what the gateway calls the second."""
ADMIN = "secret-admin"
"""The deployment's own token in a :class:`world.World`."""


def event(method: str, path: str, body: str = "", headers: dict[str, str] | None = None) -> dict[str, Any]:
    """An event of payload format 2.0 as the gateway makes it."""
    url = urlsplit(path)
    made: dict[str, Any] = {
        "version": "2.0",
        "routeKey": f"{method} {url.path}",
        "rawPath": url.path,
        "rawQueryString": url.query,
        "headers": {name.lower(): value for name, value in (headers or {}).items()},
        "requestContext": {
            "http": {"method": method, "path": url.path, "sourceIp": "203.0.113.9", "protocol": "HTTP/1.1"},
            "stage": "$default",
            "requestId": "request",
        },
        "isBase64Encoded": False,
    }
    if url.query:
        made["queryStringParameters"] = dict(parse_qsl(url.query))
    if body:
        made["body"] = body
    return made


def ask(
    method: str, path: str, body: Any = None, *, token: str | None = ADMIN, headers: dict[str, str] | None = None
) -> tuple[int, Any]:
    """One request through authorizer and function: (status, JSON of the answer or its text)."""
    text = body if isinstance(body, str) else "" if body is None else json.dumps(body)
    bearer = {} if token is None else {"authorization": f"Bearer {token}"}
    kind = {"content-type": "application/json"} if body is not None else {}
    status, _, answer = route(event(method, path, text, {**kind, **bearer, **(headers or {})}))
    try:
        return status, json.loads(answer) if answer else None
    except ValueError:
        return status, answer


def route(request: dict[str, Any]) -> tuple[int, dict[str, str], str]:
    """The gateway's routes: what is under /api, /render and /attributes is guarded, the rest is open."""
    path = request["rawPath"]
    first, _, rest = path[1:].partition("/")
    if first in RECIPIENTS:
        request["pathParameters"] = {RECIPIENTS[first]: rest.removesuffix("/data")}
        answer = app("consent").handler(request, CONTEXT)
        return answer["statusCode"], answer["headers"], answer["body"]
    attributes = path.startswith("/attributes/")
    function = "api" if path.startswith("/api/") else "render" if path == "/render" or attributes else "ingest"
    if attributes:
        request["pathParameters"] = dict(zip(("kind", "value"), path.split("/")[2:], strict=True))
    if function != "ingest":
        if "authorization" not in request["headers"]:
            return 401, {}, '{"message":"Unauthorized"}'
        verdict = app("authorizer").handler(request, CONTEXT)
        if not verdict["isAuthorized"]:
            return 403, {}, '{"message":"Forbidden"}'
        request["requestContext"]["authorizer"] = {"lambda": verdict["context"]}
    answer = app(function).handler(request, CONTEXT)
    return answer["statusCode"], answer.get("headers", {}), answer.get("body") or ""


@contextmanager
def served() -> Iterator[str]:
    """The same over real HTTP, on a port of its own; gives the URL."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
            status, headers, text = route(event(self.command, self.path, body, dict(self.headers.items())))
            raw = text.encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_POST = do_PUT = do_DELETE = answer

        def log_message(self, format: str, *arguments: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
