"""``tailor consent``: prove what somebody agreed to, and say what the law asks where."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import Any

from tailor.cli.operate import Desk
from tailor.cli.text import columns, paint
from tailor.rules.policy import AS_OF, REGIMES


def add_parser(commands: Any, command: Callable[..., Any], reading: argparse.ArgumentParser, desk: Desk) -> None:
    """Enter the commands; ``command`` makes one under another, ``reading`` has the options of those that only read."""
    consent = commands.add_parser("consent", help="Prove consent, and see what the law asks").add_subparsers(
        required=True, metavar="COMMAND"
    )
    proof = command(consent, "verify", lambda a: _verify(a, desk), "Prove that no choice was altered or lost", reading)
    proof.add_argument("who", metavar="EMAIL", help="e-mail address, KIND:VALUE (user_id:42) or id")
    command(consent, "policy", _policy, "List what each law asks, since when, and where that is written", reading)


def _verify(arguments: argparse.Namespace, desk: Desk) -> int:
    client = desk.client(arguments)
    proof = client.get("people", desk.person(arguments, client)["id"], "consent")
    desk.show(arguments, proof, _proof)
    return 0 if proof["intact"] else 1


def _proof(proof: Any) -> list[str]:
    if proof["intact"]:
        return [paint(f"whole: {proof['rows']} choices, the last has the hash {proof['head'] or '-'}", "green")]
    broken = [(one["chain"], one["row"], one["what"]) for one in proof["breaks"]]
    return [paint("the chain is broken", "red"), *columns([("CHAIN", "ROW", "WHAT"), *broken], "  ")]


def _policy(arguments: argparse.Namespace) -> int:
    if arguments.json:
        regimes = [
            {
                "key": one.key,
                "title": one.title,
                "countries": list(one.countries),
                "since": one.since,
                "needs": one.needs,
                "implied_ms": one.implied,
                "sources": list(one.sources),
            }
            for one in REGIMES
        ]
        print(json.dumps({"as_of": AS_OF, "regimes": regimes}, indent=2))
        return 0
    print(f"As of {AS_OF}. Other countries, and people of whom none is known, get the strictest answer of all.")
    for one in REGIMES:
        print(f"\n{paint(one.title, 'bold')} ({', '.join(one.countries)}), since {one.since}")
        print("\n".join(columns(sorted(one.needs.items()), "  ")))
        for event, life in one.implied.items():
            print(f"  {event}: stands in for a consent to marketing for {life // 86_400_000} days")
        for source in one.sources:
            print(paint(f"  {source}", "dim"))
    return 0
