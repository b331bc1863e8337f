"""``tailor compile`` and ``tailor preview``: a programme's letters without a deployment."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tailor.cli import programme, sheet
from tailor.cli.text import paint
from tailor.flows.render import described, written
from tailor.kernel.errors import Rejected
from tailor.kernel.program import Program, Template
from tailor.rules.dialects import LANGUAGES, say
from tailor.rules.lint import lint_template
from tailor.rules.partials import placed
from tailor.rules.pressing import finished
from tailor.rules.templates import compile_template

PEOPLE = "people.json"


@dataclass(slots=True)
class Opened:
    """A programme read from a folder, and which of its letters are meant."""

    folder: Path
    document: dict[str, Any]
    program: Program
    letters: list[Template]

    def wrong(self, *faults: Rejected) -> programme.Unreadable:
        """Faults of letters, each with its file and line, to be raised by the caller."""
        own = [placed(fault, self.document) for fault in faults]
        return programme.Unreadable(
            "\n".join(line for fault in own for line in programme.told(fault, self.folder, self.document))
        )


def add_parser(commands: Any, now: Callable[[], int]) -> None:
    """The two commands, beside the others."""
    text = "Say a letter in the language of another sender; what cannot be said is refused by its line"
    made = commands.add_parser("compile", help=text, description=text)
    made.add_argument("letter", type=Path, metavar="TEMPLATE", help="a letter's file in a programme's folder")
    made.add_argument("--to", required=True, choices=sorted(LANGUAGES), help="whose language")
    made.add_argument("--out", type=Path, metavar="DIR", help="write the parts into a folder, instead of showing them")
    made.add_argument("--json", action="store_true", help="the answer as JSON")
    made.set_defaults(run=_compile)
    text = "Picture letters for some people at three widths, light and dark, as inboxes show them, with all findings"
    made = commands.add_parser("preview", help=text, description=text)
    made.add_argument(
        "letter", type=Path, metavar="TEMPLATE", help="a letter's file, or a programme's folder: all of it"
    )
    made.add_argument(
        "--people", type=Path, metavar="FILE", help=f"profiles by name, as JSON ({PEOPLE} of the programme)"
    )
    made.add_argument("--out", type=Path, default=Path("preview"), metavar="DIR", help="where to (preview)")
    made.add_argument(
        "--no-pictures", action="store_true", help="only the texts and the findings: no browser is needed"
    )
    made.add_argument("--json", action="store_true", help="the answer as JSON")
    made.set_defaults(run=lambda arguments: _preview(arguments, now()))


def _open(path: Path) -> Opened:
    """The programme around a letter's file, or in a folder.

    Raises
    ------
    programme.Unreadable : there is none, or it is wrong; says where.
    """
    folder, key = programme.place(path)
    document = programme.read(folder)
    try:
        program = Program.of([finished(document)])
    except Rejected as fault:
        raise programme.Unreadable("\n".join(programme.told(fault, folder, document))) from fault
    mine = [program.templates[key] for key in document["templates"]]
    letters = [template for template in mine if template.key == key] if key else mine
    if not letters:
        raise programme.Unreadable(f"{path}: there is no such letter in {folder / programme.LETTERS}")
    return Opened(folder, document, program, letters)


def _compile(arguments: argparse.Namespace) -> int:
    opened = _open(arguments.letter)
    (template,) = opened.letters[:1]
    try:
        said = say(template, opened.program, LANGUAGES[arguments.to])
    except Rejected as fault:
        raise opened.wrong(fault) from fault
    if said.refusals:
        raise opened.wrong(*said.refusals)
    flags = {flag.name: f"{flag.attribute} contains {flag.word!r}" for flag in said.flags}
    if arguments.json:
        print(json.dumps({"parts": said.parts, "reads": said.reads, "flags": flags}, indent=2, ensure_ascii=False))
        return 0
    for part, text in said.parts.items():
        if arguments.out:
            arguments.out.mkdir(parents=True, exist_ok=True)
            (arguments.out / f"{template.key}.{part}.{'html' if part == 'html' else 'txt'}").write_text(text, "utf-8")
        else:
            print(f"{paint(part, 'bold')}\n{text}")
    print(f"{paint('reads', 'bold')}  {', '.join(said.reads)}")
    for name, meaning in flags.items():
        print(f"  {name} is 1 where {meaning}; GET /attributes tells it")
    return 0


def _preview(arguments: argparse.Namespace, now: int) -> int:
    opened = _open(arguments.letter)
    people = _people(arguments.people or opened.folder / PEOPLE, now)
    leaves: list[sheet.Leaf] = []
    errors: list[str] = []
    for template in opened.letters:
        try:
            letterhead = compile_template(template, opened.program)
        except Rejected as fault:
            raise opened.wrong(fault) from fault
        lacking = [f"error: {name!r} has no fallback: people without it get no letter" for name in letterhead.needs]
        errors += [f"{template.key}: {line}" for line in lacking]
        findings = [*lacking, *(f"{one.severity}: {one.detail}" for one in lint_template(template))]
        shown = []
        for name, person in people.items():
            try:
                letter = written(person, template, letterhead, opened.program, suppressed=None, now=now)
            except Rejected as refusal:
                letter = {"refused": refusal.detail}
            shown.append(sheet.Shown(name, letter))
        leaves.append(sheet.Leaf(template.key, findings, shown))
    made = sheet.make(leaves, arguments.out, pictures=not arguments.no_pictures)
    if arguments.json:
        print(json.dumps(made, indent=2))
    else:
        for line in made["overflows"]:
            print(f"{paint('overflow:', 'red')} {line}")
        where = " and ".join(filter(None, (made["html"], made["png"])))
        print(f"{made['letters']} letters, {made['pictures']} pictures: {where}")
    for line in errors:
        print(line, file=sys.stderr)
    return 1 if made["overflows"] or errors else 0


def _people(path: Path, now: int) -> dict[str, Any]:
    try:
        raw = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise programme.Unreadable(f'{path}: {error}; write {{"Ada": {{"first_name": "Ada", ...}}, ...}}') from None
    if not isinstance(raw, dict) or not raw:
        raise programme.Unreadable(f'{path}: profiles by name are wanted: {{"Ada": {{"first_name": "Ada"}}}}')
    try:
        return {name: described(profile, f"/{name}", now=now) for name, profile in raw.items()}
    except Rejected as error:
        raise programme.Unreadable(f"{path}: {error.pointer}: {error.detail}") from None
