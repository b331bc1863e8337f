"""Traces: where somebody is named, of whom only the hashes of their identifiers are known.

Whoever was erased is looked for in what nobody can look up: raw items of the quarantine, rows of files, envelopes. Each
value of a document, and each word of it, is read as every kind of identifier they had and compared by its hash.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any
from urllib.parse import unquote_plus

from tailor.kernel.keys import identifier_key
from tailor.rules.identity import identifier

SHORT = 4
"""Shorter words are somebody's identifier only where the field's name says that it is one: ``7`` is mostly a number."""
REMEMBERED = 100_000
"""Words whose meaning is kept: files repeat themselves."""

_WORD = re.compile(r"[^\s\"'<>(){}\[\],;=&?|\\]+")
_NAMES_ONE = re.compile(r"(?:^|[^a-z])(?:id|key|number|no)$|(?:Id|ID|Key)$|user|customer|person", re.ASCII)


class Traces:
    """Who of several people is named in a document.

    Parameters
    ----------
    whose : partition key of an identifier (:func:`tailor.kernel.keys.identifier_key`) → whose it was.
    kinds : kinds of those identifiers.
    """

    def __init__(self, whose: Mapping[str, str], kinds: Collection[str]) -> None:
        self._whose = whose
        self._kinds = sorted(set(kinds))
        self._known: dict[str, frozenset[str]] = {}

    @property
    def people(self) -> set[str]:
        """All of them."""
        return set(self._whose.values())

    def of(self, document: Any) -> set[str]:
        """Everybody who is named in plain JSON, or in a text."""
        found: set[str] = set()
        if self._whose:
            for name, text in _scalars(document, ""):
                for word in {text, *_WORD.findall(text), *_WORD.findall(unquote_plus(text))}:
                    if len(word) >= SHORT or (word == text and _NAMES_ONE.search(name)):
                        found |= self._meant(word)
        return found

    def _meant(self, word: str) -> frozenset[str]:
        known = self._known.get(word)
        if known is None:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            read = (identifier(kind, word) for kind in self._kinds)
            keys = (identifier_key(one.kind, one.value) for one in read if one is not None)
            known = self._known[word] = frozenset(self._whose[key] for key in keys if key in self._whose)
        return known


def _scalars(value: Any, name: str) -> Iterator[tuple[str, str]]:
    """(name of its field, text) of every value."""
    match value:
        case dict():
            for key, inner in value.items():
                yield name, str(key)
                yield from _scalars(inner, str(key))
        case list() | tuple():
            for inner in value:
                yield from _scalars(inner, name)
        case str():
            yield name, value
        case int():
            yield name, json.dumps(value)
