"""SES over HTTP: one request a letter whatever comes of it, and every error means what the table of errors says."""

from __future__ import annotations

import json
import socket
import threading
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from tailor.edges.mailer import PATH, Direct, Mailer, Stopped, Throttled
from tailor.kernel.errors import Ambiguous, Rejected, Transient

Answer = tuple[int, str, str] | None


@contextmanager
def ses(answer: Answer) -> Iterator[tuple[Mailer, list[Any]]]:
    """An SES that always answers the same: (status, code, message); ``None`` hangs up once it has the letter."""
    taken: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["content-length"]))
            taken.append((self.path, dict(self.headers), json.loads(raw)))
            if answer is None:
                self.connection.close()
                return
            status, code, message = answer
            body = json.dumps({"message": message} if code or status >= 300 else {"MessageId": "ses-1"}).encode()
            body = message.encode() if status == 200 and message else body
            self.send_response(status)
            if code:
                self.send_header("x-amzn-ErrorType", f"{code}:http://internal.amazon.com/")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield mailer(server.server_address[1]), taken
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def mailer(port: int) -> Mailer:
    meta = SimpleNamespace(endpoint_url=f"http://127.0.0.1:{port}", region_name="eu-west-1")
    direct = Direct(SimpleNamespace(meta=meta), Credentials("AKIAEXAMPLE", "secret", "session"))
    return Mailer(direct, configuration_set="tailor")


def send(one: Mailer) -> str:
    return one.send(b"raw", sender="a@shop.example", to="b@shop.example", tags={"tailor_message": "m_1"})


@given(st.binary(max_size=300), st.integers(1_700_000_000, 2_000_000_000), st.sampled_from(["", "s/+=n"]))
def test_a_letter_is_signed_as_botocore_would_sign_it(body: bytes, second: int, token: str) -> None:
    at = datetime.fromtimestamp(second, UTC)
    endpoint, who = "https://email.eu-west-1.amazonaws.com", Credentials("AKIAEXAMPLE", "sec/ret+", token)
    meta = SimpleNamespace(endpoint_url=endpoint, region_name="eu-west-1")
    ours = Direct(SimpleNamespace(meta=meta), who)._signed(body, at=at)
    request = AWSRequest("POST", endpoint + PATH, data=body, headers={"content-type": "application/json"})
    with patch("botocore.auth.get_current_datetime", lambda remove_tzinfo=True: at):
        SigV4Auth(who.get_frozen_credentials(), "ses", "eu-west-1").add_auth(request)
    theirs = request.headers["Authorization"].split(", ")
    assert ours["authorization"].split(", ") == theirs


def test_a_letter_is_signed_and_handed_over_whole() -> None:
    with ses((200, "", "")) as (one, taken):
        assert send(one) == "ses-1"
    ((path, headers, body),) = taken
    assert path == "/v2/email/outbound-emails"
    assert "/eu-west-1/ses/aws4_request" in headers["authorization"]
    assert headers["x-amz-security-token"] == "session"
    assert b64decode(body["Content"]["Raw"]["Data"]) == b"raw"
    assert body["EmailTags"] == [{"Name": "tailor_message", "Value": "m_1"}]
    assert body["ConfigurationSetName"] == "tailor"


@pytest.mark.parametrize(
    ("answer", "meaning"),
    [
        ((429, "TooManyRequestsException", "Maximum sending rate exceeded."), Throttled),
        ((400, "ThrottlingException", "Rate exceeded"), Throttled),
        ((429, "TooManyRequestsException", "Daily message quota exceeded."), Stopped),
        ((400, "ThrottlingException", "Daily message quota exceeded"), Stopped),
        ((400, "SendingPausedException", "Sending is paused"), Stopped),
        ((403, "AccessDeniedException", "not authorized to perform ses:SendEmail"), Transient),
        ((403, "ExpiredTokenException", "The security token included in the request is expired"), Transient),
        ((403, "InvalidSignatureException", "Signature expired"), Transient),
        ((403, "", ""), Transient),
        ((400, "AccountSuspendedException", "Suspended"), Stopped),
        ((400, "MessageRejected", "Email address is not verified."), Rejected),
        ((400, "MailFromDomainNotVerifiedException", ""), Rejected),
        ((404, "NotFoundException", "no such configuration set"), Rejected),
        ((400, "BadRequestException", ""), Rejected),
        ((500, "InternalServiceErrorException", ""), Ambiguous),
        ((503, "ServiceUnavailable", ""), Ambiguous),
        (None, Ambiguous),
        ((200, "", "no json"), Ambiguous),
        ((200, "", '{"Message": "?"}'), Ambiguous),
        ((200, "", "[]"), Ambiguous),
    ],
)
def test_each_answer_has_its_meaning_and_is_asked_for_once(answer: Answer, meaning: type[Exception]) -> None:
    with ses(answer) as (one, taken):
        with pytest.raises(meaning) as raised:
            send(one)
        assert type(raised.value) is meaning
        assert len(taken) == 1


def test_what_never_reached_ses_may_be_tried_again() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with pytest.raises(Transient):
        send(mailer(port))
