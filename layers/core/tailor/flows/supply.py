"""Supply: what another sender needs of one person at the moment it sends; only what consent allows."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from tailor.edges.store import Store
from tailor.flows.show import find, load
from tailor.kernel.errors import Rejected
from tailor.kernel.fields import nearest
from tailor.kernel.person import Person
from tailor.kernel.program import Program, Template
from tailor.rules.consent import permits, view
from tailor.rules.dialects import LANGUAGES, Flag, say
from tailor.rules.mailjinja import display
from tailor.rules.templates import Letterhead

FRESH = 60
"""Seconds for which an answer may be kept."""
ADDRESSES = frozenset({"email", "phone"})
"""Identifiers that have no place in a URL: URLs are logged."""


def supply(
    kind: str,
    value: str,
    template: str,
    store: Store,
    program: Program,
    letterhead: Callable[[Template], Letterhead],
    *,
    now: int,
) -> dict[str, Any]:
    """``{"person", "template", "permitted", "values": {name: text, number or list}}`` for a template in force.

    ``values`` are the attributes that the template reads and this person permits, ``CTA_Text`` and ``CTA_Link``, and
    the flags of :mod:`tailor.rules.dialects`; what is unknown or not permitted is absent. ``permitted`` says whether
    the letter may be sent to them at all.

    Raises
    ------
    Rejected : no such person or template (404), an address in the URL (400).
    """
    if kind in ADDRESSES:
        raise Rejected(f"{kind!r} does not belong into a URL: use the person's id or a user_id", code="bad-identifier")
    if template not in program.templates:
        detail = f"there is no template {template[:80]!r}{nearest(template, program.templates)}"
        raise Rejected(detail, code="not-found", pointer="/template", status=404)
    person = load(value, store) if kind == "person" else find({kind: value}, store)
    return supplied(person, program.templates[template], program, letterhead, now=now)


def supplied(
    person: Person, template: Template, program: Program, letterhead: Callable[[Template], Letterhead], *, now: int
) -> dict[str, Any]:
    """The same of somebody who is at hand."""
    seen = view(person, template.reads_for, program, now=now)
    values = letterhead(template).values(seen, {}, now=now)
    topic = program.topics.get(template.topic)
    purpose = topic.purpose if topic else "marketing" if template.kind == "marketing" else "service"
    return {
        "person": person.id,
        "template": template.key,
        "permitted": permits(person, purpose, program, topic=template.topic, now=now),
        "values": {name: display(value) if isinstance(value, float) else value for name, value in values.items()}
        | {flag.name: "1" for flag in _flags(program, template.key) if flag.holds(seen)},
    }


@lru_cache(maxsize=64)
def _flags(program: Program, template: str) -> tuple[Flag, ...]:
    """Of the language that needs most of them."""
    return tuple(say(program.templates[template], program, LANGUAGES["ampscript"]).flags)
