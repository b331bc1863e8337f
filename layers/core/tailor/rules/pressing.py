"""A letter's HTML as it will be rendered, made once when it is published: MJML compiled, CSS written into the tags.

Many mail clients drop ``<style>``, so its rules are written into ``style`` attributes too. An HTML parser that writes
a template back moves its tags (it pulls ``{% for %}`` out of a ``<table>``); here the parser only finds out which
declarations each element gets, and these alone are put into the author's text. Nothing else changes, not even a line.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tailor.kernel.errors import Rejected
from tailor.kernel.program import read_partials
from tailor.rules.handlebars import from_handlebars
from tailor.rules.mailjinja import pieces
from tailor.rules.partials import PARTS, assemble
from tailor.rules.reading import escaped

_PROLOGUE = re.compile(r"\s+|<\?xml[^>]*>|<!--(?s:.*?)-->", re.IGNORECASE)
_MJML = re.compile(r"<mjml\b", re.IGNORECASE)
_TOKEN = re.compile(
    r"<!--.*?-->|<(style|script|title|textarea|xmp|noscript)\b.*?</\1\s*>"
    r"|<([A-Za-z][^\s/>]*)((?:[^>\"']|\"[^\"]*\"|'[^']*')*)>",
    re.IGNORECASE | re.DOTALL,
)
_STYLE = re.compile(r"(?<=[\s\"'])style\s*=\s*(?:\"([^\"]*)\"|'([^']*)')", re.IGNORECASE)
_WRITTEN = re.compile(r"<[^<>]*?\sdata-tailor-n=\"(\d+)\"[^<>]*>")
_WRITTEN_STYLE = re.compile(r"\sstyle=\"([^\"]*)\"")
_DECLARATION = re.compile(r"((?:[^;\"'(]|\"[^\"]*\"|'[^']*'|\([^)]*\))+)(?:;|\Z)")
_IMPORTANT = re.compile(r"\s*!\s*important\s*\Z", re.IGNORECASE)
_STRANGE = re.compile(r"<(mj-[a-z-]+)", re.IGNORECASE)
_STAND_IN = re.compile("tplx([0-9]+)xlpt")
_NOT_BREAK = re.compile(r"[^\n]")
_HOLE = "\ue000"
"""Stands for one character of a template tag, so that every offset stays true."""
ELEMENTS = 8_000
"""Start tags of a letter with a style sheet; one of 60 KB has a thousand."""
WEIGHT = 2_000_000
"""Rules of the sheets times elements; a letter of 60 KB has a thousandth of it."""
_BARE = frozenset({"base", "head", "html", "link", "meta", "title"})
"""Elements that show nothing of their own."""


def is_mjml(source: str) -> bool:
    """Whether this is MJML, told by its root."""
    at = 0
    # One at a time: in one pattern, many comments would be tried in every way to part them.
    while found := _PROLOGUE.match(source, at):
        at = found.end()
    return _MJML.match(source, at) is not None


def finished(document: Mapping[str, Any]) -> dict[str, Any]:
    """A programme document with what :func:`press` makes of its letters, as ``pressed`` beside their ``html``.

    Other parts that include partials stand whole under ``assembled``.

    Raises
    ------
    Rejected : as :func:`press` and :func:`tailor.rules.partials.assemble`; ``pointer`` names the letter or the partial.
    """
    whole = dict(document)
    templates = document.get("templates")
    if not isinstance(templates, Mapping):
        return whole
    shared = read_partials(document)
    whole["templates"] = {key: _finished(str(key), entry, shared) for key, entry in templates.items()}
    return whole


def press(source: str) -> str:
    """The HTML that will be rendered, from HTML or MJML with template tags; the same for the same source.

    Raises
    ------
    Rejected : ``bad-template``; MJML that cannot be read, or that would lose a tag.
    """
    plain = from_handlebars(source)
    return inline(from_mjml(plain) if is_mjml(plain) else plain)


def from_mjml(source: str) -> str:
    """MJML as HTML, with its template tags where they were.

    Raises
    ------
    Rejected : ``bad-template``; the detail names the line where it is known.
    """
    import mrml  # only where letters are published: its import is not for functions that send

    kept: list[str] = []
    marked: list[str] = []
    for tag, piece in pieces(source):
        if tag in ("{%", "{{", "raw"):
            marked.append(f"tplx{len(kept)}xlpt")
            kept.append(piece)
        elif not tag:
            marked.append(piece)
    try:
        made = mrml.to_html("".join(marked)).content
    except OSError as error:
        raise _bad(f"the MJML cannot be read: {error}") from error
    if strange := _STRANGE.search(made):
        line = source.lower().count("\n", 0, max(source.lower().find(f"<{strange[1].lower()}"), 0)) + 1
        raise _bad(f"line {line}: MJML has no <{strange[1]}> here")
    found = [int(number) for number in _STAND_IN.findall(made)]
    controls = [number for number, piece in enumerate(kept) if piece.startswith("{%")]
    if [number for number in found if number in set(controls)] != controls:
        lost = next((number for number in controls if found.count(number) != 1), controls[0])
        line = source.count("\n", 0, source.find(kept[lost])) + 1
        raise _bad(f"line {line}: MJML would lose or move {kept[lost]!r}: put it into <mj-raw>, or inside a text")
    return _STAND_IN.sub(lambda mark: kept[int(mark[1])], made)


def inline(source: str) -> str:
    """HTML with the rules of its ``<style>`` written into the tags they hold for; ``<style>`` stays, for media queries.

    What an author wrote into a ``style`` attribute wins, as it does in a browser.
    """
    if "<style" not in source.lower():
        return source
    masked = _masked(source)
    tags = list(_tags(masked))
    rules = sum(token[0].count("{") for token in _TOKEN.finditer(masked) if (token[1] or "").lower() == "style")
    if len(tags) > ELEMENTS:
        raise _bad(f"more than {ELEMENTS} elements are too many to write CSS into")
    if rules * len(tags) > WEIGHT:
        raise _bad(f"{rules} rules of CSS for {len(tags)} elements are too many to write into the tags")
    written = dict(_computed(_numbered(masked, tags)))
    out: list[str] = []
    done = 0
    for number, (name_end, own) in enumerate(tags):
        if not (computed := written.get(number)):
            continue
        if own is None:
            out += [source[done:name_end], f' style="{_merged(computed, "")}"']
            done = name_end
        else:
            begin, end = own.span(1) if own[1] is not None else own.span(2)
            authored = source[begin:end]
            quote = source[begin - 1]
            merged = _merged(computed, authored)
            if quote == "'":
                merged = merged.replace(authored, "\0").replace("'", "&#39;").replace("\0", authored)
            out += [source[done:begin], merged]
            done = end
    out.append(source[done:])
    return "".join(out)


def declarations(style: str) -> Iterator[tuple[str, str]]:
    """(property in lower case, value) of the text of a ``style`` attribute."""
    for declaration in _DECLARATION.finditer(style):
        name, colon, value = declaration[1].partition(":")
        if colon and name.strip():
            yield name.strip().lower(), value.strip()


def _finished(key: str, entry: Any, shared: Mapping[str, str]) -> Any:
    if not isinstance(entry, Mapping) or not isinstance(source := entry.get("html"), str):
        return entry  # Program.of says what is wrong with it
    plain = {name: value for name, value in entry.items() if name not in ("pressed", "assembled")}
    pointer = f"/templates/{escaped(key)}"
    whole = {
        part: assemble(plain[part], shared, f"{pointer}/{part}") for part in PARTS if isinstance(plain.get(part), str)
    }
    try:
        made = press(whole["html"].text)
    except Rejected as error:
        raise whole["html"].placed(Rejected(error.detail, code=error.code, pointer=f"{pointer}/html"), key) from error
    if made != source:
        plain["pressed"] = made
    if others := {part: one.text for part, one in whole.items() if part != "html" and one.used}:
        plain["assembled"] = others
    return plain


def _masked(source: str) -> str:
    return "".join(piece if not tag else _NOT_BREAK.sub(_HOLE, piece) for tag, piece in pieces(source))


def _tags(masked: str) -> Iterator[tuple[int, re.Match[str] | None]]:
    """(end of the name, the ``style`` attribute) of every start tag."""
    for token in _TOKEN.finditer(masked):
        if token[2] and token[2].lower() not in _BARE:
            yield token.end(2), _STYLE.search(masked, token.start(3), token.end(3))


def _numbered(masked: str, tags: list[tuple[int, re.Match[str] | None]]) -> str:
    """The document for the parser: elements numbered, their own styles away, template tags as white space."""
    out: list[str] = []
    done = 0
    for number, (name_end, own) in enumerate(tags):
        out += [masked[done:name_end], f' data-tailor-n="{number}"']
        done = name_end
        if own is not None:
            out.append(masked[done : own.start()])
            done = own.end()
    out.append(masked[done:])
    return "".join(out).replace(_HOLE, " ")


def _computed(numbered: str) -> Iterator[tuple[int, str]]:
    import css_inline  # see from_mjml

    inliner = css_inline.CSSInliner(keep_style_tags=True, load_remote_stylesheets=False)
    for tag in _WRITTEN.finditer(inliner.inline(numbered)):
        if found := _WRITTEN_STYLE.search(tag[0]):
            yield int(tag[1]), found[1]


def _merged(computed: str, authored: str) -> str:
    """The attribute's text: rules, then what the author wrote, then rules that insist."""
    own = {name for name, value in declarations(html.unescape(authored)) if value} if "{" not in authored else set()
    before: list[str] = []
    after: list[str] = []
    for name, lines in declarations(html.unescape(computed)):
        value = " ".join(lines.split())
        if _IMPORTANT.search(value):
            # Unmarked, or no media query could ever change it.
            after.append(f"{name}: {_IMPORTANT.sub('', value)}")
        elif name not in own:
            before.append(f"{name}: {value}")
    escaped = [html.escape("; ".join(part), quote=False).replace('"', "&quot;") for part in (before, after)]
    middle = authored.strip().rstrip(";").rstrip()
    return "; ".join(part for part in (escaped[0], middle, escaped[1]) if part)


def _bad(detail: str) -> Rejected:
    return Rejected(detail, code="bad-template")
