"""Admit: keys of sources and tokens of the API. Only their digests are kept; what opens the door is shown once."""

from __future__ import annotations

import hmac
from base64 import b32encode
from collections.abc import Callable, Sequence
from typing import Any

from tailor.edges.store import Store
from tailor.kernel.errors import Rejected
from tailor.kernel.fields import nearest
from tailor.kernel.keys import digest
from tailor.rules.scopes import SCOPES
from tailor.sources import SOURCES
from tailor.sources.segment import SEGMENT

KIND = "key"
"""Kind of the definitions; their key is the digest of what is shown once."""
WITH_KEYS = tuple(source.name for source in SOURCES.values() if source.signed or source is SEGMENT)
"""Sources that come in by a key: those that sign, and Segment, whose write key is all its proof."""


def issue_token(name: str, scopes: Sequence[str], store: Store, *, entropy: bytes, now: int) -> dict[str, Any]:
    """A token for the API: ``{"id", "token"}``. The same ``entropy`` gives the same one again.

    Raises
    ------
    Rejected : a scope that is none, or ``entropy`` that gave another key before.
    """
    if not scopes:
        raise Rejected(f"name at least one scope of {', '.join(SCOPES)}", code="bad-scope", pointer="/scopes")
    for index, scope in enumerate(scopes):
        if scope not in SCOPES:
            detail = f"there is no scope {scope!r}{nearest(scope, SCOPES)}"
            raise Rejected(detail, code="bad-scope", pointer=f"/scopes/{index}")
    token = _spell("tk", entropy)
    kept = sorted(set(scopes), key=SCOPES.index)
    return {"id": _keep(token, {"name": name, "scopes": kept}, store, now=now), "token": token}


def issue_key(
    name: str,
    source: str,
    secret: str | None,
    store: Store,
    *,
    rate: int | None = None,
    entropy: bytes,
    keep_secret: Callable[[str, str], None],
    now: int,
) -> dict[str, Any]:
    """A key by which ``source`` sends: ``{"id", "key"}``. ``keep_secret(id, secret)`` stores what it signs with;
    ``rate`` is how many requests a second it may make, where that is not the usual.

    Raises
    ------
    Rejected : no such source, or a secret missing or superfluous.
    """
    if source not in WITH_KEYS:
        detail = f"{source!r} is none of {', '.join(WITH_KEYS)}{nearest(source, WITH_KEYS)}"
        raise Rejected(detail, code="bad-source", pointer="/source")
    signed = SOURCES[source].signed
    if signed and not secret:
        raise Rejected(f"{source} signs what it sends: give its 'secret'", code="no-secret", pointer="/secret")
    if secret and not signed:
        raise Rejected(f"{source} signs nothing: leave 'secret' out", code="bad-secret", pointer="/secret")
    key = _spell("wk", entropy)
    if secret:
        keep_secret(_id(key), secret)
    document = {"name": name, "source": source} | ({"rate": rate} if rate else {})
    return {"id": _keep(key, document, store, now=now), "key": key}


def replace_secret(id: str, secret: str, store: Store, *, keep_secret: Callable[[str, str], None]) -> None:
    """Sign with another secret from now on; the one before stays valid until the next replacement.

    Raises
    ------
    Rejected : no such key (404), or one whose source signs nothing.
    """
    _, known = _find(id, store)
    if "source" not in known or not SOURCES[known["source"]].signed:
        raise Rejected("nothing is signed with this key", code="bad-secret", pointer="/secret")
    keep_secret(id, secret)


def revoke(id: str, store: Store, *, forget_secret: Callable[[str], None]) -> None:
    """Admit nobody by this key any more (caches hold it for a minute).

    Raises
    ------
    Rejected : no such key (404).
    """
    fingerprint, known = _find(id, store)
    store.undefine(KIND, fingerprint)
    if "source" in known and SOURCES[known["source"]].signed:
        forget_secret(id)


def admitted(store: Store) -> list[dict[str, Any]]:
    """All keys, the oldest first: ``{"id", "name", "scopes" or "source", "created"}``."""
    return sorted(store.definitions(KIND).values(), key=lambda key: (key["created"], key["id"]))


def scopes_of(token: str, store: Store, *, admin_token: str) -> tuple[str, str] | None:
    """``(id, scopes)`` of the bearer of a token, scopes with blanks between them; ``None`` for a stranger."""
    if hmac.compare_digest(token.encode("utf-8", "surrogatepass"), admin_token.encode()):
        return "admin", " ".join(SCOPES)
    known = store.definition(KIND, digest(token))
    return (known["id"], " ".join(known["scopes"])) if known and "scopes" in known else None


def _keep(key: str, document: dict[str, Any], store: Store, *, now: int) -> str:
    known = store.definition(KIND, digest(key))
    if known is None:
        store.define(KIND, digest(key), {"id": _id(key), **document, "created": now})
    elif any(known.get(name) != value for name, value in document.items()):
        detail = "this Idempotency-Key has made another key before; use a new one"
        raise Rejected(detail, code="idempotency-key-reused", status=422)
    return _id(key)


def _find(id: str, store: Store) -> tuple[str, dict[str, Any]]:
    for fingerprint, known in store.definitions(KIND).items():
        if known["id"] == id:
            return fingerprint, known
    raise Rejected("there is no key with this id; list them with GET /api/keys", code="not-found", status=404)


def _spell(prefix: str, entropy: bytes) -> str:
    return f"{prefix}_{b32encode(entropy[:32]).decode().rstrip('=').lower()}"


def _id(key: str) -> str:
    """The public name of a key, of which nothing of the key can be read."""
    return f"k_{digest('id', key, size=10)}"
