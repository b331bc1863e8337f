"""Letters as people would get them: ``POST /render``, or invoked directly with the same body; and what other senders
need at the moment they send: ``GET /attributes/{kind}/{value}?template=KEY``."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from tailor.edges import runtime
from tailor.edges.http import inbound, problem, respond
from tailor.flows.deliver import Letterheads
from tailor.flows.render import render
from tailor.flows.supply import FRESH, supply
from tailor.kernel.document import canonical, read_object
from tailor.kernel.errors import Rejected
from tailor.kernel.inbound import Inbound
from tailor.kernel.keys import digest
from tailor.kernel.program import Program
from tailor.rules.scopes import require

logger = runtime.logger()


@lru_cache(maxsize=2)
def _letterheads(program: Program) -> Letterheads:
    return Letterheads(program)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """``{"template", "person" or "profile"}`` in, the letter or a problem out."""
    try:
        if "requestContext" not in event:
            return render(event, runtime.store(), now=runtime.now())
        authorizer = event["requestContext"].get("authorizer") or {}
        require((authorizer.get("lambda") or {}).get("scopes"), "read")
        request = inbound(event)
        if request.method == "GET":
            return _attributes(request, event.get("pathParameters") or {})
        letter = render(read_object(request.body), runtime.store(), now=runtime.now())
    except Rejected as error:
        logger.info("not rendered", extra={"code": error.code})
        return problem(error) if "requestContext" in event else error.problem()
    return respond(200, letter, {"cache-control": "no-store"})


def _attributes(request: Inbound, path: dict[str, str]) -> dict[str, Any]:
    program = runtime.program()
    template = request.query.get("template", "")
    supplied = supply(
        path["kind"], path["value"], template, runtime.store(), program, _letterheads(program), now=runtime.now()
    )
    tag = f'"{digest(canonical(supplied), size=10)}"'
    headers = {"cache-control": f"private, max-age={FRESH}", "etag": tag}
    if request.headers.get("if-none-match") == tag:
        return respond(304, "", headers)
    return respond(200, supplied, headers)
