"""``tailor dedup FILE.csv --out CLUSTERS.csv``: which records of a file are one person's, without a cloud; and
``tailor dedup --now``: the same among the people of a deployment, which joins them.

The file needs a ``record_id`` and some of the columns of :data:`tailor.rules.matching.normalise.COLUMNS`, in whatever
case and punctuation (``First Name``, ``E-Mail``); others are ignored, and ``--map`` renames. Cells are parted by
commas, semicolons, tabs or bars. ``CLUSTERS.csv`` has ``record_id,cluster_id``, one line a record. ``--pairs`` writes
each pair that was joined, or that a person should look at, with its weight and the reasons field by field.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tailor.cli import duplicates
from tailor.cli.text import columns
from tailor.kernel.fields import nearest
from tailor.rules.matching.normalise import COLUMNS, Record, normalise

if TYPE_CHECKING:
    from tailor.cli.client import Client
    from tailor.rules.matching.engine import Match, Resolution

TOLD = 2.0
"""Seconds after which progress is told where nobody looks at a terminal."""
PAGE = 20_000
"""Records after which it is told how many have been read."""


class Unusable(Exception):
    """A file that cannot be read as records, or a mapping that does not fit it; says where and how to mend it."""


def add_parser(
    commands: Any,
    common: argparse.ArgumentParser,
    reading: argparse.ArgumentParser,
    client: Callable[[argparse.Namespace], Client],
) -> None:
    """Add the command to an ``argparse`` collection of commands; ``common`` has the options that name a deployment,
    ``client`` reaches the one that is meant."""
    text = "Find the records of a CSV file, or the people of a deployment, that are one person"
    parser = commands.add_parser("dedup", help=text, description=text, parents=[common, reading])
    parser.add_argument("file", type=Path, nargs="?", metavar="FILE", help="CSV with a header; UTF-8")
    parser.add_argument("--out", type=Path, metavar="CLUSTERS", help="write record_id,cluster_id here")
    parser.add_argument("--pairs", type=Path, metavar="PAIRS", help="write pairs here, with weights and reasons")
    parser.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="OURS=THEIRS",
        help=f"their column for one of ours: {', '.join(COLUMNS)}; may be repeated",
    )
    parser.add_argument("--now", action="store_true", help="join the people of a deployment now, and not tonight")
    parser.add_argument("--quiet", action="store_true", help="say nothing of the progress")
    parser.set_defaults(run=lambda arguments: run(arguments, client))


def run(arguments: argparse.Namespace, client: Callable[[argparse.Namespace], Client]) -> int:
    """Run the command; answers the exit status."""
    if arguments.now == bool(arguments.file) or (arguments.file and not arguments.out):
        print("tailor: give FILE and --out CLUSTERS for a file, or --now for a deployment", file=sys.stderr)
        return 2
    if not arguments.now:
        return main(arguments)
    report = duplicates.run_now(client(arguments), quiet=arguments.quiet)
    print(json.dumps(report, indent=2) if arguments.json else "\n".join(duplicates.report(report)))
    return 0 if report["state"] == "finished" else 1


def main(arguments: argparse.Namespace) -> int:
    """Read the file and write who is who; answers the exit status."""
    # numpy takes a tenth of a second to load, and no other command needs it.
    from tailor.rules.matching.compare import FIELDS
    from tailor.rules.matching.engine import resolve

    begun = time.monotonic()
    try:
        _writable(arguments.out, arguments.pairs)
        tell = _Teller(quiet=arguments.quiet)
        found = resolve(_records(arguments.file, mapping(arguments.map), tell), progress=tell)
        tell("writing")
        clusters = found.clusters()
        _write(arguments.out, ("record_id", "cluster_id"), clusters.items())
        counts = {"join": 0, "review": 0}
        if arguments.pairs:
            _write(arguments.pairs, (*PAIR_COLUMNS, *FIELDS), _pair_lines(found, FIELDS, counts))
        tell.done()
    except Unusable as error:
        print(f"tailor: {error}", file=sys.stderr)
        return 1
    print("\n".join(_summary(found, clusters, counts if arguments.pairs else None, time.monotonic() - begun)))
    return 0


def mapping(given: Sequence[str]) -> dict[str, str]:
    """``["dob=Born"]`` → ``{"dob": "Born"}``.

    Raises
    ------
    Unusable : no ``=``, or not one of our columns.
    """
    theirs = {}
    for one in given:
        ours, equals, their = one.partition("=")
        if not equals or not their:
            raise Unusable(f"--map {one!r}: write it as OURS=THEIRS, such as dob=birthday")
        if ours not in COLUMNS:
            hint = nearest(ours, COLUMNS) or f", which are {', '.join(COLUMNS)}"
            raise Unusable(f"--map {one!r}: {ours!r} is not one of our columns{hint}")
        theirs[ours] = their
    return theirs


def _records(path: Path, theirs: dict[str, str], tell: Callable[[str], None]) -> Iterator[Record]:
    """Normalised records of a file."""
    seen: set[str] = set()
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            header = file.readline()
            if not header.strip():
                raise Unusable(f"{path} is empty: its first line must name the columns")
            reader = csv.DictReader(chain([header], file), delimiter=_delimiter(header), strict=True)
            named = _named(path, reader.fieldnames or [], theirs)
            for row in _rows(path, reader):
                raw = {ours: row[their] for ours, their in named.items()}
                identity = (raw["record_id"] or "").strip()
                if None in row:
                    detail = "more cells than the header has columns; put cells that hold the delimiter in quotes"
                    raise Unusable(f"{path}, line {reader.line_num}: {detail}")
                if not identity:
                    raise Unusable(f"{path}, line {reader.line_num}: there is no {named['record_id']}")
                if identity in seen:
                    detail = "ids must be unique; --map record_id=COLUMN takes another column"
                    raise Unusable(f"{path}, line {reader.line_num}: {identity!r} comes a second time; {detail}")
                seen.add(identity)
                if len(seen) % PAGE == 0:
                    tell(f"reading: {len(seen):,} records")
                yield normalise(raw | {"record_id": identity})
    except UnicodeDecodeError as error:
        wide = error.object[error.start : error.start + 2] in (b"\xff\xfe", b"\xfe\xff")
        charset = "UTF-16" if wide else "WINDOWS-1252"
        detail = f"convert it, such as by: iconv -f {charset} -t UTF-8 {path.name}"
        raise Unusable(f"{path} is not UTF-8 (byte {error.start}): {detail}") from None
    except OSError as error:
        raise Unusable(f"{path}: {error.strerror}") from None


def _rows(path: Path, reader: csv.DictReader[str]) -> Iterator[dict[str, str]]:
    try:
        yield from reader
    except csv.Error as error:
        # A cell without an end swallows the rest of the file, and is found where that ends or grows too large.
        detail = f"{error}; a cell that begins with a quote must end with one"
        raise Unusable(f"{path}, line {reader.line_num}: {detail}") from None


def _delimiter(header: str) -> str:
    """The character that parts the header into most columns."""
    return max(",;\t|", key=header.count)


def _plain(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())


def _named(path: Path, header: Sequence[str], theirs: dict[str, str]) -> dict[str, str]:
    """Our columns and what they are called in the file."""
    if missing := [their for their in theirs.values() if their not in header]:
        hint = nearest(missing[0], header) or f"; it has {', '.join(header)}"
        raise Unusable(f"{path} has no column {missing[0]!r}{hint}")
    alike: dict[str, list[str]] = {}
    for name in header:
        alike.setdefault(_plain(name), []).append(name)
    named = {}
    for ours in COLUMNS:
        found = [theirs[ours]] if ours in theirs else alike.get(_plain(ours), [])
        if len(found) > 1:
            raise Unusable(
                f"{path} has {len(found)} columns {ours!r}: choose one by --map {ours}=COLUMN, or rename one"
            )
        if found:
            named[ours] = found[0]
    if "record_id" not in named:
        detail = "name the one that has the ids, such as --map record_id=id"
        raise Unusable(f"{path} has no column 'record_id': {detail}; it has {', '.join(header)}")
    if len(named) == 1:
        raise Unusable(
            f"{path} has nothing to compare: name its columns, such as --map first_name=Vorname; "
            f"ours are {', '.join(COLUMNS)}; it has {', '.join(header)}"
        )
    return named


PAIR_COLUMNS = ("record_id_1", "record_id_2", "band", "probability", "weight")
"""What the pairs file has before one column for each field."""


def _pair_lines(found: Resolution, fields: Sequence[str], counts: dict[str, int]) -> Iterator[tuple[str, ...]]:
    """Lines of the pairs file; counts them by band."""
    for match in found.matches():
        counts[match.band] += 1
        yield _pair_line(match, fields)


def _pair_line(match: Match, fields: Sequence[str]) -> tuple[str, ...]:
    reasons = {reason.field: f"{reason.level} ({reason.weight:+.1f})" for reason in match.reasons}
    figures = (f"{match.probability:.4f}", f"{match.weight:.2f}")
    return (match.one, match.other, match.band, *figures, *(reasons.get(field, "") for field in fields))


def _writable(*paths: Path | None) -> None:
    """Better to fail before the work than after it."""
    for path in paths:
        if path and not path.parent.is_dir():
            raise Unusable(f"{path} cannot be written: there is no folder {path.parent}")


def _write(path: Path, header: Sequence[str], lines: Iterable[Sequence[str]]) -> None:
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(header)
            writer.writerows(lines)
    except OSError as error:
        raise Unusable(f"{path} cannot be written: {error.strerror}") from None


def _summary(
    found: Resolution, clusters: dict[str, str], counts: dict[str, int] | None, seconds: float
) -> Iterator[str]:
    people = len(set(clusters.values()))
    rows: list[tuple[str, Any]] = [
        ("Records", f"{len(clusters):,}"),
        ("People", f"{people:,} ({len(clusters) - people:,} records fewer)"),
        ("Compared", f"{len(found.pairs):,} pairs"),
    ]
    if counts:
        rows += [("Joined", f"{counts['join']:,} pairs"), ("To review", f"{counts['review']:,} pairs")]
    yield from columns([*rows, ("Took", f"{seconds:.1f} s")])


class _Teller:
    """Says on standard error what is being done: at once on a terminal, else once it has taken a while."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet, self._begun, self._terminal = quiet, time.monotonic(), sys.stderr.isatty()

    def __call__(self, step: str) -> None:
        if self._quiet:
            return
        elapsed = time.monotonic() - self._begun
        if self._terminal:
            print(f"\r\x1b[K{step} … ({elapsed:.0f} s)", end="", file=sys.stderr, flush=True)
        elif elapsed >= TOLD:
            print(f"{step} … ({elapsed:.0f} s)", file=sys.stderr, flush=True)

    def done(self) -> None:
        """Leave a clean line."""
        if self._terminal and not self._quiet:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
