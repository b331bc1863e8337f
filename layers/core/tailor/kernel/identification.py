"""What makes two traces one person: the part of a programme that says so, as plain data.

In a programme document::

    "identity": {
        "priority": ["user_id", "email", "phone", "anonymous_id"],
        "limits": {"user_id": 1, "email": 5},
        "never": {"email": ["info@*", "shop@shop.example"]},
        "shared_after": 3,
        "meeting": "careful",
        "join": "night",
        "survivorship": {"first_name": "verified", "city": "trusted", "interests": "union", "*": "recent"},
        "trusted": ["shopify", "salesforce"]
    }

Everything has a default; one programme of a deployment may hold the section.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, cast

from tailor.kernel.event import Identifier
from tailor.kernel.fields import Fields

Join = Literal["arrival", "night", "review"]
Meeting = Literal["careful", "eager"]
Survivorship = Literal["recent", "oldest", "trusted", "verified", "union"]

PRIORITY = ("user_id", "shopify_customer_id", "email", "phone", "anonymous_id")
"""Kinds from the strongest to the weakest. A kind not listed is a vendor's id of a record: it stands before ``email``,
for an address changes and the record stays."""
DEVICES = frozenset(
    {
        *("ga_client_id", "ga_app_instance_id", "adobe_ecid", "adobe_visitor_id", "adobe_custom_visitor_id"),
        *("tealium_visitor_id", "didomi_user_id"),
    }
)
"""Kinds that tell a browser or an app, as ``anonymous_id`` does, and count as it."""
LIMITS = {"user_id": 1, "shopify_customer_id": 1, "email": 5, "phone": 5, "anonymous_id": 100}
"""How many of a kind a person may hold; kinds not listed: :data:`ANY`."""
ANY = 20
JOINS: tuple[Join, ...] = ("arrival", "night", "review")
MEETINGS: tuple[Meeting, ...] = ("careful", "eager")
SURVIVORSHIPS: tuple[Survivorship, ...] = ("recent", "oldest", "trusted", "verified", "union")


@dataclass(frozen=True, slots=True)
class Identification:
    """The rules in force.

    Attributes
    ----------
    priority : kinds of identifiers, the strongest first.
    limits : kind → how many a person may hold. Two people who together hold more are not one.
    never : kind → values that identify nobody; a ``*`` at the end of one stands for whatever follows.
    shared_after : a value in dispute with so many others is known to be shared, and joins nobody any more.
    meeting : what happens when two known people meet in one event. ``careful``: they become one unless each holds
        something stronger than what they share, or together too much; ``eager``: unless they hold too much.
    join : when likely duplicates are joined without asking: as soon as one ``arrival`` is compared, at ``night``,
        or never before a ``review``.
    survivorship : attribute → which of two values remains; ``*`` for all others. ``recent`` and ``oldest`` by the
        instant of the event that brought it, ``trusted`` by its source, ``verified``: that of the one who has
        answered a letter, ``union``: both, of lists.
    trusted : sources, the most trusted first.
    """

    priority: tuple[str, ...] = PRIORITY
    limits: Mapping[str, int] = field(default_factory=lambda: LIMITS)
    never: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    shared_after: int = 3
    meeting: Meeting = "careful"
    join: Join = "night"
    survivorship: Mapping[str, Survivorship] = field(default_factory=dict)
    trusted: tuple[str, ...] = ()

    def rank(self, kind: str) -> int:
        """Sort key of a kind: lower is stronger. ``person`` is always the strongest."""
        if kind == "person":
            return -1
        if kind in self.priority:
            return 2 * self.priority.index(kind)
        if kind in DEVICES:
            return self.rank("anonymous_id")
        if kind == "anonymous_id":
            return 2 * len(self.priority)
        return 2 * self.priority.index("email") - 1 if "email" in self.priority else 0

    def limit(self, kind: str) -> int:
        """How many of a kind one person may hold."""
        return self.limits.get(kind, self.limits.get("anonymous_id", ANY) if kind in DEVICES else ANY)

    def nobody(self, one: Identifier) -> bool:
        """Whether this value has been said to identify nobody."""
        return any(
            one.value.startswith(value[:-1]) if value.endswith("*") else one.value == value
            for value in self.never.get(one.kind, ())
        )

    def survives(self, attribute: str) -> Survivorship:
        """Which of two values of an attribute remains."""
        return self.survivorship.get(attribute) or self.survivorship.get("*", "recent")


def read_identification(fields: Fields) -> Identification:
    """The section of a document.

    Raises
    ------
    Rejected : a malformed entry; ``pointer`` names it.
    """
    never = {kind: _texts(fields, "never", values) for kind, values in _table(fields, "never").items()}
    survivorship = {
        name: _one_of(fields, f"survivorship/{name}", how, SURVIVORSHIPS)
        for name, how in _table(fields, "survivorship").items()
    }
    made = Identification(
        priority=_texts(fields, "priority", fields.any("priority")) or PRIORITY,
        limits=LIMITS | {kind: _count(fields, f"limits/{kind}", n) for kind, n in _table(fields, "limits").items()},
        never=never,
        shared_after=_count(fields, "shared_after", fields.raw.get("shared_after", 3)),
        meeting=cast(Meeting, fields.text("meeting", "careful", among=MEETINGS)),
        join=cast(Join, fields.text("join", "night", among=JOINS)),
        survivorship={name: cast(Survivorship, how) for name, how in survivorship.items()},
        trusted=_texts(fields, "trusted", fields.any("trusted")),
    )
    fields.any("shared_after")
    fields.done()
    return made


def _table(fields: Fields, name: str) -> Mapping[str, object]:
    value = fields.any(name)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise fields.fail(f"{name!r} must be an object", name)
    return value


def _texts(fields: Fields, name: str, value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
        raise fields.fail(f"{name!r} must be a list of texts", name)
    return tuple(value)


def _count(fields: Fields, name: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise fields.fail(f"{name.partition('/')[2] or name!r} is a whole number, 1 or more", name.partition("/")[0])
    return value


def _one_of(fields: Fields, name: str, value: object, among: tuple[str, ...]) -> str:
    if value not in among:
        raise fields.fail(f"{value!r} is none of {', '.join(among)}", name.partition("/")[0])
    return str(value)
