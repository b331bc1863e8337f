"""Two lanes on the deployed system: who waits for one letter does not wait behind fifty thousand.

The account's rate is that of a sender of long standing, so that the whole broadcast lies in its queue before the first
cart is left; it is cancelled once the carts have had their letters.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from itertools import batched
from pathlib import Path
from statistics import median

import pytest
from segment.analytics.client import Client

from house import House, until
from postbox import Report
from tailor.edges.dynamo import pack_item
from tailor.kernel.instants import DAY, SECOND
from tailor.kernel.person import Person

pytestmark = [pytest.mark.e2e, pytest.mark.long]

CROWD = 50_000
CARTS = 10
PROMPT = 5 * SECOND
"""From the answer to the event until SES has the letter."""
PROGRAM = """
name = "lanes"

[sender]
from = "Trail & Co <hello@trail.example>"
postal_address = "Trail & Co, 1 High Street, Springfield AB1 2CD"

[attributes.lane]
type = "text"
purposes = ["personalization", "marketing"]

[campaigns.everybody]
template = "everybody"
audience = { attribute = "lane", eq = "broadcast" }

[journeys.cart]
trigger = { event = "Cart Viewed" }
key = "cart_id"
steps = [{ send = "cart" }]

[templates.everybody]
[templates.cart]
"""
LETTER = """Subject: {subject}

<html><body><p>A word to you.</p><a href="{{{{ unsubscribe_url }}}}">No more of these</a></body></html>
"""


@pytest.fixture(name="crowd")
def _crowd(house: House) -> int:
    """People in the table as if they had come long ago; nothing wakes for them."""
    client, table = house.shop.cloud.client("dynamodb"), house.shop.deployed.outputs["PeopleTable"]
    now = time.time_ns() // 1_000_000
    for numbers in batched(range(CROWD), 25, strict=False):
        puts = [{"PutRequest": {"Item": pack_item(_row(number, now))}} for number in numbers]
        client.batch_write_item(RequestItems={table: puts})
    return CROWD


def _row(number: int, now: int) -> dict[str, object]:
    person = Person(
        f"p_crowd{number:06d}",
        1,
        {"email": [f"crowd{number}@example.com"]},
        {"lane": "broadcast"},
        consent={"marketing": ["granted", now - DAY, "segment"]},
        decided=now - DAY,
    )
    return {"pk": person.id, "v": 1, "s": person.pack()}


@pytest.fixture(name="standing")
def _standing(house: House) -> Iterator[None]:
    """An account that may send 500 letters a second, and does not hear of those to the crowd: here one worker absorbs
    all that comes in, and would still be at it when the carts come."""
    mailbox = house.shop.mailbox
    young = mailbox.rate, mailbox.quota, mailbox.events

    def events(report: Report) -> None:
        if not report["mail"]["destination"][0].startswith("crowd"):
            young[2](report)

    mailbox.rate, mailbox.quota, mailbox.events = 500, 1_000_000, events
    yield
    mailbox.rate, mailbox.quota, mailbox.events = young


def test_a_cart_letter_does_not_wait_behind_a_broadcast(
    house: House, crowd: int, standing: None, tmp_path: Path
) -> None:
    shop = house.shop
    (tmp_path / "templates").mkdir()
    (tmp_path / "program.toml").write_text(PROGRAM)
    for key in ("everybody", "cart"):
        (tmp_path / "templates" / f"{key}.html").write_text(LETTER.format(subject=f"For {key}"))
    shop.tailor("push", "--yes", str(tmp_path))
    time.sleep(61)  # workers read what is in force once a minute
    client = Client(shop.doors.segment_key, host=shop.doors.url, sync_mode=True)
    permits = {"consent": {"categoryPreferences": {"marketing": True}}}
    for number in range(CARTS):
        client.identify(f"cart{number}", {"email": f"cart{number}@example.com"}, context=permits)
    shop.settle()

    def broadcast() -> dict[str, object]:
        return dict(json.loads(shop.tailor("campaign", "show", "everybody", "--json")))

    def left() -> Counter[str]:
        return Counter(message.subject for message in shop.mailbox.messages())

    def queued() -> int:
        asked = {"QueueUrl": shop.deployed.outputs["BroadcastQueueUrl"], "AttributeNames": ["All"]}
        found = shop.cloud.client("sqs").get_queue_attributes(**asked)["Attributes"]
        return sum(int(found[f"ApproximateNumberOfMessages{kind}"]) for kind in ("", "NotVisible"))

    shop.tailor("campaign", "start", "everybody")
    assert until(lambda: broadcast()["letters"] == crowd, patience=900)
    assert until(lambda: queued() + left()["For everybody"] >= crowd, patience=900)
    waiting: list[int] = []
    took: list[int] = []
    for number in range(CARTS):
        waiting.append(crowd - left()["For everybody"])
        client.track(f"cart{number}", "Cart Viewed", {"cart_id": f"cart-{number}"})
        begun = time.time_ns() // 1_000_000
        assert until(lambda: bool(house.letters(f"cart{number}@example.com")), patience=300)  # noqa: B023
        took.append(house.letters(f"cart{number}@example.com")[0].at - begun)
    shop.tailor("campaign", "cancel", "everybody")
    print(
        f"\n{CARTS} cart letters behind {waiting[0]:,} to {waiting[-1]:,} others: p50 {median(took)} ms, "
        f"max {max(took)} ms"
    )
    assert min(waiting) > crowd // 2
    assert max(took) <= PROMPT
    each = Counter(message.to for message in shop.mailbox.messages())
    assert {times for to, times in each.items() if to[0].startswith(("crowd", "cart"))} == {1}
