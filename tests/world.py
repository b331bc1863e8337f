"""The whole system in one process, on moto's tables, with a clock that is moved by hand and workers that can be killed.

The real handlers run; only what is outside of them is ours: queues, the stream, SES and the clock. Every AWS call goes
through :class:`Gate`, which counts them and can kill the worker after any one of them, and records can be
delivered twice and in any order.
"""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random
from types import ModuleType, SimpleNamespace
from typing import Any

import botocore.session
from botocore.exceptions import ClientError, ReadTimeoutError
from moto import mock_aws

from tailor.edges import runtime
from tailor.edges.store import Store
from tailor.kernel.event import ConsentChange, Event, Identifier
from tailor.kernel.instants import MINUTE, iso
from tailor.kernel.person import Person
from tailor.rules.identity import ordered

ROOT = Path(__file__).parents[1]
START = 1_795_500_000_000
"""2026-11-24T06:00:00Z, an instant like any other."""
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "PEOPLE_TABLE": "people",
    "LEDGER_TABLE": "ledger",
    "INGEST_QUEUE_URL": "ingest",
    "SEND_QUEUE_URL": "send",
    "BROADCAST_QUEUE_URL": "broadcast",
    "SEND_WORKERS": "2",
    "NOTIFY_QUEUE_URL": "notify",
    "IMPORT_QUEUE_URL": "import",
    "BULK_QUEUE_URL": "bulk",
    "CLAIMS_BUCKET": "claims",
    "IMPORTS_BUCKET": "imports",
    "ANCHORS_BUCKET": "anchors",
    "EVENT_BUS": "facts",
    "CONFIGURATION_SET": "tailor",
    "PUBLIC_URL": "https://mail.shop.example",
    "SIGNING_SECRET_ARN": "signing",
    "ADMIN_SECRET_ARN": "admin",
    "SECRETS_PREFIX": "/tailor/test",
    "POWERTOOLS_SERVICE_NAME": "test",
    "POWERTOOLS_METRICS_NAMESPACE": "Tailor",
    "LOG_LEVEL": "INFO",
}
NIGHT = SimpleNamespace(get_remaining_time_in_millis=lambda: 900_000, aws_request_id="request", function_name="f")
QUEUES = ("broadcast", "ingest", "send", "notify", "import", "bulk")
CONTEXT = SimpleNamespace(get_remaining_time_in_millis=lambda: 60_000, aws_request_id="request", function_name="f")


READING = ("get_", "batch_get_", "query", "scan", "head_", "list_")
"""How operations that change nothing begin."""


REFUSING = {
    "throttle": ("TooManyRequestsException", "Maximum sending rate exceeded."),
    "daily": ("TooManyRequestsException", "Daily message quota exceeded."),
    "paused": ("SendingPausedException", "Sending is paused."),
    "reject": ("MessageRejected", "Email address is not verified."),
    "locked out": ("AccessDeniedException", "not authorized to perform ses:SendEmail"),
}
"""Mood of SES → the error it answers with."""


class Killed(BaseException):
    """The worker is gone, in the middle of what it did."""


@dataclass
class Gate:
    """Counts AWS calls; kills the worker once, when call ``kill_at`` has taken effect and before it can know.

    ``changing``: numbers of the calls that change something. A worker who is killed after one that only reads leaves
    the world as who is killed after the one before does.
    """

    calls: int = 0
    kill_at: int | None = None
    killed: bool = False
    changing: list[int] = field(default_factory=list)

    def pass_through(self, call: Callable[[], Any], operation: str = "") -> Any:
        self.calls += 1
        if not operation.startswith(READING):
            self.changing.append(self.calls)
        self.killed |= self.calls == self.kill_at
        try:
            return call()
        finally:
            if self.calls == self.kill_at:
                raise Killed


def create_tables(client: Any) -> None:
    """The two tables as ``template.yaml`` makes them."""
    client.create_table(
        TableName="people",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "due_shard", "AttributeType": "S"},
            {"AttributeName": "due_at", "AttributeType": "N"},
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "due",
                "KeySchema": [
                    {"AttributeName": "due_shard", "KeyType": "HASH"},
                    {"AttributeName": "due_at", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ],
    )
    client.create_table(
        TableName="ledger",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "S"},
        ],
    )


_STATEMENT = re.compile(r'UPDATE "(\w+)" (.+) WHERE (.+)')
_CLAUSE = re.compile(r'(SET|REMOVE) "?(\w+)"?(?:=\?)?')
_EQUALS = re.compile(r'"?(\w+)"?=\?')


class Dynamo:
    """moto's client, with the PartiQL statements we use done by UpdateItem (moto parses no second SET and drops
    conditions), and with every new outbox put on the stream, as DynamoDB does whatever becomes of the caller."""

    def __init__(self, client: Any, gate: Gate, stream: list[dict[str, Any]]) -> None:
        self._client, self._gate, self._stream = client, gate, stream
        self.operations: Counter[str] = Counter()
        self.changed: list[dict[str, Any]] = []

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        return lambda **arguments: self._gate.pass_through(lambda: self._call(operation, arguments), operation)

    def _call(self, operation: str, arguments: dict[str, Any]) -> Any:
        self.operations[operation] += 1
        if operation == "batch_execute_statement":
            return {"Responses": [self._statement(one) for one in arguments["Statements"]]}
        answer = getattr(self._client, operation)(**arguments)
        if operation == "transact_write_items":
            for action in arguments["TransactItems"]:
                if "Put" in action and action["Put"]["TableName"] == "people":
                    self._emit(action["Put"]["Item"])
        return answer

    def _statement(self, statement: dict[str, Any]) -> dict[str, Any]:
        match = _STATEMENT.fullmatch(statement["Statement"])
        assert match, statement
        wanted = _EQUALS.findall(match[3])
        values, known = statement["Parameters"][: -len(wanted)], statement["Parameters"][-len(wanted) :]
        found = dict(zip(wanted, known, strict=True))
        key = {name: found.pop(name) for name in ("pk", "sk") if name in found}
        clauses = _CLAUSE.findall(match[2])
        sets = [name for verb, name in clauses if verb == "SET"]
        removes = [name for verb, name in clauses if verb == "REMOVE"]
        names = {f"#{name}": name for name in (*sets, *removes, *found)}
        expression = "SET " + ", ".join(f"#{name} = :{name}" for name in sets)
        if removes:
            expression += " REMOVE " + ", ".join(f"#{name}" for name in removes)
        try:
            self._client.update_item(
                TableName=match[1],
                Key=key,
                UpdateExpression=expression,
                ConditionExpression=" AND ".join(f"#{name} = :was_{name}" for name in found),
                ExpressionAttributeNames=names,
                ExpressionAttributeValues={f":{n}": v for n, v in zip(sets, values, strict=True)}
                | {f":was_{name}": value for name, value in found.items()},
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            return {"Error": {"Code": "ConditionalCheckFailed"}, "TableName": match[1]}
        if match[1] == "people":
            self._emit({**key, **dict(zip(sets, values, strict=True))})
        return {"TableName": match[1]}

    def _emit(self, item: dict[str, Any]) -> None:
        if "mx" in item:
            self.changed.append(
                {"dynamodb": {"NewImage": {"pk": item["pk"]}, "SequenceNumber": str(len(self.changed))}}
            )
        if "fx" in item:
            image = {"pk": item["pk"], "v": item["v"], "fx": {"B": b64encode(item["fx"]["B"]).decode()}}
            self._stream.append({"dynamodb": {"NewImage": image, "SequenceNumber": str(len(self._stream))}})


class Passing:
    """A client whose calls pass the gate; what makes no call does not."""

    def __init__(self, client: Any, gate: Gate) -> None:
        self._client, self._gate = client, gate

    def __getattr__(self, operation: str) -> Any:
        method = getattr(self._client, operation)
        if operation in ("generate_presigned_url", "exceptions"):
            return method
        return lambda **arguments: self._gate.pass_through(lambda: method(**arguments), operation)


@dataclass
class Ses:
    """SES: keeps raw mail and reports on it; ``moods`` are answers to give instead, first come first served."""

    gate: Gate
    report: Callable[[dict[str, Any]], None]
    now: Callable[[], int]
    moods: list[str] = field(default_factory=list)
    mails: list[dict[str, Any]] = field(default_factory=list)
    rate: float = 1_000_000.0
    daily: float = 1_000_000.0

    def get_account(self) -> dict[str, Any]:
        """The quota of an account that will do for a test."""
        quota = {"MaxSendRate": self.rate, "Max24HourSend": self.daily, "SentLast24Hours": float(len(self.mails))}
        return {"SendQuota": quota, "SendingEnabled": True}

    def send_email(self, **request: Any) -> dict[str, str]:
        return self.gate.pass_through(lambda: self._send(request))  # type: ignore[no-any-return]

    def _send(self, request: dict[str, Any]) -> dict[str, str]:
        mood = self.moods.pop(0) if self.moods else ""
        if mood in REFUSING:
            code, said = REFUSING[mood]
            raise ClientError({"Error": {"Code": code, "Message": said}}, "SendEmail")
        if mood == "lost before":
            raise ReadTimeoutError(endpoint_url="ses")
        id = f"ses-{len(self.mails)}"
        self.mails.append(
            {
                "id": id,
                "to": request["Destination"]["ToAddresses"][0],
                "raw": request["Content"]["Raw"]["Data"],
                "tags": {tag["Name"]: tag["Value"] for tag in request["EmailTags"]},
            }
        )
        for kind in ("Send", "Delivery"):
            self.tell(kind, self.mails[-1])
        if mood == "lost after":
            raise ReadTimeoutError(endpoint_url="ses")
        return {"MessageId": id}

    def tell(self, kind: str, mail: dict[str, Any], **about: Any) -> None:
        """An SES event about a mail, as it is published through SNS."""
        at = iso(self.now())
        tags = {name: [value] for name, value in mail["tags"].items()}
        about = {"timestamp": at, **about}
        if kind in ("Delivery", "Send"):
            about |= {"recipients": [mail["to"]]} if kind == "Delivery" else {}
        body = {"messageId": mail["id"], "timestamp": at, "destination": [mail["to"]], "tags": tags}
        self.report({"eventType": kind, "mail": body, kind.lower(): about})


class World:
    """Everything; see the module docstring."""

    def __init__(self, client: Any) -> None:
        self.now = START
        self.gate = Gate()
        self.stream: list[dict[str, Any]] = []
        self.queues: dict[str, list[str]] = {name: [] for name in QUEUES}
        self.facts: list[dict[str, Any]] = []
        self.ses = Ses(self.gate, lambda body: self.queues["ingest"].append(json.dumps(body)), lambda: self.now)
        self.dynamo = Dynamo(client, self.gate, self.stream)
        self.store = Store(Dynamo(client, Gate(), []), people="people", ledger="ledger")
        self.relayed = 0
        self.postponed: list[int] = []
        self._ids = 0

    # ---- what the handlers see

    def client(self, service: str) -> Any:
        def send_message_batch(QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:
            return self.gate.pass_through(lambda: self._enqueue(QueueUrl, Entries))  # type: ignore[no-any-return]

        def put_events(Entries: list[dict[str, Any]]) -> dict[str, Any]:
            return self.gate.pass_through(lambda: self._publish(Entries))  # type: ignore[no-any-return]

        def hide(QueueUrl: str, ReceiptHandle: str, VisibilityTimeout: int) -> dict[str, Any]:
            return self.gate.pass_through(lambda: self.postponed.append(VisibilityTimeout) or {})  # type: ignore[no-any-return,func-returns-value]

        if service in ("s3", "ssm"):
            return Passing(aws(service), self.gate)
        return {
            "dynamodb": self.dynamo,
            "sqs": SimpleNamespace(
                send_message_batch=send_message_batch,
                change_message_visibility=hide,
                get_queue_attributes=lambda QueueUrl, AttributeNames: {
                    "Attributes": {AttributeNames[0]: str(len(self.queues[QueueUrl]))}
                },
            ),
            "events": SimpleNamespace(put_events=put_events),
            "sesv2": self.ses,
            "secretsmanager": SimpleNamespace(get_secret_value=lambda SecretId: {"SecretString": f"secret-{SecretId}"}),
        }[service]

    def _enqueue(self, queue: str, entries: list[dict[str, Any]]) -> dict[str, Any]:
        self.queues[queue] += [entry["MessageBody"] for entry in entries]
        return {}

    def _publish(self, entries: list[dict[str, Any]]) -> dict[str, Any]:
        self.facts += [json.loads(entry["Detail"]) for entry in entries]
        self.queues["notify"] += [
            json.dumps({"detail-type": e["DetailType"], "source": e["Source"], "detail": json.loads(e["Detail"])})
            for e in entries
        ]
        return {"FailedEntryCount": 0}

    def sleep(self, seconds: float) -> None:
        """Time passes while a worker waits."""
        self.now += max(1, round(seconds * 1000))

    def new_id(self, now: int) -> str:
        self._ids += 1
        return f"p_{self._ids:04d}"

    # ---- what a scenario does

    def publish(self, document: dict[str, Any]) -> None:
        """Put a programme in force at once."""
        self.store.define("programme", document["name"], document)
        runtime._CACHE.clear()

    def event(self, name: str, *who: tuple[str, str], at: int | None = None, **parts: Any) -> Event:
        """An event of the shop; ``at`` defaults to now, ``id`` to what it says."""
        at = self.now if at is None else at
        kind = parts.pop("kind", "track")
        id = parts.pop("id", f"{name}/{who}/{at}")
        consent = tuple(ConsentChange(*change) for change in parts.pop("consent", ()))
        return Event(
            id=id,
            kind=kind,
            name=name,
            at=at,
            received=self.now,
            source=parts.pop("source", "segment"),
            identifiers=ordered([Identifier(*one) for one in who]),
            consent=consent,
            **parts,
        )

    def arrive(self, *events: Event) -> None:
        """Each event reaches the queue in a message of its own."""
        self.queues["ingest"] += [
            json.dumps({"source": event.source, "key": "", "received": self.now, "events": [event.to_json()]})
            for event in events
        ]

    def pump(self, *, twice: bool = False, chaos: Random | None = None, batch: int = 10) -> None:
        """Let the workers work until nothing is left to do. A killed worker's records come again."""
        for _ in range(400):
            waiting = self.queues["ingest"] or self.queues["bulk"] or self.queues["send"] or self.queues["broadcast"]
            if not (waiting or self.relayed < len(self.stream)):
                return
            self._work("absorb", "ingest", twice, chaos, batch)
            self._work("absorb", "bulk", twice, chaos, batch)
            self._relay(twice)
            self._work("send", "send", twice, chaos, batch)
            self._work("send", "broadcast", twice, chaos, batch)
            if self._stuck():
                return
        raise AssertionError("the workers never come to rest")

    def _stuck(self) -> bool:
        """Only messages are left that wait for time to pass."""
        left = (
            tuple(self.queues["ingest"]),
            tuple(self.queues["send"]),
            tuple(self.queues["broadcast"]),
            self.relayed,
            len(self.stream),
        )
        stuck = left == getattr(self, "_left", None)
        self._left = left
        return stuck

    def _work(self, function: str, queue: str, twice: bool, chaos: Random | None, batch: int) -> None:
        waiting, self.queues[queue] = self.queues[queue], []
        if twice:
            waiting = [body for body in waiting for _ in range(2)]
        if chaos:
            chaos.shuffle(waiting)
        for start in range(0, len(waiting), batch):
            bodies = waiting[start : start + batch]
            records = [
                {
                    "messageId": str(i),
                    "receiptHandle": str(i),
                    "eventSourceARN": f"arn:aws:sqs:x:1:{queue}",
                    "body": body,
                }
                for i, body in enumerate(bodies)
            ]
            try:
                answer = app(function).handler({"Records": records}, CONTEXT)
            except Killed:
                self.queues[queue] += bodies
                continue
            failed = {int(one["itemIdentifier"]) for one in answer["batchItemFailures"]}
            self.queues[queue] += [bodies[i] for i in sorted(failed)]

    def _relay(self, twice: bool) -> None:
        records = self.stream[self.relayed :]
        if not records:
            return
        for _ in range(2 if twice else 1):
            try:
                answer = app("relay").handler({"Records": records}, CONTEXT)
            except Killed:
                return
            assert answer == {"batchItemFailures": []}
        self.relayed += len(records)

    def tick(self, to: int | None = None) -> None:
        """Move the clock (to ``to``, else by a minute) and let it strike."""
        self.now = self.now + MINUTE if to is None else to
        try:
            app("refresh").handler({"job": "tick"}, CONTEXT)
        except Killed:
            app("refresh").handler({"job": "tick"}, CONTEXT)

    def compare(self) -> None:
        """Let ``dedup`` compare those of whom something new is known."""
        records, self.dynamo.changed = self.dynamo.changed, []
        if records:
            assert app("dedup").handler({"Records": records}, CONTEXT) == {"batchItemFailures": []}

    def night(self) -> dict[str, Any]:
        """Let ``dedup`` do what it does at night, minute after minute until it is done; answers the last of it."""
        answer: dict[str, Any] = app("dedup").handler({"job": "nightly"}, NIGHT)
        for _ in range(100):
            if answer.get("stage") == "done":
                return answer
            self.now += MINUTE
            answer = app("dedup").handler({"job": "continue"}, NIGHT)
        raise AssertionError("the night never ends")

    def load(self) -> None:
        """Let ``import`` work until nothing is left; where its worker is killed, the minute finds the import."""
        while bodies := self.queues["import"]:
            self.queues["import"] = []
            for body in bodies:
                try:
                    app("import").handler({"Records": [{"messageId": "0", "body": body}]}, NIGHT)
                except Killed:
                    self.now += 15 * MINUTE
                    app("import").handler({"job": "sweep"}, CONTEXT)

    def notify(self, *, attempt: int = 1) -> None:
        """Let ``notify`` work until nothing is left but what waits for another attempt; the others find a record the
        ``attempt``-th time."""
        waiting: list[str] = []
        while bodies := self.queues["notify"]:
            self.queues["notify"] = []
            records = [
                {
                    "messageId": str(index),
                    "receiptHandle": str(index),
                    "body": body,
                    "attributes": {"ApproximateReceiveCount": str(attempt)},
                }
                for index, body in enumerate(bodies)
            ]
            try:
                answer = app("notify").handler({"Records": records}, CONTEXT)
            except Killed:
                self.queues["notify"] += bodies
                continue
            waiting += [bodies[int(one["itemIdentifier"])] for one in answer["batchItemFailures"]]
        self.queues["notify"] = waiting

    def person(self, kind: str, value: str) -> Person | None:
        """Who holds an identifier."""
        one = Identifier(kind, value)
        id = self.store.claims([one], consistent=True).get(one)
        return self.store.person(id, consistent=True) if id else None

    def everybody(self) -> list[Person]:
        """All people."""
        return list(self.store.everybody())


_APPS: dict[str, ModuleType] = {}


def app(function: str) -> ModuleType:
    """A function's ``app`` module, under a name of its own, with its folder importable as Lambda has it."""
    if function not in _APPS:
        folder = ROOT / "functions" / function
        before = set(sys.modules)
        sys.path.insert(0, str(folder))
        try:
            spec = importlib.util.spec_from_file_location(f"functions_{function}", folder / "app.py")
            assert spec
            assert spec.loader
            module = importlib.util.module_from_spec(spec)
            # Its logger keeps the stream it finds; that of a test whose output is captured would be closed after it.
            with redirect_stdout(sys.__stdout__):
                spec.loader.exec_module(module)
        finally:
            sys.path.remove(str(folder))
            for name in set(sys.modules) - before:
                if str(folder) in str(getattr(sys.modules[name], "__file__", "")):
                    del sys.modules[name]
        _APPS[function] = module
    return _APPS[function]


@cache
def _dynamodb() -> Any:
    """One client for all worlds; each takes ten megabytes."""
    return botocore.session.get_session().create_client("dynamodb", region_name="eu-west-1")


@cache
def aws(service: str) -> Any:
    """A client of moto's, past every gate; making one takes a tenth of a second."""
    return botocore.session.get_session().create_client(service, region_name="eu-west-1")


@contextmanager
def world(monkeypatch: Any) -> Iterator[World]:
    """A fresh world; the runtime's parts are made anew for it."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        client = _dynamodb()
        create_tables(client)
        for bucket in ("anchors", "claims", "imports"):
            aws("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        made = World(client)
        queues = (runtime.ingest_queue, runtime.send_queue, runtime.notify_queue, runtime.import_queue)
        for part in (
            *queues,
            runtime.bulk_queue,
            runtime.broadcast_queue,
            runtime.imports,
            runtime.claims,
            runtime.anchors,
            runtime.store,
            runtime.facts,
            runtime.mailer,
        ):
            part.cache_clear()
        runtime.signing_keys.cache_clear()
        runtime.public_url.cache_clear()
        runtime.admin_token.cache_clear()
        runtime._CACHE.clear()
        monkeypatch.setattr(runtime, "client", made.client)
        runtime._PACES.clear()
        # One after the other, so that a scenario is the same each time.
        monkeypatch.setattr(app("send"), "_pool", lambda: SimpleNamespace(map=map))
        monkeypatch.setattr(app("send"), "time", SimpleNamespace(sleep=made.sleep))
        monkeypatch.setattr(runtime, "now", lambda: made.now)
        monkeypatch.setattr(runtime, "person_id", made.new_id)
        monkeypatch.setattr(runtime, "count", lambda *_, **__: None)
        yield made
