"""Amazon SES: what became of the letters, from event publishing by SNS or EventBridge, or from feedback notifications.

Contract: "Contents of event data that Amazon SES publishes" in the SES Developer Guide. Our letters carry the message
tags ``tailor_person`` and ``tailor_message``; every further ``tailor_`` tag becomes a property.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from tailor.kernel.document import inner, not_after, read_instant, read_object
from tailor.kernel.errors import Rejected
from tailor.kernel.event import Event, Identifier
from tailor.kernel.inbound import Inbound, Parsed
from tailor.kernel.keys import digest
from tailor.rules.identity import identifier

OURS = ("tailor_person", "tailor_message")
"""Tags that say whose letter it was, and which."""

GREETING = b"Successfully validated SNS topic"
"""How SES tries out a topic; the rest of it is prose."""

_AUTOMATED = re.compile(r"automat|bot|machine|prefetch", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Told:
    """How one type of event is read: our ``name``, the ``part`` with its details, in it the list of ``recipients``
    (``""``: the destination of the mail), and ``details``: field → property."""

    name: str
    part: str
    recipients: str = ""
    details: tuple[tuple[str, str], ...] = ()


TYPES = {
    "Send": Told("Email Sent", "send"),
    "Delivery": Told("Email Delivered", "delivery", "recipients"),
    "Bounce": Told(
        "Email Bounced",
        "bounce",
        "bouncedRecipients",
        (("bounceType", "bounce_type"), ("bounceSubType", "bounce_sub_type")),
    ),
    "Complaint": Told(
        "Email Complained", "complaint", "complainedRecipients", (("complaintFeedbackType", "complaint_type"),)
    ),
    "Open": Told("Email Opened", "open"),
    "Click": Told("Email Link Clicked", "click", details=(("link", "link"),)),
    "Reject": Told("Email Rejected", "reject", details=(("reason", "reason"),)),
    "Rendering Failure": Told("Email Rejected", "failure", details=(("errorMessage", "reason"),)),
    "DeliveryDelay": Told("Email Delayed", "deliveryDelay", "delayedRecipients", (("delayType", "delay_type"),)),
}
"""``eventType`` (``notificationType`` in feedback notifications) → how it is read."""


@dataclass(frozen=True, slots=True)
class Ses:
    """Comes by our own queue, on which only SES's topic may write; no door on the web leads here."""

    name: str = "ses"
    signed: bool = False

    def verify(self, request: Inbound, secret: bytes, *, now: int) -> None:
        """Nothing is signed; the queue's policy says who may write."""

    def to_events(self, request: Inbound, *, now: int) -> Parsed:
        """One event for each recipient the report is about.

        A letter that is not ours is of interest only where its address failed or its reader complained.

        Raises
        ------
        Rejected : no JSON object.
        """
        parsed = Parsed()
        if request.body.startswith(GREETING):
            parsed.ignored.append("SES tried out the topic")
            return parsed
        report = _unwrapped(read_object(request.body))
        if report.get("Type") in ("SubscriptionConfirmation", "UnsubscribeConfirmation"):
            parsed.ignored.append("SNS: a change of the subscription itself")
            return parsed
        kind = report.get("eventType") or report.get("notificationType")
        told = TYPES.get(kind) if isinstance(kind, str) else None
        if told is None:
            parsed.ignored.append(f"SES {str(kind)[:40]!r}: nothing here uses it")
            return parsed
        mail = inner(report, "mail")
        if not isinstance(mail.get("messageId"), str):
            detail = "'mail.messageId' is missing: the report is about no letter"
            parsed.refused.append((Rejected(detail, code="no-id", pointer="/mail/messageId"), report))
            return parsed
        parsed.events = _events(told, mail, inner(report, told.part), now)
        if not parsed.events:
            parsed.ignored.append(f"SES {kind!r}: not a letter of ours")
        return parsed


SES = Ses()


def _unwrapped(document: dict[str, Any]) -> dict[str, Any]:
    if document.get("Type") == "Notification" and isinstance(message := document.get("Message"), str):
        return read_object(message.encode())
    if document.get("source") == "aws.ses":
        return inner(document, "detail")
    return document


def _events(told: Told, mail: dict[str, Any], part: dict[str, Any], received: int) -> list[Event]:
    tags = inner(mail, "tags")
    person = identifier("person", _tag(tags, "tailor_person"))
    # Reports without a time of their own (Send, Reject) are as old as the letter.
    time = part.get("timestamp") or mail.get("timestamp")
    stated = read_instant(time)
    at, clock = not_after(received if stated is None else stated, received)
    properties = {ours: part[theirs] for theirs, ours in told.details if isinstance(part.get(theirs), str)}
    properties |= {
        name.removeprefix("tailor_"): value
        for name in tags
        if name.startswith("tailor_") and name not in OURS and (value := _tag(tags, name))
    }
    if message := _tag(tags, "tailor_message"):
        properties["message_id"] = message
    if any(value in (True, "true", "True") and _AUTOMATED.search(name) for name, value in part.items()):
        properties["machine"] = True
    agent = part.get("userAgent")
    context = clock | ({"userAgent": agent} if isinstance(agent, str) and told.name != "Email Complained" else {})
    events = []
    for address in _recipients(told, mail, part):
        failed = _address(address) if told.name in ("Email Bounced", "Email Complained") else None
        if (who := person or failed) is not None:
            events.append(
                Event(
                    id=digest(mail["messageId"], told.name, address, str(time), properties.get("link", "")),
                    kind="track",
                    name=told.name,
                    at=at,
                    received=received,
                    source="ses",
                    identifiers=(who,),
                    properties=properties | ({"recipient": failed.value} if failed else {}),
                    context=context,
                )
            )
    return events


def _recipients(told: Told, mail: dict[str, Any], part: dict[str, Any]) -> list[str]:
    listed = part.get(told.recipients) if told.recipients else mail.get("destination")
    if not isinstance(listed, list):
        return []
    found = (one.get("emailAddress") if isinstance(one, dict) else one for one in listed)
    return list(dict.fromkeys(one for one in found if isinstance(one, str)))


def _address(text: str) -> Identifier | None:
    """The address of ``Name <address>``."""
    return identifier("email", text.rpartition("<")[2].rstrip("> "))


def _tag(tags: dict[str, Any], name: str) -> str:
    values = tags.get(name)
    value = values[0] if isinstance(values, list) and values else values
    return value if isinstance(value, str) else ""
