"""Walk: work over everybody that outlives one invocation, page by page.

A job is one row: where it is, what it has counted, and a lease. Each page is checkpointed under the row's version, so
two workers never count one page twice, and a worker killed anywhere leaves a lease that runs out and a page that is
done again. Doing a page again changes nothing: who is right already is not written.

``backfill``
    follows every publication: people decided by another program are decided again. Where the new rules need counters
    that the old did not keep, each person's history is rebuilt from the event rows first.
``count``
    on request counts who is in which segment and where in which journey, as the others do in passing.
``audit``
    each night re-decides every person from all their event rows, by brute force, and compares. What differs is
    counted, repaired in the same write, logged, and told as the fact ``audit.disagreed``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tailor.edges.bucket import Bucket
from tailor.edges.store import EVENT_LIFE, Store, Write
from tailor.flows.anchor import anchor, close
from tailor.flows.checkpoint import keep
from tailor.kernel.errors import Transient
from tailor.kernel.instants import MINUTE, NEVER, iso
from tailor.kernel.person import Person
from tailor.rules.compiled import Compiled
from tailor.rules.effects import Effects
from tailor.rules.recount import judge, rebuilt, recount
from tailor.rules.step import step

PAGE = 100
LEASE = 2 * MINUTE
"""How long a worker may be silent before another takes its job; a page takes a second or two."""
CATCHING_UP = 3 * MINUTE
"""How long the program in force may differ from the one a job is about; workers read it once a minute."""
ROUNDS = 5
SIZES = "sizes"
"""Definitions of this kind hold, by day, ``{"at", "people", "segments": {key: members}, "journeys": {place: people}}``.

A place is ``at#journey#version/step`` of who is enrolled, ``ended#journey#how`` of who was.
"""


@dataclass(slots=True)
class Job:
    """One job as stored under its ``name``.

    Attributes
    ----------
    version : of the row, 0 before its first write.
    program : version of the program to reach everybody with, ``""`` for whichever is in force.
    rebuild : whether histories are rebuilt.
    after : id of the last person done, ``""`` at the beginning.
    total : about how many there are.
    lease : instant until which a worker holds it.
    touched : instant of the last checkpoint.
    finished : instant of the end, 0 before.
    counts : ``people`` walked, ``written``, ``disagreements`` and, for each kind of them, how many.
    root : hash of the last page of consent heads that was anchored, see :mod:`tailor.flows.anchor`.
    sizes : segment key → members among the people walked, and ``#`` with a place in a journey → people.
    """

    name: str
    version: int = 0
    program: str = ""
    rebuild: bool = False
    started: int = 0
    after: str = ""
    total: int = 0
    lease: int = 0
    touched: int = 0
    finished: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    root: str = ""

    def to_json(self) -> dict[str, Any]:
        """For people: ``{"name", "state", "progress" (0 to 1), "estimate" (when it may be done), ...}``."""
        walked = self.counts.get("people", 0)
        total = max(walked, self.total)
        progress = 1.0 if self.finished else round(walked / total, 3) if total else 0.0
        pace = (self.touched - self.started) / walked if walked else 0
        estimate = self.touched + int((total - walked) * pace) if walked and not self.finished else None
        return {
            "name": self.name,
            "state": "finished" if self.finished else "running" if self.lease else "waiting",
            "program": self.program or None,
            "rebuild": self.rebuild,
            "started": iso(self.started),
            "finished": iso(self.finished) if self.finished else None,
            "progress": progress,
            "total": total,
            "estimate": None if estimate is None else iso(estimate),
            "counts": self.counts,
        }


@dataclass(slots=True)
class Disagreement:
    """What the audit found wrong with one person, for the log."""

    person: str
    counters: list[str]
    missing: list[str]
    extra: list[str]
    clock: bool


@dataclass(slots=True)
class Worked:
    """What one stretch of work did."""

    counts: Counter[str] = field(default_factory=Counter)
    disagreements: list[Disagreement] = field(default_factory=list)


def jobs(store: Store) -> dict[str, Job]:
    """The newest job of each name."""
    return {name: Job(**{**document, "name": name, "version": v}) for name, (v, document) in store.jobs().items()}


def begin_backfill(before: Compiled, after: Compiled, store: Store, *, now: int) -> None:
    """Have everybody decided by ``after``; before it is in force, so that no stop in between forgets it."""
    while True:
        known = jobs(store).get("backfill", Job("backfill"))
        unfinished = known.started > 0 and not known.finished
        rebuild = after.counts_more_than(before) or (unfinished and known.rebuild)
        begun = Job("backfill", known.version, after.version, rebuild, now, total=store.headcount(), touched=now)
        if _keep(begun, store):
            return


def begin_audit(store: Store, *, now: int) -> None:
    """Begin tonight's audit; one that is still going is left to go on."""
    known = jobs(store).get("audit", Job("audit"))
    if known.started and not known.finished:
        return
    _keep(Job("audit", known.version, rebuild=True, started=now, total=store.headcount(), touched=now), store)


def begin_count(store: Store, *, now: int) -> Job:
    """Begin to count everybody; a count that is still going is left to go on. Answers the job."""
    known = jobs(store).get("count", Job("count"))
    if known.started and not known.finished:
        return known
    begun = Job("count", known.version, started=now, total=store.headcount(), touched=now)
    return begun if _keep(begun, store) else begin_count(store, now=now)


def work(
    store: Store,
    compiled: Callable[[], Compiled],
    *,
    clock: Callable[[], int],
    enough: Callable[[], bool] = lambda: False,
    anchors: Callable[[], Bucket] | None = None,
) -> Worked:
    """Go on with what is to be done, until it is done or ``enough`` answers true.

    The audit waits for the backfill: what is still being filled in is not wrong.

    Parameters
    ----------
    compiled : the program in force; asked again for every page.
    clock : the instant it is.
    anchors : where the audit lays down what everybody has agreed to; asked for only then.
    """
    worked = Worked()
    known = jobs(store)
    for name in ("backfill", "count", "audit"):
        job = known.get(name)
        if job is None or job.finished:
            continue
        job = _taken(job, store, compiled, now=clock())
        while job is not None and not job.finished:
            if enough():
                _keep(replace(job, lease=0), store)
                return worked
            job = _page(job, store, compiled(), worked, clock, anchors)
        if job is None:
            return worked
    return worked


def _taken(job: Job, store: Store, compiled: Callable[[], Compiled], *, now: int) -> Job | None:
    """The job as ours, ``None`` where it is another's or not to be worked on yet."""
    if job.lease > now:
        return None
    version = compiled().version
    if job.program and job.program != version:
        if now - job.started < CATCHING_UP:
            return None
        # What it was about never came into force, or has been overtaken.
        job = Job(job.name, job.version, version, rebuild=True, started=now, total=job.total)
    job = replace(job, lease=now + LEASE, touched=now)
    return job if _keep(job, store) else None


def _page(
    job: Job,
    store: Store,
    compiled: Compiled,
    worked: Worked,
    clock: Callable[[], int],
    anchors: Callable[[], Bucket] | None,
) -> Job | None:
    """One page further; ``None`` where the job is no longer ours."""
    if job.program and job.program != compiled.version:
        return None
    now = clock()
    people, after = store.page(job.after, limit=PAGE)
    counts, sizes, found = _settle(people, job, store, compiled, now)
    bucket = anchors() if anchors and job.name == "audit" else None
    day = iso(job.started)[:10]
    root = anchor(people, job.root, bucket, day=day) if bucket else ""
    then = clock()
    done = replace(
        job,
        after=after,
        lease=then + LEASE if after else 0,
        touched=then,
        finished=0 if after else then,
        counts=dict(Counter(job.counts) + counts),
        sizes=dict(Counter(job.sizes) + sizes),
        root=root,
    )
    if done.finished:
        # Before the job ends, so that a stop in between does it again.
        sizes_now = {"at": then, "people": done.counts.get("people", 0), **_sorted(done.sizes)}
        store.define(SIZES, iso(then)[:10], sizes_now)
        if bucket:
            close(root, bucket, day=day, people=done.counts.get("people", 0), now=then)
    worked.disagreements += found
    if not _keep(done, store):
        return None
    worked.counts += counts
    return done


def _keep(job: Job, store: Store) -> bool:
    """Write a job and move its version on; false where another worker has written it."""
    return keep(job, store, kind="job", called="name")


def _settle(
    people: Sequence[Person], job: Job, store: Store, compiled: Compiled, now: int
) -> tuple[Counter[str], Counter[str], list[Disagreement]]:
    """Make the people of a page right; answers (counts, sizes, what was wrong)."""
    counts: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    found: list[Disagreement] = []
    pending = list(people)
    for _ in range(ROUNDS):
        writes: dict[str, tuple[Write, dict[str, Any] | None]] = {}
        for person in pending:
            outcome = _mend(person, job, store, compiled, now)
            if outcome is None:
                counts["people"] += 1
                sizes.update(_places(person))
            else:
                writes[person.id] = outcome
        lost = {write.person.id for write in store.write([write for write, _ in writes.values()], now=now)}
        for id, (write, fact) in writes.items():
            if id in lost:
                continue
            counts.update({"people": 1, "written": 1})
            sizes.update(_places(write.person))
            if fact is not None:
                one = Disagreement(id, fact["counters"], fact["missing"], fact["extra"], fact["clock"])
                found.append(one)
                counts.update({"disagreements": 1, **{k: 1 for k in ("counters", "missing", "extra") if fact[k]}})
                counts["clock"] += fact["clock"]
        if not lost:
            return +counts, sizes, found
        # Somebody merged away meanwhile is walked as who took them in.
        pending = list(store.people(lost, consistent=True).people.values())
    raise Transient(f"{len(pending)} people were written by others each time")


def _places(person: Person) -> list[str]:
    """Where somebody is: their segments, and their places in journeys."""
    enrolled = [f"#at#{key.partition('#')[0]}#{one['version']}/{one['step']}" for key, one in person.enrolments.items()]
    ended = [f"#ended#{key.partition('#')[0]}#{how}" for key, (_, _, how) in person.finished.items()]
    return [*person.memberships, *dict.fromkeys([*enrolled, *ended])]


def _sorted(sizes: Mapping[str, int]) -> dict[str, dict[str, int]]:
    return {
        "segments": {key: people for key, people in sizes.items() if key[:1] != "#"},
        "journeys": {key[1:]: people for key, people in sizes.items() if key[:1] == "#"},
    }


def _mend(
    person: Person, job: Job, store: Store, compiled: Compiled, now: int
) -> tuple[Write, dict[str, Any] | None] | None:
    """The write a person needs, with the fact of what was wrong if the audit found something; ``None``: all is well."""
    fact: dict[str, Any] | None = None
    current = person.program == compiled.version
    mended = person
    if job.rebuild:
        found = recount(person, store.events(person), compiled, now=now, life=EVENT_LIFE)
        if found.differs:
            mended = rebuilt(person, found.history)
        if job.name == "audit" and current:
            verdict = judge(person, found, compiled, now=now)
            if verdict.disagrees:
                fact = verdict.fact(person, now=now)
                mended = rebuilt(person, found.history)
    if mended is person and current:
        return None
    after, effects = step(mended, (), compiled, now=now)
    if fact is not None:
        effects.facts.append(fact)
    return _write(person, after, effects), fact


def _write(before: Person, after: Person, effects: Effects) -> Write:
    return Write(after, effects.pack(), consents=tuple(effects.consents), had_due=before.due < NEVER)


def sizes(store: Store) -> list[dict[str, Any]]:
    """How many were in each segment, by day, the oldest first: ``{"day", "at", "people", "segments": {key: n}}`` and
    ``journeys``, see :data:`SIZES`."""
    days: Mapping[str, dict[str, Any]] = store.definitions(SIZES)
    return [{"day": day, **counted, "at": iso(counted["at"])} for day, counted in sorted(days.items())]
