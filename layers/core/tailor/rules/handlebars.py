"""Letters written for Mustache or Handlebars (Postmark, SendGrid), in the language of letters: once, when published.

Blocks (``#each``, ``#if``, ``#unless``, ``#equals``, ``#section``, ``^section``), ``else``, ``this`` and triple braces
are rewritten; a value in triple braces is escaped like every other. Inside a list a plain name means a field of its
items. What is not known here is left, and the compiler names its line.
"""

from __future__ import annotations

import re

_USED = re.compile(r"\{\{\{|\{\{\s*[#^/]")
_TAG = re.compile(r"\{\{\{\s*([^{}]+?)\s*\}\}\}|\{\{\s*([#^/!&]?)\s*([^{}]*?)\s*\}\}")
_PATH = re.compile(r"[A-Za-z_@.][\w.@/]*")
_NAME = "each_item_"


def from_handlebars(source: str) -> str:
    """``source`` without Handlebars' own tags; as it is where there are none. Lines stay lines."""
    if not _USED.search(source):
        return source
    return _TAG.sub(_Reader().tag, source)


class _Reader:
    """Reads the tags in their order; knows which blocks are open."""

    def __init__(self) -> None:
        self._open: list[tuple[str, str]] = []
        self._loops: list[str] = []
        self._count = 0

    def tag(self, found: re.Match[str]) -> str:
        """What stands in place of one tag."""
        if found[1] is not None:
            return self._value(found[1], found[0])
        sign, words = found[2], found[3]
        match sign:
            case "#":
                return self._begin(words, found[0])
            case "^":
                self._open.append((words, "if"))
                return f"{{% if not {self._path(words)} %}}"
            case "/":
                return self._end(found[0])
            case "!":
                return "\n" * found[0].count("\n")
        if words == "else":
            return "{% else %}"
        return self._value(words, found[0])

    def _begin(self, words: str, whole: str) -> str:
        helper, _, argument = words.partition(" ")
        argument = argument.strip()
        match helper:
            case "if" | "unless":
                test = self._path(argument)
                self._open.append((helper, "if"))
                return f"{{% if {'not ' if helper == 'unless' else ''}{test} %}}"
            case "equals" | "notEquals" if len(sides := argument.split(" ", 1)) == 2:
                self._open.append((helper, "if"))
                sign = "==" if helper == "equals" else "!="
                return f"{{% if {self._path(sides[0])} {sign} {sides[1].strip()} %}}"
            case "each":
                return self._loop(helper, argument)
            case _ if not argument:
                return self._loop(helper, helper)
        return whole

    def _loop(self, helper: str, over: str) -> str:
        path = self._path(over.split(" ", 1)[0])
        self._count += 1
        self._open.append((helper, "for"))
        self._loops.append(f"{_NAME}{self._count}")
        return f"{{% for {self._loops[-1]} in {path} %}}"

    def _end(self, whole: str) -> str:
        if not self._open:
            return whole
        _, kind = self._open.pop()
        if kind == "for":
            self._loops.pop()
        return f"{{% end{kind} %}}"

    def _value(self, words: str, whole: str) -> str:
        if not _PATH.fullmatch(words):
            return whole.removeprefix("{").removesuffix("}") if whole.startswith("{{{") else whole
        return f"{{{{ {self._path(words)} }}}}"

    def _path(self, words: str) -> str:
        if words.startswith("../"):
            return words.replace("../", "")
        if not self._loops or not _PATH.fullmatch(words):
            return words.removeprefix("this.")
        item = self._loops[-1]
        match words:
            case "this" | ".":
                return item
            case "@index":
                return "loop.index0"
        return f"{item}.{words.removeprefix('this.')}"
