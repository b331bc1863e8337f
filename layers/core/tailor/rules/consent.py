"""The gate: what of a person a purpose may see. Rules, templates and everything else read a person only through it.

Choices come from many sources. Within a source the later one wins; across sources the stricter one; at the same
instant the stricter one always, so the order of arrival does not matter. What a person says at a door of our own
(forms, the preference centre, unsubscribe links) is one voice, and it is heard over what other sources had said before:
who signs up again is not held to an old copy of their refusal.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from tailor.kernel.event import ConsentChange
from tailor.kernel.history import History
from tailor.kernel.person import Person
from tailor.kernel.program import CONTRACT, LAW, Program, Purpose
from tailor.rules import policy

STRICTNESS = {"granted": 0, "pending": 1, "denied": 2, "withdrawn": 3}
REFUSED = ("denied", "withdrawn")
RESTRICTION = "restriction"
"""What is chosen under this name is no purpose: who has withdrawn it may be kept, and used for nothing but what a
contract with them takes (GDPR, article 18)."""
OWN_DOORS = frozenset({"preferences", "form", "rights"})
"""Sources of events in which the person speaks for themselves, to us."""
PERSON = "person"
"""The voice of :data:`OWN_DOORS`."""

Voices = dict[str, list[Any]]
"""Voice (a source, or :data:`PERSON`) → ``[grant, instant, source]``, the latest it said."""


@dataclass(slots=True)
class View:
    """What a purpose may see of a person: what it may not is absent, as if it had never been known.

    ``attributes``: name → value; ``history``: see :data:`tailor.kernel.history.History`; ``consent``: ``purpose`` or
    ``purpose:topic`` → grant (a person's own choices hide from nobody), with what the law permits those never asked.
    ``id``: of the person; ``identifiers``: the kinds they have, never the values; ``written``: attribute → instant of
    what set it.
    """

    attributes: dict[str, Any]
    history: History
    consent: dict[str, list[Any]]
    id: str = ""
    identifiers: Collection[str] = ()
    written: Mapping[str, int] = field(default_factory=dict)


def view(person: Person, purpose: str, program: Program, *, now: int) -> View:
    """Look at ``person`` for ``purpose``, at ``now``.

    Undeclared attributes are invisible to every purpose, sensitive ones too, and those kept longer than their
    retention; where the purpose itself is not permitted nothing is seen. An attribute that may serve ``purpose`` only
    in a coarser form appears as that: a city as its region, an age as a band.
    """
    consent = standing(person, program, now=now)
    if not permits(person, purpose, program, now=now):
        return View({}, {}, consent)
    declared = program.permitted.get(purpose, frozenset())
    seen = person.attributes
    if not seen.keys() <= declared:
        seen = {name: value for name, value in seen.items() if name in declared}
    if program.retained or program.generalised.get(purpose):
        seen = _as_permitted(person, dict(seen), purpose, program, now)
    return View(seen, person.history, consent, person.id, person.identifiers.keys(), person.written)


def _as_permitted(person: Person, seen: dict[str, Any], purpose: str, program: Program, now: int) -> dict[str, Any]:
    """Without what was kept long enough, and with the coarser forms."""
    for name in program.retained:
        if name in seen and lapsed(person, name, program, now):
            del seen[name]
    for coarse in program.generalised.get(purpose, ()):
        # What a source has sent under this name is not made of what we know.
        seen.pop(coarse.name, None)
        value = person.attributes.get(coarse.of)
        if value is not None and not lapsed(person, coarse.of, program, now):
            seen[coarse.name] = coarse.apply(value)
    return seen


def standing(person: Person, program: Program, *, now: int) -> dict[str, list[Any]]:
    """The choices in force, and for purposes on which the law decides what it permits to somebody never asked."""
    if since := restricted(person):
        unused = {one.name: ["withdrawn", since, RESTRICTION] for one in program.purposes.values() if _needless(one)}
        return {**person.consent, **unused}
    consent = person.consent
    for purpose in program.by_law:
        if purpose not in consent and (why := policy.by_law(person, purpose, now=now)):
            consent = {**consent, purpose: ["granted", 0, why]}
    return consent


def permits(person: Person, purpose: str, program: Program, *, topic: str = "", now: int) -> bool:
    """Whether ``purpose`` (and, inside it, ``topic``) may be served at ``now``.

    A purpose on the basis of consent needs a grant, of the purpose or of the topic; on that of the law it needs what
    the law of the person's country asks; any other holds until the person objects. A refusal of the whole purpose
    outweighs a grant of one topic.
    """
    basis = program.purposes.get(purpose)
    if basis is None or (RESTRICTION in person.consent and restricted(person) and _needless(basis)):
        return False
    whole = grant_of(person, purpose)
    part = grant_of(person, purpose, topic) if topic else None
    if whole in REFUSED or part in REFUSED:
        return False
    if "granted" in (whole, part):
        return True
    if basis.basis == LAW:
        return whole is None and bool(policy.by_law(person, purpose, now=now))
    return basis.basis != "consent"


def restricted(person: Person) -> int:
    """The instant since which somebody's data may only be kept, 0 where it may be used."""
    said = person.consent.get(RESTRICTION)
    return int(said[1]) if said and said[0] in REFUSED else 0


def _needless(purpose: Purpose) -> bool:
    """Whether a purpose ends with a restriction."""
    return purpose.basis != CONTRACT


def grant_of(person: Person, purpose: str, topic: str = "") -> str | None:
    """The grant in force, ``None`` where the person was never asked."""
    entry = person.consent.get(f"{purpose}:{topic}" if topic else purpose)
    return str(entry[0]) if entry else None


def fold(person: Person, change: ConsentChange, *, at: int, source: str) -> bool:
    """Enter one change; false if its source has said something newer, or as new and at least as strict."""
    key = f"{change.purpose}:{change.topic}" if change.topic else change.purpose
    voices, voice = heard(person, key), voice_of(source)
    if (known := voices.get(voice)) and (known[1], STRICTNESS[known[0]]) >= (at, STRICTNESS[change.grant]):
        return False
    _keep(person, key, {**voices, voice: [change.grant, at, source]})
    return True


def heard(person: Person, key: str) -> Voices:
    """Who has said what about ``purpose`` or ``purpose:topic``; a single voice is kept in ``person.consent`` alone."""
    if key in person.voices:
        return person.voices[key]
    entry = person.consent.get(key)
    return {voice_of(entry[2]): entry} if entry else {}


def join(into: Person, other: Person) -> None:
    """Give ``into`` the choices of ``other`` as well."""
    for key in other.consent:
        voices = dict(heard(into, key))
        for voice, said in heard(other, key).items():
            mine = voices.get(voice)
            if mine is None or (mine[1], STRICTNESS[mine[0]]) < (said[1], STRICTNESS[said[0]]):
                voices[voice] = said
        _keep(into, key, voices)


def voice_of(source: str) -> str:
    """Whose voice a source is."""
    return PERSON if source in OWN_DOORS else source


def _keep(person: Person, key: str, voices: Voices) -> None:
    if len(voices) > 1:
        person.voices[key] = voices
    person.consent[key] = _in_force(voices)


def lapsed(person: Person, attribute: str, program: Program, now: int) -> bool:
    """Whether an attribute was kept as long as it may be."""
    kept = program.retained.get(attribute)
    return kept is not None and person.written.get(attribute, now) + kept <= now


def _in_force(voices: Mapping[str, list[Any]]) -> list[Any]:
    own = voices.get(PERSON)
    since = own[1] if own else 0
    counted = {voice: said for voice, said in voices.items() if voice == PERSON or said[1] >= since}
    strictest = max(counted, key=lambda voice: (STRICTNESS[counted[voice][0]], counted[voice][1], voice))
    return counted[strictest]
