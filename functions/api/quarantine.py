"""Quarantine: what could not be used, and a second try."""

from __future__ import annotations

from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Query

from contract import READ, WRITE, answers, routes
from models import Quarantined, Replayed, ReplayRequest
from tailor.edges import runtime
from tailor.flows.replay import replay
from tailor.kernel.instants import iso

router = routes()


@router.get(
    "/api/quarantine",
    summary="What could not be used",
    tags=["quarantine"],
    security=READ,
    responses=answers(),
)
def quarantined(
    day: Annotated[str | None, Query(pattern=r"^\d{4}-\d{2}-\d{2}$", description="In UTC; today if left out")] = None,
) -> list[Quarantined]:
    """The rows of one day, the oldest first; they are kept for 30 days."""
    return [Quarantined(**row) for row in runtime.store().quarantined(day or iso(runtime.now())[:10])]


@router.post(
    "/api/quarantine/replay",
    summary="Try again",
    tags=["quarantine"],
    security=WRITE,
    responses=answers(404, 422),
)
def try_again(body: ReplayRequest) -> Replayed:
    """Reads a row once more, or what you send in its place, as of the instant it came in."""
    return Replayed(events=replay(body.id, runtime.store(), runtime.ingest_queue(), mended=body.raw))
