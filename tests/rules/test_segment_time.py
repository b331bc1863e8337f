"""Rules against a second evaluator that looks through plain lists of events, at every instant that matters."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tailor.kernel.instants import MINUTE, duration
from tailor.kernel.person import RING, Person
from tailor.kernel.program import Program
from tailor.rules.consent import View
from tailor.rules.segments import SegmentSet, compile_segments

START = 1_750_000_000_000
EVENTS = ("A", "B", "C")
WINDOWS = ("1m", "3m", "10m")


@dataclass
class Happening:
    name: str
    at: int
    arrives: int
    properties: dict[str, Any] = field(default_factory=dict)


def truth(rule: dict[str, Any], known: list[Happening], attributes: dict[str, Any], now: int) -> bool:
    """What the rule means, without any algebra."""

    def times(name: str, where: dict[str, Any] | None = None) -> list[int]:
        def fits(one: Happening) -> bool:
            return all(key in one.properties and one.properties[key] == value for key, value in (where or {}).items())

        inside = now - duration(rule["within"]) if "within" in rule and "did_then_not" not in rule else -1
        return [one.at for one in known if one.name == name and fits(one) and one.at > inside]

    match rule:
        case {"all": parts}:
            return all(truth(part, known, attributes, now) for part in parts)
        case {"any": parts}:
            return any(truth(part, known, attributes, now) for part in parts)
        case {"not": part}:
            return not truth(part, known, attributes, now)
        case {"attribute": name, "eq": wanted}:
            return bool(attributes.get(name) == wanted)
        case {"did": name}:
            return len(times(name, rule.get("where"))) > 0
        case {"did_not": name}:
            return len(times(name, rule.get("where"))) == 0
        case {"count": name, "at_least": number}:
            return len(times(name, rule.get("where"))) >= number
        case {"count": name, "at_most": number}:
            return len(times(name, rule.get("where"))) <= number
        case {"count": name, "exactly": number}:
            return len(times(name, rule.get("where"))) == number
        case {"did_then_not": [first, second], "within": within}:
            firsts, seconds = times(first, rule.get("where")), times(second)
            if not firsts:
                return False
            newest = max(firsts)
            return now - newest >= duration(within) and not any(at >= newest for at in seconds)
    raise AssertionError(rule)


def windows(rule: Any) -> set[int]:
    """Every window in a rule."""
    if isinstance(rule, list):
        return set().union(*(windows(one) for one in rule))
    if not isinstance(rule, dict):
        return set()
    own = {duration(rule["within"])} if "within" in rule else set()
    return own.union(*(windows(value) for value in rule.values()))


def live(rules: list[dict[str, Any]], story: list[Happening], attributes: dict[str, Any]) -> None:
    """Let the events arrive one by one, decide as the step does, and look at the clock in between."""
    segments: SegmentSet = compile_segments(
        Program.of([{"name": "x", "segments": {f"s{n}": {"rule": rule} for n, rule in enumerate(rules)}}])
    )
    person = Person("p", attributes=attributes)
    instants = {START, *(one.arrives for one in story)}
    for one in story:
        for window in windows(rules):
            instants |= {one.at + window - 1, one.at + window, one.at + window + 1}
    promised: dict[str, tuple[bool, int]] = {}
    known: list[Happening] = []
    waiting = list(story)
    for now in sorted(instant for instant in instants if instant >= START):
        changed = set()
        for one in [one for one in waiting if one.arrives <= now]:
            known.append(one)
            changed.add(one.name)
            person.count(one.name, one.at, ring=segments.rings.get(one.name, RING))
            for counter in segments.tallies.get(one.name, ()):
                if counter.matches(one.properties):
                    person.count(counter.key, one.at, ring=segments.rings.get(counter.key, RING))
        waiting = [one for one in waiting if one.arrives > now]
        seen = View(person.attributes, person.history, {})
        if changed and promised:
            promised |= {key: (m, u) for key, m, u in segments.decide(lambda _, v=seen: v, changed, now=now)}
        everything = segments.decide(lambda _, v=seen: v, now=now)
        for (key, member, until), rule in zip(everything, rules, strict=True):
            assert member == truth(rule, known, attributes, now), (rule, now)
            assert until > now
            before, valid_until = promised.get(key, (member, until))
            assert member == before or now >= valid_until, f"{rule} flipped at {now}, before {valid_until}"
            if key not in promised or now >= valid_until:
                promised[key] = member, until


def _leaf(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(["did", "did_not", "at_least", "at_most", "exactly", "did_then_not", "attribute"]))
    if kind == "attribute":
        return {"attribute": draw(st.sampled_from(["country", "city"])), "eq": draw(st.sampled_from(["x", "y"]))}
    name = draw(st.sampled_from(EVENTS))
    rule: dict[str, Any] = {}
    if draw(st.booleans()) or kind == "did_then_not":
        rule["within"] = draw(st.sampled_from(WINDOWS))
    if draw(st.integers(0, 3)) == 0:
        rule["where"] = {"category": draw(st.sampled_from(["tents", "boots"]))}
    match kind:
        case "did_then_not":
            return {"did_then_not": [name, draw(st.sampled_from(EVENTS))], **rule}
        case "did" | "did_not":
            return {kind: name, **rule}
        case _:
            return {"count": name, kind: draw(st.integers(1 if kind == "at_least" else 0, 4)), **rule}


LEAVES = st.composite(_leaf)()
RULES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.fixed_dictionaries({"all": st.lists(inner, min_size=1, max_size=4)}),
        st.fixed_dictionaries({"any": st.lists(inner, min_size=1, max_size=4)}),
        st.fixed_dictionaries({"not": inner}),
    ),
    max_leaves=6,
)


@st.composite
def stories(draw: st.DrawFn) -> list[Happening]:
    """Events in half-minute steps, some of them late, some at the same instant, one sometimes ahead of its arrival."""
    story = []
    for _ in range(draw(st.integers(0, 9))):
        at = START + draw(st.integers(-4, 20)) * MINUTE // 2
        late = draw(st.sampled_from([0, 0, 0, 1, 5 * MINUTE, -MINUTE]))
        category = draw(st.sampled_from([{}, {"category": "tents"}, {"category": "boots"}]))
        story.append(Happening(draw(st.sampled_from(EVENTS)), at, at + late, category))
    return story


@settings(max_examples=250, deadline=None)
@given(
    st.lists(RULES, min_size=1, max_size=6),
    stories(),
    st.dictionaries(st.sampled_from(["country", "city"]), st.sampled_from(["x", "y"])),
)
def test_every_answer_is_right_at_every_instant_and_holds_until_it_said(
    rules: list[dict[str, Any]], story: list[Happening], attributes: dict[str, Any]
) -> None:
    live(rules, story, attributes)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(0, 60), min_size=30, max_size=60),
    st.lists(st.integers(15, 45), min_size=1, max_size=3),
)
def test_counts_beyond_the_usual_ring_are_right_too(minutes: list[int], numbers: list[int]) -> None:
    rules: list[dict[str, Any]] = [
        {"count": "A", kind: number, "within": "10m"}
        for number in numbers
        for kind in ("at_least", "at_most", "exactly")
    ]
    story = [Happening("A", at, at) for at in sorted(START + minute * MINUTE // 4 for minute in minutes)]
    live(rules, story, {})
