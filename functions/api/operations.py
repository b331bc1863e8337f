"""Operations: jobs that are under way, and how late the clock is."""

from __future__ import annotations

from contract import READ, WRITE, answers, routes
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


@router.post(
    "/api/jobs/count",
    summary="Count everybody now",
    tags=["operations"],
    security=WRITE,
    responses=answers(),
)
def count() -> Job:
    """Who is in which segment, and where in which journey: exactly, in minutes, as each night. `GET /api/jobs` says how
    far it is."""
    return Job(**walk.begin_count(runtime.store(), now=runtime.now()).to_json())


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
