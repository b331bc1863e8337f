"""Dialling: plain phone numbers as the library would read them, where there is nothing to be found out.

Reading one costs the library twice what it costs to say whether such a number exists, for it looks for extensions,
letters, prefixes abroad and at home, and zeros that count. Where none of them can be there the number is cut by its own
tables, and a test holds that to what it says; whatever is not as plain is left to it.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import phonenumbers
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata, PhoneNumber

_ABROAD = re.compile(r"\+[1-9][0-9 ().-]{5,22}[0-9]")
_AT_HOME = re.compile(r"[0-9(][0-9 ().-]{4,22}[0-9]")
_SPACING = str.maketrans("", "", " ().-")


def dialled(given: str, region: str) -> PhoneNumber | None:
    """The number as it is dialled from abroad, or else within ``region``; ``None`` where that is not certain.

    It may be one that does not exist.
    """
    if _ABROAD.fullmatch(given):
        return _from_abroad(given.translate(_SPACING))
    if region and _AT_HOME.fullmatch(given):
        return _at_home(given.translate(_SPACING), region)
    return None


def _from_abroad(given: str) -> PhoneNumber | None:
    size = next((size for size in (1, 2, 3) if int(given[1 : 1 + size]) in COUNTRY_CODE_TO_REGION_CODE), 0)
    if not size:
        return None
    code, national = int(given[1 : 1 + size]), given[1 + size :]
    prefix = _metadata(code, COUNTRY_CODE_TO_REGION_CODE[code][0]).national_prefix_for_parsing
    if national[:1] in ("", "0") or len(national) > 15 or (prefix and re.match(prefix, national)):
        return None
    return PhoneNumber(country_code=code, national_number=int(national))


def _at_home(digits: str, region: str) -> PhoneNumber | None:
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
    return PhoneNumber(country_code=code, national_number=int(national))


@cache
def _metadata(code: int, region: str) -> Any:
    """The library's tables for a region."""
    return PhoneMetadata.metadata_for_region_or_calling_code(code, region)
