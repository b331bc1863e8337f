"""Proofs that a request comes from whom it names: signatures over the raw bytes, shared secrets, clocks."""

from __future__ import annotations

import hmac
from base64 import b64decode, b64encode
from urllib.parse import urlencode

from tailor.kernel.errors import Rejected
from tailor.kernel.inbound import Inbound
from tailor.kernel.instants import MINUTE
from tailor.kernel.values import moment

CLOCK = 5 * MINUTE
"""How far a signed time may be from ours, either way."""

SECRET = "x-tailor-secret"  # noqa: S105 the header's name, no secret
"""Header in which a sender that signs nothing shows the secret."""


IN_QUERY = frozenset({"secret", "api_secret"})
"""Parameters of the query in which it may be shown; they are never kept."""


def unproved(detail: str) -> Rejected:
    """The refusal of a request without a valid proof."""
    return Rejected(detail, code="bad-signature", status=401)


def signature(secret: bytes, message: bytes, *, algorithm: str = "sha256", base64: bool = False) -> str:
    """HMAC of ``message`` in lower-case hexadecimal, or in base64."""
    mac = hmac.digest(secret, message, algorithm)
    return b64encode(mac).decode() if base64 else mac.hex()


def same(expected: str, claimed: str) -> bool:
    """Whether two proofs are the same, in a time that does not tell how nearly."""
    return hmac.compare_digest(expected.encode("utf-8", "surrogatepass"), claimed.encode("utf-8", "surrogatepass"))


def check_clock(stamp: str, *, now: int) -> None:
    """Check a signed time, in seconds or milliseconds.

    Raises
    ------
    Rejected : no number, or more than :data:`CLOCK` from ``now`` (401).
    """
    at = moment(stamp)
    if at is None or abs(now - at) > CLOCK:
        raise unproved("the signed time is more than 5 minutes from ours: replayed, or one of the clocks is wrong")


def timed(header: str, body: bytes, secret: bytes, *, now: int) -> bool:
    """Whether ``t=<seconds>,v1=<hex>`` has an HMAC-SHA256 of ``<t>.<body>`` among its ``v1``.

    Raises
    ------
    Rejected : see :func:`check_clock`; only where the signature is right.
    """
    pairs = [part.strip().partition("=")[::2] for part in header.split(",")[:32]]
    stamp = next((value for name, value in pairs if name == "t"), "")
    expected = signature(secret, f"{stamp}.".encode("utf-8", "surrogatepass") + body)
    if not any(same(expected, value) for name, value in pairs if name == "v1"):
        return False
    check_clock(stamp, now=now)
    return True


def shown(request: Inbound, secret: bytes, *, parameter: str = "") -> bool:
    """Whether the request shows the shared secret itself.

    In ``X-Tailor-Secret``, as Bearer token, as the password of Basic, or in the query under ``parameter``.
    """
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    claims = [request.headers.get(SECRET, "")]
    if scheme.lower() == "bearer":
        claims.append(credentials.strip())
    elif scheme.lower() == "basic":
        claims.append(_password(credentials))
    if parameter:
        claims.append(request.query.get(parameter, ""))
    expected = secret.decode("utf-8", "surrogateescape").strip()
    return bool(expected) and any(same(expected, claim) for claim in claims)


def check_shown(request: Inbound, secret: bytes, *, parameter: str = "") -> None:
    """:func:`shown`, or ``Rejected`` (401)."""
    if not shown(request, secret, parameter=parameter):
        raise unproved("the shared secret is missing or wrong: send it as 'Authorization: Bearer' or X-Tailor-Secret")


class ShowsSecret:
    """What the sources have in common that sign nothing and show the secret in a header."""

    __slots__ = ()
    signed = True

    def verify(self, request: Inbound, secret: bytes, *, now: int) -> None:
        """Check the secret; there is no time in it.

        Raises
        ------
        Rejected : missing or wrong (401).
        """
        check_shown(request, secret)


def key_and_url(request: Inbound, secret: bytes) -> tuple[bytes, str]:
    """What a sender signs with, and the URL it signs: ours as it knows it.

    The URL is ``https://``, the Host, path and query. Where a proxy changes them, the stored secret is the key, a blank
    and the URL that the sender was given.
    """
    signing, _, url = secret.strip().partition(b" ")
    if url:
        return signing, url.strip().decode("utf-8", "replace")
    query = f"?{urlencode(request.query)}" if request.query else ""
    return signing, f"https://{request.headers.get('host', '')}{request.path}{query}"


def _password(credentials: str) -> str:
    try:
        return b64decode(credentials).decode().partition(":")[2]
    except ValueError:
        return ""
