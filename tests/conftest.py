from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from copy import deepcopy

import pytest

from shop import SHOP
from world import World, world


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
