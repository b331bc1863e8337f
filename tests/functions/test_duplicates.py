"""Likely duplicates seen from outside: listed, side by side, merged, undone, kept apart; by the API and on the command
line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from gateway import ADMIN, ask, served
from tailor.cli import duplicates
from tailor.cli.main import main
from tailor.kernel.instants import MINUTE
from world import NIGHT, World, app

Run = Callable[..., tuple[int, str, str]]
EDITH = {"first_name": "Edith", "last_name": "Haverly", "birth_date": "1979-05-23", "city": "Sheffield"}


@pytest.fixture(name="people")
def _people(shop: World) -> World:
    """Edith twice, and her neighbour."""
    for email, traits in (
        ("edith.haverly@gmail.com", EDITH),
        ("edith.haverly@gmial.com", EDITH),
        ("marek@okafor.example", {"first_name": "Marek", "last_name": "Okafor"}),
    ):
        shop.arrive(shop.event("Identify", ("email", email), kind="identify", traits=traits))
        shop.pump()
    shop.compare()
    return shop


@pytest.fixture(name="tailor")
def _tailor(people: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    def run(*argv: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main(argv)
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    with served() as url:
        monkeypatch.setenv("TAILOR_URL", url)
        monkeypatch.setenv("TAILOR_TOKEN", ADMIN)
        yield run


def the_pair() -> str:
    (pair,) = ask("GET", "/api/duplicates")[1]
    return str(pair["id"])


def test_a_pair_is_listed_shown_merged_and_undone(people: World) -> None:
    (listed,) = ask("GET", "/api/duplicates")[1]
    assert listed["probability"] > 0.99
    status, shown = ask("GET", f"/api/duplicates/{listed['id']}")[:2]
    assert status == 200
    assert {field["field"]: field["level"] for field in shown["fields"]}["last"] == "same"
    assert ask("POST", f"/api/duplicates/{listed['id']}/merge")[1]["state"] == "joined"
    assert len(people.everybody()) == 2
    (merged,) = ask("GET", "/api/duplicates?state=joined")[1]
    assert (merged["state"], merged["by"]) == ("joined", "review")
    assert ask("GET", "/api/duplicates")[1] == []
    undone = ask("POST", f"/api/duplicates/{merged['id']}/undo")[1]
    assert undone["state"] == "apart"
    assert len(people.everybody()) == 3
    assert ask("GET", "/api/duplicates?state=joined")[1][0]["state"] == "undone"


def test_what_is_no_pair_is_refused_with_the_way_out(people: World) -> None:
    status, problem = ask("GET", "/api/duplicates/p_1")[:2]
    assert (status, problem["type"].rpartition("/")[2]) == (404, "bad-pair")
    status, problem = ask("POST", f"/api/duplicates/{the_pair()}/undo")[:2]
    assert status == 404
    assert "was not merged" in problem["detail"]
    assert ask("GET", "/api/duplicates/p_1.p_2")[0] == 404


def test_a_run_begins_by_request_and_reports(people: World) -> None:
    assert ask("GET", "/api/dedup")[0] == 404
    begun = ask("POST", "/api/dedup")[1]
    assert (begun["state"], begun["by"]) == ("waiting", "request")
    people.now += MINUTE
    app("dedup").handler({"job": "continue"}, NIGHT)
    report = ask("GET", "/api/dedup")[1]
    assert (report["state"], report["counts"]["joined"]) == ("finished", 1)
    assert app("dedup").handler({"job": "continue"}, NIGHT) == {"state": "idle"}


def test_the_command_line_reviews_pairs(people: World, tailor: Run) -> None:
    pair = the_pair()
    status, out, _ = tailor("duplicates", "list")
    assert status == 0
    assert pair in out
    assert "last same" in out
    status, out, _ = tailor("duplicates", "show", pair)
    assert "Side by side" in out
    assert "edith.haverly@gmial.com" in out
    assert "…" in out
    status, out, _ = tailor("duplicates", "keep-apart", pair)
    assert "are kept apart" in out
    assert "Nobody is waiting" in tailor("duplicates", "list")[1]
    assert tailor("duplicates", "merge", pair)[0] == 0
    assert json.loads(tailor("duplicates", "list", "--merged", "--json")[1])[0]["id"]
    assert tailor("duplicates", "undo", pair)[0] == 0
    status, _, errors = tailor("duplicates", "undo", pair)
    assert status == 1
    assert "was undone" in errors


def test_dedup_now_waits_for_the_run_and_prints_its_report(
    people: World, tailor: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def a_minute_later(_: float) -> None:
        people.now += MINUTE
        app("dedup").handler({"job": "continue"}, NIGHT)

    monkeypatch.setattr(duplicates.time, "sleep", a_minute_later)
    status, out, errors = tailor("dedup", "--now")
    assert status == 0
    assert "Joined         1" in out
    assert "Joined because" in out
    assert "heal" in errors
    assert tailor("dedup")[0] == 2
    assert tailor("dedup", "--now", "file.csv")[0] == 2
