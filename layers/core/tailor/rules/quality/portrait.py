"""What is known of a person and what is missing, and what was found to be wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tailor.kernel.history import RING
from tailor.kernel.instants import SECOND, iso
from tailor.kernel.person import Person
from tailor.kernel.program import PACE, Program
from tailor.rules.profile import COMPUTED

BURST = 10 * SECOND
"""The newest :data:`tailor.kernel.history.RING` events of one name within this are a machine's, or a loop."""
ALWAYS = ("email",)
"""Identifiers that everybody should have, whatever a programme declares."""


NOT_ASKED = COMPUTED | PACE
"""What purchases set, and what people say of their own accord."""


@dataclass(frozen=True, slots=True)
class Portrait:
    """``score`` from 0 to 1: the share of what the programmes read that is known; ``missing``: the rest by name;
    ``findings``: ``{"code", "field", "hint"}``."""

    score: float
    missing: tuple[str, ...]
    findings: tuple[Mapping[str, str], ...]


def portrait(person: Person, program: Program) -> Portrait:
    """What a person's profile is worth.

    Wanted is what the programmes declare, for nothing else is ever read; what only purchases can set, and what is
    sensitive, is not. An address that mail comes back from, or that never was one, is not known.
    """
    declared = {name for name, one in program.attributes.items() if one.klass != "sensitive" and name not in NOT_ASKED}
    wanted = sorted(declared.union(ALWAYS))
    missing = tuple(name for name in wanted if not _known(person, name))
    findings = tuple(_finding(flag) for flag in person.flags) + tuple(_bursts(person))
    return Portrait((len(wanted) - len(missing)) / len(wanted), missing, findings)


def _known(person: Person, name: str) -> bool:
    if f"{name}:invalid" in (flag.partition(" ")[0] for flag in person.flags):
        return False
    return person.attributes.get(name) not in (None, "", []) or bool(person.identifiers.get(name))


def _finding(flag: str) -> Mapping[str, str]:
    code, _, hint = flag.partition(" ")
    return {"code": code, "field": code.partition(":")[0], "hint": hint}


def _bursts(person: Person) -> list[Mapping[str, str]]:
    return [
        {
            "code": "burst:events",
            "field": name,
            "hint": f"{RING} of them within {BURST // SECOND} seconds, the last at {iso(times[0])}",
        }
        for name, (_, times) in sorted(person.history.items())
        if "?" not in name and len(times) >= RING and times[0] - times[RING - 1] <= BURST
    ]
