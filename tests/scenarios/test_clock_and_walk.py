"""The clock and the walks over everybody: nobody skipped, nothing done twice in effect, wherever a worker is killed."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from shop import SHOP
from tailor.edges import runtime
from tailor.edges.store import Write
from tailor.flows import refresh, walk
from tailor.flows.publish import publish, withdraw
from tailor.flows.refresh import Ticked, lateness
from tailor.kernel.instants import DAY, HOUR, MINUTE, SECOND, iso
from tailor.kernel.person import Person
from world import CONTEXT, Killed, World, app

RED = {
    **deepcopy(SHOP),
    "segments": {
        **SHOP["segments"],
        "reds": {"rule": {"count": "Product Viewed", "at_least": 2, "where": {"colour": "red"}}},
        "never-red": {"rule": {"did_not": "Product Viewed", "where": {"colour": "red"}}},
    },
    "journeys": {
        **SHOP["journeys"],
        "hail": {"trigger": {"segment_entered": "reds"}, "steps": [{"send": "come-back"}]},
    },
}
"""The shop with rules that need counters of their own."""


def people(shop: World, number: int, *, apart: int = 0) -> None:
    """Somebody for each of ``number``, who has looked at red things as often as the number says, and is quiet."""
    for n in range(number):
        who = ("user_id", f"u-{n}")
        for look in range(n):
            at = shop.now - 10 * DAY + n * apart + look
            shop.arrive(shop.event("Product Viewed", who, at=at, properties={"colour": "red"}))
        shop.arrive(shop.event("Identify", who, at=shop.now - 20 * DAY, kind="identify"))
    shop.pump(batch=50)
    shop.now += HOUR


def push(shop: World, document: dict[str, Any]) -> None:
    publish(document, shop.store, now=shop.now)
    runtime._CACHE.clear()


def nightly(shop: World) -> Any:
    return app("refresh").handler({"job": "nightly"}, CONTEXT)


def states(shop: World) -> dict[str, Any]:
    return {
        p.identifiers["user_id"][0]: (
            {name: entry for name, entry in sorted(p.history.items()) if not name.startswith("Email")},
            sorted(p.memberships),
            sorted(p.enrolments),
            sorted(p.finished),
        )
        for p in shop.everybody()
    }


def spoil(shop: World, user: str, **parts: Any) -> Person:
    """Change a stored person behind everybody's back."""
    person = shop.person("user_id", user)
    assert person is not None
    wrong = person.copy()
    wrong.version += 1
    for name, value in parts.items():
        setattr(wrong, name, value)
    assert shop.store.write([Write(wrong, had_due=True)], now=shop.now) == []
    return wrong


# ---- the clock


def watching(shop: World, number: int) -> None:
    """People whose windows of 48 h lapse a minute apart."""
    for n in range(number):
        shop.arrive(shop.event("Product Viewed", ("user_id", f"u-{n}"), at=shop.now + n * MINUTE))
    shop.pump(batch=50)


def test_after_an_outage_the_clock_catches_up_in_order_and_keeps_how_late_it_was(shop: World) -> None:
    watching(shop, 30)
    shop.facts.clear()
    shop.tick(shop.now + 48 * HOUR + 29 * MINUTE)
    shop.pump()
    entered = [fact["person"] for fact in shop.facts if fact["name"] == "segment.entered"]
    known = {shop.person("user_id", f"u-{n}").id: n for n in range(30)}  # type: ignore[union-attr]
    assert [known[person] for person in entered] == list(range(30))
    told = lateness(shop.store)
    assert told["last"] == {
        "at": iso(shop.now),
        "people": 30,
        "p50": 14 * MINUTE,
        "p95": 28 * MINUTE,
        "max": 29 * MINUTE,
        "unfinished": False,
    }
    (day,) = told["days"]
    assert sum(one["people"] for one in day["people"]) == 30
    assert next(one["people"] for one in day["people"] if one["most_ms"] == 5 * MINUTE) == 3
    shop.tick()
    assert lateness(shop.store)["last"]["people"] == 0
    assert lateness(shop.store)["busy"]["max"] == 29 * MINUTE


def test_each_flips_in_its_minute_and_a_minute_of_quiet_reads_no_person(shop: World) -> None:
    watching(shop, 10)
    shop.now += 48 * HOUR - MINUTE
    for n in range(10):
        shop.tick()
        shop.pump()
        members = {p.identifiers["user_id"][0] for p in shop.everybody() if "viewed-not-bought" in p.memberships}
        assert members == {f"u-{m}" for m in range(n + 1)}
    shop.tick()
    shop.dynamo.operations.clear()
    shop.tick()
    assert shop.dynamo.operations.keys() <= {"query", "batch_get_item", "batch_write_item"}
    assert shop.dynamo.operations["query"] == 8 + 3, "one a shard, the jobs, the erasures, the program"


def test_the_tick_scans_nothing_however_many_it_decides(shop: World) -> None:
    watching(shop, 25)
    shop.dynamo.operations.clear()
    shop.tick(shop.now + 49 * HOUR)
    assert shop.dynamo.operations["scan"] == 0
    assert shop.dynamo.operations["batch_execute_statement"] == 1


def test_a_tick_out_of_time_leaves_the_rest_to_the_next(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refresh, "PAGE", 2)
    watching(shop, 9)
    shop.now += 49 * HOUR
    pages = iter([False, False, True])
    first = refresh.tick(shop.store, runtime.compiled(), clock=lambda: shop.now, enough=lambda: next(pages))
    assert (first.people, first.unfinished) == (4, True)
    second = refresh.tick(shop.store, runtime.compiled(), clock=lambda: shop.now)
    assert (second.people, second.unfinished) == (5, False)


def test_percentiles_are_of_the_nearest_rank() -> None:
    ticked = Ticked([n * SECOND for n in range(100, 0, -1)])
    assert [ticked.percentile(share) for share in (0.5, 0.95, 1.0)] == [50 * SECOND, 95 * SECOND, 100 * SECOND]
    assert Ticked([7]).percentile(0.5) == 7
    assert Ticked().percentile(0.95) == 0


def test_a_tick_killed_anywhere_is_finished_by_the_next(worlds: Any) -> None:
    def run(shop: World) -> Any:
        watching(shop, 5)
        before = shop.gate.calls
        shop.tick(shop.now + 49 * HOUR)
        shop.tick()
        shop.pump()
        entered = sorted({fact["person"] for fact in shop.facts if fact["name"] == "segment.entered"})
        return before, shop.gate.calls, states(shop), len(entered), len(shop.ses.mails)

    with worlds() as shop:
        before, calls, *expected = run(shop)
    for kill_at in range(before + 1, calls + 1):
        with worlds() as shop:
            shop.gate.kill_at = kill_at
            assert list(run(shop)[2:]) == expected, f"killed after call {kill_at}"
            assert shop.gate.killed


# ---- the backfill


def test_a_new_rule_finds_its_history_in_the_rows_within_minutes(shop: World) -> None:
    people(shop, 4)
    push(shop, RED)
    job = walk.jobs(shop.store)["backfill"]
    assert (job.rebuild, job.total, job.finished) == (True, 4, 0)
    shop.tick()
    shop.pump()
    members = {user: set(segments) for user, (_, segments, _, _) in states(shop).items()}
    assert {user for user, segments in members.items() if "reds" in segments} == {"u-2", "u-3"}
    assert {user for user, segments in members.items() if "never-red" in segments} == {"u-0"}
    assert not any("hail" in enrolled for _, _, *journeys in states(shop).values() for enrolled in journeys)
    done = walk.jobs(shop.store)["backfill"].to_json()
    assert (done["state"], done["progress"], done["counts"]["people"]) == ("finished", 1.0, 4)
    (today,) = walk.sizes(shop.store)
    assert today["segments"] == {"reds": 2, "never-red": 1, "viewed-not-bought": 3}


def test_who_moves_before_the_walk_arrives_is_walked_all_the_same(shop: World) -> None:
    people(shop, 3)
    push(shop, RED)
    shop.arrive(shop.event("Product Viewed", ("user_id", "u-2"), properties={"colour": "red"}))
    shop.pump()
    early = shop.person("user_id", "u-2")
    assert early is not None
    assert early.program == runtime.compiled().version
    assert "reds" not in early.memberships
    shop.tick()
    late = shop.person("user_id", "u-2")
    assert late is not None
    assert "reds" in late.memberships
    (counter,) = [entry for name, entry in late.history.items() if "?" in name]
    assert counter[0] == 3


def test_a_rule_that_needs_nothing_new_reads_no_rows(shop: World) -> None:
    people(shop, 3)
    document = deepcopy(SHOP)
    document["segments"]["lookers"] = {"rule": {"did": "Product Viewed"}}
    push(shop, document)
    assert not walk.jobs(shop.store)["backfill"].rebuild
    shop.dynamo.operations.clear()
    shop.tick()
    assert shop.dynamo.operations["query"] < 8 + 4 + 3
    assert sum("lookers" in segments for _, segments, _, _ in states(shop).values()) == 2
    withdraw("shop", shop.store, now=shop.now)
    runtime._CACHE.clear()
    shop.tick()
    assert all(segments == [] for _, segments, _, _ in states(shop).values())


def test_a_walk_goes_page_by_page_and_tells_how_far_it_is(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "PAGE", 2)
    people(shop, 7)
    push(shop, RED)

    def work(pages: int) -> walk.Job:
        left = iter([False] * pages + [True])
        shop.now += MINUTE
        walk.work(shop.store, runtime.compiled, clock=lambda: shop.now, enough=lambda: next(left))
        return walk.jobs(shop.store)["backfill"]

    told = work(1).to_json()
    assert (told["state"], told["counts"]["people"], told["progress"]) == ("waiting", 2, 0.286)
    assert told["estimate"] == iso(shop.now + 2 * MINUTE + MINUTE // 2)
    assert work(2).counts["people"] == 6
    done = work(5)
    assert done.finished
    assert done.counts["people"] == 7
    assert sum("?" in name for history, *_ in states(shop).values() for name in history) == 6


def test_a_second_push_begins_the_walk_anew_and_forgets_no_rebuild(shop: World) -> None:
    people(shop, 3)
    push(shop, RED)
    document = {**deepcopy(RED), "topics": {**RED["topics"], "news": {"title": "News"}}}
    push(shop, document)
    assert walk.jobs(shop.store)["backfill"].rebuild
    shop.tick()
    assert "reds" in states(shop)["u-2"][1]


def test_a_push_that_was_cut_short_is_settled_by_what_is_in_force(shop: World) -> None:
    people(shop, 3)
    in_force = runtime.compiled()
    publish(RED, shop.store, now=shop.now)
    shop.publish(SHOP)
    shop.tick()
    assert not walk.jobs(shop.store)["backfill"].counts
    shop.tick(shop.now + 5 * MINUTE)
    job = walk.jobs(shop.store)["backfill"]
    assert job.finished
    assert job.program == in_force.version


def test_a_walk_killed_anywhere_goes_on_and_ends_the_same(worlds: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "PAGE", 2)

    def run(shop: World) -> Any:
        people(shop, 3)
        push(shop, RED)
        before = shop.gate.calls
        for _ in range(5):
            shop.tick()
        shop.pump()
        done = walk.jobs(shop.store)["backfill"]
        assert done.finished
        told = sorted({(fact["name"], fact["segment"], fact["person"]) for fact in shop.facts if "segment" in fact})
        return before, shop.gate.calls, states(shop), done.counts["people"], walk.sizes(shop.store)[0]["segments"], told

    with worlds() as shop:
        before, calls, *expected = run(shop)
    for kill_at in range(before + 1, calls + 1):
        with worlds() as shop:
            shop.gate.kill_at = kill_at
            assert list(run(shop)[2:]) == expected, f"killed after call {kill_at} of {calls}"


# ---- the audit


def test_the_audit_finds_what_is_wrong_and_puts_it_right(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    push(shop, RED)
    people(shop, 6)
    shop.tick()
    shop.pump()
    right = states(shop)
    spoil(shop, "u-2", memberships={"never-red": shop.now})
    spoil(shop, "u-3", history={})
    spoil(shop, "u-4", history={**right["u-4"][0], "Product Viewed": [9, [shop.now - 10 * DAY]]})
    metrics: dict[str, float] = {}
    monkeypatch.setattr(runtime, "count", lambda name, value=1, *_, **__: metrics.update({name: value}))
    shop.now += HOUR
    shop.facts.clear()
    assert nightly(shop)["walked"]["disagreements"] == 3
    assert metrics["AuditDisagreements"] == 3
    shop.pump()
    assert states(shop) == right
    known = {person.id: person.identifiers["user_id"][0] for person in shop.everybody()}
    told = {known[f["person"]]: f for f in shop.facts if f["name"] == "audit.disagreed"}
    assert told.keys() == {"u-2", "u-3", "u-4"}
    assert told["u-2"]["extra"] == ["never-red"]
    assert told["u-2"]["missing"] == ["reds", "viewed-not-bought"]
    assert {"Identify", "Product Viewed"} <= set(told["u-3"]["counters"])
    assert "Product Viewed" in told["u-4"]["counters"]
    shop.now += DAY
    assert "disagreements" not in nightly(shop)["walked"]


def test_a_clock_that_was_lost_is_found_before_it_would_have_struck(shop: World) -> None:
    watching(shop, 2)
    shop.now += HOUR
    spoil(shop, "u-1", due=1 << 62)
    assert nightly(shop)["walked"] == {"people": 2, "written": 1, "disagreements": 1, "clock": 1}
    shop.tick(shop.now + 48 * HOUR)
    assert all(segments == ["viewed-not-bought"] for _, segments, _, _ in states(shop).values())


def test_a_night_without_faults_writes_nobody(shop: World) -> None:
    people(shop, 5, apart=7)
    shop.now += DAY
    versions = [person.version for person in shop.everybody()]
    assert nightly(shop)["walked"] == {"people": 5}
    assert [person.version for person in shop.everybody()] == versions
    (today,) = walk.sizes(shop.store)
    assert today["people"] == 5


def test_an_event_counted_twice_is_counted_once_in_the_morning(shop: World) -> None:
    people(shop, 3)
    person = shop.person("user_id", "u-2")
    assert person is not None
    spoil(shop, "u-2", marks=[])
    shop.arrive(
        shop.event(
            "Product Viewed",
            ("user_id", "u-2"),
            at=person.history["Product Viewed"][1][0],
            properties={"colour": "red"},
        )
    )
    shop.pump()
    assert states(shop)["u-2"][0]["Product Viewed"][0] == 3
    shop.now += HOUR
    nightly(shop)
    assert states(shop)["u-2"][0]["Product Viewed"][0] == 2


def test_an_audit_killed_anywhere_goes_on_with_the_next_minute(worlds: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "PAGE", 2)

    def run(shop: World) -> Any:
        people(shop, 3)
        shop.tick()
        spoil(shop, "u-1", memberships={})
        spoil(shop, "u-2", history={})
        shop.now += HOUR
        before = shop.gate.calls
        try:
            nightly(shop)
        except Killed:
            if not walk.jobs(shop.store):
                nightly(shop)
        calls = shop.gate.calls
        for _ in range(4):
            shop.tick()
        shop.pump()
        assert walk.jobs(shop.store)["audit"].finished
        told = sorted({f["person"] for f in shop.facts if f["name"] == "audit.disagreed"})
        return before, calls, states(shop), told, walk.sizes(shop.store)[0]["segments"]

    with worlds() as shop:
        before, calls, *expected = run(shop)
    assert len(expected[1]) == 2
    for kill_at in range(before + 1, calls + 1):
        with worlds() as shop:
            shop.gate.kill_at = kill_at
            assert list(run(shop)[2:]) == expected, f"killed after call {kill_at} of {calls}"
            assert shop.gate.killed
