"""All steps in one call: records in, people and the reasons for them out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from tailor.rules.matching.blocking import Candidates, candidates
from tailor.rules.matching.clusters import gather
from tailor.rules.matching.compare import FIELDS, LEVELS, ROW, Levels, compare
from tailor.rules.matching.evidence import conflict, joinable
from tailor.rules.matching.normalise import Record
from tailor.rules.matching.placing import placed
from tailor.rules.matching.table import Codes, Table, tabulate
from tailor.rules.matching.weights import Floats, Model, estimate, lean, odds, weigh

JOIN = math.log(0.8 / 0.2)
"""Log odds from which a pair may be joined without asking."""
REVIEW = math.log(0.2 / 0.8)
"""Log odds from which a pair is shown to a person."""

Band = Literal["join", "review", "apart"]


@dataclass(frozen=True, slots=True)
class Reason:
    """What one field says: ``level`` in words, ``weight`` in log odds (above 0: for one person)."""

    field: str
    level: str
    weight: float


@dataclass(frozen=True, slots=True)
class Match:
    """A pair of record ids with its band, log odds, and reasons, the weightiest first."""

    one: str
    other: str
    band: Band
    weight: float
    reasons: tuple[Reason, ...]

    @property
    def probability(self) -> float:
        """That the two are one person, by this model."""
        return 1 / (1 + math.exp(-self.weight))


@dataclass(slots=True)
class Resolution:
    """What :func:`resolve` found. ``labels``: for each row of ``table`` the first row of the same person."""

    table: Table
    model: Model
    pairs: Candidates
    levels: Levels
    weights: Floats
    labels: npt.NDArray[np.int64]

    def clusters(self) -> dict[str, str]:
        """record id → cluster id, which is the least record id in it."""
        return {one: self.table.ids[label] for one, label in zip(self.table.ids, self.labels.tolist(), strict=True)}

    def matches(self, chunk: int = 50_000) -> Iterator[Match]:
        """Pairs that were joined, or that a person should look at, heaviest first."""
        pairs = self.pairs
        joined = self.labels[pairs.one] == self.labels[pairs.other]
        chosen = np.flatnonzero(joined | ((self.weights >= REVIEW) & ~conflict(self.levels, self.model)))
        chosen = chosen[np.lexsort((pairs.other[chosen], pairs.one[chosen], -self.weights[chosen]))]
        for start in range(0, len(chosen), chunk):
            part = chosen[start : start + chunk]
            one, other = pairs.one[part], pairs.other[part]
            parts = odds(self.model, self.table, self.levels[:, part], one, other)
            for k, place in enumerate(part.tolist()):
                yield Match(
                    self.table.ids[one[k]],
                    self.table.ids[other[k]],
                    "join" if joined[place] else "review",
                    float(self.weights[place]),
                    _reasons(self.levels[:, place], parts[:, k]),
                )


def resolve(
    records: Iterable[Record],
    *,
    model: Model | None = None,
    progress: Callable[[str], None] = lambda step: None,
) -> Resolution:
    """Who is who among ``records``; ``model`` is estimated from them where none is given.

    ``progress`` is told what is being done, in words.
    """
    progress("reading")
    table = tabulate(placed(list(records)))
    progress(f"looking for candidates among {len(table):,} records")
    pairs = candidates(table)
    progress(f"comparing {len(pairs):,} pairs")
    levels = compare(table, pairs.one, pairs.other)
    progress("weighing the evidence")
    fitted = model or estimate(table, pairs, levels)
    weights = weigh(fitted, table, levels, pairs.one, pairs.other)

    def judge(one: Codes, other: Codes) -> tuple[Floats, npt.NDArray[np.bool_]]:
        found = compare(table, one, other)
        return lean(fitted, table, found, one, other), conflict(found, fitted)

    place, occupation = odds(fitted, table, levels, pairs.one, pairs.other, ("address", "occupation"))
    guessed = np.array(["first" in value for value in table.columns["guessed"].values])
    named = (table.columns["first"].codes > 0) & ~guessed[table.columns["guessed"].codes]
    may_join = joinable(
        levels,
        weights,
        fitted,
        place=place,
        occupation=occupation,
        lacking=named[pairs.one] != named[pairs.other],
        threshold=JOIN,
    )
    progress("gathering people")
    labels = gather(
        len(table),
        pairs.one,
        pairs.other,
        weights,
        lean(fitted, table, levels, pairs.one, pairs.other),
        conflict(levels, fitted),
        may_join,
        judge,
    )
    return Resolution(table, fitted, pairs, levels, weights, labels)


def _reasons(levels: npt.NDArray[np.int8], parts: Floats) -> tuple[Reason, ...]:
    found = [
        Reason(name, LEVELS[name][levels[ROW[name]] - 1], float(parts[ROW[name]]))
        for name in FIELDS
        if levels[ROW[name]]
    ]
    return tuple(sorted(found, key=lambda reason: -abs(reason.weight)))
