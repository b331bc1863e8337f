"""Dedup: at night everybody is compared with everybody like them, and who is the same becomes one.

A run is one row that says how far it is; whoever finds it goes on with it, and each stage may be done twice::

    heal ──claims are right──▶ match ──likely pairs──▶ gather ──a plan──▶ apply ──▶ done

``heal`` walks all people: every identifier is claimed for who holds it, and for nobody else. ``match`` finds pairs; of
many people in several shards, each the work of one worker, a pair belonging to the shard its first id falls into.
``gather`` makes people of pairs. ``apply`` joins them one transaction each, and leaves the doubtful to be reviewed.
A worker holds what it is at by a lease; one that is killed loses it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tailor.edges.duplicates import Duplicates, Pair
from tailor.edges.store import Store
from tailor.flows.absorb import absorb
from tailor.flows.checkpoint import keep
from tailor.flows.join import join_all
from tailor.kernel.errors import Stale
from tailor.kernel.event import Event, Identifier
from tailor.kernel.instants import MINUTE, iso
from tailor.kernel.keys import digest
from tailor.kernel.person import Person
from tailor.rules.compiled import Compiled
from tailor.rules.identity import held, ordered
from tailor.rules.likeness import comparable, raw

if TYPE_CHECKING:
    from tailor.rules.matching.engine import Likely
    from tailor.rules.matching.normalise import Record

KIND = "night"
NAME = "dedup"
PAGE = 100
PLANNED = 200
"""Pairs of one row of the plan."""
REVIEWS = 10_000
"""The likeliest doubtful pairs that one night leaves to be looked at."""
SHARD = 400_000
"""People beyond whom the work is divided."""
LEASE = 2 * MINUTE
"""How long a worker may be silent between two pages."""
LONG_LEASE = 16 * MINUTE
"""Longer than any worker lives, for what is done in one go."""
PACE = 3_000
"""People matched in a second, cautiously; what would not end in the time left is not begun."""
MOST = 870.0
"""Seconds that a fresh worker has at least: with so many left it is always tried."""
SAMPLES = 10
STAGES = ("heal", "match", "gather", "apply", "done")


@dataclass(slots=True)
class Run:
    """One run as stored.

    Attributes
    ----------
    version : of the row, 0 before its first write.
    by : who began it, ``schedule`` or ``request``.
    stage : one of :data:`STAGES`; ``doing`` says more, in words.
    after : where the stage is: an id (heal), a row of the plan (apply).
    shards, total : into how many shards the people are divided, and about how many people there are.
    lease, touched, finished : instants.
    counts : ``people`` and ``mended``; ``records`` and ``pairs`` compared; ``join`` and ``review`` pairs found;
        ``joined`` and ``refused`` pairs.
    why : for joined pairs, the fields that spoke loudest → how many pairs.
    samples : some of the pairs: ``{"band", "one", "other", "weight", "reasons"}``.
    """

    version: int = 0
    by: str = ""
    started: int = 0
    stage: str = "heal"
    doing: str = ""
    after: str = ""
    shards: int = 1
    total: int = 0
    planned: int = 0
    lease: int = 0
    touched: int = 0
    finished: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    why: dict[str, int] = field(default_factory=dict)
    samples: list[dict[str, Any]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """For people; ``progress`` from 0 to 1."""
        return {
            "state": "finished" if self.finished else "running" if self.lease else "waiting",
            "by": self.by,
            "stage": self.stage,
            "doing": self.doing,
            "progress": self._progress(),
            "started": iso(self.started),
            "finished": iso(self.finished) if self.finished else None,
            "counts": self.counts,
            "why": self.why,
            "samples": self.samples,
        }

    def _progress(self) -> float:
        if self.finished:
            return 1.0
        done = self.counts.get("people", 0) / self.total if self.total else 0.0
        if self.stage == "apply":
            done = int(self.after or 0) / self.planned if self.planned else 1.0
        # Healing reads everybody, matching thinks, applying writes: about equal shares.
        return round({"heal": 0.0, "match": 0.3, "gather": 0.6, "apply": 0.7}[self.stage] + 0.3 * min(done, 1.0), 3)


def newest(store: Store) -> Run | None:
    """The run that is under way, or the last one."""
    row = store.job(NAME, KIND)
    return Run(**{**row[1], "version": row[0]}) if row else None


def begin(store: Store, *, by: str, now: int) -> Run:
    """A new run; one that is under way is left to go on."""
    while True:
        known = newest(store)
        if known is not None and not known.finished:
            return known
        fresh = Run(known.version if known else 0, by, started=now, total=store.headcount(), touched=now)
        if _keep(fresh, store):
            return fresh


def work(
    store: Store,
    compiled: Callable[[], Compiled],
    *,
    new_id: Callable[[int], str],
    clock: Callable[[], int],
    left: Callable[[], float],
) -> Run | None:
    """Go on with the run until it is done, another worker is at it, or time is short.

    Parameters
    ----------
    left : seconds that this worker has left.

    Returns
    -------
    The run as it is then; ``None`` where nothing was to be done.
    """
    run = newest(store)
    if run is None or run.finished:
        return None
    worker = _Worker(store, compiled, new_id, clock, left)
    while run is not None and not run.finished:
        further = worker.further(run)
        if further is None:
            break
        run = further
    return newest(store)


@dataclass(slots=True)
class _Worker:
    store: Store
    compiled: Callable[[], Compiled]
    new_id: Callable[[int], str]
    clock: Callable[[], int]
    left: Callable[[], float]
    holds: bool = False

    def further(self, run: Run) -> Run | None:
        """One page or one go further; ``None`` where there is nothing for us to do."""
        if run.stage == "match" and run.shards > 1:
            return self._shard(run)
        if not self.holds:
            if run.lease > self.clock():
                return None
            run = replace(run, lease=self.clock() + LEASE)
            self.holds = _keep(run, self.store)
            if not self.holds:
                return None
        match run.stage:
            case "heal":
                done = self._heal(run)
            case "match" | "gather":
                done = self._match(run)
            case _:
                done = self._apply(run)
        if done is None or not _keep(done, self.store):
            return None
        return done

    def _release(self, run: Run) -> None:
        _keep(replace(run, lease=0), self.store)

    def _heal(self, run: Run) -> Run | None:
        if self.left() < 15:
            self._release(run)
            return None
        people, after = self.store.page(run.after, limit=PAGE)
        mended = heal(people, self.store, self.compiled(), new_id=self.new_id, now=self.clock())
        counts = _plus(run.counts, people=len(people), mended=mended)
        done = replace(run, after=after, counts=counts, touched=self.clock(), lease=self.clock() + LEASE)
        if after:
            return done
        shards = -(-max(counts["people"], 1) // SHARD)
        return replace(done, stage="match", doing="", shards=shards, total=counts["people"])

    # ---- finding pairs

    def _time_for(self, people: int) -> bool:
        return self.left() > min(20 + people / PACE, MOST)

    def _match(self, run: Run) -> Run | None:
        """Everything between the pages of people and the plan, in one go; of several shards, what they have found."""
        if not self._time_for(run.total):
            self._release(run)
            return None
        run = replace(run, lease=self.clock() + LONG_LEASE)
        if not _keep(run, self.store):
            return None
        from tailor.rules.matching import engine

        told = run

        def tell(doing: str) -> None:
            nonlocal told
            fresh = replace(told, doing=doing, touched=self.clock())
            if _keep(fresh, self.store):
                told = fresh

        table, pairs = engine.prepare(self._records(), progress=tell)
        if run.stage == "match":
            model = engine.learn(table, pairs)
            likely = engine.likely(table, pairs, model, progress=tell)
            compared = len(pairs)
        else:
            model, likely, compared = self._found(run.shards)
        tell("gathering people")
        labels = engine.cluster(table, likely, model)
        joins, reviews = _plan(likely, labels, table.ids)
        if self.compiled().program.identity.join == "review":
            joins, reviews = [], sorted([*joins, *reviews], key=lambda pair: -pair["weight"])[:REVIEWS]
        planned = [*({**pair, "ask": False} for pair in joins), *({**pair, "ask": True} for pair in reviews)]
        for place, start in enumerate(range(0, len(planned), PLANNED)):
            self.store.define("plan", f"{place:05d}", {"pairs": planned[start : start + PLANNED]})
        _keep_model(model, self.store)
        counts = {"records": len(table), "pairs": compared, "join": len(joins), "review": len(reviews)}
        return replace(
            told,
            stage="apply",
            doing="",
            after="0",
            planned=-(-len(planned) // PLANNED),
            counts={**run.counts, **counts},
            why=dict(Counter(_loudest(pair) for pair in joins).most_common(12)),
            samples=[*joins[:SAMPLES], *reviews[:SAMPLES]],
            touched=self.clock(),
            lease=self.clock() + LEASE,
        )

    def _records(self) -> Iterator[Record]:
        from tailor.rules.matching.normalise import normalise

        for person in self.store.everybody():
            told = raw(person)
            if comparable(told):
                yield normalise(told)

    def _shard(self, run: Run) -> Run | None:
        """Match one shard that nobody is at; ``gather`` is the next stage when none is left."""
        if not self._time_for(run.total):
            return None
        open_ = []
        for number in range(run.shards):
            version, row = self.store.job(f"{NAME}/{number}", KIND) or (0, {"run": 0, "lease": 0, "done": False})
            if row["run"] != run.started:
                row = {"run": run.started, "lease": 0, "done": False}
            if not row["done"]:
                open_.append((number, version, row))
        if not open_:
            done = replace(newest(self.store) or run, stage="gather", lease=0)
            return done if _keep(done, self.store) else newest(self.store)
        free = [one for one in open_ if one[2]["lease"] <= self.clock()]
        if not free:
            return None
        number, version, row = free[0]
        try:
            self.store.keep_job(f"{NAME}/{number}", {**row, "lease": self.clock() + LONG_LEASE}, was=version, kind=KIND)
        except Stale:
            return run
        from tailor.rules.matching import engine

        table, pairs = engine.prepare(self._records())
        model = engine.learn(table, pairs)
        mine = engine.portion(table, pairs, number, run.shards)
        found = engine.likely(table, mine, model)
        for place, document in enumerate(found.documents()):
            self.store.define(f"found/{number}", f"{place:05d}", document)
        _keep_model(model, self.store)
        done_row = {**row, "done": True, "lease": 0, "pairs": len(mine), "documents": place + 1}
        try:
            self.store.keep_job(f"{NAME}/{number}", done_row, was=version + 1, kind=KIND)
        except Stale:
            return run
        return newest(self.store)

    def _found(self, shards: int) -> tuple[Any, Likely, int]:
        from tailor.flows.arrive import model_in_force
        from tailor.rules.matching.engine import Likely

        documents, compared = [], 0
        for number in range(shards):
            _, row = self.store.job(f"{NAME}/{number}", KIND) or (0, {"pairs": 0, "documents": 0})
            compared += row["pairs"]
            known = self.store.definitions(f"found/{number}")
            documents += [known[f"{place:05d}"] for place in range(row["documents"])]
        return model_in_force(self.store), Likely.of(documents), compared

    # ---- joining

    def _apply(self, run: Run) -> Run | None:
        if self.left() < 15:
            self._release(run)
            return None
        place = int(run.after or 0)
        if place >= run.planned:
            now = self.clock()
            for key in self.store.definitions("plan"):
                self.store.undefine("plan", key)
            counts = _plus(run.counts, joined=0, refused=0)
            return replace(run, stage="done", counts=counts, finished=now, touched=now, lease=0, doing="")
        document = self.store.definition("plan", f"{place:05d}") or {"pairs": []}
        now = self.clock()
        joins = [_as_pair(one, at=now) for one in document["pairs"] if not one["ask"]]
        joined = join_all(joins, self.store, self.compiled(), by="night", clock=self.clock)
        Duplicates(self.store).keep(_as_pair(one, at=now) for one in document["pairs"] if one["ask"])
        counts = _plus(run.counts, joined=joined, refused=len(joins) - joined)
        return replace(run, after=str(place + 1), counts=counts, touched=self.clock(), lease=self.clock() + LEASE)


def _plus(counts: dict[str, int], **more: int) -> dict[str, int]:
    """The counts with some added; what was not found is told as 0."""
    return counts | {name: counts.get(name, 0) + by for name, by in more.items()}


def _keep(run: Run, store: Store) -> bool:
    return keep(run, store, kind=KIND, name=NAME)


def _keep_model(model: Any, store: Store) -> None:
    from tailor.flows.arrive import MODEL

    store.define(MODEL, MODEL, model.dump(most=4_000))


def _plan(
    likely: Likely, labels: Sequence[int], ids: Sequence[str]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(pairs that make people of records, pairs to be looked at), the likeliest first."""
    place = {id: row for row, id in enumerate(ids)}
    root = dict[str, str]()

    def first(id: str) -> str:
        while root.get(id, id) != id:
            id = root[id]
        return id

    joins, reviews = [], []
    for pair in likely.pairs():
        one, other = place.get(pair["one"]), place.get(pair["other"])
        if one is None or other is None:
            continue
        if labels[one] == labels[other]:
            here, there = first(pair["one"]), first(pair["other"])
            if here != there:
                root[there] = here
                joins.append({**pair, "band": "join"})
        else:
            reviews.append({**pair, "band": "review"})
    return joins, reviews[:REVIEWS]


def _as_pair(one: dict[str, Any], *, at: int) -> Pair:
    return Pair(one["one"], one["other"], "review", one["weight"], one["reasons"], "night", at, one["band"])


def _loudest(pair: dict[str, Any]) -> str:
    return " + ".join(f"{name} {level}" for name, level, weight in pair["reasons"][:2] if weight > 0)


# ---- healing


def heal(people: Sequence[Person], store: Store, compiled: Compiled, *, new_id: Callable[[int], str], now: int) -> int:
    """See that the ledger knows each identifier as its holder's; answers how many people were mended.

    A claim that was lost is made again; people of whom one holds what the ledger says is the other's are joined, by
    the same rules as at the door.
    """
    events = [_check(person, now) for person in _at_odds(people, store)]
    if events:
        absorb(events, store, compiled, new_id=new_id, now=now)
    return len(events)


def _at_odds(page: Sequence[Person], store: Store) -> list[Person]:
    claims = store.claims({one for person in page for one in held(person)}, consistent=True)
    return [person for person in page if any(claims.get(one) != person.id for one in held(person))]


def _check(person: Person, now: int) -> Event:
    return Event(
        id=digest("dedup", person.id, str(person.version)),
        kind="identify",
        name="Identity Checked",
        at=now,
        received=now,
        source="tailor",
        identifiers=ordered([Identifier("person", person.id), *held(person)]),
    )
