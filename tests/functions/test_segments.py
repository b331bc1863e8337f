"""Segments seen from outside: sizes, previews, members, and why somebody is in; by the API and on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import botocore.session
import pytest

from gateway import ADMIN, ask, served
from shop import SHOP
from tailor.cli.main import main
from tailor.edges import runtime
from tailor.flows import audience
from tailor.flows.publish import publish
from tailor.kernel.instants import DAY, HOUR, iso
from tailor.rules.operators import OPERATORS
from world import CONTEXT, World, app

Run = Callable[..., tuple[int, str, str]]


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


def crowd(shop: World, number: int) -> None:
    """So many people, every fourth of whom has bought something blue."""
    for n in range(number):
        who = (("user_id", f"u-{n}"), ("email", f"u-{n}@example.com"))
        shop.arrive(shop.event("Identify", *who, kind="identify", at=shop.now - DAY))
        if n % 4 == 0:
            shop.arrive(shop.event("Order Completed", *who, at=shop.now - HOUR, properties={"colour": "blue"}))
    shop.pump(batch=100)


def nightly(shop: World) -> None:
    app("refresh").handler({"job": "nightly"}, CONTEXT)


def test_a_segment_has_the_size_it_had_each_night(shop: World) -> None:
    crowd(shop, 8)
    (before,) = [s for s in ask("GET", "/api/segments")[1] if s["key"] == "buyers"]
    assert (before["size"], before["counted"]) == (None, None)
    nightly(shop)
    shop.now += DAY
    shop.arrive(shop.event("Order Completed", ("user_id", "u-1")))
    shop.pump()
    nightly(shop)
    told = ask("GET", "/api/segments/buyers")[1]
    assert [day["size"] for day in told["history"]] == [2, 3]
    assert (told["size"], told["counted"]) == (3, iso(shop.now))
    assert told["rule"] == {"did": "Order Completed"}
    status, problem = ask("GET", "/api/segments/buyer")
    assert status == 404
    assert "did you mean 'buyers'" in problem["detail"]


def test_a_preview_of_few_people_is_exact_and_shows_some(shop: World) -> None:
    crowd(shop, 12)
    found = ask("POST", "/api/segments/preview", {"rule": {"did": "Order Completed", "within": "1d"}})[1]
    assert (found["size"], found["low"], found["high"], found["exact"]) == (3, 3, 3, True)
    assert {one["identifiers"]["user_id"][0] for one in found["examples"]} == {"u-0", "u-4", "u-8"}
    assert found["sentence"]
    blue = ask("POST", "/api/segments/preview", {"rule": {"did": "Order Completed", "where": {"colour": "blue"}}})[1]
    assert blue["size"] == 3, "counters that nobody keeps yet come from the events"


def test_a_preview_of_many_people_is_a_sample_with_its_error(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audience, "SAMPLE", 60)
    crowd(shop, 120)
    found = ask("POST", "/api/segments/preview", {"rule": {"did": "Order Completed"}})[1]
    assert (found["people"], found["sampled"], found["exact"]) == (120, 60, False)
    assert found["size"] == round(120 * found["matched"] / 60)
    assert found["low"] < found["size"] < found["high"]
    assert found["low"] <= 30 <= found["high"]
    assert len(found["examples"]) <= 20
    nobody = ask("POST", "/api/segments/preview", {"rule": {"did": "Never Done"}})[1]
    assert (nobody["size"], nobody["low"], nobody["high"]) == (0, 0, 8)


def test_a_preview_of_a_wrong_rule_points_into_it(shop: World) -> None:
    status, problem = ask("POST", "/api/segments/preview", {"rule": {"all": [{"did": "X", "whithin": "2d"}]}})
    assert status == 400
    assert problem["pointer"].startswith("/rule/all/0")
    assert ask("POST", "/api/segments/preview", {"rule": {"did": "X"}, "purpose": "nothing"})[0] == 400
    assert ask("POST", "/api/segments/preview", {"rule": {"did": "X"}})[1]["people"] == 0


def test_members_come_page_by_page_and_each_once(shop: World) -> None:
    crowd(shop, 20)
    found: list[str] = []
    after, pages = "", 0
    while after is not None:
        page = ask("GET", f"/api/segments/buyers/members?limit=2&after={after}")[1]
        assert len(page["members"]) <= 2
        found += [one["identifiers"]["user_id"][0] for one in page["members"]]
        after, pages = page["next"], pages + 1
    assert sorted(found) == ["u-0", "u-12", "u-16", "u-4", "u-8"]
    assert pages > 2


def test_why_somebody_is_in_and_when_they_would_leave(shop: World) -> None:
    document = json.loads(json.dumps(SHOP))
    document["segments"]["lately"] = {
        "rule": {"any": [{"did": "Order Completed", "within": "2d"}, {"did": "Product Viewed", "within": "1d"}]}
    }
    shop.publish(document)
    began = shop.now
    shop.arrive(shop.event("Order Completed", ("user_id", "u-1")), shop.event("Product Viewed", ("user_id", "u-1")))
    shop.pump()
    person = shop.person("user_id", "u-1")
    assert person is not None
    shop.now += HOUR
    told = ask("GET", f"/api/people/{person.id}/segments/lately")[1]
    assert (told["member"], told["since"], told["changes"]) == (True, iso(began), iso(began + 2 * DAY))
    assert told["sentence"].startswith(f"In since {iso(began)}, because ")
    assert told["sentence"].endswith(f"Would leave at {iso(began + 2 * DAY)}.")
    assert [part["holds"] for part in told["reason"]["parts"]] == [True, True]
    out = ask("GET", f"/api/people/{person.id}/segments/viewed-not-bought")[1]
    assert (out["member"], out["since"], out["changes"]) == (False, None, None)
    assert out["sentence"].startswith("Not in: it is not so that ")
    stays = ask("GET", f"/api/people/{person.id}/segments/buyers")[1]
    assert stays["sentence"].endswith("Time alone will not change that.")


def test_somebody_who_will_enter_is_told_when(shop: World) -> None:
    shop.arrive(shop.event("Product Viewed", ("user_id", "u-1")))
    shop.pump()
    person = shop.person("user_id", "u-1")
    assert person is not None
    told = ask("GET", f"/api/people/{person.id}/segments/viewed-not-bought")[1]
    assert told["sentence"].endswith(f"Would enter at {iso(shop.now + 48 * HOUR)}.")
    shop.tick(shop.now + 48 * HOUR)
    assert ask("GET", f"/api/people/{person.id}/segments/viewed-not-bought")[1]["member"]


def test_jobs_and_the_clock_are_told(shop: World) -> None:
    assert ask("GET", "/api/jobs")[1] == []
    assert ask("GET", "/api/clock")[1] == {"last": None, "busy": None, "days": []}
    crowd(shop, 4)
    publish({**SHOP, "topics": {}, "templates": {}, "journeys": {}}, shop.store, now=shop.now)
    runtime._CACHE.clear()
    (waiting,) = ask("GET", "/api/jobs")[1]
    assert (waiting["name"], waiting["state"], waiting["total"]) == ("backfill", "waiting", 4)
    shop.tick()
    (done,) = ask("GET", "/api/jobs")[1]
    assert (done["state"], done["progress"], done["counts"]["people"]) == ("finished", 1.0, 4)
    assert ask("GET", "/api/clock")[1]["last"]["at"] == iso(shop.now)


# ---- the command line


def test_the_command_line_shows_segments_and_who_is_in(shop: World, tailor: Run, tmp_path: Path) -> None:
    crowd(shop, 8)
    nightly(shop)
    status, listed, _ = tailor("segment", "list")
    assert status == 0
    row = next(line for line in listed.splitlines() if line.startswith("buyers"))
    assert row.split()[1] == "2"
    assert "▇" in tailor("segment", "show", "buyers")[1]
    lines = tailor("segment", "members", "buyers")[1].splitlines()
    assert {json.loads(line)["identifiers"]["user_id"][0] for line in lines} == {"u-0", "u-4"}
    rule = tmp_path / "rule.json"
    rule.write_text('{"did": "Order Completed"}')
    for given in ('{"did": "Order Completed"}', str(rule)):
        assert "exactly 2 people" in tailor("segment", "preview", given)[1]
    explained = tailor("segment", "explain", "buyers", "u-0@example.com")[1]
    assert explained.startswith("In since ")
    assert "✓" in explained
    assert tailor("segment", "explain", "buyers", "u-1@example.com")[1].startswith("Not in")
    status, _, complaint = tailor("segment", "show", "buyer")
    assert status == 1
    assert "did you mean 'buyers'" in complaint
    status, _, complaint = tailor("segment", "preview", '{"did": ')
    assert status == 1
    assert "not JSON" in complaint


def test_a_segment_is_created_from_text_shown_as_text_and_changed_in_a_new_version(shop: World, tailor: Run) -> None:
    crowd(shop, 8)
    rule = 'did "Order Completed" within 7d and not country = "DE"'
    status, said, _ = tailor("segment", "create", "recent", rule, "--title", "Recent buyers")
    assert (status, "in force in version" in said) == (0, True)
    runtime._CACHE.clear()
    shown = tailor("segment", "show", "recent")[1]
    assert rule in shown
    assert "Recent buyers" in shown
    assert "as it is" in tailor("segment", "create", "recent", rule, "--title", "Recent buyers")[1]
    again = json.loads(tailor("segment", "create", "recent", "in segment buyers", "--json")[1])
    assert again["changed"]
    assert [change["pointer"] for change in again["diff"]] == ["/segments/recent"]
    status, _, complaint = tailor("segment", "create", "other", 'did "Order Completed" witin 7d')
    assert status == 1
    assert "character 23: " in complaint
    assert "did you mean 'within'" in complaint
    status, _, complaint = tailor("segment", "create", "other", rule, "--programme", "shop")
    assert (status, "change its folder" in complaint) == (1, True)


def test_the_language_lists_every_operator_with_its_text(tailor: Run) -> None:
    listed = json.loads(tailor("segment", "language", "--json")[1])
    assert [one["operator"] for one in listed] == list(OPERATORS)
    assert 'did "Product Viewed" then not "Order Completed" within 48h' in tailor("segment", "language")[1]


def test_the_command_line_shows_jobs_and_the_clock(shop: World, tailor: Run) -> None:
    assert "not ticked yet" in tailor("clock")[1]
    shop.arrive(shop.event("Product Viewed", ("user_id", "u-1")))
    shop.pump()
    shop.tick(shop.now + 48 * HOUR + 20_000)
    nightly(shop)
    assert "at most 20000" in tailor("clock")[1]
    assert "≤ 30 s  1" in tailor("clock")[1]
    assert "audit" in tailor("jobs")[1]
    assert json.loads(tailor("jobs", "--json")[1])[0]["counts"]["people"] == 1


def test_the_command_line_subscribes_and_unsubscribes(shop: World, tailor: Run) -> None:
    status, made, said = tailor("webhook", "create", "https://shop.example/hook", "segment.*")
    assert (status, said) == (0, "")
    assert "whsec_" in made
    id = next(line.split()[1] for line in made.splitlines() if line.startswith("id"))
    assert "enabled" in tailor("webhook", "list")[1]
    assert tailor("webhook", "enable", id)[0] == 0
    assert tailor("webhook", "replay", id, "--since", iso(shop.now))[1] == "0 queued\n"
    assert tailor("webhook", "delete", id) == (0, f"{id} is told nothing any more\n", "")
    status, _, complaint = tailor("webhook", "create", "https://10.0.0.1/hook", "segment.*")
    assert status == 1
    assert "public" in complaint
