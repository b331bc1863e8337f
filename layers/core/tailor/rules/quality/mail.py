"""E-mail addresses: syntax and normal form by a library, slips of the keyboard, throw-away and shared mailboxes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from tailor.kernel.event import Identifier
from tailor.rules.identity import identifier

_ROLES = """
    abuse accounts admin administrator billing contact customerservice enquiries finance help helpdesk hello
    hostmaster hr info inquiries jobs mail mailer-daemon marketing newsletter no-reply noc noreply office orders
    postmaster privacy reception root sales security service support sysadmin team usenet uucp webmaster www
"""
ROLES = frozenset(_ROLES.split())
"""Local parts of mailboxes that several people read (RFC 2142 and custom)."""

_PROVIDERS = """
    gmail.com googlemail.com mail.com ymail.com yahoo.com yahoo.co.uk yahoo.fr yahoo.de hotmail.com hotmail.co.uk
    hotmail.fr outlook.com live.com msn.com icloud.com me.com mac.com aol.com proton.me protonmail.com gmx.de gmx.net
    gmx.com web.de
    t-online.de freenet.de orange.fr wanadoo.fr free.fr sfr.fr laposte.net libero.it virgilio.it tiscali.it alice.it
    comcast.net verizon.net att.net sbcglobal.net btinternet.com sky.com ntlworld.com telia.com bluewin.ch ziggo.nl
    kpnmail.nl qq.com 163.com 126.com naver.com yandex.ru mail.ru rediffmail.com uol.com.br bol.com.br
"""
PROVIDERS = tuple(_PROVIDERS.split())
"""Where most people have their mailbox; a domain one slip away from one of these is taken for a slip."""

ENDINGS = {
    "con": "com",
    "cmo": "com",
    "ocm": "com",
    "vom": "com",
    "xom": "com",
    "comm": "com",
    "coom": "com",
    "nte": "net",
    "ent": "net",
    "ner": "net",
    "ogr": "org",
    "rog": "org",
}
"""Endings that do not exist → what was meant."""

_PLAIN = re.compile(
    r"[a-z0-9_+-]+(?:\.[a-z0-9_+-]+)*@(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,24}", re.IGNORECASE | re.ASCII
)


def plain(address: str) -> bool:
    """Whether an address is one about which no library need be asked."""
    return bool(_PLAIN.fullmatch(address)) and address.find("@") <= 64


def normal(text: str) -> tuple[Identifier | None, str]:
    """The normal form of an address, and what is wrong with it, ``""`` if nothing is."""
    claimed = text.strip().removeprefix("mailto:")
    if not plain(claimed):
        # Heavy, and seldom needed.
        from email_validator import EmailNotValidError, validate_email

        try:
            checked = validate_email(claimed, check_deliverability=False)
        except EmailNotValidError as error:
            return None, str(error).rstrip(".")
        claimed = checked.ascii_email or checked.normalized
    found = identifier("email", claimed)
    return found, "" if found else "it is not an address that mail can be sent to"


def suspicions(address: str) -> Iterator[tuple[str, str]]:
    """(what, hint) of an address in normal form: ``typo``, ``disposable``, ``role``."""
    local, _, domain = address.rpartition("@")
    if meant := suggestion(domain):
        yield "typo", f"did you mean {meant}?"
    # Slips of well-known names are themselves on the list: somebody waits there for mail gone astray.
    elif _disposable(domain):
        yield "disposable", "a mailbox that is thrown away after use"
    if local.partition("+")[0] in ROLES:
        yield "role", "a mailbox that several people read"


@lru_cache(4096)
def suggestion(domain: str) -> str:
    """The domain that was probably meant, ``""`` where none is nearer than the one given."""
    if domain in PROVIDERS:
        return ""
    near = next((known for known in PROVIDERS if _one_slip(domain, known)), "")
    name, _, ending = domain.rpartition(".")
    return near or (f"{name}.{ENDINGS[ending]}" if ending in ENDINGS else "")


def _one_slip(typed: str, meant: str) -> bool:
    """Whether one letter is missing, too many, wrong, or two neighbours are exchanged; short names slip too easily."""
    if len(meant) < 9 or abs(len(typed) - len(meant)) > 1:
        return False
    start = next((i for i, (a, b) in enumerate(zip(typed, meant, strict=False)) if a != b), min(len(typed), len(meant)))
    rest, other = typed[start:], meant[start:]
    if len(rest) == len(other):
        return rest[1:] == other[1:] or (rest[:2] == other[1::-1] and rest[2:] == other[2:])
    return rest[1:] == other or rest == other[1:]


@lru_cache(4096)
def _disposable(domain: str) -> bool:
    from disposable_email_domains import blocklist

    return any(domain.split(".", cut)[-1] in blocklist for cut in range(domain.count(".")))
