"""One-click unsubscribe (RFC 8058) and the preference page. A GET never changes anything: scanners follow links."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import pages
from tailor.edges import runtime
from tailor.edges.http import inbound, respond
from tailor.flows.choose import Desk, check_unsubscribe, choices, choose, unsubscribe
from tailor.kernel.errors import Rejected, Transient
from tailor.kernel.inbound import Inbound

logger = runtime.logger()
Answer = dict[str, Any]


def handler(event: dict[str, Any], context: object) -> Answer:
    """HTTP in, a page out."""
    request = inbound(event)
    token = (event.get("pathParameters") or {}).get("token", "")
    try:
        desk = Desk(runtime.store(), runtime.compiled(), runtime.signing_keys(), runtime.person_id)
        answer = _unsubscribe if request.path.startswith("/u/") else _preferences
        return answer(request, token, desk)
    except Rejected as error:
        return _page(pages.refused(error.detail), error.status)
    except Transient:
        logger.warning("choice was not taken")
        return _page(pages.refused("We could not save that just now. Please try again in a minute."), 503)


def _unsubscribe(request: Inbound, token: str, desk: Desk) -> Answer:
    if request.method == "POST":
        unsubscribe(token, desk, how=_evidence(request, pages.UNSUBSCRIBE_TEXT), now=runtime.now())
        runtime.count("Unsubscribed")
        return _page(pages.unsubscribed())
    check_unsubscribe(token, desk)
    return _page(pages.confirm_unsubscribe())


def _preferences(request: Inbound, token: str, desk: Desk) -> Answer:
    now = runtime.now()
    if request.method == "POST":
        form = parse_qsl(request.body.decode("utf-8", "replace"), max_num_fields=200)
        chosen = {value for name, value in form if name == "choice"}
        how = _evidence(request, pages.PREFERENCES_TEXT)
        return _page(pages.preferences(choose(token, chosen, desk, how=how, now=now), saved=True))
    return _page(pages.preferences(choices(token, desk, now=now), saved=False))


def _evidence(request: Inbound, text: str) -> dict[str, str]:
    """What the choice was made by and under which words."""
    return {"door": request.path.split("/")[1], "text": text, "agent": request.headers.get("user-agent", "")[:200]}


def _page(html: str, status: int = 200) -> Answer:
    headers = {
        "content-type": "text/html; charset=utf-8",
        "cache-control": "no-store",
        "referrer-policy": "no-referrer",
        "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'",
        "x-robots-tag": "noindex",
    }
    return respond(status, html, headers)
