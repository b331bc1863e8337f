"""Findings: what was found out about a person and a letter, one sentence each, and how they are put into words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tailor.kernel.instants import NEVER, iso
from tailor.rules.segments import Reason


@dataclass(slots=True)
class Finding:
    """One thing found out.

    ``sentence`` says it, ``change`` says what would change it, ``until`` when time alone could; ``facts`` are plain
    JSON for machines.
    """

    code: str
    sentence: str
    change: str = ""
    until: int = NEVER
    facts: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """``{"code", "sentence", "change", "until", "facts"}``; ``until`` in ISO 8601 or ``null``."""
        until = iso(self.until) if self.until < NEVER else None
        return {
            "code": self.code,
            "sentence": self.sentence,
            "change": self.change,
            "until": until,
            "facts": self.facts,
        }


def failing(code: str, so: str, reason: Reason) -> list[Finding]:
    """The condition to blame for a rule that does not hold, and the others of a plain list that fail too.

    ``so`` is the sentence that says what follows from the rule.
    """
    first = reason.first_failing() or reason
    sentence = f"{so} The first thing that fails: {first.sentence}."
    if first.seen:
        sentence += f" Seen: {_spoken(first.seen)}."
    change = f"this to hold: {first.sentence}"
    if reason.until < NEVER:
        change = f"time, at the earliest on {moment(reason.until)}"
    elif first.until < NEVER:
        change += f" (time can bring it on {moment(first.until)})"
    findings = [Finding(code, sentence, change, reason.until, reason.to_json())]
    if reason.operator == "all":
        others = [part for part in reason.parts if not part.holds][1:]
        findings += [Finding("fails-too", f"What fails as well: {p.sentence}.", until=p.until) for p in others]
    return findings


def _spoken(seen: Mapping[str, Any]) -> str:
    return "; ".join(f"{name}: {_value(value)}" for name, value in seen.items())


def _value(value: Any) -> str:
    """A value a rule has looked at: an attribute, a grant, or a count with its newest instants."""
    match value:
        case None | []:
            return "nothing known"
        case {"count": 0}:
            return "never"
        case {"count": int(count), "newest": [int(last), *_]}:
            return f"{count} time{'' if count == 1 else 's'}, last on {moment(last)}"
        case [*items]:
            return ", ".join(_value(item) for item in items)
        case _:
            return str(value)


def moment(at: int) -> str:
    """An instant for people: ``24 Nov 2026 06:00 UTC``."""
    return f"{datetime.fromtimestamp(at // 1000, UTC):%-d %b %Y %H:%M} UTC"


HELD = {
    "quiet-hours": "it is night where they are",
    "window": "it is outside the hours of its journey there",
    "paused": "its journey or campaign is paused",
    "capped": "a frequency cap leaves no room",
    "yields": "a frequency cap leaves room for one, and a letter of a higher priority is to come",
    "stopped": "SES takes nothing from this account for a while",
}
"""Reason of :mod:`tailor.rules.eligibility` for which a letter leaves later → in words."""

REASONS = {
    "no-email": ("there is no e-mail address to send to", "an e-mail address"),
    "no-consent": ("they do not permit it", "their consent"),
    "restricted": ("they have restricted what their data is used for", "the restriction lifted by them"),
    "suppressed": ("the address must not be written to", "the suppression lifted"),
    "paused": ("they want no letters for the time being", "the end of their pause"),
    "template-gone": ("the template was no longer in force", "the template in force"),
    "late": ("that was too late for it to be of use", "a later 'not_after'"),
    "capped": ("a frequency cap left no room for it", "fewer letters before it, or another cap"),
    "yields": (
        "a frequency cap left room for one, and a letter of a higher priority was to come",
        "a higher priority, or another cap",
    ),
    "no-window": ("its window lies in the quiet hours and never opens", "another window, or other quiet hours"),
    "cancelled": ("its campaign was cancelled", "another campaign"),
    "holdout": ("they are in the share that gets no letter, for comparison", "another share"),
}
"""Reason of :mod:`tailor.rules.eligibility` → what stands in the way, what it would take."""
