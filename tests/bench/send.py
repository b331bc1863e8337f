"""Letters through the real handler of ``send``: read, decide, render, build, claim, hand over, record.

SES answers at once, and so does DynamoDB, both in another process over the real botocore. 100 people, a letter of 15
KB, every second reader permits to be counted. Batches are of 25, as the queue gives them. What a letter costs in units
is counted over its whole life: owed by a campaign, sent, reported sent and delivered.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from itertools import batched
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from bench.absorb import _handler
from bench.fake_dynamo import Endpoint, endpoint
from bench.measure import medians
from bench.startup import ENVIRONMENT
from simulation import CALM, Simulation
from tailor.edges import runtime
from tailor.edges.store import Write
from tailor.kernel.person import Person
from tailor.rules import prices
from tailor.rules.pressing import finished

PEOPLE = 100
ROUNDS = 9
EVERY = 200
"""Letters a round."""
NOW = 1_795_500_000_000
CARD = """
<tr><td style="padding:16px 24px;border:1px solid #d8dcd6;background:#ffffff">
  <h2 style="margin:0 0 6px;font:700 19px/25px Georgia,serif;color:#1d2321">Thing number {number}</h2>
  <p style="margin:0;font:400 16px/25px Arial,sans-serif;color:#33403a">{opening} What we keep for you stays at this
  price until Sunday evening. <a href="https://shop.example/things/{number}?from=letter&amp;place=card">Look</a></p>
</td></tr>"""
CONTEXT = SimpleNamespace(get_remaining_time_in_millis=lambda: 60_000)


def run() -> dict[str, float]:
    """``send_messages_per_s_core``, ``wru_per_message``, ``usd_per_million_messages`` and what they are made of."""
    with endpoint() as cloud, sender(cloud) as send:
        send(_batches(-1, 25)[0])
        cloud.usage()
        for batch in _batches(-2, 100):
            send(batch)
        requests = cloud.usage().requests / 100
        rounds = [_batches(round, EVERY) for round in range(ROUNDS + 1)]
        (ns,) = medians([lambda round: [send(batch) for batch in rounds[round]]], rounds=ROUNDS)
    wru, rru = units()
    each = ns / EVERY / 1e9
    # SES takes 50 ms, 25 letters at once; whatever owes and reports takes about as long.
    usd = 1e6 * sum(prices.letter(wru, rru, each + 0.002 + 0.002).values())
    return {
        "send_messages_per_s_core": 1 / each,
        "requests_per_message": requests,
        "wru_per_message": wru,
        "rru_per_message": rru,
        "usd_per_million_messages": usd,
    }


def units(people: int = 500) -> tuple[float, float]:
    """(WRU, RRU) of a letter over its life."""
    simulation = Simulation(people, rate=50, hazards=CALM)
    simulation.memory.reckon()
    report = simulation.run()
    return simulation.memory.wru / report.sent, simulation.memory.rru / report.sent


@contextmanager
def sender(cloud: Endpoint) -> Iterator[Callable[[Any], None]]:
    """The handler, with programme and people stored."""
    settings = {
        "AWS_ENDPOINT_URL": cloud.url,
        "SEND_QUEUE_URL": "send",
        "BROADCAST_QUEUE_URL": "broadcast",
        "SEND_WORKERS": "2",
        "PUBLIC_URL": "https://mail.shop.example",
        "CONFIGURATION_SET": "tailor",
    }
    with (
        patch.dict(os.environ, ENVIRONMENT | settings),
        patch.object(runtime, "signing_keys", lambda: {"k1": b"key" * 10}),
        Path(os.devnull).open("w") as nowhere,
    ):
        _forget()
        store = runtime.store()
        document = {"name": "bench", "sender": {"from": "Shop <hello@shop.example>", "postal_address": "1 High Street"}}
        letter = {"subject": "{first_name}, for you", "preheader": "Things chosen for {city}", "html": source(29)}
        store.define("programme", "bench", finished({**document, "templates": {"things": letter}}))
        store.write([Write(_person(number)) for number in range(PEOPLE)], now=NOW)
        handler = _handler("send")

        def send(batch: Any) -> None:
            with redirect_stdout(nowhere):
                answer = handler(batch, CONTEXT)
            if answer["batchItemFailures"]:
                raise RuntimeError("send gave letters back")

        try:
            yield send
        finally:
            _forget()


def _person(number: int) -> Person:
    attributes = {"first_name": f"Zoë {number}", "city": "Łódź", "interests": ["outdoor", "tea"] if number % 3 else []}
    consent = {"marketing": ["granted", NOW, "segment"]} | (
        {"analytics": ["granted", NOW, "segment"]} if number % 2 else {}
    )
    return Person(f"p_{number}", 1, {"email": [f"person{number}@customer.example"]}, attributes, consent=consent)


def source(cards: int) -> str:
    """The HTML of a letter of that many cards, every third of them for some people only."""
    body = []
    for number in range(cards):
        opening = ("Dear {{ first_name }},", "Fit for {{ city }}:", "Chosen by hand:")[number % 3]
        card = CARD.replace("{opening}", opening).replace("{number}", str(number))
        body.append("{% if user.interests contains 'outdoor' %}" + card + "{% endif %}" if number % 3 == 2 else card)
    return (
        '<!doctype html><html lang="en"><head><title>Things</title></head><body><table role="presentation"><tbody>'
        f"{''.join(body)}</tbody></table>"
        '<p>{{ postal_address }} <a href="{{ unsubscribe_url }}">No more</a></p></body></html>'
    )


def _batches(round: int, letters_: int) -> list[Any]:
    owed = [
        {
            "message": f"m_{round}_{number}",
            "person": f"p_{number % PEOPLE}",
            "journey": "come-back",
            "step": 0,
            "template": "things",
            "entered": NOW,
            "at": NOW,
            "cause": "segment_entered:lost-view",
        }
        for number in range(letters_)
    ]
    return [{"Records": [_record(one) for one in some]} for some in batched(owed, 25, strict=True)]


def _record(owed: dict[str, Any]) -> dict[str, str]:
    arn = "arn:aws:sqs:eu-west-1:123456789012:send"
    return {"messageId": owed["message"], "receiptHandle": "r", "eventSourceARN": arn, "body": json.dumps(owed)}


def _forget() -> None:
    for part in (runtime.client, runtime.store, runtime.mailer, runtime.send_queue, runtime.broadcast_queue):
        part.cache_clear()
    runtime._CACHE.clear()
    runtime._PACES.clear()
