"""Erase: everything about one person, out of every store, with a receipt.

A request is one row, ``K#erasure``, that holds no personal data: ids, hashes and counts. Whoever finds it goes on with
it; every stage may be done twice, so a stop anywhere is finished by the next minute's tick::

    requested ──addresses suppressed──▶ planned ──person taken out──▶ sealed ──rows counted──▶ counted
                                                                                                  │ rows deleted
    settled ◀──rows deleted once more, after :data:`SETTLE`── swept ◀─────────────────────────────┘
       └──files combed (:mod:`tailor.flows.comb`)──▶ finished

``sealed`` is the point of no return, in one transaction: the person's item is gone, so that every write and letter that
was being decided loses its condition, and of the identifiers only hashes are left, by which events that were under way
are recognised and dropped. A later event makes a new person; the suppression stays, so nobody is written to. Workers
that read the person before may still add a row to the ledger; the second sweep, when none of them can be alive, takes
those.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from tailor.edges.duplicates import Duplicates
from tailor.edges.store import DELIVERY_LIFE, GONE_LIFE, QUARANTINE_LIFE, Store, pointed
from tailor.flows.checkpoint import document, keep
from tailor.kernel.errors import Stale
from tailor.kernel.instants import DAY, MINUTE, iso
from tailor.kernel.keys import identifier_key
from tailor.kernel.person import Person
from tailor.rules.identity import held
from tailor.rules.traces import Traces

OPEN = "erasure"
DONE = "erased"
"""Kinds of job rows; finished ones lie apart, so that each tick reads only what is open."""
DEADLINE = 30 * DAY
"""GDPR article 12 (3): without undue delay, at most one month; CCPA allows 45 days."""
SETTLE = 16 * MINUTE
"""Longer than any worker lives (15 minutes): after it nobody holds an old copy of the person."""
BACKUPS = 35 * DAY
"""How far back DynamoDB's point-in-time recovery reaches."""
ANSWERS_KEPT = 730 * DAY
"""How long it is known what people asked of us and were answered (11 CCR 7101: 24 months)."""
UNREAD_FILES = 14 * DAY
"""How long the bucket keeps a file that nobody imports."""
NIGHT = DAY
"""Each night puts its tables up anew, without those who are gone."""
SUPPRESSED = "erased"
ROWS = {
    "E": "events",
    "C": "consent",
    "S": "messages",
    "G": "merges",
    "B": "keys",
    "D": "pairs",
    "W": "webhook deliveries",
}
"""First letter of a sort key → what the receipt calls those rows."""
ELSEWHERE = ("block keys", "disputes", "list of merges")
"""What lies under other partitions than the person's own, as the receipt calls it."""

FILES = {
    "events": ("large events in S3", "taken out of what is under way"),
    "rows": ("refused rows in S3", "rows that name them deleted"),
    "files": ("import files in S3", "deleted where they name them, and what nobody can search with them"),
}
"""What combing counts → what the receipt calls it, and says was done."""


@dataclass(slots=True)
class Erasure:
    """One request, as stored under the id of its ``person``.

    Attributes
    ----------
    version : of the row, 0 before its first write.
    how : the door it came by, ``api`` or the name of a source.
    requested : instant; ``deadline`` is 30 days later.
    stage : see the module docstring.
    ids : the person's and those merged into them.
    claims : partition keys of their identifiers (hashes).
    kinds : kinds of those identifiers.
    counts : what was removed, by store.
    swept, finished : instants, 0 before; what came into the house after the former is about somebody new.
    """

    person: str
    version: int = 0
    how: str = ""
    requested: int = 0
    stage: str = "requested"
    ids: list[str] = field(default_factory=list)
    claims: list[str] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    swept: int = 0
    finished: int = 0

    def receipt(self) -> dict[str, Any]:
        """``{"person", "state", "how", "requested", "deadline", "finished", "stores": [{"store", "done", "count",
        "until"}]}``: what became of each store; ``until`` is when the last trace there ends."""
        done = self.finished or self.swept
        return {
            "person": self.person,
            "state": "finished" if self.finished else self.stage,
            "how": self.how,
            "requested": iso(self.requested),
            "deadline": iso(self.requested + DEADLINE),
            "finished": iso(self.finished) if self.finished else None,
            "stores": self._stores(done) if done else [],
        }

    def _stores(self, done: int) -> list[dict[str, Any]]:
        def line(store: str, what: str, count: int | None = None, until: int | None = None) -> dict[str, Any]:
            return {"store": store, "done": what, "count": count, "until": None if until is None else iso(until)}

        counted = [line(name, "deleted", self.counts.get(name, 0)) for name in ("people", *ROWS.values(), *ELSEWHERE)]
        others = [line(name, "deleted", n) for name, n in sorted(self.counts.items()) if name not in _NAMED]
        return [
            *counted,
            *others,
            line("identifiers", "replaced by a hash", self.counts.get("identifiers", 0), self.swept + GONE_LIFE),
            line("quarantine", "rows that name them deleted", self.counts.get("quarantine", 0)),
            line("suppressions", "a hash stays, so that nobody is written to", self.counts.get("addresses", 0)),
            line("queues", "events under way are dropped when read", None, self.swept + GONE_LIFE - DAY),
            line("stream", "expires by itself", None, self.swept + DAY),
            *(line(store, what, self.counts.get(store, 0)) for store, what in FILES.values()),
            line("files in S3 that no feed is for", "expire by the lifecycle of the bucket", None, done + UNREAD_FILES),
            line("imports", "hold counts, and no rows"),
            line("matching", "values that several share, and pairs by id: made anew each night", None, done + NIGHT),
            line(
                "products",
                "hold products, and how many people bought them: counted anew each night",
                None,
                done + NIGHT,
            ),
            line("campaigns", "hold counts; letters under way find nobody"),
            line("consent roots in S3", "hold hashes that name nobody"),
            line("requests", "hold ids, and what was done in words without values", None, done + ANSWERS_KEPT),
            line("walks", "hold counts, and the id at which a walk is"),
            line("webhook deliveries of facts", "hold ids alone; expire by themselves", None, done + DELIVERY_LIFE),
            line("backups", "point-in-time recovery ends", None, done + BACKUPS),
            line("logs", "hold ids only"),
        ]


_NAMED = {"people", "identifiers", "quarantine", "addresses", *ROWS.values(), *ELSEWHERE}
_NAMED |= {store for store, _ in FILES.values()}


def request_erasure(person: str, store: Store, *, how: str, now: int) -> Erasure:
    """Ask for a person to be erased; a request that is open, or done, stays as it is."""
    if (known := find_erasure(person, store)) is not None:
        return known
    made = Erasure(person, how=how, requested=now)
    return made if _keep(made, store) else (find_erasure(person, store) or made)


def find_erasure(person: str, store: Store) -> Erasure | None:
    """The request about a person, by the id they had when it was made."""
    row = store.job(person, OPEN) or store.job(person, DONE)
    return _read(person, row) if row else None


def erasures(store: Store, *, finished: bool = False) -> list[Erasure]:
    """The open requests, the one with the nearest deadline first; or those that are finished, the newest first."""
    known = [_read(person, row) for person, row in store.jobs(DONE if finished else OPEN).items()]
    return sorted(known, key=lambda one: -one.finished if finished else one.requested)


def erase(request: Erasure, store: Store, *, clock: Callable[[], int]) -> Erasure:
    """Go as far as is possible now; where another worker is at it, it is left to them."""
    while (further := _advance(request, store, clock())) is not None:
        if not _keep(further, store):
            return find_erasure(request.person, store) or request
        request = further
    return request


def erase_all(store: Store, *, clock: Callable[[], int], enough: Callable[[], bool] = lambda: False) -> list[Erasure]:
    """Go on with every open request; answers those that were finished."""
    finished = []
    for request in erasures(store):
        if enough():
            break
        if (done := erase(request, store, clock=clock)).finished:
            finished.append(done)
    return finished


def finish(request: Erasure, combed: dict[str, int], store: Store, *, now: int) -> Erasure:
    """The end of a settled request, with what combing has ``combed`` out of files: ``events``, ``rows``, ``files``."""
    counts = request.counts | {FILES[what][0]: count for what, count in combed.items()}
    # The hashes have done their work here; the claims keep them until they expire.
    done = replace(request, stage="finished", finished=now, counts=counts, claims=[], kinds=[])
    return done if _keep(done, store) else request


def _read(person: str, row: tuple[int, dict[str, Any]]) -> Erasure:
    return Erasure(person, row[0], **row[1])


def _keep(request: Erasure, store: Store) -> bool:
    return _file(request, store) if request.finished else keep(request, store, kind=OPEN, called="person")


def _file(request: Erasure, store: Store) -> bool:
    """Put the receipt away; one that lies there already was put by a worker who was stopped before the next line."""
    try:
        if store.job(request.person, DONE) is None:
            store.keep_job(request.person, document(request, "person"), was=0, kind=DONE)
    except Stale:
        return False
    store.drop([(f"K#{OPEN}", request.person)])
    return True


def _advance(request: Erasure, store: Store, now: int) -> Erasure | None:
    """One stage further, ``None`` where there is nothing to do (yet)."""
    match request.stage:
        case "requested":
            return _plan(request, store, now)
        case "planned":
            return _seal(request, store, now)
        case "sealed":
            return replace(request, stage="counted", counts=request.counts | _count(request, store, now))
        case "counted":
            _sweep(request, store, now)
            return replace(request, stage="swept", swept=now)
        case "swept" if now >= request.swept + SETTLE:
            late = Counter(request.counts) + Counter(_count(request, store, now))
            _sweep(request, store, now)
            return replace(request, stage="settled", counts=dict(late))
        case _:
            return None


def _plan(request: Erasure, store: Store, now: int) -> Erasure:
    """Write down what is theirs, by hashes; and first of all see to it that nobody is written to any more."""
    person = store.person(request.person, consistent=True)
    if person is None:
        return replace(request, stage="sealed", ids=[request.person], counts={"people": 0, "addresses": 0})
    addresses = person.identifiers.get("email", [])
    for address in addresses:
        store.suppress(address, SUPPRESSED, now=now)
    holders = store.claims(held(person), consistent=True)
    claims = [identifier_key(one.kind, one.value) for one, holder in holders.items() if holder == person.id]
    ids = [*dict.fromkeys([person.id, *person.aliases, request.person])]
    return replace(
        request,
        stage="planned",
        ids=ids,
        claims=sorted(claims),
        kinds=sorted(person.identifiers),
        counts={"people": 1 + len(person.aliases), "identifiers": len(claims), "addresses": len(addresses)},
    )


def _seal(request: Erasure, store: Store, now: int) -> Erasure:
    """Take the person out; somebody who has changed since they were planned is planned anew."""
    person = store.person(request.ids[0], consistent=True)
    if person is not None:
        if not _as_planned(person, request, store):
            return replace(request, stage="requested")
        try:
            store.seal(person, request.claims, now=now)
        except Stale:
            return replace(request, stage="requested")
    store.disclaim(request.ids[0], request.claims, aliases=request.ids[1:], now=now)
    return replace(request, stage="sealed")


def _as_planned(person: Person, request: Erasure, store: Store) -> bool:
    holders = store.claims(held(person), consistent=True)
    claims = {identifier_key(one.kind, one.value) for one, holder in holders.items() if holder == person.id}
    return person.id == request.ids[0] and claims == set(request.claims) and {*person.aliases} <= {*request.ids}


def _count(request: Erasure, store: Store, now: int) -> dict[str, int]:
    """What there is to delete; counted before, so that a stop between does not lose it."""
    counts = Counter(
        ROWS.get(sk.partition("#")[0], sk.partition("#")[0]) for id in request.ids for _, sk in store.rows(id)
    )
    duplicates = Duplicates(store)
    counts["block keys"] = sum(len(duplicates.keys_of(id)) for id in request.ids)
    counts["disputes"] = len(_disputes(request, store))
    counts["list of merges"] = len(_entries(request, duplicates))
    counts["quarantine"] = sum(1 for _ in _quarantined(request, store, now))
    return dict(counts)


def _sweep(request: Erasure, store: Store, now: int) -> None:
    duplicates = Duplicates(store)
    # First what is found by the rows that go after it.
    store.drop([*_disputes(request, store), *_entries(request, duplicates)])
    for id in request.ids:
        duplicates.forget_keys(id)
        duplicates.forget_pairs(id)
        rows = store.rows(id)
        store.drop([*(pointed(sk) for _, sk in rows if sk.startswith("W#")), *rows])
    for row in _quarantined(request, store, now):
        store.unquarantine(row)


def _disputes(request: Erasure, store: Store) -> set[tuple[str, str]]:
    return {key for id in request.ids for key in store.disputes(id, request.claims)}


def _entries(request: Erasure, duplicates: Duplicates) -> list[tuple[str, str]]:
    return [key for id in request.ids for key in duplicates.entries(id)]


def _quarantined(request: Erasure, store: Store, now: int) -> Iterator[str]:
    """Ids of rows of the quarantine in which one of the identifiers stands."""
    traces = traces_of([request])
    for day in range(now - QUARANTINE_LIFE - DAY, now + DAY, DAY):
        for row in store.quarantined(iso(day)[:10]):
            if traces.of(row):
                yield row["id"]


def traces_of(requests: Iterable[Erasure]) -> Traces:
    """What finds those who are being erased, by the id of their request, in what nobody can look up."""
    known = list(requests)
    whose = {claim: request.person for request in known for claim in request.claims}
    return Traces(whose, {kind for request in known for kind in request.kinds})
