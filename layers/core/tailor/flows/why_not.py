"""Why not: where a person stands with a journey: not begun, barred, waiting, or over; the first obstacle first.

To begin, a journey has to be triggered, not be paused, let the person in by its entry rule and again by its re-entry
rule. Once they are in, it waits, is put off, or ends before its letter is due.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tailor.edges.store import Store
from tailor.flows.finding import HELD, Finding, failing, moment
from tailor.kernel.event import Event
from tailor.kernel.instants import HOUR, NEVER, iso, spell
from tailor.kernel.journey import Journey, Occurrence, Send, WaitEvent
from tailor.kernel.person import Person
from tailor.rules.calendar import anniversary
from tailor.rules.compiled import Compiled
from tailor.rules.consent import View, permits, view
from tailor.rules.eligibility import Terms, when, where_of
from tailor.rules.journeys import NEWS, REQUESTED
from tailor.rules.outline import begins, happens, named, says
from tailor.rules.priority import coming

_ENDED = {
    "refused": ("they refused every letter of it", "their consent"),
    "left": ("another journey took them out of it", "entering it again"),
    "parted": ("it has gone on with somebody they were taken for", "entering it again"),
    "withdrawn": ("it, or the version of it they were in, was taken out of force", "entering it again"),
}
"""How an enrolment ended without its letters → why, and what it would take."""


@dataclass(slots=True)
class Standing:
    """One person and the journeys, asked about now."""

    person: Person
    store: Store
    compiled: Compiled
    now: int

    def journey(self, journey: Journey) -> list[Finding]:
        """Where they stand with a journey."""
        running = enrolments(self.person, journey.key)
        if running:
            return [*(self._waiting(journey, key, one) for key, one in running.items()), *self._exits(journey)]
        return [*self._ended(journey), *self._outside(journey), *self._exits(journey)]

    def barred(self, journey: Journey) -> list[Finding]:
        """Whether the re-entry rule keeps them out."""
        if journey.key not in self.person.finished:
            return []
        last, ended, how = self.person.finished[journey.key]
        went = f"They went through the journey {journey.key!r} from {moment(last)}"
        facts = {"journey": journey.key, "entered": iso(last), "ended": iso(ended), "how": how}
        if journey.re_entry is None:
            return [Finding("barred", f"{went} and may not enter it again.", "'re_entry' on the journey", facts=facts)]
        if self.now < (open_at := last + journey.re_entry):
            sentence = f"{went} and may enter it again {spell(journey.re_entry)} later, from {moment(open_at)}."
            return [Finding("barred", sentence, until=open_at, facts=facts)]
        return []

    # ---- in it

    def _waiting(self, journey: Journey, key: str, enrolment: Mapping[str, Any]) -> Finding:
        entered = f"They entered the journey {journey.key!r} on {moment(enrolment['entered'])}"
        if "#" in key:
            entered += f" for the {journey.keyed} {key.partition('#')[2]!r}"
        facts = {
            "journey": key,
            "entered": iso(enrolment["entered"]),
            "version": enrolment["version"],
            "step": enrolment["step"],
        }
        if journey.paused:
            return Finding(
                "paused", f"{entered}; it is paused, and they stand still in it.", "resuming it", facts=facts
            )
        wake: int = enrolment["wake"]
        if "planned" in enrolment:
            return self._put_off(journey, f"{entered}; its letter was due on {moment(enrolment['planned'])}", enrolment)
        course = journey.course if enrolment["version"] == journey.course.version else None
        step = course.steps[enrolment["step"]] if course and enrolment["step"] < len(course.steps) else None
        if isinstance(step, WaitEvent):
            sentence = f"{entered}; it waits until {happens(step.occurrence)}, for that until {moment(wake)}."
            return Finding("waiting", sentence, f"the event {named(step.occurrence)}, or time", wake, facts)
        doing = f" ({says(journey, course, enrolment['step'], self.compiled).rstrip('.')})" if course and step else ""
        next_ = "it waits until" if "since" in enrolment else "its next step is due on"
        return Finding("waiting", f"{entered}; {next_} {moment(wake)}{doing}.", "", wake, facts)

    def _put_off(self, journey: Journey, so: str, enrolment: Mapping[str, Any]) -> Finding:
        """A letter that the step itself has put off."""
        why = held(self.person, journey, enrolment, self.compiled, now=self.now) or "put off"
        return put_off(so, why, enrolment["wake"], {"journey": journey.key, "planned": iso(enrolment["planned"])})

    def _exits(self, journey: Journey) -> list[Finding]:
        rule = self.compiled.exits.get(journey.key)
        if rule is None:
            return []
        reason = rule.explain(self._view(), now=self.now)
        if not reason.holds:
            return []
        sentence = f"Whoever is in the journey {journey.key!r} leaves it at once, as this holds: {reason.sentence}."
        return [Finding("exit-when", sentence, until=reason.until, facts=reason.to_json())]

    # ---- out of it

    def _ended(self, journey: Journey) -> list[Finding]:
        """The last time they were in it, where it ended before all of its letters were due."""
        keys = [key for key in self.person.finished if key.partition("#")[0] == journey.key]
        if not keys:
            return []
        key = max(keys, key=lambda one: self.person.finished[one])
        entered, ended, how = self.person.finished[key]
        if how in ("end", "exit"):
            return []
        if how in ("goal", "exit_when"):
            reached = "its goal was reached" if how == "goal" else "it is to be left"
            why, change = f"{reached}: {self._ending(journey, how)}", "entering it again, without that"
        else:
            why, change = _ENDED[how]
        sentence = (
            f"They entered the journey {key!r} on {moment(entered)} and left it on {moment(ended)}, because {why}."
        )
        facts = {"journey": key, "entered": iso(entered), "ended": iso(ended), "how": how}
        return [Finding("ended", sentence, change, facts=facts)]

    def _ending(self, journey: Journey, how: str) -> str:
        ending = journey.goal if how == "goal" else journey.exit_when
        if isinstance(ending, Occurrence):
            return happens(ending)
        rule = (self.compiled.goals if how == "goal" else self.compiled.exits).get(journey.key)
        return rule.sentence if rule is not None else "by a rule that was in force then"

    def _outside(self, journey: Journey) -> list[Finding]:
        paused = []
        if journey.paused:
            paused = [Finding("paused", f"The journey {journey.key!r} is paused: nobody enters it.", "resuming it")]
        rules = [*paused, *self._entry(journey), *self.barred(journey)]
        trigger = self._trigger(journey)
        # What has triggered it is no obstacle, where a rule is one.
        return [*rules, *trigger] if trigger[0].code == "did-not-begin" else [*trigger, *rules]

    def _entry(self, journey: Journey) -> list[Finding]:
        rule = self.compiled.entry.get(journey.key)
        if rule is None:
            return []
        reason = rule.explain(self._view(), now=self.now)
        if reason.holds:
            return []
        return failing("not-let-in", f"The journey {journey.key!r} would not let them in.", reason)

    def _trigger(self, journey: Journey) -> list[Finding]:
        name = journey.trigger.name
        match journey.trigger.kind:
            case "segment_entered":
                return self._segment(journey, name)
            case "segment_exited":
                return [self._segment_left(journey, name)]
            case "attribute_changed":
                return [self._attribute(journey, name)]
            case "date":
                return [self._date(journey, name)]
            case _:
                return [self._event(journey, name or REQUESTED)]

    def _event(self, journey: Journey, name: str) -> Finding:
        begin = f"The journey {journey.key!r} begins {begins(journey.trigger)}"
        facts = {"journey": journey.key, "event": name}
        seen = [one for one in self.store.events(self.person, newest_first=True) if one.name == name]
        fitting = [one for one in seen if self._fits(one, journey)]
        if not fitting:
            if journey.trigger.kind == "api":
                return Finding("not-triggered", f"{begin}, and nobody has asked for it.", "asking for it", facts=facts)
            done = "which they have never done"
            if seen:
                done = f"and when they did that last, on {moment(seen[0].at)}, it was not so"
            elif known := self.person.history.get(name):
                done = f"which they did last on {moment(known[1][0])}, so long ago that no more is known of it"
            change = f"the event {named(Occurrence(name, journey.trigger.where))}"
            return Finding("not-triggered", f"{begin}, {done}.", change, facts=facts)
        last = fitting[0]
        if journey.keyed and not last.properties.get(journey.keyed):
            why, change = f"said no {journey.keyed!r}", f"the event {name!r} with a {journey.keyed!r}"
        elif last.received - last.at >= NEWS:
            late = (last.received - last.at) // HOUR * HOUR
            why, change = f"came in {spell(late)} late, when it was no news", f"the event {name!r} again"
        else:
            why = "came before the journey was in force, or at a time when it did not let them in"
            change = f"the event {name!r} again"
        sentence = f"{begin}. They last did that on {moment(last.at)}, and it did not begin: the event {why}."
        return Finding("did-not-begin", sentence, change, facts={**facts, "at": iso(last.at)})

    def _fits(self, event: Event, journey: Journey) -> bool:
        if journey.trigger.kind == "api":
            return event.source == "tailor" and event.properties.get("journey") == journey.key
        wanted = Occurrence(journey.trigger.name, journey.trigger.where)
        return self.compiled.fits(event, wanted, journey.key, "trigger")

    def _segment(self, journey: Journey, key: str) -> list[Finding]:
        program = self.compiled.program
        segment = program.segments[key]
        if (since := self.person.memberships.get(key)) is not None:
            sentence = (
                f"They are in the segment {key!r} since {moment(since)}, and only entering it begins the journey "
                f"{journey.key!r}: they were in it before the journey was in force, or it did not let them in then."
            )
            return [Finding("did-not-begin", sentence, f"leaving and entering {key!r} again", facts={"segment": key})]
        if not permits(self.person, segment.purpose, program, now=self.now):
            sentence = f"They do not permit {segment.purpose!r}, so the segment {key!r} sees nothing of them."
            return [Finding("not-permitted", sentence, f"their permission for {segment.purpose!r}")]
        seen = view(self.person, segment.purpose, program, now=self.now)
        reason = self.compiled.segments.rules[key].explain(seen, now=self.now)
        if reason.holds:
            sentence = f"They fit the segment {key!r} and enter it when they are decided next."
            return [Finding("about-to-enter", sentence, until=self.person.due, facts=reason.to_json())]
        return failing("not-in-segment", f"They are not in the segment {key!r} ({segment.title}).", reason)

    def _segment_left(self, journey: Journey, key: str) -> Finding:
        begin = f"The journey {journey.key!r} begins {begins(journey.trigger)}"
        since = self.person.memberships.get(key)
        if since is None:
            return Finding("not-triggered", f"{begin}, and they are not in it.", f"entering {key!r} and leaving it")
        seen = view(self.person, self.compiled.program.segments[key].purpose, self.compiled.program, now=self.now)
        until = self.compiled.segments.rules[key].explain(seen, now=self.now).until
        change = f"leaving it{f', by time on {moment(until)} at the earliest' if until < NEVER else ''}"
        return Finding("not-triggered", f"{begin}, and they are in it since {moment(since)}.", change, until)

    def _attribute(self, journey: Journey, name: str) -> Finding:
        begin = f"The journey {journey.key!r} begins {begins(journey.trigger)}"
        told = self.person.written.get(name)
        last = f"it was last told on {moment(told)}" if told is not None else "it was never told"
        return Finding("not-triggered", f"{begin}, and {last}.", f"another value of {name!r}")

    def _date(self, journey: Journey, name: str) -> Finding:
        begin = f"The journey {journey.key!r} begins {begins(journey.trigger)}"
        known = self._view().attributes.get(name)
        if known is None:
            return Finding("not-triggered", f"{begin}, and nobody knows that of them.", f"their {name!r}")
        where = where_of(self.person, journey.calendar, self.compiled.program, now=self.now)
        trigger = journey.trigger
        comes = anniversary(known, trigger.at, trigger.before, where, after=self.now)
        if comes is None:
            sentence = f"{begin}, and theirs is no date: {str(known)[:40]!r}."
            return Finding("not-triggered", sentence, "a date such as '1990-05-20' or '--05-20'")
        sentence = f"{begin}, and theirs comes on {moment(comes)} next."
        return Finding("not-triggered", sentence, f"time, until {moment(comes)}", comes, {"next": iso(comes)})

    def _view(self) -> View:
        return view(self.person, "personalization", self.compiled.program, now=self.now)


def enrolments(person: Person, journey: str) -> dict[str, dict[str, Any]]:
    """The enrolments in a journey, one for each key of a keyed one."""
    return {key: one for key, one in person.enrolments.items() if key.partition("#")[0] == journey}


def held(person: Person, journey: Journey, enrolment: Mapping[str, Any], compiled: Compiled, *, now: int) -> str:
    """Why the letter at which an enrolment stands has been put off, ``""`` where none is; asked again, so that the
    reason is that of now."""
    if "planned" not in enrolment:
        return ""
    former = journey.former.get(enrolment["version"])
    course = journey.course if enrolment["version"] == journey.course.version else former
    step = course.steps[enrolment["step"]] if course else None
    if not isinstance(step, Send) or (template := compiled.program.templates.get(step.template)) is None:
        return ""
    terms = Terms(journey.window, journey.calendar, patient=step.capped == "wait")
    ahead = coming(person, template, journey.priority, compiled.program, now=now)
    return when(person, "", template, terms, compiled.program, ahead=ahead, now=now).why


def put_off(so: str, why: str, until: int, facts: Mapping[str, Any]) -> Finding:
    """A letter that leaves later."""
    code, _, part = why.partition(": ")
    because = HELD.get(code, "it may not leave yet") + (f" ({part})" if part else "")
    sentence = f"{so}, and is put off until {moment(until)}, because {because}."
    return Finding("put-off", sentence, f"time, until {moment(until)}", until, {**facts, "why": why})
