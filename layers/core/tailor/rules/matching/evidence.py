"""What may be joined without asking: independent evidence, and conflicts that forbid it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tailor.rules.matching.compare import ROW, Levels
from tailor.rules.matching.weights import Floats, Model

TELLING = 1.0
"""Log odds that a place or an occupation must add to count as evidence of its own."""
RELATIVES = 1.5
"""Log odds above the threshold that outweigh different given names."""
HOUSEHOLD = 1.0
"""Log odds above the threshold that a surname and an address must bring where a given name is lacking."""
ALONE = 2.8
"""Log odds above the threshold that one kind of evidence must bring: a name that nobody else has."""

Flags = npt.NDArray[np.bool_]


def independent(levels: Levels, place: Floats, occupation: Floats) -> npt.NDArray[np.int8]:
    """How many independent kinds of evidence agree: name, middle name, birth date, e-mail, phone, national id, place,
    occupation.

    First and last name are one kind, and so are all parts of an address. ``place``, ``occupation``: what these add,
    for a city where everybody lives is no evidence. 0 where nothing that is a person's own agrees.
    """
    first, last = _between(levels, "first", 1, 3), _between(levels, "last", 1, 3)
    birth, email = _between(levels, "birth", 1, 2), _between(levels, "email", 1, 3)
    phone, national = levels[ROW["phone"]] == 1, levels[ROW["national"]] == 1
    kinds = (first | last).astype(np.int8) + birth + email + phone + national
    kinds = kinds + _between(levels, "middle", 1, 2) + (place >= TELLING) + (occupation >= TELLING)
    own = first | birth | email | phone | national | (last & (levels[ROW["first"]] == 0))
    answer: npt.NDArray[np.int8] = np.where(own, kinds, 0).astype(np.int8)
    return answer


def conflict(levels: Levels, model: Model) -> Flags:
    """Pairs no two of which may ever stand in one person: different national ids, junior and senior."""
    conflicting: Flags = levels[ROW["suffix"]] == 3
    if model.log_same["national"][3] < np.log(0.1):
        conflicting = conflicting | (levels[ROW["national"]] == 3)
    return conflicting


def doubtful(levels: Levels, weights: Floats, lacking: Flags, *, threshold: float) -> Flags:
    """Pairs that a person has to look at, unless far more agrees than between relatives.

    Given names that really differ: couples with one mailbox, twins, a phone that has a new owner. No given names at
    two addresses: nothing tells relatives, or branches of an organisation, apart. A given name on one side only
    (``lacking``) and nothing but surname and address: anybody of that household. A junior on one side only: he has his
    father's name and address.
    """
    differ, unnamed = levels[ROW["first"]] == 5, levels[ROW["first"]] == 0
    email = levels[ROW["email"]] == 1
    couple = differ & email & (levels[ROW["birth"]] >= 4)
    opposite = differ & (levels[ROW["gender"]] == 2)
    relatives = differ & ~email & (levels[ROW["national"]] != 1) & (weights < threshold + RELATIVES)
    branches = (
        unnamed & ~email & (levels[ROW["last"]] > 0) & (levels[ROW["birth"]] == 0) & (levels[ROW["address"]] >= 3)
    )
    identified = email | (levels[ROW["phone"]] == 1) | (levels[ROW["birth"]] == 1) | (levels[ROW["national"]] == 1)
    anybody = lacking & ~identified & (weights < threshold + HOUSEHOLD)
    namesake = (levels[ROW["suffix"]] == 2) & ~identified
    doubts: Flags = couple | opposite | relatives | branches | anybody | namesake
    return doubts


def joinable(
    levels: Levels,
    weights: Floats,
    model: Model,
    *,
    place: Floats,
    occupation: Floats,
    lacking: Flags,
    threshold: float,
) -> Flags:
    """Pairs that may be joined by themselves: likely enough, by two kinds of evidence or an equal identifier, or by one
    that leaves next to no doubt. ``lacking``: just one of the two has a given name."""
    identified = (levels[ROW["email"]] == 1) | (levels[ROW["national"]] == 1) | (levels[ROW["phone"]] == 1)
    enough = (independent(levels, place, occupation) >= 2) | identified | (weights >= threshold + ALONE)
    plain = ~conflict(levels, model) & ~doubtful(levels, weights, lacking, threshold=threshold)
    chosen: Flags = (weights >= threshold) & enough & plain
    return chosen


def _between(levels: Levels, field: str, low: int, high: int) -> Flags:
    level = levels[ROW[field]]
    within: Flags = (level >= low) & (level <= high)
    return within
