"""A person's rights: everything we hold, its erasure, and the proof of what they agreed to."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Path, Query

from contract import ADMIN, READ, answers, routes
from models import Erasure, Proof
from tailor.edges import runtime
from tailor.flows import show
from tailor.flows.erase import erase, erasures, find_erasure, request_erasure
from tailor.flows.export import export, page
from tailor.flows.verify import verify
from tailor.kernel.errors import Rejected

router = routes()


@router.get(
    "/api/people/<id>/export",
    summary="All we hold about somebody",
    tags=["rights"],
    security=ADMIN,
    responses=answers(404),
)
def exported(
    id: Annotated[str, Path()],
    form: Annotated[Literal["json", "page"], Query(alias="as", description="page: HTML to read")] = "json",
) -> Response[Any]:
    """Complete, for the person: sensitive and undeclared attributes too."""
    store = runtime.store()
    made = export(show.load(id, store), store, runtime.program(), runtime.imports(), now=runtime.now())
    if form == "page":
        return Response(200, "text/html; charset=utf-8", page(made))
    return Response(200, "application/json", made)


@router.post(
    "/api/people/<id>/erase",
    summary="Erase a person",
    tags=["rights"],
    security=ADMIN,
    responses=answers(404),
)
def begin_erasure(id: Annotated[str, Path()]) -> Erasure:
    """Takes the person out at once; the receipt is final after a quarter of an hour. Repeating it changes nothing."""
    store = runtime.store()
    known = find_erasure(id, store) or request_erasure(show.load(id, store).id, store, how="api", now=runtime.now())
    return Erasure(**erase(known, store, clock=runtime.now).receipt())


@router.get(
    "/api/erasures",
    summary="Requests for erasure",
    tags=["rights"],
    security=READ,
    responses=answers(),
)
def requested(finished: bool = False) -> list[Erasure]:
    """Those that are open, the nearest deadline first; or those that are finished, the newest first."""
    return [Erasure(**one.receipt()) for one in erasures(runtime.store(), finished=finished)]


@router.get(
    "/api/erasures/<id>",
    summary="One receipt",
    tags=["rights"],
    security=READ,
    responses=answers(404),
)
def receipt(id: Annotated[str, Path()]) -> Erasure:
    """What became of the person in each store."""
    if (known := find_erasure(id, runtime.store())) is None:
        raise Rejected("nobody with this id was to be erased; GET /api/erasures", code="not-found", status=404)
    return Erasure(**known.receipt())


@router.get(
    "/api/people/<id>/consent",
    summary="Prove the consent chain",
    tags=["rights"],
    security=READ,
    responses=answers(404),
)
def proved(id: Annotated[str, Path()]) -> Proof:
    """Whether a row of it was altered or taken away, and which."""
    store = runtime.store()
    return Proof(**verify(show.load(id, store), store))
