"""Programmes: what is in force, and putting it in force."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body, Path, Query

from contract import READ, WRITE, answers, routes
from models import Programme, ProgrammeSummary, Publication
from tailor.edges import runtime
from tailor.flows import publish
from tailor.kernel.errors import Rejected

router = routes()


@router.get(
    "/api/programmes",
    summary="List programmes",
    tags=["programmes"],
    security=READ,
    responses=answers(),
)
def all_programmes() -> list[ProgrammeSummary]:
    """All programmes in force."""
    return [ProgrammeSummary(**one) for one in publish.programmes(runtime.store())]


@router.get(
    "/api/programmes/<name>",
    summary="One programme",
    tags=["programmes"],
    security=READ,
    responses=answers(404),
)
def one_programme(name: Annotated[str, Path()]) -> Programme:
    """A programme in force, with its whole document."""
    return Programme(**publish.programme(name, runtime.store()))


@router.put(
    "/api/programmes/<name>",
    summary="Publish a programme",
    tags=["programmes"],
    security=WRITE,
    responses=answers(),
)
def publish_programme(
    name: Annotated[str, Path()],
    document: Annotated[dict[str, Any], Body(description="The programme document; its `name` is the one in the path")],
    dry_run: Annotated[bool, Query(description="Check and compare, change nothing")] = False,
) -> Publication:
    """Checks everything first; nothing is in force unless all of it is right. Workers follow within a minute."""
    if document.get("name") != name:
        raise Rejected(f"'name' must be {name!r}, as in the path", code="bad-name", pointer="/name")
    done = publish.publish(document, runtime.store(), now=runtime.now(), dry_run=dry_run)
    return Publication(**asdict(done))


@router.delete(
    "/api/programmes/<name>",
    summary="Withdraw a programme",
    tags=["programmes"],
    security=WRITE,
    responses=answers(404, 409, status=204),
)
def withdraw(name: Annotated[str, Path()]) -> Response[Any]:
    """Takes a programme out of force; every version of it stays on record."""
    publish.withdraw(name, runtime.store(), now=runtime.now())
    return Response(204)
