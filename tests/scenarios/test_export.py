"""What a person is handed on request, compared row by row with a dump of the stores."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest

from gateway import ask
from tailor.edges.dynamo import unpack_item
from tailor.edges.store import read_event
from tailor.flows.erase import request_erasure
from tailor.flows.export import TITLES
from tailor.kernel.instants import DAY, HOUR, MINUTE, iso
from tailor.kernel.keys import identifier_key, suppression_key
from tailor.kernel.person import Person
from world import CONTEXT, World, app

EMAIL = "edith.haverly@gmail.com"
EDITH = (("user_id", "u-edith"), ("email", EMAIL))
TWIN = (("email", "edith.haverly@gmial.com"),)
GHOST = (("anonymous_id", "anon-1"),)
PHONE = ("phone", "+4915112345678")
TRAITS = {"first_name": "Edith", "last_name": "Haverly", "birth_date": "1979-05-23", "city": "Sheffield", "shoe": "38"}
YES = (("marketing", "granted"), ("analytics", "granted"))
NOT_TOLD = {"id", "version", "marks"}
"""Of a person's item: bookkeeping of ours that says nothing about them (the id stands beside the profile)."""
Row = dict[str, Any]


@pytest.fixture(name="edith")
def _edith(shop: World) -> Person:
    """Somebody with a row in every store."""
    shop.store.define("webhook", "wh_1", {"url": "https://crm.example/in?key=1", "events": ["*"], "enabled": True})
    rival = (("email", "rival@example.com"), PHONE)
    shop.arrive(shop.event("Identify", *rival, kind="identify"), shop.event("Page Viewed", *GHOST, kind="page"))
    shop.pump()
    shop.arrive(
        shop.event("Identify", *EDITH, kind="identify", traits=TRAITS, consent=YES),
        shop.event("Identify", *EDITH, PHONE, kind="identify"),
        shop.event("Product Viewed", *EDITH, properties={"name": "Tent", "category": "camping"}),
        shop.event("Identify", *TWIN, kind="identify", traits=TRAITS),
    )
    shop.pump()
    shop.compare()
    shop.now += MINUTE
    order = {"order_id": "o-1", "total": "60.00", "products": [{"name": "Shoe", "category": "shoes"}]}
    how = {"basis": "consent", "evidence": "the till", "import": "im_1", "file": "people.csv", "row": 7}
    context = {"import": "im_1", "row": 7}
    shop.arrive(
        shop.event("Identify", *EDITH, *GHOST, kind="identify", source="shopify"),
        shop.event("Order Completed", *EDITH, properties=order, source="stripe"),
        shop.event("Identify", *EDITH, kind="identify", source="import", context=context),
        shop.event(
            "Consent Updated",
            *EDITH,
            kind="consent",
            source="import",
            context={**context, "consent": how},
            consent=[("marketing", "granted", "deals")],
        ),
    )
    shop.pump()
    shop.store.quarantine([{"source": "segment", "key": "k", "reason": {}, "raw": {"to": EMAIL}}], now=shop.now)
    shop.store.quarantine([{"source": "ses", "reason": {}, "raw": "for bob@example.com"}], now=shop.now)
    ask("PUT", "/api/campaigns/sale", {"template": "come-back", "audience": {"did": "Order Completed"}})
    assert ask("POST", "/api/campaigns/sale/start", {})[0] == 200
    for _ in range(3):
        shop.now += MINUTE
        app("campaign").handler({"job": "campaigns"}, CONTEXT)
        shop.pump()
    shop.tick(shop.now + 2 * HOUR)
    shop.pump()
    shop.tick(shop.now + 49 * HOUR)
    shop.pump()
    shop.compare()
    # Joined by a model as well, not by an identifier alone.
    (pair,) = ask("GET", "/api/duplicates")[1]
    assert ask("POST", f"/api/duplicates/{pair['id']}/merge")[1]["state"] == "joined"
    shop.pump()
    late = (("email", "edith.haverly@yahoo.example"),)
    shop.arrive(shop.event("Identify", *late, kind="identify", traits=TRAITS))
    shop.pump()
    shop.compare()
    shop.store.suppress(EMAIL, "complaint", now=shop.now)
    edith = shop.person("email", EMAIL)
    assert edith is not None
    request_erasure(edith.id, shop.store, how="page", now=shop.now)
    return edith


def stored(shop: World) -> list[Row]:
    client = shop.dynamo._client
    return [unpack_item(item) for table in ("people", "ledger") for item in client.scan(TableName=table)["Items"]]


def hers(row: Row, edith: Person) -> bool:
    """Whether a row names her: by an id of hers, by an identifier, or by its hash."""
    ids = {edith.id, *edith.aliases}
    keys = {identifier_key(kind, value) for kind, values in edith.identifiers.items() for value in values}
    keys |= {suppression_key(value) for value in edith.identifiers["email"]}
    text = json.dumps(row, default=lambda packed: zlib.decompress(packed).decode())
    return row["pk"] in keys or any(word in text for word in (*ids, EMAIL))


def kind_of(row: Row) -> str:
    """``P#/E#`` and the like; what has no such mark is an item of ``people`` or an identifier's."""
    if "sk" not in row:
        return "merged away" if "into" in row else "person"
    head, mark = str(row["pk"]).partition("#")[0], str(row["sk"]).partition("#")[0]
    return {"P": f"P {mark}", "K": str(row["pk"]), "B": "B", "Q": "Q", "U": str(row["pk"]), "W": "W"}.get(head, mark)


def same_person(told: Row, person: Person) -> None:
    """Every field that is not bookkeeping stands there with all its keys, and so does every text in it."""
    for one in fields(Person):
        if one.name in NOT_TOLD | {"due"}:
            continue
        value = getattr(person, one.name)
        assert one.name in told, f"{one.name} is not told"
        if one.name == "decided":
            assert told["decided"] == iso(value)
        elif isinstance(value, dict):
            assert set(told[one.name]) == set(value), one.name
            for key, inner in value.items():
                missing = leaves(inner) - leaves(told[one.name][key])
                assert not missing, f"{one.name}/{key}: {missing} is not told"
        else:
            assert told[one.name] == value, one.name


def leaves(value: Any) -> set[str]:
    """Every scalar of a value as text; instants as they are told."""
    match value:
        case dict():
            return {leaf for inner in value.values() for leaf in leaves(inner)}
        case list() | tuple():
            return {leaf for inner in value for leaf in leaves(inner)}
        case int() if value > 1_000_000_000_000:
            return {iso(value)}
        case None | "":
            return set()
        case _:
            return {str(value)}


def test_every_row_of_every_store_that_names_somebody_is_in_what_they_are_handed(shop: World, edith: Person) -> None:
    status, told = ask("GET", f"/api/people/{edith.id}/export")
    assert status == 200
    ids = [edith.id, *edith.aliases]
    merged = {one["person"]: one for one in told["merged"]}
    pairs = {frozenset((one["person"], one["other"])): one for one in told["duplicates"]}

    def merge(row: Row) -> None:
        one = merged[row["sk"].split("#")[2]]
        same_person(one, Person.unpack("", row["v"], row["s"]))
        if "m" in row:
            assert one["before"]["person"] == row["pk"][2:]
            same_person(one["before"], Person.unpack("", row["mv"], row["m"]))

    def message(row: Row) -> None:
        (one,) = (one for one in told["messages"] if one["message"] == row["sk"][2:])
        links = json.loads(zlib.decompress(row["links"])) if "links" in row else []
        told_of = {k: v for k, v in row.items() if k not in ("pk", "sk", "rank", "owner", "links")}
        missing = leaves([told_of, links]) - leaves(one)
        assert not missing, f"{row['sk']}: {missing} is not told"

    def consent(row: Row) -> None:
        body = json.loads(row["b"])
        assert any(leaves(body) <= leaves(one) and set(body) == set(one) for one in told["consent"]), body

    def event(row: Row) -> None:
        one = read_event(row).to_json()
        assert any(leaves(one) <= leaves(each) and set(one) == set(each) for each in told["events"]), one

    def pair(row: Row) -> None:
        one = pairs[frozenset((row["pk"][2:], row["sk"][2:]))]
        assert one["state"] == row["state"]
        assert one["weight"] == pytest.approx(row["w"] / 100)

    def logged(row: Row) -> None:
        _, _, other = row["sk"].split("#")
        about = json.loads(zlib.decompress(row["s"]))
        assert (merged[other]["by"], merged[other]["reasons"]) == (about["by"], about["reasons"])

    def quarantined(row: Row) -> None:
        document = json.loads(zlib.decompress(row["s"]))
        (one,) = told["unused"]
        assert (one["raw"], one["source"], one["at"]) == (document["raw"], document["source"], iso(row["at"]))

    def disputed(row: Row) -> None:
        keys = {identifier_key(one["kind"], one["value"]) for one in told["disputes"]}
        assert row["pk"] in keys

    held = {identifier_key(k, v) for k, values in told["profile"]["identifiers"].items() for v in values}
    checks: dict[str, Callable[[Row], Any]] = {
        "person": lambda row: same_person(told["profile"], Person.unpack("", row["v"], row["s"])),
        "merged away": lambda row: ids.index(row["pk"]),
        "I": lambda row: held.__contains__(row["pk"]) or pytest.fail(row["pk"]),
        "X": disputed,
        "Z": lambda row: [row["why"]].index(told["suppressed"][0]["why"]),
        "P E": event,
        "P C": consent,
        "P S": message,
        "P G": merge,
        "P D": pair,
        "P B": lambda row: set(row["keys"]) <= set(told["keys"]) or pytest.fail("keys"),
        "B": lambda row: told["keys"].index(row["pk"][2:]),
        "Q": quarantined,
        "U#merged": logged,
        "U#review": lambda row: pairs[frozenset(row["sk"].split("#")[1:])],
        "K#erasure": lambda row: [edith.id].index(told["erasure"]["person"]),
    }
    rows = [row for row in stored(shop) if hers(row, edith)]
    mine = [row for row in rows if row["pk"] == edith.id or row.get("into") or "sk" in row]
    assert {kind_of(row) for row in mine} == {*checks}, "a store that this test, or its person, does not know"
    for row in mine:
        checks[kind_of(row)](row)
    assert len(told["events"]) == len({row["sk"] for row in mine if kind_of(row) == "P E"})
    assert told["imports"] == [{"import": "im_1", "file": "people.csv", "rows": [7]}]
    assert told["recipients"] == [{"webhook": "wh_1", "host": "crm.example", "told": ["*"]}]
    assert told["profile"]["offers"]["sale"]["lap"] >= 0
    assert told["profile"]["enrolments"] or told["profile"]["finished"]
    assert iso(shop.now - 4 * DAY) < told["made"] == iso(shop.now)


def test_the_page_shows_all_of_it(edith: Person) -> None:
    status, page = ask("GET", f"/api/people/{edith.id}/export?as=page")
    assert status == 200
    for title in TITLES.values():
        assert f"<h2>{title}</h2>" in page
    assert "crm.example" in page
    assert "key=1" not in page
