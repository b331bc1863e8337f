"""A letter as one person would get it: ``POST /render``, or invoked directly with the same body."""

from __future__ import annotations

from typing import Any

from tailor.edges import runtime
from tailor.edges.http import inbound, problem, respond
from tailor.flows.render import render
from tailor.kernel.document import read_object
from tailor.kernel.errors import Rejected
from tailor.rules.scopes import require

logger = runtime.logger()


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """``{"template", "person" or "profile"}`` in, the letter or a problem out."""
    try:
        if "requestContext" not in event:
            return render(event, runtime.store(), now=runtime.now())
        authorizer = event["requestContext"].get("authorizer") or {}
        require((authorizer.get("lambda") or {}).get("scopes"), "read")
        letter = render(read_object(inbound(event).body), runtime.store(), now=runtime.now())
    except Rejected as error:
        logger.info("not rendered", extra={"code": error.code})
        return problem(error) if "requestContext" in event else error.problem()
    return respond(200, letter, {"cache-control": "no-store"})
