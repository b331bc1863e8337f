"""What the law asks where somebody lives: which purposes take a consent there, and which end with an objection.

A table, not an opinion in code: each regime names its sources and since when it holds; :data:`AS_OF` says when the
whole was last gone through. It answers for purposes whose basis is ``law``; a programme that wants to be stricter, or
stands on another basis (ePrivacy's exception for one's own customers), says so in the purpose.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

from tailor.kernel.instants import DAY, NEVER
from tailor.kernel.person import Person

AS_OF = "2026-11-26"
"""Day on which the table was last gone through."""

Need = Literal["consent", "no-objection"]


@dataclass(frozen=True, slots=True)
class Regime:
    """The law of some countries.

    Attributes
    ----------
    key, title : its short and its full name.
    countries : two letters each (ISO 3166-1).
    since : day since which it holds.
    needs : purpose → what it takes. A purpose that is not named takes a consent.
    implied : event → ms for which it stands in for a consent to ``marketing``.
    days, more : within how many days somebody who exercises a right is answered, and by how many more that may be put
        off where they are told why.
    sources : where it is written.
    """

    key: str
    title: str
    countries: tuple[str, ...]
    since: str
    needs: dict[str, Need]
    sources: tuple[str, ...]
    implied: dict[str, int] = field(default_factory=dict)
    days: int = 30
    more: int = 60

    def need(self, purpose: str) -> Need:
        """What ``purpose`` takes here."""
        return self.needs.get(purpose, "consent")


_CONSENT: dict[str, Need] = dict.fromkeys(("marketing", "analytics", "profiling", "sharing"), "consent")
_OBJECTION: dict[str, Need] = dict.fromkeys(("marketing", "analytics", "profiling", "sharing"), "no-objection")

_EEA = (
    *("AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IS", "IT", "LI", "LT"),
    *("LU", "LV", "MT", "NL", "NO", "PL", "PT", "RO", "SE", "SI", "SK"),
)

REGIMES = (
    Regime(
        "gdpr",
        "European Union and European Economic Area",
        _EEA,
        "2018-05-25",
        _CONSENT,
        (
            "Regulation (EU) 2016/679, articles 4(11), 6(1)(a), 7, 21, 22; 12(3): a month, and two more",
            "Directive 2002/58/EC, articles 5(3) (open pixels) and 13(1) (e-mail)",
            "CNIL, recommendation on tracking pixels in e-mail, 2026-04-14; Garante, 2026-04-17",
        ),
    ),
    Regime(
        "uk",
        "United Kingdom",
        ("GB",),
        "2021-01-01",
        _CONSENT,
        ("UK GDPR, articles 6, 7, 21", "SI 2003/2426 (PECR), regulations 6 and 22"),
    ),
    Regime(
        "ch",
        "Switzerland",
        ("CH",),
        "2023-09-01",
        _CONSENT,
        ("Federal Act on Data Protection, articles 6 and 30", "Unfair Competition Act, article 3(1)(o)"),
    ),
    Regime(
        "us",
        "United States: CAN-SPAM, and California's law for everybody",
        ("US",),
        "2023-01-01",
        _OBJECTION,
        (
            "15 U.S.C. 7704(a) (CAN-SPAM)",
            "Cal. Civ. Code 1798.120, 1798.121, 1798.135 (CCPA as amended by CPRA)",
            "11 CCR 7025 (opt-out preference signals: GPC)",
            "Cal. Civ. Code 1798.130(a)(2)(A): 45 days, and 45 more",
        ),
        days=45,
        more=45,
    ),
    Regime(
        "casl",
        "Canada",
        ("CA",),
        "2014-07-01",
        _CONSENT,
        (
            "S.C. 2010, c. 23 (CASL), sections 6, 10(9), 10(10): implied 2 years from a purchase, 6 months from asking",
            "S.C. 2000, c. 5 (PIPEDA), schedule 1, clause 4.3; section 8(3) and (4): 30 days, and 30 more",
        ),
        {"Order Completed": 730 * DAY, "Inquiry Submitted": 182 * DAY},
        more=30,
    ),
)
"""Every regime there is here. Somebody of another country, or of none, gets the strictest answer of all."""

STRICTEST = Regime(
    "strictest",
    "Country not known, or not in the table",
    (),
    AS_OF,
    {
        purpose: "consent" if any(regime.need(purpose) == "consent" for regime in REGIMES) else "no-objection"
        for purpose in _CONSENT
    },
    tuple(source for regime in REGIMES for source in regime.sources),
    more=30,
)

_BY_COUNTRY = {country: regime for regime in REGIMES for country in regime.countries}
_NAMES = {
    "UK": "GB",
    "UNITED KINGDOM": "GB",
    "GREAT BRITAIN": "GB",
    "USA": "US",
    "UNITED STATES": "US",
    "UNITED STATES OF AMERICA": "US",
    "CAN": "CA",
    "CANADA": "CA",
    "SWITZERLAND": "CH",
}
"""Other ways to write the countries in which less than the strictest holds; those of the others change nothing."""


@lru_cache(maxsize=1024)
def regime_of(country: str) -> Regime:
    """The regime of a country as somebody has declared it, :data:`STRICTEST` where it is not in the table."""
    written = country.strip().upper()
    return _BY_COUNTRY.get(_NAMES.get(written, written), STRICTEST)


def regime(person: Person) -> Regime:
    """The regime somebody lives under by the country they, or a source, declared."""
    country = person.attributes.get("country")
    return regime_of(country) if isinstance(country, str) else STRICTEST


def by_law(person: Person, purpose: str, *, now: int) -> str:
    """Why the law permits ``purpose`` to somebody who was never asked, ``""`` where it does not."""
    law = regime(person)
    if law.need(purpose) == "no-objection":
        return law.key
    if purpose == "marketing" and any(end > now for end in _implied(person, law)):
        return f"{law.key}: implied"
    return ""


def implies(person: Person, event: str) -> bool:
    """Whether the law of the person takes an event for a consent."""
    return event in regime(person).implied


def lapses(person: Person, *, now: int) -> int:
    """When an implied consent ends, ``NEVER`` where there is none."""
    return min((end for end in _implied(person, regime(person)) if end > now), default=NEVER)


def _implied(person: Person, law: Regime) -> Iterator[int]:
    for event, life in law.implied.items():
        if (entry := person.history.get(event)) and entry[1]:
            yield entry[1][0] + life
