"""Lines for a terminal: aligned, coloured where somebody looks, times on the reader's own clock."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TextIO

from tailor.kernel.instants import parse_instant

_COLOURS = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34"}


def paint(text: str, colour: str, stream: TextIO | None = None) -> str:
    """``text`` in a colour where ``stream`` (standard output) is a terminal and NO_COLOR is not set."""
    if not (stream or sys.stdout).isatty() or os.environ.get("NO_COLOR"):
        return text
    return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m"


def local(instant: str | None) -> str:
    """An instant of the API on the clock of this machine: ``2026-11-24T07:00:03+01:00``; ``-`` for none."""
    if instant is None:
        return "-"
    moment = datetime.fromtimestamp(parse_instant(instant) // 1000, UTC)
    return moment.astimezone().isoformat(timespec="seconds")


def columns(rows: Iterable[Sequence[Any]], indent: str = "") -> list[str]:
    """Rows of cells as aligned lines; the last cell is not padded."""
    cells = [[_cell(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in cells if i < len(row) - 1) for i in range(max(map(len, cells), default=1) - 1)]
    return [
        (indent + "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]])).rstrip()
        for row in cells
    ]


def section(title: str, rows: Iterable[Sequence[Any]]) -> list[str]:
    """A titled block of :func:`columns`; nothing at all without rows."""
    lines = columns(rows, "  ")
    return ["", paint(title, "bold"), *lines] if lines else []


def about(counted: Mapping[str, Any]) -> str:
    """How many people, with the margin where it is a sample that tells: ``1,200``, ``about 1,200 (1,100 to 1,300)``."""
    if counted["low"] == counted["high"]:
        return f"{counted['people']:,}"
    return f"about {counted['people']:,} ({counted['low']:,} to {counted['high']:,})"


def brief(value: Mapping[str, Any], room: int = 90) -> str:
    """An object on one line, cut to ``room`` characters."""
    line = ", ".join(f"{name}={_cell(inner)}" for name, inner in value.items())
    return line if len(line) <= room else line[: room - 1] + "…"


def _cell(value: Any) -> str:
    match value:
        case None | "":
            return "-"
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(_cell(item) for item in value) or "-"
        case dict():
            return "{" + ", ".join(f"{name}: {_cell(inner)}" for name, inner in value.items()) + "}"
        case _:
            return " ".join(str(value).split())
