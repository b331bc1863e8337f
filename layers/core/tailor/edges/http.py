"""HTTP as API Gateway hands it to a function (HTTP API, payload format 2.0), in and out."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Mapping
from typing import Any

from tailor.kernel.errors import Rejected
from tailor.kernel.inbound import Inbound


def inbound(event: Mapping[str, Any]) -> Inbound:
    """The request inside an event: raw bytes, lower-case header names, a path without the stage."""
    http = event["requestContext"]["http"]
    stage = event["requestContext"].get("stage", "$default")
    path = event.get("rawPath") or http["path"]
    if stage != "$default" and path.startswith(f"/{stage}/"):
        path = path.removeprefix(f"/{stage}")
    text = event.get("body") or ""
    return Inbound(
        method=http["method"],
        path=path,
        headers={name.lower(): value for name, value in event.get("headers", {}).items()},
        body=b64decode(text) if event.get("isBase64Encoded") else text.encode("utf-8", "surrogatepass"),
        query=event.get("queryStringParameters") or {},
    )


def respond(
    status: int, body: str | Mapping[str, Any] = "", headers: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """An answer of a function; an object becomes JSON."""
    if isinstance(body, str):
        return {"statusCode": status, "headers": dict(headers or {}), "body": body}
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
    return {"statusCode": status, "headers": {"content-type": "application/json"} | dict(headers or {}), "body": text}


def problem(error: Rejected, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    """A refusal as ``application/problem+json`` (RFC 9457)."""
    return respond(
        error.status,
        error.problem(),
        {"content-type": "application/problem+json", "cache-control": "no-store"} | dict(headers or {}),
    )
