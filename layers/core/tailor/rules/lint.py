"""What is wrong with a letter that compiles: for the people who read it, the law, and the programs that show it.

Works on the HTML of a template, tags and all, or on a rendered letter. It reads what is written, not what is meant: a
colour that comes from a value is not judged.

Rules and where they come from: Gmail's cut at 102,400 bytes; WCAG 2.2 for contrast (1.4.3), ``alt`` (1.1.1), ``lang``
(3.1.1) and ``title`` (2.4.2); CAN-SPAM for the postal address; RFC 8058 and the sender rules of Gmail and Yahoo for
the visible link to unsubscribe; caniemail.com for what clients support (:mod:`tailor.rules.support`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from typing import Literal

from tailor.kernel.program import Template
from tailor.rules.mailjinja import pieces
from tailor.rules.places import LINKS
from tailor.rules.plaintext import from_html
from tailor.rules.pressing import declarations
from tailor.rules.support import UNSUPPORTED

Severity = Literal["error", "warning", "note"]

CLIPPED = 102_400
"""Bytes of HTML that Gmail shows before it cuts a letter off."""
CONTRAST = 4.5
CONTRAST_LARGE = 3.0
"""For text of 24 px, or of 18.66 px in bold."""
SHARES: dict[str, tuple[str, float]] = {
    "i": ("Apple Mail (iOS)", 0.33),
    "m": ("Apple Mail (macOS)", 0.11),
    "g": ("Gmail", 0.14),
    "a": ("Gmail (Android)", 0.135),
    "p": ("Gmail (iOS)", 0.135),
    "w": ("Outlook (Windows)", 0.05),
    "o": ("Outlook.com", 0.05),
    "y": ("Yahoo", 0.04),
    "s": ("Samsung Email", 0.01),
}
"""Letter → (client, share of readers): Litmus, July 2020, the last year before Apple's proxy opened everything; where
it names only a vendor, in equal parts. Your own readers may differ."""
MANY = 0.25
"""Share of readers from which a missing feature is a warning."""

_GRACEFUL = re.compile(
    r"css-(?:at-media.*|at-font-face|at-supports|animation|at-keyframes|border-radius|box-shadow|color-scheme|cursor"
    r"|hyphens|important|opacity|outline.*|overflow-wrap|pseudo-class-(?:hover|focus|active|link|visited)|text-shadow"
    r"|transition|word-break|word-wrap|box-sizing|object-fit|table-layout)"
    r"|html-(?:aria-.*|abbr|doctype|link|loading-attribute|meta-color-scheme|semantics|target|wbr)"
)
"""Where these are not supported, the letter is plainer and as good."""
_SCHEMES = re.compile(r"(?:https?://|mailto:|tel:|sms:|#)", re.IGNORECASE)
_INSIDE = re.compile(r"[<>\"'&]")
_NUMBER = re.compile(r"([\d.]+)(px|pt|em|rem|%)?")
_HEX = re.compile(r"#([0-9a-f]{3}|[0-9a-f]{6})\b", re.IGNORECASE)
_RGB = re.compile(r"rgba?\(\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*(?:,\s*([\d.]+)\s*)?\)", re.IGNORECASE)
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden|mso-hide\s*:\s*all", re.IGNORECASE)
_CSS = re.compile(r"/\*.*?\*/|([^{};]*)([{};]|\Z)", re.DOTALL)
_STRUCTURAL = re.compile(r":(?:first|last|only|nth)-[a-z-]+|[+~](?=\s*[\w.*#\[])")
_PSEUDO = re.compile(r"(::?)([a-z-]+)")
_UNIT = re.compile(r"(?<![\w#-])[\d.]+(ch|rem|vh|vw|vmin|vmax)\b")
_FUNCTION = re.compile(r"\b(clamp|min|max|light-dark|calc|var|linear-gradient|radial-gradient|conic-gradient)\(")
_FUNCTIONS = {"calc": "css-unit-calc", "var": "css-variables"}
_VOID = frozenset(["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"])
_FORBIDDEN = frozenset(["applet", "embed", "form", "frame", "iframe", "object", "script"])
_NAMED = {
    "black": "#000000",
    "blue": "#0000ff",
    "gray": "#808080",
    "green": "#008000",
    "grey": "#808080",
    "navy": "#000080",
    "orange": "#ffa500",
    "red": "#ff0000",
    "silver": "#c0c0c0",
    "white": "#ffffff",
    "yellow": "#ffff00",
}

Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to mend: ``rule`` is its kebab-case name; ``line`` counts from 1, 0 stands for the whole letter.

    An ``error`` breaks the law, a receiver's rules, or the letter; a ``warning`` some readers' letter; a ``note`` is
    good to know.
    """

    rule: str
    severity: Severity
    detail: str
    line: int = 0


def lint(
    html: str,
    *,
    kind: str,
    text: str = "",
    unsubscribe: Sequence[str] = ("unsubscribe_url", "preferences_url"),
    postal: Sequence[str] = ("postal_address",),
) -> list[Finding]:
    """All findings, the gravest first.

    Parameters
    ----------
    html : of a template, after :func:`tailor.rules.pressing.press`, or of a letter.
    kind : ``marketing`` or ``transactional``.
    text : the text part.
    unsubscribe, postal : one of each must be found in a visible link, and in the text: names of values in a template,
        the values themselves in a letter.
    """
    reader = _Reader(unsubscribe, postal)
    reader.feed("".join(_shown(tag, piece) for tag, piece in pieces(html)))
    reader.close()
    found = [*reader.found, *reader.missing(kind, text), *_clipped(html), *_structural(html, reader.structural)]
    found += _support(reader.features)
    order: dict[Severity, int] = {"error": 0, "warning": 1, "note": 2}
    return sorted(dict.fromkeys(found), key=lambda one: (order[one.severity], one.line))


def lint_template(template: Template) -> list[Finding]:
    """All findings of a template as it will be rendered."""
    address = template.sender.postal_address
    return lint(
        template.html,
        kind=template.kind,
        text=template.text or from_html(template.html),
        postal=("postal_address", *([address] if address else [])),
    )


def contrast(one: Colour, other: Colour) -> float:
    """The contrast ratio of WCAG 2.2, 1 to 21."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: Colour) -> float:
    red, green, blue = (
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in (channel / 255 for channel in colour)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _shown(tag: str, piece: str) -> str:
    """A template tag as something an HTML parser passes over: outputs as a word in braces, the rest as white space."""
    match tag:
        case "":
            return piece
        case "{{":
            return _INSIDE.sub(" ", piece)
        case _:
            return "\n" * piece.count("\n") or " "


def _clipped(html: str) -> Iterator[Finding]:
    size = len(html.encode())
    if size > CLIPPED:
        yield Finding("clipped", "error", f"{size:,} bytes of HTML: Gmail cuts off after {CLIPPED:,}")
    elif size > 0.9 * CLIPPED:
        yield Finding("clipped", "warning", f"{size:,} bytes of HTML: values may bring it over Gmail's {CLIPPED:,}")


def _structural(html: str, selectors: Sequence[tuple[str, int]]) -> Iterator[Finding]:
    loop = next((piece for tag, piece in pieces(html) if tag == "{%" and re.match(r"\{%[-+]?\s*for\b", piece)), None)
    if loop is None:
        return
    for selector, line in selectors:
        detail = (
            f"{selector!r} counts siblings before loops are run: give the element a class, or ask {{% if loop.first %}}"
        )
        yield Finding("structural-selector", "warning", detail, line)


def _support(features: dict[str, int]) -> Iterator[Finding]:
    for slug, line in features.items():
        if slug not in UNSUPPORTED:
            continue
        title, clients = UNSUPPORTED[slug]
        share = sum(SHARES[client][1] for client in clients)
        names = ", ".join(SHARES[client][0] for client in clients)
        grave = share >= MANY and not _GRACEFUL.fullmatch(slug)
        detail = f"{title} is not supported for {share:.0%} of readers: {names}"
        yield Finding("client-support", "warning" if grave else "note", detail, line)


@dataclass(slots=True)
class _Frame:
    """One open element, with what its text inherits; ``None`` is a colour nobody can tell."""

    tag: str
    colour: Colour | None = (0, 0, 0)
    background: Colour | None = (255, 255, 255)
    size: float = 16.0
    bold: bool = False
    hidden: bool = False
    said: list[str] = field(default_factory=list)
    href: str = ""
    line: int = 0


class _Reader(HTMLParser):
    def __init__(self, unsubscribe: Sequence[str], postal: Sequence[str]) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[Finding] = []
        self.features: dict[str, int] = {}
        self.structural: list[tuple[str, int]] = []
        self._unsubscribe, self._postal = unsubscribe, postal
        self._open = [_Frame("")]
        self._seen: set[str] = set()
        self._ids: set[str] = set()
        self._anchors: list[tuple[str, int]] = []
        self._images = 0
        self._text = 0

    def missing(self, kind: str, text: str) -> Iterator[Finding]:
        """What a letter should have and this one has not; asked once everything is read."""
        if "html" in self._seen:
            if "lang" not in self._seen:
                yield Finding("lang", "warning", "<html> has no lang: screen readers guess how to pronounce it", 1)
            if "dir" not in self._seen:
                yield Finding("dir", "note", '<html> has no dir: write dir="ltr", "rtl" or "auto"', 1)
            if "title" not in self._seen:
                yield Finding("title", "warning", "there is no <title>: screen readers and browser tabs say it", 1)
            if "color-scheme" not in self._seen:
                detail = 'no <meta name="color-scheme" content="light dark">: clients invert colours as they please'
                yield Finding("color-scheme", "note", detail, 1)
        if kind == "marketing":
            if "unsubscribe" not in self._seen:
                yield Finding("unsubscribe", "error", 'no visible link to unsubscribe: <a href="{unsubscribe_url}">')
            if "postal" not in self._seen:
                yield Finding("postal-address", "error", "the postal address is not shown: write {postal_address}")
        if len(" ".join(text.split())) < 20:
            yield Finding("text-part", "warning", "the text part says next to nothing: write one")
        if self._images and self._text < 100 * min(self._images, 5):
            detail = (
                f"{self._images} images and {self._text} characters of text: filters distrust it, and some block images"
            )
            yield Finding("image-text", "warning", detail)
        for anchor, line in self._anchors:
            if anchor not in self._ids:
                yield Finding("link", "warning", f"the link #{anchor} leads nowhere in the letter", line)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        line = self.getpos()[0]
        style = dict(declarations(given.get("style", "")))
        self._ids.update(value for name, value in attrs if name in ("id", "name") and value)
        self._notice(tag, given, line)
        for name in LINKS & given.keys():
            self._link(tag, name, given[name].strip(), line)
        for slug in _features(given.get("style", "")):
            self.features.setdefault(slug, line)
        if tag == "img":
            self._image(given, style, line)
        if tag not in _VOID:
            self._open.append(self._frame(tag, given, style, line))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        at = next((i for i in range(len(self._open) - 1, 0, -1) if self._open[i].tag == tag), 0)
        if not at:
            return
        for frame in self._open[at:]:
            if frame.tag == "a" and frame.href and not frame.hidden and not "".join(frame.said).strip():
                self.found.append(Finding("link", "warning", "a link without text or alt says nothing", frame.line))
        del self._open[at:]

    def handle_data(self, data: str) -> None:
        frame = self._open[-1]
        if frame.tag == "style":
            self._sheet(data, self.getpos()[0])
            return
        if not data.strip() or frame.tag in ("script", "title") or frame.hidden:
            return
        self._say(data)
        self._text += len(data.strip())
        if any(mark in data for mark in self._postal):
            self._seen.add("postal")
        self._contrast(frame)

    def _say(self, words: str) -> None:
        for frame in self._open:
            if frame.tag == "a":
                frame.said.append(words)

    def _notice(self, tag: str, given: dict[str, str], line: int) -> None:
        self._seen.add(tag)
        if tag == "html":
            self._seen.update(name for name in ("lang", "dir") if given.get(name))
        if tag == "meta" and given.get("name", "").lower() == "color-scheme":
            self._seen.add("color-scheme")
        if tag in _FORBIDDEN:
            self.found.append(Finding("forbidden", "error", f"<{tag}>: clients drop it, filters distrust it", line))
        if any(name.startswith("on") for name in given):
            self.found.append(Finding("forbidden", "error", "scripts in attributes: no client runs them", line))
        if tag == "table" and given.get("role") not in ("presentation", "none", "table", "grid"):
            detail = '<table> for layout: write role="presentation", or a screen reader reads out rows and columns'
            self.found.append(Finding("role", "note", detail, line))
        for slug in (f"html-{tag}", *(f"html-{name}" for name in given)):
            self.features.setdefault(slug, line)

    def _link(self, tag: str, name: str, target: str, line: int) -> None:
        if tag == "a" and name == "href":
            if not target or target == "#":
                self.found.append(Finding("link", "error", "a link that leads nowhere", line))
                return
            if any(mark in target for mark in self._unsubscribe) and not self._open[-1].hidden:
                self._seen.add("unsubscribe")
            if target.startswith("#"):
                self._anchors.append((target[1:], line))
        if (
            target
            and "{" not in target
            and not _SCHEMES.match(target)
            and not target.lower().startswith(("data:", "cid:"))
        ):
            detail = f"{target[:60]!r} does not begin with https://, mailto:, tel: or sms:"
            self.found.append(Finding("link", "error", detail, line))

    def _image(self, given: dict[str, str], style: dict[str, str], line: int) -> None:
        hidden = self._open[-1].hidden or _HIDDEN.search(given.get("style", "")) is not None
        tiny = given.get("width") in ("0", "1") or given.get("height") in ("0", "1")
        if not hidden and not tiny:
            self._images += 1
        if "alt" not in given:
            self.found.append(Finding("alt", "warning", '<img> without alt: say what it shows, or alt=""', line))
        elif given["alt"]:
            self._say(given["alt"])
        if not {"width", "max-width"} & {*given, *style} and not tiny:
            detail = "<img> without width: Outlook shows it in its own size"
            self.found.append(Finding("image-width", "note", detail, line))

    def _frame(self, tag: str, given: dict[str, str], style: dict[str, str], line: int) -> _Frame:
        frame = replace(self._open[-1], tag=tag, said=[], href=given.get("href", ""), line=line)
        if tag == "a" and frame.href:
            frame.colour = (0, 0, 238)
        if "color" in style or (tag == "font" and "color" in given):
            frame.colour = _colour(style.get("color") or given.get("color", ""))
        ground = style.get("background-color") or style.get("background") or given.get("bgcolor")
        if given.get("background") or "background-image" in style:
            frame.background = None
        elif ground and ground.strip().lower() not in ("transparent", "none", "inherit", "initial"):
            frame.background = _colour(ground)
        frame.size = _pixels(style.get("font-size") or style.get("font", ""), frame.size)
        weight = style.get("font-weight") or style.get("font", "")
        if tag in ("b", "strong", "th") or re.fullmatch(r"h[1-6]", tag):
            frame.bold = True
        if re.search(r"\b(?:bold|[6-9]00)\b", weight):
            frame.bold = True
        elif re.search(r"\b(?:normal|[1-5]00)\b", weight):
            frame.bold = False
        frame.hidden = frame.hidden or _HIDDEN.search(given.get("style", "")) is not None or tag == "head"
        return frame

    def _contrast(self, frame: _Frame) -> None:
        if frame.colour is None or frame.background is None:
            return
        large = frame.size >= 24 or (frame.bold and frame.size >= 18.66)
        ratio = contrast(frame.colour, frame.background)
        # Text in the colour of its ground is meant to be invisible.
        if ratio < (CONTRAST_LARGE if large else CONTRAST) and ratio > 1.05:
            detail = (
                f"contrast {ratio:.1f} of {_spelled(frame.colour)} on {_spelled(frame.background)}, "
                f"where {CONTRAST_LARGE if large else CONTRAST} is needed to read it"
            )
            if not any(one.detail == detail for one in self.found):
                self.found.append(Finding("contrast", "warning", detail, self.getpos()[0]))

    def _sheet(self, css: str, line: int) -> None:
        for slug in _features(css):
            self.features.setdefault(slug, line)
        nested: list[str] = []
        for token in _CSS.finditer(css):
            if token[1] is None:
                continue
            at = line + css.count("\n", 0, token.end(1))
            words = " ".join(token[1].split())
            if token[2] == "{":
                if not words.startswith("@") and (found := _STRUCTURAL.search(words)):
                    self.structural.append((words if len(words) < 60 else found[0], at))
                nested.append(words)
            elif (
                words and any(one.startswith("@media") for one in nested) and "!important" not in words.replace(" ", "")
            ):
                detail = f"{words!r} inside {nested[0]} loses against the style in the tag: write !important"
                self.found.append(Finding("media-important", "note", detail, at))
            if token[2] == "}" and nested:
                nested.pop()


def _features(css: str) -> Iterator[str]:
    """Slugs of caniemail for what is used in a sheet, or in a style attribute."""
    for token in _CSS.finditer(css):
        if token[1] is None:
            continue
        words = " ".join(token[1].lower().split())
        if token[2] == "{" and not words.startswith("@"):
            for colons, name in _PSEUDO.findall(words):
                yield f"css-pseudo-{'element' if colons == '::' or name in ('before', 'after') else 'class'}-{name}"
            continue
        if words.startswith("@"):
            yield f"css-at-{words[1:].split(' ')[0].split('(')[0]}"
            yield from (f"css-at-media-{name}" for name in re.findall(r"\(([a-z-]+)", words))
            continue
        name, colon, value = words.partition(":")
        if colon:
            name, value = name.strip(), value.strip()
            yield f"css-{name}"
            if name == "display":
                yield f"css-display-{value.removeprefix('inline-').split(' ')[0]}"
            yield from (f"css-unit-{unit}" for unit in _UNIT.findall(value))
            for function in _FUNCTION.findall(value):
                gradient = function.endswith("gradient")
                yield f"css-{function}" if gradient else _FUNCTIONS.get(function, f"css-function-{function}")


def _colour(text: str) -> Colour | None:
    """A colour as CSS or HTML spell it; ``None`` for what depends on something else."""
    words = text.strip().lower()
    if "url(" in words or "gradient" in words or "{" in words:
        return None
    if found := _HEX.search(words):
        digits = found[1] if len(found[1]) == 6 else "".join(digit * 2 for digit in found[1])
        return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16)
    if found := _RGB.search(words):
        if found[4] is not None and float(found[4]) < 1:
            return None
        return min(int(found[1]), 255), min(int(found[2]), 255), min(int(found[3]), 255)
    named = next((_NAMED[word] for word in words.split() if word in _NAMED), None)
    return _colour(named) if named else None


def _spelled(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _pixels(text: str, inherited: float) -> float:
    found = _NUMBER.search(re.sub(r"\b[1-9]00\b", "", text))
    if not found:
        return inherited
    number = float(found[1].strip(".") or 0)
    factor = {"px": 1.0, "pt": 4 / 3, "em": inherited, "rem": 16.0, "%": inherited / 100}.get(found[2] or "px", 1.0)
    return number * factor
