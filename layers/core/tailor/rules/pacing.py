"""Pacing: how fast one worker hands letters to SES, so that all of them together use the quota and never exceed it.

Each worker has a static share of the account's rate. A letter that SES throttles takes a fifth off, each one accepted
gives a hundredth of the share back (additive increase, multiplicative decrease). Shares and constants are those of a
simulation with 50 to 2,000 letters a second: 96 to 100 % of the quota, no throttling.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tailor.kernel.instants import SECOND

SHARES = {"prompt": 1.0, "broadcast": 0.97}
"""Lane → what of the account's rate its workers share. Prompt letters are few, and never wait for a broadcast."""
BURST = 0.2
"""Seconds of the share that may leave at once."""
FIRST = 0.05
"""Seconds of the share that a new worker has at once: several begin together."""
DECREASE = 0.8
INCREASE = 0.01
LEAST = 1 / 16
"""Of its share a worker never falls below this."""


@dataclass(slots=True)
class Pace:
    """One worker's pace; ``share`` in letters a second, instants in ms.

    ``parked`` is the instant until which SES takes nothing at all.
    """

    share: float
    parked: int = 0
    rate: float = field(init=False)
    _permits: float = field(init=False)
    _at: int | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.rate = self.share
        self._permits = max(1.0, self.share * FIRST)

    def follow(self, share: float) -> None:
        """Take another share, as the account's quota has changed."""
        if share != self.share:
            self.rate = min(share, self.rate * share / self.share) if self.share else share
            self.share = share

    def take(self, wanted: int, *, now: int) -> tuple[int, int]:
        """(letters that may leave at ``now``, ms to wait for the first one where there are none)."""
        most = max(1.0, self.rate * BURST)
        if self._at is not None:
            self._permits = min(most, self._permits + max(0, now - self._at) * self.rate / SECOND)
        self._at = now if self._at is None else max(now, self._at)
        free = min(wanted, int(self._permits + 1e-9))
        if free < 1:
            return 0, max(1, int((1 - self._permits) * SECOND / self.rate) + 1)
        self._permits -= free
        return free, 0

    def give_back(self, unused: int) -> None:
        """Letters that took a permit and were not handed to SES."""
        self._permits = min(max(1.0, self.rate * BURST), self._permits + unused)

    def accepted(self) -> None:
        """SES took one."""
        self.rate = min(self.share, self.rate + self.share * INCREASE)

    def throttled(self) -> None:
        """SES would not take one yet."""
        self.rate = max(self.share * LEAST, self.rate * DECREASE)
        self._permits = 0.0
