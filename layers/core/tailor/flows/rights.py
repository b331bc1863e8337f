"""Rights: what people ask of us about their data, by when it must be answered, and what became of it.

A request is one row that holds no personal data: who (by id), what, when, and what was done in words that name
attributes and purposes without their values. It is open until it is carried out or refused; carrying out goes first and
may be repeated, the row is closed after it, so a stop between the two is finished by doing it again. Erasure has a row,
and stages, of its own (:mod:`tailor.flows.erase`).

================  ==========================================================  =======================================
kind              what carrying it out does                                   law
================  ==========================================================  =======================================
``access``        nothing: the export is handed over (also portability)       GDPR 15, 20; CCPA 1798.110
``rectification`` attributes get other values, or none                        GDPR 16; CCPA 1798.106
``restriction``   nothing is used but for a contract, until it is lifted      GDPR 18
``lifting``       the end of a restriction                                    GDPR 18(3)
``objection``     purposes are withdrawn                                      GDPR 21
``opt_out``       sharing and sale are withdrawn                              CCPA 1798.120
================  ==========================================================  =======================================
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from tailor.edges.store import Store
from tailor.flows.absorb import absorb
from tailor.flows.checkpoint import document, keep
from tailor.flows.erase import ANSWERS_KEPT
from tailor.kernel.errors import Rejected, Stale
from tailor.kernel.event import ConsentChange, Event, Identifier, Kind
from tailor.kernel.fields import nearest
from tailor.kernel.instants import DAY, iso
from tailor.kernel.keys import digest
from tailor.kernel.person import Person
from tailor.kernel.program import Program
from tailor.rules import policy
from tailor.rules.compiled import Compiled
from tailor.rules.consent import RESTRICTION

Right = Literal["access", "rectification", "restriction", "lifting", "objection", "opt_out"]
RIGHTS: tuple[Right, ...] = get_args(Right)
OPEN, CLOSED = "right", "righted"
"""Kinds of job rows; closed ones lie apart, so that who asks for the open ones reads only those."""
OBJECTED = ("marketing", "profiling")
"""Purposes that an objection is against where it names none."""
SHARING = "sharing"
VALUE = 500
"""Characters of a text that an attribute is corrected to."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What answering needs."""

    store: Store
    compiled: Compiled
    new_id: Callable[[int], str]


@dataclass(frozen=True, slots=True)
class Details:
    """What a request says beside its kind: for a rectification ``attributes``, name → value or ``None`` for none; for
    an objection ``purposes``."""

    attributes: Mapping[str, Any] = field(default_factory=dict)
    purposes: Sequence[str] = ()


@dataclass(slots=True)
class Request:
    """One request, all instants in ms.

    Attributes
    ----------
    by : the door it came by, ``api`` or ``preferences``.
    due : when it must be answered, by the law of the person's country; ``extended`` whether that was put off, ``why``
        with which reason, or with which it was refused.
    settled : when it was carried out or refused, 0 before; ``did`` says what was done.
    """

    id: str
    version: int = 0
    person: str = ""
    kind: Right = "access"
    by: str = ""
    asked: int = 0
    due: int = 0
    extended: bool = False
    state: Literal["open", "done", "refused"] = "open"
    settled: int = 0
    why: str = ""
    did: list[str] = field(default_factory=list)

    def to_json(self, *, now: int) -> dict[str, Any]:
        """For people; ``overdue``: whether it is open and should not be any more."""
        return {
            "id": self.id,
            "person": self.person,
            "kind": self.kind,
            "by": self.by,
            "state": self.state,
            "asked": iso(self.asked),
            "due": iso(self.due),
            "overdue": self.state == "open" and now > self.due,
            "extended": self.extended,
            "settled": iso(self.settled) if self.settled else None,
            "why": self.why,
            "did": self.did,
        }


def ask(person: Person, kind: Right, desk: Desk, *, by: str, now: int) -> Request:
    """Enter a request; one of the same kind that is open stays as it is."""
    for known in requests(desk.store):
        if known.person == person.id and known.kind == kind:
            return known
    law = policy.regime(person)
    id = f"q_{digest(person.id, kind, str(now), size=10)}"
    made = Request(id, 0, person.id, kind, by, asked=now, due=now + law.days * DAY)
    return made if _keep(made, desk.store) else (find(id, desk.store) or made)


def carry_out(request: Request, details: Details, desk: Desk, *, now: int) -> Request:
    """Do what was asked, and close the request; one that is closed stays as it is.

    Raises
    ------
    Rejected : details that fit no attribute or purpose (the pointer names it), or the person is gone (404).
    """
    if request.state != "open":
        return request
    person = desk.store.person(request.person, consistent=True)
    if person is None:
        raise Rejected("there is no such person any more: refuse the request", code="not-found", status=404)
    did, change = _meant(request.kind, details, desk.compiled.program)
    if change:
        event = Event(
            id=digest("right", request.id),
            at=now,
            received=now,
            source="rights",
            identifiers=(Identifier("person", person.id),),
            **change,
        )
        absorb([event], desk.store, desk.compiled, new_id=desk.new_id, now=now)
    return _close(replace(request, state="done", settled=now, did=did), desk.store)


def refuse(request: Request, why: str, store: Store, *, now: int) -> Request:
    """Close a request without doing what was asked; the law wants the person told why.

    Raises
    ------
    Rejected : no reason, or it is closed already (409).
    """
    _check_open(request, why)
    return _close(replace(request, state="refused", settled=now, why=why), store)


def extend(request: Request, why: str, desk: Desk) -> Request:
    """Put the answer off, once, by as much as the law of the person's country allows.

    Raises
    ------
    Rejected : no reason; it is closed already, or was put off before (409).
    """
    _check_open(request, why)
    if request.extended:
        raise Rejected("it was put off before; no law allows that twice", code="extended", status=409)
    person = desk.store.person(request.person, consistent=True)
    law = policy.regime(person) if person else policy.STRICTEST
    later = replace(request, due=request.due + law.more * DAY, extended=True, why=why)
    return later if _keep(later, desk.store) else (find(request.id, desk.store) or later)


def find(id: str, store: Store) -> Request | None:
    """One request, open or closed."""
    for kind in (CLOSED, OPEN):
        if (row := store.job(id, kind)) is not None:
            return _read(id, row)
    return None


def requests(store: Store, *, closed: bool = False) -> list[Request]:
    """The open ones, the nearest deadline first; or the closed ones, the newest first."""
    if closed:
        known = [_read(id, row) for id, row in store.jobs(CLOSED).items()]
        return sorted(known, key=lambda one: (-one.settled, one.id))
    waiting = [_read(id, row) for id, row in store.jobs(OPEN).items()]
    # Whoever closed one may have been stopped before the open row was gone.
    shut = [one for one in waiting if store.job(one.id, CLOSED) is not None]
    store.drop((f"K#{OPEN}", one.id) for one in shut)
    return sorted((one for one in waiting if one not in shut), key=lambda one: (one.due, one.id))


def of(ids: Collection[str], store: Store, *, now: int) -> Iterator[dict[str, Any]]:
    """What somebody, known by ``ids``, has asked, for themselves."""
    for closed in (False, True):
        yield from (one.to_json(now=now) for one in requests(store, closed=closed) if one.person in ids)


# ---- what is meant


def _meant(kind: Right, details: Details, program: Program) -> tuple[list[str], dict[str, Any]]:
    """What is done, in words without values, and the parts of the event that does it."""
    match kind:
        case "access":
            return ["everything was handed over"], {}
        case "rectification":
            return _corrected(details.attributes, program)
        case "restriction":
            return ["restricted to what a contract takes"], _chosen("Processing Restricted", RESTRICTION)
        case "lifting":
            return ["the restriction was lifted"], _chosen("Restriction Lifted", RESTRICTION, grant="granted")
        case "opt_out":
            return [f"withdrawn: {SHARING}"], _chosen("Consent Updated", SHARING)
    wanted = details.purposes or [name for name in OBJECTED if name in program.purposes]
    for index, name in enumerate(wanted):
        if name not in program.purposes:
            detail = f"there is no purpose {name!r}{nearest(name, program.purposes)}"
            raise Rejected(detail, code="no-purpose", pointer=f"/purposes/{index}")
    return [f"withdrawn: {', '.join(wanted)}"], _chosen("Consent Updated", *wanted)


def _chosen(name: str, *purposes: str, grant: Literal["granted", "withdrawn"] = "withdrawn") -> dict[str, Any]:
    kind: Kind = "consent"
    return {"kind": kind, "name": name, "consent": tuple(ConsentChange(one, grant) for one in purposes)}


def _corrected(attributes: Mapping[str, Any], program: Program) -> tuple[list[str], dict[str, Any]]:
    if not attributes:
        raise Rejected("name the attributes and their right values", code="nothing-said", pointer="/attributes")
    for name, value in attributes.items():
        pointer = f"/attributes/{name}"
        if name not in program.attributes:
            detail = f"there is no attribute {name!r}{nearest(name, program.attributes)}"
            raise Rejected(detail, code="no-attribute", pointer=pointer)
        plain = value is None or isinstance(value, (str, bool, int, float, list))
        if not plain or len(str(value)) > VALUE:
            detail = f"a value is plain, of {VALUE} characters at most, or null"
            raise Rejected(detail, code="bad-value", pointer=pointer)
    names = ", ".join(sorted(attributes))
    kind: Kind = "identify"
    return [f"corrected: {names}"], {"kind": kind, "name": "Data Corrected", "traits": dict(attributes)}


# ---- rows


def _check_open(request: Request, why: str) -> None:
    if not why.strip():
        raise Rejected("say why; the person has to be told", code="no-reason", pointer="/why")
    if request.state != "open":
        raise Rejected(f"the request is closed: {request.state}", code="closed", status=409)


def _read(id: str, row: tuple[int, dict[str, Any]]) -> Request:
    return Request(**{**row[1], "id": id, "version": row[0]})


def _keep(request: Request, store: Store) -> bool:
    return keep(request, store, kind=OPEN, called="id")


def _close(request: Request, store: Store) -> Request:
    """Put the answer away; one that lies there already was put by a worker who was stopped before the next line."""
    try:
        store.keep_job(request.id, document(request, "id"), was=0, kind=CLOSED, until=request.settled + ANSWERS_KEPT)
    except Stale:
        pass
    store.drop([(f"K#{OPEN}", request.id)])
    return find(request.id, store) or request
