"""What agreement and disagreement are worth: Fellegi-Sunter weights, estimated without labels.

A pair is of one of three kinds: one person (``same``), two of one household (``house``), or strangers. For each kind
the model holds how often every level of every field comes, and the weight of a pair is the log odds of ``same`` against
the other two:

    weight = ln P(same) P(levels | same) - ln (P(house) P(levels | house) + P(strange) P(levels | strange))

(Fellegi & Sunter 1969, with Winkler's adjustment for the frequency of values.) ``strange`` is measured on random pairs.
``same`` and ``house`` come from expectation maximisation within blocks, each leaving out the fields that its block
holds equal, and under Dirichlet priors, so that few or odd data move the shipped figures little.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import JaroWinkler

from tailor.rules.matching.blocking import BIT, Candidates
from tailor.rules.matching.compare import CHUNK, FIELDS, LEVELS, ROW, Levels, compare, first_name
from tailor.rules.matching.table import Codes, Table

Floats = npt.NDArray[np.float64]
Shares = dict[str, Floats]
"""For each field the probabilities of levels 1, 2, … of one kind of pair."""


def _shares(text: str) -> Shares:
    rows = (line.split() for line in text.strip().splitlines())
    return {row[0]: np.array([float(share) for share in row[1:]]) for row in rows}


SAME = _shares("""
first      .70 .12 .09 .04 .05
last       .76 .05 .09 .03 .07
middle     .55 .37 .08
suffix     .45 .54 .01
birth      .84 .06 .03 .03 .04
gender     .98 .02
email      .62 .06 .04 .04 .04 .20
phone      .66 .05 .29
address    .40 .14 .08 .08 .06 .06 .18
national   .94 .05 .01
occupation .75 .25
""")
"""Levels of one person's records where nothing has been learned yet."""

HOUSE = _shares("""
first      .012 .006 .004 .02 .958
last       .78 .05 .02 .02 .13
middle     .03 .09 .88
suffix     .05 .75 .20
birth      .015 .003 .004 .04 .938
gender     .45 .55
email      .04 .005 .004 .006 .015 .93
phone      .30 .01 .69
address    .66 .10 .06 .06 .03 .03 .06
national   .001 .001 .998
occupation .15 .85
""")
"""Levels of two people of one household."""

STRANGE = _shares("""
first      2e-3 3e-3 1e-3 2e-2 .974
last       1e-3 5e-4 1e-3 1e-2 .9875
middle     2e-2 7e-2 .91
suffix     .10 .87 .03
birth      5e-5 7e-4 2.5e-3 2e-2 .97675
gender     .5 .5
email      1e-6 1e-6 2e-6 3e-5 5e-4 .999466
phone      1e-6 1e-6 .999998
address    1e-6 2e-5 2e-5 2e-4 1e-3 1e-2 .988759
national   1e-7 1e-6 .9999989
occupation 1e-2 .99
""")
"""Levels of two strangers."""

_LEAST = _shares("""
first      1e-4 1e-4 1e-4 1e-4 1e-6
last       3e-5 3e-5 3e-5 3e-5 1e-6
middle     2e-3 1e-2 1e-6
suffix     .05 .5 .02
birth      4.6e-5 6e-4 2e-3 1e-6 1e-6
gender     .3 .3
email      1e-9 1e-6 1e-6 1e-5 1e-5 1e-6
phone      1e-9 1e-7 1e-6
address    1e-7 1e-7 1e-6 1e-6 1e-6 1e-4 1e-6
national   1e-9 1e-7 1e-6
occupation 1e-3 1e-6
""")
"""However rare a level is among the strangers of one file, it is not rarer in the world."""

_LIFE = ("first", "birth", "middle", "national", "suffix")
"""Fields in which relatives differ as everywhere; not learned for ``house``."""

_DIFFER = {"first": 0.25, "last": 0.30, "birth": 0.40, "email": 0.60, "phone": 0.60, "address": 0.60, "national": 0.30}
_DIFFER |= {"middle": 0.30, "gender": 0.15}
"""At most this share of one person's records differs; beyond it the estimate has swapped the kinds."""

_BLOCKS = (
    ("email", ("email",)),
    ("phone", ("phone",)),
    ("national id", ("national",)),
    ("names", ("first", "last")),
    ("birth date, last name", ("birth", "last")),
    ("birth date, first name", ("birth", "first")),
    ("postcode, last name", ("address", "last")),
    ("street, first name", ("address", "first")),
)
"""Passes to learn from, and the fields each holds equal."""

_OWNERS = {"email": (0.93, 0.04, 0.03), "phone": (0.82, 0.11, 0.07), "national": (0.98, 0.003, 0.017)}
"""Among pairs with an equal identifier: one person, one household, strangers (mistyped, recycled, made up)."""
_OWNERS_LEAST = {"email": (0.004, 0.008), "phone": (0.02, 0.03), "national": (0.0005, 0.004)}
"""At least this share of them is a household, strangers."""

_RARE = {"first": 1e-4, "last": 3e-5, "birth": 4.6e-5, "occupation": 1e-3, "postcode": 1e-5, "city": 1e-4}
"""Columns whose common values tell less; no value is taken to be rarer than this share of all."""
_LOCAL = {5: "postcode", 6: "city"}
"""Levels of the address that rest on one column."""

_SHARED = {"email": ("email", "first", 1), "phone": ("phone", "first", 1), "address": ("dwelling", "last", 2)}
"""What several may use: its column, the names that tell them apart, and how many are nothing unusual."""

_PRIOR = 60.0
"""Pairs that the shipped shares count for."""
_SAMPLE = 25_000
"""Pairs of each block that are learned from."""
_RANDOM_PAIRS = 200_000
_SHIPPED = 20_000.0
"""Pairs of strangers that the shipped shares count for: those of a file of 200 records."""
_WORLD = 1_000
"""A file tells as much about how many pairs are one person's as a file of this many records is taken to tell."""


@dataclass(slots=True)
class Model:
    """Shares of levels for each kind of pair, in logs with 0.0 for level 0, and what is known about single values.

    ``same``, ``house``: probabilities that a random pair is of that kind. ``rarity``: for a column, what to add to the
    log share of strangers where both hold this value; ``rarest`` for values not listed. ``sharers``: of an e-mail
    address or phone, how many unlike given names have come with it, and of a dwelling how many unlike surnames, where
    more than one person, or family, has.
    """

    same: float
    house: float
    log_same: Shares
    log_house: Shares
    log_strange: Shares
    rarity: dict[str, dict[str, float]] = field(default_factory=dict)
    rarest: dict[str, float] = field(default_factory=dict)
    sharers: dict[str, dict[str, float]] = field(default_factory=dict)

    @property
    def prior(self) -> float:
        """Log odds that a random pair is one person's."""
        return math.log(self.same / (1 - self.same))

    def evidence(self, name: str) -> Floats:
        """Weight of each level of a field, against strangers and by common values."""
        return self.log_same[name] - self.log_strange[name]

    def dump(self, most: int = 20_000) -> dict[str, Any]:
        """As JSON, with the ``most`` frequent values of each column."""

        def plain(shares: Shares) -> dict[str, list[float]]:
            return {name: [round(float(share), 5) for share in row] for name, row in shares.items()}

        def top(values: dict[str, float]) -> dict[str, float]:
            return dict(sorted(values.items(), key=lambda item: (-abs(item[1]), item[0]))[:most])

        return {
            "same": self.same,
            "house": self.house,
            "log_same": plain(self.log_same),
            "log_house": plain(self.log_house),
            "log_strange": plain(self.log_strange),
            "rarity": {name: top(values) for name, values in self.rarity.items()},
            "rarest": self.rarest,
            "sharers": {name: top(values) for name, values in self.sharers.items()},
        }

    @classmethod
    def load(cls, dumped: Mapping[str, Any]) -> Self:
        """The inverse of :meth:`dump`."""

        def arrays(shares: Mapping[str, list[float]]) -> Shares:
            return {name: np.array(row) for name, row in shares.items()}

        return cls(
            dumped["same"],
            dumped["house"],
            arrays(dumped["log_same"]),
            arrays(dumped["log_house"]),
            arrays(dumped["log_strange"]),
            dumped["rarity"],
            dumped["rarest"],
            dumped["sharers"],
        )


def weigh(model: Model, table: Table, levels: Levels, one: Codes, other: Codes) -> Floats:
    """Log odds that each pair is one person's."""
    return _contrast(model, table, levels, one, other, 0.0)


def lean(model: Model, table: Table, levels: Levels, one: Codes, other: Codes) -> Floats:
    """Log odds for pairs that something else has already brought together: strangers are as likely as one person."""
    return _contrast(model, table, levels, one, other, model.prior)


def odds(
    model: Model, table: Table, levels: Levels, one: Codes, other: Codes, fields: Sequence[str] = FIELDS
) -> Floats:
    """What each of ``fields`` adds (row) for each pair (column), against strangers; the reasons shown to people."""
    parts = np.stack([model.evidence(name)[levels[ROW[name]]] for name in fields])
    place = {ROW[name]: row for row, name in enumerate(fields)}
    for value in _values(model, table):
        if value.row in place:
            chosen, adds = value.of(levels, one, other)
            parts[place[value.row], chosen] -= adds
    return parts


def _contrast(model: Model, table: Table, levels: Levels, one: Codes, other: Codes, allowance: float) -> Floats:
    """Log odds of one person against the rest, with ``allowance`` added to the log likelihood of strangers."""
    weights = np.empty(len(one))
    for part, (same, house, strange) in _log_likelihoods(model, table, levels, one, other):
        weights[part] = same - np.logaddexp(house, strange + allowance)
    return weights


def _log_likelihoods(
    model: Model, table: Table, levels: Levels, one: Codes, other: Codes
) -> Iterator[tuple[slice, tuple[Floats, Floats, Floats]]]:
    """(pairs, their log likelihoods as one person's, one household's, strangers'), :data:`CHUNK` pairs at a time."""
    values = _values(model, table)
    for start in range(0, len(one), CHUNK):
        part = slice(start, start + CHUNK)
        seen = levels[:, part]
        same, house = np.full(seen.shape[1], math.log(model.same)), np.full(seen.shape[1], math.log(model.house))
        strange = np.full(seen.shape[1], math.log(1 - model.same - model.house))
        for name in FIELDS:
            level = seen[ROW[name]]
            same += model.log_same[name][level]
            house += model.log_house[name][level]
            strange += model.log_strange[name][level]
        for value in values:
            chosen, adds = value.of(seen, one[part], other[part])
            if value.strangers:
                strange[chosen] += adds
            else:
                same[chosen] -= adds
        yield part, (same, house, strange)


@dataclass(frozen=True, slots=True)
class _Values:
    """Pairs that hold the same value of a column and are at ``level`` of the field in ``row``.

    What ``adds`` has for the value is added to their log share of strangers, or taken from that of one person.
    """

    row: int
    level: int
    codes: Codes
    adds: Floats
    strangers: bool

    def of(self, levels: Levels, one: Codes, other: Codes) -> tuple[npt.NDArray[np.int64], Floats]:
        """(places of the pairs concerned, what is to be added for each)."""
        mine = self.codes[one]
        chosen = np.flatnonzero((levels[self.row] == self.level) & (mine == self.codes[other]))
        return chosen, self.adds[mine[chosen]]


def _values(model: Model, table: Table) -> list[_Values]:
    """What is known of single values, by the codes of this table."""
    found = []
    local = {place: level for level, place in _LOCAL.items()}
    for name, rarity in model.rarity.items():
        column, rarest = table.columns[name], model.rarest[name]
        adds = np.array([rarity.get(value, rarest) for value in column.values])
        row = ROW["address" if name in local else name]
        found.append(_Values(row, local.get(name, 1), column.codes, adds, strangers=True))
    for name, sharers in model.sharers.items():
        if sharers:
            column = table.columns[_SHARED[name][0]]
            adds = 1.5 * np.log(np.array([sharers.get(value, 1.0) for value in column.values]))
            found.append(_Values(ROW[name], 1, column.codes, adds, strangers=False))
    return found


# ---- estimation


def standard() -> Model:
    """The shipped model, for a person who arrives where no night has yet estimated one."""
    same = 0.3 / _WORLD
    blocks = dict.fromkeys(("email", "phone", "national id"), (np.zeros(3), 0))
    return _model(SAME, HOUSE, STRANGE, same, 0.5 * same, blocks)


def estimate(table: Table, pairs: Candidates, levels: Levels, *, rounds: int = 3, stride: int = 1) -> Model:
    """A model of this table; the fewer its records, the more it is the :func:`standard` one.

    ``stride``: of so many pairs that there are, one is given.
    """
    count = len(table)
    total = max(count * (count - 1) / 2, 1.0)
    world = _WORLD * (_WORLD - 1) / 2
    measured = _random_shares(table)
    same, house = SAME, HOUSE
    share = (0.15 * _WORLD + 0.3 * count) / (world + total)
    share_house = 0.3 * share
    model = standard()
    for _ in range(rounds):
        strange = {
            name: _at_least((measured[name] - share * same[name] - share_house * house[name]), _LEAST[name])
            for name in FIELDS
        }
        same, house, blocks = _learn(pairs, levels, same, house, strange)
        model = _model(same, house, strange, share, share_house, blocks)
        model.rarity, model.rarest = _frequencies(table, model)
        one_person, one_house = (stride * expected for expected in _expected(model, table, levels, pairs))
        share = (0.15 * _WORLD + one_person) / (world + total)
        share_house = (0.02 * count + 0.075 * _WORLD + one_house) / (world + total)
    model = _model(same, house, strange, share, share_house, blocks)
    model.rarity, model.rarest = _frequencies(table, model)
    model.sharers = {name: _sharers(table, *columns) for name, columns in _SHARED.items()}
    return model


def _expected(model: Model, table: Table, levels: Levels, pairs: Candidates) -> tuple[float, float]:
    """How many of the pairs are one person's and one household's, by this model."""
    found = np.zeros(2)
    for _, likelihoods in _log_likelihoods(model, table, levels, pairs.one, pairs.other):
        kinds = np.stack(likelihoods)
        kinds = np.exp(kinds - kinds.max(0))
        found += (kinds[:2] / kinds.sum(0)).sum(1)
    return float(found[0]), float(found[1])


def _at_least(shares: Floats, least: Floats) -> Floats:
    raised = np.maximum(shares, least)
    scaled: Floats = raised / raised.sum()
    return scaled


def _random_shares(table: Table) -> Shares:
    """Levels of random pairs, nearly all of them strangers; equality exactly, from the counts of values."""
    count = len(table)
    random = np.random.default_rng(11)
    drawn = min(_RANDOM_PAIRS, 4 * count * (count - 1) // 2)
    one, other = (random.integers(0, max(count, 1), drawn).astype(np.int32) for _ in range(2))
    apart = one != other
    levels = compare(table, one[apart], other[apart])
    shares = {}
    for name in FIELDS:
        seen = np.bincount(levels[ROW[name]], minlength=len(LEVELS[name]) + 1)[1:].astype(float)
        # Each record is drawn many times; a small file does not tell as much as the draws suggest.
        seen *= min(1.0, count * (count - 1) / 2 / max(len(levels[0]), 1))
        share = (seen + _SHIPPED * STRANGE[name]) / (seen.sum() + _SHIPPED)
        if name in table.columns:
            counts = table.columns[name].counts[1:].astype(float)
            held = counts.sum()
            if held > 1:
                equal = (counts * (counts - 1)).sum() / (held * (held - 1))
                belief = held * (held - 1) / 2
                equal = (equal * belief + STRANGE[name][0] * _SHIPPED) / (belief + _SHIPPED)
                share[1:] *= (1 - equal) / max(share[1:].sum(), 1e-12)
                share[0] = equal
        shares[name] = share
    shares["suffix"] = STRANGE["suffix"]
    return shares


def _learn(
    pairs: Candidates, levels: Levels, same: Shares, house: Shares, strange: Shares
) -> tuple[Shares, Shares, dict[str, tuple[Floats, int]]]:
    """One round: EM in each block, then the shares of all blocks together. Also, for each block, the shares of the
    three kinds in it and how many pairs they rest on."""
    total_same = {name: _PRIOR * SAME[name] for name in FIELDS}
    total_house = {name: 5 * _PRIOR * HOUSE[name] for name in FIELDS}
    log_strange = _logs(strange)
    blocks = {}
    for block, equal in _BLOCKS:
        chosen = np.flatnonzero(pairs.why & BIT[block])
        if len(chosen) > _SAMPLE:
            chosen = chosen[np.linspace(0, len(chosen) - 1, _SAMPLE).astype(np.int64)]
        names = [name for name in FIELDS if name not in equal]
        telling = [ROW[name] for name in ("first", "last", "birth", "email", "phone") if name in names]
        chosen = chosen[(levels[telling][:, chosen] > 0).any(0)] if len(chosen) else chosen
        if len(chosen) < 30:
            continue
        seen = {name: levels[ROW[name], chosen] for name in names}
        # One field alone cannot tell three kinds from one another.
        if sum((seen[name] > 0).mean() >= 0.2 for name in names if name not in ("gender", "suffix")) < 2:
            continue
        kinds, posterior = _maximise(seen, same, house, log_strange)
        blocks[block] = (kinds, len(chosen))
        for name, level in seen.items():
            total_same[name] = total_same[name] + _counted(level, posterior[0], name)
            total_house[name] = total_house[name] + _counted(level, posterior[1], name)
    learned = {name: _sane(name, shares / shares.sum()) for name, shares in total_same.items()}
    learned["suffix"] = SAME["suffix"]
    learned_house = {
        name: HOUSE[name] if name in _LIFE else shares / shares.sum() for name, shares in total_house.items()
    }
    return learned, learned_house, blocks


def _maximise(
    seen: dict[str, npt.NDArray[np.int8]], same: Shares, house: Shares, log_strange: Shares
) -> tuple[Floats, Floats]:
    """Expectation maximisation: (shares of the three kinds, posterior of each pair)."""
    same, house = {name: same[name] for name in seen}, {name: house[name] for name in seen}
    unmoved = sum(log_strange[name][level] for name, level in seen.items())
    kinds = np.array([0.6, 0.1, 0.3])
    for _ in range(20):
        log_same, log_house = _logs(same), _logs(house)
        scores = np.stack(
            [
                sum(log_same[name][level] for name, level in seen.items()),
                sum(log_house[name][level] for name, level in seen.items()),
                unmoved,
            ]
        )
        scores += np.log(kinds)[:, None]
        scores -= scores.max(0)
        posterior = np.exp(scores)
        posterior /= posterior.sum(0)
        before, kinds = kinds, (posterior.sum(1) + np.array([6, 1, 3])) / (posterior.shape[1] + 10)
        for name, level in seen.items():
            shares = _counted(level, posterior[0], name) + _PRIOR * SAME[name]
            same[name] = _sane(name, shares / shares.sum())
            if name not in _LIFE:
                shares = _counted(level, posterior[1], name) + 5 * _PRIOR * HOUSE[name]
                house[name] = shares / shares.sum()
        if np.abs(kinds - before).max() < 1e-4:
            break
    return kinds, posterior


def _counted(level: npt.NDArray[np.int8], weights: Floats, name: str) -> Floats:
    counts: Floats = np.bincount(level, weights=weights, minlength=len(LEVELS[name]) + 1)[1:]
    return counts


def _sane(name: str, shares: Floats) -> Floats:
    most = _DIFFER.get(name, 1.0)
    if shares[-1] > most:
        shares = shares.copy()
        shares[:-1] *= (1 - most) / shares[:-1].sum()
        shares[-1] = most
    return shares


def _logs(shares: Shares) -> Shares:
    return {name: np.concatenate([[0.0], np.log(np.maximum(row, 1e-12))]) for name, row in shares.items()}


def _model(
    same: Shares,
    house: Shares,
    strange: Shares,
    share: float,
    share_house: float,
    blocks: Mapping[str, tuple[Floats, int]],
) -> Model:
    """Logs of all shares; those of equal identifiers follow from who was found to own equal ones."""
    model = Model(share, share_house, _logs(same), _logs(house), _logs(strange))
    log_same, log_house, log_strange = model.log_same, model.log_house, model.log_strange
    for name, shipped in _OWNERS.items():
        found, pairs = blocks.get("national id" if name == "national" else name, (np.zeros(3), 0))
        kinds = (found * pairs + np.array(shipped) * 40) / (pairs + 40)
        kinds[1:] = np.maximum(kinds[1:], _OWNERS_LEAST[name])
        kinds /= kinds.sum()
        log_strange[name][1] = log_same[name][1] + math.log(kinds[2] / kinds[0]) + model.prior
        log_house[name][1] = log_same[name][1] + math.log(kinds[1] / kinds[0]) + math.log(share / share_house)
        # A near miss never outweighs equality.
        log_strange[name][2] = max(
            log_strange[name][2], log_same[name][2] - (log_same[name][1] - log_strange[name][1]) + 1.5
        )
    # A mailbox mostly repeats the name, which has been counted already.
    for level, most in ((3, 6.0), (4, 2.0), (5, 1.5)):
        log_strange["email"][level] = max(log_strange["email"][level], log_same["email"][level] - most)
    return model


def _frequencies(table: Table, model: Model) -> tuple[dict[str, dict[str, float]], dict[str, float]]:
    """(:attr:`Model.rarity`, :attr:`Model.rarest`): the log share of each value against the field's mean."""
    rarity, rarest = {}, {}
    for name, least in _RARE.items():
        column = table.columns[name]
        counts = column.counts[1:].astype(float)
        held = max(counts.sum(), 1.0)
        local = {place: level for level, place in _LOCAL.items()}.get(name)
        mean = model.log_strange["address"][local] if local else model.log_strange[name][1]
        seen = (counts + _WORLD * math.exp(mean)) / (held + _WORLD)
        added = np.clip(np.log(np.maximum(seen, max(least, 1 / held))) - mean, -6, 6)
        rarest[name] = float(added.min()) if len(added) else 0.0
        rarity[name] = {
            value: float(add) for value, add in zip(column.values[1:], added, strict=True) if add > rarest[name]
        }
    return rarity, rarest


def _sharers(table: Table, held: str, told_by: str, usual: int) -> dict[str, float]:
    """Of each value of column ``held``, how many unlike names of ``told_by`` have come with it, ``usual`` ones counted
    as one."""
    column, names = table.columns[held], table.columns[told_by]
    rows = np.flatnonzero((column.counts[column.codes] > usual) & (column.codes > 0))
    rows = rows[np.argsort(column.codes[rows], kind="stable")]
    codes = column.codes[rows]
    cuts = np.flatnonzero(np.r_[True, codes[1:] != codes[:-1], True]) if len(codes) else np.zeros(0, np.int64)
    found = {}
    for start, end in pairwise(cuts.tolist()):
        met = {names.values[code] for code in names.codes[rows[start:end]].tolist() if code}
        sharers = _unlike(sorted(met)) - usual + 1
        if sharers > 1:
            found[column.values[codes[start]]] = float(sharers)
    return found


def _unlike(names: list[str], most: int = 40) -> int:
    kept: list[str] = []
    for name in names:
        if not any(first_name(name, known) in (1, 2) or JaroWinkler.similarity(name, known) >= 0.8 for known in kept):
            kept.append(name)
        if len(kept) >= most:
            break
    return len(kept)
