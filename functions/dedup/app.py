"""Who is the same: as somebody arrives, by the stream of the people table, and everybody at night, in stretches."""

from __future__ import annotations

from typing import Any

from tailor.edges import runtime
from tailor.flows import dedup
from tailor.kernel.errors import Transient

logger = runtime.logger()


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Records of the stream, ``{"job": "nightly"}``, or ``{"job": "continue"}``, which comes each minute."""
    if "Records" in event:
        return _arrive(event["Records"])
    if event.get("job") == "nightly":
        dedup.begin(runtime.store(), by="schedule", now=runtime.now())
    run = dedup.work(
        runtime.store(),
        runtime.compiled,
        new_id=runtime.person_id,
        clock=runtime.now,
        left=lambda: context.get_remaining_time_in_millis() / 1000,
    )
    if run is None:
        return {"state": "idle"}
    if run.finished:
        for name, metric in (("mended", "PeopleMended"), ("joined", "PeopleJoined"), ("review", "PairsToReview")):
            runtime.count(metric, run.counts.get(name, 0))
    logger.info("dedup", extra={"stage": run.stage, "counts": run.counts})
    return {"stage": run.stage, "counts": run.counts}


def _arrive(records: list[dict[str, Any]]) -> dict[str, Any]:
    # Here and not above: comparing needs numpy, and most minutes have nothing to compare.
    from tailor.flows.arrive import arrive

    people = dict.fromkeys(record["dynamodb"]["NewImage"]["pk"]["S"] for record in records)
    try:
        counts = arrive(people, runtime.store(), runtime.compiled(), clock=runtime.now)
    except Transient as later:
        logger.warning("the stream comes again", extra={"why": str(later)})
        return {"batchItemFailures": [{"itemIdentifier": records[0]["dynamodb"]["SequenceNumber"]}]}
    logger.info("arrived", extra={"people": len(people), "counts": counts})
    return {"batchItemFailures": []}
