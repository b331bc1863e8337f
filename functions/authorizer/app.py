"""Who is the bearer of this token? A simple answer for API Gateway, which keeps it for a minute."""

from __future__ import annotations

from typing import Any

from tailor.edges import runtime
from tailor.flows.admit import scopes_of

logger = runtime.logger()
NOBODY = {"isAuthorized": False}


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """``{"isAuthorized", "context": {"key", "scopes"}}``; scopes have blanks between them."""
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        return NOBODY
    known = scopes_of(token.strip(), runtime.store(), admin_token=runtime.admin_token())
    if known is None:
        runtime.count("TokensRefused")
        return NOBODY
    key, scopes = known
    logger.info("admitted", extra={"key": key})
    return {"isAuthorized": True, "context": {"key": key, "scopes": scopes}}
