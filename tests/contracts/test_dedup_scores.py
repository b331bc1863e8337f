"""Labelled sets of people: what the engine finds at its defaults, one setting for all."""

from __future__ import annotations

import pytest

from bench.gold import PEOPLE, score_set


@pytest.mark.parametrize(
    ("name", "f1", "precision"),
    [
        ("febrl_fam_open", 0.981, 0.995),
        ("febrl3", 0.992, 0.998),
        ("fake_1000", 0.94, 0.99),
        ("rldata500", 0.965, 0.98),
        ("ece_org", 0.86, 0.90),
        ("edge_cases", 0.93, 0.97),
    ],
)
def test_duplicates_are_found_and_next_to_nobody_is_joined_wrongly(name: str, f1: float, precision: float) -> None:
    if not (PEOPLE / f"{name}.csv").exists():
        pytest.skip(f"{name} not present")
    found = score_set(name)
    assert found.f1 >= f1
    assert found.precision >= precision
