"""Track: clicks and opens, by links that only we can have made.

A link names a message, signed, and behind it a position; where it leads is looked up in the send ledger, so it cannot
be bent to lead anywhere but to another link of the same letter. What a person clicks is recorded only while they permit
it, also in mail sent before they objected.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tailor.edges.bus import Queue, envelopes
from tailor.edges.store import Store
from tailor.kernel.errors import Rejected
from tailor.kernel.event import Event, Identifier
from tailor.kernel.keys import digest, read_token
from tailor.kernel.person import Person
from tailor.kernel.program import Program
from tailor.rules.agents import REMEMBERED, clicker
from tailor.rules.agents import agent as agent_of
from tailor.rules.consent import permits
from tailor.rules.messages import TRAP


def click(
    token: str, store: Store, queue: Queue, program: Program, keys: Mapping[str, bytes], *, agent: str, now: int
) -> str:
    """The address a link leads to, ``""`` for the one that no person sees; records the click.

    Raises
    ------
    Rejected : the token is forged (403), or the message is gone (404).
    """
    letter, _, index = token.rpartition(".")
    id, message = read_token(letter, purpose="click", keys=keys).split("|")
    person = store.person(id)
    for holder in dict.fromkeys((id, *((person.id, *person.aliases) if person else ()))):
        if row := store.message(holder, message):
            sprung = index == TRAP
            url = "" if sprung else _target(row["links"], index)
            if person is not None and permits(person, "analytics", program, now=now):
                kind = "machine" if sprung else _clicker(row, holder, message, index, agent, store, now)
                _record("Email Link Clicked", person, message, {"link": url, "agent": kind}, queue, now)
            return url
    raise Rejected("this letter is no longer on file", code="gone", status=404)


def _target(links: Sequence[str], index: str) -> str:
    if not (index.isascii() and index.isdecimal() and len(index) < 5 and int(index) < len(links)):
        raise Rejected("this link is not one of its letter's", code="bad-token", status=403)
    return links[int(index)]


def seen(
    token: str, store: Store, queue: Queue, program: Program, keys: Mapping[str, bytes], *, agent: str, now: int
) -> None:
    """Record that a letter's picture was loaded.

    Raises
    ------
    Rejected : the token is forged.
    """
    id, message = read_token(token, purpose="open", keys=keys).split("|")
    person = store.person(id)
    if person is not None and permits(person, "analytics", program, now=now):
        _record("Email Opened", person, message, {"agent": agent_of(agent)}, queue, now)


def _clicker(row: Mapping[str, Any], holder: str, message: str, index: str, agent: str, store: Store, now: int) -> str:
    """Who clicked, by this click and those on the letter before it."""
    before = [(link, int(at)) for link, _, at in (one.partition(" ") for one in row.get("clicks", ()))]
    clicks = [*before, (index, now)][-REMEMBERED:]
    store.remember_clicks(holder, message, [f"{link} {at}" for link, at in clicks])
    return clicker(agent, clicks, row.get("delivered_at", row.get("sent_at")), now=now)


def _record(name: str, person: Person, message: str, properties: dict[str, str], queue: Queue, now: int) -> None:
    event = Event(
        id=digest(name, message, *properties.values(), str(now)),
        kind="track",
        name=name,
        at=now,
        received=now,
        source="tailor",
        identifiers=(Identifier("person", person.id),),
        properties={"message_id": message, **properties},
    )
    queue.put(envelopes("tailor", "", [event.to_json()], received=now))
