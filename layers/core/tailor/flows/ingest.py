"""Ingest: who is it, what do they say, into the queue. Nothing is decided here, so that the answer is fast.

===========================================  ======  ==========================================
what came                                    status  what becomes of it
===========================================  ======  ==========================================
calls, webhooks                              200     events in the queue, unusable ones in quarantine
a signed webhook of which nothing is usable  202     quarantine; providers switch off endpoints that fail
a broken body                                400     nothing
a wrong key or signature                     401     nothing
a route or source we do not have             404     nothing
too much                                     413     nothing
the queue or the ledger is in trouble        503     the sender tries again; every event has its own id
===========================================  ======  ==========================================
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tailor.edges.bus import MESSAGE_BYTES, envelopes
from tailor.kernel.errors import Rejected, Transient
from tailor.kernel.inbound import Inbound, Parsed
from tailor.kernel.keys import digest
from tailor.sources import SOURCES, Source
from tailor.sources.segment import SEGMENT

REQUEST_BYTES = 4 * 1024 * 1024
"""The most any source may send at once; sources may allow less."""
QUARANTINE_CHARACTERS = 100_000
"""A refused item longer than this is kept as the beginning of its text."""

OPEN = {"access-control-allow-origin": "*"}
"""Pages of any origin may send events: what admits them is the write key."""
PREFLIGHT = {
    **OPEN,
    "access-control-allow-methods": "POST, OPTIONS",
    "access-control-allow-headers": "authorization, content-type",
    "access-control-max-age": "86400",
}


@dataclass(frozen=True, slots=True)
class Door:
    """What ingest needs of the world.

    Attributes
    ----------
    key : digest of a source's key → its document ``{"id", "source", ...}``, ``None`` for an unknown one.
    secrets : key id → signing secrets valid now; two while one is being replaced.
    enqueue : puts envelopes into the ingest queue.
    quarantine : keeps rows ``{"source", "key", "reason", "raw"}`` of what could not be used.
    """

    key: Callable[[str], Mapping[str, Any] | None]
    secrets: Callable[[str], Sequence[bytes]]
    enqueue: Callable[[list[dict[str, Any]]], None]
    quarantine: Callable[[list[dict[str, Any]]], None]


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


def ingest(request: Inbound, door: Door, *, now: int) -> Answer:
    """Take one request; every outcome is an :class:`Answer`."""
    if request.method == "OPTIONS":
        return Answer(204, "", PREFLIGHT)
    try:
        source, key = _admit(request, door, now=now)
        parsed = _read(source, request, now=now)
        _hand_over(source, key, parsed, door, now=now)
    except Rejected as error:
        headers = OPEN | {"content-type": "application/problem+json"}
        return Answer(
            error.status, error.problem(), headers | ({"allow": "POST, OPTIONS"} if error.status == 405 else {})
        )
    except Transient as error:
        body = {"type": "about:blank", "title": "Try again", "status": 503, "detail": "not taken; send it again"}
        headers = OPEN | {"content-type": "application/problem+json", "retry-after": str(error.retry_after)}
        return Answer(503, body, headers)
    useless = source.signed and bool(parsed.refused) and not parsed.events
    return Answer(
        202 if useless else 200,
        {"success": True},
        OPEN,
        source.name,
        key,
        len(parsed.events),
        len(parsed.refused),
        parsed.ignored,
    )


def _admit(request: Inbound, door: Door, *, now: int) -> tuple[Source, str]:
    """The source and the id of its key, once the request has proved them."""
    if request.method != "POST":
        raise Rejected("send a POST request", code="bad-method", status=405)
    if len(request.body) > REQUEST_BYTES:
        detail = f"the request has {len(request.body)} bytes, the limit is {REQUEST_BYTES}"
        raise Rejected(detail, code="too-large", status=413)
    match request.path.split("/"):
        case ["", "v1", _]:
            return SEGMENT, _known(SEGMENT, SEGMENT.write_key(request), door)
        case ["", "sources", name, key] if (source := SOURCES.get(name)) and source.signed:
            id = _known(source, key, door)
            _prove(source, request, door.secrets(id), now=now)
            return source, id
    raise Rejected("there is nothing here; post to /v1/batch or /sources/<source>/<key>", code="not-found", status=404)


def _known(source: Source, key: str | None, door: Door) -> str:
    document = door.key(digest(key)) if key else None
    if document is None or document.get("source") != source.name:
        raise Rejected(f"this is no key of a {source.name} source; copy it anew", code="unknown-key", status=401)
    return str(document["id"])


def _prove(source: Source, request: Inbound, secrets: Sequence[bytes], *, now: int) -> None:
    refusal = Rejected("no signing secret is stored for this key", code="no-secret", status=401)
    for secret in secrets:
        try:
            source.verify(request, secret, now=now)
        except Rejected as error:
            refusal = error
        else:
            return
    raise refusal


def _read(source: Source, request: Inbound, *, now: int) -> Parsed:
    """The events; where the sender has signed what cannot be read, the body goes to quarantine as it is."""
    try:
        parsed = source.to_events(request, now=now)
    except Rejected as error:
        if not source.signed:
            raise
        return Parsed(refused=[(error, request.body.decode("utf-8", "replace"))])
    if len(request.body) > MESSAGE_BYTES // 2:
        for event in [event for event in parsed.events if len(json.dumps(event.to_json())) > MESSAGE_BYTES]:
            parsed.events.remove(event)
            refusal = Rejected(f"the event is larger than {MESSAGE_BYTES} bytes", code="too-large", status=413)
            parsed.refused.append((refusal, event.to_json()))
    return parsed


def _hand_over(source: Source, key: str, parsed: Parsed, door: Door, *, now: int) -> None:
    if parsed.events:
        door.enqueue(envelopes(source.name, key, [event.to_json() for event in parsed.events], received=now))
    if parsed.refused:
        door.quarantine([_row(source.name, key, error, raw) for error, raw in parsed.refused])


def _row(source: str, key: str, error: Rejected, raw: Any) -> dict[str, Any]:
    text = json.dumps(raw, ensure_ascii=False)
    kept = raw if len(text) <= QUARANTINE_CHARACTERS else text[:QUARANTINE_CHARACTERS]
    return {"source": source, "key": key, "reason": error.problem(), "raw": kept}
