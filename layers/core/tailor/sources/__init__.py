"""One file a vendor: bytes in, canonical events out. Sources know nothing of each other, nor of AWS.

A new one is a file here with ``verify`` and ``to_events``, one entry in :data:`SOURCES`, and a fixture pair
``events/<name>/<case>.json`` + ``<case>.expected.json``. What only a few vendors need beside that (to try out the door,
to be answered in their own words) is an entry in a table below.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from tailor.kernel.inbound import Inbound, Parsed
from tailor.kernel.values import unpacked
from tailor.rules.quality import inspect
from tailor.sources import mailchimp, salesforce, sfmc, shopify, woocommerce
from tailor.sources.adobe import ADOBE
from tailor.sources.blueconic import BLUECONIC
from tailor.sources.cmp import CMP
from tailor.sources.didomi import DIDOMI
from tailor.sources.ga4 import GA4
from tailor.sources.hubspot import HUBSPOT
from tailor.sources.onetrust import ONETRUST
from tailor.sources.segment import SEGMENT, SEGMENT_WEBHOOK
from tailor.sources.ses import SES
from tailor.sources.square import SQUARE
from tailor.sources.stripe import STRIPE
from tailor.sources.tealium import TEALIUM
from tailor.sources.webhook import WEBHOOK


class Source(Protocol):
    """How one vendor is understood."""

    @property
    def name(self) -> str:
        """Its name in paths, keys and events."""

    @property
    def signed(self) -> bool:
        """Whether each request proves itself by a shared secret; only such are taken at ``/sources/<name>/<key>``."""

    def verify(self, request: Inbound, secret: bytes, *, now: int) -> None:
        """Check the proof over the raw bytes, in constant time.

        Raises
        ------
        Rejected : with status 401.
        """

    def to_events(self, request: Inbound, *, now: int) -> Parsed:
        """Read a request received at ``now``; the same request always gives the same event ids.

        Raises
        ------
        Rejected : nothing in it can be read.
        """


SOURCES: dict[str, Source] = {
    source.name: source
    for source in (
        SEGMENT,
        shopify.SHOPIFY,
        SES,
        STRIPE,
        woocommerce.WOOCOMMERCE,
        SQUARE,
        HUBSPOT,
        salesforce.SALESFORCE,
        GA4,
        ADOBE,
        TEALIUM,
        BLUECONIC,
        ONETRUST,
        DIDOMI,
        CMP,
        mailchimp.MAILCHIMP,
        sfmc.SFMC,
        WEBHOOK,
        SEGMENT_WEBHOOK,
    )
}
"""All sources by name."""

GREETINGS: dict[str, Callable[[Inbound], str]] = {
    "woocommerce": woocommerce.greets,
    "mailchimp": mailchimp.greets,
    "sfmc": sfmc.greets,
}
"""Source → why a request of it is only a trial of the door, ``""`` if it is none. Vendors do not sign their trials, and
give up on a door that refuses them; they hold no event and may be answered with 200 unproved."""

ANSWERS: dict[str, tuple[str, str]] = {"salesforce": ("text/xml", salesforce.ACKNOWLEDGED)}
"""Source → content type and body of the answer without which the vendor sends again; others take any 2xx."""

HEADERS: dict[str, tuple[str, ...]] = {"shopify": shopify.HEADERS, "woocommerce": woocommerce.HEADERS}
"""Source → headers without which its bodies cannot be understood; others say it all in the body and the query."""

BY_GET = frozenset({"mailchimp", "tealium"})
"""Sources that may also come by GET: to try out the door, or with all they say in the query."""


def read(source: Source, request: Inbound, *, now: int) -> Parsed:
    """What a request that has been verified says, inspected; its proof is over the packed bytes, so they are unpacked
    only here.

    Raises
    ------
    Rejected : nothing in it can be read.
    """
    # Segment has limits of its own.
    parsed = source.to_events(unpacked(request) if source.signed else request, now=now)
    parsed.events = [inspect(event) for event in parsed.events]
    return parsed
