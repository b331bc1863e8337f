"""A programme as a folder.

::

    program.toml               the document, in TOML; under [templates.KEY] only what is not in the letter's files
    templates/KEY.html         Subject: ...
                               Preheader: ...

                               <html>...
    templates/KEY.mjml         the same with <mjml>... in the place of <html>...
    templates/KEY.txt          the text part, if it is written by hand
    partials/NAME.html         what letters include as {% include "NAME" %}; .mjml and .txt do as well

A letter may be a folder of its own instead::

    templates/KEY/letter.html  or letter.mjml, as above; without a head if template.toml has the subject
    templates/KEY/letter.txt
    templates/KEY/template.toml  what else would stand under [templates.KEY]
"""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tailor.flows.publish import NO_FALLBACK, Faulty, locate
from tailor.kernel.errors import Rejected

MAIN = "program.toml"
LETTERS = "templates"
PARTIALS = "partials"
SUFFIXES = (".html", ".mjml")
BODY = "letter"
ABOUT = "template.toml"
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


@dataclass(slots=True)
class Files:
    """Where a letter stands; ``text`` and ``about`` where there are such files."""

    body: Path
    text: Path | None
    about: Path | None


def read(folder: Path) -> dict[str, Any]:
    """The programme document in a folder.

    Raises
    ------
    Unreadable : there is no ``program.toml``, or a file is malformed.
    """
    if not (folder / MAIN).is_file():
        raise Unreadable(f"{folder} is no programme: there is no {MAIN} in it")
    document = _toml(folder / MAIN)
    templates = document.setdefault("templates", {})
    if not isinstance(templates, dict) or not all(isinstance(entry, dict) for entry in templates.values()):
        raise Unreadable(f"{folder / MAIN}: write templates as [templates.KEY]")
    for key, files in sorted(_letters(folder).items()):
        entry = templates.setdefault(key, {})
        for name in ("subject", "preheader", "html", "text"):
            if name in entry:
                raise Unreadable(f"{folder / MAIN}: {name!r} of the template {key!r} belongs into {files.body}")
        if files.about:
            if entry:
                raise Unreadable(f"{files.about}: {folder / MAIN} has [templates.{key}] too: keep one of them")
            entry |= _toml(files.about)
        letter = _read(files)
        entry |= {**letter.head, "html": letter.html}
        if files.text:
            entry["text"] = _text(files.text)
    for path in _partials(folder):
        shared = document.setdefault("partials", {})
        if not isinstance(shared, dict) or path.stem in shared:
            raise Unreadable(
                f"{path}: {path.stem!r} is there already, in {folder / MAIN} or another file: name it anew"
            )
        shared[path.stem] = _text(path)
    for key, entry in templates.items():
        if "html" not in entry:
            raise Unreadable(f"{folder / MAIN}: the letter {folder / LETTERS / key}.html is missing")
    try:
        json.dumps(document)
    except TypeError:
        raise Unreadable(f"{folder / MAIN}: put dates and times into quotes") from None
    return document


def place(path: Path) -> tuple[Path, str]:
    """The programme's folder and the key, of a letter's file or folder; ``""`` for a programme's folder itself."""
    if path.is_dir() and path.parent.name != LETTERS:
        return path, ""
    if path.is_file() and path.parent.name != LETTERS and path.parent.parent.name == LETTERS:
        path = path.parent
    return path.parent.parent, path.name if path.is_dir() else path.stem


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


def without_fallback(
    warnings: list[dict[str, str]], folder: Path, document: dict[str, Any]
) -> tuple[list[dict[str, str]], list[str]]:
    """The other warnings; and as ``file:line: what``, the values that would leave people without a letter."""
    errors = [warning for warning in warnings if warning.get("code") == NO_FALLBACK]
    lines = [told(Rejected(one["detail"], pointer=one["pointer"]), folder, document)[0] for one in errors]
    return [warning for warning in warnings if warning not in errors], lines


def _letters(folder: Path) -> dict[str, Files]:
    """Key → files of every letter in a programme's folder.

    Raises
    ------
    Unreadable : a letter is there twice, or a text part belongs to none.
    """
    found: dict[str, Files] = {}
    letters = folder / LETTERS
    inside = [(one.name, one) for one in letters.glob("*/") if one.is_dir()]
    for suffix in SUFFIXES:
        bodies = [(path.stem, path) for path in letters.glob(f"*{suffix}") if path.is_file()]
        bodies += [(key, path) for key, one in inside if (path := one / f"{BODY}{suffix}").is_file()]
        for key, body in bodies:
            if key in found:
                raise Unreadable(f"{body}: the letter {key!r} is in {found[key].body} too: keep one of them")
            text, about = body.with_suffix(".txt"), body.parent / ABOUT
            within = body.parent != letters
            found[key] = Files(body, text if text.is_file() else None, about if within and about.is_file() else None)
    for key, one in inside:
        if key not in found:
            raise Unreadable(f"{one}: there is no {BODY}.html or {BODY}.mjml in it")
    for path in sorted(letters.glob("*.txt")):
        if path.stem not in found or found[path.stem].text != path:
            raise Unreadable(f"{path}: there is no letter {path.with_suffix('.html').name} to go with it")
    return found


def _partials(folder: Path) -> list[Path]:
    return sorted(path for suffix in (*SUFFIXES, ".txt") for path in (folder / PARTIALS).glob(f"*{suffix}"))


def _read(files: Files) -> Letter:
    """A letter's body, whose subject may stand in its ``template.toml``."""
    if files.about and "subject" in _toml(files.about):
        return Letter({}, _text(files.body), 1)
    return read_letter(files.body)


def told(fault: Rejected, folder: Path, document: dict[str, Any]) -> list[str]:
    """The faults of a document as ``file:line: what is wrong``."""
    faults = fault.faults if isinstance(fault, Faulty) else [fault]
    return [_told(one, folder, document) for one in faults]


def _told(fault: Rejected, folder: Path, document: dict[str, Any]) -> str:
    place = locate(document, fault.pointer)
    section, key, rest = place or (fault.pointer.removeprefix("/").partition("/")[0], "", "")
    part = rest.partition("/")[0]
    files = _letters(folder).get(key) if section == "templates" else None
    if files and part in ("subject", "preheader", "html", "text"):
        return _in_letter(fault, files, part)
    if files and files.about:
        return f"{files.about}:{_line_of_field(_text(files.about), part)}: {fault.detail}"
    if section == "partials" and (path := next((one for one in _partials(folder) if one.stem == key), None)):
        return f"{path}:{found[1] if (found := _LINE.search(fault.detail)) else 1}: {fault.detail}"
    line = _line_of(_text(folder / MAIN).splitlines(), section, key)
    where = f"{folder / MAIN}:{line}" if line else f"{folder / MAIN}"
    return f"{where}: {fault.pointer or 'the programme'}: {fault.detail}"


def _in_letter(fault: Rejected, files: Files, part: str) -> str:
    """Lines that a template's part names are lines of the part; the reader wants those of the file."""
    if part == "text" and files.text:
        line = int(found[1]) if (found := _LINE.search(fault.detail)) else 1
        return f"{files.text}:{line}: {fault.detail}"
    path, detail = files.body, fault.detail
    if part == "html":
        begins = _read(files).begins
        line = int(found[1]) + begins - 1 if (found := _LINE.search(detail)) else begins
        return f"{path}:{line}: {_LINE.sub(f'line {line}', detail, count=1)}"
    heads = [text.partition(":")[0].strip().lower() for text in _text(path).splitlines()]
    if part in heads:
        line = heads.index(part) + 1
    elif files.about:
        path, line = files.about, _line_of_field(_text(files.about), part)
    else:
        line = 1
    return f"{path}:{line}: {part}: {_LINE.sub(f'line {line}', detail, count=1)}"


def _line_of_field(toml: str, name: str) -> int:
    """The line on which a field of a letter begins, 1 where it is not to be seen."""
    entry = re.compile(rf"\s*\[*\s*{re.escape(name)}\b")
    return next((number for number, line in enumerate(toml.splitlines(), 1) if name and entry.match(line)), 1)


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


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(_text(path))
    except tomllib.TOMLDecodeError as error:
        raise Unreadable(f"{path}: {error}") from None


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise Unreadable(f"{path}: {reason}") from None
