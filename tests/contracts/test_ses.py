"""SES: its published examples, and what our tags make of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from contracts.samples import corpus
from tailor.kernel.event import Event, Identifier
from tailor.kernel.inbound import Inbound, Parsed
from tailor.kernel.instants import parse_instant
from tailor.sources.ses import SES

NOW = parse_instant("2026-11-24T09:00:00Z")
TAGS = {
    "tailor_person": ["p_1"],
    "tailor_message": ["m_1"],
    "tailor_journey": ["welcome"],
    "ses:source-ip": ["192.0.2.0"],
}


def take(report: Any, *, now: int = NOW) -> Parsed:
    body = report if isinstance(report, bytes) else json.dumps(report).encode()
    return SES.to_events(Inbound("POST", "/", {}, body), now=now)


def report(kind: str, tags: dict[str, Any] | None = TAGS, **part: Any) -> dict[str, Any]:
    mail = {"messageId": "0102", "timestamp": "2026-11-24T08:00:00Z", "destination": ["Ada <ada@shop.example>"]}
    return {"eventType": kind, "mail": mail | ({"tags": tags} if tags is not None else {}), **part}


def one(kind: str, tags: dict[str, Any] | None = TAGS, **part: Any) -> Event:
    [event] = take(report(kind, tags, **part)).events
    return event


def test_every_published_example_gives_events_or_a_reason() -> None:
    for name, content in corpus("sources/ses"):
        parsed = take(content["event"])
        assert parsed.events or parsed.ignored, name
        failed = content["meta"]["topic"] in ("Bounce", "Complaint")
        assert bool(parsed.events) == failed, name


def test_every_published_example_is_ours_with_our_tags() -> None:
    for name, content in corpus("sources/ses"):
        event = content["event"]
        event.get("detail", event)["mail"]["tags"] = TAGS
        parsed = take(event)
        assert parsed.events, name
        assert all(one.identifiers == (Identifier("person", "p_1"),) for one in parsed.events), name
        assert all(one.properties["message_id"] == "m_1" for one in parsed.events), name


@pytest.mark.parametrize(
    ("kind", "part", "name", "properties"),
    [
        ("Send", {"send": {}}, "Email Sent", {}),
        ("Delivery", {"delivery": {"recipients": ["ada@shop.example"]}}, "Email Delivered", {}),
        ("Open", {"open": {"ipAddress": "192.0.2.1"}}, "Email Opened", {}),
        (
            "Click",
            {"click": {"link": "https://shop.example/p"}},
            "Email Link Clicked",
            {"link": "https://shop.example/p"},
        ),
        ("Reject", {"reject": {"reason": "Bad content"}}, "Email Rejected", {"reason": "Bad content"}),
        ("Rendering Failure", {"failure": {"errorMessage": "no x"}}, "Email Rejected", {"reason": "no x"}),
        (
            "DeliveryDelay",
            {
                "deliveryDelay": {
                    "delayType": "MailboxFull",
                    "delayedRecipients": [{"emailAddress": "ada@shop.example"}],
                }
            },
            "Email Delayed",
            {"delay_type": "MailboxFull"},
        ),
        (
            "Bounce",
            {"bounce": {"bounceType": "Permanent", "bouncedRecipients": [{"emailAddress": "Ada@shop.example"}]}},
            "Email Bounced",
            {"bounce_type": "Permanent", "recipient": "ada@shop.example"},
        ),
        (
            "Complaint",
            {
                "complaint": {
                    "complaintFeedbackType": "abuse",
                    "complainedRecipients": [{"emailAddress": "ada@shop.example"}],
                }
            },
            "Email Complained",
            {"complaint_type": "abuse", "recipient": "ada@shop.example"},
        ),
    ],
)
def test_each_type_of_report(kind: str, part: dict[str, Any], name: str, properties: dict[str, Any]) -> None:
    event = one(kind, **part)
    assert event.name == name
    assert event.identifiers == (Identifier("person", "p_1"),)
    assert event.properties == {"message_id": "m_1", "journey": "welcome"} | properties
    assert event.consent == ()


def test_the_same_report_by_sns_and_eventbridge_is_one_event() -> None:
    plain = report("Open", open={"timestamp": "2026-11-24T08:10:00Z"})
    wrapped = {"Type": "Notification", "Message": json.dumps(plain)}
    bus = {"source": "aws.ses", "detail-type": "Email Opened", "detail": plain}
    assert len({take(form).events[0].id for form in (plain, wrapped, bus)}) == 1


def test_reports_differ_by_type_recipient_link_and_time() -> None:
    reports = [
        report("Open", open={"timestamp": "2026-11-24T08:10:00Z"}),
        report("Open", open={"timestamp": "2026-11-24T08:10:00.001Z"}),
        report("Click", click={"timestamp": "2026-11-24T08:10:00Z", "link": "https://shop.example/1"}),
        report("Click", click={"timestamp": "2026-11-24T08:10:00Z", "link": "https://shop.example/2"}),
    ]
    assert len({take(one).events[0].id for one in reports}) == len(reports)


def test_a_letter_that_is_not_ours_counts_only_where_its_address_failed() -> None:
    recipients = [{"emailAddress": "Ada <Ada@shop.example>"}, {"emailAddress": "bob@shop.example"}]
    bounced = take(report("Bounce", None, bounce={"bounceType": "Permanent", "bouncedRecipients": recipients})).events
    assert [event.identifiers[0] for event in bounced] == [
        Identifier("email", "ada@shop.example"),
        Identifier("email", "bob@shop.example"),
    ]
    foreign = take(report("Delivery", {}, delivery={"recipients": ["ada@shop.example"]}))
    assert (foreign.events, len(foreign.ignored)) == ([], 1)


@pytest.mark.parametrize(
    ("field", "value", "machine"),
    [
        ("automated", True, True),
        ("isBot", "true", True),
        ("machineOpen", False, False),
        ("ipAddress", "192.0.2.1", False),
    ],
)
def test_what_ses_calls_automated_is_a_machines(field: str, value: Any, machine: bool) -> None:
    assert one("Open", open={field: value}).properties.get("machine", False) is machine


def test_no_address_and_no_unknown_field_rides_along() -> None:
    text = json.dumps(one("Open", open={"ipAddress": "192.0.2.1", "novel": {"x": 1}}).to_json())
    assert "192.0.2.1" not in text
    assert "novel" not in text
    assert "shop.example" not in text


@pytest.mark.parametrize(
    "body",
    [
        b"Successfully validated SNS topic for Amazon SES event publishing.",
        b'{"Type": "SubscriptionConfirmation", "Token": "t"}',
        b'{"eventType": "Subscription", "mail": {"messageId": "1"}}',
        b'{"eventType": ["Open"]}',
        b"{}",
    ],
)
def test_what_is_no_report_is_ignored_with_a_reason(body: bytes) -> None:
    parsed = take(body)
    assert (parsed.events, parsed.refused, len(parsed.ignored)) == ([], [], 1)


def test_a_report_about_no_letter_is_refused() -> None:
    [(refusal, _)] = take({"eventType": "Bounce", "mail": {}}).refused
    assert refusal.pointer == "/mail/messageId"


def test_a_report_is_never_later_than_its_arrival() -> None:
    event = one("Open", open={"timestamp": "2026-11-24T09:00:05Z"})
    assert (event.at, event.context["clock"]) == (NOW, "ahead")
