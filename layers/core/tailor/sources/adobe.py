"""Adobe: XDM experience events by event forwarding, hits of Analytics by Data Feed rows and by Livestream.

Contract: the XDM schemas, "Data column reference" and "Livestream" of Adobe. Event forwarding signs nothing: its rule
must send the secret in a header. An XDM event has its ``_id``, a hit its ``hitid``; visitor ids are two halves of 64
bits, and are kept exactly, as text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tailor.kernel.document import canonical, inner
from tailor.kernel.errors import Rejected
from tailor.kernel.event import ConsentChange, Event, Grant, Identifier
from tailor.kernel.inbound import Inbound, Parsed
from tailor.kernel.items import Reading, read_each
from tailor.kernel.keys import digest
from tailor.kernel.proof import ShowsSecret
from tailor.kernel.values import added, dated, key, moment, money, objects, present, read_body, required, text
from tailor.rules.identity import identifier, ordered

NAMES = {
    "commerce.purchases": "Order Completed",
    "commerce.checkouts": "Checkout Started",
    "commerce.productListAdds": "Product Added",
    "commerce.productListRemovals": "Product Removed",
    "commerce.productListViews": "Cart Viewed",
    "commerce.productViews": "Product Viewed",
    "commerce.saveForLaters": "Product Added to Wishlist",
    "web.webinteraction.linkClicks": "Link Clicked",
    "web.webpagedetails.pageViews": "Page Viewed",
    "directMarketing.emailOpened": "Email Opened",
    "directMarketing.emailClicked": "Email Link Clicked",
}
"""``eventType`` → our name, the most telling first; other types keep theirs."""
MEASURES = tuple(name.partition(".")[2] for name in NAMES if name.startswith("commerce."))
"""Measures under ``commerce`` that say what an event without ``eventType`` was."""

NAMESPACES = {
    "email": "email",
    "phone": "phone",
    "phone_e.164": "phone",
    "crmid": "user_id",
    "ecid": "adobe_ecid",
    "https://data.adobe.io/entities/namespace/4": "adobe_ecid",
    "aaid": "adobe_visitor_id",
    "https://data.adobe.io/entities/namespace/10": "adobe_visitor_id",
    "tntid": "adobe_target_id",
    "https://data.adobe.io/entities/namespace/9": "adobe_target_id",
}
"""Namespace of an identity, in lower case → kind; hashed ones are no use, others are kinds of their own."""

HITS = {
    "1": "Order Completed",
    "11": "Checkout Started",
    "12": "Product Added",
    "13": "Product Removed",
    "14": "Cart Viewed",
    "2": "Product Viewed",
}
"""Code in ``event_list`` → our name, the most telling first."""
GRANTS: dict[str, Grant] = {"y": "granted", "n": "denied"}
"""Value of a consent somebody gave or refused; defaults and legal grounds are neither."""
UNLINKED = {"10": "Link Clicked", "11": "File Downloaded", "12": "Exit Link Clicked"}
"""``page_event`` of hits that are no page view → our name."""


@dataclass(frozen=True, slots=True)
class Adobe(ShowsSecret):
    """The secret is shown in a header."""

    name: str = "adobe"

    def to_events(self, request: Inbound, *, now: int) -> Parsed:
        """The events of a body: one of the three forms, alone, in a list, or in the envelope of event forwarding.

        Raises
        ------
        Rejected : no JSON.
        """
        document = read_body(request)
        if isinstance(document, dict) and isinstance(document.get("events"), list) and "hitIdHigh" not in document:
            document = document["events"]
        items = document if isinstance(document, list) else [document]
        return read_each(items, lambda item, pointer: _events(item, pointer, now))


ADOBE = Adobe()


def _events(item: Any, pointer: str, received: int) -> Reading:
    if not isinstance(item, dict):
        raise Rejected("an event must be an object", code="bad-shape", pointer=pointer)
    if "hitid_high" in item:
        return _hit(item, pointer, received)
    if "hitIdHigh" in item:
        return _stream(item, pointer, received)
    event = inner(item, "event") or item
    event = inner(event, "xdm") or event
    return _xdm(_bare(event) if any(name.startswith("xdm:") for name in event) else event, received)


def _bare(value: Any) -> Any:
    """Without the prefixes ``xdm:`` and ``schema:`` that some writers give to every name."""
    if isinstance(value, dict):
        return {name.removeprefix("xdm:").removeprefix("schema:"): _bare(one) for name, one in value.items()}
    return [_bare(one) for one in value] if isinstance(value, list) else value


# ---- XDM


def _xdm(event: dict[str, Any], received: int) -> Reading:
    kind = text(event.get("eventType")) or _measured(event)
    consent = _consent(event)
    if not kind and not consent:
        return "XDM: no event, for it has neither type nor measure"
    given = text(event.get("_id")) or text(event.get("@id"))
    at, clock = dated(event.get("timestamp"), received=received)
    name = NAMES.get(kind, kind) or "Consent Updated"
    address, geo = inner(event, "homeAddress"), inner(inner(event, "placeContext"), "geo")
    person = inner(inner(event, "person"), "name")
    return [
        Event(
            id=key("xdm", given or _content(event, received)),
            kind="page" if name == "Page Viewed" else "track" if kind else "consent",
            name=name,
            at=at,
            received=received,
            source="adobe",
            identifiers=_identities(event),
            traits=present(
                {
                    "first_name": text(person.get("firstName")),
                    "last_name": text(person.get("lastName")),
                    "email": text(inner(event, "personalEmail").get("address"), 320),
                    "city": text(address.get("city")),
                    "country": text(address.get("countryCode")),
                }
            ),
            properties=_xdm_properties(event),
            context=clock | ({"country": country} if (country := text(geo.get("countryCode"))) else {}),
            consent=consent,
        )
    ]


def _content(event: dict[str, Any], received: int) -> str:
    """Stands in for an ``_id``. Without a time, a retry and a repetition look the same: each arrival counts."""
    return digest(canonical(event), *(() if event.get("timestamp") else (str(received),)))


def _measured(event: dict[str, Any]) -> str:
    commerce = inner(event, "commerce")
    for measure in MEASURES:
        if inner(commerce, measure):
            return f"commerce.{measure}"
    web = inner(event, "web")
    if inner(inner(web, "webInteraction"), "linkClicks"):
        return "web.webinteraction.linkClicks"
    return "web.webpagedetails.pageViews" if inner(inner(web, "webPageDetails"), "pageViews") else ""


def _xdm_properties(event: dict[str, Any]) -> dict[str, Any]:
    order = inner(inner(event, "commerce"), "order")
    page = inner(inner(event, "web"), "webPageDetails")
    products = [_item(item) for item in objects(event.get("productListItems"))]
    properties = {
        "order_id": text(order.get("purchaseID")),
        "total": money(order.get("priceTotal")),
        "tax": money(order.get("taxAmount")),
        "discount": money(order.get("discountAmount")),
        "currency": text(order.get("currencyCode")),
        "products": products,
        "url": text(page.get("URL"), 2_000),
        "title": text(page.get("name"), 500),
        "referrer": text(inner(inner(event, "web"), "webReferrer").get("URL"), 2_000),
        "link": text(inner(inner(event, "web"), "webInteraction").get("URL"), 2_000),
        "query": text(inner(event, "siteSearch").get("phrase"), 500),
        "tracking_code": text(inner(event, "marketing").get("trackingCode")),
    }
    return present((products[0] if len(products) == 1 and not order else {}) | present(properties))


def _item(item: dict[str, Any]) -> dict[str, Any]:
    category = next(iter(objects(item.get("productCategories"))), {})
    quantity = item.get("quantity")
    return present(
        {
            "product_id": text(item.get("SKU")) or text(item.get("product")),
            "name": text(item.get("name"), 500),
            "category": text(category.get("categoryName") or category.get("categoryID")),
            "price": money(item.get("unitPrice")) or (money(item.get("priceTotal")) if quantity == 1 else None),
            "total": money(item.get("priceTotal")),
            "currency": text(item.get("currencyCode")),
            "quantity": quantity if type(quantity) is int else None,
        }
    )


def _identities(event: dict[str, Any]) -> tuple[Identifier, ...]:
    found: list[Identifier | None] = []
    for namespace, identities in inner(event, "identityMap").items():
        space = namespace.lower()
        if "sha256" in space or "hash" in space:
            continue
        slug = "".join(c if c.isascii() and c.isalnum() else "_" for c in space.rpartition("/")[2])
        kind = NAMESPACES.get(space, f"adobe_{slug[:40]}")
        found += [identifier(kind, one.get("id")) for one in objects(identities)]
    found.append(identifier("email", inner(event, "personalEmail").get("address")))
    return ordered(found)


def _consent(event: dict[str, Any]) -> tuple[ConsentChange, ...]:
    """``consents.marketing.email.val``: ``y`` or ``n``; any other value says nothing."""
    marketing = inner(inner(event, "consents"), "marketing")
    grant = GRANTS.get(text(inner(marketing, "email").get("val")))
    return (ConsentChange("marketing", grant),) if grant else ()


# ---- Hits


def _hit(row: dict[str, Any], pointer: str, received: int) -> Reading:
    """A row of ``hit_data.tsv`` under the names of ``column_headers.tsv``; what processing left is in ``post_…``."""

    def column(name: str, room: int = 2_000) -> str:
        return text(row.get(f"post_{name}"), room) or text(row.get(name), room)

    if text(row.get("exclude_hit")) not in ("", "0"):
        return "hit: excluded by Adobe"
    halves = (required(row, "hitid_high", "a hit", pointer), required(row, "hitid_low", "a hit", pointer))
    codes = column("event_list", 10_000).split(",")
    again = text(row.get("duplicate_purchase")) == "1"
    name = next((HITS[code] for code in HITS if code in codes and not (code == "1" and again)), "")
    name = name or UNLINKED.get(column("page_event"), "Page Viewed")
    products = [_listed(one) for one in column("product_list", 100_000).split(",") if one]
    order = column("purchaseid") or column("transactionid")
    properties: dict[str, Any] = {
        "url": column("page_url"),
        "title": column("pagename"),
        "referrer": column("referrer"),
        "link": column("page_event_var1") if name.endswith("Clicked") else "",
        "products": [product for product in products if product],
        "currency": text(row.get("currency")),
    }
    if name == "Order Completed":
        properties |= {"order_id": order, "total": added(*(product.get("total") for product in products))}
    elif len(products) == 1:
        properties = products[0] | properties
    visitor = [text(row.get(f"post_visid_{half}")) or text(row.get(f"visid_{half}")) for half in ("high", "low")]
    people = ordered(
        [
            identifier("adobe_ecid", column("mcvisid")),
            identifier("adobe_visitor_id", _whole(visitor)),
            identifier("adobe_custom_visitor_id", column("cust_visid")),
        ]
    )
    times = (row.get("cust_hit_time_gmt"), row.get("hit_time_gmt"))
    # Zero is how a feed writes that the site sent no time of its own.
    claims = [time for time in times if (moment(time) or 0) > 0]
    id = key("order", order) if name == "Order Completed" and order else key("hit", *halves)
    return [_seen(name, id, claims, people, properties, received)]


def _stream(hit: dict[str, Any], pointer: str, received: int) -> Reading:
    """A hit of Livestream."""
    halves = (required(hit, "hitIdHigh", "a hit", pointer), required(hit, "hitIdLow", "a hit", pointer))
    if text(inner(hit, "exclude").get("id")) not in ("", "0"):
        return "hit: excluded by Adobe"
    events = inner(hit, "events")
    products = [_streamed(product) for product in objects(hit.get("products"))]
    order = text(hit.get("purchaseId")) or text(hit.get("transactionId"))
    name = "Order Completed" if "purchase" in events else "Product Viewed" if "prodView" in events else "Page Viewed"
    properties: dict[str, Any] = {
        "url": text(hit.get("pageURL"), 2_000),
        "title": text(hit.get("pageName"), 500),
        "referrer": text(hit.get("referrer"), 2_000),
        "products": products,
        "currency": text(hit.get("currency")),
    }
    if name == "Order Completed":
        properties |= {"order_id": order, "total": added(*(product.get("total") for product in products))}
    people = ordered(
        [
            identifier("adobe_ecid", hit.get("mcVisId")),
            identifier("adobe_visitor_id", _whole([text(hit.get("visIdHigh")), text(hit.get("visIdLow"))])),
            identifier("adobe_custom_visitor_id", hit.get("customVisId")),
        ]
    )
    id = key("order", order) if name == "Order Completed" and order else key("hit", *halves)
    return [_seen(name, id, [hit.get("timeGMT"), hit.get("receivedTimeGMT")], people, properties, received)]


def _seen(
    name: str, id: str, times: list[Any], people: tuple[Identifier, ...], properties: dict[str, Any], received: int
) -> Event:
    at, clock = dated(*times, received=received)
    return Event(
        id=id,
        kind="page" if name == "Page Viewed" else "track",
        name=name,
        at=at,
        received=received,
        source="adobe",
        identifiers=people,
        properties=present(properties),
        context=clock,
    )


def _whole(halves: list[str]) -> str | None:
    """A visitor id of 128 bits from its two decimal halves; both zero is none."""
    return "_".join(halves) if all(halves) and any(half.strip("0") for half in halves) else None


def _listed(entry: str) -> dict[str, Any]:
    """``Category;Product;Quantity;Total;…`` of a product list."""
    category, name, quantity, total = [*(part.strip() for part in entry.split(";")), "", "", "", ""][:4]
    return present(
        {
            "product_id": text(name),
            "name": text(name, 500),
            "category": text(category),
            "quantity": int(quantity) if quantity.isdecimal() and len(quantity) < 10 else None,
            "total": money(total),
        }
    )


def _streamed(product: dict[str, Any]) -> dict[str, Any]:
    units = product.get("units")
    return present(
        {
            "product_id": text(product.get("name")),
            "name": text(product.get("name"), 500),
            "category": text(product.get("category")),
            "quantity": units if type(units) is int else None,
            "total": money(product.get("revenue")),
        }
    )
