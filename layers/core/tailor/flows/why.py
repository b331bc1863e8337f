"""Why: did this person get that letter, and if not, what stood in the way first, and what would change it.

A letter has to pass, in this order: the journey's trigger, its entry and re-entry rules, its waits and what ends it
(:mod:`tailor.flows.why_not`), then at the moment of sending what :mod:`tailor.rules.eligibility` asks, and a value for
everything it shows. The first that fails is the answer; the others are told as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tailor.edges.store import Store
from tailor.flows import why_campaign
from tailor.flows.deliver import DOUBT, LEASE
from tailor.flows.finding import REASONS, Finding, moment
from tailor.flows.why_campaign import known as campaigns
from tailor.flows.why_not import Standing, enrolments, put_off
from tailor.kernel.errors import Rejected
from tailor.kernel.fields import nearest
from tailor.kernel.instants import NEVER
from tailor.kernel.journey import Journey, Send
from tailor.kernel.person import Person
from tailor.kernel.program import LAW, Program, Template
from tailor.rules.compiled import Compiled
from tailor.rules.consent import REFUSED, grant_of
from tailor.rules.eligibility import eligible, purpose_of
from tailor.rules.policy import regime

REACHED = ("SENT", "DELIVERED", "COMPLAINED")
"""States in which a letter counts as got."""

Row = Mapping[str, Any]


def why(person: Person, asked: str, store: Store, compiled: Compiled, *, now: int) -> dict[str, Any]:
    """``{"answer", "sentence", "reasons", "message", "state", "program", "person_version"}`` about ``asked``: a message
    id, or the key of a template, a journey or a campaign.

    ``answer`` is whether they got it (the newest of them, where there were several), ``message`` its id and ``state``
    how it stands, both ``null`` where there is none. What is owed and has no row in the ledger yet is ``QUEUED``.

    Raises
    ------
    Rejected : nothing has this name (404).
    """
    program = compiled.program
    rows = sorted(
        (row for row in store.messages(person) if asked in _names(row["message"], row)),
        key=lambda row: (int(row["entered"]), int(row["step"])),
    )
    owed = {
        message: one
        for message, one in person.owed.items()
        if asked in _names(message, one) and all(row["message"] != message for row in rows)
    }
    about = {row["journey"] for row in rows} | {one["journey"] for one in owed.values()}
    journeys = [j for j in program.journeys.values() if j.key in about or asked == j.key or asked in _letters(j)]
    told = {one.get("campaign") for one in (*rows, *owed.values())}
    every = campaigns(store, compiled)
    asked_of = [one for key, one in every.items() if asked in (key, one.campaign.template) and key not in told]
    if not (rows or owed or journeys or asked_of or asked in program.templates):
        messages = (row["message"] for row in store.messages(person))
        hint = nearest(asked, [*program.templates, *program.journeys, *every, *messages])
        detail = f"there is no message, template, journey or campaign {asked!r}{hint}"
        raise Rejected(detail, code="not-found", status=404)
    case, standing = _Case(person, store, compiled, now), Standing(person, store, compiled, now)
    last = rows[-1] if rows else None
    running = [j for j in journeys if enrolments(person, j.key)]
    begun = [one for j in running for one in enrolments(person, j.key).values()]
    news = [one["entered"] for one in (*begun, *owed.values())]
    if last is not None and (last["message"] == asked or max(news, default=0) <= last["entered"]):
        got = last["state"] in REACHED
        findings = [*case.delivery(last), *([] if got else case.obstacles(last["template"]))]
        if not got:
            findings += [f for j in journeys if j not in running for f in standing.barred(j)]
        return _answer(got, findings, last["message"], last["state"], person, program)
    findings = [case.handed_over(message, one) for message, one in owed.items()]
    letters = [*(t for j in journeys for t in _letters(j)), *(one.campaign.template for one in asked_of)]
    templates = [asked] if asked in program.templates else list(dict.fromkeys(letters))
    owing = {one["journey"] for one in owed.values()}
    for journey in [*running, *(j for j in journeys if j not in running and j.key not in owing)]:
        findings += standing.journey(journey)
    findings += [f for one in asked_of for f in why_campaign.standing(one, person, compiled, now=now)]
    if not findings:
        sentence = f"No journey and no campaign sends {asked!r}."
        findings.append(Finding("not-in-use", sentence, f"a journey with {{'send': '{asked}'}}"))
    findings += [f for template in templates for f in case.obstacles(template)]
    queued = next(iter(owed), None)
    return _answer(False, findings, queued, None if queued is None else "QUEUED", person, program)


def _names(message: str, one: Row) -> tuple[str, ...]:
    """By what a letter may be asked for."""
    return message, one["template"], one["journey"], one.get("campaign", "")


def _answer(
    got: bool,
    findings: Sequence[Finding],
    message: str | None,
    state: str | None,
    person: Person,
    program: Program,
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
        "state": state,
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
        if row["state"] in ("SKIPPED", "QUEUED"):
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
        segment = self.compiled.program.segments.get(name)
        title = f" ({segment.title})" if segment else ""
        begun = {
            "event": f"the event {name!r}",
            "segment_entered": f"entering the segment {name!r}{title}",
            "segment_exited": f"leaving the segment {name!r}{title}",
            "attribute_changed": f"a change of {name!r}",
            "date": f"the day of {name!r}",
            "api": "a call of the API",
            "journey": f"the journey {name!r}",
            "campaign": f"the campaign {name!r}",
        }.get(kind, cause)
        return Finding("cause", f"It was started by {begun}.", facts={"cause": cause})

    def handed_over(self, message: str, owed: Row) -> Finding:
        """A letter that is owed and has no row yet."""
        due = f"{owed['template']!r} became due on {moment(owed['at'])}"
        facts = {"message": message, "state": "QUEUED", "tries": owed["tries"]}
        if "off" in owed:
            return put_off(due, owed["off"], owed["retry"], facts)
        return Finding("on-its-way", f"{due} and is on its way to be sent.", until=owed["retry"], facts=facts)

    def obstacles(self, key: str) -> list[Finding]:
        """Why a letter of this template would not be sent now."""
        program = self.compiled.program
        template = program.templates.get(key)
        email = self.person.email()
        suppressed = self.store.suppressed(email) if email else None
        code = eligible(self.person, template, program, suppressed=suppressed, now=self.now)
        return [_obstacle(code, key, template, program, self.person)] if code else []


def _state(row: Row) -> Finding:
    template, state = row["template"], row["state"]
    facts = {"message": row["message"], "state": state, "journey": row["journey"], "ses": row.get("ses", "")}

    def at(name: str) -> str:
        return f" on {moment(row[name])}" if name in row else ""

    change, until = "", NEVER
    match state:
        case "SKIPPED":
            return _skipped(row, at("skipped_at"), facts)
        case "QUEUED":
            sentence = f"{template!r} waits for SES, which would not take it yet."
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
    """Why a letter was due and not sent: what eligibility said then, or what kept it from being written."""
    code, _, part = row["why"].partition(": ")
    if code not in REASONS:
        sentence = f"{row['template']!r} was due{when}, but could not be written: {row['why']}."
        return Finding("not-written", sentence, "that value, or a template that does without", facts=facts)
    said, change = REASONS[code]
    more = f" ({part})" if part else ""
    return Finding(code, f"{row['template']!r} was due{when}, but {said}{more}.", change, facts=facts)


def _obstacle(code: str, key: str, template: Template | None, program: Program, person: Person) -> Finding:
    name, _, detail = code.partition(": ")
    said, change = REASONS[name]
    if name == "no-consent" and template is not None:
        basis = _said(person, template, program)
        said, change = f"they do not permit {detail!r}: {basis}", f"a grant of {detail!r}"
    elif name == "suppressed":
        said = f"the address must not be written to since this happened: {detail}"
    return Finding(name, f"{key!r} could not be sent now: {said}.", change)


def _said(person: Person, template: Template, program: Program) -> str:
    """What they have said about the purpose of a letter, and what follows where they have said nothing."""
    purpose = purpose_of(template, program)
    grants = {grant_of(person, purpose), grant_of(person, purpose, template.topic) if template.topic else None}
    if not grants.isdisjoint(REFUSED):
        return "they have refused it"
    if "pending" in grants:
        return "they have not confirmed it yet"
    known = program.purposes.get(purpose)
    if known is not None and known.basis == LAW:
        return f"they have said nothing, and the law that holds for them asks for a grant ({regime(person).title})"
    return "they have said nothing, and nobody sends it without a grant"


def _letters(journey: Journey) -> list[str]:
    return [step.template for step in journey.steps if isinstance(step, Send)]
