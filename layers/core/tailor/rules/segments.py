"""Segments: who is in, until when that holds if nothing happens, and why.

The rules of all segments that serve one purpose become one function, so that they share what they look up. Those that
an event can change become one more as soon as the same event has come often enough to pay for compiling it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tailor.kernel.errors import Rejected
from tailor.kernel.instants import NEVER
from tailor.kernel.program import Program
from tailor.rules.consent import View
from tailor.rules.formula import Evaluator, code, reads, rings, tallies
from tailor.rules.node import Node
from tailor.rules.reading import Reader, escaped
from tailor.rules.tallies import Tally

COMPILING = 1_500
"""What compiling one more segment costs, in segments decided. A set of names gets a function of its own once deciding
all the others beside it has cost as much."""
KEPT = 256
"""Sets of changed names remembered; beyond it the oldest is forgotten."""
CONSENT = "~consent"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a rule holds or does not.

    Attributes
    ----------
    operator : key of the rule's operator.
    sentence : English of the rule.
    holds : whether it does.
    until : the first instant at which that may differ if nothing happens, in ms; ``NEVER`` for none.
    seen : the values it looked at, plain JSON; instants in ms, newest first.
    parts : the same of the rules inside it.
    """

    operator: str
    sentence: str
    holds: bool
    until: int
    seen: dict[str, Any]
    parts: tuple[Reason, ...] = ()

    def first_failing(self) -> Reason | None:
        """The innermost rule that is to blame, ``None`` if this one holds.

        Of a list of alternatives none of which holds the whole list is to blame.
        """
        if self.holds:
            return None
        failing = [part for part in self.parts if not part.holds]
        if not failing or (self.operator == "any" and len(failing) > 1):
            return self
        return failing[0].first_failing()

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; ``until`` is ``null`` for never."""
        return {
            "operator": self.operator,
            "sentence": self.sentence,
            "holds": self.holds,
            "until": None if self.until >= NEVER else self.until,
            "seen": self.seen,
            "parts": [part.to_json() for part in self.parts],
        }


class Rule:
    """One compiled rule.

    Attributes
    ----------
    sentence : English of the whole rule.
    tallies : what the step must count apart for it.
    rings : name in the history → timestamps it needs there, for those beyond the usual number.
    reads : what changes can change the answer, see :func:`tailor.rules.formula.reads`. What a purpose may see hangs on
        consent as well, which is for the caller to know.
    """

    def __init__(self, node: Node) -> None:
        self.node = node
        self.sentence = node.sentence
        self.tallies: tuple[Tally, ...] = tallies([node.formula])
        self.rings: dict[str, int] = rings([node.formula])
        self.reads: frozenset[str] = reads([node.formula])

    def holds(self, view: View, *, now: int) -> tuple[bool, int]:
        """The answer at ``now``, and the first instant at which time alone could change it."""
        (member,), (until,) = self._answer(view, now)
        return member, until

    def explain(self, view: View, *, now: int) -> Reason:
        """:meth:`holds` of the rule and of every rule inside it, decided by the same code."""
        members, untils = self._answers(view, now)
        return _reason(self.node, view, zip(members, untils, strict=True))

    @cached_property
    def _answer(self) -> Evaluator:
        return code([self.node.formula])

    @cached_property
    def _answers(self) -> Evaluator:
        return code([node.formula for node in _every(self.node)])


@dataclass(frozen=True, slots=True)
class _Group:
    """Segments of one purpose, decided by one function."""

    purpose: str
    keys: tuple[str, ...]
    answer: Evaluator


@dataclass(frozen=True, slots=True)
class Decisions:
    """Segments decided, column by column: ``keys``, whether the person is in each, and the first instant at which time
    alone could change that. Iterating gives them row by row."""

    keys: tuple[str, ...]
    members: tuple[bool, ...]
    untils: tuple[int, ...]

    def __iter__(self) -> Iterator[tuple[str, bool, int]]:
        return zip(self.keys, self.members, self.untils, strict=True)

    def __add__(self, other: Decisions) -> Decisions:
        return Decisions(self.keys + other.keys, self.members + other.members, self.untils + other.untils)

    @property
    def due(self) -> int:
        """The first instant at which time alone could change any."""
        return min(self.untils, default=NEVER)

    def changing(self, memberships: Collection[str]) -> list[tuple[str, bool]]:
        """Those in which somebody with these memberships is not what was decided."""
        both = zip(self.keys, self.members, strict=True)
        return [(key, member) for key, member in both if member != (key in memberships)]

    def only(self, keys: Collection[str]) -> Decisions:
        """Without those of other keys."""
        kept = [one for one in self if one[0] in keys]
        return Decisions(*zip(*kept, strict=True)) if kept else NOTHING


NOTHING = Decisions((), (), ())


class SegmentSet:
    """All segments of a program.

    Attributes
    ----------
    keys : of the segments, in the order of the program.
    rules : segment key → its rule.
    rings : name in the history → timestamps the rules need there, for those beyond the usual number.
    tallies : name of an event → what the step must count apart of it.
    """

    def __init__(self, nodes: Mapping[str, Node], purposes: Mapping[str, str]) -> None:
        formulas = [node.formula for node in nodes.values()]
        self.keys: tuple[str, ...] = tuple(nodes)
        self.rules: dict[str, Rule] = {key: Rule(node) for key, node in nodes.items()}
        self.rings: dict[str, int] = rings(formulas)
        self.tallies: dict[str, tuple[Tally, ...]] = {}
        for one in tallies(formulas):
            self.tallies[one.event] = (*self.tallies.get(one.event, ()), one)
        self._purposes = purposes
        self._readers: dict[str, set[str]] = {}
        for key, rule in self.rules.items():
            for name in rule.reads:
                self._readers.setdefault(name, set()).add(key)
        self._wasted: dict[frozenset[str], int] = {}
        self._groups: dict[frozenset[str], list[_Group]] = {}

    def decide(self, see: Callable[[str], View], changed: Collection[str] | None = None, *, now: int) -> Decisions:
        """Who is in, at ``now``.

        Parameters
        ----------
        see : purpose → what it may see of the person.
        changed : what is new since the last decision: names of events (their filtered counts are meant as well), ``@``
            and the name of an attribute, ``~consent``. Only segments that read any of these are decided; ``None``: all.

        Only the segments in question are in the answer.
        """
        # A refused purpose sees nothing of a person, so that consent can change whatever a rule reads.
        if changed is None or CONSENT in changed:
            return _decide(self._everything, see, now)
        names = frozenset(name for name in changed if name in self._readers)
        if not names:
            return NOTHING
        groups = self._groups.get(names)
        if groups is None:
            concerned = set[str]().union(*(self._readers[name] for name in names))
            groups = self._earned(names, concerned)
            if groups is None:
                return _decide(self._everything, see, now).only(concerned)
        return _decide(groups, see, now)

    @cached_property
    def _everything(self) -> list[_Group]:
        return self._compiled(self.keys)

    def _earned(self, names: frozenset[str], concerned: Collection[str]) -> list[_Group] | None:
        """The functions for ``names``, once they would have paid for themselves."""
        if names not in self._wasted and len(self._wasted) >= KEPT:
            forgotten = next(iter(self._wasted))
            del self._wasted[forgotten]
            self._groups.pop(forgotten, None)
        self._wasted[names] = wasted = self._wasted.get(names, 0) + len(self.keys) - len(concerned)
        if wasted < COMPILING * len(concerned):
            return None
        self._groups[names] = groups = self._compiled(concerned)
        return groups

    def _compiled(self, keys: Collection[str]) -> list[_Group]:
        by_purpose: dict[str, list[str]] = {}
        for key in self.keys:
            if key in keys:
                by_purpose.setdefault(self._purposes[key], []).append(key)
        return [
            _Group(purpose, tuple(members), code([self.rules[key].node.formula for key in members]))
            for purpose, members in by_purpose.items()
        ]


def compile_segments(program: Program) -> SegmentSet:
    """All segments of ``program``.

    Raises
    ------
    Rejected : a rule is wrong; ``pointer`` is its place, ``/segments/<key>/rule/…``.
    """
    library = _Library(program)
    nodes = {key: library.node(key) for key in program.segments}
    return SegmentSet(nodes, {key: segment.purpose for key, segment in program.segments.items()})


def compile_rule(rule: Any, program: Program, *, purpose: str = "personalization", pointer: str = "") -> Rule:
    """One rule that is no segment of its own, such as a journey's ``exit_when``.

    Parameters
    ----------
    rule : JSON value, from anywhere.
    purpose : what the rule serves; it may read only attributes permitted for that.
    pointer : of ``rule`` in its document, the beginning of the ``pointer`` of every error.

    Raises
    ------
    Rejected : the rule, or one of a segment that it names, is wrong.
    """
    return Rule(Reader(program, purpose, _Library(program).node).rule(rule, pointer))


class _Library:
    """The segments of a program as read, each once and when first named."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._nodes: dict[str, Node] = {}
        self._reading: list[str] = []

    def node(self, key: str) -> Node:
        """The rule of a segment, read for the segment's own purpose."""
        if key in self._nodes:
            return self._nodes[key]
        segment = self._program.segments[key]
        pointer = f"/segments/{escaped(key)}/rule"
        if key in self._reading:
            circle = " → ".join([*self._reading[self._reading.index(key) :], key])
            raise Rejected(f"segments name each other in a circle: {circle}", code="cycle", pointer=pointer)
        self._reading.append(key)
        try:
            self._nodes[key] = Reader(self._program, segment.purpose, self.node).rule(segment.rule, pointer)
        finally:
            self._reading.pop()
        return self._nodes[key]


def _decide(groups: Sequence[_Group], see: Callable[[str], View], now: int) -> Decisions:
    found = [Decisions(group.keys, *group.answer(see(group.purpose), now)) for group in groups]
    return found[0] if len(found) == 1 else sum(found, NOTHING)


def _every(node: Node) -> Iterator[Node]:
    yield node
    for part in node.parts:
        yield from _every(part)


def _reason(node: Node, view: View, answers: Iterator[tuple[bool, int]]) -> Reason:
    holds, until = next(answers)
    parts = tuple(_reason(part, view, answers) for part in node.parts)
    return Reason(node.operator, node.sentence, holds, until, node.look(view), parts)
