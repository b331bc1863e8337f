"""Comb: files, once the tables are empty of those who were erased, for what still names them.

A file cannot be asked for a person, so it is read from end to end; one pass over both buckets does it for everybody who
waits. It is one row, ``K#combing``, that holds ids, hashes and counts: what was found in an object is written down
before the object is changed, and where the pass is after it, so a worker may be killed between any two calls. Every
minute the import function looks whether there is something to do.

============  ==============================================================================================
``claims/``   events that were too large for a queue, under way: theirs are taken out
``rejected/`` refused rows of imports: theirs are taken out
``uploads/``  files whose import is at its end, or never came: deleted if they name somebody, or cannot be searched
``drop/``     likewise; those that no feed is for only if they name somebody
============  ==============================================================================================

Nobody's files are combed while an import is open that is older than the end of their rows: it may yet refuse some.
"""

from __future__ import annotations

import csv
import io
import json
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import zip_longest
from typing import Any

from tailor.edges.bucket import Bucket, Found
from tailor.edges.claims import Claims
from tailor.edges.store import Store
from tailor.flows import load
from tailor.flows.checkpoint import keep
from tailor.flows.erase import Erasure, erasures, finish, traces_of
from tailor.kernel.instants import MINUTE
from tailor.rules.traces import Traces

KIND, NAME = "combing", "files"
"""The row of the pass that is under way."""
LEASE = 15 * MINUTE
"""Longer than any worker lives: two that comb one file would bring back what the other took out."""
MOST_BYTES = 64 * 1024 * 1024
"""A larger file is not searched: refused rows beyond are more than anybody mends by hand."""
READ_BYTES = 4 * 1024 * 1024
"""What is searched while somebody waits for their data; files beyond are named."""
GZIP, PARQUET = b"\x1f\x8b", b"PAR1"
"""How files of these kinds begin."""

Named = dict[str, dict[str, int]]
"""Id of an erasure → ``events``, ``rows``, ``files`` → how many."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What combing needs of the world."""

    store: Store
    imports: Bucket
    claims: Claims


@dataclass(slots=True)
class Combing:
    """One pass.

    Attributes
    ----------
    people : ids of the erasures it is for.
    place : the object it did last; they come in the order of their keys.
    lease : until when a worker has it.
    found : object → what of whom was in it.
    """

    version: int = 0
    people: list[str] = field(default_factory=list)
    place: str = ""
    lease: int = 0
    found: dict[str, Named] = field(default_factory=dict)


def due(store: Store, *, now: int) -> bool:
    """Whether there are files to comb, and nobody is at it."""
    run = _read(store)
    return run.lease <= now if run else bool(_settled(store))


def comb(desk: Desk, *, clock: Callable[[], int], enough: Callable[[], bool]) -> list[str]:
    """Go on with the pass, or begin one, until its end or until ``enough`` answers true between two objects.

    Returns
    -------
    Ids of the people whose erasure is finished by it; none where another worker has it, or nobody waits.
    """
    run = _take(desk.store, clock())
    if run is None:
        return []
    waiting = [request for request in erasures(desk.store) if request.person in run.people]
    for key, search in _objects(desk, traces_of(waiting)):
        if key <= run.place:
            continue
        if enough():
            _keep(replace(run, lease=0), desk.store)
            return []
        found, take_out = search()
        if found:
            # Before it is changed: who comes after a stop finds nothing more in it.
            run.found.setdefault(key, found)
            if not _keep(run, desk.store):
                return []
            take_out()
        run.place = key
    for request in waiting:
        finish(request, _combed(run, request.person), desk.store, now=clock())
    desk.store.drop([(f"K#{KIND}", NAME)])
    return [request.person for request in waiting]


def _combed(run: Combing, person: str) -> dict[str, int]:
    total: Counter[str] = Counter()
    for found in run.found.values():
        total.update(found.get(person, {}))
    return dict(total)


def named(traces: Traces, store: Store, imports: Bucket) -> Iterator[dict[str, Any]]:
    """Refused rows that name somebody, ``{"import", "file", "row"}``; of files that take too long the ``size``."""
    room = READ_BYTES
    for job in load.imports(store):
        found = imports.find(job.rejected_key) if job.finished and job.parts else None
        about = {"import": job.id, "file": job.file}
        if found is None:
            continue
        if found.size > room:
            yield {**about, "size": found.size}
            continue
        room -= found.size
        rows = _rows(job.rejected_key, imports, job.sources[0]["dialect"]["delimiter"])
        for document in rows.documents if rows else ():
            if rows and traces.of(document):
                yield {**about, "row": rows.plain(document)}


# ---- the pass


def _take(store: Store, now: int) -> Combing | None:
    run = _read(store) or Combing(people=[request.person for request in _settled(store)])
    if run.lease > now or not run.people:
        return None
    run.lease = now + LEASE
    return run if _keep(run, store) else None


def _settled(store: Store) -> list[Erasure]:
    """Requests that wait for their files, and no older import is open."""
    waiting = [request for request in erasures(store) if request.stage == "settled"]
    if not waiting:
        return []
    oldest = min((one.created for one in load.imports(store, finished=False)), default=None)
    return [request for request in waiting if oldest is None or oldest > request.swept]


def _read(store: Store) -> Combing | None:
    row = store.job(NAME, KIND)
    return Combing(**{**row[1], "version": row[0]}) if row else None


def _keep(run: Combing, store: Store) -> bool:
    return keep(run, store, kind=KIND, name=NAME)


# ---- objects

Look = tuple[Named, Callable[[], None]]
"""What of whom is in an object, and what takes it out."""


def _objects(desk: Desk, traces: Traces) -> Iterator[tuple[str, Callable[[], Look]]]:
    """Every object that may hold somebody, in the order of their keys, and how to look into it."""
    every = load.imports(desk.store)
    reading = {key for one in every if not one.finished for key in one.files}
    read = {key for one in every if one.finished for key in one.files} - reading
    for claim in desk.claims.waiting():
        yield claim, partial(_envelope, claim, desk.claims, traces)
    for key in desk.imports.keys("drop/"):
        # What a feed is for, and no import has read, waits for one.
        if key in read or (key not in reading and desk.store.definition(load.FEED, key.split("/")[1]) is None):
            yield key, partial(_file, key, desk.imports, traces, for_nobody=key in read)
    dialects = {one.rejected_key: one.sources[0]["dialect"]["delimiter"] for one in every if one.sources}
    for key in desk.imports.keys("rejected/"):
        yield key, partial(_refused, key, desk.imports, traces, dialects.get(key, ","))
    for key in desk.imports.keys("uploads/"):
        # Asked now, and not at the beginning: an import may have been entered meanwhile.
        job = load.find(key.partition("/")[2], desk.store)
        if job is None or job.finished:
            yield key, partial(_file, key, desk.imports, traces, for_nobody=True)


def _nothing() -> None:
    """Leaves an object as it is."""


def _envelope(claim: str, claims: Claims, traces: Traces) -> Look:
    """Events under way; without any the envelope is still one that can be absorbed."""
    text = claims.fetch(claim)
    if text is None:
        return {}, _nothing
    envelope = json.loads(text)
    kept, found = _sifted(envelope["events"], traces, "events")
    left = json.dumps({**envelope, "events": kept}, separators=(",", ":"), ensure_ascii=False)
    return found, partial(claims.replace, claim, left)


def _refused(key: str, imports: Bucket, traces: Traces, delimiter: str) -> Look:
    """Refused rows, written as :mod:`tailor.flows.load` writes them."""
    rows = _rows(key, imports, delimiter)
    if rows is None:
        return _whole(traces), partial(imports.delete, [key])
    kept, found = _sifted(rows.documents, traces, "rows")
    return found, lambda: imports.write(key, [rows.written(kept)])


def _file(key: str, imports: Bucket, traces: Traces, *, for_nobody: bool) -> Look:
    """A file that nobody reads any more (``for_nobody``), or that no feed is for."""
    found = imports.find(key)
    if found is None:
        return {}, _nothing
    text = _text(key, found, imports)
    remove = partial(imports.discard, key, found.etag)
    if text is None:
        return (_whole(traces), remove) if for_nobody else ({}, _nothing)
    named = {person for line in text.splitlines() for person in traces.of(line)}
    return {person: {"files": 1} for person in named}, remove


def _whole(traces: Traces) -> Named:
    """What nobody can search may name anybody."""
    return {person: {"files": 1} for person in traces.people}


def _sifted(documents: Sequence[Any], traces: Traces, what: str) -> tuple[list[Any], Named]:
    """Those that name nobody, and how many name whom."""
    kept: list[Any] = []
    found: Named = {}
    for document in documents:
        named = traces.of(document)
        for person in named:
            counts = found.setdefault(person, {what: 0})
            counts[what] += 1
        if not named:
            kept.append(document)
    return kept, found


def _rows(key: str, imports: Bucket, delimiter: str) -> _Table | _Lines | None:
    """The rows of a file of refused ones; ``None`` where nobody can read it."""
    found = imports.find(key)
    text = _text(key, found, imports) if found else ""
    try:
        if text is None:
            return None
        return _Table(text, delimiter) if key.endswith(".csv") else _Lines(text)
    except (csv.Error, ValueError):
        return None


class _Table:
    """A table of refused rows: ``documents`` are its rows, each a list of ``{column: cell}``."""

    def __init__(self, text: str, delimiter: str) -> None:
        self._delimiter = delimiter
        lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
        self._head = lines[0] if lines else []
        self.documents = [[{name: cell} for name, cell in zip_longest(self._head, line)] for line in lines[1:]]

    def plain(self, document: list[dict[str, str]]) -> dict[str, str]:
        """One row as a mapping."""
        return {name: cell for one in document for name, cell in one.items()}

    def written(self, documents: Sequence[list[dict[str, str]]]) -> bytes:
        """The table with just these of its rows."""
        made = io.StringIO()
        writer = csv.writer(made, delimiter=self._delimiter, lineterminator="\n")
        writer.writerows([self._head, *([text for cell in one for text in cell.values()] for one in documents)])
        return made.getvalue().encode("utf-8", "surrogatepass")


class _Lines:
    """Refused rows as JSON lines."""

    def __init__(self, text: str) -> None:
        self.documents = [json.loads(line) for line in text.splitlines() if line]

    def plain(self, document: Any) -> Any:
        """One row as it is."""
        return document

    def written(self, documents: Sequence[Any]) -> bytes:
        """The file with just these of its rows."""
        lines = (json.dumps(one, ensure_ascii=False) + "\n" for one in documents)
        return "".join(lines).encode("utf-8", "surrogatepass")


def _text(key: str, found: Found, imports: Bucket) -> str | None:
    """What a file says, as it was ``found``; ``None`` where it is too large, or no text."""
    if found.size > MOST_BYTES:
        return None
    try:
        body = b"".join(imports.blocks(key, etag=found.etag))
        if body[:2] == GZIP:
            body = zlib.decompressobj(wbits=31).decompress(body, MOST_BYTES + 1)
    except zlib.error:
        return None
    if len(body) > MOST_BYTES or b"\0" in body or body[:4] == PARQUET:
        return None
    try:
        return body.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        # Addresses and numbers are ASCII in every other encoding without zeros.
        return body.decode("latin-1")
