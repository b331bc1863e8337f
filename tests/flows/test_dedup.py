"""The nightly walk heals claims; the nightly decision reaches the quiet ones."""

from __future__ import annotations

from copy import deepcopy

from shop import SHOP
from tailor.kernel.event import Identifier
from tailor.kernel.instants import DAY
from tailor.kernel.keys import identifier_key
from world import CONTEXT, World, app

ADA = Identifier("user_id", "u-ada")
MAIL = Identifier("email", "ada@example.com")


def test_a_lost_claim_is_made_again(shop: World) -> None:
    shop.arrive(shop.event("Identify", ("user_id", "u-ada"), ("email", "ada@example.com"), kind="identify"))
    shop.pump()
    key = {"pk": {"S": identifier_key("email", "ada@example.com")}, "sk": {"S": "I"}}
    shop.dynamo.delete_item(TableName="ledger", Key=key)
    assert app("dedup").handler({}, CONTEXT) == {"mended": 1}
    claims = shop.store.claims([ADA, MAIL], consistent=True)
    assert claims[ADA] == claims[MAIL]
    assert app("dedup").handler({}, CONTEXT) == {"mended": 0}


def test_two_people_who_share_an_identifier_are_joined(shop: World) -> None:
    shop.arrive(shop.event("Identify", ("user_id", "u-ada"), kind="identify", traits={"city": "Kyiv"}, id="1"))
    shop.arrive(shop.event("Page Viewed", ("email", "ada@example.com"), id="2"))
    shop.pump()
    one, other = shop.everybody()
    mine, its = (one, other) if "user_id" in one.identifiers else (other, one)
    mine.identifiers["email"] = ["ada@example.com"]
    mine.version += 1
    shop.dynamo.put_item(
        TableName="people", Item={"pk": {"S": mine.id}, "v": {"N": str(mine.version)}, "s": {"B": mine.pack()}}
    )
    app("dedup").handler({}, CONTEXT)
    (ada,) = shop.everybody()
    assert ada.id == mine.id
    assert ada.aliases == [its.id]
    assert ada.attributes == {"city": "Kyiv"}
    assert ada.history["Page Viewed"][0] == 1
    assert shop.store.person(its.id, consistent=True) == ada


def test_the_night_brings_a_new_programme_to_the_quiet_and_starts_no_journey_with_old_news(shop: World) -> None:
    shop.arrive(shop.event("Product Viewed", ("user_id", "u-ada"), at=shop.now - 3 * DAY))
    shop.pump()
    document = deepcopy(SHOP)
    document["segments"]["viewers"] = {"rule": {"did": "Product Viewed"}}
    document["journeys"]["viewers"] = {"trigger": {"segment_entered": "viewers"}, "steps": [{"send": "come-back"}]}
    shop.publish(document)
    shop.now += DAY
    assert app("refresh").handler({"job": "nightly"}, CONTEXT)["walked"] == {"people": 1, "written": 1}
    (ada,) = shop.everybody()
    assert "viewers" in ada.memberships
    assert "viewers" not in {**ada.enrolments, **ada.finished}
    assert app("refresh").handler({"job": "nightly"}, CONTEXT)["walked"] == {"people": 1}
