"""Didomi: choices of consent, by its webhooks.

Contract: Didomi's "Webhooks" and "Consent event schema". A choice is told by its event's id. One organization may get
events of several regulations: a choice under another than the GDPR is a purpose of its own, so that it never overwrites
what somebody chose under the GDPR. Which purpose of theirs is which of ours the URL says (``?purpose.<id>=marketing``,
``?purpose.<regulation>.<id>=…``), see :func:`tailor.kernel.values.purpose_of`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tailor.kernel.document import inner
from tailor.kernel.errors import Rejected
from tailor.kernel.event import ConsentChange, Event, Grant, Identifier
from tailor.kernel.inbound import Inbound, Parsed
from tailor.kernel.items import Reading, read_one
from tailor.kernel.proof import ShowsSecret
from tailor.kernel.values import dated, key, label, objects, present, purpose_of, read_body, required, text
from tailor.rules.identity import identifier, ordered


@dataclass(frozen=True, slots=True)
class Didomi(ShowsSecret):
    """The secret is shown in a header."""

    name: str = "didomi"

    def to_events(self, request: Inbound, *, now: int) -> Parsed:
        """The choice of one webhook.

        Raises
        ------
        Rejected : no JSON object.
        """
        document = read_body(request)
        if not isinstance(document, dict):
            raise Rejected("the body must be one webhook event", code="bad-shape")
        return read_one(document, lambda webhook: _events(webhook, request, now))


DIDOMI = Didomi()


def _events(webhook: dict[str, Any], request: Inbound, received: int) -> Reading:
    kind = text(webhook.get("type"))
    parameters = inner(webhook, "parameters") or inner(webhook, "data")
    if kind not in ("event.created", "event.updated"):
        return f"{label(kind)}: each choice comes as an event of its own"
    event = inner(parameters, "new_entity") or inner(parameters, "entity") or parameters
    regulation = text(event.get("regulation")).lower() or "gdpr"
    changes = _changes(inner(event, "consents"), request, regulation, text(event.get("status")))
    id = required(event, "id", "a choice", "/parameters/entity")
    if not changes:
        return f"{kind}: it is about no purpose"
    updated = event.get("updated_at") if kind == "event.updated" else None
    at, clock = dated(updated, event.get("created_at"), received=received)
    evidence = {"regulation": regulation, "event": id, "status": text(event.get("status"))}
    return [
        Event(
            id=key(kind, id, text(event.get("status"))),
            kind="consent",
            name="Consent Updated",
            at=at,
            received=received,
            source="didomi",
            identifiers=_people(inner(event, "user")),
            context=clock | {"consent": present(evidence)},
            consent=changes,
        )
    ]


def _changes(consents: dict[str, Any], request: Inbound, regulation: str, status: str) -> tuple[ConsentChange, ...]:
    """``[{"id", "enabled"}]`` or ``{"enabled": [ids], "disabled": [ids]}``; a choice yet to be approved is pending."""
    purposes = consents.get("purposes")
    chosen: list[tuple[str, bool]] = []
    if isinstance(purposes, dict):
        for name, allowed in (("enabled", True), ("disabled", False)):
            ids = purposes.get(name)
            chosen += [(text(one), allowed) for one in ids] if isinstance(ids, list) else []
    else:
        known = objects(purposes)
        chosen = [(text(one.get("id")), one["enabled"]) for one in known if isinstance(one.get("enabled"), bool)]
    yes: Grant = "pending" if status.startswith("pending") else "granted"
    changes = []
    for theirs, allowed in chosen:
        if theirs:
            named = theirs if regulation == "gdpr" else f"{regulation}.{theirs}"
            purpose, topic = purpose_of(request, named)
            changes.append(ConsentChange(purpose, yes if allowed else "denied", topic))
    return tuple(changes)


def _people(user: dict[str, Any]) -> tuple[Identifier, ...]:
    """Their user, and ours unless it was hashed or encrypted for them."""
    ours = user.get("organization_user_id")
    opaque = user.get("organization_user_id_hash_algorithm") or user.get("organization_user_id_iv")
    known = None if opaque else identifier("email", ours) or identifier("user_id", ours)
    return ordered([known, identifier("didomi_user_id", user.get("id"))])
