"""Duplicates: who may be whom, what was decided, and the way back."""

from __future__ import annotations

from typing import Annotated, Literal

from aws_lambda_powertools.event_handler.openapi.params import Path, Query

from contract import READ, WRITE, answers, routes
from models import DedupRun, Duplicate, DuplicateDecision, DuplicatePair
from tailor.edges import runtime
from tailor.flows import dedup, duplicates
from tailor.kernel.errors import Rejected

router = routes()
PAIR = "Two ids with a dot between"


@router.get(
    "/api/duplicates",
    summary="List likely duplicates",
    tags=["duplicates"],
    security=READ,
    responses=answers(),
)
def listed(
    state: Annotated[Literal["review", "joined"], Query(description="joined: merges, the newest first")] = "review",
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> list[Duplicate]:
    """Pairs that somebody should look at, the likeliest first; or those that were merged."""
    found = duplicates.waiting if state == "review" else duplicates.merged
    return [Duplicate(**one) for one in found(runtime.store(), limit=limit)]


@router.get(
    "/api/duplicates/<id>",
    summary="One pair side by side",
    tags=["duplicates"],
    security=READ,
    responses=answers(404),
)
def shown(id: Annotated[str, Path(description=PAIR)]) -> DuplicatePair:
    """Field by field with reasons, and the letters that depend on whether the two are one."""
    return DuplicatePair(**duplicates.show(id, runtime.store(), runtime.compiled(), now=runtime.now()))


@router.post(
    "/api/duplicates/<id>/merge",
    summary="Make one person of two",
    tags=["duplicates"],
    security=WRITE,
    responses=answers(404, 409),
)
def merge(id: Annotated[str, Path(description=PAIR)]) -> DuplicateDecision:
    """In one transaction; consent becomes the stricter of both. Repeating it changes nothing."""
    return DuplicateDecision(**duplicates.merge(id, runtime.store(), runtime.compiled(), now=runtime.now()))


@router.post(
    "/api/duplicates/<id>/keep-apart",
    summary="Keep two people apart",
    tags=["duplicates"],
    security=WRITE,
    responses=answers(404, 409),
)
def keep_apart(id: Annotated[str, Path(description=PAIR)]) -> DuplicateDecision:
    """Nobody is asked about the two again."""
    return DuplicateDecision(**duplicates.keep_apart(id, runtime.store(), now=runtime.now()))


@router.post(
    "/api/duplicates/<id>/undo",
    summary="Undo a merge",
    tags=["duplicates"],
    security=WRITE,
    responses=answers(404, 409),
)
def undo(id: Annotated[str, Path(description=PAIR)]) -> DuplicateDecision:
    """Restores both as they were, with what has happened since given to whom it names; they are kept apart."""
    return DuplicateDecision(**duplicates.undo(id, runtime.store(), runtime.compiled(), now=runtime.now()))


@router.get(
    "/api/dedup",
    summary="How far deduplication is",
    tags=["duplicates"],
    security=READ,
    responses=answers(404),
)
def run() -> DedupRun:
    """The run that is under way, or the report of the last one."""
    if (known := dedup.newest(runtime.store())) is None:
        raise Rejected("it has never run; begin with POST /api/dedup", code="not-found", status=404)
    return DedupRun(**known.to_json())


@router.post(
    "/api/dedup",
    summary="Deduplicate now",
    tags=["duplicates"],
    security=WRITE,
    responses=answers(),
)
def begin() -> DedupRun:
    """Begins within a minute what else begins at night; a run that is under way goes on."""
    return DedupRun(**dedup.begin(runtime.store(), by="request", now=runtime.now()).to_json())
