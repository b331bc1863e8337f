"""What if: which letters a history would have caused, had it been one person's, or two people's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tailor.kernel.event import Event
from tailor.kernel.person import Person
from tailor.rules.compiled import Compiled
from tailor.rules.step import step

STEPS = 2_000
"""Decisions after which a history is cut short: nobody's letters depend on so many."""
_OWN = ("ses", "tailor")


@dataclass(frozen=True, slots=True, order=True)
class Due:
    """A letter that would have been owed at an instant."""

    at: int
    template: str
    journey: str
    step: int

    def to_json(self) -> dict[str, Any]:
        """``{"at", "template", "journey", "step"}``."""
        return {"at": self.at, "template": self.template, "journey": self.journey, "step": self.step}


def letters(events: Sequence[Event], compiled: Compiled, *, now: int) -> list[Due]:
    """Play a history from its beginning up to ``now``, by the program in force, as if each event had come at once.

    Letters count as sent when they are owed; what our own letters caused is left out, for it would not have happened.
    """
    person = Person("p_what_if")
    found: list[Due] = []
    pending = sorted((event for event in events if event.source not in _OWN), key=lambda event: (event.at, event.id))
    for _ in range(STEPS):
        at = min(pending[0].at if pending else now + 1, person.due)
        if at > now:
            break
        stimuli = []
        while pending and pending[0].at <= at:
            stimuli.append(pending.pop(0))
        person, effects = step(person, stimuli, compiled, now=at)
        found += [Due(at, one["template"], one["journey"], one["step"]) for one in effects.messages]
        person.owed.clear()
    return sorted(found)


def difference(apart: Sequence[Due], together: Sequence[Due]) -> tuple[list[Due], list[Due], list[Due]]:
    """(only as two, only as one, both ways); a letter is the same where journey, step and instant are."""
    one_way, other_way = set(apart), set(together)
    return sorted(one_way - other_way), sorted(other_way - one_way), sorted(one_way & other_way)
