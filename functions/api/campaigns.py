"""Campaigns: one letter to an audience; made, tried, started, paused, watched."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Path, Query

from contract import READ, WRITE, answers, routes
from models import Campaign, CampaignCheck, CampaignRequest, Tested, TestRequest, WarmUp
from tailor.edges import runtime
from tailor.edges.mailer import Account
from tailor.flows import broadcast
from tailor.flows.show import load
from tailor.kernel.errors import Transient

router = routes()


@router.get(
    "/api/campaigns",
    summary="List campaigns",
    tags=["campaigns"],
    security=READ,
    responses=answers(),
)
def all_campaigns() -> list[Campaign]:
    """Drafts, those that run, those that have ended, and those of programmes that nobody has started."""
    found = broadcast.campaigns(runtime.store(), runtime.compiled(), _account(), now=runtime.now())
    return [Campaign(**one) for one in found]


@router.get(
    "/api/campaigns/<key>",
    summary="One campaign",
    tags=["campaigns"],
    security=READ,
    responses=answers(404),
)
def one_campaign(key: Annotated[str, Path()]) -> Campaign:
    """How it stands, how far it is, when it may be done under the account's quota, and what became of its letters."""
    return Campaign(**broadcast.campaign(key, runtime.store(), _account(), now=runtime.now()))


@router.get(
    "/api/campaigns/<key>/check",
    summary="Check a campaign",
    tags=["campaigns"],
    security=READ,
    responses=answers(404, 422),
)
def check(key: Annotated[str, Path()]) -> CampaignCheck:
    """A dry run: who would get its letter, who would not and why, how long it takes under the account's quota, and what
    it costs. Nothing is sent or kept. Large tables are judged by a sample."""
    # Here and not above: nothing else needs the language of letters.
    from tailor.flows.reckon import reckon
    from tailor.flows.stock import shelf

    store, compiled, stocked = runtime.store(), runtime.compiled(), runtime.kept("shelf", shelf)
    found = reckon(key, store, compiled, _account(), shelf=stocked, now=runtime.now())
    return CampaignCheck(**found)


@router.put(
    "/api/campaigns/<key>",
    summary="Make or change a campaign",
    tags=["campaigns"],
    security=WRITE,
    responses=answers(409, 422),
)
def put(key: Annotated[str, Path()], body: CampaignRequest) -> Campaign:
    """A new one is a draft: nothing leaves before it is started. One that runs goes over everybody again; whom it has
    reached is left alone."""
    document = body.model_dump(exclude_none=True)
    broadcast.put(key, document, runtime.store(), runtime.compiled(), now=runtime.now())
    return one_campaign(key)


def _move(verb: str, *refusals: int) -> Callable[[Callable[[str], object]], Callable[[str], Campaign]]:
    """A route that moves a campaign on and answers how it stands then."""

    def enter(move: Callable[[str], object]) -> Callable[[str], Campaign]:
        def moved(key: Annotated[str, Path()]) -> Campaign:
            move(key)
            return one_campaign(key)

        moved.__name__, moved.__doc__ = verb, move.__doc__
        path, summary = f"/api/campaigns/<key>/{verb}", f"{verb.capitalize()} a campaign"
        router.post(path, summary=summary, tags=["campaigns"], security=WRITE, responses=answers(404, 409, *refusals))(
            moved
        )
        return moved

    return enter


@_move("start", 422)
def start(key: str) -> None:
    """A draft, or one of a programme. Its letters leave from its `at` on."""
    broadcast.start(key, runtime.store(), runtime.compiled(), now=runtime.now())


@_move("pause")
def pause(key: str) -> None:
    """Within seconds nothing of it leaves any more, until it is resumed."""
    broadcast.pause(key, runtime.store(), why="paused by hand", now=runtime.now())


@_move("resume")
def resume(key: str) -> None:
    """Goes on where it was paused."""
    broadcast.resume(key, runtime.store(), now=runtime.now())


@_move("cancel")
def cancel(key: str) -> None:
    """For good: what has not left is left out."""
    broadcast.cancel(key, runtime.store(), now=runtime.now())


@router.post(
    "/api/campaigns/<key>/test",
    summary="Send a test",
    tags=["campaigns"],
    security=WRITE,
    responses=answers(404),
)
def test(key: Annotated[str, Path()], body: TestRequest) -> Tested:
    """The letter to one person, now, whatever schedule, holdout and audience say. Their consent still decides."""
    store = runtime.store()
    person = load(body.person, store)
    return Tested(message=broadcast.test(key, person, store, runtime.compiled(), now=runtime.now()))


@router.get(
    "/api/warm-up",
    summary="Plan a warm-up",
    tags=["campaigns"],
    security=READ,
    responses=answers(),
)
def warm_up(
    letters: Annotated[int, Query(ge=1, le=1_000_000_000)],
    first: Annotated[int, Query(ge=1, le=1_000_000, description="Letters on the first day")] = 50,
) -> WarmUp:
    """Letters a day for a new domain or account, under its quota, and how long the account takes without warming up."""
    return WarmUp(**broadcast.plan(letters, runtime.account(), first=first))


def _account() -> Account | None:
    try:
        return runtime.account()
    except Transient:
        # What a campaign is, is known without SES; only the estimate is not.
        return None
