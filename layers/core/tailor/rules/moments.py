"""Questions about dates: how long ago, how soon, today, how old; each answered with how long that holds.

Every function here takes ``now`` and answers ``(member, until)``; ``until`` is exact. Days are local to the person.

===================  ==================================================================
question             ``until``
===================  ==================================================================
before, after        never
older than D         false: t + D; true: never
newer than D         ahead: t; true: t + D; false: never
within the next D    before: t − D; true: t; after: never
today                before: its midnight; true: the next midnight; after: never
age                  the next birthday at midnight, local
birthday             true: the end of the day; false: D before the next one
this day, week, …    true: its end; false: never, or its end where nothing is wanted
===================  ==================================================================
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any, Literal
from zoneinfo import ZoneInfo

from tailor.kernel.errors import Rejected
from tailor.kernel.instants import HOUR, NEVER, iso, parse_instant, spell
from tailor.rules.calendar import anniversary, instant, zone
from tailor.rules.comparisons import inside
from tailor.rules.consent import View

UNKNOWN = (False, NEVER)
EARLIEST, LATEST = -5_364_662_400_000, 13_569_465_600_000
"""1800 and 2400: dates beyond are slips, and calendars end somewhere."""
ZONE = "@time_zone"
"""What a question about local days reads beside the date."""
Period = Literal["day", "week", "month", "year"]
Answer = tuple[bool, int]

_DATE_ONLY = re.compile(r"\d{4}-\d\d?-\d\d?")
_UTC = ZoneInfo("UTC")


def where_of(view: View) -> ZoneInfo:
    """The person's zone as far as it may be seen, else UTC."""
    told = view.attributes.get("time_zone")
    return (zone(told) if isinstance(told, str) else None) or _UTC


@lru_cache(maxsize=4096)
def read(text: str) -> int | None:
    """ISO 8601 text as an instant, ``None`` for other text; a date alone is its midnight, no zone means UTC."""
    try:
        at = parse_instant(text)
    except Rejected:
        return None
    return at if EARLIEST <= at < LATEST else None


def moment(value: Any) -> int | None:
    """The instant of an attribute's value."""
    return read(value) if isinstance(value, str) else None


@dataclass(frozen=True, slots=True)
class MomentTest:
    """One way to ask about an instant.

    ``wanted``: ``instant``, ``duration`` or ``boolean``; ``phrase``: English, of wanted; ``test``: (t, wanted, now) →
    answer; ``sign``: how the text form writes it; ``timed``: whether time can change it.
    """

    key: str
    wanted: Literal["instant", "duration"]
    phrase: Callable[[int], str]
    test: Callable[[int, int, int], Answer]
    sign: str
    timed: bool


def _older(t: int, span: int, now: int) -> Answer:
    return (True, NEVER) if t + span <= now else (False, t + span)


def _newer(t: int, span: int, now: int) -> Answer:
    if t > now:
        return False, t
    return (True, t + span) if t + span > now else UNKNOWN


def _soon(t: int, span: int, now: int) -> Answer:
    if t <= now:
        return UNKNOWN
    return (True, t) if t - span <= now else (False, t - span)


_TABLE = (
    MomentTest("before", "instant", lambda at: f"before {iso(at)}", lambda t, at, _: (t < at, NEVER), "before", False),
    MomentTest("after", "instant", lambda at: f"after {iso(at)}", lambda t, at, _: (t > at, NEVER), "after", False),
    MomentTest("older_than", "duration", lambda span: f"{spell(span)} ago or longer", _older, "older than", True),
    MomentTest("newer_than", "duration", lambda span: f"less than {spell(span)} ago", _newer, "newer than", True),
    MomentTest("within_next", "duration", lambda span: f"within the next {spell(span)}", _soon, "within next", True),
)
MOMENTS: Mapping[str, MomentTest] = {one.key: one for one in _TABLE}
PAST = ("before", "after", "older_than", "newer_than")
"""Those of what has happened."""


def asks(test: str, wanted: int, found: Callable[[View], int | None]) -> Callable[[View, int], Answer]:
    """A question about the instant that ``found`` sees."""
    decide = MOMENTS[test].test

    def answer(view: View, now: int) -> Answer:
        at = found(view)
        return UNKNOWN if at is None else decide(at, wanted, now)

    return answer


def today(path: tuple[str, ...], wanted: bool) -> Callable[[View, int], Answer]:
    """Whether the date in an attribute is the local day it is (``wanted`` false: is another day)."""

    def answer(view: View, now: int) -> Answer:
        value = inside(view.attributes, path)
        at = moment(value)
        if at is None:
            return UNKNOWN
        where = where_of(view)
        day = _local(at, _UTC if _DATE_ONLY.fullmatch(value.strip()) else where)
        begins, ends = instant(day, 0, where), instant(day + timedelta(days=1), 0, where)
        if now < begins:
            return not wanted, begins
        return (wanted, ends) if now < ends else (not wanted, NEVER)

    return answer


def age(path: tuple[str, ...], test: Callable[[Any], bool]) -> Callable[[View, int], Answer]:
    """Whether the age in whole years, of the birth date in an attribute, passes ``test``."""

    def answer(view: View, now: int) -> Answer:
        value = inside(view.attributes, path)
        at = moment(value)
        if at is None:
            return UNKNOWN
        where = where_of(view)
        born = _local(at, _UTC)
        next_one = anniversary(value.strip(), 0, 0, where, after=now)
        if next_one is None:
            return UNKNOWN
        years = _local(next_one, where).year - born.year - 1
        if years < 0:
            return False, instant(born, 0, where)
        return test(years), next_one

    return answer


def birthday(path: tuple[str, ...], ahead: int) -> Callable[[View, int], Answer]:
    """Whether the birthday in an attribute is today, or at most ``ahead`` ms ahead."""

    def answer(view: View, now: int) -> Answer:
        value = inside(view.attributes, path)
        text, where = value.strip() if isinstance(value, str) else None, where_of(view)
        ends = anniversary(text, 0, -1, where, after=now)
        if ends is None:
            return UNKNOWN
        # A local day has 23 to 25 hours.
        begins = anniversary(text, 0, 0, where, after=ends - 26 * HOUR)
        starts = (ends if begins is None else begins) - ahead
        return (True, ends) if starts <= now else (False, starts)

    return answer


def this(period: Period, where: ZoneInfo, *, now: int) -> tuple[int, int]:
    """When the local day, week (from Monday), month or year that it is begins and ends."""
    day = _local(now, where)
    match period:
        case "day":
            first, last = day, day + timedelta(days=1)
        case "week":
            first = day - timedelta(days=day.weekday())
            last = first + timedelta(days=7)
        case "month":
            first = day.replace(day=1)
            last = (first + timedelta(days=31)).replace(day=1)
        case "year":
            first, last = day.replace(month=1, day=1), date(day.year + 1, 1, 1)
    return instant(first, 0, where), instant(last, 0, where)


def _local(at: int, where: ZoneInfo) -> date:
    return datetime.fromtimestamp(at // 1000, UTC).astimezone(where).date()
