"""Retention: what is kept how long, what sees to it, and whether it does.

The table is made of the constants that the code itself keeps to, so it cannot say something else. What should be gone
and is not is looked for in a sample of people: attributes by the catalogue's retention, and rows by their time to live.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from tailor.edges.store import DELIVERY_LIFE, EVENT_LIFE, GONE_LIFE, QUARANTINE_LIFE, Store
from tailor.flows.audience import sample
from tailor.flows.erase import ANSWERS_KEPT, BACKUPS, UNREAD_FILES
from tailor.flows.load import REMEMBERED
from tailor.kernel.instants import DAY
from tailor.kernel.program import Program
from tailor.rules.consent import lapsed

LOOKED_AT = 200
"""People whose attributes and rows are looked at."""
LATE = 4 * DAY
"""DynamoDB deletes within days of a row's time to live (AWS says: typically two)."""
CLAIMS = 29 * DAY
"""How long the bucket keeps a large event that nobody could absorb."""

TTL = "time to live of the row"
LIFECYCLE = "lifecycle of the bucket"
PERSON = "goes with the person"
STORES: tuple[tuple[str, str, int | None, str], ...] = (
    ("profile", "personal", None, PERSON),
    ("consent chain", "personal", None, PERSON),
    ("messages, without their bodies", "personal", None, PERSON),
    ("merges, keys and pairs", "personal", None, PERSON),
    ("events", "personal", EVENT_LIFE, TTL),
    ("quarantine", "personal", QUARANTINE_LIFE, TTL),
    ("what webhooks were told", "personal", DELIVERY_LIFE, TTL),
    ("large events in S3", "personal", CLAIMS, f"deleted once absorbed, else by the {LIFECYCLE}"),
    ("import files in S3", "personal", UNREAD_FILES, f"deleted once imported, else by the {LIFECYCLE}"),
    ("refused rows in S3", "personal", UNREAD_FILES, LIFECYCLE),
    ("backups", "personal", BACKUPS, "end of point-in-time recovery"),
    ("hashes of erased identifiers", "hash", GONE_LIFE, TTL),
    ("suppressed addresses", "hash", None, "kept for good, so that nobody is written to"),
    ("requests and their answers", "ids", ANSWERS_KEPT, TTL),
    ("imports", "counts", REMEMBERED, TTL),
)
"""(store, class, ms or ``None`` for as long as what sees to it says, what sees to it)."""


def retention(store: Store, program: Program, *, now: int) -> dict[str, Any]:
    """``{"stores", "attributes", "looked_at", "overdue"}``.

    ``stores`` and ``attributes`` are ``{"what", "data", "days", "by", "overdue"}`` each: ``data`` is the class,
    ``days`` are ``None`` where there is no term, ``overdue`` is how many were found that should be gone, ``None`` where
    nobody can look.
    """
    people = sample(store, LOOKED_AT).people
    overdue = Counter(
        name
        for person in people
        for name in program.retained
        if name in person.attributes and lapsed(person, name, program, now - LATE)
    )
    attributes = [
        {
            "what": name,
            "data": declared.klass,
            "days": declared.retention // DAY if declared.retention is not None else None,
            "by": "forgotten by the minute" if declared.retention is not None else PERSON,
            "overdue": overdue[name],
        }
        for name, declared in sorted(program.attributes.items())
    ]
    late = sum(store.outlived(person.id, before=now - LATE) for person in people)
    stores = [
        {
            "what": what,
            "data": klass,
            "days": life // DAY if life is not None else None,
            "by": by,
            "overdue": late if what == "events" else None,
        }
        for what, klass, life, by in STORES
    ]
    found = late + overdue.total()
    return {"stores": stores, "attributes": attributes, "looked_at": len(people), "overdue": found}
