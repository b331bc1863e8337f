"""DynamoDB on the loopback, in a process of its own: it answers at once, keeps state, and reckons what would be billed.

Only the worker's CPU is measured, so this only has to be right about state and units. Run as a program it prints its
port; ``POST /`` speaks DynamoDB's JSON protocol (and EventBridge's PutEvents, for the naive worker), SES's paths take
every letter, ``POST /usage`` answers :class:`Usage` as JSON and starts it anew.

Units are those of on-demand tables (AWS: "DynamoDB read and write operations"): a write costs 1 WRU for each KB begun
of the larger of the old and the new item, a read 0.5 RRU (consistent: 1) for each 4 KB begun, for an item not there as
for a small one; in a query the items are added up before rounding. Transactions cost double, a failed condition as
much as a write. An index entry that appears or goes costs 1 WRU, one whose key changes 2.
"""

from __future__ import annotations

import json
import re
import sys
import zlib
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any
from urllib.request import Request, urlopen

Wire = dict[str, Any]
Key = tuple[str, str]

INDEXED = ("due_shard", "due_at")
"""Attributes of the ``due`` index; an item without them has no entry."""
_STATEMENT = re.compile(r'UPDATE "(\w+)" (.+) WHERE (.+)')
_CLAUSE = re.compile(r'(SET|REMOVE) "?(\w+)"?(?:=\?)?')
_EQUALS = re.compile(r'"?(\w+)"?=\?')
_SECTION = re.compile(r"\b(SET|ADD|REMOVE)\b")


class ConditionFailed(Exception):
    """The condition of a write did not hold."""


@dataclass(slots=True)
class Usage:
    """What was asked of us."""

    requests: int = 0
    wru: float = 0
    rru: float = 0


def item_size(item: Mapping[str, Wire]) -> int:
    """Bytes of an item as DynamoDB counts them."""
    return sum(len(name.encode()) + _value_size(value) for name, value in item.items())


def _value_size(value: Wire) -> int:
    ((kind, raw),) = value.items()
    match kind:
        case "S":
            return len(raw.encode())
        case "B":
            return len(b64decode(raw))
        case "N":
            return (len(raw.strip("-0.")) + 1) // 2 + 1
        case "L":
            return 3 + sum(1 + _value_size(one) for one in raw)
        case "M":
            return 3 + sum(1 + len(name.encode()) + _value_size(one) for name, one in raw.items())
        case _:
            return 1


class Tables:
    """All items by table and key, and the meaning of the operations we use."""

    def __init__(self) -> None:
        self.usage = Usage()
        self._tables: dict[str, dict[str, dict[str, Wire]]] = {}

    def answer(self, operation: str, request: Wire) -> Wire:
        """One request.

        Raises
        ------
        ConditionFailed : a single write or a transaction is refused; nothing of it is kept.
        """
        self.usage.requests += 1
        handlers: dict[str, Callable[[Wire], Wire]] = {
            "GetItem": self._get,
            "BatchGetItem": self._batch_get,
            "Query": self._query,
            "PutItem": self._put,
            "UpdateItem": self._update,
            "BatchWriteItem": self._batch_write,
            "BatchExecuteStatement": self._batch_execute,
            "TransactWriteItems": self._transact,
            "PutEvents": lambda events: {
                "FailedEntryCount": 0,
                "Entries": [{"EventId": "e"} for _ in events["Entries"]],
            },
        }
        return handlers[operation](request)

    # ---- reads

    def _get(self, request: Wire) -> Wire:
        item = self._read(request["TableName"], request["Key"], consistent=request.get("ConsistentRead", False))
        return {"Item": item} if item else {}

    def _batch_get(self, request: Wire) -> Wire:
        responses = {}
        for table, wanted in request["RequestItems"].items():
            consistent = wanted.get("ConsistentRead", False)
            found = (self._read(table, key, consistent=consistent) for key in wanted["Keys"])
            responses[table] = [item for item in found if item]
        return {"Responses": responses, "UnprocessedKeys": {}}

    def _read(self, table: str, key: Wire, *, consistent: bool) -> Wire | None:
        item = self._find(table, key)
        self._bill_read(item_size(item or {}), consistent=consistent)
        return item

    def _query(self, request: Wire) -> Wire:
        """``pk = :p``, optionally ``AND begins_with(sk, :s)``, in either direction."""
        values, names = request["ExpressionAttributeValues"], request.get("ExpressionAttributeNames", {})
        condition = _named(request["KeyConditionExpression"], names)
        (pk,) = re.findall(r"\bpk = (:\w+)", condition)
        prefixes = re.findall(r"begins_with\(sk, (:\w+)\)", condition)
        partition = self._tables.get(request["TableName"], {}).get(values[pk]["S"], {})
        prefix = values[prefixes[0]]["S"] if prefixes else ""
        keys = sorted(
            (sk for sk in partition if sk.startswith(prefix)), reverse=not request.get("ScanIndexForward", True)
        )
        items = [partition[sk] for sk in keys[: request.get("Limit")]]
        self._bill_read(sum(map(item_size, items)), consistent=request.get("ConsistentRead", False))
        return {"Items": items, "Count": len(items), "ScannedCount": len(items)}

    def _bill_read(self, size: int, *, consistent: bool) -> None:
        self.usage.rru += _units(size, 4096) * (1 if consistent else 0.5)

    # ---- writes

    def _put(self, request: Wire) -> Wire:
        self._check(request["TableName"], request["Item"], request)
        self._write(request["TableName"], request["Item"])
        return {}

    def _update(self, request: Wire) -> Wire:
        self._check(request["TableName"], request["Key"], request)
        self._write(request["TableName"], self._updated(request))
        return {}

    def _batch_write(self, request: Wire) -> Wire:
        for table, writes in request["RequestItems"].items():
            for write in writes:
                self._write(table, write["PutRequest"]["Item"])
        return {"UnprocessedItems": {}}

    def _batch_execute(self, request: Wire) -> Wire:
        return {"Responses": [self._statement(one) for one in request["Statements"]]}

    def _statement(self, statement: Wire) -> Wire:
        match = _STATEMENT.fullmatch(statement["Statement"])
        if match is None:
            raise ValueError(f"not understood: {statement['Statement']}")
        wanted = _EQUALS.findall(match[3])
        values, known = statement["Parameters"][: -len(wanted)], statement["Parameters"][-len(wanted) :]
        item = self._find(match[1], dict(zip(wanted, known, strict=True)))
        if item is None or any(item.get(name) != value for name, value in zip(wanted, known, strict=True)):
            self._bill_write(item or {}, {})
            return {"Error": {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"}}
        remaining = iter(values)
        changed = dict(item)
        for verb, name in _CLAUSE.findall(match[2]):
            if verb == "SET":
                changed[name] = next(remaining)
            else:
                changed.pop(name, None)
        self._write(match[1], changed)
        return {"TableName": match[1]}

    def _transact(self, request: Wire) -> Wire:
        actions = [next(iter(action.items())) for action in request["TransactItems"]]
        before = self.usage.wru
        try:
            for _, action in actions:
                self._check(action["TableName"], action.get("Item") or action["Key"], action)
            for verb, action in actions:
                if verb == "Put":
                    self._write(action["TableName"], action["Item"])
                elif verb == "Update":
                    self._write(action["TableName"], self._updated(action))
                elif verb == "ConditionCheck":
                    self._bill_write(self._find(action["TableName"], action["Key"]) or {}, {})
        finally:
            self.usage.wru += self.usage.wru - before
        return {}

    def _updated(self, request: Wire) -> Wire:
        values, names = request.get("ExpressionAttributeValues", {}), request.get("ExpressionAttributeNames", {})
        item = dict(self._find(request["TableName"], request["Key"]) or request["Key"])
        _, *parts = _SECTION.split(_named(request["UpdateExpression"], names))
        for verb, body in zip(parts[::2], parts[1::2], strict=True):
            for clause in body.split(","):
                words = clause.replace("=", " ").split()
                match verb:
                    case "SET":
                        item[words[0]] = values[words[1]]
                    case "ADD":
                        was = int(item.get(words[0], {"N": "0"})["N"])
                        item[words[0]] = {"N": str(was + int(values[words[1]]["N"]))}
                    case _:
                        item.pop(words[0], None)
        return item

    def _check(self, table: str, key: Wire, request: Wire) -> None:
        """``attribute_not_exists(a)``, ``a = :b`` and ``a < :b``, joined by AND, and these by OR."""
        if "ConditionExpression" not in request:
            return
        values, names = request.get("ExpressionAttributeValues", {}), request.get("ExpressionAttributeNames", {})
        item = self._find(table, key) or {}

        def holds(clause: str) -> bool:
            if absent := re.fullmatch(r"attribute_not_exists\s*\((\w+)\)", clause):
                return absent[1] not in item
            left, comparison, right = clause.split()
            if comparison == "<":
                return left in item and int(item[left]["N"]) < int(values[right]["N"])
            return bool(item.get(left) == values[right])

        ways = _named(request["ConditionExpression"], names).split(" OR ")
        if not any(all(holds(one) for one in way.split(" AND ")) for way in ways):
            self._bill_write(item, {})
            raise ConditionFailed

    def _find(self, table: str, key: Wire) -> Wire | None:
        pk, sk = _key(key)
        return self._tables.get(table, {}).get(pk, {}).get(sk)

    def _write(self, table: str, item: Wire) -> None:
        pk, sk = _key(item)
        partition = self._tables.setdefault(table, {}).setdefault(pk, {})
        self._bill_write(partition.get(sk, {}), item)
        partition[sk] = item

    def _bill_write(self, old: Wire, new: Wire) -> None:
        self.usage.wru += _units(max(item_size(old), item_size(new)), 1024)
        if new:
            was, now = ([item.get(name) for name in INDEXED] for item in (old, new))
            if was != now:
                self.usage.wru += (None not in was) + (None not in now)


def _key(item: Wire) -> Key:
    return item["pk"]["S"], item.get("sk", {"S": ""})["S"]


def _units(size: int, unit: int) -> int:
    return max(1, -(-size // unit))


def _named(expression: str, names: Mapping[str, str]) -> str:
    return re.sub(r"#\w+", lambda match: names[match[0]], expression)


def serve() -> None:
    """Answer until killed; the port goes to standard output."""
    tables = Tables()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["content-length"]))
            if self.path == "/usage":
                usage, tables.usage = tables.usage, Usage()
                return self._say(200, asdict(usage))
            if self.path == "/v2/email/outbound-emails":
                return self._say(200, {"MessageId": "0100019a-ses"})
            operation = self.headers["x-amz-target"].partition(".")[2]
            try:
                return self._say(200, tables.answer(operation, json.loads(raw)))
            except ConditionFailed:
                return self._say(400, _refusal(operation))

        def do_GET(self) -> None:
            """The quota of an account that is not what is measured."""
            quota = {"MaxSendRate": 1e6, "Max24HourSend": 1e9, "SentLast24Hours": 0.0}
            self._say(200, {"SendQuota": quota, "SendingEnabled": True})

        def _say(self, status: int, answer: Wire) -> None:
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.0")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("x-amz-crc32", str(zlib.crc32(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        print(server.server_port, flush=True)
        server.serve_forever()


def _refusal(operation: str) -> Wire:
    prefix = "com.amazonaws.dynamodb.v20120810#"
    if operation == "TransactWriteItems":
        return {
            "__type": f"{prefix}TransactionCanceledException",
            "Message": "Transaction cancelled [ConditionalCheckFailed]",
            "CancellationReasons": [{"Code": "ConditionalCheckFailed"}],
        }
    return {"__type": f"{prefix}ConditionalCheckFailedException", "message": "The conditional request failed"}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The other process, as the worker sees it."""

    url: str

    def usage(self) -> Usage:
        """What it was asked since the last time."""
        # Always http://127.0.0.1 and ours.
        with urlopen(Request(f"{self.url}/usage", data=b"", method="POST")) as answer:
            return Usage(**json.load(answer))


@contextmanager
def endpoint() -> Iterator[Endpoint]:
    """Start the process; it ends with the block."""
    with Popen([sys.executable, str(Path(__file__).resolve())], stdout=PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Endpoint(f"http://127.0.0.1:{int(process.stdout.readline())}")
        finally:
            process.terminate()


if __name__ == "__main__":
    serve()
