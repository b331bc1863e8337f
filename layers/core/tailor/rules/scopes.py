"""What the bearer of a token may do."""

from __future__ import annotations

from tailor.kernel.errors import Rejected

SCOPES = ("ingest", "read", "write", "admin")
"""Send events; look at people and definitions; change definitions; hand out keys."""

_IMPLIED = {"admin": frozenset(SCOPES), "write": frozenset({"read", "write"})}


def require(held: str | None, needed: str) -> None:
    """Refuse whoever may not. ``held`` are scopes with blanks between them, ``None`` for a stranger.

    Raises
    ------
    Rejected : 401 for a stranger, 403 where ``needed`` is not among what they hold.
    """
    if held is None:
        raise Rejected("send 'Authorization: Bearer <token>'", code="no-token", status=401)
    if not any(needed == scope or needed in _IMPLIED.get(scope, ()) for scope in held.split()):
        raise Rejected(f"this token lacks the scope {needed!r}; ask for one that has it", code="no-scope", status=403)
