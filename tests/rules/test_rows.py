"""Cutting files into rows: a reader that goes on from any row sees what one that never stopped saw."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailor.kernel.errors import Rejected
from tailor.rules import rows
from tailor.rules.dialect import Dialect, detect

COLUMNS = ["email", "name", "note"]


def cut(raw: bytes, dialect: Dialect = Dialect(), *, offset: int = 0, number: int = 0) -> list[rows.Row]:  # noqa: B008
    return list(rows.table([raw[offset:]], dialect, COLUMNS, offset=offset, number=number))


def written(cells: list[list[str]], **how: Any) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, **how).writerows(cells)
    return text.getvalue().encode()


def told(found: list[rows.Row]) -> list[tuple[Any, ...]]:
    return [(row.number, row.end, row.size, row.values, row.refusal and row.refusal.problem()) for row in found]


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
TABLE = st.lists(st.lists(CELL, min_size=3, max_size=3).filter(any), max_size=8)


@given(TABLE, st.sampled_from([",", ";", "\t", "|"]), st.integers(1, 9))
def test_every_row_comes_back_wherever_the_blocks_end(table: list[list[str]], delimiter: str, size: int) -> None:
    raw = written(table, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    blocks = [raw[at : at + size] for at in range(0, len(raw), size)]
    found = list(rows.table(blocks, Dialect(delimiter=delimiter), COLUMNS, offset=0))
    assert [list(row.values.values()) for row in found] == table
    assert [row.number for row in found] == list(range(1, len(table) + 1))
    assert sum(row.size for row in found) == len(raw)


@given(st.binary(max_size=300), st.integers(0, 20))
def test_going_on_from_any_row_of_any_bytes_is_never_having_stopped(raw: bytes, stop: int) -> None:
    whole = cut(raw)
    for row in whole[:stop][-1:]:
        assert told(cut(raw, offset=row.end, number=row.number)) == told(whole[row.number :])


def test_a_quote_that_is_never_closed_takes_no_neighbours_along() -> None:
    raw = b'a@x.example,"open,1\nb@x.example,B,2\nc@x.example,"C, too",3\n'
    first, second, third = cut(raw)
    assert first.refusal
    assert first.values == {"": 'a@x.example,"open,1'}
    assert (second.values["email"], third.values["name"]) == ("b@x.example", "C, too")


def test_a_quote_open_over_a_megabyte_is_refused_by_itself() -> None:
    raw = b'a@x.example,A,"open\n' + b"b@x.example,B,2\n" * 100_000
    first, *others = cut(raw)
    assert first.refusal
    assert first.refusal.code == "bad-quote"
    assert len(others) == 100_000
    assert not any(row.refusal for row in others)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"a@x.example,A\n", "bad-row"),
        (b"a@x.example,A,1,2\n", "bad-row"),
        (b"a@x.example,\xff,1\n", "bad-encoding"),
        (b"a@x.example,A\rB,1\n", "bad-row"),
        (b"a" * 1_100_000 + b",A,1\n", "too-large"),
    ],
)
def test_what_is_no_row_is_refused_with_its_text_and_the_next_is_read(line: bytes, code: str) -> None:
    refused, good = cut(line + b"b@x.example,B,2\n")
    assert refused.refusal
    assert refused.refusal.code == code
    assert refused.values[""].startswith("a")
    assert good.values == {"email": "b@x.example", "name": "B", "note": "2"}


def test_blank_lines_and_empty_columns_at_the_end_are_no_faults() -> None:
    found = cut(b"\n,,\na@x.example,A,1,,\n\n")
    assert [row.values for row in found] == [{"email": "a@x.example", "name": "A", "note": "1"}]
    assert found[0].number == 1


def test_a_header_gives_every_column_a_name_of_its_own() -> None:
    raw = b"\xef\xbb\xbfemail,,Name,Name\na,b,c,d\n"
    names, first = rows.header([raw], detect(raw))
    assert names == ["email", "column 2", "Name", "Name (2)"]
    assert raw[first:] == b"a,b,c,d\n"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"email;name;price\na@x.example;Ann;1,50\nb@x.example;Bo;2,70\n", {"delimiter": ";"}),
        (b"email\tname\na@x.example\tAnn, the first\n", {"delimiter": "\t"}),
        ("email,name\na@x.example,Zoë\n".encode("cp1252"), {"encoding": "cp1252"}),
        ("email,name\na@x.example,Zoë\n".encode("utf-8-sig"), {"encoding": "utf-8", "skip": 3}),
        (b"email,name\ra@x.example,Ann\rb@x.example,Bo\r", {"terminator": "\r"}),
        (b"a@x.example,Ann\nb@x.example,Bo\n", {"header": False}),
        (b'email,name\na@x.example,"Ann \\"A\\" X"\n', {"escape": "\\"}),
        (b"email\na@x.example\n", {"delimiter": ",", "header": True}),
    ],
)
def test_the_dialect_is_told_by_the_file(raw: bytes, expected: dict[str, Any]) -> None:
    found = detect(raw, whole=True)
    assert {name: getattr(found, name) for name in expected} == expected


@pytest.mark.parametrize("raw", ["email,name\n".encode("utf-16"), b"PK\x03\x04\0\0"])
def test_what_is_no_text_is_refused_with_what_to_do(raw: bytes) -> None:
    with pytest.raises(Rejected, match=r"UTF-8|no text"):
        detect(raw)


def test_documents_are_read_line_by_line_and_refused_by_themselves() -> None:
    raw = b'{"email": "a@x.example", "n": 9007199254740993}\n\n[1]\n{"broken\n{"email": "b@x.example"}'
    first, wrong, broken, last = rows.documents([raw[:20], raw[20:]])
    assert first.values["n"] == 9007199254740993
    assert (wrong.refusal and wrong.refusal.code, broken.refusal and broken.refusal.code) == ("bad-row", "bad-json")
    assert last.values == {"email": "b@x.example"}
    going_on = rows.documents([raw[first.end :]], offset=first.end, number=1)
    assert told(list(going_on)) == told([wrong, broken, last])
