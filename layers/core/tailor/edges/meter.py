"""How often each key comes, over all workers, without a write for each request.

Time is cut into windows. In each, a worker lets a fiftieth of the limit pass unasked; from then on it takes further
fiftieths from a counter in the ledger, as long as the limit has not been reached. So a quiet source costs nothing, a
busy one a write for every fiftieth, and what passes is at most the limit and a fiftieth of it for each worker.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tailor.kernel.errors import Transient
from tailor.kernel.instants import SECOND

WINDOW = 10 * SECOND
SHARES = 50


@dataclass(slots=True)
class _Window:
    number: int
    left: int
    full: bool = False


class Meter:
    """``spend(key, window, by)`` adds to the counter of a key in a window and answers what it is now."""

    def __init__(self, spend: Callable[[str, int, int], int]) -> None:
        self._spend = spend
        self._windows: dict[str, _Window] = {}

    def wait(self, key: str, rate: int, *, now: int) -> int:
        """Count one request; answers in how many seconds the key may come again, 0 for at once.

        ``rate`` is in requests a second. Where the counter cannot be reached nobody is held up.
        """
        limit = rate * WINDOW // SECOND
        share = max(1, limit // SHARES)
        number = now // WINDOW
        window = self._windows.get(key)
        if window is None or window.number != number:
            window = self._windows[key] = _Window(number, share)
        if window.left == 0 and not window.full:
            try:
                window.full = self._spend(key, number, share) > limit
            except Transient:
                return 0
            window.left = share
        if window.full:
            return -(-((number + 1) * WINDOW - now) // SECOND)
        window.left -= 1
        return 0
