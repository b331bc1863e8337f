"""WooCommerce: orders and customers of a shop, by its webhooks.

Contract: WooCommerce's ``WC_Webhook`` and REST API v3. Numbers are those of one shop (its address comes in
``X-WC-Webhook-Source``). ``Delivery-ID`` is not unique: a repeat is told by resource, time of change and content.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import unescape
from typing import Any, NamedTuple

from tailor.kernel.document import canonical, inner
from tailor.kernel.errors import Rejected
from tailor.kernel.event import Event, Identifier
from tailor.kernel.inbound import Inbound, Parsed
from tailor.kernel.items import Reading, read_one, unused
from tailor.kernel.keys import digest
from tailor.kernel.proof import same, signature, unproved
from tailor.kernel.values import dated, key, label, money, objects, present, read_body, required, text
from tailor.rules.identity import identifier, ordered

HEADERS = ("x-wc-webhook-topic", "x-wc-webhook-source")
"""Headers that say what a body is about."""

ORDERS = {
    "processing": "Order Completed",
    "completed": "Order Completed",
    "on-hold": "Order Completed",
    "pending": "Checkout Started",
    "checkout-draft": "Checkout Started",
    "failed": "Payment Failed",
    "cancelled": "Order Cancelled",
    "refunded": "Order Completed",
}
"""Status → what has happened; on hold is an order whose money is still on its way. Refunds come by the list of them."""

CHANGED = ("date_modified_gmt", "date_created_gmt")
TIMES = {"Order Completed": ("date_paid_gmt", "date_created_gmt"), "Checkout Started": ("date_created_gmt",)}
"""What has happened → the fields that may say when, the best first; of anything else :data:`CHANGED`."""

IGNORED = {
    "customer.deleted": "an account that is deleted has not asked for erasure",
    "order.deleted": "an order in the waste bin is not a cancelled one",
}


class Notice(NamedTuple):
    """One webhook: its topic, the shop, and the resource it is about."""

    topic: str
    shop: str
    resource: dict[str, Any]
    received: int

    def id(self) -> str:
        """The number of the resource, with the shop."""
        return key(self.shop, required(self.resource, "id", self.topic))

    def repeatable(self) -> str:
        """The dedupe key of what may happen to one resource many times."""
        content = digest(canonical(self.resource), size=10)
        return key(self.topic, self.id(), text(self.resource.get("date_modified_gmt")), content)


@dataclass(frozen=True, slots=True)
class WooCommerce:
    """``X-WC-Webhook-Signature`` is the base64 HMAC-SHA256 of the raw body."""

    name: str = "woocommerce"
    signed: bool = True

    def verify(self, request: Inbound, secret: bytes, *, now: int) -> None:
        """Check the signature; there is no time in it.

        Raises
        ------
        Rejected : missing or wrong (401).
        """
        expected = signature(secret, request.body, base64=True)
        if not same(expected, request.headers.get("x-wc-webhook-signature", "")):
            raise unproved("X-WC-Webhook-Signature is not the signature of this body: check the webhook's secret")

    def to_events(self, request: Inbound, *, now: int) -> Parsed:
        """The events of one webhook: an order may bring refunds with it.

        Raises
        ------
        Rejected : no topic, or a body that is no JSON object.
        """
        topic = request.headers.get("x-wc-webhook-topic", "")
        if greeting := greets(request):
            return Parsed(ignored=[greeting])
        if not topic:
            raise Rejected("X-WC-Webhook-Topic is missing: nothing says what this is", code="no-topic")
        resource = read_body(request)
        if not isinstance(resource, dict):
            raise Rejected("the body must be one resource", code="bad-shape")
        shop = request.headers.get("x-wc-webhook-source", "").partition("://")[2].strip("/")
        notice = Notice(topic, text(shop), resource, now)
        return read_one({"topic": topic, "shop": notice.shop, "body": resource}, lambda _: _events(notice))


WOOCOMMERCE = WooCommerce()


def greets(request: Inbound) -> str:
    """Why a request is only a trial of the door: a new webhook posts the form ``webhook_id=N``, unsigned."""
    body = request.body[:40]
    return "a new webhook tried the door" if body.startswith(b"webhook_id=") and body[11:].isdigit() else ""


def _events(notice: Notice) -> Reading:
    match notice.topic:
        case "order.created" | "order.updated" | "order.restored":
            return _order(notice)
        case "customer.created" | "customer.updated":
            return [_customer(notice)]
        case topic:
            return unused(topic, IGNORED)


def _order(notice: Notice) -> Reading:
    """What the status says has happened, and one event for each refund."""
    order = notice.resource
    status = text(order.get("status"))
    name = ORDERS.get(status)
    if name is None:
        return f"{notice.topic}: nothing here uses an order that is {label(status)}"
    number = notice.id()
    order_id = text(order["id"])
    buyer = _people(notice, order)
    properties = _purchase(order)
    properties["order_id"] = order_id
    events = [
        _event(
            notice,
            name,
            key(name.lower().replace(" ", "-"), number),
            [order.get(field) for field in TIMES.get(name, CHANGED)],
            ordered([*buyer, identifier("woocommerce_order_id", number)]) if buyer else (),
            properties=properties,
            traits=_traits(inner(order, "billing")) if name == "Order Completed" else {},
        )
    ]
    for refund in objects(order.get("refunds")):
        given = {
            "order_id": order_id,
            "total": (money(refund.get("total")) or "").lstrip("-"),
            "currency": text(order.get("currency")),
            "reason": text(refund.get("reason"), 500),
        }
        id = key("refund", number, required(refund, "id", "a refund", "/refunds"))
        events.append(
            _event(
                notice, "Order Refunded", id, at=(order.get("date_modified_gmt"),), who=buyer, properties=present(given)
            )
        )
    return events


def _customer(notice: Notice) -> Event:
    customer = notice.resource
    billing = inner(customer, "billing")
    traits = _traits(billing) | present(
        {part: text(customer.get(part), 320) for part in ("first_name", "last_name", "email")}
    )
    times = (customer.get("date_modified_gmt"), customer.get("date_created_gmt"))
    who = _people(notice, {"customer_id": customer.get("id"), "billing": {**billing, "email": customer.get("email")}})
    return _event(notice, "Identify", notice.repeatable(), times, who, kind="identify", traits=traits)


def _event(notice: Notice, name: str, id: str, at: Sequence[Any], who: tuple[Identifier, ...], **more: Any) -> Event:
    moment, clock = dated(*at, received=notice.received)
    return Event(
        id=id,
        kind=more.pop("kind", "track"),
        name=name,
        at=moment,
        received=notice.received,
        source="woocommerce",
        identifiers=who,
        context=clock | ({"shop": notice.shop} if notice.shop else {}),
        **more,
    )


def _people(notice: Notice, order: dict[str, Any]) -> tuple[Identifier, ...]:
    """Customer 0 is a guest; numbers of customers are those of one shop."""
    billing = inner(order, "billing")
    customer = identifier("woocommerce_customer_id", order.get("customer_id"))
    return ordered(
        [
            Identifier(customer.kind, key(notice.shop, customer.value)) if customer else None,
            identifier("email", billing.get("email")),
            identifier("phone", billing.get("phone")),
        ]
    )


def _traits(billing: dict[str, Any]) -> dict[str, Any]:
    return present(
        {
            "first_name": text(billing.get("first_name")),
            "last_name": text(billing.get("last_name")),
            "email": text(billing.get("email"), 320),
            "phone": text(billing.get("phone")),
            "company": text(billing.get("company")),
            "city": text(billing.get("city")),
            "state": text(billing.get("state")),
            "country": text(billing.get("country")),
            "postal_code": text(billing.get("postcode")),
        }
    )


def _purchase(order: dict[str, Any]) -> dict[str, Any]:
    coupons = objects(order.get("coupon_lines"))
    return present(
        {
            "total": money(order.get("total")),
            "shipping": money(order.get("shipping_total")),
            "tax": money(order.get("total_tax")),
            "discount": money(order.get("discount_total")),
            "currency": text(order.get("currency")),
            "coupon": text(coupons[0].get("code")) if coupons else "",
            "products": [_product(line) for line in objects(order.get("line_items"))],
        }
    )


def _product(line: dict[str, Any]) -> dict[str, Any]:
    """Names come with HTML entities, as the shop's pages show them."""
    return present(
        {
            "product_id": text(line.get("product_id")),
            "sku": text(line.get("sku")),
            "name": unescape(text(line.get("name"), 500)),
            "variant": text(line.get("variation_id")) if line.get("variation_id") else "",
            "price": money(line.get("price")),
            "quantity": line.get("quantity") if type(line.get("quantity")) in (int, float) else None,
        }
    )
