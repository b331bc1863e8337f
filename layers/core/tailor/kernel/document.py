"""JSON and times as strangers send them, read strictly enough that everything behind the door may trust them."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from tailor.kernel.errors import Rejected
from tailor.kernel.instants import HOUR, parse_instant

DEPTH = 64
"""Levels of nesting; deeper documents would break whoever writes them out again."""

_UNWRITABLE = re.compile("[\ud800-\udfff\ufffe\uffff]")
_ESCAPED = re.compile(r"\\u(?:d[89a-f]|fff[ef])", re.IGNORECASE)


def read_json(body: bytes) -> Any:
    """A JSON document as plain values; whole numbers stay exact.

    What JSON allows but UTF-8 and SQS do not (half of a surrogate pair, U+FFFE, U+FFFF) becomes U+FFFD.

    Raises
    ------
    Rejected : not UTF-8, not JSON, ``NaN`` or infinite numbers, numbers of thousands of digits, too deep.
    """
    try:
        text = body.decode("utf-8-sig")
        value = _load(text)
        if "\ufffe" in text or "\uffff" in text or ("\\u" in text and _ESCAPED.search(text)):
            value = _load(_UNWRITABLE.sub("\ufffd", json.dumps(value, ensure_ascii=False)))
    except UnicodeDecodeError as error:
        raise Rejected(f"the body is not UTF-8 at byte {error.start}", code="bad-json") from error
    except json.JSONDecodeError as error:
        raise Rejected(f"the body is not JSON: {error.msg} at character {error.pos}", code="bad-json") from error
    except ValueError as error:
        raise Rejected(f"the body is not JSON: {error}", code="bad-json") from error
    except RecursionError as error:
        raise _too_deep() from error
    # Few brackets cannot be many levels; counting them is much faster than going down.
    if text.count("[") + text.count("{") > DEPTH and isinstance(value, (dict, list)) and not _shallow(value, DEPTH):
        raise _too_deep()
    return value


def read_object(body: bytes) -> dict[str, Any]:
    """:func:`read_json` where only an object will do."""
    value = read_json(body)
    if not isinstance(value, dict):
        raise Rejected("the body must be a JSON object", code="bad-shape")
    return value


def inner(value: Any, name: str) -> dict[str, Any]:
    """The object under ``name``, an empty one where there is none."""
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def read_instant(value: Any) -> int | None:
    """An ISO 8601 text as an instant, ``None`` for anything else."""
    if not isinstance(value, str):
        return None
    try:
        at = parse_instant(value)
    except Rejected:
        return None
    return at if at >= 0 else None


def not_after(at: int, received: int) -> tuple[int, dict[str, Any]]:
    """``at``, or ``received`` where the sender's clock is ahead of ours, and context that says so."""
    if at <= received:
        return at, {}
    return received, {"clock": "ahead" if at - received < HOUR else "far ahead"}


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    return number


canonical = json.JSONEncoder(sort_keys=True, check_circular=False).encode
"""What was read by :func:`read_json` as a text that is the same for the same content, however its names are ordered."""

_load = json.JSONDecoder(parse_constant=_no_constant, parse_float=_finite).decode


def _shallow(value: dict[str, Any] | list[Any], room: int) -> bool:
    children = value.values() if isinstance(value, dict) else value
    return room > 0 and all(_shallow(child, room - 1) for child in children if isinstance(child, (dict, list)))


def _too_deep() -> Rejected:
    return Rejected(f"the body is nested more than {DEPTH} levels deep", code="too-deep")
