"""Own: what people do with a fresh link to their own data, that is mailed on request and valid for an hour."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tailor.flows import rights
from tailor.flows.choose import Desk
from tailor.flows.erase import erase, request_erasure
from tailor.flows.export import export
from tailor.kernel.catalogue import Attribute
from tailor.kernel.errors import Rejected
from tailor.kernel.forms import OWN_DATA
from tailor.kernel.instants import HOUR
from tailor.kernel.keys import read_token
from tailor.rules.consent import restricted
from tailor.rules.profile import COMPUTED

FRESH = HOUR
"""How long a link to one's own data is valid after its letter was written."""
OURS = COMPUTED | {
    *("letters_at_most", "letters_paused_until"),
    *("last_viewed_product", "last_viewed_category", "last_wished_product"),
}
"""What is made of events, or chosen on the preference page."""


def check_own_data(token: str, desk: Desk, *, now: int) -> None:
    """Read the token of a fresh link and change nothing.

    Raises
    ------
    Rejected : the token is forged, for another purpose, or older than :data:`FRESH` (403).
    """
    _fresh(token, desk, now)


def own_data(token: str, desk: Desk, *, now: int) -> dict[str, Any] | None:
    """Everything about the bearer of a fresh link, see :func:`tailor.flows.export.export`; ``None`` for nobody.

    Raises
    ------
    Rejected : see :func:`check_own_data`.
    """
    person = desk.store.person(_fresh(token, desk, now), consistent=True)
    return export(person, desk.store, desk.compiled.program, desk.files(), now=now) if person else None


def correctable(token: str, desk: Desk, *, now: int) -> dict[str, str]:
    """Name → value of what the bearer of a fresh link may put right themselves: known texts, numbers and dates that are
    declared, not sensitive, and not made by us.

    Raises
    ------
    Rejected : see :func:`check_own_data`.
    """
    person = desk.store.person(_fresh(token, desk, now), consistent=True)
    if person is None:
        return {}
    catalogue = desk.compiled.program.attributes
    return {
        name: str(value)
        for name, value in person.attributes.items()
        if (declared := catalogue.get(name)) is not None
        and declared.klass != "sensitive"
        and declared.type in ("text", "number", "date")
        and name not in OURS
    }


def correct_me(token: str, values: Mapping[str, str], desk: Desk, *, now: int) -> int:
    """Put right what the bearer of a fresh link says is wrong; answers how many attributes were changed.

    Raises
    ------
    Rejected : see :func:`check_own_data`; a number that is none.
    """
    before = correctable(token, desk, now=now)
    changed = {name: value.strip() for name, value in values.items() if before.get(name, value) != value.strip()}
    wanted = {name: _as_declared(value, desk.compiled.program.attributes[name]) for name, value in changed.items()}
    if wanted:
        _exercise(token, "rectification", rights.Details(attributes=wanted), desk, now=now)
    return len(wanted)


def restrict_me(token: str, desk: Desk, *, lift: bool, now: int) -> bool:
    """Restrict what the data of the bearer of a fresh link is used for, or lift that; false where there is nobody.

    Raises
    ------
    Rejected : see :func:`check_own_data`.
    """
    return _exercise(token, "lifting" if lift else "restriction", rights.Details(), desk, now=now)


def is_restricted(token: str, desk: Desk, *, now: int) -> bool:
    """Whether the bearer of a fresh link has restricted it.

    Raises
    ------
    Rejected : see :func:`check_own_data`.
    """
    person = desk.store.person(_fresh(token, desk, now), consistent=True)
    return person is not None and bool(restricted(person))


def _exercise(token: str, right: rights.Right, details: rights.Details, desk: Desk, *, now: int) -> bool:
    person = desk.store.person(_fresh(token, desk, now), consistent=True)
    if person is None:
        return False
    answering = rights.Desk(desk.store, desk.compiled, desk.new_id)
    request = rights.ask(person, right, answering, by="preferences", now=now)
    rights.carry_out(request, details, answering, now=now)
    return True


def _as_declared(value: str, declared: Attribute) -> str | float | int | None:
    if not value:
        return None
    if declared.type != "number":
        return value[: rights.VALUE]
    try:
        number = float(value.replace(",", "."))
    except ValueError:
        detail = f"{declared.name.replace('_', ' ')} is a number"
        raise Rejected(detail, code="bad-value", status=422) from None
    return int(number) if number.is_integer() else number


def erase_me(token: str, desk: Desk, *, clock: Callable[[], int]) -> bool:
    """Erase the bearer of a fresh link; false where there is nobody to erase (any more).

    Raises
    ------
    Rejected : see :func:`check_own_data`.
    """
    person = desk.store.person(_fresh(token, desk, clock()), consistent=True)
    if person is None:
        return False
    erase(request_erasure(person.id, desk.store, how="preferences", now=clock()), desk.store, clock=clock)
    return True


def _fresh(token: str, desk: Desk, now: int) -> str:
    """The id of the bearer of a link to their own data."""
    id, _, written = read_token(token, purpose=OWN_DATA, keys=desk.signing_keys).partition("|")
    if now - int(written) > FRESH:
        detail = "This link was valid for an hour. Ask for another one on your preference page."
        raise Rejected(detail, code="expired", status=403)
    return id
