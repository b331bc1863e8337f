"""Journeys: what they do, who is where in them, and what would become of somebody."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Path

from contract import READ, WRITE, answers, routes
from models import (
    Enrolled,
    Happening,
    Journey,
    JourneyRequest,
    JourneySummary,
    Publication,
    RehearsalRequest,
    WatchedJourney,
)
from tailor.edges import runtime
from tailor.flows import conduct, show
from tailor.flows import watch as watching
from tailor.flows.foresee import foresee

router = routes()


@router.get(
    "/api/journeys",
    summary="List journeys",
    tags=["journeys"],
    security=READ,
    responses=answers(),
)
def journeys() -> list[JourneySummary]:
    """All journeys in force, with what begins them and how many are in them."""
    return [JourneySummary(**one) for one in conduct.journeys(runtime.store(), runtime.compiled())]


@router.get(
    "/api/journeys/<key>",
    summary="One journey",
    tags=["journeys"],
    security=READ,
    responses=answers(404),
)
def journey(key: Annotated[str, Path()]) -> Journey:
    """A journey in English, and how many wait at each step."""
    return Journey(**conduct.journey(key, runtime.store(), runtime.compiled()))


@router.get(
    "/api/journeys/<key>/watch",
    summary="Watch a journey",
    tags=["journeys"],
    security=READ,
    responses=answers(404),
)
def watch(key: Annotated[str, Path()]) -> WatchedJourney:
    """Who is in which step now, what is held there and why, what is due next, how it ended, what became of its letters.
    Large tables are judged by a sample."""
    return WatchedJourney(**watching.watch(key, runtime.store(), runtime.compiled(), now=runtime.now()))


@router.post(
    "/api/journeys/<key>/enrol",
    summary="Let somebody in",
    tags=["journeys"],
    security=WRITE,
    responses=answers(404, 409),
)
def enrol(key: Annotated[str, Path()], body: JourneyRequest) -> Enrolled:
    """Asks for a person to enter a journey whose trigger is `api`; its entry and re-entry rules still decide."""
    store = runtime.store()
    person = show.load(body.person, store)
    queue = runtime.ingest_queue()
    done = conduct.enrol(key, person, body.properties, runtime.compiled(), queue, now=runtime.now())
    return Enrolled(**done)


@router.post(
    "/api/journeys/<key>/pause",
    summary="Pause a journey",
    tags=["journeys"],
    security=WRITE,
    responses=answers(404),
)
def pause(key: Annotated[str, Path()]) -> Publication:
    """From the next minute on nobody enters and those in it stand still; what ends them goes on being watched."""
    done = conduct.hold(key, runtime.store(), runtime.compiled(), paused=True, now=runtime.now())
    return Publication(**asdict(done))


@router.post(
    "/api/journeys/<key>/resume",
    summary="Let a journey go on",
    tags=["journeys"],
    security=WRITE,
    responses=answers(404),
)
def resume(key: Annotated[str, Path()]) -> Publication:
    """Those in it go on where they stood; letters whose `not_after` has passed meanwhile are left out."""
    done = conduct.hold(key, runtime.store(), runtime.compiled(), paused=False, now=runtime.now())
    return Publication(**asdict(done))


@router.post(
    "/api/people/<id>/rehearsal",
    summary="What would become of somebody",
    tags=["people"],
    security=READ,
    responses=answers(404, 422),
)
def rehearsal(id: Annotated[str, Path()], body: RehearsalRequest) -> list[Happening]:
    """What happens to a person from now on if only time passes, under what is in force or a programme to try."""
    store = runtime.store()
    found = foresee(show.load(id, store), body.span, body.programme, store, runtime.compiled(), now=runtime.now())
    return [Happening(**one) for one in found]
