"""The consent chain: every choice is a row that names the hash of the one before, so that none can be altered or
taken away unseen. The person keeps the hash of the newest.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tailor.kernel.keys import digest


@dataclass(frozen=True, slots=True)
class Break:
    """Where a chain does not hold: ``chain`` whose it is, ``row`` its sort key, ``what`` is wrong with it."""

    chain: str
    row: str
    what: str


def seal(row: Mapping[str, Any]) -> str:
    """The hash of a row: over everything in it but the hash itself."""
    return digest(json.dumps({k: v for k, v in row.items() if k != "hash"}, sort_keys=True, ensure_ascii=False))


def leaf(person: str, head: str) -> str:
    """What stands for the head of one person's chain among those of everybody."""
    return digest(person, head)


def link(before: str, leaves: Iterable[str]) -> str:
    """The hash of a page of leaves that follows the page with the hash ``before``."""
    return digest(before, *leaves)


def verify(chain: str, rows: Iterable[tuple[str, Mapping[str, Any]]], head: str) -> list[Break]:
    """Every place where a chain is broken, in its order; an empty list proves it whole.

    Parameters
    ----------
    chain : the id of the person whose it is.
    rows : (sort key, row) in the order of the sort keys.
    head : hash of the newest row as the person keeps it, ``""`` for none.
    """
    found = []
    before, last = "", ""
    for key, row in rows:
        if row["before"] != before:
            where = f"after {last}" if last else "at the beginning"
            found.append(Break(chain, key, f"a row is missing {where}, or does not belong here"))
        if row["hash"] != seal(row):
            found.append(Break(chain, key, "the row was altered"))
        before, last = row["hash"], key
    if before != head:
        found.append(Break(chain, last, f"rows are missing {f'after {last}' if last else 'from the beginning'}"))
    return found
