"""What a campaign would do, said before it is started: it is what happens when it is."""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import ADMIN, ask, served
from shop import SHOP
from tailor.cli.main import main
from tailor.flows import reckon
from tailor.flows.audience import sample
from tailor.kernel.campaign import Campaign
from tailor.kernel.instants import DAY, HOUR, MINUTE, SECOND, iso
from tailor.rules.campaigns import duration_of, lasts
from world import CONTEXT, World, app

DOCUMENT: dict[str, Any] = deepcopy(SHOP)
DOCUMENT["attributes"] = {"size": {"purposes": ["personalization"]}}
DOCUMENT["templates"]["sale"] = {"topic": "deals", "subject": "Sale", "html": "<p>In size {{ size }}</p>"}
DOCUMENT["campaigns"] = {"sale": {"template": "sale", "audience": {"did": "Order Completed"}, "holdout": 0.3}}
YES = (("marketing", "granted"),)


def buys(shop: World, name: str, *, email: bool = True, consent: Any = YES, **traits: Any) -> None:
    who = [("user_id", name), *([("email", f"{name}@example.com")] if email else [])]
    shop.arrive(
        shop.event("Identify", *who, kind="identify", traits=traits, consent=consent),
        shop.event("Order Completed", *who, properties={"order_id": name}),
    )


def crowd(shop: World) -> None:
    """Some of every kind."""
    for number in range(20):
        buys(shop, f"good-{number}", size="M")
    for number in range(6):
        buys(shop, f"refused-{number}", consent=(("marketing", "denied"),), size="M")
    for number in range(4):
        buys(shop, f"unreachable-{number}", email=False, size="M")
    for number in range(5):
        buys(shop, f"unknown-{number}")
    for number in range(3):
        buys(shop, f"bounced-{number}", size="M")
        shop.store.suppress(f"bounced-{number}@example.com", "Email Bounced", now=shop.now)
    shop.arrive(shop.event("Identify", ("user_id", "looks"), kind="identify", consent=YES))
    shop.pump()
    shop.now += 2 * HOUR
    shop.tick()
    shop.pump()
    shop.ses.mails.clear()


def checked(shop: World) -> dict[str, Any]:
    status, found = ask("GET", "/api/campaigns/sale/check")
    assert status == 200, found
    return dict(found)


def test_what_is_reckoned_is_what_happens(shop: World) -> None:
    shop.publish(DOCUMENT)
    crowd(shop)
    before = [(person.id, person.version) for person in shop.everybody()]
    found = checked(shop)
    assert [(person.id, person.version) for person in shop.everybody()] == before, "nothing is written"
    assert shop.ses.mails == []
    ask("POST", "/api/campaigns/sale/start", {})
    for _ in range(3):
        shop.now += MINUTE
        app("campaign").handler({"job": "campaigns"}, CONTEXT)
        shop.pump()
    rows = [row for person in shop.everybody() for row in shop.store.messages(person) if row.get("campaign") == "sale"]
    assert found["exact"]
    assert found["audience"]["people"] == len(rows) == 38
    assert found["letters"]["people"] == found["at_once"]["people"] == len(shop.ses.mails) > 5
    left_out = {one["why"].removeprefix("not-written: "): one["people"] for one in found["left_out"]}
    assert left_out == Counter(row["why"] for row in rows if row["state"] == "SKIPPED")
    assert {why.partition(":")[0] for why in left_out} >= {"holdout", "no-consent", "no-email", "suppressed"}
    assert len(left_out) == 5, "and those of whom the size is not known"
    again = checked(shop)
    assert again["letters"]["people"] == 0, "whom it has reached it leaves alone"


def test_what_it_costs_and_how_long_it_takes(shop: World) -> None:
    shop.publish({**DOCUMENT, "campaigns": {"sale": {**DOCUMENT["campaigns"]["sale"], "holdout": 0, "ramp": [10]}}})
    shop.ses.rate, shop.ses.daily = 14.0, 50_000.0
    crowd(shop)
    found = checked(shop)
    assert found["letters"]["people"] == 20
    assert found["takes_ms"] == pytest.approx(HOUR + 10 / (14 * 0.97) * SECOND, abs=2)
    assert found["limits"] == {
        "per_second": 14 * 0.97, "per_day": 50_000, "sent_today": 0, "throttle": None, "ramp": [10],
    }  # fmt: skip
    assert found["usd"]["SES"] == 0.002
    assert 0 < found["usd"]["DynamoDB"] < 0.001


def test_who_is_asleep_gets_it_later(shop: World) -> None:
    shop.publish({**DOCUMENT, "calendar": {"quiet": {"from": "06:00", "until": "14:00"}}})
    crowd(shop)
    found = checked(shop)
    assert found["at_once"]["people"] == 0
    assert [(one["why"], one["says"]) for one in found["later"]] == [("quiet-hours", "it is night where they are")]
    assert found["ends"] == "2026-11-24T14:00:00.000Z"


def test_what_leaves_too_late_is_warned_of(shop: World) -> None:
    sale = {**DOCUMENT["campaigns"]["sale"], "at": "2026-11-25T08:00Z", "not_after": "1h", "throttle": 5}
    shop.publish({**DOCUMENT, "campaigns": {"sale": sale}})
    crowd(shop)
    found = checked(shop)
    assert found["begins"] == "2026-11-25T08:00:00.000Z"
    assert any("after 2026-11-25T09:00:00.000Z its letters are of no use" in one for one in found["warnings"])
    shop.publish({**DOCUMENT, "campaigns": {"sale": {**sale, "throttle": 5_000}}})
    assert checked(shop)["warnings"] == []


def test_a_large_table_is_judged_by_a_sample_with_its_margin(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.publish(DOCUMENT)
    crowd(shop)
    monkeypatch.setattr(reckon, "sample", lambda store: sample(store, 30))
    found = checked(shop)
    assert (found["exact"], found["sampled"], found["people"]) == (False, 30, 39)
    assert found["audience"]["low"] < 38 <= found["audience"]["high"]
    assert found["letters"]["low"] <= found["letters"]["people"] <= found["letters"]["high"]


def test_of_fewer_than_the_least_group_nothing_is_told(shop: World) -> None:
    shop.publish({**DOCUMENT, "minimum_group": 5})
    crowd(shop)
    hidden = {one["why"].partition(":")[0] for one in checked(shop)["left_out"] if one["below"] == 5}
    assert hidden >= {"no-email", "suppressed"}
    assert all(one["people"] is None for one in checked(shop)["left_out"] if one["below"])
    shop.publish({**DOCUMENT, "minimum_group": 50})
    status, problem = ask("GET", "/api/campaigns/sale/check")
    assert (status, problem["pointer"]) == (422, "/audience")


def test_it_is_told_on_the_command_line(
    shop: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.publish(DOCUMENT)
    crowd(shop)
    with served() as url:
        monkeypatch.setenv("TAILOR_URL", url)
        monkeypatch.setenv("TAILOR_TOKEN", ADMIN)
        capsys.readouterr()
        assert main(["campaign", "check", "sale"]) == 0
        told = capsys.readouterr().out
    assert "they do not permit it (marketing:deals)" in told
    assert "the letter could not be written:" in told
    assert "Cost" in told
    assert ask("GET", "/api/campaigns/sail/check")[0] == 404


CAMPAIGN = Campaign("sale", "Sale", "sale", {})


@given(
    st.integers(0, 100_000), st.sampled_from([0.5, 14, 500]), st.sampled_from([-1, 200, 50_000]), st.integers(0, 300)
)
def test_without_ramp_and_throttle_the_quota_alone_decides(letters: int, rate: float, daily: int, sent: int) -> None:
    takes = lasts(letters, CAMPAIGN, rate=rate, daily=daily, sent=sent)
    assert takes == duration_of(letters, rate=rate, daily=daily, sent=sent)


@given(
    st.integers(1, 5_000),
    st.lists(st.integers(1, 2_000), max_size=4),
    st.sampled_from([None, 100, 1_000]),
    st.sampled_from([1.0, 14.0]),
)
def test_ramp_and_throttle_take_as_long_as_minutes_that_are_counted(
    letters: int, ramp: list[int], throttle: int | None, rate: float
) -> None:
    campaign = Campaign("sale", "Sale", "sale", {}, ramp=tuple(ramp), throttle=throttle)
    handed, minutes = 0.0, 0
    while handed < letters:
        minutes += 1
        handed = min(handed + rate * 60, campaign.allowed(minutes * MINUTE))
    takes = lasts(letters, campaign, rate=rate, daily=-1, sent=0)
    assert abs(takes - minutes * MINUTE) <= max(2 * MINUTE, 0.1 * takes)


def test_a_new_account_needs_weeks_for_a_million() -> None:
    takes = lasts(1_000_000, CAMPAIGN, rate=14, daily=50_000, sent=0)
    assert 19 * DAY < takes < 21 * DAY
    assert iso(takes)


def test_who_sends_nothing_never_ends() -> None:
    assert lasts(1, CAMPAIGN, rate=0, daily=0, sent=0) > 100 * 365 * DAY
