"""A program, compiled once for each of its versions: what the step needs, without the templates' engine."""

from __future__ import annotations

from tailor.kernel.event import Event
from tailor.kernel.history import RING
from tailor.kernel.journey import Branch, Journey, Occurrence, WaitEvent
from tailor.kernel.program import Program
from tailor.rules.segments import Rule, SegmentSet, compile_rule, compile_segments
from tailor.rules.tallies import Tally


class Compiled:
    """``program`` with its segments and conditions as code.

    Attributes
    ----------
    segments : the compiled segments.
    exits, goals, entry : journey key → its compiled ``exit_when`` and ``goal``, where they are rules, and ``entry``.
    asks : journey key → paths of what its steps take from the event that begins it.
    audiences : campaign key → its compiled ``audience``.
    entries : trigger → keys of the journeys it starts; a trigger is kind, colon and name: ``event:Signed Up``.
    dates : journeys that begin on a date.

    Raises
    ------
    Rejected : a rule does not compile; ``pointer`` names it.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.version = program.version
        self.segments: SegmentSet = compile_segments(program)
        self.exits: dict[str, Rule] = {}
        self.goals: dict[str, Rule] = {}
        self.entry: dict[str, Rule] = {}
        self.entries: dict[str, list[str]] = {}
        self.asks: dict[str, frozenset[str]] = {}
        self.dates: list[Journey] = []
        self._branches: dict[tuple[str, str, int], tuple[Rule, ...]] = {}
        self._occurrences: dict[tuple[str, ...], Tally] = {}
        for journey in program.journeys.values():
            self._read_journey(journey)
        conditions = [
            compile_rule(
                cta.when,
                program,
                purpose=template.reads_for,
                pointer=f"/templates/{template.key}/cta/{index}/when",
            )
            for template in program.templates.values()
            for index, cta in enumerate(template.cta)
            if cta.when is not None
        ]
        self._tallies: dict[str, tuple[Tally, ...]] = dict(self.segments.tallies)
        self._rings: dict[str, int] = dict(self.segments.rings)
        self.audiences = {
            campaign.key: compile_rule(campaign.audience, program, pointer=f"/campaigns/{campaign.key}/audience")
            for campaign in program.campaigns.values()
        }
        watched = (*self.exits.values(), *self.goals.values(), *self.entry.values(), *self.audiences.values())
        for rule in (*watched, *(rule for rules in self._branches.values() for rule in rules), *conditions):
            for name, size in rule.rings.items():
                self._rings[name] = max(size, self._rings.get(name, RING))
            for one in rule.tallies:
                kept = self._tallies.get(one.event, ())
                if all(one.key != other.key for other in kept):
                    self._tallies[one.event] = (*kept, one)

    def _read_journey(self, journey: Journey) -> None:
        pointer = f"/journeys/{journey.key}"

        def read(rule: object, place: str) -> Rule:
            return compile_rule(rule, self.program, pointer=f"{pointer}/{place}")

        self.entries.setdefault(f"{journey.trigger.kind}:{journey.trigger.name}", []).append(journey.key)
        if journey.trigger.kind == "date":
            self.dates.append(journey)
        if asks := journey.course.asks:
            self.asks[journey.key] = asks
        if journey.entry is not None:
            self.entry[journey.key] = read(journey.entry, "entry")
        endings = (("exit_when", journey.exit_when, self.exits), ("goal", journey.goal, self.goals))
        for name, ending, rules in endings:
            if isinstance(ending, Occurrence):
                self._read_occurrence(ending, (journey.key, name), f"{pointer}/{name}")
            elif ending is not None:
                rules[journey.key] = read(ending, name)
        if journey.trigger.where is not None:
            trigger = Occurrence(journey.trigger.name, journey.trigger.where)
            self._read_occurrence(trigger, (journey.key, "trigger"), f"{pointer}/trigger")
        for place, course in journey.courses:
            for index, step in enumerate(course.steps):
                if isinstance(step, Branch):
                    self._branches[journey.key, course.version, index] = tuple(
                        read(when, f"{place}/{index}/branch/{case}/when") for case, (when, _) in enumerate(step.cases)
                    )
                elif isinstance(step, WaitEvent):
                    key = (journey.key, course.version, str(index))
                    self._read_occurrence(step.occurrence, key, f"{pointer}/{place}/{index}/wait_until")

    def _read_occurrence(self, occurrence: Occurrence, key: tuple[str, ...], pointer: str) -> None:
        if occurrence.where is not None:
            # The same reader as of rules, for the same comparisons; nobody counts these.
            rule = {"did": occurrence.event, "where": occurrence.where}
            (self._occurrences[key],) = compile_rule(rule, self.program, pointer=pointer).tallies

    def fits(self, event: Event, occurrence: Occurrence, *key: str) -> bool:
        """Whether ``event`` is ``occurrence``, which stands at ``key``: the journey's, and where in it."""
        if event.name != occurrence.event:
            return False
        return occurrence.where is None or self._occurrences[key].matches(event.properties)

    def branches(self, journey: str, version: str, index: int) -> tuple[Rule, ...]:
        """The rules of a branching step."""
        return self._branches[journey, version, index]

    def tallies(self, event: str) -> tuple[Tally, ...]:
        """What to count apart of an event name."""
        return self._tallies.get(event, ())

    def ring(self, name: str) -> int:
        """How many timestamps of a history entry the rules need."""
        return self._rings.get(name, RING)

    def counts_more_than(self, other: Compiled) -> bool:
        """Whether the rules need a counter, or more timestamps of one, that people decided by ``other`` do not hold."""
        held = {one.key for kept in other._tallies.values() for one in kept}
        apart = any(one.key not in held for kept in self._tallies.values() for one in kept)
        return apart or any(size > other.ring(name) for name, size in self._rings.items())
