"""``tailor import``, ``imports``, ``feed`` and ``pull``: data of one's own; files are looked at here before they go."""

from __future__ import annotations

import argparse
import json
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from tailor.cli.client import Client, Unreachable
from tailor.cli.operate import Desk
from tailor.cli.sending import Unsendable, text_of
from tailor.cli.text import brief, columns, local, paint, section
from tailor.edges.folder import Folder
from tailor.flows.load import chunks, judge, reason
from tailor.flows.parse import Opened, declare, open_files
from tailor.kernel.errors import Rejected
from tailor.kernel.event import Event
from tailor.kernel.instants import iso, parse_instant
from tailor.kernel.program import BASES
from tailor.rules import rows
from tailor.rules.dialect import SAMPLE_BYTES, detect
from tailor.rules.guess import guess
from tailor.rules.mapping import NO_BASIS, REASONS, TABLES, Origin, RowMapping, read_mapping

SHOWN = 3
"""Events shown of a file."""
POLL_SECONDS = 1.0
UPLOAD_SECONDS = 600


def add_parser(commands: Any, command: Callable[..., Any], reading: argparse.ArgumentParser, desk: Desk) -> None:
    """Enter the commands; ``command`` makes one under another, ``reading`` has the options of those that only read."""

    def bound(run: Callable[[argparse.Namespace, Desk], int]) -> Callable[[argparse.Namespace], int]:
        return lambda arguments: run(arguments, desk)

    file = command(commands, "import", bound(_import), "Import a file: CSV, NDJSON, Parquet, GA4's export", reading)
    file.add_argument("file", type=Path, metavar="FILE", help="also compressed by gzip; a manifest for a Data Feed")
    file.add_argument("--mapping", type=Path, metavar="FILE", help="what the columns mean, TOML or JSON (guessed)")
    file.add_argument("--save", type=Path, metavar="FILE", help="write the mapping that would be used, to be edited")
    file.add_argument("--name", help="of the feed; rows are told from those of others by it")
    file.add_argument("--basis", choices=(*BASES, NO_BASIS), help="on what ground you hold these people's data")
    file.add_argument("--evidence", help="what proves it, for the consent chain")
    file.add_argument("--as-of", metavar="TIME", help="when rows without a time of their own were true (now)")
    file.add_argument("--dry-run", action="store_true", help="read and show only; needs no deployment")
    file.add_argument("--rows", type=int, metavar="N", help="look at the first N rows only (with --dry-run)")
    file.add_argument("--rejected", type=Path, metavar="FILE", help="where refused rows go (beside FILE)")
    file.add_argument("--no-wait", action="store_true", help="do not wait for the end")
    file.add_argument("--yes", action="store_true", help="do not ask")
    known = commands.add_parser("imports", help="See and cancel imports").add_subparsers(
        required=True, metavar="COMMAND"
    )
    command(known, "list", bound(_list), "List the imports of the last 90 days", reading)
    command(known, "show", bound(_show), "Show one import", reading).add_argument("id", metavar="ID")
    command(known, "cancel", bound(_cancel), "End an import where it is; what is queued stays", reading).add_argument(
        "id", metavar="ID"
    )
    refused = command(known, "rejected", bound(_rejected), "Fetch the rows that were refused, with the reasons")
    refused.add_argument("id", metavar="ID")
    refused.add_argument("--to", type=Path, metavar="FILE", help="a file (its own name)")
    feed = commands.add_parser("feed", help="Folders of the bucket whose files are imported as they come")
    feeds = feed.add_subparsers(required=True, metavar="COMMAND")
    command(feeds, "list", bound(_feeds), "List feeds", reading)
    put = command(feeds, "put", bound(_put_feed), "Say what files under drop/NAME/ are")
    put.add_argument("name", metavar="NAME")
    put.add_argument("mapping", type=Path, metavar="MAPPING")
    command(feeds, "delete", bound(_delete_feed), "Import a folder's files no longer").add_argument(
        "name", metavar="NAME"
    )
    pull = commands.add_parser("pull", help="Fetch what changes at HubSpot, Salesforce or WooCommerce")
    pulls = pull.add_subparsers(required=True, metavar="COMMAND")
    command(pulls, "list", bound(_pulls), "List pulls, how far they are, and when they go on", reading)
    fetch = command(pulls, "put", bound(_put_pull), "Define a pull, from TOML or JSON")
    fetch.add_argument("name", metavar="NAME")
    fetch.add_argument("document", type=Path, metavar="FILE")
    fetch.add_argument("--secret-file", metavar="FILE", help="a token, or name:password, in a file; - for input")
    command(pulls, "delete", bound(_delete_pull), "Fetch no longer").add_argument("name", metavar="NAME")


# ---- what a file is


@dataclass(slots=True)
class Plan:
    """A file as it would be imported: ``document`` is the mapping, ``missing`` what it lacks before it can be."""

    path: Path
    document: dict[str, Any]
    mapping: RowMapping
    opened: list[Opened]
    guessed: bool
    missing: str = ""


def _plan(arguments: argparse.Namespace) -> Plan:
    path: Path = arguments.file
    if not path.is_file():
        raise Unsendable(f"{path}: there is no such file")
    folder = Folder(path.parent)
    document = _mapping_of(arguments.mapping) if arguments.mapping else {}
    document.setdefault("format", _format(path, folder))
    guessed = not arguments.mapping and document["format"] in TABLES
    if guessed:
        document |= guess([name for name in _names(path, document, folder) if name not in REASONS])
    if arguments.name:
        document["name"] = arguments.name
    for name in ("basis", "evidence"):
        if value := getattr(arguments, name):
            document["consent"] = {**document.get("consent", {}), name: value}
    if arguments.save:
        arguments.save.write_text(_toml(document), "utf-8")
    missing = ""
    try:
        mapping = read_mapping(document)
    except Rejected as fault:
        if fault.pointer.split("/")[1:2] != ["consent"] or not arguments.dry_run:
            raise
        # The rest of the file can be looked at all the same.
        missing = fault.detail
        mapping = read_mapping({**document, "consent": {"basis": NO_BASIS}})
    return Plan(path, document, mapping, open_files(path.name, mapping, document.get("csv"), folder), guessed, missing)


def _mapping_of(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text("utf-8")
        found = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        raise Unsendable(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise Unsendable(f"{path}: {error}") from None
    if not isinstance(found, dict):
        raise Unsendable(f"{path}: a mapping is an object")
    return found


def _format(path: Path, folder: Folder) -> str:
    """The format of a file, by what is in it."""
    whole = Opened(path.name, "", 0, "documents", "gz" if folder.read(path.name, 0, 2) == b"\x1f\x8b" else "")
    start = b"".join(_beginning(whole, folder)).lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith(b"PAR1"):
        return "parquet"
    if start.startswith(b"Datafeed-Manifest-Version"):
        return "adobe"
    if not start.startswith(b"{"):
        return "csv"
    first = next(whole.rows(folder, offset=0, number=0), None)
    return "ga4" if first and {"event_name", "event_timestamp"} <= first.values.keys() else "ndjson"


def _beginning(opened: Opened, folder: Folder) -> Iterator[bytes]:
    for block in opened.blocks(folder, offset=0):
        yield block[:SAMPLE_BYTES]
        return


def _names(path: Path, document: dict[str, Any], folder: Folder) -> list[str]:
    """Names of the columns; of documents those of the first hundred."""
    if document["format"] == "csv":
        packing = "gz" if folder.read(path.name, 0, 2) == b"\x1f\x8b" else ""
        table = Opened(path.name, "", 0, "table", packing)
        sample = b"".join(_beginning(table, folder))
        dialect = declare(detect(sample), document.get("csv"))
        return rows.header(table.blocks(folder, offset=0), dialect)[0]
    found: dict[str, None] = {}
    open_as = read_mapping(
        {"format": document["format"], "identifiers": {"email": "/"}, "consent": {"basis": NO_BASIS}}
    )
    [opened] = open_files(path.name, open_as, None, folder)
    for row, _ in zip(opened.rows(folder, offset=0, number=0), range(100), strict=False):
        if row.refusal is None:
            found |= dict.fromkeys(_leaves(row.values))
    return list(found)


def _leaves(value: Any, pointer: str = "") -> Iterator[str]:
    """Names of the values of a document: those at its top, and pointers to those further in."""
    entries = value.items() if isinstance(value, dict) else enumerate(value[:1])
    for name, one in entries:
        part = str(name).replace("~", "~0").replace("/", "~1")
        if isinstance(one, (dict, list)) and one:
            yield from _leaves(one, f"{pointer}/{part}")
        else:
            yield f"{pointer}/{part}" if pointer else str(name)


# ---- looking at it


@dataclass(slots=True)
class Look:
    """What a file would become: ``examples`` of a reason are the number and fault of the first row that has it."""

    rows: int = 0
    events: int = 0
    refused: int = 0
    first: list[Event] = field(default_factory=list)
    problems: Counter[str] = field(default_factory=Counter)
    examples: dict[str, tuple[int, Rejected]] = field(default_factory=dict)
    notes: Counter[str] = field(default_factory=Counter)


def _look(plan: Plan, limit: int | None, now: int, as_of: int) -> Look:
    """Read a file, or its first ``limit`` rows, without sending anything."""
    look = Look()
    folder = Folder(plan.path.parent)
    origin = Origin("dry-run", plan.path.name, as_of, now)
    total = sum(one.size for one in plan.opened)
    for opened in plan.opened:
        for chunk in chunks(opened.rows(folder, offset=opened.first, number=0)):
            taken = chunk if limit is None else chunk[: limit - look.rows]
            outcome = judge(taken, plan.mapping, origin)
            look.rows += len(taken)
            look.events += len(outcome.events)
            look.refused += len(outcome.refused)
            look.first += outcome.events[: SHOWN - len(look.first)]
            look.problems += outcome.problems
            look.notes += outcome.notes
            for row, refusal in outcome.refused:
                look.examples.setdefault(reason(refusal), (row.number, refusal))
            share = (
                f" ({chunk[-1].end / total:.0%})" if opened.form != "parquet" and not opened.packing and total else ""
            )
            _progress(f"{look.rows:,} rows{share}")
            if limit is not None and look.rows >= limit:
                break
    _progress("")
    return look


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def _as_json(plan: Plan, look: Look) -> dict[str, Any]:
    return {
        "format": plan.mapping.format,
        "mapping": plan.document,
        "guessed": plan.guessed,
        "files": [
            {"file": one.key, "columns": list(one.columns), **({"dialect": asdict(one.dialect)} if one.columns else {})}
            for one in plan.opened
        ],
        "rows": look.rows,
        "events": look.events,
        "refused": look.refused,
        "problems": [
            {
                "code": refusal.code,
                "pointer": refusal.pointer,
                "rows": look.problems[name],
                "first_row": number,
                "detail": refusal.detail,
            }
            for name, (number, refusal) in sorted(look.examples.items(), key=lambda one: -look.problems[one[0]])
        ],
        "notes": dict(look.notes),
        "first": [event.to_json() for event in look.first],
        "missing": plan.missing or None,
    }


def _described(plan: Plan) -> Iterator[str]:
    first = plan.opened[0]
    kind = {"table": "a table", "documents": "JSON, an object a line", "parquet": "Parquet"}[first.form]
    how = ""
    if first.form == "table" and plan.mapping.format == "csv":
        dialect = first.dialect
        head = "with a header" if dialect.header else "without a header"
        how = f", columns parted by {dialect.delimiter!r}, {dialect.encoding}, {head}"
    yield f"{paint(plan.path.name, 'bold')} is {kind}{how}"
    if plan.mapping.format not in TABLES:
        yield f"Its rows are read as {plan.mapping.format} writes them"
        return
    meanings = _meanings(plan.mapping)
    names = first.columns or tuple(meanings)
    title = "Columns (guessed; --save FILE writes it down, to be edited)" if plan.guessed else "Columns"
    yield from section(title, [(name, "→", meanings.get(name, "left out")) for name in names])
    yield from section("Rows are", [(f"{plan.mapping.event or 'what is known of people'}",)])


def _meanings(mapping: RowMapping) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    for title, group in (
        ("identifier", mapping.identifiers),
        ("trait", mapping.traits),
        ("property", mapping.properties),
    ):
        for name, column in group.items():
            type = f" ({column.type})" if column.type != "text" else ""
            found.setdefault(column.name, []).append(f"{title} {name}{type}")
    if mapping.at:
        found.setdefault(mapping.at.name, []).append("time of the row")
    for one in mapping.id:
        found.setdefault(one.name, []).append("tells rows apart")
    basis = mapping.consent
    for part, what in ((basis.column, f"consent to {basis.purpose}"), (basis.at, "when consent was given")):
        if part:
            found.setdefault(part.name, []).append(what)
    return {name: ", ".join(what) for name, what in found.items()}


def _looked(plan: Plan, look: Look) -> Iterator[str]:
    yield from _described(plan)
    for event in look.first:
        yield ""
        yield f"{paint(event.name, 'bold')}  {local(iso(event.at))}  {paint(event.id, 'dim')}"
        cells: list[tuple[str, Any]] = [(one.kind, one.value) for one in event.identifiers]
        cells += [(f"consent {one.purpose}:{one.topic}".rstrip(":"), one.grant) for one in event.consent]
        cells += [*event.traits.items(), *event.properties.items()]
        yield from columns(cells, "  ")
    yield ""
    yield f"{_counted(look.rows)}: {look.events:,} events, {_counted(look.refused)} refused"
    faults = [
        (_counted(count), look.examples[name][1].pointer or "-", _fault(*look.examples[name]))
        for name, count in look.problems.most_common(20)
    ]
    yield from section("Refused", faults)
    yield from section("Kept, but", [(_counted(count), note) for note, count in look.notes.most_common(20)])
    if plan.missing:
        yield ""
        yield f"{paint('Before it can be imported:', 'yellow')} {plan.missing} (--basis, --evidence)"


def _counted(rows: int) -> str:
    return f"{rows:,} {'row' if rows == 1 else 'rows'}"


def _fault(number: int, refusal: Rejected) -> str:
    return f"{refusal.detail} (first in row {number:,})"


# ---- importing it


def _import(arguments: argparse.Namespace, desk: Desk) -> int:
    now = time.time_ns() // 1_000_000
    try:
        plan = _plan(arguments)
        as_of = parse_instant(arguments.as_of) if arguments.as_of else now
        if arguments.dry_run:
            look = _look(plan, arguments.rows, now, min(as_of, now))
            print(_json(_as_json(plan, look)) if arguments.json else "\n".join(_looked(plan, look)))
            return 1 if plan.missing else 0
        if plan.mapping.format == "adobe":
            detail = "a Data Feed is several files: put them under drop/FEED/ of the bucket, the manifest last"
            raise Rejected(detail, code="many-files")
    except Rejected as fault:
        where = f" ({fault.pointer})" if fault.pointer else ""
        raise Unsendable(f"{fault.detail}{where}") from None
    if plan.guessed and not arguments.yes and not _agreed(plan):
        print("nothing was imported")
        return 1
    return _send(plan, arguments, desk)


def _agreed(plan: Plan) -> bool:
    """Asks where somebody can answer; scripts have made up their minds."""
    if not sys.stdin.isatty():
        return True
    print("\n".join(_described(plan)))
    return input("Import it so? [y/N] ").strip().lower() in ("y", "yes")


def _send(plan: Plan, arguments: argparse.Namespace, desk: Desk) -> int:
    client = desk.client(arguments)
    size = plan.path.stat().st_size
    body: dict[str, Any] = {"file": plan.path.name, "size": size, "sha256": _hash(plan.path), "mapping": plan.document}
    if arguments.as_of:
        body["as_of"] = arguments.as_of
    job = client.post("imports", body=body)
    if job["finished"]:
        known = "was cancelled" if job["state"] == "cancelled" else "was imported"
        when = local(job["created"])
        print(f"this file {known} {when} ({job['id']}); --as-of TIME makes it an import of its own", file=sys.stderr)
    elif job["upload"]:
        _upload(plan.path, size, job["upload"])
        job = client.post("imports", job["id"], "begin", body={})
    if not arguments.no_wait:
        job = _wait(client, job)
    if job["refused"] and job["finished"]:
        target = arguments.rejected or plan.path.with_name(f"{plan.path.name}.rejected{_ending(plan)}")
        _fetch(client, job["id"], target)
        print(f"refused rows, with the reasons: {target}", file=sys.stderr)
    desk.show(arguments, job, _portrait)
    return 1 if job["problem"] else 0


def _ending(plan: Plan) -> str:
    return ".csv" if plan.opened[0].form == "table" else ".ndjson"


def _hash(path: Path) -> str:
    found = sha256()
    with path.open("rb") as file:
        while block := file.read(1024 * 1024):
            found.update(block)
    return found.hexdigest()


class _Reader:
    """A file that says how far it has been read."""

    def __init__(self, path: Path, size: int) -> None:
        self._file = path.open("rb")
        self._size = size
        self._done = 0

    def __enter__(self) -> _Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        _progress("")

    def read(self, size: int = -1) -> bytes:
        block = self._file.read(size)
        self._done += len(block)
        _progress(f"uploading {self._done / self._size:.0%}")
        return block


def _upload(path: Path, size: int, url: str) -> None:
    with _Reader(path, size) as body:
        headers = {"content-length": str(size), "content-type": "application/octet-stream"}
        request = Request(url, data=body, headers=headers, method="PUT")  # noqa: S310
        try:
            urlopen(request, timeout=UPLOAD_SECONDS).close()  # noqa: S310
        except HTTPError as error:
            with error:
                said = error.read(500).decode("utf-8", "replace")
            raise Unreachable(f"the bucket refused the file (HTTP {error.code}): {said}") from None
        except (URLError, OSError) as error:
            raise Unreachable(f"the file was not uploaded: {getattr(error, 'reason', error)}; run it again") from None


def _wait(client: Client, job: dict[str, Any]) -> dict[str, Any]:
    try:
        while not job["finished"]:
            share = f", {job['progress']:.0%}" if job["progress"] is not None else ""
            until = f", done about {local(job['estimate'])[11:16]}" if job["estimate"] else ""
            _progress(f"{job['state']}: {job['rows']:,} rows{share}{until}")
            time.sleep(POLL_SECONDS)
            job = client.get("imports", job["id"])
    except KeyboardInterrupt:
        print(f"\nit goes on without you: tailor imports show|cancel {job['id']}", file=sys.stderr)
    _progress("")
    return job


def _fetch(client: Client, id: str, target: Path) -> None:
    link = client.get("imports", id, "rejected")
    try:
        with urlopen(link["url"], timeout=UPLOAD_SECONDS) as answer, target.open("wb") as file:  # noqa: S310
            while block := answer.read(1024 * 1024):
                file.write(block)
    except (URLError, OSError) as error:
        raise Unreachable(f"{target} was not fetched: {getattr(error, 'reason', error)}") from None


def _portrait(job: dict[str, Any]) -> list[str]:
    colour = {"finished": "green", "failed": "red"}.get(job["state"], "yellow")
    pace = f", {job['rows_per_s']:,} rows a second" if job["rows_per_s"] else ""
    lines = [
        f"{paint(job['state'], colour)}  {job['file']}  {job['id']}",
        f"{_counted(job['rows'])}: {job['events']:,} events, {job['refused']:,} refused{pace}",
    ]
    if job["problem"]:
        lines.append(f"{paint('because', 'red')} {job['problem']['detail']}")
    known = [
        ("Basis", job["basis"]),
        ("True as of", local(job["as_of"])),
        ("By", job["by"]),
        ("Started", local(job["started"])),
        ("Finished", local(job["finished"])),
    ]
    lines += section("About", known)
    lines += section("Refused", [(_counted(count), name) for name, count in _most(job["problems"])])
    return lines + section("Kept, but", [(_counted(count), name) for name, count in _most(job["notes"])])


def _most(counts: dict[str, int]) -> Iterable[tuple[str, int]]:
    return Counter(counts).most_common(20)


# ---- imports and feeds


def _list(arguments: argparse.Namespace, desk: Desk) -> int:
    def lines(found: Any) -> Sequence[str]:
        listed = (
            (
                job["id"],
                job["state"],
                job["rows"],
                job["refused"],
                "-" if job["progress"] is None else f"{job['progress']:.0%}",
                local(job["created"]),
                job["file"],
            )
            for job in found
        )
        return columns([("ID", "STATE", "ROWS", "REFUSED", "DONE", "CREATED", "FILE"), *listed])

    return desk.show(arguments, desk.client(arguments).get("imports"), lines)


def _show(arguments: argparse.Namespace, desk: Desk) -> int:
    return desk.show(arguments, desk.client(arguments).get("imports", arguments.id), _portrait)


def _cancel(arguments: argparse.Namespace, desk: Desk) -> int:
    job = desk.client(arguments).post("imports", arguments.id, "cancel", body={})
    return desk.show(arguments, job, _portrait)


def _rejected(arguments: argparse.Namespace, desk: Desk) -> int:
    client = desk.client(arguments)
    target = arguments.to or Path(client.get("imports", arguments.id, "rejected")["file"])
    _fetch(client, arguments.id, target)
    print(target)
    return 0


def _feeds(arguments: argparse.Namespace, desk: Desk) -> int:
    def lines(found: Any) -> Sequence[str]:
        rows = ((one["name"], one["mapping"].get("format", "csv"), brief(one["mapping"])) for one in found)
        return columns([("FEED", "FORMAT", "MAPPING"), *rows])

    return desk.show(arguments, desk.client(arguments).get("feeds"), lines)


def _put_feed(arguments: argparse.Namespace, desk: Desk) -> int:
    desk.client(arguments).put("feeds", arguments.name, body=_mapping_of(arguments.mapping))
    print(f"files put under drop/{arguments.name}/ are imported as they come")
    return 0


def _delete_feed(arguments: argparse.Namespace, desk: Desk) -> int:
    desk.client(arguments).delete("feeds", arguments.name)
    print(f"files under drop/{arguments.name}/ are imported no longer; what comes goes to quarantine")
    return 0


# ---- pulls


def _pulls(arguments: argparse.Namespace, desk: Desk) -> int:
    def lines(found: Any) -> Sequence[str]:
        listed = (
            (
                one["name"],
                one["document"]["source"],
                one["counts"],
                local(one["last"]),
                local(one["due"]),
                one["problem"],
            )
            for one in found
        )
        return columns([("PULL", "SOURCE", "COUNTS", "LAST", "DUE", "PROBLEM"), *listed])

    return desk.show(arguments, desk.client(arguments).get("pulls"), lines)


def _put_pull(arguments: argparse.Namespace, desk: Desk) -> int:
    body: dict[str, Any] = {"document": _mapping_of(arguments.document)}
    if arguments.secret_file:
        body["secret"] = text_of(arguments.secret_file).strip()
    desk.client(arguments).put("pulls", arguments.name, body=body)
    print(f"{arguments.name} begins within a minute: tailor pull list")
    return 0


def _delete_pull(arguments: argparse.Namespace, desk: Desk) -> int:
    desk.client(arguments).delete("pulls", arguments.name)
    print(f"{arguments.name} is fetched no longer; its cursor and its secret are forgotten")
    return 0


# ---- mappings as TOML


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _toml(document: dict[str, Any]) -> str:
    """A mapping as a person edits it: single values first, then a table for each object."""
    single = [f"{name} = {_value(value)}" for name, value in document.items() if not isinstance(value, dict)]
    tables = [
        "\n".join([f"\n[{name}]", *(f"{_key(key)} = {_value(one)}" for key, one in value.items())])
        for name, value in document.items()
        if isinstance(value, dict)
    ]
    return "\n".join([*single, *tables]) + "\n"


def _key(name: str) -> str:
    return name if name.replace("_", "").replace("-", "").isalnum() and name.isascii() else json.dumps(name)


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(name)} = {_value(one)}" for name, one in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
