"""The REST API under ``/api``; the routes lie beside this file, one group each."""

from __future__ import annotations

import json
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestUnsupportedContentType, RequestValidationError

from contract import LATER, PROBLEM, READ, answers, document, malformed, scope_for
from routers import ROUTERS
from tailor.edges import runtime
from tailor.edges.http import inbound, problem
from tailor.kernel.errors import Rejected, Transient
from tailor.rules.scopes import require

logger = runtime.logger()
app = APIGatewayHttpResolver(enable_validation=True)
for router in ROUTERS:
    app.include_router(router)


@app.get("/api/openapi.json", summary="This document", tags=["about"], security=READ, responses=answers())
def openapi() -> dict[str, Any]:
    """What there is, in OpenAPI 3.1."""
    return document(app)


@app.exception_handler(Rejected)  # type: ignore[untyped-decorator]
def rejected(error: Rejected) -> Response[str]:
    """Told to the caller as it is."""
    return _told(error)


@app.exception_handler([RequestValidationError, RequestUnsupportedContentType])  # type: ignore[untyped-decorator]
def misshapen(error: RequestValidationError) -> Response[str]:
    """Not of the documented shape."""
    return _told(malformed(error.errors()))


@app.not_found
def unknown(error: NotFoundError) -> Response[str]:
    """No such route."""
    return _told(Rejected("there is nothing here: see GET /api/openapi.json", code="not-found", status=404))


@app.exception_handler(Transient)  # type: ignore[untyped-decorator]
def later(error: Transient) -> Response[str]:
    """Not now; the same request may be sent again."""
    return Response(503, PROBLEM, json.dumps(LATER), {"retry-after": str(error.retry_after)})


def _told(error: Rejected) -> Response[str]:
    return Response(error.status, PROBLEM, json.dumps(error.problem()))


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """HTTP in, JSON out. Scopes are checked before anything is looked at."""
    request = inbound(event)
    authorizer = (event["requestContext"].get("authorizer") or {}).get("lambda") or {}
    try:
        require(authorizer.get("scopes"), scope_for(request.method, request.path))
        request.body.decode()
    except Rejected as error:
        return problem(error)
    except UnicodeDecodeError:
        return problem(Rejected("the body is not UTF-8", code="bad-json"))
    answer = app.resolve(event, context)
    answer.setdefault("headers", {})["cache-control"] = "no-store"
    logger.info("answered", extra={"key": authorizer.get("key"), "status": answer["statusCode"]})
    return answer
