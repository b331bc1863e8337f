"""One record in comparable form: the same thing written in two ways is one thing, and nothing is nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailor.rules.matching.nicknames import akin, formal
from tailor.rules.matching.normalise import COLUMNS, birth, code, email, name, normalise, phone, spelled, street
from tailor.rules.matching.scripts import fold, skeleton, sound


@given(st.text())
def test_folding_twice_is_folding_once(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(st.dictionaries(st.sampled_from(COLUMNS), st.text(max_size=40)))
def test_whatever_comes_in_a_record_comes_out(raw: dict[str, str]) -> None:
    assert normalise(raw | {"record_id": "1"}).id == "1"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Núñez", "nunez"),
        ("Işıl Çağlar", "isil caglar"),
        ("Łukasz", "lukasz"),
        ("Straße", "strasse"),
        ("Дмитрий Соколов", "dmitriy sokolov"),
        ("Γιώργος", "giorgos"),
        ("김민준", "gimminjun"),
        ("ヤマダ", "yamada"),
        ("राहुल", "rahul"),
        ("王小明", "王小明"),
        (" Mar\u200bgaret\u00a0 ", "margaret"),
        ("\uff2a\uff2f\uff28\uff2e", "john"),
    ],
)
def test_scripts_accents_and_invisible_signs_fold_into_one_spelling(written: str, read: str) -> None:
    assert fold(written) == read


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Dr. Ana María", ("ana maria", "")),
        ("Hollins Jr.", ("hollins", "jr")),
        ("Hollins, Sr", ("hollins", "sr")),
        ("O'Connor-Reyes", ("oconnor reyes", "")),
        ("M.", ("m", "")),
        ("N/A", ("", "")),
        ("test", ("", "")),
        ("Sir", ("", "")),
        ("12345", ("", "")),
        ("", ("", "")),
    ],
)
def test_a_name_loses_titles_and_placeholders_and_shows_its_suffix(written: str, read: tuple[str, str]) -> None:
    assert name(written) == read


def test_nicknames_stand_for_formal_names() -> None:
    assert akin("peggy", "margaret")
    assert akin("bob", "robert")
    assert not akin("hannah", "hazel")
    assert formal("peggy") == "margaret"
    assert formal("zoltan") == "zoltan"


@pytest.mark.parametrize(
    ("written", "address"),
    [
        (" Ada.Byron@GMAIL.com ", "adabyron@gmail.com"),
        ("ada.byron+shop@gmail.com", "adabyron@gmail.com"),
        ("ada.byron@googlemail.com", "adabyron@gmail.com"),
        ("ada.byron@gmial.com", "adabyron@gmail.com"),
        ("ada.byron@brightmoor.example.org", "ada.byron@brightmoor.example.org"),
        ("mailto:ada@brightmoor.net", "ada@brightmoor.net"),
        ("test@test.com", ""),
        ("noemail@brightmoor.net", ""),
        ("not an address", ""),
    ],
)
def test_spellings_of_one_mailbox_are_equal_and_placeholders_are_missing(written: str, address: str) -> None:
    assert email(written)[0] == address


def test_a_role_mailbox_is_marked() -> None:
    assert email("info@brightmoor.net")[3] == "role"
    assert email("ada@brightmoor.net")[3] == "personal"


def test_missing_names_are_read_from_the_mailbox() -> None:
    assert spelled("ada.byron", "", "") == ("ada", "byron")
    assert spelled("adabyron", "", "byron") == ("ada", "byron")
    assert spelled("ada4711", "ada", "") == ("ada", "")
    assert spelled("x.byron", "ada", "byron") == ("ada", "byron")


@pytest.mark.parametrize(
    ("written", "country", "number"),
    [
        ("07700 900417", "GB", "+447700900417"),
        ("+44 (0)7700 900417", "GB", "+447700900417"),
        ("0044 7700 900417", "", "+447700900417"),
        ("(608) 573-4666 ext. 12", "US", "+16085734666"),
        ("1-608-573-4666", "US", "+16085734666"),
        ("0624485038", "FR", "+33624485038"),
        ("0624485038", "", "0624485038"),
        ("0000000000", "GB", ""),
        ("5555555555", "US", ""),
        ("1234567890", "", ""),
        ("12", "US", ""),
    ],
)
def test_a_phone_is_international_where_the_country_is_known(written: str, country: str, number: str) -> None:
    assert phone(written, country) == number


@pytest.mark.parametrize(
    ("written", "country", "date"),
    [
        ("1984-03-07", "", "19840307"),
        ("07/03/1984", "GB", "19840307"),
        ("03/07/1984", "US", "19840307"),
        ("27/03/1984", "US", "19840327"),
        ("7 Mar 1984", "", "19840307"),
        ("March 7, 1984", "", "19840307"),
        ("19840307", "", "19840307"),
        ("1984-03", "", "198403??"),
        ("1984", "", "1984????"),
        ("1984-21-07", "", "19842107"),
        ("1900-01-01", "", ""),
        ("soon", "", ""),
    ],
)
def test_a_birth_date_is_read_in_any_order_and_kept_in_part(written: str, country: str, date: str) -> None:
    assert birth(written, country) == date


def test_a_street_is_words_and_numbers() -> None:
    assert street("50 Larkfield Road") == street("Larkfield Rd., 50") == ("larkfield rd", "50")
    assert street("7 murrellplace") == ("murrellplace", "7")
    assert street("Hauptstraße 5a") == street("Hauptstr. 5a")
    assert street("N/A") == ("", "")


def test_a_code_of_one_digit_is_no_code() -> None:
    assert code("LS8 2QX") == "ls82qx"
    assert code("00000") == ""


def test_names_that_sound_alike_have_one_sound_or_skeleton() -> None:
    assert sound("catherine") == sound("kathryn")
    assert skeleton("mohammed") == skeleton(fold("محمد"))


def test_a_whole_name_in_the_first_field_is_taken_apart() -> None:
    record = normalise({"record_id": "1", "first_name": "Ada Byron"})
    assert (record.first, record.last, record.guessed) == ("ada", "byron", "")
