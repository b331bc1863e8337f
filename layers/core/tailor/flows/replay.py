"""Replay: read once more what was put into quarantine, as it is or mended, as of the instant it came in."""

from __future__ import annotations

import json
from typing import Any

from tailor.edges.bus import Queue, envelopes
from tailor.edges.store import Store
from tailor.kernel.document import read_object
from tailor.kernel.errors import Rejected
from tailor.kernel.inbound import Inbound
from tailor.sources import SOURCES


def replay(id: str, store: Store, queue: Queue, *, mended: Any = None) -> int:
    """Queue the events of one quarantined item and drop its row; answers how many they were.

    ``mended`` stands in for the raw item. A replay that is repeated does nothing new: events keep their ids.

    Raises
    ------
    Rejected : no such row (404), or the item is still unusable (422).
    """
    row = next((row for row in store.quarantined(id.partition("/")[0]) if row["id"] == id), None)
    if row is None:
        raise Rejected("there is no such row; list them with GET /api/quarantine?day=", code="not-found", status=404)
    raw = row["raw"] if mended is None else mended
    if row["source"] == "queue":
        # Straight from our own queue, where SES reports and our own envelopes meet; absorb tells them apart.
        queue.put([read_object((raw if isinstance(raw, str) else json.dumps(raw)).encode())])
        count = 1
    else:
        count = _requeue(row, raw, queue, received=_received(id))
    store.unquarantine(id)
    return count


def _requeue(row: dict[str, Any], raw: Any, queue: Queue, *, received: int) -> int:
    source: str = row["source"]
    parsed = SOURCES[source].to_events(_request(source, raw), now=received)
    for refusal, _ in parsed.refused:
        raise Rejected(f"still unusable: {refusal.detail}", code=refusal.code, pointer="/raw", status=422)
    if not parsed.events:
        reason = "; ".join(parsed.ignored) or "there is no event in it"
        raise Rejected(f"still unusable: {reason}", code="nothing-in-it", pointer="/raw", status=422)
    events = [event.to_json() for event in parsed.events]
    queue.put(envelopes(source, row.get("key", ""), events, received=received))
    return len(events)


def _request(source: str, raw: Any) -> Inbound:
    """The request that would hold just this item, in the form in which its source puts items into quarantine."""
    match source, raw:
        case "segment", dict():
            return Inbound("POST", "/v1/batch", {}, json.dumps({"batch": [raw]}).encode())
        case "shopify", {"topic": str(topic), "body": dict(body)}:
            return Inbound("POST", "/sources/shopify/", {"x-shopify-topic": topic}, json.dumps(body).encode())
    raise Rejected(f"{source} has to send this again: too little of it was kept", code="not-kept", status=422)


def _received(id: str) -> int:
    return int(id.partition("/")[2].partition("#")[0])
