"""Rows of a file, one after the other, each with the place at which the next one begins.

A reader can be stopped after any row and another begin at its ``end``: they cut the same rows. Nothing is kept but the
row at hand, so memory does not grow with the file. What is no row (other columns than the header, a quote that is
never closed, bytes that are not of the encoding) is refused by itself and does not take its neighbours with it.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tailor.kernel.document import read_json
from tailor.kernel.errors import Rejected
from tailor.rules.dialect import Dialect

ROW_BYTES = 1024 * 1024
"""The most a row may have."""
COLUMNS = 2_000


@dataclass(slots=True)
class Row:
    """One row.

    ``number`` counts from 1, without header and blank lines; ``end`` is the offset in the file of what follows;
    ``values`` by column, and ``refusal`` why there are none, ``values`` then holding what there was under ``""``.
    ``size`` is that of the row in bytes.
    """

    number: int
    end: int
    size: int
    values: dict[str, Any]
    refusal: Rejected | None = None


class Lines:
    """The lines of blocks of bytes, decoded; :attr:`end` is the offset after the last one given."""

    def __init__(self, blocks: Iterable[bytes], offset: int, encoding: str, terminator: str) -> None:
        self.end = offset
        self.taken: list[bytes] = []
        self._weight = 0
        self._blocks = iter(blocks)
        self._ready: deque[bytes] = deque()
        self._rest = b""
        self._encoding = encoding
        self._terminator = terminator.encode()

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._raw()
        self.end += len(line)
        self._weight += len(line)
        self.taken.append(line)
        if self._weight > ROW_BYTES:
            raise Rejected(f"the row has more than {ROW_BYTES} bytes", code="too-large")
        try:
            return line.decode(self._encoding)
        except UnicodeDecodeError as error:
            detail = f"byte {error.start} of the row is not {self._encoding}: declare the file's 'encoding'"
            raise Rejected(detail, code="bad-encoding") from error

    def settle(self) -> int:
        """Forget the lines of the row before; answers how many bytes they had."""
        weight, self._weight = self._weight, 0
        self.taken.clear()
        return weight

    def give_back(self) -> bytes:
        """Take only the first line as read, and answer it; the others will come again."""
        first, *others = self.taken
        self._ready.extendleft(reversed(others))
        given = sum(map(len, others))
        self.end -= given
        self._weight -= given
        self.taken = [first]
        return first

    def _raw(self) -> bytes:
        while not self._ready:
            block = next(self._blocks, None)
            if block is None:
                if not self._rest:
                    raise StopIteration
                line, self._rest = self._rest, b""
                return line
            parts = (self._rest + block).split(self._terminator)
            self._rest = parts.pop()
            self._ready.extend(part + self._terminator for part in parts)
            if len(self._rest) > 2 * ROW_BYTES:
                # A line without an end would fill the memory: it comes in pieces, each of them too large.
                self._ready.append(self._rest)
                self._rest = b""
        return self._ready.popleft()


def header(blocks: Iterable[bytes], dialect: Dialect) -> tuple[list[str], int]:
    """Names of the columns of a table, and the offset at which its rows begin.

    A column without a name gets that of its place, ``column 3``; of two with one name the second is ``name (2)``.

    Raises
    ------
    Rejected : the file is empty, or its first line no record.
    """
    lines = Lines(blocks, 0, dialect.encoding, dialect.terminator)
    found: list[str] = []
    for cells in csv.reader(_marked(lines, dialect), **dialect.reading()):  # type: ignore[arg-type]
        found = cells
        if cells:
            break
    if not found or len(found) > COLUMNS:
        raise Rejected("the file is empty" if not found else f"the file has {len(found)} columns", code="no-columns")
    if not dialect.header:
        return [f"column {place}" for place in range(1, len(found) + 1)], dialect.skip
    names: list[str] = []
    for place, cell in enumerate(found, 1):
        name = base = cell.strip() or f"column {place}"
        again = 2
        while name in names:
            name, again = f"{base} ({again})", again + 1
        names.append(name)
    return names, lines.end


def _marked(lines: Lines, dialect: Dialect) -> Iterator[str]:
    """Lines without the byte order mark before the first."""
    mark = "\ufeff" if dialect.skip else ""
    for line in lines:
        yield line.removeprefix(mark) if mark else line
        mark = ""


def table(
    blocks: Iterable[bytes], dialect: Dialect, columns: Sequence[str], *, offset: int, number: int = 0
) -> Iterator[Row]:
    """The rows of a table from ``offset`` (where ``blocks`` begin) on, of which ``number`` came before."""
    lines = Lines(blocks, offset, dialect.encoding, dialect.terminator)
    reading: dict[str, Any] = dialect.reading()
    width = len(columns)
    while True:
        reader = csv.reader(lines, **reading)
        refusal = None
        try:
            for cells in reader:
                if not any(cells):
                    lines.settle()
                    continue
                if len(cells) != width and (any(cells[width:]) or len(cells) < width):
                    detail = f"the row has {len(cells)} columns, the file {width}"
                    refusal = Rejected(detail, code="bad-row")
                    break
                number += 1
                yield Row(number, lines.end, lines.settle(), dict(zip(columns, cells, strict=False)))
        except csv.Error as error:
            refusal = _broken(error)
        except Rejected as error:
            refusal = error
        if refusal is None:
            return
        number += 1
        raw = lines.give_back()
        text = raw.decode(dialect.encoding, "replace").rstrip("\r\n")
        yield Row(number, lines.end, lines.settle(), {"": text}, refusal)


def _broken(error: csv.Error) -> Rejected:
    if "limit" in str(error):
        detail = f"a value has more than {csv.field_size_limit()} characters: a quote is opened and never closed"
        return Rejected(detail, code="bad-quote")
    return Rejected("a line end stands in the middle of the row, unquoted", code="bad-row")


def documents(blocks: Iterable[bytes], *, offset: int = 0, number: int = 0) -> Iterator[Row]:
    """The rows of a file with one JSON object a line, from ``offset`` on."""
    lines = Lines(blocks, offset, "utf-8", "\n")
    while True:
        refusal, values = None, {}
        try:
            text = next(lines)
            if not text.strip("\ufeff \t\r\n"):
                lines.settle()
                continue
            document = read_json(text.encode())
            if not isinstance(document, dict):
                raise Rejected("the line is no JSON object", code="bad-row")
            values = document
        except StopIteration:
            return
        except Rejected as error:
            refusal, values = error, {"": lines.taken[0].decode("utf-8", "replace").rstrip()}
        number += 1
        yield Row(number, lines.end, lines.settle(), values, refusal)
