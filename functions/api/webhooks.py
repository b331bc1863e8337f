"""Webhooks: who is told which facts."""

from __future__ import annotations

import secrets
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Path

from contract import READ, WRITE, answers, routes
from models import IssuedWebhook, Redelivered, RedeliverRequest, Webhook, WebhookRequest
from tailor.edges import runtime
from tailor.flows import subscribe
from tailor.kernel.instants import iso, parse_instant

router = routes()


@router.post(
    "/api/webhooks",
    summary="Subscribe",
    tags=["webhooks"],
    security=WRITE,
    responses=answers(422, status=201),
    status_code=201,
)
def make(body: WebhookRequest) -> IssuedWebhook:
    """Answers the secret once. A fact comes as JSON with `Tailor-Signature: t=<seconds>,v1=<hex>`, the HMAC-SHA256 of
    `<t>.<body>` by the secret. It may come twice (same `id`) and late (`sequence` orders those of a person)."""
    made = subscribe.subscribe(
        body.url,
        body.events,
        runtime.store(),
        runtime.outside(),
        entropy=secrets.token_bytes(32),
        keep_secret=runtime.keep_secret,
        now=runtime.now(),
    )
    return IssuedWebhook(**_told(made), secret=made["secret"])


@router.get(
    "/api/webhooks",
    summary="List webhooks",
    tags=["webhooks"],
    security=READ,
    responses=answers(),
)
def all_webhooks() -> list[Webhook]:
    """All webhooks, the oldest first."""
    return [Webhook(**_told(one)) for one in subscribe.subscriptions(runtime.store())]


@router.delete(
    "/api/webhooks/<id>",
    summary="Unsubscribe",
    tags=["webhooks"],
    security=WRITE,
    responses=answers(404, status=204),
)
def remove(id: Annotated[str, Path()]) -> Response[Any]:
    """Nothing is told any more, nor what is under way."""
    subscribe.unsubscribe(id, runtime.store(), forget_secret=runtime.forget_secret)
    return Response(204)


@router.post(
    "/api/webhooks/<id>/enable",
    summary="Enable again",
    tags=["webhooks"],
    security=WRITE,
    responses=answers(404, status=204),
)
def enable(id: Annotated[str, Path()]) -> Response[Any]:
    """After its endpoint was mended. What it missed is told by a replay."""
    subscribe.enable(id, runtime.store())
    return Response(204)


@router.post(
    "/api/webhooks/<id>/replay",
    summary="Tell again",
    tags=["webhooks"],
    security=WRITE,
    responses=answers(404, 409),
)
def replay(id: Annotated[str, Path()], body: RedeliverRequest) -> Redelivered:
    """Queues what did not reach the webhook, or everything, of at most 30 days back."""
    since = parse_instant(body.since)
    done = subscribe.replay(id, since, runtime.store(), runtime.notify_queue(), everything=body.everything)
    return Redelivered(queued=done["queued"], next=None if done["next"] is None else iso(done["next"]))


def _told(document: dict[str, Any]) -> dict[str, Any]:
    shown = {name: value for name, value in document.items() if name != "secret"}
    return {**shown, "created": iso(document["created"]), "failures": document.get("failures", 0)}
