"""What leaves by SQS and EventBridge, in whole batches."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from botocore.exceptions import ClientError

from tailor.kernel.errors import Transient

MESSAGE_BYTES = 200_000
"""Room for events in one queue message."""
MESSAGE_LIMIT = 250_000
"""A message larger than this lies in S3, and the queue holds a claim on it; SQS allows 256 KiB a message (and 1 MiB a
request)."""
MESSAGE_EVENTS = 25
REQUEST_BYTES = 900_000

# What leaves was read from JSON or made of plain values: nothing in it can hold itself.
_write = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, check_circular=False).encode


class Queue:
    """One SQS queue. ``aside`` lays down what is too large for it, and answers the claim."""

    def __init__(self, client: Any, url: str, aside: Callable[[str], str] | None = None) -> None:
        self._client = client
        self._url = url
        self._aside = aside

    def put(self, bodies: Iterable[dict[str, Any]]) -> None:
        """Send every body, up to ten a request.

        Raises
        ------
        Transient : some were not accepted; sending all of them again is safe, consumers are repeatable.
        """
        batch: list[str] = []
        size = 0
        for body in bodies:
            text = _write(body)
            weight = len(text.encode("utf-8", "surrogatepass"))
            if weight > MESSAGE_LIMIT and self._aside is not None:
                about = {name: value for name, value in body.items() if name != "events"}
                text = _write({**about, "claim": self._aside(text)})
                weight = len(text)
            if batch and (len(batch) == 10 or size + weight > REQUEST_BYTES):
                self._send(batch)
                batch, size = [], 0
            batch.append(text)
            size += weight
        if batch:
            self._send(batch)

    def postpone(self, receipt: str, seconds: int) -> None:
        """Let a message that was received come again after ``seconds`` (at most 12 hours after it was received)."""
        try:
            self._client.change_message_visibility(QueueUrl=self._url, ReceiptHandle=receipt, VisibilityTimeout=seconds)
        except ClientError as error:
            raise Transient(f"SQS: {error.response['Error']['Code']}") from error

    def waiting(self) -> int:
        """About how many messages are in the queue, those included that are being worked on."""
        names = [f"ApproximateNumberOfMessages{kind}" for kind in ("", "NotVisible")]
        try:
            answer = self._client.get_queue_attributes(QueueUrl=self._url, AttributeNames=names)
        except ClientError as error:
            raise Transient(f"SQS: {error.response['Error']['Code']}") from error
        return sum(int(value) for value in answer["Attributes"].values())

    def _send(self, batch: Sequence[str]) -> None:
        entries = [{"Id": str(index), "MessageBody": text} for index, text in enumerate(batch)]
        try:
            answer = self._client.send_message_batch(QueueUrl=self._url, Entries=entries)
        except ClientError as error:
            raise Transient(f"SQS: {error.response['Error']['Code']}") from error
        if failed := answer.get("Failed"):
            raise Transient(f"SQS refused {len(failed)} of {len(batch)} messages: {failed[0].get('Code')}")


def envelopes(
    source: str, key: str, events: Sequence[dict[str, Any]], *, received: int, small: bool = False
) -> list[dict[str, Any]]:
    """Events of one request as queue messages, each with at most 25 events and 200 KB, or one larger event.

    ``small`` events are known to have 200 KB together, and need not be weighed.
    """
    if small and len(events) <= MESSAGE_EVENTS:
        return [{"source": source, "key": key, "received": received, "events": list(events)}] if events else []
    out: list[dict[str, Any]] = []
    size = MESSAGE_BYTES
    for event in events:
        weight = len(_write(event).encode("utf-8", "surrogatepass"))
        if size + weight > MESSAGE_BYTES or len(out[-1]["events"]) == MESSAGE_EVENTS:
            out.append({"source": source, "key": key, "received": received, "events": []})
            size = 0
        out[-1]["events"].append(event)
        size += weight
    return out


class Facts:
    """The EventBridge bus on which outsiders hear what happened."""

    def __init__(self, client: Any, bus: str) -> None:
        self._client = client
        self._bus = bus

    def publish(self, facts: Iterable[dict[str, Any]]) -> None:
        """Put facts, ten a request; the fact's ``name`` is the detail type.

        Raises
        ------
        Transient : some were not accepted.
        """
        entries = [
            {
                "EventBusName": self._bus,
                "Source": "tailor",
                "DetailType": fact["name"],
                "Detail": _write(fact),
            }
            for fact in facts
        ]
        for start in range(0, len(entries), 10):
            answer = self._client.put_events(Entries=entries[start : start + 10])
            if answer.get("FailedEntryCount"):
                codes = {entry.get("ErrorCode") for entry in answer["Entries"] if entry.get("ErrorCode")}
                raise Transient(f"EventBridge refused {answer['FailedEntryCount']} facts: {sorted(map(str, codes))}")
