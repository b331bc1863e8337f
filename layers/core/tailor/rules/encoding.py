"""Text as mail carries it: quoted-printable, RFC 2045 section 6.7."""

from __future__ import annotations

import re
from binascii import b2a_qp

LINE = 76
"""Characters of a line, the ``=`` of a soft break among them."""
_OVERLONG = re.compile(rb"(?m)^(.{74,75})(=(?:20|09))$")
_AS_IT_IS = re.compile(r"[!-<>-~](?:[ -<>-~]{0,70}[!-<>-~])?")


def quoted_printable(text: str) -> bytes:
    """UTF-8 in lines of at most 76 characters, with CRLF."""
    if _AS_IT_IS.fullmatch(text) and text != ".":
        return text.encode("ascii")
    unix = text.replace("\r\n", "\n").replace("\r", "\n").encode("utf-8")
    encoded = b2a_qp(unix, istext=True)
    if b" \n" in unix or b"\t\n" in unix or unix[-1:] in (b" ", b"\t"):
        # The library encodes white space at the end of a line only after it has measured the line.
        encoded = _OVERLONG.sub(rb"\1=\n\2", encoded)
    return encoded.replace(b"\n", b"\r\n")


def piece(text: str) -> bytes:
    """The same with room for the ``=`` of the soft break, ``=`` and CRLF, by which pieces are joined."""
    encoded = quoted_printable(text)
    if len(encoded) - encoded.rfind(b"\n") <= LINE:
        return encoded
    last = 3 if encoded[-3:-2] == b"=" else 1
    return b"%b=\r\n%b" % (encoded[:-last], encoded[-last:])
