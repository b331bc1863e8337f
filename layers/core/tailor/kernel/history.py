"""History: what a person's entries of past events look like, and how two of the same name become one."""

from __future__ import annotations

import json
from typing import Any

from tailor.kernel.instants import NEVER

RING = 16
"""Newest timestamps kept per event name unless a rule in force needs more."""
NAMES = 200
"""Distinct event names counted per person; beyond it the one silent for longest is dropped."""

OLDEST = "<"
"""Ends the name of an entry that keeps the oldest timestamp instead of the newest ones."""

History = dict[str, list[Any]]
"""Event name, or ``name?digest`` of a tally → ``[count of all time, [timestamps, newest first]]``.

A tally that notes values has them, in the same order, as a third element; one that ends with :data:`OLDEST` keeps one
timestamp and counts one."""


def merged_entries(one: list[Any], other: list[Any], name: str) -> list[Any]:
    """Two entries of the same name as one, with everything both have kept."""
    if keeps_oldest(name):
        return [1, [min(*one[1], *other[1])]]
    if len(one) < 3:
        return [one[0] + other[0], sorted([*one[1], *other[1]], reverse=True)]
    kept = sorted([*zip(*one[1:], strict=True), *zip(*other[1:], strict=True)], key=newest_first)
    return [one[0] + other[0], [at for at, _ in kept], [value for _, value in kept]]


def keeps_oldest(name: str) -> bool:
    """Whether an entry keeps the oldest timestamp only."""
    return name[-1:] == OLDEST and name[-12:-11] == "?"


def newest_first(noted: tuple[int, Any]) -> tuple[int, str]:
    """Sort key of (instant, value): the same order however they came in."""
    return -noted[0], json.dumps(noted[1], ensure_ascii=False)


def worth(name: str, entry: list[Any]) -> int:
    """By which entries stay where there is room for no more than :data:`NAMES`: the newest occurrence, in ms."""
    # A first occurrence that is forgotten cannot be found again.
    return NEVER if keeps_oldest(name) else int(entry[1][0])
