"""Tealium: events and visitors of the Customer Data Hub, by its webhook connectors.

Contract: Tealium's "Webhook connector" and Data Layer documentation. The customer shapes the webhook: it may post JSON,
post a form with the JSON in ``data``, or get a URL with it in ``data``. Nothing is signed: the secret goes into a
header, Basic, or ``secret`` in the query. Events have no id: visitor, session, number and time tell a repeat.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import unquote

from tailor.kernel.document import canonical, read_json
from tailor.kernel.errors import Rejected
from tailor.kernel.event import ConsentChange, Event, Identifier, Kind
from tailor.kernel.inbound import Inbound, Parsed
from tailor.kernel.items import Reading, read_each
from tailor.kernel.keys import digest
from tailor.kernel.proof import check_shown
from tailor.kernel.values import dated, key, moment, money, present, purpose_of, read_body, read_form, text
from tailor.rules.identity import identifier, ordered

RECORDS = 100

NAMES = {
    "view": "Page Viewed",
    "page_view": "Page Viewed",
    "screen_view": "Screen Viewed",
    "product_view": "Product Viewed",
    "category_view": "Product List Viewed",
    "cart_add": "Product Added",
    "cart_remove": "Product Removed",
    "cart_view": "Cart Viewed",
    "cart_empty": "Cart Emptied",
    "checkout": "Checkout Started",
    "purchase": "Order Completed",
    "wishlist_add": "Product Added to Wishlist",
    "search": "Products Searched",
    "user_register": "Signed Up",
    "user_login": "Signed In",
}
"""``tealium_event`` → our name; others keep theirs."""

PRODUCT = {
    "product_id": "product_id",
    "product_sku": "sku",
    "product_name": "name",
    "product_list": "name",
    "product_brand": "brand",
    "product_category": "category",
    "product_variant": "variant",
    "product_price": "price",
    "product_unit_price": "price",
    "product_quantity": "quantity",
}
"""Parallel lists of the data layer → field of a product."""

ORDER = {
    "order_id": "order_id",
    "order_total": "total",
    "order_grand_total": "total",
    "order_subtotal": "revenue",
    "order_tax_amount": "tax",
    "order_tax": "tax",
    "order_shipping_amount": "shipping",
    "order_shipping": "shipping",
    "order_discount_amount": "discount",
    "order_currency": "currency",
    "order_currency_code": "currency",
    "order_coupon_code": "coupon",
    "page_name": "title",
    "page_url": "url",
    "dom.url": "url",
    "dom.title": "title",
    "dom.referrer": "referrer",
    "search_keyword": "query",
}
"""Variable → property."""
MONEY = frozenset({"total", "revenue", "tax", "shipping", "discount"})

TRAITS = {
    "customer_first_name": "first_name",
    "customer_last_name": "last_name",
    "customer_email": "email",
    "customer_phone": "phone",
    "customer_city": "city",
    "customer_state": "state",
    "customer_country": "country",
    "customer_postal_code": "postal_code",
    "customer_zip": "postal_code",
}

CATEGORIES = {
    "c1": "analytics",
    "c2": "affiliates",
    "c3": "display-ads",
    "c4": "search",
    "c5": "marketing",
    "c6": "personalization",
    "c7": "social",
    "c8": "big-data",
    "c9": "misc",
    "c10": "cookie-match",
    "c11": "cdp",
    "c12": "mobile",
    "c13": "engagement",
    "c14": "monitoring",
    "c15": "crm",
}
"""Category of the consent manager → purpose; c5 is e-mail."""


@dataclass(frozen=True, slots=True)
class Tealium:
    """The secret is shown in a header, or as ``secret`` in the query."""

    name: str = "tealium"
    signed: bool = True

    def verify(self, request: Inbound, secret: bytes, *, now: int) -> None:
        """Check the secret.

        Raises
        ------
        Rejected : missing or wrong (401).
        """
        check_shown(request, secret, parameter="secret")

    def to_events(self, request: Inbound, *, now: int) -> Parsed:
        """The events of a request: one record, or a list of up to a hundred.

        Raises
        ------
        Rejected : no JSON in any of the three places, or too much of it.
        """
        document = _document(request)
        records = document if isinstance(document, list) else [document]
        if len(records) > RECORDS:
            raise Rejected(f"{len(records)} records at once, the limit is {RECORDS}", code="too-large", status=413)
        return read_each(records, lambda record, pointer: _events(record, pointer, request, now))


TEALIUM = Tealium()


def _document(request: Inbound) -> Any:
    if not request.body and "data" in request.query:
        return read_json(request.query["data"].encode("utf-8", "surrogatepass"))
    if request.body.lstrip()[:1] in (b"{", b"["):
        return read_body(request)
    if (data := read_form(request).get("data")) is None:
        raise Rejected("the body is neither JSON nor a form with 'data'", code="bad-shape")
    return read_json(data.encode())


def _events(record: Any, pointer: str, request: Inbound, received: int) -> Reading:
    if not isinstance(record, dict):
        raise Rejected("a record must be an object", code="bad-shape", pointer=pointer)
    named = text(record.get("tealium_event"), 100) or text(record.get("event"), 100)
    at, clock = dated(record.get("tealium_timestamp_epoch"), record.get("timestamp"), received=received)
    people = _people(record)
    traits = _traits(record)
    if not named and record.get("lifecycle_type"):
        named = f"lifecycle_{text(record['lifecycle_type'], 80)}"
    if not named and not (people and traits):
        return "it is no event, and says nothing about a visitor"
    name = NAMES.get(named, named) or "Identify"
    kind = {"Identify": "identify", "Page Viewed": "page", "Screen Viewed": "screen"}.get(name, "track")
    properties = _properties(record, name)
    order = text(properties.get("order_id"))
    events = [
        Event(
            id=key("order", order) if name == "Order Completed" and order else _id(record, named, received),
            kind=cast(Kind, kind),
            name=name,
            at=at,
            received=received,
            source="tealium",
            identifiers=people,
            traits=traits,
            properties=properties,
            context=clock,
        )
    ]
    return [*events, *_consent(record, people, request, received)] if people else events


def _id(record: dict[str, Any], name: str, received: int) -> str:
    """A digest of what a repeat repeats. Without a time, retry and repetition look the same: each arrival counts."""
    parts = ("tealium_visitor_id", "tealium_session_id", "tealium_session_event_number", "tealium_timestamp_epoch")
    told = [text(record.get(part)) or repr(record.get(part)) for part in (*parts, "tealium_random", "timestamp")]
    content = canonical(record) if not record.get("tealium_random") else ""
    timed = record.get("tealium_timestamp_epoch") or record.get("timestamp")
    return digest(name, *told, content, *(() if timed else (str(received),)))


def _people(record: dict[str, Any]) -> tuple[Identifier, ...]:
    return ordered(
        [
            identifier("user_id", record.get("customer_id")),
            identifier("email", record.get("customer_email") or record.get("email")),
            identifier("phone", record.get("customer_phone")),
            identifier("tealium_visitor_id", record.get("tealium_visitor_id") or record.get("visitor_id")),
        ]
    )


def _traits(record: dict[str, Any]) -> dict[str, Any]:
    """What the data layer says of the customer, and the audiences the visitor is in."""
    traits = {ours: text(record.get(theirs), 320) for theirs, ours in TRAITS.items() if theirs in record}
    first, _, last = text(record.get("customer_full_name")).partition(" ")
    if first and not {"first_name", "last_name"} & traits.keys():
        traits |= {"first_name": first, "last_name": last.strip()}
    prefix = "va.audiences."
    flat = {name.removeprefix(prefix): one for name, one in record.items() if name.startswith(prefix)}
    audiences = record.get("audiences", record.get("va.audiences"))
    joined = audiences if isinstance(audiences, dict) else flat
    names = [one if isinstance(one, str) else name for name, one in joined.items() if one]
    if isinstance(audiences, list):
        names = [text(one) for one in audiences]
    return present(traits | {"tealium_audiences": sorted(name for name in names if name)})


def _properties(record: dict[str, Any], name: str) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for theirs, ours in ORDER.items():
        if (value := record.get(theirs)) is None:
            continue
        value = value[0] if isinstance(value, list) and value else value
        found = money(value) if ours in MONEY else text(value, 2_000)
        if found:
            properties.setdefault(ours, found)
    products = _products(record)
    if len(products) == 1 and name.startswith("Product "):
        properties = products[0] | properties
    return properties | ({"products": products} if products else {})


def _products(record: dict[str, Any]) -> list[dict[str, Any]]:
    """One product for each place in the parallel lists; a list that is shorter has nothing to say of the rest."""
    products: list[dict[str, Any]] = []
    for theirs, ours in PRODUCT.items():
        if (values := record.get(theirs)) is None:
            continue
        for index, value in enumerate(values if isinstance(values, list) else [values]):
            found: Any = money(value) if ours == "price" else text(value, 500)
            if ours == "quantity":
                found = int(found) if found.isdecimal() and len(found) < 10 else None
            if found not in (None, ""):
                products += [{} for _ in range(index + 1 - len(products))]
                products[index].setdefault(ours, found)
    return [product for product in products if product]


def _consent(record: dict[str, Any], people: tuple[Identifier, ...], request: Inbound, received: int) -> list[Event]:
    """``cp.CONSENTMGR``: ``c1:1|c5:0|ts:1489432102000|consent:true``, a cookie that every event repeats.

    It is the choice made at its ``ts``; without one nobody knows when it was made, and it changes nothing.
    """
    cookie = unquote(text(record.get("cp.CONSENTMGR") or record.get("CONSENTMGR"), 2_000))
    if not cookie:
        return []
    fields = dict(part.partition(":")[::2] for part in cookie.split("|"))
    chosen = moment(fields.get("ts"))
    changes = []
    for category, value in fields.items():
        if category in CATEGORIES and value in ("0", "1"):
            asked = f"purpose.{category}" in request.query
            purpose, topic = purpose_of(request, category) if asked else (CATEGORIES[category], "")
            changes.append(ConsentChange(purpose, "granted" if value == "1" else "denied", topic))
    if chosen is None or not changes:
        return []
    at, clock = dated(chosen, received=received)
    return [
        Event(
            id=digest("consent", *(one.value for one in people), cookie),
            kind="consent",
            name="Consent Updated",
            at=at,
            received=received,
            source="tealium",
            identifiers=people,
            context=clock | {"consent": {"cookie": "CONSENTMGR"}},
            consent=tuple(changes),
        )
    ]
