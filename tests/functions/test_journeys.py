"""Journeys from outside: what they do, who is where in them, letting somebody in, holding one; by API and command."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import botocore.session
import pytest

from gateway import ADMIN, ask, served
from shop import SHOP
from tailor.cli.main import main
from tailor.edges import runtime
from tailor.flows import watch
from tailor.flows.audience import sample
from tailor.flows.publish import publish
from tailor.kernel.instants import DAY, HOUR, iso
from world import CONTEXT, World, app

ADA = (("user_id", "u-ada"), ("email", "ada@example.com"))
Run = Callable[..., tuple[int, str, str]]

DOCUMENT: dict[str, Any] = deepcopy(SHOP)
DOCUMENT["journeys"]["asked-for"] = {
    "trigger": {"api": True},
    "key": "ticket",
    "steps": [{"wait": "1h"}, {"webhook": "desk", "properties": {"ticket": {"from": "ticket"}}}, {"send": "receipt"}],
}
DOCUMENT["journeys"]["tour"] = {
    "trigger": {"event": "Signed Up"},
    "goal": {"event": "Order Completed"},
    "steps": [{"wait": "3d"}, {"send": "receipt", "not_after": "1d"}, {"wait": "3d"}, {"send": "receipt"}],
}


@pytest.fixture(name="tailor")
def _tailor(shop: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Runs the command as its users do; answers (status, output, errors)."""
    ssm = botocore.session.get_session().create_client("ssm", region_name="eu-west-1")
    monkeypatch.setattr(runtime, "client", lambda service: ssm if service == "ssm" else shop.client(service))

    def run(*argv: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main(argv)
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    with served() as url:
        monkeypatch.setenv("TAILOR_URL", url)
        monkeypatch.setenv("TAILOR_TOKEN", ADMIN)
        yield run


def push(shop: World, document: dict[str, Any]) -> None:
    publish(document, shop.store, now=shop.now)
    runtime._CACHE.clear()


def signs_up(shop: World, *users: str) -> None:
    for user in users:
        who = (("user_id", user), ("email", f"{user}@example.com"))
        shop.arrive(shop.event("Signed Up", *who))
    shop.pump()


def ada(shop: World) -> str:
    shop.arrive(shop.event("Identify", *ADA, kind="identify", consent=[("marketing", "granted")]))
    shop.pump()
    person = shop.person("user_id", "u-ada")
    assert person is not None
    return person.id


def test_a_journey_is_told_in_english_with_how_many_wait_where(shop: World) -> None:
    push(shop, DOCUMENT)
    signs_up(shop, "u-1", "u-2", "u-3")
    shop.arrive(shop.event("Order Completed", ("user_id", "u-3"), properties={"order_id": "1"}))
    shop.pump()
    shop.now += DAY
    app("refresh").handler({"job": "nightly"}, CONTEXT)
    _, tour = ask("GET", "/api/journeys/tour")
    assert tour["begins"] == "when 'Signed Up' happens"
    assert tour["enrolled"] == 2
    assert tour["ended"] == {"goal": 1}
    assert [(step["says"], step["waiting"]) for step in tour["steps"]] == [
        ("Wait 3d.", 2),
        ("Send 'receipt', not later than 24h after it is due.", 0),
        ("Wait 3d.", 0),
        ("Send 'receipt'.", 0),
    ]
    assert "Goal when 'Order Completed' happens." in tour["outline"]
    summary = next(one for one in ask("GET", "/api/journeys")[1] if one["key"] == "tour")
    assert (summary["enrolled"], summary["counted"]) == (2, iso(shop.now))


def watched(shop: World) -> dict[str, Any]:
    status, found = ask("GET", "/api/journeys/tour/watch")
    assert status == 200, found
    return dict(found)


def lives_through(shop: World, *, twice: bool = False) -> dict[str, Any]:
    """Three enter; one reaches the goal, one gets the first letter of the tour by day, one only when night is over."""
    document = deepcopy(DOCUMENT)
    document["templates"]["deal"] = {"topic": "deals", "subject": "A deal", "html": "<p>A deal</p>"}
    document["calendar"] = {"quiet": {"from": "05:00", "until": "14:00"}}
    document["journeys"]["tour"]["steps"] = [{"wait": "3d"}, {"send": "deal"}, {"wait": "3d"}, {"send": "receipt"}]
    push(shop, document)
    for user, zone in (("u-1", "UTC"), ("u-2", "Asia/Tokyo"), ("u-3", "UTC")):
        who = (("user_id", user), ("email", f"{user}@example.com"))
        told = {"traits": {"time_zone": zone}, "consent": [("marketing", "granted")]}
        shop.arrive(shop.event("Identify", *who, kind="identify", **told), shop.event("Signed Up", *who))
    shop.pump(twice=twice)
    shop.now += HOUR
    shop.arrive(shop.event("Order Completed", ("user_id", "u-3"), properties={"order_id": "1"}))
    shop.pump(twice=twice)
    shop.tick(shop.now + 3 * DAY)
    shop.pump(twice=twice)
    shop.tick()
    shop.pump(twice=twice)
    return watched(shop)


def test_a_journey_is_watched_as_it_is(shop: World) -> None:
    found = lives_through(shop)
    assert (found["exact"], found["as_of"]) == (True, iso(shop.now))
    assert (found["enrolled"]["people"], found["entered"]["people"]) == (2, 3)
    assert [step["waiting"]["people"] for step in found["steps"]] == [0, 1, 1, 0]
    (held,) = found["steps"][1]["held"]
    assert (held["why"], held["people"], held["says"]) == ("quiet-hours", 1, "it is night where they are")
    assert found["steps"][1]["next"] == "2026-11-27T14:00:00.000Z"
    assert [(one["how"], one["people"]) for one in found["ended"]] == [("goal", 1)]
    assert [(one["within"], one["people"]) for one in found["due"]] == [("a day", 1), ("later", 1)]
    assert found["letters"] == [{"state": "DELIVERED", "why": "", "letters": 1}]


def test_what_runs_twice_or_is_killed_is_watched_as_once(worlds: Any) -> None:
    with worlds() as shop:
        once = lives_through(shop)
        calls = shop.gate.calls
    with worlds() as other:
        assert lives_through(other, twice=True) == once
    for kill_at in range(20, calls - 20, calls // 6):
        with worlds() as other:
            other.gate.kill_at = kill_at
            assert lives_through(other) == once, f"killed after call {kill_at} of {calls}"


def test_of_many_people_a_sample_tells_and_the_last_count_beside_it(
    tailor: Run, shop: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(shop, DOCUMENT)
    signs_up(shop, *(f"u-{number}" for number in range(12)))
    assert tailor("jobs", "--count")[0] == 0
    shop.tick()
    monkeypatch.setattr(watch, "sample", lambda store: sample(store, 5))
    found = watched(shop)
    step = found["steps"][0]
    assert (found["exact"], found["sampled"], step["counted"]) == (False, 5, 12)
    assert step["waiting"]["low"] < 12 <= step["waiting"]["high"]
    printed = tailor("journey", "watch", "tour", "--once")[1]
    assert "by a sample of 5" in printed
    assert "COUNTED" in printed
    assert json.loads(tailor("journey", "watch", "tour", "--json")[1])["key"] == "tour"
    assert "did you mean 'tour'?" in tailor("journey", "watch", "toor", "--once")[2]


def test_before_anybody_was_counted_nobody_says_how_many(shop: World) -> None:
    push(shop, DOCUMENT)
    assert {(one["enrolled"], one["counted"]) for one in ask("GET", "/api/journeys")[1]} == {(None, None)}


def test_the_api_lets_somebody_in_once_for_each_key(shop: World) -> None:
    push(shop, DOCUMENT)
    person = ada(shop)
    for ticket in ("t1", "t2", "t1"):
        body = {"person": person, "properties": {"ticket": ticket}}
        assert ask("POST", "/api/journeys/asked-for/enrol", body)[0] == 200
        shop.now += 1
    shop.pump()
    shop.tick(shop.now + HOUR)
    shop.pump()
    told = [(f["journey"], f["properties"]) for f in shop.facts if f["name"] == "journey.webhook"]
    assert told == [("asked-for#t1", {"ticket": "t1"}), ("asked-for#t2", {"ticket": "t2"})]
    assert len(shop.ses.mails) == 2


@pytest.mark.parametrize(
    ("key", "properties", "status", "said"),
    [
        ("tour", {}, 409, "begins when 'Signed Up' happens: give it trigger = { api = true }"),
        ("asked-for", {}, 400, "say which 'ticket' it is about"),
        ("asked", {"ticket": "1"}, 404, "did you mean 'asked-for'?"),
    ],
)
def test_who_cannot_be_let_in_is_told_why(
    shop: World, key: str, properties: dict[str, Any], status: int, said: str
) -> None:
    push(shop, DOCUMENT)
    got, problem = ask("POST", f"/api/journeys/{key}/enrol", {"person": ada(shop), "properties": properties})
    assert (got, said in problem["detail"]) == (status, True)


def test_a_paused_journey_stands_still_and_goes_on_where_it_stood(tailor: Run, shop: World) -> None:
    push(shop, DOCUMENT)
    signs_up(shop, "u-1", "u-2")
    assert tailor("journey", "pause", "tour")[0] == 0
    runtime._CACHE.clear()
    signs_up(shop, "u-3")
    shop.arrive(shop.event("Order Completed", ("user_id", "u-2"), properties={"order_id": "1"}))
    shop.pump()
    for _ in range(5):
        shop.tick(shop.now + DAY)
        shop.pump()
    assert [mail["tags"]["tailor_journey"] for mail in shop.ses.mails] == ["receipt"], "the order's, not the tour's"
    assert "paused" in tailor("journey", "list")[1]
    assert tailor("journey", "resume", "tour")[0] == 0
    runtime._CACHE.clear()
    shop.tick()
    shop.pump()
    people = {person.identifiers["user_id"][0]: person for person in shop.everybody()}
    assert people["u-1"].enrolments["tour"]["step"] == 2
    assert people["u-2"].finished["tour"][2] == "goal", "what ends it goes on being watched"
    assert "tour" not in {**people["u-3"].enrolments, **people["u-3"].finished}
    (row,) = [r for r in shop.store.messages(people["u-1"]) if r["journey"] == "tour"]
    assert (row["state"], row["why"]) == ("SKIPPED", "late")
    shop.tick(shop.now + 2 * DAY)
    shop.pump()
    assert shop.ses.mails[-1]["tags"]["tailor_journey"] == "tour"


def test_a_letter_that_was_owed_before_the_pause_waits_too(shop: World) -> None:
    push(shop, DOCUMENT)
    shop.arrive(shop.event("Order Completed", *ADA, properties={"order_id": "1"}))
    shop.pump()
    shop.tick(shop.now + HOUR)
    document = deepcopy(DOCUMENT)
    document["journeys"]["receipt"]["paused"] = True
    push(shop, document)
    shop.pump()
    assert shop.ses.mails == []
    push(shop, DOCUMENT)
    shop.tick(shop.now + HOUR)
    shop.pump()
    assert len(shop.ses.mails) == 1


def test_what_will_become_of_somebody_is_foreseen_and_nothing_is_done(tailor: Run, shop: World, tmp_path: Path) -> None:
    push(shop, DOCUMENT)
    ada(shop)
    shop.arrive(shop.event("Product Viewed", *ADA, properties={"name": "Tent"}))
    shop.pump()
    version = shop.person("user_id", "u-ada").version  # type: ignore[union-attr]
    found = json.loads(tailor("journey", "try", "ada@example.com", "--for", "5d", "--json")[1])
    due = iso(shop.now + 2 * DAY)
    assert [(one["at"], one["what"], one["name"]) for one in found] == [
        (due, "in", "viewed-not-bought"),
        (due, "entered", "come-back"),
        (due, "finished", "come-back"),
        (due, "letter", "come-back"),
    ]
    assert found[-1]["subject"] == "there, Your Personalized Deal Awaits!"
    assert shop.person("user_id", "u-ada").version == version  # type: ignore[union-attr]
    shop.tick(shop.now + 2 * DAY)
    shop.pump()
    assert len(shop.ses.mails) == 1, "as foreseen"
    (tmp_path / "program.toml").write_text('name = "shop"\n')
    assert "Nothing happens within 30d." in tailor("journey", "try", "ada@example.com", "--with", str(tmp_path))[1]


def test_a_span_that_is_none_is_refused(shop: World) -> None:
    push(shop, DOCUMENT)
    for span in ("soon", "900d"):
        status, problem = ask("POST", f"/api/people/{ada(shop)}/rehearsal", {"span": span})
        assert (status, problem["pointer"]) == (400, "/span")


def test_check_proves_a_folder_offline(tailor: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TAILOR_URL")
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "program.toml").write_text(
        'name = "p"\n[templates.hi]\nsubject = "Hi"\nhtml = "<p>Hi</p>"\nkind = "transactional"\n'
        '[journeys.hello]\ntrigger = { event = "Signed Up" }\nsteps = [{ wait = "1h" }, { send = "hi" }]\n'
    )
    scenario = '[[scenario]]\ntitle = "an hour later"\nevents = [{ at = "0m", name = "Signed Up" }]\n'
    (tmp_path / "scenarios" / "hello.toml").write_text(scenario + 'expect = [{ at = "1h", letter = "hi" }]\n')
    status, printed, _ = tailor("journey", "check", str(tmp_path))
    assert status == 0
    assert "1. Wait 1h." in printed
    assert "✓ an hour later" in printed
    (tmp_path / "scenarios" / "hello.toml").write_text(scenario + 'expect = [{ at = "2h", letter = "hi" }]\n')
    status, printed, _ = tailor("journey", "check", str(tmp_path), "--json")
    assert status == 1
    (proved,) = json.loads(printed)["scenarios"]
    assert "it came at 2026-03-02T10:00:00.000Z" in proved["wrong"][0]
    (tmp_path / "scenarios" / "hello.toml").write_text(scenario + 'expect = [{ at = "1h", leter = "hi" }]\n')
    status, _, complaint = tailor("journey", "check", str(tmp_path))
    assert status == 1
    assert "/scenario/0/expect/0: expect exactly one of letter" in complaint


def test_start_and_show_on_the_command_line(tailor: Run, shop: World, tmp_path: Path) -> None:
    push(shop, DOCUMENT)
    ada(shop)
    (tmp_path / "about.json").write_text('{"ticket": "t9"}')
    done = tailor("journey", "start", "asked-for", "ada@example.com", "--properties", str(tmp_path / "about.json"))
    assert "was asked into asked-for" in done[1]
    shop.pump()
    assert "asked-for#t9" in shop.person("user_id", "u-ada").enrolments  # type: ignore[union-attr]
    shown = tailor("journey", "show", "asked-for")[1]
    assert "Call the webhook 'desk' with ticket to the 'ticket' of the event." in shown
