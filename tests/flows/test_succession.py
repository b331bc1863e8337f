"""A journey is changed while people are in it: they finish on its old steps, or move where they are told to."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from shop import SHOP
from tailor.edges import runtime
from tailor.flows.publish import programme, publish
from tailor.kernel.instants import DAY, HOUR
from tailor.rules.succession import FORMER
from world import World

ADA = (("user_id", "u-ada"), ("email", "ada@example.com"))


def with_steps(*steps: Any, **more: Any) -> dict[str, Any]:
    document = deepcopy(SHOP)
    document["journeys"]["receipt"] = {"trigger": {"event": "Order Completed"}, "steps": [*steps], **more}
    document["templates"]["thanks"] = {**SHOP["templates"]["receipt"], "subject": "Thanks"}
    return document


OLD = with_steps({"name": "pause", "wait": "2d"}, {"send": "receipt"})
NEW = with_steps({"wait": "1h"}, {"name": "after", "wait": "1h"}, {"send": "thanks"})


def push(shop: World, document: dict[str, Any]) -> Any:
    done = publish(document, shop.store, now=shop.now)
    runtime._CACHE.clear()
    return done


def buys(shop: World, user: str) -> None:
    who = (("user_id", user), ("email", f"{user}@example.com"))
    shop.arrive(shop.event("Order Completed", *who, properties={"order_id": user}))
    shop.pump()


def letters(shop: World) -> list[str]:
    rows = [row for person in shop.everybody() for row in shop.store.messages(person)]
    return sorted(f"{row['template']} {row['state']}" for row in rows)


def days_pass(shop: World, days: int) -> None:
    for _ in range(days):
        shop.tick(shop.now + DAY)
        shop.pump()


def test_who_is_in_finishes_on_the_steps_they_began(shop: World) -> None:
    push(shop, OLD)
    buys(shop, "ada")
    push(shop, NEW)
    buys(shop, "bob")
    shop.tick(shop.now + 2 * HOUR)
    shop.pump()
    assert letters(shop) == ["thanks DELIVERED"]
    days_pass(shop, 2)
    assert letters(shop) == ["receipt DELIVERED", "thanks DELIVERED"]


def test_who_is_at_a_step_that_moves_goes_on_in_the_new_version(shop: World) -> None:
    push(shop, OLD)
    buys(shop, "ada")
    document = deepcopy(NEW)
    document["journeys"]["receipt"]["moves"] = {"pause": "after"}
    push(shop, document)
    shop.tick(shop.now + HOUR)
    shop.tick(shop.now + HOUR)
    shop.pump()
    assert letters(shop) == ["thanks DELIVERED"]
    days_pass(shop, 3)
    assert letters(shop) == ["thanks DELIVERED"]


def test_a_move_from_a_step_that_never_was_is_warned_of(shop: World) -> None:
    push(shop, OLD)
    document = deepcopy(NEW)
    document["journeys"]["receipt"]["moves"] = {"puase": "after", "pause": "after"}
    (warning,) = [one for one in push(shop, document).warnings if "/moves/" in one["pointer"]]
    assert warning["pointer"] == "/journeys/receipt/moves/puase"
    assert "nobody is moved by this; did you mean 'pause'?" in warning["detail"]


def test_what_is_pushed_twice_is_pushed_once_and_the_old_steps_are_no_news(shop: World) -> None:
    push(shop, OLD)
    changed = push(shop, NEW)
    assert changed.changed
    assert not any("former" in line for change in changed.diff for line in change["lines"])
    assert not push(shop, NEW).changed
    assert list(programme("shop", shop.store)["document"]["journeys"]["receipt"]["former"]) != []


def test_steps_that_come_back_are_no_former_ones(shop: World) -> None:
    for document in (OLD, NEW, OLD):
        push(shop, document)
    journey = runtime.compiled().program.journeys["receipt"]
    assert journey.course.version not in journey.former
    assert len(journey.former) == 2, "the shop's own, and the new one"


def test_the_oldest_are_forgotten(shop: World) -> None:
    for hours in range(FORMER + 3):
        push(shop, with_steps({"wait": f"{hours + 2}h"}, {"send": "receipt"}))
    former = programme("shop", shop.store)["document"]["journeys"]["receipt"]["former"]
    assert [steps[0]["wait"] for steps in former.values()] == [f"{hours + 2}h" for hours in range(2, FORMER + 2)]


def test_old_steps_that_do_not_fit_any_more_are_told_and_their_people_end(shop: World) -> None:
    gold = {"attribute": "plan", "eq": "gold"}
    branching = with_steps({"wait": "1d"}, {"branch": [{"when": gold, "goto": "next"}]}, {"send": "receipt"})
    branching["attributes"] = {"plan": {"purposes": ["personalization"]}}
    push(shop, branching)
    buys(shop, "ada")
    (warning,) = [one for one in push(shop, NEW).warnings if one["pointer"] == "/journeys/receipt"]
    assert "'plan'" in warning["detail"]
    days_pass(shop, 2)
    (ada,) = shop.everybody()
    assert ada.enrolments == {}
    assert ada.finished["receipt"][2] == "withdrawn"
    assert letters(shop) == []


@pytest.mark.parametrize("pushed", [OLD, NEW])
def test_a_document_that_was_read_back_can_be_pushed_again(shop: World, pushed: dict[str, Any]) -> None:
    push(shop, OLD)
    push(shop, pushed)
    assert not push(shop, programme("shop", shop.store)["document"]).changed
