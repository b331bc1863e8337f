"""Salesforce Marketing Cloud: what became of its letters, and unsubscriptions, by its Event Notification Service.

Contract: "Event Notification Service" in the Marketing Cloud developer documentation. The letters are not ours: their
events are named like those of ours and carry no message of ours. A repeat has the same composite id, type and time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tailor.kernel.document import inner, read_json
from tailor.kernel.errors import Rejected
from tailor.kernel.event import ConsentChange, Event, Identifier
from tailor.kernel.inbound import Inbound, Parsed
from tailor.kernel.items import Reading, read_each, unused
from tailor.kernel.keys import digest
from tailor.kernel.proof import same, signature, unproved
from tailor.kernel.values import dated, label, present, read_body, text
from tailor.rules.identity import identifier, ordered

NAMES = {
    "EngagementEvents.EmailOpen": "Email Opened",
    "EngagementEvents.EmailClick": "Email Link Clicked",
    "EngagementEvents.EmailUnsubscribe": "Consent Updated",
    "TransactionalSendEvents.EmailSent": "Email Sent",
    "TransactionalSendEvents.EmailNotSent": "Email Rejected",
    "TransactionalSendEvents.EmailBounced": "Email Bounced",
}
"""``eventCategoryType`` → our name; notifications of other channels are of no use."""

DETAILS = {
    "messageKey": "message_key",
    "renderedSubject": "subject",
    "status": "status",
    "reason": "reason",
    "bounceCategory": "bounce_category",
    "bounceType": "bounce_type",
    "statusCode": "status_code",
    "url": "link",
    "contentLink": "link",
}
"""Field of ``info`` → property."""


@dataclass(frozen=True, slots=True)
class Sfmc:
    """``x-sfmc-ens-signature``: the base64 HMAC-SHA256 of the raw body, by the callback's signature key."""

    name: str = "sfmc"
    signed: bool = True

    def verify(self, request: Inbound, secret: bytes, *, now: int) -> None:
        """Check the signature; there is no time in it.

        Raises
        ------
        Rejected : missing or wrong (401).
        """
        if not same(signature(secret, request.body, base64=True), request.headers.get("x-sfmc-ens-signature", "")):
            raise unproved("x-sfmc-ens-signature is not the signature of this body: check the callback's signatureKey")

    def to_events(self, request: Inbound, *, now: int) -> Parsed:
        """One event for each notification.

        Raises
        ------
        Rejected : no JSON.
        """
        if greeting := greets(request):
            return Parsed(ignored=[greeting])
        document = read_body(request)
        notices = document if isinstance(document, list) else [document]
        return read_each(notices, lambda notice, pointer: _events(notice, pointer, now))


SFMC = Sfmc()


def greets(request: Inbound) -> str:
    """Why a request is only a trial of the door, with what has to be sent back to end it.

    A new callback is posted ``{"callbackId", "verificationKey"}``, unsigned; it lives once somebody with access to
    Marketing Cloud posts both to ``/platform/v1/ens-verify``.
    """
    if len(request.body) > 2_000 or b"verificationKey" not in request.body:
        return ""
    try:
        document = read_json(request.body)
    except Rejected:
        return ""
    if not isinstance(document, dict) or document.keys() != {"callbackId", "verificationKey"}:
        return ""
    callback, proof = label(document["callbackId"]), label(document["verificationKey"])
    return f"a new callback: verify {callback} with {proof} at /platform/v1/ens-verify"


def _events(notice: Any, pointer: str, received: int) -> Reading:
    if not isinstance(notice, dict):
        raise Rejected("a notification must be an object", code="bad-shape", pointer=pointer)
    kind = text(notice.get("eventCategoryType"))
    name = NAMES.get(kind)
    if name is None:
        return unused(kind)
    info = inner(notice, "info")
    composite = text(notice.get("compositeId"))
    if not composite:
        raise Rejected("a notification without 'compositeId' is about no letter", code="no-id", pointer=pointer)
    at, clock = dated(notice.get("timestampUTC"), received=received)
    link = text(info.get("url") or info.get("contentLink"), 2_000)
    details = {ours: text(info.get(theirs), 2_000) for theirs, ours in DETAILS.items() if theirs in info}
    agent = text(info.get("userAgent"), 500)
    definition = text(notice.get("definitionKey"))
    gone = name == "Consent Updated"
    return [
        Event(
            id=digest(composite, kind, text(notice.get("timestampUTC")), link),
            kind="consent" if gone else "track",
            name=name,
            at=at,
            received=received,
            source="sfmc",
            identifiers=_people(notice, info),
            properties=present(details | {"definition_key": "" if definition == "NA" else definition}),
            context=clock | present({"userAgent": agent}) | ({"consent": {"letter": composite}} if gone else {}),
            consent=(ConsentChange("marketing", "withdrawn"),) if gone else (),
        )
    ]


def _people(notice: dict[str, Any], info: dict[str, Any]) -> tuple[Identifier, ...]:
    """A subscriber's number is that of one business unit (``mid``)."""
    subscriber = identifier("sfmc_subscriber_id", inner(notice, "composite").get("subscriberId"))
    unit = text(notice.get("mid"))
    return ordered(
        [
            identifier("sfmc_contact_key", info.get("subscriberKey")),
            Identifier(subscriber.kind, f"{unit}:{subscriber.value}") if subscriber else None,
            identifier("email", info.get("to")),
        ]
    )
