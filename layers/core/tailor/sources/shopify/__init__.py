"""Shopify: webhooks of a shop, signed with the app's secret.

Contract: Shopify's webhook documentation and REST resources; header names come with and without ``X-``. Where a relay
drops the headers, the topic may stand in the query, also as ``orders_create``.
"""

from __future__ import annotations

import hmac
from base64 import b64encode
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from tailor.kernel.document import canonical, inner, not_after, read_instant, read_object
from tailor.kernel.errors import Rejected
from tailor.kernel.event import ConsentChange, Event, Grant, Identifier
from tailor.kernel.inbound import Inbound, Parsed
from tailor.kernel.instants import iso
from tailor.kernel.items import read_one
from tailor.kernel.keys import digest
from tailor.kernel.values import money, objects
from tailor.rules.identity import identifier, ordered
from tailor.sources.shopify import pixel

GRANTS: dict[str, Grant] = {"subscribed": "granted", "pending": "pending", "unsubscribed": "withdrawn"}
"""``email_marketing_consent.state`` → grant; ``not_subscribed``, ``redacted`` and ``invalid`` say nothing."""

HEADERS = tuple(
    f"{prefix}shopify-{name}"
    for prefix in ("x-", "")
    for name in ("topic", "shop-domain", "event-id", "triggered-at", "test")
)
"""Headers that say what a body is about."""

IGNORED = {
    "customers_marketing_consent/update": "it is about text messages, Tailor sends none",
    "shop/redact": "shop/redact concerns a whole shop: erase the people of this source by hand",
}


class Notice(NamedTuple):
    """One webhook: its topic, the resource it is about, and what its headers add."""

    topic: str
    resource: dict[str, Any]
    shop: str
    event_id: str
    triggered: str
    received: int

    def at(self, *fields: str) -> tuple[int, dict[str, Any]]:
        """The first of ``fields`` that holds a time, else when it was triggered, else received; and clock context."""
        times = (read_instant(value) for value in (*(self.resource.get(field) for field in fields), self.triggered))
        return not_after(next((at for at in times if at is not None), self.received), self.received)

    def reference(self) -> str:
        """The number of the resource, or what tells it from others where it has none."""
        if self.resource.get("id") is None:
            return digest(canonical(self.resource))
        return self.number()

    def number(self, field: str = "id") -> str:
        """An id of the resource as text with every digit.

        Raises
        ------
        Rejected : it is missing.
        """
        value = self.resource.get(field)
        if isinstance(value, bool) or not isinstance(value, (int, str)) or not 0 < len(str(value)) <= 200:
            detail = f"{self.topic} without {field!r} cannot be told from another"
            raise Rejected(detail, code="no-id", pointer=f"/{field}")
        return str(value)

    def id(self) -> str:
        """The dedupe key of a topic that may repeat for one resource. One event id serves several topics."""
        version = str(self.resource.get("updated_at") or self.triggered)
        return f"{self.topic}:{self.event_id or digest(self.reference(), version)}"


@dataclass(frozen=True, slots=True)
class Shopify:
    """``X-Shopify-Hmac-Sha256`` is the base64 HMAC-SHA256 of the raw body."""

    name: str = "shopify"
    signed: bool = True

    def verify(self, request: Inbound, secret: bytes, *, now: int) -> None:
        """Check the signature. There is no time in it: a retry is the first body again, hours later.

        Raises
        ------
        Rejected : missing or wrong (401).
        """
        expected = b64encode(hmac.digest(secret, request.body, "sha256"))
        if not hmac.compare_digest(expected, _header(request, "hmac-sha256").encode()):
            detail = "X-Shopify-Hmac-Sha256 is not the signature of this body: check the app's secret"
            raise Rejected(detail, code="bad-signature", status=401)

    def to_events(self, request: Inbound, *, now: int) -> Parsed:
        """The events of one webhook; a customer gives a second one for the consent, at the instant it was given.

        Raises
        ------
        Rejected : no topic, or a body that is no JSON object.
        """
        topic = _topic(request)
        document = read_object(request.body) if request.body else {}
        if pixel.told_by_pixel(document):
            return read_one(document, lambda told: pixel.events(told, now))
        if not topic:
            raise Rejected("X-Shopify-Topic is missing: nothing says what this is", code="no-topic")
        notice = Notice(
            topic,
            document,
            _header(request, "shop-domain"),
            _header(request, "event-id"),
            _header(request, "triggered-at"),
            now,
        )
        parsed = Parsed()
        if _header(request, "test").lower() == "true":
            parsed.ignored.append(f"{topic}: a test notification, its people are made up")
            return parsed
        try:
            events = _events(notice)
        except Rejected as refusal:
            parsed.refused.append((refusal, {"topic": topic, "body": notice.resource}))
            return parsed
        parsed.events = [event for event in events if event.identifiers]
        if topic in IGNORED:
            parsed.ignored.append(IGNORED[topic])
        elif not events:
            parsed.ignored.append(f"{topic}: nothing here uses it")
        elif not parsed.events:
            parsed.ignored.append(f"{topic}: it names nobody")
        return parsed


SHOPIFY = Shopify()


def _header(request: Inbound, name: str) -> str:
    return request.headers.get(f"x-shopify-{name}") or request.headers.get(f"shopify-{name}") or ""


def _topic(request: Inbound) -> str:
    topic = (_header(request, "topic") or request.query.get("topic", "")).strip().lower()
    if topic.startswith("customers_email_marketing_consent"):
        return "customers_email_marketing_consent/update"
    return topic if "/" in topic or "." in topic else topic.replace("_", "/", 1)


def _events(notice: Notice) -> list[Event]:
    match notice.topic:
        case "orders/create":
            return [_order_completed(notice)]
        case "orders/paid":
            return [_order(notice, "Order Paid", f"order-paid:{notice.reference()}", "updated_at", "processed_at")]
        case "orders/fulfilled" | "orders/partially_fulfilled":
            return [_order(notice, "Order Fulfilled", notice.id(), "updated_at")]
        case "orders/cancelled":
            id = f"order-cancelled:{notice.reference()}"
            return [_order(notice, "Order Cancelled", id, "cancelled_at", "updated_at")]
        case "orders/updated":
            return [_order(notice, "Order Updated", notice.id(), "updated_at")]
        case "refunds/create":
            return [_refund(notice)]
        case "checkouts/create" | "checkouts/update":
            return [_checkout(notice)]
        case "carts/create" | "carts/update":
            return [_cart(notice)]
        case "customers/create" | "customers/update":
            return _customer(notice)
        case "customers_email_marketing_consent/update":
            return _chosen(notice, ordered([*_people(notice.resource), _customer_number(notice)]))
        case "customers/delete" | "customers/redact":
            return [_delete(notice)]
        case "customers/data_request":
            return [_data_request(notice)]
        case _:
            return []


def _event(
    notice: Notice,
    name: str,
    id: str,
    at: tuple[int, dict[str, Any]],
    identifiers: tuple[Identifier, ...],
    **more: Any,
) -> Event:
    context = at[1] | ({"shop": notice.shop} if notice.shop else {}) | more.pop("context", {})
    return Event(
        id=id,
        kind=more.pop("kind", "track"),
        name=name,
        at=at[0],
        received=notice.received,
        source="shopify",
        identifiers=identifiers,
        context=context,
        **more,
    )


def _order_completed(notice: Notice) -> Event:
    """The order's own id is the key: every delivery of it is the same event.

    Only this topic ties the order's number and cart to the person: the refund of an order names neither customer nor
    address, and what was in the cart before the purchase belongs to the buyer.
    """
    resource = notice.resource
    number = notice.number()
    people = _people(resource)
    ties = (_cart_of(resource.get("cart_token")), pixel.checkout_of(resource.get("checkout_token")))
    handles = ordered([*people, identifier("shopify_order_id", number), *ties])
    return _event(
        notice,
        "Order Completed",
        f"order:{number}",
        notice.at("processed_at", "created_at"),
        handles if people else (),
        traits=_traits(inner(resource, "customer")),
        properties=_purchase(resource) | {"order_id": number},
        consent=_accepted(resource),
    )


def _order(notice: Notice, name: str, id: str, *times: str) -> Event:
    return _event(
        notice,
        name,
        id,
        notice.at(*times, "created_at"),
        ordered([*_people(notice.resource)]),
        properties=_purchase(notice.resource) | ({"order_id": notice.number()} if notice.resource.get("id") else {}),
    )


def _refund(notice: Notice) -> Event:
    order = notice.number("order_id")
    paid_back = [t for t in objects(notice.resource.get("transactions")) if t.get("kind") == "refund"]
    amounts = [Decimal(amount) for t in paid_back if (amount := money(t.get("amount")))]
    lines = [
        inner(line, "line_item") | {"quantity": line.get("quantity")}
        for line in objects(notice.resource.get("refund_line_items"))
    ]
    total = f"{sum(amounts, Decimal(0)):f}"
    properties: dict[str, Any] = {"order_id": order, "total": total, "products": _products(lines)}
    if paid_back and paid_back[0].get("currency"):
        properties["currency"] = paid_back[0]["currency"]
    return _event(
        notice,
        "Order Refunded",
        f"refund:{notice.number()}",
        notice.at("processed_at", "created_at"),
        ordered([identifier("shopify_order_id", order)]),
        properties=properties,
    )


def _checkout(notice: Notice) -> Event:
    """One start for all that names the same buyer: the address often comes by an update, other updates are repeats."""
    resource = notice.resource
    token = notice.number("token")
    handles = ordered([*_people(resource), _cart_of(resource.get("cart_token")), pixel.checkout_of(token)])
    return _event(
        notice,
        "Checkout Started",
        f"checkout:{token}:{digest(*(f'{one.kind}:{one.value}' for one in handles), size=6)}",
        notice.at("created_at", "updated_at"),
        handles,
        traits=_traits(inner(resource, "customer")),
        properties=_purchase(resource) | {"checkout_id": token},
        consent=_accepted(resource),
    )


def _cart(notice: Notice) -> Event:
    token = notice.number("token")
    products = _products(objects(notice.resource.get("line_items")))
    return _event(
        notice,
        "Cart Viewed",
        notice.id(),
        notice.at("updated_at", "created_at"),
        ordered([_cart_of(token)]),
        properties={"cart_id": token.partition("?")[0], "products": products},
    )


def _customer(notice: Notice) -> list[Event]:
    """Traits at the time of the change, consent at the time of the consent.

    Every order changes the customer and repeats the consent: dated by the change, it would undo an unsubscription
    made in between. A consent without a date is as old as the customer.
    """
    people = ordered([*_people({"customer": notice.resource})])
    at = notice.at("updated_at", "created_at")
    traits = _traits(notice.resource)
    notice.number()
    return [
        _event(notice, "Identify", notice.id(), at, people, kind="identify", traits=traits),
        *_chosen(notice, people),
    ]


def _customer_number(notice: Notice) -> Identifier | None:
    return identifier("shopify_customer_id", notice.resource.get("customer_id"))


def _chosen(notice: Notice, people: tuple[Identifier, ...]) -> list[Event]:
    """The consent a customer has given to mail, dated by itself."""
    resource = notice.resource
    number = notice.number("id" if "id" in resource else "customer_id")
    asked = inner(resource, "email_marketing_consent")
    state = asked.get("state") or ("subscribed" if resource.get("accepts_marketing") is True else "")
    grant = GRANTS.get(state) if isinstance(state, str) else None
    if grant is None:
        return []
    dated = read_instant(asked.get("consent_updated_at") or resource.get("accepts_marketing_updated_at"))
    given = not_after(dated, notice.received) if dated is not None else notice.at("created_at", "updated_at")
    evidence = {"state": state} | {part: asked[part] for part in ("opt_in_level",) if asked.get(part)}
    return [
        _event(
            notice,
            "Consent Updated",
            f"consent:{number}:{state}:{iso(given[0])}",
            given,
            people,
            kind="consent",
            context={"consent": evidence},
            consent=(ConsentChange("marketing", grant),),
        )
    ]


def _delete(notice: Notice) -> Event:
    """``customers/redact`` holds the customer in an object, ``customers/delete`` is the customer."""
    customer = inner(notice.resource, "customer") or notice.resource
    handles = ordered([*_people({"customer": customer})])
    key = digest(*(f"{one.kind}:{one.value}" for one in handles))
    return _event(notice, "Delete", f"{notice.topic}:{key}", notice.at(), handles, kind="delete")


def _data_request(notice: Notice) -> Event:
    request = inner(notice.resource, "data_request").get("id")
    orders = notice.resource.get("orders_requested")
    properties: dict[str, Any] = {"orders": [str(one) for one in orders]} if isinstance(orders, list) else {}
    handles = ordered([*_people({"customer": inner(notice.resource, "customer")})])
    key = str(request) if request else digest(notice.event_id or notice.triggered)
    return _event(notice, "Data Requested", f"data-request:{key}", notice.at(), handles, properties=properties)


def _people(resource: dict[str, Any]) -> tuple[Identifier, ...]:
    """Who an order, checkout or ``{"customer": ...}`` is about; what stands on the resource itself was typed last."""
    customer = inner(resource, "customer")
    emails = (
        resource.get("email"),
        resource.get("email_address"),
        resource.get("contact_email"),
        customer.get("email"),
    )
    phones = (resource.get("phone"), customer.get("phone"))
    return ordered(
        [
            identifier("shopify_customer_id", customer.get("id")),
            next(filter(None, (identifier("email", email) for email in emails)), None),
            next(filter(None, (identifier("phone", phone) for phone in phones)), None),
        ]
    )


def _cart_of(token: Any) -> Identifier | None:
    """A cart is an anonymous visitor. Carts append their secret as a query, orders do not."""
    cart = identifier("anonymous_id", token.partition("?")[0] if isinstance(token, str) else None)
    return Identifier(cart.kind, f"shopify-cart:{cart.value}") if cart else None


def _accepted(resource: dict[str, Any]) -> tuple[ConsentChange, ...]:
    """A ticked box is a grant; one left alone takes nothing back."""
    return (ConsentChange("marketing", "granted"),) if resource.get("buyer_accepts_marketing") is True else ()


def _traits(customer: dict[str, Any]) -> dict[str, Any]:
    """Empty fields are left out: that a shop does not know a name does not make it unknown."""
    address = inner(customer, "default_address")
    tags = customer.get("tags")
    traits = {
        "first_name": customer.get("first_name"),
        "last_name": customer.get("last_name"),
        "email": customer.get("email"),
        "phone": customer.get("phone"),
        "city": address.get("city"),
        "country": address.get("country"),
        "postal_code": address.get("zip"),
        "tags": [tag for one in tags.split(",") if (tag := one.strip())] if isinstance(tags, str) else None,
    }
    return {name: value for name, value in traits.items() if value and isinstance(value, (str, list))}


def _purchase(resource: dict[str, Any]) -> dict[str, Any]:
    """An order or checkout in the words of the Segment e-commerce specification; money is decimal text."""
    codes = objects(resource.get("discount_codes"))
    shipping = inner(inner(resource, "total_shipping_price_set"), "shop_money").get("amount")
    properties = {
        "total": money(resource.get("current_total_price")) or money(resource.get("total_price")),
        "revenue": money(resource.get("current_subtotal_price")) or money(resource.get("subtotal_price")),
        "shipping": money(shipping),
        "tax": money(resource.get("current_total_tax")) or money(resource.get("total_tax")),
        "discount": money(resource.get("current_total_discounts")) or money(resource.get("total_discounts")),
        "currency": resource.get("currency"),
        "coupon": codes[0].get("code") if codes else None,
        "products": _products(objects(resource.get("line_items"))),
    }
    return {name: value for name, value in properties.items() if value is not None}


def _products(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in _product(line).items() if value not in (None, "")} for line in lines]


def _product(line: dict[str, Any]) -> dict[str, Any]:
    number = line.get("product_id")
    return {
        "product_id": str(number) if number else None,
        "sku": line.get("sku"),
        "name": line.get("title") or line.get("name"),
        "category": line.get("product_type"),
        "brand": line.get("vendor"),
        "variant": line.get("variant_title"),
        "price": money(line.get("price")),
        "quantity": line.get("quantity"),
    }
