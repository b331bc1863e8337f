"""``tailor quarantine``: what known senders sent and nobody could use, and a second try."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from typing import Any

from tailor.cli import sending
from tailor.cli.client import Client, Refused
from tailor.cli.operate import Desk
from tailor.cli.text import columns, local, paint

PAGE = "1000"


def add_parser(commands: Any, command: Callable[..., Any], reading: argparse.ArgumentParser, desk: Desk) -> None:
    """Enter the commands; ``command`` makes one under another, ``reading`` has the options of those that only read."""

    def bound(run: Callable[[argparse.Namespace, Desk], int]) -> Callable[[argparse.Namespace], int]:
        return lambda arguments: run(arguments, desk)

    rows = commands.add_parser("quarantine", help="See and replay what could not be used").add_subparsers(
        required=True, metavar="COMMAND"
    )
    listed = command(rows, "list", bound(_list), "List one day's rows", reading)
    listed.add_argument("--day", metavar="YYYY-MM-DD", help="in UTC; today if left out")
    shown = command(rows, "show", bound(_one), "Show one row with all that came", reading)
    shown.add_argument("id", metavar="ID")
    again = command(rows, "replay", bound(_replay), "Try a row again, or all of a day")
    which = again.add_mutually_exclusive_group(required=True)
    which.add_argument("id", metavar="ID", nargs="?")
    which.add_argument("--day", metavar="YYYY-MM-DD", help="every row of this day instead")
    again.add_argument("--source", help="of a day, only the rows of one source")
    again.add_argument("--raw", metavar="FILE", help="the one item, mended, as JSON; - for input")


def _list(arguments: argparse.Namespace, desk: Desk) -> int:
    query = {"day": arguments.day} if arguments.day else {}

    def lines(rows: Any) -> list[str]:
        seen = ((r["id"], r["source"], local(r["at"]), r["reason"].get("detail")) for r in rows)
        return columns([("ID", "SOURCE", "CAME", "REASON"), *seen])

    return desk.show(arguments, desk.client(arguments).get("quarantine", **query), lines)


def _one(arguments: argparse.Namespace, desk: Desk) -> int:
    def lines(row: Any) -> list[str]:
        reason = row["reason"]
        about = [("came", local(row["at"])), ("source", row["source"]), ("key", row.get("key"))]
        about += [("reason", reason.get("detail")), ("where", reason.get("pointer")), ("with", row.get("request"))]
        raw = row["raw"] if isinstance(row["raw"], str) else json.dumps(row["raw"], indent=2, ensure_ascii=False)
        return [paint(row["id"], "bold"), *columns([one for one in about if one[1]], "  "), "", raw]

    day, _, mark = arguments.id.partition("/")
    return desk.show(arguments, desk.client(arguments).get("quarantine", day, mark), lines)


def _replay(arguments: argparse.Namespace, desk: Desk) -> int:
    client = desk.client(arguments)
    if arguments.day:
        return _replay_day(client, arguments.day, arguments.source)
    body: dict[str, Any] = {"id": arguments.id}
    if arguments.raw:
        body["raw"] = sending.one_document(arguments.raw)
    print(f"{client.post('quarantine', 'replay', body=body)['events']} queued")
    return 0


def _replay_day(client: Client, day: str, source: str | None) -> int:
    """Try every row of a day again; 1 where some are still unusable."""
    queued, unusable, seen = 0, 0, set[str]()
    while rows := [row for row in client.get("quarantine", day=day, limit=PAGE) if row["id"] not in seen]:
        seen |= {row["id"] for row in rows}
        for row in rows:
            if source and row["source"] != source:
                continue
            try:
                queued += client.post("quarantine", "replay", body={"id": row["id"]})["events"]
            except Refused as refusal:
                unusable += 1
                print(f"{row['id']}: {refusal}", file=sys.stderr)
    print(f"{queued} queued, {unusable} rows are still unusable")
    return 1 if unusable else 0
