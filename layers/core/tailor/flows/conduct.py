"""Conduct: journeys in force: what they do, how many are where in them; let somebody in, hold one, let it go on."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from tailor.edges.bus import Queue, envelopes
from tailor.edges.store import Store
from tailor.flows.publish import KIND, Publication, publish
from tailor.flows.walk import sizes
from tailor.kernel.errors import Rejected
from tailor.kernel.event import Event, Identifier
from tailor.kernel.fields import nearest
from tailor.kernel.journey import Journey
from tailor.kernel.keys import digest
from tailor.kernel.person import Person
from tailor.rules.compiled import Compiled
from tailor.rules.journeys import REQUESTED
from tailor.rules.outline import begins, outline, places, says


def journeys(store: Store, compiled: Compiled) -> list[dict[str, Any]]:
    """Every journey in force: ``{"key", "title", "begins", "priority", "paused", "version", "enrolled", "counted"}``.

    ``enrolled`` is as of the last walk over everybody, at ``counted``; both are ``None`` before there was one.
    """
    counted, places_of = _counts(store)
    return [
        {
            "key": journey.key,
            "title": journey.title,
            "begins": begins(journey.trigger),
            "priority": journey.priority,
            "paused": journey.paused,
            "version": journey.course.version,
            "enrolled": sum(n for kind, _, n in places_of.get(journey.key, ()) if kind == "at") if counted else None,
            "counted": counted,
        }
        for journey in compiled.program.journeys.values()
    ]


def journey(key: str, store: Store, compiled: Compiled) -> dict[str, Any]:
    """One of :func:`journeys` with its ``outline``, its ``steps`` as ``{"step", "says", "waiting"}``, how many are in
    ``earlier`` versions, and how those who went through it last ``ended``, ``{how: people}``.

    Raises
    ------
    Rejected : there is none (404).
    """
    one = _known(key, compiled)
    (found,) = [summary for summary in journeys(store, compiled) if summary["key"] == key]
    _, places_of = _counts(store)
    waiting: dict[str, int] = {}
    earlier, ended = 0, dict[str, int]()
    for kind, where, people in places_of.get(key, ()):
        version, _, step = where.partition("/")
        if kind == "ended":
            ended[where] = people
        elif version == one.course.version:
            waiting[step] = people
        else:
            earlier += people
    steps = [
        {"step": n, "says": says(one, one.course, n - 1, compiled), "waiting": waiting.get(str(n - 1), 0)}
        for n in places(one)
    ]
    return {**found, "outline": outline(one, compiled), "steps": steps, "earlier": earlier, "ended": ended}


def enrol(
    key: str, person: Person, properties: Mapping[str, Any], compiled: Compiled, queue: Queue, *, now: int
) -> dict[str, Any]:
    """Ask for somebody to enter a journey that begins when the API asks; its own rules still decide.

    The same request within the same millisecond is one.

    Raises
    ------
    Rejected : there is none (404), or it begins by itself (409).
    """
    one = _known(key, compiled)
    if one.trigger.kind != "api":
        detail = f"{key!r} begins {begins(one.trigger)}: give it trigger = {{ api = true }}, or send what begins it"
        raise Rejected(detail, code="not-for-the-asking", status=409)
    if one.keyed and not properties.get(one.keyed):
        raise Rejected(f"say which {one.keyed!r} it is about", code="no-key", pointer=f"/properties/{one.keyed}")
    event = Event(
        id=digest("journey", key, person.id, str(now)),
        kind="track",
        name=REQUESTED,
        at=now,
        received=now,
        source="tailor",
        identifiers=(Identifier("person", person.id),),
        properties={**properties, "journey": key},
    )
    queue.put(envelopes("tailor", "", [event.to_json()], received=now))
    return {"journey": key, "person": person.id, "event": event.id}


def hold(key: str, store: Store, compiled: Compiled, *, paused: bool, now: int) -> Publication:
    """Pause a journey, or let it go on: a publication like any other, with its version and its place in the history.

    Raises
    ------
    Rejected : there is none (404).
    """
    _known(key, compiled)
    for document in store.definitions(KIND).values():
        if key in document.get("journeys", {}):
            changed = deepcopy(document)
            changed["journeys"][key].pop("paused", None)
            if paused:
                changed["journeys"][key]["paused"] = True
            return publish(changed, store, now=now)
    raise _unknown(key, compiled)


def _counts(store: Store) -> tuple[str | None, dict[str, list[tuple[str, str, int]]]]:
    """When everybody was last walked, and journey → (``at`` or ``ended``, ``version/step`` or how, people)."""
    days = sizes(store)
    if not days:
        return None, {}
    found: dict[str, list[tuple[str, str, int]]] = {}
    for place, people in days[-1].get("journeys", {}).items():
        kind, key, where = place.split("#", 2)
        found.setdefault(key, []).append((kind, where, people))
    return days[-1]["at"], found


def _known(key: str, compiled: Compiled) -> Journey:
    known = compiled.program.journeys.get(key)
    if known is None:
        raise _unknown(key, compiled)
    return known


def _unknown(key: str, compiled: Compiled) -> Rejected:
    hint = nearest(key, compiled.program.journeys)
    return Rejected(f"there is no journey {key!r}{hint}", code="not-found", status=404)
