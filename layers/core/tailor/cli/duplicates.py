"""``tailor duplicates`` and ``tailor dedup --now``: who may be whom, and what is decided about it."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any

from tailor.cli.client import Client
from tailor.cli.operate import Desk
from tailor.cli.text import columns, local, paint, section

LOOK = 2.0
"""Seconds between two looks at a run."""
PATIENCE = 1800.0
"""Seconds after which it is left to itself."""


def add_parser(commands: Any, command: Callable[..., Any], reading: argparse.ArgumentParser, desk: Desk) -> None:
    """Enter the commands; see :func:`tailor.cli.operate.add_parser`."""

    def bound(run: Callable[[argparse.Namespace, Desk], int]) -> Callable[[argparse.Namespace], int]:
        return lambda arguments: run(arguments, desk)

    pairs = commands.add_parser("duplicates", help="See who may be whom, merge, keep apart, undo").add_subparsers(
        required=True, metavar="COMMAND"
    )
    listed = command(pairs, "list", bound(_list), "List pairs to be looked at, the likeliest first", reading)
    listed.add_argument("--merged", action="store_true", help="merges instead, the newest first")
    listed.add_argument("--limit", type=int, default=50, help="pairs at most (50)")
    for name, run, text in (
        ("show", _show, "Show a pair side by side, with reasons"),
        ("merge", _decide("merge"), "Make one person of two"),
        ("keep-apart", _decide("keep-apart"), "Keep two apart, and never ask again"),
        ("undo", _decide("undo"), "Undo a merge: both as they were"),
    ):
        one = command(pairs, name, bound(run), text, reading)
        one.add_argument("pair", metavar="PAIR", help="two ids with a dot between, as `list` shows them")


def _list(arguments: argparse.Namespace, desk: Desk) -> int:
    state = "joined" if arguments.merged else "review"

    def lines(found: Any) -> list[str]:
        if not found:
            return ["No merges." if arguments.merged else "Nobody is waiting to be looked at."]
        rows = [
            (one["id"], f"{one['probability']:.0%}", one["state"], one["by"], local(one["at"]), _because(one))
            for one in found
        ]
        return columns([("PAIR", "LIKELY", "STATE", "BY", "AT", "BECAUSE"), *rows])

    return desk.show(
        arguments, desk.client(arguments).get("duplicates", state=state, limit=str(arguments.limit)), lines
    )


def _because(one: dict[str, Any], most: int = 3) -> str:
    return ", ".join(f"{reason['field']} {reason['level']}" for reason in one["reasons"][:most])


def _show(arguments: argparse.Namespace, desk: Desk) -> int:
    def lines(pair: Any) -> list[str]:
        one, other = pair["people"]
        rows = [
            (field["field"], field["one"], field["other"], field["level"], f"{field['weight']:+.1f}")
            for field in pair["fields"]
        ]
        handles = [
            (kind, one["identifiers"].get(kind), other["identifiers"].get(kind))
            for kind in sorted(one["identifiers"].keys() | other["identifiers"].keys())
        ]
        told = [
            paint(f"{pair['state']}: {pair['probability']:.1%} one person (weight {pair['weight']:+.1f})", "bold"),
            *section("Side by side", [("", one["id"], other["id"], "", ""), *rows]),
            *section("Identifiers", handles),
        ]
        for title, letters in (
            ("Letters only two people would have got", pair["what_if"]["as_two"]),
            ("Letters only one person would have got", pair["what_if"]["as_one"]),
        ):
            told += section(title, [(local(due["at"]), due["template"], due["journey"]) for due in letters])
        return told

    return desk.show(arguments, desk.client(arguments).get("duplicates", arguments.pair), lines)


def _decide(what: str) -> Callable[[argparse.Namespace, Desk], int]:
    def run(arguments: argparse.Namespace, desk: Desk) -> int:
        done = desk.client(arguments).post("duplicates", arguments.pair, what, body={})
        if done["state"] == "joined":
            said = f"{done['people'][0]} is one person now; tailor duplicates undo {arguments.pair} makes two of them"
        else:
            said = f"{' and '.join(done['people'])} are two people, and are kept apart"
        return desk.show(arguments, done, lambda _: [said])

    return run


def run_now(client: Client, *, quiet: bool = False) -> dict[str, Any]:
    """Begin a run, tell how far it is, and answer its report."""
    run: dict[str, Any] = client.post("dedup", body={})
    begun, said = time.monotonic(), ""
    while run["state"] != "finished" and time.monotonic() - begun < PATIENCE:
        doing = f"{run['progress']:4.0%}  {run['stage']}{': ' if run['doing'] else ''}{run['doing']}"
        if quiet:
            pass
        elif sys.stderr.isatty():
            print(f"\r\x1b[K{doing}", end="", file=sys.stderr, flush=True)
        elif doing != said:
            print(doing, file=sys.stderr, flush=True)
        said = doing
        time.sleep(LOOK)
        run = client.get("dedup")
    if sys.stderr.isatty() and not quiet:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
    return run


def report(run: dict[str, Any]) -> list[str]:
    """The report of a run in lines."""
    counts = run["counts"]
    rows = [
        ("People", counts.get("people", 0)),
        ("Compared", f"{counts.get('pairs', 0)} pairs of {counts.get('records', 0)} people"),
        ("Joined", f"{counts.get('joined', 0)}" + (f", {n} refused" if (n := counts.get("refused", 0)) else "")),
        ("To review", counts.get("review", 0)),
        ("Claims mended", counts.get("mended", 0)),
        ("State", run["state"] if run["finished"] is None else f"finished {local(run['finished'])}"),
    ]
    told = columns(rows)
    told += section("Joined because", [(number, why) for why, number in run["why"].items()])
    samples = [
        (
            one["band"],
            f"{one['one']}.{one['other']}",
            f"{one['weight']:+.1f}",
            ", ".join(f"{name} {level}" for name, level, _ in one["reasons"][:3]),
        )
        for one in run["samples"]
    ]
    return told + section("Such as", samples)
