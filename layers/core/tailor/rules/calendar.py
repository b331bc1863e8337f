"""Local time: windows, the next time of day, anniversaries; in the recipient's zone.

Days of 23 and 25 hours: a time of day that the clock skips is the instant at which it skips, one that comes twice is
the first. 29 February is 28 February in other years.
"""

from __future__ import annotations

import re
from calendar import isleap
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from tailor.kernel.instants import MINUTE
from tailor.kernel.journey import Window

_DATE = re.compile(r"(?:\d{4}|-)-(\d\d)-(\d\d)(?:T.*)?")


@lru_cache(maxsize=512)
def zone(name: str) -> ZoneInfo | None:
    """The zone of an IANA name, ``None`` where there is none of this name."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None


def instant(day: date, minute: int, where: ZoneInfo) -> int:
    """When clocks of ``where`` show ``minute`` (since midnight) on ``day``."""
    naive = datetime.combine(day, time(minute // 60, minute % 60))
    at = naive.replace(tzinfo=where)
    first = round(at.timestamp() * 1000)
    if _shown(first, where) == naive:
        return first
    # Skipped: of the two readings one lies before the gap and one after it; the gap is in between.
    low, high = round(at.replace(fold=1).timestamp() * 1000), first
    while high - low > MINUTE:
        middle = (low + high) // 2 // MINUTE * MINUTE
        low, high = (middle, high) if _shown(middle, where) < naive else (low, middle)
    return high


def _shown(at: int, where: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(at // 1000, UTC).astimezone(where).replace(tzinfo=None)


def next_time(minute: int, weekdays: frozenset[int], where: ZoneInfo, *, after: int) -> int:
    """The first instant after ``after`` at which clocks show ``minute``, on one of ``weekdays``."""
    day = _shown(after, where).date() - timedelta(days=1)
    while True:
        if day.weekday() in weekdays and (at := instant(day, minute, where)) > after:
            return at
        day += timedelta(days=1)


def closes(window: Window, where: ZoneInfo, *, at: int) -> int | None:
    """When the window that is open at ``at`` closes; ``None`` where none is."""
    today = _shown(at, where).date()
    for day in (today - timedelta(days=1), today):
        if day.weekday() in window.weekdays:
            last = day + timedelta(days=window.end < window.start)
            end = instant(last, window.end, where)
            if instant(day, window.start, where) <= at < end:
                return end
    return None


def opens(window: Window, where: ZoneInfo, *, at: int) -> int:
    """The first instant from ``at`` on at which the window is open."""
    if closes(window, where, at=at) is not None:
        return at
    return next_time(window.start, window.weekdays, where, after=at)


def anniversary(text: object, minute: int, before: int, where: ZoneInfo, *, after: int) -> int | None:
    """The first instant after ``after`` of a yearly day, ``before`` days early; ``None`` where ``text`` is no date.

    ``text`` is ``1990-02-28`` or, without a year, ``--02-28``.
    """
    match = _DATE.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    month, number = int(match[1]), int(match[2])
    year = _shown(after, where).year - 1
    while True:
        leapless = (month, number) == (2, 29) and not isleap(year)
        try:
            day = date(year, month, 28 if leapless else number) - timedelta(days=before)
        except ValueError:
            return None
        if (at := instant(day, minute, where)) > after:
            return at
        year += 1
