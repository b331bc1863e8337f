"""Enrol: forms that visitors fill in, and the letters by which they confirm that it was they.

Anybody can fill in a form with somebody else's address, known here or not. So nothing is granted or changed by a form
alone: ticked boxes are *pending*, and answers stay with the event of the form, until the link in the letter of
confirmation is followed and pressed. The letter confirms the answers of the form it was sent for and no others, so that
nobody can slip some in; a form sent again within ten minutes has no letter of its own. Both are kept as evidence: who,
when, under which words, from where.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tailor.edges.store import Store
from tailor.flows.absorb import absorb
from tailor.flows.choose import Desk
from tailor.kernel.errors import Rejected
from tailor.kernel.event import ConsentChange, Event, Grant
from tailor.kernel.fields import nearest
from tailor.kernel.forms import SUBMITTED, Form
from tailor.kernel.keys import digest, read_token
from tailor.kernel.person import Person
from tailor.kernel.program import Program
from tailor.rules.consent import grant_of, view
from tailor.rules.identity import identifier, ordered

VALUE = 500
"""Characters of one answer."""
SOURCE = "form"
CONFIRMED = "Consent Confirmed"
"""The event of a confirmation; its property ``submitted`` is the instant of the form."""


def form_of(key: str, program: Program) -> Form:
    """One form.

    Raises
    ------
    Rejected : there is none (404).
    """
    form = program.forms.get(key)
    if form is None:
        detail = f"there is no form {key[:40]!r}{nearest(key[:40], program.forms)}"
        raise Rejected(detail, code="not-found", status=404)
    return form


def questions(form: Form, token: str, desk: Desk, *, now: int) -> list[str]:
    """The attributes to ask for: of those that are not known of the bearer of a preference link, ``form.ask``; of
    somebody unknown the first ones. Whether something is known shows, what it is does not.

    Raises
    ------
    Rejected : the token is forged.
    """
    known: Mapping[str, Any] = {}
    if token:
        person = desk.store.person(read_token(token, purpose="preferences", keys=desk.signing_keys))
        if person is not None:
            known = view(person, "personalization", desk.compiled.program, now=now).attributes
    missing = [name for name in form.fields if known.get(name) in (None, "", [])]
    return missing[: form.ask]


def submit(form: Form, sent: Mapping[str, Sequence[str]], desk: Desk, *, how: Mapping[str, Any], now: int) -> None:
    """Take a form: ``sent`` has ``email``, attributes by their names, and ``box`` with the keys of the ticked ones.

    Boxes that were left alone say nothing; what is granted already is not asked again. Nothing holds before
    :func:`confirm`.

    Raises
    ------
    Rejected : the address is none; ``pointer`` names the field.
    """
    who = identifier("email", (sent.get("email") or [""])[0])
    if who is None:
        detail = "this is no e-mail address; write it as name@example.com"
        raise Rejected(detail, code="bad-email", pointer="/email", status=422)
    program = desk.compiled.program
    person = _known(who.value, desk.store)
    ticked = [key for key in form.boxes or {} if key in sent.get("box", ())]
    changes = [_change(key, "pending") for key in ticked if not _granted(person, key)]
    answers = {
        name: _answer(program.attributes[name].type, values)
        for name in form.fields
        if (values := [v.strip()[:VALUE] for v in sent.get(name, ()) if v.strip()])
    }
    event = Event(
        id=digest(SUBMITTED, form.key, who.value, str(now), *ticked),
        kind="identify",
        name=SUBMITTED if changes or answers else "Form Repeated",
        at=now,
        received=now,
        source=SOURCE,
        identifiers=ordered([who]),
        properties={"form": form.key},
        context={"consent": {**how, "text": form.text}, "answers": answers},
        consent=tuple(changes),
    )
    absorb([event], desk.store, desk.compiled, new_id=desk.new_id, now=now)


def check_confirmation(token: str, desk: Desk) -> list[str]:
    """What a link of confirmation would make true, in words; none where there is nothing (any more) to confirm.

    Raises
    ------
    Rejected : the token is forged.
    """
    person, submitted = _bearer(token, desk)
    return _said(_pending(person), _answers(person, submitted, desk.store), desk.compiled.program) if person else []


def confirm(token: str, desk: Desk, *, how: Mapping[str, Any], now: int) -> list[str]:
    """Grant what is pending and take the answers of the form; says which, in words. Repeating it changes nothing.

    Raises
    ------
    Rejected : the token is forged.
    """
    person, submitted = _bearer(token, desk)
    if person is None:
        return []
    keys, answers = _pending(person), _answers(person, submitted, desk.store)
    if not keys and not answers:
        return []
    event = Event(
        id=digest("confirm", person.id, str(person.version)),
        kind="identify" if answers else "consent",
        name=CONFIRMED,
        at=now,
        received=now,
        source=SOURCE,
        identifiers=ordered([identifier("person", person.id)]),
        traits=answers,
        properties={"submitted": submitted},
        context={"consent": dict(how)},
        consent=tuple(_change(key, "granted") for key in keys),
    )
    absorb([event], desk.store, desk.compiled, new_id=desk.new_id, now=now)
    return _said(keys, answers, desk.compiled.program)


def _bearer(token: str, desk: Desk) -> tuple[Person | None, int]:
    """Whose link it is, and the instant of the form it was written for, 0 where the letter knows none."""
    id, _, submitted = read_token(token, purpose="confirm", keys=desk.signing_keys).partition("|")
    return desk.store.person(id, consistent=True), int(submitted or 0)


def _answers(person: Person, submitted: int, store: Store) -> dict[str, Any]:
    """What was answered in the form of that instant and is not confirmed yet."""
    answers: dict[str, Any] = {}
    for event in store.events(person):
        if event.source != SOURCE:
            continue
        if event.name == CONFIRMED and event.properties.get("submitted") == submitted:
            return {}
        if event.name == SUBMITTED and event.at == submitted:
            answers = dict(event.context.get("answers", {}))
    return answers


def _said(keys: Sequence[str], answers: Mapping[str, Any], program: Program) -> list[str]:
    told = [f"{name.replace('_', ' ').capitalize()}: {_words(value)}" for name, value in answers.items()]
    return [*(_title(key, program) for key in keys), *told]


def _words(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _known(email: str, store: Store) -> Person | None:
    one = identifier("email", email)
    holder = store.claims([one], consistent=True).get(one) if one else None
    return store.person(holder, consistent=True) if holder else None


def _pending(person: Person | None) -> list[str]:
    return [key for key, entry in person.consent.items() if entry[0] == "pending"] if person else []


def _granted(person: Person | None, key: str) -> bool:
    purpose, _, topic = key.partition(":")
    return person is not None and grant_of(person, purpose, topic) == "granted"


def _change(key: str, grant: Grant) -> ConsentChange:
    purpose, _, topic = key.partition(":")
    return ConsentChange(purpose, grant, topic)


def _title(key: str, program: Program) -> str:
    purpose, _, topic = key.partition(":")
    if topic in program.topics:
        return program.topics[topic].title
    return program.purposes[purpose].title if purpose in program.purposes else key


def _answer(kind: str, values: Sequence[str]) -> Any:
    """An answer as its attribute wants it: a list of words, a number where it is one, else text."""
    if kind == "list":
        return [part.strip() for value in values for part in value.split(",") if part.strip()]
    if kind == "number":
        try:
            return float(values[0]) if "." in values[0] else int(values[0])
        except ValueError:
            return None
    return values[0] if kind != "boolean" else values[0].lower() in ("yes", "true", "on", "1")
