"""Recommendations end to end: a catalogue, what people did, a night, and what a letter then shows."""

from __future__ import annotations

from typing import Any

import pytest

from gateway import ask
from tailor.flows.stock import catalogue, shelf, stock
from tailor.kernel.errors import Rejected
from tailor.kernel.program import Program, Template
from tailor.rules.consent import View
from tailor.rules.recommending import Shelf, read_products
from tailor.rules.templates import compile_template
from world import CONTEXT, World, app

LETTER = (
    "{% for product in recommend(2) %}<a href='{{ product.url }}'>{{ product.name }}</a>;{% else %}nothing{% endfor %}"
)
TENTS = "{% for product in recommend(2, category='tents') %}{{ product.name }};{% endfor %}"


def row(name: str, category: str = "tents") -> dict[str, Any]:
    return {"name": name, "category": category, "url": f"https://shop.example/{name}", "price": 9.5}


ROWS = [row("Ridge"), row("Peg"), row("Lamp", "light"), row("Torch", "light"), row("Mat", "sleep")]


def bought(shop: World, who: str, *names: str, **event: Any) -> None:
    products = [{"name": name, "category": "x"} for name in names]
    shop.arrive(shop.event("Order Completed", ("user_id", who), properties={"products": products}, **event))


def night(shop: World) -> dict[str, Any]:
    shop.pump()
    answer: dict[str, Any] = app("refresh").handler({"job": "nightly"}, CONTEXT)["stocked"]
    return answer


def letter(html: str, made: Shelf, **attributes: Any) -> tuple[str, tuple[str, ...]]:
    program = Program.of([{"name": "shop"}])
    head = compile_template(Template("t", "s", html), program)
    assert head.recommends
    written = head.render(View(attributes, {}, {}), {}, now=0, shelf=made)
    return written.html, written.fallbacks


def test_what_goes_together_is_recommended_and_never_what_was_bought(shop: World) -> None:
    assert ask("PUT", "/api/products", ROWS) == (200, {"products": 5})
    for number in range(3):
        bought(shop, f"u{number}", "Ridge", "Lamp")
    bought(shop, "u9", "Mat")
    assert night(shop) == {"people": 4, "products": 5, "learned": 0}
    made = shelf(shop.store)
    assert made.beside["Ridge"] == ["Lamp"]
    assert made.popular[:2] == ["Lamp", "Ridge"]
    shown, fallbacks = letter(LETTER, made, last_viewed_product="Ridge", purchase_history=["Ridge"])
    assert shown.startswith("<a href='https://shop.example/Lamp'>Lamp</a>;")
    assert "Ridge" not in shown
    assert fallbacks == ()
    assert "Lamp" not in letter(LETTER, made, last_viewed_product="Ridge", purchase_history=["Lamp"])[0]


def test_a_stranger_is_shown_what_is_popular_and_the_letter_says_so(shop: World) -> None:
    ask("PUT", "/api/products", ROWS)
    bought(shop, "u1", "Torch")
    night(shop)
    shown, fallbacks = letter(LETTER, shelf(shop.store))
    assert ">Torch<" in shown
    assert fallbacks == ("recommend (popular)",)
    assert letter(TENTS, shelf(shop.store))[0] == "Peg;Ridge;"
    assert letter(LETTER, Shelf()) == ("nothing", ("recommend (nothing)",))


def test_a_product_nobody_uploaded_is_learned_from_an_event(shop: World) -> None:
    seen = {"name": "Stove", "category": "camping", "url": "https://shop.example/stove", "price": 30}
    shop.arrive(shop.event("Product Viewed", ("user_id", "u1"), properties=seen))
    shop.arrive(shop.event("Product Viewed", ("user_id", "u2"), properties={"name": "Bad", "url": "javascript:x"}))
    assert night(shop)["learned"] == 1
    assert catalogue(shop.store) == {"Stove": seen}
    assert night(shop)["learned"] == 0
    assert ask("GET", "/api/products")[1][0]["name"] == "Stove"


def test_what_is_wished_for_counts_most(shop: World) -> None:
    made = Shelf({name: row(name) for name in "abcd"}, ["a", "b", "c", "d"], {"a": ["b"], "d": ["c"]})
    assert letter(LETTER, made, last_viewed_product="a", last_wished_product="d")[0].index(">c<") < letter(
        LETTER, made, last_viewed_product="a", last_wished_product="d"
    )[0].index(">b<")


def test_who_does_not_permit_it_is_not_counted(shop: World) -> None:
    ask("PUT", "/api/products", ROWS)
    bought(shop, "u1", "Mat", consent=(("personalization", "withdrawn"),))
    shop.pump()
    stock(shop.store, Program.of(shop.store.definitions("programme").values()), now=shop.now, enough=lambda: False)
    assert shelf(shop.store).popular[0] != "Mat"


def test_a_letter_of_the_send_queue_recommends(shop: World) -> None:
    ask("PUT", "/api/products", ROWS)
    bought(shop, "u1", "Ridge", "Lamp")
    night(shop)
    profile = {"purchase_history": ["Ridge"], "consent": {"marketing": "granted"}}
    trial = {"subject": "Hi", "html": LETTER, "topic": "deals"}
    answer = app("render").handler({"template": trial, "profile": profile}, CONTEXT)
    assert ">Lamp<" in answer["html"]


@pytest.mark.parametrize(
    "bad", [{"name": "x"}, {"url": "https://x.example"}, row("x") | {"url": "javascript:1"}, {"nmae": 1}]
)
def test_a_product_that_cannot_be_shown_is_refused_by_its_place(bad: dict[str, Any]) -> None:
    with pytest.raises(Rejected) as refused:
        read_products([row("a"), bad])
    assert refused.value.pointer.startswith("/products/1")


@pytest.mark.parametrize(
    "source",
    [
        "{% for p in recommend() %}{% endfor %}",
        "{% for p in recommend(0) %}{% endfor %}",
        "{% for p in recommend(21) %}{% endfor %}",
        "{% for p in recommend(first_name) %}{% endfor %}",
        "{% for p in recommend(3, kind='x') %}{% endfor %}",
        "{% for p in recomend(3) %}{% endfor %}",
        "{{ recommend(3) }}",
        "{% for p in recommend(3, category=''.upper()) %}{% endfor %}",
    ],
)
def test_recommend_is_written_in_one_way(source: str) -> None:
    with pytest.raises(Rejected):
        compile_template(Template("t", "s", source), Program.of([{"name": "shop"}]))
