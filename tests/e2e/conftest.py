"""One deployed system serves all end-to-end tests of a run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import run
import sample_day
from house import House, free_port


@pytest.fixture(scope="session", name="house")
def _house() -> Iterator[House]:
    everybody = sample_day.people()
    steps = run.Steps()
    with run.opened(run.Ports(free_port(), free_port(), free_port()), steps) as shop:
        _, differences = run.live(shop, everybody, steps)
        yield House(shop, everybody, differences)
