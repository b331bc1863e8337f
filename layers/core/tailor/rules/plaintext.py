"""The text part of a letter, from the HTML its author wrote: once for a version of a template, tags and all."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from tailor.rules.mailjinja import mend, pieces

_MARK = re.compile("\ue000([0-9]+)\ue001")
_HIDDEN = re.compile(r"display\s*:\s*none", re.IGNORECASE)
_SPACE = re.compile(r"\s+")
_BLOCK = re.compile(
    "address|article|aside|blockquote|center|dd|div|dl|dt|fieldset|figcaption|figure|footer|form|h[1-6]|header|hr|li|main"
    "|nav|ol|p|pre|section|table|tr|ul"
)
_VOID = re.compile("area|base|br|col|embed|hr|img|input|link|meta|source|track|wbr")
_DROPPED = frozenset({"head", "script", "style", "title"})


def from_html(source: str) -> str:
    """A plain-text template for an HTML template: blocks as lines, links as ``text (url)``, images as their ``alt``.

    Jinja2 tags stay where they stand, so the text part makes the same choices; what is hidden by ``display:none`` and
    what stands in comments is left out.
    """
    kept: list[str] = []
    marked: list[str] = []
    for tag, piece in pieces(source):
        if tag in ("{%", "{{", "raw"):
            marked.append(f"\ue000{len(kept)}\ue001")
            kept.append(piece if tag == "raw" else mend(piece, in_html=True))
        elif not tag:
            marked.append(piece)
    reader = _Reader(kept)
    reader.feed("".join(marked))
    reader.close()
    return _MARK.sub(lambda mark: kept[int(mark[1])], tidy("".join(reader.pieces))) + "\n"


def tidy(text: str) -> str:
    """Text without white space at the ends of lines and without more than one empty line in a row."""
    lines = text
    if " \n" in text or "\n " in text or "\t" in text:
        lines = "\n".join([line.strip(" \t") for line in text.split("\n")])
    while "\n\n\n" in lines:
        lines = lines.replace("\n\n\n", "\n\n")
    return lines.strip()


class _Reader(HTMLParser):
    def __init__(self, kept: list[str]) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._kept = kept
        self._hidden: list[str] = []
        self._links: list[tuple[str, int]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if self._hidden:
            if tag == self._hidden[-1]:
                self._hidden.append(tag)
            return
        if not _VOID.fullmatch(tag) and (tag in _DROPPED or _HIDDEN.search(given.get("style") or "")):
            self._hidden.append(tag)
        elif tag == "br":
            self.pieces.append("\n")
        elif tag == "img":
            self._say(given.get("alt") or "")
        elif tag == "a":
            if self.pieces and self.pieces[-1].endswith(")"):
                self.pieces.append(" ")
            self._links.append((given.get("href") or "", len(self.pieces)))
        elif tag in ("td", "th"):
            self._say(" ")
        elif _BLOCK.fullmatch(tag):
            self.pieces.append("\n- " if tag == "li" else "\n")

    def handle_endtag(self, tag: str) -> None:
        if self._hidden:
            if tag == self._hidden[-1]:
                self._hidden.pop()
        elif tag == "a" and self._links:
            href, start = self._links.pop()
            text = "".join(self.pieces[start:]).strip()
            if href and not href.startswith("#") and href not in (text, f"mailto:{text}"):
                self._say(f" ({href})" if text else href)
        elif tag != "li" and _BLOCK.fullmatch(tag):
            self.pieces.append("\n")

    def handle_data(self, data: str) -> None:
        if self._hidden:
            self._keep_blocks(data)
        else:
            self._say(data)

    def handle_comment(self, data: str) -> None:
        self._keep_blocks(data)

    def _say(self, text: str) -> None:
        text = _SPACE.sub(" ", text)
        if self.pieces and self.pieces[-1].endswith((" ", "\n")):
            text = text.removeprefix(" ")
        if text:
            self.pieces.append(text)

    def _keep_blocks(self, data: str) -> None:
        """Conditions and loops survive even where their text does not, so that each still finds its end."""
        self.pieces.extend(mark[0] for mark in _MARK.finditer(data) if self._kept[int(mark[1])].startswith("{%"))
