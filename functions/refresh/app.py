"""The clock: each minute the people who are due, each night everybody a new program has not reached yet."""

from __future__ import annotations

from typing import Any

from tailor.edges import runtime
from tailor.flows.refresh import nightly, tick

RESERVE_MS = 5_000
"""Time kept for finishing the page at hand."""
logger = runtime.logger()


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """``{"job": "tick"}`` or ``{"job": "nightly"}``; answers what was done."""
    job = {"tick": tick, "nightly": nightly}[event.get("job", "tick")]
    done = job(
        runtime.store(),
        runtime.compiled(),
        now=runtime.now(),
        enough=lambda: context.get_remaining_time_in_millis() < RESERVE_MS,
    )
    runtime.count("PeopleDecidedByClock", done.people)
    if done.people:
        runtime.count("ClockLateness", done.late, "Milliseconds")
        logger.info("clock", extra={"people": done.people, "late_ms": done.late, "unfinished": done.unfinished})
    return {"people": done.people, "late_ms": done.late, "unfinished": done.unfinished}
