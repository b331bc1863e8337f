"""One file a vendor: bytes in, canonical events out. Sources know nothing of each other, nor of AWS.

A new one is a file here with ``verify`` and ``to_events``, one entry in :data:`SOURCES`, and a fixture pair
``events/<name>/<case>.json`` + ``<case>.expected.json``.
"""

from __future__ import annotations

from typing import Protocol

from tailor.kernel.inbound import Inbound, Parsed
from tailor.sources.segment import SEGMENT
from tailor.sources.ses import SES
from tailor.sources.shopify import SHOPIFY


class Source(Protocol):
    """How one vendor is understood."""

    @property
    def name(self) -> str:
        """Its name in paths, keys and events."""

    @property
    def signed(self) -> bool:
        """Whether each request proves itself by a shared secret; only such are taken at ``/sources/<name>/<key>``."""

    def verify(self, request: Inbound, secret: bytes, *, now: int) -> None:
        """Check the proof over the raw bytes, in constant time.

        Raises
        ------
        Rejected : with status 401.
        """

    def to_events(self, request: Inbound, *, now: int) -> Parsed:
        """Read a request received at ``now``; the same request always gives the same event ids.

        Raises
        ------
        Rejected : nothing in it can be read.
        """


SOURCES: dict[str, Source] = {source.name: source for source in (SEGMENT, SHOPIFY, SES)}
"""All sources by name."""
