"""Export: all there is about one person, for that person (GDPR articles 15 and 20).

It is the person's own: what is sensitive, undeclared or serves no purpose is in it too. That makes this module one of
the few that read attributes past the gate; ``tests/test_gate.py`` names them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from html import escape
from typing import Any
from urllib.parse import urlsplit

from tailor.edges.bucket import Bucket
from tailor.edges.duplicates import Duplicates
from tailor.edges.store import QUARANTINE_LIFE, Store
from tailor.flows import rights
from tailor.flows.comb import named
from tailor.flows.erase import find_erasure
from tailor.flows.subscribe import KIND as WEBHOOKS
from tailor.kernel.event import Event
from tailor.kernel.instants import DAY, NEVER, iso
from tailor.kernel.keys import identifier_key
from tailor.kernel.person import Person
from tailor.kernel.program import Program
from tailor.rules.identity import held
from tailor.rules.traces import Traces

FORMAT = "tailor-export/1"
_INTERNAL = frozenset({"id", "version", "marks", "due"})
_WHENS = frozenset({"at", "received", "since", "decided", "entered", "wake", "retry", "due"})


def export(person: Person, store: Store, program: Program, files: Bucket, *, now: int) -> dict[str, Any]:
    """Everything, instants in ISO 8601. ``files`` holds the refused rows of imports.

    Returns
    -------
    ``{"format", "made", "person", "purposes", "recipients", "profile", "merged", "events", "imports", "consent",
    "messages", "told", "suppressed", "disputes", "duplicates", "keys", "unused", "refused", "requests", "erasure"}``:
    ``profile`` holds each field of :class:`tailor.kernel.person.Person`; ``merged`` the same of profiles merged
    into this one, with who and what joined them and who this one was ``before``; ``imports`` the rows of files that
    events came from; ``disputes`` identifiers that more than one person came with; ``duplicates`` profiles that may
    be the same person; ``keys`` the hashes those are found by; ``unused`` what a source sent and we could not read;
    ``refused`` likewise rows of imported files, with the names of files that were too large to be searched;
    ``recipients`` to whom facts are passed on, ``told`` what those were told beyond who it is about.
    """
    duplicates, traces = Duplicates(store), _traces(person)
    events, consents = list(store.events(person)), list(store.consents(person))
    request = find_erasure(person.id, store)
    return {
        "format": FORMAT,
        "made": iso(now),
        "person": person.id,
        "purposes": [
            {"purpose": p.name, "title": p.title, "basis": p.basis, "attributes": sorted(program.permitted[p.name])}
            for p in program.purposes.values()
        ],
        "recipients": [
            {"webhook": id, "host": urlsplit(document["url"]).hostname, "told": document["events"]}
            for id, document in store.definitions(WEBHOOKS).items()
        ],
        "profile": _profile(person),
        "merged": list(_merged(person, store, duplicates)),
        "events": [_told(event.to_json()) for event in events],
        "imports": _imports(events, consents),
        "consent": [_told(row) for row in consents],
        "messages": [_message(row) for row in store.messages(person)],
        "told": [
            {"webhook": webhook, "state": state, "fact": _told(fact)}
            for id in (person.id, *person.aliases)
            for webhook, _, state, fact in store.told(id)
        ],
        "suppressed": [
            {"address": address, "why": why}
            for address in person.identifiers.get("email", [])
            if (why := store.suppressed(address))
        ],
        "disputes": list(_disputes(person, events, store)),
        "duplicates": list(_duplicates(person, duplicates)),
        "keys": [key for id in (person.id, *person.aliases) for key in duplicates.keys_of(id)],
        "unused": [*_unused(traces, store, now)],
        "refused": list(named(traces, store, files)),
        "requests": list(rights.of({person.id, *person.aliases}, store, now=now)),
        "erasure": request.receipt() if request else None,
    }


def _merged(person: Person, store: Store, duplicates: Duplicates) -> Iterator[dict[str, Any]]:
    ids = (person.id, *person.aliases)
    known = {(merge.at, merge.other.id): merge.mine for id in ids for merge in duplicates.merges(id)}
    for at, other in store.merges(person):
        taker = known.get((at, other.id))
        told = duplicates.entry(at, taker.id, other.id) if taker else {}
        yield {
            "at": iso(at),
            "person": other.id,
            **_profile(other),
            "by": told.get("by", "identifiers"),
            "reasons": told.get("reasons", []),
            "before": {"person": taker.id, **_profile(taker)} if taker else None,
        }


def _imports(events: Iterable[Event], consents: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Which rows of which imports are theirs; the name of the file is known where it brought consent."""
    rows: dict[str, set[int]] = {}
    for event in events:
        if event.source == "import" and "import" in event.context:
            rows.setdefault(event.context["import"], set()).add(event.context["row"])
    hows = [row["how"] for row in consents if isinstance(row.get("how"), dict) and "import" in row["how"]]
    files = {how["import"]: how.get("file") for how in hows}
    return [{"import": id, "file": files.get(id), "rows": sorted(theirs)} for id, theirs in sorted(rows.items())]


def _disputes(person: Person, events: Iterable[Event], store: Store) -> Iterator[dict[str, Any]]:
    """Identifiers of theirs that others came with, and those they came with that are somebody else's."""
    mine, ids = held(person), {person.id, *person.aliases}
    shared = store.claims(mine, consistent=True).shared
    for one in dict.fromkeys([*mine, *(one for event in events for one in event.identifiers)]):
        rivals = store.rivals(identifier_key(one.kind, one.value))
        if rivals and (one in mine or ids & set(rivals)):
            yield {
                "kind": one.kind,
                "value": one.value,
                "holder": "this person" if one in mine else "somebody else",
                "rivals": len(rivals),
                "shared": one in shared,
            }


def _duplicates(person: Person, duplicates: Duplicates) -> Iterator[dict[str, Any]]:
    for id in (person.id, *person.aliases):
        for pair in duplicates.pairs_of(id):
            yield {
                "person": id,
                "other": pair.other if pair.one == id else pair.one,
                "state": pair.state,
                "weight": pair.weight,
                "reasons": pair.reasons,
                "by": pair.by,
                "at": iso(pair.at),
            }


def _profile(person: Person) -> dict[str, Any]:
    out = {f.name: getattr(person, f.name) for f in fields(person) if f.name not in _INTERNAL}
    whens = {name: {key: iso(at) for key, at in out[name].items()} for name in ("written", "memberships")}
    return (
        out
        | whens
        | {
            "consent": _choices(person.consent),
            "history": {name: _entry(*entry) for name, entry in person.history.items()},
            "orders": {key: _order(*entry) for key, entry in person.orders.items()},
            "purchases": {name: iso(at) for name, at in person.purchases.items()},
            "finished": {
                key: {"entered": iso(a), "ended": iso(b), "how": how} for key, (a, b, how) in person.finished.items()
            },
            "enrolments": {key: _told(value) for key, value in person.enrolments.items()},
            "owed": {key: _told(value) for key, value in person.owed.items()},
            "voices": {key: _choices(said) for key, said in person.voices.items()},
            "letters": {key: {"at": iso(at), "topic": topic} for key, (at, topic) in person.letters.items()},
            "offers": {key: {"run": iso(run), "lap": lap} for key, (run, lap) in person.offers.items()},
            "decided": iso(person.decided),
            "due": iso(person.due) if person.due < NEVER else None,
        }
    )


def _choices(said: Mapping[str, Any]) -> dict[str, Any]:
    return {key: {"grant": grant, "at": iso(at), "source": source} for key, (grant, at, source) in said.items()}


def _entry(count: int, times: list[int], values: list[Any] | None = None) -> dict[str, Any]:
    return {"count": count, "last": [iso(at) for at in times], **({"values": values} if values else {})}


def _order(at: int, total: str, currency: str, *categories: str) -> dict[str, Any]:
    more = {"categories": list(categories)} if categories else {}
    return {"at": iso(at), "total": total, "currency": currency, **more}


def _told(document: Mapping[str, Any]) -> dict[str, Any]:
    return {k: iso(v) if k in _WHENS and isinstance(v, int) else v for k, v in document.items()}


def _message(row: Mapping[str, Any]) -> dict[str, Any]:
    inner = ("pk", "sk", "rank", "owner")
    out = {k: v for k, v in row.items() if k not in inner}
    return {k: iso(v) if k.endswith("_at") or k == "entered" else v for k, v in out.items()}


def _traces(person: Person) -> Traces:
    mine = held(person)
    return Traces({identifier_key(one.kind, one.value): person.id for one in mine}, {one.kind for one in mine})


def _unused(traces: Traces, store: Store, now: int) -> Iterator[dict[str, Any]]:
    for day in range(now - QUARANTINE_LIFE - DAY, now + DAY, DAY):
        for row in store.quarantined(iso(day)[:10]):
            if traces.of(row):
                yield {
                    "id": row["id"],
                    "at": iso(row["at"]),
                    "source": row["source"],
                    "reason": row["reason"],
                    "raw": row["raw"],
                }


TITLES = {
    "profile": "What we know",
    "purposes": "What it is used for",
    "recipients": "Who else is told",
    "consent": "What you agreed to",
    "messages": "What we wrote to you",
    "events": "What happened",
    "merged": "Profiles that were found to be yours",
    "imports": "Files that told us about you",
    "disputes": "Identifiers that others use as well",
    "duplicates": "Profiles that may be yours",
    "keys": "Hashes by which those are found",
    "suppressed": "Addresses we never write to",
    "told": "What others were told about you",
    "unused": "What we were sent and could not read",
    "refused": "Rows of files that we could not read",
    "requests": "What you asked of us",
    "erasure": "Your request to be erased",
}
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><meta name="robots" content="noindex"><title>Your data</title>
<style>
:root {{ color-scheme: light dark; --ink: #1d2321; --paper: #f6f4ef; --line: #cfd6d0 }}
@media (prefers-color-scheme: dark) {{ :root {{ --ink: #e9ece8; --paper: #151917; --line: #46504a }} }}
body {{ margin: 0 auto; max-width: 56rem; padding: 2rem 1.25rem; font: 1rem/1.55 system-ui, sans-serif;
  color: var(--ink); background: var(--paper) }}
h1 {{ font-size: 1.6rem }} h2 {{ font-size: 1.2rem; margin-top: 2.5rem; border-bottom: 2px solid var(--line) }}
dl {{ margin: 0 }} dl dl, dl ol {{ margin: 0; padding: 0 0 0 1rem; border-left: 2px solid var(--line) }}
dt {{ font-weight: 600; margin-top: .4rem }} dd {{ margin: 0; overflow-wrap: anywhere }}
ol {{ padding-left: 1.5rem }} li {{ margin: .6rem 0; padding-bottom: .6rem; border-bottom: 1px solid var(--line) }}
</style></head>
<body><main><h1>Your data</h1><p>Everything we hold about you, as of {made}.</p>{body}</main></body></html>"""


def page(exported: Mapping[str, Any]) -> str:
    """An export as a page that a person can read."""
    body = "".join(f"<h2>{title}</h2>{_html(exported[name])}" for name, title in TITLES.items())
    return _PAGE.format(made=escape(str(exported["made"])), body=body)


def _html(value: Any) -> str:
    match value:
        case None | "" | []:
            return "<span>none</span>"
        case dict() if not value:
            return "<span>none</span>"
        case dict():
            inner = "".join(f"<dt>{escape(str(k))}</dt><dd>{_html(v)}</dd>" for k, v in value.items())
            return f"<dl>{inner}</dl>"
        case list() if all(not isinstance(one, (dict, list)) for one in value):
            return escape(", ".join(str(one) for one in value))
        case list():
            return f"<ol>{''.join(f'<li>{_html(one)}</li>' for one in value)}</ol>"
        case bool():
            return "yes" if value else "no"
        case _:
            return escape(str(value))
