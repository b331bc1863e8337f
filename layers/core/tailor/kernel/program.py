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
                                         {"text": "...", "link": "https://..."}]}},
     "partials": {"footer": "what letters include"}}

This module reads and checks the shape; whether rules compile and templates parse is for the rules to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from email.utils import parseaddr
from functools import cached_property
from typing import Any

from tailor.kernel.campaign import Campaign, read_campaign
from tailor.kernel.catalogue import ATTRIBUTE_CLASSES, Attribute, Coarse, is_of, read_attribute
from tailor.kernel.document import canonical
from tailor.kernel.errors import Rejected
from tailor.kernel.fields import Fields, nearest
from tailor.kernel.forms import OWN_DATA, Form, journey_of, own_data_journey, read_form
from tailor.kernel.identification import Identification, read_identification
from tailor.kernel.journey import Calendar, Given, Journey, Leave, Send, Set, Start
from tailor.kernel.journey_document import read_calendar, read_journey
from tailor.kernel.keys import digest

LAW = "law"
"""The basis of a purpose of which the law of the person's country decides, see :mod:`tailor.rules.policy`."""
CONTRACT = "contract"
"""The basis of what somebody has asked for: an order is confirmed whatever else they restrict."""
BASES = ("consent", LAW, "legitimate-interest", CONTRACT)
GROUP = 10
"""People a group must have to be told of, where the programme does not say."""


@dataclass(frozen=True, slots=True)
class Purpose:
    """What data is used for.

    Basis ``consent`` demands a grant, ``law`` what the law of the person's country does; the others hold until the
    person objects.
    """

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
    """A rule, as an object or as text, with a name. ``purpose`` decides what of a person the rule may see."""

    key: str
    title: str
    rule: Mapping[str, Any] | str
    purpose: str = "personalization"


@dataclass(frozen=True, slots=True)
class Cap:
    """At most ``most`` marketing letters to one person in any ``within`` ms; of one ``topic``, ``""`` for all."""

    key: str
    most: int
    within: int
    topic: str = ""


@dataclass(frozen=True, slots=True)
class Cta:
    """One call to action; the first whose ``when`` holds is shown, ``None`` always holds."""

    text: str
    link: str
    when: Mapping[str, Any] | str | None = None


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

    ``html`` is what publishing has made of the author's (MJML compiled, CSS in the tags), where it has; partials stand
    in their places. ``kind`` is
    ``marketing`` (needs the purpose's permission, carries one-click unsubscribe) or ``transactional``.
    ``in_doubt`` says what to do when SES gave no answer and no event either: ``leave`` (at most once, the default for
    marketing) or ``resend`` (at least once, the default for transactional). ``sender`` is the programme's, but for what
    the letter says of its own; ``fallbacks`` win over those of the attributes.
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
    fallbacks: Mapping[str, str | float] = field(default_factory=dict)

    @property
    def reads_for(self) -> str:
        """The purpose for which the letter sees a person."""
        return "personalization" if self.kind == "marketing" else "service"


STANDARD_PURPOSES = (
    Purpose("marketing", LAW, "Letters with news and offers"),
    Purpose("personalization", "legitimate-interest", "Letters cut to what I look at and buy"),
    Purpose("analytics", LAW, "Counting opens and clicks"),
    Purpose("profiling", LAW, "Guessing what I may want from what people like me do"),
    Purpose("sharing", LAW, "Passing my data on to others, for advertising or for money"),
    Purpose("service", "contract", "Letters about my orders and account"),
)
PACE = frozenset({"letters_at_most", "letters_paused_until"})
"""Attributes by which people say how often they want letters; nobody misses them who has not."""
_PERSONALIZATION = frozenset({"personalization"})
_SERVICE = frozenset({"personalization", "service"})
STANDARD_ATTRIBUTES = (
    Attribute("first_name", "text", "personal", _SERVICE, "there"),
    Attribute("last_name", "text", "personal", _SERVICE),
    Attribute("country", "text", "personal", _SERVICE),
    Attribute("city", "text", "personal", _PERSONALIZATION),
    Attribute("language", "text", "personal", _SERVICE),
    Attribute("time_zone", "text", "personal", _SERVICE),
    Attribute("letters_at_most", "text", "personal", _SERVICE),
    Attribute("letters_paused_until", "number", "personal", _SERVICE),
    Attribute("interests", "list", "personal", _PERSONALIZATION),
    Attribute("purchase_history", "list", "personal", _PERSONALIZATION),
    Attribute("last_purchase_category", "text", "personal", _PERSONALIZATION),
    Attribute("last_viewed_product", "text", "personal", _PERSONALIZATION),
    Attribute("last_viewed_category", "text", "personal", _PERSONALIZATION),
    Attribute("last_wished_product", "text", "personal", _PERSONALIZATION),
    Attribute("order_count", "number", "personal", _PERSONALIZATION, 0),
    Attribute("lifetime_value", "number", "personal", _PERSONALIZATION, 0),
    Attribute("average_order_value", "number", "personal", _PERSONALIZATION, 0),
    Attribute("favourite_category", "text", "personal", _PERSONALIZATION),
    Attribute("birthday", "date", "personal", _PERSONALIZATION),
    Attribute("latitude", "number", "personal", _PERSONALIZATION),
    Attribute("longitude", "number", "personal", _PERSONALIZATION),
)


@dataclass(frozen=True, eq=False)
class Program:
    """All programmes in force, merged; definitions of one kind share one name space. Two are the same if they are one
    object; ``version`` says whether they say the same. ``own_data`` is the template of the letter with the link to
    one's own data, whose ``{confirm_url}`` it is."""

    attributes: dict[str, Attribute] = field(default_factory=dict)
    purposes: dict[str, Purpose] = field(default_factory=dict)
    topics: dict[str, Topic] = field(default_factory=dict)
    segments: dict[str, Segment] = field(default_factory=dict)
    journeys: dict[str, Journey] = field(default_factory=dict)
    templates: dict[str, Template] = field(default_factory=dict)
    caps: dict[str, Cap] = field(default_factory=dict)
    identity: Identification = field(default_factory=Identification)
    forms: dict[str, Form] = field(default_factory=dict)
    minimum_group: int = GROUP
    own_data: str = ""
    campaigns: dict[str, Campaign] = field(default_factory=dict)
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
            identity=_identity(ordered),
            version=digest(*(canonical(d) for d in ordered), size=8),
        )
        for document in ordered:
            _read(document, merged)
        # What stands in several programmes holds for all: the group must be large enough for each.
        groups = [size for document in ordered if (size := _minimum_group(document)) is not None]
        merged = replace(merged, minimum_group=max(groups, default=GROUP), own_data=_own_data(ordered))
        _declare_coarse(merged)
        for form in merged.forms.values():
            if form.confirm:
                pointer = f"/forms/{form.key}"
                merged.journeys[form.journey] = read_journey(
                    form.journey, Fields(journey_of(form), pointer), Calendar()
                )
        if merged.own_data:
            _add_own_data(merged)
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

    def barred(self, attribute: str, purpose: str) -> str:
        """Why a declared attribute may not be read for ``purpose``, and what to do instead; ``""`` where it may."""
        if attribute in self.permitted.get(purpose, ()):
            return ""
        known = self.attributes[attribute]
        if known.klass == "sensitive":
            return "is sensitive and read for no purpose: leave it out, or ask for something else"
        if known.coarse is not None and purpose in known.coarse.purposes:
            return f"may serve {purpose!r} only in its coarser form: use {known.coarse.name!r}"
        return f"may not serve the purpose {purpose!r}: leave it out, or add that to its 'purposes' if it may"

    @cached_property
    def by_law(self) -> tuple[str, ...]:
        """The purposes of which the law decides."""
        return tuple(purpose.name for purpose in self.purposes.values() if purpose.basis == LAW)

    @cached_property
    def retained(self) -> dict[str, int]:
        """Attribute → ms it is kept after it was last set; those kept as long as the person are left out."""
        return {a.name: a.retention for a in self.attributes.values() if a.retention is not None}

    @cached_property
    def generalised(self) -> dict[str, tuple[Coarse, ...]]:
        """Purpose → the coarser forms of attributes that may serve it."""
        coarse = [a.coarse for a in self.attributes.values() if a.coarse is not None and a.klass != "sensitive"]
        return {purpose: tuple(c for c in coarse if purpose in c.purposes) for purpose in self.purposes}

    @cached_property
    def coarser(self) -> dict[str, str]:
        """Attribute → the name of its coarser form."""
        return {a.name: a.coarse.name for a in self.attributes.values() if a.coarse is not None}


def _read(document: Mapping[str, Any], into: Program) -> None:
    fields = Fields(document, "")
    fields.text("name")
    sender = _sender(fields)
    calendar = _calendar(fields)
    retention = _retention(fields)
    fields.any("minimum_group")
    fields.text("own_data", "")
    readers: tuple[tuple[str, dict[str, Any], Callable[[str, Fields], Any]], ...] = (
        ("purposes", into.purposes, _purpose),
        ("topics", into.topics, _topic),
        ("attributes", into.attributes, lambda key, entry: read_attribute(key, entry, retention)),
        ("segments", into.segments, _segment),
        ("journeys", into.journeys, lambda key, entry: read_journey(key, entry, calendar)),
        ("templates", into.templates, lambda key, entry: _template(key, entry, sender)),
        ("caps", into.caps, _cap),
        ("campaigns", into.campaigns, lambda key, entry: read_campaign(key, entry, calendar)),
        ("forms", into.forms, read_form),
    )
    standard = {*(a.name for a in STANDARD_ATTRIBUTES), *(p.name for p in STANDARD_PURPOSES)}
    for section, target, read in readers:
        for key, entry in fields.table(section):
            if key in target and not (section in ("attributes", "purposes") and key in standard):
                raise entry.fail(f"{key!r} is already defined by another programme")
            target[key] = read(key, entry)
            entry.done()
    # Read for all programmes at once by `_identity`.
    fields.any("identity")
    # Put into the letters by `rules.partials` when they are published.
    fields.any("partials")
    read_partials(document)
    fields.done()


def read_partials(document: Mapping[str, Any]) -> dict[str, str]:
    """``[partials]`` of a programme document: name → text.

    Raises
    ------
    Rejected : they are no texts.
    """
    raw = document.get("partials")
    fields = Fields({} if raw is None else raw, "/partials")
    return {str(name): fields.text(name) for name in fields.raw}


def _identity(documents: Iterable[Mapping[str, Any]]) -> Identification:
    """The one section about identity, or the standard rules."""
    found = [document["identity"] for document in documents if document.get("identity") is not None]
    if len(found) > 1:
        detail = "'identity' is already defined by another programme: people are the same for all of them"
        raise Rejected(detail, code="bad-definition", pointer="/identity")
    return read_identification(Fields(found[0], "/identity")) if found else Identification()


def _purpose(key: str, fields: Fields) -> Purpose:
    return Purpose(key, fields.text("basis", among=BASES), fields.text("title", key))


def _topic(key: str, fields: Fields) -> Topic:
    return Topic(key, fields.text("title", key), fields.text("purpose", "marketing"))


def _retention(document: Fields) -> dict[str, int]:
    """``[retention]``: class of attributes → how long each is kept."""
    raw = document.any("retention")
    fields = Fields({} if raw is None else raw, "/retention")
    found = {klass: fields.span(klass) for klass in ATTRIBUTE_CLASSES if fields.any(klass) is not None}
    fields.done()
    return found


def _minimum_group(document: Mapping[str, Any]) -> int | None:
    size = document.get("minimum_group")
    if size is not None and (not isinstance(size, int) or isinstance(size, bool) or size < 1):
        detail = "'minimum_group' is a whole number of people, 1 or more"
        raise Rejected(detail, code="bad-definition", pointer="/minimum_group")
    return size


def _own_data(documents: Iterable[Mapping[str, Any]]) -> str:
    """The one template of the letter with the link to one's own data, ``""`` for none."""
    found = [str(document["own_data"]) for document in documents if document.get("own_data")]
    if len(found) > 1:
        detail = "'own_data' is already defined by another programme: people have one profile for all of them"
        raise Rejected(detail, code="bad-definition", pointer="/own_data")
    return found[0] if found else ""


def _add_own_data(program: Program) -> None:
    _known(program.own_data, program.templates, "/own_data", "template")
    if program.templates[program.own_data].kind != "transactional":
        detail = "the letter with the link to one's own data must be transactional: it is owed to everybody"
        raise Rejected(detail, code="bad-definition", pointer="/own_data")
    if OWN_DATA in program.journeys:
        detail = f"{OWN_DATA!r} is the journey of the letter that 'own_data' names: call this one something else"
        raise Rejected(detail, code="bad-definition", pointer=f"/journeys/{OWN_DATA}")
    fields = Fields(own_data_journey(program.own_data), "/own_data")
    program.journeys[OWN_DATA] = read_journey(OWN_DATA, fields, Calendar())


def _declare_coarse(program: Program) -> None:
    """Coarser forms are attributes as well, so that rules and templates may name them."""
    for attribute in list(program.attributes.values()):
        coarse = attribute.coarse
        if coarse is None:
            continue
        if coarse.name in program.attributes:
            detail = f"there is an attribute {coarse.name!r} already: call the coarser form something else"
            raise Rejected(detail, code="bad-definition", pointer=f"/attributes/{attribute.name}/generalise/as")
        for purpose in coarse.purposes:
            _known(purpose, program.purposes, f"/attributes/{attribute.name}/generalise/purposes", "purpose")
        program.attributes[coarse.name] = Attribute(coarse.name, "text", attribute.klass, coarse.purposes)


def _segment(key: str, fields: Fields) -> Segment:
    rule = fields.any("rule")
    if not isinstance(rule, (Mapping, str)):
        raise fields.fail("'rule' must be an object or text", "rule")
    return Segment(key, fields.text("title", key), rule, fields.text("purpose", "personalization"))


def _cap(key: str, fields: Fields) -> Cap:
    most = fields.any("most")
    if not isinstance(most, int) or isinstance(most, bool) or most < 1:
        raise fields.fail("'most' is a whole number of letters, 1 or more", "most")
    return Cap(key, most, fields.span("within"), fields.text("topic", ""))


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


def _calendar(document: Fields) -> Calendar:
    raw = document.any("calendar")
    return read_calendar(Fields({} if raw is None else raw, "/calendar"))


def _template(key: str, fields: Fields, sender: Sender) -> Template:
    cta = []
    for item in fields.items("cta"):
        cta.append(Cta(item.text("text"), item.text("link"), item.any("when")))
        item.done()
    if cta and cta[-1].when is not None:
        raise fields.fail("the last call to action must have no 'when', so that there always is one", "cta")
    source = fields.text("html")
    made = fields.any("assembled")
    whole = Fields({} if made is None else made, f"{fields.pointer}/assembled")
    kind = fields.text("kind", "marketing", among=("marketing", "transactional"))
    return Template(
        key,
        whole.text("subject", fields.text("subject")),
        fields.text("pressed", source),
        whole.text("preheader", fields.text("preheader", "")),
        whole.text("text", fields.text("text", "")),
        kind,
        fields.text("topic", ""),
        tuple(cta),
        fields.text("in_doubt", "leave" if kind == "marketing" else "resend", among=("leave", "resend")),
        _own_sender(fields, sender),
        _fallbacks(fields),
    )


def _own_sender(letter: Fields, sender: Sender) -> Sender:
    """The programme's sender under the letter's own address and address for replies."""
    raw = letter.any("sender")
    fields = Fields({} if raw is None else raw, f"{letter.pointer}/sender")
    address, reply_to = fields.text("from", sender.address), fields.text("reply_to", sender.reply_to)
    fields.done()
    return replace(sender, address=address, reply_to=reply_to)


def _fallbacks(letter: Fields) -> dict[str, str | float]:
    raw = letter.any("fallbacks")
    fields = Fields({} if raw is None else raw, f"{letter.pointer}/fallbacks")
    for name, value in fields.raw.items():
        if not isinstance(value, (str, int, float)) or not str(value).strip():
            raise fields.fail("a fallback is a text or a number, and says something", str(name))
    return dict(fields.raw)


def _check_references(program: Program) -> None:
    for attribute in program.attributes.values():
        for purpose in attribute.purposes:
            _known(purpose, program.purposes, f"/attributes/{attribute.name}/purposes", "purpose")
    for topic in program.topics.values():
        _known(topic.purpose, program.purposes, f"/topics/{topic.key}/purpose", "purpose")
    for segment in program.segments.values():
        _known(segment.purpose, program.purposes, f"/segments/{segment.key}/purpose", "purpose")
    for journey in program.journeys.values():
        _check_journey(journey, program)
    _check_starts(program)
    for form in program.forms.values():
        _check_form(form, program)
    for cap in program.caps.values():
        if cap.topic:
            _known(cap.topic, program.topics, f"/caps/{cap.key}/topic", "topic")
    for campaign in program.campaigns.values():
        pointer = f"/campaigns/{campaign.key}"
        _known(campaign.template, program.templates, f"{pointer}/template", "template")
        _check_window(campaign, {campaign.template}, pointer, program)
    for template in program.templates.values():
        if template.topic:
            _known(template.topic, program.topics, f"/templates/{template.key}/topic", "topic")
        for name in template.fallbacks:
            pointer = f"/templates/{template.key}/fallbacks/{name}"
            _known(name, program.attributes, pointer, "attribute")
            if why := program.barred(name, template.reads_for):
                raise Rejected(f"{name!r} {why}", code="not-permitted", pointer=pointer)


def _check_form(form: Form, program: Program) -> None:
    pointer = f"/forms/{form.key}"
    for index, name in enumerate(form.fields):
        _known(name, program.attributes, f"{pointer}/fields/{index}", "attribute")
        if program.attributes[name].klass == "sensitive":
            detail = f"attribute {name!r} is sensitive: a form does not ask for what nothing may read"
            raise Rejected(detail, code="not-permitted", pointer=f"{pointer}/fields/{index}")
    for key in form.boxes or {}:
        purpose, _, topic = key.partition(":")
        _known(purpose, program.purposes, f"{pointer}/boxes/{key}", "purpose")
        if topic:
            _known(topic, program.topics, f"{pointer}/boxes/{key}", "topic")
    if form.confirm:
        _known(form.confirm, program.templates, f"{pointer}/confirm", "template")
        if program.templates[form.confirm].kind != "transactional":
            detail = "the letter of confirmation must be transactional: nobody has agreed to marketing yet"
            raise Rejected(detail, code="bad-definition", pointer=f"{pointer}/confirm")


def _check_journey(journey: Journey, program: Program) -> None:
    pointer = f"/journeys/{journey.key}"
    kind, name = journey.trigger.kind, journey.trigger.name
    if kind.startswith("segment_"):
        _known(name, program.segments, f"{pointer}/trigger/{kind}", "segment")
    if kind in ("attribute_changed", "date"):
        _known(name, program.attributes, f"{pointer}/trigger/{kind}", "attribute")
        if why := program.barred(name, "personalization"):
            detail = f"attribute {name!r} {why}"
            raise Rejected(detail, code="not-permitted", pointer=f"{pointer}/trigger/{kind}")
    if kind == "date" and (type := program.attributes[name].type) != "date":
        detail = f"{name!r} is an attribute of type {type}, and a date is asked for: give it type = 'date'"
        raise Rejected(detail, code="bad-reference", pointer=f"{pointer}/trigger/date")
    _check_window(journey, {step.template for step in journey.steps if isinstance(step, Send)}, pointer, program)
    for place, course in journey.courses:
        for index, step in enumerate(course.steps):
            here = f"{pointer}/{place}/{index}"
            match step:
                case Send(template) if course is journey.course:
                    _known(template, program.templates, f"{here}/send", "template")
                case Set(values):
                    for attribute, value in values.items():
                        _known(attribute, program.attributes, f"{here}/set/{attribute}", "attribute")
                        _check_value(program.attributes[attribute], value, f"{here}/set/{attribute}")
                case Start(other) | Leave(other):
                    what = "start" if isinstance(step, Start) else "leave"
                    _known(other, program.journeys, f"{here}/{what}", "journey")
                    if what == "start" and (key := program.journeys[other].keyed) and not journey.keyed:
                        detail = (
                            f"{other!r} has an enrolment for each {key!r}, and this journey has no 'key' to hand on"
                        )
                        raise Rejected(detail, code="bad-reference", pointer=f"{here}/start")
                case _:
                    pass


def _check_window(owner: Journey | Campaign, letters: Iterable[str], pointer: str, program: Program) -> None:
    """Offers never leave in quiet hours: a window for them that lies in these would never open."""
    quiet = owner.calendar.quiet
    offers = any(program.templates[key].kind == "marketing" for key in letters if key in program.templates)
    if owner.window is not None and quiet is not None and offers and owner.window.lies_in(quiet):
        detail = (
            "the window lies in the quiet hours of the calendar, so that no offer could ever leave: move one of them"
        )
        raise Rejected(detail, code="bad-definition", pointer=f"{pointer}/window")


def _check_value(attribute: Attribute, value: Any, pointer: str) -> None:
    if value is not None and not isinstance(value, Given) and not is_of(attribute, value):
        detail = f"{attribute.name!r} is an attribute of type {attribute.type}, and {value!r} is none"
        raise Rejected(detail, code="bad-definition", pointer=pointer)


def _check_starts(program: Program) -> None:
    """No journey starts itself, and none starts another that comes back to it with no time in between."""
    starts = {
        journey.key: {
            step.journey: place
            for place in sorted({0} | journey.course.at_once(0))
            if isinstance(step := journey.steps[place], Start)
        }
        for journey in program.journeys.values()
    }
    for key, journey in program.journeys.items():
        for place, step in enumerate(journey.steps):
            if isinstance(step, Start) and step.journey == key:
                detail = "nobody enters a journey they are in: go to its first step with 'goto', after a wait"
                raise Rejected(detail, code="bad-reference", pointer=f"/journeys/{key}/steps/{place}/start")
        for other, place in starts[key].items():
            seen, todo = set[str](), [other]
            while todo:
                if (now := todo.pop()) == key:
                    detail = f"{other!r} leads back to {key!r} without a wait: put a 'wait' before the 'start' in one"
                    raise Rejected(detail, code="bad-reference", pointer=f"/journeys/{key}/steps/{place}/start")
                if now not in seen:
                    seen.add(now)
                    todo += starts[now]


def _known(name: str, among: Mapping[str, Any], pointer: str, what: str) -> None:
    if name not in among:
        hint = nearest(name, among) or f": define it under '{what}s'"
        raise Rejected(f"there is no {what} {name!r}{hint}", code="bad-reference", pointer=pointer)
