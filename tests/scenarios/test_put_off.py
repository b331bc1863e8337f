"""A letter that was due by day and reaches the sender by night waits for the morning, and is sent once."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from shop import SHOP
from tailor.kernel.instants import DAY, HOUR, MINUTE, iso
from world import World

ADA = (("user_id", "u-ada"), ("email", "ada@example.com"))
QUIET = {"quiet": {"from": "06:30", "until": "14:00"}}
"""The world begins at 06:00."""


def until_the_sender_is_late(shop: World) -> None:
    shop.publish({**deepcopy(SHOP), "calendar": QUIET})
    viewed = shop.now - 2 * DAY + MINUTE
    shop.arrive(shop.event("Identify", *ADA, kind="identify", consent=[("marketing", "granted")]))
    shop.arrive(shop.event("Product Viewed", *ADA, at=viewed))
    shop.pump()
    shop.tick()
    assert len(shop.stream) > shop.relayed, "the letter is owed by day"
    shop.now += 40 * MINUTE
    shop.pump()


def test_a_letter_put_off_leaves_when_the_quiet_hours_end(shop: World) -> None:
    until_the_sender_is_late(shop)
    person = shop.person("user_id", "u-ada")
    assert person is not None
    assert shop.ses.mails == []
    assert shop.store.messages(person) == [], "it has no row before somebody claims it"
    (owed,) = person.owed.values()
    assert iso(owed["retry"]) == "2026-11-24T14:00:00.000Z"
    assert person.due == owed["retry"]
    shop.tick(owed["retry"] - 1)
    shop.pump()
    assert shop.ses.mails == []
    shop.tick(owed["retry"])
    shop.pump()
    assert len(shop.ses.mails) == 1


def test_who_withdraws_in_the_meantime_gets_none(shop: World) -> None:
    until_the_sender_is_late(shop)
    shop.now += HOUR
    shop.arrive(shop.event("Consent Changed", *ADA, kind="consent", consent=[("marketing", "withdrawn")]))
    shop.pump()
    shop.tick(shop.now + DAY)
    shop.pump()
    assert shop.ses.mails == []


def test_put_off_and_killed_anywhere_it_is_sent_once(worlds: Any) -> None:
    def run(shop: World) -> int:
        until_the_sender_is_late(shop)
        shop.tick(shop.now + 8 * HOUR)
        for _ in range(2):
            shop.pump(twice=True)
            shop.tick(shop.now + 41 * MINUTE)
        return len(shop.ses.mails)

    with worlds() as shop:
        assert run(shop) == 1
        calls = shop.gate.calls
    for kill_at in range(calls - 24, calls, 5):
        with worlds() as shop:
            shop.gate.kill_at = kill_at
            assert run(shop) == 1, f"killed after call {kill_at} of {calls}"
