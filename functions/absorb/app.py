"""Queue records → people. What a record may hold says :mod:`tailor.flows.unpack`.

A batch is absorbed as a whole (one read and one write for each person). Should anything but a transient refusal stop
it, every record is tried alone, so that one bad record holds up nobody; what can never be absorbed goes to quarantine.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from tailor.edges import runtime
from tailor.flows.absorb import absorb
from tailor.flows.unpack import unpack
from tailor.kernel.errors import Rejected, Transient

logger = runtime.logger()


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """SQS batch in, partial batch response out."""
    records = event["Records"]
    try:
        _absorb(records)
        return {"batchItemFailures": []}
    except Transient as refused:
        logger.warning("batch goes back to the queue", extra={"why": str(refused), "records": len(records)})
        return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in records]}
    except Exception:
        logger.exception("batch failed; trying its records one by one")
        return {"batchItemFailures": [{"itemIdentifier": r["messageId"]} for r in records if not _alone(r)]}


def _absorb(records: list[dict[str, Any]]) -> None:
    now = runtime.now()
    unpacked = [
        unpack(record["body"], claimed=lambda claim: runtime.claims().fetch(claim), now=now) for record in records
    ]
    events = [event for one in unpacked for event in one.events]
    absorb(events, runtime.store(), runtime.compiled(), new_id=runtime.person_id, now=now)
    _quarantine([row for one in unpacked for row in one.rows])
    if claims := [one.claim for one in unpacked if one.claim]:
        runtime.claims().discard(claims)
    for reason, times in Counter(reason for one in unpacked for reason in one.ignored).items():
        logger.info("ignored", extra={"reason": reason, "times": times})
    runtime.count("EventsAbsorbed", len(events))


def _alone(record: dict[str, Any]) -> bool:
    """Absorb one record; whether it is dealt with."""
    try:
        _absorb([record])
    except Rejected as error:
        _quarantine([{"source": "queue", "reason": error.problem(), "raw": record["body"]}])
    except Exception:
        logger.exception("record goes back to the queue", extra={"record": record["messageId"]})
        return False
    return True


def _quarantine(rows: list[dict[str, Any]]) -> None:
    if rows:
        runtime.store().quarantine(rows, now=runtime.now())
        runtime.count("EventsQuarantined", len(rows))
