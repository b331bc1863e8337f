"""Which pairs are worth comparing: records that agree in one of many keys.

A :class:`Pass` is one entry of a table: its name, and the parts of its key. A common key cannot explode: above a cap
its records are sorted and each is compared with its neighbours only, so the number of pairs grows with the number of
records, not with its square.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tailor.rules.matching.nicknames import formal
from tailor.rules.matching.normalise import Record
from tailor.rules.matching.scripts import sound

if TYPE_CHECKING:
    from tailor.rules.matching.table import Table

Rows = npt.NDArray[np.int32]


def _first(record: Record) -> str:
    return formal(record.first.partition(" ")[0]) if record.first else ""


def _pair(one: str, other: str) -> str:
    return f"{min(one, other)}|{max(one, other)}" if one and other else ""


def _final(record: Record) -> str:
    return sound(record.last.rpartition(" ")[2])


def _halves(record: Record) -> tuple[str, str]:
    half = len(record.mailbox) // 2 if len(record.mailbox) >= 8 and not record.role else 0
    return (record.mailbox[:half], record.mailbox[-half:]) if half else ("", "")


def _number(record: Record) -> str:
    return record.house.partition(" ")[0]


PARTS: dict[str, Callable[[Record], str]] = {
    "email": lambda r: r.email,
    "phone": lambda r: r.phone[-9:],
    "phone_end": lambda r: r.phone[-4:],
    "national": lambda r: r.national,
    "mailbox": lambda r: r.mailbox if len(r.mailbox) >= 5 and not r.role else "",
    "mailbox_head": lambda r: _halves(r)[0],
    "mailbox_tail": lambda r: _halves(r)[1],
    "names": lambda r: _pair(_first(r), r.last),
    "sounds": lambda r: _pair(sound(_first(r)), _final(r)),
    "beginnings": lambda r: _pair(r.first[:3], r.last[:3]),
    "first": _first,
    "first_sound": lambda r: sound(_first(r)),
    "last": lambda r: r.last,
    "last_sound": _final,
    "birth": lambda r: r.birth,
    "birth_year": lambda r: r.birth[:4],
    "birthday": lambda r: r.birth[4:] if "?" not in r.birth else "",
    "house": _number,
    "street_sound": lambda r: sound(r.street) if len(r.street) > 2 else "",
    "street_glued": lambda r: r.street.replace(" ", "")[:6],
    "postcode": lambda r: r.postcode,
    "city": lambda r: r.city,
    "city_sound": lambda r: sound(r.city),
    "last_word": lambda r: max(r.last.split(), key=len) if not r.first and " " in r.last else "",
}
"""What keys are made of."""


@dataclass(frozen=True, slots=True)
class Pass:
    """Records that agree in all ``parts`` of a key (none missing) are candidates.

    ``cap``: records of one key that are compared all with all; ``window``: neighbours compared above it; 0: a key
    held by more says nothing. ``instant``: also looked up when a person arrives, not only at night.
    """

    name: str
    parts: tuple[str, ...]
    cap: int = 40
    window: int = 5
    instant: bool = False


PASSES = (
    Pass("email", ("email",), cap=60, window=8, instant=True),
    Pass("phone", ("phone",), cap=60, window=8, instant=True),
    Pass("national id", ("national",), cap=60, instant=True),
    Pass("mailbox", ("mailbox",), instant=True),
    Pass("names", ("names",), instant=True),
    Pass("birth date, last name", ("birth", "last_sound"), instant=True),
    Pass("birth date, first name", ("birth", "first_sound")),
    Pass("birth year, names", ("birth_year", "sounds")),
    Pass("postcode, first name", ("postcode", "first_sound"), instant=True),
    Pass("postcode, last name", ("postcode", "last_sound")),
    Pass("street, first name", ("house", "street_sound", "first_sound")),
    Pass("street, last name", ("house", "street_sound", "last_sound")),
    Pass("phone ending, last name", ("phone_end", "last_sound"), instant=True),
    Pass("phone ending, first name", ("phone_end", "first_sound")),
    Pass("beginnings of names", ("beginnings",), cap=12, window=3),
    Pass("mailbox beginning", ("mailbox_head",), cap=10, window=2),
    Pass("mailbox ending", ("mailbox_tail",), cap=10, window=2),
    Pass("city, names", ("city_sound", "sounds")),
    Pass("birth date, postcode", ("birth", "postcode")),
    Pass("birthday, names", ("birthday", "sounds"), cap=20),
    Pass("house, street, city", ("house", "street_glued", "city_sound"), cap=20),
    Pass("house, street, postcode", ("house", "street_sound", "postcode"), cap=20),
    Pass("street, postcode", ("street_glued", "postcode"), cap=10, window=0),
    Pass("birth date", ("birth",), cap=15, window=2),
    Pass("first name, city", ("first", "city"), cap=10, window=0),
    Pass("last name, city", ("last", "city"), cap=10, window=0),
    Pass("last name", ("last",), cap=15, window=2),
    Pass("first name", ("first",), cap=12, window=0),
    Pass("word of the last name", ("last_word",), cap=12, window=3),
)
BIT = {one.name: np.uint32(1 << place) for place, one in enumerate(PASSES)}
"""The bit of each pass in :class:`Candidates`."""


@dataclass(slots=True)
class Candidates:
    """Pairs of row numbers, ``one < other``, each once; ``why``: a bit for each pass that found it."""

    one: Rows
    other: Rows
    why: npt.NDArray[np.uint32]

    def __len__(self) -> int:
        return len(self.one)


def keys(record: Record) -> list[str]:
    """The keys under which a person is looked up on arrival, as ``pass:part|part``."""
    found = []
    for one in PASSES:
        parts = [PARTS[part](record) for part in one.parts]
        if one.instant and all(parts):
            found.append(f"{one.name}:{'|'.join(parts)}")
    return found


def candidates(table: Table, passes: tuple[Pass, ...] = PASSES) -> Candidates:
    """Pairs of records that share a key."""
    count = len(table)
    pairs = np.zeros(0, np.int64)
    why = np.zeros(0, np.uint32)
    for one in passes:
        found = _once(_pairs(table, one, count))
        pairs, why = _union(pairs, why, found, BIT[one.name])
    return Candidates((pairs // count).astype(np.int32), (pairs % count).astype(np.int32), why)


def _pairs(table: Table, one: Pass, count: int) -> Iterator[npt.NDArray[np.int64]]:
    """Pairs of one pass as ``low * count + high``; a pair may come twice."""
    key, rows = _key(table, one)
    order = np.argsort(key, kind="stable")
    key, rows = key[order], rows[order]
    starts = np.flatnonzero(np.r_[True, key[1:] != key[:-1]]) if len(key) else np.zeros(0, np.int64)
    sizes = np.diff(np.r_[starts, len(key)])
    for size in np.unique(sizes[(sizes > 1) & (sizes <= one.cap)]):
        members = rows[starts[sizes == size][:, None] + np.arange(size)]
        left, right = np.triu_indices(size, 1)
        yield _code(members[:, left].ravel(), members[:, right].ravel(), count)
    if one.window and (sizes > one.cap).any():
        large = np.repeat(sizes > one.cap, sizes)
        yield from _neighbours(table, key[large], rows[large], one.window, count)


def _key(table: Table, one: Pass) -> tuple[npt.NDArray[np.uint64], Rows]:
    """A number for the key of each row that has all parts, and those rows. Two keys with one number (1 in 2**64) would
    only add pairs."""
    present = np.logical_and.reduce([table.parts[part] > 0 for part in one.parts])
    rows = np.flatnonzero(present).astype(np.int32)
    key = np.zeros(len(rows), np.uint64)
    for part in one.parts:
        key = (key ^ table.parts[part][rows].astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        key ^= key >> np.uint64(29)
    return key, rows


_ORDERS = ((("last", "first", "birth", "postcode"), 1.0), (("postcode", "birth", "phone"), 0.5))
"""Orders in which the records of a common key are neighbours, and how far each reaches, in windows."""


def _neighbours(
    table: Table, key: npt.NDArray[np.uint64], rows: Rows, window: int, count: int
) -> Iterator[npt.NDArray[np.int64]]:
    """Neighbours within each key in two orders: by names, and by place and number."""
    columns = table.columns
    for fields, reach in _ORDERS:
        order = np.lexsort(np.stack([rows, *(columns[field].codes[rows] for field in reversed(fields))]))
        order = order[np.argsort(key[order], kind="stable")]
        neighbours = max(1, int(window * reach))
        sorted_key, sorted_rows = key[order], rows[order]
        for distance in range(1, neighbours + 1):
            same = sorted_key[distance:] == sorted_key[:-distance]
            yield _code(sorted_rows[:-distance][same], sorted_rows[distance:][same], count)


def _code(one: Rows, other: Rows, count: int) -> npt.NDArray[np.int64]:
    return np.minimum(one, other).astype(np.int64) * count + np.maximum(one, other)


def _once(found: Iterator[npt.NDArray[np.int64]]) -> npt.NDArray[np.int64]:
    parts = list(found)
    return np.unique(np.concatenate(parts)) if parts else np.zeros(0, np.int64)


def _union(
    pairs: npt.NDArray[np.int64], why: npt.NDArray[np.uint32], found: npt.NDArray[np.int64], bit: np.uint32
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint32]]:
    """Both in order; pairs already known get one more bit."""
    if not len(pairs):
        return found, np.full(len(found), bit, np.uint32)
    place = np.searchsorted(pairs, found)
    known = pairs[np.minimum(place, len(pairs) - 1)] == found
    why[place[known]] |= bit
    fresh = found[~known]
    merged = np.concatenate([pairs, fresh])
    order = np.argsort(merged, kind="stable")
    return merged[order], np.concatenate([why, np.full(len(fresh), bit, np.uint32)])[order]
