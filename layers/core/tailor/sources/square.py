"""Square: payments over the counter and online, invoices, customers, loyalty and bookings, by its webhooks.

Contract: Square's "Validate and process webhook notifications" and Webhook Events Reference. Notifications come in any
order and repeat; the time is that of the object, an order's key is the order, everything else has the ``event_id``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from tailor.kernel.document import inner
from tailor.kernel.errors import Rejected
from tailor.kernel.event import ConsentChange, Event, Identifier
from tailor.kernel.inbound import Inbound, Parsed
from tailor.kernel.items import Reading, read_one, unused
from tailor.kernel.proof import key_and_url, same, signature, unproved
from tailor.kernel.values import added, dated, key, label, minor, objects, present, read_body, required, text
from tailor.rules.identity import identifier, ordered

_MERCHANT = "it is about the merchant's own account"
_MEANS = "by what means somebody pays is not kept"
IGNORED = {
    "customer.deleted": "a customer who is deleted or merged has not asked for erasure",
    "order.created": "it names neither customer nor goods, the payment does",
    "order.updated": "it names neither customer nor goods, the payment does",
    "order.": "it names neither customer nor goods",
    "customer.custom_attribute": "only what is written there is used, and not what is declared or taken away",
    "invoice.": "a bill that is not paid is no order",
    "dispute.": "a dispute is between merchant and bank, and names no customer",
    "card.": _MEANS,
    "bank_account.": _MEANS,
    "gift_card.": "whoever holds a gift card need not be who it was bought by",
    "loyalty.account.deleted": "what somebody had saved is not kept after its account",
    "loyalty.": "it is about the loyalty programme, and no customer",
    "booking.custom_attribute": "attributes of a booking are not kept",
    "catalog.": "it is about the catalogue, and no customer",
    "inventory.": "it is about the catalogue, and no customer",
    **dict.fromkeys(("merchant.", "location.", "online_checkout.", "team_member.", "job.", "labor."), _MERCHANT),
    **dict.fromkeys(
        ("payout.", "device.", "terminal.", "vendor.", "oauth.", "cash_drawer.", "transfer_order."), _MERCHANT
    ),
}
"""The beginning of a type → why nothing is made of it, the longer one first."""
SUBSCRIPTIONS = {
    "ACTIVE": "Subscription Updated",
    "PENDING": "Subscription Updated",
    "PAUSED": "Subscription Paused",
    "CANCELED": "Subscription Cancelled",
    "DEACTIVATED": "Subscription Cancelled",
    "COMPLETED": "Subscription Cancelled",
}
"""Status of a subscription that has changed → what it is called."""


class Notice(NamedTuple):
    """One notification: type, id and time, and the object it is about."""

    type: str
    id: str
    created: Any
    about: dict[str, Any]
    data_id: str
    received: int


@dataclass(frozen=True, slots=True)
class Square:
    """``x-square-hmacsha256-signature``: the base64 HMAC-SHA256 of the notification URL and the raw body."""

    name: str = "square"
    signed: bool = True

    def verify(self, request: Inbound, secret: bytes, *, now: int) -> None:
        """Check the signature; for the URL see :func:`tailor.kernel.proof.key_and_url`. There is no time in it.

        Raises
        ------
        Rejected : missing or wrong (401).
        """
        signing, url = key_and_url(request, secret)
        expected = signature(signing, url.encode("utf-8", "surrogatepass") + request.body, base64=True)
        if not same(expected, request.headers.get("x-square-hmacsha256-signature", "")):
            raise unproved("x-square-hmacsha256-signature does not fit URL and body: check the signature key")

    def to_events(self, request: Inbound, *, now: int) -> Parsed:
        """The event of one notification.

        Raises
        ------
        Rejected : no JSON object.
        """
        document = read_body(request)
        if not isinstance(document, dict):
            raise Rejected("the body must be one notification", code="bad-shape")
        return read_one(document, lambda notice: _events(notice, now))


SQUARE = Square()


def _events(document: dict[str, Any], received: int) -> Reading:
    kind = text(document.get("type"))
    data = inner(document, "data")
    about = inner(data, "object")
    id = required(document, "event_id", "a notification")
    notice = Notice(kind, id, document.get("created_at"), about, text(data.get("id")), received)
    match kind:
        case "payment.created" | "payment.updated":
            return _payment(notice, inner(about, "payment"))
        case "refund.created" | "refund.updated":
            return _refund(notice, inner(about, "refund"))
        case "invoice.payment_made":
            return _invoice(notice, inner(about, "invoice"))
        case "invoice.scheduled_charge_failed":
            return [_unpaid(notice, inner(about, "invoice"))]
        case "subscription.created" | "subscription.updated":
            return _subscription(notice, inner(about, "subscription"))
        case "customer.created" | "customer.updated":
            return _customer(notice, inner(about, "customer"))
        case "loyalty.account.created" | "loyalty.account.updated":
            return _loyalty(notice, inner(about, "loyalty_account"))
        case "booking.created" | "booking.updated":
            name = "Booking Created" if kind == "booking.created" else "Booking Updated"
            return _booking(notice, inner(about, "booking"), name)
        case _ if kind.startswith("customer.custom_attribute.") and kind.endswith("updated"):
            return _custom(notice)
        case _:
            return unused(kind, IGNORED)


def _event(notice: Notice, name: str, id: str, at: tuple[Any, ...], who: tuple[Identifier, ...], **more: Any) -> Event:
    moment, clock = dated(*at, notice.created, received=notice.received)
    return Event(
        id=id,
        kind=more.pop("kind", "track"),
        name=name,
        at=moment,
        received=notice.received,
        source="square",
        identifiers=who,
        context=clock,
        **more,
    )


def _payment(notice: Notice, payment: dict[str, Any]) -> Reading:
    """One order, however many payments it takes; the first that is completed counts."""
    status = text(payment.get("status"))
    if status in ("FAILED", "CANCELED"):
        name, id = "Payment Failed", notice.id
    elif status == "COMPLETED":
        name, id = "Order Completed", key("order", _order_id(payment))
    else:
        return f"{notice.type}: a payment that is {label(status)} is not completed yet"
    total = inner(payment, "total_money") or inner(payment, "amount_money")
    properties = {
        "order_id": _order_id(payment),
        "total": _money(total),
        "revenue": _money(inner(payment, "amount_money")),
        "currency": text(total.get("currency")),
    }
    address = inner(payment, "billing_address") or inner(payment, "shipping_address")
    who = _people(payment.get("customer_id"), payment.get("buyer_email_address"), payment.get("buyer_phone_number"))
    return [
        _event(
            notice,
            name,
            id,
            (payment.get("created_at") if status == "COMPLETED" else payment.get("updated_at"),),
            _tied(who, payment.get("order_id"), payment.get("id")) if status == "COMPLETED" else who,
            properties=present(properties),
            traits=_traits(address | {"email_address": payment.get("buyer_email_address")}),
        )
    ]


def _refund(notice: Notice, refund: dict[str, Any]) -> Reading:
    """A refund names no customer; the order it is of does."""
    status = text(refund.get("status"))
    if status != "COMPLETED":
        return f"{notice.type}: a refund that is {label(status)} is not completed yet"
    amount = inner(refund, "amount_money")
    properties = {
        "order_id": text(refund.get("order_id")) or text(refund.get("payment_id")),
        "total": _money(amount),
        "currency": text(amount.get("currency")),
        "reason": text(refund.get("reason"), 500),
    }
    id = key("refund", required(refund, "id", "a refund", "/data/object/refund"))
    tie = _ties(refund.get("order_id"), refund.get("payment_id"))
    who = ordered([*_people(refund.get("customer_id")), *tie])
    return [
        _event(
            notice,
            "Order Refunded",
            id,
            (refund.get("updated_at"),),
            ordered([*who, *tie]),
            properties=present(properties),
        )
    ]


def _invoice(notice: Notice, invoice: dict[str, Any]) -> Reading:
    """A paid invoice is an order; its order and the payment of it have the same number."""
    if invoice.get("status") != "PAID":
        return f"{notice.type}: an invoice that is {label(invoice.get('status'))} is not paid in full"
    return [
        _event(
            notice,
            "Order Completed",
            key("order", _order_id(invoice)),
            (invoice.get("updated_at"),),
            _tied(_recipient(invoice), invoice.get("order_id")),
            properties=_billed(invoice, "total_completed_amount_money"),
            traits=_traits(inner(invoice, "primary_recipient")),
        )
    ]


def _recipient(invoice: dict[str, Any]) -> tuple[Identifier, ...]:
    recipient = inner(invoice, "primary_recipient")
    return _people(recipient.get("customer_id"), recipient.get("email_address"), recipient.get("phone_number"))


def _unpaid(notice: Notice, invoice: dict[str, Any]) -> Event:
    return _event(
        notice,
        "Payment Failed",
        notice.id,
        (invoice.get("updated_at"),),
        _recipient(invoice),
        properties=_billed(invoice, "computed_amount_money"),
    )


def _billed(invoice: dict[str, Any], amount: str) -> dict[str, Any]:
    """An invoice as an order; its total is that of the field ``amount`` of all it asks for."""
    parts = [inner(request, amount) for request in objects(invoice.get("payment_requests"))]
    return present(
        {
            "order_id": _order_id(invoice),
            "total": added(*(_money(part) for part in parts)),
            "currency": next((text(part.get("currency")) for part in parts), ""),
        }
    )


def _subscription(notice: Notice, subscription: dict[str, Any]) -> Reading:
    status = text(subscription.get("status"))
    name = "Subscription Started" if notice.type == "subscription.created" else SUBSCRIPTIONS.get(status)
    if name is None:
        return f"{notice.type}: nothing here uses a subscription that is {label(status)}"
    properties = {
        "subscription_id": text(subscription.get("id")),
        "status": status,
        "product_id": text(subscription.get("plan_variation_id")) or text(subscription.get("plan_id")),
        "start_at": text(subscription.get("start_date")),
        "cancel_at": text(subscription.get("canceled_date")),
    }
    # Its own times are days, or the instant it was made.
    who = _people(subscription.get("customer_id"))
    return [_event(notice, name, notice.id, (), who, properties=present(properties))]


def _customer(notice: Notice, customer: dict[str, Any]) -> Reading:
    """A subscription to mail is the default at Square and grants nothing; the end of it is a withdrawal."""
    gone = inner(customer, "preferences").get("email_unsubscribed") is True
    who = _people(customer.get("id"), customer.get("email_address"), customer.get("phone_number"))
    return [
        _event(
            notice,
            "Identify",
            notice.id,
            (customer.get("updated_at"),),
            who,
            kind="identify",
            traits=_traits(customer),
            consent=(ConsentChange("marketing", "withdrawn"),) if gone else (),
        )
    ]


def _loyalty(notice: Notice, account: dict[str, Any]) -> Reading:
    phone = inner(account, "mapping").get("phone_number")
    balance = account.get("balance")
    traits = {"loyalty_points": balance} if type(balance) is int else {}
    who = _people(account.get("customer_id"), phone=phone)
    return [_event(notice, "Identify", notice.id, (account.get("updated_at"),), who, kind="identify", traits=traits)]


def _booking(notice: Notice, booking: dict[str, Any], name: str) -> Reading:
    properties = {
        "booking_id": text(booking.get("id")),
        "status": text(booking.get("status")),
        "start_at": text(booking.get("start_at")),
    }
    who = _people(booking.get("customer_id"))
    return [_event(notice, name, notice.id, (booking.get("updated_at"),), who, properties=present(properties))]


def _custom(notice: Notice) -> Reading:
    """``data.id`` is ``APPLICATION:KEY:CUSTOMER:ID``; the attribute is known by its key."""
    before, mark, customer = notice.data_id.rpartition(":CUSTOMER:")
    name = before.rpartition(":")[2]
    if not mark or not name:
        return f"{notice.type}: nothing says whose it is"
    traits = {name: notice.about.get("value")}
    who = _people(customer)
    return [
        _event(notice, "Identify", notice.id, (notice.about.get("updated_at"),), who, kind="identify", traits=traits)
    ]


def _people(customer: Any = None, email: Any = None, phone: Any = None) -> tuple[Identifier, ...]:
    return ordered([identifier("square_customer_id", customer), identifier("email", email), identifier("phone", phone)])


def _tied(who: tuple[Identifier, ...], order: Any, payment: Any = None) -> tuple[Identifier, ...]:
    """The buyer, with the numbers by which a refund will find them; a sale to nobody known makes nobody up."""
    return ordered([*who, *_ties(order, payment)]) if who else ()


def _ties(order: Any, payment: Any) -> tuple[Identifier | None, ...]:
    return identifier("square_order_id", order), identifier("square_payment_id", payment)


def _order_id(about: dict[str, Any]) -> str:
    return text(about.get("order_id")) or required(about, "id", "a payment", "/data/object")


def _traits(about: dict[str, Any]) -> dict[str, Any]:
    address = inner(about, "address") or about
    return present(
        {
            "first_name": text(about.get("given_name") or about.get("first_name")),
            "last_name": text(about.get("family_name") or about.get("last_name")),
            "email": text(about.get("email_address"), 320),
            "phone": text(about.get("phone_number")),
            "company": text(about.get("company_name")),
            "birthday": text(about.get("birthday")),
            "city": text(address.get("locality")),
            "state": text(address.get("administrative_district_level_1")),
            "country": text(address.get("country")),
            "postal_code": text(address.get("postal_code")),
        }
    )


def _money(amount: dict[str, Any]) -> str | None:
    return minor(amount.get("amount"), text(amount.get("currency")))
