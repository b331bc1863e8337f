"""Tallies: what is counted apart of a person's events because a rule asks for it.

The history of a person counts every event under its name. A tally keeps more about some of them under a key of its own:
only those whose properties fit, a value of each, or the first one there was.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, Literal

from tailor.kernel.event import Event
from tailor.kernel.history import OLDEST
from tailor.kernel.keys import digest
from tailor.kernel.person import Person
from tailor.rules.comparisons import predicate

KEEPING = 200
"""Newest occurrences a rule may look at one by one; aggregates, ages and sequences are of these."""
LARGEST = 10**12
"""Numbers beyond are no values of a property."""
LONGEST, DIGITS = 100, 40
"""Characters of a text that are told apart, and of one that may be a number."""

Kept = Literal["times", "numbers", "values", "first"]
"""What of each occurrence: when it was, the numbers or any plain values of a property; or when the first one was."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Occurrences of ``event`` whose properties fit, under ``key`` of the history.

    ``kept``: what is noted of each; ``human``: whether opens and clicks made by machines are left out.
    """

    event: str
    key: str
    kept: Kept = "times"
    human: bool = False
    tests: tuple[tuple[tuple[str, ...], Callable[[Any], bool]], ...] = field(default=(), repr=False, compare=False)
    path: tuple[str, ...] = field(default=(), repr=False, compare=False)

    @classmethod
    def of(
        cls,
        event: str,
        tests: Mapping[str, tuple[tuple[str, Any], ...]],
        *,
        kept: Kept = "times",
        value: str = "",
        human: bool = False,
    ) -> Tally:
        """``tests``: property → pairs of comparison and wanted; ``value``: the property that is noted."""
        asked: list[Any] = [[name, *sorted(pairs, key=itemgetter(0))] for name, pairs in sorted(tests.items())]
        asked += [kept, value, human] if kept != "times" or human else []
        key = f"{event}?{digest(event, json.dumps(asked, ensure_ascii=False), size=6)}"
        paths = tuple((tuple(path.split(".")), predicate(pairs)) for path, pairs in tests.items())
        return cls(event, key + OLDEST * (kept == "first"), kept, human, paths, tuple(value.split(".")))

    def matches(self, properties: Mapping[str, Any]) -> bool:
        """Whether every test passes; where the path leads through a list, one passing item is enough."""
        if self.human and (properties.get("machine") is True or properties.get("agent") == "machine"):
            return False
        return all(any(test(value) for value in _values(properties, path)) for path, test in self.tests)

    def noted(self, event: Event) -> list[Any]:
        """What is to be kept of one occurrence: its values, ``[None]`` where it is only counted, ``[]``: nothing."""
        if not self.matches(event.properties):
            return []
        if self.kept in ("times", "first"):
            return [None]
        found = _values(event.properties, self.path)
        return [value for one in found if (value := (_number if self.kept == "numbers" else _plain)(one)) is not None]

    def count(self, person: Person, event: Event, *, ring: int) -> None:
        """Enter one event into the person's history."""
        for value in self.noted(event):
            if self.kept == "first":
                person.note_first(self.key, event.at)
            elif value is None:
                person.count(self.key, event.at, ring=ring)
            else:
                person.note(self.key, event.at, value, ring=ring)


def _values(found: Any, path: tuple[str, ...]) -> Iterator[Any]:
    """The values at the end of ``path``; a name that itself has dots is found as well."""
    if not path:
        yield found
    elif isinstance(found, list):
        for item in found:
            yield from _values(item, path)
    elif isinstance(found, Mapping):
        if len(path) > 1 and (dotted := ".".join(path)) in found:
            yield found[dotted]
        elif path[0] in found:
            yield from _values(found[path[0]], path[1:])


def _number(value: Any) -> int | float | None:
    """A number, or text that is one (money travels as exact text), to a millionth."""
    kind = type(value)
    if kind is not int and kind is not float and (kind is not str or len(value) > DIGITS):
        return None
    try:
        number = round(float(value), 6)
    except (ValueError, OverflowError):
        return None
    if not -LARGEST <= number <= LARGEST:
        return None
    return int(number) if number.is_integer() else number


def _plain(value: Any) -> str | int | float | bool | None:
    if isinstance(value, str):
        return value[:LONGEST]
    return value if isinstance(value, (bool, int, float)) and -LARGEST <= value <= LARGEST else None
