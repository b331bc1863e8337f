"""Keys: for programs that use this API, and for sources that send."""

from __future__ import annotations

import hmac
import secrets
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Header, Path

from contract import ADMIN, answers, routes
from models import IssuedKey, Key, KeyRequest, SecretRequest
from tailor.edges import runtime
from tailor.flows import admit
from tailor.kernel.errors import Rejected
from tailor.kernel.instants import iso

router = routes()


@router.post(
    "/api/keys",
    summary="Make a key",
    tags=["keys"],
    security=ADMIN,
    responses=answers(422, status=201),
    status_code=201,
)
def make(
    body: KeyRequest, idempotency_key: Annotated[str | None, Header(alias="Idempotency-Key", max_length=255)] = None
) -> IssuedKey:
    """Answers the token or key once; afterwards only its digest is known."""
    entropy = _entropy(idempotency_key)
    now = runtime.now()
    if (body.scopes is None) == (body.source is None):
        raise Rejected("give either 'scopes', for a token, or 'source', for a source's key", code="bad-request")
    if body.scopes is not None:
        issued = admit.issue_token(body.name, body.scopes, runtime.store(), entropy=entropy, now=now)
    else:
        issued = admit.issue_key(
            body.name,
            str(body.source),
            body.secret,
            runtime.store(),
            rate=body.rate,
            entropy=entropy,
            keep_secret=runtime.keep_secret,
            now=now,
        )
    return IssuedKey(**issued)


@router.get(
    "/api/keys",
    summary="List keys",
    tags=["keys"],
    security=ADMIN,
    responses=answers(),
)
def all_keys() -> list[Key]:
    """All keys, the oldest first, without what opens the door."""
    return [Key(**{**key, "created": iso(key["created"])}) for key in admit.admitted(runtime.store())]


@router.put(
    "/api/keys/<id>/secret",
    summary="Replace a signing secret",
    tags=["keys"],
    security=ADMIN,
    responses=answers(404, status=204),
)
def replace_secret(id: Annotated[str, Path()], body: SecretRequest) -> Response[Any]:
    """The secret before stays valid beside the new one, so that nothing signed meanwhile is lost."""
    admit.replace_secret(id, body.secret, runtime.store(), keep_secret=runtime.keep_secret)
    return Response(204)


@router.delete(
    "/api/keys/<id>",
    summary="Revoke a key",
    tags=["keys"],
    security=ADMIN,
    responses=answers(404, status=204),
)
def revoke(id: Annotated[str, Path()]) -> Response[Any]:
    """Holds within a minute."""
    admit.revoke(id, runtime.store(), forget_secret=runtime.forget_secret)
    return Response(204)


def _entropy(idempotency_key: str | None) -> bytes:
    """What a new key is made of. From the same Idempotency-Key comes the same one, so that a repeated request can be
    answered in full although nothing secret is kept: no row, no expiry, nothing to steal."""
    if idempotency_key is None:
        return secrets.token_bytes(32)
    signing = next(iter(runtime.signing_keys().values()))
    return hmac.digest(signing, f"idempotency-key\x1f{idempotency_key}".encode(), "sha256")
