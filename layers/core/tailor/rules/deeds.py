"""Operators about what a person did: events, how often, when, what they sum up to, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, cast

from tailor.kernel.instants import DAY, NEVER, spell
from tailor.rules import moments, series
from tailor.rules.comparisons import COMPARISONS, NUMERIC, predicate
from tailor.rules.consent import View
from tailor.rules.formula import Asked, AtLeast, Compares, Decide, Every, Formula, Not, Some, ThenNot
from tailor.rules.moments import MOMENTS, PAST, ZONE
from tailor.rules.node import COUNT, Argument, Kind, Node, Operator, Where, canonical, quoted
from tailor.rules.series import Aggregate
from tailor.rules.tallies import KEEPING, Tally
from tailor.rules.traits import NUMBERS

TIMES = ("at_least", "at_most", "exactly")
_NONE: Mapping[str, tuple[tuple[str, Any], ...]] = {}
_NO_TIMES: tuple[int, ...] = ()


def _did(given: dict[str, Any]) -> Node:
    return _happened("did", given, given["did"], "at_least", 1, "did", "")


def _did_not(given: dict[str, Any]) -> Node:
    return _happened("did_not", given, given["did_not"], "at_most", 0, "did not do", "")


def _count(given: dict[str, Any]) -> Node:
    comparison = next(key for key in TIMES if key in given)
    return _happened("count", given, given["count"], comparison, given[comparison], "did", _often(comparison, given))


def _often(comparison: str, given: dict[str, Any]) -> str:
    times = given[comparison]
    return f" {comparison.replace('_', ' ')} {'once' if times == 1 else f'{times} times'}"


def _happened(
    operator: str, given: dict[str, Any], event: str, comparison: str, times: int, verb: str, often: str
) -> Node:
    """So many occurrences in a window, in a span of ages, in this day, week, month or year, or ever."""
    tally = _tally(given, event)
    if comparison == "at_least" and times == 0:
        raise ValueError("'at_least' 0 always holds: begin at 1")
    windows = [key for key in ("within", "ago", "this") if key in given]
    if len(windows) > 1:
        raise ValueError(f"{' and '.join(windows)} are both windows: leave one out")
    if "ago" in given or "this" in given:
        formula = _counted(event, tally, given, comparison, times)
    else:
        formula = _enough(AtLeast(event, times, given.get("within"), tally), comparison)
    sentence = f"{verb} {quoted(event)}{_such(given)}{often}{_when(given)}"
    shown = max(1, times + (operator == "count"))
    return Node(operator, sentence, formula, _history((event, _entry(event, tally), shown)))


def _enough(leaf: AtLeast, comparison: str) -> Formula:
    too_many = replace(leaf, times=leaf.times + 1)
    match comparison:
        case "at_least":
            return leaf
        case "exactly" if leaf.times > 0:
            return Every((leaf, Not(too_many)))
        case _:
            return Not(too_many)


def _counted(event: str, tally: Tally | None, given: dict[str, Any], comparison: str, times: int) -> Formula:
    entry = _entry(event, tally)
    test = _TESTS[comparison](times)
    says = canonical(entry, comparison, times, given.get("ago"), given.get("this"))
    decide: Decide
    if "ago" in given:
        youngest, oldest = given["ago"]
        decide = lambda view, now: series.aged(_times(view, entry), youngest, oldest, test, now=now)  # noqa: E731
        return _asked(says, decide, event, tally, entry, timed=True)
    period = given["this"]

    def decide_period(view: View, now: int) -> tuple[bool, int]:
        begins, ends = moments.this(period, moments.where_of(view), now=now)
        number = sum(at >= begins for at in _times(view, entry))
        member = test(number)
        # The next period begins with fewer, down to none.
        return member, ends if member != test(0) or number > times else NEVER

    return _asked(says, decide_period, event, tally, entry, timed=True, also=frozenset({ZONE}))


_TESTS: dict[str, Callable[[int], Callable[[Any], bool]]] = {
    "at_least": lambda times: lambda number: number >= times,
    "at_most": lambda times: lambda number: number <= times,
    "exactly": lambda times: lambda number: number == times,
}


def _asked(
    says: str,
    decide: Decide,
    event: str,
    tally: Tally | None,
    entry: str,
    *,
    timed: bool,
    also: frozenset[str] = frozenset(),
) -> Asked:
    return Asked(says, decide, frozenset({event}) | also, timed, (tally,) if tally else (), (entry,), KEEPING)


def _times(view: View, entry: str) -> Any:
    """The newest timestamps, newest first, and no more of them than a rule may look at."""
    known = view.history.get(entry)
    return known[1][:KEEPING] if known else _NO_TIMES


def _tally(given: dict[str, Any], event: str) -> Tally | None:
    where: Where | None = given.get("where")
    return Tally.of(event, where.tests) if where else None


def _entry(event: str, tally: Tally | None) -> str:
    return tally.key if tally else event


def _such(given: dict[str, Any]) -> str:
    return f" where {given['where'].sentence}" if "where" in given else ""


def _when(given: dict[str, Any]) -> str:
    if "within" in given:
        return f" in the last {spell(given['within'])}"
    if "this" in given:
        return " today" if given["this"] == "day" else f" this {given['this']}"
    if "ago" in given:
        youngest, oldest = given["ago"]
        return f" between {spell(youngest)} and {spell(oldest)} ago"
    return ""


def _history(*entries: tuple[str, str, int]) -> Callable[[View], dict[str, Any]]:
    def look(view: View) -> dict[str, Any]:
        seen = {}
        for shown, entry, newest in entries:
            total, times, *_ = view.history.get(entry, (0, ()))
            seen[shown] = {"count": total, "newest": list(times[:newest])}
        return seen

    return look


def _did_then_not(given: dict[str, Any]) -> Node:
    (first, second), within = given["did_then_not"], given["within"]
    formula = ThenNot(first, second, within, _tally(given, first))
    sentence = f"did {quoted(first)}{_such(given)} and then for {spell(within)} or more not {quoted(second)}"
    return Node("did_then_not", sentence, formula, _history((first, formula.entry, 1), (second, second, 1)))


def _did_then(given: dict[str, Any]) -> Node:
    (first, second), within, last = given["did_then"], given["within"], given.get("in_last")
    tally = _tally(given, first)
    entry = _entry(first, tally)

    def decide(view: View, now: int) -> tuple[bool, int]:
        return series.followed(
            _times(view, entry), _times(view, second), within, last, strictly=first == second, now=now
        )

    says = canonical("then", entry, second, within, last)
    formula = Asked(
        says, decide, frozenset({first, second}), last is not None, (tally,) if tally else (), (entry, second), KEEPING
    )
    when = f", in the last {spell(last)}" if last else ""
    sentence = f"did {quoted(first)}{_such(given)} and then {quoted(second)} within {spell(within)}{when}"
    return Node("did_then", sentence, formula, _history((first, entry, 1), (second, second, 1)))


def _first(given: dict[str, Any]) -> Node:
    event: str = given["first"]
    where: Where | None = given.get("where")
    tally = Tally.of(event, where.tests if where else _NONE, kept="first")
    return _dated("first", event, tally, given, tally.key)


def _last(given: dict[str, Any]) -> Node:
    event: str = given["last"]
    tally = _tally(given, event)
    return _dated("last", event, tally, given, _entry(event, tally))


def _dated(operator: str, event: str, tally: Tally | None, given: dict[str, Any], entry: str) -> Node:
    key = next(key for key in PAST if key in given)
    wanted: int = given[key]

    def found(view: View) -> int | None:
        known = view.history.get(entry)
        return None if known is None else cast(int, known[1][0 if operator == "last" else -1])

    formula = Asked(
        canonical(operator, entry, key, wanted),
        moments.asks(key, wanted, found),
        frozenset({event}),
        MOMENTS[key].timed,
        (tally,) if tally else (),
    )
    sentence = f"did {quoted(event)}{_such(given)} for the {operator} time {MOMENTS[key].phrase(wanted)}"
    return Node(operator, sentence, formula, _history((event, entry, 1)))


def _days_since(given: dict[str, Any]) -> Node:
    event: str = given["days_since"]
    tally = _tally(given, event)
    key = next(key for key in NUMERIC if key in given)
    low, high = _whole_days(key, given[key])
    # At least n days since the newest: it happened, and not in the last n days.
    parts: list[Formula] = [AtLeast(event, 1, None, tally)] if low <= 0 else []
    if low > 0:
        parts += [AtLeast(event, 1, None, tally), Not(AtLeast(event, 1, low * DAY, tally))]
    if high is not None:
        parts.append(AtLeast(event, 1, (high + 1) * DAY, tally) if high >= 0 else Some(()))
    sentence = f"days since the last {quoted(event)}{_such(given)} {COMPARISONS[key].phrase(given[key])}"
    look = _history((event, _entry(event, tally), 1))
    return Node("days_since", sentence.replace(" is ", " are ", 1), Every(tuple(parts)), look)


def _whole_days(key: str, wanted: Any) -> tuple[int, int | None]:
    """The least and the greatest number of whole days that compare."""
    numbers = wanted if isinstance(wanted, tuple) else (wanted,)
    if not all(float(one).is_integer() and 0 <= one <= 36_500 for one in numbers):
        raise ValueError("write whole days, from 0 to 36500")
    number = int(numbers[0])
    match key:
        case "ge":
            return number, None
        case "gt":
            return number + 1, None
        case "eq":
            return number, number
        case "between":
            return number, int(numbers[1])
    if key == "lt" and number == 0:
        raise ValueError("less than 0 days never holds")
    return 0, number - (key == "lt")


def _aggregated(aggregate: Aggregate, name: str) -> Callable[[dict[str, Any]], Node]:
    def make(given: dict[str, Any]) -> Node:
        event, prop, within = given["of"], given[aggregate], given.get("within")
        where: Where | None = given.get("where")
        kept = "values" if aggregate == "distinct" else "numbers"
        tally = Tally.of(event, where.tests if where else _NONE, kept=kept, value=prop)  # type: ignore[arg-type]
        key = next(key for key in NUMERIC if key in given)
        test = predicate(((key, given[key]),))

        def decide(view: View, now: int) -> tuple[bool, int]:
            _, times, values = view.history.get(tally.key) or (0, _NO_TIMES, _NO_TIMES)
            return series.aggregated(aggregate, times[:KEEPING], values[:KEEPING], within, test, now=now)

        says = canonical(aggregate, tally.key, within, key, given[key])
        formula = _asked(says, decide, event, tally, tally.key, timed=within is not None)
        sentence = f"the {name} {prop} of {quoted(event)}{_such(given)}{_when(given)}"
        return Node(
            aggregate, f"{sentence} {COMPARISONS[key].phrase(given[key])}", formula, _history((event, tally.key, 1))
        )

    return make


def _days(given: dict[str, Any]) -> Node:
    event, within = given["days"], given.get("within")
    tally = _tally(given, event)
    entry = _entry(event, tally)
    comparison = next(key for key in TIMES if key in given)
    number: int = given[comparison]
    if comparison == "at_least" and number == 0:
        raise ValueError("'at_least' 0 always holds: begin at 1")
    test = _TESTS[comparison](number)

    def decide(view: View, now: int) -> tuple[bool, int]:
        return series.spread(_times(view, entry), within, test, now=now)

    says = canonical("days", entry, within, comparison, number)
    formula = _asked(says, decide, event, tally, entry, timed=within is not None)
    how_many = f"{comparison.replace('_', ' ')} {number} day{'' if number == 1 else 's'}"
    return Node(
        "days", f"did {quoted(event)}{_such(given)} on {how_many}{_when(given)}", formula, _history((event, entry, 1))
    )


def _engaged(operator: str, event: str, verb: str) -> Callable[[dict[str, Any]], Node]:
    def make(given: dict[str, Any]) -> Node:
        comparison = next((key for key in TIMES if key in given), "at_least")
        times: int = given.get(comparison, 1)
        if comparison == "at_least" and times == 0:
            raise ValueError("'at_least' 0 always holds: begin at 1")
        where: Where | None = given.get("where")
        machines: bool = given.get("machines", False)
        tests = where.tests if where else _NONE
        tally = None if machines and not where else Tally.of(event, tests, human=not machines)
        often = _often(comparison, {comparison: times}) if comparison in given else ""
        by = ", machines counted too" if machines else ""
        sentence = f"{verb} a letter{_such(given)}{often}{_when(given)}{by}"
        formula = _enough(AtLeast(event, times, given.get("within"), tally), comparison)
        return Node(operator, sentence, formula, _history((event, _entry(event, tally), times + 1)))

    return make


SCORES: Mapping[str, tuple[Any, ...]] = {
    "recency": (365 * DAY, 180 * DAY, 90 * DAY, 30 * DAY),
    "frequency": (2, 3, 5, 10),
    "monetary": (50, 100, 250, 500),
}
"""What it takes for the scores 2, 3, 4 and 5, where a rule does not say."""


def _rfm(given: dict[str, Any]) -> Node:
    score: str = given["rfm"]
    in_time = score == "recency"
    are_spans, steps = given.get("steps", (in_time, SCORES[score]))
    if are_spans != in_time or list(steps) != sorted(set(steps), reverse=in_time):
        raise ValueError(
            "'steps' of recency are four shrinking durations, such as ['365d', '180d', '90d', '30d']"
            if in_time
            else f"'steps' of {score} are four growing numbers, such as {list(SCORES[score])}"
        )
    key = next(key for key in NUMERIC if key in given)
    test = predicate(((key, given[key]),))
    reached: list[Formula] = [_reached(score, step) for step in steps]
    # Score 1 + n: the first n steps are reached, the next is not.
    cases: list[Formula] = []
    for number in range(5):
        if test(number + 1):
            bounds: list[Formula] = [reached[number - 1]] if number else []
            bounds += [Not(reached[number])] if number < 4 else []
            cases.append(Every(tuple(bounds)))
    sentence = f"the {score} score, 1 to 5, {COMPARISONS[key].phrase(given[key])}"
    return Node("rfm", sentence, Some(tuple(cases)), _scored(score))


def _reached(score: str, step: Any) -> Formula:
    if score == "recency":
        return AtLeast("Order Completed", 1, step)
    return Compares("order_count" if score == "frequency" else "lifetime_value", "ge", step)


def _scored(score: str) -> Callable[[View], dict[str, Any]]:
    if score == "recency":
        return _history(("Order Completed", "Order Completed", 1))
    name = "order_count" if score == "frequency" else "lifetime_value"
    return lambda view: {name: view.attributes.get(name)}


_WHERE = Argument("where", "where", required=False)
_WITHIN = Argument("within", "duration", required=False)
_WINDOW = (_WITHIN, Argument("ago", "ages", required=False), Argument("this", "period", required=False), _WHERE)
_WINDOW_TEXT = ("where <where>", "within <within>", "between <ago.0> and <ago.1> ago", "this <this>")
_TIMES = tuple(Argument(key, "number") for key in TIMES)
_TIMES_TEXT = ("at least <at_least> times", "at most <at_most> times", "exactly <exactly> times")
_PAST = tuple(Argument(key, cast(Kind, MOMENTS[key].wanted)) for key in PAST)
_MAYBE_TIMES = tuple(Argument(key, "number", required=False) for key in TIMES)


def _aggregate(aggregate: Aggregate, name: str, says: str, example: str) -> Operator:
    return Operator(
        aggregate,
        f"{says} of a property of the newest {KEEPING} of the event, ever or within a window, compares with a number.",
        (Argument(aggregate, "property"), Argument("of", "event"), _WITHIN, _WHERE),
        _aggregated(aggregate, name),
        f"{aggregate} of <{aggregate}> in <of>",
        (
            {aggregate: example, "of": "Order Completed", "within": "90d", "ge": 3},
            {aggregate: example, "of": "Order Completed", "lt": 50, "where": {"currency": "EUR"}},
        ),
        one_of=NUMBERS,
        clauses=("where <where>", "within <within>", "<comparison>"),
    )


def _engagement(operator: str, event: str, verb: str) -> Operator:
    return Operator(
        operator,
        f"The person {verb} letters so many times (once, where it does not say); what machines did is not counted.",
        (
            Argument(operator, "yes"),
            *_MAYBE_TIMES,
            _WITHIN,
            _WHERE,
            Argument("machines", "yes", required=False),
        ),
        _engaged(operator, event, verb),
        f"{operator} a letter",
        ({operator: True, "within": "30d"}, {operator: True, "at_least": 3, "within": "90d", "machines": True}),
        clauses=(*_TIMES_TEXT, "where <where>", "within <within>", "including machines <machines>"),
    )


DEEDS = (
    Operator(
        "did",
        "The event happened at least once: ever, within a window that ends now, between two ages, or this day, week, "
        "month or year.",
        (Argument("did", "event"), *_WINDOW),
        _did,
        "did <did>",
        (
            {"did": "Order Completed"},
            {"did": "Product Viewed", "within": "48h", "where": {"category": "tents", "price": {"ge": 100}}},
            {"did": "Order Completed", "ago": ["30d", "60d"]},
            {"did": "Order Completed", "this": "month"},
        ),
        clauses=_WINDOW_TEXT,
    ),
    Operator(
        "did_not",
        "The event did not happen: ever, within a window that ends now, between two ages, or this day, week, month or "
        "year.",
        (Argument("did_not", "event"), *_WINDOW),
        _did_not,
        "did not <did_not>",
        ({"did_not": "Order Completed"}, {"did_not": "Email Opened", "within": "90d"}),
        clauses=_WINDOW_TEXT,
    ),
    Operator(
        "count",
        f"The event happened so many times (at most {COUNT}): ever, within a window that ends now, between two ages, "
        "or this day, week, month or year.",
        (Argument("count", "event"), *_WINDOW),
        _count,
        "did <count>",
        (
            {"count": "Order Completed", "at_least": 3, "within": "365d"},
            {"count": "Email Opened", "at_most": 1, "within": "30d"},
            {"count": "Order Completed", "exactly": 1, "where": {"products.category": {"in": ["tents", "boots"]}}},
            {"count": "Product Viewed", "at_least": 2, "ago": ["1d", "7d"]},
        ),
        one_of=_TIMES,
        clauses=(*_TIMES_TEXT, *_WINDOW_TEXT),
    ),
    Operator(
        "days",
        "The event happened on so many different days (of UTC), ever or within a window that ends now.",
        (Argument("days", "event"), _WITHIN, _WHERE),
        _days,
        "did <days>",
        ({"days": "Page Viewed", "at_least": 3, "within": "14d"}, {"days": "Signed In", "at_most": 1}),
        one_of=_TIMES,
        clauses=(
            "on at least <at_least> days",
            "on at most <at_most> days",
            "on exactly <exactly> days",
            "where <where>",
            "within <within>",
        ),
    ),
    Operator(
        "first",
        "The first time of the event is before or after a date, or longer or less long ago than a time.",
        (Argument("first", "event"), _WHERE),
        _first,
        "first <first>",
        ({"first": "Order Completed", "older_than": "365d"}, {"first": "Signed Up", "after": "2026-01-01"}),
        one_of=_PAST,
        clauses=("where <where>", "<comparison>"),
    ),
    Operator(
        "last",
        "The newest of the event is before or after a date, or longer or less long ago than a time.",
        (Argument("last", "event"), _WHERE),
        _last,
        "last <last>",
        ({"last": "Order Completed", "older_than": "90d"}, {"last": "Order Completed", "before": "2026-01-01"}),
        one_of=_PAST,
        clauses=("where <where>", "<comparison>"),
    ),
    Operator(
        "days_since",
        "The whole days since the newest of the event compare with a number; false where it never happened.",
        (Argument("days_since", "event"), _WHERE),
        _days_since,
        "days since <days_since>",
        ({"days_since": "Order Completed", "ge": 30}, {"days_since": "Order Completed", "between": [7, 14]}),
        one_of=NUMBERS,
        clauses=("where <where>", "<comparison>"),
    ),
    _aggregate("sum", "sum of", "The sum", "total"),
    _aggregate("average", "average of", "The average", "total"),
    _aggregate("minimum", "least", "The least", "total"),
    _aggregate("maximum", "greatest", "The greatest", "total"),
    _aggregate("distinct", "number of different values of", "The number of different values", "products.category"),
    Operator(
        "did_then",
        f"The second event came after the first, at most so much later; of the newest {KEEPING} of each.",
        (
            Argument("did_then", "events"),
            Argument("within", "duration"),
            Argument("in_last", "duration", required=False),
            _WHERE,
        ),
        _did_then,
        "did <did_then.0> [where <where>] then <did_then.1>",
        (
            {"did_then": ["Product Viewed", "Order Completed"], "within": "1h", "in_last": "30d"},
            {"did_then": ["Order Completed", "Order Completed"], "within": "14d"},
        ),
        clauses=("within <within>", "in the last <in_last>"),
    ),
    Operator(
        "did_then_not",
        "The newest of the first event is as old as the window or older, and the second did not happen since.",
        (Argument("did_then_not", "events"), Argument("within", "duration"), _WHERE),
        _did_then_not,
        "did <did_then_not.0> [where <where>] then not <did_then_not.1>",
        (
            {"did_then_not": ["Product Viewed", "Order Completed"], "within": "48h"},
            {"did_then_not": ["Product Added", "Order Completed"], "within": "1h", "where": {"price": {"gt": 50}}},
        ),
        clauses=("within <within>",),
    ),
    _engagement("opened", "Email Opened", "opened"),
    _engagement("clicked", "Email Link Clicked", "clicked in"),
    Operator(
        "rfm",
        "A score from 1 to 5 by the orders compares with a number: recency, frequency or monetary; 'steps' are what "
        "the scores 2 to 5 take.",
        (Argument("rfm", "score"), Argument("steps", "steps", required=False)),
        _rfm,
        "rfm <rfm>",
        (
            {"rfm": "recency", "ge": 4},
            {"rfm": "monetary", "between": [2, 3], "steps": [20, 80, 200, 1000]},
            {"rfm": "recency", "eq": 5, "steps": ["180d", "90d", "30d", "7d"]},
        ),
        one_of=NUMBERS,
        clauses=("<comparison>", "steps <steps>"),
    ),
)
