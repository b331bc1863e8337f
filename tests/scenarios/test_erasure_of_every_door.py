"""Erased after coming by every door there is: each vendor's request as it is sent, files, and what was under way."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from typing import Any

import pytest

from contracts.samples import samples, secret_of
from gateway import ask
from marked import MARK, comb, dump, erased, files
from tailor.edges import runtime
from tailor.edges.bus import envelopes
from tailor.flows.comb import LEASE, Desk, due
from tailor.flows.comb import comb as flow
from tailor.flows.erase import SETTLE, erasures, request_erasure
from tailor.kernel.instants import DAY, HOUR, MINUTE
from tailor.kernel.keys import digest
from tailor.sources import SOURCES
from world import CONTEXT, Killed, World, app, aws

NOW = 1_795_510_800_000
"""When the samples are sent."""
MIRA = "mira.lind@shop.example"
NUMBERS = ("order_id", "checkout_id", "cart_id", "invoice_id", "subscription_id")
"""Properties that tell whose they are; those of products do not."""
ASKING = ("customers_redact", "delete", "privacy_deletion", "batch_with_delete")
"""Samples that ask for erasure themselves."""
MAPPING = {
    "name": "till",
    "kind": "identify",
    "identifiers": {"email": "mail"},
    "traits": {"first_name": "name", "age": {"column": "age", "type": "number"}},
    "consent": {"basis": "contract", "evidence": "Terms of the till"},
}
TABLE = f"""mail,name,age
{MIRA},{MARK}Mira,41
{MIRA},{MARK}Mira,{MARK}old
bob@example.com,Bob,{MARK[:2]}eleven
"""
"""Hers, one of hers that is refused, and one of another person that is refused."""


def put(key: str, body: bytes) -> str:
    return str(aws("s3").put_object(Bucket="imports", Key=key, Body=body)["ETag"])


def imported(shop: World, body: bytes, mapping: dict[str, Any], file: str = "till.csv") -> dict[str, Any]:
    """An import from its proposal to its end."""
    asked = {"file": file, "size": len(body), "sha256": sha256(body).hexdigest(), "mapping": mapping}
    status, job = ask("POST", "/api/imports", asked)
    assert status == 201, job
    put(f"uploads/{job['id']}", body)
    assert ask("POST", f"/api/imports/{job['id']}/begin")[0] == 200
    shop.load()
    shop.pump()
    return dict(ask("GET", f"/api/imports/{job['id']}")[1])


@pytest.fixture(name="door")
def _door(shop: World) -> World:
    """The shop at the instant of the samples, with a key for each source."""
    for source in SOURCES:
        shop.store.define("key", digest(f"sample-{source}-key"), {"id": f"key_{source}", "source": source})
        if SOURCES[source].signed:
            runtime.keep_secret(f"key_{source}", secret_of(source).decode())
    shop.now = NOW
    return shop


def by_every_door(shop: World) -> set[str]:
    """Every sample of every source comes in; answers the sources of which something was absorbed."""
    came = set()
    for source in SOURCES:
        before = events(shop)
        for sample in (one for one in samples(source) if one.stem not in ASKING):
            event = json.loads(sample.read_text())
            if "Records" in event:
                shop.queues["ingest"] += [record["body"] for record in event["Records"]]
            else:
                status = app("ingest").handler(event, CONTEXT)["statusCode"]
                assert status < 400, (source, sample.stem, status)
        shop.pump()
        if events(shop) > before:
            came.add(source)
    return came


def events(shop: World) -> int:
    """How many rows of events there are."""
    scan = shop.dynamo._client.get_paginator("scan").paginate(TableName="ledger")
    return sum(item["sk"]["S"].startswith("E#") for page in scan for item in page["Items"])


def needles(shop: World) -> Iterator[str]:
    """What is said of anybody and could tell who it is: identifiers, traits, numbers of orders."""
    for person in shop.everybody():
        yield from (value for values in person.identifiers.values() for value in values)
        for event in shop.store.events(person):
            told = {**event.traits, **{k: v for k, v in event.properties.items() if k in NUMBERS}}
            yield from (value for value in told.values() if isinstance(value, str) and len(value) > 5)


def left(shop: World, sought: set[str]) -> list[str]:
    """What of the dump still holds something that was ``sought``."""
    return [text for text in dump(shop) if any(one in text for one in sought)]


def test_who_came_by_every_door_is_gone_from_every_store(
    door: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A month of empty days for each of thirty people would be most of the time this takes.
    monkeypatch.setattr("tailor.flows.erase.QUARANTINE_LIFE", DAY)
    shop = door
    came = by_every_door(shop)
    assert came >= {*SOURCES} - {"ses"}
    mira = shop.person("email", MIRA)
    assert mira is not None
    assert len(mira.identifiers) > 6
    # Told to a webhook by a journey's step, with what she bought.
    shop.store.define("webhook", "wh_1", {"url": "https://crm.example/in", "events": ["*"], "enabled": True})
    fact = {"name": "journey.webhook", "at": shop.now, "person": mira.id, "journey": "cart", "webhook": "desk"}
    shop.queues["notify"].append(json.dumps({"detail": {**fact, "properties": {"bought": f"{MARK} tent"}}}))
    shop.notify()
    # By files: imported with refused rows, failed, and one that no feed is for.
    done = imported(shop, TABLE.encode(), MAPPING)
    assert (done["state"], done["refused"]) == ("finished", 2)
    lines = [{"mail": MIRA, "age": f"{MARK}x"}, {"mail": "bob@example.com", "age": "?"}]
    ndjson = "\n".join(map(json.dumps, lines)).encode()
    assert imported(shop, ndjson, {**MAPPING, "format": "ndjson"}, "till.ndjson")["refused"] == 2
    assert imported(shop, TABLE.replace("mail", "post").encode(), MAPPING, "wrong.csv")["state"] == "failed"
    etag = put("drop/unknown/people.csv", TABLE.encode())
    about = {"object": {"key": "drop/unknown/people.csv", "size": len(TABLE), "etag": etag}}
    shop.queues["import"].append(json.dumps({"detail": about}))
    shop.load()
    # And one event too large for the queue is under way, with one of somebody else.
    large = [
        shop.event("Noted", ("email", MIRA), properties={"note": f"{MARK} " * 30_000}).to_json(),
        shop.event("Noted", ("email", "bob@example.com"), properties={"note": "x" * 300_000}).to_json(),
    ]
    runtime.ingest_queue().put(envelopes("segment", "k", large, received=shop.now))
    under_way, shop.queues["ingest"] = shop.queues["ingest"], []
    sought = {*needles(shop), MARK}
    assert len(sought) > 60
    places = {text.split("/")[0] for text in files() if MARK in files()[text]}
    assert places == {"claims", "drop", "rejected", "uploads"}
    held_before = set(left(shop, sought))
    assert len(held_before) > 100
    status, exported = ask("GET", f"/api/people/{mira.id}/export")
    assert status == 200
    assert [one["fact"]["properties"] for one in exported["told"]] == [{"bought": f"{MARK} tent"}]
    assert sorted(one["file"] for one in exported["refused"]) == ["till.csv", "till.ndjson"]

    receipt = erased(shop, mira.id, *(one.id for one in shop.everybody() if one.id != mira.id))

    assert [(one, text) for text in left(shop, sought) for one in sought if one in text] == []
    # What was somebody else's is still there, and in a form that can be mended.
    assert "bob@example.com,Bob," in files()[f"rejected/{done['id']}/till.csv.rejected.csv"]
    counts = {line["store"]: line["count"] for line in receipt["stores"]}
    assert counts["large events in S3"] == 1
    assert counts["refused rows in S3"] == 2
    assert counts["import files in S3"] == 2
    assert counts["webhook deliveries"] == 1
    assert not [record for record in caplog.records if any(one in str(vars(record)) for one in sought)]
    # What was under way brings nobody back, and nothing of hers.
    shop.queues["ingest"] += under_way
    shop.pump()
    assert shop.person("email", MIRA) is None
    assert left(shop, sought - {"bob@example.com"}) == []
    # Who comes again is somebody new, who is not written to.
    shop.now += DAY
    shop.ses.mails.clear()
    shop.arrive(
        shop.event("Identify", ("email", MIRA), kind="identify", consent=(("marketing", "granted"),)),
        shop.event("Product Viewed", ("email", MIRA), properties={"name": "Tent"}),
    )
    shop.pump()
    shop.tick(shop.now + 48 * HOUR)
    shop.pump()
    again = shop.person("email", MIRA)
    assert again is not None
    assert again.id != mira.id
    assert set(again.identifiers) == {"email"}
    assert shop.ses.mails == []


def a_person_in_files(shop: World) -> str:
    """Mira, among refused rows and in what is under way; answers her id."""
    shop.arrive(shop.event("Identify", ("email", MIRA), kind="identify"))
    shop.pump()
    put("rejected/i_0/till.csv.rejected.csv", TABLE.encode())
    large = shop.event("Noted", ("email", MIRA), properties={"note": f"{MARK} " * 30_000})
    runtime.ingest_queue().put(envelopes("segment", "k", [large.to_json()], received=shop.now))
    mira = shop.person("email", MIRA)
    assert mira is not None
    return mira.id


def settled(shop: World, id: str) -> None:
    """Erase somebody as far as the tables go."""
    request_erasure(id, shop.store, how="api", now=shop.now)
    shop.tick()
    shop.tick(shop.now + SETTLE)
    assert [one.stage for one in erasures(shop.store)] == ["settled"]


def test_killed_anywhere_files_are_combed_by_the_minutes_that_follow(
    worlds: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tailor.flows.erase.QUARANTINE_LIFE", 0)

    def run(kill_at: int | None) -> tuple[list[int], list[str], dict[str, int]]:
        with worlds() as shop:
            settled(shop, a_person_in_files(shop))
            shop.queues["ingest"].clear()
            shop.gate.calls, shop.gate.kill_at, shop.gate.changing = 0, kill_at, []
            for _ in range(3):
                with suppress(Killed):
                    comb(shop)
                shop.now += LEASE
            calls = shop.gate.changing
            assert erasures(shop.store) == [], f"killed after call {kill_at}"
            (done,) = erasures(shop.store, finished=True)
            assert shop.store.jobs("combing") == {}
            assert "bob@example.com" in str(files())
            return calls, left(shop, {MIRA, MARK}), done.counts

    calls, rest, counts = run(None)
    assert rest == []
    assert (counts["large events in S3"], counts["refused rows in S3"]) == (1, 2)
    for kill_at in calls:
        _, rest, told = run(kill_at)
        assert rest == [], f"killed after call {kill_at}"
        assert told == counts, f"killed after call {kill_at}"


def test_files_wait_for_an_import_that_may_yet_refuse_a_row(shop: World) -> None:
    id = a_person_in_files(shop)
    body = TABLE.replace("age", "years").encode()
    asked = {"file": "b.csv", "size": len(body), "sha256": sha256(body).hexdigest(), "mapping": MAPPING}
    _, job = ask("POST", "/api/imports", asked)
    shop.now += MINUTE
    settled(shop, id)
    comb(shop)
    assert [one.stage for one in erasures(shop.store)] == ["settled"]
    shop.now += 2 * DAY
    comb(shop)
    assert ask("GET", f"/api/imports/{job['id']}")[1]["state"] == "failed"
    comb(shop)
    assert erasures(shop.store) == []


def test_one_worker_combs_at_a_time_and_another_goes_on_where_it_had_to_stop(shop: World) -> None:
    settled(shop, a_person_in_files(shop))
    desk = Desk(shop.store, runtime.imports(), runtime.claims())
    assert due(shop.store, now=shop.now)
    assert flow(desk, clock=lambda: shop.now, enough=lambda: True) == []
    during: list[list[str]] = []

    def meanwhile() -> bool:
        assert not due(shop.store, now=shop.now)
        during.append(flow(desk, clock=lambda: shop.now, enough=lambda: False))
        return False

    assert len(flow(desk, clock=lambda: shop.now, enough=meanwhile)) == 1
    assert during
    assert not any(during)
    assert not due(shop.store, now=shop.now)


def test_files_that_wait_for_their_import_are_left_alone(shop: World) -> None:
    id = a_person_in_files(shop)
    settled(shop, id)
    # Dropped for a feed, and its import not entered yet; and one that is uploaded while the pass is under way.
    assert ask("PUT", "/api/feeds/till", MAPPING)[0] in (200, 201, 204)
    put("drop/till/people.csv", TABLE.encode())
    body = b"PAR1 whatever \0"
    asked = {"file": "b.parquet", "size": len(body), "sha256": sha256(body).hexdigest(), "mapping": MAPPING}
    uploaded: list[str] = []

    def meanwhile() -> bool:
        if not uploaded:
            uploaded.append(ask("POST", "/api/imports", asked)[1]["id"])
            put(f"uploads/{uploaded[0]}", body)
        return False

    desk = Desk(shop.store, runtime.imports(), runtime.claims())
    assert flow(desk, clock=lambda: shop.now, enough=meanwhile) == [id]
    assert {"drop/till/people.csv", f"uploads/{uploaded[0]}"} <= files().keys()


@pytest.mark.parametrize(
    ("key", "body", "goes"),
    [
        ("uploads/i_1", gzip.compress(TABLE.encode()), True),
        ("uploads/i_2", b"PAR1 whatever \0", True),
        ("uploads/i_3", b"mail\nbob@example.com\n", False),
        ("uploads/i_4", f"mail\nM\xfcller {MIRA}\n".encode("latin-1"), True),
        ("drop/unknown/a.parquet", b"PAR1 whatever \0", False),
        ("drop/unknown/a.csv.gz", gzip.compress(TABLE.encode()), True),
        ("drop/unknown/b.csv", b"mail\nbob@example.com\n", False),
        ("rejected/i_1/a.csv.rejected.csv", b'mail\n"' + b"x" * 200_000 + b'"\n', True),
        ("rejected/i_1/a.ndjson.rejected.ndjson", b"{no json\n", True),
    ],
)
def test_what_becomes_of_a_file(shop: World, key: str, body: bytes, goes: bool) -> None:
    id = a_person_in_files(shop)
    put(key, body)
    settled(shop, id)
    comb(shop)
    assert erasures(shop.store) == []
    assert (key not in files()) == goes
