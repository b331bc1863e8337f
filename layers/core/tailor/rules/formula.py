"""What every rule comes down to, and its code: (view, now) → members and how long that holds.

Time algebra, for a window W that an event at t is inside of while t > now - W (it leaves at exactly t + W):

=====================  ==================================================================================
formula                ``until``: the first instant at which the answer may differ, if nothing else happens
=====================  ==================================================================================
test, consent, count   never
at least n within W    true: t(n) + W, when the n-th newest leaves; false: never
A, then not B in W     pending: t(A) + W; otherwise never
asked                  what its function says: see :mod:`tailor.rules.moments` and :mod:`tailor.rules.series`
not                    that of its part
all                    true: the earliest; false: the latest of the parts that are false
any                    true: the latest of the parts that are true; false: the earliest
=====================  ==================================================================================

It may come early, where not all parts were looked at, and is never late.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, cast

from tailor.kernel.history import RING
from tailor.kernel.instants import NEVER
from tailor.rules.codegen import answer, choice, const, function, joined, name, row, stamp, stamped
from tailor.rules.comparisons import among, condition, inside
from tailor.rules.consent import View
from tailor.rules.tallies import Tally

Evaluator = Callable[[View, int], tuple[tuple[bool, ...], tuple[int, ...]]]
Decide = Callable[[View, int], tuple[bool, int]]


@dataclass(frozen=True, slots=True)
class Compares:
    """An attribute compares with ``wanted``; see :mod:`tailor.rules.comparisons`.

    ``path`` leads to it where it is inside an attribute that is a map: the attribute's name, then keys.
    """

    attribute: str
    comparison: str
    wanted: Any
    path: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Permitted:
    """:func:`tailor.rules.consent.permits`, of a purpose that does or does not stand on consent."""

    purpose: str
    topic: str
    on_consent: bool


@dataclass(frozen=True, slots=True)
class AtLeast:
    """``event`` happened ``times`` times or more, within the last ``within`` ms or, where that is ``None``, ever."""

    event: str
    times: int
    within: int | None = None
    tally: Tally | None = None

    @property
    def entry(self) -> str:
        """Its name in the history."""
        return self.tally.key if self.tally else self.event


@dataclass(frozen=True, slots=True)
class ThenNot:
    """The newest ``first`` is ``within`` ms old or older, and no ``second`` came at its instant or after it."""

    first: str
    second: str
    within: int
    tally: Tally | None = None

    @property
    def entry(self) -> str:
        """The name of ``first`` in the history."""
        return self.tally.key if self.tally else self.first


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with a function of its own, being too long or too rare to be written out in the code.

    Attributes
    ----------
    says : canonical; equal for equal questions.
    decide : (view, now) → (member, until).
    reads : see :func:`reads`.
    timed : whether time alone can change the answer.
    tallies : what must be counted apart for it.
    ring : timestamps it needs of the entries in ``entries``.
    """

    says: str
    decide: Decide = field(repr=False, compare=False)
    reads: frozenset[str]
    timed: bool
    tallies: tuple[Tally, ...] = ()
    entries: tuple[str, ...] = ()
    ring: int = RING


@dataclass(frozen=True, slots=True)
class Not:
    """The part is false."""

    part: Formula


@dataclass(frozen=True, slots=True)
class Every:
    """No part is false."""

    parts: tuple[Formula, ...]


@dataclass(frozen=True, slots=True)
class Some:
    """At least one part is true."""

    parts: tuple[Formula, ...]


Leaf = Compares | Permitted | AtLeast | ThenNot | Asked
Formula = Leaf | Not | Every | Some


def leaves(formula: Formula) -> Iterator[Leaf]:
    """The leaves from left to right, repeats too."""
    match formula:
        case Not(part):
            yield from leaves(part)
        case Every(parts) | Some(parts):
            for part in parts:
                yield from leaves(part)
        case leaf:
            yield leaf


def reads(formulas: Iterable[Formula]) -> frozenset[str]:
    """What changes can change the answer: names of events, ``@`` and the name of an attribute, ``~consent``,
    ``~identifiers``."""
    names: set[str] = set()
    for formula in formulas:
        for leaf in leaves(formula):
            match leaf:
                case Compares(attribute, path=path):
                    names.add(f"@{path[0] if path else attribute}")
                case Asked(reads=asked):
                    names |= asked
                case Permitted():
                    names.add("~consent")
                case AtLeast(event):
                    names.add(event)
                case ThenNot(first, second):
                    names.update((first, second))
    return frozenset(names)


def rings(formulas: Iterable[Formula]) -> dict[str, int]:
    """Names in the history → how many of the newest timestamps must be kept, for those beyond the usual number."""
    needed: dict[str, int] = {}
    for formula in formulas:
        for leaf in leaves(formula):
            if isinstance(leaf, AtLeast) and leaf.within is not None and leaf.times > RING:
                needed[leaf.entry] = max(leaf.times, needed.get(leaf.entry, 0))
            elif isinstance(leaf, Asked) and leaf.ring > RING:
                needed |= {entry: max(leaf.ring, needed.get(entry, 0)) for entry in leaf.entries}
    return needed


def tallies(formulas: Iterable[Formula]) -> tuple[Tally, ...]:
    """What must be counted apart, each once."""
    found: dict[str, Tally] = {}
    for formula in formulas:
        for leaf in leaves(formula):
            match leaf:
                case AtLeast(tally=Tally() as one) | ThenNot(tally=Tally() as one):
                    found.setdefault(one.key, one)
                case Asked(tallies=asked):
                    for one in asked:
                        found.setdefault(one.key, one)
                case _:
                    pass
    return tuple(found.values())


def code(formulas: Sequence[Formula]) -> Evaluator:
    """One function that answers for each formula whether it holds, and for each until when.

    Leaves that occur more than once are decided once, and entries of the person looked up once. What time cannot
    change is asked first, so that the rest can often be left out.
    """
    return _Writer([_literals(formula) for formula in formulas]).function()


def _literals(formula: Formula, negated: bool = False) -> Formula:
    """The same with every ``not`` moved to the leaves (De Morgan) and nested lists of one kind made one."""
    match formula:
        case Not(part):
            return _literals(part, not negated)
        case Every(parts) | Some(parts):
            kind = Every if isinstance(formula, Every) != negated else Some
            flat: list[Formula] = []
            for part in parts:
                one = _literals(part, negated)
                flat += one.parts if isinstance(one, kind) else [one]
            return kind(tuple(flat))
        case leaf:
            return Not(leaf) if negated else leaf


def _timeless(formula: Formula) -> bool:
    return not any(_changed_by_time(leaf) for leaf in leaves(formula))


def _changed_by_time(leaf: Leaf) -> bool:
    match leaf:
        case AtLeast():
            return leaf.within is not None
        case Asked():
            return leaf.timed
        case _:
            return isinstance(leaf, ThenNot)


_AT_LEAST = """
if size < times:
    member = no
    until = never
elif ring[oldest] > start:
    member = yes
    until = ring[oldest] + within
else:
    member = no
    until = never
"""
_THEN_NOT = """
if not size or (size_after and ring_after[0] >= ring[0]):
    member = no
    until = never
elif ring[0] > start:
    member = no
    until = ring[0] + within
else:
    member = yes
    until = never
"""
_ASKED = """
member, until = decide(view, now)
"""
_ASKED_NOT = """
member, until = decide(view, now)
member = not member
"""
_VIEW = """
attributes = view.attributes
history = view.history
consent = view.consent
"""
_AND = """
if member:
    if not other:
        member = False
        until = then
    elif then < until:
        until = then
elif not other and then > until:
    until = then
"""
_OR = """
if not member:
    if other:
        member = True
        until = then
    elif then < until:
        until = then
elif other and then > until:
    until = then
"""
_ENTRY = """
entry = history.get(key)
if entry is None:
    total = size = 0
    ring = ()
else:
    total, ring = entry
    size = len(ring)
"""
_GRANT = """
grant = consent.get(key)
if grant is not None:
    grant = grant[0]
"""
_ALLOWED = "whole != 'denied' and whole != 'withdrawn'"
_PART_ALLOWED = f"{_ALLOWED} and part != 'denied' and part != 'withdrawn'"

_Operand = tuple[list[ast.stmt], ast.expr, ast.expr]
_ALWAYS = const(NEVER)


class _Writer:
    """Writes the function: looked-up entries first, then the shared leaves, then the formulas."""

    def __init__(self, formulas: Sequence[Formula]) -> None:
        self._formulas = formulas
        self._lookups: list[ast.stmt] = []
        self._shared: list[ast.stmt] = []
        self._known: dict[tuple[str, Any], ast.Name] = {}
        self._decided: dict[str, tuple[ast.expr, ast.expr]] = {}
        self._uses = Counter(repr(literal) for formula in formulas for literal in _literal_leaves(formula))
        self._numbers = count()
        self._functions: dict[str, Any] = {"among": among}

    def function(self) -> Evaluator:
        body: list[ast.stmt] = []
        members: list[ast.expr] = []
        untils: list[ast.expr] = []
        for formula in self._formulas:
            steps, member, until = self._operand(formula)
            body += steps
            members.append(member)
            untils.append(until)
        whole = [*stamp(_VIEW), *self._lookups, *self._shared, *body, answer([row(members), row(untils)])]
        return cast(Evaluator, function(("view", "now"), whole, **self._functions))

    def _operand(self, formula: Formula) -> _Operand:
        """Steps to take, then where the answer is to be found."""
        if isinstance(formula, (Every, Some)):
            if _timeless(formula):
                return [], self._expression(formula), _ALWAYS
            member, until = self._fresh("m"), self._fresh("u")
            return self._combined(formula, member, until), member, until
        key = repr(formula)
        if key in self._decided:
            return [], *self._decided[key]
        shared = self._uses[key] > 1
        if _timeless(formula):
            expression = self._expression(formula)
            if not shared:
                return [], expression, _ALWAYS
            member = self._fresh("m")
            self._shared += stamp("member = found", member=member, found=expression)
            self._decided[key] = member, _ALWAYS
            return [], member, _ALWAYS
        member, until = self._fresh("m"), self._fresh("u")
        steps = self._timed(formula, member, until)
        if not shared:
            return steps, member, until
        self._shared += steps
        self._decided[key] = member, until
        return [], member, until

    def _combined(self, formula: Every | Some, member: ast.Name, until: ast.Name) -> list[ast.stmt]:
        both = isinstance(formula, Every)
        timeless = [part for part in formula.parts if _timeless(part)]
        timed = [part for part in formula.parts if not _timeless(part)]
        steps: list[ast.stmt] = []
        for index, part in enumerate(timed):
            before, other, then = self._operand(part)
            if index == 0:
                steps += before
                steps += stamp("member = other; until = then", member=member, until=until, other=other, then=then)
                continue
            merge = before + stamp(_AND if both else _OR, member=member, until=until, other=other, then=then)
            # Once it is settled for ever there is no need to decide the rest.
            if before:
                open_still = "member or until < never" if both else "not member or until < never"
                test = stamped(open_still, member=member, until=until, never=_ALWAYS)
                merge = [choice(test, merge)]
            steps += merge
        if not timeless:
            return steps
        gate = self._joined(both, timeless)
        settled = stamp(
            "member = value; until = never", member=member, until=until, value=const(not both), never=_ALWAYS
        )
        return [choice(gate, steps, settled) if both else choice(gate, settled, steps)]

    def _timed(self, formula: Formula, member: ast.Name, until: ast.Name) -> list[ast.stmt]:
        negated = isinstance(formula, Not)
        leaf = formula.part if isinstance(formula, Not) else formula
        common = {"member": member, "until": until, "never": _ALWAYS, "yes": const(not negated), "no": const(negated)}
        if isinstance(leaf, AtLeast) and leaf.within is not None:
            _, ring, size = self._entry(leaf.entry)
            return stamp(
                _AT_LEAST,
                ring=ring,
                size=size,
                times=const(leaf.times),
                oldest=const(leaf.times - 1),
                start=self._start(leaf.within),
                within=const(leaf.within),
                **common,
            )
        if isinstance(leaf, Asked):
            decide = self._decider(leaf)
            return stamp(_ASKED_NOT if negated else _ASKED, member=member, until=until, decide=decide)
        assert isinstance(leaf, ThenNot)  # noqa: S101  # every other leaf is timeless
        _, ring, size = self._entry(leaf.entry)
        _, ring_after, size_after = self._entry(leaf.second)
        return stamp(
            _THEN_NOT,
            ring=ring,
            size=size,
            ring_after=ring_after,
            size_after=size_after,
            start=self._start(leaf.within),
            within=const(leaf.within),
            **common,
        )

    def _expression(self, formula: Formula) -> ast.expr:
        match formula:
            case Every(parts) | Some(parts):
                return self._joined(isinstance(formula, Every), parts)
            case Not(part):
                return stamped("not value", value=self._expression(part))
            case Compares(attribute, comparison, wanted, path):
                found = self._inside(path) if path else self._attribute(attribute)
                return condition(comparison, wanted, *found)
            case Asked():
                return stamped("decide(view, now)[0]", decide=self._decider(formula))
            case Permitted(purpose, topic, on_consent):
                return self._permitted(purpose, topic, on_consent)
            case AtLeast():
                total, _, _ = self._entry(formula.entry)
                return stamped("total >= times", total=total, times=const(formula.times))
            case ThenNot():
                raise AssertionError("a formula that time changes is no expression")

    def _joined(self, both: bool, parts: Sequence[Formula]) -> ast.expr:
        if not parts:
            return const(both)
        return joined(ast.And() if both else ast.Or(), [self._operand(part)[1] for part in parts])

    def _permitted(self, purpose: str, topic: str, on_consent: bool) -> ast.expr:
        whole = self._grant(purpose)
        if not topic:
            return stamped("whole == 'granted'" if on_consent else _ALLOWED, whole=whole)
        source = f"{_PART_ALLOWED} and (whole == 'granted' or part == 'granted')" if on_consent else _PART_ALLOWED
        return stamped(source, whole=whole, part=self._grant(f"{purpose}:{topic}"))

    def _attribute(self, key: str) -> tuple[ast.Name, ast.Name]:
        source = "value = attributes.get(key); kind = type(value)"
        return cast(tuple[ast.Name, ast.Name], self._looked_up(source, key, "value", "kind"))

    def _inside(self, path: tuple[str, ...]) -> tuple[ast.Name, ast.Name]:
        self._functions["inside"] = inside
        source = "value = inside(attributes, key); kind = type(value)"
        return cast(tuple[ast.Name, ast.Name], self._looked_up(source, path, "value", "kind"))

    def _decider(self, leaf: Asked) -> ast.Name:
        made = f"decide{len(self._functions)}"
        self._functions[made] = leaf.decide
        return name(made)

    def _entry(self, key: str) -> tuple[ast.Name, ast.Name, ast.Name]:
        found = self._looked_up(_ENTRY, key, "total", "ring", "size")
        return cast(tuple[ast.Name, ast.Name, ast.Name], found)

    def _grant(self, key: str) -> ast.Name:
        return self._looked_up(_GRANT, key, "grant")[0]

    def _start(self, within: int) -> ast.Name:
        return self._looked_up("start = now - key", within, "start")[0]

    def _looked_up(self, source: str, key: Any, *names: str) -> tuple[ast.Name, ...]:
        """The variables ``names`` of a look-up, which is made once for each key."""
        if (names[0], key) not in self._known:
            made = {one: self._fresh(one) for one in names}
            self._lookups += stamp(source, key=const(key), **made)
            self._known.update({(one, key): variable for one, variable in made.items()})
        return tuple(self._known[one, key] for one in names)

    def _fresh(self, prefix: str) -> ast.Name:
        return name(f"{prefix}{next(self._numbers)}")


def _literal_leaves(formula: Formula) -> Iterator[Formula]:
    match formula:
        case Every(parts) | Some(parts):
            for part in parts:
                yield from _literal_leaves(part)
        case literal:
            yield literal
