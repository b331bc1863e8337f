"""The worker one writes first, for comparison: honest, ordinary, and one AWS call at a time.

boto3's resource API; pydantic models for the event; Powertools' Logger and BatchProcessor as its documentation shows
them. For each event: an idempotency row (conditional put), the profile by user id, the event row, the 50 newest events
of the person, a tree walk of every rule over them, the memberships written back, and a fact on the bus. It has no
identity resolution, no consent, no clock, and does not notice lost updates; so it does less than what it is compared
with.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from boto3.dynamodb.conditions import Key
from botocore.exceptions import ClientError
from pydantic import BaseModel, Field

from bench.treewalk import Happened, holds
from tailor.kernel.event import Event

TABLE = "naive"


class Page(BaseModel):
    url: str = ""
    path: str = ""
    referrer: str = ""
    title: str = ""


class Context(BaseModel):
    locale: str = ""
    userAgent: str = ""
    page: Page = Field(default_factory=Page)
    campaign: dict[str, str] = Field(default_factory=dict)
    library: dict[str, str] = Field(default_factory=dict)


class Call(BaseModel):
    """A call of Segment's tracking API."""

    messageId: str = Field(min_length=1, max_length=128)
    type: Literal["identify", "track", "page", "screen", "group", "alias"]
    event: str = Field(max_length=200)
    userId: str
    anonymousId: str
    timestamp: int
    context: Context
    properties: dict[str, Any] = Field(default_factory=dict)


class Naive:
    """The worker, with its clients made; ``rules`` are those of the segments by key."""

    def __init__(self, endpoint: str, rules: Mapping[str, Mapping[str, Any]]) -> None:
        self._rules = rules
        self._table = boto3.resource("dynamodb", endpoint_url=endpoint).Table(TABLE)
        self._events = boto3.client("events", endpoint_url=endpoint)
        # Its lines cost what they cost to make; nobody wants to read them here.
        self._log = Logger(service="naive", stream=Path(os.devnull).open("w"))  # noqa: SIM115
        self._batch = BatchProcessor(event_type=EventType.SQS)
        self._now = 0

    def load(self, attributes: Mapping[str, Any], past: Sequence[Event]) -> None:
        """Store one person with their events."""
        with self._table.batch_writer() as batch:
            profile = {"pk": f"U#{_user(past[0])}", "sk": "U", "attributes": attributes, "segments": []}
            batch.put_item(Item=_decimal(json.dumps(profile)))
            for event in past:
                batch.put_item(Item=_row(Call.model_validate(call(event))))

    def handler(self, event: dict[str, Any], *, now: int) -> None:
        """SQS batch in, partial batch response out."""
        self._now = now
        process_partial_response(event=event, record_handler=self._one, processor=self._batch)

    def _one(self, record: Any) -> None:
        call = Call.model_validate_json(record.body)
        self._log.info("event received", extra={"event": call.messageId, "type": call.type})
        try:
            self._table.put_item(
                Item={"pk": f"D#{call.messageId}", "sk": "D", "ttl": self._now // 1000 + 86_400},
                ConditionExpression="attribute_not_exists(pk)",
            )
        except ClientError as error:
            if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                return
            raise
        key = {"pk": f"U#{call.userId}", "sk": "U"}
        profile = self._table.get_item(Key=key)["Item"]
        self._table.put_item(Item=_row(call))
        newest = self._table.query(
            KeyConditionExpression=Key("pk").eq(f"P#{call.userId}"), ScanIndexForward=False, Limit=50
        )["Items"]
        past = [Happened(row["event"], int(row["timestamp"]), row["properties"]) for row in newest]
        member = [key for key, rule in self._rules.items() if holds(rule, profile["attributes"], past, now=self._now)]
        self._table.update_item(
            Key=key,
            UpdateExpression="SET #segments = :segments ADD #events :one",
            ExpressionAttributeNames={"#segments": "segments", "#events": "events"},
            ExpressionAttributeValues={":segments": member, ":one": 1},
        )
        fact = {"user": call.userId, "entered": sorted(set(member) - set(profile["segments"]))}
        self._events.put_events(
            Entries=[{"Source": "naive", "DetailType": "profile.updated", "Detail": json.dumps(fact)}]
        )


def call(event: Event) -> dict[str, Any]:
    """An event as Segment's client sent it."""
    return {
        "messageId": event.id,
        "type": event.kind,
        "event": event.name,
        "userId": _user(event),
        "anonymousId": event.identifiers[-1].value,
        "timestamp": event.at,
        "context": event.context,
        "properties": event.properties,
    }


def _user(event: Event) -> str:
    return event.identifiers[0].value


def _row(call: Call) -> dict[str, Any]:
    return _decimal(call.model_dump_json()) | {"pk": f"P#{call.userId}", "sk": f"E#{call.timestamp}#{call.messageId}"}


def _decimal(text: str) -> dict[str, Any]:
    """What boto3 takes instead of floats."""
    item: dict[str, Any] = json.loads(text, parse_float=Decimal)
    return item
