"""The nightly root of consent: who was in it, what follows it, and that a page tampered with is found."""

from __future__ import annotations

import json

import pytest

from tailor.edges import runtime
from tailor.flows.anchor import anchored
from tailor.kernel.errors import Rejected
from tailor.kernel.instants import DAY, iso
from world import NIGHT, Killed, World, app

ADA = ("email", "ada@example.com")


def chooses(shop: World, who: tuple[str, str], grant: str) -> list[str]:
    """The hashes of the chain afterwards, oldest first."""
    shop.now += 1
    shop.arrive(shop.event("Identify", who, kind="identify", consent=[("marketing", grant)]))
    shop.pump()
    person = shop.person(*who)
    assert person is not None
    return [row["hash"] for row in shop.store.consents(person)]


def night(shop: World) -> str:
    """One audit; answers its day."""
    app("refresh").handler({"job": "nightly"}, NIGHT)
    return iso(shop.now)[:10]


def anchors(shop: World, day: str) -> list[str]:
    return [key.rpartition("/")[2] for key in runtime.anchors().keys(f"anchors/{day}/")]


def test_a_head_is_found_in_the_night_it_was_one(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tailor.flows.walk.PAGE", 2)
    for number in range(5):
        chooses(shop, ("email", f"p{number}@example.com"), "granted")
    first = chooses(shop, ADA, "granted")
    one = night(shop)
    shop.now += DAY
    both = chooses(shop, ADA, "withdrawn")
    other = night(shop)
    ada = shop.person(*ADA)
    assert ada is not None
    assert anchored(ada.id, both, runtime.anchors(), day=one) == first[0]
    assert anchored(ada.id, both, runtime.anchors(), day=other) == both[1] == ada.consent_head
    assert anchored(ada.id, ["of a row made up"], runtime.anchors(), day=other) is None
    assert anchored("p_nobody", both, runtime.anchors(), day=other) is None
    assert len(anchors(shop, one)) > 3
    with pytest.raises(Rejected):
        anchored(ada.id, both, runtime.anchors(), day="2020-01-01")


def test_a_page_that_was_altered_is_named(shop: World) -> None:
    hashes = chooses(shop, ADA, "granted")
    day = night(shop)
    (page,) = (name for name in anchors(shop, day) if name != "root")
    runtime.anchors().put(f"anchors/{day}/{page}", json.dumps({"before": "", "leaves": ["x"]}).encode())
    with pytest.raises(Rejected, match=page):
        anchored("p_1", hashes, runtime.anchors(), day=day)


@pytest.mark.parametrize("kill_at", [5, 8, 11, 14, 17])
def test_a_worker_killed_in_between_leaves_a_root_that_holds(
    shop: World, kill_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tailor.flows.walk.PAGE", 2)
    people = [("email", f"p{number}@example.com") for number in range(5)]
    heads = {who: chooses(shop, who, "granted") for who in people}
    day = iso(shop.now)[:10]
    shop.gate.calls, shop.gate.kill_at, shop.gate.killed = 0, kill_at, False
    with pytest.raises(Killed):
        night(shop)
    shop.gate.kill_at = None
    for _ in range(5):
        shop.tick()
    for who in people:
        person = shop.person(*who)
        assert person is not None
        assert anchored(person.id, heads[who], runtime.anchors(), day=day) == person.consent_head
