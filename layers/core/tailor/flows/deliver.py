"""Deliver: one owed message, at most once.

::

    (no row) ──claim──▶ CLAIMED ──person unchanged──▶ SENDING ──SES accepts──▶ SENT ──SES event──▶ DELIVERED ...
                           │                             ├──refused for now───▶ CLAIMED (tried again)
                           ├──not eligible──▶ SKIPPED    ├──refused for good──▶ FAILED
                           └──no rendering──▶ SKIPPED    └──no answer, killed─▶ UNKNOWN ──SES event──▶ SENT

A letter that may leave later has no row yet: the person is told until when, and hands it over again.

SES has no idempotency token, so nobody can send exactly once across a crash. A doubtful message stays UNKNOWN until an
SES event settles it; without one the template's ``in_doubt`` decides: send again after :data:`DOUBT`, or never.
SENDING is entered in one transaction with a check that the person is as it was read: what was withdrawn before cannot
leave.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tailor.edges.bus import Queue, envelopes
from tailor.edges.mailer import Mailer
from tailor.edges.store import Store
from tailor.kernel.errors import Ambiguous, Rejected, Stale, Transient
from tailor.kernel.event import Event, Identifier
from tailor.kernel.instants import MINUTE
from tailor.kernel.keys import digest, sign_token
from tailor.kernel.person import Person
from tailor.kernel.program import Program, Template
from tailor.rules.consent import permits, view
from tailor.rules.eligibility import PUT_OFF, Verdict, decide, purpose_of
from tailor.rules.messages import Envelope, build_mime
from tailor.rules.templates import Letter, Letterhead, compile_template, given

LEASE = 2 * MINUTE
"""A claim without a send is taken over after this."""
DOUBT = 30 * MINUTE
"""How long SES events have to settle a doubtful message."""


@dataclass(slots=True)
class Post:
    """What delivering needs: the ledger, SES, what links are made of, and the queue for reports, made at first use."""

    store: Store
    mailer: Mailer
    reports: Callable[[], Queue]
    program: Program
    signing_keys: Mapping[str, bytes]
    public_url: str
    owner: str
    letterhead: Callable[[Template], Letterhead]


class Letterheads:
    """Templates compiled once for each version of the program."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._ready: dict[str, Letterhead] = {}

    def __call__(self, template: Template) -> Letterhead:
        if template.key not in self._ready:
            self._ready[template.key] = compile_template(template, self._program)
        return self._ready[template.key]


def deliver(owed: Mapping[str, Any], post: Post, *, now: int) -> str:
    """Deliver one message of the send queue; answers the state it is in afterwards.

    Raises
    ------
    Transient : not now; the queue brings it again.
    """
    person = post.store.person(owed["person"], consistent=True)
    if person is None:
        return "GONE"
    message = owed["message"]
    row = _row(post.store, person, message)
    verdict = _judge(owed, person, post, now)
    if row is None:
        holder = person.id
        if not verdict.later:
            _claim(owed, person, post, now)
    else:
        holder = row["pk"][2:]
        if settled := _resume(row, holder, message, post, now):
            _tell(person, message, settled, row.get("why", ""), post, now)
            return settled
    if verdict.later:
        return _put_off(person, message, verdict, post, now)
    if verdict.why:
        return _end(holder, person, message, "SKIPPED", verdict.why, post, now)
    try:
        letter, mime, to = _write(owed, person, post, now)
    except Rejected as refused:
        return _end(holder, person, message, "SKIPPED", refused.detail, post, now)
    return _send(owed, holder, person, letter, mime, to, post, now)


def _row(store: Store, person: Person, message: str) -> dict[str, Any] | None:
    for id in (person.id, *person.aliases):
        if row := store.message(id, message):
            return row
    return None


def _claim(owed: Mapping[str, Any], person: Person, post: Post, now: int) -> None:
    row = {name: owed[name] for name in ("journey", "step", "template", "entered", "cause")}
    claim = {"state": "CLAIMED", "claimed_at": now, "owner": post.owner, "program": post.program.version}
    try:
        post.store.claim_message(person.id, owed["message"], {**row, **claim})
    except Stale as lost:
        raise Transient("another worker has just claimed the message") from lost


def _resume(row: Mapping[str, Any], holder: str, message: str, post: Post, now: int) -> str | None:
    """What to make of a row that is there: the state it ends in, or ``None`` where the message is ours to send."""
    state: str = row["state"]
    template = post.program.templates.get(row["template"])
    again = template is not None and template.in_doubt == "resend"
    match state:
        case "CLAIMED":
            if now < row["claimed_at"] + LEASE and row["owner"] != post.owner:
                raise Transient("another worker is at the message", retry_after=LEASE // 1000)
        case "SENDING":
            if now < row["sending_at"] + LEASE:
                raise Transient("another worker is sending the message", retry_after=LEASE // 1000)
            post.store.settle(holder, message, "UNKNOWN", now=now, why="the worker stopped while sending")
            return "UNKNOWN"
        case "UNKNOWN":
            if not again or now < row["unknown_at"] + DOUBT:
                return "UNKNOWN"
        case _:
            return state
    try:
        post.store.take_over(holder, message, state=state, since=row["claimed_at"], owner=post.owner, now=now)
    except Stale as lost:
        raise Transient("another worker took the message over") from lost
    return None


def _judge(owed: Mapping[str, Any], person: Person, post: Post, now: int) -> Verdict:
    to = person.email()
    suppressed = post.store.suppressed(to) if to else None
    return decide(person, owed, post.program, suppressed=suppressed, now=now)


def _put_off(person: Person, message: str, verdict: Verdict, post: Post, now: int) -> str:
    """Ask the person to hand the letter over again when it may leave."""
    _report(person, message, PUT_OFF, {"why": verdict.why, "until": verdict.at}, post, now)
    return "PUT OFF"


def _write(owed: Mapping[str, Any], person: Person, post: Post, now: int) -> tuple[Letter, bytes, str]:
    """Render and build; :class:`Rejected` says why there will be no letter."""
    template = post.program.templates[owed["template"]]
    to = person.email() or ""
    if not template.sender.address:
        raise Rejected("its programme names no sender: add [sender] from = '...'", code="no-sender")
    urls = links(person.id, purpose_of(template, post.program), post.public_url, post.signing_keys)
    counted = permits(person, "analytics", post.program, now=now)
    pixel = _signed(f"{person.id}|{owed['message']}", "open", post) if counted else ""
    letter = post.letterhead(template).render(
        view(person, template.reads_for, post.program, now=now),
        given(template, urls),
        now=now,
        link=_tracked(person.id, owed["message"], post) if counted else None,
        pixel=f'<img src="{post.public_url}/o/{pixel}" width="1" height="1" alt="">' if counted else "",
    )
    envelope = Envelope(
        sender=template.sender,
        to=to,
        message_id=owed["message"],
        journey=owed["journey"],
        kind=template.kind,
        unsubscribe_url=urls["unsubscribe_url"],
    )
    return letter, build_mime(letter, envelope), to


def links(person: str, purpose: str, public_url: str, keys: Mapping[str, bytes]) -> dict[str, str]:
    """The signed links every letter carries; the first of ``keys`` signs."""
    kid, key = next(iter(keys.items()))
    unsubscribe = sign_token(f"{person}|{purpose}", purpose="unsubscribe", kid=kid, key=key)
    preferences = sign_token(person, purpose="preferences", kid=kid, key=key)
    return {
        "unsubscribe_url": f"{public_url}/u/{unsubscribe}",
        "preferences_url": f"{public_url}/preferences/{preferences}",
    }


def _tracked(person: str, message: str, post: Post) -> Callable[[int, str], str]:
    return lambda index, url: f"{post.public_url}/c/{_signed(f'{person}|{message}|{index}', 'click', post)}"


def _signed(payload: str, purpose: str, post: Post) -> str:
    kid, key = next(iter(post.signing_keys.items()))
    return sign_token(payload, purpose=purpose, kid=kid, key=key)


def _send(
    owed: Mapping[str, Any], holder: str, person: Person, letter: Letter, mime: bytes, to: str, post: Post, now: int
) -> str:
    message = owed["message"]
    stood_on = {"consent": person.consent_head, "person_version": person.version}
    found = {"fallbacks": list(letter.fallbacks), "links": list(letter.links)}
    try:
        post.store.start_sending(holder, message, person=person, owner=post.owner, now=now, **stood_on, **found)
    except Stale as lost:
        raise Transient("the person changed while the letter was written") from lost
    try:
        ses = post.mailer.send(
            mime,
            sender=post.program.templates[owed["template"]].sender.address,
            to=to,
            tags={"tailor_person": person.id, "tailor_message": message, "tailor_journey": owed["journey"]},
        )
    except Transient:
        post.store.release(holder, message, owner=post.owner)
        raise
    except Ambiguous as doubt:
        post.store.settle(holder, message, "UNKNOWN", now=now, why=str(doubt))
        return "UNKNOWN"
    except Rejected as refused:
        return _end(holder, person, message, "FAILED", refused.detail, post, now)
    post.store.settle(holder, message, "SENT", now=now, ses=ses)
    return "SENT"


def _end(holder: str, person: Person, message: str, state: str, why: str, post: Post, now: int) -> str:
    post.store.settle(holder, message, state, now=now, why=why)
    _tell(person, message, state, why, post, now)
    return state


def _tell(person: Person, message: str, state: str, why: str, post: Post, now: int) -> None:
    """Report to the person that a message is owed no longer; SENT and beyond are reported by SES itself."""
    if state == "UNKNOWN":
        return
    name = {"SKIPPED": "Email Skipped", "FAILED": "Email Failed"}.get(state, "Email Settled")
    _report(person, message, name, {"why": why}, post, now)


def _report(person: Person, message: str, name: str, about: Mapping[str, Any], post: Post, now: int) -> None:
    event = Event(
        id=digest(message, name, *(str(value) for value in about.values())),
        kind="track",
        name=name,
        at=now,
        received=now,
        source="tailor",
        identifiers=(Identifier("person", person.id),),
        properties={"message_id": message, **about},
    )
    post.reports().put(envelopes("tailor", "", [event.to_json()], received=now))
