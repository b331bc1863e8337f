from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailor.kernel.errors import Rejected
from tailor.kernel.instants import DAY, HOUR, MINUTE, SECOND, duration, iso, parse_instant, spell


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("48h", 48 * HOUR),
        ("30d", 30 * DAY),
        ("1d12h", 36 * HOUR),
        ("90s", 90 * SECOND),
        ("0m", 0),
        (5, 5),
        ("2w", 14 * DAY),
    ],
)
def test_durations_are_read(text: str | int, span: int) -> None:
    assert duration(text) == span


@pytest.mark.parametrize("text", ["", "h", "48", "48 hours", "-1h", "1h x", "1.5h", True, None])
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(Rejected, match="'48h'"):
        duration(text)


@given(st.integers(1, 10_000).flatmap(lambda n: st.sampled_from([n * SECOND, n * MINUTE, n * HOUR, n * DAY])))
def test_a_spelt_duration_reads_back(span: int) -> None:
    assert duration(spell(span)) == span


@pytest.mark.parametrize(
    ("text", "as_iso"),
    [
        ("2026-09-01T12:00:00.000+00:00", "2026-09-01T12:00:00.000Z"),
        ("2015-2-02T00:30:08.276Z", "2015-02-02T00:30:08.276Z"),
        ("2021-12-29T15:15:19+05:30", "2021-12-29T09:45:19.000Z"),
        ("2021-12-29 15:15:19-0100", "2021-12-29T16:15:19.000Z"),
        ("2024-02-29", "2024-02-29T00:00:00.000Z"),
        ("2026-11-23T15:15:50.297456Z", "2026-11-23T15:15:50.297Z"),
    ],
)
def test_times_as_real_clients_send_them(text: str, as_iso: str) -> None:
    assert iso(parse_instant(text)) == as_iso


def _read(text: str) -> int | None:
    try:
        return parse_instant(text)
    except Rejected:
        return None


DAYS = r"(0001|19[67][0-9]|20[0-4][0-9]|9999)-[01][0-9]-[0-3][0-9]"
TIMES = r"[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]{3})?"
ZONES = r"(Z|[+-][0-2][0-9]:[0-7][0-9])"
"""With some that do not exist."""


@given(st.from_regex(f"{DAYS}T{TIMES}{ZONES}", fullmatch=True))
def test_a_time_in_the_usual_form_is_the_same_in_an_unusual_one(text: str) -> None:
    assert _read(text) == _read(text.replace("T", " "))


@pytest.mark.parametrize("text", ["", "yesterday", "2023-02-29", "2026-13-01", "2026-01-01T25:00", "9" * 100])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(Rejected):
        parse_instant(text)
