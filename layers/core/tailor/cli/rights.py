"""``tailor rights``: what people ask of us about their data, and by when."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tailor.cli.client import Refused
from tailor.cli.operate import Desk
from tailor.cli.sending import Unsendable
from tailor.cli.text import columns, local, section

KINDS = ("access", "rectification", "restriction", "lifting", "objection", "opt_out")


def add_parser(commands: Any, command: Callable[..., Any], reading: argparse.ArgumentParser, desk: Desk) -> None:
    """Enter the commands; see :func:`tailor.cli.operate.add_parser`."""

    def bound(run: Callable[[argparse.Namespace, Desk], int]) -> Callable[[argparse.Namespace], int]:
        return lambda arguments: run(arguments, desk)

    who = "e-mail address, KIND:VALUE (user_id:42) or id"
    rights = commands.add_parser("rights", help="See and answer what people ask about their data").add_subparsers(
        required=True, metavar="COMMAND"
    )
    listed = command(rights, "list", bound(_list), "List requests, the nearest deadline first", reading)
    listed.add_argument("--closed", action="store_true", help="those that were answered instead, the newest first")
    ask = command(rights, "ask", bound(_ask), "Enter a request, with its deadline", reading)
    ask.add_argument("kind", choices=KINDS, metavar="KIND", help=", ".join(KINDS))
    ask.add_argument("who", metavar="EMAIL", help=who)
    ask.add_argument("--now", action="store_true", help="carry it out at once: you know who asks")
    done = command(rights, "carry-out", bound(_settle("carry-out")), "Do what was asked", reading)
    for one in (ask, done):
        one.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="an attribute that is wrong")
        one.add_argument("--purpose", action="append", default=[], metavar="PURPOSE", help="what they object to")
    refuse = command(rights, "refuse", bound(_settle("refuse")), "Refuse a request, with the reason", reading)
    extend = command(rights, "extend", bound(_settle("extend")), "Put an answer off, once, with the reason", reading)
    for one in (refuse, extend):
        one.add_argument("--why", required=True, help="what the person is told")
    for one in (done, refuse, extend):
        one.add_argument("id", metavar="REQUEST")
    export = command(rights, "export", bound(_export), "Write all we hold about somebody to a file")
    export.add_argument("who", metavar="EMAIL", help=who)
    export.add_argument("file", metavar="FILE", help="JSON; a page to read where it ends in .html")
    command(commands, "retention", bound(_retention), "Show what is kept how long, and what sees to it", reading)
    erase = command(rights, "erase", bound(_erase), "Erase somebody, or show how far it is", reading)
    erase.add_argument("who", metavar="EMAIL", help=f"{who}; the id, once it has begun")
    erase.add_argument("--sure", action="store_true", help="erase; it cannot be undone")


def _list(arguments: argparse.Namespace, desk: Desk) -> int:
    found = desk.client(arguments).get("requests", state="closed" if arguments.closed else "open")

    def lines(requests: Any) -> list[str]:
        if not requests:
            return ["Nothing was asked." if arguments.closed else "Nothing is waiting for an answer."]
        rows = [
            (one["id"], one["kind"], one["person"], local(one["asked"]), _due(one), _outcome(one)) for one in requests
        ]
        return columns([("REQUEST", "KIND", "PERSON", "ASKED", "DUE", ""), *rows])

    return desk.show(arguments, found, lines)


def _due(one: dict[str, Any]) -> str:
    return f"{local(one['due'])}{' OVERDUE' if one['overdue'] else ''}{' (put off)' if one['extended'] else ''}"


def _outcome(one: dict[str, Any]) -> str:
    return "; ".join([*([one["state"]] if one["settled"] else []), *one["did"], *([one["why"]] if one["why"] else [])])


def _told(one: Any) -> list[str]:
    if one["state"] == "open":
        return [f"{one['id']}: {one['kind']} is to be answered by {_due(one)}"]
    return [f"{one['id']}: {_outcome(one)}"]


def _details(arguments: argparse.Namespace) -> dict[str, Any]:
    """``--set city=Bern`` (text), ``--set city=`` (none)."""
    attributes: dict[str, Any] = {}
    for one in arguments.set:
        name, equals, value = one.partition("=")
        if not equals:
            raise Unsendable(f"{one!r} is no NAME=VALUE")
        attributes[name] = value or None
    details = {"attributes": attributes, "purposes": arguments.purpose}
    return {name: said for name, said in details.items() if said}


def _ask(arguments: argparse.Namespace, desk: Desk) -> int:
    client = desk.client(arguments)
    body = {"kind": arguments.kind, "now": arguments.now, **_details(arguments)}
    done = client.post("people", desk.person(arguments, client)["id"], "requests", body=body)
    return desk.show(arguments, done, _told)


def _settle(what: str) -> Callable[[argparse.Namespace, Desk], int]:
    def run(arguments: argparse.Namespace, desk: Desk) -> int:
        body = _details(arguments) if what == "carry-out" else {"why": arguments.why}
        return desk.show(arguments, desk.client(arguments).post("requests", arguments.id, what, body=body), _told)

    return run


def _retention(arguments: argparse.Namespace, desk: Desk) -> int:
    def lines(kept: Any) -> list[str]:
        told: list[str] = []
        for title, part in (("Stores", "stores"), ("Attributes", "attributes")):
            rows = [
                (
                    one["what"],
                    one["data"],
                    "" if one["days"] is None else f"{one['days']} days",
                    one["by"],
                    f"{one['overdue']} OVERDUE" if one["overdue"] else "",
                )
                for one in kept[part]
            ]
            told += section(title, rows)
        return [*told, "", f"{kept['overdue']} overdue among {kept['looked_at']} people looked at"]

    return desk.show(arguments, desk.client(arguments).get("retention"), lines)


def _export(arguments: argparse.Namespace, desk: Desk) -> int:
    # The page is made here of what the API answers: it brings much with it that other commands do not need.
    from tailor.flows.export import page

    client, path = desk.client(arguments), Path(arguments.file)
    id = desk.person(arguments, client)["id"]
    found = client.get("people", id, "export")
    readable = path.suffix in (".html", ".htm")
    path.write_text(page(found) if readable else json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    print(f"{path} holds all we hold about {id}")
    return 0


def _erase(arguments: argparse.Namespace, desk: Desk) -> int:
    client = desk.client(arguments)
    try:
        known = client.get("erasures", arguments.who)
    except Refused as unknown:
        if unknown.status != 404:
            raise
        id = desk.person(arguments, client)["id"]
        if not arguments.sure:
            raise Unsendable(f"this erases {id} for good: say --sure") from unknown
        known = client.post("people", id, "erase", body={})

    def lines(receipt: Any) -> list[str]:
        rows = [
            (one["store"], one["done"], "" if one["count"] is None else one["count"], _until(one))
            for one in receipt["stores"]
        ]
        return [f"{receipt['person']}: {receipt['state']}", *section("Stores", rows)]

    return desk.show(arguments, known, lines)


def _until(one: dict[str, Any]) -> str:
    return f"until {local(one['until'])}" if one["until"] else ""
