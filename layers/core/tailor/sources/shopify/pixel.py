"""What visitors of a Shopify shop do, as its web pixels tell it: the part of :mod:`tailor.sources.shopify` for them.

Contract: Shopify's "Web Pixels API", standard events. A pixel runs in the browser and can sign nothing; a relay of the
shop signs what it forwards as Shopify signs webhooks. The visitor is ``clientId``; a purchase has the number of its
order, so that the pixel and the webhook tell of one.
"""

from __future__ import annotations

from typing import Any

from tailor.kernel.document import inner
from tailor.kernel.event import Event, Identifier
from tailor.kernel.items import Reading, unused
from tailor.kernel.values import dated, key, money, objects, present, required, text
from tailor.rules.identity import identifier, ordered

NAMES = {
    "page_viewed": "Page Viewed",
    "product_viewed": "Product Viewed",
    "collection_viewed": "Product List Viewed",
    "search_submitted": "Products Searched",
    "cart_viewed": "Cart Viewed",
    "product_added_to_cart": "Product Added",
    "product_removed_from_cart": "Product Removed",
    "checkout_started": "Checkout Started",
    "checkout_contact_info_submitted": "Checkout Step Completed",
    "checkout_address_info_submitted": "Checkout Step Completed",
    "checkout_shipping_info_submitted": "Checkout Step Completed",
    "payment_info_submitted": "Payment Info Entered",
    "checkout_completed": "Order Completed",
}
"""Standard event → our name; custom events keep theirs, others say nothing about a person."""


def told_by_pixel(document: dict[str, Any]) -> bool:
    """Whether a body is an event of a pixel, and not a resource of a webhook."""
    return "clientId" in document and isinstance(document.get("name"), str) and "data" in document


def events(document: dict[str, Any], received: int) -> Reading:
    """The event of one body.

    Raises
    ------
    Rejected : it has no ``id``.
    """
    theirs = text(document.get("name"))
    custom = document.get("type") == "custom"
    name = theirs if custom else NAMES.get(theirs, "")
    if not name:
        return unused(theirs)
    data = inner(document, "data")
    checkout = inner(data, "checkout")
    order = text(inner(checkout, "order").get("id")).rpartition("/")[2]
    bought = name == "Order Completed" and order
    at, clock = dated(document.get("timestamp"), received=received)
    page = inner(inner(document, "context"), "document")
    seen = {"url": text(inner(page, "location").get("href"), 2_000), "title": text(page.get("title"), 500)}
    return [
        Event(
            id=key("order", order) if bought else key("pixel", required(document, "id", theirs)),
            kind="page" if name == "Page Viewed" else "track",
            name=name,
            at=at,
            received=received,
            source="shopify",
            identifiers=_people(document, checkout),
            properties=_properties(theirs, data, checkout) | present({"order_id": order}),
            context=clock | present({"page": present(seen)}),
        )
    ]


def checkout_of(token: Any) -> Identifier | None:
    """A checkout ties the visitor who filled it in to the buyer of the order."""
    return identifier("shopify_checkout", token if isinstance(token, str) else None)


def _people(document: dict[str, Any], checkout: dict[str, Any]) -> tuple[Identifier, ...]:
    customer = inner(inner(checkout, "order"), "customer")
    number = text(customer.get("id")).rpartition("/")[2]
    return ordered(
        [
            identifier("shopify_customer_id", number),
            identifier("email", checkout.get("email")),
            identifier("phone", checkout.get("phone")),
            checkout_of(checkout.get("token")),
            identifier("anonymous_id", document.get("clientId")),
        ]
    )


def _properties(theirs: str, data: dict[str, Any], checkout: dict[str, Any]) -> dict[str, Any]:
    if checkout:
        return _checkout(theirs, checkout)
    cart, line, collection = inner(data, "cart"), inner(data, "cartLine"), inner(data, "collection")
    found = inner(data, "searchResult")
    variant = inner(data, "productVariant") or inner(line, "merchandise")
    one = _product(variant, line.get("quantity")) if variant else {}
    listed = [_product(item, None) for item in objects((collection or found).get("productVariants"))]
    lines = [_product(inner(item, "merchandise"), item.get("quantity")) for item in objects(cart.get("lines"))]
    return present(
        {
            **one,
            "cart_id": text(cart.get("id")),
            "list_id": text(collection.get("id")),
            "query": text(found.get("query"), 500),
            "products": [product for product in listed or lines if product],
        }
    )


def _checkout(theirs: str, checkout: dict[str, Any]) -> dict[str, Any]:
    lines = [_product(inner(line, "variant"), line.get("quantity")) for line in objects(checkout.get("lineItems"))]
    step = theirs.removeprefix("checkout_").removesuffix("_submitted")
    return present(
        {
            "checkout_id": text(checkout.get("token")),
            "step": step if NAMES.get(theirs) == "Checkout Step Completed" else "",
            "total": _amount(checkout.get("totalPrice")),
            "revenue": _amount(checkout.get("subtotalPrice")),
            "shipping": _amount(inner(checkout, "shippingLine").get("price")),
            "tax": _amount(checkout.get("totalTax")),
            "discount": _amount(checkout.get("discountsAmount")),
            "currency": text(checkout.get("currencyCode")),
            "products": [product for product in lines if product],
        }
    )


def _product(variant: dict[str, Any], quantity: Any) -> dict[str, Any]:
    """A variant in the words of the e-commerce specification; "Default Title" is one without a name of its own."""
    product = inner(variant, "product")
    named = text(variant.get("title"), 500)
    return present(
        {
            "product_id": text(product.get("id")),
            "sku": text(variant.get("sku")),
            "name": text(product.get("title"), 500),
            "category": text(product.get("type")),
            "brand": text(product.get("vendor")),
            "variant": "" if named == "Default Title" else named,
            "price": _amount(variant.get("price")),
            "currency": text(inner(variant, "price").get("currencyCode")),
            "url": text(product.get("url"), 2_000),
            "quantity": quantity if type(quantity) is int else None,
        }
    )


def _amount(value: Any) -> str | None:
    return money(value.get("amount")) if isinstance(value, dict) else None
