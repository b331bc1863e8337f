"""What all routes share: the scopes they ask for, the problems they answer, and the document that says so."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from aws_lambda_powertools.event_handler.openapi.models import HTTPBearer
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from models import Problem
from tailor.flows.publish import Faulty
from tailor.kernel.errors import Rejected

PROBLEM = "application/problem+json"
LATER = {"type": "about:blank", "title": "Try again", "status": 503, "detail": "not done; send it again"}
READ = [{"bearer": ["read"]}]
WRITE = [{"bearer": ["write"]}]
ADMIN = [{"bearer": ["admin"]}]
DESCRIPTION = """People, programmes and keys of one Tailor deployment.

Send `Authorization: Bearer <token>`. Every refusal is `application/problem+json` (RFC 9457) whose `pointer` leads to
what is wrong. No e-mail address belongs in a URL: look people up with `POST /api/people/lookup`. Only making a key is
not repeatable by nature; with an `Idempotency-Key` header it is, and the same key is answered again."""

_MEANING = {
    200: "Done",
    201: "Made",
    204: "Done, there is nothing to say",
    400: "Malformed; `errors` tells every fault",
    401: "No token",
    403: "A token without the scope",
    404: "No such thing",
    409: "In use by something else",
    422: "Well formed, and still not possible",
}


def routes() -> APIGatewayHttpRouter:
    """A group of routes."""
    return APIGatewayHttpRouter()  # type: ignore[no-untyped-call]


def answers(*refusals: int, status: int = 200) -> dict[int, Any]:
    """What a route can answer, for its documentation: ``status`` when all is well (200 with what the route returns,
    204 with nothing), ``refusals`` beside those that every route knows."""
    done: dict[str, Any] = {"description": _MEANING[status]} | ({"content": {}} if status == 204 else {})
    content = {PROBLEM: {"model": Problem}}
    refused = sorted({400, 401, 403, *refusals})
    return {status: done} | {code: {"description": _MEANING[code], "content": content} for code in refused}


def scope_for(method: str, path: str) -> str:
    """The scope a request needs. What nobody thought of needs ``write``."""
    if path.startswith("/api/pulls") and method != "GET":
        # Whoever may name the URL may have the secret sent there.
        return "admin"
    if path.startswith("/api/keys") or path.endswith(("/erase", "/export")):
        return "admin"
    asks = path in ("/api/people/lookup", "/api/segments/preview") or path.endswith("/rehearsal")
    return "read" if method == "GET" or asks else "write"


def malformed(errors: Sequence[Mapping[str, Any]]) -> Faulty:
    """What is wrong with a request, as pydantic found it; values sent are not repeated."""
    return Faulty([_fault(error) for error in errors], code="bad-request")


def _fault(error: Mapping[str, Any]) -> Rejected:
    where, *path = [str(part) for part in error["loc"]]
    if error["type"] == "json_invalid":
        return Rejected("the body is not JSON", code="bad-json")
    if where == "body":
        pointer = "".join(f"/{part.replace('~', '~0').replace('/', '~1')}" for part in path)
        return Rejected(f"{path[-1] if path else 'the body'}: {error['msg']}", code=error["type"], pointer=pointer)
    return Rejected(f"{where} parameter {'.'.join(path)!r}: {error['msg']}", code=error["type"])


def document(app: APIGatewayHttpResolver) -> dict[str, Any]:
    """The OpenAPI document. The library adds its own form of validation errors, which nobody here ever gets."""
    made: dict[str, Any] = json.loads(
        app.get_openapi_json_schema(
            title="Tailor",
            version="1",
            description=DESCRIPTION,
            security_schemes={"bearer": HTTPBearer(description="A token of POST /api/keys, or the deployment's own")},
        )
    )
    for operations in made["paths"].values():
        for operation in operations.values():
            if "HTTPValidationError" in str(operation["responses"].get("422")):
                del operation["responses"]["422"]
    for name in ("HTTPValidationError", "ValidationError", "ResponseValidationError"):
        made["components"]["schemas"].pop(name, None)
    made["paths"] = dict(sorted(made["paths"].items()))
    return made
