"""The door for events: Segment's calls at ``/v1/…``, signed webhooks at ``/sources/<source>/<key>``."""

from __future__ import annotations

from typing import Any

from tailor.edges import runtime
from tailor.edges.http import inbound, respond
from tailor.flows.ingest import Answer, Door, ingest

logger = runtime.logger()


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """HTTP in, queue messages out."""
    now = runtime.now()
    door = Door(
        key=runtime.key,
        secrets=runtime.secret_of_key,
        enqueue=lambda bodies: runtime.ingest_queue().put(bodies),
        quarantine=lambda rows: runtime.store().quarantine(rows, now=now),
        wait=lambda key, rate: runtime.meter().wait(key, rate, now=now),
        fetch=lambda key, numbers: runtime.import_queue().put([{"hydrate": key, "numbers": numbers}]),
    )
    answer = ingest(inbound(event), door, now=now)
    _count(answer)
    return respond(answer.status, answer.body, answer.headers)


def _count(answer: Answer) -> None:
    if answer.taken:
        runtime.count("EventsTaken", answer.taken, source=answer.source)
    if answer.refused:
        runtime.count("EventsQuarantined", answer.refused, source=answer.source)
        logger.warning("some could not be used", extra={"key": answer.key, "refused": answer.refused})
    for reason in answer.ignored:
        logger.info("ignored", extra={"key": answer.key, "reason": reason})
    if answer.status >= 400:
        runtime.count("RequestsRefused", status=str(answer.status))
