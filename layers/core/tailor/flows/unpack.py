"""Unpack: what a record of the ingest queue holds. Several doors lead there, and each leaves its own mark:

* an envelope of our own door, with events in it, or with a claim on a larger one that lies in S3;
* an event of a bus: SES's from the account's own, Salesforce's from its partner bus;
* a report of SES that SNS delivered raw.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tailor.kernel.errors import Rejected
from tailor.kernel.event import Event
from tailor.kernel.inbound import Inbound
from tailor.sources import SOURCES, read

ENVELOPE = '{"source":'
"""How envelopes begin, and nothing else does."""
PARTNERS = {"aws.partner/salesforce.com": "salesforce"}
"""Beginning of an event's source on a partner bus → ours."""


@dataclass(slots=True)
class Unpacked:
    """``events`` to absorb, ``rows`` for the quarantine, reasons for what was ``ignored``, and the ``claim`` they were
    under, which nobody needs once they are absorbed."""

    events: list[Event] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    claim: str = ""


def unpack(record: str, *, claimed: Callable[[str], str | None], now: int) -> Unpacked:
    """Read one record; what cannot be used is a row for the quarantine. ``claimed(key)`` fetches what a claim is on,
    ``None`` where nothing is any more: queues deliver twice, and the first time it was absorbed."""
    if record.startswith(ENVELOPE):
        envelope = json.loads(record)
        claim = str(envelope.get("claim", ""))
        if claim:
            text = claimed(claim)
            if text is None:
                return Unpacked(ignored=["what was claimed has been absorbed"])
            envelope = json.loads(text)
        return Unpacked([Event.from_json(raw) for raw in envelope["events"]], claim=claim)
    source = _source(record)
    try:
        parsed = read(SOURCES[source], Inbound("POST", "/", {}, record.encode("utf-8", "surrogatepass")), now=now)
    except Rejected as refusal:
        return Unpacked(rows=[{"source": source, "reason": refusal.problem(), "raw": record}])
    rows = [{"source": source, "reason": refusal.problem(), "raw": raw} for refusal, raw in parsed.refused]
    return Unpacked(parsed.events, rows, parsed.ignored)


def _source(record: str) -> str:
    """Whose event a record that is no envelope is; what says nothing of the kind is SES's."""
    if '"aws.partner/' in record[:2_000]:
        try:
            said = str(json.loads(record).get("source"))
        except (ValueError, AttributeError, RecursionError):
            return "ses"
        return next((ours for beginning, ours in PARTNERS.items() if said.startswith(beginning)), "ses")
    return "ses"
