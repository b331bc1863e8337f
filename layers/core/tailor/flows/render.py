"""Render: letters as people would get them. Nothing is sent, recorded or counted; their links lead nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tailor.edges.store import Store
from tailor.flows.show import load
from tailor.flows.stock import shelf
from tailor.kernel.errors import Rejected
from tailor.kernel.fields import Fields, nearest
from tailor.kernel.person import Person
from tailor.kernel.program import Program, Template
from tailor.rules.consent import STRICTNESS, permits, view
from tailor.rules.eligibility import eligible
from tailor.rules.lint import CLIPPED
from tailor.rules.messages import Envelope, build_mime
from tailor.rules.pressing import finished
from tailor.rules.recommending import Shelf
from tailor.rules.templates import NOWHERE, Letter, Letterhead, compile_template, given

NOBODY = "nobody@preview.invalid"
"""The address of a described person, who stands for people that have one."""
FIELDS = ("subject", "preheader", "html", "text", "mime", "links", "fallbacks", "size", "warnings")
_WHOM = ("person", "profile", "people", "profiles")
INLINE = "(inline)"
"""Key of a template that came with the request; no programme can define it as a file."""


BATCH = 50
"""People of one request."""
ANSWER = 5_000_000
"""Bytes of an answer; Lambda gives back 6 MB."""


def render(request: Mapping[str, Any], store: Store, *, now: int) -> dict[str, Any]:
    """One letter, or ``{"letters": [...]}``, a letter or a problem for each of ``people`` or ``profiles``, in order.

    ``request`` is ``{"template", "person"}``, ``{"template", "profile"}``, ``{"template", "people"}`` or
    ``{"template", "profiles"}``: the template is the key of one in force, or an object ``{"subject", "html", ...}`` to
    try; a person is an id; a profile ``{attribute: value, ...}`` beside ``"consent": {purpose: grant, ...}``. A letter
    is what :func:`written` answers; ``"fields": [...]`` names what of it is wanted.

    Raises
    ------
    Rejected : no such template or person (404), a template that does not compile, or a letter that cannot be written.
    """
    fields = Fields(request, "")
    asked, wanted = fields.any("template"), fields.any("fields")
    whom = {name: value for name in _WHOM if (value := fields.any(name)) is not None}
    fields.done()
    documents = list(store.definitions("programme").values())
    program, template = _template(asked, documents)
    if len(whom) != 1:
        raise Rejected(
            "give one of 'person', an id, 'profile', an object, 'people' or 'profiles', lists of them",
            code="bad-request",
        )
    ((kind, who),) = whom.items()
    try:
        letterhead = compile_template(template, program)
    except Rejected as error:
        raise _of_inline(error) from error

    goods = shelf(store) if letterhead.recommends else None

    def one(who: Any, pointer: str, *, real: bool) -> dict[str, Any]:
        person = load(str(who), store) if real else described(who, pointer, now=now)
        suppressed = store.suppressed(email) if (email := person.email()) else None
        try:
            letter = written(person, template, letterhead, program, suppressed=suppressed, goods=goods, now=now)
        except Rejected as error:
            raise _of_inline(error) from error
        return letter if wanted is None else {name: value for name, value in letter.items() if name in wanted}

    if wanted is not None and not (isinstance(wanted, list) and set(wanted) <= set(FIELDS)):
        raise Rejected(f"'fields' lists some of {', '.join(FIELDS)}", code="bad-request", pointer="/fields")
    if kind in ("person", "profile"):
        return one(who, "/profile", real=kind == "person")
    if not isinstance(who, list) or not 0 < len(who) <= BATCH:
        raise Rejected(f"{kind!r} is a list of 1 to {BATCH}", code="bad-request", pointer=f"/{kind}")
    letters: list[dict[str, Any]] = []
    size = 0
    for number, each in enumerate(who):
        try:
            letters.append(one(each, f"/{kind}/{number}", real=kind == "people"))
        except Rejected as error:
            letters.append({"problem": error.problem()})
        size += sum(len(value) for value in letters[-1].values() if isinstance(value, str))
        if size > ANSWER:
            detail = (
                f"the first {number + 1} letters are {size:,} characters: name the 'fields' you want, or ask for fewer"
            )
            raise Rejected(detail, code="too-large", status=413)
    return {"letters": letters}


def written(
    person: Person,
    template: Template,
    letterhead: Letterhead,
    program: Program,
    *,
    suppressed: str | None,
    goods: Shelf | None = None,
    now: int,
) -> dict[str, Any]:
    """The letter as JSON; its keys are :data:`FIELDS`.

    ``size`` is the HTML's, in bytes; ``mime`` is the message as SES would get it; ``fallbacks`` names every value that
    something else stands in for; ``warnings`` say what a reader should know before anything is sent.

    Raises
    ------
    Rejected : the letter cannot be written.
    """
    letter = letterhead.render(
        view(person, template.reads_for, program, now=now),
        given(template, NOWHERE),
        now=now,
        shelf=goods,
    )
    size = len(letter.html.encode())
    warnings = [f"{name!r} has no fallback: people without it get no letter" for name in letterhead.needs]
    warnings += _about(person, template, program, now=now)
    if why := eligible(person, template, program, suppressed=suppressed, now=now):
        warnings.append(f"it would not be sent: {why}")
    if size > CLIPPED:
        warnings.append(f"{size} bytes of HTML: Gmail cuts off after {CLIPPED}")
    return {
        "subject": letter.subject,
        "preheader": letter.preheader,
        "html": letter.html,
        "text": letter.text,
        "mime": _mime(letter, person, template),
        "links": list(letter.links),
        "fallbacks": list(letter.fallbacks),
        "size": size,
        "warnings": warnings,
    }


def _mime(letter: Letter, person: Person, template: Template) -> str:
    """The raw message; its sender is made up where the programme names none."""
    sender = template.sender if template.sender.address else replace(template.sender, address=NOBODY)
    envelope = Envelope(
        sender=sender,
        to=person.email() or NOBODY,
        message_id="m_preview",
        journey="",
        kind=template.kind,
        unsubscribe_url=NOWHERE["unsubscribe_url"],
    )
    return build_mime(letter, envelope).decode("ascii")


def _template(asked: Any, documents: list[dict[str, Any]]) -> tuple[Program, Template]:
    if isinstance(asked, Mapping):
        # Last by name, so that it finds what it refers to, and clashes are its own.
        shared = {name: text for document in documents for name, text in document.get("partials", {}).items()}
        trial = {"name": "~", "templates": {INLINE: asked}, "partials": shared}
        try:
            program = Program.of([*documents, finished(trial)])
        except Rejected as error:
            raise _of_inline(error) from error
        return program, program.templates[INLINE]
    program = Program.of(documents)
    if not isinstance(asked, str) or asked not in program.templates:
        detail = f"there is no template {str(asked)[:80]!r}{nearest(str(asked), program.templates)}"
        raise Rejected(detail, code="not-found", pointer="/template", status=404)
    return program, program.templates[asked]


def _of_inline(error: Rejected) -> Rejected:
    """The error with its pointer into the request, where it is about the template that came with it."""
    pointer = error.pointer.replace(f"/templates/{INLINE}", "/template", 1)
    return Rejected(error.detail, code=error.code, pointer=pointer, status=error.status)


def described(profile: Any, pointer: str = "/profile", *, now: int) -> Person:
    """A person who is nobody, with the attributes, all of them new, and the consent of ``profile``.

    Raises
    ------
    Rejected : not the form of a profile; it stands at ``pointer``.
    """
    fields = Fields(profile, pointer)
    consent = Fields(fields.any("consent") or {}, f"{pointer}/consent")
    for key in consent.raw:
        consent.text(key, among=tuple(STRICTNESS))
    attributes = {str(name): value for name, value in fields.raw.items() if name != "consent"}
    choices = {str(key): [grant, 0, "preview"] for key, grant in consent.raw.items()}
    return Person(
        "p_preview",
        identifiers={"email": [NOBODY]},
        attributes=attributes,
        written=dict.fromkeys(attributes, now),
        consent=choices,
    )


def _about(person: Person, template: Template, program: Program, *, now: int) -> list[str]:
    purpose = template.reads_for
    if not permits(person, purpose, program, now=now):
        return [f"{purpose!r} is not permitted: the letter shows nothing of them, only fallbacks"]
    barred = sorted(n for n in person.attributes if n not in program.permitted.get(purpose, ()))
    return [f"{', '.join(barred)}: not declared for {purpose!r}, so no letter can show it"] if barred else []
