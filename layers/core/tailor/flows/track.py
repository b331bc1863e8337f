"""Track: clicks and opens, by links that only we can have made.

A link names a message and a position; where it leads is looked up in the send ledger, so it cannot be bent to lead
anywhere else. What a person clicks is recorded only while they permit it, also in mail sent before they objected.
"""

from __future__ import annotations

from collections.abc import Mapping

from tailor.edges.bus import Queue, envelopes
from tailor.edges.store import Store
from tailor.kernel.errors import Rejected
from tailor.kernel.event import Event, Identifier
from tailor.kernel.keys import digest, read_token
from tailor.kernel.person import Person
from tailor.kernel.program import Program
from tailor.rules.consent import permits

MACHINES = ("googleimageproxy", "yahoomailproxy", "bot", "crawler", "spider", "preview", "scanner", "curl", "python")
"""Parts of user agents that are no people."""


def click(
    token: str, store: Store, queue: Queue, program: Program, keys: Mapping[str, bytes], *, agent: str, now: int
) -> str:
    """The address a link leads to; records the click. An empty ``agent`` records nothing (a HEAD request).

    Raises
    ------
    Rejected : the token is forged (403), or the message is gone (404).
    """
    id, message, index = read_token(token, purpose="click", keys=keys).split("|")
    person = store.person(id)
    for holder in dict.fromkeys((id, *((person.id, *person.aliases) if person else ()))):
        if row := store.message(holder, message):
            url = str(row["links"][int(index)])
            _record("Email Link Clicked", person, message, {"link": url}, queue, program, agent, now)
            return url
    raise Rejected("this letter is no longer on file", code="gone", status=404)


def seen(
    token: str, store: Store, queue: Queue, program: Program, keys: Mapping[str, bytes], *, agent: str, now: int
) -> None:
    """Record that a letter's picture was loaded.

    Raises
    ------
    Rejected : the token is forged.
    """
    id, message = read_token(token, purpose="open", keys=keys).split("|")
    _record("Email Opened", store.person(id), message, {}, queue, program, agent, now)


def _record(
    name: str,
    person: Person | None,
    message: str,
    properties: dict[str, str],
    queue: Queue,
    program: Program,
    agent: str,
    now: int,
) -> None:
    if person is None or not agent or not permits(person, "analytics", program, now=now):
        return
    machine = any(part in agent.lower() for part in MACHINES)
    event = Event(
        id=digest(name, message, *properties.values(), str(now)),
        kind="track",
        name=name,
        at=now,
        received=now,
        source="tailor",
        identifiers=(Identifier("person", person.id),),
        properties={"message_id": message, "agent": "machine" if machine else "unknown", **properties},
    )
    queue.put(envelopes("tailor", "", [event.to_json()], received=now))
