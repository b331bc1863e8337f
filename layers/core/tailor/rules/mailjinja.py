"""The language of letters: Jinja2, plus what marketers already write, minus everything that could do harm.

Beside Jinja2's own syntax::

    {% if user.interests contains 'outdoor' %}…{% elsif user.purchase_history includes 'running shoes' %}…{% endif %}
    {first_name}        {first_name|friend}        (the text after the bar stands in for a missing value)
    {% given last_viewed_product, fresh='30d' %}…{% broader %}…{% endgiven %}

    {% for product in recommend(3, category='tents') %}<a href="{{ product.url }}">{{ product.name }}</a>{% endfor %}

``given`` is a block for those of whom the attributes are known and no older than that, and what all others see.

Single braces are rewritten before the template is compiled, so a value can never be expanded again. CSS, JSON,
``${x}``, comments, ``{% raw %}``, ``<style>`` and ``<script>`` are left alone. What WYSIWYG editors do to the inside
of tags (curly quotes, ``&quot;``, ``&gt;``) is undone.

``contains`` is Liquid's: membership in a list, substring of a text, a key of a map, case-sensitive; nil on either side
is false, and ``true`` is not ``1``.
"""

from __future__ import annotations

import html
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Any
from urllib.parse import quote

from jinja2 import ChainableUndefined, Undefined, UndefinedError, nodes, pass_context
from jinja2.ext import Extension
from jinja2.filters import FILTERS as STOCK
from jinja2.lexer import Token, TokenStream
from jinja2.parser import Parser
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from tailor.kernel.errors import Rejected
from tailor.kernel.instants import duration
from tailor.rules.places import Html

HTML = "html"
"""Name of the template part that is HTML; every other part is plain text, which is not escaped."""
LOOP = frozenset({"index", "index0", "revindex", "revindex0", "first", "last", "length"})
"""What a template may ask of ``loop``."""
TURNS = 100
"""Items a loop goes through at most."""
EFFORT = 60_000
"""Steps that all loops of a part may take together; a filter counts for :data:`FILTER`."""
FILTER = 20
TEXT = 100_000
"""Characters of a list that is shown as one text."""

_OPENING = re.compile(r"\{%[-+]?\s*raw\s*[-+]?%\}|\{[%{#]")
_ENDRAW = re.compile(r"\{%[-+]?\s*endraw\s*[-+]?%\}")
_CLOSING = {"{%": "%}", "{{": "}}", "{#": "#}"}
_OPERATORS = frozenset({"contains", "includes"})
_KEYWORDS = frozenset({"and", "elif", "elsif", "else", "for", "if", "in", "is", "not", "or", "recursive"})
_OPERAND_ENDS = frozenset({"name", "rparen", "rbracket", "rbrace", "string", "integer", "float"})
_OPERAND_STARTS = frozenset({"name", "string", "integer", "float", "lparen", "lbracket", "lbrace"})
_BRACE = re.compile(
    r"(?<![{$\\%#])\{[ ]?([A-Za-z_]\w*(?:\.[A-Za-z_]\w*){0,5})[ ]?(?:\|([^{}|<>\r\n]{0,80}))?\}(?!\})", re.ASCII
)
_QUOTED = re.compile(
    r""""(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[“”„‟″]([^"“”„‟″]*)["“”‟″]|[‘’‚‛′]((?:[^'‘’‛′]|[’'](?=\w))*)['’‘‛′]""",
    re.DOTALL,
)
_LINK = re.compile(r"(?:https?://|mailto:|tel:|sms:)[^\s<>\"\\\x00-\x20\x7f]+", re.IGNORECASE)
_NOT_CSS = re.compile(r"[^\w #%.,+-]")


class Missing(ChainableUndefined):
    """A value nobody knows: in a condition it is false whatever it is compared with, and nothing fails over it."""

    __slots__ = ()

    def _itself(self, *_others: object) -> Missing:
        return self

    __add__ = __radd__ = __sub__ = __rsub__ = __neg__ = _itself  # type: ignore[assignment]


def blank(value: object) -> bool:
    """Whether there is nothing to show: unknown, null, white space, an empty list or map."""
    match value:
        case str():
            return not value or value.isspace()
        case None | Undefined():
            return True
        case list() | dict():
            return not value
        case _:
            return False


def display(value: Any) -> str:
    """A value as a letter shows it: ``true``, ``12`` for 12.0, lists with commas.

    Raises
    ------
    Rejected : a map, which has no one way to be shown.
    """
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer():
            return str(int(value))
        case list() | tuple():
            return _bounded(", ".join(display(item) for item in value))
        case Mapping():
            raise Rejected("a map cannot be shown as a whole: name one of its fields", code="bad-value")
        case None:
            return ""
        case _:
            return str(value)


def contains(left: Any, right: Any) -> bool:
    """``left contains right``; see the module docstring."""
    if left is None or right is None or left is False or right is False:
        return False
    match left, right:
        case (Undefined(), _) | (_, Undefined()):
            return False
        case str(), _:
            return display(right) in left if isinstance(right, (str, int, float)) else False
        case Mapping(), str():
            return right in left
        case ((list() | tuple()), _):
            return any(item == right and isinstance(item, bool) == isinstance(right, bool) for item in left)
        case _:
            return False


@pass_context
def _given(context: Context, value: Any, name: str, fresh: int) -> bool:
    """Whether a value is there, and at most ``fresh`` ms old where that is asked; if not, the letter notes why."""
    if blank(value):
        reason = "missing"
    elif fresh and context["_now"] - context["_written"].get(name, -fresh) > fresh:
        reason = "stale"
    else:
        return True
    context["_fallbacks"][f"{name} ({reason})"] = None
    return False


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def test(left: Any, right: Any) -> bool:
        try:
            return bool(compare(left, right))
        except (TypeError, UndefinedError):
            return False

    return test


@pass_context
def _recommended(context: Context, category: Any, count: int) -> list[dict[str, Any]]:
    """Products for the person, of a category where there is one; the letter notes where they are those of everybody."""
    products, personal = context["_recommend"](count, None if blank(category) else display(category))
    if not personal:
        context["_fallbacks"]["recommend (popular)" if products else "recommend (nothing)"] = None
    return list(products)


@pass_context
def _turns(context: Context, value: Any, weight: int) -> list[Any]:
    """What a loop goes through; ``weight`` is the work of one turn, of which a letter has :data:`EFFORT` at most."""
    items = _items(value)
    effort = context["_effort"]
    effort[0] += weight * len(items)
    if effort[0] > EFFORT:
        raise Rejected("its loops go round too often: show fewer items", code="letter-too-large")
    return items


def _items(value: Any) -> list[Any]:
    """At most :data:`TURNS` items; one value is a list of it."""
    if blank(value):
        return []
    if isinstance(value, (list, tuple, Mapping)):
        return list(value)[:TURNS]
    return [value]


@pass_context
def _known(context: Context, value: Any, name: str, fallback: Any, *path: str | int) -> Any:
    """The value of an output, or the catalogue's fallback; see :mod:`tailor.rules.dressing`."""
    if type(value) is str and value and not path and not value.isspace():
        return value
    if fallback is not None and blank(value):
        context["_fallbacks"][name] = None
        value = fallback
    for key in path:
        value = _element(value, key)
    if blank(value):
        label = ".".join([name, *map(str, path)])
        raise Rejected(
            f"{label!r} has no value and no fallback: give the attribute a 'fallback', or write {{{label}|…}}",
            code="missing-value",
        )
    return value


@pass_context
def _stand_in(context: Context, value: Any, name: str, default: Any = "", boolean: bool = False) -> Any:
    """``default`` with the name it stands in for, so that the letter can tell."""
    if blank(value) or (boolean and not value):
        context["_fallbacks"][name] = None
        return default
    return value


def _default(value: Any, default: Any = "", boolean: bool = False) -> Any:
    return default if blank(value) or (boolean and not value) else value


def _join(value: Any, separator: str = "") -> str:
    items = _items(value)
    if len(items) * len(separator) > TEXT:
        raise Rejected("a list is too long to be joined by that", code="letter-too-large")
    return _bounded(separator.join(display(item) for item in items))


def _bounded(text: str) -> str:
    if len(text) > TEXT:
        raise Rejected(f"a value is longer than {TEXT} characters", code="letter-too-large")
    return text


def _int(value: Any) -> int:
    try:
        return int(float(value))
    except (TypeError, ValueError, OverflowError, UndefinedError):
        return 0


def _round(value: Any, precision: int = 0) -> float:
    return round(float(value), max(0, min(int(precision), 6)))


def safe_url(value: Any) -> str:
    """A whole link that came from data: http, https, mailto, tel or sms; spaces are encoded.

    Raises
    ------
    Rejected : any other scheme, or characters no link has.
    """
    link = display(value).strip().replace(" ", "%20")
    if _LINK.fullmatch(link) is None:
        raise Rejected("a link made of data must start with https://, mailto:, tel: or sms:", code="unsafe-link")
    return link


def _url_part(value: Any) -> str:
    return quote(display(value), safe="")


def _css(value: Any) -> str:
    return _NOT_CSS.sub("", display(value))


AUTHOR_FILTERS: dict[str, Callable[..., Any]] = {
    **{name: STOCK[name] for name in ("abs", "capitalize", "count", "first", "last", "length", "lower")},
    **{name: STOCK[name] for name in ("title", "trim", "truncate", "upper", "urlencode")},
    "d": _default,
    "default": _default,
    "int": _int,
    "join": _join,
    "round": _round,
}
"""Filters a template may use: each one's output is bounded by its input."""

OWN_FILTERS: dict[str, Callable[..., Any]] = {
    "css": _css,
    "items": _turns,
    "recommended": _recommended,
    "known": _known,
    "safe_url": safe_url,
    "stand_in": _stand_in,
    "url_part": _url_part,
}
"""Filters only :mod:`tailor.rules.dressing` puts in."""

TESTS: dict[str, Callable[..., Any]] = {
    "contains": contains,
    "defined": lambda value: not blank(value),
    "undefined": blank,
    "none": blank,
    "lt": _ordered(operator.lt),
    "le": _ordered(operator.le),
    "gt": _ordered(operator.gt),
    "ge": _ordered(operator.ge),
    "odd": lambda value: isinstance(value, int) and value % 2 == 1,
    "even": lambda value: isinstance(value, int) and value % 2 == 0,
    "divisibleby": lambda value, by: isinstance(value, int) and isinstance(by, int) and by != 0 and value % by == 0,
    "given": _given,
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "string": lambda value: isinstance(value, str),
}
"""Tests a template may use, ``x is odd``; orders of unlike things are false, not failures."""


class Environment(ImmutableSandboxedEnvironment):
    """Jinja2 with this language's filters and tests, where values are data and never objects with methods."""

    def __init__(self) -> None:
        super().__init__(
            autoescape=lambda name: name == HTML,
            undefined=Missing,
            finalize=display,
            extensions=[Language],
            keep_trailing_newline=True,
            cache_size=0,
        )
        self.globals.clear()
        self.filters = {**AUTHOR_FILTERS, **OWN_FILTERS}
        self.tests = dict(TESTS)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """``x.name``: a key of a map (so ``cart.items`` is data), or one of :data:`LOOP`."""
        if isinstance(obj, LoopContext) and attribute in LOOP:
            return getattr(obj, attribute)
        return _element(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """``x['name']`` and ``x[0]``."""
        return _element(obj, argument)


def _element(value: Any, key: str | int) -> Any:
    if isinstance(value, Mapping):
        return value.get(key, Missing(name=str(key)))
    if isinstance(value, (list, tuple)) and isinstance(key, int) and -len(value) <= key < len(value):
        return value[key]
    return Missing(name=str(key))


class Language(Extension):
    """Single braces and mended quotes before the lexer, ``contains``, ``includes``, ``elsif`` and ``nil`` after it; and
    the block ``{% given %}``."""

    tags = {"given"}  # noqa: RUF012 - jinja2 wants it so

    def parse(self, parser: Parser) -> nodes.If:
        """``{% given city, interests, fresh='30d' %}…{% broader %}…{% endgiven %}``."""
        lineno = next(parser.stream).lineno
        names: list[str] = []
        fresh = 0
        while parser.stream.current.type != "block_end":
            if names:
                parser.stream.expect("comma")
            name = parser.stream.expect("name").value
            if name == "fresh" and parser.stream.skip_if("assign"):
                fresh = _age(parser)
                break
            if name == "user" and parser.stream.skip_if("dot"):
                name = parser.stream.expect("name").value
            names.append(name)
        if not names or parser.stream.current.type != "block_end":
            parser.fail("name the attributes, then how old they may be: {% given city, fresh='30d' %}", lineno)
        held = [
            nodes.Test(
                nodes.Name(name, "load", lineno=lineno),
                "given",
                [nodes.Const(name), nodes.Const(fresh)],
                [],
                None,
                None,
                lineno=lineno,
            )
            for name in names
        ]
        body = parser.parse_statements(("name:broader", "name:endgiven"))
        if parser.stream.current.value != "broader":
            parser.fail("say what the others are shown: {% given city %} … {% broader %} … {% endgiven %}", lineno)
        next(parser.stream)
        broader = parser.parse_statements(("name:endgiven",), drop_needle=True)
        test: nodes.Expr = held[0]
        for one in held[1:]:
            test = nodes.And(test, one, lineno=lineno)
        return nodes.If(test, body, [], broader, lineno=lineno)

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        """The source in plain Jinja2 but for the operators; line numbers stay true."""
        mended = "".join(
            mend(piece, in_html=name == HTML) if tag in ("{%", "{{") else piece for tag, piece in pieces(source)
        )
        place = Html() if name == HTML else None
        expanded: list[str] = []
        raw = False
        for _, kind, text in self.environment.lex(mended, name, filename):
            if kind in ("raw_begin", "raw_end"):
                raw = kind == "raw_begin"
            if kind != "data":
                expanded.append(text)
            elif raw:
                if place:
                    place.feed(text)
                expanded.append(text)
            else:
                expanded.extend(_expand(text, place))
        return "".join(expanded)

    def filter_stream(self, stream: TokenStream) -> Iterator[Token]:
        """Rewrite the operators; only between the end of an operand and the start of another is a word one."""
        tokens = [*stream, Token(0, "eof", "")]
        before = Token(0, "initial", "")
        dotted = False
        for token, after in pairwise(tokens):
            written = token
            if token.type == "name":
                if token.value in _OPERATORS and after.type in _OPERAND_STARTS and _ends_operand(before, dotted=dotted):
                    yield Token(token.lineno, "name", "is")
                    written = Token(token.lineno, "name", "contains")
                elif token.value == "elsif" and before.type == "block_begin":
                    written = Token(token.lineno, "name", "elif")
                elif token.value in ("nil", "null") and before.type != "dot":
                    written = Token(token.lineno, "name", "none")
            yield written
            dotted = before.type == "dot"
            before = token


def _age(parser: Parser) -> int:
    token = parser.stream.expect("string")
    try:
        return duration(token.value)
    except Rejected as error:
        parser.fail(f"'fresh' is how old a value may be, as in '30d': {error.detail}", token.lineno)


def _ends_operand(token: Token, *, dotted: bool) -> bool:
    return token.type in _OPERAND_ENDS and (token.type != "name" or dotted or token.value not in _KEYWORDS)


def _expand(text: str, place: Html | None) -> Iterator[str]:
    """Text with its single braces as Jinja2 expressions; ``place`` follows the HTML to tell where they are literal."""
    done = 0
    for match in _BRACE.finditer(text):
        before = text[done : match.start()]
        done = match.end()
        yield before
        if place:
            place.feed(before)
            if place.literal:
                place.feed(match[0])
                yield match[0]
                continue
        if match[2] is None:
            yield f"{{{{ {match[1]} }}}}"
        else:
            stand_in = html.unescape(match[2]) if place else match[2]
            yield f"{{{{ {match[1]}|default({_literal(stand_in.strip())}) }}}}"
    yield text[done:]
    if place:
        place.feed(text[done:])


def pieces(source: str) -> Iterator[tuple[str, str]]:
    """A template cut into ``(tag, piece)``: ``tag`` is ``{%``, ``{{``, ``{#``, ``raw`` or, for text, ``""``.

    What is never closed is left to the lexer to complain of.
    """
    done = 0
    while opening := _OPENING.search(source, done):
        tag = opening[0] if opening[0] in _CLOSING else "raw"
        if tag == "raw":
            found = _ENDRAW.search(source, opening.end())
            end = found.end() if found else -1
        else:
            end = source.find(_CLOSING[tag], opening.end()) + 2
        if end < opening.end():
            break
        yield "", source[done : opening.start()]
        yield tag, source[opening.start() : end]
        done = end
    yield "", source[done:]


def mend(tag: str, *, in_html: bool) -> str:
    """One tag as its author meant it before an editor saved it."""
    return _QUOTED.sub(_straight, html.unescape(tag) if in_html else tag)


def _straight(quoted: re.Match[str]) -> str:
    text = quoted[1] if quoted[1] is not None else quoted[2]
    return quoted[0] if text is None else _literal(text)


def _literal(text: str) -> str:
    """A Jinja2 string literal that no text can end early."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
