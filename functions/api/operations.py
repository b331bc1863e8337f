"""Operations: jobs that are under way, and how late the clock is."""

from __future__ import annotations

from contract import READ, answers, routes
from models import Clock, Job
from tailor.edges import runtime
from tailor.flows import refresh, walk

router = routes()


@router.get(
    "/api/jobs",
    summary="List jobs",
    tags=["operations"],
    security=READ,
    responses=answers(),
)
def jobs() -> list[Job]:
    """The newest job of each kind: how far it is, and when it may be done."""
    return [Job(**job.to_json()) for job in walk.jobs(runtime.store()).values()]


@router.get(
    "/api/clock",
    summary="How late the clock is",
    tags=["operations"],
    security=READ,
    responses=answers(),
)
def clock() -> Clock:
    """The last ticks, and how late people were decided on the last days."""
    return Clock(**refresh.lateness(runtime.store()))
