"""Plain phone numbers are read as the library reads them, in every country that has numbers."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import phonenumbers
import pytest

from tailor.rules.quality import phone
from tailor.rules.quality.dialling import dialled

REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)
E164, NATIONAL = phonenumbers.PhoneNumberFormat.E164, phonenumbers.PhoneNumberFormat.NATIONAL
INTERNATIONAL = phonenumbers.PhoneNumberFormat.INTERNATIONAL
MARKS = "0123456789 -().+"


def numbers(region: str, chance: Random) -> Iterator[str]:
    """Examples of every kind of number of a region, as they are written there and abroad, whole and spoilt; noise."""
    for kind in range(12):
        example = phonenumbers.example_number_for_type(region, kind)
        for form in (E164, NATIONAL, INTERNATIONAL) if example else ():
            written = phonenumbers.format_number(example, form)
            yield written
            for _ in range(6):
                at = chance.randrange(1, len(written))
                yield written[:at] + chance.choice(MARKS) + written[at + 1 :]
                yield written[:at] + chance.choice(MARKS) + written[at:]
            yield written[:-1]
            yield written + chance.choice("0123456789")
    known = phonenumbers.PhoneMetadata.metadata_for_region(region, None)
    for _ in range(100):
        noise = "".join(chance.choice("0123456789") for _ in range(chance.randrange(4, 13)))
        yield (known.national_prefix or "0") + noise
        yield f"+{phonenumbers.country_code_for_region(region)}{noise}"


@pytest.mark.parametrize("region", REGIONS)
def test_what_is_plain_is_read_as_the_library_reads_it(region: str) -> None:
    chance = Random(region)
    for written in numbers(region, chance):
        for within in (region, "", chance.choice(REGIONS)):
            made = dialled(written, within)
            if made:
                number = phonenumbers.parse(written, within or None)
                assert phonenumbers.is_valid_number(number), (written, within)
                assert made == phonenumbers.format_number(number, E164), (written, within)


def test_most_numbers_are_plain() -> None:
    valid = plain = 0
    for region in REGIONS:
        example = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
        for form in (E164, NATIONAL, INTERNATIONAL) if example else ():
            valid += 1
            plain += dialled(phonenumbers.format_number(example, form), region) != ""
    assert plain / valid > 0.7


@pytest.mark.parametrize(
    ("given", "region", "form"),
    [
        ("+46701740605", "", "+46701740605"),
        ("070-174 06 05", "SE", "+46701740605"),
        ("(0151) 123 456 78", "DE", "+4915112345678"),
        ("+390612345678", "", "+390612345678"),  # the zero counts in Italy
        ("06 1234 5678", "IT", "+390612345678"),
        ("8 (912) 345-67-89", "RU", "+79123456789"),
        ("00 46 70 174 06 05", "DE", "+46701740605"),
        ("1-415-555-2671", "US", "+14155552671"),
    ],
)
def test_a_number_has_one_form(given: str, region: str, form: str) -> None:
    assert phone(given, region) == (form, None)
