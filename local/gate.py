"""The front door of the embedded cloud: one short, steady address for its HTTP API, and one repair.

API Gateway hands a compressed body to a function in base64. The embedded cloud looks at the content type alone, takes
compressed JSON for text, and spoils it; so such a body goes in under a type that is no text.
"""

from __future__ import annotations

import http.client
import sys
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, ClassVar, Self
from urllib.parse import urlsplit

from cloud import require_free

PORT = 8024
PORT_VARIABLE = "TAILOR_API_PORT"

LARGEST = 10 * 1024 * 1024
"""Bytes API Gateway takes in one request."""
CLOSE_POLL_SECONDS = 0.05

_ANSWER_SECONDS = 35
_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "host", "date", "server"})


class QuietServer(ThreadingHTTPServer):
    """A server that does not complain about clients that hang up."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Browsers hang up as they like; anything else is told."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@dataclass(slots=True)
class Gate:
    """A running front door on ``127.0.0.1``. Use it in a ``with`` block, or :meth:`close` it."""

    _server: QuietServer
    _thread: threading.Thread = field(init=False)

    @classmethod
    def start(cls, port: int, target: str) -> Self:
        """Listen on ``port`` and pass everything on to ``target``, a URL that may have a path.

        Raises
        ------
        Unusable : the port is taken.
        """
        require_free(port, PORT_VARIABLE)
        where = urlsplit(target)
        handler = type("Handler", (_Handler,), {"host": where.netloc, "prefix": where.path})
        gate = cls(QuietServer(("127.0.0.1", port), handler))
        gate._thread = threading.Thread(target=gate._server.serve_forever, args=(CLOSE_POLL_SECONDS,), daemon=True)
        gate._thread.start()
        return gate

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def url(self) -> str:
        """Root of the API."""
        return url_of(self._server.server_address[1])

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


def url_of(port: int) -> str:
    """Where a gate on ``port`` is found."""
    return f"http://127.0.0.1:{port}"


class _Handler(BaseHTTPRequestHandler):
    """One connection; ``host`` and ``prefix`` are set by the gate's own subclass."""

    protocol_version = "HTTP/1.1"
    server_version = "Gate"
    host: ClassVar[str]
    prefix: ClassVar[str]

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the functions log."""

    def _forward(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if length > LARGEST:
            self.close_connection = True
            self._answer(413, [("Content-Type", "application/json")], b'{"message":"Request Entity Too Large"}')
            return
        body = self.rfile.read(length)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
        if "content-encoding" in map(str.lower, headers):
            headers = {name: value for name, value in headers.items() if name.lower() != "content-type"}
            headers["Content-Type"] = "application/octet-stream"
        inner = http.client.HTTPConnection(self.host, timeout=_ANSWER_SECONDS)
        try:
            inner.request(self.command, self.prefix + self.path, body or None, headers)
            answer = inner.getresponse()
            kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in _HOP_BY_HOP]
            self._answer(answer.status, kept, answer.read())
        except (OSError, http.client.HTTPException):
            self._answer(503, [("Content-Type", "application/json")], b'{"message":"Service Unavailable"}')
        finally:
            inner.close()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _forward

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
