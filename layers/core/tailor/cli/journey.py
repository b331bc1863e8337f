"""``tailor journey``: see journeys, prove them, try them on people, let people in, hold them."""

from __future__ import annotations

import argparse
import json
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tailor.cli import programme
from tailor.cli.operate import Desk
from tailor.cli.sending import Unsendable, one_document
from tailor.cli.text import about, columns, local, paint, section
from tailor.flows.prove import prove, scenarios
from tailor.flows.publish import check
from tailor.kernel.errors import Rejected
from tailor.kernel.program import Program
from tailor.rules.compiled import Compiled
from tailor.rules.outline import outline

CLEAR = "\x1b[H\x1b[J"
"""Begins at the top of a terminal, and wipes what is there."""
SCENARIOS = "scenarios"
"""The folder of a programme with its scenarios, ``*.toml``."""


def add_parser(commands: Any, command: Callable[..., Any], reading: argparse.ArgumentParser, desk: Desk) -> None:
    """Enter the commands; ``command`` makes one under another, ``reading`` has the options of those that only read."""

    def bound(run: Callable[[argparse.Namespace, Desk], int]) -> Callable[[argparse.Namespace], int]:
        return lambda arguments: run(arguments, desk)

    who = "e-mail address, KIND:VALUE (user_id:42) or id"
    journey = commands.add_parser("journey", help="See, prove, try and hold journeys").add_subparsers(
        required=True, metavar="COMMAND"
    )
    checked = journey.add_parser("check", help="Check a programme folder's journeys and run its scenarios, offline")
    checked.add_argument("folder", type=Path, metavar="DIR")
    checked.add_argument("--json", action="store_true", help="the answer as JSON")
    checked.set_defaults(run=_check)
    command(journey, "list", bound(_list), "List journeys", reading)
    shown = command(journey, "show", bound(_show), "Say what a journey does and how many are where in it", reading)
    shown.add_argument("key", metavar="JOURNEY")
    watched = command(journey, "watch", bound(_watch), "Show who is where in it now, again and again", reading)
    watched.add_argument("key", metavar="JOURNEY")
    watched.add_argument("--once", action="store_true", help="show it once; --json does so too")
    watched.add_argument("--every", type=float, default=5.0, metavar="SECONDS", help="how often to look (5)")
    tried = command(journey, "try", bound(_try), "Say what will become of a person if only time passes", reading)
    tried.add_argument("who", metavar="EMAIL", help=who)
    tried.add_argument("--for", dest="span", default="30d", metavar="SPAN", help="how far to look (30d)")
    tried.add_argument(
        "--with", dest="folder", type=Path, metavar="DIR", help="under this programme, not yet published"
    )
    start = command(journey, "start", bound(_start), "Let a person in, where the trigger is the API", reading)
    start.add_argument("key", metavar="JOURNEY")
    start.add_argument("who", metavar="EMAIL", help=who)
    start.add_argument("--properties", metavar="FILE", help="of the event that begins it, as JSON; - for input")
    paused = command(journey, "pause", bound(_pause), "Let nobody in, and all who are in stand still")
    paused.add_argument("key", metavar="JOURNEY")
    resumed = command(journey, "resume", bound(_resume), "Let a paused journey go on")
    resumed.add_argument("key", metavar="JOURNEY")


def _check(arguments: argparse.Namespace) -> int:
    folder: Path = arguments.folder
    document = programme.read(folder)
    try:
        program, warnings = check(document, [])
    except Rejected as fault:
        print("\n".join(programme.told(fault, folder, document)), file=sys.stderr)
        return 1
    _, errors = programme.without_fallback(warnings, folder, document)
    for line in errors:
        print(line, file=sys.stderr)
    compiled = Compiled(program)
    proved = [(path, title, wrong) for path in _scenarios(folder) for title, wrong in _prove(path, compiled)]
    if arguments.json:
        print(json.dumps(_report(program, compiled, proved), indent=2, ensure_ascii=False))
    else:
        print("\n".join(_lines(program, compiled, proved)))
    return 1 if errors or any(wrong for *_, wrong in proved) else 0


def _scenarios(folder: Path) -> list[Path]:
    return sorted((folder / SCENARIOS).glob("*.toml"))


def _prove(path: Path, compiled: Compiled) -> list[tuple[str, list[str]]]:
    try:
        return [(one.title, prove(one, compiled)) for one in scenarios(tomllib.loads(path.read_text("utf-8")))]
    except Rejected as error:
        raise Unsendable(f"{path}: {error.pointer or 'the file'}: {error.detail}") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Unsendable(f"{path}: {error}") from None


def _report(program: Program, compiled: Compiled, proved: list[tuple[Path, str, list[str]]]) -> dict[str, Any]:
    return {
        "journeys": {key: outline(one, compiled) for key, one in program.journeys.items()},
        "scenarios": [{"file": str(path), "title": title, "wrong": wrong} for path, title, wrong in proved],
    }


def _lines(program: Program, compiled: Compiled, proved: list[tuple[Path, str, list[str]]]) -> list[str]:
    lines: list[str] = []
    for key, one in program.journeys.items():
        lines += [paint(f"{key}: {one.title}", "bold"), *(f"  {line}" for line in outline(one, compiled)), ""]
    for _, title, wrong in proved:
        lines.append(f"{paint('✗', 'red') if wrong else paint('✓', 'green')} {title}")
        lines += [f"    {sentence}" for sentence in wrong]
    failed = sum(bool(wrong) for *_, wrong in proved)
    return [*lines, f"{len(proved)} scenarios, {failed} of them fail" if proved else "no scenarios"]


def _list(arguments: argparse.Namespace, desk: Desk) -> int:
    def lines(found: Any) -> list[str]:
        rows = ((j["key"], "paused" if j["paused"] else j["priority"], j["enrolled"], j["begins"]) for j in found)
        return columns([("JOURNEY", "PRIORITY", "IN IT", "BEGINS"), *rows])

    return desk.show(arguments, desk.client(arguments).get("journeys"), lines)


def _show(arguments: argparse.Namespace, desk: Desk) -> int:
    def lines(found: Any) -> list[str]:
        counted = local(found["counted"])
        steps = [(step["step"], step["waiting"], step["says"]) for step in found["steps"]]
        return [
            paint(f"{found['key']}: {found['title']}", "bold") + f"  version {found['version']}",
            *found["outline"],
            *section(f"In it, as counted {counted}", [("STEP", "PEOPLE", ""), *steps]),
            *section("In earlier versions", [(found["earlier"],)] if found["earlier"] else []),
            *section("Ended last, by how", sorted(found["ended"].items())),
        ]

    return desk.show(arguments, desk.client(arguments).get("journeys", arguments.key), lines)


def _watch(arguments: argparse.Namespace, desk: Desk) -> int:
    client = desk.client(arguments)
    try:
        while True:
            found = client.get("journeys", arguments.key, "watch")
            if arguments.once or arguments.json:
                return desk.show(arguments, found, _watched)
            print(CLEAR if sys.stdout.isatty() else "", *_watched(found), sep="\n", flush=True)
            time.sleep(arguments.every)
    except KeyboardInterrupt:
        return 0


def _watched(found: dict[str, Any]) -> list[str]:
    basis = "all" if found["exact"] else f"a sample of {found['sampled']:,}, right 95 times in 100,"
    state = paint("paused", "yellow") if found["paused"] else paint("runs", "green")
    steps: list[tuple[Any, ...]] = []
    for step in found["steps"]:
        counted = () if found["exact"] else (step["counted"],)
        steps.append((step["step"], about(step["waiting"]), *counted, local(step["next"]), step["says"]))
        steps += [("", about(held), *("",) * len(counted), "held", held["says"]) for held in step["held"]]
    head = ("STEP", "NOW", *(() if found["exact"] else ("COUNTED",)), "NEXT", "DOES")
    people = [("in it", about(found["enrolled"])), ("entered ever", about(found["entered"]))]
    people += [("in earlier versions", about(found["earlier"]))] if found["earlier"]["people"] else []
    return [
        f"{paint(found['key'] + ': ' + found['title'], 'bold')}  {state}, {found['priority']} priority",
        f"{local(found['as_of'])}, by {basis} of {found['people']:,} people; counted last {local(found['counted'])}",
        *section("People", people),
        *section("Steps", [head, *steps]),
        *section("Go on within", [(one["within"], about(one)) for one in found["due"]]),
        *section("Ended last", [(about(one), one["says"]) for one in found["ended"]]),
        *section(
            f"Letters of {found['readers']:,} of them",
            [(one["state"], one["letters"], one["why"]) for one in found["letters"]],
        ),
    ]


def _try(arguments: argparse.Namespace, desk: Desk) -> int:
    client = desk.client(arguments)
    person = desk.person(arguments, client)
    body: dict[str, Any] = {"span": arguments.span}
    if arguments.folder is not None:
        body["programme"] = programme.read(arguments.folder)

    def lines(found: Any) -> list[str]:
        rows = [(local(h["at"]), h["what"], h["name"], h.get("subject") or h["why"]) for h in found]
        return columns(rows) if rows else [f"Nothing happens within {arguments.span}."]

    return desk.show(arguments, client.post("people", person["id"], "rehearsal", body=body), lines)


def _start(arguments: argparse.Namespace, desk: Desk) -> int:
    client = desk.client(arguments)
    body: dict[str, Any] = {"person": desk.person(arguments, client)["id"]}
    if arguments.properties:
        body["properties"] = one_document(arguments.properties)
    done = client.post("journeys", arguments.key, "enrol", body=body)
    return desk.show(arguments, done, lambda _: [f"{done['person']} was asked into {done['journey']}"])


def _pause(arguments: argparse.Namespace, desk: Desk) -> int:
    desk.client(arguments).post("journeys", arguments.key, "pause", body={})
    print(f"{arguments.key} is paused, within a minute; tailor journey resume {arguments.key} lets it go on")
    return 0


def _resume(arguments: argparse.Namespace, desk: Desk) -> int:
    desk.client(arguments).post("journeys", arguments.key, "resume", body={})
    print(f"{arguments.key} goes on, within a minute")
    return 0
