"""What each language can say: Liquid, Mailchimp's merge tags, and AMPscript of Salesforce Marketing Cloud.

References: Shopify's Liquid documentation; "All the Merge Tags Cheat Sheet" and "Use Conditional Merge Tag Blocks" of
Mailchimp; "AMPscript Syntax Guide" of Salesforce.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from tailor.kernel.keys import digest

Place = Literal["html", "url", "text"]
"""Where a value stands: in HTML or an attribute, inside a link, or in plain text."""


class Unsayable(Exception):
    """The language cannot say it; the message says what to do instead."""


class Language(Protocol):
    """A language: how it writes static text, values and conditions."""

    @property
    def name(self) -> str:
        """As ``--to`` takes it."""

    @property
    def given(self) -> Mapping[str, str]:
        """What it says for the names of :data:`tailor.rules.templates.GIVEN`."""

    @property
    def words(self) -> frozenset[str]:
        """Filters of case that it has."""

    def static(self, text: str) -> str:
        """Text that must come out as it is."""

    def value(self, name: str, *, fallback: str | None, place: Place, case: str, listed: bool) -> str:
        """A value, with what stands in for it; ``case`` is ``""``, ``upper``, ``lower`` or ``title``."""

    def truth(self, name: str, *, negated: bool, within: str) -> str:
        """Whether there is a value; ``within`` is ``and`` or ``or`` where it is a term of several."""

    def equal(self, name: str, literal: str | int | float, *, negated: bool) -> str:
        """Whether the value is this one."""

    def joined(self, word: str, terms: list[str]) -> str:
        """Conditions joined by ``and`` or ``or``."""

    def opening(self, condition: str, *, first: bool) -> str:
        """``if`` or ``else if``."""

    def otherwise(self) -> str:
        """``else``."""

    def closing(self) -> str:
        """``end if``."""


_LIQUID = {"upper": "upcase", "lower": "downcase"}
_AMPSCRIPT = {"upper": "Uppercase", "lower": "Lowercase", "title": "ProperCase"}
_FIELD = re.compile(r"[^A-Za-z0-9_]")


@dataclass(frozen=True, slots=True)
class Liquid:
    """Liquid as Shopify documents it; Braze, Customer.io, Klaviyo's and others' are close to it."""

    name: str = "liquid"
    words: frozenset[str] = frozenset({"upper", "lower"})

    @property
    def given(self) -> Mapping[str, str]:
        """As attributes, for every sender names its own."""
        return {n: f"{{{{ {n} }}}}" for n in ("unsubscribe_url", "preferences_url", "postal_address", "shop_name")}

    def static(self, text: str) -> str:
        """Braces that mean nothing to us would mean something here."""
        return f"{{% raw %}}{text}{{% endraw %}}" if "{{" in text or "{%" in text else text

    def value(self, name: str, *, fallback: str | None, place: Place, case: str, listed: bool) -> str:
        """``{{ name | default: "x" | escape }}``; what stands in is put in where the value is blank."""
        filters = [" | join: ', '"] if listed else []
        filters += [f" | {_LIQUID[case]}"] if case else []
        filters += [f" | default: {_quoted(fallback)}"] if fallback is not None else []
        if place == "url":
            # Liquid writes a space as a plus, which is one in a form, but not in a path.
            filters.append(" | url_encode | replace: '+', '%20'")
        elif place == "html":
            filters.append(" | escape")
        return f"{{{{ {name}{''.join(filters)} }}}}"

    def truth(self, name: str, *, negated: bool, within: str) -> str:
        """An empty text is true in Liquid, and nil is not blank; where no second term can be added, only nil counts."""
        if negated:
            return f"{name} == nil" if within == "and" else f"{name} == nil or {name} == blank"
        return name if within == "or" else f"{name} and {name} != blank"

    def equal(self, name: str, literal: str | float, *, negated: bool) -> str:
        """``name == "x"``."""
        return f"{name} {'!=' if negated else '=='} {_quoted(literal)}"

    def compared(self, name: str, sign: str, literal: str | float) -> str:
        """``name < 2``, ``name contains "x"``."""
        return f"{name} {sign} {_quoted(literal)}"

    def joined(self, word: str, terms: list[str]) -> str:
        """All of one kind: Liquid has no brackets, and reads from the right."""
        return f" {word} ".join(terms)

    def opening(self, condition: str, *, first: bool) -> str:
        """``{% if %}``."""
        return f"{{% {'if' if first else 'elsif'} {condition} %}}"

    def otherwise(self) -> str:
        """``{% else %}``."""
        return "{% else %}"

    def closing(self) -> str:
        """``{% endif %}``."""
        return "{% endif %}"


@dataclass(frozen=True, slots=True)
class Mailchimp:
    """Merge tags. A tag has up to ten letters, so longer names are cut; the report says which stands for what."""

    name: str = "mailchimp"
    words: frozenset[str] = frozenset({"upper", "lower", "title"})

    @property
    def given(self) -> Mapping[str, str]:
        """Mailchimp's own."""
        return {
            "unsubscribe_url": "*|UNSUB|*",
            "preferences_url": "*|UPDATE_PROFILE|*",
            "postal_address": "*|LIST:ADDRESSLINE|*",
            "shop_name": "*|LIST:COMPANY|*",
        }

    def static(self, text: str) -> str:
        """Nothing can be quoted here."""
        if "*|" in text or "|*" in text:
            raise Unsayable("'*|' and '|*' begin and end a merge tag: write them another way, as in &#42;|")
        return text

    def value(self, name: str, *, fallback: str | None, place: Place, case: str, listed: bool) -> str:
        """``*|IF:NAME|**|NAME|**|ELSE:|*x*|END:IF|*``; Mailchimp escapes values itself."""
        prefix = "URL:" if place == "url" else f"{case.upper()}:" if case else ""
        shown = f"*|{prefix}{tag(name)}|*"
        if fallback is None:
            return shown
        return f"*|IF:{tag(name)}|*{shown}*|ELSE:|*{self.static(fallback)}*|END:IF|*"

    def truth(self, name: str, *, negated: bool, within: str) -> str:
        """``IF:NAME``, ``IFNOT:NAME``."""
        return f"{'IFNOT' if negated else 'IF'}:{tag(name)}"

    def equal(self, name: str, literal: str | float, *, negated: bool) -> str:
        """``IF:NAME=x``, without quotes."""
        if "|" in str(literal):
            raise Unsayable("a merge tag cannot be compared with a text that holds '|'")
        return f"IF:{tag(name)}{'!=' if negated else '='}{literal}"

    def joined(self, word: str, terms: list[str]) -> str:
        """Never."""
        raise Unsayable(f"merge tags have no {word!r}: put one condition inside the other, or repeat the block")

    def opening(self, condition: str, *, first: bool) -> str:
        """``*|IF:…|*``; ``IFNOT`` has no ``ELSEIF``."""
        if first:
            return f"*|{condition}|*"
        if condition.startswith("IFNOT"):
            raise Unsayable("merge tags have no 'else if not': turn the condition round")
        return f"*|ELSE{condition}|*"

    def otherwise(self) -> str:
        """``*|ELSE:|*``."""
        return "*|ELSE:|*"

    def closing(self) -> str:
        """``*|END:IF|*``."""
        return "*|END:IF|*"


@dataclass(frozen=True, slots=True)
class Ampscript:
    """AMPscript. It has no function that escapes HTML, so values are escaped by ``Replace``."""

    name: str = "ampscript"
    words: frozenset[str] = frozenset({"upper", "lower", "title"})

    @property
    def given(self) -> Mapping[str, str]:
        """Marketing Cloud's own personalization strings."""
        return {
            "unsubscribe_url": "%%unsub_center_url%%",
            "preferences_url": "%%profile_center_url%%",
            "postal_address": "%%Member_Addr%%, %%Member_City%%, %%Member_State%% %%Member_PostalCode%%",
            "shop_name": "%%Member_Busname%%",
        }

    def static(self, text: str) -> str:
        """Two per cent signs begin something; one of them is spoken."""
        return text.replace("%%", '%%=Concat("%","%")=%%')

    def value(self, name: str, *, fallback: str | None, place: Place, case: str, listed: bool) -> str:
        """``%%=v(@x)=%%``, wrapped in functions."""
        spoken = f"{_AMPSCRIPT[case]}({attribute(name)})" if case else attribute(name)
        if fallback is not None:
            spoken = f"IIF(Empty({attribute(name)}), {_doubled(fallback)}, {spoken})"
        if place == "url":
            spoken = f"URLEncode({spoken}, 1, 1)"
        elif place == "html":
            for mark, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('""', "&quot;")):
                spoken = f'Replace({spoken}, "{mark}", "{entity}")'
        return f"%%={spoken if '(' in spoken else f'v({spoken})'}=%%"

    def truth(self, name: str, *, negated: bool, within: str) -> str:
        """``NOT Empty(…)``."""
        return f"Empty({attribute(name)})" if negated else f"NOT Empty({attribute(name)})"

    def equal(self, name: str, literal: str | float, *, negated: bool) -> str:
        """``AttributeValue("x") == "y"``."""
        return f"{attribute(name)} {'!=' if negated else '=='} {_doubled(literal)}"

    def joined(self, word: str, terms: list[str]) -> str:
        """In brackets."""
        return "(" + f" {word.upper()} ".join(terms) + ")"

    def opening(self, condition: str, *, first: bool) -> str:
        """``%%[ IF … THEN ]%%``."""
        return f"%%[ {'IF' if first else 'ELSEIF'} {condition} THEN ]%%"

    def otherwise(self) -> str:
        """``%%[ ELSE ]%%``."""
        return "%%[ ELSE ]%%"

    def closing(self) -> str:
        """``%%[ ENDIF ]%%``."""
        return "%%[ ENDIF ]%%"


def tag(name: str) -> str:
    """A merge tag for an attribute: up to ten letters, digits and underscores; a digest tells long names apart."""
    plain = _FIELD.sub("_", name).upper()
    return plain if len(plain) <= 10 else f"{plain[:5]}_{digest(name, size=5)[:4].upper()}"


def attribute(name: str) -> str:
    """A subscriber attribute, empty where there is none."""
    return f'AttributeValue("{_FIELD.sub("_", name)}")'


def _quoted(literal: str | float) -> str:
    """A Liquid literal; there is no escape inside its quotes."""
    if not isinstance(literal, str):
        return str(literal)
    mark = '"' if '"' not in literal else "'"
    if mark in literal:
        raise Unsayable("a text in Liquid cannot hold both kinds of quotation marks")
    return f"{mark}{literal}{mark}"


def _doubled(literal: str | float) -> str:
    return '"' + literal.replace('"', '""') + '"' if isinstance(literal, str) else str(literal)


LANGUAGES: dict[str, Language] = {one.name: one for one in (Liquid(), Mailchimp(), Ampscript())}
