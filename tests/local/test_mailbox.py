"""The mailbox answers a real SES v2 client as SES would, and shows what it took."""

from __future__ import annotations

import json
import queue
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from cloud import Unusable
from postbox import MODES, Mailbox, Report


@pytest.fixture
def reports() -> queue.Queue[Report]:
    return queue.Queue()


@pytest.fixture
def mailbox(reports: queue.Queue[Report]) -> Iterator[Mailbox]:
    with Mailbox.start(free_port(), events=reports.put) as running:
        yield running


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ses(mailbox: Mailbox) -> Any:
    return botocore.session.Session().create_client(
        "sesv2",
        region_name="us-east-1",
        endpoint_url=mailbox.url,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}, read_timeout=2),
    )


def letter(subject: str = "Größe, Ανna", html: str | None = None) -> bytes:
    message = EmailMessage(policy=SMTP)
    message["From"] = "Shop <hello@shop.example>"
    message["To"] = "ann@example.com"
    message["Subject"] = subject
    message.set_content("Plain words")
    shown = "<p>Hello <b>Ann</b></p><a href='https://shop.example/a?b=1&amp;c=2'>Go</a>"
    hidden = '<div style="display:none">Just for you&zwnj;&nbsp;</div>'
    page = f"<html><head><title>x</title></head><body>{hidden}{shown}</body></html>"
    message.add_alternative(html or page, subtype="html")
    return message.as_bytes()


def send(mailbox: Mailbox, raw: bytes, **more: Any) -> str:
    tags = [{"Name": "tailor_message", "Value": "m_1"}]
    answer = ses(mailbox).send_email(Content={"Raw": {"Data": raw}}, EmailTags=tags, ConfigurationSetName="set", **more)
    return str(answer["MessageId"])


def get(mailbox: Mailbox, path: str) -> str:
    with urllib.request.urlopen(mailbox.url + path) as answer:
        return str(answer.read().decode())


def post(mailbox: Mailbox, path: str, body: bytes) -> int:
    try:
        with urllib.request.urlopen(mailbox.url + path, data=body) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def control(mailbox: Mailbox, mode: str, times: int = 1) -> int:
    return post(mailbox, "/_control", json.dumps({"mode": mode, "times": times}).encode())


def test_a_letter_is_kept_byte_for_byte_with_its_tags(mailbox: Mailbox) -> None:
    raw = letter()
    id = send(mailbox, raw)
    (kept,) = mailbox.messages()
    assert (kept.id, kept.raw, kept.to) == (id, raw, ("ann@example.com",))
    assert kept.tags == {"tailor_message": "m_1"}
    assert (kept.subject, kept.preview) == ("Größe, Ανna", "Just for you Hello Ann Go")


def test_the_envelope_outranks_the_headers(mailbox: Mailbox) -> None:
    send(mailbox, letter(), Destination={"ToAddresses": ["bob@example.com"]})
    assert mailbox.messages()[0].to == ("bob@example.com",)


def test_an_accepted_letter_is_reported_as_sent_and_delivered(mailbox: Mailbox, reports: queue.Queue[Report]) -> None:
    id = send(mailbox, letter())
    sent, delivered = reports.get(timeout=5), reports.get(timeout=5)
    assert (sent["eventType"], delivered["eventType"]) == ("Send", "Delivery")
    assert delivered["mail"]["messageId"] == id
    assert delivered["mail"]["tags"] == {"tailor_message": ["m_1"], "ses:configuration-set": ["set"]}
    assert delivered["delivery"]["recipients"] == ["ann@example.com"]


@pytest.mark.parametrize("kind", ["Open", "Click", "Bounce", "Complaint"])
def test_the_world_answers_on_demand(mailbox: Mailbox, reports: queue.Queue[Report], kind: str) -> None:
    id = send(mailbox, letter())
    assert post(mailbox, f"/m/{id}/report", f"kind={kind}".encode()) == 200
    heard = [reports.get(timeout=5) for _ in range(3)][-1]
    assert heard["eventType"] == kind
    if kind == "Click":
        assert heard["click"]["link"] == "https://shop.example/a?b=1&c=2"


def test_a_report_that_ses_does_not_make_is_refused(mailbox: Mailbox) -> None:
    assert post(mailbox, f"/m/{send(mailbox, letter())}/report", b"kind=Miracle") == 400


@pytest.mark.parametrize(
    ("mode", "code", "text"),
    [
        ("throttle", "TooManyRequestsException", "Maximum sending rate"),
        ("daily-quota", "TooManyRequestsException", "Daily message quota"),
        ("reject", "MessageRejected", "not verified"),
        ("paused", "SendingPausedException", "paused"),
        ("fail", "InternalServiceErrorException", "Internal"),
    ],
)
def test_a_refused_letter_is_not_kept(mailbox: Mailbox, mode: str, code: str, text: str) -> None:
    assert control(mailbox, mode) == 200
    with pytest.raises(ClientError, match=text) as caught:
        send(mailbox, letter())
    assert caught.value.response["Error"]["Code"] == code
    assert mailbox.messages() == []
    send(mailbox, letter())
    assert len(mailbox.messages()) == 1


@pytest.mark.parametrize(
    ("mode", "error"), [("accept-then-timeout", ReadTimeoutError), ("accept-then-reset", ConnectionClosedError)]
)
def test_a_letter_can_be_accepted_without_an_answer(
    mailbox: Mailbox, reports: queue.Queue[Report], mode: str, error: type[Exception]
) -> None:
    control(mailbox, mode)
    with pytest.raises(error):
        send(mailbox, letter())
    assert len(mailbox.messages()) == 1
    assert reports.get(timeout=5)["eventType"] == "Send"


def test_trouble_can_be_ended_early(mailbox: Mailbox) -> None:
    control(mailbox, "reject", 5)
    control(mailbox, "reject", 0)
    send(mailbox, letter())


def test_an_unknown_mode_is_refused_by_name(mailbox: Mailbox) -> None:
    assert control(mailbox, "explode") == 400
    with pytest.raises(ValueError, match="throttle"):
        mailbox.misbehave("explode")
    assert "throttle" in MODES


def test_the_account_shows_its_quota(mailbox: Mailbox) -> None:
    send(mailbox, letter())
    assert ses(mailbox).get_account()["SendQuota"] == {
        "Max24HourSend": 50_000,
        "MaxSendRate": 14,
        "SentLast24Hours": 1,
    }


def test_the_list_shows_the_newest_first_and_can_be_filtered(mailbox: Mailbox) -> None:
    send(mailbox, letter("First"))
    send(mailbox, letter("Second"))
    page = get(mailbox, "/")
    assert page.index("Second") < page.index("First")
    assert "Second" not in get(mailbox, "/?q=first")
    assert [m["subject"] for m in json.loads(get(mailbox, "/api/messages?q=SECOND"))] == ["Second"]


def test_every_view_of_a_letter_shows_its_part(mailbox: Mailbox) -> None:
    id = send(mailbox, letter())
    assert f'src="/m/{id}/html"' in get(mailbox, f"/m/{id}")
    assert "Plain words" in get(mailbox, f"/m/{id}?view=text")
    assert "Subject: =?utf-8?" in get(mailbox, f"/m/{id}?view=headers")
    assert "multipart/alternative" in get(mailbox, f"/m/{id}?view=source")
    assert get(mailbox, f"/m/{id}/raw").encode() == mailbox.messages()[0].raw
    assert json.loads(get(mailbox, f"/api/messages/{id}"))["subject"] == "Größe, Ανna"


def test_a_letter_cannot_act_on_the_page(mailbox: Mailbox) -> None:
    evil = "<html><head></head><body><script>alert(1)</script><p>hi</p></body></html>"
    id = send(mailbox, letter("<script>alert(2)</script>", evil))
    assert "<script>" not in get(mailbox, "/")
    assert "<script>" not in get(mailbox, f"/m/{id}")
    with urllib.request.urlopen(f"{mailbox.url}/m/{id}/html") as answer:
        policy = answer.headers["Content-Security-Policy"]
    assert "sandbox" in policy
    assert "allow-scripts" not in policy


def test_what_is_not_there_is_not_found(mailbox: Mailbox) -> None:
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get(mailbox, "/m/none")


def test_a_taken_port_is_named_with_its_setting(mailbox: Mailbox) -> None:
    port = int(mailbox.url.rpartition(":")[2])
    with pytest.raises(Unusable, match=f"port {port} .*TAILOR_MAILBOX_PORT"):
        Mailbox.start(port, events=lambda report: None)
