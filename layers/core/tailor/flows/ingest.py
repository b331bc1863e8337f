"""Ingest: who is it, what do they say, into the queue. Nothing is decided here, so that the answer is fast.

===========================================  ======  ==========================================
what came                                    status  what becomes of it
===========================================  ======  ==========================================
calls, webhooks                              200     events in the queue, unusable ones in quarantine
a vendor's trial of the door                 200     a line in the log
a signed webhook of which nothing is usable  202     quarantine; providers switch off endpoints that fail
a broken body                                400     nothing
a wrong key or signature                     401     nothing
a route or source we do not have             404     nothing
too much at once                             413     nothing
too often                                    429     nothing; the sender is told when to come again
the queue or the ledger is in trouble        503     the sender tries again; every event has its own id
===========================================  ======  ==========================================
"""

from __future__ import annotations

import json
import zlib
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, NamedTuple

from tailor.edges.bus import MESSAGE_BYTES, envelopes
from tailor.edges.store import EVENT_BYTES
from tailor.kernel.errors import Rejected, Transient
from tailor.kernel.inbound import Inbound, Parsed
from tailor.kernel.keys import digest
from tailor.kernel.proof import IN_QUERY
from tailor.rules.signals import of_gpc
from tailor.sources import ANSWERS, BY_GET, GREETINGS, HEADERS, SOURCES, Source, read
from tailor.sources.segment import SEGMENT

REQUEST_BYTES = 4 * 1024 * 1024
"""The most any source may send at once; sources may allow less."""
RATE = 500
"""Requests a second by one key, unless the key says otherwise."""

SWELLING = 16
"""Events are never so many times larger than the request they came in."""

OPEN = {"access-control-allow-origin": "*"}
"""Pages of any origin may send events: what admits them is the write key."""
PREFLIGHT = {
    **OPEN,
    "access-control-allow-methods": "POST, OPTIONS",
    "access-control-allow-headers": "authorization, content-type",
    "access-control-max-age": "86400",
}
TAKEN = {"success": True}


@dataclass(frozen=True, slots=True)
class Door:
    """What ingest needs of the world.

    Attributes
    ----------
    key : digest of a source's key → its document ``{"id", "source", "rate", ...}``, ``None`` for an unknown one.
    secrets : key id → signing secrets valid now; two while one is being replaced.
    enqueue : puts envelopes into the ingest queue.
    quarantine : keeps rows ``{"source", "key", "reason", "raw", "request"}`` of what could not be used; the same row
        twice is one.
    wait : key id, requests a second it may make → seconds until it may come again, 0 for at once.
    fetch : key id, numbers of contacts of which nothing but a change is known, to be read at the vendor's.
    """

    key: Callable[[str], Mapping[str, Any] | None]
    secrets: Callable[[str], Sequence[bytes]]
    enqueue: Callable[[list[dict[str, Any]]], None]
    quarantine: Callable[[list[dict[str, Any]]], None]
    wait: Callable[[str, int], int]
    fetch: Callable[[str, list[str]], None] = lambda key, numbers: None


@dataclass(slots=True)
class Answer:
    """The answer to the sender, and what to count: ``source`` and ``key`` are ids, ``""`` for a stranger."""

    status: int
    body: Mapping[str, Any] | str
    headers: Mapping[str, str]
    source: str = ""
    key: str = ""
    taken: int = 0
    refused: int = 0
    ignored: list[str] = field(default_factory=list)


class Caller(NamedTuple):
    """Who was let in: the source, the id of its key, how often it may come, and why it tries the door, if it does."""

    source: Source
    key: str
    rate: int
    greeting: str = ""


def ingest(request: Inbound, door: Door, *, now: int) -> Answer:
    """Take one request; every outcome is an :class:`Answer`."""
    if request.method == "OPTIONS":
        return Answer(204, "", PREFLIGHT)
    try:
        caller = _admit(request, door, now=now)
        if wait := door.wait(caller.key, caller.rate):
            return _later(429, "too many requests by this key; send it again later", wait)
        parsed = Parsed(ignored=[caller.greeting]) if caller.greeting else _read(caller.source, request, now=now)
        _heed_gpc(request, parsed)
        _hand_over(caller, request, parsed, door, now=now)
    except Rejected as error:
        allow = {"allow": "POST, OPTIONS"} if error.status == 405 else {}
        return Answer(error.status, error.problem(), OPEN | {"content-type": "application/problem+json"} | allow)
    except Transient as error:
        return _later(503, "not taken; send it again", error.retry_after)
    return _taken(caller, parsed)


def _later(status: int, detail: str, seconds: int) -> Answer:
    body = {"type": "about:blank", "title": "Try again", "status": status, "detail": detail}
    return Answer(status, body, OPEN | {"content-type": "application/problem+json", "retry-after": str(seconds)})


def _taken(caller: Caller, parsed: Parsed) -> Answer:
    """The answer in the vendor's own words where it has any, and listens to nothing else."""
    counts = (caller.source.name, caller.key, len(parsed.events), len(parsed.refused), parsed.ignored)
    if caller.source.name in ANSWERS:
        kind, said = ANSWERS[caller.source.name]
        return Answer(200, said, OPEN | {"content-type": kind}, *counts)
    useless = caller.source.signed and bool(parsed.refused) and not parsed.events
    return Answer(202 if useless else 200, TAKEN, OPEN, *counts)


def _admit(request: Inbound, door: Door, *, now: int) -> Caller:
    """Who sends, once the request has proved it, or only tries the door."""
    if len(request.body) > REQUEST_BYTES:
        detail = f"the request has {len(request.body)} bytes, the limit is {REQUEST_BYTES}"
        raise Rejected(detail, code="too-large", status=413)
    match request.path.split("/"):
        case ["", "v1", _]:
            _check_method(request)
            return _known(SEGMENT, SEGMENT.write_key(request), door)
        case ["", "sources", name, key] if (source := SOURCES.get(name)) and source.signed:
            _check_method(request, by_get=name in BY_GET)
            caller = _known(source, key, door)
            if name in GREETINGS and (greeting := GREETINGS[name](request)):
                return Caller(source, caller.key, caller.rate, greeting)
            _prove(source, request, door.secrets(caller.key), now=now)
            return caller
    _check_method(request)
    raise Rejected("there is nothing here; post to /v1/batch or /sources/<source>/<key>", code="not-found", status=404)


def _check_method(request: Inbound, *, by_get: bool = False) -> None:
    if request.method != "POST" and not (by_get and request.method in ("GET", "HEAD")):
        raise Rejected("send a POST request", code="bad-method", status=405)


def _known(source: Source, key: str | None, door: Door) -> Caller:
    document = door.key(_fingerprint(key)) if key else None
    if document is None or document.get("source") != source.name:
        raise Rejected(f"this is no key of a {source.name} source; copy it anew", code="unknown-key", status=401)
    return Caller(source, str(document["id"]), int(document.get("rate", RATE)))


@lru_cache(1024)
def _fingerprint(key: str) -> str:
    return digest(key)


def _prove(source: Source, request: Inbound, secrets: Sequence[bytes], *, now: int) -> None:
    refusal = None
    for secret in secrets:
        try:
            source.verify(request, secret, now=now)
        except Rejected as error:
            refusal = error
        else:
            return
    raise refusal or Rejected("no signing secret is stored for this key", code="no-secret", status=401)


def _read(source: Source, request: Inbound, *, now: int) -> Parsed:
    """The events; where the sender has signed what cannot be read, the body goes to quarantine as it is."""
    try:
        parsed = read(source, request, now=now)
    except Rejected as error:
        if not source.signed:
            raise
        return Parsed(refused=[(error, _whole(request.body))])
    if len(request.body) > MESSAGE_BYTES // 2:
        for event in [event for event in parsed.events if _too_large(event.to_json())]:
            parsed.events.remove(event)
            refusal = Rejected("the event is too large to be stored", code="too-large", status=413)
            parsed.refused.append((refusal, event.to_json()))
    return parsed


def _too_large(event: dict[str, Any]) -> bool:
    written = json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")
    return len(written) > EVENT_BYTES and len(zlib.compress(written)) > EVENT_BYTES


def _whole(body: bytes) -> Any:
    """A body that can be read again byte for byte."""
    try:
        return body.decode()
    except UnicodeDecodeError:
        return {"base64": b64encode(body).decode()}


def _heed_gpc(request: Inbound, parsed: Parsed) -> None:
    """A browser that says Global Privacy Control opts out whoever uses it (CCPA regulations, section 7025)."""
    if opted_out := of_gpc(request.headers):
        parsed.events = [
            replace(event, consent=(*event.consent, *opted_out), context={**event.context, "gpc": True})
            for event in parsed.events
        ]


def _hand_over(caller: Caller, request: Inbound, parsed: Parsed, door: Door, *, now: int) -> None:
    name = caller.source.name
    if parsed.events:
        told = [event.to_json() for event in parsed.events]
        small = len(request.body) < MESSAGE_BYTES // SWELLING
        door.enqueue(envelopes(name, caller.key, told, received=now, small=small))
        if numbers := _nameless(name, parsed):
            door.fetch(caller.key, numbers)
    if parsed.refused:
        row = {"source": name, "key": caller.key, **_circumstances(name, request)}
        door.quarantine([{**row, "reason": error.problem(), "raw": raw} for error, raw in parsed.refused])


def _nameless(source: str, parsed: Parsed) -> list[str]:
    """Numbers of HubSpot's contacts of whom a notification says no more than that they changed."""
    if source != "hubspot":
        return []
    alone = [event for event in parsed.events if event.kind == "identify" and len(event.identifiers) == 1]
    return list(dict.fromkeys(event.identifiers[0].value.rpartition(":")[2] for event in alone))


def _circumstances(source: str, request: Inbound) -> dict[str, Any]:
    """What is needed beside the body to read it again, without what proves the sender."""
    query = {name: value for name, value in request.query.items() if name not in IN_QUERY}
    kept = ("content-encoding", *HEADERS.get(source, ()))
    headers = {name: request.headers[name] for name in kept if request.headers.get(name)}
    about = {"query": query, "headers": headers, "method": "" if request.method == "POST" else request.method}
    said = {part: value for part, value in about.items() if value}
    return {"request": said} if said else {}
