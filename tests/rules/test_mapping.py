"""Rows to events by a mapping: values as people write them, and what a basis of consent makes of a row."""

from __future__ import annotations

from typing import Any

import pytest

from tailor.kernel.errors import Rejected
from tailor.kernel.event import ConsentChange, Event, Identifier
from tailor.kernel.instants import parse_instant
from tailor.rules.columns import Column, Form
from tailor.rules.guess import guess, slug
from tailor.rules.mapping import Origin, read_mapping

BEGUN = parse_instant("2026-11-24T06:00:00Z")
ORIGIN = Origin("i_1", "people.csv", BEGUN - 5_000, BEGUN)
PEOPLE = {"identifiers": {"email": "E-mail"}, "consent": {"basis": "none"}}
AGREED = {
    "basis": "consent",
    "topic": "deals",
    "column": "News",
    "at": "Since",
    "evidence": "Form of 2024-03, confirmed by mail",
}


def events(document: dict[str, Any], row: dict[str, Any], notes: list[str] | None = None) -> list[Event]:
    return read_mapping({**PEOPLE, **document}).events(row, ORIGIN, 7, [] if notes is None else notes)


def test_a_row_becomes_what_is_known_of_somebody() -> None:
    document = {"traits": {"first_name": "First", "interests": {"column": "Likes", "type": "list", "split": ";"}}}
    [event] = events(document, {"E-mail": " Ada@X.example ", "First": "Ada", "Likes": "tents; shoes;"})
    assert (event.kind, event.name, event.source) == ("identify", "Identify", "import")
    assert event.identifiers == (Identifier("email", "ada@x.example"),)
    assert event.traits == {"email": "Ada@X.example", "first_name": "Ada", "interests": ["tents", "shoes"]}
    assert (event.at, event.received) == (ORIGIN.as_of, BEGUN)
    assert event.context == {"import": "i_1", "row": 7, "quiet": True}


def test_an_order_is_told_by_its_number_and_its_amount_is_exact() -> None:
    document = {
        "kind": "track",
        "event": "Order Completed",
        "id": ["Receipt"],
        "at": "Date",
        "form": {"dates": "dmy", "decimal": ",", "zone": "Europe/Paris"},
        "properties": {"order_id": "Receipt", "total": {"column": "Total", "type": "money"}},
    }
    row = {"E-mail": "ada@x.example", "Receipt": "0017", "Date": "03/04/2024 14:05", "Total": "1.234,50 €"}
    [event] = events(document, row)
    assert event.id == "order-completed:import:0017"
    assert event.at == parse_instant("2024-04-03T14:05:00+02:00")
    assert event.properties == {"order_id": "0017", "total": "1234.50"}
    [again] = events(document, {**row, "Total": "1.234,50"})
    assert again.mark == event.mark


def test_the_same_words_at_another_time_are_another_event() -> None:
    document = {"at": "Updated", "traits": {"city": "City"}}
    row = {"E-mail": "ada@x.example", "City": "Rome", "Updated": "2024-04-03"}
    [first], [same], [later] = (
        events(document, row),
        events(document, row),
        events(document, {**row, "Updated": "2024-04-04"}),
    )
    assert first.id == same.id != later.id


def test_a_yes_is_a_grant_at_its_own_time_with_its_evidence() -> None:
    row = {"E-mail": "ada@x.example", "News": "yes", "Since": "2024-04-03T10:00:00Z"}
    _, choice = events({"consent": AGREED}, row)
    assert choice.consent == (ConsentChange("marketing", "granted", "deals"),)
    assert choice.at == parse_instant("2024-04-03T10:00:00Z")
    assert choice.context["consent"] == {
        "basis": "consent",
        "evidence": AGREED["evidence"],
        "import": "i_1",
        "file": "people.csv",
        "row": 7,
    }


def test_a_yes_without_its_time_is_refused_for_it_could_undo_a_withdrawal() -> None:
    with pytest.raises(Rejected, match="later withdrawal") as refused:
        events({"consent": AGREED}, {"E-mail": "ada@x.example", "News": "yes", "Since": ""})
    assert refused.value.pointer == "/Since"


@pytest.mark.parametrize("basis", ["none", "legitimate-interest", "contract", "consent"])
def test_a_no_is_a_withdrawal_whatever_the_basis(basis: str) -> None:
    consent = {**AGREED, "basis": basis}
    _, choice = events({"consent": consent}, {"E-mail": "ada@x.example", "News": "no", "Since": ""})
    assert choice.consent == (ConsentChange("marketing", "withdrawn", "deals"),)


@pytest.mark.parametrize("basis", ["none", "legitimate-interest", "contract"])
def test_only_consent_makes_grants(basis: str) -> None:
    consent = {**AGREED, "basis": basis}
    [event] = events({"consent": consent}, {"E-mail": "ada@x.example", "News": "yes", "Since": "2024-04-03"})
    assert not event.consent


def test_one_date_of_consent_may_hold_for_all_rows() -> None:
    consent = {"basis": "consent", "at": "2024-03-01", "evidence": "Stand at the fair, paper forms"}
    _, choice = events({"consent": consent}, {"E-mail": "ada@x.example"})
    assert (choice.at, choice.consent[0].grant) == (parse_instant("2024-03-01T00:00:00Z"), "granted")


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"consent": None}, "/consent"),
        ({"consent": {"basis": "consnet"}}, "/consent/basis"),
        ({"consent": {"basis": "consent", "evidence": "x"}}, "/consent/at"),
        ({"consent": {"basis": "contract"}}, "/consent/evidence"),
        ({"identifiers": {}}, "/identifiers"),
        ({"identifiers": {"person": "Id"}}, "/identifiers/person"),
        ({"kind": "track", "id": ["*"]}, "/event"),
        ({"kind": "track", "event": "Order Completed"}, "/id"),
        ({"properties": {"total": "Total"}}, "/properties"),
        ({"traits": {"a": {"column": "A", "type": "nubmer"}}}, "/traits/a/type"),
        ({"form": {"zone": "Europe/Pariss"}}, "/form/zone"),
        ({"form": {"region": "fr"}}, "/form/region"),
        ({"formt": "csv"}, "/formt"),
    ],
)
def test_a_wrong_mapping_is_refused_with_its_place(change: dict[str, Any], pointer: str) -> None:
    with pytest.raises(Rejected) as refused:
        read_mapping({**PEOPLE, **change})
    assert refused.value.pointer == pointer


@pytest.mark.parametrize(
    ("row", "code", "pointer"),
    [
        ({"E-mail": "ada at x.example"}, "bad-email", "/E-mail"),
        ({"E-mail": ""}, "no-identity", ""),
        ({"E-mail": "ada@x.example", "Born": "03/04/2024"}, "bad-date", "/Born"),
        ({"E-mail": "ada@x.example", "Born": "2024-02-30"}, "bad-date", "/Born"),
        ({"E-mail": "ada@x.example", "Size": "large"}, "bad-number", "/Size"),
    ],
)
def test_a_value_that_is_not_what_was_declared_is_refused_with_its_column(
    row: dict[str, Any], code: str, pointer: str
) -> None:
    document = {
        "traits": {"birthday": {"column": "Born", "type": "date"}, "size": {"column": "Size", "type": "number"}}
    }
    with pytest.raises(Rejected) as refused:
        events(document, row)
    assert (refused.value.code, refused.value.pointer) == (code, pointer)
    assert "@" not in refused.value.detail


def test_phones_are_international_by_the_region_and_others_are_told() -> None:
    document = {"identifiers": {"email": "E-mail", "phone": "Tel"}, "form": {"region": "FR"}}
    [event] = events(document, {"E-mail": "ada@x.example", "Tel": "06 12 34 56 78"})
    assert Identifier("phone", "+33612345678") in event.identifiers
    notes: list[str] = []
    [event] = events(document, {"E-mail": "ada@x.example", "Tel": "call me"}, notes)
    assert notes == ["Tel: not usable as phone by itself"]
    assert [one.kind for one in event.identifiers] == ["email"]


@pytest.mark.parametrize(
    ("type", "form", "written", "read"),
    [
        ("number", Form(), "1,234.5", 1234.5),
        ("number", Form(decimal=","), "1 234,50", 1234.5),
        ("number", Form(), "42", 42),
        ("money", Form(), "$1,234.50", "1234.50"),
        ("money", Form(decimal=","), "(12,30 EUR)", "-12.30"),
        ("money", Form(), 12.3, "12.3"),
        ("boolean", Form(), "Y", True),
        ("boolean", Form(no=("nein",)), "Nein", False),
        ("date", Form(dates="mdy"), "4/3/2024", "2024-04-03"),
        ("date", Form(), "2024-04-03T10:00:00", "2024-04-03"),
        ("time", Form(zone="America/New_York"), "2024-04-03 10:00", "2024-04-03T14:00:00.000Z"),
        ("time", Form(), "1712138400", "2024-04-03T10:00:00.000Z"),
        ("text", Form(), 9007199254740993, "9007199254740993"),
        ("text", Form(), 17.0, "17"),
    ],
)
def test_values_are_read_as_people_write_them(type: str, form: Form, written: Any, read: Any) -> None:
    assert Column("a", type).of({"a": written}, form) == read


def test_pointers_reach_into_documents_and_codes_are_translated() -> None:
    assert Column("/contact/emails/1").of({"contact": {"emails": ["a", "b"]}}, Form()) == "b"
    assert Column("g", values={"1": "gold"}).of({"g": 1}, Form()) == "gold"


def test_a_mapping_is_guessed_from_the_names_of_columns() -> None:
    guessed = guess(["E-Mail Address", "First Name", "Prénom", "Shoe size (EU)", "Opt-in", "Opt-in date"])
    assert guessed["identifiers"] == {"email": "E-Mail Address"}
    assert guessed["traits"]["first_name"] == "First Name"
    assert guessed["traits"]["shoe_size_eu"] == "Shoe size (EU)"
    assert guessed["consent"] == {"column": "Opt-in", "at": "Opt-in date"}
    till = guess(["Receipt number", "Customer No", "Order date", "Total", "Currency", "Store"])
    assert (till["event"], till["id"], till["at"]) == ("Order Completed", ["Receipt number"], "Order date")
    assert till["properties"]["total"] == {"column": "Total", "type": "money"}
    assert till["properties"]["store"] == "Store"


def test_names_of_columns_become_names_of_attributes() -> None:
    assert [slug(name) for name in ("Größe", "lastVisitAt", "  ", "ID")] == ["groe", "last_visit_at", "column", "id"]
