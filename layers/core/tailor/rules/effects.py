"""What left a person in one step: facts for others, letters owed, rows for the ledger."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Effects:
    """The second half of what :func:`tailor.rules.step.step` answers.

    Attributes
    ----------
    facts : ``{"name": "segment.entered", "at", "person", ...}``, for EventBridge.
    messages : ``{"message", "journey", "step", "template", "entered", "at", "cause"}``, for the send queue.
    consents : rows of the consent chain, each with its ``hash`` over the row and the one before.
    moves : ``(message id, state, instant, campaign)`` told by SES events, for the send ledger.
    suppressed : addresses never to be written to again, with the reason.
    erasures : ``(instant, source)`` of requests to be erased.
    """

    facts: list[dict[str, Any]] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    consents: list[dict[str, Any]] = field(default_factory=list)
    moves: list[tuple[str, str, int, str]] = field(default_factory=list)
    suppressed: list[tuple[str, str]] = field(default_factory=list)
    erasures: list[tuple[int, str]] = field(default_factory=list)

    def pack(self) -> bytes | None:
        """The outbox the person's write carries (facts and messages), ``None`` when there is nothing to say."""
        if not self.facts and not self.messages:
            return None
        outbox = {"facts": self.facts, "messages": self.messages}
        return zlib.compress(json.dumps(outbox, separators=(",", ":"), ensure_ascii=False).encode(), 1)


def unpack_outbox(packed: bytes) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(facts, messages) of a packed outbox."""
    outbox = json.loads(zlib.decompress(packed))
    return outbox["facts"], outbox["messages"]
