"""Facts of the bus, and what is to be told to one webhook → HTTPS."""

from __future__ import annotations

import json
from typing import Any

from tailor.edges import runtime
from tailor.flows.notify import Desk, fan_out, tell

logger = runtime.logger()


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """SQS batch in, partial batch response out."""
    desk = Desk(runtime.store(), runtime.notify_queue(), runtime.facts(), runtime.outside(), runtime.secret_of_key)
    failed = [record["messageId"] for record in event["Records"] if not _done(record, desk)]
    return {"batchItemFailures": [{"itemIdentifier": id} for id in failed]}


def _done(record: dict[str, Any], desk: Desk) -> bool:
    try:
        body = json.loads(record["body"])
        if "detail" in body:
            fan_out(body["detail"], desk)
            return True
        return _tell(body, record, desk)
    except Exception:
        logger.exception("record goes back to the queue", extra={"record": record["messageId"]})
        return False


def _tell(body: dict[str, Any], record: dict[str, Any], desk: Desk) -> bool:
    told = tell(
        body["webhook"],
        body["delivery"],
        desk,
        again=body.get("again", False),
        attempt=int(record["attributes"]["ApproximateReceiveCount"]),
        now=runtime.now(),
    )
    runtime.count("WebhookDeliveries", state=told.state)
    logger.info("told", extra={"webhook": body["webhook"], "state": told.state, "why": told.why})
    if told.state != "RETRY":
        return True
    desk.queue.postpone(record["receiptHandle"], told.after)
    return False
