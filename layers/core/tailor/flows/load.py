"""Load: a file into the queue, chunk by chunk, by as many workers one after the other as it takes.

An import is one row of the ledger: what is to be read and how, how far it is, what it has counted, and a lease. A chunk
is always the same rows, told by the file alone; its events have ids that the rows give them, the file of its refused
rows a name that its place gives it, and its counts enter the row together with its end. So a worker may be killed
between any two calls: the chunk is done again by another, and nothing of it counts twice.

=========  ===========================================================================
waiting    for its file, or for a worker
running    a worker has it, or had it and its lease has not run out
finished   all rows are queued or refused
failed     it cannot go on: ``problem`` says why; nothing after ``rows`` was looked at
cancelled  somebody has ended it; what was queued until then stays
=========  ===========================================================================
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from itertools import chain
from typing import Any, Protocol

from tailor.edges.bus import MESSAGE_BYTES, envelopes
from tailor.flows.checkpoint import Keeper, document, keep
from tailor.flows.parse import Files, Opened, events_of, open_files
from tailor.kernel.document import canonical
from tailor.kernel.errors import Rejected, Stale, Transient
from tailor.kernel.event import Event
from tailor.kernel.instants import DAY, MINUTE, iso
from tailor.kernel.keys import digest
from tailor.rules.mapping import REASONS, Origin, RowMapping, read_mapping
from tailor.rules.rows import Row

OPEN, DONE = "import", "imported"
"""Kinds of rows of the ledger: imports that are not at their end, and those that are."""
CHUNK_ROWS = 2_000
CHUNK_BYTES = 4 * 1024 * 1024
"""A chunk ends with the row that reaches either."""
LEASE = 2 * MINUTE
"""How long a worker may be silent before another goes on; a chunk takes a second."""
UNPACKING = 14 * MINUTE
"""The lease while files are checked: all of them are read once."""
REMEMBERED = 90 * DAY
"""How long it is known that a file was imported."""
ABANDONED = DAY
"""How long an import may wait for its file."""
DEATHS = 5
"""Workers that may die at the same place before the import is given up."""
CANCELLED = "cancelled"
"""Code of the problem of an import that somebody has ended."""
ATTEMPTS = 20
"""How often an import is asked to end while its worker writes how far it is; between two chunks is a second."""
PROBLEMS = 50
"""Different reasons counted; the others are ``other``."""


class Jobs(Keeper, Protocol):
    """Where imports are kept: the store."""

    def job(self, name: str, kind: str = ...) -> tuple[int, dict[str, Any]] | None:
        """One."""

    def jobs(self, kind: str = ...) -> dict[str, tuple[int, dict[str, Any]]]:
        """All."""

    def drop(self, keys: Iterable[tuple[str, str]]) -> None:
        """Remove rows."""


class Feeds(Protocol):
    """Where feeds are kept: the store."""

    def definition(self, kind: str, key: str) -> dict[str, Any] | None:
        """One."""

    def define(self, kind: str, key: str, document: Mapping[str, Any]) -> None:
        """Create or replace one."""


class Shelf(Files, Protocol):
    """Where files are read and refused rows are written."""

    def put(self, key: str, body: bytes) -> None:
        """A small one."""

    def keys(self, prefix: str) -> Iterator[str]:
        """Keys with a prefix, in order."""

    def write(self, key: str, blocks: Iterable[bytes]) -> None:
        """One of any size."""

    def delete(self, keys: Iterable[str]) -> None:
        """Remove some."""

    def discard(self, key: str, etag: str) -> None:
        """Remove one, unless another is there by now."""


class Sink(Protocol):
    """Where events go."""

    def put(self, bodies: Iterable[dict[str, Any]]) -> None:
        """Envelopes of them."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What loading needs of the world."""

    store: Jobs
    shelf: Shelf
    queue: Sink


@dataclass(slots=True)
class Import:
    """One import; all instants in ms.

    Attributes
    ----------
    id : told by what is imported, so that the same file is not imported twice.
    file : its name, for people; ``key`` is that of the object.
    mapping : the document.
    as_of : when rows without a time of their own were true.
    sources : how the files are read, :class:`tailor.flows.parse.Opened`; empty before they were opened.
    at, offset : the file at hand, and where in it the next row begins; ``number`` is that of the row before.
    parts : how many chunks had refused rows.
    deaths : workers that were killed since the last chunk.
    counts : ``rows`` read, ``events`` queued, ``refused``.
    problems, notes : reason → how many rows.
    """

    id: str
    version: int = 0
    file: str = ""
    key: str = ""
    size: int = 0
    mapping: dict[str, Any] = field(default_factory=dict)
    by: str = ""
    as_of: int = 0
    created: int = 0
    started: int = 0
    touched: int = 0
    lease: int = 0
    finished: int = 0
    sources: list[dict[str, Any]] = field(default_factory=list)
    at: int = 0
    offset: int = 0
    number: int = 0
    parts: int = 0
    deaths: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    problems: dict[str, int] = field(default_factory=dict)
    notes: dict[str, int] = field(default_factory=dict)
    problem: dict[str, Any] | None = None

    @property
    def state(self) -> str:
        """See the module."""
        if not self.finished:
            return "running" if self.started else "waiting"
        if not self.problem:
            return "finished"
        return "cancelled" if self.problem["type"].endswith(f"/{CANCELLED}") else "failed"

    @property
    def files(self) -> set[str]:
        """Keys of the objects it reads."""
        return {self.key, *(source["key"] for source in self.sources)}

    @property
    def rejected_key(self) -> str:
        """Key of the file of refused rows, there once the import is at its end and has any."""
        tables = self.sources and all(source["form"] == "table" for source in self.sources)
        return f"rejected/{self.id}/{self.file}.rejected.{'csv' if tables else 'ndjson'}"

    def progress(self) -> float | None:
        """From 0 to 1, ``None`` where the length of a file cannot be told."""
        if self.finished:
            return 1.0
        totals: list[int] = [source["total"] for source in self.sources]
        if not totals or not all(totals):
            return 0.0 if not totals else None
        done: int = sum(totals[: self.at]) + self.offset
        return min(1.0, round(done / sum(totals), 4))

    def to_json(self) -> dict[str, Any]:
        """For people; ``estimate`` is when it may be done, ``rows_per_s`` how fast it was so far."""
        progress = self.progress()
        spent = self.touched - self.started
        estimate = None
        if progress and not self.finished and spent:
            estimate = iso(self.started + round(spent / progress))
        return {
            "id": self.id,
            "file": self.file,
            "name": self.mapping.get("name", "import"),
            "state": self.state,
            "basis": (self.mapping.get("consent") or {}).get("basis"),
            "by": self.by,
            "as_of": iso(self.as_of),
            "created": iso(self.created),
            "started": iso(self.started) if self.started else None,
            "finished": iso(self.finished) if self.finished else None,
            "size": self.size,
            "rows": self.counts.get("rows", 0),
            "events": self.counts.get("events", 0),
            "refused": self.counts.get("refused", 0),
            "progress": progress,
            "estimate": estimate,
            "rows_per_s": round(self.counts.get("rows", 0) * 1000 / spent) if spent > 0 else None,
            "problems": self.problems,
            "notes": self.notes,
            "problem": self.problem,
        }


# ---- beginning


def propose(
    file: str,
    key: Callable[[str], str],
    mapping: dict[str, Any],
    desk: Desk,
    *,
    told_by: str,
    size: int,
    by: str,
    as_of: int | None,
    now: int,
) -> Import:
    """Enter an import, or find the one of the same file that was entered before.

    Parameters
    ----------
    key : id of the import → key of its object.
    told_by : what tells the file from any other: a hash of its content, or its key and ETag.
    as_of : see :class:`Import`; the instant of this call if ``None``. Giving one makes it an import of its own.

    Raises
    ------
    Rejected : the mapping is wrong.
    """
    read_mapping(mapping)
    parts = (told_by, canonical(mapping), "" if as_of is None else str(as_of))
    id = f"i_{digest(*parts, size=10)}"
    if (known := find(id, desk.store)) is not None:
        return known
    when = now if as_of is None else min(as_of, now)
    made = Import(id, 0, file, key(id), size, mapping, by, when, now, touched=now)
    return made if _keep(made, desk.store) else (find(id, desk.store) or made)


def find(id: str, store: Jobs) -> Import | None:
    """One import, open or at its end."""
    for kind in (DONE, OPEN):
        if (row := store.job(id, kind)) is not None:
            return _read(id, row)
    return None


def imports(store: Jobs, *, finished: bool = True) -> list[Import]:
    """All imports, the newest first; only open ones if not ``finished``."""
    rows = {**store.jobs(OPEN), **(store.jobs(DONE) if finished else {})}
    return sorted((_read(id, row) for id, row in rows.items()), key=lambda one: (-one.created, one.id))


def _read(id: str, row: tuple[int, dict[str, Any]]) -> Import:
    version, document = row
    return Import(**{**document, "id": id, "version": version})


def _keep(job: Import, store: Jobs) -> bool:
    """Write an import and move its version on; false where another worker has written it."""
    return keep(job, store, kind=OPEN, called="id")


FEED = "feed"
"""Definitions of this kind are mappings, by the name of the folder whose files they are for."""


def dropped(key: str, etag: str, store: Feeds, desk: Desk, *, size: int, now: int) -> Import | None:
    """Enter a file that was put under ``drop/FEED/``, as the feed says; ``None`` where it is none to be imported by
    itself: of a Data Feed only the manifest is, which comes last.

    Raises
    ------
    Rejected : there is no such feed.
    """
    _, feed, *path = key.split("/")
    mapping = store.definition(FEED, feed)
    if mapping is None:
        detail = f"there is no feed {feed!r}: tailor feed put {feed} MAPPING, then put the file there again"
        raise Rejected(detail, code="no-feed", status=404)
    if not path or not path[-1] or (mapping.get("format") == "adobe" and not path[-1].endswith(".txt")):
        return None
    told_by = json.dumps([key, etag])
    return propose(
        path[-1], lambda _: key, mapping, desk, told_by=told_by, size=size, by=f"feed {feed}", as_of=None, now=now
    )


def define_feed(name: str, mapping: dict[str, Any], store: Feeds) -> None:
    """Say what files under ``drop/NAME/`` are.

    Raises
    ------
    Rejected : the name or the mapping is wrong.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,60}", name):
        raise Rejected(f"{name!r} is no name of a feed: use a-z, 0-9 and -", code="bad-name")
    read_mapping({"name": name, **mapping})
    store.define(FEED, name, {"name": name, **mapping})


# ---- going on


def load(id: str, desk: Desk, *, clock: Callable[[], int], enough: Callable[[], bool] = lambda: False) -> Import | None:
    """Go on with an import until its end, or until ``enough`` answers true between two chunks.

    Returns
    -------
    The import as it is now; ``None`` where there is none, or another worker has it.
    """
    row = desk.store.job(id, OPEN)
    if row is None:
        return None
    job = _read(id, row)
    now = clock()
    if job.finished:
        return _close(job, desk, now=now)
    if job.lease > now:
        return None
    # Who ends in good order leaves no lease behind.
    deaths = job.deaths + 1 if job.lease else job.deaths
    try:
        if deaths > DEATHS:
            detail = f"{deaths} workers died one after the other after row {job.counts.get('rows', 0)}: see their logs"
            raise Rejected(detail, code="given-up")
        started = job.started or now
        job = replace(job, lease=now + UNPACKING, started=started, touched=max(job.touched, started), deaths=deaths)
        if not _keep(job, desk.store):
            return None
        return _load(job, desk, clock, enough)
    except Rejected as problem:
        now = clock()
        known = _read(id, desk.store.job(id, OPEN) or (0, {}))
        failed = _ended(known, problem, now)
        return _close(failed, desk, now=now) if known.version and _keep(failed, desk.store) else None


def cancel(id: str, store: Jobs, *, by: str, now: int) -> Import | None:
    """End an import where it is; one at its end stays as it is. Its worker stops at the next chunk, and another closes
    it: see :func:`load`.

    Returns
    -------
    The import as it is then, ``None`` where there is none.

    Raises
    ------
    Transient : its worker was each time the first to write.
    """
    for _ in range(ATTEMPTS):
        row = store.job(id, OPEN)
        if row is None:
            return find(id, store)
        job = _read(id, row)
        if job.finished:
            return job
        ended = _ended(job, Rejected(f"cancelled by {by or 'somebody'}", code=CANCELLED, status=409), now)
        if _keep(ended, store):
            return ended
    raise Transient("the import went on each time it was to end; ask again")


def _ended(job: Import, why: Rejected, now: int) -> Import:
    return replace(job, problem=why.problem(), finished=now, touched=now, lease=0)


def _load(job: Import, desk: Desk, clock: Callable[[], int], enough: Callable[[], bool]) -> Import | None:
    mapping = read_mapping(job.mapping)
    if not job.sources:
        opened = open_files(job.key, mapping, job.mapping.get("csv"), desk.shelf)
        job = replace(job, sources=[asdict(one) for one in opened], offset=opened[0].first, touched=clock())
        if not _keep(job, desk.store):
            return None
    origin = Origin(job.id, job.file, job.as_of, job.created)
    while job.at < len(job.sources):
        source = Opened.from_json(job.sources[job.at])
        for chunk in chunks(source.rows(desk.shelf, offset=job.offset, number=job.number)):
            job = _chunk(job, chunk, source, mapping, origin, desk, clock())
            if not _keep(job, desk.store):
                return None
            if enough():
                job = replace(job, lease=0)
                return job if _keep(job, desk.store) else None
        following = job.at + 1
        first = job.sources[following]["first"] if following < len(job.sources) else 0
        job = replace(job, at=following, offset=first, number=0)
    job = replace(job, finished=clock(), touched=clock(), lease=0)
    return _close(job, desk, now=clock()) if _keep(job, desk.store) else None


def chunks(rows: Iterator[Row]) -> Iterator[list[Row]]:
    """Rows in chunks whose borders depend on nothing but where the first row is."""
    chunk: list[Row] = []
    weight = 0
    for row in rows:
        chunk.append(row)
        weight += row.size
        if len(chunk) == CHUNK_ROWS or weight >= CHUNK_BYTES:
            yield chunk
            chunk, weight = [], 0
    if chunk:
        yield chunk


@dataclass(slots=True)
class Outcome:
    """What rows became: ``events`` in their order, ``refused`` rows with the reason, and counts of both kinds of it."""

    events: list[Event] = field(default_factory=list)
    refused: list[tuple[Row, Rejected]] = field(default_factory=list)
    problems: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)


def judge(rows: Iterable[Row], mapping: RowMapping, origin: Origin) -> Outcome:
    """Read rows, each by itself."""
    outcome = Outcome()
    for row in rows:
        notes: list[str] = []
        try:
            events = events_of(row, mapping, origin, notes)
            if row.size > MESSAGE_BYTES // 4:
                _check_size(events)
        except Rejected as refusal:
            outcome.refused.append((row, refusal))
            outcome.problems[reason(refusal)] += 1
            continue
        outcome.events += events
        outcome.notes.update(notes)
    return outcome


def _check_size(events: list[Event]) -> None:
    for event in events:
        if len(json.dumps(event.to_json(), ensure_ascii=False).encode("utf-8", "surrogatepass")) > MESSAGE_BYTES:
            raise Rejected(f"the event is larger than {MESSAGE_BYTES} bytes", code="too-large")


def reason(refusal: Rejected) -> str:
    """What rows with the same fault have in common: ``bad-email /E-mail``."""
    return f"{refusal.code} {refusal.pointer}".rstrip()


def _chunk(
    job: Import, rows: list[Row], source: Opened, mapping: RowMapping, origin: Origin, desk: Desk, now: int
) -> Import:
    """Queue a chunk and keep its refused rows; answers the import behind it, yet to be written."""
    outcome = judge(rows, mapping, origin)
    desk.queue.put(envelopes("import", "", [event.to_json() for event in outcome.events], received=origin.received))
    if outcome.refused:
        desk.shelf.put(f"parts/{job.id}/{job.at:04d}-{job.offset:015d}", _refused(outcome.refused, source))
    counted = {"rows": len(rows), "events": len(outcome.events), "refused": len(outcome.refused)}
    return replace(
        job,
        offset=rows[-1].end,
        number=rows[-1].number,
        parts=job.parts + bool(outcome.refused),
        deaths=0,
        counts=dict(Counter(job.counts) + Counter(counted)),
        problems=_added(job.problems, outcome.problems),
        notes=_added(job.notes, outcome.notes),
        touched=now,
        lease=now + LEASE,
    )


def _added(known: dict[str, int], more: Counter[str]) -> dict[str, int]:
    total = Counter(known)
    for what, count in more.items():
        total[what if what in total or len(total) < PROBLEMS else "other"] += count
    return dict(total)


# ---- refused rows


def _refused(refused: list[tuple[Row, Rejected]], source: Opened) -> bytes:
    """Rows as they were, with why they were refused; mended, the file can be imported as it is."""
    if source.form == "table":
        text = io.StringIO()
        writer = csv.writer(text, delimiter=source.dialect.delimiter, lineterminator="\n")
        for row, refusal in refused:
            cells = [row.values.get(name, "") for name in source.columns]
            if "" in row.values:
                cells[0] = row.values[""]
            writer.writerow([*cells, refusal.detail, refusal.pointer, row.number])
        return text.getvalue().encode("utf-8", "surrogatepass")
    lines = []
    for row, refusal in refused:
        kept = {"_line": row.values[""]} if "" in row.values else row.values
        why = dict(zip(REASONS, (refusal.detail, refusal.pointer, row.number), strict=True))
        lines.append(json.dumps({**kept, **why}, ensure_ascii=False, default=str) + "\n")
    return "".join(lines).encode("utf-8", "surrogatepass")


def _header(source: Opened) -> bytes:
    if source.form != "table":
        return b""
    text = io.StringIO()
    columns = [*source.columns, *REASONS]
    csv.writer(text, delimiter=source.dialect.delimiter, lineterminator="\n").writerow(columns)
    return text.getvalue().encode()


def _close(job: Import, desk: Desk, *, now: int) -> Import:
    """Put the refused rows together and move the import to those at their end; each part may be done again."""
    if desk.store.job(job.id, DONE) is None:
        # Only before: afterwards some of the parts may be gone.
        parts = list(desk.shelf.keys(f"parts/{job.id}/"))
        if parts:
            head = [_header(Opened.from_json(job.sources[0]))]
            desk.shelf.write(job.rejected_key, chain(head, *(desk.shelf.blocks(part) for part in parts)))
        try:
            desk.store.keep_job(job.id, document(job, "id"), was=0, kind=DONE, until=now + REMEMBERED)
        except Stale:
            pass
    desk.shelf.delete(list(desk.shelf.keys(f"parts/{job.id}/")))
    if job.state != "failed":
        # All of it is queued or among the refused rows, or nobody wants it any more; and an erasure could not look for
        # anybody in it. A feed may have put the next one under the same key.
        for key, etag in _read_from(job, desk.shelf):
            desk.shelf.discard(key, etag)
    desk.store.drop([(f"K#{OPEN}", job.id)])
    return job


def _read_from(job: Import, shelf: Shelf) -> list[tuple[str, str]]:
    """Keys and ETags of its files. One that it has not opened is surely its own where the key is, as of an upload: in a
    feed the next one may lie there by now."""
    if job.sources or job.id not in job.key:
        return [(source["key"], source["etag"]) for source in job.sources]
    found = shelf.find(job.key)
    return [(job.key, found.etag)] if found else []


def sweep(desk: Desk, *, now: int) -> list[str]:
    """Ids of imports that a worker should go on with: nobody has them. Those whose file never came are ended."""
    waiting = []
    for job in imports(desk.store, finished=False):
        if job.lease > now:
            continue
        if job.finished:
            waiting.append(job.id)
        elif not job.started and now - job.created > ABANDONED:
            ended = _ended(job, Rejected("the file never came; import it again", code="no-file"), now)
            if _keep(ended, desk.store):
                _close(ended, desk, now=now)
        elif job.started or desk.shelf.find(job.key) is not None:
            waiting.append(job.id)
    return waiting
