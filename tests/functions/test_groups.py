"""Small groups: no size, preview, list or campaign tells of fewer people than the programme's minimum."""

from __future__ import annotations

from typing import Any

import pytest

from gateway import ask
from shop import SHOP
from tailor.flows import audience
from tailor.kernel.instants import DAY
from world import CONTEXT, World, app

MINIMUM = 4
AGE = {
    "type": "number",
    "purposes": ["personalization"],
    "generalise": {"as": "age_band", "bands": [30], "purposes": ["personalization"]},
}
RULE = {"attribute": "city", "eq": "Lyon"}
SALE = {"template": "come-back", "audience": RULE}


@pytest.fixture(name="town")
def _town(shop: World) -> World:
    """Three people of Lyon who have bought something, four who have not been anywhere."""
    shop.publish({**SHOP, "minimum_group": MINIMUM, "attributes": {"age": AGE}})
    for n in range(7):
        who = ("email", f"u-{n}@example.com")
        shop.arrive(shop.event("Identify", who, kind="identify", traits={"city": "Lyon", "age": 31} if n < 3 else {}))
    shop.pump()
    buys(shop, 0, 1, 2)
    return shop


def buys(shop: World, *numbers: int) -> None:
    for n in numbers:
        shop.arrive(shop.event("Order Completed", ("email", f"u-{n}@example.com"), id=f"o-{n}"))
    shop.pump()


def one_more(shop: World) -> None:
    who = ("email", "u-3@example.com")
    shop.arrive(shop.event("Identify", who, id="moved", kind="identify", traits={"city": "Lyon", "age": 9}))
    shop.pump()


def preview(rule: Any) -> tuple[int, Any]:
    status, answer = ask("POST", "/api/segments/preview", {"rule": rule})
    return status, answer


def test_a_preview_tells_of_no_few_people_and_not_how_few(town: World) -> None:
    told = [preview(RULE), preview({"attribute": "city", "eq": "Nowhere"})]
    assert [status for status, _ in told] == [422, 422]
    assert told[0] == told[1], "three and none look the same"
    assert told[0][1]["type"].endswith("group-too-small")
    assert "'minimum_group'" in told[0][1]["detail"]
    assert told[0][1]["pointer"] == "/rule"
    one_more(town)
    assert preview(RULE)[1]["size"] == MINIMUM


def test_the_remedy_names_the_coarser_form_of_an_attribute(town: World) -> None:
    assert "ask for 'age_band' instead of 'age'" in preview({"attribute": "age", "eq": 31})[1]["detail"]


def test_a_sample_in_which_nobody_is_says_nothing_of_a_small_group(town: World, monkeypatch: Any) -> None:
    monkeypatch.setattr(audience, "SAMPLE", 5)
    status, answer = preview({"attribute": "city", "eq": "Nowhere"})
    assert (status, answer.get("matched"), answer.get("examples")) == (200, 0, [])


def test_members_and_sizes_of_small_segments_are_not_told(town: World) -> None:
    assert ask("GET", "/api/segments/buyers/members")[0] == 422
    assert ask("GET", "/api/segments/buyers/members?after=x")[0] == 422
    nightly(town)
    told = ask("GET", "/api/segments/buyers")[1]
    assert (told["size"], told["below"]) == (None, MINIMUM)
    assert [(day["size"], day["below"], day["people"]) for day in told["history"]] == [(None, MINIMUM, 7)]
    buys(town, 3)
    assert len(ask("GET", "/api/segments/buyers/members")[1]["members"]) == MINIMUM
    nightly(town)
    (told,) = [one for one in ask("GET", "/api/segments")[1] if one["key"] == "buyers"]
    assert (told["size"], told["below"]) == (MINIMUM, None)


def nightly(shop: World) -> None:
    shop.now += DAY
    app("refresh").handler({"job": "nightly"}, CONTEXT)


def test_no_campaign_starts_to_few_people_nor_turns_to_them(town: World) -> None:
    assert ask("PUT", "/api/campaigns/sale", SALE)[0] == 200
    status, problem = ask("POST", "/api/campaigns/sale/start", {})
    assert (status, problem["pointer"]) == (422, "/audience")
    assert ask("GET", "/api/campaigns/sale")[1]["state"] == "draft"
    one_more(town)
    assert ask("POST", "/api/campaigns/sale/start", {})[1]["state"] == "scheduled"
    narrower = {**SALE, "audience": {"all": [RULE, {"attribute": "age", "gt": 30}]}}
    status, problem = ask("PUT", "/api/campaigns/sale", narrower)
    assert status == 422
    assert "age_band" in problem["detail"]
