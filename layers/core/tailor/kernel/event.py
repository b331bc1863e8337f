"""A canonical event: everything that happens, whatever door it came in by.

Orders, page views, CRM traits, opens, bounces and consent changes are all of this one shape, so rules and journeys
use them without special code. Names follow the Segment e-commerce specification.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, NamedTuple, cast

from tailor.kernel.keys import digest

Kind = Literal["identify", "track", "page", "screen", "group", "alias", "consent", "delete"]
Grant = Literal["granted", "denied", "withdrawn", "pending"]


@lru_cache(maxsize=1024)
def _mark(source: str, id: str) -> str:
    # An event is asked for its mark at every station of its way.
    return digest(source, id, size=6)


class Identifier(NamedTuple):
    """One normalised handle of a person.

    ``kind`` is one of ``user_id``, ``email``, ``phone``, ``anonymous_id``, a vendor's (``shopify_customer_id``), or
    ``person``, Tailor's own id, which only signed tokens and our own messages may carry.
    """

    kind: str
    value: str


class ConsentChange(NamedTuple):
    """One purpose granted, denied or withdrawn. ``topic`` narrows the purpose; ``""`` is the whole of it."""

    purpose: str
    grant: Grant
    topic: str = ""


@dataclass(slots=True)
class Event:
    """One thing that happened to one person. A value: whoever wants another makes another. It is not ``frozen`` only
    because that would make each three times as slow to make, and one is made at every station of its way.

    Attributes
    ----------
    id : the sender's dedupe key, unique within ``source``; a repeat of it is the same event.
    kind : what the sender meant: traits (``identify``), behaviour (``track``, ``page``, ``screen``), ...
    name : what rules call it: ``"Order Completed"``, ``"Page Viewed"``, ``"Identify"``.
    at : instant it happened, corrected for the sender's clock, never after ``received``.
    received : instant our door took it.
    source : the vendor's name, or ``tailor`` for our own.
    identifiers : normalised, strongest first; never empty.
    traits : what is now true of the person (canonical snake_case names; vendor extras as sent).
    properties : what is true of the event.
    context : where it came from (page, campaign, locale, library), kept small.
    consent : changes this event carries.
    """

    id: str
    kind: Kind
    name: str
    at: int
    received: int
    source: str
    identifiers: tuple[Identifier, ...]
    traits: dict[str, Any] = field(default_factory=dict)
    properties: dict[str, Any] = field(default_factory=dict)
    context: dict[str, Any] = field(default_factory=dict)
    consent: tuple[ConsentChange, ...] = ()

    @property
    def mark(self) -> str:
        """A short hash of (source, id) for the person's ring of recent events."""
        return _mark(self.source, self.id)

    def to_json(self) -> dict[str, Any]:
        """The wire form between our own functions; empty fields are left out."""
        out: dict[str, Any] = {
            "id": self.id,
            "kind": self.kind,
            "name": self.name,
            "at": self.at,
            "received": self.received,
            "source": self.source,
            "identifiers": [*map(list, self.identifiers)],
        }
        if self.traits:
            out["traits"] = self.traits
        if self.properties:
            out["properties"] = self.properties
        if self.context:
            out["context"] = self.context
        if self.consent:
            out["consent"] = [*map(list, self.consent)]
        return out

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Event:
        """The inverse of :meth:`to_json`; trusts its input, which only our own functions write."""
        return cls(
            id=raw["id"],
            kind=cast(Kind, raw["kind"]),
            name=raw["name"],
            at=raw["at"],
            received=raw["received"],
            source=raw["source"],
            identifiers=tuple(Identifier(k, v) for k, v in raw["identifiers"]),
            traits=raw.get("traits", {}),
            properties=raw.get("properties", {}),
            context=raw.get("context", {}),
            consent=tuple(ConsentChange(p, g, t) for p, g, t in raw.get("consent", ())),
        )
