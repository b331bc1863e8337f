"""Templates: compiled once for each version, rendered for one person's view, never sent broken.

A letter has a subject, a preheader, HTML, a text part, and calls to action of which the first that holds is shown. All
of them are templates in the language of :mod:`tailor.rules.mailjinja`, over

- the attributes of the catalogue that may serve the letter's purpose: ``first_name``, also ``user.first_name``;
- ``CTA_Text`` and ``CTA_Link``, where there are calls to action;
- ``subject`` and ``preheader`` inside the HTML and the text part;
- :data:`GIVEN`, what the sender hands in.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import islice
from typing import Any

from jinja2 import Template as Compiled
from jinja2 import TemplateError, TemplateSyntaxError, nodes
from markupsafe import escape

from tailor.kernel.errors import Rejected
from tailor.kernel.program import Program, Template
from tailor.rules import encoding
from tailor.rules.consent import View
from tailor.rules.dressing import BODY_ENDS, LINK, LINK_BEGINS, LINK_ENDS, dress
from tailor.rules.guard import BRACES, SOURCE, TAG, TAGS, Forbidden, Vocabulary, inspect
from tailor.rules.mailjinja import HTML, Environment, blank, pieces, safe_url
from tailor.rules.places import Html, Place, Plain
from tailor.rules.plaintext import from_html, tidy
from tailor.rules.reading import escaped
from tailor.rules.recommending import Shelf
from tailor.rules.segments import Rule, compile_rule

GIVEN = frozenset({"confirm_url", "postal_address", "preferences_url", "shop_name", "unsubscribe_url"})
"""Names a letter may use beside attributes; their values are handed to :meth:`Letterhead.render`."""
SIZE = 500_000
"""Characters of a rendered part; Gmail shows the first 102,400 bytes."""
SUBJECT = 200
PREHEADER = 250

_ENVIRONMENT = Environment()
CTA = frozenset({"CTA_Link", "CTA_Text"})
LETTER = frozenset({"preheader", "subject"})
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
_BODY = re.compile(r"<body\b[^>]*>", re.IGNORECASE)
_OWN = ("unsubscribe_url", "preferences_url", "confirm_url")
_STATIC = 8
"""Characters from which static text is encoded once; a break after less would be longer than the text."""
_FAILURES = (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError, AssertionError)
# Clients fill the rest of the preview line with the body's first words unless something invisible stands there.
_HIDDEN = (
    '<div style="display:none;max-height:0;overflow:hidden;opacity:0;mso-hide:all;font-size:1px;line-height:1px">'
    "{{ preheader }}" + "&#847;&zwnj;&nbsp;" * 40 + "</div>"
)


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter for one person.

    Attributes
    ----------
    subject, preheader : one line each, without markup.
    html, text : the two parts; the preheader is hidden at the top of the HTML.
    links : original links of the HTML that may be counted, in order.
    fallbacks : attributes in whose place a fallback is shown, in the order they were met; ``city (stale)`` or ``city
        (missing)`` where a whole block was made broader for it.
    encoded : ``html`` as quoted-printable; empty where nobody has encoded it yet.
    """

    subject: str
    preheader: str
    html: str
    text: str
    links: tuple[str, ...]
    fallbacks: tuple[str, ...]
    encoded: bytes = b""


@dataclass(frozen=True, slots=True)
class _Static:
    """Text that is the same for all: as it is, as quoted-printable, and the link it is, where it may be counted."""

    text: str
    encoded: bytes
    link: str | None


@dataclass(frozen=True, slots=True)
class _Part:
    """One compiled piece of a template; ``static`` holds the pieces of its HTML that are the same for all."""

    compiled: Compiled
    pointer: str
    reads: frozenset[str]
    needs: frozenset[str]
    static: Mapping[str, _Static]
    recommends: bool

    def render(self, context: dict[str, Any]) -> str:
        """The whole, as text."""
        return "".join(self.pieces(context))

    def pieces(self, context: dict[str, Any]) -> list[str]:
        """The whole, piece by piece."""
        written: list[str] = []
        size = 0
        made = self.compiled.root_render_func(self.compiled.new_context(context, shared=True))
        try:
            while some := list(islice(made, 250)):
                written += some
                size += sum(map(len, some))
                if size > SIZE:
                    raise Rejected(
                        f"more than {SIZE} characters: show fewer items", code="letter-too-large", pointer=self.pointer
                    )
        except Rejected as error:
            raise Rejected(error.detail, code=error.code, pointer=self.pointer, status=error.status) from error
        except _FAILURES as error:
            # What the exception says may quote the person's data.
            raise Rejected(
                f"a tag cannot be worked out for this person ({type(error).__name__})",
                code="bad-render",
                pointer=self.pointer,
            ) from error
        return written


class Letterhead:
    """A compiled template.

    Attributes
    ----------
    key : the template's.
    rules : the conditions of its calls to action, whose counters the step must keep.
    needs : attributes without which there is no letter: shown without a fallback, and outside of a condition that they
        exist. A dry run warns of them.
    recommends : whether it wants a shelf.
    """

    __slots__ = ("_ctas", "_html", "_preheader", "_reads", "_subject", "_text", "key", "needs", "recommends", "rules")

    def __init__(
        self,
        key: str,
        subject: _Part,
        preheader: _Part,
        html: _Part,
        text: _Part,
        ctas: tuple[tuple[Rule | None, _Part, _Part], ...],
    ) -> None:
        parts = [subject, preheader, html, text, *(part for _, *pair in ctas for part in pair)]
        self.key = key
        self.rules: tuple[Rule, ...] = tuple(rule for rule, _, _ in ctas if rule is not None)
        self.needs: tuple[str, ...] = tuple(sorted(frozenset().union(*(part.needs for part in parts))))
        self._reads = frozenset().union(*(part.reads for part in parts))
        self.recommends = any(part.recommends for part in parts)
        self._subject, self._preheader, self._html, self._text, self._ctas = subject, preheader, html, text, ctas

    def render(
        self,
        view: View,
        extra: Mapping[str, str],
        *,
        now: int,
        counted: str = "",
        pixel: str = "",
        shelf: Shelf | None = None,
    ) -> Letter:
        """The letter for the person seen in ``view``.

        Parameters
        ----------
        view : of the person, for the purpose the template ``reads_for``.
        extra : values of :data:`GIVEN`.
        now : instant at which the conditions of calls to action are decided.
        counted : beginning of a URL; with its index behind it stands in the place of every link of the HTML that may be
            counted: not the one to unsubscribe, not the preferences, not mailto, tel or sms.
        pixel : HTML that is put in at the end of the body.
        shelf : what ``recommend`` chooses from; nothing, where there is none.

        Raises
        ------
        Rejected : ``missing-value`` (no value and no fallback), ``unsafe-link``, ``bad-value``, ``bad-render`` or
            ``letter-too-large``; ``pointer`` names the part. There is then no letter to send.
        """
        context, fallbacks = self._context(view, extra, now=now)
        context["_recommend"] = partial((shelf or Shelf()).recommend, view)
        self._call(context, view, now=now)
        context["subject"] = subject = header_text(self._subject.render(context), limit=SUBJECT)
        context["preheader"] = preheader = header_text(self._preheader.render(context), limit=PREHEADER)
        if not subject:
            raise Rejected("the subject is empty", code="missing-value", pointer=self._subject.pointer)
        written = self._html.pieces(context)
        if pixel:
            ends = (at for at in range(len(written) - 1, -1, -1) if BODY_ENDS.match(written[at]))
            written.insert(next(ends, len(written)), pixel)
        own = tuple(url for name in _OWN if (url := extra.get(name)))
        body, encoded, links = _assembled(written, self._html.static, own, counted)
        plain = tidy(self._text.render(context)) + "\n"
        return Letter(subject, preheader, body, plain, links, tuple(fallbacks), encoded)

    def values(self, view: View, extra: Mapping[str, str], *, now: int) -> dict[str, Any]:
        """What a letter to the person seen in ``view`` would be made of: plain attributes and the call to action.

        Raises
        ------
        Rejected : as :meth:`render`, of the call to action.
        """
        context, _ = self._context(view, extra, now=now)
        self._call(context, view, now=now)
        return {name: value for name, value in context.items() if name in self._reads or name in CTA}

    def _context(self, view: View, extra: Mapping[str, str], *, now: int) -> tuple[dict[str, Any], dict[str, None]]:
        """What a letter may read, and what its fallbacks will be noted in."""
        fallbacks: dict[str, None] = {}
        known = {
            name: plain
            for name in self._reads
            if (value := view.attributes.get(name)) is not None and not blank(plain := _plain(value))
        }
        context: dict[str, Any] = {**known, "user": known, "_fallbacks": fallbacks, "_effort": [0]}
        context |= {"_now": now, "_written": view.written}
        context.update((name, _CONTROLS.sub("", extra[name])) for name in GIVEN if name in extra)
        return context, fallbacks

    def _call(self, context: dict[str, Any], view: View, *, now: int) -> None:
        """Choose the call to action: the first that holds."""
        for rule, text, target in self._ctas:
            if rule is None or rule.holds(view, now=now)[0]:
                context["CTA_Text"] = header_text(text.render(context), limit=SUBJECT)
                context["CTA_Link"] = _checked(target.render(context), target.pointer)
                break


def compile_template(template: Template, program: Program) -> Letterhead:
    """Check and compile one template of ``program``.

    Raises
    ------
    Rejected : ``bad-template``; ``pointer`` names the part and ``detail`` the line: a syntax error, a name that does
        not exist or may not be used for this kind of letter, a construct that is not allowed, a value in an unsafe
        place.
    """
    pointer = f"/templates/{escaped(template.key)}"
    purpose = template.reads_for
    inner = Vocabulary.of(program, template, GIVEN)
    outer = Vocabulary.of(program, template, GIVEN | CTA if template.cta else GIVEN)
    whole = Vocabulary.of(program, template, outer.given | LETTER)
    ctas = tuple(
        (
            None
            if cta.when is None
            else compile_rule(cta.when, program, purpose=purpose, pointer=f"{pointer}/cta/{index}/when"),
            _compile(cta.text, "text", Plain(), inner, f"{pointer}/cta/{index}/text"),
            _compile(cta.link, "link", Html.link(), inner, f"{pointer}/cta/{index}/link"),
        )
        for index, cta in enumerate(template.cta)
    )
    return Letterhead(
        template.key,
        _compile(template.subject, "subject", Plain(), outer, f"{pointer}/subject"),
        _compile(template.preheader, "preheader", Plain(), outer, f"{pointer}/preheader"),
        _compile(with_preheader(template), HTML, Html(), whole, f"{pointer}/html"),
        _compile(
            text_source(template), "text", Plain(), whole, f"{pointer}/{'text' if template.text.strip() else 'html'}"
        ),
        ctas,
    )


NOWHERE = {
    "unsubscribe_url": "https://preview.invalid/unsubscribe",
    "preferences_url": "https://preview.invalid/preferences",
    "confirm_url": "https://preview.invalid/confirm",
}
"""The links of a letter that is written and not sent."""


def given(template: Template, links: Mapping[str, str]) -> dict[str, str]:
    """The values of :data:`GIVEN`: the signed ``links`` and what the sender says of itself."""
    return {**links, "postal_address": template.sender.postal_address, "shop_name": template.sender.name}


def header_text(text: str, *, limit: int) -> str:
    """One line of at most ``limit`` characters: no controls, no line breaks, no bidirectional overrides, in NFC."""
    clean = text if text.isascii() else unicodedata.normalize("NFC", text)
    if not clean.isprintable():
        clean = _CONTROLS.sub(" ", clean)
    line = " ".join(clean.split())
    return line if len(line) <= limit else line[: limit - 1].rstrip("\u200d\ufe0f ") + "…"


def _compile(source: str, name: str, place: Place, vocabulary: Vocabulary, pointer: str) -> _Part:
    """One part; what Jinja2 and Python cannot parse is refused like everything else that is wrong with it."""

    def refuse(detail: str, lineno: int | None = None) -> Rejected:
        lines = source.split("\n")
        near = lines[lineno - 1].strip()[:60] if lineno and lineno <= len(lines) else ""
        where = f"line {lineno}, near {near!r}: " if near else ""
        return Rejected(where + detail, code="bad-template", pointer=pointer)

    if len(source) > SOURCE:
        raise refuse(f"longer than {SOURCE} characters")
    if source.count("{") > BRACES:
        raise refuse(f"more than {BRACES} braces: a letter is not that long")
    tags = [piece for tag, piece in pieces(source) if tag in ("{%", "{{")]
    if len(tags) > TAGS or source.count("{%") + source.count("{{") > 2 * TAGS:
        raise refuse(f"more than {TAGS} tags: a letter is not that long")
    if long := next((piece for piece in tags if len(piece) > TAG), ""):
        raise refuse(f"a tag is longer than {TAG} characters", source.count("\n", 0, source.find(long)) + 1)
    if odd := _CONTROLS.search(source.replace("\r\n", "\n")):
        line = source.count("\n", 0, odd.start()) + 1
        raise refuse(f"there is a control character, U+{ord(odd[0]):04X}: remove it", line)
    try:
        tree = parse(source, name)
        reads = inspect(tree, vocabulary)
        recommends = next(tree.find_all(nodes.Call), None) is not None
        needs = dress(tree, vocabulary, place)
        tree.set_environment(_ENVIRONMENT)
        code = _ENVIRONMENT.compile(tree, name)
        static = {data.data for data in tree.find_all(nodes.TemplateData)} if name == HTML else set[str]()
    except Forbidden as error:
        raise refuse(error.detail, error.lineno) from error
    except TemplateSyntaxError as error:
        raise refuse(error.message or "a tag cannot be read", error.lineno) from error
    except (RecursionError, MemoryError, SyntaxError, OverflowError, ValueError) as error:
        raise refuse("a tag is nested too deeply or holds a number nobody can read") from error
    ready = {text: _static(text) for text in static if text[0] == LINK or len(text) >= _STATIC}
    return _Part(Compiled.from_code(_ENVIRONMENT, code, {}), pointer, reads, needs, ready, recommends)


def _static(piece: str) -> _Static:
    text = piece.removeprefix(LINK)
    return _Static(text, encoding.piece(text), _countable(text) if text is not piece else None)


def _countable(written: str) -> str | None:
    """The link that an ``href`` says, ``None`` for mailto, tel, sms and places inside the letter."""
    url = (html.unescape(written) if "&" in written else written).strip()
    return url if url[:4].lower() == "http" else None


def parse(source: str, name: str) -> nodes.Template:
    """The syntax tree of a part, not looked at yet; ``name`` is :data:`HTML` or any other.

    Raises
    ------
    jinja2.TemplateSyntaxError : it cannot be read.
    """
    return _ENVIRONMENT.parse(source, name)


def text_source(template: Template) -> str:
    """The text part as its author wrote it, else as it follows from the HTML."""
    return template.text if template.text.strip() else from_html(template.html)


def with_preheader(template: Template) -> str:
    """The HTML with the preheader hidden at its top, unless it is empty or the author has put it somewhere."""
    source = template.html
    if not template.preheader.strip() or re.search(r"\{\s*preheader\b", source):
        return source
    body = _BODY.search(source)
    at = body.end() if body else 0
    return source[:at] + _HIDDEN + source[at:]


def _plain(value: Any) -> Any:
    """A value as text, number, list or map, without controls and the overrides that garble what follows."""
    match value:
        case str():
            return value if value.isprintable() else _CONTROLS.sub("", value)
        case bool() | int() | float():
            return value
        case list() | tuple():
            return [_plain(item) for item in value]
        case Mapping():
            return {str(key): _plain(item) for key, item in value.items()}
        case _:
            return None


def _checked(target: str, pointer: str) -> str:
    try:
        return safe_url(target)
    except Rejected as error:
        raise Rejected(error.detail, code=error.code, pointer=pointer) from error


def _assembled(
    written: list[str], known: Mapping[str, _Static], own: tuple[str, ...], counted: str
) -> tuple[str, bytes, tuple[str, ...]]:
    """The HTML, the same as quoted-printable, and its original links; soft breaks between pieces cost nothing to read.

    Links that begin with one of ``own`` stay and are not counted; of the others each becomes ``counted`` and its index.
    """
    beginning = str(escape(counted))
    begins = encoding.piece(beginning) if counted else b""
    out: list[str] = []
    encoded: list[bytes] = []
    fresh: list[str] = []
    found: list[str] = []
    begun = begun_encoded = 0
    for piece in written:
        static = known.get(piece)
        if static is None and piece != LINK_BEGINS and piece != LINK_ENDS:
            fresh.append(piece)
            out.append(piece)
            continue
        if fresh and piece != LINK_ENDS:
            encoded.append(_encoded("".join(fresh)))
            fresh.clear()
        if static is not None:
            out.append(static.text)
            encoded.append(static.encoded)
            if static.link is not None:
                if counted:
                    out[-1] = f"{beginning}{len(found)}"
                    encoded[-1] = b"%b=\r\n%d" % (begins, len(found))
                found.append(static.link)
        elif piece == LINK_BEGINS:
            begun, begun_encoded = len(out), len(encoded)
        elif (url := _countable("".join(out[begun:]))) is not None and not (own and url.startswith(own)):
            if counted:
                out[begun:] = [f"{beginning}{len(found)}"]
                encoded[begun_encoded:] = [b"%b=\r\n%d" % (begins, len(found))]
                fresh.clear()
            found.append(url)
    if fresh:
        encoded.append(_encoded("".join(fresh)))
    return "".join(out), b"=\r\n".join(encoded), tuple(found)


# A value stands in a letter more than once, and some in the letters of many.
_encoded = lru_cache(maxsize=4096)(encoding.piece)
