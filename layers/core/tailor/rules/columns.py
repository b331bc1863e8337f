"""Values of a table's columns: numbers, amounts, dates and times as people write them, read strictly.

A reading says what it cannot read, and never guesses: 03/04/2024 is a date only where the mapping says which of the two
is the day.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from tailor.kernel.errors import Rejected
from tailor.kernel.fields import Fields
from tailor.kernel.instants import iso
from tailor.kernel.values import moment
from tailor.rules.calendar import zone

YES = ("true", "yes", "y", "1", "on", "x")
NO = ("false", "no", "n", "0", "off")
ORDERS = ("ymd", "dmy", "mdy")
TEXT = 2_000
"""Characters a value may have."""

_DATE = re.compile(r"(\d{1,4})[-/. ](\d{1,2})[-/. ](\d{1,4})")
_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,]\d{1,9})?)?")
_NUMBER = re.compile(r"[+-]?\d{1,15}(?:\.\d{1,12})?")
_SIGNS = re.compile(r"[\s\u00a0\u202f'’]|[€$£¥₹₽]|\b[A-Z]{3}\b")


@dataclass(frozen=True, slots=True)
class Form:
    """How a file writes what can be written in several ways.

    ``decimal`` mark of numbers, ``,`` or ``.``; ``dates`` order of their parts; ``zone`` IANA name of the clock of
    times without one; ``yes`` and ``no`` words, in lower case.
    """

    decimal: str = "."
    dates: str = "ymd"
    zone: str = "UTC"
    yes: tuple[str, ...] = YES
    no: tuple[str, ...] = NO

    def text(self, value: Any) -> str:
        """Trimmed text; of a whole number its digits.

        Raises
        ------
        Rejected : longer than :data:`TEXT`.
        """
        if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
            value = int(value)
        found = value.strip() if isinstance(value, str) else str(value)
        if len(found) > TEXT:
            raise Rejected(f"it has {len(found)} characters, the limit is {TEXT}", code="too-large")
        return found

    def exact(self, value: Any) -> str:
        """An amount or number as exact decimal text, without grouping, spaces and currency.

        Raises
        ------
        Rejected : no number.
        """
        if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
            found = f"{Decimal(str(value)):f}"
        else:
            group = "," if self.decimal == "." else "."
            found = _SIGNS.sub("", self.text(value)).replace(group, "").replace(self.decimal, ".")
            if found.startswith("(") and found.endswith(")"):
                found = f"-{found[1:-1]}"
        if not _NUMBER.fullmatch(found):
            raise Rejected(
                f"{_quoted(value)} is no number with {self.decimal!r} before its decimals", code="bad-number"
            )
        return found.removeprefix("+")

    def number(self, value: Any) -> int | float:
        """A number; a whole one is exact."""
        found = Decimal(self.exact(value))
        return int(found) if found == found.to_integral_value() else float(found)

    def boolean(self, value: Any) -> bool:
        """Yes or no.

        Raises
        ------
        Rejected : neither.
        """
        if isinstance(value, bool):
            return value
        word = self.text(value).lower()
        if word in self.yes:
            return True
        if word in self.no:
            return False
        raise Rejected(f"{_quoted(value)} is neither {'/'.join(self.yes)} nor {'/'.join(self.no)}", code="bad-boolean")

    def date(self, value: Any) -> str:
        """A day as ``2024-04-03``.

        Raises
        ------
        Rejected : none, or not in the order of :attr:`dates`.
        """
        day = self.text(value).partition("T")[0]
        match = _DATE.match(day)
        if match is None:
            raise Rejected(f"{_quoted(value)} is no date", code="bad-date")
        order = "ymd" if len(match[1]) == 4 else self.dates
        if order == "ymd" and len(match[1]) != 4:
            raise Rejected(f"{_quoted(value)} could be two days: declare 'dates' as dmy or mdy", code="bad-date")
        parts = dict(zip(order, match.groups(), strict=True))
        if len(parts["y"]) != 4:
            raise Rejected(f"{_quoted(value)} has no year of four digits", code="bad-date")
        try:
            return date(int(parts["y"]), int(parts["m"]), int(parts["d"])).isoformat()
        except ValueError as error:
            raise Rejected(f"{_quoted(value)} is no day that exists", code="bad-date") from error

    def instant(self, value: Any) -> int:
        """A time: ISO 8601, seconds or milliseconds since 1970, or a date of :meth:`date` with a time of day.

        Raises
        ------
        Rejected : none.
        """
        written = self.text(value)
        if written.lstrip("+-").replace(".", "", 1).isdigit() or written[-1:] in "Zz" or _zoned(written):
            at = moment(written)
            if at is None:
                raise Rejected(f"{_quoted(value)} is no time", code="bad-time")
            return at
        day = date.fromisoformat(self.date(written))
        clock = _TIME.search(_DATE.sub("", written, count=1))
        hour, minute, second = (int(part or 0) for part in clock.groups()) if clock else (0, 0, 0)
        try:
            naive = datetime(day.year, day.month, day.day, hour, minute, second)  # noqa: DTZ001
        except ValueError as error:
            raise Rejected(f"{_quoted(value)} is no time that exists", code="bad-time") from error
        return round(naive.replace(tzinfo=zone(self.zone) or UTC).timestamp() * 1000)


def _zoned(written: str) -> bool:
    return re.search(r"\d[+-]\d{2}:?\d{2}$", written) is not None and "T" in written.replace(" ", "T")


def _quoted(value: Any) -> str:
    """A value in a reason; an e-mail address is never told."""
    shown = str(value)[:40]
    return "the value" if "@" in shown else repr(shown)


Reading = Callable[[Form, Any], Any]
TYPES: dict[str, Reading] = {
    "text": lambda form, value: form.text(value),
    "number": lambda form, value: form.number(value),
    "money": lambda form, value: form.exact(value),
    "boolean": lambda form, value: form.boolean(value),
    "date": lambda form, value: form.date(value),
    "time": lambda form, value: iso(form.instant(value)),
    "list": lambda form, value: form.text(value),
    "any": lambda form, value: value,
}
"""Type of a column → how it is read. ``any`` keeps what JSON and Parquet hold as it is."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column (or JSON pointer) and what it holds; ``split`` parts a list, ``values`` translates codes."""

    name: str
    type: str = "text"
    split: str = ","
    values: Mapping[str, Any] | None = None

    def of(self, row: Mapping[str, Any], form: Form) -> Any:
        """The value in a row, ``None`` where there is none.

        Raises
        ------
        Rejected : it is not of the type; the pointer names the column.
        """
        value = find(row, self.name)
        if value is None or (isinstance(value, str) and not value.strip()):
            return None
        try:
            if self.values is not None and (known := form.text(value)) in self.values:
                return self.values[known]
            if self.type == "list":
                parts = value if isinstance(value, list) else form.text(value).split(self.split)
                return [part for one in parts if (part := form.text(one))]
            return TYPES[self.type](form, value)
        except Rejected as error:
            raise Rejected(f"{self.name}: {error.detail}", code=error.code, pointer=pointer_to(self.name)) from error


def pointer_to(name: str) -> str:
    """The JSON pointer to a column."""
    return name if name.startswith("/") else "/" + name.replace("~", "~0").replace("/", "~1")


def find(row: Mapping[str, Any], name: str) -> Any:
    """The value of a column, or what a JSON pointer finds in a row that is a document; ``None`` for nothing."""
    if name in row or not name.startswith("/"):
        return row.get(name)
    found: Any = row
    for part in name.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(found, Mapping):
            found = found.get(key)
        elif isinstance(found, list) and key.isdecimal() and len(key) < 6 and int(key) < len(found):
            found = found[int(key)]
        else:
            return None
    return found


def read_column(raw: Any, fields: Fields, name: str) -> Column:
    """A column as a mapping declares it: its name, or ``{"column", "type", "split", "values"}``."""
    if isinstance(raw, str):
        return Column(raw)
    inner = Fields(raw, f"{fields.pointer}/{name}")
    column = Column(
        inner.text("column"),
        inner.text("type", "text", among=tuple(TYPES)),
        inner.text("split", ","),
        inner.any("values"),
    )
    if column.values is not None and not isinstance(column.values, Mapping):
        raise inner.fail("'values' must be an object: what the file writes → what it means", "values")
    inner.done()
    return column
