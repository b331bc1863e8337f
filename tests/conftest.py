from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

from shop import SHOP
from world import World, world

# What an example costs is for the bench to say: on a busy machine a limit of time fails tests that are right.
settings.register_profile("tailor", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tailor")


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Tests of one file stay on one core; all of the deployed system on one together, for they share it."""

    def _split_scope(self, nodeid: str) -> str:
        return "tests/e2e" if nodeid.startswith("tests/e2e/") else nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    """Files over cores, in the order they are collected: the deployed system begins early, for it takes longest."""
    return Scheduling(config, log)


@pytest.fixture(name="shop")
def _shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The whole system, with the shop's programme in force."""
    with world(monkeypatch) as made:
        made.publish(SHOP)
        yield made


@pytest.fixture(name="worlds")
def _worlds(monkeypatch: pytest.MonkeyPatch) -> Callable[..., AbstractContextManager[World]]:
    """Makes whole systems, one after the other; ``in_doubt`` is set on every template."""

    @contextmanager
    def make(in_doubt: str = "") -> Iterator[World]:
        document = deepcopy(SHOP)
        if in_doubt:
            document["templates"] = {key: {**t, "in_doubt": in_doubt} for key, t in SHOP["templates"].items()}
        with world(monkeypatch) as made:
            made.publish(document)
            yield made

    return make
