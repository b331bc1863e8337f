"""Campaigns over HTTP: made, tried, started, paused, changed, cancelled; and what leaves in the meantime."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from gateway import ask
from shop import SHOP
from tailor.kernel.instants import HOUR, MINUTE, iso
from world import CONTEXT, World, app

SALE = {"template": "come-back", "audience": {"did": "Order Completed"}}


def people(shop: World, *names: str, marketing: str = "granted") -> None:
    for name in names:
        who = ("email", f"{name}@example.com")
        shop.arrive(
            shop.event("Identify", who, kind="identify", id=f"i-{name}", consent=[("marketing", marketing)]),
            shop.event("Order Completed", who, id=f"o-{name}", properties={"order_id": name}),
        )
    shop.pump()


def minute(shop: World) -> None:
    shop.now += MINUTE
    app("campaign").handler({"job": "campaigns"}, CONTEXT)
    shop.pump()


def told(key: str, verb: str = "", body: Any = None) -> Any:
    method, path = ("POST", f"/api/campaigns/{key}/{verb}") if verb else ("GET", f"/api/campaigns/{key}")
    status, answer = ask(method, path, {} if verb and body is None else body)
    assert status == 200, answer
    return answer


def test_a_campaign_reaches_its_audience_once_and_says_who_was_left_out(shop: World) -> None:
    people(shop, "ada", "bob")
    people(shop, "eve", marketing="denied")
    assert ask("PUT", "/api/campaigns/sale", SALE)[1]["state"] == "draft"
    minute(shop)
    assert shop.ses.mails == []
    assert told("sale", "start")["state"] == "scheduled"
    for _ in range(3):
        minute(shop)
    assert sorted(mail["to"] for mail in shop.ses.mails) == ["ada@example.com", "bob@example.com"]
    shown = told("sale")
    assert (shown["state"], shown["letters"], shown["progress"]) == ("finished", 2, 1.0)
    assert shown["people"] == {"people": 3, "queued": 2, "no-consent": 1}
    assert shown["deliveries"] == {"SENT": 2, "DELIVERED": 2}
    eve = shop.person("email", "eve@example.com")
    assert eve is not None
    (row,) = shop.store.messages(eve)
    assert (row["state"], row["why"], row["campaign"]) == ("SKIPPED", "no-consent: marketing:deals", "sale")


def test_it_waits_for_its_time_is_paused_resumed_and_cancelled(shop: World) -> None:
    people(shop, "ada")
    ask("PUT", "/api/campaigns/sale", {**SALE, "at": "2026-11-24T08:00Z"})
    assert told("sale", "start")["begins"] == "2026-11-24T08:00:00.000Z"
    minute(shop)
    assert told("sale", "pause")["state"] == "paused"
    shop.now += 3 * HOUR
    minute(shop)
    assert shop.ses.mails == []
    told("sale", "resume")
    minute(shop)
    assert len([mail for mail in shop.ses.mails if mail["tags"].get("tailor_campaign") == "sale"]) == 1
    told("sale", "cancel")
    assert ask("POST", "/api/campaigns/sale/start", {})[0] == 409
    assert ask("POST", "/api/campaigns/nothing/start", {})[0] == 404


def test_for_how_long_a_letter_is_of_use_counts_from_when_it_may_leave(shop: World) -> None:
    people(shop, "ada")
    ask("PUT", "/api/campaigns/sale", {**SALE, "at": "2026-11-24T11:00Z", "not_after": "2h"})
    told("sale", "start")
    shop.now += 5 * HOUR
    minute(shop)
    assert [mail["tags"].get("tailor_campaign") for mail in shop.ses.mails].count("sale") == 1


def test_a_letter_in_the_queue_of_a_cancelled_campaign_is_left_out(shop: World) -> None:
    people(shop, "ada")
    ask("PUT", "/api/campaigns/sale", SALE)
    told("sale", "start")
    app("campaign").handler({"job": "campaigns"}, CONTEXT)
    told("sale", "cancel")
    shop.pump()
    assert shop.ses.mails == []
    assert told("sale")["deliveries"] == {"SKIPPED": 1}


@pytest.mark.parametrize("programme", [True, False], ids=["of a programme", "made by hand"])
@pytest.mark.parametrize("hours", ["quiet", "window"])
def test_a_letter_that_reaches_the_sender_after_hours_waits_for_the_next_day(
    shop: World, programme: bool, hours: str
) -> None:
    document = deepcopy(SHOP)
    night = {"from": "06:30", "until": "14:00"}
    day = {"from": "14:00", "until": "06:30"}
    sale = {**SALE, "window": day} if hours == "window" else SALE
    if hours == "quiet":
        document["calendar"] = {"quiet": night}
    if programme:
        document["campaigns"] = {"sale": sale}
    shop.publish(document)
    people(shop, "ada")
    if not programme:
        ask("PUT", "/api/campaigns/sale", sale)
    told("sale", "start")
    app("campaign").handler({"job": "campaigns"}, CONTEXT)
    assert told("sale")["people"] == {"people": 1, "queued": 1}, "it is six o'clock"
    shop.now += 40 * MINUTE
    shop.pump()
    assert shop.ses.mails == []
    ada = shop.person("email", "ada@example.com")
    assert ada is not None
    (owed,) = ada.owed.values()
    assert (owed["off"], iso(owed["retry"])) == (
        {"quiet": "quiet-hours", "window": "window"}[hours],
        "2026-11-24T14:00:00.000Z",
    )
    shop.tick(owed["retry"])
    shop.pump()
    assert [mail["tags"]["tailor_campaign"] for mail in shop.ses.mails if "tailor_campaign" in mail["tags"]] == ["sale"]


def test_a_test_leaves_at_once_and_a_wrong_campaign_is_refused_with_its_place(shop: World) -> None:
    people(shop, "ada")
    ask("PUT", "/api/campaigns/sale", {**SALE, "audience": {"did": "Never Done"}, "holdout": 0.9})
    ada = shop.person("email", "ada@example.com")
    assert ada is not None
    told("sale", "test", {"person": ada.id})
    shop._relay(twice=False)
    assert (len(shop.queues["send"]), shop.queues["broadcast"]) == (1, [])
    shop.pump()
    assert [mail["to"] for mail in shop.ses.mails] == ["ada@example.com"]
    for wrong, pointer in (
        ({"template": "sale"}, "/template"),
        ({"audience": {"segment": "buyer"}}, "/audience/segment"),
    ):
        status, problem = ask("PUT", "/api/campaigns/other", {**SALE, **wrong})
        assert (status, problem["pointer"]) == (400, pointer), problem


def test_a_warm_up_is_planned_under_the_quota(shop: World) -> None:
    shop.ses.daily = 400.0
    plan = ask("GET", "/api/warm-up?letters=1000&first=100")[1]
    assert [day["letters"] for day in plan["days"]] == [100, 200, 400, 300]
