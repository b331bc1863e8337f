"""The machines of consent are worth what they find: each of these faults, put into our own code, is found by one.

Every fault is one that a person could make in earnest. A machine is let loose on it as in its own test, the same
courses each time, and must fail.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.stateful import run_state_machine_as_test

from flows.test_withdrawals import Withdrawals
from scenarios.test_consent_machine import COURSES, run_course
from tailor.edges.store import Store
from tailor.kernel.event import ConsentChange
from tailor.kernel.person import Person
from tailor.rules import consent
from tailor.rules.consent import View
from tailor.rules.eligibility import Verdict

ALIKE = settings(
    max_examples=60,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
    print_blob=False,
)
Patch = pytest.MonkeyPatch


def nobody_asks_again(patch: Patch) -> None:
    """The sender trusts what was decided when the letter became due."""
    patch.setattr("tailor.flows.deliver.decide", lambda *_, **__: Verdict(""))


def claims_do_not_check(patch: Patch) -> None:
    """A letter is claimed whatever has become of its person since they were read."""
    whole = Store._start
    patch.setattr(Store, "_start", lambda *given: [one for one in whole(*given) if "Put" in one])


def topics_are_forgotten(patch: Patch) -> None:
    """Only the purpose counts, not the topic within it."""
    permits = consent.permits
    asks_less: Callable[..., bool] = lambda *given, topic="", **more: permits(*given, **more)  # noqa: E731
    patch.setattr("tailor.rules.eligibility.permits", asks_less)


def one_topic_opens_all(patch: Patch) -> None:
    """A grant of one topic outweighs the refusal of the whole."""
    permits = consent.permits

    def lax(person: Person, purpose: str, *given: Any, topic: str = "", **more: Any) -> bool:
        part = consent.grant_of(person, purpose, topic) if topic else None
        return part == "granted" or permits(person, purpose, *given, topic=topic, **more)

    patch.setattr("tailor.rules.eligibility.permits", lax)


def the_gate_stands_open(patch: Patch) -> None:
    """What is seen does not depend on whether the purpose may be served."""
    patch.setattr(consent, "permits", lambda *_, **__: True)


def the_catalogue_is_not_read(patch: Patch) -> None:
    """Everything that was sent is seen, declared or not, sensitive or not."""
    view = consent.view

    def lax(person: Person, *given: Any, **more: Any) -> View:
        seen = view(person, *given, **more)
        return View(person.attributes, seen.history, seen.consent) if seen.attributes else seen

    patch.setattr("tailor.flows.deliver.view", lax)
    patch.setattr("scenarios.test_consent_machine.view", lax)


def the_last_source_wins(patch: Patch) -> None:
    """Across sources the later choice counts, not the stricter."""
    patch.setattr(consent, "_in_force", lambda voices: max(voices.values(), key=lambda said: said[1]))


def the_laxer_source_wins(patch: Patch) -> None:
    """Across sources the laxer choice counts."""
    strictness = consent.STRICTNESS
    laxest: Callable[[Any], Any] = lambda voices: min(voices.values(), key=lambda said: strictness[said[0]])  # noqa: E731
    patch.setattr(consent, "_in_force", laxest)


def what_comes_late_is_new(patch: Patch) -> None:
    """The choice that arrives last counts, whenever it was made."""
    fold = consent.fold

    def lax(person: Person, change: ConsentChange, *, at: int, source: str) -> bool:
        for entry in (person.consent, *person.voices.values()):
            for key, said in entry.items():
                entry[key] = [said[0], min(said[1], at - 1), said[2]]
        return fold(person, change, at=at, source=source)

    patch.setattr("tailor.rules.step.fold", lax)


def who_joins_brings_nothing(patch: Patch) -> None:
    """Of two people who turn out to be one, the choices of the first count alone."""
    patch.setattr("tailor.rules.identity.join", lambda into, other: None)


def a_restriction_binds_nobody(patch: Patch) -> None:
    """It is written down, and that is all."""
    patch.setattr(consent, "restricted", lambda person: 0)


def a_source_lifts_a_restriction(patch: Patch) -> None:
    """Whoever grants a purpose is taken to have lifted it."""
    permits = consent.permits

    def lax(person: Person, purpose: str, *given: Any, **more: Any) -> bool:
        return consent.grant_of(person, purpose) == "granted" or permits(person, purpose, *given, **more)

    patch.setattr(consent, "permits", lax)


def courses() -> None:
    ALIKE(given(COURSES)(run_course))()


def withdrawals() -> None:
    run_state_machine_as_test(Withdrawals, settings=settings(ALIKE, stateful_step_count=20))


@pytest.mark.parametrize(
    ("fault", "machine"),
    [
        (nobody_asks_again, courses),
        (nobody_asks_again, withdrawals),
        (claims_do_not_check, withdrawals),
        (topics_are_forgotten, courses),
        (one_topic_opens_all, courses),
        (the_gate_stands_open, courses),
        (the_catalogue_is_not_read, courses),
        (the_last_source_wins, courses),
        (the_laxer_source_wins, courses),
        (what_comes_late_is_new, courses),
        (who_joins_brings_nothing, courses),
        (a_restriction_binds_nobody, courses),
        (a_source_lifts_a_restriction, courses),
    ],
)
def test_a_machine_finds(fault: Callable[[Patch], None], machine: Callable[[], None], monkeypatch: Patch) -> None:
    fault(monkeypatch)
    with pytest.raises(AssertionError):
        machine()
