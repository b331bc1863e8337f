"""Dialling: plain phone numbers as the library would read them, where there is nothing to be found out.

Reading one costs the library twice what it costs to say whether such a number exists, for it looks for extensions,
letters, prefixes abroad and at home, and zeros that count; and it looks its patterns up anew for each number. Where
nothing of the kind can be there the number is cut and tried by the library's own tables, and a test holds that to what
it says; whatever is not as plain is left to it.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any, NamedTuple

import phonenumbers
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata

_ABROAD = re.compile(r"\+[1-9][0-9 ().-]{5,22}[0-9]")
_AT_HOME = re.compile(r"[0-9(][0-9 ().-]{4,22}[0-9]")
_SPACING = str.maketrans("", "", " ().-")
_CODES = {str(code): code for code in COUNTRY_CODE_TO_REGION_CODE}


def dialled(given: str, region: str) -> str:
    """E.164 of a number as it is dialled from abroad, or else within ``region``; ``""`` where that is not certain, or
    where there is no such number."""
    if _ABROAD.fullmatch(given):
        found = _from_abroad(given.translate(_SPACING))
    elif region and _AT_HOME.fullmatch(given):
        found = _at_home(given.translate(_SPACING), region)
    else:
        found = None
    return f"+{found[0]}{found[1]}" if found and _given_out(*found) else ""


def _from_abroad(given: str) -> tuple[int, str] | None:
    """Country code and national number; so too below."""
    code, size = 0, 0
    # No code is the beginning of another.
    while not code and size < 3:
        size += 1
        code = _CODES.get(given[1 : 1 + size], 0)
    if not code:
        return None
    national = given[1 + size :]
    prefix = _plan(code, COUNTRY_CODE_TO_REGION_CODE[code][0]).prefix
    if national[:1] in ("", "0") or len(national) > 15 or (prefix and prefix.match(national)):
        return None
    return code, national


def _at_home(digits: str, region: str) -> tuple[int, str] | None:
    code = phonenumbers.country_code_for_region(region)
    if not code:
        return None
    known = _metadata(code, region)
    prefix = known.national_prefix or ""
    # Elsewhere what is dialled first depends on what follows, or is not dropped.
    plain = (known.national_prefix_for_parsing or "") == prefix and not known.national_prefix_transform_rule
    if not plain or not digits.startswith(prefix) or re.match(known.international_prefix or "", digits):
        return None
    national = digits[len(prefix) :]
    # What exists only without the prefix has it; what exists with it may be meant so.
    if national[:1] in ("", "0") or len(national) > 15 or digits.startswith(str(code)):
        return None
    return code, national


def _given_out(code: int, national: str) -> bool:
    """Whether there is such a number (``phonenumbers.is_valid_number``)."""
    regions = COUNTRY_CODE_TO_REGION_CODE[code]
    if len(regions) == 1:
        return _plan(code, regions[0]).gives_out(national)
    for region in regions:
        plan = _plan(code, region)
        if plan.leading is None:
            if plan.gives_out(national):
                return True
        elif plan.leading.match(national):
            return plan.gives_out(national)
    return False


class _Kind(NamedTuple):
    """Numbers of one kind: how many digits they may have (any, where that is empty), and what they look like."""

    lengths: frozenset[int]
    pattern: re.Pattern[str]

    def has(self, national: str) -> bool:
        return (not self.lengths or len(national) in self.lengths) and self.pattern.fullmatch(national) is not None


class _Plan(NamedTuple):
    """The numbering plan of a region: all its numbers, its kinds of them, what tells it from its neighbours, and what
    is dialled before a number at home."""

    whole: _Kind | None
    kinds: tuple[_Kind, ...]
    leading: re.Pattern[str] | None
    prefix: re.Pattern[str] | None

    def gives_out(self, national: str) -> bool:
        return self.whole is not None and self.whole.has(national) and any(kind.has(national) for kind in self.kinds)


KINDS = (
    *("mobile", "fixed_line", "toll_free", "premium_rate", "shared_cost"),
    *("voip", "personal_number", "pager", "uan", "voicemail"),
)
"""Kinds of numbers in the library's tables, the most usual first."""


@cache
def _plan(code: int, region: str) -> _Plan:
    known = _metadata(code, region)
    kinds = (_kind(getattr(known, name)) for name in KINDS)
    leading = re.compile(known.leading_digits) if known.leading_digits is not None else None
    prefix = re.compile(known.national_prefix_for_parsing) if known.national_prefix_for_parsing else None
    return _Plan(_kind(known.general_desc), tuple(kind for kind in kinds if kind), leading, prefix)


def _kind(known: Any) -> _Kind | None:
    if known is None or not known.national_number_pattern:
        return None
    return _Kind(frozenset(known.possible_length), re.compile(known.national_number_pattern))


@cache
def _metadata(code: int, region: str) -> Any:
    """The library's tables for a region."""
    return PhoneMetadata.metadata_for_region_or_calling_code(code, region)
