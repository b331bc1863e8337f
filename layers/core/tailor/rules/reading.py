"""The strict reader of rules: what it accepts compiles, the rest is refused with a pointer to the place.

Wherever a rule may stand its text form may stand as well (:mod:`tailor.rules.wording`); of that the place is told as a
character of the text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import isfinite
from typing import Any, NoReturn

from tailor.kernel.errors import Rejected
from tailor.kernel.fields import nearest
from tailor.kernel.instants import DAY, duration, spell
from tailor.kernel.program import Program
from tailor.rules.comparisons import COMPARISONS, WHERE_COMPARISONS, WantedKind
from tailor.rules.deeds import SCORES
from tailor.rules.formula import reads
from tailor.rules.moments import ZONE, read
from tailor.rules.node import COUNT, Kind, Node, Operator, Where
from tailor.rules.operators import OPERATORS
from tailor.rules.wording import parse

DEPTH = 16
"""Rules inside rules, counted through the segments they name."""
SIZE = 500
"""Operators in one rule, counted through the segments it names."""
LONGEST = 36_500 * DAY
"""The longest window, in ms."""
LIST = 1_000
"""Values in one list, and characters in one name."""
PROPERTIES = 20
"""Properties in one ``where``."""
PERIODS = ("day", "week", "month", "year")
LARGEST = 10**18
"""Numbers of a larger size are refused."""


class Reader:
    """Reads rules for one purpose.

    ``inline`` answers the rule of a segment by its key, and raises :class:`Rejected` (with any pointer) where there is
    none that could be used.
    """

    def __init__(self, program: Program, purpose: str, inline: Callable[[str], Node]) -> None:
        self._program = program
        self._purpose = purpose
        self._inline = inline
        self._read = 0

    def text(self, text: str, pointer: str, *, depth: int = 1) -> Node:
        """One rule as text.

        Raises
        ------
        Rejected : with the pointer of the text; the detail begins with the character (counted from 1) that is wrong.
        """
        rule, places = parse(text, pointer)
        try:
            return self.rule(rule, "", depth=depth)
        except Rejected as fault:
            place = fault.pointer
            while place not in places:
                place = place.rpartition("/")[0]
            detail = f"character {places[place] + 1}: {fault.detail}"
            raise Rejected(detail, code=fault.code, pointer=pointer) from fault

    def rule(self, raw: Any, pointer: str, *, depth: int = 1) -> Node:
        """One rule and all inside it.

        Raises
        ------
        Rejected : with a pointer to the first place that is wrong.
        """
        self._read += 1
        if depth > DEPTH:
            _refuse(f"rules may be nested {DEPTH} deep: name a part of this one as a segment of its own", pointer)
        if self._read > SIZE:
            _refuse(f"a rule may have {SIZE} parts: split it into several segments", pointer)
        if isinstance(raw, str):
            return self.text(raw, pointer, depth=depth)
        if not isinstance(raw, Mapping):
            _refuse("a rule is text, or an object such as {'did': 'Order Completed'}", pointer)
        operator = _operator(raw, pointer)
        for key in raw:
            if key not in operator.keys:
                _refuse(
                    f"{_short(key)} is no argument of {operator.key!r}, which takes {', '.join(operator.keys)}"
                    f"{_nearest(key, operator.keys)}",
                    f"{pointer}/{escaped(key)}",
                )
        chosen = [argument for argument in operator.one_of if argument.name in raw]
        if operator.one_of and len(chosen) != 1:
            _refuse(
                f"{operator.key!r} takes exactly one of {', '.join(argument.name for argument in operator.one_of)}",
                pointer,
            )
        given = {}
        for argument in (*operator.arguments, *chosen):
            if argument.name in raw:
                place = f"{pointer}/{argument.name}"
                given[argument.name] = self.argument(argument.kind, raw[argument.name], place, depth)
            elif argument.required:
                _refuse(f"{operator.key!r} needs {argument.name!r}", pointer)
        try:
            node = operator.make(given)
        except ValueError as error:
            _refuse(str(error), pointer)
        for name in sorted(reads([node.formula]) - {ZONE}):
            if name.startswith("@") and operator.key not in ("segment", "all", "any", "not"):
                self._attribute(name[1:], pointer)
        if depth + node.depth - 1 > DEPTH or node.size > SIZE:
            _refuse(f"with the segments it names this rule is more than {DEPTH} deep or {SIZE} long", pointer)
        return node

    def argument(self, kind: Kind, raw: Any, pointer: str, depth: int) -> Any:
        """One argument, checked."""
        match kind:
            case "rule":
                return self.rule(raw, pointer, depth=depth + 1)
            case "rules":
                if not isinstance(raw, list) or not raw:
                    _refuse("write a list of one or more rules", pointer)
                return tuple(self.rule(one, f"{pointer}/{index}", depth=depth + 1) for index, one in enumerate(raw))
            case "event":
                return _name(raw, "the name of an event", pointer)
            case "events":
                if not isinstance(raw, list) or len(raw) != 2:
                    _refuse("write two names of events: what happened, and what did or did not follow", pointer)
                return tuple(_name(one, "the name of an event", f"{pointer}/{i}") for i, one in enumerate(raw))
            case "property":
                return _name(raw, "the name of a property", pointer)
            case "kind":
                return _name(raw, "a kind of identifier, such as email", pointer)
            case "attribute":
                return self._path(_name(raw, "the name of an attribute", pointer), pointer)
            case "purpose":
                return _one_of(self._program.purposes, raw, "purpose", pointer)
            case "topic":
                return _one_of(self._program.topics, raw, "topic", pointer)
            case "segment":
                _one_of(self._program.segments, raw, "segment", pointer)
                return raw, self._inlined(raw, pointer)
            case "duration":
                return _window(raw, pointer)
            case "ages":
                return _two(raw, pointer, _window, "two durations, the shorter one first")
            case "period":
                return _choice(raw, PERIODS, pointer)
            case "score":
                return _choice(raw, tuple(SCORES), pointer)
            case "steps":
                return _steps(raw, pointer)
            case "instant":
                return _instant(raw, pointer)
            case "real":
                return _real(raw, pointer)
            case "reals":
                return _two(raw, pointer, _real, "two numbers, the smaller one first")
            case "part":
                if not 0 < _real(raw, pointer) <= 100:
                    _refuse("write a number of percent, more than 0 and at most 100", pointer)
                return raw
            case "place":
                return _place(raw, pointer)
            case "yes":
                if raw is not True:
                    _refuse("write true, or put the rule into 'not'", pointer)
                return raw
            case "number":
                if not isinstance(raw, int) or isinstance(raw, bool) or not 0 <= raw <= COUNT:
                    _refuse(f"write a whole number from 0 to {COUNT}", pointer)
                return raw
            case "where":
                return _where(raw, pointer)
            case "scalar" | "scalars" | "ordered" | "boolean" | "text" | "pair":
                return _wanted(kind, raw, pointer)

    def _path(self, name: str, pointer: str) -> tuple[str, ...]:
        """The keys that lead to an attribute, or to a value inside one that is a map."""
        head, dot, rest = name.partition(".")
        known = self._program.attributes
        if dot and name not in known and head in known and known[head].type == "map":
            return self._attribute(head, pointer), *rest.split(".")
        return (self._attribute(name, pointer),)

    def _attribute(self, name: str, pointer: str) -> str:
        known = self._program.attributes
        if name not in known:
            _refuse(
                f"there is no attribute {_short(name)}: declare it under 'attributes'{_nearest(name, known)}",
                pointer,
                code="unknown-attribute",
            )
        if why := self._program.barred(name, self._purpose):
            _refuse(f"attribute {name!r} {why}", pointer, code="not-permitted")
        return name

    def _inlined(self, key: str, pointer: str) -> Node:
        node = self._inline(key)
        for name in sorted(reads([node.formula]) - {ZONE}):
            if name.startswith("@"):
                try:
                    self._attribute(name[1:], pointer)
                except Rejected as error:
                    _refuse(f"segment {key!r} cannot be used here: {error.detail}", pointer, code=error.code)
        return node


def _operator(raw: Mapping[Any, Any], pointer: str) -> Operator:
    found = [key for key in raw if key in OPERATORS]
    if not found:
        hint = _nearest(next(iter(raw), ""), OPERATORS)
        _refuse(f"a rule has one of these keys: {', '.join(OPERATORS)}{hint}", pointer, code="unknown-operator")
    if len(found) > 1:
        _refuse(f"this has several operators, {' and '.join(found)}: join rules with 'all' or 'any'", pointer)
    return OPERATORS[found[0]]


def _window(raw: Any, pointer: str) -> int:
    if not isinstance(raw, str) or len(raw) > LIST:
        _refuse("write a duration such as '48h', '30d' or '1d12h'", pointer)
    try:
        span = duration(raw)
    except Rejected as error:
        _refuse(error.detail, pointer, code=error.code)
    if not 0 < span <= LONGEST:
        _refuse(f"write a duration of more than nothing and at most {spell(LONGEST)}", pointer)
    return span


def _where(raw: Any, pointer: str) -> Where:
    if not isinstance(raw, Mapping) or not 0 < len(raw) <= PROPERTIES:
        _refuse(f"write an object with 1 to {PROPERTIES} properties, such as {{'category': 'tents'}}", pointer)
    tests: dict[str, tuple[tuple[str, Any], ...]] = {}
    phrases: list[str] = []
    for key, asked in raw.items():
        place = f"{pointer}/{escaped(key)}"
        path = _name(key, "the name of a property", place)
        if isinstance(asked, Mapping):
            if not asked:
                _refuse(f"write one or more of {', '.join(WHERE_COMPARISONS)}", place)
            pairs = tuple(_compared(comparison, wanted, place) for comparison, wanted in asked.items())
        else:
            pairs = (("eq", _wanted("scalar", asked, place)),)
        tests[path] = pairs
        phrases += [f"{path} {COMPARISONS[comparison].phrase(wanted)}" for comparison, wanted in pairs]
    return Where(tests, " and ".join(phrases))


def _two(raw: Any, pointer: str, read_one: Callable[[Any, str], Any], what: str) -> Any:
    if not isinstance(raw, list) or len(raw) != 2:
        _refuse(f"write {what}", pointer)
    low, high = (read_one(one, f"{pointer}/{index}") for index, one in enumerate(raw))
    if isinstance(low, str) != isinstance(high, str) or low > high:
        _refuse(f"write {what}", pointer)
    return low, high


def _choice(raw: Any, among: tuple[str, ...], pointer: str) -> str:
    if raw not in among:
        _refuse(f"{_short(raw)} is none of {', '.join(among)}{_nearest(raw, among)}", pointer)
    return str(raw)


def _steps(raw: Any, pointer: str) -> tuple[bool, tuple[Any, ...]]:
    if not isinstance(raw, list) or len(raw) != 4:
        _refuse("write a list of four: what the scores 2, 3, 4 and 5 take", pointer)
    spans = isinstance(raw[0], str)
    return spans, tuple((_window if spans else _real)(one, f"{pointer}/{index}") for index, one in enumerate(raw))


def _instant(raw: Any, pointer: str) -> int:
    at = read(raw) if isinstance(raw, str) and len(raw) <= LIST else None
    if at is None:
        _refuse("write a date or a time of ISO 8601, such as '2026-03-01', from 1800 to 2399", pointer)
    return at


def _real(raw: Any, pointer: str) -> float:
    if isinstance(raw, (bool, str)) or not _is_scalar(raw) or not isfinite(raw):
        _refuse("write a number of sane size", pointer)
    return raw  # type: ignore[no-any-return]


def _place(raw: Any, pointer: str) -> tuple[float, float]:
    if not isinstance(raw, list) or len(raw) != 2:
        _refuse("write [latitude, longitude] in degrees", pointer)
    latitude, longitude = (_real(one, f"{pointer}/{index}") for index, one in enumerate(raw))
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        _refuse("write a latitude from -90 to 90 and a longitude from -180 to 180", pointer)
    return latitude, longitude


def _compared(comparison: Any, wanted: Any, pointer: str) -> tuple[str, Any]:
    place = f"{pointer}/{escaped(comparison)}"
    if comparison not in WHERE_COMPARISONS:
        hint = _nearest(comparison, WHERE_COMPARISONS)
        _refuse(f"{_short(comparison)} is none of {', '.join(WHERE_COMPARISONS)}{hint}", place)
    return comparison, _wanted(COMPARISONS[comparison].wanted, wanted, place)


def _wanted(kind: WantedKind, raw: Any, pointer: str) -> Any:
    match kind:
        case "scalars":
            if not isinstance(raw, list) or not 0 < len(raw) <= LIST:
                _refuse(f"write a list of 1 to {LIST} values", pointer)
            return tuple(_wanted("scalar", one, f"{pointer}/{index}") for index, one in enumerate(raw))
        case "pair":
            ordered = lambda one, place: _wanted("ordered", one, place)  # noqa: E731
            return _two(raw, pointer, ordered, "two texts or two numbers, the smaller one first")
        case "text":
            if not isinstance(raw, str) or not 0 < len(raw) <= LIST:
                _refuse(f"write text of 1 to {LIST} characters", pointer)
        case "boolean":
            if not isinstance(raw, bool):
                _refuse("write true or false", pointer)
        case "ordered":
            if isinstance(raw, bool) or not _is_scalar(raw):
                _refuse("write text or a number of sane size", pointer)
        case "scalar":
            if not _is_scalar(raw):
                _refuse(
                    "write text, a number of sane size, true or false; for a missing value write 'exists': false",
                    pointer,
                )
    return raw


def _is_scalar(raw: Any) -> bool:
    return isinstance(raw, (str, bool)) or (isinstance(raw, (int, float)) and -LARGEST <= raw <= LARGEST)


def _name(raw: Any, what: str, pointer: str) -> str:
    if not isinstance(raw, str) or not raw.strip() or len(raw) > LIST:
        _refuse(f"write {what}", pointer)
    return raw


def _one_of(known: Mapping[str, Any], raw: Any, what: str, pointer: str) -> Any:
    name = _name(raw, f"the name of a {what}", pointer)
    if name not in known:
        hint = _nearest(name, known) or f": define it under '{what}s'"
        _refuse(f"there is no {what} {_short(name)}{hint}", pointer, code="bad-reference")
    return known[name]


def _nearest(word: object, known: Iterable[str]) -> str:
    return nearest(str(word)[:LIST], known)


def _short(raw: object) -> str:
    return repr(str(raw)[:40])


def escaped(key: object) -> str:
    """A key as a part of a JSON pointer (RFC 6901)."""
    return str(key).replace("~", "~0").replace("/", "~1")


def _refuse(detail: str, pointer: str, *, code: str = "bad-rule") -> NoReturn:
    raise Rejected(detail, code=code, pointer=pointer)
