"""Any consent banner: its TC string or GPP string, posted by the site's server.

Contract: ours, as there is none of the IAB's for servers::

    {"id": "…", "userId": "…", "anonymousId": "…", "email": "…", "timestamp": "2026-11-24T08:00:00Z",
     "tcString": "CQ…", "gppString": "DBA…"}

One of the strings and one handle of the person are needed. What the strings say in our words is in
:mod:`tailor.rules.signals`; a malformed one goes to quarantine and is never read as consent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tailor.kernel.document import canonical
from tailor.kernel.errors import Rejected
from tailor.kernel.event import Event
from tailor.kernel.inbound import Inbound, Parsed
from tailor.kernel.items import Reading, read_one
from tailor.kernel.keys import digest
from tailor.kernel.proof import ShowsSecret
from tailor.kernel.values import dated, present, read_body, text
from tailor.rules.identity import identifier, ordered
from tailor.rules.signals import of_gpp, of_tcf

SIGNAL = 4_000
"""Characters of a string that is kept as evidence."""


@dataclass(frozen=True, slots=True)
class Cmp(ShowsSecret):
    """The secret is shown in a header."""

    name: str = "cmp"

    def to_events(self, request: Inbound, *, now: int) -> Parsed:
        """The choices of one person.

        Raises
        ------
        Rejected : no JSON object.
        """
        document = read_body(request)
        if not isinstance(document, dict):
            raise Rejected("the body must be one JSON object", code="bad-shape")
        return read_one(document, lambda signal: _events(signal, now))


CMP = Cmp()


def _events(signal: dict[str, Any], received: int) -> Reading:
    tc, gpp = text(signal.get("tcString"), SIGNAL), text(signal.get("gppString"), SIGNAL)
    if not tc and not gpp:
        raise Rejected("neither 'tcString' nor 'gppString' is there", code="no-signal")
    at, clock = dated(signal.get("timestamp"), received=received)
    stated = signal.get("timestamp") is not None
    known = text(signal.get("id")) or digest(canonical(signal), *(() if stated else (str(received),)))
    return [
        Event(
            id=known,
            kind="consent",
            name="Consent Updated",
            at=at,
            received=received,
            source="cmp",
            identifiers=ordered(
                [
                    identifier("user_id", signal.get("userId")),
                    identifier("email", signal.get("email")),
                    identifier("anonymous_id", signal.get("anonymousId")),
                ]
            ),
            context=clock | {"consent": present({"tcString": tc, "gppString": gpp})},
            consent=(*(of_tcf(tc) if tc else ()), *(of_gpp(gpp) if gpp else ())),
        )
    ]
