"""The recipient's doors: unsubscribe (RFC 8058), preferences, own data, forms. A GET changes nothing: scanners follow
links."""

from __future__ import annotations

from typing import Any

import doors
import pages
from tailor.edges import runtime
from tailor.edges.http import inbound, respond
from tailor.flows.choose import Desk
from tailor.kernel.errors import Rejected, Transient

logger = runtime.logger()
Answer = dict[str, Any]


def handler(event: dict[str, Any], context: object) -> Answer:
    """HTTP in, a page (or, of a person's own data, JSON) out."""
    request = inbound(event)
    parameters = event.get("pathParameters") or {}
    door = doors.DOORS[request.path.split("/")[1]]
    try:
        desk = Desk(runtime.store(), runtime.compiled(), runtime.signing_keys(), runtime.person_id, runtime.imports)
        at = doors.Visit(request, parameters, desk, _sender(event), runtime.now)
        body, status, more = door(at)
        if at.counted:
            runtime.count(at.counted)
    except Rejected as error:
        body, status, more = pages.refused(error.detail), error.status, {}
    except Transient:
        logger.warning("choice was not taken")
        body, status, more = pages.refused("We could not save that just now. Please try again in a minute."), 503, {}
    return respond(status, body, {**HEADERS, **more})


HEADERS = {
    "content-type": "text/html; charset=utf-8",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "x-content-type-options": "nosniff",
    "x-robots-tag": "noindex",
}


def _sender(event: dict[str, Any]) -> str:
    """The network address, evidence of a consent (GDPR article 7 (1))."""
    return str(event["requestContext"]["http"].get("sourceIp", ""))
