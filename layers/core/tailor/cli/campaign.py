"""``tailor campaign``: make, check, try, start, pause and watch campaigns."""

from __future__ import annotations

import argparse
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tailor.cli import sending
from tailor.cli.operate import Desk
from tailor.cli.text import about, columns, local, paint, section
from tailor.kernel.instants import DAY, HOUR, MINUTE, SECOND

BAR = 40
"""Characters of the bar of a campaign that is being watched."""
LOOK_SECONDS = 2


def add_parser(commands: Any, command: Callable[..., Any], reading: argparse.ArgumentParser, desk: Desk) -> None:
    """Enter the commands; ``command`` makes one under another, ``reading`` has the options of those that only read."""

    def bound(run: Callable[[argparse.Namespace, Desk], int]) -> Callable[[argparse.Namespace], int]:
        return lambda arguments: run(arguments, desk)

    under = commands.add_parser("campaign", help="Make, try, start, pause and watch campaigns").add_subparsers(
        required=True, metavar="COMMAND"
    )
    command(under, "list", bound(_list), "List campaigns", reading)
    for name, run, text in (
        ("show", _show, "Show a campaign, how far it is and what became of its letters"),
        ("watch", _watch, "Show it until it has ended"),
    ):
        command(under, name, bound(run), text, reading).add_argument("key", metavar="CAMPAIGN")
    tried = command(
        under, "check", bound(_check), "Say who would get it, who not and why, how long, and the cost", reading
    )
    tried.add_argument("key", metavar="CAMPAIGN")
    made = command(under, "put", bound(_put), "Make a campaign, or change one", reading)
    made.add_argument("key", metavar="CAMPAIGN")
    made.add_argument("file", metavar="FILE", help="the campaign as TOML or JSON; - for JSON from input")
    for verb, text in (
        ("start", "Start it: a draft, or one of a programme"),
        ("pause", "Let nothing of it leave until it is resumed"),
        ("resume", "Go on where it was paused"),
        ("cancel", "End it: what has not left is left out"),
    ):
        command(under, verb, bound(_verb(verb)), text, reading).add_argument("key", metavar="CAMPAIGN")
    test = command(under, "test", bound(_test), "Send its letter to one person now", reading)
    test.add_argument("key", metavar="CAMPAIGN")
    test.add_argument("who", metavar="EMAIL", help="e-mail address, KIND:VALUE (user_id:42) or id")
    plan = command(under, "warm-up", bound(_warm_up), "Plan the first days of a new domain or account", reading)
    plan.add_argument("letters", type=int, metavar="LETTERS")
    plan.add_argument("--first", type=int, default=50, help="letters on the first day (50)")


def _list(arguments: argparse.Namespace, desk: Desk) -> int:
    def lines(found: Any) -> list[str]:
        rows = (
            (
                c["key"],
                c["state"],
                f"{c['progress']:.0%}",
                c["letters"],
                local(c["finished"] or c["estimate"]),
                c["title"],
            )
            for c in found
        )
        return columns([("CAMPAIGN", "STATE", "WALKED", "LETTERS", "DONE AT", "TITLE"), *rows])

    return desk.show(arguments, desk.client(arguments).get("campaigns"), lines)


def _show(arguments: argparse.Namespace, desk: Desk) -> int:
    return desk.show(arguments, desk.client(arguments).get("campaigns", arguments.key), _portrait)


def _portrait(one: dict[str, Any]) -> list[str]:
    colour = {"running": "green", "paused": "yellow", "cancelled": "red"}.get(one["state"], "bold")
    why = f": {one['why']}" if one["why"] else ""
    head = [
        ("Template", one["template"]),
        ("Audience", one["document"]["audience"]),
        ("Started", local(one["started"])),
        ("Letters leave from", local(one["begins"])),
        ("Done at", local(one["finished"] or one["estimate"])),
    ]
    return [
        f"{paint(one['key'], 'bold')}  {paint(one['state'] + why, colour)}  {one['title']}",
        _bar(one),
        *section("Campaign", head),
        *section(f"People walked (lap {one['lap']})", sorted(one["people"].items())),
        *section("Letters", [("owed", one["letters"]), *sorted(one["deliveries"].items())]),
    ]


def _bar(one: dict[str, Any]) -> str:
    done = round(BAR * one["progress"])
    return f"{'▇' * done}{'·' * (BAR - done)} {one['progress']:.0%} of about {one['total']} people"


def _watch(arguments: argparse.Namespace, desk: Desk) -> int:
    client = desk.client(arguments)
    while True:
        one = client.get("campaigns", arguments.key)
        if arguments.json or one["state"] in ("finished", "cancelled", "draft"):
            return desk.show(arguments, one, _portrait)
        print(f"\r\x1b[K{_bar(one)}, {one['letters']} letters, {one['state']}", end="", flush=True)
        time.sleep(LOOK_SECONDS)


def _check(arguments: argparse.Namespace, desk: Desk) -> int:
    return desk.show(arguments, desk.client(arguments).get("campaigns", arguments.key, "check"), _reckoned)


def _reckoned(found: dict[str, Any]) -> list[str]:
    basis = "all of them" if found["exact"] else f"a sample of {found['sampled']:,}, right 95 times in 100"
    limits, usd = found["limits"], found["usd"]
    pace = [
        ("Letters leave from", local(found["begins"])),
        ("Last letter by", local(found["ends"])),
        ("Takes", "-" if found["takes_ms"] is None else _lasts(found["takes_ms"])),
        ("Account", f"{limits['per_second'] or 0:,.4g} letters a second, {_most(limits['per_day'])} in 24 hours"),
        ("Used of them", f"{limits['sent_today'] or 0:,.0f}"),
    ]
    own = [("Ramp", limits["ramp"])] if limits["ramp"] else []
    own += [("Throttle", f"{limits['throttle']:,} an hour")] if limits["throttle"] else []
    return [
        f"{paint(found['key'], 'bold')}: what it would do, by {basis}",
        *section(
            f"Of {found['people']:,} people",
            [
                ("in the audience", _many(found["audience"])),
                ("get a letter", _many(found["letters"])),
                ("at once", _many(found["at_once"])),
            ],
        ),
        *section("Later", [(_many(one), one["says"]) for one in found["later"]]),
        *section("No letter", [(_many(one), one["says"]) for one in found["left_out"]]),
        *section("How long", [*pace, *own]),
        *section(
            "Cost", [*((name, f"${cost:,.4f}") for name, cost in usd.items()), ("all", f"${sum(usd.values()):,.2f}")]
        ),
        *(paint(f"! {warning}", "yellow") for warning in found["warnings"]),
    ]


def _most(letters: float | None) -> str:
    return "any number" if letters is None else f"{letters:,.0f}"


def _many(counted: dict[str, Any]) -> str:
    """As :func:`about`, and ``under 10`` where they are too few to be told of."""
    if counted["below"] is not None:
        return f"under {counted['below']}"
    return about(counted)


def _lasts(span: int) -> str:
    days, rest = divmod(span, DAY)
    parts = [(days, "d"), (rest // HOUR, "h"), (rest % HOUR // MINUTE, "min"), (rest % MINUTE // SECOND, "s")]
    told = [f"{n} {unit}" for n, unit in parts if n]
    return " ".join(told[:2]) or "no time"


def _put(arguments: argparse.Namespace, desk: Desk) -> int:
    made = desk.client(arguments).put("campaigns", arguments.key, body=_document(arguments.file))
    return desk.show(arguments, made, _portrait)


def _document(file: str) -> Any:
    if Path(file).suffix != ".toml":
        return sending.one_document(file)
    try:
        return tomllib.loads(sending.text_of(file))
    except tomllib.TOMLDecodeError as error:
        raise sending.Unsendable(f"{file}: not TOML: {error}") from None


def _verb(verb: str) -> Callable[[argparse.Namespace, Desk], int]:
    def run(arguments: argparse.Namespace, desk: Desk) -> int:
        done = desk.client(arguments).post("campaigns", arguments.key, verb, body={})
        return desk.show(arguments, done, _portrait)

    return run


def _test(arguments: argparse.Namespace, desk: Desk) -> int:
    client = desk.client(arguments)
    person = desk.person(arguments, client)
    done = client.post("campaigns", arguments.key, "test", body={"person": person["id"]})
    told = f"on its way as {done['message']}; tailor why {arguments.who} {done['message']} says what becomes of it"
    return desk.show(arguments, done, lambda _: [told])


def _warm_up(arguments: argparse.Namespace, desk: Desk) -> int:
    def lines(found: Any) -> list[str]:
        return columns([("DAY", "LETTERS"), *((day["day"], day["letters"]) for day in found["days"])])

    query = {"letters": str(arguments.letters), "first": str(arguments.first)}
    return desk.show(arguments, desk.client(arguments).get("warm-up", **query), lines)
