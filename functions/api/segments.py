"""Segments: what they are, how many are in them, who, and why."""

from __future__ import annotations

from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Path, Query

from contract import READ, answers, routes
from models import Explanation, Members, Preview, PreviewRequest, Segment, SegmentSummary
from tailor.edges import runtime
from tailor.flows import audience, show

router = routes()


@router.get(
    "/api/segments",
    summary="List segments",
    tags=["segments"],
    security=READ,
    responses=answers(),
)
def segments() -> list[SegmentSummary]:
    """All segments in force, with their rules in English and their sizes."""
    return [SegmentSummary(**one) for one in audience.segments(runtime.store(), runtime.compiled())]


@router.post(
    "/api/segments/preview",
    summary="Try a rule",
    tags=["segments"],
    security=READ,
    responses=answers(422),
)
def preview(body: PreviewRequest) -> Preview:
    """How many people a rule would have, estimated from a sample, and some of them."""
    found = audience.preview(body.rule, runtime.store(), runtime.compiled(), purpose=body.purpose, now=runtime.now())
    return Preview(**found)


@router.get(
    "/api/segments/<key>",
    summary="One segment",
    tags=["segments"],
    security=READ,
    responses=answers(404),
)
def segment(key: Annotated[str, Path()]) -> Segment:
    """A segment with its rule and its size, day by day."""
    return Segment(**audience.segment(key, runtime.store(), runtime.compiled()))


@router.get(
    "/api/segments/<key>/members",
    summary="Who is in",
    tags=["segments"],
    security=READ,
    responses=answers(404, 422),
)
def members(
    key: Annotated[str, Path()],
    after: Annotated[str, Query(description="`next` of the page before", max_length=100)] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 500,
) -> Members:
    """A page of members; a page may be short or empty and still have a `next`."""
    return Members(**audience.members(key, runtime.store(), runtime.compiled(), after=after, limit=limit))


@router.get(
    "/api/people/<id>/segments/<key>",
    summary="Why in this segment",
    tags=["people"],
    security=READ,
    responses=answers(404),
)
def explain(id: Annotated[str, Path()], key: Annotated[str, Path()]) -> Explanation:
    """Since when and why they are in, or why not, and when time alone would change that."""
    person = show.load(id, runtime.store())
    return Explanation(**audience.explain(person, key, runtime.compiled(), now=runtime.now()))
