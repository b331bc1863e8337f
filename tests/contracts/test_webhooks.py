"""The generic webhook with its mapping in the URL, and Segment's webhook destination."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl

import pytest

from contracts.samples import corpus
from tailor.kernel.errors import Rejected
from tailor.kernel.event import ConsentChange, Identifier
from tailor.kernel.inbound import Inbound, Parsed
from tailor.kernel.instants import parse_instant
from tailor.sources import SOURCES

NOW = parse_instant("2026-11-24T09:00:00Z")


def post(body: Any, query: str = "", *, source: str = "webhook", now: int = NOW) -> Parsed:
    raw = json.dumps(body).encode()
    return SOURCES[source].to_events(Inbound("POST", "/", {}, raw, dict(parse_qsl(query))), now=now)


def test_without_a_mapping_our_own_names_are_read() -> None:
    body = {"id": 2**64, "event": "Order Completed", "timestamp": "2026-11-24T08:00:00Z", "email": "A@b.example"}
    [event] = post(body | {"properties": {"total": "1.00"}, "traits": {"tier": "gold"}}).events
    assert (event.id, event.name, event.kind) == ("item:18446744073709551616", "Order Completed", "track")
    assert event.identifiers == (Identifier("email", "a@b.example"),)
    assert (event.properties, event.traits) == ({"total": "1.00"}, {"tier": "gold"})
    assert event.at == parse_instant("2026-11-24T08:00:00Z")


def test_a_mapping_points_into_the_item() -> None:
    body = {"a/b": {"m~n": [{"mail": "a@b.example"}]}, "ok": "false", "n": 7}
    query = "name=Signed+Up&email=/a~1b/m~0n/0/mail&trait.size=/n&property.size=/n&grant.marketing:deals=/ok"
    [event] = post(body, query).events
    assert (event.name, event.traits, event.properties) == ("Signed Up", {"size": 7}, {"size": 7})
    assert event.consent == (ConsentChange("marketing", "withdrawn", "deals"),)


@pytest.mark.parametrize("said", [None, 1, "yes", "", [True], {"granted": True}])
def test_only_true_and_false_are_choices(said: Any) -> None:
    [event] = post({"email": "a@b.example", "ok": said}, "grant.marketing=/ok").events
    assert event.consent == ()


def test_items_are_read_each_for_itself() -> None:
    rows = [{"event": "A", "user_id": "1"}, {"event": "B"}, "C", {"event": "D", "user_id": 4}]
    parsed = post({"rows": rows}, "items=/rows")
    assert [event.name for event in parsed.events] == ["A", "D"]
    assert [(refusal.code, refusal.pointer) for refusal, _ in parsed.refused] == [
        ("no-identity", "/1"),
        ("bad-shape", "/2"),
    ]
    with pytest.raises(Rejected):
        post({"rows": {}}, "items=/rows")


def test_nobody_may_claim_an_id_of_ours() -> None:
    [event] = post({"p": "p_1", "c": "7"}, "identifier.person=/p&identifier.crm_id=/c").events
    assert event.identifiers == (Identifier("crm_id", "7"),)


def test_without_id_and_time_every_arrival_counts() -> None:
    timed = {"event": "A", "user_id": "1", "timestamp": NOW - 5}
    assert post(timed).events[0].id == post(timed, now=NOW + 9).events[0].id
    bare = {"event": "A", "user_id": "1"}
    assert post(bare).events[0].id != post(bare, now=NOW + 9).events[0].id
    first, second = post([bare, bare]).events
    assert first.id != second.id


@pytest.mark.parametrize(
    ("case", "query"),
    [
        (
            "006_*.json",
            "name=group&id=/log_id&at=/data/date&user_id=/data/user_id&properties=/data/details/request",
        ),
        ("008_*.json", "name=FlowLoaded&user_id=/responder_uuid&at=/created_at&properties=/answers"),
        (
            "010_*.json",
            "kind=identify&user_id=/facebook_lead_id/0&trait.first_name=/first_name/0",
        ),
        ("011_*.json", "kind=identify&user_id=/id/0&phone=/phone_number/0&trait.first_name=/first_name/0"),
    ],
)
def test_a_declared_mapping_makes_what_a_written_adapter_makes(case: str, query: str) -> None:
    [(_, content)] = corpus("sources/generic_webhook", case)
    [theirs] = content["expected_canonical_rudder"]
    [event] = post(content["request"]["body"], query).events
    assert Identifier("user_id", theirs["userId"]) in event.identifiers
    if theirs["type"] == "identify":
        # The lead's time, "02/01/2025 10:20", is not ISO 8601 and could be read two ways: the arrival stands in.
        assert (event.kind, event.at) == ("identify", NOW)
        assert event.traits["first_name"] == theirs["context"]["traits"]["first_name"]
    else:
        assert event.name == theirs.get("event", theirs["type"])
        assert event.at == parse_instant(theirs.get("originalTimestamp") or theirs["sentAt"])
    if theirs["type"] == "track":
        assert event.properties == theirs["properties"]


# ---- Segment's webhook destination


def call(**more: Any) -> dict[str, Any]:
    return {"type": "track", "event": "A", "messageId": "m", "userId": "u", "timestamp": "2026-11-24T08:00:00Z"} | more


def test_calls_come_alone_or_in_lists() -> None:
    [alone] = post(call(), source="segment_webhook").events
    listed = post([call(), call(messageId="n", type="delete")], source="segment_webhook").events
    assert listed[0] == alone
    assert (listed[1].kind, listed[1].source) == ("delete", "segment_webhook")
    assert alone.at == parse_instant("2026-11-24T08:00:00Z")


def test_a_call_nobody_made_is_refused_alone() -> None:
    parsed = post([call(userId=None), call()], source="segment_webhook")
    assert len(parsed.events) == len(parsed.refused) == 1
