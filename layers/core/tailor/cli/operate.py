"""``tailor segment``, ``webhook``, ``jobs`` and ``clock``: who is in, who is told, and whether all is well."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tailor.cli import sending
from tailor.cli.client import Client
from tailor.cli.text import columns, local, paint, section
from tailor.rules.operators import OPERATORS
from tailor.rules.wording import write

SEGMENTS = "segments"
"""The programme of segments that are in no folder."""
BAR = 40
"""Characters of the longest bar in a chart."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What all commands share: the deployment meant, the person meant, and printing an answer."""

    client: Callable[[argparse.Namespace], Client]
    person: Callable[[argparse.Namespace, Client], dict[str, Any]]
    show: Callable[[argparse.Namespace, Any, Callable[[Any], Sequence[str]]], int]


def add_parser(commands: Any, command: Callable[..., Any], reading: argparse.ArgumentParser, desk: Desk) -> None:
    """Enter the commands; ``command`` makes one under another, ``reading`` has the options of those that only read."""

    def bound(run: Callable[[argparse.Namespace, Desk], int]) -> Callable[[argparse.Namespace], int]:
        return lambda arguments: run(arguments, desk)

    who = "e-mail address, KIND:VALUE (user_id:42) or id"
    segment = commands.add_parser("segment", help="See segments, who is in them and why").add_subparsers(
        required=True, metavar="COMMAND"
    )
    command(segment, "list", bound(_segments), "List segments with their sizes", reading)
    command(segment, "show", bound(_segment), "Show a segment and its size, day by day", reading).add_argument(
        "key", metavar="SEGMENT"
    )
    create = command(segment, "create", bound(_create), "Put a segment in force, or a new version of it", reading)
    create.add_argument("key", metavar="SEGMENT")
    create.add_argument("rule", metavar="RULE", help="a rule, or a file with one; - for input")
    create.add_argument("--title", help="what it is called (its key)")
    create.add_argument("--purpose", default="personalization", help="what it serves (personalization)")
    create.add_argument("--programme", default=SEGMENTS, help=f"where it is kept ({SEGMENTS})")
    command(segment, "language", bound(_language), "List what rules can say, with examples", reading)
    preview = command(segment, "preview", bound(_preview), "Say how many people a rule would have", reading)
    preview.add_argument("rule", metavar="RULE", help="a rule, or a file with one; - for input")
    preview.add_argument("--purpose", default="personalization", help="what it would serve (personalization)")
    command(segment, "members", bound(_members), "Write who is in, one JSON object a line").add_argument(
        "key", metavar="SEGMENT"
    )
    explain = command(segment, "explain", bound(_explain), "Say why a person is in, or is not", reading)
    explain.add_argument("key", metavar="SEGMENT")
    explain.add_argument("who", metavar="EMAIL", help=who)
    webhook = commands.add_parser("webhook", help="Tell facts to endpoints").add_subparsers(
        required=True, metavar="COMMAND"
    )
    create = command(webhook, "create", bound(_subscribe), "Subscribe; the secret is shown once", reading)
    create.add_argument("endpoint", metavar="URL", help="https, to a public address")
    create.add_argument("events", metavar="FACT", nargs="+", help="segment.entered, segment.*, *, ...")
    command(webhook, "list", bound(_webhooks), "List webhooks", reading)
    command(webhook, "delete", bound(_unsubscribe), "Unsubscribe").add_argument("id", metavar="ID")
    command(webhook, "enable", bound(_enable), "Tell one again that was disabled").add_argument("id", metavar="ID")
    replay = command(webhook, "replay", bound(_replay), "Tell again what did not arrive")
    replay.add_argument("id", metavar="ID")
    replay.add_argument("--since", required=True, metavar="TIME", help="ISO 8601; at most 30 days back")
    replay.add_argument("--everything", action="store_true", help="what did arrive too")
    jobs = command(commands, "jobs", bound(_jobs), "Show walks over everybody and how far they are", reading)
    jobs.add_argument("--count", action="store_true", help="begin to count everybody's segments and journeys")
    command(commands, "clock", bound(_clock), "Show how late the clock is", reading)


# ---- segments


def _segments(arguments: argparse.Namespace, desk: Desk) -> int:
    def lines(found: Any) -> list[str]:
        return columns(
            [
                ("SEGMENT", "SIZE", "COUNTED", "WHO"),
                *((s["key"], _size(s), local(s["counted"]), s["sentence"]) for s in found),
            ]
        )

    return desk.show(arguments, desk.client(arguments).get("segments"), lines)


def _segment(arguments: argparse.Namespace, desk: Desk) -> int:
    def lines(found: Any) -> list[str]:
        most = max((day["size"] or 0 for day in found["history"]), default=0) or 1
        days = [
            (day["day"], _size(day), "▇" * round(BAR * (day["size"] or 0) / most) or "·") for day in found["history"]
        ]
        head = [("Rule", found["text"]), ("Purpose", found["purpose"])]
        return [
            paint(f"{found['key']}: {found['title']}", "bold"),
            found["sentence"],
            *section("Definition", head),
            *section("Size", days),
        ]

    return desk.show(arguments, desk.client(arguments).get("segments", arguments.key), lines)


def _size(counted: Any) -> Any:
    """The size of a segment, or of how many it falls short where they are too few to be told."""
    return counted["size"] if counted["below"] is None else f"under {counted['below']}"


def _create(arguments: argparse.Namespace, desk: Desk) -> int:
    client, name = desk.client(arguments), arguments.programme
    in_force = any(one["name"] == name for one in client.get("programmes"))
    document = client.get("programmes", name)["document"] if in_force else {"name": name}
    if other := sorted(document.keys() - {"name", "segments"}):
        raise sending.Unsendable(f"{name} is more than segments ({', '.join(other)}): change its folder and push that")
    made = {"title": arguments.title or arguments.key, "rule": _rule(arguments.rule), "purpose": arguments.purpose}
    segments = {**document.get("segments", {}), arguments.key: made}
    done = client.put("programmes", name, body={**document, "segments": segments})

    def lines(found: Any) -> list[str]:
        if not found["changed"]:
            return [f"{arguments.key} is in force as it is"]
        return [f"{arguments.key} is in force in version {found['version']} of {name}; workers follow within a minute"]

    return desk.show(arguments, done, lines)


def _language(arguments: argparse.Namespace, desk: Desk) -> int:
    listed = [
        {"operator": one.key, "says": one.says, "examples": [write(example) for example in one.examples]}
        for one in OPERATORS.values()
    ]

    def lines(found: Any) -> list[str]:
        told = []
        for one in found:
            told += [paint(one["operator"], "bold"), f"  {one['says']}", *(f"    {text}" for text in one["examples"])]
        return told

    return desk.show(arguments, listed, lines)


def _preview(arguments: argparse.Namespace, desk: Desk) -> int:
    body = {"rule": _rule(arguments.rule), "purpose": arguments.purpose}

    def lines(found: Any) -> list[str]:
        share = f"{found['matched']} of the {found['sampled']} people looked at"
        size = (
            f"exactly {found['size']} people"
            if found["exact"]
            else f"about {found['size']} of {found['people']} people, {found['low']} to {found['high']} (95 %); {share}"
        )
        examples = [(one["id"], next((v[-1] for v in one["identifiers"].values()), "")) for one in found["examples"]]
        return [paint(found["sentence"], "bold"), size, *section("Such as", examples)]

    return desk.show(arguments, desk.client(arguments).post("segments", "preview", body=body), lines)


def _rule(given: str) -> Any:
    """The rule of an argument, or of the file it names: an object, or text as it is."""
    text = sending.text_of(given) if given == "-" or Path(given).is_file() else given
    try:
        return json.loads(text) if text.lstrip().startswith("{") else text.strip()
    except json.JSONDecodeError as error:
        raise sending.Unsendable(f"the rule is not JSON: {error.msg} at character {error.pos}") from None


def _members(arguments: argparse.Namespace, desk: Desk) -> int:
    client, after = desk.client(arguments), ""
    while True:
        page = client.get("segments", arguments.key, "members", **({"after": after} if after else {}))
        for member in page["members"]:
            print(json.dumps(member, ensure_ascii=False))
        if (after := page["next"]) is None:
            return 0


def _explain(arguments: argparse.Namespace, desk: Desk) -> int:
    client = desk.client(arguments)
    person = desk.person(arguments, client)

    def lines(found: Any) -> list[str]:
        return [paint(found["sentence"], "green" if found["member"] else "yellow"), *_tree(found["reason"], "  ")]

    return desk.show(arguments, client.get("people", person["id"], "segments", arguments.key), lines)


def _tree(reason: dict[str, Any], indent: str) -> list[str]:
    mark = paint("✓", "green") if reason["holds"] else paint("✗", "yellow")
    return [
        f"{indent}{mark} {reason['sentence']}",
        *(line for part in reason["parts"] for line in _tree(part, f"{indent}  ")),
    ]


# ---- webhooks


def _subscribe(arguments: argparse.Namespace, desk: Desk) -> int:
    made = desk.client(arguments).post("webhooks", body={"url": arguments.endpoint, "events": arguments.events})
    return desk.show(arguments, made, lambda _: columns([(name, made[name]) for name in ("id", "events", "secret")]))


def _webhooks(arguments: argparse.Namespace, desk: Desk) -> int:
    def lines(found: Any) -> list[str]:
        rows = (
            (w["id"], "enabled" if w["enabled"] else "disabled", w["failures"], w["events"], w["url"], w["why"])
            for w in found
        )
        return columns([("ID", "STATE", "FAILED", "FACTS", "URL", "WHY"), *rows])

    return desk.show(arguments, desk.client(arguments).get("webhooks"), lines)


def _unsubscribe(arguments: argparse.Namespace, desk: Desk) -> int:
    desk.client(arguments).delete("webhooks", arguments.id)
    print(f"{arguments.id} is told nothing any more")
    return 0


def _enable(arguments: argparse.Namespace, desk: Desk) -> int:
    desk.client(arguments).post("webhooks", arguments.id, "enable", body={})
    print(f"{arguments.id} is told what becomes known from now on; for what it missed: tailor webhook replay")
    return 0


def _replay(arguments: argparse.Namespace, desk: Desk) -> int:
    client, since, queued = desk.client(arguments), arguments.since, 0
    while since is not None:
        body = {"since": since, "everything": arguments.everything}
        done = client.post("webhooks", arguments.id, "replay", body=body)
        queued, since = queued + done["queued"], done["next"]
    print(f"{queued} queued")
    return 0


# ---- jobs and the clock


def _jobs(arguments: argparse.Namespace, desk: Desk) -> int:
    def lines(found: Any) -> list[str]:
        rows = (
            (
                job["name"],
                job["state"],
                f"{job['counts'].get('people', 0)} of about {job['total']} ({job['progress']:.0%})",
                local(job["finished"] or job["estimate"]),
                job["counts"],
            )
            for job in found
        )
        return columns([("JOB", "STATE", "PEOPLE", "DONE AT", "COUNTS"), *rows])

    client = desk.client(arguments)
    if arguments.count:
        client.post("jobs", "count", body={})
    return desk.show(arguments, client.get("jobs"), lines)


def _clock(arguments: argparse.Namespace, desk: Desk) -> int:
    def lines(found: Any) -> list[str]:
        if found["last"] is None:
            return ["The clock has not ticked yet."]
        told = [f"Last tick {local(found['last']['at'])}, {found['last']['people']} people."]
        if busy := found["busy"]:
            told.append(f"Late, in ms: half by {busy['p50']}, 95 % by {busy['p95']}, at most {busy['max']}.")
        for day in found["days"]:
            most = max(one["people"] for one in day["people"]) or 1
            seen = [(_class(one["most_ms"]), one["people"]) for one in day["people"] if one["people"]]
            told += section(day["day"], [(late, people, "▇" * round(BAR * people / most)) for late, people in seen])
        return told

    return desk.show(arguments, desk.client(arguments).get("clock"), lines)


def _class(most: int | None) -> str:
    return "later" if most is None else f"≤ {most / 1000:g} s"
