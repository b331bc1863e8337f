"""Rights: erased everywhere and for good, exported whole, with consent that proves itself."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from gateway import ask
from marked import ADA, EMAIL, GHOST, MARK, RIVAL, YES, a_life_in_every_store, a_whole_life, comb, dump, marked
from tailor.flows.erase import SETTLE, erasures, find_erasure, request_erasure
from tailor.kernel.event import Event
from tailor.kernel.instants import DAY, HOUR, MINUTE, iso
from tailor.kernel.person import Person
from world import NIGHT, World, app

NOBODYS = {"people", "events", "consent", "messages", "merges", "keys", "pairs", "block keys", "disputes"}
NOBODYS |= {"list of merges", "identifiers", "quarantine", "suppressions"}
"""Stores of which the receipt says how much was taken out of them."""
ELSEWHERE = {"webhook deliveries", "large events in S3", "refused rows in S3", "import files in S3"}
"""Likewise; ``test_erasure_of_every_door.py`` fills them."""
EXPIRES = {
    "requests": 730,
    "files in S3 that no feed is for": 14,
    "matching": 1,
    "products": 1,
    "webhook deliveries of facts": 30,
}
"""Store that holds on to something for a while → days."""


def another_person(shop: World) -> Event:
    who = (("user_id", "u-bob"), ("email", "bob@example.com"))
    return shop.event("Identify", *who, kind="identify", traits={"first_name": "Bob"}, consent=YES)


def visits_again(shop: World) -> None:
    """The same address, a day later, with everything that would make a letter."""
    shop.now += DAY
    shop.arrive(
        shop.event("Identify", *ADA, kind="identify", consent=YES),
        shop.event("Product Viewed", *ADA, properties={"name": "Tent"}),
    )
    shop.pump()
    shop.tick(shop.now + 48 * HOUR)
    shop.pump()


def test_after_an_erasure_no_store_queue_or_log_holds_a_trace(shop: World, caplog: pytest.LogCaptureFixture) -> None:
    shop.arrive(another_person(shop))
    id = a_whole_life(shop)
    before = len(dump(shop))
    hers = len(marked(shop))
    # One event is still in the queue while she is erased.
    shop.arrive(shop.event("Product Viewed", *ADA, properties={"name": f"{MARK} mug"}))
    status, receipt = ask("POST", f"/api/people/{id}/erase")
    assert (status, receipt["state"]) == (200, "swept")
    shop.now += MINUTE
    shop.pump()
    shop.tick(shop.now + SETTLE)
    comb(shop)
    status, receipt = ask("GET", f"/api/erasures/{id}")
    assert (status, receipt["state"]) == (200, "finished")
    assert marked(shop) == []
    assert shop.person("email", EMAIL) is None
    assert shop.person("user_id", "u-bob") is not None
    assert json.dumps(shop.facts).count(MARK) == 0
    assert caplog.records
    assert not [record for record in caplog.records if MARK in str(vars(record))]
    counts = {line["store"]: line["count"] for line in receipt["stores"]}
    assert counts["people"] == 2
    assert counts["identifiers"] == 4
    assert counts["quarantine"] == 2
    assert counts["messages"] == 2
    assert counts["merges"] == 1
    assert counts["consent"] == 2
    removed = sum(counts[store] for store in ("people", "events", "consent", "messages", "merges", "quarantine"))
    # A suppression and a receipt have come in their place.
    assert len(dump(shop)) == before - removed + 2
    assert hers <= removed


def test_the_receipt_names_every_store_and_what_it_says_is_so(shop: World, caplog: pytest.LogCaptureFixture) -> None:
    id = a_life_in_every_store(shop)
    ids = {id, *(shop.store.person(id, consistent=True) or Person(id)).aliases}
    others = [ada for ada in shop.everybody() if MARK in json.dumps(ada.identifiers) and ada.id not in ids]
    for one in (id, *(other.id for other in others)):
        status, receipt = ask("POST", f"/api/people/{one}/erase")
        assert status == 200
    shop.pump()
    shop.tick(shop.now + SETTLE)
    comb(shop)
    status, receipt = ask("GET", f"/api/erasures/{id}")
    assert (status, receipt["state"]) == (200, "finished")
    told = {line["store"]: line for line in receipt["stores"]}
    assert len(told) == len(receipt["stores"])
    assert {store for store, line in told.items() if line["count"] is not None} == NOBODYS | ELSEWHERE
    assert [store for store in NOBODYS if not told[store]["count"]] == []
    for store, days in EXPIRES.items():
        assert told[store]["until"] == iso(shop.now + days * DAY), store
    assert set(told) - NOBODYS - ELSEWHERE - {*EXPIRES} == {
        *("queues", "stream", "imports", "campaigns", "walks", "consent roots in S3", "backups", "logs"),
    }
    shop.night()
    app("refresh").handler({"job": "nightly"}, NIGHT)
    assert marked(shop) == []
    assert not [record for record in caplog.records if MARK in str(vars(record))]
    # Ids are left where the receipt says so, and nowhere else.
    left = {json.loads(text).get("pk", "") for text in dump(shop) if any(one in text for one in ids)}
    assert {re.sub(r'.*"(.+)"}', r"\1", pk) for pk in left} == {"K#erased", "W#wh_1"}
    assert shop.person(*RIVAL[1]) is not None


def test_the_same_address_later_is_somebody_new_who_is_not_written_to(shop: World) -> None:
    id = a_whole_life(shop)
    ask("POST", f"/api/people/{id}/erase")
    shop.ses.mails.clear()
    visits_again(shop)
    ada = shop.person("email", EMAIL)
    assert ada is not None
    assert ada.id != id
    assert set(ada.history) <= {"Identify", "Product Viewed", "Email Skipped"}
    assert ada.aliases == []
    assert shop.ses.mails == []
    assert [row["why"] for row in shop.store.messages(ada)] == ["suppressed: erased"]


def test_asking_twice_changes_nothing(shop: World) -> None:
    id = a_whole_life(shop)
    first = ask("POST", f"/api/people/{id}/erase")
    assert ask("POST", f"/api/people/{id}/erase") == first
    assert [one["person"] for one in ask("GET", "/api/erasures")[1]] == [id]
    shop.tick(shop.now + SETTLE)
    comb(shop)
    assert ask("GET", "/api/erasures")[1] == []
    assert [one["state"] for one in ask("GET", "/api/erasures?finished=true")[1]] == ["finished"]
    assert ask("POST", f"/api/people/{id}/erase")[1]["state"] == "finished"


def test_a_shop_that_asks_for_deletion_is_obeyed_within_the_minute(shop: World) -> None:
    id = a_whole_life(shop)
    shop.arrive(shop.event("Delete", *ADA, kind="delete", source="shopify"))
    shop.pump(twice=True)
    assert [one.how for one in erasures(shop.store)] == ["shopify"]
    shop.tick()
    assert marked(shop) == []
    request = find_erasure(id, shop.store)
    assert request is not None
    assert request.receipt()["deadline"] == iso(shop.now - MINUTE + 30 * DAY)
    shop.tick(shop.now + SETTLE)
    comb(shop)
    assert erasures(shop.store) == []


def test_killed_anywhere_it_is_finished_by_the_ticks_that_follow(worlds: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # A month of empty days would be a hundred places more in which nothing happens.
    monkeypatch.setattr("tailor.flows.erase.QUARANTINE_LIFE", 0)

    def run(kill_at: int | None) -> tuple[list[int], list[str], list[tuple[str, int | None]]]:
        with worlds() as shop:
            shop.arrive(shop.event("Page Viewed", *GHOST, kind="page"), shop.event("Identify", *ADA, consent=YES))
            shop.pump()
            shop.arrive(shop.event("Identify", *ADA, *GHOST, kind="identify"))
            shop.pump()
            ada = shop.person("email", EMAIL)
            assert ada is not None
            request_erasure(ada.id, shop.store, how="api", now=shop.now)
            shop.gate.calls, shop.gate.kill_at, shop.gate.changing = 0, kill_at, []
            shop.tick()
            shop.tick()
            shop.tick(shop.now + SETTLE + MINUTE)
            calls = shop.gate.changing
            shop.gate.kill_at = None
            shop.tick(shop.now + SETTLE + MINUTE)
            # What follows is told in test_erasure_of_every_door.py.
            (done,) = erasures(shop.store)
            assert done.stage == "settled", f"killed after call {kill_at}"
            told = [(line["store"], line["count"]) for line in done.receipt()["stores"]]
            return calls, marked(shop), told

    calls, left, receipt = run(None)
    assert left == []
    for kill_at in calls:
        _, left, told = run(kill_at)
        assert left == [], f"killed after call {kill_at}"
        assert told == receipt, f"killed after call {kill_at}"


def test_who_was_merged_away_meanwhile_is_erased_as_who_they_are_now(shop: World) -> None:
    shop.arrive(shop.event("Page Viewed", *GHOST, kind="page"), shop.event("Identify", *ADA, kind="identify"))
    shop.pump()
    ghost = shop.person(*GHOST[0])
    assert ghost is not None
    request_erasure(ghost.id, shop.store, how="api", now=shop.now)
    shop.arrive(shop.event("Identify", *ADA, *GHOST, kind="identify"))
    shop.pump()
    shop.tick()
    assert shop.everybody() == []
    assert marked(shop) == []


def test_an_event_row_written_by_a_slow_worker_is_swept_as_well(shop: World) -> None:
    id = a_whole_life(shop)
    ask("POST", f"/api/people/{id}/erase")
    shop.store.put_events([(Person(id, 9), shop.event("Late", *ADA))])
    assert marked(shop)
    shop.tick(shop.now + SETTLE)
    assert marked(shop) == []
