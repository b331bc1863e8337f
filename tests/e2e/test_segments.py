"""Memberships on the deployed system: a second after the event, and in the minute in which a window lapses.

The distributions are printed; how fast a busy machine is, is not asserted.
"""

from __future__ import annotations

import json
import time
import urllib.request
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import batched
from math import ceil
from typing import Any

import pytest

import sample_day
from house import House, until
from tailor.kernel.instants import HOUR, MINUTE, SECOND

pytestmark = pytest.mark.e2e

WINDOW = 48 * HOUR
CROWD = 1_000
SINGLE = 40
LEAD, SPREAD = 100 * SECOND, 2 * MINUTE
"""How long after they are sent in the first windows of the crowd lapse, and over how long they do."""


@dataclass
class Told:
    """What the bus has told so far: (segment, name of the fact) → person → the fact and when it reached us, in ms."""

    sqs: Any
    url: str
    facts: dict[tuple[str, str], dict[str, tuple[dict[str, Any], int]]] = field(default_factory=dict)

    def listen(self) -> None:
        while messages := self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get("Messages"):
            now = time.time_ns() // 1_000_000
            for message in messages:
                fact = json.loads(message["Body"])["detail"]
                self.facts.setdefault((fact["segment"], fact["name"]), {})[fact["person"]] = (fact, now)
                self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])

    def about(self, segment: str, name: str) -> dict[str, tuple[dict[str, Any], int]]:
        self.listen()
        return self.facts.get((segment, name), {})


@pytest.fixture(name="told", scope="module")
def _told(house: House) -> Iterator[Told]:
    events, sqs = house.shop.cloud.client("events"), house.shop.cloud.client("sqs")
    (bus,) = [one["Name"] for one in events.list_event_buses()["EventBuses"] if one["Name"].endswith("-facts")]
    url = sqs.create_queue(QueueName="told")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    pattern = {"source": ["tailor"], "detail-type": ["segment.entered", "segment.exited"]}
    events.put_rule(Name="told", EventBusName=bus, EventPattern=json.dumps(pattern))
    events.put_targets(Rule="told", EventBusName=bus, Targets=[{"Id": "told", "Arn": arn}])
    yield Told(sqs, url)
    events.remove_targets(Rule="told", EventBusName=bus, Ids=["told"])
    events.delete_rule(Name="told", EventBusName=bus)
    sqs.delete_queue(QueueUrl=url)


def send(house: House, calls: Sequence[dict[str, Any]]) -> None:
    for some in batched(calls, 100, strict=False):
        key = b64encode(f"{house.shop.doors.segment_key}:".encode()).decode()
        request = urllib.request.Request(
            f"{house.shop.doors.url}/v1/batch",
            data=json.dumps({"batch": some}).encode(),
            headers={"Authorization": f"Basic {key}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert answer.status == 200


def viewed(user: str, at: int) -> dict[str, Any]:
    moment = datetime.fromtimestamp(at / 1000, UTC).isoformat()
    return {
        "type": "track",
        "event": "Product Viewed",
        "userId": user,
        "messageId": f"viewed-{user}",
        "timestamp": moment,
        "properties": {"name": "Enamel mug", "category": "kitchen"},
    }


def spread(title: str, late: Sequence[int]) -> None:
    ordered = sorted(late)
    shares = {f"p{share}": ordered[ceil(share / 100 * len(ordered)) - 1] for share in (50, 90, 95, 99, 100)}
    print(f"\n{title}, {len(late)} people, in ms: " + ", ".join(f"{name} {ms}" for name, ms in shares.items()))


def test_an_event_becomes_a_fact_at_once(house: House, told: Told) -> None:
    took = []
    for number in range(SINGLE):
        known = set(told.about("just-looking", "segment.entered"))
        begun = time.time_ns() // 1_000_000
        send(house, [viewed(f"single-{number}", begun)])
        assert until(lambda known=known: bool(told.about("just-looking", "segment.entered").keys() - known))
        (new,) = told.about("just-looking", "segment.entered").keys() - known
        took.append(told.facts["just-looking", "segment.entered"][new][1] - begun)
    spread("From the event at the door to the fact in a subscriber's hands", took)


@pytest.mark.long
def test_a_thousand_windows_lapse_each_in_its_minute(house: House, told: Told) -> None:
    before = set(told.about("just-looking", "segment.entered"))
    start = time.time_ns() // 1_000_000 + LEAD
    ends = {f"crowd-{number}": start + number * SPREAD // CROWD for number in range(CROWD)}
    send(house, [viewed(user, end - WINDOW) for user, end in ends.items()])

    def entered() -> set[str]:
        return told.about("just-looking", "segment.entered").keys() - before

    def exited() -> set[str]:
        return told.about("just-looking", "segment.exited").keys() & entered()

    patience = time.monotonic() + 420
    while len(exited()) < CROWD and time.monotonic() < patience:
        time.sleep(1)
    assert len(entered()) == CROWD
    assert len(exited()) == CROWD
    # Who is who stands in the instants: sorted, those of the facts go with those of the windows.
    lapses = sorted(ends.values())
    exits = sorted(told.facts["just-looking", "segment.exited"][person][0]["at"] for person in exited())
    late = [exit - lapse for exit, lapse in zip(exits, lapses, strict=True)]
    assert min(late) >= 0, "somebody left before the window was over"
    spread("From the end of the window to the decision", late)
    clock = json.loads(house.shop.tailor("clock", "--json"))
    print("The clock's own record:", json.dumps(clock["last"]), json.dumps(clock["busy"]))
    # Each is out for good: decided once, and once more by nobody.
    told.listen()
    assert len(exited()) == CROWD


def test_two_rules_of_text_are_explained_for_three_people(house: House) -> None:
    looking, bought, caring = sample_day.examples(house.everybody)

    def explained(key: str, email: str) -> str:
        return house.shop.tailor("segment", "explain", key, email).splitlines()[0]

    assert explained("just-looking", looking.email).startswith("In since ")
    assert explained("just-looking", bought.email).startswith('Not in: it is not so that did "Product Viewed"')
    told = explained("young-urban-eco", caring.email)
    assert told.startswith("In since ")
    assert 'age is from 25 to 35 and city.kind is "urban"' in told
