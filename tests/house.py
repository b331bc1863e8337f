"""The deployed system that the end-to-end tests share, and what they ask of it."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

from segment.analytics.client import Client

import run
import sample_day
from postbox import Message

PATIENCE = 60


@dataclass(slots=True)
class House:
    """The running system after its sample day."""

    shop: run.Shop
    everybody: tuple[sample_day.Someone, ...]
    differences: list[str]

    def members(self, group: str) -> list[sample_day.Someone]:
        return [one for one in self.everybody if one.group.name == group]

    def letters(self, email: str) -> list[Message]:
        return [message for message in self.shop.mailbox.messages() if message.to == (email,)]

    def track(self, user_id: str, event: str) -> None:
        client = Client(self.shop.doors.segment_key, host=self.shop.doors.url, sync_mode=True)
        client.track(user_id, event)

    def wishes(self, *people: sample_day.Someone) -> None:
        for one in people:
            self.track(one.user_id, "Product Added to Wishlist")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.5)
    return True
