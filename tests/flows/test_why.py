"""Why: every way a letter can come or not come has its own answer, and the answer names what would change it."""

from __future__ import annotations

from typing import Any

import pytest

from shop import SHOP
from tailor.flows.show import timeline
from tailor.flows.why import why
from tailor.kernel.errors import Rejected
from tailor.kernel.event import Event
from tailor.kernel.instants import DAY, HOUR, MINUTE, iso
from tailor.kernel.program import Program
from tailor.rules.compiled import Compiled
from world import World

ADA = (("user_id", "u-ada"), ("email", "ada@example.com"))
YES = (("marketing", "granted"),)


def joins(shop: World, *, consent: tuple[tuple[str, str], ...] = YES, who: Any = ADA, **traits: Any) -> Event:
    return shop.event("Identify", *who, kind="identify", traits=traits, consent=consent)


def views(shop: World, who: Any = ADA, at: int | None = None) -> Event:
    return shop.event("Product Viewed", *who, at=at, properties={"name": "Tent", "category": "camping"})


def ask(shop: World, asked: str = "come-back", document: dict[str, Any] = SHOP) -> dict[str, Any]:
    person = shop.person("user_id", "u-ada")
    assert person is not None
    return why(person, asked, shop.store, Compiled(Program.of([document])), now=shop.now)


def codes(answer: dict[str, Any]) -> list[str]:
    return [reason["code"] for reason in answer["reasons"]]


def lets_48_hours_pass(shop: World) -> None:
    shop.pump()
    shop.tick(shop.now + 2 * DAY)
    shop.pump()


def test_got_it_with_the_cause_the_consent_and_the_versions_it_stood_on(shop: World) -> None:
    shop.arrive(joins(shop, first_name="Ada"), views(shop))
    lets_48_hours_pass(shop)
    answer = ask(shop)
    assert answer["answer"] is True
    assert answer["sentence"].startswith("Yes: 'come-back' was sent on 26 Nov 2026")
    assert codes(answer)[:3] == ["delivered", "cause", "stood-on"]
    assert "entering the segment 'viewed-not-bought'" in answer["reasons"][1]["sentence"]
    person = shop.person("user_id", "u-ada")
    assert person is not None
    stood_on = answer["reasons"][2]
    assert "marketing granted" in stood_on["sentence"]
    assert stood_on["facts"]["consent"] == person.consent_head
    assert stood_on["facts"]["program"] == Program.of([SHOP]).version
    (mail,) = shop.ses.mails
    assert answer["message"] == mail["tags"]["tailor_message"]


def test_the_message_the_template_and_the_journey_all_lead_to_the_same_letter(shop: World) -> None:
    shop.arrive(joins(shop, first_name="Ada"), views(shop))
    lets_48_hours_pass(shop)
    message = shop.ses.mails[0]["tags"]["tailor_message"]
    assert ask(shop, message) == ask(shop, "come-back")


def test_what_was_shown_by_fallback_is_told(shop: World) -> None:
    shop.arrive(joins(shop), views(shop))
    lets_48_hours_pass(shop)
    assert "first_name" in next(r for r in ask(shop)["reasons"] if r["code"] == "fallbacks")["sentence"]


def test_not_in_the_segment_yet_and_when_time_alone_will_change_it(shop: World) -> None:
    shop.arrive(joins(shop), views(shop))
    shop.pump()
    answer = ask(shop)
    assert answer["answer"] is False
    assert codes(answer) == ["not-in-segment"]
    assert answer["reasons"][0]["until"] == iso(shop.now + 2 * DAY)
    assert "Product Viewed: 1 time, last on 24 Nov 2026 06:00 UTC; Order Completed: never" in answer["sentence"]
    assert answer["sentence"].endswith("It would take time, at the earliest on 26 Nov 2026 06:00 UTC.")


def test_the_answer_names_the_first_condition_that_fails_and_what_was_seen(shop: World) -> None:
    rule = {"all": [{"did": "Product Viewed"}, {"attribute": "country", "eq": "DE"}, {"did": "Order Completed"}]}
    document = {**SHOP, "segments": {**SHOP["segments"], "viewed-not-bought": {"title": "Germans", "rule": rule}}}
    shop.arrive(joins(shop, country="FR"), views(shop))
    shop.pump()
    answer = ask(shop, document=document)
    assert codes(answer) == ["not-in-segment", "fails-too"]
    failing = answer["sentence"].partition("first thing that fails: ")[2]
    assert "country" in failing
    assert "FR" in failing
    assert "Order Completed" not in failing
    assert answer["reasons"][0]["until"] is None


def test_never_did_what_begins_the_journey(shop: World) -> None:
    shop.arrive(joins(shop))
    shop.pump()
    answer = ask(shop, "receipt")
    assert codes(answer) == ["not-triggered"]
    assert "never done" in answer["sentence"]
    assert answer["reasons"][0]["change"] == "the event 'Order Completed'"


def test_waiting_in_the_journey_until_an_instant(shop: World) -> None:
    shop.arrive(joins(shop), shop.event("Order Completed", *ADA, properties={"order_id": "1"}))
    shop.pump()
    answer = ask(shop, "receipt")
    assert codes(answer) == ["waiting"]
    assert answer["reasons"][0]["until"] == iso(shop.now + HOUR)


def test_no_consent_comes_after_the_trigger_among_the_reasons(shop: World) -> None:
    shop.arrive(joins(shop, consent=()), views(shop))
    shop.pump()
    answer = ask(shop)
    assert codes(answer) == ["not-in-segment", "no-consent"]
    assert answer["reasons"][1]["change"] == "a grant of 'marketing:deals'"


@pytest.mark.parametrize(
    ("consent", "country", "said"),
    [
        ((), "DE", "they have said nothing, and the law that holds for them asks for a grant"),
        ((("marketing", "denied"),), "US", "they have refused it"),
        ((("marketing", "granted"), ("marketing", "withdrawn", "deals")), "US", "they have refused it"),
        ((("marketing", "pending"),), "DE", "they have not confirmed it yet"),
    ],
)
def test_what_they_have_said_is_told(shop: World, consent: Any, country: str, said: str) -> None:
    shop.arrive(joins(shop, consent=consent, country=country))
    shop.pump()
    (told,) = [one["sentence"] for one in ask(shop)["reasons"] if one["code"] == "no-consent"]
    assert said in told


def test_due_but_skipped_for_want_of_consent(shop: World) -> None:
    shop.arrive(joins(shop, consent=()), views(shop))
    lets_48_hours_pass(shop)
    answer = ask(shop)
    assert answer["answer"] is False
    assert codes(answer)[0] == "no-consent"
    assert "was due on 26 Nov 2026" in answer["sentence"]
    assert "marketing:deals" in answer["sentence"]
    assert "barred" in codes(answer)


def test_due_but_skipped_for_want_of_an_address(shop: World) -> None:
    shop.arrive(joins(shop, who=(("user_id", "u-ada"),)), views(shop, who=(("user_id", "u-ada"),)))
    lets_48_hours_pass(shop)
    answer = ask(shop)
    assert codes(answer)[0] == "no-email"
    assert answer["reasons"][0]["change"] == "an e-mail address"


def test_due_but_skipped_for_want_of_a_value(shop: World) -> None:
    letter = {**SHOP["templates"]["come-back"], "subject": "{last_name}!"}
    shop.publish({**SHOP, "templates": {**SHOP["templates"], "come-back": letter}})
    shop.arrive(joins(shop), views(shop))
    lets_48_hours_pass(shop)
    answer = ask(shop)
    assert codes(answer)[0] == "not-written"
    assert "'last_name' has no value" in answer["sentence"]


def test_a_suppressed_address_is_told_with_its_cause(shop: World) -> None:
    shop.arrive(joins(shop))
    shop.pump()
    shop.store.suppress("ada@example.com", "Email Complained", now=shop.now)
    reason = ask(shop)["reasons"][-1]
    assert reason["code"] == "suppressed"
    assert "Email Complained" in reason["sentence"]


def test_the_re_entry_rule_bars_until_an_instant(shop: World) -> None:
    shop.arrive(joins(shop, first_name="Ada"), views(shop))
    lets_48_hours_pass(shop)
    entered = shop.now
    shop.arrive(shop.event("Order Completed", *ADA, properties={"order_id": "1"}))
    shop.pump()
    journey = {**SHOP["journeys"]["come-back"], "steps": [{"send": "receipt"}]}
    barred = ask(shop, "receipt", {**SHOP, "journeys": {"come-back": journey}})
    assert codes(barred) == ["not-in-segment", "barred"]
    assert barred["reasons"][1]["until"] == iso(entered + 30 * DAY)


def test_a_doubtful_send_is_said_to_be_doubtful(shop: World) -> None:
    shop.ses.moods = ["lost before"]
    shop.arrive(joins(shop, first_name="Ada"), views(shop))
    lets_48_hours_pass(shop)
    answer = ask(shop)
    assert answer["answer"] is False
    assert codes(answer)[0] == "unknown"
    assert "SES never said" in answer["sentence"]


def test_a_letter_on_its_way_is_said_to_be_on_its_way(shop: World) -> None:
    shop.arrive(joins(shop, first_name="Ada"), views(shop))
    shop.pump()
    shop.tick(shop.now + 2 * DAY)
    answer = ask(shop)
    assert codes(answer)[0] == "on-its-way"
    assert answer["message"] == answer["reasons"][0]["facts"]["message"]
    assert answer["state"] == "QUEUED"
    person = shop.person("user_id", "u-ada")
    assert person is not None
    told = [(e["message"], e["state"]) for e in timeline(person, shop.store, limit=9) if e["kind"] == "message"]
    assert told == [(answer["message"], "QUEUED")], "owed, and without a row"
    shop.ses.moods = ["throttle"]
    shop.pump()
    assert ask(shop)["state"] in ("QUEUED", "DELIVERED")


def test_a_segment_that_may_not_see_the_person_says_so(shop: World) -> None:
    shop.arrive(joins(shop, consent=(*YES, ("personalization", "withdrawn"))), views(shop))
    lets_48_hours_pass(shop)
    answer = ask(shop)
    assert codes(answer) == ["not-permitted"]
    assert "'personalization'" in answer["sentence"]


def test_in_the_segment_since_before_the_journey_began(shop: World) -> None:
    document = {
        **SHOP,
        "journeys": {"late": {"trigger": {"segment_entered": "buyers"}, "steps": [{"send": "receipt"}]}},
    }
    shop.arrive(joins(shop), shop.event("Order Completed", *ADA, properties={"order_id": "1"}))
    shop.pump()
    shop.now += MINUTE
    answer = ask(shop, "late", document)
    assert codes(answer) == ["did-not-begin"]
    assert "only entering it begins" in answer["sentence"]


def test_a_letter_that_no_journey_sends_is_said_to_be_so(shop: World) -> None:
    document = {**SHOP, "journeys": {}}
    shop.arrive(joins(shop))
    shop.pump()
    assert codes(ask(shop, "receipt", document)) == ["not-in-use"]


def test_what_nothing_is_called_is_answered_with_the_nearest_name(shop: World) -> None:
    shop.arrive(joins(shop))
    shop.pump()
    with pytest.raises(Rejected, match="did you mean 'come-back'") as refused:
        ask(shop, "comeback")
    assert refused.value.status == 404


# ---- journeys of every kind


def begun_by(trigger: dict[str, Any], **more: Any) -> dict[str, Any]:
    journey = {"trigger": trigger, "re_entry": "7d", "steps": [{"send": "receipt"}], **more}
    attributes = {"plan": {"purposes": ["personalization"]}}
    return {**SHOP, "attributes": attributes, "journeys": {"tried": journey}}


@pytest.mark.parametrize(
    ("trigger", "traits", "said", "change"),
    [
        ({"api": True}, {}, "begins when the API asks for it, and nobody has asked", "asking for it"),
        ({"segment_exited": "buyers"}, {}, "on leaving the segment 'buyers', and they are not in it", "entering"),
        (
            {"attribute_changed": "plan"},
            {},
            "when the attribute 'plan' changes, and it was never told",
            "another value",
        ),
        ({"attribute_changed": "plan"}, {"plan": "a"}, "it was last told on 24 Nov 2026 06:00 UTC", "another value"),
        ({"date": "birthday"}, {}, "at 09:00, and nobody knows that of them", "their 'birthday'"),
        ({"date": "birthday"}, {"birthday": "soon"}, "and theirs is no date: 'soon'", "a date such as"),
        ({"date": "birthday"}, {"birthday": "1990-12-24"}, "comes on 24 Dec 2026 09:00 UTC next", "time, until 24 Dec"),
        ({"event": "Paid", "where": {"total": {"ge": 5}}}, {}, "which they have never done", "'Paid' with total ge 5"),
    ],
)
def test_what_would_begin_it_is_said(
    shop: World, trigger: dict[str, Any], traits: dict[str, Any], said: str, change: str
) -> None:
    shop.arrive(joins(shop, **traits))
    shop.pump()
    reason = ask(shop, "tried", begun_by(trigger))["reasons"][0]
    assert reason["code"] == "not-triggered"
    assert said in reason["sentence"]
    assert change in reason["change"]


@pytest.mark.parametrize(
    ("event", "more", "code", "said"),
    [
        (
            {"properties": {"total": 4}},
            {},
            "not-triggered",
            "they did that last, on 24 Nov 2026 06:00 UTC, it was not so",
        ),
        ({"properties": {"total": 5}}, {"key": "cart"}, "did-not-begin", "said no 'cart'"),
        ({"properties": {"total": 5}, "at": -2 * DAY}, {}, "did-not-begin", "came in 48h late, when it was no news"),
        ({"properties": {"total": 5}}, {}, "did-not-begin", "came before the journey was in force"),
        ({"properties": {"total": 5}}, {"paused": True}, "paused", "is paused: nobody enters it"),
        (
            {"properties": {"total": 5}},
            {"entry": {"attribute": "country", "eq": "DE"}},
            "not-let-in",
            "would not let them in. The first thing that fails: country",
        ),
    ],
)
def test_why_an_event_began_nothing(
    shop: World, event: dict[str, Any], more: dict[str, Any], code: str, said: str
) -> None:
    at = shop.now + event.pop("at", 0)
    shop.arrive(joins(shop), shop.event("Paid", *ADA, at=at, **event))
    shop.pump()
    trigger = {"event": "Paid", "where": {"total": {"ge": 5}}}
    reason = ask(shop, "tried", begun_by(trigger, **more))["reasons"][0]
    assert reason["code"] == code
    assert said in reason["sentence"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"consent": [("marketing", "withdrawn")]}, "because they refused every letter of it"),
        ({"name": "Order Completed"}, "because its goal was reached: 'Order Completed' happens"),
        ({"name": "Gone"}, 'because it is to be left: did "Gone"'),
    ],
)
def test_how_it_ended_is_said(shop: World, change: dict[str, Any], said: str) -> None:
    ends = {"goal": {"event": "Order Completed"}, "exit_when": {"did": "Gone"}}
    document = begun_by({"event": "Paid"}, steps=[{"wait": "1d"}, {"send": "come-back"}], **ends)
    shop.publish(document)
    shop.arrive(joins(shop), shop.event("Paid", *ADA))
    shop.pump()
    shop.now += HOUR
    shop.arrive(shop.event(change.pop("name", "Consent Changed"), *ADA, **change))
    shop.pump()
    reason = ask(shop, "tried", document)["reasons"][0]
    assert reason["code"] == "ended"
    assert said in reason["sentence"]


def test_what_somebody_waits_for_in_a_journey_is_said(shop: World) -> None:
    steps = [{"wait_until": {"event": "Reply", "within": "3d"}}, {"send": "receipt"}]
    document = begun_by({"event": "Paid"}, steps=steps)
    shop.publish(document)
    shop.arrive(joins(shop), shop.event("Paid", *ADA))
    shop.pump()
    reason = ask(shop, "tried", document)["reasons"][0]
    assert "it waits until 'Reply' happens, for that until 27 Nov 2026 06:00 UTC" in reason["sentence"]
    assert reason["change"] == "the event 'Reply', or time"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"window": {"from": "10:00", "until": "11:00"}}, "put off until 24 Nov 2026 10:00 UTC, because it is outside"),
        ({"quiet": {"from": "05:00", "until": "09:00"}}, "put off until 24 Nov 2026 09:00 UTC, because it is night"),
    ],
)
def test_what_keeps_a_letter_back_is_said(shop: World, more: dict[str, Any], said: str) -> None:
    quiet = {"calendar": {"quiet": more.pop("quiet")}} if "quiet" in more else {}
    document = {**begun_by({"event": "Paid"}, steps=[{"send": "come-back"}], **more), **quiet}
    shop.publish(document)
    shop.arrive(joins(shop), shop.event("Paid", *ADA))
    shop.pump()
    reason = ask(shop, "tried", document)["reasons"][0]
    assert reason["code"] == "put-off"
    assert said in reason["sentence"]


def test_a_letter_that_the_sender_put_off_is_said_to_be(shop: World) -> None:
    shop.arrive(joins(shop), views(shop, at=shop.now - 2 * DAY + MINUTE))
    shop.pump()
    shop.tick()
    document = {**SHOP, "calendar": {"quiet": {"from": "05:00", "until": "09:00"}}}
    shop.publish(document)
    shop.pump()
    reason = ask(shop, "come-back", document)["reasons"][0]
    assert reason["code"] == "put-off"
    assert reason["sentence"].endswith("is put off until 24 Nov 2026 09:00 UTC, because it is night where they are.")
