"""A letter to those who looked and did not buy, from the first event to the bounce, on a movable clock."""

from __future__ import annotations

import email
import email.policy
from random import Random
from typing import Any

import pytest

from tailor.kernel.event import Event
from tailor.kernel.instants import DAY, HOUR, MINUTE
from tailor.kernel.person import Person
from world import World

ADA = (("user_id", "u-ada"), ("email", "ada@example.com"))
BOB = (("user_id", "u-bob"), ("email", "bob@example.com"))
YES = (("marketing", "granted"),)


def subject(mail: dict[str, Any]) -> str:
    return str(email.message_from_bytes(mail["raw"], policy=email.policy.default)["Subject"])


def html(mail: dict[str, Any]) -> str:
    part = email.message_from_bytes(mail["raw"], policy=email.policy.default).get_body(("html",))
    assert part is not None
    return str(part.get_content())


def joins(shop: World, who: tuple[tuple[str, str], ...], **traits: Any) -> Event:
    return shop.event("Identify", *who, kind="identify", traits=traits, consent=YES)


def views(shop: World, who: tuple[tuple[str, str], ...], at: int | None = None) -> Event:
    return shop.event("Product Viewed", *who, at=at, properties={"name": "Tent", "category": "camping"})


def buys(shop: World, who: tuple[tuple[str, str], ...], at: int | None = None, order: str = "o-1") -> Event:
    products = [{"name": "Trail Shoe", "category": "running shoes", "price": 60, "quantity": 1}]
    properties = {"order_id": order, "total": "60.00", "currency": "EUR", "products": products}
    return shop.event("Order Completed", *who, at=at, id=f"order:{order}", properties=properties)


def test_a_view_of_47_h_59_min_ago_becomes_a_letter_a_minute_later_and_not_before(shop: World) -> None:
    shop.arrive(joins(shop, ADA, first_name="Ada", interests=["outdoor"]))
    shop.arrive(views(shop, ADA, at=shop.now - 48 * HOUR + MINUTE))
    shop.pump()
    assert shop.ses.mails == []
    shop.tick(shop.now + MINUTE - 1)
    shop.pump()
    assert shop.ses.mails == []
    shop.tick(shop.now + 1)
    shop.pump()
    (mail,) = shop.ses.mails
    assert mail["to"] == "ada@example.com"
    assert subject(mail) == "Ada, Your Personalized Deal Awaits!"
    assert "Out you go" in html(mail)
    assert ">See the tents<" in html(mail)


def test_who_buys_in_time_gets_no_letter(shop: World) -> None:
    shop.arrive(joins(shop, ADA), views(shop, ADA))
    shop.pump()
    shop.now += 47 * HOUR
    shop.arrive(buys(shop, ADA))
    shop.pump()
    for _ in range(4):
        shop.tick(shop.now + HOUR)
        shop.pump()
    assert [mail["tags"]["tailor_journey"] for mail in shop.ses.mails] == ["receipt"]


def test_fallbacks_stand_in_for_what_is_not_known(shop: World) -> None:
    shop.arrive(joins(shop, BOB), views(shop, BOB))
    shop.pump()
    shop.tick(shop.now + 48 * HOUR)
    shop.pump()
    (mail,) = shop.ses.mails
    assert subject(mail) == "there, Your Personalized Deal Awaits!"
    assert "Exclusive offers on things you like just for you!" in html(mail)
    assert ">See what is new<" in html(mail)
    assert "Out you go" not in html(mail)


def test_nobody_gets_marketing_without_a_grant(shop: World) -> None:
    shop.arrive(shop.event("Identify", *ADA, kind="identify"), views(shop, ADA))
    shop.pump()
    shop.tick(shop.now + 48 * HOUR)
    shop.pump()
    assert shop.ses.mails == []
    ada = shop.person("user_id", "u-ada")
    assert ada is not None
    (row,) = shop.store.messages(ada)
    assert (row["state"], row["why"].split(":")[0]) == ("SKIPPED", "no-consent")
    assert ada.owed == {}


def test_a_withdrawal_between_the_decision_and_the_letter_holds(shop: World) -> None:
    shop.arrive(joins(shop, ADA), views(shop, ADA))
    shop.pump()
    shop.tick(shop.now + 48 * HOUR)
    shop.arrive(shop.event("Consent Changed", *ADA, kind="consent", consent=[("marketing", "withdrawn")]))
    shop.pump()
    assert shop.ses.mails == []


@pytest.mark.parametrize("seed", range(4))
def test_one_person_whatever_the_order_of_arrival(shop: World, seed: int) -> None:
    anonymous = ("anonymous_id", "a-1")
    events = [
        views(shop, (anonymous,), at=shop.now - DAY),
        shop.event("Identify", ("user_id", "u-ada"), anonymous, kind="identify", traits={"first_name": "Ada"}),
        buys(shop, (("shopify_customer_id", "77"), ("email", "ada@example.com"))),
        shop.event("Identify", *ADA, kind="identify", traits={"city": "Kyiv"}, id="crm"),
    ]
    Random(seed).shuffle(events)
    shop.arrive(*events)
    shop.pump(batch=1)
    (ada,) = shop.everybody()
    assert ada.attributes["first_name"] == "Ada"
    assert ada.attributes["city"] == "Kyiv"
    assert ada.attributes["purchase_history"] == ["Trail Shoe", "running shoes"]
    assert {name: count for name, (count, _) in ada.history.items()} == {
        "Product Viewed": 1,
        "Order Completed": 1,
        "Identify": 2,
    }
    assert {e.name for e in shop.store.events(ada)} == set(ada.history)
    for kind, value in (anonymous, *ADA, ("shopify_customer_id", "77")):
        assert shop.person(kind, value) == ada


def test_two_people_at_one_browser_stay_two(shop: World) -> None:
    browser = ("anonymous_id", "shared")
    shop.arrive(shop.event("Identify", ADA[0], browser, kind="identify", id="1"))
    shop.pump()
    shop.now += MINUTE
    shop.arrive(shop.event("Identify", BOB[0], browser, kind="identify", id="2"))
    shop.pump()
    assert len(shop.everybody()) == 2
    assert shop.person("user_id", "u-ada") != shop.person("user_id", "u-bob")


def test_a_hard_bounce_and_a_complaint_end_all_letters(shop: World) -> None:
    shop.arrive(joins(shop, ADA), joins(shop, BOB), buys(shop, ADA, order="a"), buys(shop, BOB, order="b"))
    shop.pump()
    shop.tick(shop.now + HOUR)
    shop.pump()
    first, second = shop.ses.mails
    shop.ses.tell("Bounce", first, bounceType="Permanent", bouncedRecipients=[{"emailAddress": first["to"]}])
    shop.ses.tell("Complaint", second, complainedRecipients=[{"emailAddress": second["to"]}])
    shop.pump()
    shop.now += DAY
    shop.arrive(buys(shop, ADA, order="c"), buys(shop, BOB, order="d"))
    shop.pump()
    shop.tick(shop.now + HOUR)
    shop.pump()
    assert len(shop.ses.mails) == 2
    states = {row["state"] for person in shop.everybody() for row in shop.store.messages(person)}
    assert states == {"BOUNCED", "COMPLAINED", "SKIPPED"}


def test_a_refused_letter_waits_and_a_lost_answer_is_settled_by_the_event(shop: World) -> None:
    shop.arrive(joins(shop, ADA), views(shop, ADA))
    shop.pump()
    shop.ses.moods = ["throttle", "lost after"]
    shop.tick(shop.now + 48 * HOUR)
    shop.pump()
    shop.pump()
    assert len(shop.ses.mails) == 1
    ada = shop.person("user_id", "u-ada")
    assert ada is not None
    (row,) = shop.store.messages(ada)
    assert row["state"] == "DELIVERED"
    assert ada.owed == {}


def test_a_letter_in_doubt_is_left_alone_unless_its_template_says_resend(shop: World) -> None:
    shop.arrive(joins(shop, ADA), views(shop, ADA), buys(shop, BOB), joins(shop, BOB))
    shop.pump()
    shop.ses.moods = ["lost before"]
    shop.tick(shop.now + HOUR)
    shop.pump()
    assert shop.ses.mails == []
    # Who has waited longest comes first: that is the receipt.
    shop.ses.moods = ["", "lost before"]
    shop.tick(shop.now + 47 * HOUR)
    shop.pump()
    for _ in range(8):
        shop.tick(shop.now + HOUR)
        shop.pump()
    assert [mail["tags"]["tailor_journey"] for mail in shop.ses.mails] == ["receipt"]


def story(shop: World, *, twice: bool, chaos: Random | None) -> None:
    """Two people, a view, an order, and time; workers as the caller has set them up."""
    events = [joins(shop, ADA, first_name="Ada"), views(shop, ADA), joins(shop, BOB), views(shop, BOB)]
    events += [buys(shop, BOB, at=shop.now + 1), shop.event("Page Viewed", ADA[0], ("anonymous_id", "a-1"))]
    if chaos:
        chaos.shuffle(events)
    shop.arrive(*events)
    shop.pump(twice=twice, chaos=chaos)
    for hours in (1, 47):
        shop.tick(shop.now + hours * HOUR)
        shop.pump(twice=twice, chaos=chaos)
    for _ in range(3):
        shop.tick(shop.now + HOUR)
        shop.pump(twice=twice, chaos=chaos)


def outcome(shop: World) -> list[dict[str, Any]]:
    """What must not depend on how the workers fared: people without ids, versions and marks, and their messages."""
    return sorted((_plain(shop, person) for person in shop.everybody()), key=lambda one: str(one["identifiers"]))


def _plain(shop: World, person: Person) -> dict[str, Any]:
    return {
        "identifiers": {kind: sorted(values) for kind, values in sorted(person.identifiers.items())},
        "attributes": person.attributes,
        "consent": person.consent,
        "history": {name: entry for name, entry in sorted(person.history.items()) if not name.startswith("Email")},
        "memberships": person.memberships,
        "enrolments": person.enrolments,
        "finished": person.finished,
        "owed": sorted(person.owed),
        "events": sorted({event.id for event in shop.store.events(person) if event.source == "segment"}),
        "messages": sorted((row["template"], row["state"]) for row in shop.store.messages(person)),
    }


def calm(shop: World) -> tuple[list[dict[str, Any]], int]:
    story(shop, twice=False, chaos=None)
    assert [mail["to"] for mail in shop.ses.mails] == ["bob@example.com", "ada@example.com"]
    return outcome(shop), shop.gate.calls


@pytest.mark.parametrize("seed", range(6))
def test_every_record_twice_and_in_any_order_ends_the_same(worlds: Any, seed: int) -> None:
    with worlds() as shop:
        expected, _ = calm(shop)
    with worlds() as shop:
        story(shop, twice=True, chaos=Random(seed))
        assert outcome(shop) == expected
        assert sorted(mail["to"] for mail in shop.ses.mails) == ["ada@example.com", "bob@example.com"]


def test_a_worker_killed_between_any_two_calls_changes_nothing(worlds: Any) -> None:
    """After each of its AWS calls, which is before the next. Letters in doubt are of templates that resend."""
    with worlds(in_doubt="resend") as shop:
        expected, calls = calm(shop)
    for kill_at in range(1, calls + 1):
        with worlds(in_doubt="resend") as shop:
            shop.gate.kill_at = kill_at
            story(shop, twice=False, chaos=None)
            for _ in range(4):
                shop.tick(shop.now + HOUR)
                shop.pump()
            where = f"killed after call {kill_at} of {calls}"
            assert shop.gate.killed, where
            assert sorted(mail["to"] for mail in shop.ses.mails) == ["ada@example.com", "bob@example.com"], where
            assert outcome(shop) == expected, where


@pytest.mark.parametrize("mood", ["daily", "paused"])
def test_an_account_that_is_stopped_is_asked_once_an_hour_and_then_every_letter_leaves_once(
    shop: World, mood: str
) -> None:
    shop.arrive(joins(shop, ADA), views(shop, ADA), joins(shop, BOB), views(shop, BOB))
    shop.pump()
    shop.ses.moods = [mood, mood]
    shop.tick(shop.now + 48 * HOUR)
    shop.pump()
    refused = 2 - len(shop.ses.moods)
    assert refused >= 1
    for _ in range(5):
        shop.tick(shop.now + 5 * MINUTE)
        shop.pump()
    assert (shop.ses.mails, 2 - len(shop.ses.moods)) == ([], refused)
    shop.ses.moods = []
    shop.tick(shop.now + HOUR)
    shop.pump()
    assert sorted(mail["to"] for mail in shop.ses.mails) == ["ada@example.com", "bob@example.com"]


def test_a_letter_that_ses_will_never_take_fails_and_is_not_asked_for_again(shop: World) -> None:
    shop.arrive(joins(shop, ADA), views(shop, ADA))
    shop.pump()
    shop.ses.moods = ["reject"]
    shop.tick(shop.now + 48 * HOUR)
    shop.pump()
    for _ in range(3):
        shop.tick(shop.now + HOUR)
        shop.pump()
    ada = shop.person("user_id", "u-ada")
    assert ada is not None
    assert [(row["state"], row["why"]) for row in shop.store.messages(ada)] == [
        ("FAILED", "SES refuses the message: MessageRejected")
    ]
    assert (ada.owed, shop.ses.mails) == ({}, [])


def test_who_is_locked_out_of_ses_strands_no_letter(shop: World) -> None:
    shop.arrive(joins(shop, ADA), views(shop, ADA))
    shop.pump()
    shop.ses.moods = ["locked out"] * 3
    shop.tick(shop.now + 48 * HOUR)
    for _ in range(4):
        shop.pump()
        shop.tick()
    shop.pump()
    assert len(shop.ses.mails) == 1
    ada = shop.person("user_id", "u-ada")
    assert ada is not None
    assert [row["state"] for row in shop.store.messages(ada)] == ["DELIVERED"]
