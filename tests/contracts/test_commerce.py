"""Stripe, Square, WooCommerce: what a purchase becomes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tailor.kernel.event import ConsentChange, Event, Identifier
from tailor.kernel.inbound import Inbound, Parsed
from tailor.kernel.instants import parse_instant
from tailor.sources import SOURCES

NOW = parse_instant("2026-11-24T09:00:00Z")


def stripe(type: str, about: dict[str, Any], **more: Any) -> Parsed:
    event = {"id": "evt_1", "type": type, "created": NOW // 1000 - 9, "data": {"object": about}, **more}
    return SOURCES["stripe"].to_events(Inbound("POST", "/", {}, json.dumps(event).encode()), now=NOW)


def square(type: str, **about: Any) -> Parsed:
    event = {"event_id": "e-1", "type": type, "created_at": "2026-11-24T08:00:00Z", "data": {"object": about}}
    return SOURCES["square"].to_events(Inbound("POST", "/", {}, json.dumps(event).encode()), now=NOW)


def woo(topic: str, body: dict[str, Any], shop: str = "https://a.example/") -> Parsed:
    headers = {"x-wc-webhook-topic": topic, "x-wc-webhook-source": shop}
    return SOURCES["woocommerce"].to_events(Inbound("POST", "/", headers, json.dumps(body).encode()), now=NOW)


def one(parsed: Parsed) -> Event:
    [event] = parsed.events
    return event


def session(**more: Any) -> dict[str, Any]:
    about = {"id": "cs_1", "object": "checkout.session", "payment_status": "paid", "payment_intent": "pi_1"}
    return about | {"amount_total": 1000, "currency": "eur", "customer": "cus_1"} | more


# ---- Stripe


def test_checkout_invoice_and_payment_of_one_purchase_are_one_order() -> None:
    checkout = one(stripe("checkout.session.completed", session(invoice="in_1")))
    invoice = {"id": "in_1", "object": "invoice", "amount_paid": 1000, "currency": "eur", "customer": "cus_1"}
    paid, succeeded = (one(stripe(f"invoice.{name}", invoice)) for name in ("paid", "payment_succeeded"))
    assert checkout.id == paid.id == succeeded.id == "order:in_1"
    assert {event.name for event in (checkout, paid, succeeded)} == {"Order Completed"}
    intent = {"id": "pi_1", "amount_received": 1000, "currency": "eur", "customer": "cus_1"}
    assert stripe("payment_intent.succeeded", intent | {"invoice": "in_1"}).ignored


def test_a_payment_is_an_order_only_where_it_says_of_which() -> None:
    intent = {"id": "pi_1", "amount_received": 1000, "currency": "eur", "customer": "cus_1"}
    assert one(stripe("payment_intent.succeeded", intent)).name == "Payment Succeeded"
    order = one(stripe("payment_intent.succeeded", intent | {"metadata": {"order_id": "1017"}}))
    assert (order.name, order.id, order.properties["order_id"]) == ("Order Completed", "order:1017", "1017")
    assert one(stripe("checkout.session.completed", session(metadata={"order_id": "1017"}))).id == order.id


def test_a_checkout_counts_when_its_money_has_come() -> None:
    waiting = stripe("checkout.session.completed", session(payment_status="unpaid"))
    assert (waiting.events, len(waiting.ignored)) == ([], 1)
    assert one(stripe("checkout.session.async_payment_succeeded", session())).name == "Order Completed"
    assert one(stripe("checkout.session.expired", session(payment_status="unpaid"))).name == "Checkout Expired"


@pytest.mark.parametrize(
    ("amount", "currency", "total"),
    [
        (12470, "eur", "124.70"),
        (5, "usd", "0.05"),
        (1500, "jpy", "1500"),
        (500, "ugx", "5.00"),
        (1234, "kwd", "1.234"),
        (0, "eur", "0.00"),
        (99_999_999_999_999, "eur", "999999999999.99"),
    ],
)
def test_stripes_minor_units_are_exact_money(amount: int, currency: str, total: str) -> None:
    event = one(stripe("checkout.session.completed", session(amount_total=amount, currency=currency)))
    assert (event.properties["total"], event.properties["currency"]) == (total, currency.upper())


@pytest.mark.parametrize("amount", [True, 10.5, "10", 10**18, None])
def test_what_is_no_amount_of_minor_units_is_no_total(amount: Any) -> None:
    assert "total" not in one(stripe("checkout.session.completed", session(amount_total=amount))).properties


def test_each_refund_of_a_charge_is_worth_what_was_added() -> None:
    charge = {"id": "ch_1", "amount_refunded": 8000, "currency": "eur", "customer": "cus_1", "payment_intent": "pi_1"}
    data = {"object": charge, "previous_attributes": {"amount_refunded": 2010}}
    event = one(stripe("charge.refunded", charge, data=data))
    assert (event.properties["total"], event.properties["order_id"]) == ("59.90", "pi_1")
    assert one(stripe("charge.refunded", charge)).properties["total"] == "80.00"


@pytest.mark.parametrize(("choice", "grant"), [("opt_in", "granted"), ("opt_out", "denied"), (None, None), ("?", None)])
def test_promotions_agreed_to_at_the_checkout(choice: str | None, grant: Any) -> None:
    event = one(stripe("checkout.session.completed", session(consent={"promotions": choice})))
    assert event.consent == ((ConsentChange("marketing", grant),) if grant else ())


def test_taxes_of_an_invoice_are_their_sum_where_stripe_writes_none() -> None:
    invoice = {"id": "in_1", "object": "invoice", "amount_paid": 1000, "currency": "eur", "customer": "cus_1"}
    taxes = {"total_taxes": [{"amount": 70}, {"amount": 19}]}
    assert one(stripe("invoice.paid", invoice | taxes)).properties["tax"] == "0.89"
    assert one(stripe("invoice.paid", invoice | taxes | {"tax": 90})).properties["tax"] == "0.90"
    assert "tax" not in one(stripe("invoice.paid", invoice)).properties


def test_a_customer_that_is_deleted_at_stripe_has_not_asked_for_erasure() -> None:
    assert stripe("customer.deleted", {"id": "cus_1", "object": "customer"}).events == []


def test_a_customer_expanded_into_the_object_is_known_by_its_id() -> None:
    event = one(stripe("checkout.session.completed", session(customer={"id": "cus_1", "email": "a@b.example"})))
    assert event.identifiers == (Identifier("email", "a@b.example"), Identifier("stripe_customer_id", "cus_1"))


def test_a_discount_is_a_coupon_that_was_applied_or_removed() -> None:
    discount = {"id": "di_1", "object": "discount", "customer": "cus_1", "coupon": {"id": "SPRING", "name": "Spring"}}
    applied = one(stripe("customer.discount.created", discount))
    assert (applied.name, applied.properties) == ("Coupon Applied", {"coupon_id": "SPRING", "coupon_name": "Spring"})
    assert applied.identifiers == (Identifier("stripe_customer_id", "cus_1"),)
    newer = one(stripe("customer.discount.deleted", discount | {"coupon": None, "source": {"coupon": "SPRING"}}))
    assert (newer.name, newer.properties) == ("Coupon Removed", {"coupon_id": "SPRING"})


def test_a_bank_debit_that_is_refused_after_the_checkout_is_a_failed_payment() -> None:
    event = one(stripe("checkout.session.async_payment_failed", session(payment_status="unpaid")))
    assert (event.name, event.properties) == ("Payment Failed", {"total": "10.00", "currency": "EUR"})


@pytest.mark.parametrize(
    ("source", "type", "why"),
    [
        ("stripe", "charge.refund.updated", "charge.refunded tells of it, and whose it is"),
        ("stripe", "charge.dispute.funds_withdrawn", "a dispute is between merchant and bank, and names no customer"),
        ("stripe", "payout.paid", "it is about the merchant's own account and money"),
        ("stripe", "invoice.created", "a bill that is not paid is no order"),
        ("stripe", "never.heard.of", "nothing here uses it"),
        ("square", "gift_card.updated", "whoever holds a gift card need not be who it was bought by"),
        ("square", "loyalty.account.deleted", "what somebody had saved is not kept after its account"),
        ("square", "loyalty.program.created", "it is about the loyalty programme, and no customer"),
        ("square", "invoice.published", "a bill that is not paid is no order"),
    ],
)
def test_what_is_left_alone_is_left_for_a_reason(source: str, type: str, why: str) -> None:
    parsed = stripe(type, {"id": "x"}) if source == "stripe" else square(type)
    assert (parsed.events, parsed.refused, parsed.ignored) == ([], [], [f"{type}: {why}"])


# ---- Square


@pytest.mark.parametrize(
    ("type", "status", "name"),
    [
        ("created", "PENDING", "Subscription Started"),
        ("updated", "ACTIVE", "Subscription Updated"),
        ("updated", "PAUSED", "Subscription Paused"),
        ("updated", "CANCELED", "Subscription Cancelled"),
    ],
)
def test_a_subscription_at_square_is_called_as_one_at_stripe(type: str, status: str, name: str) -> None:
    about = {"id": "s-1", "customer_id": "C1", "plan_variation_id": "V1", "status": status, "start_date": "2026-12-01"}
    event = one(square(f"subscription.{type}", subscription=about))
    assert (event.name, event.identifiers) == (name, (Identifier("square_customer_id", "C1"),))
    assert event.properties == {
        "subscription_id": "s-1",
        "status": status,
        "product_id": "V1",
        "start_at": "2026-12-01",
    }
    assert event.at == parse_instant("2026-11-24T08:00:00Z")


def test_a_card_that_is_refused_for_an_invoice_is_a_failed_payment() -> None:
    invoice = {
        "id": "inv-1",
        "order_id": "O1",
        "status": "UNPAID",
        "primary_recipient": {"customer_id": "C1", "email_address": "mira@shop.example"},
        "payment_requests": [{"computed_amount_money": {"amount": 1000, "currency": "EUR"}}],
    }
    event = one(square("invoice.scheduled_charge_failed", invoice=invoice))
    assert (event.name, event.properties) == (
        "Payment Failed",
        {"order_id": "O1", "total": "10.00", "currency": "EUR"},
    )
    assert Identifier("email", "mira@shop.example") in event.identifiers


def payment(**more: Any) -> dict[str, Any]:
    paid = {"id": "P1", "order_id": "O1", "status": "COMPLETED", "total_money": {"amount": 1000, "currency": "EUR"}}
    return paid | {"customer_id": "C1", "created_at": "2026-11-24T07:59:00Z"} | more


def test_a_payment_counts_once_when_it_is_completed() -> None:
    assert square("payment.created", payment=payment(status="APPROVED")).events == []
    first, again = (one(square(f"payment.{name}", payment=payment())) for name in ("created", "updated"))
    second = one(square("payment.updated", payment=payment(id="P2")))
    assert first.id == again.id == second.id == "order:O1"
    assert first.at == parse_instant("2026-11-24T07:59:00Z")
    assert one(square("payment.updated", payment=payment(status="FAILED"))).name == "Payment Failed"


def test_a_refund_finds_the_buyer_by_order_or_payment() -> None:
    bought = one(square("payment.updated", payment=payment()))
    refund = {"id": "R1", "status": "COMPLETED", "payment_id": "P1", "amount_money": {"amount": 5, "currency": "JPY"}}
    event = one(square("refund.updated", refund=refund))
    assert set(event.identifiers) < set(bought.identifiers)
    assert event.properties["total"] == "5"
    assert square("refund.created", refund=refund | {"status": "PENDING"}).events == []


def test_a_sale_to_nobody_known_makes_nobody_up() -> None:
    parsed = square("payment.updated", payment=payment(customer_id=None))
    assert (parsed.events, parsed.refused) == ([], [])
    assert parsed.ignored == ["Order Completed: it names nobody"]


def test_an_invoice_is_an_order_once_it_is_paid_in_full() -> None:
    money = [{"total_completed_amount_money": {"amount": amount, "currency": "EUR"}} for amount in (10, 20)]
    invoice = {"id": "I1", "order_id": "O1", "payment_requests": money, "primary_recipient": {"customer_id": "C1"}}
    assert square("invoice.payment_made", invoice=invoice | {"status": "PARTIALLY_PAID"}).events == []
    event = one(square("invoice.payment_made", invoice=invoice | {"status": "PAID"}))
    assert (event.id, event.properties["total"]) == ("order:O1", "0.30")


@pytest.mark.parametrize(("unsubscribed", "grants"), [(True, ["withdrawn"]), (False, []), (None, [])])
def test_squares_default_subscription_grants_nothing(unsubscribed: bool | None, grants: list[str]) -> None:
    customer = {"id": "C1", "preferences": {"email_unsubscribed": unsubscribed}}
    event = one(square("customer.updated", customer=customer))
    assert [change.grant for change in event.consent] == grants


# ---- WooCommerce


def order(**more: Any) -> dict[str, Any]:
    bought = {"id": 727, "status": "processing", "total": "29.35", "currency": "EUR", "customer_id": 25}
    times = {"date_created_gmt": "2026-11-24T08:00:00", "date_modified_gmt": "2026-11-24T08:10:00"}
    return bought | times | {"billing": {"email": "a@b.example"}} | more


def test_an_order_is_completed_once_through_all_its_states() -> None:
    states = [woo("order.updated", order(status=status)) for status in ("on-hold", "processing", "completed")]
    assert {event.id for parsed in states for event in parsed.events} == {"order-completed:a.example:727"}
    assert one(woo("order.updated", order(status="pending"))).name == "Checkout Started"
    assert one(woo("order.updated", order(status="cancelled"))).name == "Order Cancelled"
    assert woo("order.updated", order(status="trash")).ignored == [
        "order.updated: nothing here uses an order that is trash"
    ]


def test_each_refund_is_an_event_of_its_own() -> None:
    refunds = [{"id": 1, "total": "-10.00"}, {"id": 2, "total": "-0.05"}]
    events = woo("order.updated", order(refunds=refunds)).events
    assert [event.name for event in events] == ["Order Completed", "Order Refunded", "Order Refunded"]
    assert [event.properties["total"] for event in events] == ["29.35", "10.00", "0.05"]
    assert len({event.id for event in events}) == 3


def test_numbers_of_one_shop_are_not_those_of_another() -> None:
    mine, theirs = (one(woo("order.created", order(), shop)) for shop in ("https://a.example", "https://b.example"))
    assert mine.id != theirs.id
    assert Identifier("woocommerce_customer_id", "a.example:25") in mine.identifiers
    assert Identifier("woocommerce_customer_id", "b.example:25") in theirs.identifiers


def test_guests_are_known_by_their_address_and_times_are_utc() -> None:
    event = one(woo("order.created", order(customer_id=0, date_paid_gmt="2026-11-24T08:05:00")))
    assert [i.kind for i in event.identifiers] == ["email", "woocommerce_order_id"]
    assert event.at == parse_instant("2026-11-24T08:05:00Z")


def test_a_change_of_a_customer_repeats_only_with_the_same_content() -> None:
    body = {"id": 25, "email": "a@b.example", "first_name": "Ana", "date_modified_gmt": "2026-11-24T08:00:00"}
    first, again = (one(woo("customer.updated", body)) for _ in range(2))
    changed = one(woo("customer.updated", body | {"first_name": "Anna"}))
    assert first.id == again.id != changed.id
