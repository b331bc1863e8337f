"""Render: a letter as one person would get it. Nothing is sent, recorded or counted; its links lead nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tailor.edges.store import Store
from tailor.flows.show import load
from tailor.kernel.errors import Rejected
from tailor.kernel.fields import Fields, nearest
from tailor.kernel.person import Person
from tailor.kernel.program import Program, Template
from tailor.rules.consent import STRICTNESS, permits, view
from tailor.rules.eligibility import eligible
from tailor.rules.lint import CLIPPED
from tailor.rules.pressing import finished
from tailor.rules.templates import compile_template, given

LINKS = {
    "unsubscribe_url": "https://preview.invalid/unsubscribe",
    "preferences_url": "https://preview.invalid/preferences",
}
NOBODY = "nobody@preview.invalid"
"""The address of a described person, who stands for people that have one."""
INLINE = "(inline)"
"""Key of a template that came with the request; no programme can define it as a file."""


def render(request: Mapping[str, Any], store: Store, *, now: int) -> dict[str, Any]:
    """One letter: ``{"subject", "preheader", "html", "text", "links", "fallbacks", "size", "warnings"}``.

    ``request`` is ``{"template", "person"}`` or ``{"template", "profile"}``: the template is the key of one in force,
    or an object ``{"subject", "html", ...}`` to try; the person an id; the profile ``{attribute: value, ...}`` beside
    ``"consent": {purpose: grant, ...}``. ``size`` is the HTML's, in bytes; ``warnings`` say what a reader of the answer
    should know before anything is sent.

    Raises
    ------
    Rejected : no such template or person (404), a template that does not compile, or a letter that cannot be written.
    """
    fields = Fields(request, "")
    asked, id, described = fields.any("template"), fields.any("person"), fields.any("profile")
    fields.done()
    documents = list(store.definitions("programme").values())
    program, template = _template(asked, documents)
    if (id is None) == (described is None):
        raise Rejected("give either 'person', an id, or 'profile', an object", code="bad-request")
    person = _described(described) if id is None else load(str(id), store)
    suppressed = store.suppressed(email) if (email := person.email()) else None
    try:
        letterhead = compile_template(template, program)
        letter = letterhead.render(
            view(person, template.reads_for, program, now=now),
            given(template, LINKS),
            now=now,
        )
    except Rejected as error:
        raise _of_inline(error) from error
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
        "links": list(letter.links),
        "fallbacks": list(letter.fallbacks),
        "size": size,
        "warnings": warnings,
    }


def _template(asked: Any, documents: list[dict[str, Any]]) -> tuple[Program, Template]:
    if isinstance(asked, Mapping):
        # Last by name, so that it finds what it refers to, and clashes are its own.
        trial = {"name": "~", "templates": {INLINE: asked}}
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


def _described(profile: Any) -> Person:
    """A person who is nobody, with the attributes and the consent of ``profile``."""
    fields = Fields(profile, "/profile")
    consent = Fields(fields.any("consent") or {}, "/profile/consent")
    for key in consent.raw:
        consent.text(key, among=tuple(STRICTNESS))
    attributes = {str(name): value for name, value in fields.raw.items() if name != "consent"}
    choices = {str(key): [grant, 0, "preview"] for key, grant in consent.raw.items()}
    return Person("p_preview", identifiers={"email": [NOBODY]}, attributes=attributes, consent=choices)


def _about(person: Person, template: Template, program: Program, *, now: int) -> list[str]:
    purpose = template.reads_for
    if not permits(person, purpose, program, now=now):
        return [f"{purpose!r} is not permitted: the letter shows nothing of them, only fallbacks"]
    barred = sorted(n for n in person.attributes if n not in program.permitted.get(purpose, ()))
    return [f"{', '.join(barred)}: not declared for {purpose!r}, so no letter can show it"] if barred else []
