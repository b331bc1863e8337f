"""Queue records → people. Each record is an envelope of our own door, or an SES event that SNS delivered raw.

A batch is absorbed as a whole (one read and one write for each person). Should anything but a transient refusal stop
it, every record is tried alone, so that one bad record holds up nobody; what can never be absorbed goes to quarantine.
"""

from __future__ import annotations

import json
from typing import Any

from tailor.edges import runtime
from tailor.flows.absorb import absorb
from tailor.kernel.errors import Rejected, Transient
from tailor.kernel.event import Event
from tailor.kernel.inbound import Inbound
from tailor.sources import SOURCES

logger = runtime.logger()


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """SQS batch in, partial batch response out."""
    records = event["Records"]
    try:
        runtime.count("EventsAbsorbed", _absorb(records))
        return {"batchItemFailures": []}
    except Transient as refused:
        logger.warning("batch goes back to the queue", extra={"why": str(refused), "records": len(records)})
        return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in records]}
    except Exception:
        logger.exception("batch failed; trying its records one by one")
        return {"batchItemFailures": [{"itemIdentifier": r["messageId"]} for r in records if not _alone(r)]}


def _absorb(records: list[dict[str, Any]]) -> int:
    events = [event for record in records for event in _events(record["body"])]
    absorb(events, runtime.store(), runtime.compiled(), new_id=runtime.person_id, now=runtime.now())
    return len(events)


def _events(text: str) -> list[Event]:
    if text.startswith('{"source":'):
        return [Event.from_json(raw) for raw in json.loads(text)["events"]]
    parsed = SOURCES["ses"].to_events(Inbound("POST", "/", {}, text.encode()), now=runtime.now())
    for reason, _ in parsed.refused:
        raise reason
    return parsed.events


def _alone(record: dict[str, Any]) -> bool:
    """Absorb one record; whether it is dealt with."""
    try:
        runtime.count("EventsAbsorbed", _absorb([record]))
    except Rejected as error:
        row = {"source": "ses", "reason": error.problem(), "raw": record["body"]}
        runtime.store().quarantine([row], now=runtime.now())
        runtime.count("EventsQuarantined")
    except Exception:
        logger.exception("record goes back to the queue", extra={"record": record["messageId"]})
        return False
    return True
