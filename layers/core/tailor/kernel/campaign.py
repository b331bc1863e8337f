"""Campaigns as data: one letter to an audience, once each.

A campaign of a programme document, or of ``POST /api/campaigns``::

    {"title": "Spring sale", "template": "spring", "audience": {"segment": "outdoor"},
     "at": "2026-12-01T09:00", "local": true, "not_after": "2d",
     "holdout": 0.05, "throttle": 20000, "ramp": [500, 2000, 8000],
     "window": {"from": "09:00", "until": "18:00"}, "capped": "wait", "priority": "low"}

Only ``template`` and ``audience`` must be there. ``at`` is an instant, or with ``local`` the time on each recipient's
own clock; without it the campaign begins when it is started. ``holdout`` is the share that gets no letter, always the
same people. ``throttle`` is letters an hour; ``ramp`` those of the first, second, … hour, after which the throttle
holds. ``not_after`` is how long after the beginning a letter is still of use. ``priority`` is as of a journey, ``low``
unless it says otherwise: to letters of journeys above it that are known to come its own leave the room under a cap.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from tailor.kernel.errors import Rejected
from tailor.kernel.fields import Fields
from tailor.kernel.instants import DAY, HOUR, NEVER, parse_instant
from tailor.kernel.journey import ANY_TIME, PRIORITIES, Calendar, Window
from tailor.kernel.journey_document import read_window

EARLIEST = 14 * HOUR
"""Local time is at most so far ahead of UTC (Kiritimati), and at most 12 hours behind (Baker Island)."""
_ZONED = re.compile(r".*[T ].*(?:Z|[+-]\d\d:?\d\d)\s*", re.IGNORECASE)
_LARGEST_HOLDOUT = 0.9


@dataclass(frozen=True, slots=True)
class Campaign:
    """See the module docstring.

    ``at``: instant in ms, read as if it were UTC where ``local``, ``None`` for at once; ``throttle``: letters an hour,
    ``None`` for as many as the account allows; ``not_after``: in ms, ``None`` for never too late.
    """

    key: str
    title: str
    template: str
    audience: Any
    at: int | None = None
    local: bool = False
    holdout: float = 0.0
    throttle: int | None = None
    ramp: tuple[int, ...] = ()
    not_after: int | None = None
    window: Window | None = None
    patient: bool = False
    calendar: Calendar = ANY_TIME
    priority: str = "low"

    def begins(self, *, now: int) -> int:
        """When its first letters may leave, if it is started at ``now``."""
        if self.at is None:
            return now
        return max(now, self.at - EARLIEST if self.local else self.at)

    def deadline(self, begun: int) -> int:
        """The instant after which its letters are of no use."""
        if self.not_after is None:
            return NEVER
        last = (self.at or begun) + DAY if self.local else self.begins(now=begun)
        return last + self.not_after

    def allowed(self, ran: int) -> float:
        """Letters that may have left after it has run for ``ran`` ms: the ramp, then the throttle."""
        letters, left = 0.0, ran
        for hour in self.ramp:
            if left < HOUR:
                return letters + hour * left / HOUR
            letters, left = letters + hour, left - HOUR
        return letters + self.throttle * left / HOUR if self.throttle is not None else float("inf")


@dataclass(frozen=True, slots=True)
class Standing:
    """How a campaign stands, for the sender; one that nobody knows any more is ``cancelled``."""

    state: str = "cancelled"
    campaign: Campaign | None = None


def read_campaign(key: str, fields: Fields, calendar: Calendar) -> Campaign:
    """One entry of ``campaigns``.

    Raises
    ------
    Rejected : with the pointer to what is malformed.
    """
    audience = fields.any("audience")
    if audience is None:
        raise fields.fail("'audience' is missing: a rule, such as {'segment': KEY}", "audience")
    local = _flag(fields, "local")
    window = fields.any("window")
    return Campaign(
        key,
        fields.text("title", key),
        fields.text("template"),
        audience,
        _at(fields, local),
        local,
        _share(fields),
        _letters(fields, "throttle", fields.any("throttle")) if fields.any("throttle") is not None else None,
        _ramp(fields),
        fields.span("not_after") if fields.any("not_after") is not None else None,
        read_window(Fields(window, f"{fields.pointer}/window")) if window is not None else None,
        fields.text("capped", "skip", among=("skip", "wait")) == "wait",
        calendar,
        fields.text("priority", "low", among=PRIORITIES),
    )


def _flag(fields: Fields, name: str) -> bool:
    value = fields.any(name)
    if value not in (None, True, False):
        raise fields.fail(f"{name!r} is true or false", name)
    return bool(value)


def _at(fields: Fields, local: bool) -> int | None:
    text = fields.text("at", "")
    if not text:
        if local:
            raise fields.fail("'local' needs 'at': the time on the recipients' clocks", "local")
        return None
    if local and _ZONED.fullmatch(text):
        raise fields.fail("with 'local' the time has no zone of its own: write it as '2026-12-01T09:00'", "at")
    try:
        return parse_instant(text)
    except Rejected as error:
        raise fields.fail(error.detail, "at") from error


def _share(fields: Fields) -> float:
    value = fields.any("holdout")
    if value is None:
        return 0.0
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= _LARGEST_HOLDOUT:
        raise fields.fail(f"'holdout' is a share from 0 to {_LARGEST_HOLDOUT}, such as 0.05", "holdout")
    return float(value)


def _ramp(fields: Fields) -> tuple[int, ...]:
    value = fields.any("ramp")
    if value is None:
        return ()
    if not isinstance(value, list):
        raise fields.fail("'ramp' is a list: letters in the first hour, in the second, …", "ramp")
    return tuple(_letters(fields, "ramp", one) for one in value)


def _letters(fields: Fields, name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise fields.fail(f"{name!r} counts letters an hour: a whole number, 1 or more", name)
    return value
