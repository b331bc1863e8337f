"""A person: everything needed to decide about someone, in one packed item with one version.

The packed form is zlib over compact JSON with one-letter names, typically under 1 KB (one write unit). Field names here
are the reading form; :data:`_PACKED` is the whole translation.
"""

from __future__ import annotations

import json
import zlib
from bisect import insort
from dataclasses import dataclass, field
from operator import neg
from typing import Any

from tailor.kernel.history import NAMES, RING, History, newest_first, worth
from tailor.kernel.instants import NEVER

MARKS = 64
"""Recent event marks kept to recognise repeats; older repeats are caught by the nightly audit."""
_PACKED = {
    "identifiers": "i",
    "attributes": "a",
    "written": "w",
    "consent": "c",
    "consent_head": "ch",
    "voices": "cv",
    "history": "h",
    "memberships": "m",
    "enrolments": "e",
    "finished": "f",
    "owed": "o",
    "letters": "s",
    "orders": "r",
    "purchases": "b",
    "marks": "k",
    "aliases": "l",
    "flags": "g",
    "program": "p",
    "decided": "d",
    "offers": "n",
}


@dataclass(slots=True, repr=False)
class Person:
    """State of one person; only :func:`tailor.rules.step.step` and merges change it.

    Attributes
    ----------
    id : Tailor's own id, ``p_…``.
    version : number of writes; 0 for one not yet stored.
    identifiers : kind → values, in order of first sight.
    attributes : name → plain value, as sent; **read it only through** :func:`tailor.rules.consent.view`.
    written : attribute name → instant of the event that set it (the later event wins, whatever the arrival order).
    consent : ``purpose`` or ``purpose:topic`` → ``[grant, instant, source]``.
    voices : the same keys → voice → ``[grant, instant, source]``, where several have spoken; see
        :func:`tailor.rules.consent.fold`.
    consent_head : hash of the newest row of the person's consent chain, ``""`` for none.
    history : see :data:`History`.
    memberships : segment key → instant of entry.
    enrolments : journey key, ``journey#value`` of a keyed one → ``{"entered", "step", "wake", "cause", "version"}`` and
        what :mod:`tailor.rules.journeys` adds while it lasts.
    finished : the same key → ``[instant at which the enrolment that ended last began, instant of its end, how]``.
    owed : message id → ``{"journey", "step", "template", "entered", "at", "retry", "tries", "cause"}``; a message stays
        owed until an event about it comes back, so a lost hand-over is made again.
    letters : message id → ``[instant, topic]`` of the marketing letters that count for a frequency cap.
    orders : order id → ``[instant, total as decimal text, currency, category, ...]``.
    purchases : product or category name, as sent → instant last bought.
    marks : hashes of recent events, newest last.
    aliases : ids of people merged into this one.
    flags : findings about data quality, such as ``email:invalid``.
    program : version of the program that last decided; another one means: decide everything again.
    decided : instant of that decision.
    offers : key of a campaign → ``[beginning of its run, lap]`` that reached them.
    due : earliest instant at which time alone could change anything.
    """

    id: str
    version: int = 0
    identifiers: dict[str, list[str]] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)
    written: dict[str, int] = field(default_factory=dict)
    consent: dict[str, list[Any]] = field(default_factory=dict)
    consent_head: str = ""
    voices: dict[str, dict[str, list[Any]]] = field(default_factory=dict)
    history: History = field(default_factory=dict)
    memberships: dict[str, int] = field(default_factory=dict)
    enrolments: dict[str, dict[str, Any]] = field(default_factory=dict)
    finished: dict[str, list[Any]] = field(default_factory=dict)
    owed: dict[str, dict[str, Any]] = field(default_factory=dict)
    letters: dict[str, list[Any]] = field(default_factory=dict)
    orders: dict[str, list[Any]] = field(default_factory=dict)
    purchases: dict[str, int] = field(default_factory=dict)
    marks: list[str] = field(default_factory=list)
    aliases: list[str] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)
    program: str = ""
    decided: int = 0
    due: int = NEVER
    offers: dict[str, list[int]] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Who it is, and nothing that is known of them: what is logged or raised may hold it."""
        return f"Person({self.id!r}, version={self.version})"

    def copy(self) -> Person:
        """An independent person: what the step changes in place is copied, what it replaces is shared."""
        return Person(
            self.id,
            self.version,
            {kind: list(values) for kind, values in self.identifiers.items()},
            dict(self.attributes),
            dict(self.written),
            dict(self.consent),
            self.consent_head,
            dict(self.voices),
            dict(self.history),
            dict(self.memberships),
            {key: dict(value) for key, value in self.enrolments.items()},
            dict(self.finished),
            {key: dict(value) for key, value in self.owed.items()},
            dict(self.letters),
            dict(self.orders),
            dict(self.purchases),
            list(self.marks),
            list(self.aliases),
            list(self.flags),
            self.program,
            self.decided,
            self.due,
            dict(self.offers),
        )

    def pack(self) -> bytes:
        """The stored form of everything but ``id``, ``version`` and ``due``, which are attributes of the item."""
        state = {short: value for name, short in _PACKED.items() if (value := getattr(self, name))}
        return zlib.compress(
            json.dumps(state, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass"), 1
        )

    @classmethod
    def unpack(cls, id: str, version: int, packed: bytes, due: int = NEVER) -> Person:
        """The inverse of :meth:`pack`."""
        state = json.loads(zlib.decompress(packed))
        person = cls(id, version, due=due)
        for name, short in _PACKED.items():
            if short in state:
                setattr(person, name, state[short])
        return person

    def email(self) -> str | None:
        """The address mail goes to: the one seen last."""
        known = self.identifiers.get("email")
        return known[-1] if known else None

    def count(self, name: str, at: int, *, ring: int = RING) -> None:
        """Enter one occurrence of ``name``; a late one is sorted in. The old entry is replaced, never changed."""
        entry = self.history.get(name)
        if entry is None:
            self._make_room()
            self.history[name] = [1, [at]]
            return
        times = list(entry[1])
        insort(times, at, key=neg)
        self.history[name] = [entry[0] + 1, times[:ring]]

    def note(self, name: str, at: int, value: Any, *, ring: int) -> None:
        """:meth:`count` with a plain value."""
        entry = self.history.get(name)
        if entry is None:
            self._make_room()
            entry = [0, [], []]
        kept = sorted([*zip(entry[1], entry[2], strict=True), (at, value)], key=newest_first)[:ring]
        self.history[name] = [entry[0] + 1, [at for at, _ in kept], [value for _, value in kept]]

    def note_first(self, name: str, at: int) -> None:
        """Enter one occurrence of which only the oldest is kept."""
        entry = self.history.get(name)
        if entry is None:
            self._make_room()
        self.history[name] = [1, [min(at, *entry[1]) if entry else at]]

    def _make_room(self) -> None:
        if len(self.history) >= NAMES:
            self.history.pop(min(self.history, key=lambda name: worth(name, self.history[name])))
