"""Why, of a campaign: those it reached, those it left out, those it was never for, and one that has not begun."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from shop import SHOP
from tailor.edges import runtime
from tailor.flows import broadcast
from tailor.flows.why import why
from tailor.kernel.errors import Rejected
from tailor.kernel.instants import DAY, HOUR, MINUTE, iso
from world import CONTEXT, World, app

DOCUMENT: dict[str, Any] = deepcopy(SHOP)
DOCUMENT["templates"]["sale"] = {"topic": "deals", "subject": "Sale", "html": "<p>Sale</p>"}
DOCUMENT["campaigns"] = {"sale": {"template": "sale", "audience": {"attribute": "country", "eq": "DE"}}}
YES = (("marketing", "granted"),)


def lives(shop: World, name: str, country: str, consent: Any = YES) -> None:
    who = (("user_id", name), ("email", f"{name}@example.com"))
    shop.arrive(shop.event("Identify", *who, kind="identify", traits={"country": country}, consent=consent))


@pytest.fixture(name="crowd")
def _crowd(shop: World) -> World:
    shop.publish(DOCUMENT)
    lives(shop, "ada", "DE")
    lives(shop, "bob", "FR")
    lives(shop, "cyd", "DE", consent=())
    shop.pump()
    return shop


def runs(shop: World, minutes: int = 2, **more: Any) -> None:
    document = deepcopy(DOCUMENT)
    document["campaigns"]["sale"] |= more
    shop.publish(document)
    broadcast.start("sale", shop.store, runtime.compiled(), now=shop.now)
    for _ in range(minutes):
        shop.now += MINUTE
        app("campaign").handler({"job": "campaigns"}, CONTEXT)
        shop.pump()


def ask(shop: World, name: str, asked: str = "sale") -> tuple[dict[str, Any], list[dict[str, Any]]]:
    person = shop.person("user_id", name)
    assert person is not None
    rows = [row for row in shop.store.messages(person) if row.get("campaign") == "sale"]
    return why(person, asked, shop.store, runtime.compiled(), now=shop.now), rows


def test_who_got_it(crowd: World) -> None:
    runs(crowd)
    answer, (row,) = ask(crowd, "ada")
    assert (answer["answer"], answer["message"], row["state"]) == (True, row["message"], "DELIVERED")
    assert "It was started by the campaign 'sale'." in answer["reasons"][1]["sentence"]
    assert ask(crowd, "ada", row["message"])[0] == answer


def test_who_is_not_in_the_audience_is_told_what_fails(crowd: World) -> None:
    runs(crowd)
    answer, rows = ask(crowd, "bob")
    assert rows == []
    assert answer["reasons"][0]["code"] == "not-in-audience"
    assert "country" in answer["sentence"]
    assert "FR" in answer["sentence"]


def test_who_was_left_out_is_told_the_reason_on_record(crowd: World) -> None:
    runs(crowd)
    answer, (row,) = ask(crowd, "cyd")
    assert row["why"] == "no-consent: marketing:deals"
    assert answer["reasons"][0]["code"] == "no-consent"
    assert answer["message"] == row["message"]


def test_who_is_held_out_for_comparison(crowd: World) -> None:
    names = [f"h-{n}" for n in range(8)]
    for name in names:
        lives(crowd, name, "DE")
    crowd.pump()
    runs(crowd, holdout=0.5)
    answers = [ask(crowd, name) for name in names]
    held = [answer for answer, rows in answers if not rows or rows[0]["state"] == "SKIPPED"]
    assert 0 < len(held) < len(names)
    assert {answer["reasons"][0]["code"] for answer in held} == {"holdout"}


def test_before_it_begins(crowd: World) -> None:
    assert ask(crowd, "ada")[0]["sentence"].startswith("No: The campaign 'sale' has not been started.")
    at = crowd.now + DAY
    runs(crowd, at=iso(at))
    reason = ask(crowd, "ada")[0]["reasons"][0]
    assert (reason["code"], reason["until"]) == ("not-begun", iso(at))


@pytest.mark.parametrize(
    ("change", "code"), [(broadcast.pause, "paused"), (broadcast.cancel, "cancelled"), (None, "under-way")]
)
def test_before_it_has_come_to_them(crowd: World, change: Any, code: str) -> None:
    runs(crowd, minutes=0)
    crowd.now += MINUTE
    if change is None:
        # It runs, and there was no room for anybody in this minute.
        known = broadcast.broadcasts(crowd.store)["sale"]
        known.state = "running"
        broadcast._keep(known, crowd.store)
    else:
        change("sale", crowd.store, now=crowd.now)
    assert ask(crowd, "ada")[0]["reasons"][0]["code"] == code


def test_who_came_into_the_audience_afterwards(crowd: World) -> None:
    runs(crowd)
    lives(crowd, "eve", "DE")
    crowd.pump()
    answer, rows = ask(crowd, "eve")
    assert rows == []
    assert answer["reasons"][0]["code"] == "not-then"


def test_a_name_that_is_none_is_told_with_the_nearest(crowd: World) -> None:
    with pytest.raises(Rejected, match="or campaign 'sales'; did you mean 'sale'"):
        ask(crowd, "ada", "sales")


def test_who_is_about_to_get_a_letter_that_matters_more(crowd: World) -> None:
    document = deepcopy(DOCUMENT)
    document["caps"] = {"daily": {"most": 1, "within": "24h"}}
    document["journeys"]["cart"] = {"trigger": {"event": "Cart Viewed"}, "steps": [{"wait": "3h"}, {"send": "sale"}]}
    crowd.publish(document)
    crowd.arrive(crowd.event("Cart Viewed", ("user_id", "ada")))
    crowd.pump()
    broadcast.start("sale", crowd.store, runtime.compiled(), now=crowd.now)
    crowd.now += MINUTE
    app("campaign").handler({"job": "campaigns"}, CONTEXT)
    crowd.pump()
    answer, (row,) = ask(crowd, "ada")
    assert (row["state"], row["why"]) == ("SKIPPED", "yields: cart")
    assert "a letter of a higher priority was to come (cart)" in answer["sentence"]
    assert crowd.ses.mails == []
    crowd.tick(crowd.now + 3 * HOUR)
    crowd.pump()
    assert [mail["tags"]["tailor_journey"] for mail in crowd.ses.mails] == ["cart"]
