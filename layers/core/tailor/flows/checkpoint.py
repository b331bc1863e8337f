"""Checkpoint: how far a worker is, as one row of the ledger that only whoever has read its latest version may write.

A flow keeps a dataclass with a ``version``, 0 where there is no row yet. Its name is a key of the row and not written
within; the field that holds it is ``called``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Protocol

from tailor.kernel.errors import Stale


class Keeper(Protocol):
    """Where rows are kept: the store."""

    def keep_job(
        self, name: str, document: Mapping[str, Any], *, was: int, kind: str = ..., until: int | None = ...
    ) -> None:
        """Write one where its version is ``was``, to be kept ``until``."""


def keep(row: Any, store: Keeper, *, kind: str, called: str = "", name: str = "") -> bool:
    """Write a row and move its version on; false where somebody else has written it. ``name`` is that of a row that is
    the only one of its kind, and has no field for it."""
    try:
        store.keep_job(name or getattr(row, called), document(row, called), was=row.version, kind=kind)
    except Stale:
        return False
    row.version += 1
    return True


def document(row: Any, called: str = "") -> dict[str, Any]:
    """What is written of a row."""
    return {field: value for field, value in asdict(row).items() if field not in ("version", called)}
