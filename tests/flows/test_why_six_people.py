"""Six people in six situations, and each asked about the same cart letter: the answer, held against the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tailor.cli import programme
from tailor.edges import runtime
from tailor.flows.publish import publish
from tailor.flows.why import why
from tailor.kernel.instants import HOUR, MINUTE
from world import World, world

CART = programme.read(Path(__file__).parents[2] / "events" / "programs" / "abandoned-cart")
LETTER = "cart-reminder"
YES = (("marketing", "granted"),)


def known(shop: World, name: str, **parts: Any) -> tuple[tuple[str, str], ...]:
    who = (("user_id", name), ("email", f"{name}@example.com"))
    shop.arrive(shop.event("Identify", *who, kind="identify", **{"consent": YES, **parts}))
    return who


def fills_a_cart(shop: World, who: tuple[tuple[str, str], ...]) -> None:
    products = [{"name": "Tent"}]
    shop.arrive(shop.event("Cart Viewed", *who, properties={"cart_id": "c1", "products": products}))


@pytest.fixture(name="shop", scope="module")
def _shop() -> Iterator[World]:
    """The day: six people, from six in the morning; it is night for Wei, who is nine and a half hours behind."""
    with pytest.MonkeyPatch.context() as patch, world(patch) as shop:
        publish(CART, shop.store, now=shop.now)
        runtime._CACHE.clear()
        shop.now += 3 * HOUR
        fills_a_cart(shop, known(shop, "ada"))
        known(shop, "bea")
        fills_a_cart(shop, known(shop, "cyd", consent=()))
        dora = known(shop, "dora")
        fills_a_cart(shop, dora)
        fills_a_cart(shop, known(shop, "emil"))
        fills_a_cart(shop, known(shop, "wei", traits={"time_zone": "Pacific/Marquesas"}))
        shop.pump()
        shop.store.suppress("emil@example.com", "Email Bounced", now=shop.now)
        shop.now += 30 * MINUTE
        shop.arrive(shop.event("Order Completed", *dora, properties={"order_id": "1"}))
        shop.pump()
        shop.tick(shop.now + 31 * MINUTE)
        shop.pump()
        yield shop


def asked(shop: World, name: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What the answer is, and what the ledger says."""
    person = shop.person("user_id", name)
    assert person is not None
    return why(person, LETTER, shop.store, runtime.compiled(), now=shop.now), shop.store.messages(person)


def test_ada_got_it(shop: World) -> None:
    answer, (row,) = asked(shop, "ada")
    assert (row["state"], row["template"]) == ("DELIVERED", LETTER)
    assert (answer["answer"], answer["message"]) == (True, row["message"])
    assert answer["sentence"].startswith("Yes: 'cart-reminder' was sent on 24 Nov 2026 10:01 UTC and delivered on")
    assert "It was started by the event 'Cart Viewed'." in answer["reasons"][1]["sentence"]
    assert answer["reasons"][2]["facts"]["consent"] == row["consent"]
    assert answer["reasons"][2]["facts"]["program"] == row["program"] == answer["program"]
    assert [mail["to"] for mail in shop.ses.mails] == ["ada@example.com"]


def test_bea_never_began(shop: World) -> None:
    answer, rows = asked(shop, "bea")
    assert rows == []
    assert answer["sentence"] == (
        "No: The journey 'abandoned-cart' begins when 'Cart Viewed' happens, which they have never done. "
        "It would take the event 'Cart Viewed'."
    )


def test_cyd_was_not_let_in_for_want_of_consent(shop: World) -> None:
    answer, rows = asked(shop, "cyd")
    assert rows == []
    assert [reason["code"] for reason in answer["reasons"]] == ["not-let-in", "did-not-begin", "no-consent"]
    assert answer["sentence"].startswith("No: The journey 'abandoned-cart' would not let them in.")
    assert "cart-reminders" in answer["sentence"]
    assert answer["reasons"][2]["change"] == "a grant of 'marketing:cart-reminders'"


def test_dora_bought_in_time(shop: World) -> None:
    answer, rows = asked(shop, "dora")
    assert rows == []
    assert answer["sentence"] == (
        "No: They entered the journey 'abandoned-cart#c1' on 24 Nov 2026 09:00 UTC and left it on 24 Nov 2026 09:30 "
        "UTC, because its goal was reached: 'Order Completed' happens. "
        "It would take entering it again, without that."
    )


def test_emil_cannot_be_written_to(shop: World) -> None:
    answer, (row,) = asked(shop, "emil")
    assert (row["state"], row["why"]) == ("SKIPPED", "suppressed: Email Bounced")
    assert answer["message"] == row["message"]
    assert answer["sentence"] == (
        "No: 'cart-reminder' was due on 24 Nov 2026 10:01 UTC, but the address must not be written to (Email Bounced). "
        "It would take the suppression lifted."
    )


def test_wei_sleeps(shop: World) -> None:
    answer, rows = asked(shop, "wei")
    assert rows == []
    first = answer["reasons"][0]
    assert answer["sentence"] == (
        "No: They entered the journey 'abandoned-cart' on 24 Nov 2026 09:00 UTC for the cart_id 'c1'; its letter was "
        "due on 24 Nov 2026 10:00 UTC, and is put off until 24 Nov 2026 17:30 UTC, because it is night where they are. "
        "It would take time, until 24 Nov 2026 17:30 UTC."
    )
    assert first["until"] == "2026-11-24T17:30:00.000Z"
    shop.tick(shop.now + 8 * HOUR)
    shop.pump()
    _, (row,) = asked(shop, "wei")
    assert row["state"] == "DELIVERED"
