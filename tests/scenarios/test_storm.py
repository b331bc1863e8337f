"""Under load, with workers dying and records coming twice, everything sent is absorbed or kept aside, exactly."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

import storm
from tailor.edges import runtime
from world import World

ITEMS = 200


def test_what_was_sent_in_a_storm_is_absorbed_or_kept_and_people_are_as_in_a_calm(
    worlds: Callable[..., AbstractContextManager[World]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "meter", runtime.meter)
    with worlds() as shop:
        rough = storm.run(shop, items=ITEMS)
    with worlds() as shop:
        smooth = storm.calm(shop, items=ITEMS)
    assert all(rough.troubles.values()), rough.troubles
    assert rough.sent["tries"] > rough.sent["items"] == smooth.sent["tries"] == ITEMS
    assert (rough.absorbed, rough.quarantined) == (rough.sent["usable"], rough.sent["unusable"])
    assert (smooth.absorbed, smooth.quarantined) == (rough.absorbed, rough.quarantined)
    assert rough.people == smooth.people
