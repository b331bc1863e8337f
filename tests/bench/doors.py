"""The door: CPU of ``ingest`` for each event of each source outside AWS calls, and what a million events cost.

Every sample of a source that gives events goes through the whole flow (key, signature, reading, inspection, envelopes,
queue messages), with an SQS client that takes everything at once. Phones and identifiers that were read are forgotten
before each request, as if every request were about somebody new; domains of addresses are the few that most people
have.

Prices are those of us-east-1 on demand; durations are the CPU measured, at the share of a core that the memory buys,
and the calls to AWS one after the other.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl

from bench import absorb
from bench.fake_dynamo import Usage, endpoint
from bench.measure import medians
from tailor.edges.bus import Queue
from tailor.edges.http import inbound
from tailor.flows.ingest import Answer, Door, ingest
from tailor.kernel.inbound import Inbound
from tailor.kernel.keys import digest
from tailor.rules.identity import normal
from tailor.rules.prices import GB_SECOND, HTTP_REQUEST, INVOCATION, LOG_BYTE, RRU, SQS_REQUEST, WRU
from tailor.rules.quality import phone
from tailor.sources import SOURCES

ROOT = Path(__file__).resolve().parents[2]
ROUNDS, PASSES = 9, 20
SECRETS = {"salesforce": b"00D5g000004zAbCEAU"}
BATCH = 100
"""Calls of one batched request."""

CORE_MB = 1_769
"""Memory that buys a whole core."""
MEMORY = {"ingest": 512, "absorb": 1_024}
SECONDS = {"sqs": 0.008, "dynamodb": 0.005}
"""What a call takes."""
LOG_LINE = 400


def run(*, rounds: int = ROUNDS) -> dict[str, float]:
    """Measure every source, then reckon."""
    door = _door()
    names = [name for name in SOURCES if _requests(name)]
    works = [_work(_requests(name), door) for name in names]
    counts = [sum(_take(one, door).taken for one in _requests(name)) for name in names]
    taken = medians(works, rounds=rounds)
    measured = {
        f"ingest_us_{name}": ns / PASSES / count / 1e3 for name, ns, count in zip(names, taken, counts, strict=True)
    }
    return measured | costs(measured["ingest_us_segment"])


def costs(segment_us: float) -> dict[str, float]:
    """USD for a million events: each in a request and a record of its own, and a hundred at once."""
    with endpoint() as cloud, absorb.tailor(cloud) as worker:
        single = _usage(cloud, worker, 100, 1)
        batched = _usage(cloud, worker, 1_000, BATCH)
    found = {"single": _cost(1, single, segment_us), "batched": _cost(BATCH, batched, segment_us)}
    for name, parts in found.items():
        print(f"a million events, {name}: " + ", ".join(f"{part} ${usd * 1e6:.2f}" for part, usd in parts.items()))
    usd = {name: sum(parts.values()) * 1e6 for name, parts in found.items()}
    named = {f"usd_per_million_events_{name}": one for name, one in usd.items()}
    return {"usd_per_million_events": usd["batched"], **named}


def _usage(cloud: Any, worker: absorb.Worker, events: int, size: int) -> tuple[Usage, int]:
    cloud.usage()
    for batch in absorb._batches(events, size, absorb.COUNTED_ROUND, absorb._as_envelope):
        worker(batch)
    return cloud.usage(), events


def _cost(size: int, used: tuple[Usage, int], us: float) -> dict[str, float]:
    """USD for each event where ``size`` come at once; messages hold 25 events, and SQS asks for ten at a time."""
    usage, events = used
    messages = -(-size // 25)
    asked = usage.requests / events
    ingest_s = size * us / 1e6 * CORE_MB / MEMORY["ingest"] + SECONDS["sqs"]
    # Absorbing is measured elsewhere: 2,400 events a second on a core is its bar.
    absorb_s = size / 2_400 * CORE_MB / MEMORY["absorb"] + size * asked * SECONDS["dynamodb"]
    gigabytes = {name: mb / 1_024 for name, mb in MEMORY.items()}
    return {
        "API Gateway": HTTP_REQUEST / size,
        "ingest": (INVOCATION + ingest_s * gigabytes["ingest"] * GB_SECOND) / size,
        "SQS": (1 + 2 * -(-messages // 10)) * SQS_REQUEST / size,
        "absorb": (INVOCATION + absorb_s * gigabytes["absorb"] * GB_SECOND) / size,
        "DynamoDB": usage.wru / events * WRU + usage.rru / events * RRU,
        "logs": 2 * LOG_LINE * LOG_BYTE / size,
    }


def _door() -> Door:
    queue = Queue(SimpleNamespace(send_message_batch=lambda **_: {}), "queue")
    keys = {digest(f"sample-{name}-key"): {"id": f"key_{name}", "source": name} for name in SOURCES}
    return Door(
        key=keys.get,
        secrets=lambda id: (SECRETS.get(id.removeprefix("key_"), b"sample-shop-secret"),),
        enqueue=queue.put,
        quarantine=lambda rows: None,
        wait=lambda key, rate: 0,
    )


def _requests(source: str) -> list[tuple[Inbound, int]]:
    """The samples of a source that come by the door and give events: (request, received)."""
    found = []
    for path in sorted((ROOT / "events" / source).glob("*.json")):
        sample = path.with_suffix(".expected.json")
        if path.name.endswith(".expected.json") or not json.loads(sample.read_text())["events"]:
            continue
        event = json.loads(path.read_text())
        if "requestContext" in event:
            event.setdefault("queryStringParameters", dict(parse_qsl(event.get("rawQueryString", ""))))
            found.append((inbound(event), event["requestContext"]["timeEpoch"]))
    return found


def _take(one: tuple[Inbound, int], door: Door) -> Answer:
    answer = ingest(one[0], door, now=one[1])
    if not answer.taken:
        raise RuntimeError(f"{one[0].path} was answered {answer.status}: {answer.body}")
    return answer


def _work(requests: Sequence[tuple[Inbound, int]], door: Door) -> Callable[[int], None]:
    def work(round: int) -> None:
        for _ in range(PASSES):
            for one in requests:
                phone.cache_clear()
                normal.cache_clear()
                _take(one, door)

    return work
