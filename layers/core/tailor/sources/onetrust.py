"""OneTrust: consent to purposes, by Universal Consent's webhooks and by receipts of its API.

Contract: OneTrust's "Consent & Preferences" documentation. Nothing is signed: the integration sends the secret in a
header. An event is told by its ``eventId`` and purpose. Messages of one ``messageKey`` are numbered; what decides is
the time of each choice, and at the same time the stricter one. Which purpose of theirs is which of ours the URL says,
see :func:`tailor.kernel.values.purpose_of`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tailor.kernel.document import canonical, inner
from tailor.kernel.errors import Rejected
from tailor.kernel.event import ConsentChange, Event, Grant, Identifier
from tailor.kernel.inbound import Inbound, Parsed
from tailor.kernel.items import Reading, read_each
from tailor.kernel.keys import digest
from tailor.kernel.proof import ShowsSecret
from tailor.kernel.values import dated, key, label, objects, present, purpose_of, read_body, text
from tailor.rules.identity import identifier, ordered

GRANTS: dict[str, Grant | None] = {
    "ACTIVE": "granted",
    "CONFIRMED": "granted",
    "EXTEND": "granted",
    "PENDING": "pending",
    "NO_CONSENT": "denied",
    "NOTGIVEN": "denied",
    "WITHDRAWN": "withdrawn",
    "OPT_OUT": "withdrawn",
    "HARD_OPT_OUT": "withdrawn",
    "CANCEL": "withdrawn",
    "EXPIRED": "withdrawn",
    "NOT_OPTED_OUT": None,
    "ALWAYS_ACTIVE": None,
    "NO_CHOICE": None,
    "CHANGE_PREFERENCES": None,
}
"""Status of a purpose → grant; ``None`` is no choice anybody made. Not to have opted out is not to have agreed."""

TRAITS = {"FirstName": "first_name", "LastName": "last_name", "Mobile": "phone", "Phone": "phone", "Country": "country"}


@dataclass(frozen=True, slots=True)
class OneTrust(ShowsSecret):
    """The secret is shown in a header."""

    name: str = "onetrust"

    def to_events(self, request: Inbound, *, now: int) -> Parsed:
        """A choice for each purpose; one whose status is unknown is refused alone.

        Raises
        ------
        Rejected : no JSON object.
        """
        document = read_body(request)
        if not isinstance(document, dict):
            raise Rejected("the body must be one event", code="bad-shape")
        if "content" in document:
            return Parsed(ignored=["a page of data subjects: it holds no choice"])
        if document.get("test") is True:
            return Parsed(ignored=["a test receipt: nobody chose anything"])
        payload = inner(document, "payload")
        profiles = payload.get("profiles") if payload else document.get("purposes")
        if not isinstance(profiles, list):
            raise Rejected("there are neither 'payload.profiles' nor 'purposes'", code="bad-shape")
        # Each choice goes into quarantine with all that is needed to read it again.
        if payload:
            items = [document | {"payload": payload | {"profiles": [one]}} for one in profiles]
        else:
            items = [document | {"purposes": [one]} for one in profiles]
        return read_each(items, lambda item, pointer: _events(item, pointer, request, now))


ONETRUST = OneTrust()


def _events(document: dict[str, Any], pointer: str, request: Inbound, received: int) -> Reading:
    payload = inner(document, "payload") or document
    [profile] = objects(payload.get("profiles", payload.get("purposes"))) or [{}]
    fields = inner(profile, "profileFields") or profile
    theirs = text(profile.get("purposeId") or profile.get("Id"))
    status = text(fields.get("TransactionStatus") or fields.get("TransactionType"))
    if not theirs:
        raise Rejected("a choice without 'purposeId' is about nothing", code="no-purpose", pointer=pointer)
    if status.upper() not in GRANTS:
        detail = f"the status {label(status)!r} is none of {', '.join(GRANTS)}: it is not read as consent"
        raise Rejected(detail, code="bad-status", pointer=pointer)
    grant = GRANTS[status.upper()]
    if grant is None:
        return f"purpose {label(theirs)}: {status} is nobody's choice"
    chosen = fields.get("ConsentDate") or document.get("eventTime") or document.get("interactionDate")
    at, clock = dated(chosen, received=received)
    evidence = {"status": status, "purpose": theirs, "sequence": text(document.get("messageSequenceNumber"))}
    known = text(document.get("eventId"))
    if not known:
        known = digest(canonical(document), *(() if chosen else (str(received),)))
    contact = inner(payload, "contactFields") or inner(document, "dsDataElements")
    return [
        Event(
            id=key("consent", known, theirs),
            kind="consent",
            name="Consent Updated",
            at=at,
            received=received,
            source="onetrust",
            identifiers=_people(payload, contact),
            traits=present({ours: text(contact.get(name)) for name, ours in TRAITS.items() if name in contact}),
            context=clock | {"consent": present(evidence)},
            consent=_changes(request, theirs, grant, profile),
        )
    ]


def _changes(request: Inbound, theirs: str, grant: Grant, profile: dict[str, Any]) -> tuple[ConsentChange, ...]:
    """Agreement to topics is agreement to these alone; everything else is about the whole purpose."""
    purpose, topic = purpose_of(request, theirs)
    topics = profile.get("topics")
    if grant != "granted" or not isinstance(topics, list) or not topics:
        return (ConsentChange(purpose, grant, topic),)
    ids = (one.get("topicId") or one.get("id") if isinstance(one, dict) else one for one in topics)
    names = (text(id) for id in ids)
    return tuple(ConsentChange(purpose, grant, name) for name in names if name)


def _people(payload: dict[str, Any], contact: dict[str, Any]) -> tuple[Identifier, ...]:
    given = payload.get("dataSubjectEmail") or payload.get("identifier")
    return ordered(
        [
            identifier("email", given) or identifier("onetrust_identifier", given),
            identifier("email", contact.get("Email")),
        ]
    )
