"""The ready cart programme through every worker: one stays to the end, one leaves by one click, one buys in time."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway import event
from tailor.cli import programme
from tailor.edges import runtime
from tailor.flows.publish import publish
from tailor.kernel.instants import DAY, HOUR
from world import CONTEXT, World, app

CART = programme.read(Path(__file__).parents[2] / "events" / "programs" / "abandoned-cart")
PEOPLE = ("stayer", "leaver", "buyer")


def subjects(shop: World, user: str) -> list[str]:
    person = shop.person("user_id", user)
    assert person is not None
    rows = sorted(shop.store.messages(person), key=lambda row: int(row["step"]))
    return [str(row["template"]) for row in rows if row["state"] == "DELIVERED"]


def unsubscribes(shop: World, user: str) -> None:
    (mail,) = [mail for mail in shop.ses.mails if mail["to"] == f"{user}@example.com"]
    link = re.search(rb"List-Unsubscribe: <https://[^/]+(/u/([^>]+))>", mail["raw"])
    assert link
    form = {"content-type": "application/x-www-form-urlencoded"}
    post = event("POST", link[1].decode(), "List-Unsubscribe=One-Click", form)
    post["pathParameters"] = {"token": link[2].decode()}
    assert app("consent").handler(post, CONTEXT)["statusCode"] == 200


@pytest.mark.parametrize("twice", [False, True])
def test_each_comes_to_an_end_of_their_own(shop: World, twice: bool) -> None:
    shop.now += 4 * HOUR
    publish(CART, shop.store, now=shop.now)
    runtime._CACHE.clear()
    for user in PEOPLE:
        who = (("user_id", user), ("email", f"{user}@example.com"))
        shop.arrive(shop.event("Identify", *who, kind="identify", consent=[("marketing", "granted")]))
        shop.arrive(shop.event("Cart Viewed", *who, properties={"cart_id": user, "products": [{"name": "Tent"}]}))
    shop.pump(twice=twice)
    shop.now += HOUR // 2
    shop.arrive(shop.event("Order Completed", ("user_id", "buyer"), properties={"order_id": "1"}))
    shop.pump(twice=twice)
    shop.tick(shop.now + HOUR // 2)
    shop.pump(twice=twice)
    assert {user: subjects(shop, user) for user in PEOPLE} == {
        "stayer": ["cart-reminder"],
        "leaver": ["cart-reminder"],
        "buyer": [],
    }
    unsubscribes(shop, "leaver")
    shop.tick(shop.now + DAY)
    shop.pump(twice=twice)
    assert subjects(shop, "stayer") == ["cart-reminder", "cart-last-call"]
    assert subjects(shop, "leaver") == ["cart-reminder"]
    ends = {person.identifiers["user_id"][0]: person.finished for person in shop.everybody()}
    assert {user: ends[user][f"abandoned-cart#{user}"][2] for user in PEOPLE} == {
        "stayer": "end",
        "leaver": "refused",
        "buyer": "goal",
    }
