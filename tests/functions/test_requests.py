"""What people ask of us about their data: by when it must be answered, what carrying it out does and what it leaves."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest

from functions.test_forms import DOCUMENT, EMAIL, fresh, visit
from gateway import ask
from marked import unpacked
from shop import SHOP
from tailor.edges import runtime
from tailor.flows import rights
from tailor.flows.deliver import links
from tailor.flows.verify import verify
from tailor.kernel.instants import DAY, HOUR, MINUTE, iso
from tailor.kernel.person import Person
from tailor.rules.consent import permits, view
from world import Killed, World

YES = (("marketing", "granted"), ("analytics", "granted"), ("sharing", "granted"), ("profiling", "granted"))
WHO = ("email", EMAIL)


@pytest.fixture(name="site")
def _site(shop: World) -> World:
    shop.publish(DOCUMENT)
    return shop


def joins(shop: World, **traits: Any) -> Person:
    shop.arrive(shop.event("Identify", WHO, kind="identify", traits=traits, consent=YES))
    shop.pump()
    # What is said at the same instant as before is not later.
    shop.now += MINUTE
    return ada(shop)


def ada(shop: World) -> Person:
    found = shop.person(*WHO)
    assert found is not None
    return found


def asks(person: Person, kind: str, **more: Any) -> dict[str, Any]:
    status, answer = ask("POST", f"/api/people/{person.id}/requests", {"kind": kind, **more})
    assert status == 201, answer
    return dict(answer)


def looks(shop: World, minutes: int = 0) -> None:
    shop.now += minutes * MINUTE
    shop.arrive(shop.event("Product Viewed", WHO, properties={"name": "Tent"}))
    shop.pump()
    shop.tick(shop.now + 48 * HOUR)
    shop.pump()


# ---- deadlines


@pytest.mark.parametrize(
    ("country", "days", "more"),
    [("DE", 30, 60), ("GB", 30, 60), ("US", 45, 45), ("CA", 30, 30), ("BR", 30, 30), (None, 30, 30)],
)
def test_the_law_of_a_country_says_by_when(site: World, country: str | None, days: int, more: int) -> None:
    person = joins(site, **({"country": country} if country else {}))
    request = asks(person, "access")
    assert (request["state"], request["due"]) == ("open", iso(site.now + days * DAY))
    status, later = ask("POST", f"/api/requests/{request['id']}/extend", {"why": "the archive is being moved"})
    assert (status, later["due"], later["extended"]) == (200, iso(site.now + (days + more) * DAY), True)
    status, answer = ask("POST", f"/api/requests/{request['id']}/extend", {"why": "again"})
    assert (status, answer["type"].rpartition("/")[2]) == (409, "extended")


def test_what_is_due_first_stands_first_and_says_when_it_is_late(site: World) -> None:
    person = joins(site)
    first = asks(person, "access")
    site.now += DAY
    second = asks(person, "objection")
    site.now += 29 * DAY + HOUR
    listed = ask("GET", "/api/requests")[1]
    assert [(one["id"], one["overdue"]) for one in listed] == [(first["id"], True), (second["id"], False)]


def test_the_same_wish_twice_is_one_request(site: World) -> None:
    person = joins(site)
    assert asks(person, "access") == asks(person, "access")
    assert len(ask("GET", "/api/requests")[1]) == 1


def test_a_refusal_has_a_reason_and_is_final(site: World) -> None:
    request = asks(joins(site), "access")
    path = f"/api/requests/{request['id']}"
    assert ask("POST", f"{path}/refuse", {"why": ""})[0] == 400
    status, answer = ask("POST", f"{path}/refuse", {"why": "nobody could show to be her"})
    assert (status, answer["state"], answer["why"]) == (200, "refused", "nobody could show to be her")
    assert ask("POST", f"{path}/refuse", {"why": "again"})[0] == 409
    assert ask("POST", f"{path}/extend", {"why": "again"})[0] == 409
    assert ask("GET", "/api/requests")[1] == []
    assert [one["id"] for one in ask("GET", "/api/requests?state=closed")[1]] == [request["id"]]
    assert ask("GET", path)[1] == answer


# ---- what carrying out does


def test_wrong_attributes_are_put_right(site: World) -> None:
    site.publish({**DOCUMENT, "attributes": {"city": {}, "age": {"type": "number"}}})
    person = joins(site, first_name="Adda", city="Bern", age=36)
    request = asks(person, "rectification", now=True, attributes={"first_name": "Ada", "city": None})
    assert (request["state"], request["did"]) == ("done", ["corrected: city, first_name"])
    assert {k: v for k, v in ada(site).attributes.items() if k in ("first_name", "city", "age")} == {
        "first_name": "Ada",
        "age": 36,
    }


def test_an_objection_withdraws_and_no_letter_leaves(site: World) -> None:
    request = asks(joins(site), "objection", now=True)
    assert request["did"] == ["withdrawn: marketing, profiling"]
    assert [ada(site).consent[name][0] for name in ("marketing", "profiling", "analytics")] == [
        "withdrawn",
        "withdrawn",
        "granted",
    ]
    looks(site)
    assert site.ses.mails == []
    assert verify(ada(site), site.store)["intact"]


def test_an_opt_out_ends_sharing_alone(site: World) -> None:
    asks(joins(site), "opt_out", now=True)
    assert {name: said[0] for name, said in ada(site).consent.items()} == {
        **dict(YES),
        "sharing": "withdrawn",
    }


def test_a_restriction_hides_all_but_what_a_contract_takes_until_it_is_lifted(site: World) -> None:
    site.publish({**DOCUMENT, "templates": {**DOCUMENT["templates"], "receipt": SHOP["templates"]["receipt"]}})
    person = joins(site, first_name="Ada")
    program = runtime.program()
    asks(person, "restriction", now=True)
    seen = {name: view(ada(site), name, program, now=site.now) for name in program.purposes}
    free = {purpose.name for purpose in program.purposes.values() if purpose.basis == "contract"}
    assert free
    assert {name for name, one in seen.items() if one.attributes or one.history} <= free
    assert {n for n in program.purposes if permits(ada(site), n, program, topic="deals", now=site.now)} == free
    looks(site)
    assert site.ses.mails == []
    # An order is confirmed whatever else they restrict.
    site.arrive(site.event("Order Completed", WHO, properties={"order_id": "7", "total": "9.00"}))
    site.pump()
    site.tick(site.now + 2 * HOUR)
    site.pump()
    assert [mail["to"] for mail in site.ses.mails] == [EMAIL]
    assert b"/o/" not in site.ses.mails[0]["raw"]
    # What a source says later does not lift it.
    site.arrive(site.event("Consent Updated", WHO, kind="consent", consent=(("restriction", "granted"), YES[0])))
    site.pump()
    assert not permits(ada(site), "marketing", program, now=site.now)
    asks(ada(site), "lifting", now=True)
    assert permits(ada(site), "marketing", program, topic="deals", now=site.now)
    site.now += 31 * DAY
    looks(site)
    assert len(site.ses.mails) == 2
    assert verify(ada(site), site.store)["intact"]


def test_a_letter_that_was_on_its_way_does_not_leave_after_a_restriction(site: World) -> None:
    person = joins(site)
    site.arrive(site.event("Product Viewed", WHO, properties={"name": "Tent"}))
    site.pump()
    site.tick(site.now + 48 * HOUR)
    asks(person, "restriction", now=True)
    site.pump()
    assert site.ses.mails == []
    assert [row["why"] for row in site.store.messages(ada(site))] == ["restricted"]


def test_killed_anywhere_it_is_done_once(worlds: Any) -> None:
    def run(kill_at: int | None) -> int:
        with worlds() as shop:
            document = deepcopy(DOCUMENT)
            shop.publish({**document, "attributes": {"city": {}}})
            person = joins(shop, city="Bern")
            desk = rights.Desk(shop.store, runtime.compiled(), shop.new_id)
            request = rights.ask(person, "rectification", desk, by="api", now=shop.now)
            details = rights.Details(attributes={"city": "Basel"})
            # The store whose calls are counted, as the handlers have it.
            counted = rights.Desk(runtime.store(), runtime.compiled(), shop.new_id)
            shop.gate.calls, shop.gate.kill_at = 0, kill_at
            try:
                rights.carry_out(request, details, counted, now=shop.now)
            except Killed:
                known = rights.find(request.id, shop.store)
                assert known is not None
                rights.carry_out(known, details, counted, now=shop.now + MINUTE)
            assert rights.requests(shop.store) == [], f"killed after call {kill_at}"
            found = rights.find(request.id, shop.store)
            assert found is not None
            assert (found.state, found.did) == ("done", ["corrected: city"])
            assert ada(shop).attributes["city"] == "Basel"
            assert ada(shop).history["Data Corrected"][0] == 1, f"killed after call {kill_at}"
            return shop.gate.calls

    for kill_at in range(1, run(None) + 1):
        run(kill_at)


# ---- what cannot be meant


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        ({"kind": "rectification", "now": True}, 400, "/attributes"),
        ({"kind": "rectification", "now": True, "attributes": {"shoe_sise": "7"}}, 400, "/attributes/shoe_sise"),
        ({"kind": "rectification", "now": True, "attributes": {"city": {"a": 1}}}, 400, "/attributes/city"),
        ({"kind": "rectification", "now": True, "attributes": {"city": "x" * 501}}, 400, "/attributes/city"),
        ({"kind": "objection", "now": True, "purposes": ["marketting"]}, 400, "/purposes/0"),
        ({"kind": "oblivion"}, 400, "/kind"),
        ({"kind": "access", "who": "me"}, 400, "/who"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_place(site: World, body: Any, status: int, pointer: str) -> None:
    site.publish({**DOCUMENT, "attributes": {"city": {}}})
    person = joins(site)
    before = ada(site)
    got, answer = ask("POST", f"/api/people/{person.id}/requests", body)
    assert (got, (answer.get("errors") or [answer])[0]["pointer"]) == (status, pointer)
    assert ada(site) == before


def test_nobody_and_nothing_are_not_found(site: World) -> None:
    assert ask("POST", "/api/people/p_nobody/requests", {"kind": "access"})[0] == 404
    for what in ("", "/carry-out", "/refuse", "/extend"):
        method, body = ("POST", {"why": "x"} if what != "/carry-out" else {}) if what else ("GET", None)
        assert ask(method, f"/api/requests/q_none{what}", body)[0] == 404


def test_who_is_gone_can_only_be_refused(site: World) -> None:
    request = asks(joins(site), "access")
    assert ask("POST", f"/api/people/{ada(site).id}/erase")[0] == 200
    assert ask("POST", f"/api/requests/{request['id']}/carry-out", {})[0] == 404
    assert ask("POST", f"/api/requests/{request['id']}/refuse", {"why": "erased meanwhile"})[0] == 200


# ---- what is left of it


def test_rows_hold_no_personal_data_and_the_export_has_them(site: World) -> None:
    site.publish({**DOCUMENT, "attributes": {"city": {}}})
    person = joins(site, city="Bern")
    asks(person, "rectification", now=True, attributes={"city": "Zyxwick"})
    asks(person, "access")
    rows = [
        unpacked(item)
        for item in site.dynamo._client.scan(TableName="ledger")["Items"]
        if item["pk"]["S"] in ("K#right", "K#righted")
    ]
    assert len(rows) == 2
    assert not [row for row in rows if "Zyxwick" in row or EMAIL in row]
    exported = ask("GET", f"/api/people/{person.id}/export")[1]
    assert sorted(one["kind"] for one in exported["requests"]) == ["access", "rectification"]


# ---- by the person, with a link that was mailed


@pytest.fixture(name="link")
def _link(site: World) -> str:
    site.publish({**DOCUMENT, "attributes": {"city": {}, "age": {"type": "number"}, "faith": {"class": "sensitive"}}})
    person = joins(site, first_name="Adda", city="Bern", age=36, faith="x")
    door = links(person.id, "marketing", "", runtime.signing_keys())["preferences_url"]
    return fresh(site, door)


def test_people_put_right_what_is_wrong_themselves(site: World, link: str) -> None:
    page = visit("GET", link)[2]
    assert 'value="Bern"' in page
    assert "faith" not in page
    door = link.removesuffix("/data")
    told = {"do": "correct", "is-city": "Basel", "is-age": "37", "is-first_name": "Adda"}
    status, _, page = visit("POST", door, told)
    assert (status, "Put right" in page, 'value="Basel"' in page) == (200, True, True)
    assert (ada(site).attributes["city"], ada(site).attributes["age"]) == ("Basel", 37)
    site.now += MINUTE
    status, _, page = visit("POST", door, {"do": "correct", "is-city": "", "is-faith": "y", "is-nothing": "z"})
    assert (status, ada(site).attributes.get("city"), ada(site).attributes["faith"]) == (200, None, "x")
    assert visit("POST", door, {"do": "correct", "is-age": "old"})[0] == 422
    assert ada(site).attributes["age"] == 37
    closed = ask("GET", "/api/requests?state=closed")[1]
    assert [(one["kind"], one["by"], one["state"]) for one in closed] == [("rectification", "preferences", "done")] * 2
    assert ask("GET", "/api/requests")[1] == []


def test_people_restrict_and_lift_themselves(site: World, link: str) -> None:
    door = link.removesuffix("/data")
    page = visit("POST", door, {"do": "restrict"})[2]
    assert "Lift the restriction" in page
    assert not permits(ada(site), "marketing", runtime.program(), now=site.now)
    site.now += MINUTE
    page = visit("POST", door, {"do": "lift"})[2]
    assert "Restrict it" in page
    assert permits(ada(site), "marketing", runtime.program(), now=site.now)


def test_a_letter_passed_on_corrects_and_restricts_nobody(site: World, link: str) -> None:
    before = ada(site)
    passed_on = links(before.id, "marketing", "", runtime.signing_keys())["preferences_url"]
    for sent in ({"do": "correct", "is-city": "Rome"}, {"do": "restrict"}, {"do": "lift"}):
        assert visit("POST", passed_on, sent)[0] == 403
    site.now += HOUR + 1
    assert visit("POST", link.removesuffix("/data"), {"do": "restrict"})[0] == 403
    assert json.dumps(ada(site).consent) == json.dumps(before.consent)
