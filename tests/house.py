"""The deployed system that the end-to-end tests share, and what they ask of it."""

from __future__ import annotations

import re
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPResponse
from typing import Any

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


def until(holds: Callable[[], bool], patience: int = PATIENCE) -> bool:
    deadline = time.monotonic() + patience
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.5)
    return True


class Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Follow nothing: where an answer leads is what is looked at."""


def ask(url: str, method: str, body: bytes | None = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, data=body, headers=named, method=method)
    answer: HTTPResponse | urllib.error.HTTPError
    try:
        answer = urllib.request.build_opener(Stay).open(request, timeout=30)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        return int(answer.status or 0), {name.lower(): value for name, value in answer.headers.items()}, answer.read()


def one_click(message: Message) -> str:
    """The link a mail client posts to, read from the raw bytes as a mail client finds them."""
    unfolded = re.search(rb"\r\nList-Unsubscribe: <(http[^>\s]+)>[^\r\n]*\r\n(?![ \t])", message.raw)
    assert unfolded, "List-Unsubscribe is not on one line"
    assert b"\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in message.raw
    return unfolded[1].decode()
