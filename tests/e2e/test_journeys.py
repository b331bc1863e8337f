"""A journey on the deployed system, from the first event to each of its ends."""

from __future__ import annotations

import json
import re
import shutil
import time
from pathlib import Path

import pytest
from segment.analytics.client import Client

import cloud
from house import House, ask, one_click, until

pytestmark = pytest.mark.e2e

CART = cloud.ROOT / "events" / "programs" / "abandoned-cart"
HASTY = {
    'within = "1h"': 'within = "1m"',
    '{ wait = "24h" }': '{ wait = "1m" }',
    "[calendar]\n": "",
    "\nquiet = ": "\n# quiet = ",
}
"""The cart's programme in minutes instead of hours, by night too."""


@pytest.mark.long
def test_a_journey_runs_to_its_end_and_one_click_in_its_middle_ends_it(house: House, tmp_path: Path) -> None:
    shutil.copytree(CART, tmp_path / "cart")
    program = (tmp_path / "cart" / "program.toml").read_text()
    for leisurely, hasty in HASTY.items():
        assert leisurely in program
        program = program.replace(leisurely, hasty)
    program = re.sub(r"\[caps\.[^\[]*", "", program)
    (tmp_path / "cart" / "program.toml").write_text(program)
    house.shop.tailor("push", "--yes", str(tmp_path / "cart"))
    time.sleep(61)  # workers read what is in force once a minute
    client = Client(house.shop.doors.segment_key, host=house.shop.doors.url, sync_mode=True)
    permits = {"consent": {"categoryPreferences": {"marketing": True}}}
    for user in ("stayer", "leaver", "buyer"):
        client.identify(user, {"email": f"{user}@example.com"}, context=permits)
    house.shop.settle()
    for user in ("stayer", "leaver", "buyer"):
        client.track(user, "Cart Viewed", {"cart_id": f"of-{user}", "products": [{"name": "Trail Shoe"}]})
    # Both in one batch would be one decision, and what is bought by then starts no journey.
    house.shop.settle()
    client.track("buyer", "Order Completed", {"order_id": "e2e-1"})

    def subjects(user: str) -> list[str]:
        return [message.subject for message in house.letters(f"{user}@example.com")]

    reminder, last = "there, your cart is still here", "The last word on your cart"
    assert until(lambda: [*subjects("stayer"), *subjects("leaver")] == [reminder] * 2, patience=180)
    assert "Trail Shoe" in house.letters("stayer@example.com")[0].body.html
    assert ask(one_click(house.letters("leaver@example.com")[0]), "POST", b"List-Unsubscribe=One-Click")[0] == 200
    assert until(lambda: subjects("stayer") == [reminder, last], patience=180)
    house.shop.settle()
    assert subjects("leaver") == [reminder]
    assert subjects("buyer") == []
    ended = {}
    for user in ("stayer", "leaver", "buyer"):
        person = json.loads(house.shop.tailor("person", f"{user}@example.com", "--json"))
        ended[user] = [(one["journey"], one["how"]) for one in person["finished"]]
    assert ended == {
        "stayer": [("abandoned-cart#of-stayer", "end")],
        "leaver": [("abandoned-cart#of-leaver", "refused")],
        "buyer": [("abandoned-cart#of-buyer", "goal")],
    }
    assert "because they refused every letter of it" in house.shop.tailor("why", "leaver@example.com", "cart-last-call")
    assert "its goal was reached" in house.shop.tailor("why", "buyer@example.com", "cart-reminder")
