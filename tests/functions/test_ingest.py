"""The door: what is let in, what is turned away and how it is told."""

from __future__ import annotations

import gzip
import hmac
import json
import tracemalloc
from base64 import b64encode
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from random import Random
from typing import Any

import botocore.session
import pytest

from contracts.samples import ROOT, SECRET, expected, request_of, samples
from tailor.edges import runtime
from tailor.edges.http import inbound
from tailor.flows.ingest import RATE, REQUEST_BYTES, Answer, Door, _circumstances, _whole, ingest
from tailor.flows.replay import again
from tailor.kernel.errors import Rejected, Transient
from tailor.kernel.inbound import Inbound
from tailor.kernel.keys import digest
from tailor.sources import SOURCES, read
from world import CONTEXT, World, app

NOW = 1_795_510_800_000
KEYS = {
    digest("k-segment"): {"id": "key_1", "source": "segment"},
    digest("k-shopify"): {"id": "key_2", "source": "shopify"},
    digest("k-ses"): {"id": "key_3", "source": "ses"},
    digest("k-api"): {"id": "key_4", "scopes": ["read"]},
    **{
        digest(f"k-{name}"): {"id": f"key_{name}", "source": name}
        for name in ("mailchimp", "tealium", "woocommerce", "sfmc", "salesforce", "webhook", "stripe")
    },
}
SIGNED = {"key_2"} | {key["id"] for key in KEYS.values() if key["id"].rpartition("_")[2].isalpha()}


class Kept:
    """What came through a door, and a switch that breaks the queue."""

    def __init__(self, *secrets: bytes) -> None:
        self.envelopes: list[dict[str, Any]] = []
        self.rows: list[dict[str, Any]] = []
        self.broken = False
        self.paces: list[tuple[str, int]] = []
        self.door = Door(
            KEYS.get, lambda id: secrets if id in SIGNED else (), self._enqueue, self.rows.extend, self._wait
        )

    def _enqueue(self, bodies: list[dict[str, Any]]) -> None:
        if self.broken:
            raise Transient("SQS: ServiceUnavailable", retry_after=7)
        self.envelopes += bodies

    def _wait(self, key: str, rate: int) -> int:
        self.paces.append((key, rate))
        return 0

    @property
    def events(self) -> list[dict[str, Any]]:
        return [event for envelope in self.envelopes for event in envelope["events"]]

    def take(
        self, path: str, body: Any, method: str = "POST", query: dict[str, str] | None = None, **headers: str
    ) -> Answer:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {n.replace("_", "-"): v for n, v in headers.items()}
        return ingest(Inbound(method, path, named, raw, query or {}), self.door, now=NOW)


def basic(key: str) -> str:
    return "Basic " + b64encode(f"{key}:".encode()).decode()


def signed(body: bytes, secret: bytes = SECRET) -> str:
    return b64encode(hmac.digest(secret, body, "sha256")).decode()


def track(**more: Any) -> dict[str, Any]:
    return {"type": "track", "event": "Signed Up", "userId": "u-1", "messageId": "m-1"} | more


def test_a_call_goes_into_the_queue() -> None:
    kept = Kept()
    answer = kept.take("/v1/track", track(), authorization=basic("k-segment"))
    assert (answer.status, answer.body, answer.taken) == (200, {"success": True}, 1)
    [envelope] = kept.envelopes
    assert (envelope["source"], envelope["key"], envelope["received"]) == ("segment", "key_1", NOW)
    assert envelope["events"][0]["name"] == "Signed Up"


def test_a_large_batch_is_cut_into_envelopes_in_order() -> None:
    kept = Kept()
    batch = [track(messageId=f"m-{i}", properties={"pad": "x" * 1_500}) for i in range(260)]
    answer = kept.take("/v1/batch", {"batch": batch}, authorization=basic("k-segment"))
    assert answer.taken == 260
    assert [event["id"] for event in kept.events] == [call["messageId"] for call in batch]
    assert max(len(envelope["events"]) for envelope in kept.envelopes) <= 25
    assert max(len(json.dumps(envelope)) for envelope in kept.envelopes) < 256 * 1024


def test_unusable_calls_are_kept_and_the_others_go_on() -> None:
    kept = Kept()
    answer = kept.take("/v1/batch", {"batch": [track(), track(userId=None), 7]}, authorization=basic("k-segment"))
    assert (answer.status, answer.taken, answer.refused) == (200, 1, 2)
    assert [(row["key"], row["reason"]["pointer"], row["raw"]) for row in kept.rows] == [
        ("key_1", "/batch/1", track(userId=None)),
        ("key_1", "/batch/2", 7),
    ]


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/v1/batch", {}),
        ("/v1/batch", {"authorization": basic("k-unknown")}),
        ("/v1/batch", {"authorization": basic("k-shopify")}),
        ("/v1/batch", {"authorization": basic("k-api")}),
        ("/sources/shopify/k-unknown", {}),
        ("/sources/shopify/k-segment", {}),
    ],
)
def test_a_wrong_key_opens_nothing(path: str, headers: dict[str, str]) -> None:
    kept = Kept(SECRET)
    answer = kept.take(path, {"batch": [track()]}, **headers)
    assert answer.status == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.body["status"] == 401  # type: ignore[index]
    assert (kept.envelopes, kept.rows) == ([], [])


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1",
        "/v1/purchase",
        "/sources/shopify",
        "/sources/nobody/k-segment",
        "/sources/ses/k-ses",
        "/sources/segment/k-segment",
    ],
)
def test_there_are_no_other_doors(path: str) -> None:
    kept = Kept(SECRET)
    assert kept.take(path, track(), authorization=basic("k-segment")).status == 404
    assert kept.envelopes == []


def test_only_post_is_taken_and_browsers_may_ask_first() -> None:
    kept = Kept()
    refused = kept.take("/v1/t", b"", "GET")
    asked = kept.take("/v1/t", b"", "OPTIONS")
    assert (refused.status, refused.headers["allow"]) == (405, "POST, OPTIONS")
    assert (asked.status, asked.headers["access-control-allow-origin"]) == (204, "*")


@pytest.mark.parametrize(
    ("body", "status"), [(b"{", 400), (b"x" * (500 * 1024 + 1), 413), (b"x" * (REQUEST_BYTES + 1), 413)]
)
def test_a_body_that_cannot_be_read_is_a_problem(body: bytes, status: int) -> None:
    answer = Kept().take("/v1/batch", body, authorization=basic("k-segment"))
    assert answer.status == status
    assert answer.body["detail"]  # type: ignore[index]
    assert answer.headers["access-control-allow-origin"] == "*"


def test_a_signed_webhook_is_taken_under_the_old_and_the_new_secret() -> None:
    body = b'{"id": 1, "email": "ada@shop.example"}'
    for secret in (b"new", b"old"):
        kept = Kept(b"new", b"old")
        headers = {"x_shopify_topic": "orders/create", "x_shopify_hmac_sha256": signed(body, secret)}
        assert kept.take("/sources/shopify/k-shopify", body, **headers).status == 200
        assert [event["name"] for event in kept.events] == ["Order Completed"]


@pytest.mark.parametrize("secrets", [(), (b"another",), (b"another", b"third")])
def test_a_wrong_signature_is_told_so(secrets: tuple[bytes, ...]) -> None:
    kept = Kept(*secrets)
    headers = {"x_shopify_topic": "customers/redact", "x_shopify_hmac_sha256": signed(b"{}")}
    assert kept.take("/sources/shopify/k-shopify", b"{}", **headers).status == 401
    assert (kept.envelopes, kept.rows) == ([], [])


@pytest.mark.parametrize(
    ("topic", "body"), [("orders/create", b"[]"), ("orders/create", b"{}"), ("", b"{}"), ("x", b"\xff")]
)
def test_a_signed_webhook_we_cannot_use_is_accepted_and_kept(topic: str, body: bytes) -> None:
    kept = Kept(SECRET)
    answer = kept.take("/sources/shopify/k-shopify", body, x_shopify_topic=topic, x_shopify_hmac_sha256=signed(body))
    assert (answer.status, answer.refused, kept.envelopes) == (202, 1, [])
    assert kept.rows[0]["reason"]["detail"]


def test_a_signed_webhook_of_no_use_is_simply_accepted() -> None:
    kept = Kept(SECRET)
    headers = {"x_shopify_topic": "shop/redact", "x_shopify_hmac_sha256": signed(b"{}")}
    answer = kept.take("/sources/shopify/k-shopify", b"{}", **headers)
    assert (answer.status, len(answer.ignored), kept.rows) == (200, 1, [])


def test_only_an_event_too_large_to_be_stored_is_refused_and_kept_whole() -> None:
    for noise, taken in ((b"x" * 50, 1), (bytes(range(33, 127)), 0)):
        rng = Random(7)
        lines = [{"title": "".join(map(chr, rng.choices(noise, k=200)))} for _ in range(3_000)]
        body = json.dumps({"id": 1, "email": "a@b.example", "line_items": lines}).encode()
        kept = Kept(SECRET)
        headers = {"x_shopify_topic": "orders/create", "x_shopify_hmac_sha256": signed(body)}
        answer = kept.take("/sources/shopify/k-shopify", body, **headers)
        assert (answer.status, answer.taken, answer.refused) == ((200, 1, 0) if taken else (202, 0, 1))
        if not taken:
            assert len(kept.rows[0]["raw"]["properties"]["products"]) == 3_000


@pytest.mark.parametrize(
    ("source", "method", "body", "query"),
    [
        ("mailchimp", "GET", b"", {}),
        ("mailchimp", "HEAD", b"", {}),
        ("woocommerce", "POST", b"webhook_id=7", {}),
        ("sfmc", "POST", b'{"callbackId": "c-1", "verificationKey": "v-1"}', {}),
    ],
)
def test_a_vendor_may_try_the_door_unproved(source: str, method: str, body: bytes, query: dict[str, str]) -> None:
    kept = Kept(SECRET)
    answer = kept.take(f"/sources/{source}/k-{source}", body, method, query)
    assert (answer.status, kept.envelopes, kept.rows) == (200, [], [])
    assert answer.ignored
    assert kept.take(f"/sources/{source}/k-nobody", body, method, query).status == 401


def test_tealium_may_say_it_all_in_the_query_and_others_may_not() -> None:
    kept = Kept(SECRET)
    record = {"tealium_event": "purchase", "tealium_visitor_id": "v", "tealium_timestamp_epoch": 1_795_510_700}
    query = {"data": json.dumps(record), "secret": SECRET.decode()}
    assert kept.take("/sources/tealium/k-tealium", b"", "GET", query).status == 200
    assert [event["name"] for event in kept.events] == ["Order Completed"]
    refused = kept.take("/sources/stripe/k-stripe", b"", "GET", query)
    assert (refused.status, refused.headers["allow"]) == (405, "POST, OPTIONS")


def test_salesforce_is_answered_in_its_own_words_whatever_became_of_its_message() -> None:
    for notice in ("<Notification><Id>04l</Id></Notification>", "<Notification></Notification>", ""):
        body = (
            "<E><B><notifications xmlns='http://soap.sforce.com/2005/09/outbound'>"
            f"<OrganizationId>00D5g000004zAbCEAU</OrganizationId>{notice}</notifications></B></E>"
        ).encode()
        answer = Kept(b"00D5g000004zAbC").take("/sources/salesforce/k-salesforce", body)
        assert (answer.status, answer.headers["content-type"]) == (200, "text/xml")
        assert "<Ack>true</Ack>" in str(answer.body)


def test_a_packed_webhook_is_proved_packed_and_read_unpacked() -> None:
    def take(body: bytes) -> tuple[int, Kept]:
        kept = Kept(SECRET)
        headers = {"x_tailor_secret": SECRET.decode(), "content_encoding": "gzip"}
        return kept.take("/sources/webhook/k-webhook", body, query={"name": "A"}, **headers).status, kept

    status, kept = take(gzip.compress(b'{"user_id": "u", "id": 1}'))
    assert (status, [event["name"] for event in kept.events]) == (200, ["A"])
    bomb = gzip.compress(b'{"user_id": "u", "x": "' + b"0" * 50_000_000 + b'"}')
    tracemalloc.start()
    status, kept = take(bomb)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (status, kept.rows[0]["reason"]["status"]) == (202, 413)
    assert peak < 16_000_000
    assert take(b"\x1f\x8b not gzip")[0] == 202


def test_what_is_kept_can_be_read_again_and_proves_nobody() -> None:
    kept = Kept(SECRET)
    query = {"name": "/what", "email": "/mail", "secret": "hush", "api_secret": "hush"}
    headers = {"x_tailor_secret": SECRET.decode(), "authorization": "Bearer hush", "cookie": "hush"}
    kept.take("/sources/webhook/k-webhook", {"what": "A"}, query=query, **headers)
    [row] = kept.rows
    assert row["request"] == {"query": {"name": "/what", "email": "/mail"}}
    assert "hush" not in json.dumps(row)
    [event] = again({**row, "at": NOW}, {"what": "A", "mail": "ada@shop.example"})
    assert (event.name, event.received) == ("A", NOW)


@pytest.mark.parametrize(
    ("source", "sample"), [(s, one) for s in SOURCES if s != "segment" for one in samples(s)], ids=str
)
def test_every_sample_kept_as_it_came_is_read_again_as_it_was(source: str, sample: Path) -> None:
    request, received = request_of(json.loads(sample.read_text()))
    before = read(SOURCES[source], request, now=received)
    row = {"source": source, "at": received, **_circumstances(source, request)}
    if before.events and not before.refused:
        assert again(row, _whole(request.body)) == before.events
    else:
        with pytest.raises(Rejected, match="still unusable"):
            again(row, _whole(request.body))
    for _, raw in before.refused:
        with pytest.raises(Rejected, match="still unusable"):
            again(row, raw)


def test_whoever_comes_too_often_is_told_when_to_come_again() -> None:
    kept = Kept()
    kept.door = replace(kept.door, wait=lambda key, rate: 4)
    answer = kept.take("/v1/track", track(), authorization=basic("k-segment"))
    assert (answer.status, answer.headers["retry-after"], kept.envelopes) == (429, "4", [])


def test_a_request_that_proves_nothing_does_not_count_against_its_source() -> None:
    kept = Kept(SECRET)
    kept.take("/sources/shopify/k-shopify", b"{}", x_shopify_topic="orders/create")
    kept.take("/v1/track", track(), authorization=basic("k-segment"))
    assert kept.paces == [("key_1", RATE)]


def test_trouble_with_the_queue_asks_the_sender_to_come_again() -> None:
    kept = Kept()
    kept.broken = True
    answer = kept.take("/v1/track", track(), authorization=basic("k-segment"))
    assert (answer.status, answer.headers["retry-after"]) == (503, "7")
    kept.broken = False
    assert kept.take("/v1/track", track(), authorization=basic("k-segment")).status == 200


def test_a_problem_names_no_address() -> None:
    for body in ({"batch": "ada@shop.example"}, track(userId="ada@shop.example", event=None)):
        kept = Kept()
        answer = kept.take("/v1/batch", body, authorization=basic("k-segment"))
        said = json.dumps([answer.body, [row["reason"] for row in kept.rows]])
        assert "ada@" not in said


def test_the_gateways_event_becomes_a_request() -> None:
    request = inbound(
        {
            "requestContext": {"http": {"method": "POST", "path": "/prod/v1/t"}, "stage": "prod"},
            "rawPath": "/prod/v1/t",
            "headers": {"Content-Type": "text/plain"},
            "queryStringParameters": {"a": "1"},
            "body": b64encode(b"\x1f\x8b").decode(),
            "isBase64Encoded": True,
        }
    )
    assert request == Inbound("POST", "/v1/t", {"content-type": "text/plain"}, b"\x1f\x8b", {"a": "1"})


@pytest.fixture(name="door")
def _door(shop: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """The deployed door: keys in the ledger, the shop's secret in the parameter store."""
    ssm = botocore.session.get_session().create_client("ssm", region_name="eu-west-1")
    others = runtime.client
    monkeypatch.setattr(runtime, "client", lambda service: ssm if service == "ssm" else others(service))
    for source in ("segment", "shopify"):
        shop.store.define("key", digest(f"sample-{source}-key"), {"id": f"key_{source}", "source": source})
    runtime.keep_secret("key_shopify", SECRET.decode())
    shop.now = NOW
    return shop


def invoke(source: str, case: str) -> int:
    event = json.loads((ROOT / "events" / source / f"{case}.json").read_text())
    return int(app("ingest").handler(event, CONTEXT)["statusCode"])


@pytest.mark.parametrize(
    ("source", "case"), [(source, one.stem) for source in ("segment", "shopify") for one in samples(source)]
)
def test_the_function_takes_every_sample(door: World, source: str, case: str) -> None:
    written = expected(ROOT / "events" / source / f"{case}.json")
    assert invoke(source, case) == 200
    queued = [event for body in door.queues["ingest"] for event in json.loads(body)["events"]]
    assert queued == written["events"]
    kept = door.store.quarantined("2026-11-24")
    assert sorted(row["reason"]["pointer"] for row in kept) == sorted(
        pointer for _, pointer in written.get("refused", [])
    )


def test_the_function_turns_a_forged_webhook_away(door: World) -> None:
    event = json.loads((ROOT / "events" / "shopify" / "orders_create.json").read_text())
    answer = app("ingest").handler(event | {"body": event["body"].replace("124.70", "0.70")}, CONTEXT)
    assert (answer["statusCode"], json.loads(answer["body"])["title"]) == (401, "Bad signature")
    assert door.queues["ingest"] == []


@pytest.mark.parametrize(
    "order", list(permutations([("segment", "batch"), ("shopify", "carts_update"), ("shopify", "orders_create")]))
)
def test_what_a_shop_and_a_site_know_meets_on_one_profile(door: World, order: list[tuple[str, str]]) -> None:
    for source, case in order:
        invoke(source, case)
        door.pump()
    [person] = door.everybody()
    assert person.attributes["favorite_color"] == "green"
    assert person.attributes["order_count"] == 2
    assert person.attributes["last_name"] == "Lind"
    assert {"Cart Viewed", "Order Completed", "Identify"} <= set(person.history)


def test_a_webhook_repeated_counts_once_and_a_refund_finds_its_buyer(door: World) -> None:
    for case in ("orders_create", "orders_create", "refunds_create"):
        assert invoke("shopify", case) == 200
        door.pump()
    [person] = door.everybody()
    assert person.attributes["order_count"] == 1
    assert person.history["Order Completed"][0] == 1
    assert person.history["Order Refunded"][0] == 1


def test_a_customer_update_after_an_unsubscription_does_not_subscribe_again(door: World) -> None:
    invoke("shopify", "customers_update")
    door.pump()
    [before] = door.everybody()
    assert before.consent["marketing"][0] == "granted"
    door.arrive(door.event("Unsubscribed", ("email", "mira.lind@shop.example"), consent=[("marketing", "withdrawn")]))
    door.pump()
    event = json.loads((ROOT / "events" / "shopify" / "customers_update.json").read_text())
    for headers in (event["headers"], event["headers"] | {"x-shopify-event-id": "another"}):
        app("ingest").handler(event | {"headers": headers}, CONTEXT)
    door.pump()
    [after] = door.everybody()
    assert after.consent["marketing"][0] == "withdrawn"


@pytest.mark.parametrize(("value", "opted_out"), [("1", True), ("0", False), ("true", False), ("1, 1", False)])
def test_only_the_value_1_of_gpc_is_a_word(value: str, opted_out: bool) -> None:
    kept = Kept()
    kept.take("/v1/track", track(), authorization=basic("k-segment"), sec_gpc=value)
    assert kept.events[0].get("consent", []) == ([["sharing", "withdrawn", ""]] if opted_out else [])


def test_a_browser_that_says_gpc_with_every_call_has_said_it_once(shop: World) -> None:
    kept = Kept()
    for index in range(3):
        kept.take("/v1/page", track(type="page", messageId=f"m-{index}"), authorization=basic("k-segment"), sec_gpc="1")
    shop.queues["ingest"] += [json.dumps(envelope) for envelope in kept.envelopes]
    shop.now = NOW
    shop.pump()
    visitor = shop.person("user_id", "u-1")
    assert visitor is not None
    assert visitor.consent["sharing"][0] == "withdrawn"
    assert visitor.history["Page Viewed"][0] == 3
    rows = list(shop.store.consents(visitor))
    assert [(row["purpose"], row["how"]) for row in rows] == [("sharing", {"signal": "Sec-GPC: 1"})]
