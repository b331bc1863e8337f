"""What people ask of us about their data: entered, answered in time, and known afterwards."""

from __future__ import annotations

from typing import Annotated, Literal

from aws_lambda_powertools.event_handler.openapi.params import Path, Query

from contract import READ, WRITE, answers, routes
from models import CarriedOut, Reason, Retention, RightAsked, RightRequest
from tailor.edges import runtime
from tailor.flows import rights, show
from tailor.flows.retention import retention
from tailor.kernel.errors import Rejected

router = routes()


@router.post(
    "/api/people/<id>/requests",
    summary="Somebody exercises a right",
    tags=["rights"],
    security=WRITE,
    responses=answers(404, status=201),
    status_code=201,
)
def ask(id: Annotated[str, Path()], body: RightAsked) -> RightRequest:
    """Entered with the deadline of the law of their country. With `now`, who they are is known, and it is carried out
    at once; else it waits for `carry-out`. One of the same kind that is open stays as it is."""
    person = show.load(id, runtime.store())
    request = rights.ask(person, body.kind, _desk(), by="api", now=runtime.now())
    if body.now:
        request = rights.carry_out(request, _details(body), _desk(), now=runtime.now())
    return _told(request)


@router.get("/api/requests", summary="Requests", tags=["rights"], security=READ, responses=answers())
def listed(
    state: Annotated[Literal["open", "closed"], Query(description="closed: for two years")] = "open",
) -> list[RightRequest]:
    """Those that are open, the nearest deadline first; or those that are closed, the newest first."""
    return [_told(one) for one in rights.requests(runtime.store(), closed=state == "closed")]


@router.get("/api/requests/<id>", summary="One request", tags=["rights"], security=READ, responses=answers(404))
def shown(id: Annotated[str, Path()]) -> RightRequest:
    """What was asked, by when it must be answered, and what became of it."""
    return _told(_found(id))


@router.post(
    "/api/requests/<id>/carry-out",
    summary="Do what was asked",
    tags=["rights"],
    security=WRITE,
    responses=answers(404),
)
def carry_out(id: Annotated[str, Path()], body: CarriedOut) -> RightRequest:
    """Changes the person, and closes the request; repeating it changes nothing."""
    return _told(rights.carry_out(_found(id), _details(body), _desk(), now=runtime.now()))


@router.post(
    "/api/requests/<id>/refuse",
    summary="Refuse a request",
    tags=["rights"],
    security=WRITE,
    responses=answers(404, 409),
)
def refuse(id: Annotated[str, Path()], body: Reason) -> RightRequest:
    """With the reason, of which the person has to be told."""
    return _told(rights.refuse(_found(id), body.why, runtime.store(), now=runtime.now()))


@router.post(
    "/api/requests/<id>/extend",
    summary="Put an answer off",
    tags=["rights"],
    security=WRITE,
    responses=answers(404, 409),
)
def extend(id: Annotated[str, Path()], body: Reason) -> RightRequest:
    """Once, by as much as the law allows, with the reason, of which the person has to be told."""
    return _told(rights.extend(_found(id), body.why, _desk()))


@router.get("/api/retention", summary="What is kept how long", tags=["rights"], security=READ, responses=answers())
def kept() -> Retention:
    """By store and by attribute, what sees to it, and how many of a sample should be gone and are not."""
    return Retention(**retention(runtime.store(), runtime.program(), now=runtime.now()))


def _desk() -> rights.Desk:
    return rights.Desk(runtime.store(), runtime.compiled(), runtime.person_id)


def _details(body: CarriedOut) -> rights.Details:
    return rights.Details(body.attributes or {}, body.purposes or ())


def _found(id: str) -> rights.Request:
    if (request := rights.find(id, runtime.store())) is None:
        raise Rejected("there is no such request; GET /api/requests", code="not-found", status=404)
    return request


def _told(request: rights.Request) -> RightRequest:
    return RightRequest(**request.to_json(now=runtime.now()))
