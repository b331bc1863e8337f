"""What is published is what the contracts say, and every fact has one."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from shop import SHOP
from tailor.edges.store import Write
from tailor.flows import broadcast
from tailor.flows.notify import Desk, _disable
from tailor.flows.subscribe import FACTS
from tailor.kernel.instants import DAY, HOUR, MINUTE
from world import CONTEXT, World, app

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS = {
    path.name.removesuffix(".schema.json"): json.loads(path.read_text())
    for path in sorted((ROOT / "events" / "contracts").glob("*.schema.json"))
}
ADA = (("user_id", "u-ada"), ("email", "ada@example.com"))


def life(shop: World) -> None:
    """Enough happens that every fact is told."""
    shop.arrive(
        shop.event("Identify", *ADA, kind="identify", consent=(("marketing", "granted"),)),
        *(shop.event("Product Viewed", *ADA, id=str(n), properties={"name": f"Tent {n}"}) for n in range(51)),
    )
    shop.pump()
    shop.tick(shop.now + 48 * HOUR)
    shop.pump()
    shop.arrive(shop.event("Order Completed", *ADA, properties={"order_id": "1"}))
    shop.pump()
    shop.tick(shop.now + HOUR)
    for _ in range(8):
        # Nobody sends, so that what is owed stays owed until it is given up.
        shop._relay(twice=False)
        shop.queues["send"].clear()
        shop.tick(shop.now + 20 * DAY)
    shop.pump()
    ada = shop.person(*ADA[0])
    assert ada is not None
    wrong = ada.copy()
    wrong.version += 1
    wrong.history = {}
    assert shop.store.write([Write(wrong, had_due=True)], now=shop.now) == []
    shop.now += HOUR
    app("refresh").handler({"job": "nightly"}, CONTEXT)
    shop.arrive(shop.event("Deletion Requested", *ADA, kind="delete"))
    shop.pump()


def campaigns(shop: World) -> None:
    """One that ends, one that draws complaints, one that draws a few."""
    sale = {"template": "come-back", "audience": {"did": "Order Completed"}}
    for key, complaints in (("fine", 0), ("warned", 1), ("paused", 90)):
        compiled = app("campaign").runtime.compiled()
        broadcast.put(key, sale, shop.store, compiled, now=shop.now)
        broadcast.start(key, shop.store, compiled, now=shop.now)
        shop.store.tally(f"campaign:{key}", "DELIVERED", 900)
        shop.store.tally(f"campaign:{key}", "COMPLAINED", complaints)
        known = broadcast.broadcasts(shop.store)[key]
        if complaints:
            assert broadcast._keep(replace(known, state="running"), shop.store)
    app("campaign").handler({"job": "campaigns"}, CONTEXT)


def test_every_fact_has_a_contract_and_every_contract_a_fact() -> None:
    source = "".join(path.read_text() for path in (ROOT / "layers/core/tailor").rglob("*.py"))
    told = set(re.findall(r'"name": "([a-z]+\.[a-z_]+)"', source))
    assert told == set(FACTS) == CONTRACTS.keys()


@pytest.mark.parametrize("fact", CONTRACTS)
def test_a_contract_is_a_schema(fact: str) -> None:
    Draft202012Validator.check_schema(CONTRACTS[fact])
    assert CONTRACTS[fact]["title"] == fact
    assert set(CONTRACTS[fact]["required"]) == CONTRACTS[fact]["properties"].keys()


def test_what_is_published_is_as_the_contracts_say(shop: World) -> None:
    document = deepcopy(SHOP)
    document["journeys"]["tell"] = {"trigger": {"event": "Product Viewed"}, "steps": [{"webhook": "sales"}]}
    document["journeys"]["each"] = {
        "trigger": {"event": "Product Viewed"},
        "key": "name",
        "steps": [{"wait": "30d"}, {"webhook": "reminder"}],
    }
    shop.publish(document)
    life(shop)
    campaigns(shop)
    desk: Any = Desk(shop.store, None, app("relay").runtime.facts(), None, lambda _: ())  # type: ignore[arg-type]
    _disable("wh_1", {"url": "https://shop.example"}, "HTTP 500", desk, shop.now + MINUTE)
    seen = set()
    for fact in shop.facts:
        contract = CONTRACTS[fact["name"]]
        Draft202012Validator(contract).validate(fact)
        assert fact.keys() == contract["properties"].keys(), fact["name"]
        seen.add(fact["name"])
    assert seen == CONTRACTS.keys()
