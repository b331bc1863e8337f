"""Stripe: customers, checkouts, invoices, payments and subscriptions, by its webhooks.

Contract: Stripe's "Receive Stripe events in your webhook endpoint" and API reference. Events come in any order and
more than once: the time is that of the event, an order's key is the order, everything else has the event's id.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from tailor.kernel.document import inner
from tailor.kernel.errors import Rejected
from tailor.kernel.event import ConsentChange, Event, Grant, Identifier
from tailor.kernel.inbound import Inbound, Parsed
from tailor.kernel.items import Reading, read_one, unused
from tailor.kernel.proof import timed, unproved
from tailor.kernel.values import added, dated, key, minor, objects, present, read_body, required, text
from tailor.rules.identity import identifier, ordered

DIGITS = {"ISK": 2, "UGX": 2, "MGA": 0}
"""Currencies whose minor unit has other digits at Stripe than in ISO 4217."""

SUBSCRIPTIONS = {
    "customer.subscription.created": "Subscription Started",
    "customer.subscription.updated": "Subscription Updated",
    "customer.subscription.paused": "Subscription Paused",
    "customer.subscription.resumed": "Subscription Resumed",
    "customer.subscription.deleted": "Subscription Cancelled",
    "customer.subscription.trial_will_end": "Trial Ending",
}
PROMOTIONS: dict[str, Grant] = {"opt_in": "granted", "opt_out": "denied"}
"""``consent.promotions`` of a checkout → grant."""

COUPONS = {"customer.discount.created": "Coupon Applied", "customer.discount.deleted": "Coupon Removed"}

_MERCHANT = "it is about the merchant's own account and money"
_CATALOGUE = "it is about the catalogue, and no customer"
_MEANS = "by what means somebody pays is not kept"
IGNORED = {
    "customer.deleted": "a customer who is deleted has not asked for erasure",
    "charge.refund.updated": "charge.refunded tells of it, and whose it is",
    "refund.created": "charge.refunded tells of it, and whose it is",
    "refund.updated": "charge.refunded tells of it, and whose it is",
    "refund.failed": "the customer was told of the refund; that it failed is between merchant and bank",
    "charge.dispute.": "a dispute is between merchant and bank, and names no customer",
    "charge.": "the payment intent, the checkout or the invoice tells of it",
    "payment_intent.": "the payment is not decided yet, or was given up",
    "invoice.": "a bill that is not paid is no order",
    "invoiceitem.": "a bill that is not paid is no order",
    "quote.": "an offer is no order",
    "subscription_schedule.": "the subscription itself tells when it changes",
    **dict.fromkeys(("customer.source.", "payment_method.", "setup_intent.", "source.", "mandate."), _MEANS),
    **dict.fromkeys(("customer.tax_id.", "customer_cash_balance_transaction.", "cash_balance."), _MEANS),
    **dict.fromkeys(("product.", "price.", "plan.", "sku.", "coupon.", "promotion_code.", "tax_rate."), _CATALOGUE),
    **dict.fromkeys(("payment_link.", "recipient."), _CATALOGUE),
    **dict.fromkeys(("account.", "application_fee.", "balance.", "capability.", "file.", "payout."), _MERCHANT),
    **dict.fromkeys(("person.", "radar.", "reporting.", "review.", "sigma.", "tax.", "terminal."), _MERCHANT),
    **dict.fromkeys(("topup.", "transfer.", "issuing_", "treasury.", "climate.", "financial_connections."), _MERCHANT),
}
"""The beginning of a type → why nothing is made of it, the longer one first."""


class Notice(NamedTuple):
    """One event: its type, id and times, the object it is about, and what that was before."""

    type: str
    id: str
    at: tuple[int, dict[str, Any]]
    about: dict[str, Any]
    before: dict[str, Any]
    test: bool
    received: int

    def money(self, *fields: str) -> str | None:
        """The first of ``fields`` that holds an amount, as decimal text in its currency."""
        currency = _currency(self.about)
        return next((found for field in fields if (found := _money(self.about.get(field), currency))), None)


@dataclass(frozen=True, slots=True)
class Stripe:
    """``Stripe-Signature: t=…,v1=…``: the hexadecimal HMAC-SHA256 of the time, a dot and the raw body."""

    name: str = "stripe"
    signed: bool = True

    def verify(self, request: Inbound, secret: bytes, *, now: int) -> None:
        """Check signature and time.

        Raises
        ------
        Rejected : missing, wrong, or more than 5 minutes from ``now`` (401).
        """
        if not timed(request.headers.get("stripe-signature", ""), request.body, secret, now=now):
            raise unproved("Stripe-Signature is not the signature of this body: check the endpoint's whsec_ secret")

    def to_events(self, request: Inbound, *, now: int) -> Parsed:
        """The event of one webhook; a customer's consent at the checkout comes with the order.

        Raises
        ------
        Rejected : no JSON object.
        """
        document = read_body(request)
        if not isinstance(document, dict):
            raise Rejected("the body must be one Stripe event", code="bad-shape")
        return read_one(document, lambda event: _events(event, now))


STRIPE = Stripe()


def _events(event: dict[str, Any], received: int) -> Reading:
    kind = text(event.get("type"))
    data = inner(event, "data")
    about = inner(data, "object")
    notice = Notice(
        kind,
        required(event, "id", "an event"),
        dated(event.get("created"), received=received),
        about,
        inner(data, "previous_attributes"),
        event.get("livemode") is False,
        received,
    )
    match kind:
        case "customer.created" | "customer.updated":
            return [_event(notice, "Identify", notice.id, kind="identify", traits=_traits(about))]
        case "checkout.session.completed" | "checkout.session.async_payment_succeeded":
            return _checkout(notice)
        case "checkout.session.expired":
            return [_event(notice, "Checkout Expired", notice.id, properties=_session(notice))]
        case "invoice.paid" | "invoice.payment_succeeded":
            return _invoice(notice)
        case "payment_intent.succeeded":
            return _payment(notice)
        case "payment_intent.payment_failed" | "invoice.payment_failed" | "checkout.session.async_payment_failed":
            properties = present(
                {"total": notice.money("amount_due", "amount_total", "amount"), "currency": _currency(about)}
            )
            return [_event(notice, "Payment Failed", notice.id, properties=properties)]
        case "charge.refunded":
            return [_refund(notice)]
        case _ if kind in SUBSCRIPTIONS:
            return [_event(notice, SUBSCRIPTIONS[kind], notice.id, properties=_subscription(about))]
        case _ if kind in COUPONS:
            return [_event(notice, COUPONS[kind], notice.id, properties=_coupon(about))]
        case _:
            return unused(kind, IGNORED)


def _event(notice: Notice, name: str, id: str, **more: Any) -> Event:
    return Event(
        id=id,
        kind=more.pop("kind", "track"),
        name=name,
        at=notice.at[0],
        received=notice.received,
        source="stripe",
        identifiers=_people(notice.about),
        context=notice.at[1] | ({"test": True} if notice.test else {}),
        **more,
    )


def _order(notice: Notice, properties: dict[str, Any], **more: Any) -> Event:
    """An order is known by one number whichever of its events comes first: a checkout, its invoice and its payment."""
    order = _order_id(notice.about)
    return _event(notice, "Order Completed", key("order", order), properties={"order_id": order} | properties, **more)


def _checkout(notice: Notice) -> Reading:
    session = notice.about
    if session.get("payment_status") == "unpaid":
        return f"{notice.type}: not paid yet, another event follows the money"
    if session.get("mode") == "setup":
        return f"{notice.type}: nothing was bought"
    choice = PROMOTIONS.get(text(inner(session, "consent").get("promotions")))
    consent = (ConsentChange("marketing", choice),) if choice else ()
    return [_order(notice, _session(notice), traits=_traits(inner(session, "customer_details")), consent=consent)]


def _session(notice: Notice) -> dict[str, Any]:
    session = notice.about
    currency = _currency(session)
    details = inner(session, "total_details")
    return present(
        {
            "checkout_id": text(session.get("id")),
            "total": notice.money("amount_total"),
            "revenue": notice.money("amount_subtotal"),
            "shipping": _money(details.get("amount_shipping"), currency),
            "tax": _money(details.get("amount_tax"), currency),
            "discount": _money(details.get("amount_discount"), currency),
            "currency": currency,
            "products": [_line(line, currency) for line in objects(inner(session, "line_items").get("data"))],
        }
    )


def _invoice(notice: Notice) -> Reading:
    invoice = notice.about
    if invoice.get("amount_paid") == 0:
        return f"{notice.type}: nothing was paid"
    currency = _currency(invoice)
    lines = objects(inner(invoice, "lines").get("data"))
    # Versions of Stripe's API from 2025-03-31 on write no sum.
    taxes = objects(invoice.get("total_taxes"))
    properties = {
        "total": notice.money("amount_paid", "total"),
        "revenue": notice.money("subtotal"),
        "tax": notice.money("tax") or added(*(_money(tax.get("amount"), currency) for tax in taxes)),
        "currency": currency,
        "products": [_line(line, currency) for line in lines],
    }
    return [_order(notice, present(properties))]


def _payment(notice: Notice) -> Reading:
    """A payment alone does not say what it is for; ``metadata.order_id`` makes it the payment of that order."""
    intent = notice.about
    if intent.get("invoice"):
        return f"{notice.type}: the invoice tells of it"
    properties = present({"total": notice.money("amount_received", "amount"), "currency": _currency(intent)})
    if text(inner(intent, "metadata").get("order_id")):
        return [_order(notice, properties)]
    return [_event(notice, "Payment Succeeded", notice.id, properties={"order_id": _order_id(intent)} | properties)]


def _refund(notice: Notice) -> Event:
    """What was paid back this time: the charge knows only the sum, now and before."""
    charge = notice.about
    now, before = charge.get("amount_refunded"), notice.before.get("amount_refunded", 0)
    currency = _currency(charge)
    amount = _money(now - before, currency) if type(now) is int and type(before) is int else None
    properties = {"order_id": _order_id(charge), "total": amount, "currency": currency}
    return _event(notice, "Order Refunded", notice.id, properties=present(properties))


def _order_id(about: dict[str, Any]) -> str:
    """The merchant's number, else the invoice, the payment or the object itself."""
    own = text(inner(about, "metadata").get("order_id"))
    named = (_id(about.get("invoice")), _id(about.get("payment_intent")), text(about.get("id")))
    found = own or next(filter(None, named), "")
    if not found:
        detail = "the object has no 'id': nothing says which order it is"
        raise Rejected(detail, code="no-id", pointer="/data/object/id")
    return found


def _subscription(subscription: dict[str, Any]) -> dict[str, Any]:
    items = objects(inner(subscription, "items").get("data"))
    price = inner(items[0], "price") if items else {}
    return present(
        {
            "subscription_id": text(subscription.get("id")),
            "status": text(subscription.get("status")),
            "product_id": _id(price.get("product")),
            "price": _money(price.get("unit_amount"), _currency(price)),
            "currency": _currency(price),
            "interval": text(inner(price, "recurring").get("interval")),
            "cancel_at_period_end": subscription.get("cancel_at_period_end") is True or None,
        }
    )


def _coupon(discount: dict[str, Any]) -> dict[str, Any]:
    """Versions of Stripe's API from 2025-09-30 on have the coupon inside ``source``."""
    coupon = discount.get("coupon") or inner(discount, "source").get("coupon")
    name = coupon.get("name") if isinstance(coupon, dict) else ""
    return present({"coupon_id": _id(coupon), "coupon_name": text(name)})


def _line(line: dict[str, Any], currency: str) -> dict[str, Any]:
    price = inner(line, "price") or inner(line, "plan")
    newer = inner(inner(line, "pricing"), "price_details")
    unit = price.get("unit_amount", price.get("amount"))
    return present(
        {
            "product_id": _id(price.get("product")) or _id(newer.get("product")),
            "name": text(line.get("description"), 500),
            "price": _money(unit, currency) or _money(line.get("amount"), currency),
            "quantity": line.get("quantity") if type(line.get("quantity")) is int else None,
        }
    )


def _people(about: dict[str, Any]) -> tuple[Identifier, ...]:
    details = inner(about, "customer_details")
    billing = inner(about, "billing_details")
    customer = about if about.get("object") == "customer" else inner(about, "customer")
    emails = (
        details.get("email"),
        about.get("customer_email"),
        billing.get("email"),
        about.get("receipt_email"),
        customer.get("email"),
    )
    phones = (details.get("phone"), about.get("customer_phone"), billing.get("phone"), customer.get("phone"))
    return ordered(
        [
            identifier("user_id", inner(about, "metadata").get("user_id")),
            identifier("stripe_customer_id", customer.get("id") or _id(about.get("customer"))),
            next(filter(None, (identifier("email", email) for email in emails)), None),
            next(filter(None, (identifier("phone", phone) for phone in phones)), None),
        ]
    )


def _traits(customer: dict[str, Any]) -> dict[str, Any]:
    address = inner(customer, "address") or inner(inner(customer, "shipping"), "address")
    first, _, last = text(customer.get("name")).partition(" ")
    locales = customer.get("preferred_locales")
    return present(
        {
            "first_name": first,
            "last_name": last.strip(),
            "email": text(customer.get("email"), 320),
            "phone": text(customer.get("phone")),
            "city": text(address.get("city")),
            "country": text(address.get("country")),
            "postal_code": text(address.get("postal_code")),
            "language": text(locales[0]) if isinstance(locales, list) and locales else "",
        }
    )


def _id(value: Any) -> str:
    """An id, or that of the object which stands in its place where the sender expanded it."""
    return text(value.get("id") if isinstance(value, dict) else value)


def _currency(about: dict[str, Any]) -> str:
    return text(about.get("currency")).upper()


def _money(value: Any, currency: str) -> str | None:
    return minor(value, currency, digits=DIGITS.get(currency))
