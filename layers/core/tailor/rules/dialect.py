"""How a table of text is written: its encoding, what parts its columns and quotes its values, whether it has a header.

Contract: RFC 4180, and what spreadsheets and databases write instead of it. Everything detected can be declared, and
what is declared is not detected.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import dataclass, replace

from tailor.kernel.errors import Rejected

SAMPLE_BYTES = 256 * 1024
"""How much of a file its dialect is told by."""
DELIMITERS = (",", ";", "\t", "|")
ENCODINGS = ("utf-8", "cp1252", "latin-1")
_RECORDS = 200
_UTF8 = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_DATUM = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+|[+-]?[0-9][0-9.,:/ -]*")


@dataclass(frozen=True, slots=True)
class Dialect:
    """A way to write tables.

    ``escape`` is the character before a quote (or delimiter) that is part of a value, ``""`` where quotes are doubled
    instead; ``terminator`` ends a line; ``quote`` is ``""`` where nothing is quoted. ``header``: whether the first
    record names the columns. ``skip`` bytes of a byte order mark come before it.
    """

    encoding: str = "utf-8"
    delimiter: str = ","
    quote: str = '"'
    escape: str = ""
    terminator: str = "\n"
    header: bool = True
    skip: int = 0

    def reading(self) -> dict[str, str | int | bool | None]:
        """The arguments of :func:`csv.reader`."""
        return {
            "delimiter": self.delimiter,
            "quotechar": self.quote or None,
            "quoting": csv.QUOTE_MINIMAL if self.quote else csv.QUOTE_NONE,
            "escapechar": self.escape or None,
            "doublequote": not self.escape,
        }


def detect(sample: bytes, *, whole: bool = False) -> Dialect:
    """The dialect of a file that begins with ``sample``; ``whole`` if that is all of it.

    Raises
    ------
    Rejected : no text, or UTF-16.
    """
    if sample.startswith(_UTF16):
        raise Rejected("the file is UTF-16: save it as UTF-8 ('CSV UTF-8' in a spreadsheet)", code="bad-encoding")
    skip = len(_UTF8) if sample.startswith(_UTF8) else 0
    sample = sample[skip:]
    if b"\0" in sample:
        raise Rejected("the file is no text: there are zero bytes in it", code="bad-encoding")
    terminator = "\n" if b"\n" in sample or b"\r" not in sample else "\r"
    lines = sample.split(terminator.encode())
    if not whole and len(lines) > 1:
        # The last one may be cut off, in the middle of a letter too.
        lines.pop()
    encoding = _encoding(b"\n".join(lines))
    text = [line.decode(encoding) + "\n" for line in lines]
    base = Dialect(encoding, terminator=terminator, skip=skip, escape=_escape("".join(text)))
    found = max((replace(base, delimiter=one) for one in DELIMITERS), key=lambda one: _fitness(text, one))
    records = _records(text, found)
    return replace(found, header=not records or _names(records[0]))


def _encoding(sample: bytes) -> str:
    for encoding in ENCODINGS[:-1]:
        try:
            sample.decode(encoding)
        except UnicodeDecodeError:
            continue
        return encoding
    return ENCODINGS[-1]


def _escape(text: str) -> str:
    """Databases write ``\\"`` where spreadsheets write ``""``; empty quoted values are neither."""
    return "\\" if text.count('\\"') > len(re.findall(r'[^,;|\t\n]""[^,;|\t\n]', text)) else ""


def _records(lines: list[str], dialect: Dialect) -> list[list[str]]:
    found: list[list[str]] = []
    try:
        for record in csv.reader(lines, **dialect.reading()):  # type: ignore[arg-type]
            if record:
                found.append(record)
            if len(found) == _RECORDS:
                break
    except csv.Error:
        pass
    return found


def _fitness(lines: list[str], dialect: Dialect) -> float:
    """How well a delimiter explains the lines: as many columns in every record as in the first, and many of them."""
    records = _records(lines, dialect)
    if not records or len(records[0]) == 1:
        return 0.0
    widths = Counter(map(len, records))
    return widths[len(records[0])] / len(records) + min(len(records[0]), 50) / 1_000


def _names(record: list[str]) -> bool:
    """Whether a first record names columns: none of its values is a number, a date or an address, and few are empty."""
    values = [value.strip() for value in record]
    return not any(_DATUM.fullmatch(value) for value in values) and Counter(values)[""] < max(2, len(values) // 2)
