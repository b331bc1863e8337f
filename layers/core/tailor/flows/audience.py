"""Audience: segments as the people who are in them: how many, who, why, and how many a rule would have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Any

from tailor.edges.store import EVENT_LIFE, Store
from tailor.flows.publish import KIND
from tailor.flows.walk import sizes
from tailor.kernel.errors import Rejected
from tailor.kernel.fields import nearest
from tailor.kernel.instants import NEVER, iso
from tailor.kernel.person import Person
from tailor.kernel.program import Program
from tailor.rules.compiled import Compiled
from tailor.rules.consent import view
from tailor.rules.groups import check_group, too_few
from tailor.rules.recount import rebuilt, recount
from tailor.rules.segments import Reason, Rule
from tailor.rules.wording import write

SAMPLE = 2_000
"""People a preview looks at; where it must read their events as well, :data:`SAMPLE_OF_EVENTS`."""
SAMPLE_OF_EVENTS = 200
EXAMPLES = 20
CONFIDENCE = 1.96
"""Standard deviations of the interval a preview gives: it holds 95 times in 100."""
SCANNED = 1_000
"""People read for one page of members."""
FLIPS = 200
"""Instants looked at for the one at which a person would leave or enter."""
_TRIAL = "(preview)"


def segments(store: Store, compiled: Compiled) -> list[dict[str, Any]]:
    """Every segment in force: ``{"key", "title", "purpose", "sentence", "size", "below", "counted"}``.

    ``size`` is as of the last walk over everybody, at ``counted``; both are ``None`` before there was one. A size that
    may not be told, see :mod:`tailor.rules.groups`, is ``None``, and ``below`` then says of how many it falls short.
    """
    days = sizes(store)
    last = days[-1] if days else {"at": None, "segments": {}}
    return [
        {
            "key": segment.key,
            "title": segment.title,
            "purpose": segment.purpose,
            "sentence": compiled.segments.rules[segment.key].sentence,
            **(
                _told(last["segments"].get(segment.key, 0), compiled.program) if days else {"size": None, "below": None}
            ),
            "counted": last["at"],
        }
        for segment in compiled.program.segments.values()
    ]


def segment(key: str, store: Store, compiled: Compiled) -> dict[str, Any]:
    """One of :func:`segments` with its ``rule``, the same as ``text``, and ``history``: ``{"day", "at", "size",
    "below", "people"}`` a day.

    Raises
    ------
    Rejected : there is none (404).
    """
    _known(key, compiled)
    (found,) = [one for one in segments(store, compiled) if one["key"] == key]
    history = [
        {
            "day": day["day"],
            "at": day["at"],
            **_told(day["segments"].get(key, 0), compiled.program),
            "people": day["people"],
        }
        for day in sizes(store)
    ]
    rule = compiled.program.segments[key].rule
    return {**found, "rule": rule, "text": write(rule), "history": history}


def _told(size: int, program: Program) -> dict[str, int | None]:
    return {"size": None, "below": program.minimum_group} if too_few(size, program) else {"size": size, "below": None}


@dataclass(slots=True)
class _Trial:
    """A rule tried on people."""

    rule: Rule
    purpose: str
    compiled: Compiled
    rebuild: bool
    now: int

    def holds(self, person: Person, store: Store) -> bool:
        if self.rebuild:
            found = recount(person, store.events(person), self.compiled, now=self.now, life=EVENT_LIFE)
            person = rebuilt(person, found.history)
        return self.rule.holds(view(person, self.purpose, self.compiled.program, now=self.now), now=self.now)[0]


def preview(rule: Any, store: Store, compiled: Compiled, *, purpose: str, now: int) -> dict[str, Any]:
    """How many people a rule would have, from a sample of them, and some of them.

    ``{"sentence", "size", "low", "high", "exact", "people", "sampled", "matched", "examples"}``, the last as
    ``{"id", "identifiers"}`` each: with 95 % confidence ``size`` lies from ``low`` to ``high`` (Wilson's score
    interval). A rule whose counters are not kept yet is tried on the event rows of fewer people.

    Raises
    ------
    Rejected : the rule is wrong (``pointer`` leads into ``{"rule": ...}``), or has too few people to tell of (422).
    """
    trial = _trial(rule, store, compiled, purpose, now)
    found = _estimate(trial, store)
    check_group(found.likely, trial.compiled.program, rule=trial.rule, pointer="/rule")
    return {
        "sentence": trial.rule.sentence,
        "size": found.size,
        "low": found.low,
        "high": found.high,
        "exact": found.exact,
        "people": found.people,
        "sampled": found.sampled,
        "matched": len(found.matching),
        "examples": [{"id": person.id, "identifiers": person.identifiers} for person in found.matching[:EXAMPLES]],
    }


def check_audience(rule: Rule, store: Store, compiled: Compiled, *, now: int) -> None:
    """Refuse an audience that is certainly too small for ``minimum_group``, judged from a sample as in a preview.

    Raises
    ------
    Rejected : too few people (422).
    """
    found = _estimate(_Trial(rule, "personalization", compiled, rebuild=False, now=now), store)
    check_group(found.likely, compiled.program, rule=rule, pointer="/audience")


@dataclass(frozen=True, slots=True)
class _Estimate:
    """How many of ``people`` a rule has, from those ``sampled``."""

    size: int
    low: int
    high: int
    exact: bool
    people: int
    sampled: int
    matching: list[Person]

    @property
    def likely(self) -> int:
        """The size to judge a group by; where nobody of a sample is in it, that says only how many it cannot exceed."""
        return self.size if self.exact or self.matching else self.high


def _estimate(trial: _Trial, store: Store) -> _Estimate:
    sampled = sample(store, SAMPLE_OF_EVENTS if trial.rebuild else SAMPLE)
    matching = [person for person in sampled.people if trial.holds(person, store)]
    size, low, high = sampled.stands_for(len(matching))
    return _Estimate(size, low, high, sampled.exact, sampled.total, len(sampled.people), matching)


def _trial(rule: Any, store: Store, compiled: Compiled, purpose: str, now: int) -> _Trial:
    drafted = {"name": _TRIAL, "segments": {_TRIAL: {"rule": rule, "purpose": purpose}}}
    try:
        tried = Compiled(Program.of([*store.definitions(KIND).values(), drafted]))
    except Rejected as fault:
        pointer = fault.pointer.removeprefix(f"/segments/{_TRIAL}")
        raise Rejected(fault.detail, code=fault.code, pointer=pointer) from fault
    return _Trial(tried.segments.rules[_TRIAL], purpose, tried, tried.counts_more_than(compiled), now)


@dataclass(frozen=True, slots=True)
class Sample:
    """Some of ``total`` people, a fair sample of them; all of them where ``exact``."""

    people: list[Person]
    total: int
    exact: bool

    def stands_for(self, matched: int) -> tuple[int, int, int]:
        """How many of all people ``matched`` of the sample stand for: (about, at least, at most) with 95 %."""
        if self.exact:
            return matched, matched, matched
        low, high = _interval(matched, len(self.people))
        about = round(self.total * matched / len(self.people))
        return about, int(self.total * low), min(self.total, int(self.total * high) + 1)


def sample(store: Store, wanted: int = SAMPLE) -> Sample:
    """Up to ``wanted`` people. The table keeps them by a hash of their ids: its first ones are a fair sample."""
    found, after = store.page("", limit=wanted)
    while after and len(found) < wanted:
        page, after = store.page(after, limit=wanted - len(found))
        found += page
    return Sample(found, max(store.headcount(), len(found)) if after else len(found), exact=not after)


def _interval(matched: int, sampled: int) -> tuple[float, float]:
    """Wilson's score interval of a share, which is sound for shares near 0 and 1 too (Wilson 1927, JASA 22)."""
    share, square = matched / sampled, CONFIDENCE**2
    middle = (share + square / (2 * sampled)) / (1 + square / sampled)
    half = CONFIDENCE * sqrt(share * (1 - share) / sampled + square / (4 * sampled**2)) / (1 + square / sampled)
    return max(0.0, middle - half), min(1.0, middle + half)


def members(key: str, store: Store, compiled: Compiled, *, after: str = "", limit: int) -> dict[str, Any]:
    """A page of members: ``{"members": [{"id", "since", "identifiers"}], "next"}``.

    A page may be short, or empty, and not the last: ``next`` is ``None`` for that, else the ``after`` of the next one.

    Raises
    ------
    Rejected : there is no such segment (404), or it has too few members to tell of them (422).
    """
    _known(key, compiled)
    check_group(_at_least(key, store, compiled.program), compiled.program, rule=compiled.segments.rules[key])
    found: list[dict[str, Any]] = []
    read = 0
    while read < SCANNED:
        # Never more than may be answered, so that no member of a page is left out.
        size = min(limit - len(found), SCANNED - read)
        people, after = store.page(after, limit=size)
        read += size
        found += [
            {"id": person.id, "since": iso(person.memberships[key]), "identifiers": person.identifiers}
            for person in people
            if key in person.memberships
        ]
        if not after or len(found) == limit:
            break
    return {"members": found, "next": after or None}


def _at_least(key: str, store: Store, program: Program) -> int:
    """How many members a segment has at least, for :func:`check_group`: as many as its minimum asks for are enough.

    The last walk has counted them; what it found too small, or did not know yet, is looked for among the first people.
    """
    days = sizes(store)
    counted = int(days[-1]["segments"].get(key, 0)) if days else 0
    if not too_few(counted, program):
        return counted
    return sum(key in person.memberships for person in sample(store).people)


def explain(person: Person, key: str, compiled: Compiled, *, now: int) -> dict[str, Any]:
    """Whether and why a person is in a segment, and when time alone would change that.

    ``{"segment", "member", "since", "sentence", "changes", "reason"}``; ``changes`` is an instant or ``None``,
    ``reason`` is :meth:`tailor.rules.segments.Reason.to_json`.

    Raises
    ------
    Rejected : there is no such segment (404).
    """
    _known(key, compiled)
    rule, purpose = compiled.segments.rules[key], compiled.program.segments[key].purpose
    reason = rule.explain(view(person, purpose, compiled.program, now=now), now=now)
    since = person.memberships.get(key)
    changes = _flip(rule, person, purpose, compiled, reason)
    return {
        "segment": key,
        "member": reason.holds,
        "since": iso(since) if reason.holds and since is not None else None,
        "sentence": _sentence(reason, since, changes),
        "changes": None if changes is None else iso(changes),
        "reason": reason.to_json(),
    }


def _flip(rule: Rule, person: Person, purpose: str, compiled: Compiled, reason: Reason) -> int | None:
    """The first instant at which the answer is another one; ``until`` may come before that."""
    until = reason.until
    for _ in range(FLIPS):
        if until >= NEVER:
            return None
        at = until
        holds, until = rule.holds(view(person, purpose, compiled.program, now=at), now=at)
        if holds != reason.holds:
            return at
    return None


def _sentence(reason: Reason, since: int | None, changes: int | None) -> str:
    if reason.holds:
        began = f" since {iso(since)}" if since is not None else ""
        leaves = f" Would leave at {iso(changes)}." if changes is not None else " Time alone will not change that."
        return f"In{began}, because {reason.sentence}.{leaves}"
    blamed = reason.first_failing()
    enters = f" Would enter at {iso(changes)}." if changes is not None else ""
    return f"Not in: it is not so that {blamed.sentence if blamed else reason.sentence}.{enters}"


def _known(key: str, compiled: Compiled) -> None:
    known: Mapping[str, Any] = compiled.program.segments
    if key not in known:
        raise Rejected(f"there is no segment {key!r}{nearest(key, known)}", code="not-found", status=404)
