"""Pairs compared field by field, each in a few levels from "the same" to "different".

Every distinct pair of values is compared once, however many pairs of records hold it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from rapidfuzz import fuzz
from rapidfuzz.distance import OSA, JaroWinkler
from rapidfuzz.process import cpdist

from tailor.rules.matching.nicknames import akin
from tailor.rules.matching.scripts import single, skeleton
from tailor.rules.matching.table import Codes, Table

LEVELS: dict[str, tuple[str, ...]] = {
    "first": ("same", "nickname, initial or part", "a slip apart", "similar", "different"),
    "last": ("same", "shares a part", "a slip apart", "similar", "different"),
    "middle": ("same", "same initial", "different"),
    "suffix": ("same", "only one has it", "junior and senior"),
    "birth": ("same", "a slip apart", "two of three parts", "near", "different"),
    "gender": ("same", "different"),
    "email": (
        "same",
        "a slip apart",
        "same distinctive mailbox elsewhere",
        "same plain mailbox elsewhere",
        "similar",
        "different",
    ),
    "phone": ("same", "a digit apart", "different"),
    "address": (
        "same",
        "same house, area differs or unknown",
        "same street",
        "similar street",
        "same postcode",
        "same city",
        "different",
    ),
    "national": ("same", "a slip apart", "different"),
    "occupation": ("same", "different"),
}
"""Fields of a pair and what their levels mean, from 1 on; level 0: one of the two has no value."""

FIELDS = tuple(LEVELS)
ROW = {field: row for row, field in enumerate(FIELDS)}

Levels = npt.NDArray[np.int8]
"""Level of each field (row, see :data:`ROW`) for each pair (column)."""

Ratios = npt.NDArray[np.float32]
CHUNK = 400_000
"""Pairs compared at a time, which bounds the memory it takes."""


def compare(table: Table, one: Codes, other: Codes, *, progress: Callable[[int], None] = lambda done: None) -> Levels:
    """Levels of the pairs of rows ``one[k]``, ``other[k]``; ``progress`` is told how many are done."""
    levels = np.zeros((len(FIELDS), len(one)), np.int8)
    weights = _token_weights(table)
    common = {name: _common(table, name) for name in ("first", "last")}
    for start in range(0, len(one), CHUNK):
        progress(start)
        part = slice(start, start + CHUNK)
        _Pairs(table, one[part], other[part], levels[:, part], weights, common).fill()
    return levels


class _Pairs:
    """One chunk; the methods fill the rows of ``levels``."""

    __slots__ = ("common", "levels", "one", "other", "table", "weights")

    def __init__(
        self,
        table: Table,
        one: Codes,
        other: Codes,
        levels: Levels,
        weights: dict[str, float],
        common: dict[str, frozenset[str]],
    ) -> None:
        self.table, self.one, self.other, self.levels = table, one, other, levels
        self.weights, self.common = weights, common

    def fill(self) -> None:
        self._by_values("first", self._first_names)
        self._by_values("last", self._last_names)
        self._swapped_names()
        self._by_values("middle", _middle_names)
        self._suffixes()
        self._by_values("birth", _births)
        self._by_values("gender", _unequal)
        self._emails()
        self._guessed_names()
        self._by_values("phone", _phones)
        self._addresses()
        self._by_values("national", _nationals)
        self._by_values("occupation", _unequal)

    def _codes(self, column: str) -> tuple[Codes, Codes]:
        codes = self.table.columns[column].codes
        return codes[self.one], codes[self.other]

    def _row(self, field: str) -> Levels:
        row: Levels = self.levels[ROW[field]]
        return row

    def _by_values(self, field: str, judge: Callable[[Sequence[str], Sequence[str]], Levels]) -> None:
        """Level 1 where the values are equal; ``judge`` answers the level of each distinct pair of unequal ones."""
        one, other = self._codes(field)
        row = self._row(field)
        known = (one > 0) & (other > 0)
        row[known & (one == other)] = 1
        unequal = np.flatnonzero(known & (one != other))
        if len(unequal):
            first, second, back = distinct(one[unequal], other[unequal])
            values = self.table.columns[field].values
            row[unequal] = judge([values[k] for k in first], [values[k] for k in second])[back]

    # ---- names

    def _first_names(self, one: Sequence[str], other: Sequence[str]) -> Levels:
        return self._names(one, other, first_name, self.common["first"], similar=0.80)

    def _last_names(self, one: Sequence[str], other: Sequence[str]) -> Levels:
        return self._names(one, other, self._last_name, self.common["last"], similar=0.83)

    def _names(
        self,
        one: Sequence[str],
        other: Sequence[str],
        rule: Callable[[str, str], int],
        common: frozenset[str],
        *,
        similar: float,
    ) -> Levels:
        """By ``rule``; where it answers 0 by Jaro-Winkler likeness and typing slips."""
        levels = np.fromiter((rule(a, b) for a, b in zip(one, other, strict=True)), np.int8, len(one))
        open_ = np.flatnonzero(levels == 0)
        if not len(open_):
            return levels
        mine, its = [one[k] for k in open_.tolist()], [other[k] for k in open_.tolist()]
        ratios = cpdist(mine, its, scorer=JaroWinkler.similarity, dtype=np.float32)
        edits = cpdist(mine, its, scorer=OSA.distance, score_cutoff=2, dtype=np.int32)
        pairs = list(zip(mine, its, strict=True))
        shorter = np.fromiter((min(len(a), len(b)) for a, b in pairs), np.int32, len(pairs))
        alike = np.fromiter((_alike(a, b) for a, b in pairs), bool, len(pairs))
        level = np.where(
            (ratios >= similar) | ((edits <= 2) & (shorter >= 6)) | ((edits <= 1) & (shorter >= 3)) | alike, 4, 5
        )
        # Mark and Mary, Hill and Hull: two names that many have are no slip of one another.
        both = np.fromiter((a in common and b in common and single(a) != single(b) for a, b in pairs), bool, len(pairs))
        slip = ((ratios >= 0.92) | ((edits <= 1) & (shorter >= 4))) & ~both
        levels[open_] = np.where(slip, 3, level)
        return levels

    def _last_name(self, one: str, other: str) -> int:
        words, others = one.split(), other.split()
        if max(len(words), len(others)) < 3:
            return last_name(one, other)
        return self._organisation(frozenset(words), frozenset(others))

    def _organisation(self, words: frozenset[str], others: frozenset[str]) -> int:
        """Names of many words: by the weight of what they share."""
        weights = self.weights
        mine, theirs = sum(weights[w] for w in words), sum(weights[w] for w in others)
        shared = sum(weights[w] for w in words & others)
        both = shared / max(mine + theirs - shared, 1e-9)
        least = shared / max(min(mine, theirs), 1e-9)
        if both >= 0.85:
            return 1
        if both >= 0.5:
            return 3
        if least >= 0.75:
            return 2
        return 4 if least >= 0.45 else 5

    def _swapped_names(self) -> None:
        """First name here is last name there."""
        first, last = self._row("first"), self._row("last")
        names, surnames = self.table.columns["first"], self.table.columns["last"]
        unlike = np.flatnonzero(((first == 0) | (first >= 4)) & ((last == 0) | (last >= 4)))
        if not len(unlike):
            return
        one, other = self.one[unlike], self.other[unlike]
        my_first, my_last = names.codes[one], surnames.codes[one]
        its_first, its_last = names.codes[other], surnames.codes[other]

        def close(given: Codes, family: Codes) -> npt.NDArray[np.bool_]:
            ratios = cpdist(
                [names.values[k] for k in given],
                [surnames.values[k] for k in family],
                scorer=JaroWinkler.similarity,
                dtype=np.float32,
            )
            long = np.fromiter((len(surnames.values[k]) > 2 for k in family), bool, len(family))
            alike: npt.NDArray[np.bool_] = (ratios >= 0.9) & (given > 0) & (family > 0) & long
            return alike

        here, there = close(my_first, its_last), close(its_first, my_last)
        both = unlike[here & there]
        first[both] = 3
        last[both] = 3
        half = unlike[here != there]
        rest = np.where(here, (its_first > 0) & (my_last > 0), (my_first > 0) & (its_last > 0))[here != there]
        last[half] = 3
        first[half] = np.where(rest, 5, 0)

    def _guessed_names(self) -> None:
        """A name read from a mailbox is no second evidence beside that mailbox, and none against anything."""
        guessed = self.table.columns["guessed"]
        email = self._row("email")
        for field in ("first", "last"):
            guess = np.array([field in value for value in guessed.values])[guessed.codes]
            mine = guess[self.one] | guess[self.other]
            row = self._row(field)
            row[mine & ((row == 5) | ((email >= 1) & (email <= 5)))] = 0

    def _suffixes(self) -> None:
        one, other = self._codes("suffix")
        some, both = (one > 0) | (other > 0), (one > 0) & (other > 0)
        self._row("suffix")[some] = np.where(both, np.where(one == other, 1, 3), 2)[some]

    # ---- e-mail

    def _emails(self) -> None:
        one, other = self._codes("email")
        row = self._row("email")
        known = (one > 0) & (other > 0)
        row[known & (one == other)] = 1
        unequal = np.flatnonzero(known & (one != other))
        if not len(unequal):
            return
        my_box, its_box = (codes[unequal] for codes in self._codes("mailbox"))
        my_domain, its_domain = (codes[unequal] for codes in self._codes("domain"))
        roles = self.table.columns["role"].codes
        role = (roles[self.one[unequal]] > 0) | (roles[self.other[unequal]] > 0)
        first, second, back = distinct(my_box, its_box)
        boxes = self.table.columns["mailbox"].values
        mine, its = [boxes[k] for k in first], [boxes[k] for k in second]
        edits = cpdist(mine, its, scorer=OSA.distance, score_cutoff=2, dtype=np.int32)
        ratios = cpdist(mine, its, scorer=JaroWinkler.similarity, dtype=np.float32)[back]
        shorter = np.fromiter((min(len(a), len(b)) for a, b in zip(mine, its, strict=True)), np.int32, len(mine))[back]
        slip = np.fromiter(
            (e <= 1 and (a == b or is_slip(a, b)) for a, b, e in zip(mine, its, edits, strict=True)), bool, len(mine)
        )[back]
        distinctive = np.fromiter((_distinctive(a) for a in mine), bool, len(mine))[back]
        numbered = np.fromiter((_renumbered(a, b) for a, b in zip(mine, its, strict=True)), bool, len(mine))[back]
        first, second, back = distinct(my_domain, its_domain)
        domains = self.table.columns["domain"].values
        apart = cpdist(
            [domains[k] for k in first],
            [domains[k] for k in second],
            scorer=OSA.distance,
            score_cutoff=3,
            dtype=np.int32,
        )[back]
        same_box, same_domain = my_box == its_box, my_domain == its_domain
        near = (
            (same_domain & slip & (shorter >= 6))
            | (same_box & (shorter >= 3) & (apart <= 1))
            | (same_box & (shorter >= 5) & (apart <= 2) & ~role)
            | (slip & (shorter >= 9) & (apart <= 2))
        )
        level = np.where((ratios >= 0.92) & (shorter >= 6) & ~numbered, 5, 6)
        level = np.where(same_box & (shorter >= 5) & ~role, np.where(distinctive, 3, 4), level)
        row[unequal] = np.where(near, 2, level)

    # ---- address

    def _addresses(self) -> None:
        """Postcode, city and street are one comparison: who shares one mostly shares the others."""
        my_postcode, its_postcode = self._codes("postcode")
        my_street, its_street = self._codes("street")
        my_house, its_house = self._codes("house")
        my_city, its_city = self._codes("city")
        postcodes = (my_postcode > 0) & (its_postcode > 0)
        streets = (my_street > 0) & (its_street > 0)
        cities = (my_city > 0) & (its_city > 0)
        houses = (my_house > 0) & (its_house > 0)
        likeness = self._likeness("street", my_street, its_street, streets, _streets)
        same_street, near_street = streets & (likeness >= 85), streets & (likeness >= 70)
        same_house = houses & (self._likeness("house", my_house, its_house, houses, _houses) > 0)
        same_postcode = postcodes & (my_postcode == its_postcode)
        near_postcode = postcodes & (self._likeness("postcode", my_postcode, its_postcode, postcodes, _postcodes) > 0)
        same_city = cities & (self._likeness("city", my_city, its_city, cities, _cities) >= 90)
        area = same_postcode | (same_city & (near_postcode | ~postcodes))
        here = near_postcode | same_city
        any_house = same_house | ~houses
        row = self._row("address")
        row[postcodes | streets | cities] = 7
        row[same_city] = 6
        row[same_postcode] = 5
        row[near_street & (any_house | here)] = 4
        row[same_street & here] = 3
        row[(same_street & any_house) | (near_street & same_house & here)] = 2
        row[same_street & any_house & area] = 1

    def _likeness(
        self,
        column: str,
        one: Codes,
        other: Codes,
        known: npt.NDArray[np.bool_],
        judge: Callable[[Sequence[str], Sequence[str]], Ratios],
    ) -> Ratios:
        """100 where equal, what ``judge`` answers for each distinct pair of unequal values."""
        ratios = np.where(known & (one == other), np.float32(100), np.float32(0))
        unequal = np.flatnonzero(known & (one != other))
        if len(unequal):
            first, second, back = distinct(one[unequal], other[unequal])
            values = self.table.columns[column].values
            ratios[unequal] = judge([values[k] for k in first], [values[k] for k in second])[back]
        return ratios


def distinct(one: Codes, other: Codes) -> tuple[list[int], list[int], npt.NDArray[np.int64]]:
    """The distinct unordered pairs of codes, and for each pair its place among them."""
    low, high = np.minimum(one, other).astype(np.int64), np.maximum(one, other)
    pairs, back = np.unique(low << 32 | high, return_inverse=True)
    return (pairs >> 32).tolist(), (pairs & 0xFFFFFFFF).tolist(), back


# ---- judges of two unequal values, one pair or many


def first_name(one: str, other: str) -> int:
    """Level of two unequal folded given names; 0: neither a nickname nor a part, look at the letters."""
    if one.replace(" ", "") == other.replace(" ", ""):
        return 1
    if (len(one) == 1 and one.isascii()) or (len(other) == 1 and other.isascii()):
        return 2 if one[0] == other[0] else 5
    words, others = one.split(), other.split()
    mine, its = words[0], others[0]
    if mine == its or akin(mine, its):
        return 2
    if (len(its) > 2 and its in words[1:]) or (len(mine) > 2 and mine in others[1:]):
        return 2
    if min(len(mine), len(its)) >= 3 and (mine.startswith(its) or its.startswith(mine)):
        return 2
    return 0


def last_name(one: str, other: str) -> int:
    """Level of two unequal folded surnames; 0: look at the letters."""
    if one.replace(" ", "") == other.replace(" ", ""):
        return 1
    if (len(one) == 1 and one.isascii()) or (len(other) == 1 and other.isascii()):
        return 2 if one[0] == other[0] else 5
    if (" " in one or " " in other) and any(len(word) > 2 for word in {*one.split()} & {*other.split()}):
        return 2
    return 0


def _alike(one: str, other: str) -> bool:
    """Whether two names sound alike, or are the same letters in disorder."""
    bones = skeleton(one)
    if len(bones) >= 2 and bones == skeleton(other):
        return True
    return len(one) == len(other) >= 3 and sorted(one) == sorted(other)


def _middle_names(one: Sequence[str], other: Sequence[str]) -> Levels:
    return np.fromiter((2 if a[0] == b[0] else 3 for a, b in zip(one, other, strict=True)), np.int8, len(one))


def _unequal(one: Sequence[str], other: Sequence[str]) -> Levels:
    return np.full(len(one), 2, np.int8)


def _births(one: Sequence[str], other: Sequence[str]) -> Levels:
    return np.fromiter((birth_level(a, b) for a, b in zip(one, other, strict=True)), np.int8, len(one))


def birth_level(one: str, other: str) -> int:
    """Level of two unequal dates (YYYYMMDD, ``?`` for unknown digits)."""
    known = [place for place in range(8) if one[place] != "?" and other[place] != "?"]
    differing = [place for place in known if one[place] != other[place]]
    if len(known) < 8:
        return 5 if differing else 3 if len(known) > 4 else 4
    if len(differing) == 1:
        return 2
    if one[:4] == other[:4] and one[4:6] == other[6:] and one[6:] == other[4:6]:
        return 2
    if len(differing) == 2 and differing[1] - differing[0] == 1:
        low, high = differing
        if one[low] == other[high] and one[high] == other[low]:
            return 2
    if (one[:4] == other[:4]) + (one[4:6] == other[4:6]) + (one[6:] == other[6:]) >= 2:
        return 3
    return 4 if one[:4] == other[:4] or len(differing) == 2 or abs(_days(one) - _days(other)) <= 45 else 5


def _days(date: str) -> int:
    """Days, nearly; only for telling what is near."""
    return int(date[:4]) * 365 + int(date[4:6]) * 30 + int(date[6:])


def is_slip(one: str, other: str) -> bool:
    """Whether one edit between two mailboxes is a slip: a changed initial or digit is somebody else's address."""
    place = 0
    while place < min(len(one), len(other)) and one[place] == other[place]:
        place += 1
    if place == 0 and one[:2] != other[1::-1]:
        return False
    return not (one[place : place + 1].isdigit() or other[place : place + 1].isdigit())


def _renumbered(one: str, other: str) -> bool:
    """Whether two mailboxes differ in their numbers only, which their owners added to differ."""
    if one == other or not (any(map(str.isdigit, one)) and any(map(str.isdigit, other))):
        return False
    return [c for c in one if not c.isdigit()] == [c for c in other if not c.isdigit()]


def _distinctive(mailbox: str) -> bool:
    return len(mailbox) >= 16 or (len(mailbox) >= 7 and sum(c.isdigit() for c in mailbox) >= 2)


def _phones(one: Sequence[str], other: Sequence[str]) -> Levels:
    mine, its = [number[-9:] for number in one], [number[-9:] for number in other]
    edits = cpdist(mine, its, scorer=OSA.distance, score_cutoff=1, dtype=np.int32)
    # The same subscriber, once with and once without the calling code.
    home = np.fromiter((not (a[0] == b[0] == "+") for a, b in zip(one, other, strict=True)), bool, len(one))
    return np.where((edits == 0) & home, 1, np.where(edits <= 1, 2, 3)).astype(np.int8)


def _nationals(one: Sequence[str], other: Sequence[str]) -> Levels:
    edits = cpdist(one, other, scorer=OSA.distance, score_cutoff=2, dtype=np.int32)
    shorter = np.fromiter((min(len(a), len(b)) for a, b in zip(one, other, strict=True)), np.int32, len(one))
    return np.where((edits <= 1) | ((edits <= 2) & (shorter >= 7)), 2, 3).astype(np.int8)


def _streets(one: Sequence[str], other: Sequence[str]) -> Ratios:
    words = cpdist(one, other, scorer=fuzz.token_set_ratio, dtype=np.float32)
    glued = cpdist(
        [text.replace(" ", "") for text in one],
        [text.replace(" ", "") for text in other],
        scorer=fuzz.ratio,
        dtype=np.float32,
    )
    ratios: Ratios = np.maximum(words, glued)
    return ratios


def _houses(one: Sequence[str], other: Sequence[str]) -> Ratios:
    return np.fromiter((_same_house(a, b) for a, b in zip(one, other, strict=True)), np.float32, len(one))


def _same_house(one: str, other: str) -> bool:
    if {*one.split()} & {*other.split()}:
        return True
    return min(len(one), len(other)) >= 2 and OSA.distance(one, other, score_cutoff=1) <= 1


def _postcodes(one: Sequence[str], other: Sequence[str]) -> Ratios:
    near: Ratios = (cpdist(one, other, scorer=OSA.distance, score_cutoff=1, dtype=np.int32) <= 1).astype(np.float32)
    return near


def _cities(one: Sequence[str], other: Sequence[str]) -> Ratios:
    ratios: Ratios = cpdist(one, other, scorer=JaroWinkler.similarity, dtype=np.float32) * np.float32(100)
    return ratios


def _token_weights(table: Table) -> dict[str, float]:
    """Of each word of surnames of three words and more, how much it tells: the log of its rarity."""
    column = table.columns["last"]
    counts: dict[str, int] = {}
    for value, count in zip(column.values, column.counts.tolist(), strict=True):
        for word in {*value.split()}:
            counts[word] = counts.get(word, 0) + count
    total = max(len(table), 2)
    return {word: float(np.log((total + 1) / (count + 0.5))) for word, count in counts.items()}


def _common(table: Table, name: str) -> frozenset[str]:
    """Values that so many hold that they are no slips."""
    column = table.columns[name]
    least = max(4.0, len(table) * 5e-4)
    return frozenset(
        value for value, count in zip(column.values, column.counts.tolist(), strict=True) if value and count >= least
    )
