"""Why: did this person get that letter, and if not, what stood in the way first, and what would change it.

A letter has to pass, in this order: the journey's trigger, its re-entry rule, its waits, then at the moment of sending
an address, no suppression, consent, and a value for everything it shows. The first that fails is the answer; the
others are told as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tailor.edges.store import Store
from tailor.flows.deliver import DOUBT, LEASE
from tailor.kernel.errors import Rejected
from tailor.kernel.fields import nearest
from tailor.kernel.instants import NEVER, iso, spell
from tailor.kernel.journey import Journey, Send
from tailor.kernel.person import Person
from tailor.kernel.program import Program, Template
from tailor.rules.compiled import Compiled
from tailor.rules.consent import permits, view
from tailor.rules.eligibility import eligible, purpose_of
from tailor.rules.segments import Reason

REACHED = ("SENT", "DELIVERED", "COMPLAINED")
"""States in which a letter counts as got."""

Row = Mapping[str, Any]


@dataclass(slots=True)
class Finding:
    """One thing found out.

    ``sentence`` says it, ``change`` says what would change it, ``until`` when time alone could; ``facts`` are plain
    JSON for machines.
    """

    code: str
    sentence: str
    change: str = ""
    until: int = NEVER
    facts: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """``{"code", "sentence", "change", "until", "facts"}``; ``until`` in ISO 8601 or ``null``."""
        until = iso(self.until) if self.until < NEVER else None
        return {
            "code": self.code,
            "sentence": self.sentence,
            "change": self.change,
            "until": until,
            "facts": self.facts,
        }


def why(person: Person, asked: str, store: Store, compiled: Compiled, *, now: int) -> dict[str, Any]:
    """``{"answer", "sentence", "reasons", "message", "program", "person_version"}`` about ``asked``: a message id, or
    the key of a template or of a journey.

    ``answer`` is whether they got it (the newest of them, where there were several), ``message`` its id or ``null``.

    Raises
    ------
    Rejected : nothing has this name (404).
    """
    program = compiled.program
    rows = sorted(
        (row for row in store.messages(person) if asked in (row["message"], row["template"], row["journey"])),
        key=lambda row: (int(row["entered"]), int(row["step"])),
    )
    owed = {
        message: one
        for message, one in person.owed.items()
        if asked in (message, one["template"], one["journey"]) and all(row["message"] != message for row in rows)
    }
    about = {row["journey"] for row in rows} | {one["journey"] for one in owed.values()}
    journeys = [j for j in program.journeys.values() if j.key in about or asked == j.key or asked in _letters(j)]
    if not (rows or owed or journeys or asked in program.templates):
        known = [*program.templates, *program.journeys, *(row["message"] for row in store.messages(person))]
        detail = f"there is no message, template or journey {asked!r}{nearest(asked, known)}"
        raise Rejected(detail, code="not-found", status=404)
    case = _Case(person, store, compiled, now)
    last = rows[-1] if rows else None
    running = [j for j in journeys if j.key in person.enrolments]
    news = [person.enrolments[j.key]["entered"] for j in running] + [one["entered"] for one in owed.values()]
    if last is not None and (last["message"] == asked or max(news, default=0) <= last["entered"]):
        got = last["state"] in REACHED
        findings = [*case.delivery(last), *([] if got else case.obstacles(last["template"]))]
        if not got:
            findings += [f for j in journeys if j.key not in person.enrolments for f in case.barred(j)]
        return _answer(got, findings, last["message"], person, program)
    findings = [case.handed_over(message, one) for message, one in owed.items()]
    templates = [asked] if asked in program.templates else list(dict.fromkeys(t for j in journeys for t in _letters(j)))
    owing = {one["journey"] for one in owed.values()}
    for journey in [*running, *(j for j in journeys if j not in running and j.key not in owing)]:
        findings += case.journey(journey)
    if not journeys and not owed:
        findings.append(Finding("not-in-use", f"No journey sends {asked!r}.", f"a journey with {{'send': '{asked}'}}"))
    findings += [f for template in templates for f in case.obstacles(template)]
    return _answer(False, findings, next(iter(owed), None), person, program)


def _answer(
    got: bool, findings: Sequence[Finding], message: str | None, person: Person, program: Program
) -> dict[str, Any]:
    first = findings[0]
    sentence = f"{'Yes' if got else 'No'}: {first.sentence}"
    if not got and first.change:
        sentence += f" It would take {first.change}."
    return {
        "answer": got,
        "sentence": sentence,
        "reasons": [finding.to_json() for finding in findings],
        "message": message,
        "program": program.version,
        "person_version": person.version,
    }


@dataclass(slots=True)
class _Case:
    """One person, asked about now."""

    person: Person
    store: Store
    compiled: Compiled
    now: int

    def delivery(self, row: Row) -> list[Finding]:
        """What the send ledger says of a message."""
        findings = [_state(row)]
        if row["state"] in ("SKIPPED", "CLAIMED"):
            return [*findings, self._cause(row["cause"])]
        findings += [self._cause(row["cause"]), *self._stood_on(row)]
        if row.get("fallbacks"):
            shown = ", ".join(row["fallbacks"])
            findings.append(Finding("fallbacks", f"Shown by fallback, for want of a value: {shown}."))
        return findings

    def _stood_on(self, row: Row) -> list[Finding]:
        if "person_version" not in row:
            return []
        facts = {"consent": row["consent"], "program": row["program"], "person_version": row["person_version"]}
        said = "No choice of theirs was on record"
        for choice in self.store.consents(self.person):
            if choice["hash"] == row["consent"]:
                what = choice["purpose"] + (f":{choice['topic']}" if choice["topic"] else "")
                said = (
                    f"Their newest choice was {what} {choice['grant']} on {moment(choice['at'])} ({choice['source']})"
                )
        version = f"decided on version {row['person_version']} of the person under program {row['program']}"
        return [Finding("stood-on", f"{said}; {version}.", facts=facts)]

    def _cause(self, cause: str) -> Finding:
        kind, _, name = cause.partition(":")
        if kind == "event":
            return Finding("cause", f"It was started by the event {name!r}.", facts={"cause": cause})
        segment = self.compiled.program.segments.get(name)
        title = f" ({segment.title})" if segment else ""
        return Finding("cause", f"It was started by entering the segment {name!r}{title}.", facts={"cause": cause})

    def handed_over(self, message: str, owed: Row) -> Finding:
        """A letter that is owed and has no row yet."""
        return Finding(
            "on-its-way",
            f"{owed['template']!r} became due on {moment(owed['at'])} and is on its way to be sent.",
            until=owed["retry"],
            facts={"message": message, "tries": owed["tries"]},
        )

    def journey(self, journey: Journey) -> list[Finding]:
        """Where the person stands with a journey, the first obstacle first."""
        findings = []
        if (enrolment := self.person.enrolments.get(journey.key)) is not None:
            findings.append(self._waiting(journey, enrolment))
        else:
            findings += self.trigger(journey)
            findings += self.barred(journey)
        return findings + self._exits(journey)

    def _waiting(self, journey: Journey, enrolment: Row) -> Finding:
        return Finding(
            "waiting",
            f"They entered the journey {journey.key!r} on {moment(enrolment['entered'])}; its next step is due on "
            f"{moment(enrolment['wake'])}.",
            until=enrolment["wake"],
            facts={"journey": journey.key, "entered": iso(enrolment["entered"]), "step": enrolment["step"]},
        )

    def _exits(self, journey: Journey) -> list[Finding]:
        rule = self.compiled.exits.get(journey.key)
        if rule is None:
            return []
        reason = rule.explain(view(self.person, "personalization", self.compiled.program, now=self.now), now=self.now)
        if not reason.holds:
            return []
        sentence = f"Whoever is in the journey {journey.key!r} leaves it at once, as this holds: {reason.sentence}."
        return [Finding("exit-when", sentence, until=reason.until, facts=reason.to_json())]

    def barred(self, journey: Journey) -> list[Finding]:
        """Whether the re-entry rule keeps the person out."""
        last = self.person.finished.get(journey.key)
        if last is None:
            return []
        went = f"They went through the journey {journey.key!r} from {moment(last)}"
        facts = {"journey": journey.key, "entered": iso(last)}
        if journey.re_entry is None:
            return [Finding("barred", f"{went} and may not enter it again.", "'re_entry' on the journey", facts=facts)]
        if self.now < (open_at := last + journey.re_entry):
            sentence = f"{went} and may enter it again {spell(journey.re_entry)} later, from {moment(open_at)}."
            return [Finding("barred", sentence, until=open_at, facts=facts)]
        return []

    def trigger(self, journey: Journey) -> list[Finding]:
        """Why the journey has not begun."""
        if journey.trigger.kind == "event":
            return [self._event(journey, journey.trigger.name)]
        return self._segment(journey, journey.trigger.name)

    def _event(self, journey: Journey, name: str) -> Finding:
        facts = {"journey": journey.key, "event": name}
        if (entry := self.person.history.get(name)) is None:
            sentence = f"The journey {journey.key!r} begins with {name!r}, which they have never done."
            return Finding("not-triggered", sentence, f"the event {name!r}", facts=facts)
        sentence = (
            f"They last did {name!r} on {moment(entry[1][0])}, and the journey {journey.key!r} did not begin: it was "
            "not in force then, re-entry was barred, or the event came in more than a day late."
        )
        return Finding("not-triggered", sentence, f"the event {name!r} again", facts=facts)

    def _segment(self, journey: Journey, key: str) -> list[Finding]:
        program = self.compiled.program
        segment = program.segments[key]
        if (since := self.person.memberships.get(key)) is not None:
            sentence = (
                f"They are in the segment {key!r} since {moment(since)}, and only entering it begins the journey "
                f"{journey.key!r}: they were in it before the journey was in force, or re-entry was barred."
            )
            return [Finding("not-triggered", sentence, f"leaving and entering {key!r} again", facts={"segment": key})]
        if not permits(self.person, segment.purpose, program, now=self.now):
            sentence = f"They do not permit {segment.purpose!r}, so the segment {key!r} sees nothing of them."
            return [Finding("not-permitted", sentence, f"their permission for {segment.purpose!r}")]
        seen = view(self.person, segment.purpose, program, now=self.now)
        reason = self.compiled.segments.rules[key].explain(seen, now=self.now)
        if reason.holds:
            sentence = f"They fit the segment {key!r} and enter it when they are decided next."
            return [Finding("about-to-enter", sentence, until=self.person.due, facts=reason.to_json())]
        return _failing(key, segment.title, reason)

    def obstacles(self, key: str) -> list[Finding]:
        """Why a letter of this template would not be sent now."""
        program = self.compiled.program
        template = program.templates.get(key)
        email = self.person.email()
        suppressed = self.store.suppressed(email) if email else None
        code = eligible(self.person, template, program, suppressed=suppressed, now=self.now)
        return [_obstacle(code, key, template, program)] if code else []


def _failing(key: str, title: str, reason: Reason) -> list[Finding]:
    """The condition to blame for a segment's being missed, and the others of a plain list that fail too."""
    first = reason.first_failing() or reason
    sentence = f"They are not in the segment {key!r} ({title}). The first thing that fails: {first.sentence}."
    if first.seen:
        sentence += f" Seen: {_spoken(first.seen)}."
    change = f"this to hold: {first.sentence}"
    if reason.until < NEVER:
        change = f"time, at the earliest on {moment(reason.until)}"
    elif first.until < NEVER:
        change += f" (time can bring it on {moment(first.until)})"
    findings = [Finding("not-in-segment", sentence, change, reason.until, reason.to_json())]
    if reason.operator == "all":
        others = [part for part in reason.parts if not part.holds][1:]
        findings += [Finding("fails-too", f"What fails as well: {p.sentence}.", until=p.until) for p in others]
    return findings


def _spoken(seen: Mapping[str, Any]) -> str:
    return "; ".join(f"{name}: {_value(value)}" for name, value in seen.items())


def _value(value: Any) -> str:
    """A value a rule has looked at: an attribute, a grant, or a count with its newest instants."""
    match value:
        case None | []:
            return "nothing known"
        case {"count": 0}:
            return "never"
        case {"count": int(count), "newest": [int(last), *_]}:
            return f"{count} time{'' if count == 1 else 's'}, last on {moment(last)}"
        case [*items]:
            return ", ".join(_value(item) for item in items)
        case _:
            return str(value)


def _state(row: Row) -> Finding:
    template, state = row["template"], row["state"]
    facts = {"message": row["message"], "state": state, "journey": row["journey"], "ses": row.get("ses", "")}

    def at(name: str) -> str:
        return f" on {moment(row[name])}" if name in row else ""

    change, until = "", NEVER
    match state:
        case "SKIPPED":
            return _skipped(row, at("skipped_at"), facts)
        case "CLAIMED":
            sentence, until = f"{template!r} is being written.", row["claimed_at"] + LEASE
        case "SENDING":
            sentence, until = f"{template!r} is being handed to SES.", row["sending_at"] + LEASE
        case "UNKNOWN":
            sentence = f"SES never said whether it took {template!r}{at('unknown_at')}."
            change, until = "an event of SES about it", row["unknown_at"] + DOUBT
        case "FAILED":
            sentence = f"SES refused {template!r}{at('failed_at')}: {row.get('why') or 'no reason given'}."
        case "SENT":
            sentence = f"{template!r} was sent{at('sent_at')}; SES has not reported its delivery yet."
        case "BOUNCED":
            change = "another address"
            sentence = f"{template!r} was sent{at('sent_at')}, but bounced{at('bounced_at')}."
        case "COMPLAINED":
            sentence = f"{template!r} was sent{at('sent_at')}; they called it spam{at('complained_at')}."
        case _:
            sentence = f"{template!r} was sent{at('sent_at')} and delivered{at('delivered_at')}."
    return Finding(state.lower(), sentence, change, until, facts)


def _skipped(row: Row, when: str, facts: dict[str, Any]) -> Finding:
    """Why a letter was due and not sent: what :func:`eligible` said then, or what kept it from being written."""
    code, _, part = row["why"].partition(": ")
    if code not in _REASONS:
        sentence = f"{row['template']!r} was due{when}, but could not be written: {row['why']}."
        return Finding("not-written", sentence, "that value, or a template that does without", facts=facts)
    said, change = _REASONS[code]
    more = f" ({part})" if part else ""
    return Finding(code, f"{row['template']!r} was due{when}, but {said}{more}.", change, facts=facts)


_REASONS = {
    "no-email": ("there is no e-mail address to send to", "an e-mail address"),
    "no-consent": ("they do not permit it", "their consent"),
    "suppressed": ("the address must not be written to", "the suppression lifted"),
    "template-gone": ("the template was no longer in force", "the template in force"),
}
"""Reason of :func:`eligible` → what stands in the way, what it would take."""


def _obstacle(code: str, key: str, template: Template | None, program: Program) -> Finding:
    name, _, detail = code.partition(": ")
    said, change = _REASONS[name]
    if name == "no-consent" and template is not None:
        purpose = program.purposes.get(purpose_of(template, program))
        basis = "nobody sends it without a grant" if purpose and purpose.basis == "consent" else "they have objected"
        said, change = f"they do not permit {detail!r}, and {basis}", f"a grant of {detail!r}"
    elif name == "suppressed":
        said = f"the address must not be written to since this happened: {detail}"
    return Finding(name, f"{key!r} could not be sent now: {said}.", change)


def _letters(journey: Journey) -> list[str]:
    return [step.template for step in journey.steps if isinstance(step, Send)]


def moment(at: int) -> str:
    """An instant for people: ``24 Nov 2026 06:00 UTC``."""
    return f"{datetime.fromtimestamp(at // 1000, UTC):%-d %b %Y %H:%M} UTC"
