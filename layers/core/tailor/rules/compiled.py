"""A program, compiled once for each of its versions: what the step needs, without the templates' engine."""

from __future__ import annotations

from tailor.kernel.person import RING
from tailor.kernel.program import Program
from tailor.rules.comparisons import Filter
from tailor.rules.segments import Rule, SegmentSet, compile_rule, compile_segments


class Compiled:
    """``program`` with its segments and conditions as code.

    Attributes
    ----------
    segments : the compiled segments.
    exits : journey key → its compiled ``exit_when``.
    entries : trigger → keys of the journeys it starts; a trigger is ``event:NAME`` or ``segment_entered:KEY``.

    Raises
    ------
    Rejected : a rule does not compile; ``pointer`` names it.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.version = program.version
        self.segments: SegmentSet = compile_segments(program)
        self.exits: dict[str, Rule] = {
            journey.key: compile_rule(journey.exit_when, program, pointer=f"/journeys/{journey.key}/exit_when")
            for journey in program.journeys.values()
            if journey.exit_when is not None
        }
        self.entries: dict[str, list[str]] = {}
        for journey in program.journeys.values():
            self.entries.setdefault(f"{journey.trigger.kind}:{journey.trigger.name}", []).append(journey.key)
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
        self._filters: dict[str, tuple[Filter, ...]] = dict(self.segments.filters)
        self._rings: dict[str, int] = dict(self.segments.rings)
        for rule in (*self.exits.values(), *conditions):
            for name, size in rule.rings.items():
                self._rings[name] = max(size, self._rings.get(name, RING))
            for one in rule.filters:
                kept = self._filters.get(one.event, ())
                if all(one.key != other.key for other in kept):
                    self._filters[one.event] = (*kept, one)

    def filters(self, event: str) -> tuple[Filter, ...]:
        """The filtered counters to keep for an event name."""
        return self._filters.get(event, ())

    def ring(self, name: str) -> int:
        """How many timestamps of a history entry the rules need."""
        return self._rings.get(name, RING)
