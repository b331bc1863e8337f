"""Values of forms: read as the standard library reads them, only faster."""

from __future__ import annotations

from urllib.parse import quote_plus, unquote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailor.kernel.values import unquoted

PIECES = (
    "%41",
    "%C3%A9",
    "%c3",
    "%",
    "%2",
    "%zz",
    "%0D%0A",
    "%3D",
    "=",
    "=41",
    "=\n",
    "+",
    " ",
    "_",
    "\r\n",
    ".",
    "é",
    "x",
)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_what_was_quoted_is_as_before(value: str) -> None:
    assert unquoted(quote_plus(value)) == value


@given(st.lists(st.sampled_from(PIECES)).map("".join))
def test_anything_is_read_as_the_library_reads_it(value: str) -> None:
    try:
        expected = unquote_plus(value, errors="strict")
    except UnicodeDecodeError:
        with pytest.raises(UnicodeDecodeError):
            unquoted(value)
    else:
        assert unquoted(value) == expected
