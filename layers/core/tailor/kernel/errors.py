"""What can go wrong, as one tree.

==============  ==================================  ==================  =============================
class           meaning                             HTTP                queue or stream
==============  ==================================  ==================  =============================
TailorError
├─ Rejected     can never succeed as it is          4xx problem+json    quarantine row, acknowledged
├─ Stale        somebody else wrote first           (never leaves us)   reload and step again
├─ Transient    refused before acceptance           503 + Retry-After   batch item failure
└─ Ambiguous    SES may have accepted it            (never leaves us)   UNKNOWN in the ledger
==============  ==================================  ==================  =============================

Any other exception is a bug: HTTP 500, or a retry that ends in a dead-letter queue with an alarm.
"""

from __future__ import annotations

from typing import Any


class TailorError(Exception):
    """Root of every error Tailor raises on purpose."""


class Rejected(TailorError):
    """Input that can never succeed as it is.

    Parameters
    ----------
    detail : what is wrong and how to mend it, for a person; never holds an e-mail address.
    code : stable kebab-case name of the problem, the tail of the problem+json ``type``.
    pointer : JSON pointer (RFC 6901) to the offending value, ``""`` for the whole document.
    status : HTTP status, 400-499.
    """

    def __init__(self, detail: str, *, code: str = "invalid", pointer: str = "", status: int = 400) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code
        self.pointer = pointer
        self.status = status

    def problem(self) -> dict[str, Any]:
        """The body of an ``application/problem+json`` answer (RFC 9457)."""
        return {
            "type": f"https://tailor.dev/problems/{self.code}",
            "title": self.code.replace("-", " ").capitalize(),
            "status": self.status,
            "detail": self.detail,
            "pointer": self.pointer,
        }


class Stale(TailorError):
    """A conditional write lost: reload what was read and decide again."""


class Transient(TailorError):
    """Refused before acceptance; the same call may succeed later.

    ``retry_after`` is in seconds.
    """

    def __init__(self, detail: str, *, retry_after: int = 1) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class Ambiguous(TailorError):
    """The call may or may not have been accepted; it must not be repeated blindly."""
