"""Values inside strangers' documents: ids with every digit, exact money, times in whatever unit."""

from __future__ import annotations

import re
import zlib
from binascii import a2b_qp
from dataclasses import replace
from decimal import Decimal
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_plus

from tailor.kernel.document import not_after, read_instant, read_json
from tailor.kernel.errors import Rejected
from tailor.kernel.inbound import Inbound
from tailor.kernel.keys import digest

BODY_BYTES = 1024 * 1024
"""The most a webhook may hold; larger ones would take more memory than a worker can spare."""
FORM_FIELDS = 1_000
WHOLE = ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF")
DIGITS = dict.fromkeys(WHOLE, 0) | dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3)
"""Currency → digits of its minor unit (ISO 4217); the others have two."""

_UNKNOWN = frozenset({type(None), str, list, dict})
"""Types of which what is empty says nothing; zero and false do."""
_MONEY = re.compile(r"[+-]?[0-9]{1,15}(?:\.[0-9]{1,12})?")
_CUT = re.compile(r"%(?![0-9A-Fa-f]{2})")
"""A percent sign that is no escape."""
_NUMBER = re.compile(r"[0-9]{1,17}(?:\.[0-9]{1,9})?")


def read_body(request: Inbound) -> Any:
    """The JSON of a webhook.

    Raises
    ------
    Rejected : more than :data:`BODY_BYTES` (413), or no JSON.
    """
    check_size(request)
    return read_json(request.body)


def read_form(request: Inbound) -> dict[str, str]:
    """The fields of an ``application/x-www-form-urlencoded`` body; of a repeated field the last.

    Raises
    ------
    Rejected : more than :data:`BODY_BYTES` (413), not UTF-8, too many fields.
    """
    check_size(request)
    return dict(_fields(request.body))


@lru_cache(1)
def _fields(body: bytes) -> dict[str, str]:
    # The same form is read for its proof and for its events.
    if body.count(b"&") >= FORM_FIELDS:
        raise Rejected(f"the form has more than {FORM_FIELDS} fields", code="bad-form")
    try:
        pairs = [part.partition("=")[::2] for part in body.decode("utf-8").split("&") if part]
        return {_field(name): unquoted(value) for name, value in pairs}
    except ValueError as error:
        raise Rejected("the body is no form of UTF-8 fields", code="bad-form") from error


@lru_cache(1024)
def _field(name: str) -> str:
    # A sender's fields have the same names each time.
    return unquoted(name)


def unquoted(value: str) -> str:
    """A value of a form as it was meant (``urllib.parse.unquote_plus``, strict).

    Raises
    ------
    ValueError : what is quoted is not UTF-8.
    """
    if "%" not in value:
        return value.replace("+", " ")
    if _CUT.search(value):
        return unquote_plus(value, errors="strict")
    # Whole escapes are those of quoted-printable, which the standard library reads in C; it takes a tenth of the time.
    return a2b_qp(value.replace("+", " ").replace("=", "=3D").replace("%", "=").encode()).decode()


def check_size(request: Inbound) -> None:
    """Raises ``Rejected`` (413) for more than :data:`BODY_BYTES`."""
    if len(request.body) > BODY_BYTES:
        detail = f"the request has {len(request.body)} bytes, the limit is {BODY_BYTES}"
        raise Rejected(detail, code="too-large", status=413)


def unpacked(request: Inbound, most: int = BODY_BYTES) -> Inbound:
    """The request without its ``Content-Encoding``; of a bomb no more than ``most`` bytes are ever unpacked.

    Raises
    ------
    Rejected : another encoding than gzip (415), broken gzip, or more than ``most`` bytes of it (413).
    """
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding in ("", "identity"):
        return request
    if encoding != "gzip":
        raise Rejected(f"content-encoding {label(encoding)!r} is not read; use gzip", code="bad-encoding", status=415)
    stream = zlib.decompressobj(wbits=31)
    try:
        body = stream.decompress(request.body, most + 1)
    except zlib.error as error:
        raise Rejected("the body is not gzip, although content-encoding says so", code="bad-encoding") from error
    if len(body) > most:
        raise Rejected(f"the request unpacks to more than {most} bytes", code="too-large", status=413)
    if not stream.eof:
        raise Rejected("the gzip body is cut short", code="bad-encoding")
    return replace(request, body=body, headers={**request.headers, "content-encoding": ""})


def objects(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; none for anything else."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def text(value: Any, room: int = 200) -> str:
    """A text or a whole number as trimmed text; ``""`` for anything else, and for more than ``room`` characters."""
    kind = type(value)
    found = value.strip() if kind is str else str(value) if kind is int else ""
    return found if len(found) <= room else ""


def label(value: Any) -> str:
    """What a stranger calls something, short and printable, to be named in a reason; never an e-mail address."""
    found = text(value, 1_000)
    return "".join(c if c.isprintable() and c != "@" else "?" for c in found[:60]) or "nameless"


def required(item: dict[str, Any], field: str, what: str, pointer: str = "") -> str:
    """The id under ``field``.

    Raises
    ------
    Rejected : it is missing, so that a repeat of ``what`` could not be told from another.
    """
    if not (found := text(item.get(field))):
        detail = f"{what} without {field!r} cannot be told from another"
        raise Rejected(detail, code="no-id", pointer=f"{pointer}/{field}")
    return found


def present(fields: dict[str, Any]) -> dict[str, Any]:
    """Without ``None`` and what is empty: that a sender does not know a value does not make it unknown."""
    return {name: value for name, value in fields.items() if value or type(value) not in _UNKNOWN}


def key(*parts: str) -> str:
    """A readable dedupe key, ``order:shop.example:727``; a digest where that would be long or unprintable."""
    joined = ":".join(parts)
    return joined if len(joined) <= 160 and joined.isprintable() else f"{parts[0][:40]}:{digest(*parts[1:])}"


def moment(value: Any) -> int | None:
    """ISO 8601 text, or seconds, milliseconds or microseconds since 1970 by their size, as an instant.

    Below 10^11 they are seconds (until the year 5138), below 10^14 milliseconds, below 10^17 microseconds.
    """
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 18:
        value = int(value)
    elif (at := read_instant(value)) is not None:
        return at
    if type(value) is int and 0 <= value < 10**17:
        return value * 1000 if value < 10**11 else value if value < 10**14 else value // 1000
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        number = Decimal(value.strip())
    elif isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 10**17:
        number = Decimal(repr(value))
    else:
        return None
    if number < 10**11:
        return int(number * 1000)
    return int(number if number < 10**14 else number / 1000)


def dated(*claims: Any, received: int) -> tuple[int, dict[str, Any]]:
    """The first claim that is a time (see :func:`moment`), else ``received``; and what to say of the sender's clock."""
    for claim in claims:
        if (at := moment(claim)) is not None:
            return not_after(at, received)
    return received, {}


def money(value: Any) -> str | None:
    """An amount as exact decimal text (``"124.70"``), ``None`` where it is none."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    found = str(value).strip()
    return found if _MONEY.fullmatch(found) else None


def minor(value: Any, currency: str, *, digits: int | None = None) -> str | None:
    """An amount in minor units as decimal text: ``(12470, "EUR")`` → ``"124.70"``; see :data:`DIGITS`."""
    digits = DIGITS.get(currency, 2) if digits is None else digits
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 10**17:
        return None
    return f"{Decimal(value).scaleb(-digits):f}"


def added(*amounts: str | None) -> str | None:
    """The exact sum of what is known; ``None`` where nothing is."""
    known = [Decimal(amount) for amount in amounts if amount is not None]
    return f"{sum(known, Decimal(0)):f}" if known else None


def purpose_of(request: Inbound, theirs: str) -> tuple[str, str]:
    """Our purpose and topic for ``theirs``: the URL says it, ``?purpose.<theirs>=marketing:deals``.

    What the URL does not name is the purpose of that name, which permits nothing unless a programme declares it.
    """
    purpose, _, topic = request.query.get(f"purpose.{theirs}", "").strip().partition(":")
    return (purpose, topic) if purpose else (theirs.strip().lower().replace(" ", "-"), "")
