"""GA4, Adobe, Tealium, BlueConic: what people did on sites and in apps."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from contracts.samples import ROOT, corpus
from tailor.kernel.errors import Rejected
from tailor.kernel.event import ConsentChange, Event, Identifier
from tailor.kernel.inbound import Inbound, Parsed
from tailor.kernel.instants import parse_instant
from tailor.sources import SOURCES

NOW = parse_instant("2026-11-24T09:00:00Z")


def post(source: str, body: Any, *, now: int = NOW, **query: str) -> Parsed:
    return SOURCES[source].to_events(Inbound("POST", "/", {}, json.dumps(body).encode(), query), now=now)


def one(source: str, body: Any, **more: Any) -> Event:
    [event] = post(source, body, **more).events
    return event


# ---- GA4


def hit(name: str, params: dict[str, Any] | None = None, **body: Any) -> dict[str, Any]:
    event = {"name": name, "params": params or {}}
    return {"client_id": "1.2", "timestamp_micros": (NOW - 4_000) * 1_000} | body | {"events": [event]}


def row(**more: Any) -> dict[str, Any]:
    known = {"event_timestamp": "1795510740123456", "event_name": "page_view", "user_pseudo_id": "1.2"}
    return known | {"event_bundle_sequence_id": "7"} | more


def test_what_other_tools_make_of_a_purchase_flow_is_read_back() -> None:
    # The other way round: the bodies a router sends to GA4, against the Segment events it made them from.
    compared = 0
    for name, content in corpus("sources/ga4", "*pair_outbound_track*.json"):
        # Names and fields that one customer declared are none of GA4's.
        if content["destination_config"].get("eventsMapping"):
            continue
        for sent, made in zip(content["input_events"], content["expected_requests"], strict=True):
            event = one("ga4", made["output"]["body"]["JSON"])
            given = sent.get("properties", {})
            assert event.name.lower() == {"login": "signed in"}.get(sent["event"], sent["event"].lower()), name
            assert Identifier("user_id", sent["userId"]) in event.identifiers
            # Of an event about one product GA4 calls the value of that product "value".
            assert given.get("total") == event.properties.get("total", event.properties.get("value")), name
            products = event.properties.get("products", [])
            # Segment's event about one product is that product, GA4's has a list of one.
            sold = given.get("products", [given] if products else [])
            for theirs, ours in zip(sold, products, strict=True):
                for field in ("product_id", "name", "category", "brand", "coupon", "currency", "price"):
                    assert str(theirs.get(field)) == str(ours.get(field)), (name, field)
                assert int(theirs["quantity"]) == ours["quantity"]
            compared += 1
    assert compared >= 14


def test_a_purchase_is_one_order_however_it_comes() -> None:
    live = one("ga4", hit("purchase", {"transaction_id": "T-1", "value": 124.7, "currency": "EUR"}))
    bought = {"transaction_id": "T-1", "purchase_revenue": 124.7}
    exported = one("ga4", row(event_name="purchase", ecommerce=bought))
    assert live.id == exported.id == "order:T-1"
    assert live.properties["total"] == exported.properties["total"] == "124.7"
    assert one("ga4", hit("refund", {"transaction_id": "T-1"})).id == "refund:T-1"


def test_the_same_body_is_the_same_event_if_it_has_a_time() -> None:
    assert one("ga4", hit("scroll")).id == one("ga4", hit("scroll"), now=NOW + 9).id
    bare = hit("scroll", timestamp_micros=None)
    assert one("ga4", bare).id != one("ga4", bare, now=NOW + 9).id


def test_a_row_of_the_export_is_told_by_visitor_time_name_and_bundle() -> None:
    first = one("ga4", row())
    assert first.id == one("ga4", row(geo={"city": "Lund"})).id
    assert (first.kind, first.name, first.at) == ("page", "Page Viewed", 1_795_510_740_123)
    changes = ({"user_pseudo_id": "1.3"}, {"event_timestamp": "1795510740123457"}, {"event_bundle_sequence_id": "8"})
    assert len({first.id, *(one("ga4", row(**change)).id for change in changes)}) == 4


def test_whole_numbers_of_the_export_stay_exact() -> None:
    values = {"n": {"int_value": "9007199254740993"}, "s": {"string_value": "7"}}
    parameters = [{"key": name, "value": value} for name, value in values.items()]
    assert one("ga4", row(event_params=parameters)).properties == {"n": 9007199254740993, "s": "7"}


def test_an_app_and_a_site_have_different_visitors() -> None:
    assert one("ga4", row(platform="ANDROID")).identifiers == (Identifier("ga_app_instance_id", "1.2"),)
    assert one("ga4", row(platform="WEB")).identifiers == (Identifier("ga_client_id", "1.2"),)


def test_an_event_that_names_nobody_is_refused_alone() -> None:
    parsed = post("ga4", [row(), row(user_pseudo_id=None)])
    assert len(parsed.events) == 1
    assert [(refusal.code, refusal.pointer) for refusal, _ in parsed.refused] == [("no-identity", "/1")]


# ---- Adobe


def xdm(**more: Any) -> dict[str, Any]:
    known = {"_id": "x-1", "timestamp": "2026-11-24T08:00:00Z", "identityMap": {"ECID": [{"id": "7" * 38}]}}
    return known | more


def feed(**more: Any) -> dict[str, Any]:
    known = {"hitid_high": "1", "hitid_low": "2", "post_visid_high": "1944017885723175213", "post_visid_low": "3"}
    return known | {"hit_time_gmt": "1795510700", "exclude_hit": "0", "post_event_list": ""} | more


@pytest.mark.parametrize("wrap", [lambda e: e, lambda e: {"xdm": e}, lambda e: {"event": {"xdm": e}}, lambda e: [e]])
def test_an_xdm_event_is_the_same_in_every_envelope(wrap: Any) -> None:
    event = one("adobe", wrap(xdm(eventType="commerce.productViews", productListItems=[{"SKU": "S", "name": "Shoe"}])))
    assert (event.name, event.id, event.properties["name"]) == ("Product Viewed", "xdm:x-1", "Shoe")
    assert event.identifiers == (Identifier("adobe_ecid", "7" * 38),)


def test_without_a_type_the_measures_say_what_happened() -> None:
    order = {"purchaseID": "P-1", "priceTotal": 10.1, "currencyCode": "EUR"}
    event = one("adobe", xdm(commerce={"purchases": {"value": 1}, "productViews": {"value": 1}, "order": order}))
    assert (event.name, event.properties["total"]) == ("Order Completed", "10.1")
    assert post("adobe", xdm()).ignored == ["XDM: no event, for it has neither type nor measure"]


def test_hashed_identities_are_no_identities() -> None:
    identities = {"Email_LC_SHA256": [{"id": "a3f1"}], "Email": [{"id": "A@b.example"}], "Loyalty": [{"id": "L1"}]}
    event = one("adobe", xdm(eventType="web.webpagedetails.pageViews", identityMap=identities))
    assert set(event.identifiers) == {Identifier("email", "a@b.example"), Identifier("adobe_loyalty", "L1")}


@pytest.mark.parametrize(("value", "grant"), [("y", "granted"), ("n", "denied"), ("dy", None), ("p", None)])
def test_only_yes_and_no_are_consent(value: str, grant: Any) -> None:
    parsed = post("adobe", xdm(consents={"marketing": {"email": {"val": value}}}))
    changes = [change for event in parsed.events for change in event.consent]
    assert changes == ([ConsentChange("marketing", grant)] if grant else [])


def test_a_visitor_of_128_bits_is_kept_whole() -> None:
    event = one("adobe", feed())
    assert event.identifiers == (Identifier("adobe_visitor_id", "1944017885723175213_3"),)
    assert event.at == 1_795_510_700_000
    zero = feed(post_visid_high="0", post_visid_low="0")
    assert post("adobe", zero).ignored == ["Page Viewed: it names nobody"]


def test_a_hit_is_what_its_most_telling_event_says() -> None:
    bought = feed(post_event_list="2,12,1,201", post_product_list="c;Shoe;2;119.80,;Wax;1;4.90", post_purchaseid="P-1")
    event = one("adobe", bought)
    assert (event.name, event.id, event.properties["total"]) == ("Order Completed", "order:P-1", "124.70")
    assert one("adobe", bought | {"duplicate_purchase": "1"}).name == "Product Added"
    assert one("adobe", feed(post_event_list="21,112")).name == "Page Viewed"
    assert post("adobe", feed(exclude_hit="2")).ignored == ["hit: excluded by Adobe"]


# ---- Tealium

VISIT = {"tealium_event": "product_view", "tealium_visitor_id": "v", "tealium_timestamp_epoch": 1795510790}


def test_the_three_forms_of_tealium_are_one() -> None:
    text = json.dumps(VISIT)
    requests = (
        Inbound("POST", "/", {}, text.encode()),
        Inbound("POST", "/", {}, urlencode({"data": text}).encode()),
        Inbound("GET", "/", {}, b"", {"data": text}),
    )
    [first], *others = (SOURCES["tealium"].to_events(request, now=NOW).events for request in requests)
    assert others == [[first], [first]]


@pytest.mark.parametrize("time", [1795510790, "1795510790", "1795510790.0", 1795510790000, "1795510790000"])
def test_tealiums_times_come_in_many_spellings(time: Any) -> None:
    assert one("tealium", VISIT | {"tealium_timestamp_epoch": time}).at == 1_795_510_790_000


def test_parallel_lists_become_products() -> None:
    lists = {"product_name": ["Shoe", "Wax", "Sock"], "product_price": [59.9, "4.90"], "product_quantity": [2]}
    event = one("tealium", VISIT | lists | {"tealium_event": "purchase", "order_id": "1", "order_total": "124.70"})
    assert event.properties["products"] == [
        {"name": "Shoe", "price": "59.9", "quantity": 2},
        {"name": "Wax", "price": "4.90"},
        {"name": "Sock"},
    ]
    assert (event.id, event.properties["total"]) == ("order:1", "124.70")


def test_the_consent_cookie_is_the_choice_made_at_its_time() -> None:
    cookie = "c1:1|c5:0|c99:1|ts:1795400000000|consent:true"
    events = [post("tealium", VISIT | {"cp.CONSENTMGR": cookie, "page": page}).events for page in (1, 2)]
    [choice] = {event.id: event for pair in events for event in pair if event.consent}.values()
    assert choice.at == 1_795_400_000_000
    assert choice.consent == (ConsentChange("analytics", "granted"), ConsentChange("marketing", "denied"))
    undated = VISIT | {"CONSENTMGR": "c1:1|consent:true"}
    assert [event.consent for event in post("tealium", undated).events] == [()]


def test_a_visitor_record_is_traits_and_audiences() -> None:
    record = {"visitor_id": "v", "customer_email": "a@b.example", "audiences": {"a_1": "Runners", "a_2": "Skiers"}}
    event = one("tealium", record)
    assert (event.kind, event.traits["tealium_audiences"]) == ("identify", ["Runners", "Skiers"])


def test_a_hundred_records_are_the_most() -> None:
    assert len(post("tealium", [VISIT] * 100).events) == 100
    with pytest.raises(Rejected) as refusal:
        post("tealium", [VISIT] * 101)
    assert refusal.value.status == 413


# ---- BlueConic


def test_a_profile_gives_traits_and_its_timeline() -> None:
    data = [{"id": "product", "values": [[{"id": "id", "values": ["S"]}], [{"id": "id", "values": ["W"]}], None]}]
    order = {"id": "o-1", "eventTypeId": "order", "date": "2026-11-24T08:00:00Z", "data": [*data, None]}
    body = {"profile_id": "p-1", "timestamp": "2026-11-24T08:30:00Z", "properties": {"email": ["a@b.example", None]}}
    identify, bought = post("blueconic", body | {"events": [order, None], "segments": ["A", None]}).events
    assert identify.traits == {"email": "a@b.example", "blueconic_segments": ["A"]}
    assert (bought.name, bought.at) == ("Order Completed", parse_instant("2026-11-24T08:00:00Z"))
    assert bought.properties["products"] == [{"product_id": "S"}, {"product_id": "W"}]
    assert bought.identifiers == identify.identifiers


def test_objectives_without_the_time_of_the_choice_are_not_consent() -> None:
    body = {"id": "p-1", "properties": [], "consentedObjectives": ["marketing"], "refusedObjectives": ["analytics"]}
    assert one("blueconic", body).consent == ()


def test_the_published_template_is_filled_to_what_the_source_reads() -> None:
    # A small part of Mustache is enough: values, and sections over lists.
    template = (ROOT / "events" / "blueconic" / "webhook.mustache").read_text()
    shown = {
        "event.id": "c-1",
        "event.timestamp": "2026-11-24T08:30:00Z",
        "profile.id": "p-1",
        "profile.properties.email": "a@b.example",
        "profile.allProperties": [{"id": "firstname", "values": ["Mira"]}, {"id": "interests", "values": ["a", "b"]}],
        "profile.segments": [{"name": "Runners"}, {"name": "Skiers"}],
        "profile.timelineEvents": [
            {"id": "t-1", "eventTypeId": "order", "date": "2026-11-24T08:00:00Z", "data": []},
        ],
    }
    identify, bought = post("blueconic", json.loads(filled(template, shown))).events
    assert identify.id == "profile:p-1:c-1"
    assert identify.traits["first_name"] == "Mira"
    assert identify.traits["interests"] == ["a", "b"]
    assert identify.traits["blueconic_segments"] == ["Runners", "Skiers"]
    assert bought.id == "timeline:p-1:t-1"


def filled(template: str, shown: Any) -> str:
    out, rest = "", template
    while "{{" in rest:
        before, _, rest = rest.partition("{{")
        name, _, rest = rest.partition("}}")
        out += before
        if name.startswith("#"):
            inner, _, rest = rest.partition("{{/" + name[1:] + "}}")
            out += "".join(filled(inner, one) for one in shown[name[1:]])
        else:
            out += shown if name == "." else shown[name]
    return out + rest
