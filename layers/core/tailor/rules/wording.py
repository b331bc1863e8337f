"""Rules as text that a marketer reads and writes, the equal of the JSON form.

::

    did "Product Viewed" within 48h and not did "Order Completed" within 48h
    age between 25 and 35 and city.kind = "urban" and interests contains "eco"
    (country in ("FR", "BE") or in segment buyers) and consent marketing on deals

``not`` binds before ``and``, ``and`` before ``or``; brackets group. Text stands in quotes as in JSON, names may stand
without. What an operator looks like is its entry in :data:`tailor.rules.operators.OPERATORS`; where several begin alike
the one that reaches furthest is meant. :func:`parse` and :func:`write` are each other's inverse.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NoReturn

from tailor.kernel.errors import Rejected
from tailor.kernel.fields import nearest
from tailor.rules.comparisons import COMPARISONS, WHERE_COMPARISONS
from tailor.rules.moments import MOMENTS
from tailor.rules.node import Operator
from tailor.rules.operators import OPERATORS

LONGEST = 20_000
"""Characters of a rule."""
NESTED = 40
"""Brackets in brackets; the reader of rules allows fewer, and says so better."""
SHOWN = 6
"""Words offered in an error."""

_TOKEN = re.compile(
    r"""
    (?P<text> "(?:[^"\\]|\\.)*" )
    | (?P<span> (?:\d{1,6}[smhdw])+ (?![\w.]) )
    | (?P<number> [-+]?\d{1,30}(?:\.\d{1,30})?(?:[eE][-+]?\d{1,3})? )
    | (?P<word> [^\W\d][\w.\-]* )
    | (?P<sign> <=|>=|!=|<>|==|[=<>≠≤≥(),%] )
    """,
    re.VERBOSE | re.DOTALL,
)
_BLANK = re.compile(r"\s*")
_SAME = {"≠": "!=", "<>": "!=", "≤": "<=", "≥": ">=", "==": "="}
_BARE = re.compile(r"[^\W\d][\w.\-]*")
_SIGNS = {**{one.key: one.sign for one in COMPARISONS.values()}, **{one.key: one.sign for one in MOMENTS.values()}}
_SINGULAR = {"times": "time", "days": "day"}
_YES_NO = {"exists": ("exists", "is missing"), "today": ("is today", "is another day")}
_JOINING = ("all", "any", "not")
_RESERVED = frozenset({"and", "or", "true", "false", *_JOINING})
_NAMES = ("attribute", "segment", "topic", "purpose", "property", "kind", "score", "period")
_NUMBERS = ("number", "real", "part", "place", "reals")
_SPANS = ("duration", "ages")
QUOTED = "text in quotes"
VALUE = f"{QUOTED}, a number, true or false"

Rule = Any


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    value: Any
    start: int
    raw: str


@dataclass(slots=True)
class _Part:
    """A rule that has been read: ``marks`` says where its arguments stand, ``parts`` are the rules inside it."""

    rule: dict[str, Any]
    start: int
    marks: dict[str, int] = field(default_factory=dict)
    parts: tuple[_Part, ...] = ()

    def places(self, pointer: str = "") -> Iterator[tuple[str, int]]:
        yield pointer, self.start
        for argument, at in self.marks.items():
            yield f"{pointer}/{argument}", at
        (key,) = self.rule if self.parts else ("",)
        for index, part in enumerate(self.parts):
            yield from part.places(f"{pointer}/{key}/{index}" if key != "not" else f"{pointer}/{key}")


class _Mismatch(Exception):
    """What was tried does not stand here; what would have done is noted in the parser."""


def parse(text: str, pointer: str = "") -> tuple[dict[str, Any], dict[str, int]]:
    """The JSON form of a text, and where its parts stand: JSON pointer into it → character from 0.

    Raises
    ------
    Rejected : no rule; the detail begins with the character, from 1, and says what was expected there.
    """
    if len(text) > LONGEST:
        raise Rejected(f"a rule has at most {LONGEST} characters", code="bad-rule", pointer=pointer)
    parser = _Parser(text, pointer)
    part = parser.whole()
    return part.rule, dict(part.places())


class _Parser:
    def __init__(self, text: str, pointer: str) -> None:
        self._text, self._pointer = text, pointer
        self._tokens = list(self._scan())
        self._at = 0
        self._furthest = 0
        self._expected: dict[str, None] = {}

    def whole(self) -> _Part:
        try:
            part = self._any(0)
            self._sign("end")
        except _Mismatch:
            self._explain()
        return part

    # ---- tokens

    def _scan(self) -> Iterator[_Token]:
        at = _BLANK.match(self._text).end()  # type: ignore[union-attr]  # it matches nothing too
        while at < len(self._text):
            found = _TOKEN.match(self._text, at)
            if found is None:
                if self._text[at] in "\"'“”‘’":
                    self._refuse(at, 'write text as "…", closed by the same quotes')
                self._refuse(at, f"{self._text[at]!r} has no meaning here")
            kind, raw = found.lastgroup or "", found[0]
            yield _Token(kind, self._value(kind, raw, at), at, raw)
            at = _BLANK.match(self._text, found.end()).end()  # type: ignore[union-attr]
        yield _Token("sign", "end", len(self._text), "the end")

    def _value(self, kind: str, raw: str, at: int) -> Any:
        match kind:
            case "text":
                try:
                    return json.loads(raw, strict=False)
                except json.JSONDecodeError as error:
                    self._refuse(at + error.pos, f"text is written as in JSON: {error.msg}")
            case "number":
                return int(raw) if raw.lstrip("+-").isdecimal() else float(raw)
            case "sign":
                return _SAME.get(raw, raw)
        return raw

    def _fail(self, expected: str) -> NoReturn:
        if self._at > self._furthest:
            self._furthest, self._expected = self._at, {}
        if self._at == self._furthest:
            self._expected[expected] = None
        raise _Mismatch

    def _take(self, kind: str, expected: str) -> Any:
        token = self._tokens[self._at]
        if token.kind != kind:
            self._fail(expected)
        self._at += 1
        return token.value

    def _sign(self, sign: str) -> None:
        token = self._tokens[self._at]
        if token.kind != "sign" or token.value != sign:
            self._fail(sign)
        self._at += 1

    def _word(self, word: str) -> None:
        token = self._tokens[self._at]
        if token.kind != "word" or token.value.lower() not in (word, _SINGULAR.get(word)):
            self._fail(word)
        self._at += 1

    def _has(self, read: Callable[[str], None], what: str) -> bool:
        try:
            read(what)
        except _Mismatch:
            return False
        return True

    # ---- rules

    def _any(self, depth: int) -> _Part:
        return self._joined("any", "or", depth, self._all)

    def _all(self, depth: int) -> _Part:
        return self._joined("all", "and", depth, self._one)

    def _joined(self, key: str, word: str, depth: int, inner: Callable[[int], _Part]) -> _Part:
        parts = [inner(depth)]
        while self._has(self._word, word):
            parts.append(inner(depth))
        return parts[0] if len(parts) == 1 else _listed(key, parts)

    def _one(self, depth: int) -> _Part:
        start = self._tokens[self._at].start
        if depth > NESTED:
            self._refuse(start, f"rules may not be nested more than {NESTED} deep")
        if self._has(self._word, "not"):
            part = self._one(depth + 1)
            return _Part({"not": part.rule}, start, parts=(part,))
        if self._has(self._sign, "("):
            part = self._any(depth + 1)
            self._sign(")")
            return part
        begun = self._at
        for key in ("all", "any"):
            if self._has(self._word, key) and self._has(self._sign, "("):
                return self._list(key, start, depth)
            self._at = begun
        return self._leaf()

    def _list(self, key: str, start: int, depth: int) -> _Part:
        parts = [self._any(depth + 1)]
        while self._has(self._sign, ","):
            parts.append(self._any(depth + 1))
        self._sign(")")
        part = _listed(key, parts)
        part.start = start
        return part

    def _leaf(self) -> _Part:
        begun, reached, best = self._at, -1, None
        for operator in OPERATORS.values():
            if operator.key in _JOINING:
                continue
            self._at = begun
            try:
                part = self._operator(operator)
            except _Mismatch:
                continue
            if self._at > reached:
                best, reached = part, self._at
        if best is None:
            raise _Mismatch
        self._at = reached
        return best

    def _operator(self, operator: Operator) -> _Part:
        part = _Part({}, self._tokens[self._at].start)
        if operator.kind(operator.key) == "yes":
            part.rule[operator.key] = True
        self._items(_items(operator.text), operator, part)
        clauses = [_items(clause) for clause in operator.clauses]
        while (found := next((one for one in clauses if self._tried(one, operator, part)), None)) is not None:
            clauses.remove(found)
        missing = [one.name for one in operator.arguments if one.required and one.name not in part.rule]
        if missing or (operator.one_of and all(one.name not in part.rule for one in operator.one_of)):
            # What would complete it has been noted where it was looked for.
            raise _Mismatch
        return part

    def _tried(self, items: Sequence[Any], operator: Operator, part: _Part) -> bool:
        begun = self._at
        trial = _Part(dict(part.rule), part.start, dict(part.marks))
        try:
            self._items(items, operator, trial)
        except _Mismatch:
            self._at = begun
            return False
        part.rule, part.marks = trial.rule, trial.marks
        return True

    def _items(self, items: Sequence[Any], operator: Operator, part: _Part) -> None:
        for item in items:
            if isinstance(item, tuple):
                self._tried(item, operator, part)
            elif item == "<comparison>":
                self._compared(operator, part)
            elif item.startswith("<") and len(item) > 2:
                self._argument(item[1:-1], operator, part)
            elif item[0].isalpha():
                self._word(item)
            else:
                self._sign(item)

    def _argument(self, item: str, operator: Operator, part: _Part) -> None:
        name, _, index = item.partition(".")
        start = self._tokens[self._at].start
        kind = operator.kind(name)
        if kind == "where":
            part.rule[name] = self._where(part)
            return
        value = self._simple(kind)
        part.marks[f"{name}/{index}" if index else name] = start
        if index:
            part.marks.setdefault(name, start)
            part.rule[name] = [*part.rule.get(name, []), value]
        else:
            part.rule[name] = value

    def _simple(self, kind: str) -> Any:
        """The value of an argument, or one of several."""
        if kind == "yes":
            return True
        if kind in _NAMES:
            if self._tokens[self._at].kind == "word":
                return self._take("word", "a name")
            return self._take("text", "a name")
        if kind in _NUMBERS:
            return self._take("number", "a number")
        if kind in _SPANS:
            return self._take("span", "a duration such as 48h or 30d")
        if kind == "steps":
            return self._values(self._step)
        return self._take("text", QUOTED)

    def _compared(self, operator: Operator, part: _Part) -> None:
        """One of the comparisons that the operator takes."""
        for argument in operator.one_of:
            begun = self._at
            try:
                wanted, start = self._wanted(argument.name, argument.kind)
            except _Mismatch:
                self._at = begun
                continue
            part.rule[argument.name] = wanted
            part.marks[argument.name] = start
            return
        raise _Mismatch

    def _wanted(self, key: str, kind: str) -> tuple[Any, int]:
        """What a comparison compares with, and where that stands."""
        if key in _YES_NO:
            start = self._tokens[self._at].start
            yes, no = _YES_NO[key]
            if self._has(self._phrase, yes):
                return True, start
            self._phrase(no)
            return False, start
        self._phrase(_SIGNS[key])
        start = self._tokens[self._at].start
        match kind:
            case "scalars":
                return self._values(self._scalar), start
            case "pair" | "reals":
                low = self._scalar()
                self._word("and")
                return [low, self._scalar()], start
            case "duration":
                return self._take("span", "a duration such as 48h or 30d"), start
            case "real":
                return self._take("number", "a number"), start
            case "text" | "instant":
                return self._take("text", QUOTED), start
        return self._scalar(), start

    def _phrase(self, phrase: str) -> None:
        begun = self._at
        try:
            for word in phrase.split():
                (self._word if word[0].isalpha() else self._sign)(word)
        except _Mismatch:
            self._at = begun
            raise

    def _scalar(self) -> Any:
        token = self._tokens[self._at]
        if token.kind == "word" and token.value.lower() in ("true", "false"):
            self._at += 1
            return token.value.lower() == "true"
        if token.kind not in ("text", "number"):
            self._fail(VALUE)
        self._at += 1
        return token.value

    def _step(self) -> Any:
        token = self._tokens[self._at]
        return self._take("span" if token.kind == "span" else "number", "a number")

    def _values(self, one: Callable[[], Any]) -> list[Any]:
        self._sign("(")
        values = [one()]
        while self._has(self._sign, ","):
            values.append(one())
        self._sign(")")
        return values

    def _where(self, part: _Part) -> dict[str, Any]:
        found: dict[str, dict[str, Any]] = {}
        start = self._tokens[self._at].start
        bracketed = self._has(self._sign, "(")
        self._property(found, part)
        while bracketed and self._has(self._word, "and"):
            self._property(found, part)
        if bracketed:
            self._sign(")")
        part.marks["where"] = start
        return {name: tests["eq"] if list(tests) == ["eq"] else tests for name, tests in found.items()}

    def _property(self, found: dict[str, dict[str, Any]], part: _Part) -> None:
        start = self._tokens[self._at].start
        name = self._simple("property")
        part.marks.setdefault("where/" + name.replace("~", "~0").replace("/", "~1"), start)
        for key in WHERE_COMPARISONS:
            begun = self._at
            try:
                wanted, at = self._wanted(key, COMPARISONS[key].wanted)
            except _Mismatch:
                self._at = begun
                continue
            if key in found.get(name, {}):
                self._refuse(at, f"{name!r} is compared twice by {COMPARISONS[key].sign!r}")
            found.setdefault(name, {})[key] = wanted
            return
        raise _Mismatch

    # ---- errors

    def _explain(self) -> NoReturn:
        """Say what was expected at the furthest place that was reached."""
        token = self._tokens[self._furthest]
        before = self._tokens[self._furthest - 1] if self._furthest else token
        expected = [one for one in self._expected if one != "end"]
        if before.kind == "word" and "=" in self._expected and before.value.lower() not in _heads():
            hint = nearest(before.value.lower(), _heads())
            if hint:
                self._refuse(before.start, f"{before.raw!r} begins no rule{hint}")
        offered = expected[:SHOWN]
        options = f"expected {' or '.join(offered)}{' or …' if len(expected) > SHOWN else ''}"
        if token.kind == "word" and {QUOTED, VALUE} & self._expected.keys():
            self._refuse(token.start, f"write text in quotes: {json.dumps(token.raw, ensure_ascii=False)}")
        hint = nearest(token.raw.lower(), expected) if token.kind == "word" else ""
        self._refuse(token.start, f"{options}, not {token.raw[:40]}{hint}")

    def _refuse(self, at: int, detail: str) -> NoReturn:
        raise Rejected(f"character {at + 1}: {detail}", code="bad-rule", pointer=self._pointer)


def _listed(key: str, parts: Sequence[_Part]) -> _Part:
    return _Part({key: [part.rule for part in parts]}, parts[0].start, parts=tuple(parts))


@cache
def _items(source: str) -> tuple[Any, ...]:
    """Words, signs and arguments of an operator's text; what may be left out as a tuple of its own."""
    items: list[Any] = []
    for plain, optional in re.findall(r"([^\[\]]+)|\[([^\]]*)\]", source):
        items += [tuple(optional.split())] if optional else plain.split()
    return tuple(items)


@cache
def _heads() -> frozenset[str]:
    """Words a rule can begin with."""
    first = (operator.text.split()[0].strip("[]") for operator in OPERATORS.values())
    return frozenset(word for word in first if word.isalpha())


# ---- writing


def write(rule: Rule) -> str:
    """The text of a rule in JSON form, which must be one that can be read."""
    if isinstance(rule, str):
        return write(parse(rule)[0])
    for key, word in (("all", " and "), ("any", " or ")):
        if key in rule:
            parts = rule[key]
            return word.join(map(_grouped, parts)) if len(parts) > 1 else f"{key} ({write(parts[0])})"
    if "not" in rule:
        return f"not {_grouped(rule['not'])}"
    operator = OPERATORS[next(key for key in rule if key in OPERATORS)]
    text = _written(operator, rule)
    if operator.key == "attribute" and not _reads_as(text, rule):
        return f"attribute {text}"
    return text


def _grouped(rule: Rule) -> str:
    rule = parse(rule)[0] if isinstance(rule, str) else rule
    several = any(len(rule.get(key, ())) > 1 for key in ("all", "any"))
    return f"({write(rule)})" if several else write(rule)


def _reads_as(text: str, rule: Mapping[str, Any]) -> bool:
    try:
        return parse(text)[0] == rule
    except Rejected:
        return False


def _written(operator: Operator, rule: Mapping[str, Any]) -> str:
    pieces = [_piece(item, operator, rule) for item in _items(operator.text)]
    for clause in operator.clauses:
        items = _items(clause)
        if _given(items, operator, rule):
            pieces += [_piece(item, operator, rule) for item in items]
    text = " ".join(piece for piece in pieces if piece)
    return text.replace("( ", "(").replace(" )", ")").replace(" ,", ",") if operator.key == "near" else text


def _given(items: Sequence[str], operator: Operator, rule: Mapping[str, Any]) -> bool:
    """Whether a rule has the arguments of a clause."""
    names = [item[1:-1].partition(".")[0] for item in items if item.startswith("<") and len(item) > 2]
    return bool(names) and all(name == "comparison" or name in rule for name in names)


def _piece(item: Any, operator: Operator, rule: Mapping[str, Any]) -> str:
    if isinstance(item, tuple):
        written = (_piece(one, operator, rule) for one in item)
        return " ".join(written) if _given(item, operator, rule) else ""
    if item == "<comparison>":
        (key,) = (one.name for one in operator.one_of if one.name in rule)
        return _comparison(key, rule[key])
    if not (item.startswith("<") and len(item) > 2):
        return str(item)
    name, _, index = item[1:-1].partition(".")
    value = rule[name][int(index)] if index else rule[name]
    match operator.kind(name):
        case "yes":
            return ""
        case "where":
            return f"({' and '.join(_properties(value))})"
        case "duration" | "ages":
            return _span(value)
        case "steps":
            return f"({', '.join(_span(one) if isinstance(one, str) else _scalar(one) for one in value)})"
        case kind if kind in _NAMES:
            return _name(value)
    return _scalar(value)


def _comparison(key: str, wanted: Any) -> str:
    if key in _YES_NO:
        return _YES_NO[key][0 if wanted else 1]
    if key in MOMENTS:
        return f"{_SIGNS[key]} {_span(wanted) if MOMENTS[key].wanted == 'duration' else _scalar(wanted)}"
    if key == "between":
        return f"between {_scalar(wanted[0])} and {_scalar(wanted[1])}"
    return f"{_SIGNS[key]} {f'({", ".join(map(_scalar, wanted))})' if key == 'in' else _scalar(wanted)}"


def _properties(where: Mapping[str, Any]) -> Iterator[str]:
    for name, asked in where.items():
        tests = asked if isinstance(asked, Mapping) else {"eq": asked}
        for key, wanted in tests.items():
            yield f"{_name(name)} {_comparison(key, wanted)}"


def _name(name: str) -> str:
    return name if _BARE.fullmatch(name) and name.lower() not in _RESERVED else _scalar(name)


def _span(written: str) -> str:
    return "".join(written.lower().split())


def _scalar(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
