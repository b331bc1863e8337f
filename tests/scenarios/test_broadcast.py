"""A broadcast in simulated time, with kills between any two calls: nobody twice, nobody forgotten, the quota used."""

from __future__ import annotations

import pytest

from simulation import CALM, START, Hazards, Killed, Simulation, interrupted
from tailor.edges.mailer import Account
from tailor.edges.store import Store
from tailor.flows import broadcast
from tailor.kernel.campaign import read_campaign
from tailor.kernel.errors import Rejected
from tailor.kernel.fields import Fields
from tailor.kernel.instants import DAY, HOUR, parse_instant
from tailor.kernel.journey import ANY_TIME
from tailor.kernel.keys import share
from tailor.kernel.person import Person
from tailor.rules.campaigns import alarm, duration_of, held_out, planned, warm_up


def test_twenty_thousand_letters_each_once_whatever_happens() -> None:
    report = Simulation(20_000, rate=500).run()
    assert report.kills > 5
    assert report.states["UNKNOWN"] + report.states["DELIVERED"] == 20_000
    assert (report.duplicates, report.lost, report.unsettled) == (0, 0, 0)
    assert report.doubtful < 200
    assert report.used >= 0.95
    assert report.throttled < 0.01


def test_what_is_to_be_sent_again_in_doubt_is_never_left_out() -> None:
    simulation = Simulation(1_000, rate=200, hazards=Hazards(killed=1 / 300, lost_answer=1 / 50, never_taken=1 / 20))
    report = simulation.run()
    notices = range(0, 1_000, 5)
    rows = [simulation.memory.tables["ledger"][f"P#p_{n:07d}"] for n in notices]
    letters = [(sk[2:], row["state"]["S"]) for part in rows for sk, row in part.items() if sk.startswith("S#")]
    assert [state for _, state in letters] == ["DELIVERED"] * 200
    assert all(simulation.taken[message] == 1 for message, _ in letters)
    assert report.doubtful > 0
    assert (report.duplicates, report.lost, report.unsettled) == (0, 0, 0)


@pytest.mark.parametrize("seed", range(2))
def test_paused_resumed_changed_and_cancelled_in_the_middle_it_counts_exactly(seed: int) -> None:
    assert interrupted(2_000, seed=seed) == []


@pytest.mark.parametrize("ends", ["cancelled", "changed"])
def test_a_page_whose_worker_is_killed_before_its_checkpoint_is_counted(
    ends: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Simulation(1_000, rate=50, hazards=CALM)
    document = {"template": "sale", "audience": {"attribute": "country", "eq": "DE"}}
    broadcast.put("some", document, run.watch, run.compiled, now=run.now)
    broadcast.start("some", run.watch, run.compiled, now=run.now)
    keep = broadcast._keep

    def killed(one: broadcast.Broadcast, store: Store) -> bool:
        if one.after:
            raise Killed
        return keep(one, store)

    with monkeypatch.context() as patch:
        patch.setattr(broadcast, "_keep", killed)
        run.minute()
    reached = run.reached("some")
    assert len(reached) == 80
    assert broadcast.broadcasts(run.watch)["some"].handed == 0
    if ends == "cancelled":
        broadcast.cancel("some", run.watch, now=run.now)
    else:
        document["audience"] = {"attribute": "country", "eq": "NO"}
        broadcast.put("some", document, run.watch, run.compiled, now=run.now)
    run.work()
    run.minute()
    run.minute()
    reached |= set(range(0, 1_000, 5)) if ends == "changed" else set()
    assert run.reached("some") == reached
    assert broadcast.broadcasts(run.watch)["some"].handed == len(reached)


def campaign(**fields: object) -> object:
    document = {"template": "sale", "audience": {"did": "Order Completed"}, **fields}
    return read_campaign("sale", Fields(document, "/campaigns/sale"), ANY_TIME)


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"audience": None}, "/audience"),
        ({"at": "tomorrow"}, "/at"),
        ({"local": True}, "/local"),
        ({"local": True, "at": "2026-12-01T09:00Z"}, "/at"),
        ({"holdout": 1}, "/holdout"),
        ({"holdout": True}, "/holdout"),
        ({"throttle": 0}, "/throttle"),
        ({"ramp": 5}, "/ramp"),
        ({"ramp": [0]}, "/ramp"),
        ({"not_after": "soon"}, "/not_after"),
        ({"capped": "maybe"}, "/capped"),
    ],
)
def test_a_malformed_campaign_is_refused_with_its_place(fields: dict[str, object], pointer: str) -> None:
    with pytest.raises(Rejected) as refused:
        campaign(**fields)
    assert refused.value.pointer == f"/campaigns/sale{pointer}"


def test_a_ramp_goes_before_the_throttle() -> None:
    ramped = campaign(ramp=[100, 500], throttle=2_000)
    assert [ramped.allowed(hours * HOUR) for hours in (0, 0.5, 1, 1.5, 2, 3)] == [0, 50, 100, 350, 600, 2_600]  # type: ignore[attr-defined]
    assert campaign().allowed(0) == float("inf")  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("zone", "at"),
    [
        ("Pacific/Kiritimati", "2026-11-30T19:00Z"),
        ("Europe/Berlin", "2026-12-01T08:00Z"),
        ("America/New_York", "2026-12-01T14:00Z"),
        ("Pacific/Niue", "2026-12-01T20:00Z"),
        (None, "2026-12-01T09:00Z"),
    ],
)
def test_nine_o_clock_is_nine_on_the_recipients_clock(zone: str | None, at: str) -> None:
    simulation = Simulation(0)
    person = Person("p", attributes={"time_zone": zone} if zone else {})
    made = campaign(at="2026-12-01T09:00", local=True)
    assert planned(person, made, simulation.compiled.program, now=START) == parse_instant(at)  # type: ignore[arg-type]
    assert made.begins(now=START) <= parse_instant(at)  # type: ignore[attr-defined]


def test_the_held_out_are_always_the_same_and_about_as_many_as_asked() -> None:
    made = campaign(holdout=0.1)
    held = {n for n in range(10_000) if held_out(f"p_{n}", made)}  # type: ignore[arg-type]
    assert 850 < len(held) < 1_150
    assert held == {n for n in range(10_000) if share("holdout", "sale", f"p_{n}") < 0.1}


@pytest.mark.parametrize(
    ("counts", "level"),
    [
        ({"DELIVERED": 100, "COMPLAINED": 50}, ""),
        ({"DELIVERED": 10_000, "COMPLAINED": 9}, ""),
        ({"DELIVERED": 10_000, "COMPLAINED": 10}, "warn"),
        ({"DELIVERED": 10_000, "COMPLAINED": 30}, "pause"),
        ({"DELIVERED": 950, "BOUNCED": 50}, "warn"),
        ({"DELIVERED": 900, "BOUNCED": 100}, "pause"),
    ],
)
def test_complaints_and_bounces_warn_and_pause_at_their_limits(counts: dict[str, int], level: str) -> None:
    assert alarm(counts)[0] == level


def test_a_warm_up_doubles_until_the_quota_and_sends_everything() -> None:
    plan = warm_up(10_000, daily=2_000)
    assert plan == [50, 100, 200, 400, 800, 1_600, 2_000, 2_000, 2_000, 850]
    assert sum(warm_up(1_000_000, daily=50_000)) == 1_000_000


def test_a_million_letters_take_a_young_account_twenty_days() -> None:
    assert 19 * DAY < duration_of(1_000_000, rate=14, daily=50_000, sent=0) <= 20 * DAY
    assert duration_of(14 * 60, rate=14, daily=50_000, sent=0) == 60_000


def test_nothing_is_handed_over_that_the_account_would_not_take() -> None:
    assert broadcast.budget(Account(100, 1e9, 0), 0) == 11_640
    assert broadcast.budget(Account(100, 1e9, 0), 11_000) == 640
    assert broadcast.budget(Account(100, 10_000, 9_600), 0) == 0
    assert broadcast.budget(Account(100, 1e9, 0, enabled=False), 0) == 0
