"""A request at one of our doors, as bytes, and what a source made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tailor.kernel.errors import Rejected
from tailor.kernel.event import Event


@dataclass(frozen=True, slots=True)
class Inbound:
    """One HTTP request (or queue record) of a source.

    ``headers`` have lower-case names; ``body`` is exactly what was signed, after base64 decoding by the gateway and
    before any decompression; ``path`` has no stage and no query.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    query: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Parsed:
    """What one request held: ``events`` to absorb, ``refused`` items for the quarantine, reasons for what was ignored.

    ``refused`` pairs the reason with the raw item (JSON value) it is about.
    """

    events: list[Event] = field(default_factory=list)
    refused: list[tuple[Rejected, Any]] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
