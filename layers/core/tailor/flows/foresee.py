"""Foresee: what would become of a real person if only time passed, under what is in force or a programme to try."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tailor.edges.store import Store
from tailor.flows.publish import KIND, check
from tailor.flows.rehearse import rehearse
from tailor.kernel.errors import Rejected
from tailor.kernel.instants import DAY, duration
from tailor.kernel.person import Person
from tailor.rules.compiled import Compiled

LONGEST = 400 * DAY


def foresee(
    person: Person,
    span: str,
    programme: Mapping[str, Any] | None,
    store: Store,
    compiled: Compiled,
    *,
    now: int,
) -> list[dict[str, Any]]:
    """What happens within ``span`` from now: ``{"at", "what", "name", "why"}``, letters with their ``subject``.

    Parameters
    ----------
    programme : a document to try in the place of the one of its name; what it would tell of history that is not kept
        yet is not foreseen. ``None``: what is in force.

    Raises
    ------
    Rejected : a span that is none, or a programme with faults.
    """
    try:
        until = now + duration(span)
    except Rejected as error:
        raise Rejected(error.detail, code=error.code, pointer="/span") from error
    if until > now + LONGEST:
        raise Rejected("write a span of up to '400d'", code="bad-duration", pointer="/span")
    if programme is not None:
        name = programme.get("name")
        compiled = Compiled(check(programme, [d for key, d in store.definitions(KIND).items() if key != name])[0])
    address = person.email()
    why = store.suppressed(address) if address else None
    suppressed = {address: why} if address and why else {}
    rehearsed = rehearse(person, [], compiled, now=now, until=until, suppressed=suppressed)
    return [one.to_json() for one in rehearsed.happenings]
