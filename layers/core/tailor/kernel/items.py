"""Reading a request item by item: one that cannot be used does not spoil the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from tailor.kernel.errors import Rejected
from tailor.kernel.event import Event
from tailor.kernel.inbound import Parsed
from tailor.kernel.values import label

ITEMS = 2_500
"""The most items in one request."""

Reading = Sequence[Event] | str
"""What an item gave: events, or why it gives none."""


def read_each(items: Sequence[Any], read: Callable[[Any, str], Reading], *, pointer: str = "") -> Parsed:
    """``read(item, pointer to it)`` of every item; a ``Rejected`` it raises is about that item alone.

    Events that name nobody are dropped, with a reason. ``pointer`` is that of the list.

    Raises
    ------
    Rejected : more than :data:`ITEMS`.
    """
    if len(items) > ITEMS:
        raise Rejected(f"{len(items)} items at once, the limit is {ITEMS}", code="too-large", status=413)
    parsed = Parsed(ignored=[] if items else ["there is nothing in it"])
    for index, item in enumerate(items):
        try:
            found = read(item, f"{pointer}/{index}")
        except Rejected as refusal:
            parsed.refused.append((refusal, item))
            continue
        if isinstance(found, str):
            parsed.ignored.append(found)
            continue
        parsed.events += [event for event in found if event.identifiers]
        parsed.ignored += [f"{event.name}: it names nobody" for event in found[:1] if not event.identifiers]
    return parsed


def read_one(item: Any, read: Callable[[Any], Reading]) -> Parsed:
    """:func:`read_each` of a request that holds just one."""
    return read_each([item], lambda one, _: read(one))


def unused(kind: str, reasons: Mapping[str, str] = MappingProxyType({})) -> str:
    """Why nothing is made of a ``kind`` of notification: the reason of the first beginning of it, if any has one."""
    why = next((reason for beginning, reason in reasons.items() if kind.startswith(beginning)), "nothing here uses it")
    return f"{label(kind)}: {why}"
