"""Quarantine: what could not be used, and a second try."""

from __future__ import annotations

import json
from heapq import nlargest
from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Path, Query

from contract import READ, WRITE, answers, routes
from models import Quarantined, Replayed, ReplayRequest
from tailor.edges import runtime
from tailor.flows.replay import replay
from tailor.kernel.errors import Rejected
from tailor.kernel.instants import iso

router = routes()
BEGINNING = 2_000
"""Characters of an item that a list shows."""


@router.get(
    "/api/quarantine",
    summary="What could not be used",
    tags=["quarantine"],
    security=READ,
    responses=answers(),
)
def quarantined(
    day: Annotated[str | None, Query(pattern=r"^\d{4}-\d{2}-\d{2}$", description="In UTC; today if left out")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> list[Quarantined]:
    """The rows of one day, the newest first, long items by their beginning; they are kept for 30 days."""
    rows = runtime.store().quarantined(day or iso(runtime.now())[:10])
    return [_shown(row, brief=True) for row in nlargest(limit, rows, key=lambda row: (row["at"], row["id"]))]


@router.get(
    "/api/quarantine/<day>/<mark>",
    summary="One row",
    tags=["quarantine"],
    security=READ,
    responses=answers(404),
)
def row(day: Annotated[str, Path()], mark: Annotated[str, Path()]) -> Quarantined:
    """What came, and why it could not be used; the two parts of its address are those of its id."""
    found = runtime.store().quarantined_row(f"{day}/{mark}")
    if found is None:
        raise Rejected("there is no such row; list them with GET /api/quarantine", code="not-found", status=404)
    return _shown(found)


def _shown(row: dict[str, Any], *, brief: bool = False) -> Quarantined:
    raw = row["raw"]
    if brief and len(text := raw if isinstance(raw, str) else json.dumps(raw, ensure_ascii=False)) > BEGINNING:
        raw = f"{text[:BEGINNING]}…"
    return Quarantined(**{**row, "at": iso(row["at"]), "raw": raw})


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
