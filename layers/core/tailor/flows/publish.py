"""Publish: put a programme in force, once everything in it has been found right.

Everything wrong is told at once. A definition found wrong is replaced by a plain one and the rest is looked at again,
so that what refers to it is not called wrong as well.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from difflib import unified_diff
from typing import Any

from tailor.edges.store import Store
from tailor.flows.walk import begin_backfill
from tailor.kernel.document import canonical
from tailor.kernel.errors import Rejected
from tailor.kernel.fields import nearest
from tailor.kernel.instants import iso
from tailor.kernel.keys import digest
from tailor.kernel.program import Program, Template
from tailor.rules.compiled import Compiled
from tailor.rules.handlebars import from_handlebars
from tailor.rules.lint import lint_template
from tailor.rules.partials import Assembly, assembled, placed
from tailor.rules.pressing import finished, is_mjml
from tailor.rules.succession import succeed
from tailor.rules.templates import compile_template

KIND = "programme"
HISTORY = "programme-history"
"""Every version ever published, by ``name#version``: ``{"name", "version", "published", "program", "document"}``."""
FAULTS = 25
"""Told at once; nobody mends more in one go."""

NO_FALLBACK = "no-fallback"
"""Code of the warning that some people will get no letter; whoever only checks may take it for an error."""
LINE = 100
"""Characters up to which a value stands on one line of a difference."""

Document = Mapping[str, Any]

_PLAIN: Mapping[str, Any] = {
    "purposes": {"basis": "consent"},
    "topics": {},
    "attributes": {"purposes": ["personalization", "service"]},
    "segments": {"rule": {"did": "Page Viewed"}},
    "journeys": {"trigger": {"api": True}, "steps": [{"webhook": "-"}]},
    "templates": {"subject": "-", "html": "-"},
    "partials": "",
}
"""What stands in for a wrong definition."""
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_SECTIONS = ("purposes", "topics", "attributes", "segments", "journeys", "templates", "partials")


class Faulty(Rejected):
    """A document with faults, all of them in ``faults``; says itself what the first one says."""

    def __init__(self, faults: list[Rejected], *, code: str = "bad-programme") -> None:
        first = faults[0]
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        super().__init__(f"{first.detail}{more}", code=code, pointer=first.pointer)
        self.faults = faults

    def problem(self) -> dict[str, Any]:
        """The problem with all faults under ``errors``."""
        errors = [{"code": f.code, "detail": f.detail, "pointer": f.pointer} for f in self.faults]
        return {**super().problem(), "errors": errors}


@dataclass(slots=True)
class Publication:
    """What publishing did, or would do.

    ``version`` names the document, ``program`` all documents in force together (what people and messages carry);
    ``diff`` holds :func:`difference`, ``warnings`` are ``{"pointer", "detail"}``,
    some with a ``code``.
    """

    name: str
    version: str
    program: str
    changed: bool
    diff: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[dict[str, str]] = field(default_factory=list)


def publish(document: Document, store: Store, *, now: int, dry_run: bool = False) -> Publication:
    """Check a programme beside the others in force and put it in force; ``dry_run`` only checks.

    Workers follow within a minute, and a walk decides everybody again (see :mod:`tailor.flows.walk`).

    Raises
    ------
    Faulty : what is wrong, all of it.
    """
    in_force = store.definitions(KIND)
    name = str(document.get("name", ""))
    if not _NAME.fullmatch(name):
        detail = f"{name[:80]!r} cannot name a programme: use up to 64 letters a-z, digits and hyphens"
        raise Faulty([Rejected(detail, code="bad-name", pointer="/name")])
    before = in_force.get(name)
    others = [other for key, other in in_force.items() if key != name]
    _, warnings = check(document, others)
    whole, lost = succeed(finished(document), before or {}, others)
    program = Program.of([*others, whole])
    diff = difference(before or {}, whole)
    done = Publication(name, version_of(whole), program.version, before != whole, diff, [*warnings, *lost])
    if done.changed and not dry_run:
        record = {"name": name, "version": done.version, "published": now, "program": program.version}
        store.define(HISTORY, f"{name}#{done.version}", {**record, "document": whole})
        # Before it is in force: a stop in between must not leave the quiet ones behind.
        begin_backfill(Compiled(Program.of(in_force.values())), Compiled(program), store, now=now)
        store.define(KIND, name, whole)
    return done


def withdraw(name: str, store: Store, *, now: int) -> None:
    """Take a programme out of force; its history stays.

    Raises
    ------
    Rejected : no such programme (404), or others refer to it (409).
    """
    in_force = store.definitions(KIND)
    if name not in in_force:
        raise _unknown(name, in_force)
    try:
        rest = Compiled(Program.of(other for key, other in in_force.items() if key != name))
    except Rejected as fault:
        detail = f"another programme needs it: {fault.detail}"
        raise Rejected(detail, code="in-use", pointer=fault.pointer, status=409) from fault
    begin_backfill(Compiled(Program.of(in_force.values())), rest, store, now=now)
    store.undefine(KIND, name)


def programme(name: str, store: Store) -> dict[str, Any]:
    """A programme in force: ``{"name", "version", "published", "document"}``.

    Raises
    ------
    Rejected : no such programme (404).
    """
    in_force = store.definitions(KIND)
    if name not in in_force:
        raise _unknown(name, in_force)
    return {**_summary(name, in_force[name], store), "document": in_force[name]}


def programmes(store: Store) -> list[dict[str, Any]]:
    """All programmes in force: ``{"name", "version", "published", and how many "segments", ...}``."""
    return [
        _summary(name, document, store) | {section: len(document.get(section, {})) for section in _SECTIONS}
        for name, document in sorted(store.definitions(KIND).items())
    ]


def version_of(document: Document) -> str:
    """The version of one document: a digest of what it says."""
    return digest(canonical(document), size=8)


def check(document: Document, others: Iterable[Document]) -> tuple[Program, list[dict[str, str]]]:
    """Compile everything in ``document`` beside ``others``; answers the program they make, and warnings.

    Raises
    ------
    Faulty : what is wrong, up to :data:`FAULTS`.
    """
    beside = list(others)
    faults: list[Rejected] = []
    told: set[tuple[str, str]] = set()
    draft = deepcopy(dict(document))
    mended: set[tuple[str, str]] = set()
    while len(faults) < FAULTS:
        try:
            made = _compile(draft, beside)
        except Rejected as fault:
            if (fault.pointer, fault.detail) not in told:
                told.add((fault.pointer, fault.detail))
                faults.append(fault)
            if not _mend(draft, fault.pointer, mended):
                break
        else:
            if not faults:
                return made
            break
    raise Faulty(faults)


def difference(before: Document, after: Document) -> list[dict[str, Any]]:
    """What changed, a definition each: ``{"pointer", "change": "added" | "changed" | "removed", "lines"}``.

    ``lines`` begin with ``+``, ``-``, a blank, or ``@@`` where something in between is left out.
    """
    old, new = _definitions(before), _definitions(after)
    changes = []
    for pointer in dict.fromkeys([*new, *old]):
        if old.get(pointer) == new.get(pointer):
            continue
        change = "added" if pointer not in old else "removed" if pointer not in new else "changed"
        lines = list(unified_diff(old.get(pointer, []), new.get(pointer, []), n=2, lineterm=""))[2:]
        shown = ["@@" if line.startswith("@@") else line for line in lines]
        changes.append({"pointer": pointer, "change": change, "lines": shown[1:] if shown[:1] == ["@@"] else shown})
    return changes


def locate(document: Document, pointer: str) -> tuple[str, str, str] | None:
    """(section, key, rest) of a pointer into one definition; ``None`` for any other. Keys may hold slashes."""
    _, _, path = pointer.partition("/")
    section, _, rest = path.partition("/")
    entries = document.get(section)
    if section not in _SECTIONS or not isinstance(entries, Mapping):
        return None
    spelled = {form: str(key) for key in entries for form in (str(key), _escaped(str(key)))}
    fitting = [form for form in spelled if f"{rest}/".startswith(f"{form}/")]
    if not fitting:
        return None
    form = max(fitting, key=len)
    return section, spelled[form], rest[len(form) + 1 :]


def _escaped(key: str) -> str:
    """A key inside a JSON pointer (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")


def _compile(document: Document, others: list[Document]) -> tuple[Program, list[dict[str, str]]]:
    program = Program.of([*others, finished(document)])
    Compiled(program)
    warnings = _sender_warnings(document)
    included: set[str] = set()
    for key in document.get("templates", {}):
        source = assembled(document, key, "html")
        included |= source.used.union(
            *(assembled(document, key, part).used for part in ("subject", "preheader", "text"))
        )
        try:
            if is_mjml(source.text):
                # Its lines are not those of the HTML: what is wrong is told of the source first.
                compile_template(replace(program.templates[key], html=from_handlebars(source.text)), program)
            letterhead = compile_template(program.templates[key], program)
        except Rejected as fault:
            raise placed(fault, document) from fault
        warnings += [
            {
                "pointer": f"/templates/{key}",
                "detail": f"{name!r} has no fallback: people without it get no letter. Write {{{name}|something}}",
                "code": NO_FALLBACK,
            }
            for name in sorted(letterhead.needs)
        ]
        warnings += _lint(program.templates[key], source)
    warnings += [
        {"pointer": f"/partials/{_escaped(name)}", "detail": "no letter includes it, so what it says was not checked"}
        for name in document.get("partials", {})
        if name not in included
    ]
    return program, warnings


def _lint(template: Template, source: Assembly) -> list[dict[str, str]]:
    """What should be mended; the line is left out where it is not the author's."""
    pointer = f"/templates/{_escaped(template.key)}/html"
    found = []
    for one in lint_template(template):
        line = one.line if not is_mjml(source.text) else 0
        detail = f"line {line}: {one.detail}" if line else one.detail
        if one.severity != "note":
            told = source.placed(Rejected(detail, pointer=pointer), template.key)
            found.append({"pointer": told.pointer, "detail": told.detail})
    return found


def _sender_warnings(document: Document) -> list[dict[str, str]]:
    if not document.get("templates"):
        return []
    sender = document.get("sender") or {}
    own = all((entry.get("sender") or {}).get("from") for entry in document["templates"].values())
    wanted = {
        "from": "who writes, 'Shop <hello@shop.example>'",
        "postal_address": "where you are; CAN-SPAM asks for it",
    }
    return [
        {"pointer": f"/sender/{name}", "detail": f"no {name!r}: {what}"}
        for name, what in wanted.items()
        if not sender.get(name) and not (own and name == "from")
    ]


def _mend(draft: dict[str, Any], pointer: str, mended: set[tuple[str, str]]) -> bool:
    """Put something plain where ``pointer`` leads, so that the rest can be checked; false where that is no use."""
    if place := locate(draft, pointer):
        section, key, _ = place
        if (section, key) not in mended:
            draft[section][key] = deepcopy(_PLAIN[section])
            mended.add((section, key))
        else:
            del draft[section][key]
        return True
    field = pointer.removeprefix("/").partition("/")[0]
    if field in (*_SECTIONS, "name", "") or field not in draft:
        return False
    del draft[field]
    return True


def _definitions(document: Document) -> dict[str, list[str]]:
    """Pointer → the definition as lines for people."""
    found = {"/sender": _lines(document["sender"])} if document.get("sender") else {}
    for section in _SECTIONS:
        for key, definition in document.get(section, {}).items():
            found[f"/{section}/{key}"] = definition.splitlines() if isinstance(definition, str) else _lines(definition)
    return found


def _lines(definition: Mapping[str, Any]) -> list[str]:
    lines = []
    for name, value in definition.items():
        if name in ("pressed", "assembled", "former"):
            continue  # follows from the HTML, and from what was in force
        if isinstance(value, str) and "\n" in value:
            lines += [f"{name}:", *(f"  {line}" for line in value.splitlines())]
        elif isinstance(value, str):
            lines.append(f"{name}: {value}")
        else:
            brief = json.dumps(value, ensure_ascii=False)
            text = brief if len(brief) <= LINE else json.dumps(value, indent=2, ensure_ascii=False)
            lines += f"{name}: {text}".splitlines()
    return lines


def _summary(name: str, document: Document, store: Store) -> dict[str, Any]:
    version = version_of(document)
    record = store.definition(HISTORY, f"{name}#{version}")
    return {"name": name, "version": version, "published": iso(record["published"]) if record else None}


def _unknown(name: str, known: Iterable[str]) -> Rejected:
    return Rejected(f"there is no programme {name!r}{nearest(name, known)}", code="not-found", status=404)
