"""Enrol: forms that visitors fill in, and the letters by which they confirm that it was they.

Nothing is granted by a form alone: ticked boxes are *pending* until the link in the letter of confirmation is followed
and pressed. Both are kept as evidence: who, when, under which words, from where.
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

    Boxes that were left alone say nothing; what is granted already is not asked again.

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
    traits = {
        name: _answer(program.attributes[name].type, values)
        for name in form.fields
        if (values := [v.strip()[:VALUE] for v in sent.get(name, ()) if v.strip()])
    }
    event = Event(
        id=digest(SUBMITTED, form.key, who.value, str(now), *ticked),
        kind="identify",
        name=SUBMITTED if changes else "Form Answered",
        at=now,
        received=now,
        source=SOURCE,
        identifiers=ordered([who]),
        traits=traits,
        properties={"form": form.key},
        context={"consent": {**how, "text": form.text}} if changes else {},
        consent=tuple(changes),
    )
    absorb([event], desk.store, desk.compiled, new_id=desk.new_id, now=now)


def check_confirmation(token: str, desk: Desk) -> list[str]:
    """What a link of confirmation would grant: the titles, none where there is nothing (any more) to confirm.

    Raises
    ------
    Rejected : the token is forged.
    """
    person = _bearer(token, desk)
    return [_title(key, desk.compiled.program) for key in _pending(person)] if person else []


def confirm(token: str, desk: Desk, *, how: Mapping[str, Any], now: int) -> list[str]:
    """Grant what is pending; answers the titles. Repeating it changes nothing.

    Raises
    ------
    Rejected : the token is forged.
    """
    person = _bearer(token, desk)
    keys = _pending(person) if person else []
    if person is None or not keys:
        return []
    event = Event(
        id=digest("confirm", person.id, str(person.version)),
        kind="consent",
        name="Consent Confirmed",
        at=now,
        received=now,
        source=SOURCE,
        identifiers=ordered([identifier("person", person.id)]),
        context={"consent": dict(how)},
        consent=tuple(_change(key, "granted") for key in keys),
    )
    absorb([event], desk.store, desk.compiled, new_id=desk.new_id, now=now)
    return [_title(key, desk.compiled.program) for key in keys]


def _bearer(token: str, desk: Desk) -> Person | None:
    return desk.store.person(read_token(token, purpose="confirm", keys=desk.signing_keys), consistent=True)


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
