"""A programme as a folder.

::

    program.toml               the document, in TOML; under [templates.KEY] only what is not in the letter's files
    templates/KEY.html         Subject: ...
                               Preheader: ...

                               <html>...
    templates/KEY.mjml         the same with <mjml>... in the place of <html>...
    templates/KEY.txt          the text part, if it is written by hand
"""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tailor.flows.publish import Faulty, locate
from tailor.kernel.errors import Rejected

MAIN = "program.toml"
LETTERS = "templates"
SUFFIXES = (".html", ".mjml")
_HEAD = {"subject": "subject", "preheader": "preheader"}
_LINE = re.compile(r"\bline (\d+)\b")


class Unreadable(Exception):
    """A file that cannot be made a part of the document; says which, where and why."""


@dataclass(slots=True)
class Letter:
    """One letter's file: its head, its HTML and the line of the file at which that begins, counted from 1."""

    head: dict[str, str]
    html: str
    begins: int


def read(folder: Path) -> dict[str, Any]:
    """The programme document in a folder.

    Raises
    ------
    Unreadable : there is no ``program.toml``, or a file is malformed.
    """
    if not (folder / MAIN).is_file():
        raise Unreadable(f"{folder} is no programme: there is no {MAIN} in it")
    try:
        document = tomllib.loads(_text(folder / MAIN))
    except tomllib.TOMLDecodeError as error:
        raise Unreadable(f"{folder / MAIN}: {error}") from None
    templates = document.setdefault("templates", {})
    if not isinstance(templates, dict) or not all(isinstance(entry, dict) for entry in templates.values()):
        raise Unreadable(f"{folder / MAIN}: write templates as [templates.KEY]")
    for path in sorted(path for suffix in SUFFIXES for path in (folder / LETTERS).glob(f"*{suffix}")):
        letter = read_letter(path)
        entry = templates.setdefault(path.stem, {})
        for name in ("subject", "preheader", "html", "text"):
            if name in entry:
                raise Unreadable(f"{folder / MAIN}: {name!r} of the template {path.stem!r} belongs into {path}")
        entry |= {**letter.head, "html": letter.html}
    for path in sorted((folder / LETTERS).glob("*.txt")):
        if path.stem not in templates:
            raise Unreadable(f"{path}: there is no letter {path.with_suffix('.html').name} to go with it")
        templates[path.stem]["text"] = _text(path)
    for key, entry in templates.items():
        if "html" not in entry:
            raise Unreadable(f"{folder / MAIN}: the letter {folder / LETTERS / key}.html is missing")
    try:
        json.dumps(document)
    except TypeError:
        raise Unreadable(f"{folder / MAIN}: put dates and times into quotes") from None
    return document


def read_letter(path: Path) -> Letter:
    """A letter's file: lines ``Subject: ...`` and ``Preheader: ...``, an empty one, then HTML.

    Raises
    ------
    Unreadable : there is no such head.
    """
    lines = _text(path).splitlines(keepends=True)
    head: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            if "subject" not in head:
                raise Unreadable(f"{path}:{number}: the head has no 'Subject: ...'")
            return Letter(head, "".join(lines[number:]), number + 1)
        name, colon, value = line.partition(":")
        if not colon or name.strip().lower() not in _HEAD:
            raise Unreadable(f"{path}:{number}: begin with 'Subject: ...', 'Preheader: ...' and an empty line")
        head[_HEAD[name.strip().lower()]] = value.strip()
    raise Unreadable(f"{path}: after the head comes an empty line, then the HTML")


def told(fault: Rejected, folder: Path, document: dict[str, Any]) -> list[str]:
    """The faults of a document as ``file:line: what is wrong``."""
    faults = fault.faults if isinstance(fault, Faulty) else [fault]
    return [_told(one, folder, document) for one in faults]


def _told(fault: Rejected, folder: Path, document: dict[str, Any]) -> str:
    place = locate(document, fault.pointer)
    section, key, rest = place or (fault.pointer.removeprefix("/").partition("/")[0], "", "")
    part = rest.partition("/")[0]
    if section == "templates" and part in ("subject", "preheader", "html", "text"):
        return _in_letter(fault, folder / LETTERS, key, part)
    line = _line_of(_text(folder / MAIN).splitlines(), section, key)
    where = f"{folder / MAIN}:{line}" if line else f"{folder / MAIN}"
    return f"{where}: {fault.pointer or 'the programme'}: {fault.detail}"


def _in_letter(fault: Rejected, letters: Path, key: str, part: str) -> str:
    """Lines that a template's part names are lines of the part; the reader wants those of the file."""
    if part == "text" and (path := letters / f"{key}.txt").is_file():
        line = int(found[1]) if (found := _LINE.search(fault.detail)) else 1
        return f"{path}:{line}: {fault.detail}"
    path = next(
        (path for suffix in SUFFIXES if (path := letters / f"{key}{suffix}").is_file()), letters / f"{key}.html"
    )
    detail = fault.detail
    if part == "html":
        begins = read_letter(path).begins
        line = int(found[1]) + begins - 1 if (found := _LINE.search(detail)) else begins
        detail = _LINE.sub(f"line {line}", detail, count=1)
    else:
        heads = [text.partition(":")[0].strip().lower() for text in _text(path).splitlines()]
        line = heads.index(part) + 1 if part in heads else 1
        detail = f"{part}: {_LINE.sub(f'line {line}', detail, count=1)}"
    return f"{path}:{line}: {detail}"


def _line_of(lines: list[str], section: str, key: str) -> int:
    """The line where a definition begins in TOML, 0 where it is not to be seen."""
    names = f"(?:{re.escape(key)}|\"{re.escape(key)}\"|'{re.escape(key)}')" if key else ""
    header = re.compile(rf"\s*\[+\s*{re.escape(section)}\s*{rf'\.\s*{names}' if key else ''}\s*[\].]")
    dotted = re.compile(rf"\s*{re.escape(section)}\s*{rf'\.\s*{names}' if key else ''}\s*[=.]")
    inside = re.compile(rf"\s*\[\s*{re.escape(section)}\s*\]")
    entry = re.compile(rf"\s*{names}\s*[=.]")
    within = False
    for number, line in enumerate(lines, 1):
        if header.match(line) or dotted.match(line) or (within and key and entry.match(line)):
            return number
        if line.lstrip().startswith("["):
            within = bool(inside.match(line))
    return 0


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise Unreadable(f"{path}: {reason}") from None
