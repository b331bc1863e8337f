"""A program: the definitions in force, as plain data with a version hash.

What people write is a *programme document*, one JSON object (``tailor push`` makes it from a folder)::

    {"name": "shop",
     "sender": {"from": "Shop <hello@shop.example>", "postal_address": "1 High St, Town",
                "list_id": "news.shop.example"},
     "purposes": {"marketing": {"basis": "consent", "title": "Letters with offers"}},
     "topics": {"deals": {"title": "Deals", "purpose": "marketing"}},
     "attributes": {"first_name": {"type": "text", "class": "personal", "purposes": ["personalization"],
                                   "fallback": "there"}},
     "segments": {"lost-view": {"title": "Viewed, did not buy",
                                "rule": {"did_then_not": ["Product Viewed", "Order Completed"], "within": "48h"}}},
     "journeys": {"lost-view": {"trigger": {"segment_entered": "lost-view"}, "re_entry": "30d",
                                "steps": [{"wait": "0m"}, {"send": "come-back"}, {"exit": true}]}},
     "templates": {"come-back": {"topic": "deals", "subject": "...", "preheader": "...", "html": "...",
                                 "cta": [{"when": {...}, "text": "...", "link": "https://..."},
                                         {"text": "...", "link": "https://..."}]}}}

This module reads and checks the shape; whether rules compile and templates parse is for the rules to say.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from email.utils import parseaddr
from functools import cached_property
from typing import Any

from tailor.kernel.errors import Rejected
from tailor.kernel.instants import duration
from tailor.kernel.keys import digest

ATTRIBUTE_TYPES = ("text", "number", "boolean", "list", "date", "map")
ATTRIBUTE_CLASSES = ("public", "personal", "sensitive")
BASES = ("consent", "legitimate-interest", "contract")


@dataclass(frozen=True, slots=True)
class Attribute:
    """One entry of the attribute catalogue: what may be known of a person, and what for.

    ``purposes`` it may serve; ``fallback`` is shown where the value is missing, ``None`` means there is none.
    """

    name: str
    type: str = "text"
    klass: str = "personal"
    purposes: frozenset[str] = frozenset({"personalization"})
    fallback: Any = None


@dataclass(frozen=True, slots=True)
class Purpose:
    """What data is used for. Basis ``consent`` demands a grant; the others hold until the person objects."""

    name: str
    basis: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class Topic:
    """A part of a purpose that a person may leave alone."""

    key: str
    title: str
    purpose: str = "marketing"


@dataclass(frozen=True, slots=True)
class Segment:
    """A rule with a name. ``purpose`` decides what of a person the rule may see."""

    key: str
    title: str
    rule: Mapping[str, Any]
    purpose: str = "personalization"


@dataclass(frozen=True, slots=True)
class Trigger:
    """What starts a journey: an ``event`` by name, or a ``segment_entered``."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Go on after ``span`` milliseconds."""

    span: int


@dataclass(frozen=True, slots=True)
class Send:
    """Owe the person one letter."""

    template: str


@dataclass(frozen=True, slots=True)
class Exit:
    """End the enrolment."""


Step = Wait | Send | Exit


@dataclass(frozen=True, slots=True)
class Journey:
    """Trigger, waits, sends, exit.

    ``re_entry`` is the shortest time between the starts of two enrolments, in ms; ``None`` means never again.
    ``exit_when`` is a rule watched all the time: once true, the enrolment ends.
    """

    key: str
    title: str
    trigger: Trigger
    steps: tuple[Step, ...]
    re_entry: int | None = None
    exit_when: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Cta:
    """One call to action; the first whose ``when`` holds is shown, ``None`` always holds."""

    text: str
    link: str
    when: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Sender:
    """Who writes. ``address`` is an RFC 5322 mailbox, ``postal_address`` what CAN-SPAM asks for."""

    address: str = ""
    reply_to: str = ""
    postal_address: str = ""
    list_id: str = ""

    @property
    def name(self) -> str:
        """The display name of the mailbox, else the address."""
        display, address = parseaddr(self.address)
        return display or address


@dataclass(frozen=True, slots=True)
class Template:
    """A letter.

    ``kind`` is ``marketing`` (needs the purpose's permission, carries one-click unsubscribe) or ``transactional``.
    ``in_doubt`` says what to do when SES gave no answer and no event either: ``leave`` (at most once, the default for
    marketing) or ``resend`` (at least once, the default for transactional). ``sender`` is the programme's.
    """

    key: str
    subject: str
    html: str
    preheader: str = ""
    text: str = ""
    kind: str = "marketing"
    topic: str = ""
    cta: tuple[Cta, ...] = ()
    in_doubt: str = "leave"
    sender: Sender = Sender()

    @property
    def reads_for(self) -> str:
        """The purpose for which the letter sees a person."""
        return "personalization" if self.kind == "marketing" else "service"


STANDARD_PURPOSES = (
    Purpose("marketing", "consent", "Letters with news and offers"),
    Purpose("personalization", "legitimate-interest", "Letters cut to what I look at and buy"),
    Purpose("analytics", "consent", "Counting opens and clicks"),
    Purpose("service", "contract", "Letters about my orders and account"),
)
_PERSONALIZATION = frozenset({"personalization"})
_SERVICE = frozenset({"personalization", "service"})
STANDARD_ATTRIBUTES = (
    Attribute("first_name", "text", "personal", _SERVICE, "there"),
    Attribute("last_name", "text", "personal", _SERVICE),
    Attribute("country", "text", "personal", _SERVICE),
    Attribute("city", "text", "personal", _PERSONALIZATION),
    Attribute("language", "text", "personal", _SERVICE),
    Attribute("interests", "list", "personal", _PERSONALIZATION),
    Attribute("purchase_history", "list", "personal", _PERSONALIZATION),
    Attribute("last_purchase_category", "text", "personal", _PERSONALIZATION),
    Attribute("last_viewed_product", "text", "personal", _PERSONALIZATION),
    Attribute("last_viewed_category", "text", "personal", _PERSONALIZATION),
    Attribute("order_count", "number", "personal", _PERSONALIZATION, 0),
    Attribute("lifetime_value", "number", "personal", _PERSONALIZATION, 0),
)


@dataclass(frozen=True, eq=False)
class Program:
    """All programmes in force, merged; definitions of one kind share one name space. Two are the same if they are one
    object; ``version`` says whether they say the same."""

    attributes: dict[str, Attribute] = field(default_factory=dict)
    purposes: dict[str, Purpose] = field(default_factory=dict)
    topics: dict[str, Topic] = field(default_factory=dict)
    segments: dict[str, Segment] = field(default_factory=dict)
    journeys: dict[str, Journey] = field(default_factory=dict)
    templates: dict[str, Template] = field(default_factory=dict)
    version: str = ""

    @classmethod
    def of(cls, documents: Iterable[Mapping[str, Any]]) -> Program:
        """Read and merge programme documents, in order of their names.

        Raises
        ------
        Rejected : a malformed document, or two programmes defining the same thing; ``pointer`` names the place.
        """
        ordered = sorted(documents, key=lambda document: str(document.get("name", "")))
        merged = cls(
            attributes={a.name: a for a in STANDARD_ATTRIBUTES},
            purposes={p.name: p for p in STANDARD_PURPOSES},
            version=digest(*(json.dumps(d, sort_keys=True) for d in ordered), size=8),
        )
        for document in ordered:
            _read(document, merged)
        _check_references(merged)
        return merged

    @cached_property
    def permitted(self) -> dict[str, frozenset[str]]:
        """Purpose → names of the attributes that may serve it; sensitive ones serve none."""
        return {
            purpose: frozenset(
                a.name for a in self.attributes.values() if purpose in a.purposes and a.klass != "sensitive"
            )
            for purpose in self.purposes
        }


def nearest(word: str, known: Iterable[str]) -> str:
    """``"; did you mean 'x'?"`` for the known word nearest to ``word``, or nothing."""
    found = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {found[0]!r}?" if found else ""


class Fields:
    """Reads one JSON object field by field and refuses what nobody asked for, with its pointer."""

    def __init__(self, raw: Any, pointer: str) -> None:
        if not isinstance(raw, Mapping):
            raise Rejected(f"expected an object, got {type(raw).__name__}", code="bad-definition", pointer=pointer)
        self.raw, self.pointer, self._asked = raw, pointer, set[str]()

    def fail(self, detail: str, name: str = "") -> Rejected:
        """The error for field ``name``, to be raised by the caller."""
        where = f"{self.pointer}/{name.replace('~', '~0').replace('/', '~1')}" if name else self.pointer
        return Rejected(detail, code="bad-definition", pointer=where)

    def text(self, name: str, default: str | None = None, *, among: tuple[str, ...] = ()) -> str:
        """A string; required without a ``default``; one of ``among`` if given."""
        self._asked.add(name)
        value = self.raw.get(name, default)
        if value is None:
            raise self.fail(f"{name!r} is missing", name)
        if not isinstance(value, str):
            raise self.fail(f"{name!r} must be text", name)
        if among and value not in among:
            raise self.fail(f"{value!r} is none of {', '.join(among)}{nearest(value, among)}", name)
        return value

    def any(self, name: str) -> Any:
        """Whatever is there, ``None`` if nothing is."""
        self._asked.add(name)
        return self.raw.get(name)

    def items(self, name: str) -> Iterator[Fields]:
        """The objects of a list, each with its own pointer."""
        value = self.any(name)
        if value is None:
            return
        if not isinstance(value, list):
            raise self.fail(f"{name!r} must be a list", name)
        for index, item in enumerate(value):
            yield Fields(item, f"{self.pointer}/{name}/{index}")

    def table(self, name: str) -> Iterator[tuple[str, Fields]]:
        """The entries of an object of objects."""
        value = self.any(name)
        inner = Fields({} if value is None else value, f"{self.pointer}/{name}")
        for key, value in inner.raw.items():
            yield str(key), Fields(value, f"{inner.pointer}/{key}")

    def done(self) -> None:
        """Refuse fields that nobody asked for."""
        for name in self.raw:
            if name not in self._asked:
                raise self.fail(f"{name!r} is not known here{nearest(str(name), self._asked)}", str(name))


def _read(document: Mapping[str, Any], into: Program) -> None:
    fields = Fields(document, "")
    fields.text("name")
    sender = _sender(fields)
    readers: tuple[tuple[str, dict[str, Any], Callable[[str, Fields], Any]], ...] = (
        ("purposes", into.purposes, _purpose),
        ("topics", into.topics, _topic),
        ("attributes", into.attributes, _attribute),
        ("segments", into.segments, _segment),
        ("journeys", into.journeys, _journey),
        ("templates", into.templates, lambda key, entry: _template(key, entry, sender)),
    )
    standard = {*(a.name for a in STANDARD_ATTRIBUTES), *(p.name for p in STANDARD_PURPOSES)}
    for section, target, read in readers:
        for key, entry in fields.table(section):
            if key in target and not (section in ("attributes", "purposes") and key in standard):
                raise entry.fail(f"{key!r} is already defined by another programme")
            target[key] = read(key, entry)
            entry.done()
    fields.done()


def _purpose(key: str, fields: Fields) -> Purpose:
    return Purpose(key, fields.text("basis", among=BASES), fields.text("title", key))


def _topic(key: str, fields: Fields) -> Topic:
    return Topic(key, fields.text("title", key), fields.text("purpose", "marketing"))


def _attribute(key: str, fields: Fields) -> Attribute:
    purposes = fields.any("purposes")
    if purposes is None:
        purposes = ["personalization"]
    if not isinstance(purposes, list) or not all(isinstance(p, str) for p in purposes):
        raise fields.fail("'purposes' must be a list of purpose names", "purposes")
    return Attribute(
        key,
        fields.text("type", "text", among=ATTRIBUTE_TYPES),
        fields.text("class", "personal", among=ATTRIBUTE_CLASSES),
        frozenset(purposes),
        fields.any("fallback"),
    )


def _segment(key: str, fields: Fields) -> Segment:
    rule = fields.any("rule")
    if not isinstance(rule, Mapping):
        raise fields.fail("'rule' must be an object", "rule")
    return Segment(key, fields.text("title", key), rule, fields.text("purpose", "personalization"))


def _journey(key: str, fields: Fields) -> Journey:
    trigger = Fields(fields.any("trigger"), f"{fields.pointer}/trigger")
    kinds = [kind for kind in ("event", "segment_entered") if kind in trigger.raw]
    if len(kinds) != 1:
        raise trigger.fail("a trigger is either {'event': NAME} or {'segment_entered': KEY}")
    named = Trigger(kinds[0], trigger.text(kinds[0]))
    trigger.done()
    steps = tuple(_step(item) for item in fields.items("steps"))
    if not any(isinstance(step, Send) for step in steps):
        raise fields.fail("a journey without a 'send' step does nothing", "steps")
    re_entry = fields.text("re_entry", "never")
    exit_when = fields.any("exit_when")
    return Journey(
        key,
        fields.text("title", key),
        named,
        steps,
        None if re_entry == "never" else duration(re_entry),
        exit_when,
    )


def _step(fields: Fields) -> Step:
    kinds = [kind for kind in ("wait", "send", "exit") if kind in fields.raw]
    if len(kinds) != 1:
        raise fields.fail("a step is {'wait': '1h'}, {'send': TEMPLATE} or {'exit': true}")
    value = fields.any(kinds[0])
    fields.done()
    try:
        match kinds[0]:
            case "wait":
                return Wait(duration(value))
            case "send" if isinstance(value, str):
                return Send(value)
            case "exit":
                return Exit()
    except Rejected as error:
        raise fields.fail(error.detail, kinds[0]) from error
    raise fields.fail("'send' names a template", "send")


def _sender(document: Fields) -> Sender:
    raw = document.any("sender")
    fields = Fields({} if raw is None else raw, "/sender")
    sender = Sender(
        fields.text("from", ""),
        fields.text("reply_to", ""),
        fields.text("postal_address", ""),
        fields.text("list_id", ""),
    )
    fields.done()
    return sender


def _template(key: str, fields: Fields, sender: Sender) -> Template:
    cta = []
    for item in fields.items("cta"):
        cta.append(Cta(item.text("text"), item.text("link"), item.any("when")))
        item.done()
    if cta and cta[-1].when is not None:
        raise fields.fail("the last call to action must have no 'when', so that there always is one", "cta")
    kind = fields.text("kind", "marketing", among=("marketing", "transactional"))
    return Template(
        key,
        fields.text("subject"),
        fields.text("html"),
        fields.text("preheader", ""),
        fields.text("text", ""),
        kind,
        fields.text("topic", ""),
        tuple(cta),
        fields.text("in_doubt", "leave" if kind == "marketing" else "resend", among=("leave", "resend")),
        sender,
    )


def _check_references(program: Program) -> None:
    for attribute in program.attributes.values():
        for purpose in attribute.purposes:
            _known(purpose, program.purposes, f"/attributes/{attribute.name}/purposes", "purpose")
    for topic in program.topics.values():
        _known(topic.purpose, program.purposes, f"/topics/{topic.key}/purpose", "purpose")
    for segment in program.segments.values():
        _known(segment.purpose, program.purposes, f"/segments/{segment.key}/purpose", "purpose")
    for journey in program.journeys.values():
        if journey.trigger.kind == "segment_entered":
            _known(
                journey.trigger.name, program.segments, f"/journeys/{journey.key}/trigger/segment_entered", "segment"
            )
        for index, step in enumerate(journey.steps):
            if isinstance(step, Send):
                _known(step.template, program.templates, f"/journeys/{journey.key}/steps/{index}/send", "template")
    for template in program.templates.values():
        if template.topic:
            _known(template.topic, program.topics, f"/templates/{template.key}/topic", "topic")


def _known(name: str, among: Mapping[str, Any], pointer: str, what: str) -> None:
    if name not in among:
        raise Rejected(f"there is no {what} {name!r}{nearest(name, among)}", code="bad-reference", pointer=pointer)
