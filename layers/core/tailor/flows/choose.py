"""Choose: a person's own say about what they get. Taken at once: it is written before the answer goes out.

The links in letters do not end and letters are forwarded. So they lead to choices alone: who wants to read, take along
or erase what is held about them is mailed a link for that, which ends within the hour.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tailor.edges.bucket import Bucket
from tailor.edges.store import Store
from tailor.flows.absorb import absorb
from tailor.kernel.errors import Rejected
from tailor.kernel.event import ConsentChange, Event, Grant, Identifier
from tailor.kernel.forms import OWN_DATA, OWN_DATA_ASKED
from tailor.kernel.keys import digest, read_token
from tailor.kernel.person import Person
from tailor.kernel.program import Program
from tailor.rules.compiled import Compiled
from tailor.rules.consent import grant_of, permits, view
from tailor.rules.eligibility import FREQUENCIES


@dataclass(frozen=True, slots=True)
class Choice:
    """One line of the preference page: ``key`` is ``purpose`` or ``purpose:topic``."""

    key: str
    title: str
    chosen: bool


@dataclass(slots=True)
class Desk:
    """What taking a choice needs; ``files`` answers where refused rows of imports are."""

    store: Store
    compiled: Compiled
    signing_keys: Mapping[str, bytes]
    new_id: Callable[[int], str]
    files: Callable[[], Bucket]


def unsubscribe(token: str, desk: Desk, *, how: Mapping[str, Any], now: int) -> None:
    """One click (RFC 8058): withdraw the purpose the letter was sent for, whole. Repeating it changes nothing.

    ``how`` is kept as evidence with the choice.

    Raises
    ------
    Rejected : the token is forged.
    """
    id, _, purpose = read_token(token, purpose="unsubscribe", keys=desk.signing_keys).partition("|")
    person = desk.store.person(id, consistent=True)
    if person is not None and grant_of(person, purpose) != "withdrawn":
        _take(person, [ConsentChange(purpose, "withdrawn")], desk, how=how, now=now)


def check_unsubscribe(token: str, desk: Desk) -> None:
    """Read the token and change nothing.

    Raises
    ------
    Rejected : the token is forged.
    """
    read_token(token, purpose="unsubscribe", keys=desk.signing_keys)


def choices(token: str, desk: Desk, *, now: int) -> list[Choice]:
    """What the person can choose and how it stands; empty for somebody we do not know (any more).

    Raises
    ------
    Rejected : the token is forged.
    """
    person = _person(token, desk)
    return _choices(person, desk.compiled.program, now) if person else []


def choose(token: str, chosen: set[str], desk: Desk, *, how: Mapping[str, Any], now: int) -> list[Choice]:
    """Take the choices of the preference page: ``chosen`` are the keys ticked, all others are not wanted.

    Raises
    ------
    Rejected : the token is forged.
    """
    person = _person(token, desk)
    if person is None:
        return []
    changes = [
        _change(choice.key, "granted" if choice.key in chosen else "withdrawn")
        for choice in _choices(person, desk.compiled.program, now)
        if (choice.key in chosen) != choice.chosen
    ]
    if changes:
        person = _take(person, changes, desk, how=how, now=now)
    return _choices(person, desk.compiled.program, now)


@dataclass(frozen=True, slots=True)
class Pace:
    """How often letters may come: ``at_most`` one of :data:`tailor.rules.eligibility.FREQUENCIES` or ``""``;
    ``paused_until`` an instant, 0 where they are not paused."""

    at_most: str = ""
    paused_until: int = 0


def pace(token: str, desk: Desk, *, now: int) -> Pace:
    """What the person has said of the pace.

    Raises
    ------
    Rejected : the token is forged.
    """
    person = _person(token, desk)
    if person is None:
        return Pace()
    chosen = view(person, "service", desk.compiled.program, now=now).attributes
    until = chosen.get("letters_paused_until")
    at_most = chosen.get("letters_at_most")
    return Pace(
        at_most if isinstance(at_most, str) and at_most in FREQUENCIES else "",
        until if isinstance(until, int) and until > now else 0,
    )


def set_pace(token: str, wanted: Pace, desk: Desk, *, now: int) -> None:
    """Keep to another pace from now on.

    Raises
    ------
    Rejected : the token is forged.
    """
    person = _person(token, desk)
    if person is None or wanted == pace(token, desk, now=now):
        return
    event = Event(
        id=digest("pace", person.id, str(person.version), str(now)),
        kind="identify",
        name="Preferences Changed",
        at=now,
        received=now,
        source="preferences",
        identifiers=(Identifier("person", person.id),),
        traits={
            "letters_at_most": wanted.at_most or None,
            "letters_paused_until": wanted.paused_until or None,
        },
    )
    absorb([event], desk.store, desk.compiled, new_id=desk.new_id, now=now)


def ask_own_data(token: str, desk: Desk, *, now: int) -> None:
    """Mail the person a fresh link to their own data; within ten minutes only once.

    Raises
    ------
    Rejected : the token is forged, or no programme has a letter for it (404).
    """
    person = _person(token, desk)
    if not desk.compiled.program.own_data:
        detail = "This cannot be asked for here. Please answer one of our letters instead."
        raise Rejected(detail, code="no-letter", status=404)
    if person is None:
        return
    event = Event(
        id=digest(OWN_DATA, person.id, str(now)),
        kind="track",
        name=OWN_DATA_ASKED,
        at=now,
        received=now,
        source="preferences",
        identifiers=(Identifier("person", person.id),),
    )
    absorb([event], desk.store, desk.compiled, new_id=desk.new_id, now=now)


def _person(token: str, desk: Desk) -> Person | None:
    id = read_token(token, purpose="preferences", keys=desk.signing_keys)
    return desk.store.person(id, consistent=True)


def _choices(person: Person, program: Program, now: int) -> list[Choice]:
    lines = []
    for purpose in program.purposes.values():
        if purpose.basis == "contract":
            continue
        lines.append(Choice(purpose.name, purpose.title, permits(person, purpose.name, program, now=now)))
        for topic in program.topics.values():
            if topic.purpose == purpose.name:
                wanted = permits(person, purpose.name, program, topic=topic.key, now=now)
                lines.append(Choice(f"{purpose.name}:{topic.key}", topic.title, wanted))
    return lines


def _change(key: str, grant: Grant) -> ConsentChange:
    purpose, _, topic = key.partition(":")
    return ConsentChange(purpose, grant, topic)


def _take(person: Person, changes: Sequence[ConsentChange], desk: Desk, *, how: Mapping[str, Any], now: int) -> Person:
    event = Event(
        id=digest("choice", person.id, str(person.version), str(now)),
        kind="consent",
        name="Consent Changed",
        at=now,
        received=now,
        source="preferences",
        identifiers=(Identifier("person", person.id),),
        context={"consent": dict(how)},
        consent=tuple(changes),
    )
    ((after, _),) = absorb([event], desk.store, desk.compiled, new_id=desk.new_id, now=now)
    return after
