"""The consent chain: whatever is done to a row, and whichever is taken away, it is found, and where."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tailor.rules.chain import seal, verify

Link = tuple[str, dict[str, Any]]
FIELDS = ("purpose", "topic", "grant", "at", "received", "source", "event", "how", "before", "hash")


def chain(length: int) -> tuple[list[Link], str]:
    """A whole chain and its head."""
    links: list[Link] = []
    head = ""
    for index in range(length):
        row: dict[str, Any] = {
            "purpose": "marketing",
            "topic": "",
            "grant": ("granted", "withdrawn")[index % 2],
            "at": index,
            "received": index,
            "source": "form",
            "event": f"e{index}",
            "how": {"text": "v1"},
            "before": head,
        }
        head = row["hash"] = seal(row)
        links.append((f"C#{index:010d}#000", row))
    return links, head


@given(st.integers(0, 8))
def test_a_whole_chain_is_proved(length: int) -> None:
    links, head = chain(length)
    assert verify("p", links, head) == []


@given(st.data(), st.integers(1, 8), st.sampled_from(FIELDS))
def test_an_altered_row_is_found_and_located(data: Any, length: int, field: str) -> None:
    links, head = chain(length)
    index = data.draw(st.integers(0, length - 1))
    key, row = links[index]
    links[index] = (key, row | {field: "forged"})
    found = verify("p", links, head)
    assert found
    # A forged hash shows in its own row, and in the one after, which names the true one.
    assert found[0].row == key


@given(st.data(), st.integers(2, 8))
def test_a_row_that_was_altered_and_sealed_again_breaks_the_next(data: Any, length: int) -> None:
    links, head = chain(length)
    index = data.draw(st.integers(0, length - 1))
    key, row = links[index]
    forged = row | {"grant": "granted", "how": {"text": "v2"}}
    links[index] = (key, forged | {"hash": seal(forged)})
    found = verify("p", links, head)
    assert [one.row for one in found] == [links[index + 1][0] if index + 1 < length else key]


@given(st.data(), st.integers(1, 8))
def test_rows_that_were_taken_away_are_missed_where_they_were(data: Any, length: int) -> None:
    links, head = chain(length)
    first = data.draw(st.integers(0, length - 1))
    last = data.draw(st.integers(first, length - 1))
    left = links[:first] + links[last + 1 :]
    (gap,) = verify("p", left, head)
    assert gap.row == (links[last + 1][0] if last + 1 < length else left[-1][0] if left else "")
    assert "missing" in gap.what
    if first and last + 1 < length:
        assert f"after {links[first - 1][0]}" in gap.what


@given(st.integers(2, 8))
def test_rows_in_another_order_are_found(length: int) -> None:
    links, head = chain(length)
    (a, first), (b, second) = links[:2]
    assert verify("p", [(a, second), (b, first), *links[2:]], head)
