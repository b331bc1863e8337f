"""Rehearse: what would become of one person, from an instant on, if only what is told happens.

It is the live way without the cloud: the same step, decided at the same instants, and the same decision at the moment
of sending. Nothing is written, sent or counted, and hours pass at once. Live letters leave within the minute after.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tailor.flows.deliver import Letterheads
from tailor.kernel.errors import Rejected
from tailor.kernel.event import Event, Identifier
from tailor.kernel.instants import NEVER, iso
from tailor.kernel.keys import digest
from tailor.kernel.person import Person
from tailor.rules.compiled import Compiled
from tailor.rules.consent import view
from tailor.rules.eligibility import PUT_OFF, Verdict, decide
from tailor.rules.step import step
from tailor.rules.templates import NOWHERE, Letter, given

DECISIONS = 5_000
"""Instants looked at; a programme that needs more for one person goes round in circles."""


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happens.

    ``what`` is ``letter``, ``skipped`` or ``put-off`` (then ``name`` is the template), ``entered`` or ``finished`` (a
    journey), ``in`` or ``out`` (a segment), or ``webhook``; ``why`` is the reason, what began a journey, or how it
    ended.
    """

    at: int
    what: str
    name: str
    why: str = ""
    letter: Letter | None = None

    def to_json(self) -> dict[str, Any]:
        """``{"at", "what", "name", "why"}``, of a letter its ``subject`` too."""
        told = {"at": iso(self.at), "what": self.what, "name": self.name, "why": self.why}
        return told | ({"subject": self.letter.subject} if self.letter else {})


@dataclass(slots=True)
class Rehearsal:
    """What happened, in order, and the person afterwards."""

    person: Person
    happenings: list[Happening] = field(default_factory=list)


def rehearse(
    person: Person,
    events: Sequence[Event],
    compiled: Compiled,
    *,
    now: int,
    until: int,
    suppressed: Mapping[str, str] | None = None,
) -> Rehearsal:
    """Let time pass for ``person`` from ``now`` to ``until``.

    Parameters
    ----------
    person : as they are; they are not changed.
    events : what comes in, each at the instant it is ``received``.
    suppressed : address → why it must not be written to; a complaint or a hard bounce among ``events`` adds to it.

    Raises
    ------
    Rejected : the clock strikes without end.
    """
    stage = _Stage(person, compiled, dict(suppressed or {}))
    coming = sorted(events, key=lambda event: event.received)
    at = now
    for _ in range(DECISIONS):
        arrived = [event for event in coming if event.received <= at]
        coming = coming[len(arrived) :]
        stage.decide(arrived, now=at)
        at = max(at, min([stage.person.due, *(event.received for event in coming[:1])]))
        if at > until or at >= NEVER:
            return Rehearsal(stage.person, stage.happenings)
    raise Rejected(f"after {DECISIONS} decisions there is still something due at once", code="endless", status=422)


class _Stage:
    """A person and what happens to them."""

    def __init__(self, person: Person, compiled: Compiled, suppressed: dict[str, str]) -> None:
        self.person, self.happenings = person, list[Happening]()
        self._compiled, self._suppressed = compiled, suppressed
        self._letterheads = Letterheads(compiled.program)

    def decide(self, stimuli: Sequence[Event], *, now: int) -> None:
        """One step, and what follows from it at the same instant: each letter is reported on at once."""
        while True:
            self.person, effects = step(self.person, stimuli, self._compiled, now=now)
            self._suppressed |= dict(effects.suppressed)
            self.happenings += [one for fact in effects.facts if (one := _told(fact))]
            if not effects.messages:
                return
            stimuli = [self._send(owed, now) for owed in effects.messages]

    def _send(self, owed: Mapping[str, Any], now: int) -> Event:
        person, program = self.person, self._compiled.program
        address = person.email() or ""
        verdict = decide(person, owed, program, suppressed=self._suppressed.get(address), now=now)
        letter = None
        if not verdict.why:
            template = program.templates[owed["template"]]
            try:
                seen = view(person, template.reads_for, program, now=now)
                letter = self._letterheads(template).render(seen, given(template, NOWHERE), now=now)
            except Rejected as refused:
                verdict = Verdict(refused.detail)
        what = "letter" if letter else "put-off" if verdict.later else "skipped"
        self.happenings.append(Happening(now, what, owed["template"], verdict.why, letter))
        if letter:
            return _report(owed["message"], "Email Sent", "ses", now)
        if verdict.later:
            return _report(owed["message"], PUT_OFF, "tailor", now, until=verdict.at)
        return _report(owed["message"], "Email Skipped", "tailor", now, why=verdict.why)


def _report(message: str, name: str, source: str, now: int, **about: Any) -> Event:
    about = {"message_id": message, **about}
    id = digest(message, name, str(now))
    return Event(id, "track", name, now, now, source, (Identifier("person", "rehearsed"),), properties=about)


def _told(fact: Mapping[str, Any]) -> Happening | None:
    match fact["name"]:
        case "journey.entered":
            return Happening(fact["at"], "entered", fact["journey"], fact["cause"])
        case "journey.finished":
            return Happening(fact["at"], "finished", fact["journey"], fact["how"])
        case "journey.webhook":
            return Happening(fact["at"], "webhook", fact["webhook"], _brief(fact["properties"]))
        case "segment.entered" | "segment.exited":
            return Happening(fact["at"], "in" if fact["name"] == "segment.entered" else "out", fact["segment"])
        case _:
            return None


def _brief(properties: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in properties.items())
