"""Everybody at once: the same formulas over columns of numpy instead of one person after the other.

For work over a whole population, at night; one person is faster decided by the compiled code. Both answer alike, which
the tests hold them to. Questions with functions of their own are asked person by person.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tailor.kernel.instants import NEVER
from tailor.rules.comparisons import inside, predicate
from tailor.rules.consent import View
from tailor.rules.formula import Asked, AtLeast, Compares, Every, Formula, Not, Permitted, Some, ThenNot

Members = NDArray[np.bool_]
Instants = NDArray[np.int64]
Answer = tuple[Members, Instants | None]
"""Who is in, and until when that holds; ``None``: for ever, of everybody."""

LONG_AGO = -NEVER
"""Stands for an occurrence that there never was."""
_NO_ENTRY: tuple[int, tuple[int, ...]] = (0, ())


class Crowd:
    """People as columns; each column is made when first asked for and kept."""

    def __init__(self, views: Sequence[View]) -> None:
        self.views = views
        self._columns: dict[Hashable, Any] = {}

    def decide(self, formulas: Sequence[Formula], *, now: int) -> list[Answer]:
        """One answer for each formula, in the order of the people."""
        known: dict[str, Answer] = {}
        return [self._answer(formula, now, known) for formula in formulas]

    def _answer(self, formula: Formula, now: int, known: dict[str, Answer]) -> Answer:
        match formula:
            case Not(part):
                members, until = self._answer(part, now, known)
                return ~members, until
            case Every(parts) | Some(parts):
                answers = [self._answer(part, now, known) for part in parts]
                return _joined(answers, isinstance(formula, Every), len(self.views))
        key = repr(formula)
        if key not in known:
            known[key] = self._leaf(formula, now)
        return known[key]

    def _leaf(self, leaf: Compares | Permitted | AtLeast | ThenNot | Asked, now: int) -> Answer:
        match leaf:
            case Compares(attribute, comparison, wanted, path):
                return self._fits(path or (attribute,), predicate(((comparison, wanted),))), None
            case Permitted(purpose, topic, on_consent):
                return self._permitted(purpose, topic, on_consent), None
            case AtLeast(times=times, within=None):
                return self._totals(leaf.entry) >= times, None
            case AtLeast(times=times, within=int(within)):
                return _inside(self._newest(leaf.entry, times), within, now)
            case ThenNot(second=second, within=within):
                first, after = self._newest(leaf.entry, 1), self._newest(second, 1)
                waits, until = _inside(first, within, now)
                began = (first > LONG_AGO) & (after < first)
                return began & ~waits, np.where(began & waits, until, NEVER)
            case Asked(decide=decide):
                answers = [decide(view, now) for view in self.views]
                return np.array([member for member, _ in answers], bool), np.array([until for _, until in answers])
        raise AssertionError(leaf)

    def _column(self, key: Hashable, make: Callable[[], Any]) -> Any:
        if key not in self._columns:
            self._columns[key] = make()
        return self._columns[key]

    def _fits(self, path: tuple[str, ...], test: Callable[[Any], bool]) -> Members:
        """Whether a value passes; each different value is tested once."""
        codes, values = self._column(path, lambda: _coded([inside(view.attributes, path) for view in self.views]))
        passes: Members = np.array([test(value) for value in values], bool)[codes]
        return passes

    def _permitted(self, purpose: str, topic: str, on_consent: bool) -> Members:
        whole, part = self._grants(purpose), self._grants(f"{purpose}:{topic}") if topic else None
        refused = np.isin(whole, ("denied", "withdrawn"))
        granted = whole == "granted"
        if part is not None:
            refused |= np.isin(part, ("denied", "withdrawn"))
            granted |= part == "granted"
        allowed: Members = granted & ~refused if on_consent else ~refused
        return allowed

    def _grants(self, key: str) -> NDArray[Any]:
        made: NDArray[Any] = self._column(
            ("grant", key),
            lambda: np.array([view.consent[key][0] if key in view.consent else "" for view in self.views], "U12"),
        )
        return made

    def _totals(self, entry: str) -> Instants:
        made: Instants = self._column(
            ("total", entry),
            lambda: np.fromiter((view.history.get(entry, _NO_ENTRY)[0] for view in self.views), np.int64),
        )
        return made

    def _newest(self, entry: str, number: int) -> Instants:
        """When the ``number``-th newest occurrence was."""

        def make() -> Instants:
            rings = (view.history.get(entry, _NO_ENTRY)[1] for view in self.views)
            return np.fromiter((ring[number - 1] if len(ring) >= number else LONG_AGO for ring in rings), np.int64)

        made: Instants = self._column(("newest", entry, number), make)
        return made


def _inside(times: Instants, within: int, now: int) -> tuple[Members, Instants]:
    members = times > now - within
    return members, np.where(members, times + within, NEVER)


def _joined(answers: Sequence[Answer], both: bool, size: int) -> Answer:
    """``and`` (``both``) or ``or``, see :mod:`tailor.rules.formula`: a settled answer lasts as its longest reason."""
    if not answers:
        return np.full(size, both), None
    members = reduce(np.logical_and if both else np.logical_or, (member for member, _ in answers))
    if all(until is None for _, until in answers):
        return members, None
    shortest: Any = reduce(np.minimum, (until for _, until in answers if until is not None))
    longest = np.full(size, -1)
    for member, until in answers:
        settles = ~member if both else member
        longest = np.maximum(longest, np.where(settles, NEVER if until is None else until, -1))
    return members, np.where(members if both else ~members, shortest, longest)


def _coded(values: Sequence[Any]) -> tuple[NDArray[np.intp], list[Any]]:
    """Each value as its place in the list of different ones; lists and maps count as different each time."""
    places: dict[Hashable, int] = {}
    different: list[Any] = []
    codes = np.empty(len(values), np.intp)
    for index, value in enumerate(values):
        key = (type(value), tuple(value) if type(value) is list and _plain(value) else value)
        if isinstance(value, dict) or (isinstance(value, list) and key[1] is value):
            key = (type(value), index)
        place = places.get(key)
        if place is None:
            place = places[key] = len(different)
            different.append(value)
        codes[index] = place
    return codes, different


def _plain(values: Sequence[Any]) -> bool:
    return all(type(value) is str for value in values)
