"""The clock: each minute the people who are due, and a stretch of whatever job is open; each night the audit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from tailor.edges import runtime
from tailor.flows.erase import erase_all
from tailor.flows.refresh import Ticked, record, tick
from tailor.flows.walk import begin_audit, work

RESERVE_MS = 5_000
"""Time kept for finishing the page at hand."""
STRETCH_MS = 45_000
"""What a tick may take before the next one comes."""
STOCK_MS = 300_000
"""What counting purchases may take before the audit begins."""
logger = runtime.logger()


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """``{"job": "tick"}`` or ``{"job": "nightly"}``; answers what was done."""
    left = context.get_remaining_time_in_millis

    def out_of_time() -> bool:
        return bool(left() < RESERVE_MS)

    if event.get("job", "tick") == "nightly":
        begin_audit(runtime.store(), now=runtime.now())
        begun = left()
        stocked = _stock(lambda: out_of_time() or begun - left() > STOCK_MS)
        return {**_walk(out_of_time), "stocked": stocked}
    begun = left()
    ticked = tick(runtime.store(), runtime.compiled(), clock=runtime.now, enough=out_of_time)
    _report(ticked)
    _erase(out_of_time)
    walked = _walk(lambda: out_of_time() or begun - left() > STRETCH_MS)
    return {"people": ticked.people, "late_ms": max(ticked.late, default=0), "unfinished": ticked.unfinished, **walked}


def _report(ticked: Ticked) -> None:
    record(ticked, runtime.store(), now=runtime.now())
    runtime.count("PeopleDecidedByClock", ticked.people)
    if ticked.people:
        late = {"p50": ticked.percentile(0.5), "p95": ticked.percentile(0.95), "max": max(ticked.late)}
        runtime.count("ClockLateness", late["max"], "Milliseconds")
        runtime.count("ClockLatenessP50", late["p50"], "Milliseconds")
        runtime.count("ClockLatenessP95", late["p95"], "Milliseconds")
        logger.info("clock", extra={"people": ticked.people, "late_ms": late, "unfinished": ticked.unfinished})


def _erase(enough: Callable[[], bool]) -> None:
    for done in erase_all(runtime.store(), clock=runtime.now, enough=enough):
        logger.info("erased", extra={"person": done.person, "counts": done.counts})
        runtime.count("PeopleErased")


def _stock(enough: Callable[[], bool]) -> dict[str, int]:
    # Here and not above: the clock does not need the language of letters.
    from tailor.flows.stock import stock

    stocked = stock(runtime.store(), runtime.program(), now=runtime.now(), enough=enough)
    logger.info("stocked", extra=stocked)
    return stocked


def _walk(enough: Callable[[], bool]) -> dict[str, Any]:
    worked = work(runtime.store(), runtime.compiled, clock=runtime.now, enough=enough, anchors=runtime.anchors)
    for one in worked.disagreements:
        logger.warning("the audit disagreed, and repaired", extra=asdict(one))
    if worked.disagreements:
        runtime.count("AuditDisagreements", len(worked.disagreements))
    if worked.counts:
        logger.info("walked", extra={"counts": dict(worked.counts)})
    return {"walked": dict(worked.counts)}
