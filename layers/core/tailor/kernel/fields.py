"""Reading a document field by field, so that what nobody asked for is refused with its place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from tailor.kernel.errors import Rejected
from tailor.kernel.instants import duration


def nearest(word: str, known: Iterable[str]) -> str:
    """``"; did you mean 'x'?"`` for the known word nearest to ``word``, or nothing."""
    found = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {found[0]!r}?" if found else ""


class Fields:
    """Reads one JSON object field by field and refuses what nobody asked for, with its pointer."""

    def __init__(self, raw: Any, pointer: str) -> None:
        if not isinstance(raw, Mapping):
            found = {"NoneType": "nothing", "str": "text", "list": "a list"}.get(kind := type(raw).__name__, kind)
            raise Rejected(f"expected an object {{…}}, got {found}", code="bad-definition", pointer=pointer)
        self.raw, self.pointer, self._asked = raw, pointer, set[str]()

    def fail(self, detail: str, name: str = "") -> Rejected:
        """The error for field ``name``, to be raised by the caller."""
        where = f"{self.pointer}/{name.replace('~', '~0').replace('/', '~1')}" if name else self.pointer
        return Rejected(detail, code="bad-definition", pointer=where)

    def text(self, name: str, default: str | None = None, *, among: tuple[str, ...] = ()) -> str:
        """A string; required, and not empty, without a ``default``; one of ``among`` if given."""
        self._asked.add(name)
        value = self.raw.get(name, default)
        if value is None:
            raise self.fail(f"{name!r} is missing", name)
        if not isinstance(value, str):
            raise self.fail(f"{name!r} must be text", name)
        if default is None and not value.strip():
            raise self.fail(f"{name!r} is empty", name)
        if among and value not in among:
            raise self.fail(f"{value!r} is none of {', '.join(among)}{nearest(value, among)}", name)
        return value

    def any(self, name: str) -> Any:
        """Whatever is there, ``None`` if nothing is."""
        self._asked.add(name)
        return self.raw.get(name)

    def span(self, name: str, default: str | None = None) -> int:
        """A duration such as ``"48h"``, in ms."""
        try:
            return duration(self.text(name, default))
        except Rejected as error:
            hint = "" if error.code == "bad-duration" else ": write a duration such as '48h', '30d' or '1d12h'"
            raise self.fail(f"{error.detail}{hint}", name) from error

    def items(self, name: str) -> Iterator[Fields]:
        """The objects of a list, each with its own pointer."""
        value = self.any(name)
        if value is None:
            return
        if not isinstance(value, list):
            raise self.fail(f"{name!r} must be a list", name)
        for index, item in enumerate(value):
            yield Fields(item, f"{self.pointer}/{name}/{index}")

    def table(self, name: str) -> Iterator[tuple[str, Fields]]:
        """The entries of an object of objects."""
        value = self.any(name)
        inner = Fields({} if value is None else value, f"{self.pointer}/{name}")
        for key, value in inner.raw.items():
            yield str(key), Fields(value, f"{inner.pointer}/{key}")

    def done(self) -> None:
        """Refuse fields that nobody asked for."""
        for name in self.raw:
            if name not in self._asked:
                hint = nearest(str(name), self._asked) or f"; what may be here: {', '.join(sorted(self._asked))}"
                raise self.fail(f"{name!r} is not known here{hint}", str(name))
