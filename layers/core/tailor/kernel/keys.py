"""Identities: hashes, ids, table keys, and signed tokens.

Tokens are ``v.kid.payload.mac`` in base64url; the MAC is HMAC-SHA256 cut to 16 bytes over everything before it and
the purpose, so that a token for one purpose is none for another.
"""

from __future__ import annotations

import hmac
from base64 import b32encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256

from tailor.kernel.errors import Rejected

DUE_SHARDS = 8
"""Partitions of the ``due`` index; the minute tick reads each once."""


def digest(*parts: str, size: int = 20) -> str:
    """Lower-case base32 of the first ``size`` bytes of the SHA-256 over the parts, unambiguous in their borders."""
    joined = "\x1f".join(f"{len(part)}:{part}" for part in parts)
    return b32encode(sha256(joined.encode("utf-8", "surrogatepass")).digest()[:size]).decode().rstrip("=").lower()


def new_id(prefix: str, *, now: int, entropy: bytes) -> str:
    """A sortable id: prefix, 48 bits of time, 80 bits of ``entropy`` (10 bytes, from the caller)."""
    return f"{prefix}_{b32encode(now.to_bytes(6, 'big') + entropy[:10]).decode().rstrip('=').lower()}"


def identifier_key(kind: str, value: str) -> str:
    """Partition key of an identifier's claim; holds a hash, never the value."""
    return f"I#{kind}#{digest(kind, value)}"


def suppression_key(email: str) -> str:
    """Partition key of a suppressed address; survives the erasure of its owner."""
    return f"Z#{digest('email', email)}"


def message_id(person: str, journey: str, step: int, entered: int) -> str:
    """What a message *is*: one journey step of one enrolment of one person. The same facts give the same id."""
    return f"m_{digest(person, journey, str(step), str(entered), size=15)}"


def share(*parts: str) -> float:
    """A number from 0 up to 1 that is always the same for the same parts, and evenly spread over others."""
    joined = "\x1f".join(f"{len(part)}:{part}" for part in parts)
    return int.from_bytes(sha256(joined.encode("utf-8", "surrogatepass")).digest()[:6]) / (1 << 48)


def due_shard(person: str) -> str:
    """The person's partition of the ``due`` index, ``"0"`` to ``str(DUE_SHARDS - 1)``."""
    return str(sha256(person.encode()).digest()[0] % DUE_SHARDS)


def sign_token(payload: str, *, purpose: str, kid: str, key: bytes) -> str:
    """``1.kid.payload.mac``; see the module docstring."""
    body = f"1.{kid}.{_b64(payload.encode())}"
    return f"{body}.{_b64(_mac(body, purpose, key))}"


def read_token(token: str, *, purpose: str, keys: Mapping[str, bytes]) -> str:
    """The payload of a token signed for ``purpose`` by one of ``keys`` (kid → key).

    Raises
    ------
    Rejected : forged, cut short, for another purpose, or signed with a retired key (status 403).
    """
    forged = Rejected(
        "this link is not valid; open it from the letter again, unshortened", code="bad-token", status=403
    )
    body, _, mac = token[:2048].rpartition(".")
    version, _, rest = body.partition(".")
    kid, _, payload = rest.partition(".")
    key = keys.get(kid)
    if version != "1" or key is None:
        raise forged
    try:
        # As text: base64 has spare bits in its last character, and a token shall have one form.
        if not hmac.compare_digest(mac.encode(), _b64(_mac(body, purpose, key)).encode()):
            raise forged
        return _unb64(payload).decode()
    except (ValueError, UnicodeError) as error:
        raise forged from error


def _mac(body: str, purpose: str, key: bytes) -> bytes:
    return hmac.digest(key, f"{purpose}\x1f{body}".encode(), "sha256")[:16]


def _b64(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


def _unb64(text: str) -> bytes:
    return urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4))
