"""Absorb and the other doors to its queue: buses, claims, and what cannot be used."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import botocore.session
import pytest

from tailor.edges import runtime
from tailor.edges.bus import MESSAGE_LIMIT, envelopes
from tailor.edges.meter import SHARES, WINDOW, Meter
from tailor.kernel.errors import Transient
from world import World, app

CHANGE = {
    "ChangeEventHeader": {
        "entityName": "Contact",
        "recordIds": ["0035g00000A1B2CAAV"],
        "changeType": "UPDATE",
        "commitTimestamp": 1_795_499_000_000,
        "transactionKey": "0001-a",
        "sequenceNumber": 1,
    },
    "Email": "ada@shop.example",
    "FirstName": "Ada",
}


def partner(payload: Any) -> str:
    """A change as EventBridge hands it to the queue from a partner bus."""
    return json.dumps(
        {
            "version": "0",
            "id": "e-1",
            "detail-type": "ContactChangeEvent",
            "source": "aws.partner/salesforce.com/00D5g000004zAbCEAU/0YLRM0000004ABC",
            "detail": {"payload": payload},
        }
    )


def report(**more: Any) -> str:
    """A report of SES as EventBridge hands it to the queue."""
    mail = {"messageId": "ses-1", "timestamp": "2026-11-24T05:00:00Z", "destination": ["ada@shop.example"]}
    bounce = {
        "bounceType": "Permanent",
        "bouncedRecipients": [{"emailAddress": "ada@shop.example"}],
        "timestamp": "2026-11-24T05:00:01Z",
    }
    return json.dumps(
        {"version": "0", "source": "aws.ses", "detail": {"eventType": "Bounce", "mail": mail, "bounce": bounce} | more}
    )


def rows(shop: World) -> list[dict[str, Any]]:
    return list(shop.store.quarantined("2026-11-24"))


def test_a_change_on_the_partner_bus_becomes_traits_once(shop: World) -> None:
    shop.queues["ingest"] += [partner(CHANGE), partner(CHANGE)]
    shop.pump()
    ada = shop.person("email", "ada@shop.example")
    assert ada is not None
    assert ada.attributes["first_name"] == "Ada"
    assert ada.history["Identify"][0] == 1
    assert rows(shop) == []


def test_a_report_by_eventbridge_and_by_sns_is_the_same_event(shop: World) -> None:
    shop.queues["ingest"] += [report(), json.dumps(json.loads(report())["detail"])]
    shop.pump()
    ada = shop.person("email", "ada@shop.example")
    assert ada is not None
    assert ada.history["Email Bounced"][0] == 1
    assert shop.store.suppressed("ada@shop.example")


@pytest.mark.parametrize(
    ("record", "source"),
    [
        (partner({"no": "header"}), "salesforce"),
        (partner("text"), "salesforce"),
        (report(mail={}), "ses"),
        ("not JSON", "ses"),
        ('{"version": "0", "source": "aws.partner/', "ses"),
    ],
)
def test_a_record_of_no_use_is_kept_and_its_neighbours_are_absorbed(shop: World, record: str, source: str) -> None:
    shop.queues["ingest"] += [record, partner(CHANGE)]
    shop.pump()
    assert [row["source"] for row in rows(shop)] == [source]
    assert shop.person("email", "ada@shop.example") is not None


def test_changes_that_were_lost_are_named_and_nothing_is_kept(shop: World) -> None:
    gap = CHANGE | {"ChangeEventHeader": {**CHANGE["ChangeEventHeader"], "changeType": "GAP_UPDATE"}}  # type: ignore[dict-item]
    shop.queues["ingest"].append(partner(gap))
    shop.pump()
    assert (rows(shop), shop.everybody()) == ([], [])


def claims() -> list[str]:
    return [one["Key"] for one in s3().list_objects_v2(Bucket="claims").get("Contents", ())]


def s3() -> Any:
    return botocore.session.get_session().create_client("s3", region_name="eu-west-1")


def test_an_event_too_large_for_the_queue_goes_by_a_claim(shop: World) -> None:
    note = "Größe 👟 " * 60_000
    event = shop.event("Order Completed", ("user_id", "u-1"), properties={"order_id": "7", "note": note})
    small = shop.event("Signed Up", ("user_id", "u-1"))
    told = [one.to_json() for one in (event, small)]
    for _ in range(2):
        runtime.ingest_queue().put(envelopes("segment", "k", told, received=shop.now))
    assert max(map(len, shop.queues["ingest"])) < MESSAGE_LIMIT
    assert len(claims()) == 1
    shop.pump()
    assert claims() == []
    person = shop.person("user_id", "u-1")
    assert person is not None
    assert Counter({name: person.history[name][0] for name in person.history}) == {"Order Completed": 1, "Signed Up": 1}
    kept = {one.name: one for one in shop.store.events(person)}
    assert kept["Order Completed"].properties["note"] == note


def test_a_claim_that_is_gone_was_absorbed(shop: World) -> None:
    body = json.dumps({"source": "segment", "key": "k", "received": 1, "claim": "claims/none"}, separators=(",", ":"))
    assert app("absorb").handler({"Records": [{"messageId": "m-1", "body": body}]}, None) == {"batchItemFailures": []}
    assert (rows(shop), shop.everybody()) == ([], [])


def test_a_claim_stays_until_its_events_are_in(worlds: Any) -> None:
    def run(kill_at: int | None) -> int:
        with worlds() as shop:
            event = shop.event("Noted", ("user_id", "u-1"), properties={"note": "x" * 300_000})
            runtime.ingest_queue().put(envelopes("segment", "k", [event.to_json()], received=shop.now))
            shop.gate.calls, shop.gate.kill_at = 0, kill_at
            shop.pump(twice=True)
            person = shop.person("user_id", "u-1")
            assert person is not None, f"killed after call {kill_at}"
            assert person.history["Noted"][0] == 1
            assert len(list(shop.store.events(person))) == 1
            assert claims() == []
            return shop.gate.calls

    for kill_at in range(1, run(None) + 1):
        run(kill_at)


def test_what_is_kept_twice_is_one_row_however_large(shop: World) -> None:
    large = {
        "source": "shopify",
        "reason": {},
        "raw": "".join(chr(33 + (i * i * 31 + i // 7) % 90) for i in range(900_000)),
    }
    small = {"source": "stripe", "reason": {}, "raw": {"id": 1}}
    for later in (0, 5_000):
        shop.store.quarantine([large, small], now=shop.now + later)
    found = {row["source"]: row for row in rows(shop)}
    assert len(rows(shop)) == 2
    assert {**large, **small} | found["stripe"] == found["stripe"]
    assert found["shopify"]["raw"] == large["raw"]
    assert shop.store.quarantined_row(found["shopify"]["id"]) == found["shopify"]
    shop.store.unquarantine(found["shopify"]["id"])
    assert [row["source"] for row in rows(shop)] == ["stripe"]


# ---- how often a key may come


def test_a_key_is_held_up_beyond_its_rate_and_free_again_in_the_next_window(shop: World) -> None:
    meters = [Meter(shop.store.spend) for _ in range(3)]
    start = shop.now - shop.now % WINDOW
    passed = sum(meter.wait("k", 100, now=start + i) == 0 for i in range(1_000) for meter in meters)
    assert 1_000 <= passed <= 1_000 + 3 * 1_000 // SHARES
    assert meters[0].wait("k", 100, now=start + 6_500) == 4
    assert meters[0].wait("other", 100, now=start + 6_500) == 0
    assert meters[0].wait("k", 100, now=start + WINDOW) == 0


def test_a_quiet_key_costs_no_write(shop: World) -> None:
    asked: list[int] = []
    meter = Meter(lambda key, window, by: asked.append(by) or 0)  # type: ignore[func-returns-value]
    for second in range(60):
        assert meter.wait("k", 100, now=shop.now + second * 1_000) == 0
    assert asked == []


def test_nobody_is_held_up_by_a_counter_that_cannot_be_reached(shop: World) -> None:
    def broken(key: str, window: int, by: int) -> int:
        raise Transient("DynamoDB update_item: ThrottlingException")

    meter = Meter(broken)
    assert {meter.wait("k", 1, now=shop.now) for _ in range(100)} == {0}
