"""Where in a document a value is about to stand, and what must be done to it there.

A small reader of HTML as browsers and mail clients take it, fed piece by piece with the static text of a template. It
follows Outlook's conditional comments (``<!--[if mso]>``) into what they hold, because links stand there too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

LINKS = frozenset({"action", "background", "cite", "formaction", "href", "poster", "src", "xlink:href"})
"""Attributes whose value is a link."""

_OPENING = re.compile(r"<(?:(!--)(?!\[if)|(/?[A-Za-z][^\s/>]*)|[!?])", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"[\s/]+|(>)|([^\s\"'<>/=]+)\s*(=\s*)?|.", re.DOTALL)
_SCRIPT_END = re.compile(r"</(script|style)", re.IGNORECASE)
_UNQUOTED_END = re.compile(r"[\s>]")
_LITERAL = frozenset({"script", "style"})
_LINK_START = re.compile(r"(?:^|[\s(<\[\"'])(?:https?://|mailto:|tel:|sms:)[^\s<>\")]*\Z", re.IGNORECASE)


class Misplaced(Exception):
    """A value stands where nothing can make it safe; the message says what to do instead."""


@dataclass(slots=True)
class Html:
    """The state after the text fed so far.

    ``state`` is ``text``, ``tag``, ``value``, ``comment``, ``script`` or ``style``; inside a ``value`` there are its
    ``attribute``, its ``quote`` and the ``begun`` part of it.
    """

    state: str = "text"
    element: str = ""
    attribute: str = ""
    quote: str = ""
    begun: str = ""

    @classmethod
    def link(cls) -> Html:
        """At the start of the value of an ``href``."""
        return cls("value", "a", "href", '"')

    @property
    def literal(self) -> bool:
        """Whether braces are just braces here."""
        return self.state in ("comment", "script", "style")

    @property
    def clickable(self) -> bool:
        """Whether this is inside the quoted link of something to click."""
        if self.state != "value" or self.attribute != "href" or not self.quote:
            return False
        return self.element in ("a", "area") or self.element.startswith("v:")

    def copy(self) -> Html:
        """The same place, for another branch."""
        return replace(self)

    def agrees(self, other: Html) -> bool:
        """Whether what follows means the same after either."""
        if self.state != other.state:
            return False
        if self.state != "value":
            return True
        same = (self.attribute, self.quote) == (other.attribute, other.quote)
        return same and (self.attribute not in LINKS or bool(self.begun.strip()) == bool(other.begun.strip()))

    def value(self) -> str:
        """The filter a value needs here, ``""`` where escaping is enough; it then counts as fed.

        Raises
        ------
        Misplaced : no filter would do.
        """
        match self.state:
            case "script" | "style":
                raise Misplaced(f"a value cannot stand inside <{self.state}>: put it into a style attribute")
            case "tag":
                raise Misplaced("a value cannot stand in a tag, outside of an attribute's quotes")
            case "value" if not self.quote:
                raise Misplaced(f"put quotes around the value of {self.attribute!r}")
            case "value" if self.attribute.startswith("on"):
                raise Misplaced(f"a value cannot stand in {self.attribute!r}: mail clients drop scripts")
            case "value":
                before, self.begun = self.begun, self.begun + "x"
                if self.attribute in LINKS:
                    return "url_part" if before.strip() else "safe_url"
                if self.attribute == "style":
                    return "safe_url" if before.rstrip(" '\"").endswith("url(") else "css"
            case "text":
                if self.begun.endswith(("<", "</")):
                    raise Misplaced("a value cannot be the name of a tag")
                self.begun = "x"
        return ""

    def feed(self, text: str) -> None:
        """Go on over static text."""
        at = 0
        while at < len(text):
            match self.state:
                case "text":
                    at = self._text(text, at)
                case "tag":
                    at = self._tag(text, at)
                case "value":
                    at = self._value(text, at)
                case "comment":
                    at = self._comment(text, at)
                case _:
                    at = self._script(text, at)

    def _text(self, text: str, at: int) -> int:
        found = _OPENING.search(text, at)
        if found is None:
            self.begun = text[-2:]
            return len(text)
        if found[1]:
            self.state = "comment"
            return found.start() + 2  # "<!-->" is a whole comment
        self.state, self.element = "tag", (found[2] or "!").lower()
        return found.end()

    def _tag(self, text: str, at: int) -> int:
        found = _ATTRIBUTE.match(text, at)
        if found is None:
            return len(text)
        if found[1]:
            self.state, self.begun = (self.element if self.element in _LITERAL else "text"), ""
        elif found[3] is not None and self.element != "!":
            self.state, self.attribute, self.begun = "value", found[2].lower(), ""
            self.quote = text[found.end() : found.end() + 1]
            if self.quote in ('"', "'"):
                return found.end() + 1
            self.quote = ""
        return found.end()

    def _value(self, text: str, at: int) -> int:
        if self.quote:
            end = text.find(self.quote, at)
            end = len(text) if end < 0 else end
        else:
            found = _UNQUOTED_END.search(text, at)
            end = found.start() if found else len(text)
        self.begun += text[at:end]
        if end == len(text):
            return end
        self.state = "tag"
        return end + len(self.quote)

    def _comment(self, text: str, at: int) -> int:
        end = text.find("-->", at)
        if end < 0:
            return len(text)
        self.state, self.begun = "text", ""
        return end + 3

    def _script(self, text: str, at: int) -> int:
        for found in _SCRIPT_END.finditer(text, at):
            if found[1].lower() == self.state:
                self.state, self.element = "tag", found[0].lower()
                return found.end()
        return len(text)


@dataclass(slots=True)
class Plain:
    """The same for plain text, where only a value inside a written-out link needs care."""

    begun: str = ""

    def copy(self) -> Plain:
        """The same place, for another branch."""
        return replace(self)

    def agrees(self, other: Plain) -> bool:
        """Whether what follows means the same after either."""
        return bool(_LINK_START.search(self.begun)) == bool(_LINK_START.search(other.begun))

    def value(self) -> str:
        """The filter a value needs here."""
        inside = _LINK_START.search(self.begun) is not None
        self.begun += "x"
        return "url_part" if inside else ""

    def feed(self, text: str) -> None:
        """Go on over static text."""
        self.begun = (self.begun + text)[-2000:]


Place = Html | Plain
