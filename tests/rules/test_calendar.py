"""Local time, in zones of every kind: whatever clocks do, a time of day comes once a day, and in order."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailor.kernel.instants import DAY, HOUR, MINUTE
from tailor.kernel.journey import EVERY_DAY, Window
from tailor.rules.calendar import anniversary, closes, instant, next_time, opens, zone

ZONES = st.sampled_from(
    [
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "America/St_Johns",  # half past the hour
        "Asia/Kathmandu",  # a quarter to
        "Australia/Lord_Howe",  # summer time of half an hour
        "Pacific/Kiritimati",  # +14:00
        "Pacific/Pago_Pago",  # -11:00
        "Pacific/Apia",  # left out 30 December 2011
        "Africa/Casablanca",  # winter time in Ramadan
        "America/Santiago",  # changes at midnight
        "Asia/Gaza",
    ]
).map(ZoneInfo)
DAYS = st.dates(date(2005, 1, 1), date(2035, 12, 31))
MINUTES = st.integers(0, 24 * 60 - 1)
AT = st.integers(1_104_537_600, 2_082_758_399).map(lambda seconds: seconds * 1000)
WEEKDAYS = st.frozensets(st.integers(0, 6), min_size=1)
WINDOWS = st.builds(Window, MINUTES, MINUTES, WEEKDAYS).filter(lambda window: window.start != window.end)


def shown(at: int, where: ZoneInfo) -> datetime:
    """What clocks show, worked out by the standard library alone."""
    return datetime.fromtimestamp(at / 1000, UTC).astimezone(where).replace(tzinfo=None)


@given(DAYS, MINUTES, ZONES)
def test_a_time_of_day_is_the_first_instant_that_shows_it_or_the_one_that_skips_it(
    day: date, minute: int, where: ZoneInfo
) -> None:
    wanted = datetime.combine(day, time(minute // 60, minute % 60))
    at = instant(day, minute, where)
    assert shown(at, where) >= wanted
    assert shown(at - 1, where) < wanted
    if shown(at, where) > wanted:
        assert all(shown(at + step * MINUTE, where) != wanted for step in range(-180, 180)), "it does not come at all"


@given(DAYS, MINUTES, MINUTES, ZONES)
def test_times_of_day_come_in_order(day: date, one: int, other: int, where: ZoneInfo) -> None:
    early, late = sorted((one, other))
    assert instant(day, early, where) <= instant(day, late, where)
    assert instant(day, late, where) <= instant(day + timedelta(days=1), 0, where)


@given(MINUTES, WEEKDAYS, ZONES, AT)
def test_the_next_time_is_the_very_next(minute: int, weekdays: frozenset[int], where: ZoneInfo, after: int) -> None:
    at = next_time(minute, weekdays, where, after=after)
    assert after < at <= after + 9 * DAY
    assert next_time(minute, weekdays, where, after=at - 1) == at
    assert next_time(minute, weekdays, where, after=(after + at) // 2) == at
    clock = shown(at, where)
    if clock.hour * 60 + clock.minute == minute:
        assert clock.weekday() in weekdays


@given(MINUTES, ZONES, AT)
def test_on_any_day_it_comes_within_a_day_and_what_clocks_are_changed_by(
    minute: int, where: ZoneInfo, after: int
) -> None:
    assert next_time(minute, EVERY_DAY, where, after=after) <= after + 2 * DAY


@given(WINDOWS, ZONES, AT)
def test_a_window_opens_when_it_was_closed_and_closes_after_it_opened(window: Window, where: ZoneInfo, at: int) -> None:
    opened = opens(window, where, at=at)
    assert opened >= at
    if opened > at:
        assert closes(window, where, at=at) is None
        assert closes(window, where, at=opened - 1) is None
    closed = closes(window, where, at=opened)
    # A window that lies in the hour that clocks skip is none on that day.
    if closed is None:
        assert shown(opened, where).time() != shown(opened - 1, where).time()
    else:
        assert opened < closed <= opened + DAY + HOUR
        assert closes(window, where, at=closed - 1) is not None


@given(DAYS, MINUTES, st.integers(0, 60), ZONES, AT)
def test_a_yearly_day_comes_once_a_year_on_its_day(
    born: date, minute: int, before: int, where: ZoneInfo, after: int
) -> None:
    come = [after]
    for _ in range(5):
        at = anniversary(born.isoformat(), minute, before, where, after=come[-1])
        assert at is not None
        assert at > come[-1]
        come.append(at)
    assert come[1] <= after + 367 * DAY
    assert all(363 * DAY < later - earlier < 369 * DAY for earlier, later in pairwise(come[1:]))
    for at in come[1:]:
        celebrated = shown(at, where).date() + timedelta(days=before)
        skipped = celebrated != shown(at - 1, where).date() + timedelta(days=before)
        leapless = (born.month, born.day) == (2, 29) and celebrated.month == 2 and celebrated.day == 28
        assert (celebrated.month, celebrated.day) == (born.month, born.day) or leapless or skipped


@pytest.mark.parametrize(
    "told", ["", "soon", "1990-02-30", "1990-13-01", "20.05.1990", "--5-20", 19900520, None, ["1990-05-20"]]
)
def test_what_is_no_date_has_no_day(told: object) -> None:
    assert anniversary(told, 0, 0, ZoneInfo("UTC"), after=0) is None


@given(st.text(max_size=30))
def test_a_zone_is_one_or_none_whatever_is_told(name: str) -> None:
    assert zone(name) is None or isinstance(zone(name), ZoneInfo)
