"""Quality: what is found, what is put right, and that nothing is put right without a record of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shop import SHOP
from tailor.kernel.event import Event, Identifier
from tailor.kernel.history import RING
from tailor.kernel.instants import DAY, parse_instant
from tailor.kernel.person import Person
from tailor.kernel.program import Program
from tailor.rules import profile
from tailor.rules.quality import inspect, mail
from tailor.rules.quality.codes import COUNTRIES, CURRENCIES
from tailor.rules.quality.portrait import portrait

NOW = parse_instant("2026-11-24T09:00:00Z")


def told(name: str = "Identify", *, at: int = NOW, id: str = "e-1", **parts: Any) -> Event:
    return Event(id, "identify", name, at, NOW, "segment", (Identifier("user_id", "u-1"),), **parts)


def found(**traits: Any) -> set[str]:
    return {code for code, *_ in inspect(told(traits=traits)).context.get("quality", {}).get("findings", ())}


def changed(**traits: Any) -> dict[str, Any]:
    event = inspect(told(traits=traits))
    record = event.context.get("quality", {}).get("changed", {})
    for name, value in event.traits.items():
        if value != traits[name]:
            assert record[f"/traits/{name}"] == [traits[name], value], "a change without a record"
    return {name: value for name, value in event.traits.items() if value != traits[name]}


@pytest.mark.parametrize(
    ("given", "findings", "normal"),
    [
        ("Mira.Lind@Shop.Example", set(), "mira.lind@shop.example"),
        ("mira@shop.example", set(), None),
        ("mira@bücher.example", set(), "mira@xn--bcher-kva.example"),
        ("mira@gmial.com", {"email:typo"}, None),
        ("mira@gmail.co", {"email:typo"}, None),
        ("mira@hotmial.com", {"email:typo"}, None),
        ("mira@shop.con", {"email:typo"}, None),
        ("mira@mailinator.com", {"email:disposable"}, None),
        ("mira@x.mailinator.com", {"email:disposable"}, None),
        ("info@shop.example", {"email:role"}, None),
        ("support+eu@shop.example", {"email:role"}, None),
        ("mira..lind@shop.example", {"email:invalid"}, None),
        ("mira@shop", {"email:invalid"}, None),
        ("mira shop.example", {"email:invalid"}, None),
        ("mira@localhost", {"email:invalid"}, None),
        ("@shop.example", {"email:invalid"}, None),
        ("", set(), None),
    ],
)
def test_an_address(given: str, findings: set[str], normal: str | None) -> None:
    assert found(email=given) == findings
    assert changed(email=given) == ({"email": normal} if normal else {})


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("gmial.com", "gmail.com"),
        ("gmai.com", "gmail.com"),
        ("gmaill.com", "gmail.com"),
        ("yahho.com", "yahoo.com"),
        ("outlok.com", "outlook.com"),
        ("shop.cmo", "shop.com"),
        ("gmail.com", ""),
        ("googlemail.com", ""),
        ("shop.example", ""),
        ("gmx.at", ""),
        ("mail.com", ""),
        ("hotmail.it", ""),
    ],
)
def test_a_slip_of_the_keyboard_gets_a_suggestion(typed: str, meant: str) -> None:
    assert mail.suggestion(typed) == meant
    if meant:
        [[_, pointer, hint]] = inspect(told(traits={"email": f"a@{typed}"})).context["quality"]["findings"]
        assert (pointer, hint) == ("/traits/email", f"did you mean {meant}?")


@pytest.mark.parametrize(
    ("given", "country", "findings", "normal"),
    [
        ("+46 70 174 06 05", None, set(), "+46701740605"),
        ("(415) 555-2671", "US", set(), "+14155552671"),
        ("(415) 555-2671", "United States", set(), "+14155552671"),
        ("070-174 06 05", "SE", set(), "+46701740605"),
        ("+46701740605", None, set(), None),
        ("(415) 555-2671", None, {"phone:no-country"}, None),
        ("12", "US", {"phone:invalid"}, None),
        ("+999123456789", None, {"phone:invalid"}, None),
        ("call me", "US", {"phone:invalid"}, None),
    ],
)
def test_a_phone(given: str, country: str | None, findings: set[str], normal: str | None) -> None:
    traits = {"phone": given} | ({"country": country} if country else {})
    assert found(**traits) == findings
    assert changed(**traits).get("phone") == normal


def test_what_is_put_right_identifies() -> None:
    event = inspect(told(traits={"phone": "070-174 06 05", "country": "Sverige", "email": "Mira@bücher.example"}))
    assert set(event.identifiers) == {
        Identifier("user_id", "u-1"),
        Identifier("phone", "+46701740605"),
        Identifier("email", "mira@xn--bcher-kva.example"),
    }


def test_an_identifier_that_is_there_is_not_doubled_by_another_from_the_traits() -> None:
    event = Event(
        "e", "identify", "Identify", NOW, NOW, "s", (Identifier("email", "a@b.example"),), {"email": "A@c.example"}
    )
    assert inspect(event).identifiers == event.identifiers


@pytest.mark.parametrize(
    ("given", "normal", "findings"),
    [
        ("SE", None, set()),
        ("se", "SE", set()),
        ("Sweden", "SE", set()),
        ("Österreich", "AT", set()),
        ("USA", "US", set()),
        ("Trail", None, {"country:unknown"}),
    ],
)
def test_a_country(given: str, normal: str | None, findings: set[str]) -> None:
    assert (changed(country=given).get("country"), found(country=given)) == (normal, findings)


@pytest.mark.parametrize(
    ("given", "normal", "findings"),
    [
        ("1990-02-28", None, set()),
        ("19900228", "1990-02-28", set()),
        ("1990-02-28T00:00:00Z", "1990-02-28", set()),
        ("28/02/1990", "1990-02-28", set()),
        ("02/28/1990", "1990-02-28", set()),
        ("3.2.1990", "1990-02-03", set()),
        ("02/02/1990", "1990-02-02", set()),
        ("02/03/1990", None, {"birthday:ambiguous"}),
        ("1990-02-30", None, {"birthday:unreadable"}),
        ("last year", None, {"birthday:unreadable"}),
        ("02/28", None, set()),
        ("1890-01-01", None, {"birthday:impossible"}),
        ("2031-01-01", None, {"birthday:impossible"}),
        ("2015-01-01", None, {"birthday:child"}),
        ("2010-11-24", None, set()),
        ("2010-11-25", None, {"birthday:child"}),
    ],
)
def test_a_birthday(given: str, normal: str | None, findings: set[str]) -> None:
    assert (changed(birthday=given).get("birthday"), found(birthday=given)) == (normal, findings)


@pytest.mark.parametrize(
    ("properties", "findings"),
    [
        ({"total": "124.70", "currency": "EUR"}, set()),
        ({"total": "-1.00", "currency": "EUR"}, {"total:negative"}),
        ({"total": "1", "currency": "EURO"}, {"currency:unknown"}),
        ({"total": 12470, "products": [{"price": "59.90", "quantity": 2}, {"price": 4.9}]}, {"total:unit"}),
        ({"total": "1.25", "products": [{"price": "124.70", "quantity": 1}]}, {"total:unit"}),
        ({"total": "110", "products": [{"price": "59.90", "quantity": 2}]}, set()),
        ({"total": "9", "products": [{"price": "-1", "quantity": 2}]}, {"price:negative"}),
        ({"total": "9", "products": [{"price": "1", "quantity": -2}]}, {"quantity:negative"}),
        ({"total": True, "products": [None, {"price": "x"}]}, set()),
    ],
)
def test_an_order(properties: dict[str, Any], findings: set[str]) -> None:
    event = inspect(told("Order Completed", properties=properties))
    assert {code for code, *_ in event.context.get("quality", {}).get("findings", ())} == findings
    assert event.properties == properties


def test_a_time_that_cannot_be_is_found() -> None:
    assert inspect(told(at=0)).context["quality"]["findings"][0][0] == "time:ancient"
    assert inspect(told(context={"clock": "far ahead"})).context["quality"]["findings"][0][0] == "time:future"
    assert inspect(told(context={"clock": "ahead"})).context == {"clock": "ahead"}


def test_what_is_in_order_is_the_same_event() -> None:
    event = told(traits={"email": "ada@shop.example", "country": "SE", "favourite": ["a"], "age": 7})
    assert inspect(event) is event


@settings(max_examples=200, derandomize=True, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["email", "phone", "country", "birthday", "dob", "x"]),
        st.none() | st.integers() | st.text(max_size=30) | st.from_regex(r"[0-9+()./ -]{1,16}", fullmatch=True),
        max_size=5,
    )
)
def test_whatever_comes_is_inspected_once_and_for_all(traits: dict[str, Any]) -> None:
    once = inspect(told(traits=traits))
    again = inspect(told(traits=once.traits))
    assert again.traits == once.traits
    assert "changed" not in again.context.get("quality", {})
    for pointer, (was, now) in once.context.get("quality", {}).get("changed", {}).items():
        name = pointer.removeprefix("/traits/")
        assert (traits[name], once.traits[name]) == (was, now)


def test_flags_come_and_go_with_the_value_whatever_the_order_of_arrival() -> None:
    early = inspect(told(id="1", at=NOW - DAY, traits={"email": "a@gmial.com"}))
    late = inspect(told(id="2", traits={"email": "a@gmail.com"}))
    for events, flags in (
        ([early], ["email:typo did you mean gmail.com?"]),
        ([early, late], []),
        ([late, early], []),
    ):
        person = Person("p")
        for event in events:
            profile.apply(person, event)
        assert person.flags == flags


def test_what_was_found_in_an_order_stays() -> None:
    person = Person("p")
    profile.apply(person, inspect(told("Order Completed", id="1", properties={"total": "-5"})))
    profile.apply(person, inspect(told(id="2", traits={"email": "a@b.example"})))
    assert [flag.partition(" ")[0] for flag in person.flags] == ["total:negative"]


def test_a_profile_is_as_complete_as_the_programmes_ask() -> None:
    program = Program.of([SHOP])
    nobody = portrait(Person("p"), program)
    assert (nobody.score, "email" in nobody.missing) == (0, True)
    person = Person("p")
    person.identifiers["email"] = ["a@b.example"]
    person.attributes = dict.fromkeys(nobody.missing, "x")
    assert portrait(person, program).score == 1
    person.flags = ["email:invalid An email address must have an @-sign"]
    worse = portrait(person, program)
    assert worse.missing == ("email",)
    assert worse.findings[0]["code"] == "email:invalid"
    sensitive = {name for name, one in program.attributes.items() if one.klass == "sensitive"}
    assert not sensitive & set(nobody.missing)


def test_a_burst_is_seen_in_the_history() -> None:
    program, person = Program.of([SHOP]), Person("p")
    for index in range(RING - 1):
        person.count("Product Viewed", NOW + index * 100)
    assert portrait(person, program).findings == ()
    person.count("Product Viewed", NOW + 5_000)
    [burst] = portrait(person, program).findings
    assert (burst["code"], burst["field"]) == ("burst:events", "Product Viewed")
    person.count("Product Viewed", NOW + DAY)
    assert portrait(person, program).findings == ()


def test_the_tables_hold_every_code() -> None:
    assert len(set(COUNTRIES.values())) == 250
    assert {"EUR", "USD", "JPY", "SEK"} <= CURRENCIES
    assert all(len(code) == 2 and code.isupper() for code in COUNTRIES.values())
