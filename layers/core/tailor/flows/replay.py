"""Replay: read once more what was put into quarantine, as it is or mended, as of the instant it came in."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from tailor.edges.bus import Queue, envelopes
from tailor.edges.store import Store
from tailor.kernel.document import read_object
from tailor.kernel.errors import Rejected
from tailor.kernel.event import Event
from tailor.kernel.inbound import Inbound
from tailor.sources import SOURCES, read


def replay(id: str, store: Store, queue: Queue, *, mended: Any = None) -> int:
    """Queue the events of one quarantined item and drop its row; answers how many they were.

    ``mended`` stands in for the raw item. A replay that is repeated does nothing new: events keep their ids.

    Raises
    ------
    Rejected : no such row (404), or the item is still unusable (422).
    """
    row = store.quarantined_row(id)
    if row is None:
        raise Rejected("there is no such row; list them with GET /api/quarantine", code="not-found", status=404)
    raw = row["raw"] if mended is None else mended
    if row["source"] == "queue":
        # Straight from our own queue, where SES reports and our own envelopes meet; absorb tells them apart.
        queue.put([read_object((raw if isinstance(raw, str) else json.dumps(raw)).encode())])
        count = 1
    else:
        events = again(row, raw)
        told = [event.to_json() for event in events]
        queue.put(envelopes(row["source"], row.get("key", ""), told, received=row["at"]))
        count = len(events)
    store.unquarantine(id)
    return count


def again(row: Mapping[str, Any], raw: Any) -> list[Event]:
    """The events of one row of the quarantine, ``raw`` being what is to be read.

    Raises
    ------
    Rejected : it is still unusable (422).
    """
    if row["source"] not in SOURCES:
        detail = "only the sender can try this again: mend what the reason says, then send it anew"
        raise Rejected(detail, code="not-kept", status=422)
    try:
        parsed = read(SOURCES[row["source"]], request_of(row, raw), now=row["at"])
        for refusal, _ in parsed.refused:
            raise refusal
    except Rejected as refusal:
        raise Rejected(f"still unusable: {refusal.detail}", code=refusal.code, pointer="/raw", status=422) from refusal
    if not parsed.events:
        reason = "; ".join(parsed.ignored) or "there is no event in it"
        raise Rejected(f"still unusable: {reason}", code="nothing-in-it", pointer="/raw", status=422)
    return parsed.events


def request_of(row: Mapping[str, Any], raw: Any) -> Inbound:
    """The request that would hold just this item.

    A whole body is text (or its base64); anything else is one item, as its source hands it over.
    """
    said = row.get("request", {})
    headers, query = dict(said.get("headers", {})), dict(said.get("query", {}))
    method, path = said.get("method", "POST"), f"/sources/{row['source']}/"
    if isinstance(raw, str):
        return Inbound(method, path, headers, raw.encode("utf-8", "surrogatepass"), query)
    if isinstance(raw, dict) and raw.keys() == {"base64"}:
        return Inbound(method, path, headers, b64decode(raw["base64"]), query)
    headers.pop("content-encoding", None)
    match row["source"], raw:
        case "segment", _:
            return Inbound("POST", "/v1/batch", {}, json.dumps({"batch": [raw]}).encode())
        case "mailchimp", dict():
            return Inbound("POST", path, headers, urlencode(raw).encode(), query)
        case "shopify" | "woocommerce", {"topic": str(topic), "body": body}:
            header = {"shopify": "x-shopify-topic", "woocommerce": "x-wc-webhook-topic"}[row["source"]]
            return Inbound("POST", path, {header: topic, **headers}, json.dumps(body).encode(), query)
    # The item alone: the URL's pointer to the list of them leads nowhere in it.
    query.pop("items", None)
    return Inbound("POST", path, headers, json.dumps(raw).encode(), query)
