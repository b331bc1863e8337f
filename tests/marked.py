"""A life that leaves a mark in every store: who looks for it afterwards finds what was left behind, and who watches
meanwhile sees who reads a person."""

from __future__ import annotations

import json
import zlib
from typing import Any

from gateway import ask
from tailor.flows.erase import SETTLE
from tailor.kernel.instants import HOUR, MINUTE
from world import CONTEXT, NIGHT, World, app, aws

MARK = "zyxmarker"
EMAIL = f"{MARK}.ada@example.com"
ADA = (("user_id", f"{MARK}-u1"), ("email", EMAIL))
PHONE = (("user_id", f"{MARK}-u1"), ("phone", "+4915112345678"))
GHOST = (("anonymous_id", f"{MARK}-anon"),)
YES = (("marketing", "granted"), ("analytics", "granted"))


def unpacked(value: Any) -> str:
    """A value of the tables as text, whatever it was packed in."""
    match value:
        case dict():
            return json.dumps({k: unpacked(v) for k, v in value.items()}, ensure_ascii=False)
        case list():
            return json.dumps([unpacked(one) for one in value], ensure_ascii=False)
        case bytes():
            try:
                return zlib.decompress(value).decode()
            except zlib.error:
                return value.decode("utf-8", "replace")
        case _:
            return str(value)


def dump(shop: World) -> list[str]:
    """Every item of both tables, what waits in the queues, and every object of the buckets."""
    pages = shop.dynamo._client.get_paginator("scan")
    items = [
        item for table in ("people", "ledger") for page in pages.paginate(TableName=table) for item in page["Items"]
    ]
    waiting = [body for queue in shop.queues.values() for body in queue]
    return [unpacked(item) for item in items] + waiting + [f"{key} {text}" for key, text in files().items()]


def files() -> dict[str, str]:
    """Key → text of every object of the buckets."""
    s3 = aws("s3")
    found = {}
    for bucket in (one["Name"] for one in s3.list_buckets()["Buckets"]):
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for one in page.get("Contents", ()):
                found[one["Key"]] = unpacked(s3.get_object(Bucket=bucket, Key=one["Key"])["Body"].read())
    return found


def comb(shop: World) -> None:
    """The minute of the import function, and what it has queued for itself."""
    app("import").handler({"job": "sweep"}, CONTEXT)
    shop.load()


def erased(shop: World, *people: str) -> dict[str, Any]:
    """Erase people to the very end; answers the receipt of the first."""
    for id in people:
        assert ask("POST", f"/api/people/{id}/erase")[0] == 200
    shop.pump()
    shop.tick(shop.now + SETTLE)
    comb(shop)
    status, receipt = ask("GET", f"/api/erasures/{people[0]}")
    assert (status, receipt["state"]) == (200, "finished"), receipt
    return dict(receipt)


def marked(shop: World) -> list[str]:
    return [text for text in dump(shop) if MARK in text.lower() or "4915112345678" in text]


def a_whole_life(shop: World) -> str:
    """Ada comes by every door, is merged, gets letters, and is in the quarantine; answers her id."""
    shop.arrive(
        shop.event("Page Viewed", *GHOST, kind="page", properties={"title": f"{MARK} page"}),
        shop.event("Identify", *ADA, kind="identify", traits={"first_name": f"{MARK}Ada", "shoe": MARK}, consent=YES),
        shop.event("Product Viewed", *ADA, properties={"name": f"{MARK} tent", "category": f"{MARK} camping"}),
    )
    shop.pump()
    shop.now += MINUTE
    order = {"order_id": f"{MARK}-o1", "total": "60.00", "products": [{"name": f"{MARK} shoe", "category": MARK}]}
    shop.arrive(
        shop.event("Identify", *PHONE, kind="identify", traits={"city": f"{MARK}ville"}),
        shop.event("Identify", *ADA, *GHOST, kind="identify", context={"page": MARK}),
        shop.event("Order Completed", *ADA, properties=order),
    )
    shop.pump()
    shop.store.quarantine([{"source": "segment", "key": "k", "reason": {}, "raw": {"x": [EMAIL]}}], now=shop.now)
    shop.store.quarantine([{"source": "ses", "reason": {}, "raw": f'{{"to": "{EMAIL}", broken'}], now=shop.now)
    shop.tick(shop.now + 2 * HOUR)
    shop.pump()
    shop.arrive(shop.event("Product Viewed", *ADA, properties={"name": f"{MARK} lamp"}))
    shop.pump()
    shop.tick(shop.now + 49 * HOUR)
    shop.pump()
    assert [mail["to"] for mail in shop.ses.mails] == [EMAIL, EMAIL]
    ada = shop.person("email", EMAIL)
    assert ada is not None
    assert ada.aliases
    assert len(marked(shop)) > 10
    return ada.id


SOURCES = ("segment", "shopify", "stripe", "import")
EDITH = {"last_name": f"{MARK}haverly", "birth_date": "1979-05-23", "city": f"{MARK}field"}
TWIN = (("email", f"{MARK}.ada@exmaple.com"),)
RIVAL = (("email", "rival@example.com"), ("phone", "+442071838750"))
SHARED = (("user_id", f"{MARK}-u1"), ("phone", "+442071838750"))


def a_life_in_every_store(shop: World) -> str:
    """After :func:`a_whole_life`: known to four sources, with a twin who is merged and one who may be, in dispute about
    a phone, reached by a campaign, told to a webhook, walked over and counted."""
    shop.store.define("webhook", "wh_1", {"url": "https://crm.example/in", "events": ["*"], "enabled": True})
    shop.arrive(shop.event("Identify", *RIVAL, kind="identify"))
    shop.pump()
    id = a_whole_life(shop)
    for source in SOURCES:
        context = {"import": "im_1", "row": 7, "page": MARK}
        traits = {**EDITH, "first_name": f"{MARK}Ada"}
        shop.arrive(shop.event(f"Told {source}", *ADA, traits=traits, context=context, source=source))
        shop.pump()
    shop.arrive(shop.event("Identify", *SHARED, kind="identify"))
    traits = {**EDITH, "first_name": f"{MARK}Ada"}
    for twin in (TWIN, (("email", f"{MARK}.ada@yahoo.example"),)):
        shop.arrive(shop.event("Identify", *twin, kind="identify", traits=traits))
        shop.pump()
        shop.compare()
    pairs = [one["id"] for one in ask("GET", "/api/duplicates")[1] if id in one["id"]]
    assert ask("POST", f"/api/duplicates/{pairs[0]}/merge")[1]["state"] == "joined"
    ask("PUT", "/api/campaigns/sale", {"template": "come-back", "audience": {"did": "Order Completed"}})
    ask("POST", "/api/campaigns/sale/start", {})
    for _ in range(3):
        shop.now += MINUTE
        app("campaign").handler({"job": "campaigns"}, CONTEXT)
        shop.pump()
    shop.notify()
    shop.night()
    app("refresh").handler({"job": "nightly"}, NIGHT)
    assert ask("GET", f"/api/people/{id}/export")[0] == 200
    ada = shop.person("email", EMAIL)
    assert ada is not None
    return ada.id
