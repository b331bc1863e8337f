"""Names in their places: what a whole file tells about which names are given names and which are surnames."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from tailor.rules.matching.nicknames import GROUPS
from tailor.rules.matching.normalise import Record

CLEARLY = 4.0
"""A name is a surname where it comes this many times oftener as one than as a given name, and the other way round."""


def placed(records: Sequence[Record]) -> Iterator[Record]:
    """The records, with surnames that were typed as given names, and the reverse, in their own fields.

    A name alone is moved where the file knows it as the other kind; a pair is turned round where it does so of both.
    """
    whole = [record for record in records if record.first and record.last and not record.guessed]
    given = _counted(record.first for record in whole)
    family = _counted(record.last for record in whole)

    def surname(name: str) -> bool:
        return family[name] > CLEARLY * (given[name] + (name in GROUPS)) + 0.5

    def forename(name: str) -> bool:
        return given[name] + (name in GROUPS) > CLEARLY * family[name] + 0.5

    for record in records:
        first, last = record.first, record.last
        if record.guessed or " " in first or " " in last:
            yield record
        elif first and last:
            turned = surname(first) and forename(last)
            yield replace(record, first=last, last=first) if turned else record
        elif first:
            yield replace(record, first="", last=first) if surname(first) else record
        elif last and forename(last):
            yield replace(record, first=last, last="")
        else:
            yield record


def _counted(names: Iterable[str]) -> Counter[str]:
    return Counter(name for name in names if len(name) > 1)
