"""How well clusters agree with who is known to be who."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tailor.rules.matching.engine import resolve
from tailor.rules.matching.normalise import normalise

PEOPLE = Path(__file__).resolve().parents[3] / "shared" / "corpus" / "people"


TARGETS = {
    "cdp_open": (0.94, 0.975),
    "pseudo_open": (0.976, 0.99),
    "febrl_fam_open": (0.981, 0.995),
    "febrl_gen_open": (0.99, 0.998),
    "febrl3": (0.992, 0.998),
    "febrl4": (0.992, 0.998),
    "fake_1000": (0.94, 0.99),
    "hist_open": (0.90, 0.985),
    "rldata500": (0.965, 0.98),
    "ece_org": (0.86, 0.90),
    "edge_cases": (0.93, 0.97),
}
"""Labelled set → the F1 and the precision to be reached, one setting for all."""


@dataclass(frozen=True, slots=True)
class Score:
    """Of the pairs of records put together how many belong together, and the other way round."""

    precision: float
    recall: float

    @property
    def f1(self) -> float:
        """Their harmonic mean."""
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


def score(gold: Mapping[str, str], clusters: Mapping[str, str]) -> Score:
    """Pairwise precision and recall; both map record id → cluster id."""
    right = _pairs((gold[record], cluster) for record, cluster in clusters.items())
    put, true = _pairs(clusters.values()), _pairs(gold.values())
    return Score(right / put if put else 1.0, right / true if true else 1.0)


def score_set(name: str) -> Score:
    """The engine at its defaults on one labelled set of :data:`PEOPLE`."""
    with (PEOPLE / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return score({row["record_id"]: row["cluster_id"] for row in rows}, resolve(map(normalise, rows)).clusters())


def _pairs(labels: Iterable[Hashable]) -> int:
    return sum(size * (size - 1) // 2 for size in Counter(labels).values())
