"""Finding somebody by hashes in what nobody can look up."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailor.kernel.event import Identifier
from tailor.kernel.keys import identifier_key
from tailor.rules.traces import Traces

ADA = (Identifier("email", "ada@example.com"), Identifier("phone", "+4915112345678"), Identifier("user_id", "7"))
BOB = (Identifier("email", "bob@example.com"), Identifier("user_id", "user-0042"))


def traces() -> Traces:
    whose = {identifier_key(one.kind, one.value): "ada" for one in ADA}
    whose |= {identifier_key(one.kind, one.value): "bob" for one in BOB}
    return Traces(whose, {one.kind for one in (*ADA, *BOB)})


@pytest.mark.parametrize(
    ("document", "found"),
    [
        ({"x": ["ADA@Example.com"]}, {"ada"}),
        ('{"to": "ada@example.com", broken', {"ada"}),
        ("a=1&mail=ada%40example.com", {"ada"}),
        ({"bob@example.com": 1}, {"bob"}),
        ({"tel": "+49 151 123-456 78"}, {"ada"}),
        ({"note": "for user-0042 and ada@example.com"}, {"ada", "bob"}),
        # A short number names somebody only where the field says so.
        ({"quantity": 7}, set()),
        ({"quantity": "7"}, set()),
        ({"user_id": 7}, {"ada"}),
        ({"userId": "7"}, {"ada"}),
        ({"customer": "7"}, {"ada"}),
        ({"paid": 7, "grid": "7"}, set()),
        ({"note": "7 of them"}, set()),
        ({"x": None, "y": True, "z": 1.5}, set()),
        ("", set()),
    ],
)
def test_who_is_named(document: Any, found: set[str]) -> None:
    assert traces().of(document) == found


@given(st.lists(st.sampled_from(["ada@example.com", "bob@example.com", "eve@example.com", "x", "7", "user-0042"])))
def test_what_was_seen_before_changes_nothing(words: list[str]) -> None:
    looking = traces()
    for word in words:
        assert looking.of({"said": word}) == traces().of({"said": word})


def test_who_looks_for_nobody_finds_nobody() -> None:
    assert Traces({}, ()).of({"x": "ada@example.com"}) == set()
