"""All steps in one call: records in, people and the reasons for them out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self
from zlib import crc32

import numpy as np
import numpy.typing as npt

from tailor.rules.matching.blocking import Candidates, candidates
from tailor.rules.matching.clusters import gather
from tailor.rules.matching.compare import FIELDS, LEVELS, ROW, Levels, compare
from tailor.rules.matching.evidence import Flags, conflict, joinable
from tailor.rules.matching.normalise import Record
from tailor.rules.matching.placing import placed
from tailor.rules.matching.table import Codes, Table, tabulate
from tailor.rules.matching.weights import Floats, Model, estimate, lean, odds, weigh

JOIN = math.log(0.8 / 0.2)
"""Log odds from which a pair may be joined without asking."""
REVIEW = math.log(0.2 / 0.8)
"""Log odds from which a pair is shown to a person."""

LESSONS = 2_000_000
"""Pairs that a model is learned from; of more, every so many-th."""

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
    levels = _compared(table, pairs, progress)
    progress("weighing the evidence")
    fitted = model or estimate(table, pairs, levels)
    weights = weigh(fitted, table, levels, pairs.one, pairs.other)
    may_join = _joinable(fitted, table, levels, weights, pairs.one, pairs.other)
    progress("gathering people")
    labels = gather(
        len(table),
        pairs.one,
        pairs.other,
        weights,
        lean(fitted, table, levels, pairs.one, pairs.other),
        conflict(levels, fitted),
        may_join,
        judge(table, fitted),
    )
    return Resolution(table, fitted, pairs, levels, weights, labels)


# ---- the same in stages, for work that is divided among workers


def prepare(
    records: Iterable[Record], *, progress: Callable[[str], None] = lambda step: None
) -> tuple[Table, Candidates]:
    """Everybody as a table, and which pairs are worth comparing."""
    progress("reading")
    table = tabulate(placed(list(records)))
    progress(f"looking for candidates among {len(table):,} people")
    return table, candidates(table)


def learn(table: Table, pairs: Candidates) -> Model:
    """A model of the table, from all of its pairs or :data:`LESSONS` of them; the same for every worker."""
    stride = max(1, -(-len(pairs) // LESSONS))
    some = Candidates(pairs.one[::stride], pairs.other[::stride], pairs.why[::stride])
    return estimate(table, some, compare(table, some.one, some.other), stride=stride)


def portion(table: Table, pairs: Candidates, number: int, of: int) -> Candidates:
    """The pairs of one of several shards: a pair belongs where its first record does."""
    shard = np.array([crc32(id.encode()) % of for id in table.ids], np.int32)
    mine = shard[pairs.one] == number
    return Candidates(pairs.one[mine], pairs.other[mine], pairs.why[mine])


@dataclass(slots=True)
class Likely:
    """Pairs that may be one person's, heaviest first: ids of both, log odds, leanings, whether they may be joined
    without asking, and the reasons."""

    one: list[str]
    other: list[str]
    weight: list[float]
    leaning: list[float]
    sure: list[bool]
    reasons: list[list[list[Any]]]

    def pairs(self) -> Iterator[dict[str, Any]]:
        """``{"one", "other", "weight", "reasons": [[field, level, weight]]}``, heaviest first."""
        for k in sorted(range(len(self.one)), key=lambda k: (-self.weight[k], self.one[k], self.other[k])):
            ids = {"one": self.one[k], "other": self.other[k]}
            yield {**ids, "weight": round(self.weight[k], 2), "reasons": self.reasons[k]}

    def documents(self, size: int = 2_000) -> Iterator[dict[str, Any]]:
        """In parts that can be stored; at least one."""
        for start in range(0, max(len(self.one), 1), size):
            yield {name: getattr(self, name)[start : start + size] for name in self.__slots__}

    @classmethod
    def of(cls, documents: Iterable[Mapping[str, Any]]) -> Self:
        """The inverse of :meth:`documents`, of all shards together."""
        whole = cls([], [], [], [], [], [])
        for document in documents:
            for name in cls.__slots__:
                getattr(whole, name).extend(document[name])
        return whole


def likely(
    table: Table, pairs: Candidates, model: Model, *, progress: Callable[[str], None] = lambda step: None
) -> Likely:
    """Compare and weigh pairs; keeps those that may be joined, and those that a person should look at."""
    levels = _compared(table, pairs, progress)
    progress("weighing the evidence")
    weights = weigh(model, table, levels, pairs.one, pairs.other)
    sure = _joinable(model, table, levels, weights, pairs.one, pairs.other)
    chosen = np.flatnonzero(sure | ((weights >= REVIEW) & ~conflict(levels, model)))
    one, other, found = pairs.one[chosen], pairs.other[chosen], levels[:, chosen]
    parts = odds(model, table, found, one, other)
    return Likely(
        [table.ids[row] for row in one.tolist()],
        [table.ids[row] for row in other.tolist()],
        weights[chosen].tolist(),
        lean(model, table, found, one, other).tolist(),
        sure[chosen].tolist(),
        [
            [[reason.field, reason.level, round(reason.weight, 1)] for reason in _reasons(found[:, k], parts[:, k])]
            for k in range(len(chosen))
        ],
    )


def cluster(table: Table, found: Likely, model: Model) -> list[int]:
    """For each row of the table the first row of the same person; who has left the table meanwhile is passed over."""
    place = {id: row for row, id in enumerate(table.ids)}
    kept = [k for k in range(len(found.one)) if found.one[k] in place and found.other[k] in place]
    ends = [sorted((place[found.one[k]], place[found.other[k]])) for k in kept]
    labels = gather(
        len(table),
        np.array([low for low, _ in ends], np.int32),
        np.array([high for _, high in ends], np.int32),
        np.array([found.weight[k] for k in kept], np.float64),
        np.array([found.leaning[k] for k in kept], np.float64),
        np.zeros(len(kept), bool),
        np.array([found.sure[k] for k in kept], bool),
        judge(table, model),
    )
    answer: list[int] = labels.tolist()
    return answer


def _compared(table: Table, pairs: Candidates, progress: Callable[[str], None]) -> Levels:
    def tell(done: int) -> None:
        progress(f"comparing {len(pairs):,} pairs" + (f", {done / len(pairs):.0%} done" if done else ""))

    return compare(table, pairs.one, pairs.other, progress=tell)


def judge(table: Table, model: Model) -> Callable[[Codes, Codes], tuple[Floats, Flags]]:
    """Says of pairs of rows that blocking has not met how they lean, and whether they are in conflict."""

    def of(one: Codes, other: Codes) -> tuple[Floats, Flags]:
        found = compare(table, one, other)
        return lean(model, table, found, one, other), conflict(found, model)

    return of


def closest(record: Record, others: Sequence[Record], model: Model) -> list[Match]:
    """Who of ``others`` may be the one of ``record``, the likeliest first; by a model, for there is no file to learn
    from."""
    table = tabulate([record, *others])
    here = table.ids.index(record.id)
    there = np.array([row for row in range(len(table)) if row != here], np.int32)
    mine = np.full(len(there), here, np.int32)
    one, other = np.minimum(mine, there), np.maximum(mine, there)
    levels = compare(table, one, other)
    weights = weigh(model, table, levels, one, other)
    sure = _joinable(model, table, levels, weights, one, other)
    parts = odds(model, table, levels, one, other)
    chosen = np.flatnonzero((weights >= REVIEW) & ~conflict(levels, model))
    return [
        Match(
            table.ids[one[k]],
            table.ids[other[k]],
            "join" if sure[k] else "review",
            float(weights[k]),
            _reasons(levels[:, k], parts[:, k]),
        )
        for k in sorted(chosen.tolist(), key=lambda k: (-weights[k], k))
    ]


def _joinable(model: Model, table: Table, levels: Levels, weights: Floats, one: Codes, other: Codes) -> Flags:
    """Pairs that may be joined without asking."""
    place, occupation = odds(model, table, levels, one, other, ("address", "occupation"))
    guessed = np.array(["first" in value for value in table.columns["guessed"].values])
    named = (table.columns["first"].codes > 0) & ~guessed[table.columns["guessed"].codes]
    return joinable(
        levels,
        weights,
        model,
        place=place,
        occupation=occupation,
        lacking=named[one] != named[other],
        threshold=JOIN,
    )


def _reasons(levels: npt.NDArray[np.int8], parts: Floats) -> tuple[Reason, ...]:
    found = [
        Reason(name, LEVELS[name][levels[ROW[name]] - 1], float(parts[ROW[name]]))
        for name in FIELDS
        if levels[ROW[name]]
    ]
    return tuple(sorted(found, key=lambda reason: -abs(reason.weight)))
