"""Show: one person, as a whole and in time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from tailor.edges.store import Store
from tailor.kernel.errors import Rejected
from tailor.kernel.instants import NEVER, iso
from tailor.kernel.person import Person
from tailor.kernel.program import Program
from tailor.rules.identity import identifier
from tailor.rules.quality.portrait import portrait


def find(who: Mapping[str, Any], store: Store) -> Person:
    """The person with one identifier, ``{"email": ...}``, ``{"user_id": ...}``, ...

    Raises
    ------
    Rejected : not exactly one identifier, one that identifies nobody, or nobody has it (404).
    """
    if len(who) != 1:
        raise Rejected("give one identifier, such as {'email': ...} or {'user_id': ...}", code="bad-identifier")
    ((kind, value),) = who.items()
    if kind == "person":
        raise Rejected("'person' is no identifier: use GET /api/people/{id}", code="bad-identifier", pointer="/person")
    one = identifier(kind, value)
    if one is None:
        raise Rejected(f"this {kind} is malformed, or stands for nobody", code="bad-identifier", pointer=f"/{kind}")
    if (id := store.claims([one], consistent=True).get(one)) is None:
        raise Rejected(f"nobody has this {kind}", code="not-found", status=404)
    return load(id, store)


def load(id: str, store: Store) -> Person:
    """The person with an id, or whoever they were merged into.

    Raises
    ------
    Rejected : nobody has it (404).
    """
    person = store.person(id, consistent=True)
    if person is None:
        raise Rejected("nobody has this id; find people with POST /api/people/lookup", code="not-found", status=404)
    return person


def profile(person: Person, program: Program) -> dict[str, Any]:
    """Everything decided and known about a person, in one document.

    Attributes that are not in the catalogue (``undeclared``) or are sensitive appear by their names alone.
    """
    worth = portrait(person, program)
    declared = {name: program.attributes[name] for name in person.attributes if name in program.attributes}
    sensitive = sorted(n for n, a in declared.items() if a.klass == "sensitive")
    return {
        "id": person.id,
        "version": person.version,
        "identifiers": person.identifiers,
        "attributes": {n: person.attributes[n] for n, a in declared.items() if a.klass != "sensitive"},
        "sensitive": sensitive,
        "undeclared": sorted(name for name in person.attributes if name not in declared),
        "consent": [
            {**_aspect(key), "grant": grant, "at": iso(at), "source": source}
            for key, (grant, at, source) in sorted(person.consent.items())
        ],
        "memberships": [
            {"segment": key, "title": _title(key, program), "since": iso(since)}
            for key, since in sorted(person.memberships.items())
        ],
        "enrolments": [
            {
                "journey": key,
                "step": e["step"],
                "cause": e["cause"],
                "entered": iso(e["entered"]),
                "due": iso(e["wake"]),
            }
            for key, e in sorted(person.enrolments.items())
        ],
        "finished": [
            {"journey": key, "entered": iso(entered), "ended": iso(ended), "how": how}
            for key, (entered, ended, how) in sorted(person.finished.items())
        ],
        "owed": [
            {
                "message": message,
                "state": "QUEUED",
                "journey": o["journey"],
                "campaign": o.get("campaign", ""),
                "template": o["template"],
                "at": iso(o["at"]),
                "until": iso(o["retry"]) if "off" in o else None,
                "why": o.get("off", ""),
            }
            for message, o in sorted(person.owed.items())
        ],
        "events": {
            name: {"count": count, "last": iso(times[0])}
            for name, (count, times) in sorted(person.history.items())
            if "?" not in name
        },
        "aliases": person.aliases,
        "flags": person.flags,
        "quality": {
            "completeness": round(worth.score, 3),
            "missing": list(worth.missing),
            "findings": [
                {**finding, "hint": ""} if finding["field"] in sensitive else dict(finding)
                for finding in worth.findings
            ],
        },
        "due": iso(person.due) if person.due < NEVER else None,
        "decided": iso(person.decided),
        "program": person.program,
    }


def _aspect(key: str) -> dict[str, str]:
    purpose, _, topic = key.partition(":")
    return {"purpose": purpose, "topic": topic}


def _title(segment: str, program: Program) -> str:
    known = program.segments.get(segment)
    return known.title if known else segment


def timeline(person: Person, store: Store, *, limit: int) -> list[dict[str, Any]]:
    """The newest events, choices and messages together: ``{"at", "kind": "event" | "consent" | "message", ...}``."""
    # Events of people merged into this one come after their own, not among them.
    newest = None if person.aliases else limit
    entries = [*islice(_events(person, store), newest), *_choices(person, store), *_messages(person, store)]
    entries.sort(key=lambda entry: str(entry["at"]), reverse=True)
    return entries[:limit]


def _events(person: Person, store: Store) -> Iterator[dict[str, Any]]:
    for event in store.events(person, newest_first=True):
        yield {
            "at": iso(event.at),
            "kind": "event",
            "name": event.name,
            "source": event.source,
            "id": event.id,
            "properties": event.properties,
            "traits": sorted(event.traits),
            # Where alone: values of traits are shown with the person, as far as they may be.
            **({"changed": sorted(changed)} if (changed := event.context.get("quality", {}).get("changed")) else {}),
        }


def _choices(person: Person, store: Store) -> Iterator[dict[str, Any]]:
    for row in store.consents(person):
        yield {
            "at": iso(row["at"]),
            "kind": "consent",
            "purpose": row["purpose"],
            "topic": row["topic"],
            "grant": row["grant"],
            "source": row["source"],
            "hash": row["hash"],
        }


def _messages(person: Person, store: Store) -> Iterator[dict[str, Any]]:
    """Letters by the states they are in; one that is owed is QUEUED before it has a row in the ledger."""
    rows = {row["message"]: row for row in store.messages(person)}
    owed = {
        message: {**one, "state": "QUEUED", "queued_at": one["at"], "why": one.get("off", "")}
        for message, one in person.owed.items()
    }
    for message, row in (owed | rows).items():
        state = row["state"]
        yield {
            "at": iso(int(row.get(f"{state.lower()}_at") or row["sending_at"])),
            "kind": "message",
            "message": message,
            "template": row["template"],
            "journey": row["journey"],
            "state": state,
            "why": row.get("why", ""),
        }
