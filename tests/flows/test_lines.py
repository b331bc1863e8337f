"""Connections that stay open: nothing is sent twice, and what may have been taken is told from what was not."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tailor.edges.lines import Broken, Lines, Unreached

ANSWER = b"HTTP/1.1 200 OK\r\nX-Told: yes\r\nContent-Length: 2\r\n\r\nok"


class Host:
    """A host by hand: ``answers`` says what each request of a connection is answered, ``None`` hangs up instead."""

    def __init__(self, answers: list[bytes | None], tls: ssl.SSLContext | None = None) -> None:
        self.answers = answers
        self.tls = tls
        self.taken: list[bytes] = []
        self.lines = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                line, _ = self._socket.accept()
            except OSError:
                return
            self.lines += 1
            if self.tls is not None:
                try:
                    line = self.tls.wrap_socket(line, server_side=True)
                except OSError:
                    continue
            threading.Thread(target=self._serve, args=(line,), daemon=True).start()

    def _serve(self, line: socket.socket) -> None:
        with line:
            for answer in self.answers:
                if (request := _request(line)) is None:
                    return
                self.taken.append(request)
                if answer is None:
                    return
                line.sendall(answer)

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


def _request(line: socket.socket) -> bytes | None:
    """The body of one request."""
    read = b""
    while b"\r\n\r\n" not in read:
        some = line.recv(65_536)
        if not some:
            return None
        read += some
    head, _, body = read.partition(b"\r\n\r\n")
    size = next(int(row[15:]) for row in head.split(b"\r\n") if row.lower().startswith(b"content-length:"))
    while len(body) < size:
        body += line.recv(65_536)
    return body


@contextmanager
def host(*answers: bytes | None, tls: ssl.SSLContext | None = None) -> Iterator[Host]:
    made = Host(list(answers), tls)
    try:
        yield made
    finally:
        made.close()


@contextmanager
def calling(url: str, *, seconds: int = 5, trust: str | None = None) -> Iterator[Lines]:
    made = Lines(url, seconds=seconds, trust=trust)
    try:
        yield made
    finally:
        for line in made._idle:
            line.close()


def test_a_connection_serves_many_requests() -> None:
    with host(*[ANSWER] * 3) as one, calling(one.url) as lines:
        for number in range(3):
            reply = lines.post("/x", b"%d" % number, {"content-type": "text/plain"})
            assert (reply.status, reply.body, reply.headers["x-told"]) == (200, b"ok", "yes")
        assert (one.taken, one.lines) == ([b"0", b"1", b"2"], 1)


def test_a_host_that_hung_up_between_requests_is_called_again() -> None:
    with host(ANSWER) as one, calling(one.url) as lines:
        for number in range(3):
            assert lines.post("/x", b"%d" % number, {}).status == 200
            deadline = threading.Event()
            deadline.wait(0.05)  # until the host has hung up
        assert (one.taken, one.lines) == ([b"0", b"1", b"2"], 3)


@pytest.mark.parametrize("answer", [None, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", b"nonsense\r\n\r\n"])
def test_an_answer_that_is_none_leaves_in_doubt_and_is_not_asked_for_again(answer: bytes | None) -> None:
    with host(answer) as one, calling(one.url) as lines:
        with pytest.raises(Broken):
            lines.post("/x", b"once", {})
        assert one.taken == [b"once"]


def test_a_host_that_is_silent_leaves_in_doubt() -> None:
    with host(b"", b"") as one, calling(one.url, seconds=1) as lines, pytest.raises(Broken, match="timed out"):
        lines.post("/x", b"once", {})


def test_a_line_that_broke_is_not_used_again() -> None:
    with host(None) as one, calling(one.url) as lines:
        for _ in range(2):
            with pytest.raises(Broken):
                lines.post("/x", b"", {})
        assert one.lines == 2


def test_who_is_not_there_was_sent_nothing() -> None:
    with host(ANSWER) as one:
        url = one.url
    with calling(url) as lines, pytest.raises(Unreached):
        lines.post("/x", b"", {})


@pytest.fixture(name="certificate", scope="module")
def _certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of 127.0.0.1 by nobody but itself, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "host.pem"
    plain = serialization.NoEncryption()
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + secret)
    return path


def test_a_host_whose_certificate_nobody_vouches_for_is_sent_nothing(certificate: Path) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    with host(ANSWER, ANSWER, tls=tls) as one:
        with calling(one.url) as lines, pytest.raises(Unreached, match="SSL"):
            lines.post("/x", b"secret", {})
        elsewhere = one.url.replace("127.0.0.1", "localhost")
        with calling(elsewhere, trust=str(certificate)) as lines, pytest.raises(Unreached, match="SSL"):
            lines.post("/x", b"secret", {})
        assert one.taken == []
        with calling(one.url, trust=str(certificate)) as lines:
            assert [lines.post("/x", b"%d" % number, {}).status for number in range(2)] == [200, 200]
        assert one.taken == [b"0", b"1"]


def test_many_at_once_have_a_line_each_and_their_own_answer() -> None:
    with host(*[ANSWER] * 50) as one, calling(one.url) as lines:
        with ThreadPoolExecutor(10) as pool:
            replies = list(pool.map(lambda number: lines.post("/x", b"%d" % number, {}).status, range(200)))
        assert replies == [200] * 200
        assert sorted(map(int, one.taken)) == list(range(200))
        assert one.lines <= 10


def test_a_header_cannot_hold_another() -> None:
    with host(ANSWER) as one, calling(one.url) as lines, pytest.raises(ValueError, match="header"):
        lines.post("/x", b"", {"x": "a\r\ny: b"})
