"""Google Analytics 4: bodies of the Measurement Protocol, and rows of its BigQuery export.

Contract: "Measurement Protocol (Google Analytics 4)" and "[GA4] BigQuery Export schema". GA4 calls nobody by itself: a
server-side tag posts to us what it posts to Google, showing the secret as ``api_secret`` as it does there. A row is
told by visitor, time, name and bundle; a purchase by its transaction; what has neither time nor number counts each
time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from tailor.kernel.document import canonical, inner
from tailor.kernel.errors import Rejected
from tailor.kernel.event import Event, Identifier, Kind
from tailor.kernel.inbound import Inbound, Parsed
from tailor.kernel.items import Reading, read_each
from tailor.kernel.keys import digest
from tailor.kernel.proof import check_shown
from tailor.kernel.values import dated, key, money, objects, present, read_body, text
from tailor.rules.identity import identifier, ordered

NAMES = {
    "page_view": "Page Viewed",
    "screen_view": "Screen Viewed",
    "view_item": "Product Viewed",
    "view_item_list": "Product List Viewed",
    "select_item": "Product Clicked",
    "add_to_cart": "Product Added",
    "remove_from_cart": "Product Removed",
    "add_to_wishlist": "Product Added to Wishlist",
    "view_cart": "Cart Viewed",
    "begin_checkout": "Checkout Started",
    "add_shipping_info": "Checkout Step Completed",
    "add_payment_info": "Payment Info Entered",
    "purchase": "Order Completed",
    "in_app_purchase": "Order Completed",
    "refund": "Order Refunded",
    "view_promotion": "Promotion Viewed",
    "select_promotion": "Promotion Clicked",
    "search": "Products Searched",
    "view_search_results": "Products Searched",
    "sign_up": "Signed Up",
    "login": "Signed In",
}
"""GA4's event → ours; others keep their names."""
ONE_PRODUCT = frozenset({"view_item", "select_item", "add_to_cart", "remove_from_cart", "add_to_wishlist"})
"""Events about a product, whose fields become their properties."""
ORDERS = frozenset({"purchase", "in_app_purchase", "refund"})
TOTALS = ORDERS | {"view_cart", "begin_checkout", "add_shipping_info", "add_payment_info"}
"""Events whose ``value`` is that of all there is in the cart or order."""

PARAMETERS = {
    "transaction_id": "order_id",
    "page_location": "url",
    "page_title": "title",
    "page_referrer": "referrer",
    "search_term": "query",
    "item_list_id": "list_id",
    "item_list_name": "category",
    "promotion_name": "name",
    "creative_name": "creative",
    "creative_slot": "position",
    "payment_type": "payment_method",
    "shipping_tier": "shipping_method",
}
"""GA4's parameter → our property; others keep their names."""
ITEM = {
    "item_id": "product_id",
    "item_name": "name",
    "item_brand": "brand",
    "item_category": "category",
    "item_variant": "variant",
    "item_list_id": "list_id",
    "index": "position",
}
MONEY = frozenset({"value", "tax", "shipping", "price", "discount", "purchase_revenue", "refund_value"})


class Hit(NamedTuple):
    """One event in either form: its name and times, who it is about, and its parameters, items and user properties."""

    name: str
    times: tuple[Any, ...]
    people: tuple[Identifier, ...]
    parameters: Mapping[str, Any]
    items: list[dict[str, Any]]
    traits: dict[str, Any]
    context: dict[str, Any]
    repeat: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ga4:
    """The secret is shown as ``api_secret`` in the query, or in a header."""

    name: str = "ga4"
    signed: bool = True

    def verify(self, request: Inbound, secret: bytes, *, now: int) -> None:
        """Check the secret.

        Raises
        ------
        Rejected : missing or wrong (401).
        """
        check_shown(request, secret, parameter="api_secret")

    def to_events(self, request: Inbound, *, now: int) -> Parsed:
        """The events of one Measurement Protocol body, or of one export row or a list of them.

        Raises
        ------
        Rejected : no JSON, or neither form.
        """
        document = read_body(request)
        if isinstance(document, dict) and isinstance(document.get("events"), list):
            # Each event goes into quarantine in a body of its own, so that it can be read again.
            alone = [document | {"events": [event]} for event in document["events"]]
            return read_each(
                alone, lambda body, pointer: _event(_protocol(body, pointer), pointer, now), pointer="/events"
            )
        rows = document if isinstance(document, list) else [document]
        return read_each(rows, lambda row, pointer: _event(_row(row, pointer), pointer, now))


GA4 = Ga4()


def _protocol(body: dict[str, Any], pointer: str) -> Hit:
    """The one event of a body."""
    [event] = body["events"]
    if not isinstance(event, dict):
        raise Rejected("an event must be an object", code="bad-shape", pointer=pointer)
    parameters = inner(event, "params")
    times = (event.get("timestamp_micros"), body.get("timestamp_micros"))
    properties = inner(body, "user_properties")
    return Hit(
        _name(event.get("name"), pointer),
        times,
        _people(body.get("user_id"), body.get("client_id"), body.get("app_instance_id")),
        {name: value for name, value in parameters.items() if name != "items"},
        objects(parameters.get("items")),
        {name: one["value"] for name, one in properties.items() if isinstance(one, dict) and _plain(one.get("value"))},
        {"consent": consent} if (consent := inner(body, "consent")) else {},
        (),
    )


def _row(row: Any, pointer: str) -> Hit:
    if not isinstance(row, dict) or "event_name" not in row:
        raise Rejected(
            "neither a Measurement Protocol body ('events') nor an export row ('event_name')",
            code="bad-shape",
            pointer=pointer,
        )
    commerce = inner(row, "ecommerce")
    bought = {
        "transaction_id": _given(commerce.get("transaction_id")),
        "value": commerce.get("purchase_revenue", commerce.get("refund_value")),
        "tax": commerce.get("tax_value"),
        "shipping": commerce.get("shipping_value"),
    }
    told = ("event_timestamp", "event_name", "event_bundle_sequence_id", "batch_event_index")
    app = text(row.get("platform")) in ("ANDROID", "IOS")
    visitor = row.get("user_pseudo_id")
    return Hit(
        _name(row.get("event_name"), pointer),
        (row.get("event_timestamp"),),
        _people(row.get("user_id"), None if app else visitor, visitor if app else None),
        present(bought) | _values(row.get("event_params")),
        objects(row.get("items")),
        _values(row.get("user_properties")),
        {"consent": privacy} if (privacy := inner(row, "privacy_info")) else {},
        (text(visitor) or text(row.get("user_id")), *(text(row.get(part)) for part in told)),
    )


def _event(hit: Hit, pointer: str, received: int) -> Reading:
    if not hit.people:
        raise Rejected("nobody is named: give 'client_id' or 'user_id'", code="no-identity", pointer=pointer)
    products = [_product(item) for item in hit.items]
    properties = {PARAMETERS.get(name, name): _value(name, value) for name, value in hit.parameters.items()}
    if hit.name in TOTALS and "value" in properties:
        properties["total"] = properties.pop("value")
    if hit.name in ONE_PRODUCT and products:
        properties = products[0] | properties
    if products:
        properties["products"] = products
    at, clock = dated(*hit.times, received=received)
    order = text(properties.get("order_id"))
    if hit.name in ORDERS and order:
        id = key("refund" if hit.name == "refund" else "order", order)
    elif hit.repeat:
        id = digest(*hit.repeat)
    else:
        timed = any(hit.times)
        content = canonical([hit.name, dict(hit.parameters), hit.items, hit.times])
        id = digest(*(one.value for one in hit.people), content, *(() if timed else (str(received), pointer)))
    kind = {"page_view": "page", "screen_view": "screen"}.get(hit.name, "track")
    return [
        Event(
            id=id,
            kind=cast(Kind, kind),
            name=NAMES.get(hit.name, hit.name),
            at=at,
            received=received,
            source="ga4",
            identifiers=hit.people,
            traits=hit.traits,
            properties=present(properties),
            context=clock | hit.context,
        )
    ]


def _name(value: Any, pointer: str) -> str:
    if not (found := text(value, 100)):
        raise Rejected("the event has no name", code="bad-name", pointer=f"{pointer}/name")
    return found


def _people(user: Any, client: Any, app: Any) -> tuple[Identifier, ...]:
    return ordered(
        [
            identifier("user_id", user),
            identifier("ga_client_id", client),
            identifier("ga_app_instance_id", app),
        ]
    )


def _values(pairs: Any) -> dict[str, Any]:
    """``[{"key": …, "value": {"int_value": "7"}}]`` as plain values; JSON exports write whole numbers as text."""
    found: dict[str, Any] = {}
    for pair in objects(pairs):
        name, value = text(pair.get("key")), inner(pair, "value")
        for kind in ("string_value", "int_value", "float_value", "double_value"):
            one: Any = value.get(kind)
            if name and _plain(one):
                whole = kind == "int_value" and isinstance(one, str) and len(one) < 20 and one.lstrip("-").isdecimal()
                found[name] = int(one) if whole else one
    return found


def _plain(value: Any) -> bool:
    return isinstance(value, (str, int, float, bool))


def _value(name: str, value: Any) -> Any:
    return (money(value) or value) if name in MONEY else text(value) or value if name == "transaction_id" else value


def _given(value: Any) -> Any:
    return None if value == "(not set)" else value


def _product(item: dict[str, Any]) -> dict[str, Any]:
    product = {ITEM.get(name, name): _value(name, _given(value)) for name, value in item.items() if _plain(value)}
    if "price" not in product and (price := money(item.get("price_in_usd"))):
        product["price"] = price
    if (quantity := text(item.get("quantity"), 9)).isdecimal():
        product["quantity"] = int(quantity)
    if "product_id" in product:
        product["product_id"] = text(product["product_id"])
    return present(product)
