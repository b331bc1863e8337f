"""Notify: facts from the bus to webhooks, each told until it is taken, or for most of a day.

A fact is first entered for every webhook that wants it, under a name made of what it says, so that a repeat on the bus
is no second delivery. Each delivery then has a queue message of its own, so that one slow endpoint holds up nobody;
the queue's visibility is the back-off. Receivers put a person's facts in order by ``sequence``, the version of the
person that told them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tailor.edges.bus import Facts, Queue
from tailor.edges.outside import Outside
from tailor.edges.store import Store
from tailor.flows.subscribe import CALL, KIND, wanted
from tailor.kernel.document import canonical
from tailor.kernel.errors import Rejected, Transient
from tailor.kernel.keys import digest
from tailor.kernel.proof import signature

BACK_OFF = (30, 120, 600, 1_800, 7_200, 21_600, 39_600)
"""Seconds between attempts; with the last one, one more attempt than there are entries is made, over 20 hours."""
FAILURES = 50
"""Attempts failed in a row, whatever they were about, after which a webhook is disabled."""


@dataclass(slots=True)
class Desk:
    """What telling needs. ``secrets`` answers the signing secrets of a webhook, the newest first."""

    store: Store
    queue: Queue
    facts: Facts
    outside: Outside
    secrets: Callable[[str], tuple[bytes, ...]]


@dataclass(frozen=True, slots=True)
class Told:
    """What became of a delivery: ``DELIVERED``, ``FAILED``, ``HELD`` (the webhook is disabled), ``GONE`` or
    ``RETRY``, then ``after`` so many seconds."""

    state: str
    why: str = ""
    after: int = 0


def fan_out(fact: Mapping[str, Any], desk: Desk) -> int:
    """Enter a fact for every webhook that wants it, and queue it for each; answers for how many.

    What a journey tells of somebody who has been erased meanwhile is told to nobody.
    """
    about = fact["person"] if fact["name"] == CALL else ""
    if about and desk.store.person(about, consistent=True) is None:
        return 0
    delivery = f"{fact['at']:013d}#{digest(canonical(fact), size=10)}"
    webhooks = [id for id, d in desk.store.definitions(KIND).items() if wanted(fact, d["events"])]
    for id in webhooks:
        desk.store.open_delivery(id, delivery, fact, about=about)
    desk.queue.put({"webhook": id, "delivery": delivery} for id in webhooks)
    return len(webhooks)


def tell(webhook: str, delivery: str, desk: Desk, *, again: bool, attempt: int, now: int) -> Told:
    """One attempt at one delivery; ``attempt`` counts from 1, ``again`` repeats one that was taken."""
    known, row = desk.store.definition(KIND, webhook), desk.store.delivery(webhook, delivery)
    if known is None or row is None:
        return Told("GONE")
    state, fact = row
    if state == "DELIVERED" and not again:
        return Told("DELIVERED")
    if not known["enabled"]:
        desk.store.settle_delivery(webhook, delivery, "HELD")
        return Told("HELD")
    body = _body(delivery, fact)
    try:
        status = desk.outside.post(known["url"], body, _headers(fact, delivery, body, desk.secrets(webhook), now))
        why = "" if 200 <= status < 300 else f"HTTP {status}"
    except (Rejected, Transient) as error:
        why = str(error)
    if not why:
        desk.store.settle_delivery(webhook, delivery, "DELIVERED")
        desk.store.reset(KIND, webhook)
        return Told("DELIVERED")
    if desk.store.tally(KIND, webhook) >= FAILURES:
        _disable(webhook, known, why, desk, now)
        desk.store.settle_delivery(webhook, delivery, "HELD", why=why)
        return Told("HELD", why)
    if attempt <= len(BACK_OFF):
        return Told("RETRY", why, BACK_OFF[attempt - 1])
    desk.store.settle_delivery(webhook, delivery, "FAILED", why=why)
    return Told("FAILED", why)


def _disable(webhook: str, document: Mapping[str, Any], why: str, desk: Desk, now: int) -> None:
    told = f"{FAILURES} attempts in a row failed, the last with: {why}"
    desk.store.define(KIND, webhook, {**document, "enabled": False, "why": told})
    desk.facts.publish([{"name": "webhook.disabled", "at": now, "webhook": webhook, "why": told}])


def _body(delivery: str, fact: Mapping[str, Any]) -> bytes:
    told = {name: value for name, value in fact.items() if name not in ("name", "version")}
    body = {"id": delivery, "event": fact["name"], "sequence": fact.get("version"), "data": told}
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()


def _headers(
    fact: Mapping[str, Any], delivery: str, body: bytes, secrets: tuple[bytes, ...], now: int
) -> dict[str, str]:
    stamp = str(now // 1000)
    proofs = [f"v1={signature(secret, f'{stamp}.'.encode() + body)}" for secret in secrets]
    return {
        "Content-Type": "application/json",
        "User-Agent": "Tailor",
        "Tailor-Event": fact["name"],
        "Tailor-Delivery": delivery,
        "Tailor-Signature": ",".join([f"t={stamp}", *proofs]),
    }
