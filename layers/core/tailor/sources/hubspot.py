"""HubSpot: changes of contacts, by the webhooks of a private or public app.

Contract: HubSpot's webhooks API, "Validating requests", and the webhook action of workflows. A notification names a
contact by number and one property that changed; whatever else HubSpot knows of the contact must be fetched. ``eventId``
is not unique: a repeat is told by portal, type, object, event and time. A workflow sends the whole contact, as the
contacts API of version 1 wrote it.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from tailor.kernel.document import inner
from tailor.kernel.errors import Rejected
from tailor.kernel.event import ConsentChange, Event, Identifier
from tailor.kernel.inbound import Inbound, Parsed
from tailor.kernel.items import Reading, read_each, unused
from tailor.kernel.keys import digest
from tailor.kernel.proof import check_clock, key_and_url, same, signature, unproved
from tailor.kernel.values import dated, key, label, present, read_body, required, text
from tailor.rules.identity import identifier, ordered

CONTACT = "0-1"
"""``objectTypeId`` of contacts, where the subscription is to objects of any type."""

TRAITS = {
    "firstname": "first_name",
    "lastname": "last_name",
    "mobilephone": "phone",
    "zip": "postal_code",
    "hs_language": "language",
}
"""HubSpot's property → our trait; others keep their names."""

IDENTIFIERS = {"email": "email", "phone": "phone", "mobilephone": "phone"}

OPTOUT = "hs_email_optout"
"""Property that is true once the contact wants no mail at all."""

BOOKKEEPING = frozenset({OPTOUT, "createdate", "lastmodifieddate", "hs_object_id"})
"""Properties of a contact that say nothing of the person."""

IGNORED = {
    "deletion": "a contact who is deleted has not asked for erasure; a privacy deletion comes by its own notification",
    "restore": "nothing changed that a profile holds",
    "associationChange": "nothing here uses it",
}
MERGED = 50
"""Contacts merged into one at once; more than this is no merge of one person."""


@dataclass(frozen=True, slots=True)
class HubSpot:
    """Signatures of version 3 (HMAC with a time), 2 and 1 (hashes of the secret and the request).

    The URI is part of versions 2 and 3; for how it is known see :func:`tailor.kernel.proof.key_and_url`.
    """

    name: str = "hubspot"
    signed: bool = True

    def verify(self, request: Inbound, secret: bytes, *, now: int) -> None:
        """Check the signature of the highest version sent, and the time of version 3.

        Raises
        ------
        Rejected : missing, wrong, or signed more than 5 minutes from ``now`` (401).
        """
        signing, url = key_and_url(request, secret)
        about = (request.method + url).encode("utf-8", "surrogatepass") + request.body
        if newest := request.headers.get("x-hubspot-signature-v3", ""):
            stamp = request.headers.get("x-hubspot-request-timestamp", "")
            expected = signature(signing, about + stamp.encode("utf-8", "surrogatepass"), base64=True)
            if not same(expected, newest):
                raise _unproved()
            check_clock(stamp, now=now)
            return
        signed = about if request.headers.get("x-hubspot-signature-version", "v1") == "v2" else request.body
        if not same(sha256(signing + signed).hexdigest(), request.headers.get("x-hubspot-signature", "")):
            raise _unproved()

    def to_events(self, request: Inbound, *, now: int) -> Parsed:
        """One event for each notification about a contact, or for each contact itself; the body is a list of them.

        Raises
        ------
        Rejected : no JSON.
        """
        document = read_body(request)
        notices = document if isinstance(document, list) else [document]
        return read_each(notices, lambda notice, pointer: _events(notice, pointer, now))


HUBSPOT = HubSpot()


def _unproved() -> Rejected:
    return unproved("X-HubSpot-Signature does not fit method, URL and body: check the app's client secret, and the URL")


def _events(notice: Any, pointer: str, received: int) -> Reading:
    if not isinstance(notice, dict):
        raise Rejected("a notification must be an object", code="bad-shape", pointer=pointer)
    if "contact" in notice:
        return _contact(notice, pointer, received)
    if "subscriptionType" not in notice and isinstance(notice.get("properties"), dict):
        return _enrolled(notice, pointer, received)
    whole = text(notice.get("subscriptionType"))
    about, _, kind = whole.partition(".")
    if not (about == "contact" or (about == "object" and notice.get("objectTypeId") == CONTACT)):
        return f"{label(whole)}: it is about no contact"
    if kind in IGNORED:
        return f"{whole}: {IGNORED[kind]}"
    number = required(notice, "objectId", whole, pointer)
    match kind:
        case "creation" | "":
            return [_event(notice, "Identify", [number], received)]
        case "propertyChange":
            return [_changed(notice, number, pointer, received)]
        case "merge":
            others = notice.get("mergedObjectIds")
            numbers = [text(one) for one in others] if isinstance(others, list) else []
            if len(numbers) > MERGED:
                raise Rejected(f"{len(numbers)} contacts merged at once", code="too-many", pointer=pointer)
            return [_event(notice, "Identify", [number, text(notice.get("newObjectId")), *numbers], received)]
        case "privacyDeletion":
            return [_event(notice, "Delete", [number], received, kind="delete")]
        case _:
            return unused(whole)


def _changed(notice: dict[str, Any], number: str, pointer: str, received: int) -> Event:
    """One property, as text; an empty one unsets the trait."""
    name = required(notice, "propertyName", "a change", pointer)
    value = notice.get("propertyValue")
    gone = name == OPTOUT and text(value).lower() == "true"
    return _event(
        notice,
        "Identify",
        [number],
        received,
        also=identifier(IDENTIFIERS[name], value) if name in IDENTIFIERS else None,
        traits={TRAITS.get(name, name): None if value == "" else value},
        consent=(ConsentChange("marketing", "withdrawn"),) if gone else (),
    )


def _enrolled(record: dict[str, Any], pointer: str, received: int) -> Reading:
    """The record that a workflow sends: a contact has its number in ``vid``, any other object in ``objectId``; each
    property is ``{"value", "versions"}``."""
    about = text(record.get("objectTypeId") or record.get("objectType")) or CONTACT
    if "vid" not in record and about not in (CONTACT, "CONTACT"):
        return f"a workflow of {label(about)}: it is about no contact"
    number = text(record.get("vid") or record.get("objectId"))
    if not number:
        raise Rejected("a workflow's contact has no 'vid'", code="no-id", pointer=f"{pointer}/vid")
    values = {
        name: text(one.get("value") if isinstance(one, dict) else one, 2_000)
        for name, one in record["properties"].items()
    }
    portal = record.get("portal-id") or record.get("portalId")
    return _contact({"contact": {"id": number, "properties": values}, "portalId": portal}, pointer, received)


def _contact(item: dict[str, Any], pointer: str, received: int) -> Reading:
    """A contact as a search or a batch read answers it, beside the number of its portal."""
    contact = inner(item, "contact")
    if contact.get("archived"):
        return "contact: it is archived"
    number = required(contact, "id", "a contact", f"{pointer}/contact")
    properties = {name: value for name, value in inner(contact, "properties").items() if isinstance(value, str)}
    changed = properties.get("lastmodifieddate") or text(contact.get("updatedAt"))
    at, clock = dated(changed, received=received)
    portal = text(item.get("portalId"))
    out = properties.get(OPTOUT, "").lower() == "true"
    return [
        Event(
            id=key("contact", portal, number, changed or digest(*map("=".join, sorted(properties.items())))),
            kind="identify",
            name="Identify",
            at=at,
            received=received,
            source="hubspot",
            identifiers=ordered(
                [
                    Identifier("hubspot_contact_id", key(portal, number)),
                    *(identifier(kind, properties.get(name)) for name, kind in IDENTIFIERS.items()),
                ]
            ),
            traits=present({TRAITS.get(n, n): value for n, value in properties.items() if n not in BOOKKEEPING}),
            context=clock | ({"portal": portal} if portal else {}),
            consent=(ConsentChange("marketing", "withdrawn"),) if out else (),
        )
    ]


def _event(
    notice: dict[str, Any],
    name: str,
    numbers: list[str],
    received: int,
    *,
    kind: Any = "identify",
    also: Identifier | None = None,
    **more: Any,
) -> Event:
    at, clock = dated(notice.get("occurredAt"), received=received)
    portal = text(notice.get("portalId"))
    parts = ("subscriptionType", "objectId", "eventId", "occurredAt", "propertyName")
    known = (identifier("hubspot_contact_id", number) for number in numbers)
    return Event(
        id=key("notice", portal, *(text(notice.get(part)) for part in parts)),
        kind=kind,
        name=name,
        at=at,
        received=received,
        source="hubspot",
        identifiers=ordered([*(Identifier(one.kind, key(portal, one.value)) for one in known if one), also]),
        context=clock | ({"portal": portal} if portal else {}),
        **more,
    )
