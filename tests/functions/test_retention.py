"""What is kept how long: the report says what the code and the deployment do, and finds what they have not done."""

from __future__ import annotations

from typing import Any

import pytest

from gateway import ask
from shop import SHOP
from tailor.edges.store import EVENT_LIFE
from tailor.flows import retention as flow
from tailor.kernel.instants import DAY
from tailor.kernel.person import Person
from test_template import RESOURCES
from world import World

WHO = ("email", "ada@example.com")


@pytest.fixture(name="kept")
def _kept(shop: World) -> World:
    shop.publish({**SHOP, "attributes": {"city": {"retention": "30d"}, "nick": {}}})
    shop.arrive(shop.event("Identify", WHO, kind="identify", traits={"city": "Bern", "nick": "Addy"}))
    shop.pump()
    return shop


def report() -> dict[str, Any]:
    status, answer = ask("GET", "/api/retention")
    assert status == 200
    return dict(answer)


def test_terms_are_those_of_code_and_deployment(kept: World) -> None:
    told = report()
    stores = {one["what"]: one for one in told["stores"]}
    assert stores["events"]["days"] == EVENT_LIFE // DAY

    def expires(bucket: str) -> int:
        (rule,) = RESOURCES[bucket]["Properties"]["LifecycleConfiguration"]["Rules"]
        return int(rule["ExpirationInDays"])

    assert stores["import files in S3"]["days"] == stores["refused rows in S3"]["days"] == expires("Imports")
    assert stores["large events in S3"]["days"] == expires("Claims")
    attributes = {one["what"]: (one["data"], one["days"]) for one in told["attributes"]}
    assert attributes["city"] == ("personal", 30)
    assert attributes["nick"] == ("personal", None)
    assert (told["looked_at"], told["overdue"]) == (1, 0)


def test_what_should_be_gone_and_is_not_is_found(kept: World) -> None:
    ada = kept.person(*WHO)
    assert ada is not None
    kept.now += 33 * DAY
    assert report()["overdue"] == 0, "a few days are what DynamoDB takes"
    kept.now += 2 * DAY
    told = report()
    assert ({one["what"]: one["overdue"] for one in told["attributes"]}["city"], told["overdue"]) == (1, 1)
    kept.tick()
    assert report()["overdue"] == 0
    kept.store.put_events([(Person(ada.id, 9), kept.event("Old", WHO, at=kept.now - EVENT_LIFE - flow.LATE - DAY))])
    told = report()
    assert (next(one for one in told["stores"] if one["what"] == "events")["overdue"], told["overdue"]) == (1, 1)
