"""Segment: what its client libraries really send, and what they expect back."""

from __future__ import annotations

import gzip
import json
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from segment.analytics.client import Client

from contracts.samples import corpus, recorded
from tailor.flows.ingest import Door, ingest
from tailor.kernel.errors import Rejected
from tailor.kernel.event import ConsentChange, Event, Identifier
from tailor.kernel.inbound import Inbound, Parsed
from tailor.kernel.instants import parse_instant
from tailor.kernel.keys import digest
from tailor.sources.segment import BATCH_ITEMS, INFLATED_BYTES, ITEM_BYTES, REQUEST_BYTES, SEGMENT

NOW = parse_instant("2026-11-24T09:00:00Z")


def post(body: Any, route: str = "batch", *, now: int = NOW, **headers: str) -> Parsed:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return SEGMENT.to_events(Inbound("POST", f"/v1/{route}", headers, raw), now=now)


def one(now: int = NOW, **call: Any) -> Event:
    parsed = post({"type": "track", "event": "Signed Up", "userId": "u-1"} | call, now=now)
    assert parsed.refused == []
    return parsed.events[0]


def test_every_recorded_client_is_read_without_loss() -> None:
    captures = corpus("golden", "segment-*.json")
    assert {name.split("_")[0] for name, _ in captures} == {"segment-browser", "segment-node", "segment-python"}
    for name, capture in captures:
        for request, raw in zip(recorded(capture), capture["requests"], strict=True):
            document = json.loads(raw["body_text"])
            calls = document.get("batch", [document])
            parsed = SEGMENT.to_events(request, now=parse_instant(document["sentAt"]) + 500)
            assert SEGMENT.write_key(request) == "WRITEKEY_golden", name
            assert [event.id for event in parsed.events] == [call["messageId"] for call in calls], name
            assert [event.kind for event in parsed.events] == [call["type"] for call in calls], name
            assert parsed.refused == [], name
            assert all("clock" not in event.context for event in parsed.events), name


def test_all_calls_of_the_python_client_are_understood() -> None:
    [(_, capture)] = corpus("golden", "segment-python_all_calls.json")
    [request] = recorded(capture)
    identify, order, view, page, screen, group, alias = SEGMENT.to_events(request, now=NOW).events
    user, visitor = Identifier("user_id", "user_1"), Identifier("anonymous_id", "anon-9")
    assert identify.identifiers == (user, Identifier("email", "ada@example.com"))
    assert identify.traits["first_name"] == "Ada"
    assert identify.traits["nested"] == {"a": [1, 2.5, None]}
    assert identify.consent == (ConsentChange("marketing", "granted"), ConsentChange("analytics", "denied"))
    assert (order.name, order.properties["products"][0]["category"]) == ("Order Completed", "running shoes")
    assert (view.identifiers, view.properties["emoji"]) == ((visitor,), "Größe 👟")
    assert (page.name, page.properties["name"]) == ("Page Viewed", "Home")
    assert (screen.name, group.properties["group_id"]) == ("Screen Viewed", "grp_7")
    assert alias.identifiers == (user, visitor)


def test_every_inbound_payload_of_the_corpus_gives_events_or_a_reason() -> None:
    understood = 0
    for name, content in corpus("sources/segment"):
        body = content.get("request", content).get("body") or content.get("call") or {"batch": content["input_events"]}
        if "call" in content:
            body = body | {"anonymousId": "visitor"}
        kind = content.get("request", {}).get("path", "/v1/batch").rpartition("/")[2]
        parsed = post(body, "identify" if "selecting_destinations" in name else kind)
        assert len(parsed.events) + len(parsed.refused) == len(body.get("batch", [body])), name
        assert all(refusal.detail and refusal.code for refusal, _ in parsed.refused), name
        understood += bool(parsed.events)
    assert understood >= 30


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        ({"authorization": "Basic " + b64encode(b"k-basic:").decode()}, "k-basic"),
        ({"authorization": "basic " + b64encode(b"k-basic:pass:word").decode()}, "k-basic"),
        ({}, "k-body"),
        ({"authorization": "Basic ???"}, "k-body"),
        ({"authorization": "Bearer an-oauth-token"}, "k-body"),
    ],
)
def test_the_write_key_is_found_wherever_clients_put_it(headers: dict[str, str], key: str) -> None:
    assert SEGMENT.write_key(Inbound("POST", "/v1/t", headers, b'{"writeKey": "k-body"}')) == key


def test_a_bearer_token_is_the_key_where_the_body_has_none() -> None:
    assert SEGMENT.write_key(Inbound("POST", "/v1/t", {"authorization": "Bearer k-bearer"}, b"{}")) == "k-bearer"
    assert SEGMENT.write_key(Inbound("POST", "/v1/t", {}, b"{}")) is None


def test_a_wrong_clock_of_the_sender_is_taken_out() -> None:
    ahead = one(timestamp="2026-11-24T14:59:00Z", sentAt="2026-11-24T15:00:00Z")
    assert ahead.at == NOW - 60_000
    assert "clock" not in ahead.context


def test_an_event_from_the_future_happened_now() -> None:
    event = one(timestamp="2031-01-01T00:00:00Z")
    assert (event.at, event.context) == (NOW, {"clock": "far ahead"})
    assert one(timestamp="2026-11-24T09:59:59Z").context == {"clock": "ahead"}


def test_a_call_that_segment_has_forwarded_keeps_its_corrected_time() -> None:
    event = one(
        originalTimestamp="2026-11-24T12:00:00Z", sentAt="2026-11-24T12:00:05Z", timestamp="2026-11-24T08:00:00Z"
    )
    assert event.at == parse_instant("2026-11-24T08:00:00Z")


@pytest.mark.parametrize("text", ["yesterday", "2026-13-45", 1_795_510_800, None, "0001-01-01T00:00:00Z"])
def test_an_unreadable_time_does_not_lose_the_event(text: Any) -> None:
    assert one(timestamp=text).at == NOW


def test_a_retry_without_message_id_is_the_same_event() -> None:
    first = one(timestamp="2026-11-24T08:00:00Z", sentAt="2026-11-24T08:59:00Z")
    again = one(now=NOW + 60_000, timestamp="2026-11-24T08:00:00Z", sentAt="2026-11-24T09:00:00Z")
    other = one(timestamp="2026-11-24T08:00:01Z")
    assert first.id == again.id != other.id


def test_calls_without_id_and_time_count_each() -> None:
    call = {"type": "track", "event": "Signed Up", "userId": "u-1", "timestamp": None, "sentAt": "2026-11-24T08:59:59Z"}
    ids = [event.id for event in [*post({"batch": [call, call]}).events, *post(call, now=NOW + 1).events]]
    assert len(set(ids)) == 3


def test_a_message_id_beyond_the_limit_is_shortened_and_still_tells_events_apart() -> None:
    first, second = one(messageId="x" * 300 + "1"), one(messageId="x" * 300 + "2")
    assert len(first.id) <= 100
    assert first.id != second.id
    assert one(messageId="x" * 100).id == "x" * 100


def test_traits_get_their_canonical_names() -> None:
    event = one(
        type="identify",
        traits={
            "firstName": "Mira",
            "LastName": "Lind",
            "isVIP": True,
            "total billed": 3,
            "address": {"city": "Uppsala", "country": "SE"},
            "name": "Somebody Else",
        },
    )
    assert event.traits == {
        "first_name": "Mira",
        "last_name": "Lind",
        "is_vip": True,
        "total billed": 3,
        "city": "Uppsala",
        "country": "SE",
        "name": "Somebody Else",
    }


@pytest.mark.parametrize(
    ("name", "traits"),
    [
        ("Mira Lind", {"first_name": "Mira", "last_name": "Lind"}),
        ("Mira", {"first_name": "Mira"}),
        ("Lind, Mira", {"name": "Lind, Mira"}),
    ],
)
def test_a_name_is_split_where_it_is_the_only_one(name: str, traits: dict[str, str]) -> None:
    assert one(type="identify", traits={"name": name}).traits == traits


def test_the_address_of_a_group_is_not_the_persons() -> None:
    event = one(type="group", groupId="g", traits={"email": "club@shop.example"})
    assert event.identifiers == (Identifier("user_id", "u-1"),)
    assert event.traits == {}


def test_an_address_is_found_in_properties_and_context() -> None:
    address = Identifier("email", "ada@shop.example")
    assert address in one(properties={"email": "Ada@Shop.example"}).identifiers
    assert (
        address
        in one(context={"traits": {"email": "ada@shop.example"}}, properties={"email": "x@y.example"}).identifiers
    )


def test_consent_is_a_choice_only_where_a_choice_is_reported() -> None:
    context = {"consent": {"categoryPreferences": {"Marketing": True, "Third Party Ads": False, "x": "yes"}}}
    choice = (ConsentChange("marketing", "granted"), ConsentChange("third-party-ads", "denied"))
    assert one(type="identify", context=context).consent == choice
    assert one(event="Segment Consent Preference Updated", context=context).consent == choice
    assert one(event="Product Viewed", context=context).consent == ()
    assert one(type="page", context=context).consent == ()


def test_no_consent_says_nothing_and_an_empty_one_denies() -> None:
    assert one(type="identify", context={}).consent == ()
    empty = one(type="identify", context={"consent": {"categoryPreferences": {}}}).consent
    assert {(change.purpose, change.grant) for change in empty} == {
        ("marketing", "denied"),
        ("analytics", "denied"),
        ("sharing", "denied"),
    }


def test_strings_of_consent_banners_are_choices_and_malformed_ones_refuse_the_call() -> None:
    opted_out = {"consent": {"categoryPreferences": {"Marketing": True}, "gppString": "DBABTA~1YYN"}}
    assert one(type="identify", context=opted_out).consent == (
        ConsentChange("marketing", "granted"),
        ConsentChange("sharing", "withdrawn"),
    )
    parsed = post({"type": "identify", "userId": "u-1", "context": {"consent": {"tcString": "CQ-cut"}}}, "identify")
    assert parsed.events == []
    assert [refusal.code for refusal, _ in parsed.refused] == ["bad-signal"]


def test_ids_beyond_the_precision_of_floats_stay_exact() -> None:
    event = one(userId=2**63 + 1, properties={"product_id": 9007199254740993})
    assert event.identifiers == (Identifier("user_id", "9223372036854775809"),)
    assert event.properties["product_id"] == 9007199254740993


def test_halves_of_characters_do_not_travel_on() -> None:
    event = post(
        b'{"type":"track","event":"A","userId":"u","properties":{"x":"\\ud83d ok \\uffff \\ud83d\\ude00"}}'
    ).events[0]
    assert event.properties == {"x": "\ufffd ok \ufffd 😀"}


def test_one_large_call_is_refused_alone() -> None:
    call = {"type": "track", "event": "A", "userId": "u", "messageId": "small"}
    parsed = post({"batch": [call, call | {"messageId": "large", "properties": {"pad": "x" * ITEM_BYTES}}]})
    assert [event.id for event in parsed.events] == ["small"]
    [(refusal, raw)] = parsed.refused
    assert (refusal.status, refusal.pointer, raw["messageId"]) == (413, "/batch/1", "large")


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"x" * (REQUEST_BYTES + 1), {}, 413),
        (gzip.compress(b" " * (INFLATED_BYTES + 1), mtime=0), {"content-encoding": "gzip"}, 413),
        (json.dumps({"batch": [{}] * (BATCH_ITEMS + 1)}).encode(), {}, 413),
        (gzip.compress(b"{}", mtime=0)[:-4], {"content-encoding": "gzip"}, 400),
        (b"{}", {"content-encoding": "gzip"}, 400),
        (b"{}", {"content-encoding": "br"}, 415),
        (b"[]", {}, 400),
        (b"", {}, 400),
        (b'{"batch": {}}', {}, 400),
        (b'{"batch": [{"x": NaN}]}', {}, 400),
        (b'{"batch": [{"x": 1e999}]}', {}, 400),
        (b'{"batch": [' + b"9" * 5000 + b"]}", {}, 400),
        (b'{"batch":' + b"[" * 100_000, {}, 400),
        (b'{"batch":' + b"[" * 100 + b"]" * 100 + b"}", {}, 400),
        (b'{"batch": "\xff"}', {}, 400),
    ],
)
def test_a_request_that_cannot_be_read_is_refused_whole(body: bytes, headers: dict[str, str], status: int) -> None:
    with pytest.raises(Rejected) as refusal:
        post(body, **headers)
    assert refusal.value.status == status


def test_an_unknown_route_is_not_found() -> None:
    with pytest.raises(Rejected) as refusal:
        post({}, "purchase")
    assert refusal.value.status == 404


class _Door:
    """A door that keeps what it is given, served over HTTP."""

    def __init__(self) -> None:
        self.envelopes: list[dict[str, Any]] = []
        self.statuses: list[int] = []
        self.door = Door(
            key={digest("k-1"): {"id": "key_1", "source": "segment"}}.get,
            secrets=lambda id: (),
            enqueue=self.envelopes.extend,
            quarantine=lambda rows: None,
            wait=lambda key, rate: 0,
        )

    def take(self, request: Inbound) -> tuple[int, bytes]:
        answer = ingest(request, self.door, now=parse_instant("2030-01-01T00:00:00Z"))
        self.statuses.append(answer.status)
        return answer.status, json.dumps(answer.body).encode()

    @property
    def names(self) -> list[str]:
        return [event["name"] for envelope in self.envelopes for event in envelope["events"]]


@contextmanager
def served(door: _Door) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status, text = door.take(
                Inbound("POST", self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            )
            self.send_response(status)
            self.send_header("content-length", str(len(text)))
            self.send_header("connection", "close")
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: Any) -> None:
            """Tests are quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


@pytest.mark.parametrize("packed", [False, True])
def test_the_python_client_delivers_to_our_door(packed: bool) -> None:
    door = _Door()
    with served(door) as host:
        client = Client("k-1", host=host, gzip=packed, on_error=pytest.fail, max_retries=0)
        client.identify("u-1", {"email": "ada@shop.example"})
        client.track("u-1", "Product Viewed", {"name": "Trail Shoe"})
        client.page("u-1", "Docs", "Home")
        client.shutdown()
    assert door.names == ["Identify", "Product Viewed", "Page Viewed"]
    assert set(door.statuses) == {200}


def test_the_python_client_gives_up_at_once_on_a_wrong_key() -> None:
    door = _Door()
    errors: list[Exception] = []
    with served(door) as host:
        client = Client("k-2", host=host, on_error=lambda error, items: errors.append(error), max_retries=3)
        client.track("u-1", "Product Viewed")
        client.shutdown()
    assert (door.statuses, door.names, len(errors)) == ([401], [], 1)
