"""Shopify: signatures made by others, and webhooks as its documentation and API give them."""

from __future__ import annotations

import hmac
import json
from base64 import b64encode
from typing import Any

import pytest
from shopify.session import Session

from contracts.samples import corpus
from tailor.kernel.errors import Rejected
from tailor.kernel.event import ConsentChange, Event, Identifier
from tailor.kernel.inbound import Inbound, Parsed
from tailor.kernel.instants import parse_instant
from tailor.sources.shopify import SHOPIFY, pixel

NOW = parse_instant("2026-11-24T09:00:00Z")
SECRET = b"shp_secret"


def post(topic: str, body: Any, *, now: int = NOW, **headers: str) -> Parsed:
    extra = {f"x-shopify-{name.replace('_', '-')}": value for name, value in headers.items()}
    return SHOPIFY.to_events(
        Inbound("POST", "/", {"x-shopify-topic": topic, **extra}, json.dumps(body).encode()), now=now
    )


def one(topic: str, body: Any, *, now: int = NOW, **headers: str) -> Event:
    [event] = post(topic, body, now=now, **headers).events
    return event


def order(**more: Any) -> dict[str, Any]:
    return {
        "id": 5778367414385001,
        "email": "Mira@Shop.example",
        "created_at": "2026-11-24T08:00:00Z",
        "updated_at": "2026-11-24T08:00:01Z",
        "total_price": "10.10",
        "currency": "EUR",
        "line_items": [],
        "customer": {"id": 9007199254740993, "email": "mira@shop.example"},
    } | more


def customer(**more: Any) -> dict[str, Any]:
    return {
        "id": 9007199254740993,
        "email": "mira@shop.example",
        "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-11-24T08:00:00Z",
    } | more


def test_the_signature_shopifys_own_verifier_accepts_is_accepted() -> None:
    [(_, vectors)] = corpus("golden", "signature_vectors.json")
    [vector] = [v for v in vectors if v["system"] == "shopify"]
    body, secret = vector["body"].encode(), vector["secret"].encode()
    for name in ("x-shopify-hmac-sha256", "shopify-hmac-sha256"):
        SHOPIFY.verify(Inbound("POST", "/", {name: vector["value"]}, body), secret, now=NOW)
    with pytest.raises(Rejected):
        SHOPIFY.verify(Inbound("POST", "/", {"x-shopify-hmac-sha256": vector["value"]}, body[:-1]), secret, now=NOW)


def test_a_body_signed_by_the_shopify_library_verifies_and_an_altered_one_does_not() -> None:
    # The library signs OAuth parameters, "name=value" under the same secret: a body with one "=" in it is such a pair.
    body = '{"id":820982911946154508,"note":"a=Größe 👟"}'
    Session.secret = SECRET.decode()
    name, _, value = body.partition("=")
    signature = b64encode(bytes.fromhex(Session.calculate_hmac({name: value}))).decode()
    headers = {"x-shopify-hmac-sha256": signature}
    SHOPIFY.verify(Inbound("POST", "/", headers, body.encode()), SECRET, now=NOW)
    for wrong in (body.replace("508", "509"), body + " ", ""):
        with pytest.raises(Rejected) as refusal:
            SHOPIFY.verify(Inbound("POST", "/", headers, wrong.encode()), SECRET, now=NOW)
        assert refusal.value.status == 401


@pytest.mark.parametrize("signature", ["", "ä", "AAAA", hmac.digest(SECRET, b"{}", "sha256").hex()])
def test_anything_else_is_no_signature(signature: str) -> None:
    with pytest.raises(Rejected) as refusal:
        SHOPIFY.verify(Inbound("POST", "/", {"x-shopify-hmac-sha256": signature}, b"{}"), SECRET, now=NOW)
    assert refusal.value.status == 401


def test_every_payload_of_the_corpus_gives_events_or_a_reason() -> None:
    understood: set[str] = set()
    for name, content in corpus("sources/shopify"):
        request = content.get("request", {})
        if "body" not in request:
            continue
        topic = request.get("headers", {}).get("X-Shopify-Topic") or request["query"]["topic"][0].replace("_", "/", 1)
        parsed = post(topic, request["body"])
        assert parsed.events or parsed.refused or parsed.ignored, name
        understood |= {topic for _ in parsed.events}
    assert {"carts/create", "checkouts/update", "customers/create", "orders/updated"} <= understood


def test_an_order_from_the_rest_api_keeps_its_money_and_ids() -> None:
    [(_, content)] = corpus("sources/shopify", "032_*.json")
    resource = content["record"]["order"]
    event = one("orders/create", resource)
    assert event.id == f"order:{resource['id']}"
    assert event.properties["total"] == resource["total_price"]
    assert len(event.properties["products"]) == len(resource["line_items"])
    assert event.at == parse_instant(resource["created_at"])


def test_an_order_is_one_event_however_often_and_by_whatever_subscription_it_comes() -> None:
    first = one("orders/create", order(), event_id="e-1")
    again = one("orders/create", order(updated_at="2026-11-24T08:30:00Z"), now=NOW + 1, event_id="e-2")
    paid = one("orders/paid", order(), event_id="e-1")
    assert (first.id, first.at) == (again.id, again.at)
    assert (first.name, paid.name) == ("Order Completed", "Order Paid")
    assert first.id != paid.id


def test_an_event_id_shared_by_two_topics_makes_two_events() -> None:
    updated = one("orders/updated", order(), event_id="e-1")
    changed = post("customers/update", customer(), event_id="e-1").events[0]
    assert updated.id != changed.id


def test_a_refund_is_tied_to_the_buyer_by_the_order() -> None:
    tie = Identifier("shopify_order_id", "5778367414385001")
    assert tie in one("orders/create", order()).identifiers
    refund = {"id": 7, "order_id": 5778367414385001, "transactions": [{"kind": "refund", "amount": "0.10"}] * 3}
    event = one("refunds/create", refund)
    assert event.identifiers == (tie,)
    assert event.properties["total"] == "0.30"


def test_what_was_in_the_cart_belongs_to_the_buyer() -> None:
    cart = one(
        "carts/update", {"id": "c?key=s", "token": "c?key=s", "updated_at": "2026-11-24T08:00:00Z", "line_items": []}
    )
    assert cart.identifiers == (Identifier("anonymous_id", "shopify-cart:c"),)
    assert cart.identifiers[0] in one("orders/create", order(cart_token="c")).identifiers
    assert (
        cart.identifiers[0]
        in one("checkouts/update", {"token": "t", "cart_token": "c", "email": "a@b.example"}).identifiers
    )


def test_an_order_over_the_counter_makes_nobody_up() -> None:
    parsed = post("orders/create", order(email=None, customer=None))
    assert (parsed.events, parsed.refused) == ([], [])
    assert parsed.ignored == ["orders/create: it names nobody"]


def test_a_checkout_starts_once_for_each_thing_it_tells_of_the_buyer() -> None:
    bare = {"token": "t", "cart_token": "c", "created_at": "2026-11-24T08:00:00Z"}
    ids = [
        one("checkouts/create", bare).id,
        one("checkouts/update", bare | {"updated_at": "2026-11-24T08:10:00Z"}).id,
        one("checkouts/update", bare | {"email": "a@b.example"}).id,
        one("checkouts/update", bare | {"email": "a@b.example", "total_price": "3.00"}).id,
    ]
    assert ids[0] == ids[1] != ids[2] == ids[3]


@pytest.mark.parametrize(
    ("resource", "grant"),
    [
        ({"email_marketing_consent": {"state": "subscribed"}}, "granted"),
        ({"email_marketing_consent": {"state": "unsubscribed"}}, "withdrawn"),
        ({"email_marketing_consent": {"state": "pending"}}, "pending"),
        ({"email_marketing_consent": {"state": "not_subscribed"}}, None),
        ({"email_marketing_consent": None}, None),
        ({"accepts_marketing": True}, "granted"),
        ({"accepts_marketing": False}, None),
        ({"email_marketing_consent": {"state": "unsubscribed"}, "accepts_marketing": True}, "withdrawn"),
    ],
)
def test_the_consent_of_a_customer(resource: dict[str, Any], grant: str | None) -> None:
    changes = [change for event in post("customers/update", customer(**resource)).events for change in event.consent]
    assert [change.grant for change in changes] == ([grant] if grant else [])


def test_consent_is_as_old_as_it_was_given_and_repeats_are_one_event() -> None:
    asked = {"state": "subscribed", "consent_updated_at": "2026-03-01T08:00:00Z"}
    before = post("customers/update", customer(email_marketing_consent=asked)).events
    later = customer(email_marketing_consent=asked, updated_at="2026-11-24T08:59:00Z", first_name="Mira")
    after = post("customers/update", later).events
    assert [event.name for event in before] == ["Identify", "Consent Updated"]
    assert before[1].id == after[1].id
    assert before[0].id != after[0].id
    assert after[1].at == parse_instant("2026-03-01T08:00:00Z")
    assert after[1].consent == (ConsentChange("marketing", "granted"),)


def test_a_ticked_box_at_the_checkout_grants_and_an_empty_one_takes_nothing_back() -> None:
    assert one("orders/create", order(buyer_accepts_marketing=True)).consent == (ConsentChange("marketing", "granted"),)
    assert one("orders/create", order(buyer_accepts_marketing=False)).consent == ()
    assert one("orders/updated", order(buyer_accepts_marketing=True)).consent == ()


def test_empty_fields_of_a_customer_unset_nothing() -> None:
    assert one("customers/create", customer(first_name=None, last_name="", tags="")).traits == {
        "email": "mira@shop.example"
    }


@pytest.mark.parametrize(
    ("topic", "body"),
    [
        ("customers/delete", {"id": 191167}),
        ("customers/redact", {"shop_id": 1, "customer": {"id": 191167, "email": "", "phone": "555-625-1199"}}),
    ],
)
def test_erasure_is_asked_for_by_the_customers_id(topic: str, body: dict[str, Any]) -> None:
    event = one(topic, body)
    assert (event.kind, event.identifiers) == ("delete", (Identifier("shopify_customer_id", "191167"),))
    assert event.id == one(topic, body, now=NOW + 60_000).id


def test_money_keeps_its_digits() -> None:
    event = one(
        "orders/create", order(total_price="1234567890.10", current_total_price=None, line_items=[{"price": 19.9}])
    )
    assert event.properties["total"] == "1234567890.10"
    assert event.properties["products"] == [{"price": "19.9"}]
    assert "total" not in one("orders/create", order(total_price="1e999999999")).properties


def test_a_time_that_cannot_be_read_gives_way_to_the_next() -> None:
    broken = {"token": "t", "email": "a@b.example", "created_at": "2026-09-16T03:50:1500:00"}
    assert one("checkouts/create", broken | {"updated_at": "2026-11-24T08:00:00Z"}).at == NOW - 3_600_000
    assert one("checkouts/create", broken, triggered_at="2026-11-24T08:59:00.877041743Z").at == NOW - 60_000 + 877
    assert one("checkouts/create", broken).at == NOW


@pytest.mark.parametrize("topic", ["orders/create", "refunds/create", "carts/update", "customers/update"])
def test_a_resource_without_an_id_is_refused_with_its_place(topic: str) -> None:
    [(refusal, raw)] = post(topic, {"email": "a@b.example"}).refused
    assert refusal.code == "no-id"
    assert refusal.pointer.startswith("/")
    assert raw["topic"] == topic


def test_what_happened_to_an_order_without_a_number_is_told_by_its_content() -> None:
    first, again, other = (one("orders/cancelled", {"email": "a@b.example", "total_tax": tax}) for tax in "001")
    assert first.id == again.id != other.id
    assert "order_id" not in first.properties


@pytest.mark.parametrize("spelt", ["orders/create", "orders_create", "ORDERS/CREATE"])
def test_the_topic_may_stand_in_the_query(spelt: str) -> None:
    body = json.dumps(order()).encode()
    parsed = SHOPIFY.to_events(Inbound("POST", "/sources/shopify/k", {}, body, {"topic": spelt}), now=NOW)
    assert [event.name for event in parsed.events] == ["Order Completed"]


def test_a_choice_about_mail_that_comes_alone_is_the_choice_that_comes_with_the_customer() -> None:
    chosen = {"state": "unsubscribed", "consent_updated_at": "2026-11-24T08:00:00Z"}
    [_, whole] = post("customers/update", {"id": 7, "email": "a@b.example", "email_marketing_consent": chosen}).events
    alone = one(
        "customers_email_marketing_consent/update",
        {"customer_id": 7, "email_address": "a@b.example", "email_marketing_consent": chosen},
    )
    assert (alone.id, alone.consent, alone.identifiers) == (whole.id, whole.consent, whole.identifiers)


def test_a_pixel_and_a_webhook_tell_of_one_order_by_one_buyer() -> None:
    bought = {"name": "checkout_completed", "type": "standard", "id": "sh-1", "clientId": "c-1"}
    bought["data"] = {"checkout": {"token": "t-1", "order": {"id": "gid://shopify/OrderIdentity/42"}}}  # type: ignore[assignment]
    seen = one("", bought)
    told = one("orders/create", order(id=42, checkout_token="t-1"))
    assert seen.id == told.id
    assert set(seen.identifiers) & set(told.identifiers)


@pytest.mark.parametrize("name", pixel.NAMES)
def test_every_standard_event_of_a_pixel_has_its_name(name: str) -> None:
    event = one("", {"name": name, "type": "standard", "id": "sh-1", "clientId": "c-1", "data": {}})
    assert event.name == pixel.NAMES[name]
    assert event.kind == ("page" if name == "page_viewed" else "track")


@pytest.mark.parametrize("topic", ["shop/redact", "products/update", "app/uninstalled"])
def test_a_topic_of_no_use_is_ignored_with_a_reason(topic: str) -> None:
    parsed = post(topic, {"id": 1})
    assert (parsed.events, parsed.refused) == ([], [])
    assert parsed.ignored[0].startswith(topic)


def test_a_choice_about_text_messages_is_none_about_mail() -> None:
    body = {"id": 7, "phone": "+16135551212", "sms_marketing_consent": {"state": "subscribed"}}
    parsed = post("customers_marketing_consent/update", body)
    assert not parsed.events
    assert "text messages" in parsed.ignored[0]


def test_a_test_notification_makes_no_people() -> None:
    assert post("orders/create", order(), test="true").events == []
