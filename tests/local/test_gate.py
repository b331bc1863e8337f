"""The front door passes everything on as it came, but for the type of a compressed body."""

from __future__ import annotations

import gzip
import http.client
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

from cloud import Unusable
from gate import LARGEST, Gate


class Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    heard: ClassVar[list[tuple[str, str, dict[str, str], bytes]]] = []

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.heard.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        self.send_response(302 if self.path.endswith("/away") else 200)
        self.send_header("Location", "https://elsewhere.example/")
        self.send_header("Content-Length", "0" if self.command == "HEAD" else "2")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(b"ok")

    do_GET = do_HEAD = do_POST = do_OPTIONS = answer

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def gate() -> Iterator[Gate]:
    Echo.heard.clear()
    inner = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    inner.daemon_threads = True
    threading.Thread(target=inner.serve_forever, args=(0.05,), daemon=True).start()
    with Gate.start(0, f"http://127.0.0.1:{inner.server_address[1]}/api/$default") as running:
        yield running
    inner.shutdown()
    inner.server_close()


def ask(gate: Gate, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, str | None, bytes]:
    connection = http.client.HTTPConnection(gate.url.removeprefix("http://"), timeout=10)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.getheader("Location"), answer.read()
    finally:
        connection.close()


def test_a_request_goes_through_with_its_path_query_headers_and_body(gate: Gate) -> None:
    assert ask(gate, "POST", "/v1/batch?a=1", b"{}", Content_Type="application/json", X_Own="x")[0] == 200
    ((method, path, headers, body),) = Echo.heard
    assert (method, path, body) == ("POST", "/api/$default/v1/batch?a=1", b"{}")
    assert (headers["content-type"], headers["x-own"]) == ("application/json", "x")


def test_a_compressed_body_goes_in_as_no_text(gate: Gate) -> None:
    packed = gzip.compress(b"{}")
    ask(gate, "POST", "/v1/batch", packed, Content_Type="application/json", Content_Encoding="gzip")
    ((_, _, headers, body),) = Echo.heard
    assert body == packed
    assert (headers["content-type"], headers["content-encoding"]) == ("application/octet-stream", "gzip")


def test_a_redirect_is_handed_back_and_not_followed(gate: Gate) -> None:
    assert ask(gate, "GET", "/away") == (302, "https://elsewhere.example/", b"ok")
    assert len(Echo.heard) == 1


def test_head_has_no_body(gate: Gate) -> None:
    assert ask(gate, "HEAD", "/")[::2] == (200, b"")


def test_more_than_api_gateway_takes_is_refused(gate: Gate) -> None:
    connection = http.client.HTTPConnection(gate.url.removeprefix("http://"), timeout=10)
    connection.putrequest("POST", "/v1/batch")
    connection.putheader("Content-Length", str(LARGEST + 1))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()
    assert Echo.heard == []


def test_a_dead_api_is_unavailable() -> None:
    with Gate.start(0, "http://127.0.0.1:9") as gate:
        assert ask(gate, "GET", "/")[0] == 503


def test_a_taken_port_is_named_with_its_setting(gate: Gate) -> None:
    port = int(gate.url.rpartition(":")[2])
    with pytest.raises(Unusable, match=f"port {port} .*TAILOR_API_PORT"):
        Gate.start(port, "http://127.0.0.1:9")
