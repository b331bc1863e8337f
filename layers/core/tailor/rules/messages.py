"""Letters as mail: the bytes handed to SES, built by hand because the library's own folding breaks long headers.

Contracts: RFC 5322 and 2045-2047 (form), RFC 2369 and 8058 (one-click unsubscribe), RFC 2919 (List-ID), RFC 3834
(Auto-Submitted), Gmail's Feedback-ID. SES writes ``Date`` and ``Message-ID`` itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.base64mime import header_encode
from email.header import Header
from email.utils import getaddresses, quote
from functools import lru_cache

from tailor.kernel.errors import Rejected
from tailor.kernel.keys import digest
from tailor.kernel.program import Sender
from tailor.rules.encoding import quoted_printable
from tailor.rules.templates import Letter

LINE = 998
"""Characters of a line, RFC 5322 section 2.1.1."""
WORD = 45
"""Bytes in an encoded word: 60 characters of base64, which with its marks fit a line of 76."""

TRAP = "trap"
"""Position of the link that no person sees."""

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*")
_ATOMS = re.compile(r"[A-Za-z0-9 !#$%&'*+/=?^_`{|}~-]*")
_URI = re.compile(r"https?://[!-;=?-~]+", re.IGNORECASE)
_DOMAIN = re.compile(r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*")
_WORD = re.compile(r"[!-9;-~]{1,200}")
_NOT_WORD = re.compile(r"[^A-Za-z0-9_.-]")


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a letter travels with.

    Attributes
    ----------
    sender : who writes.
    to : address of the recipient.
    message_id : Tailor's own, ``m_…``; SES events are told apart by it.
    journey : key of the journey that owes the letter, ``""`` for none.
    kind : ``marketing`` or ``transactional``.
    unsubscribe_url : takes the POST of RFC 8058; marketing needs it.
    """

    sender: Sender
    to: str
    message_id: str
    journey: str
    kind: str
    unsubscribe_url: str


def build_mime(letter: Letter, envelope: Envelope) -> bytes:
    """The message: ``multipart/alternative``, text then HTML, both quoted-printable UTF-8; the same bytes every time.

    Raises
    ------
    Rejected : an address, name or link that cannot stand in a header, or marketing that cannot be unsubscribed from.
    """
    if not _WORD.fullmatch(envelope.message_id):
        raise Rejected("a message id is printable ASCII without spaces and colons", code="bad-header")
    boundary = f"=_{digest(envelope.message_id, size=15)}"  # "=_" cannot occur in quoted-printable
    sender = _sender("From", envelope.sender.address)
    headers = [
        f"From: {sender}",
        f"To: {_mailbox('To', envelope.to, bare=True)}",
        f"Subject: {_words('Subject', letter.subject)}",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/alternative; boundary="{boundary}"',
        f"X-Tailor-Message: {envelope.message_id}",
        f"Feedback-ID: {_feedback(envelope, sender)}",
    ]
    if envelope.sender.reply_to:
        headers.append(f"Reply-To: {_sender('Reply-To', envelope.sender.reply_to)}")
    if envelope.journey:
        headers.append("Auto-Submitted: auto-generated")
    if envelope.kind == "marketing":
        headers.extend(_list_headers(envelope))
    head = "\r\n".join(headers).encode("ascii")
    mark = boundary.encode("ascii")
    parts = (
        (b"text/plain", quoted_printable(letter.text)),
        (b"text/html", letter.encoded or quoted_printable(letter.html)),
    )
    body = b"".join(
        b"--%b\r\nContent-Type: %b; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n%b\r\n"
        % (mark, kind, content)
        for kind, content in parts
    )
    return b"%b\r\n\r\n%b--%b--\r\n" % (head, body, mark)


def _list_headers(envelope: Envelope) -> list[str]:
    """RFC 8058: one https link, unbroken; the line is as long as it must be."""
    if not envelope.unsubscribe_url:
        raise Rejected("a marketing letter needs an unsubscribe link", code="no-unsubscribe")
    target = envelope.unsubscribe_url
    if not _URI.fullmatch(target) or len(target) > LINE - len("List-Unsubscribe: <>"):
        raise Rejected("an unsubscribe link is not a link of printable ASCII that fits one line", code="bad-header")
    headers = [f"List-Unsubscribe: <{target}>", "List-Unsubscribe-Post: List-Unsubscribe=One-Click"]
    if list_id := envelope.sender.list_id:
        if not _DOMAIN.fullmatch(list_id) or len(list_id) > 255:
            raise Rejected("'list_id' has the form of a domain, as in news.shop.example", code="bad-header")
        headers.append(f"List-ID: <{list_id}>")
    return headers


def _feedback(envelope: Envelope, sender: str) -> str:
    """``journey:kind:domain:tailor``: what Gmail's Postmaster Tools count complaints by, the rarest first."""
    domain = sender.rpartition("@")[2].rstrip(">")
    fields = (envelope.journey or "none", envelope.kind, domain, "tailor")
    return ":".join(_NOT_WORD.sub("-", name)[:60] for name in fields)


@lru_cache(maxsize=64)
def _sender(header: str, text: str) -> str:
    """One of the few mailboxes that all letters come from."""
    return _mailbox(header, text)


def _mailbox(header: str, text: str, *, bare: bool = False) -> str:
    """One RFC 5322 mailbox, its display name quoted or encoded."""
    unfit = Rejected(f"{header} is not one mailbox of the form 'Name <local@domain>' in ASCII", code="bad-address")
    if _CONTROL.search(text):
        raise unfit
    found = [("", text)] if bare else getaddresses([text], strict=True)
    if len(found) != 1:
        raise unfit
    name, address = found[0]
    if not _ADDRESS.fullmatch(address) or len(address) > 254:
        raise unfit
    if not name:
        return address
    if not name.isascii() or "=?" in name or len(name) > 60:
        return f"{_words(header, name)}\r\n <{address}>"
    return f"{name} <{address}>" if _ATOMS.fullmatch(name) else f'"{quote(name)}" <{address}>'


def _words(header: str, text: str) -> str:
    """Unstructured text of a header, folded; in one charset as a whole, so that no client sees two kinds of words."""
    if _CONTROL.search(text):
        raise Rejected(f"{header} holds a control character or a line break", code="bad-header")
    if text.isascii() and "=?" not in text and len(header) + len(text) < 75:
        return text
    if text.isascii() and "=?" not in text:
        return Header(text, "us-ascii", maxlinelen=76, header_name=header).encode(linesep="\r\n")
    # ASCII that looks like an encoded word would be decoded by the reader.
    return "\r\n ".join(header_encode(word, "utf-8") for word in _chopped(text.encode(), WORD - len(header)))


def _chopped(text: bytes, first: int) -> Iterator[bytes]:
    """UTF-8 in pieces that fit an encoded word each, the first one shorter; no character is cut (RFC 2047, 5)."""
    room, start = first, 0
    while start < len(text):
        end = min(start + room, len(text))
        while end < len(text) and text[end] & 0xC0 == 0x80:
            end -= 1
        yield text[start:end]
        room, start = WORD, end
