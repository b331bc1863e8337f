"""Records as columns: every value once, and for each record the number of its value."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tailor.rules.matching.blocking import PARTS
from tailor.rules.matching.normalise import Record

Codes = npt.NDArray[np.int32]
Counts = npt.NDArray[np.int64]

FIELDS = tuple(field for field in Record.__slots__ if field != "id")


@dataclass(slots=True)
class Column:
    """``values[codes[n]]`` is the value of record ``n``; values are in order, so codes compare as their values do.

    Value 0 is ``""``: missing. ``counts``: records with each value.
    """

    codes: Codes
    values: list[str]
    counts: Counts


@dataclass(slots=True)
class Table:
    """All records of one run, in the order of their ids, and what each is looked up by (:data:`PARTS`)."""

    ids: list[str]
    columns: dict[str, Column]
    parts: dict[str, Codes]

    def __len__(self) -> int:
        return len(self.ids)


class _Encoder:
    """Gives each value that comes a number."""

    __slots__ = ("codes", "known")

    def __init__(self) -> None:
        self.known: dict[str, int] = {"": 0}
        self.codes = array("i")

    def add(self, value: str) -> None:
        self.codes.append(self.known.setdefault(value, len(self.known)))

    def column(self, order: npt.NDArray[np.int64]) -> Column:
        values = sorted(self.known)
        place = np.empty(len(values), np.int32)
        place[[self.known[value] for value in values]] = np.arange(len(values), dtype=np.int32)
        codes = place[np.frombuffer(self.codes, np.int32)[order]]
        return Column(codes, values, np.bincount(codes, minlength=len(values)).astype(np.int64))


def tabulate(records: Iterable[Record]) -> Table:
    """Columns of records; the same table in whatever order they come."""
    ids: list[str] = []
    fields = {field: _Encoder() for field in FIELDS}
    parts = {part: _Encoder() for part in PARTS}
    for record in records:
        ids.append(record.id)
        for field, encoder in fields.items():
            encoder.add(getattr(record, field))
        for part, read in PARTS.items():
            parts[part].add(read(record))
    order = _order(ids)
    columns = {}
    for field in FIELDS:
        columns[field] = fields.pop(field).column(order)
    coded = {}
    for part in PARTS:
        coded[part] = parts.pop(part).column(order).codes
    return Table([ids[n] for n in order], columns, coded)


def _order(ids: Sequence[str]) -> npt.NDArray[np.int64]:
    return np.array(sorted(range(len(ids)), key=ids.__getitem__), np.int64)
