"""Deliver: owed messages, each at most once.

::

    owed by the person ──decided, written──▶ SENDING ──SES accepts──▶ SENT ──SES event──▶ DELIVERED ...
         │      ▲                              ├──refused for now───▶ QUEUED (tried again)
         │      └──later: paused, quiet, ...   ├──refused for good──▶ FAILED
         └──not eligible, no rendering         └──no answer, killed─▶ UNKNOWN ──SES event──▶ SENT
                 ──▶ SKIPPED

A letter that may leave later has no row yet: the person is told until when, and hands it over again.

SES has no idempotency token, so nobody can send exactly once across a crash. A doubtful message stays UNKNOWN until an
SES event settles it; without one the template's ``in_doubt`` decides: send again after :data:`DOUBT`, or never.
Claiming a message and entering SENDING is one write, a transaction with a check that the person is as it was read: what
was withdrawn before cannot leave, and of two workers with the same message one loses. Nothing stands between it and the
call.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tailor.edges.bus import Queue, envelopes
from tailor.edges.mailer import Mailer, Stopped, Throttled
from tailor.edges.store import Start, Store
from tailor.kernel.campaign import Campaign, Standing
from tailor.kernel.errors import Ambiguous, Rejected, Transient
from tailor.kernel.event import Event, Identifier
from tailor.kernel.forms import OWN_DATA
from tailor.kernel.instants import MINUTE, SECOND
from tailor.kernel.keys import digest, sign_token
from tailor.kernel.person import Person
from tailor.kernel.program import Program, Template
from tailor.rules.consent import permits, view
from tailor.rules.eligibility import PUT_OFF, Verdict, decide, purpose_of
from tailor.rules.messages import TRAP, Envelope, build_mime
from tailor.rules.pacing import Pace
from tailor.rules.recommending import Shelf
from tailor.rules.templates import Letter, Letterhead, compile_template, given

LEASE = 2 * MINUTE
"""A message that has been SENDING for so long was left by its worker."""
DOUBT = 30 * MINUTE
"""How long SES events have to settle a doubtful message."""
PAUSED = 15 * MINUTE
"""When a letter of a paused campaign is looked at again."""
ROUNDS = 3
"""Times a letter is decided again at once because its person has changed meanwhile."""
TOGETHER = 25
"""Letters that are decided, written and handed over in one go."""

COUNTED = ("SENT", "SKIPPED", "FAILED", "UNKNOWN")
"""States that are counted for a campaign here; of those that follow absorb is told."""

Owed = Mapping[str, Any]


@dataclass(slots=True)
class Outcome:
    """What became of one message: the ``state`` it is in, and after how many seconds to bring it again, ``None`` where
    it is done with. ``error`` is a bug that was met on the way."""

    state: str
    retry_after: int | None = None
    error: Exception | None = None


def _one_after_the_other(work: Callable[[Any], Any], items: Iterable[Any]) -> Iterable[Any]:
    return map(work, items)


@dataclass(slots=True)
class Post:
    """What delivering needs: the ledger, SES, what links are made of, and the queue for reports, made at first use.

    ``campaign`` says how a campaign stands (see :mod:`tailor.flows.broadcast`), ``each`` makes calls beside one
    another, ``clock`` and ``sleep`` (in seconds) are time, ``patience`` is for how many ms a batch may wait to be sent.
    """

    store: Store
    mailer: Mailer
    reports: Callable[[], Queue]
    program: Program
    signing_keys: Mapping[str, bytes]
    public_url: str
    owner: str
    letterhead: Callable[[Template], Letterhead]
    campaign: Callable[[str], Standing]
    pace: Pace
    clock: Callable[[], int]
    sleep: Callable[[float], None]
    each: Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]] = _one_after_the_other
    patience: int = 40 * SECOND
    shelf: Callable[[], Shelf] = Shelf


class Letterheads:
    """Templates compiled once for each version of the program."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._ready: dict[str, Letterhead] = {}

    def __call__(self, template: Template) -> Letterhead:
        if template.key not in self._ready:
            self._ready[template.key] = compile_template(template, self._program)
        return self._ready[template.key]


@dataclass(slots=True)
class _Task:
    """One message of the batch; ``outcome`` is set when nothing is left to do."""

    owed: Owed
    tries: int = 0
    outcome: Outcome | None = None

    @property
    def message(self) -> str:
        return str(self.owed["message"])


@dataclass(slots=True)
class _Letter:
    """A letter that is written and may leave."""

    task: _Task
    start: Start
    mime: bytes
    to: str


@dataclass(slots=True)
class _Chunk:
    """What one go found out and has to say."""

    letters: list[_Letter] = field(default_factory=list)
    reports: list[Event] = field(default_factory=list)


def deliver(batch: Sequence[Owed], post: Post) -> list[Outcome]:
    """Deliver messages of the send queue, as fast as the pace allows; answers the outcome of each, in their order.

    Raises
    ------
    Transient : the reports could not be handed over; the whole batch is to come again, which harms nothing.
    """
    tasks = [_Task(owed) for owed in batch]
    begun = post.clock()
    while waiting := [task for task in tasks if task.outcome is None]:
        now = post.clock()
        if post.pace.parked > now:
            _flush([_put_off(task, Verdict("stopped", post.pace.parked), now) for task in waiting], post, now)
            break
        free, wait = post.pace.take(min(len(waiting), TOGETHER), now=now)
        if free:
            _go(_distinct(waiting[:free]), post, free)
        elif now + wait - begun > post.patience:
            for task in waiting:
                task.outcome = Outcome("WAITS", retry_after=1)
        else:
            post.sleep(wait / SECOND)
    return [task.outcome or Outcome("WAITS", retry_after=1) for task in tasks]


def _distinct(tasks: Sequence[_Task]) -> list[_Task]:
    """A message that is there twice takes its turns."""
    return list({task.message: task for task in reversed(tasks)}.values())[::-1]


def _go(tasks: Sequence[_Task], post: Post, permits_taken: int) -> None:
    """Read, decide, write, claim and send some messages."""
    chunk = _Chunk()
    now = post.clock()
    loaded = post.store.people({task.owed["person"] for task in tasks}, consistent=True)
    ids = [str(task.owed["person"]) for task in tasks]
    people = [loaded.people.get(loaded.moved.get(id, id)) for id in ids]
    known = [(task, person) for task, person in zip(tasks, people, strict=True) if person is not None]
    rows, suppressed = post.store.letters(
        [(id, task.message) for task, person in known for id in (person.id, *person.aliases)],
        {email for _, person in known if (email := person.email())},
    )
    for task, person in zip(tasks, people, strict=True):
        if person is None:
            task.outcome = Outcome("GONE")
            continue
        try:
            holder, row = _row(rows, person, task.message)
            why_not = suppressed.get(person.email() or "")
            _decide(task, person, holder, row, why_not, chunk, post, now)
        except Transient as refused:
            task.outcome = Outcome("WAITS", refused.retry_after)
        except Exception as bug:
            task.outcome = Outcome("WAITS", 60, bug)
    post.pace.give_back(permits_taken - len(chunk.letters))
    _send(_claim(chunk.letters, post), chunk, post)
    _flush(chunk.reports, post, now)
    counted = Counter(
        (campaign, task.outcome.state)
        for task in tasks
        if task.outcome and task.outcome.state in COUNTED and (campaign := task.owed.get("campaign"))
    )
    for (campaign, state), times in counted.items():
        post.store.tally(f"campaign:{campaign}", state, times)


def _row(rows: Mapping[tuple[str, str], Any], person: Person, message: str) -> tuple[str, Mapping[str, Any] | None]:
    for id in (person.id, *person.aliases):
        if row := rows.get((id, message)):
            return id, row
    return person.id, None


def _decide(
    task: _Task,
    person: Person,
    holder: str,
    row: Mapping[str, Any] | None,
    suppressed: str | None,
    chunk: _Chunk,
    post: Post,
    now: int,
) -> None:
    """Settle what is settled, leave out or put off what may not leave, write what may."""
    owed = task.owed
    row = _given_up(row, holder, task.message, post, now)
    unknown_at = row.get("unknown_at") if row and row["state"] == "UNKNOWN" else None
    if row is not None and (settled := _settled(row, post, now)):
        task.outcome = Outcome(settled)
        if settled != "UNKNOWN":
            chunk.reports.append(_told(task, person, settled, row.get("why", ""), now))
        return
    held, campaign = _campaign(owed, post, now)
    verdict = held or decide(person, owed, post.program, suppressed=suppressed, campaign=campaign, now=now)
    if verdict.later:
        chunk.reports.append(_put_off(task, verdict, now, person))
        return
    noted = {
        name: owed[name] for name in ("journey", "step", "template", "entered", "cause", "campaign") if name in owed
    }
    noted |= {"owner": post.owner, "program": post.program.version}
    try:
        if verdict.why:
            raise Rejected(verdict.why, code="not-eligible")
        letter, mime, to = _write(owed, person, post, now)
    except Rejected as refused:
        post.store.close(holder, task.message, "SKIPPED", noted, why=refused.detail, now=now)
        task.outcome = Outcome("SKIPPED")
        chunk.reports.append(_told(task, person, "SKIPPED", refused.detail, now))
        return
    stood_on = {"consent": person.consent_head, "person_version": person.version}
    found = {"fallbacks": list(letter.fallbacks), "links": list(letter.links)}
    start = Start(holder, task.message, person, {**noted, **stood_on, **found}, unknown_at)
    chunk.letters.append(_Letter(task, start, mime, to))


def _given_up(
    row: Mapping[str, Any] | None, holder: str, message: str, post: Post, now: int
) -> Mapping[str, Any] | None:
    """A letter whose worker is gone is in doubt, and has been since it was to be handed over.

    Raises
    ------
    Transient : its worker may still be at it.
    """
    if row is None or row["state"] != "SENDING":
        return row
    since = row["sending_at"]
    if now < since + LEASE:
        raise Transient("another worker is sending the message", retry_after=LEASE // SECOND)
    why = "the worker stopped while sending"
    post.store.settle(holder, message, "UNKNOWN", now=now, unknown_at=since, why=why)
    return {**row, "state": "UNKNOWN", "unknown_at": since, "why": why}


def _settled(row: Mapping[str, Any], post: Post, now: int) -> str | None:
    """The state a message with a row ends in, or ``None`` where it is still to be sent."""
    match row["state"]:
        case "QUEUED":
            return None
        case "SKIPPED" if row["rank"] == 0:
            return None
        case "UNKNOWN":
            template = post.program.templates.get(row["template"])
            again = template is not None and template.in_doubt == "resend" and now >= row["unknown_at"] + DOUBT
            return None if again else "UNKNOWN"
        case state:
            return str(state)


def _campaign(owed: Owed, post: Post, now: int) -> tuple[Verdict | None, Campaign | None]:
    """Whether the campaign that owes the letter has been paused or cancelled, and the campaign, whose hours hold; a
    test asks nobody."""
    key = owed.get("campaign")
    if not key or owed.get("test"):
        return None, None
    standing = post.campaign(key)
    match standing.state:
        case "cancelled":
            return Verdict("cancelled"), None
        case "paused":
            return Verdict("paused", now + PAUSED), None
        case _:
            return None, standing.campaign


def _claim(letters: Sequence[_Letter], post: Post) -> list[_Letter]:
    """Enter SENDING; those whose person has changed, or whom another worker has, are decided again."""
    lost = {id(start) for start in post.store.start_sending([one.start for one in letters], now=post.clock())}
    for one in letters:
        if id(one.start) in lost:
            one.task.tries += 1
            if one.task.tries >= ROUNDS:
                one.task.outcome = Outcome("WAITS", retry_after=1)
    post.pace.give_back(len(lost))
    return [one for one in letters if id(one.start) not in lost]


def _send(letters: Sequence[_Letter], chunk: _Chunk, post: Post) -> None:
    def hand_over(letter: _Letter) -> str | Exception:
        template = post.program.templates[letter.task.owed["template"]]
        owed = letter.task.owed
        tags = {"tailor_person": letter.start.person.id, "tailor_message": letter.task.message}
        tags |= {f"tailor_{name}": owed[name] for name in ("journey", "campaign") if owed.get(name)}
        try:
            return post.mailer.send(letter.mime, sender=template.sender.address, to=letter.to, tags=tags)
        except (Transient, Ambiguous, Rejected) as answer:
            return answer

    answers = list(zip(letters, post.each(hand_over, letters), strict=True))
    now = post.clock()
    accepted = [(one, answer) for one, answer in answers if isinstance(answer, str)]
    post.store.sent([(one.start.holder, one.task.message, ses) for one, ses in accepted], now=now)
    for one, _ in accepted:
        one.task.outcome = Outcome("SENT")
        post.pace.accepted()
    for one, answer in answers:
        if isinstance(answer, Exception):
            _refused(one, answer, chunk, post, now)


def _refused(letter: _Letter, answer: Exception, chunk: _Chunk, post: Post, now: int) -> None:
    task, start = letter.task, letter.start
    match answer:
        case Ambiguous():
            post.store.settle(start.holder, task.message, "UNKNOWN", now=now, why=str(answer))
            task.outcome = Outcome("UNKNOWN")
        case Rejected():
            post.store.settle(start.holder, task.message, "FAILED", now=now, why=answer.detail)
            task.outcome = Outcome("FAILED")
            chunk.reports.append(_told(task, start.person, "FAILED", answer.detail, now))
        case Transient():
            post.store.release(start.holder, task.message, owner=post.owner)
            if isinstance(answer, Throttled):
                post.pace.throttled()
            if isinstance(answer, Stopped):
                post.pace.parked = now + answer.retry_after * SECOND
                chunk.reports.append(_put_off(task, Verdict("stopped", post.pace.parked), now, start.person))
            else:
                task.outcome = Outcome("QUEUED", answer.retry_after)
        case _:
            raise answer


def _write(owed: Owed, person: Person, post: Post, now: int) -> tuple[Letter, bytes, str]:
    """Render and build; :class:`Rejected` says why there will be no letter."""
    template = post.program.templates[owed["template"]]
    to = person.email() or ""
    if not template.sender.address:
        raise Rejected("its programme names no sender: add [sender] from = '...'", code="no-sender")
    purpose = purpose_of(template, post.program)
    urls = links(person.id, purpose, post.public_url, post.signing_keys, entered=owed["entered"])
    if owed["journey"] == OWN_DATA:
        urls["confirm_url"] = f"{post.public_url}/preferences/{_signed(f'{person.id}|{now}', OWN_DATA, post)}/data"
    counted = permits(person, "analytics", post.program, now=now)
    letterhead = post.letterhead(template)
    tracked = _tracked(person.id, owed["message"], post) if counted else ""
    letter = letterhead.render(
        view(person, template.reads_for, post.program, now=now),
        given(template, urls),
        now=now,
        counted=tracked,
        pixel=_pixel(person.id, owed["message"], tracked, post) if tracked else "",
        shelf=post.shelf() if letterhead.recommends else None,
    )
    envelope = Envelope(
        sender=template.sender,
        to=to,
        message_id=owed["message"],
        journey=owed["journey"] or owed.get("campaign", ""),
        kind=template.kind,
        unsubscribe_url=urls["unsubscribe_url"],
    )
    return letter, build_mime(letter, envelope), to


def links(person: str, purpose: str, public_url: str, keys: Mapping[str, bytes], *, entered: int = 0) -> dict[str, str]:
    """The signed links every letter carries; the first of ``keys`` signs. ``entered`` is the instant of what the letter
    was written for: a confirmation is one of the form that was sent then."""
    kid, key = next(iter(keys.items()))
    confirmation = sign_token(f"{person}|{entered}", purpose="confirm", kid=kid, key=key)
    unsubscribe = sign_token(f"{person}|{purpose}", purpose="unsubscribe", kid=kid, key=key)
    preferences = sign_token(person, purpose="preferences", kid=kid, key=key)
    return {
        "unsubscribe_url": f"{public_url}/u/{unsubscribe}",
        "preferences_url": f"{public_url}/preferences/{preferences}",
        "confirm_url": f"{public_url}/confirm/{confirmation}",
    }


def _tracked(person: str, message: str, post: Post) -> str:
    """The letter is signed once; which of its links it is stands behind."""
    return f"{post.public_url}/c/{_signed(f'{person}|{message}', 'click', post)}."


def _pixel(person: str, message: str, tracked: str, post: Post) -> str:
    """A picture that tells of opening, and a link that no person sees: who follows it is a machine."""
    seen = f"{post.public_url}/o/{_signed(f'{person}|{message}', 'open', post)}"
    return (
        f'<img src="{seen}" width="1" height="1" alt="">'
        f'<a href="{tracked}{TRAP}" style="display:none" aria-hidden="true" tabindex="-1"></a>'
    )


def _signed(payload: str, purpose: str, post: Post) -> str:
    kid, key = next(iter(post.signing_keys.items()))
    return sign_token(payload, purpose=purpose, kid=kid, key=key)


def _put_off(task: _Task, verdict: Verdict, now: int, person: Person | None = None) -> Event:
    """Ask the person to hand the letter over again when it may leave."""
    task.outcome = Outcome("PUT OFF")
    holder = person.id if person is not None else task.owed["person"]
    return _report(holder, task.message, PUT_OFF, {"why": verdict.why, "until": verdict.at}, now)


def _told(task: _Task, person: Person, state: str, why: str, now: int) -> Event:
    """What tells the person that a message is owed no longer; SENT and beyond are reported by SES itself."""
    name = {"SKIPPED": "Email Skipped", "FAILED": "Email Failed"}.get(state, "Email Settled")
    return _report(person.id, task.message, name, {"why": why}, now)


def _report(person: str, message: str, name: str, about: Mapping[str, Any], now: int) -> Event:
    return Event(
        id=digest(message, name, *(str(value) for value in about.values())),
        kind="track",
        name=name,
        at=now,
        received=now,
        source="tailor",
        identifiers=(Identifier("person", person),),
        properties={"message_id": message, **about},
    )


def _flush(reports: Sequence[Event], post: Post, now: int) -> None:
    if reports:
        post.reports().put(envelopes("tailor", "", [event.to_json() for event in reports], received=now))
