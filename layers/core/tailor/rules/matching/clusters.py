"""People out of pairs, without chains: A like B and B like C does not make A like C."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from tailor.rules.matching.evidence import Flags
from tailor.rules.matching.table import Codes
from tailor.rules.matching.weights import Floats

Judge = Callable[[Codes, Codes], tuple[Floats, Flags]]
"""Leanings (:func:`~tailor.rules.matching.weights.lean`) and conflicts of pairs of rows that blocking has not met."""

LARGEST = 50
"""Records of one person at most; more is a value that many share, not a person."""
MEAN = 0.0
WHOLE = 120
"""Records that are looked at together; a larger heap is first cut where it hangs together least."""
ENOUGH = 12.0
"""Evidence of one pair counts up to this, so that one equal address cannot outvote many differences."""
LEAST = -6.0
"""No two records of one person differ by more than this."""


def gather(
    count: int,
    one: Codes,
    other: Codes,
    weights: Floats,
    leanings: Floats,
    conflicts: Flags,
    joinable: Flags,
    judge: Judge,
) -> npt.NDArray[np.int64]:
    """For each of ``count`` rows the first row of its cluster.

    Best pairs first, two clusters become one where at least one joinable pair links them, no pair across them is in
    conflict or leans against it by more than :data:`LEAST`, and the mean of all pairs across does not.
    """
    labels = np.arange(count, dtype=np.int64)
    edges = np.flatnonzero(joinable)
    heaps = _heaps(count, one[edges], other[edges], weights[edges])
    members = np.argsort(heaps, kind="stable")
    sizes = np.bincount(heaps, minlength=count)
    starts = np.concatenate([[0], np.cumsum(sizes)])[:-1]
    pairs = edges[np.lexsort((other[edges], one[edges], -weights[edges], heaps[one[edges]]))]
    pairs = pairs[heaps[one[pairs]] == heaps[other[pairs]]]
    simple = sizes[heaps[one[pairs]]] == 2
    labels[other[pairs[simple]]] = one[pairs[simple]]
    pairs = pairs[~simple]
    if not len(pairs):
        return labels
    known = _Known(count, one, other, leanings, conflicts, judge)
    places = heaps[one[pairs]]
    cuts = np.flatnonzero(np.r_[True, places[1:] != places[:-1], True])
    groups = [members[starts[h] : starts[h] + sizes[h]] for h in places[cuts[:-1]].tolist()]
    known.learn(groups)
    for rows, low, high in zip(groups, cuts[:-1].tolist(), cuts[1:].tolist(), strict=True):
        links = pairs[low:high]
        _agglomerate(rows, one[links], other[links], *known.within(rows), labels)
    return labels


def _agglomerate(
    rows: npt.NDArray[np.int64],
    one: Codes,
    other: Codes,
    evidence: Floats,
    conflicts: Flags,
    labels: npt.NDArray[np.int64],
) -> None:
    """Join the records of one heap, best link first; writes their labels."""
    place = {row: k for k, row in enumerate(rows.tolist())}
    cluster = list(range(len(rows)))
    inside = {k: [k] for k in cluster}
    for mine, its in zip(one.tolist(), other.tolist(), strict=True):
        a, b = cluster[place[mine]], cluster[place[its]]
        if a == b or len(inside[a]) + len(inside[b]) > LARGEST:
            continue
        across = np.ix_(inside[a], inside[b])
        between = evidence[across]
        if conflicts[across].any() or between.min() < LEAST or np.clip(between, -ENOUGH, ENOUGH).mean() < MEAN:
            continue
        for k in inside[b]:
            cluster[k] = a
        inside[a] += inside.pop(b)
    for group in inside.values():
        labels[rows[group]] = rows[group].min()


class _Known:
    """Evidence of all pairs met so far, in order."""

    __slots__ = ("conflicts", "count", "evidence", "judge", "keys")

    def __init__(self, count: int, one: Codes, other: Codes, evidence: Floats, conflicts: Flags, judge: Judge) -> None:
        self.count, self.judge = count, judge
        self.keys = one.astype(np.int64) * count + other
        order = np.argsort(self.keys, kind="stable")
        self.keys, self.evidence, self.conflicts = self.keys[order], evidence[order], conflicts[order]

    def learn(self, groups: list[npt.NDArray[np.int64]]) -> None:
        """Judge every pair within a group that has not been met."""
        wanted = [self._keys(rows) for rows in groups]
        keys = np.unique(np.concatenate(wanted))
        keys = keys[~np.isin(keys, self.keys, assume_unique=True)]
        evidence, conflicts = self.judge((keys // self.count).astype(np.int32), (keys % self.count).astype(np.int32))
        order = np.argsort(np.concatenate([self.keys, keys]), kind="stable")
        self.keys = np.concatenate([self.keys, keys])[order]
        self.evidence = np.concatenate([self.evidence, evidence])[order]
        self.conflicts = np.concatenate([self.conflicts, conflicts])[order]

    def within(self, rows: npt.NDArray[np.int64]) -> tuple[Floats, Flags]:
        """Symmetric matrices over the rows of one group, which are in order."""
        size = len(rows)
        left, right = np.triu_indices(size, 1)
        at = np.searchsorted(self.keys, self._keys(rows))
        evidence, conflicts = np.zeros((size, size)), np.zeros((size, size), bool)
        evidence[left, right] = evidence[right, left] = self.evidence[at]
        conflicts[left, right] = conflicts[right, left] = self.conflicts[at]
        return evidence, conflicts

    def _keys(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        left, right = np.triu_indices(len(rows), 1)
        keys: npt.NDArray[np.int64] = rows[left] * self.count + rows[right]
        return keys


def _heaps(count: int, one: Codes, other: Codes, weights: Floats) -> npt.NDArray[np.int64]:
    """Connected components of at most :data:`WHOLE` rows: those that are larger lose their weakest links."""
    heaps = _components(count, one, other)
    while True:
        large = np.flatnonzero(np.bincount(heaps, minlength=count)[heaps[one]] > WHOLE)
        if not len(large):
            return heaps
        # A quarter of its links goes, heap by heap, until it falls apart.
        one, other, weights = one[large], other[large], weights[large]
        order = np.lexsort((other, one, weights, heaps[one]))
        place = heaps[one[order]]
        starts = np.flatnonzero(np.r_[True, place[1:] != place[:-1]])
        lengths = np.diff(np.r_[starts, len(order)])
        rank = np.arange(len(order)) - np.repeat(starts, lengths)
        kept = order[rank >= np.repeat((lengths + 3) // 4, lengths)]
        inside = np.isin(heaps, place)
        one, other, weights = one[kept], other[kept], weights[kept]
        heaps = np.where(inside, _components(count, one, other), heaps)


def _components(count: int, one: Codes, other: Codes) -> npt.NDArray[np.int64]:
    """For each row the least row it is connected with."""
    labels = np.arange(count, dtype=np.int64)
    while len(one):
        mine, its = labels[one], labels[other]
        low = np.minimum(mine, its)
        np.minimum.at(labels, mine, low)
        np.minimum.at(labels, its, low)
        labels = labels[labels]
        labels = labels[labels]
        open_ = labels[one] != labels[other]
        if not open_.any():
            break
    while not np.array_equal(labels, labels[labels]):
        labels = labels[labels]
    return labels
