"""Time as data: an instant is an ``int`` of milliseconds since 1970-01-01T00:00Z, a duration one of milliseconds.

Nothing here knows what time it is: ``now`` is always handed in.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

from tailor.kernel.errors import Rejected

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
NEVER = 1 << 62
"""The instant that does not come: ``valid_until`` of what time alone cannot change."""

_UNITS = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY}
_DURATION = re.compile(r"(\d{1,6})\s*([smhdw])")
_INSTANT = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})"
    r"(?:[T ](\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?)?"
    r"\s*(Z|[+-]\d{2}:?\d{2})?",
    re.IGNORECASE,
)
_USUAL = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}(?:\.[0-9]{3})?"
    r"(Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])?"
)
"""How most clients write a time; the library reads it several times faster."""


def duration(text: str | int) -> int:
    """``"48h"`` → 172_800_000. Units s, m, h, d, w, also chained (``"1d12h"``); an ``int`` is taken as it is.

    Raises
    ------
    Rejected : anything else.
    """
    if isinstance(text, int) and not isinstance(text, bool):
        return text
    compact = str(text).strip().lower()
    parts = _DURATION.findall(compact)
    if not parts or "".join(n + u for n, u in parts) != compact.replace(" ", ""):
        raise Rejected(
            f"{str(text)[:40]!r} is not a duration: write it as '48h', '30d' or '1d12h'", code="bad-duration"
        )
    return sum(int(n) * _UNITS[u] for n, u in parts)


def spell(span: int) -> str:
    """The inverse of :func:`duration`, in the fewest units: 172_800_000 → ``"48h"``, 30 days → ``"30d"``."""
    if span >= 3 * DAY and span % DAY == 0:
        return f"{span // DAY}d"
    for unit, size in (("h", HOUR), ("m", MINUTE), ("s", SECOND)):
        if span % size == 0:
            return f"{span // size}{unit}"
    return f"{span}ms"


def parse_instant(text: str) -> int:
    """ISO 8601 to an instant; unpadded months and days are accepted (real clients send them), no zone means UTC.

    Raises
    ------
    Rejected : not a date, or one that does not exist.
    """
    try:
        if usual := _USUAL.fullmatch(text):
            moment = datetime.fromisoformat(text if usual[1] else f"{text}Z")
        else:
            moment = _lenient(text)
        return round(moment.timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        raise Rejected(f"{text[:40]!r} is not a time that exists", code="bad-time") from error


def _lenient(text: str) -> datetime:
    match = _INSTANT.fullmatch(text.strip()) if len(text) <= 64 else None
    if match is None:
        raise Rejected(f"{text[:40]!r} is not an ISO 8601 time", code="bad-time")
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    return datetime(
        int(year),
        int(month),
        int(day),
        int(hour or 0),
        int(minute or 0),
        int(second or 0),
        int(((fraction or "0") + "00")[:3]) * 1000,
        tzinfo=_zone(zone),
    )


def _zone(text: str | None) -> timezone:
    if text is None or text.upper() == "Z":
        return UTC
    sign = -1 if text[0] == "-" else 1
    return timezone(sign * timedelta(hours=int(text[1:3]), minutes=int(text[-2:])))


def iso(at: int) -> str:
    """An instant as ``2026-11-24T03:09:03.120Z``."""
    moment = datetime.fromtimestamp(at // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{at % 1000:03d}Z"
