"""Bounces: when an address that refuses for now has refused for too long."""

from __future__ import annotations

from tailor.kernel.instants import DAY
from tailor.kernel.person import Person

SOFT = 4
SPAN = 14 * DAY
"""So many soft bounces in a row, over so long a time, are as good as a hard one; a delivery begins the row anew."""


def worn_out(person: Person) -> bool:
    """Whether the soft bounces of a person since their last delivery are too many; the newest is in their history."""
    delivered = person.history.get("Email Delivered", [0, []])[1]
    since = delivered[0] if delivered else 0
    row = [at for at in person.history.get("Email Bounced", [0, []])[1] if at > since]
    return len(row) >= SOFT and row[0] - row[-1] >= SPAN
