"""The attribute catalogue: what may be known of a person, what for, how long, and how coarsely where less will do."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tailor.kernel.fields import Fields

ATTRIBUTE_TYPES = ("text", "number", "boolean", "list", "date", "map")
ATTRIBUTE_CLASSES = ("public", "personal", "sensitive")


@dataclass(frozen=True, slots=True)
class Coarse:
    """A coarser form of an attribute, itself an attribute by its ``name``: a city as its region, an age as a band.

    ``of`` the attribute it is made of; ``bands`` are lower borders of numbers, rising; ``map`` text → text, with
    ``other`` for the rest.
    """

    name: str
    of: str
    purposes: frozenset[str]
    bands: tuple[float, ...] = ()
    map: Mapping[str, str] | None = None
    other: str = "other"

    def apply(self, value: Any) -> str:
        """``34`` → ``"30-44"`` (bands 18, 30, 45), ``"Springfield"`` → its region; what does not fit is ``other``."""
        if self.map is not None:
            return self.map.get(value, self.other) if isinstance(value, str) else self.other
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return self.other
        place = bisect_right(self.bands, value)
        if place == 0:
            return f"under {_short(self.bands[0])}"
        if place == len(self.bands):
            return f"{_short(self.bands[-1])} and over"
        return f"{_short(self.bands[place - 1])}-{_short(self.bands[place] - 1)}"


@dataclass(frozen=True, slots=True)
class Attribute:
    """One entry of the catalogue.

    ``purposes`` it may serve; ``fallback`` is shown where the value is missing, ``None`` means there is none;
    ``retention`` is how many ms after it was last set it is kept, ``None`` for as long as the person; ``coarse`` is the
    form in which it may serve further purposes.
    """

    name: str
    type: str = "text"
    klass: str = "personal"
    purposes: frozenset[str] = frozenset({"personalization"})
    fallback: Any = None
    retention: int | None = None
    coarse: Coarse | None = None


def read_attribute(key: str, fields: Fields, retention: Mapping[str, int]) -> Attribute:
    """One entry; ``retention`` is how long each class is kept where the entry does not say.

    Raises
    ------
    Rejected : malformed, or a sensitive attribute that is to serve a purpose in whatever form.
    """
    klass = fields.text("class", "personal", among=ATTRIBUTE_CLASSES)
    purposes = read_purposes(fields)
    kept = retention.get(klass)
    if fields.any("retention") is not None:
        kept = fields.span("retention")
    coarse = _coarse(key, fields)
    if coarse is not None and klass == "sensitive":
        raise fields.fail("a sensitive attribute serves no purpose in any form: leave 'generalise' out", "generalise")
    kind = fields.text("type", "text", among=ATTRIBUTE_TYPES)
    return Attribute(key, kind, klass, purposes, fields.any("fallback"), kept, coarse)


def read_purposes(fields: Fields) -> frozenset[str]:
    """The list ``purposes``; personalization where there is none."""
    purposes = fields.any("purposes")
    if purposes is None:
        purposes = ["personalization"]
    if not isinstance(purposes, list) or not all(isinstance(p, str) for p in purposes):
        raise fields.fail("'purposes' must be a list of purpose names", "purposes")
    return frozenset(purposes)


_TYPES: dict[str, tuple[type, ...]] = {
    "text": (str,),
    "number": (int, float),
    "boolean": (bool,),
    "list": (list,),
    "date": (str,),
    "map": (Mapping,),
}


def is_of(attribute: Attribute, value: Any) -> bool:
    """Whether a plain value is of the attribute's type."""
    return isinstance(value, _TYPES[attribute.type]) and (attribute.type == "boolean" or not isinstance(value, bool))


def _coarse(of: str, fields: Fields) -> Coarse | None:
    raw = fields.any("generalise")
    if raw is None:
        return None
    inner = Fields(raw, f"{fields.pointer}/generalise")
    name, purposes = inner.text("as"), read_purposes(inner)
    bands, table = inner.any("bands"), inner.any("map")
    if (bands is None) == (table is None):
        raise inner.fail("give either 'bands' (numbers, rising) or 'map' (text to text)")
    other = inner.text("other", "other")
    inner.done()
    if table is not None:
        if not isinstance(table, Mapping) or not all(isinstance(v, str) for v in table.values()):
            raise inner.fail("'map' must lead from text to text", "map")
        return Coarse(name, of, purposes, map=dict(table), other=other)
    numbers = isinstance(bands, list) and all(isinstance(b, (int, float)) and not isinstance(b, bool) for b in bands)
    if not numbers or not bands or sorted(set(bands)) != bands:
        raise inner.fail("'bands' must be numbers, each larger than the one before", "bands")
    return Coarse(name, of, purposes, bands=tuple(bands), other=other)


def _short(number: float) -> str:
    return str(int(number)) if number == int(number) else str(number)
