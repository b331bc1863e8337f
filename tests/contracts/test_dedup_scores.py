"""Labelled sets of people: what the engine finds at its defaults, one setting for all."""

from __future__ import annotations

import pytest

from bench.gold import PEOPLE, TARGETS, score_set

SMALL = ("febrl_fam_open", "febrl3", "fake_1000", "rldata500", "ece_org", "edge_cases")
"""The larger ones are measured by `make bench ONLY=dedup`."""


@pytest.mark.parametrize("name", SMALL)
def test_duplicates_are_found_and_next_to_nobody_is_joined_wrongly(name: str) -> None:
    if not (PEOPLE / f"{name}.csv").exists():
        pytest.skip(f"{name} not present")
    f1, precision = TARGETS[name]
    found = score_set(name)
    assert found.f1 >= f1
    assert found.precision >= precision
