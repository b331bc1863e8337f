"""``tailor source``: what a vendor's request would become at our door, on this machine alone.

The request is a body with its headers beside it, or the event in which a function has it: of API Gateway, as samples
under ``events`` and logs have it, or of SQS.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import re
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from tailor.cli.text import columns, local, paint
from tailor.edges.http import inbound
from tailor.flows.ingest import REQUEST_BYTES
from tailor.kernel.errors import Rejected
from tailor.kernel.event import Event
from tailor.kernel.fields import nearest
from tailor.kernel.inbound import Inbound, Parsed
from tailor.kernel.instants import iso, parse_instant
from tailor.sources import GREETINGS, SOURCES, Source, read

COLUMNS = "column_headers.tsv"
"""The file beside Adobe's ``hit_data.tsv`` that names its columns."""
ROW_BYTES = 1024 * 1024

_START = re.compile(r"HTTP/\d|[A-Z]+ \S+ HTTP/\d")
"""The first line of a request or an answer."""
_NAME = re.compile(r"[A-Za-z_][\w .:-]{0,99}")


def add_parser(commands: Any) -> None:
    """Add the command ``source`` to the subparsers of an :mod:`argparse` parser."""
    text = "Show the events a vendor's request becomes; nothing is sent anywhere"
    read = "The body is read from standard input, or the event of API Gateway or SQS that holds it"
    parser = commands.add_parser("source", help=text, description=f"{text}. {read}.")
    parser.add_argument("name", metavar="NAME", help=", ".join(SOURCES))
    proof = parser.add_mutually_exclusive_group()
    proof.add_argument("--secret", help="what the vendor signs with, or shows")
    proof.add_argument("--no-verify", action="store_true", help="do not ask who sent it")
    parser.add_argument(
        "--headers", type=Path, metavar="FILE", help="a JSON object, or lines 'Name: value', also of curl -v"
    )
    parser.add_argument("--method", default="POST", help="POST")
    parser.add_argument("--path", help="path of the request (/sources/NAME/key)")
    parser.add_argument("--query", default="", metavar="A=B&C=D", help="query of the request, URL-encoded")
    parser.add_argument(
        "--file",
        type=Path,
        metavar="FILE",
        help=f"bulk form instead: one JSON document a line, or .tsv and .csv with their names in the first line or in "
        f"{COLUMNS} beside it; also .gz; never verified",
    )
    parser.add_argument("--now", metavar="ISO", help="when it was received (as its event says, or now)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line, also on a terminal")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the events; answers 0, or 2 where the request was refused or nothing of it could be used."""
    try:
        source = _source(arguments.name)
        said = parse_instant(arguments.now) if arguments.now else None
        clock = time.time_ns() // 1_000_000
        taken = refused = 0
        for place, request, received in _requests(arguments):
            now = said if said is not None else received or clock
            try:
                parsed = _read(source, request, arguments, now=now)
            except Rejected as refusal:
                if not place:
                    raise
                parsed = Parsed(refused=[(refusal, None)])
            taken += len(parsed.events)
            refused += len(parsed.refused)
            _print(parsed, place, as_json=arguments.json or not sys.stdout.isatty())
    except (Rejected, OSError, EOFError, csv.Error, UnicodeError) as error:
        _complain(error.detail if isinstance(error, Rejected) else str(error))
        return 2
    return 2 if refused and not taken else 0


def _source(name: str) -> Source:
    if name not in SOURCES:
        raise Rejected(f"there is no source {name!r}{nearest(name, SOURCES)} ({', '.join(SOURCES)})", code="bad-source")
    return SOURCES[name]


def _read(source: Source, request: Inbound, arguments: argparse.Namespace, *, now: int) -> Parsed:
    greets = GREETINGS.get(source.name)
    greeting = greets(request) if greets else ""
    if source.signed and not (greeting or arguments.file or arguments.no_verify):
        if not arguments.secret:
            raise Rejected("give --secret to verify the request, or --no-verify", code="no-secret")
        source.verify(request, arguments.secret.encode(), now=now)
    return read(source, request, now=now)


Received = tuple[str, Inbound, int]
"""A place in a file, ``""`` where there is just one; the request there; when it was received, 0 if nothing says so."""


def _requests(arguments: argparse.Namespace) -> Iterator[Received]:
    """The request, or one for each row of a file."""
    path = arguments.path or ("/v1/batch" if arguments.name == "segment" else f"/sources/{arguments.name}/key")
    headers = _headers(arguments.headers)
    query = dict(parse_qsl(arguments.query, keep_blank_values=True))
    if arguments.file:
        for place, body in _rows(arguments.file):
            yield place, Inbound("POST", path, headers, body, query), 0
        return
    body = b"" if arguments.method in ("GET", "HEAD") else sys.stdin.buffer.read(REQUEST_BYTES + 1)
    if len(body) > REQUEST_BYTES:
        raise Rejected(f"the body has more than {REQUEST_BYTES} bytes", code="too-large", status=413)
    event = _event(body)
    if event is None:
        yield "", Inbound(arguments.method, path, headers, body, query), 0
        return
    try:
        yield from _unwrapped(event)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        detail = f"it seems to be the event of a function, and cannot be read as one: {error!r}"
        raise Rejected(detail, code="bad-event") from error


def _event(body: bytes) -> dict[str, Any] | None:
    """The event of a function, where that is what was given; no vendor's body has its names."""
    if b'"requestContext"' not in body and b'"eventSource"' not in body:
        return None
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    wrapped = isinstance(found, dict) and ("requestContext" in found or "Records" in found)
    return found if wrapped else None


def _unwrapped(event: dict[str, Any]) -> Iterator[Received]:
    if "requestContext" in event:
        query = event.get("queryStringParameters") or dict(parse_qsl(event.get("rawQueryString", "")))
        received = int(event["requestContext"].get("timeEpoch", 0))
        yield "", inbound({**event, "queryStringParameters": query}), received
        return
    for number, record in enumerate(event["Records"], 1):
        received = int(record.get("attributes", {}).get("SentTimestamp", 0))
        place = f"record {number}" if len(event["Records"]) > 1 else ""
        yield place, Inbound("POST", "/", {}, record["body"].encode("utf-8", "surrogatepass")), received


def _headers(path: Path | None) -> dict[str, str]:
    if path is None:
        return {}
    written = path.read_text("utf-8-sig")
    if written.lstrip().startswith("{"):
        try:
            document = json.loads(written)
        except ValueError as error:
            raise Rejected(f"{path} is not JSON: {error}", code="bad-headers") from error
        return {
            name.lower(): str(value[0] if isinstance(value, list) and value else value)
            for name, value in document.items()
        }
    # As curl -v and proxies write them: marked with their direction, below the line of the request or the answer.
    lines = (line.lstrip("<> ").strip() for line in written.splitlines())
    pairs = (line.partition(":") for line in lines if not _START.match(line))
    return {name.strip().lower(): value.strip() for name, colon, value in pairs if colon}


def _rows(path: Path) -> Iterator[tuple[str, bytes]]:
    """Bodies of the rows of a file, each with its place."""
    plain = path.with_suffix("") if path.suffix == ".gz" else path
    if plain.suffix in (".tsv", ".csv"):
        return _table(path, "\t" if plain.suffix == ".tsv" else ",")
    return _lines(path)


def _lines(path: Path) -> Iterator[tuple[str, bytes]]:
    with _open(path) as stream:
        number = 0
        while line := stream.readline(ROW_BYTES + 1):
            number += 1
            if len(line) > ROW_BYTES:
                raise Rejected(f"line {number} of {path} has more than {ROW_BYTES} bytes", code="too-large")
            if line.strip():
                yield f"line {number}", line.strip()


def _table(path: Path, delimiter: str) -> Iterator[tuple[str, bytes]]:
    """Rows of a table. A Data Feed has no names in it, is in ISO-8859-1, and has its delimiters within a value after a
    backslash; any other is in UTF-8, quoted, and begins with its names."""
    beside = path.with_name(COLUMNS)
    if beside.exists():
        names = beside.read_text("iso-8859-1").splitlines()[0].split("\t")
        rows = _records(path, "iso-8859-1", delimiter="\t", quoting=csv.QUOTE_NONE, escapechar="\\")
    else:
        if not path.exists():
            raise Rejected(f"{path} is missing, and {beside} is missing that would name its columns", code="no-columns")
        rows = _records(path, "utf-8-sig", delimiter=delimiter)
        names = next(rows, [])
        if not names or not all(_NAME.fullmatch(name.strip()) for name in names):
            detail = f"the first line of {path.name} names no columns, and {beside} is missing"
            raise Rejected(detail, code="no-columns")
    for number, row in enumerate(rows, 1):
        if len(row) != len(names):
            raise Rejected(f"row {number} has {len(row)} columns, there are names for {len(names)}", code="bad-row")
        cells = {name.strip(): _cell(cell) for name, cell in zip(names, row, strict=True)}
        yield f"row {number}", json.dumps(cells).encode()


def _records(path: Path, encoding: str, **dialect: Any) -> Iterator[list[str]]:
    with _open(path) as stream:
        yield from csv.reader((line.decode(encoding) for line in stream), **dialect)


def _cell(cell: str) -> Any:
    """A cell; records and lists within a table are JSON."""
    if cell[:1] in ("{", "["):
        try:
            return json.loads(cell)
        except ValueError:
            return cell
    return cell


def _open(path: Path) -> Any:
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")


def _print(parsed: Parsed, place: str, *, as_json: bool) -> None:
    for event in parsed.events:
        print(json.dumps(event.to_json(), ensure_ascii=False) if as_json else "\n".join(_shown(event)))
    where = f"{place}: " if place else ""
    for reason in parsed.ignored:
        print(f"{where}ignored: {reason}", file=sys.stderr)
    for refusal, _ in parsed.refused:
        _complain(f"{where}refused: {refusal.detail}{f' ({refusal.pointer})' if refusal.pointer else ''}")


def _shown(event: Event) -> Iterable[str]:
    yield f"{paint(event.name, 'bold')}  {local(iso(event.at))}  {paint(event.id, 'dim')}"
    rows: list[tuple[str, Any]] = [(one.kind, one.value) for one in event.identifiers]
    rows += [(f"consent {change.purpose}:{change.topic}".rstrip(":"), change.grant) for change in event.consent]
    rows += [*event.traits.items(), *event.properties.items()]
    yield from columns(rows, "  ")


def _complain(text: str) -> None:
    print(f"{paint('tailor:', 'red', sys.stderr)} {text}", file=sys.stderr)
