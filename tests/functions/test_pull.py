"""Pulls: vendors whose changes are asked for, page by page, politely, and each once in effect."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, urlsplit

import botocore.session
import pytest

from gateway import ask
from tailor.edges import runtime
from tailor.edges.outside import Heard
from tailor.kernel.event import Event
from tailor.kernel.instants import HOUR, MINUTE, iso, parse_instant
from world import CONTEXT, START, World, app

HUBSPOT = {"source": "hubspot", "account": "62515", "every": "15m"}
SALESFORCE = {"source": "salesforce", "url": "https://trail.my.salesforce.com", "every": "1h"}
SHOP = {"source": "woocommerce", "url": "https://shop.example", "every": "6h"}


@dataclass
class Vendors:
    """All three vendors, as far as we ask them; ``moods`` are statuses to answer instead, first come first served."""

    world: World
    contacts: list[dict[str, Any]] = field(default_factory=list)
    records: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {"Contact": [], "Lead": []})
    orders: list[dict[str, Any]] = field(default_factory=list)
    moods: list[int] = field(default_factory=list)
    afters: list[int] = field(default_factory=list)
    asked: list[tuple[str, str, Mapping[str, str]]] = field(default_factory=list)

    def check(self, url: str) -> None:
        """Any URL."""

    def ask(self, method: str, url: str, body: bytes, headers: Mapping[str, str], *, room: int) -> Heard:
        return self.world.gate.pass_through(lambda: self._answer(method, url, body, headers))  # type: ignore[no-any-return]

    def _answer(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> Heard:
        self.asked.append((method, url, headers))
        if self.moods:
            return Heard(self.moods.pop(0), {"retry-after": "300"}, b'{"message": "no"}')
        parts = urlsplit(url)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        match parts.path:
            case "/crm/v3/objects/contacts/search":
                return self._said(self._search(json.loads(body)))
            case "/crm/v3/objects/contacts/batch/read":
                wanted = {one["id"] for one in json.loads(body)["inputs"]}
                return self._said({"results": [one for one in self.contacts if one["id"] in wanted]})
            case "/services/oauth2/token":
                return self._said({"access_token": "t-" + parse_qs(body.decode())["client_id"][0]})
            case "/wp-json/wc/v3/orders":
                return self._said(self._listed(query))
            case path if path.endswith("/query"):
                return self._said({"records": self._queried(query["q"])})
        return Heard(404, {}, b"")

    def _said(self, document: Any) -> Heard:
        return Heard(200, {}, json.dumps(document).encode())

    def _search(self, search: dict[str, Any]) -> dict[str, Any]:
        [[since]] = [group["filters"] for group in search["filterGroups"]]
        found = [one for one in self.contacts if changed(one) >= int(since["value"])]
        found.sort(key=changed)
        after, limit = int(search["after"]), search["limit"]
        self.afters.append(after)
        page = {"results": found[after : after + limit]}
        return page | ({"paging": {"next": {"after": str(after + limit)}}} if after + limit < len(found) else {})

    def _listed(self, query: dict[str, str]) -> list[dict[str, Any]]:
        found = [one for one in self.orders if one["date_modified_gmt"] > query["modified_after"]]
        start = (int(query["page"]) - 1) * int(query["per_page"])
        return found[start : start + int(query["per_page"])]

    def _queried(self, query: str) -> list[dict[str, Any]]:
        words = query.split()
        kind, at = (
            words[words.index("FROM") + 1],
            parse_instant(words[words.index("SystemModstamp", words.index("WHERE")) + 2]),
        )
        id = query.partition("Id > '")[2].partition("'")[0]
        later = [
            one
            for one in self.records[kind]
            if (stamp := parse_instant(one["SystemModstamp"])) > at or (id and stamp == at and one["Id"] > id)
        ]
        return later[: int(words[-1])]


def changed(contact: dict[str, Any]) -> int:
    return parse_instant(contact["properties"]["lastmodifieddate"])


def contact(number: int, at: int, **properties: str) -> dict[str, Any]:
    known = {"email": f"c{number}@example.com", "firstname": f"N{number}", "lastmodifieddate": iso(at), "city": None}
    return {"id": str(number), "properties": known | properties, "updatedAt": iso(at), "archived": False}


def record(kind: str, number: int, at: int) -> dict[str, Any]:
    return {
        "attributes": {"type": kind, "url": "/"},
        "Id": f"00{'3' if kind == 'Contact' else 'Q'}{number:015d}",
        "FirstName": f"N{number}",
        "Email": f"{kind.lower()}{number}@example.com",
        "HasOptedOutOfEmail": number == 1,
        "SystemModstamp": iso(at).replace("Z", "+0000"),
    }


def order(number: int, at: int) -> dict[str, Any]:
    return {
        "id": number,
        "status": "processing",
        "currency": "EUR",
        "total": "12.50",
        "customer_id": number,
        "date_created_gmt": iso(at)[:19],
        "date_modified_gmt": iso(at)[:19],
        "billing": {"email": f"w{number}@example.com"},
        "line_items": [],
    }


@pytest.fixture(name="vendors")
def _vendors(shop: World, monkeypatch: pytest.MonkeyPatch) -> Vendors:
    vendors = Vendors(shop)
    ssm = botocore.session.get_session().create_client("ssm", region_name="eu-west-1")
    monkeypatch.setattr(runtime, "client", lambda service: ssm if service == "ssm" else shop.client(service))
    monkeypatch.setattr(runtime, "outside", lambda: vendors)
    monkeypatch.setattr(runtime, "pause", lambda _: None)
    return vendors


def define(name: str, document: dict[str, Any], secret: str | None = "secret") -> None:
    body = {"document": document} | ({"secret": secret} if secret else {})
    status, answer = ask("PUT", f"/api/pulls/{name}", body)
    assert status == 200, answer


def minute(world: World) -> None:
    """The schedule strikes, and the function works."""
    world.now += MINUTE
    app("import").handler({"job": "sweep"}, CONTEXT)
    world.load()


def fetched(world: World) -> list[Event]:
    return [Event.from_json(raw) for body in world.queues["bulk"] for raw in json.loads(body)["events"]]


def of(event: Event, kind: str) -> str | None:
    return next((one.value for one in event.identifiers if one.kind == kind), None)


def state(name: str) -> dict[str, Any]:
    return next(dict(one) for one in ask("GET", "/api/pulls")[1] if one["name"] == name)


def test_all_contacts_come_then_only_those_that_changed(shop: World, vendors: Vendors) -> None:
    vendors.contacts = [contact(n, START - HOUR + n) for n in range(250)]
    define("crm", HUBSPOT)
    minute(shop)
    assert {of(e, "email") for e in fetched(shop)} == {f"c{n}@example.com" for n in range(250)}
    assert of(fetched(shop)[0], "hubspot_contact_id") == "62515:0"
    assert [headers["authorization"] for _, _, headers in vendors.asked] == ["Bearer secret"] * 3
    shop.queues["bulk"].clear()
    minute(shop)
    assert not fetched(shop)
    vendors.contacts[7] = contact(7, shop.now, city="Rome", hs_email_optout="true")
    shop.now += 15 * MINUTE
    minute(shop)
    news = {e.mark: e for e in fetched(shop) if e.traits.get("city") == "Rome"}
    [event] = news.values()
    assert event.consent[0].grant == "withdrawn"
    assert state("crm")["counts"]["events"] >= 251
    shop.pump()
    person = shop.person("email", "c7@example.com")
    assert person
    assert person.consent["marketing"][0] == "withdrawn"


def test_a_search_that_has_too_much_is_begun_again_where_it_has_come_to(
    shop: World, vendors: Vendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tailor.rules.pulls.SEARCHED", 200)
    vendors.contacts = [contact(n, START - HOUR + n // 3) for n in range(700)]
    define("crm", HUBSPOT)
    minute(shop)
    assert {of(e, "hubspot_contact_id") for e in fetched(shop)} == {f"62515:{n}" for n in range(700)}
    assert max(vendors.afters) < 200


def test_a_worker_killed_after_any_call_loses_nothing_and_doubles_nothing(shop: World, vendors: Vendors) -> None:
    vendors.contacts = [contact(n, START - HOUR + n) for n in range(150)]
    define("crm", HUBSPOT)
    for kill_at in range(1, 16):
        shop.queues["bulk"].clear()
        shop.store.drop([("K#pull", "crm")])
        shop.gate.calls, shop.gate.kill_at = 0, kill_at
        shop.now += 20 * MINUTE
        shop.queues["import"].append('{"pull":"crm"}')
        try:
            shop.load()
        finally:
            shop.gate.kill_at = None
        for _ in range(3):
            minute(shop)
        marks = {event.mark for event in fetched(shop)}
        assert len(marks) == 150, kill_at


def test_a_vendor_that_is_busy_is_left_alone_for_as_long_as_it_says(shop: World, vendors: Vendors) -> None:
    vendors.contacts = [contact(1, START - HOUR)]
    vendors.moods = [429]
    define("crm", HUBSPOT)
    minute(shop)
    assert "later" in state("crm")["problem"]
    for _ in range(4):
        minute(shop)
    assert len(vendors.asked) == 1
    minute(shop)
    assert len(vendors.asked) == 2
    assert state("crm")["problem"] is None
    assert len(fetched(shop)) == 1


@pytest.mark.parametrize(("secret", "mood", "told"), [("wrong", 401, "look at the secret"), (None, 200, "no secret")])
def test_what_does_not_let_us_in_is_told_and_not_asked_each_minute(
    shop: World, vendors: Vendors, secret: str | None, mood: int, told: str
) -> None:
    vendors.moods = [mood]
    define("crm", HUBSPOT, secret)
    for _ in range(3):
        minute(shop)
    assert told in state("crm")["problem"]
    assert len(vendors.asked) <= 1


def test_contacts_and_leads_are_told_apart_and_each_comes_once(shop: World, vendors: Vendors) -> None:
    same = START - HOUR
    vendors.records = {
        "Contact": [record("Contact", n, same + n // 400) for n in range(900)],
        "Lead": [record("Lead", n, same) for n in range(3)],
    }
    define("sf", SALESFORCE, "app:password")
    minute(shop)
    found = fetched(shop)
    assert len(found) == len({event.mark for event in found}) == 903
    assert vendors.asked[1][2]["authorization"] == "Bearer t-app"
    [out] = [event for event in found if event.consent and of(event, "salesforce_contact_id")]
    assert out.consent[0].grant == "withdrawn"
    shop.queues["bulk"].clear()
    vendors.records["Lead"].append(record("Lead", 9, shop.now))
    shop.now += HOUR
    minute(shop)
    assert [event.traits["email"] for event in fetched(shop)] == ["lead9@example.com"]


def test_orders_that_webhooks_lost_are_found_and_those_they_brought_are_the_same(shop: World, vendors: Vendors) -> None:
    vendors.orders = [order(n, START - HOUR + n * 1000) for n in range(120)]
    define("woo", SHOP, "ck:cs")
    minute(shop)
    found = {event.id: event for event in fetched(shop)}
    assert len(found) == 120
    assert found["order-completed:shop.example:7"].properties["total"] == "12.50"
    basic = "Basic " + b64encode(b"ck:cs").decode()
    assert {headers["authorization"] for _, _, headers in vendors.asked} == {basic}


def test_a_contact_of_whom_only_a_change_is_told_is_read_whole(shop: World, vendors: Vendors) -> None:
    vendors.contacts = [contact(51, START)]
    key = ask("POST", "/api/keys", {"name": "crm", "source": "hubspot", "secret": "s"})[1]
    define("crm", {**HUBSPOT, "key": key["id"], "every": "1d"})
    shop.queues["import"].append(json.dumps({"hydrate": key["id"], "numbers": ["51"]}))
    shop.load()
    [event] = fetched(shop)
    assert (of(event, "hubspot_contact_id"), of(event, "email")) == ("62515:51", "c51@example.com")
    assert event.traits["first_name"] == "N51"
    vendors.moods = [503]
    assert app("import").handler(
        {"Records": [{"messageId": "7", "body": json.dumps({"hydrate": key["id"], "numbers": ["51"]})}]}, CONTEXT
    ) == {"batchItemFailures": [{"itemIdentifier": "7"}]}


def test_a_webhook_that_tells_only_of_a_change_asks_for_the_contact(
    shop: World, vendors: Vendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = ask("POST", "/api/keys", {"name": "crm", "source": "hubspot", "secret": "s"})[1]
    notice = {"portalId": 62515, "objectId": 51, "eventId": 1, "occurredAt": START, "subscriptionId": 9}
    city = {**notice, "subscriptionType": "contact.propertyChange", "propertyName": "city", "propertyValue": "Rome"}
    mail = {**city, "objectId": 52, "propertyName": "email", "propertyValue": "known@example.com"}
    gone = {**notice, "objectId": 53, "subscriptionType": "contact.privacyDeletion"}
    body = json.dumps([city, mail, gone])
    signed = {"x-hubspot-signature": sha256(b"s" + body.encode()).hexdigest()}
    status, _ = ask("POST", f"/sources/hubspot/{key['key']}", body, token=None, headers=signed)
    assert status == 200
    assert [json.loads(one) for one in shop.queues["import"]] == [{"hydrate": key["id"], "numbers": ["51"]}]


def test_a_pull_is_the_administrators_for_it_says_where_a_secret_is_sent(shop: World, vendors: Vendors) -> None:
    token = ask("POST", "/api/keys", {"name": "ci", "scopes": ["write"]})[1]["token"]
    assert ask("PUT", "/api/pulls/crm", {"document": HUBSPOT}, token=token)[0] == 403
    assert ask("GET", "/api/pulls", token=token)[0] == 200


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"source": "hubspott"}, "/source"),
        ({"every": "10s"}, "/every"),
        ({"account": ""}, "/account"),
        ({"properties": ["a b"]}, "/properties"),
        ({"evry": "1h"}, "/evry"),
    ],
)
def test_a_wrong_pull_is_refused_with_its_place(
    shop: World, vendors: Vendors, change: dict[str, Any], pointer: str
) -> None:
    status, problem = ask("PUT", "/api/pulls/crm", {"document": {**HUBSPOT, **change}})
    assert (status, problem["pointer"]) == (400, pointer)


def test_a_pull_that_is_dropped_forgets_its_secret(shop: World, vendors: Vendors) -> None:
    define("crm", HUBSPOT)
    assert ask("DELETE", "/api/pulls/crm")[0] == 204
    assert ask("GET", "/api/pulls")[1] == []
    runtime._CACHE.clear()
    assert runtime.secret_of_pull("crm") == ()
