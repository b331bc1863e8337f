"""Events through the real handler of ``absorb`` and the real botocore, against an endpoint in another process.

100 people known by user id and anonymous id, 50 events behind each, 200 segments in force; every queue record holds
one event of about 1 KB, of a random one of them. Definitions are in memory, as they are for a minute after each
reading. Beside it the naive worker takes the same kind of events in the same rounds.
"""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from itertools import batched
from pathlib import Path
from typing import Any
from unittest.mock import patch

from bench import population
from bench.deployment import ROOT
from bench.fake_dynamo import Endpoint, Usage, endpoint
from bench.measure import medians
from bench.naive import Naive, call
from bench.startup import ENVIRONMENT
from tailor.edges import runtime
from tailor.flows.absorb import absorb
from tailor.kernel.event import Event
from tailor.kernel.keys import new_id
from tailor.kernel.person import Person
from tailor.rules.step import step

ROUNDS = 7
EVENTS = {1: 50, 10: 200, 100: 500}
"""Records an invocation → events a round; few, lest the people grow much beyond the history they have."""
NAIVE_EVENTS = 100
COUNTED_BATCHES = 10
COUNTED_ROUND = -1

Sqs = dict[str, Any]
Worker = Callable[[Sqs], object]


def run(*, rounds: int = ROUNDS) -> dict[str, float]:
    """Count requests and units, then measure CPU."""
    with endpoint() as cloud, tailor(cloud) as ours:
        usage = count(cloud, ours, COUNTED_BATCHES)
        theirs = naive(cloud)
        inputs = [(theirs, _rounds(NAIVE_EVENTS, 100, rounds, _as_call))]
        inputs += [(ours, _rounds(events, size, rounds, _as_envelope)) for size, events in EVENTS.items()]
        naive_ns, *own_ns = medians([_worked(*one) for one in inputs], rounds=rounds)
    rates = {size: events / ns * 1e9 for (size, events), ns in zip(EVENTS.items(), own_ns, strict=True)}
    naive_rate = NAIVE_EVENTS / naive_ns * 1e9
    counted = COUNTED_BATCHES * 100
    return {
        **{f"absorb_events_per_s_core_{size}": rate for size, rate in rates.items()},
        "naive_events_per_s_core": naive_rate,
        "absorb_ratio_to_naive": rates[100] / naive_rate,
        "aws_requests_per_event_100": usage.requests / counted,
        "wru_per_event_100": usage.wru / counted,
        "rru_per_event_100": usage.rru / counted,
    }


def count(cloud: Endpoint, worker: Worker, batches: int) -> Usage:
    """What ``batches`` invocations with 100 records ask of DynamoDB."""
    cloud.usage()
    for batch in _batches(batches * 100, 100, COUNTED_ROUND, _as_envelope):
        worker(batch)
    return cloud.usage()


@contextmanager
def tailor(cloud: Endpoint) -> Iterator[Worker]:
    """Our handler, with the bench's program and people stored."""
    clock = [population.NOW]
    with (
        patch.dict(os.environ, ENVIRONMENT | {"AWS_ENDPOINT_URL": cloud.url}),
        patch.object(runtime, "now", lambda: clock[0]),
        Path(os.devnull).open("w") as nowhere,
    ):
        _forget()
        store = runtime.store()
        ids = _ids()
        store.define("programme", "bench", population.document())
        for some in batched(range(population.PEOPLE), 20, strict=True):
            past = [event for person in some for event in population.history(person)]
            absorb(past, store, runtime.compiled(), new_id=ids, now=population.NOW)
        handler = _handler("absorb")

        def worker(batch: Sqs) -> None:
            clock[0] = batch["at"]
            # Metrics are lines on standard output; they shall cost, but not be seen.
            with redirect_stdout(nowhere):
                answer = handler(batch, None)
            if answer["batchItemFailures"]:
                raise RuntimeError("absorb gave a batch back")

        try:
            yield worker
        finally:
            _forget()


def naive(cloud: Endpoint) -> Worker:
    """The naive handler, with the same people stored its way."""
    compiled = runtime.compiled()
    rules = {key: segment.rule for key, segment in compiled.program.segments.items()}
    worker = Naive(cloud.url, rules)
    for person in range(population.PEOPLE):
        past = population.history(person)
        worker.load(step(Person("p"), past, compiled, now=population.NOW)[0].attributes, past)
    return lambda batch: worker.handler(batch, now=batch["at"])


def _forget() -> None:
    """Parts of the runtime that hold a client or what it read."""
    for part in (runtime.client, runtime.store):
        part.cache_clear()
    runtime._CACHE.clear()


def _worked(worker: Worker, rounds: Sequence[Sequence[Sqs]]) -> Callable[[int], None]:
    def work(round: int) -> None:
        for batch in rounds[round]:
            worker(batch)

    return work


def _rounds(events: int, size: int, rounds: int, body: Callable[[Event], object]) -> list[list[Sqs]]:
    """The inputs of every round, the one for warming up included."""
    return [_batches(events, size, round, body) for round in range(rounds + 1)]


def _batches(events: int, size: int, round: int, body: Callable[[Event], object]) -> list[Sqs]:
    """Queue batches of ``size`` records; ``at`` is when they are taken."""
    arrivals = population.arrivals(events, round=round, label=f"of-{size}")
    return [
        {"at": population.instant(round), "Records": [_record(json.dumps(body(event))) for event in some]}
        for some in batched(arrivals, size, strict=True)
    ]


def _record(body: str) -> dict[str, Any]:
    return {
        "messageId": "19dd0b57-b21e-4ac1-bd88-01bbb068cb78",
        "receiptHandle": "MessageReceiptHandle",
        "body": body,
        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1795500000000"},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:ingest",
        "awsRegion": "eu-west-1",
    }


def _as_envelope(event: Event) -> object:
    return {"source": event.source, "key": "bench", "received": event.received, "events": [event.to_json()]}


def _as_call(event: Event) -> object:
    return call(event)


def _ids() -> Callable[[int], str]:
    taken = iter(range(1 << 40))
    return lambda now: new_id("p", now=now, entropy=next(taken).to_bytes(10, "big"))


def _handler(function: str) -> Callable[[Sqs, object], Sqs]:
    spec = importlib.util.spec_from_file_location(f"bench_{function}", ROOT / "functions" / function / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    handler: Callable[[Sqs, object], Sqs] = module.handler
    return handler
