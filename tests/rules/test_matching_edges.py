"""Each known trap of deduplication, with what is to come of it: one person, a question to a person, or nothing.

All are judged by the shipped model, as people are who arrive before the first night.
"""

from __future__ import annotations

import pytest

from tailor.rules.matching.engine import Band, resolve
from tailor.rules.matching.normalise import normalise
from tailor.rules.matching.weights import standard

Raw = dict[str, str]

CALLS = {"phone": "07911 123456"}
HOME = {"street": "14 Quarry Bank", "city": "Sheffield", "postcode": "S10 5BD", "country": "GB"}
BORN = "1979-05-23"


def raw(first: str = "", last: str = "", **more: str) -> Raw:
    return {"first_name": first, "last_name": last, "country": "GB", **more}


def verdict(*raws: Raw) -> Band:
    """``join`` where all are one person, ``review`` where some pair is to be looked at, else ``apart``."""
    numbered = [normalise({**one, "record_id": str(place)}) for place, one in enumerate(raws)]
    found = resolve(numbered, model=standard())
    if len(set(found.clusters().values())) == 1:
        return "join"
    return "review" if any(match.band == "review" for match in found.matches()) else "apart"


ONE_PERSON = {
    "the same e-mail, one side nameless": (
        raw("Edith", "Haverly", email="edith.haverly@gmail.com"), raw(email="edith.haverly@gmail.com")),
    "case and spaces in an e-mail": (
        raw("Edith", "Haverly", email="edith.haverly@gmail.com"), raw("Edith", email=" EDITH.Haverly@Gmail.com ")),
    "plus-addressing": (
        raw("Edith", "Haverly", email="edith.haverly@gmail.com"), raw("Edith", email="edith.haverly+news@gmail.com")),
    "dots at Gmail": (
        raw("Edith", "Haverly", email="edith.haverly@gmail.com"), raw("Edith", email="edithhaverly@gmail.com")),
    "gmial.com": (
        raw("Edith", "Haverly", email="edith.haverly@gmail.com"),
        raw("Edith", "Haverly", email="edith.haverly@gmial.com")),
    "a slip in the mailbox": (
        raw("Edith", "Haverly", email="edith.haverly@gmail.com", **CALLS),
        raw("Edith", "Haverly", email="edith.havelry@gmail.com", **CALLS)),
    "a nickname and a phone": (
        raw("Margaret", "Haverly", **CALLS), raw("Peggy", "Haverly", phone="+44 7911 123456")),
    "a nickname and an address": (
        raw("Robert", "Haverly", dob=BORN, **HOME), raw("Bob", "Haverly", dob=BORN, **HOME)),
    "an initial and a phone": (
        raw("Edith", "Haverly", **CALLS), raw("E.", "Haverly", **CALLS)),
    "first and last name swapped": (
        raw("Edith", "Haverly", dob=BORN, **CALLS), raw("Haverly", "Edith", dob=BORN, **CALLS)),
    "day and month swapped": (
        raw("Edith", "Haverly", dob="1979-05-03", **HOME), raw("Edith", "Haverly", dob="1979-03-05", **HOME)),
    "accents": (
        raw("José", "Ibáñez", dob=BORN, **CALLS), raw("Jose", "Ibanez", dob=BORN, **CALLS)),
    "another script": (
        raw("Дмитрий", "Орлов", dob=BORN, **CALLS), raw("Dmitry", "Orlov", dob=BORN, **CALLS)),
    "a married name, the e-mail kept": (
        raw("Edith", "Haverly", dob=BORN, email="edith.h79@gmail.com"),
        raw("Edith", "Okafor", dob=BORN, email="edith.h79@gmail.com")),
    "a married name, phone and birth date kept": (
        raw("Edith", "Haverly", dob=BORN, **CALLS), raw("Edith", "Okafor", dob=BORN, **CALLS)),
    "a double-barrelled surname": (
        raw("Edith", "Haverly", dob=BORN, **CALLS),
        raw("Edith", "Haverly-Okafor", dob=BORN, **CALLS)),
    "moved house": (
        raw("Edith", "Haverly", dob=BORN, **HOME),
        raw("Edith", "Haverly", dob=BORN, street="3 Mill Lane", city="Leeds", postcode="LS1 4DT")),
    "a whole name typed into the first field": (
        raw("Edith Haverly", email="edith.haverly@gmail.com"),
        raw("Edith", "Haverly", email="edith.haverly@gmail.com")),
    "one national id, a slip in the name": (
        raw("Edith", "Haverly", national_id="JK 12 34 56 C"), raw("Edit", "Haverly", national_id="JK123456C")),
    "a phone one digit off at one address": (
        raw("Edith", "Haverly", **CALLS, **HOME), raw("Edith", "Haverly", phone="07911 123457", **HOME)),
    "an identifier that arrives late": (
        raw(email="edith.haverly@gmail.com"), raw(**CALLS),
        raw("Edith", "Haverly", email="edith.haverly@gmail.com", **CALLS)),
}  # fmt: skip

NOT_ONE_PERSON: dict[str, tuple[Raw, ...]] = {
    "twins": (
        raw("Hannah", "Haverly", dob=BORN, **CALLS, **HOME),
        raw("Hazel", "Haverly", dob=BORN, **CALLS, **HOME)),
    "junior and senior": (
        raw("Robert", "Haverly Sr", **CALLS, **HOME), raw("Robert", "Haverly Jr", **CALLS, **HOME)),
    "a junior and one of his name at his address": (
        raw("Robert", "Haverly", **HOME), raw("Robert", "Haverly Jr", email="bobby79@outlook.com", **HOME)),
    "father and son, born a generation apart": (
        raw("Robert", "Haverly", dob="1951-11-02", **HOME), raw("Robert", "Haverly", dob="1984-02-17", **HOME)),
    "a couple with one landline": (
        raw("Robert", "Haverly", gender="M", phone="0114 496 0123", **HOME),
        raw("Edith", "Haverly", gender="F", phone="0114 496 0123", **HOME)),
    "a couple with one mailbox": (
        raw("Robert", "Haverly", dob="1951-11-02", email="thehaverlys@gmail.com"),
        raw("Edith", "Haverly", dob="1957-05-23", email="thehaverlys@gmail.com")),
    "initials of a couple in a company's addresses": (
        raw("Robert", "Haverly", email="rhaverly@brightmoor.net"),
        raw("Edith", "Haverly", email="ehaverly@brightmoor.net")),
    "a common name, another number in the mailbox": (
        raw("John", "Smith", email="johnsmith84@gmail.com"), raw("John", "Smith", email="johnsmith85@gmail.com")),
    "dots outside Gmail": (
        raw("Edith", "Haverly", email="edith.haverly@brightmoor.net"),
        raw("Martha", "Okafor", email="edithhaverly@brightmoor.net")),
    "a surname and an address, the given name unknown": (
        raw("Robert", "Haverly", **CALLS, **HOME), raw("", "Haverly", email="x4711@outlook.com", **HOME)),
    "a phone given to a new owner": (
        raw("Edith", "Haverly", dob=BORN, **CALLS), raw("Marek", "Okafor", dob="1951-11-02", **CALLS)),
    "a role mailbox": (
        raw("Edith", "Haverly", email="info@brightmoor.net"), raw("Marek", "Okafor", email="info@brightmoor.net")),
    "test@test.com": (
        raw("Edith", "Haverly", email="test@test.com"), raw("Marek", "Okafor", email="test@test.com")),
    "a phone of zeros": (
        raw("Edith", "Haverly", phone="0000000000"), raw("Marek", "Okafor", phone="0000000000")),
    "N/A for names": (
        raw("N/A", "N/A", email="haverly@gmail.com"), raw("N/A", "N/A", email="okafor@outlook.com")),
    "a birth date that the form filled in": (
        raw("John", "Smith", dob="1900-01-01", email="js.one@gmail.com"),
        raw("John", "Smith", dob="1900-01-01", email="jack22@gmail.com")),
    "nothing but a common name": (raw("John", "Smith"), raw("John", "Smith")),
    "nothing at all": (raw(), raw()),
    "different national ids, all else equal": (
        raw("Edith", "Haverly", national_id="JK123456C", **CALLS, **HOME),
        raw("Edith", "Haverly", national_id="QQ987654A", **CALLS, **HOME)),
    "an unnamed record that bridges two people": (
        raw("Edith", "Haverly", dob=BORN, email="edith.haverly@gmail.com"),
        raw("Marek", "Okafor", dob="1951-11-02", **CALLS),
        raw(email="edith.haverly@gmail.com", **CALLS)),
    "a bare name between two that clash": (
        raw("Edith", "Haverly", dob=BORN, email="edith.haverly@gmail.com"), raw("Edith", "Haverly"),
        raw("Edith", "Haverly", dob="1951-11-02", **CALLS)),
}  # fmt: skip


@pytest.mark.parametrize("case", ONE_PERSON)
def test_is_one_person(case: str) -> None:
    assert verdict(*ONE_PERSON[case]) == "join"


@pytest.mark.parametrize("case", NOT_ONE_PERSON)
def test_is_never_joined_without_asking(case: str) -> None:
    assert verdict(*NOT_ONE_PERSON[case]) != "join"


@pytest.mark.parametrize("case", ["twins", "nothing but a common name", "a bare name between two that clash"])
def test_what_may_be_one_person_is_shown_to_somebody(case: str) -> None:
    assert verdict(*NOT_ONE_PERSON[case]) == "review"
