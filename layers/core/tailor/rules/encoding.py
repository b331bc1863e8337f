"""Text as mail carries it: quoted-printable, RFC 2045 section 6.7."""

from __future__ import annotations

import re
from binascii import b2a_qp

_AS_IT_IS = re.compile(r"[!-<>-~](?:[ -<>-~]{0,70}[!-<>-~])?")


def quoted_printable(text: str) -> bytes:
    """UTF-8 in lines of at most 76 characters, with CRLF; pieces may be joined by a soft break, ``=`` and CRLF."""
    if _AS_IT_IS.fullmatch(text) and text != ".":
        return text.encode("ascii")
    unix = text.replace("\r\n", "\n").replace("\r", "\n").encode("utf-8")
    return b2a_qp(unix, istext=True).replace(b"\n", b"\r\n")
