"""Partials: pieces that letters share, put into them once, when a programme is published.

``{% include "footer" %}`` stands for the text under ``partials`` of the same programme, in any part of a letter and in
other partials. The name is literal, so that everything is known beforehand and nothing is looked up for a message.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tailor.kernel.errors import Rejected
from tailor.kernel.fields import nearest
from tailor.kernel.program import read_partials
from tailor.rules.guard import SOURCE
from tailor.rules.mailjinja import mend, pieces
from tailor.rules.reading import escaped

SECTION = "partials"
PARTS = ("subject", "preheader", "html", "text")
"""Parts of a letter that may include."""
DEPTH = 5
"""Partials within partials."""
INCLUDES = 100
"""Of one part, those of its partials among them."""

_INCLUDE = re.compile(r"\{%[-+]?\s*include\b")
_NAMED = re.compile(r"\{%\s*include\s+(?:\"([^\"]*)\"|'([^']*)')\s*%\}")
_LINE = re.compile(r"\bline (\d+)\b")


@dataclass(slots=True)
class Assembly:
    """A part with its partials in their places.

    Attributes
    ----------
    text : the whole.
    origins : of each line of it, (name of the partial or ``""``, line there counted from 1) of what is most of it.
    used : names of the partials in it.
    """

    text: str
    origins: list[tuple[str, int]] = field(default_factory=list)
    used: set[str] = field(default_factory=set)

    def origin(self, line: int) -> tuple[str, int]:
        """Whose line ``line`` of the whole is, and which; where nothing is included, it is the same."""
        return self.origins[line - 1] if 0 < line <= len(self.origins) else ("", line)

    def placed(self, fault: Rejected, key: str) -> Rejected:
        """A fault whose lines are those of the whole, told of a line of the letter ``key`` or of a partial."""
        if not self.origins or not (found := _LINE.search(fault.detail)):
            return fault
        name, line = self.origin(int(found[1]))
        detail = _LINE.sub(f"line {line}", fault.detail, count=1)
        if not name:
            return Rejected(detail, code=fault.code, pointer=fault.pointer, status=fault.status)
        detail = f"{detail} (in the letter {key!r})"
        return Rejected(detail, code=fault.code, pointer=f"/{SECTION}/{escaped(name)}", status=fault.status)


def assemble(source: str, partials: Mapping[str, str], pointer: str) -> Assembly:
    """A part of a letter, which stands at ``pointer``, with its partials in their places.

    Raises
    ------
    Rejected : ``bad-template``; no such partial, a name that is no literal, a circle, or too much of it. ``pointer``
        names the letter's part or the partial where it stands, ``detail`` the line.
    """
    if not _INCLUDE.search(source):
        return Assembly(source)
    made = Assembly("")
    written: list[str] = []
    best: list[int] = []
    size = 0
    for count, (text, name, line) in enumerate(_texts(source, partials, pointer, ())):
        size += len(text)
        # One piece before and one after each tag.
        if size > SOURCE or count > 2 * INCLUDES:
            detail = f"with its partials longer than {SOURCE} characters, or more than {INCLUDES} of them"
            raise Rejected(detail, code="bad-template", pointer=pointer)
        if name:
            made.used.add(name)
        written.append(text)
        for number, piece in enumerate(text.split("\n")):
            weight = len(piece.strip())
            if number or not made.origins:
                made.origins.append((name, line + number))
                best.append(weight)
            elif weight > best[-1]:
                made.origins[-1], best[-1] = (name, line), weight
    made.text = "".join(written)
    return made


def assembled(document: Mapping[str, Any], key: str, part: str) -> Assembly:
    """One part of the letter ``key`` of a programme document; raises as :func:`assemble`."""
    pointer = f"/templates/{escaped(key)}/{part}"
    return assemble(document["templates"][key].get(part, ""), read_partials(document), pointer)


def placed(fault: Rejected, document: Mapping[str, Any]) -> Rejected:
    """A fault of an assembled part, told of the letter's or the partial's own line."""
    for key in document.get("templates", {}):
        for part in PARTS:
            if fault.pointer in (f"/templates/{escaped(key)}/{part}", f"/templates/{key}/{part}"):
                return assembled(document, key, part).placed(fault, key)
    return fault


def _texts(
    source: str, partials: Mapping[str, str], pointer: str, within: tuple[str, ...]
) -> Iterator[tuple[str, str, int]]:
    """(text, partial it is of, its first line there), in order."""
    name = within[-1] if within else ""
    done = at = 0
    line = 1
    for tag, piece in pieces(source):
        if tag == "{%" and _INCLUDE.match(piece):
            here = line + source.count("\n", done, at)
            other = _name(piece, partials, pointer, here, within)
            yield source[done:at], name, line
            yield from _texts(partials[other].rstrip("\n"), partials, f"/{SECTION}/{escaped(other)}", (*within, other))
            done = at + len(piece)
            line = here + piece.count("\n")
        at += len(piece)
    yield source[done:], name, line


def _name(piece: str, partials: Mapping[str, str], pointer: str, line: int, within: tuple[str, ...]) -> str:
    """The partial that a tag asks for."""
    found = _NAMED.fullmatch(mend(piece, in_html=True))
    if not found:
        detail = 'write {% include "footer" %}: the name of a partial in quotes, and nothing else'
    elif (name := found[1] or found[2] or "") not in partials:
        detail = f"there is no partial {name!r}{nearest(name, partials)}"
    elif name in within:
        detail = f"a partial cannot include itself: {' → '.join((*within[within.index(name) :], name))}"
    elif len(within) >= DEPTH:
        detail = f"partials stand in partials up to {DEPTH} deep: {' → '.join((*within, name))}"
    else:
        return name
    raise Rejected(f"line {line}: {detail}", code="bad-template", pointer=pointer)
