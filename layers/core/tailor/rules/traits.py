"""Operators about what a person is: attributes, age, birthday, place, identifiers, a share of people."""

from __future__ import annotations

from math import asin, cos, radians, sin, sqrt
from typing import Any

from tailor.kernel.instants import NEVER, spell
from tailor.kernel.keys import share
from tailor.rules import moments
from tailor.rules.comparisons import COMPARISONS, NUMERIC, inside, predicate
from tailor.rules.consent import View
from tailor.rules.formula import Asked, Compares, Formula
from tailor.rules.moments import MOMENTS, ZONE
from tailor.rules.node import Argument, Node, Operator, canonical, nothing, quoted

EARTH_KM = 6371.0088
"""Mean radius (IUGG)."""
SALT = "sample"


def _attribute(given: dict[str, Any]) -> Node:
    path: tuple[str, ...] = given["attribute"]
    name = ".".join(path)
    key = next(key for key in given if key != "attribute")
    wanted = given[key]

    def look(view: View) -> dict[str, Any]:
        return {name: inside(view.attributes, path)}

    formula: Formula
    if key in COMPARISONS:
        formula = Compares(name, key, wanted, path if len(path) > 1 else ())
        return Node("attribute", f"{name} {COMPARISONS[key].phrase(wanted)}", formula, look)
    reads = frozenset({f"@{path[0]}"})
    if key == "today":
        sentence = f"{name} is {'today' if wanted else 'another day than today'}"
        decide = moments.today(path, wanted)
        formula = Asked(canonical("today", path, wanted), decide, reads | {ZONE}, timed=True)
    else:
        sentence = f"{name} is {MOMENTS[key].phrase(wanted)}"
        decide = moments.asks(key, wanted, lambda view: moments.moment(inside(view.attributes, path)))
        formula = Asked(canonical(key, path, wanted), decide, reads, timed=MOMENTS[key].timed)
    return Node("attribute", sentence, formula, look)


def _age(given: dict[str, Any]) -> Node:
    path: tuple[str, ...] = given["age"]
    key = next(key for key in NUMERIC if key in given)
    decide = moments.age(path, predicate(((key, given[key]),)))
    formula = Asked(canonical("age", path, key, given[key]), decide, frozenset({f"@{path[0]}", ZONE}), timed=True)
    sentence = f"age by {'.'.join(path)} {COMPARISONS[key].phrase(given[key])}"
    return Node("age", sentence, formula, _shows(path))


def _birthday(given: dict[str, Any]) -> Node:
    path: tuple[str, ...] = given["birthday"]
    ahead: int = given.get("within", 0)
    formula = Asked(
        canonical("birthday", path, ahead), moments.birthday(path, ahead), frozenset({f"@{path[0]}", ZONE}), timed=True
    )
    when = f" or within the next {spell(ahead)}" if ahead else ""
    return Node("birthday", f"the yearly day of {'.'.join(path)} is today{when}", formula, _shows(path))


def _shows(*paths: tuple[str, ...]) -> Any:
    return lambda view: {".".join(path): inside(view.attributes, path) for path in paths}


def _near(given: dict[str, Any]) -> Node:
    (latitude, longitude), km = given["near"], given["km"]
    paths = given.get("latitude", ("latitude",)), given.get("longitude", ("longitude",))

    def decide(view: View, now: int) -> tuple[bool, int]:
        here = [inside(view.attributes, path) for path in paths]
        if any(isinstance(one, bool) or not isinstance(one, (int, float)) for one in here):
            return False, NEVER
        return distance_km(here[0], here[1], latitude, longitude) <= km, NEVER

    reads = frozenset(f"@{path[0]}" for path in paths)
    formula = Asked(canonical("near", latitude, longitude, km, paths), decide, reads, timed=False)
    return Node("near", f"is within {km:g} km of {latitude:g}, {longitude:g}", formula, _shows(*paths))


def distance_km(latitude: float, longitude: float, to_latitude: float, to_longitude: float) -> float:
    """Great-circle distance in km of two places in degrees (haversine formula)."""
    here, there = radians(latitude), radians(to_latitude)
    half = sin((there - here) / 2) ** 2 + cos(here) * cos(there) * sin(radians(to_longitude - longitude) / 2) ** 2
    return 2 * EARTH_KM * asin(sqrt(min(1.0, max(0.0, half))))


def _identifier(given: dict[str, Any]) -> Node:
    kind: str = given["identifier"]
    formula = Asked(
        canonical("identifier", kind),
        lambda view, now: (kind in view.identifiers, NEVER),
        frozenset({"~identifiers"}),
        timed=False,
    )
    return Node("identifier", f"has an identifier of the kind {quoted(kind)}", formula, nothing)


def _percent(given: dict[str, Any]) -> Node:
    part: float = given["percent"]
    salt: str = given.get("salt", SALT)

    def decide(view: View, now: int) -> tuple[bool, int]:
        return bool(view.id) and share(salt, view.id) * 100 < part, NEVER

    formula = Asked(canonical("percent", part, salt), decide, frozenset(), timed=False)
    return Node("percent", f"is in a sample of {part:g} % of people, {quoted(salt)}", formula, nothing)


_COMPARED = tuple(Argument(one.key, one.wanted) for one in COMPARISONS.values())
_DATED = (*(Argument(one.key, one.wanted) for one in MOMENTS.values()), Argument("today", "boolean"))
NUMBERS = tuple(Argument(key, "reals" if key == "between" else "real") for key in NUMERIC)
"""What a number that is worked out compares with."""

TRAITS = (
    Operator(
        "attribute",
        "An attribute of the person compares with a value; a missing one fulfils only 'exists': false.",
        (Argument("attribute", "attribute"),),
        _attribute,
        "[attribute] <attribute> <comparison>",
        (
            {"attribute": "country", "eq": "FR"},
            {"attribute": "country", "in": ["FR", "BE"]},
            {"attribute": "interests", "contains": "outdoor"},
            {"attribute": "order_count", "ge": 3},
            {"attribute": "city", "exists": False},
            {"attribute": "city", "starts": "Saint"},
            {"attribute": "lifetime_value", "between": [100, 250.5]},
            {"attribute": "birthday", "before": "2000-01-01"},
            {"attribute": "birthday", "older_than": "6570d"},
            {"attribute": "birthday", "within_next": "7d"},
            {"attribute": "birthday", "today": True},
        ),
        one_of=(*_COMPARED, *_DATED),
    ),
    Operator(
        "age",
        "The age in whole years, by a birth date, compares with a number; local to the person.",
        (Argument("age", "attribute"),),
        _age,
        "age of <age> <comparison>",
        ({"age": "birthday", "between": [25, 35]}, {"age": "birthday", "ge": 18}),
        one_of=NUMBERS,
    ),
    Operator(
        "birthday",
        "The yearly day of a date is today, local to the person, or comes within a time.",
        (Argument("birthday", "attribute"), Argument("within", "duration", required=False)),
        _birthday,
        "birthday of <birthday>",
        ({"birthday": "birthday"}, {"birthday": "birthday", "within": "7d"}),
        clauses=("within <within>",),
    ),
    Operator(
        "near",
        "The person is at most so many kilometres from a place, [latitude, longitude] in degrees.",
        (
            Argument("near", "place"),
            Argument("km", "real"),
            Argument("latitude", "attribute", required=False),
            Argument("longitude", "attribute", required=False),
        ),
        _near,
        "within <km> km of ( <near.0> , <near.1> ) [by <latitude> , <longitude>]",
        ({"near": [48.8566, 2.3522], "km": 50},),
    ),
    Operator(
        "identifier",
        "The person has an identifier of this kind, such as email, phone or user_id.",
        (Argument("identifier", "kind"),),
        _identifier,
        "has identifier <identifier>",
        ({"identifier": "email"},),
    ),
    Operator(
        "percent",
        "The person is in a sample of so many percent of all people; another salt draws another sample.",
        (Argument("percent", "part"), Argument("salt", "text", required=False)),
        _percent,
        "<percent> % of people [salt <salt>]",
        ({"percent": 10}, {"percent": 2.5, "salt": "spring"}),
    ),
)
