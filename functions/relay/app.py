"""The people table's stream → facts on the bus, owed messages on the send queue."""

from __future__ import annotations

from typing import Any

from tailor.edges import runtime
from tailor.flows.relay import relay

logger = runtime.logger()


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """DynamoDB stream batch in, partial batch response out."""
    failed = relay(event["Records"], runtime.facts(), runtime.send_queue(), runtime.broadcast_queue)
    if failed:
        logger.warning("stream goes back to a record", extra={"sequence": failed[0]})
    return {"batchItemFailures": [{"itemIdentifier": sequence} for sequence in failed]}
