"""Relay: the people table's stream is the outbox. What a write carried goes to the bus and to the send queue.

A record may come again: facts carry the person's version, by which outsiders recognise a repeat, and a message has one
row in the send ledger, however often it is handed over.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tailor.edges.bus import Facts, Queue
from tailor.kernel.errors import Transient
from tailor.rules.effects import unpack_outbox


def relay(
    records: Sequence[Mapping[str, Any]], facts: Facts, sends: Queue, broadcasts: Callable[[], Queue]
) -> list[str]:
    """Hand over the outboxes of stream records, in order.

    Returns
    -------
    The sequence number of the first record that failed, if one did: a stream comes again from there.
    """
    for record in records:
        image = record["dynamodb"].get("NewImage", {})
        if "fx" not in image:
            continue
        told, owed = unpack_outbox(b64decode(image["fx"]["B"]))
        version = int(image["v"]["N"])
        try:
            sends.put(one for one in owed if not _broadcast(one))
            if waiting := [one for one in owed if _broadcast(one)]:
                broadcasts().put(waiting)
            facts.publish({**fact, "version": version} for fact in told)
        except Transient:
            return [record["dynamodb"]["SequenceNumber"]]
    return []


def _broadcast(owed: Mapping[str, Any]) -> bool:
    """Whether a letter goes by the lane of broadcasts; a test of a campaign is somebody's who waits for it."""
    return bool(owed.get("campaign")) and not owed.get("test")
