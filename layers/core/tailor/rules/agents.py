"""Agents: whether a person or a machine opened a letter or followed a link.

Mail is loaded by proxies and its links are tried by scanners before anybody reads it. What is sure to be a machine is
called one, what shows a browser and no sign of a machine a human, and the rest unknown; nothing is thrown away.

=================================  =======================================================================
sign of a machine                  why
=================================  =======================================================================
the link that no person sees       only what reads the source follows it
a link within 2 s of the delivery  nobody reads that fast
3 links within 2 s                 scanners try them all
``Mozilla/5.0`` and nothing else   Apple's Mail Privacy Protection, which loads every letter
a proxy, a bot, a script           says so itself
a HEAD request                     people's programs ask for the page, scanners whether there is one
=================================  =======================================================================
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from tailor.kernel.instants import SECOND

FAST = 2 * SECOND
MANY = 3
REMEMBERED = 8
"""Clicks on a letter that are remembered, the newest."""
_MACHINE = re.compile(
    r"googleimageproxy|yahoomailproxy|bot\b|crawl|spider|preview|scan|curl|python|wget|java/|go-http|headless",
    re.IGNORECASE,
)
_BROWSER = re.compile(r"(Chrome|Firefox|Safari|Edg|OPR|Outlook|Thunderbird)/|MSIE |Trident/", re.IGNORECASE)
_APPLE = "Mozilla/5.0"
HEAD = "HEAD bot"
"""What a client is called that asks with HEAD, whatever it calls itself."""


def agent(user_agent: str) -> str:
    """``human``, ``machine`` or ``unknown``, by what the client calls itself."""
    if user_agent.strip() == _APPLE or _MACHINE.search(user_agent):
        return "machine"
    return "human" if _BROWSER.search(user_agent) else "unknown"


def clicker(user_agent: str, clicks: Sequence[tuple[str, int]], arrived: int | None, *, now: int) -> str:
    """The same of a click.

    Parameters
    ----------
    clicks : (link, instant) of the clicks on this letter so far, this one last.
    arrived : instant of the letter's delivery, as far as it is known.
    """
    if arrived is not None and now - arrived < FAST:
        return "machine"
    if len({link for link, at in clicks if now - at <= FAST}) >= MANY:
        return "machine"
    return agent(user_agent)
