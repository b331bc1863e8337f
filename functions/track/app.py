"""Links and pictures of letters: send on, record only what the person permits."""

from __future__ import annotations

from typing import Any

from tailor.edges import runtime
from tailor.edges.http import inbound, problem, respond
from tailor.flows.track import click, seen
from tailor.kernel.errors import Rejected, Transient
from tailor.kernel.inbound import Inbound
from tailor.rules.agents import HEAD

PIXEL = "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
"""A transparent GIF of one pixel, in base64."""
QUIET = {"cache-control": "no-store", "referrer-policy": "no-referrer", "x-robots-tag": "noindex"}
logger = runtime.logger()


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """``/c/{token}`` answers 302, ``/o/{token}`` always the picture."""
    request = inbound(event)
    token = (event.get("pathParameters") or {}).get("token", "")
    agent = HEAD if request.method == "HEAD" else request.headers.get("user-agent", "unknown")
    return _click(token, agent) if request.path.startswith("/c/") else _open(request, token, agent)


def _click(token: str, agent: str) -> dict[str, Any]:
    try:
        url = click(
            token,
            runtime.store(),
            runtime.ingest_queue(),
            runtime.program(),
            runtime.signing_keys(),
            agent=agent,
            now=runtime.now(),
        )
    except Rejected as error:
        return problem(error)
    return respond(302, "", {"location": url, **QUIET}) if url else respond(204, "", QUIET)


def _open(request: Inbound, token: str, agent: str) -> dict[str, Any]:
    try:
        seen(
            token,
            runtime.store(),
            runtime.ingest_queue(),
            runtime.program(),
            runtime.signing_keys(),
            agent=agent,
            now=runtime.now(),
        )
    except (Rejected, Transient) as error:
        logger.info("open not recorded", extra={"why": type(error).__name__})
    return {
        "statusCode": 200,
        "headers": {"content-type": "image/gif", **QUIET},
        "body": PIXEL,
        "isBase64Encoded": True,
    }
