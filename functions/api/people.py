"""People: found by an identifier in a body, never in a URL."""

from __future__ import annotations

from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Body, Path, Query

from contract import READ, answers, routes
from models import Entry, Person, Why
from tailor.edges import runtime
from tailor.flows import show
from tailor.flows.why import why

router = routes()


@router.post(
    "/api/people/lookup",
    summary="Find a person",
    tags=["people"],
    security=READ,
    responses=answers(404),
)
def lookup(
    who: Annotated[dict[str, Any], Body(description='One identifier: `{"email": ...}`, `{"user_id": ...}`, ...')],
) -> Person:
    """The person who has an identifier."""
    return Person(**show.profile(show.find(who, runtime.store()), runtime.program()))


@router.get(
    "/api/people/<id>",
    summary="One person",
    tags=["people"],
    security=READ,
    responses=answers(404),
)
def person(id: Annotated[str, Path()]) -> Person:
    """The unified profile; somebody merged away is shown as who took them in."""
    return Person(**show.profile(show.load(id, runtime.store()), runtime.program()))


@router.get(
    "/api/people/<id>/timeline",
    summary="What happened",
    tags=["people"],
    security=READ,
    responses=answers(404),
)
def timeline(id: Annotated[str, Path()], limit: Annotated[int, Query(ge=1, le=500)] = 50) -> list[Entry]:
    """Events, choices and messages, the newest first."""
    store = runtime.store()
    return [Entry(**entry) for entry in show.timeline(show.load(id, store), store, limit=limit)]


@router.get(
    "/api/people/<id>/why/<message>",
    summary="Why this letter",
    tags=["people"],
    security=READ,
    responses=answers(404),
)
def explain(
    id: Annotated[str, Path()],
    message: Annotated[str, Path(description="A message id, or the key of a template, journey or campaign")],
) -> Why:
    """Whether and why they got it; if not, what failed first and what would change it."""
    store = runtime.store()
    return Why(**why(show.load(id, store), message, store, runtime.compiled(), now=runtime.now()))
