"""``tailor``: publish programmes, send events, and ask who got what and why.

Exit status: 0 done, 1 refused (by the server, by the check of a programme, or by silence), 2 wrongly called.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tailor.cli import (
    campaign,
    consent,
    dedup,
    duplicates,
    importing,
    journey,
    letters,
    operate,
    programme,
    quarantine,
    rights,
    sending,
    source,
)
from tailor.cli.client import Client, Refused, Unreachable
from tailor.cli.text import brief, columns, local, paint, section
from tailor.flows.publish import Faulty, check
from tailor.kernel.errors import Rejected

ADDED_LINES = 12
"""Lines shown of a definition that is all new."""


class Misused(Exception):
    """The command cannot be carried out as it was given."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; answers the exit status."""
    arguments = _parser().parse_args(argv)
    try:
        status: int = arguments.run(arguments)
    except Misused as error:
        _complain(str(error))
        return 2
    except (Unreachable, programme.Unreadable, sending.Unsendable) as error:
        _complain(str(error))
    except Refused as error:
        _complain(_refusal(error))
    except BrokenPipeError:
        # Whoever read has read enough; nothing may be flushed into the closed pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        return 130
    else:
        return status
    return 1


def _complain(text: str) -> None:
    print(f"{paint('tailor:', 'red', sys.stderr)} {text}", file=sys.stderr)


def _refusal(error: Refused) -> str:
    # API Gateway itself turns unknown tokens away, with an answer that is no problem document.
    if error.status in (401, 403) and "type" not in error.problem:
        return "the token is not valid: set TAILOR_TOKEN, or give --token"
    return f"not permitted: {error}" if error.status in (401, 403) else str(error)


def _client(arguments: argparse.Namespace) -> Client:
    url = arguments.url or os.environ.get("TAILOR_URL")
    token = arguments.token or os.environ.get("TAILOR_TOKEN")
    if not url:
        raise Misused("which deployment? set TAILOR_URL, or give --url")
    if not token:
        raise Misused("who are you? set TAILOR_TOKEN, or give --token")
    return Client(url, token)


def _show(arguments: argparse.Namespace, answer: Any, lines: Callable[[Any], Sequence[str]]) -> int:
    print(json.dumps(answer, indent=2, ensure_ascii=False) if arguments.json else "\n".join(lines(answer)))
    return 0


# ---- push


def _push(arguments: argparse.Namespace) -> int:
    folder: Path = arguments.folder
    document = programme.read(folder)
    name = str(document.get("name", ""))
    alone = arguments.dry_run and not (arguments.url or os.environ.get("TAILOR_URL"))
    client = None if alone else _client(arguments)
    others = [] if client is None else _others(client, name)
    try:
        _, warnings = check(document, others)
    except Rejected as fault:
        return _faulty(fault, folder, document)
    status = 0
    if arguments.dry_run:
        # A rehearsal stops at what the real run must bear with: the letters of everybody else go out.
        warnings, lacking = programme.without_fallback(warnings, folder, document)
        for line in lacking:
            print(f"{paint('error:', 'red')} {line}", file=sys.stderr)
        status = 1 if lacking else 0
    if client is None:
        _warn(warnings, folder, document)
        if not status:
            print(f"{name} is right by itself; it was compared with no deployment, for TAILOR_URL is not set")
        return status
    try:
        planned = client.put("programmes", name, body=document, dry_run=True)
        print("\n".join(_difference(planned)))
        # Of letters that stay as they are it was said when they came.
        news = [f"{change['pointer']}/" for change in planned["diff"]]
        _warn([w for w in warnings if not w["pointer"].startswith("/templates/") or _among(w, news)], folder, document)
        if arguments.dry_run or not planned["changed"]:
            return status
        if not arguments.yes and not _agreed(f"Publish {name}? [y/N] "):
            print("nothing was changed")
            return 1
        done = client.put("programmes", name, body=document)
    except Refused as error:
        if errors := error.problem.get("errors"):
            return _faulty(Faulty([Rejected(**one) for one in errors]), folder, document)
        raise
    print(f"{paint('published', 'green')} {name} as version {done['version']}; workers follow within a minute")
    return 0


def _warn(warnings: list[dict[str, str]], folder: Path, document: dict[str, Any]) -> None:
    for warning in warnings:
        told = programme.told(Rejected(warning["detail"], pointer=warning["pointer"]), folder, document)
        print(f"{paint('warning:', 'yellow')} {told[0]}")


def _among(warning: dict[str, str], pointers: list[str]) -> bool:
    return any(f"{warning['pointer']}/".startswith(pointer) for pointer in pointers)


def _agreed(question: str) -> bool:
    """Asks where somebody can answer; scripts have made up their minds."""
    return not sys.stdin.isatty() or input(question).strip().lower() in ("y", "yes")


def _others(client: Client, name: str) -> list[dict[str, Any]]:
    names = [one["name"] for one in client.get("programmes")]
    return [client.get("programmes", other)["document"] for other in names if other != name]


def _faulty(fault: Rejected, folder: Path, document: dict[str, Any]) -> int:
    found = programme.told(fault, folder, document)
    for line in found:
        print(line, file=sys.stderr)
    _complain(f"{len(found)} {'fault' if len(found) == 1 else 'faults'}; nothing was published")
    return 1


def _difference(planned: dict[str, Any]) -> list[str]:
    if not planned["changed"]:
        return [f"{planned['name']} is in force as it is (version {planned['version']})"]
    lines = []
    for change in planned["diff"]:
        sign, colour = {"added": ("+", "green"), "removed": ("-", "red"), "changed": ("~", "yellow")}[change["change"]]
        lines.append(paint(f"{sign} {change['pointer'].removeprefix('/')}", colour))
        shown = change["lines"]
        more = len(shown) - ADDED_LINES
        if change["change"] != "changed" and more > 1:
            shown = [*shown[:ADDED_LINES], f"  … {more} more lines"]
        tint = {"+": "green", "-": "red", "@": "blue"}
        lines += ["    " + (paint(line, tint[line[0]]) if line[:1] in tint else line) for line in shown]
    return lines


# ---- people


def _who(arguments: argparse.Namespace, client: Client) -> dict[str, Any]:
    """The person meant by an e-mail address, ``KIND:VALUE`` or an id."""
    who: str = arguments.who
    kind, colon, value = who.partition(":")
    if colon:
        person = client.post("people", "lookup", body={kind: value})
    elif "@" not in who and who.startswith("p_"):
        person = client.get("people", who)
    else:
        person = client.post("people", "lookup", body={"email": who})
    return dict(person)


def _person(arguments: argparse.Namespace) -> int:
    client = _client(arguments)
    person = _who(arguments, client)
    person["timeline"] = client.get("people", person["id"], "timeline", limit=str(arguments.limit))
    return _show(arguments, person, _portrait)


def _portrait(person: dict[str, Any]) -> list[str]:
    handles = [(kind, value) for kind, values in person["identifiers"].items() for value in values]
    lines = [f"{paint(person['id'], 'bold')}  version {person['version']}, decided {local(person['decided'])}"]
    lines += section("Identifiers", handles)
    lines += section("Attributes", person["attributes"].items())
    hidden = [("sensitive", person["sensitive"]), ("undeclared", person["undeclared"])]
    lines += section("Attributes without a value to show", [row for row in hidden if row[1]])
    lines += section("Consent", [(_topic(c), c["grant"], local(c["at"]), c["source"]) for c in person["consent"]])
    lines += section(
        "Segments", [(m["segment"], f"since {local(m['since'])}", m["title"]) for m in person["memberships"]]
    )
    journeys = [
        (e["journey"], f"since {local(e['entered'])}", f"step {e['step']} due {local(e['due'])}")
        for e in person["enrolments"]
    ]
    journeys += [
        (f["journey"], f"from  {local(f['entered'])}", f"ended {local(f['ended'])} ({f['how']})")
        for f in person["finished"]
    ]
    lines += section("Journeys", journeys)
    lines += section("Owed", [_owed(o) for o in person["owed"]])
    quality = person["quality"]
    known = [("complete", f"{quality['completeness']:.0%}")]
    lines += section("Quality", known + ([("missing", ", ".join(quality["missing"]))] if quality["missing"] else []))
    lines += section("Findings", [(one["code"], one["hint"]) for one in quality["findings"]])
    if person["due"]:
        lines += section("Clock", [("strikes", local(person["due"]))])
    return lines + section("Timeline", [_moment(entry) for entry in person["timeline"]])


def _owed(one: dict[str, Any]) -> tuple[str, str, str, str]:
    until = f"until {local(one['until'])} ({one['why']})" if one["until"] else f"since {local(one['at'])}"
    return one["template"], one["state"], until, one["message"]


def _moment(entry: dict[str, Any]) -> tuple[str, str, str, str]:
    at = local(entry["at"])
    match entry["kind"]:
        case "event":
            about = brief(entry["properties"]) if entry["properties"] else ", ".join(entry["traits"])
            return at, "event", entry["name"], about
        case "consent":
            return at, "consent", f"{_topic(entry)} {entry['grant']}", entry["source"]
        case _:
            return at, "message", f"{entry['template']} {entry['state']}", entry["why"] or entry["message"]


def _topic(choice: dict[str, Any]) -> str:
    return f"{choice['purpose']}:{choice['topic']}" if choice["topic"] else str(choice["purpose"])


def _why(arguments: argparse.Namespace) -> int:
    client = _client(arguments)
    person = _who(arguments, client)
    return _show(arguments, client.get("people", person["id"], "why", arguments.message), _reasons)


def _reasons(answer: dict[str, Any]) -> list[str]:
    lines = [paint(answer["sentence"], "green" if answer["answer"] else "yellow")]
    for reason in answer["reasons"][1:]:
        change = f" It would take {reason['change']}." if reason["change"] else ""
        lines += [f"  · {reason['sentence']}{change}"]
    if (until := answer["reasons"][0]["until"]) is not None:
        lines.append(f"  Time alone could change it: {local(until)}")
    lines.append(paint(f"  program {answer['program']}, person version {answer['person_version']}", "dim"))
    return lines


def _render(arguments: argparse.Namespace) -> int:
    client = _client(arguments)
    path = Path(arguments.template)
    asked: Any = arguments.template
    if path.suffix in programme.SUFFIXES:
        letter = programme.read_letter(path)
        asked = {**letter.head, "html": letter.html}
    letter_of = client.render({"template": asked, "person": _who(arguments, client)["id"]})
    return _show(arguments, letter_of, lambda answer: [answer["html"]] if arguments.html else _letter(answer))


def _letter(letter: dict[str, Any]) -> list[str]:
    lines = columns(
        [
            ("Subject", letter["subject"]),
            ("Preheader", letter["preheader"]),
            ("Size", f"{letter['size']} bytes of HTML"),
            ("Fallbacks", letter["fallbacks"]),
        ]
    )
    lines += [f"{paint('warning:', 'yellow')} {warning}" for warning in letter["warnings"]]
    return [*lines, "", letter["text"].rstrip()]


# ---- keys, events


def _keys_create(arguments: argparse.Namespace) -> int:
    body: dict[str, Any] = {"name": arguments.name}
    if arguments.scopes:
        body["scopes"] = [scope.strip() for scope in arguments.scopes.split(",")]
    else:
        body["source"] = arguments.source
    if arguments.secret_file:
        body["secret"] = sending.text_of(arguments.secret_file).strip()
    if arguments.rate:
        body["rate"] = arguments.rate
    made = _client(arguments).post("keys", body=body)
    return _show(arguments, made, lambda _: columns([(name, value) for name, value in made.items() if value]))


def _keys_list(arguments: argparse.Namespace) -> int:
    def lines(keys: Any) -> list[str]:
        return columns(
            [
                ("ID", "NAME", "FOR", "CREATED"),
                *((k["id"], k["name"], k["source"] or " ".join(k["scopes"]), local(k["created"])) for k in keys),
            ]
        )

    return _show(arguments, _client(arguments).get("keys"), lines)


def _keys_rotate(arguments: argparse.Namespace) -> int:
    secret = sending.text_of(arguments.secret_file).strip()
    _client(arguments).put("keys", arguments.id, "secret", body={"secret": secret})
    print(f"{arguments.id} takes the new secret within a minute, and the one before until the next rotation")
    return 0


def _keys_revoke(arguments: argparse.Namespace) -> int:
    _client(arguments).delete("keys", arguments.id)
    print(f"{arguments.id} opens nothing any more, within a minute")
    return 0


def _events(arguments: argparse.Namespace) -> int:
    url = arguments.url or os.environ.get("TAILOR_URL")
    key = arguments.key or os.environ.get("TAILOR_WRITE_KEY")
    if not url:
        raise Misused("which deployment? set TAILOR_URL, or give --url")
    if not key:
        raise Misused("by which key? set TAILOR_WRITE_KEY, or give --key (tailor keys create NAME --source segment)")
    sent = 0
    for sent, total in sending.send(arguments.file, Client(url, ""), key):
        if sys.stderr.isatty():
            print(f"\r{sent} of {total}", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print("\r", end="", file=sys.stderr)
    print(f"{sent} sent; what could not be used is in the quarantine")
    return 0


# ---- the command line


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--url", help="root of the deployment (TAILOR_URL)")
    common.add_argument("--token", help="bearer token (TAILOR_TOKEN)")
    reading = argparse.ArgumentParser(add_help=False)
    reading.add_argument("--json", action="store_true", help="the answer as JSON")
    parser = argparse.ArgumentParser(
        prog="tailor", description="Publish programmes, send events, ask who got what and why."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(under: Any, name: str, run: Callable[[argparse.Namespace], int], text: str, *parents: Any) -> Any:
        made = under.add_parser(name, help=text, description=text, parents=[common, *parents])
        made.set_defaults(run=run)
        return made

    push = command(commands, "push", _push, "Check a programme folder, show what changes, publish it")
    push.add_argument("folder", type=Path, metavar="DIR")
    text = "check and show only; a value without a fallback is an error then"
    push.add_argument("--dry-run", "--check", action="store_true", help=text)
    push.add_argument("--yes", action="store_true", help="do not ask")
    who = "e-mail address, KIND:VALUE (user_id:42) or id"
    person = command(commands, "person", _person, "Show a person and what happened to them", reading)
    person.add_argument("who", metavar="EMAIL", help=who)
    person.add_argument("--limit", type=int, default=20, help="entries of the timeline (20)")
    why = command(commands, "why", _why, "Say why a person got a letter, or did not", reading)
    why.add_argument("who", metavar="EMAIL", help=who)
    why.add_argument("message", metavar="MESSAGE", help="message id, or key of a template, journey or campaign")
    render = command(commands, "render", _render, "Show a letter as one person would get it", reading)
    render.add_argument("template", metavar="TEMPLATE", help="key of a template, or a file .html or .mjml to try")
    render.add_argument("--email", dest="who", required=True, metavar="EMAIL", help=who)
    render.add_argument("--html", action="store_true", help="the HTML alone")
    events = command(commands, "events", _events, "Send events from a file")
    events.add_argument(
        "file", metavar="FILE", help="JSON array, one JSON object a line, or a sample of events/; - for input"
    )
    events.add_argument("--key", help="a source's key (TAILOR_WRITE_KEY)")
    desk = operate.Desk(_client, _who, _show)
    operate.add_parser(commands, command, reading, desk)
    campaign.add_parser(commands, command, reading, desk)
    duplicates.add_parser(commands, command, reading, desk)
    consent.add_parser(commands, command, reading, desk)
    journey.add_parser(commands, command, reading, desk)
    quarantine.add_parser(commands, command, reading, desk)
    rights.add_parser(commands, command, reading, desk)
    letters.add_parser(commands, lambda: time.time_ns() // 1_000_000)
    importing.add_parser(commands, command, reading, desk)
    source.add_parser(commands)
    dedup.add_parser(commands, common, reading, _client)
    keys = commands.add_parser("keys", help="Make, list and revoke keys").add_subparsers(
        required=True, metavar="COMMAND"
    )
    create = command(keys, "create", _keys_create, "Make a key; it is shown once", reading)
    create.add_argument("name", metavar="NAME", help="for whom, or for what")
    purpose = create.add_mutually_exclusive_group(required=True)
    purpose.add_argument("--scopes", help="for the API: ingest,read,write,admin")
    purpose.add_argument("--source", help="for a source: segment, shopify")
    create.add_argument("--secret-file", metavar="FILE", help="what the source signs with, in a file; - for input")
    create.add_argument("--rate", type=int, metavar="N", help="requests a second the source may make (500)")
    rotate = command(keys, "rotate", _keys_rotate, "Sign with another secret; the one before stays valid beside it")
    rotate.add_argument("id", metavar="ID")
    rotate.add_argument("--secret-file", metavar="FILE", required=True, help="the new secret; - for input")
    command(keys, "list", _keys_list, "List keys", reading)
    command(keys, "revoke", _keys_revoke, "Revoke a key").add_argument("id", metavar="ID")
    return parser


if __name__ == "__main__":
    sys.exit(main())
