"""The API through its gateway: who may do what, what it answers, and how it says no."""

from __future__ import annotations

import hmac
import json
from base64 import b64encode
from copy import deepcopy
from pathlib import Path
from typing import Any

import botocore.session
import pytest

from gateway import ADMIN, ask, event, route
from shop import SHOP
from tailor.edges import runtime
from world import CONTEXT, World, app

ROOT = Path(__file__).resolve().parents[2]
ADA = (("user_id", "u-ada"), ("email", "ada@example.com"))


@pytest.fixture(name="deployed")
def _deployed(shop: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """The shop, with a parameter store for the secrets of its sources."""
    ssm = botocore.session.get_session().create_client("ssm", region_name="eu-west-1")
    monkeypatch.setattr(runtime, "client", lambda service: ssm if service == "ssm" else shop.client(service))
    return shop


def token(*scopes: str) -> str:
    status, made = ask("POST", "/api/keys", {"name": "test", "scopes": list(scopes)})
    assert status == 201
    return str(made["token"])


def joined(shop: World, **traits: Any) -> str:
    """Ada, known and consenting; answers her id."""
    shop.arrive(
        shop.event("Identify", *ADA, kind="identify", traits=traits, consent=(("marketing", "granted"),)),
        shop.event("Product Viewed", *ADA, properties={"name": "Tent", "category": "camping"}),
    )
    shop.pump()
    person = shop.person("user_id", "u-ada")
    assert person is not None
    return person.id


# ---- who may do what


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        (method.upper(), path, operation["security"][0]["bearer"][0])
        for path, operations in json.loads((ROOT / "events/contracts/openapi.json").read_text())["paths"].items()
        for method, operation in operations.items()
    ],
)
def test_every_route_asks_for_the_scope_it_documents(deployed: World, method: str, path: str, scope: str) -> None:
    enough = {"read": ("read", "write", "admin"), "write": ("write", "admin"), "admin": ("admin",)}[scope]
    for held in ("ingest", "read", "write", "admin"):
        request = event(method, path.replace("{", "").replace("}", ""), "{}")
        request["requestContext"]["authorizer"] = {"lambda": {"scopes": held, "key": "k"}}
        answer = app("api").handler(request, CONTEXT)
        assert (answer["statusCode"] != 403) == (held in enough)


def test_a_stranger_whom_no_authorizer_has_seen_gets_nowhere(deployed: World) -> None:
    answer = app("api").handler(event("GET", "/api/keys"), CONTEXT)
    assert answer["statusCode"] == 401
    assert json.loads(answer["body"])["type"].endswith("/no-token")


def test_the_authorizer_stands_before_everything(deployed: World) -> None:
    assert ask("GET", "/api/programmes", token=None)[0] == 401
    assert ask("GET", "/api/programmes", token="tk_guess")[0] == 403
    assert ask("GET", "/api/programmes", token=token("read"))[0] == 200


# ---- keys


def test_a_token_is_shown_once_and_kept_as_a_digest(deployed: World) -> None:
    made = ask("POST", "/api/keys", {"name": "ci", "scopes": ["write", "read"]})[1]
    assert made["token"].startswith("tk_")
    (listed,) = ask("GET", "/api/keys")[1]
    assert listed == {
        "id": made["id"],
        "name": "ci",
        "scopes": ["read", "write"],
        "source": None,
        "rate": None,
        "created": "2026-11-24T06:00:00.000Z",
    }
    assert made["token"] not in json.dumps(deployed.store.definitions("key"))


def test_a_revoked_token_opens_nothing(deployed: World) -> None:
    made = ask("POST", "/api/keys", {"name": "ci", "scopes": ["read"]})[1]
    assert ask("DELETE", f"/api/keys/{made['id']}") == (204, None)
    assert ask("GET", "/api/programmes", token=made["token"])[0] == 403
    assert ask("DELETE", f"/api/keys/{made['id']}")[0] == 404


def test_a_repeated_request_with_an_idempotency_key_gets_the_same_token(deployed: World) -> None:
    body = {"name": "ci", "scopes": ["read"]}
    once = ask("POST", "/api/keys", body, headers={"Idempotency-Key": "deploy-7"})
    assert ask("POST", "/api/keys", body, headers={"Idempotency-Key": "deploy-7"}) == once
    assert ask("POST", "/api/keys", body, headers={"Idempotency-Key": "deploy-8"})[1] != once[1]
    assert len(ask("GET", "/api/keys")[1]) == 2
    other = {"name": "ci", "scopes": ["admin"]}
    status, problem = ask("POST", "/api/keys", other, headers={"Idempotency-Key": "deploy-7"})
    assert (status, problem["type"].rpartition("/")[2]) == (422, "idempotency-key-reused")


def test_a_write_key_admits_segment_calls_and_no_api_token_does(deployed: World) -> None:
    key = ask("POST", "/api/keys", {"name": "site", "source": "segment"})[1]["key"]
    call = {"batch": [{"type": "track", "event": "Signed Up", "userId": "u-1", "messageId": "1"}]}
    for used, expected in ((key, 200), (token("admin"), 401)):
        basic = b64encode(f"{used}:".encode()).decode()
        assert ask("POST", "/v1/batch", call, token=None, headers={"authorization": f"Basic {basic}"})[0] == expected
    assert ask("GET", "/api/keys", token=key)[0] == 403


def test_a_signing_source_is_admitted_by_its_key_and_its_secrets_old_and_new(deployed: World) -> None:
    made = ask("POST", "/api/keys", {"name": "store", "source": "shopify", "secret": "old"})[1]
    body = json.dumps({"id": 7, "email": "ada@example.com", "created_at": "2026-11-24T05:00:00Z"})

    def deliver(secret: str) -> int:
        runtime._CACHE.clear()
        proof = b64encode(hmac.digest(secret.encode(), body.encode(), "sha256")).decode()
        headers = {"X-Shopify-Topic": "customers/create", "X-Shopify-Hmac-Sha256": proof}
        return ask("POST", f"/sources/shopify/{made['key']}", body, token=None, headers=headers)[0]

    assert [deliver("old"), deliver("new")] == [200, 401]
    assert ask("PUT", f"/api/keys/{made['id']}/secret", {"secret": "new"})[0] == 204
    assert [deliver("old"), deliver("new")] == [200, 200]
    ask("DELETE", f"/api/keys/{made['id']}")
    assert deliver("new") == 401


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"name": "x", "scopes": []}, "/scopes"),
        ({"name": "x", "scopes": ["raed"]}, "/scopes/0"),
        ({"name": "x", "source": "shopfy", "secret": "s"}, "/source"),
        ({"name": "x", "source": "ses"}, "/source"),
        ({"name": "x", "source": "shopify"}, "/secret"),
        ({"name": "x", "source": "segment", "secret": "s"}, "/secret"),
        ({"name": "x"}, ""),
        ({"name": "x", "scopes": ["read"], "source": "segment"}, ""),
        ({"scopes": ["read"]}, "/name"),
        ({"name": "x", "scopes": "read"}, "/scopes"),
        ({"name": "x", "scopes": ["read"], "colour": "red"}, "/colour"),
    ],
)
def test_a_key_that_cannot_be_is_refused_with_the_place(deployed: World, body: Any, pointer: str) -> None:
    status, problem = ask("POST", "/api/keys", body)
    assert (status, problem["pointer"]) == (400, pointer)
    assert ask("GET", "/api/keys")[1] == []


# ---- programmes


def test_a_programme_is_published_shown_listed_and_withdrawn(deployed: World) -> None:
    document = deepcopy(SHOP)
    document["segments"]["new"] = {"title": "New", "rule": {"did": "Signed Up"}}
    status, planned = ask("PUT", "/api/programmes/shop?dry_run=true", document)
    assert (status, planned["changed"]) == (200, True)
    assert "new" not in ask("GET", "/api/programmes/shop")[1]["document"]["segments"]
    assert ask("PUT", "/api/programmes/shop", document) == (200, planned)
    shown = ask("GET", "/api/programmes/shop")[1]
    assert shown == {
        "name": "shop",
        "version": planned["version"],
        "published": "2026-11-24T06:00:00.000Z",
        "document": document,
    }
    (listed,) = ask("GET", "/api/programmes")[1]
    assert (listed["version"], listed["segments"]) == (planned["version"], 3)
    assert ask("DELETE", "/api/programmes/shop") == (204, None)
    assert ask("GET", "/api/programmes")[1] == []
    assert ask("GET", "/api/programmes/shop")[0] == 404


def test_a_wrong_programme_is_refused_with_all_its_faults(deployed: World) -> None:
    document = deepcopy(SHOP)
    document["segments"]["bad"] = {"rule": {"attribute": "shoe_size", "eq": 42}}
    document["templates"]["receipt"]["subject"] = "{% if %}"
    status, problem = ask("PUT", "/api/programmes/shop", document)
    assert status == 400
    assert {e["pointer"].split("/")[2] for e in problem["errors"]} == {"bad", "receipt"}
    assert ask("PUT", "/api/programmes/other", SHOP)[1]["pointer"] == "/name"


def test_segments_are_listed_in_english(deployed: World) -> None:
    segments = {one["key"]: one for one in ask("GET", "/api/segments")[1]}
    assert segments.keys() == {"viewed-not-bought", "buyers"}
    assert "Order Completed" in segments["buyers"]["sentence"]


# ---- people


def test_a_person_is_found_by_any_identifier_and_shown_as_a_whole(deployed: World) -> None:
    id = joined(deployed, first_name="Ada", shoe_size=42)
    by_email = ask("POST", "/api/people/lookup", {"email": "Ada@Example.com"})
    assert by_email == ask("POST", "/api/people/lookup", {"user_id": "u-ada"}) == ask("GET", f"/api/people/{id}")
    person = by_email[1]
    assert person["identifiers"] == {"user_id": ["u-ada"], "email": ["ada@example.com"]}
    assert person["attributes"]["first_name"] == "Ada"
    assert person["undeclared"] == ["shoe_size"]
    assert "42" not in json.dumps(person["attributes"])
    assert person["consent"] == [
        {"purpose": "marketing", "topic": "", "grant": "granted", "at": "2026-11-24T06:00:00.000Z", "source": "segment"}
    ]
    assert person["due"] == "2026-11-26T06:00:00.000Z"
    assert person["events"]["Product Viewed"]["count"] == 1


def test_sensitive_attributes_are_named_and_not_shown(deployed: World) -> None:
    deployed.publish({**SHOP, "attributes": {"diagnosis": {"class": "sensitive"}}})
    id = joined(deployed, diagnosis="gout")
    person = ask("GET", f"/api/people/{id}")[1]
    assert person["sensitive"] == ["diagnosis"]
    assert "gout" not in json.dumps([person, ask("GET", f"/api/people/{id}/timeline")[1]])


def test_the_timeline_has_events_choices_and_messages_newest_first(deployed: World) -> None:
    id = joined(deployed, first_name="Ada")
    deployed.tick(deployed.now + 2 * 86_400_000)
    deployed.pump()
    entries = ask("GET", f"/api/people/{id}/timeline")[1]
    assert [e["at"] for e in entries] == sorted((e["at"] for e in entries), reverse=True)
    assert {e["kind"] for e in entries} == {"event", "consent", "message"}
    assert next(e for e in entries if e["kind"] == "message")["state"] == "DELIVERED"
    assert ask("GET", f"/api/people/{id}/timeline?limit=2")[1] == entries[:2]


@pytest.mark.parametrize("limit", ["0", "501", "many"])
def test_a_limit_that_is_none_is_refused(deployed: World, limit: str) -> None:
    status, problem = ask("GET", f"/api/people/p_1/timeline?limit={limit}")
    assert status == 400
    assert "query parameter 'limit'" in problem["detail"]


def test_why_is_answered_over_http(deployed: World) -> None:
    id = joined(deployed)
    status, answer = ask("GET", f"/api/people/{id}/why/come-back")
    assert (status, answer["answer"]) == (200, False)
    assert answer["reasons"][0]["until"] == "2026-11-26T06:00:00.000Z"
    assert ask("GET", f"/api/people/{id}/why/nothing")[0] == 404


@pytest.mark.parametrize(
    ("who", "status"),
    [
        ({"email": "nobody@example.com"}, 404),
        ({"email": "not an address"}, 400),
        ({"user_id": "null"}, 400),
        ({"person": "p_1"}, 400),
        ({}, 400),
        ({"email": "a@example.com", "user_id": "1"}, 400),
    ],
)
def test_a_lookup_that_finds_nobody_says_why_without_repeating_the_address(
    deployed: World, who: dict[str, str], status: int
) -> None:
    answered, problem = ask("POST", "/api/people/lookup", who)
    assert answered == status
    assert "example.com" not in json.dumps(problem)


# ---- quarantine


def test_what_could_not_be_used_is_listed_mended_and_replayed(deployed: World) -> None:
    key = ask("POST", "/api/keys", {"name": "site", "source": "segment"})[1]["key"]
    call = {"type": "track", "event": "", "userId": "u-9", "messageId": "m-1", "timestamp": "2026-11-24T05:00:00Z"}
    basic = {"authorization": "Basic " + b64encode(f"{key}:".encode()).decode()}
    ask("POST", "/v1/batch", {"batch": [call]}, token=None, headers=basic)
    (row,) = ask("GET", "/api/quarantine?day=2026-11-24")[1]
    assert (row["source"], row["raw"]) == ("segment", call)
    status, problem = ask("POST", "/api/quarantine/replay", {"id": row["id"]})
    assert (status, problem["type"].rpartition("/")[2]) == (422, "bad-name")
    deployed.now += 3_600_000
    mended = {**call, "event": "Signed Up"}
    assert ask("POST", "/api/quarantine/replay", {"id": row["id"], "raw": mended}) == (200, {"events": 1})
    assert ask("GET", "/api/quarantine")[1] == []
    deployed.pump()
    person = deployed.person("user_id", "u-9")
    assert person is not None
    assert person.history["Signed Up"] == [1, [1_795_496_400_000]]
    assert ask("POST", "/api/quarantine/replay", {"id": row["id"]})[0] == 404


def test_a_webhook_is_replayed_as_of_the_instant_it_came_in(deployed: World) -> None:
    order = {"id": 5, "email": "bob@example.com", "processed_at": "2026-11-24T05:30:00Z", "line_items": []}
    row = {"source": "shopify", "key": "k_1", "reason": {}, "raw": {"topic": "orders/create", "body": order}}
    deployed.store.quarantine([row], now=deployed.now)
    deployed.now += 86_400_000
    (listed,) = ask("GET", "/api/quarantine?day=2026-11-24")[1]
    assert ask("POST", "/api/quarantine/replay", {"id": listed["id"]}) == (200, {"events": 1})
    deployed.pump()
    person = deployed.person("email", "bob@example.com")
    assert person is not None
    assert "5" in person.orders


def test_what_absorb_refused_goes_back_to_absorb(deployed: World) -> None:
    envelope = {
        "source": "segment",
        "key": "",
        "received": deployed.now,
        "events": [deployed.event("Signed Up", ("user_id", "u-5")).to_json()],
    }
    deployed.store.quarantine([{"source": "queue", "reason": {}, "raw": json.dumps(envelope)}], now=deployed.now)
    (row,) = ask("GET", "/api/quarantine")[1]
    assert ask("POST", "/api/quarantine/replay", {"id": row["id"]})[0] == 200
    deployed.pump()
    assert deployed.person("user_id", "u-5") is not None


# ---- how it says no


@pytest.mark.parametrize(
    ("body", "status"),
    [("{", 400), ("[]", 400), ('"x"', 400), ("null", 400), ("", 400), ('{"id": 5}', 400), ('{"id": ""}', 400)],
)
def test_a_body_of_the_wrong_shape_is_a_problem_document(deployed: World, body: str, status: int) -> None:
    answer = route(event("POST", "/api/quarantine/replay", body, {"authorization": f"Bearer {ADMIN}"}))
    assert answer[0] == status
    assert answer[1]["Content-Type"] == "application/problem+json"
    problem = json.loads(answer[2])
    assert problem["status"] == status
    assert problem["errors"]


def test_an_unknown_route_and_a_wrong_method_are_problem_documents(deployed: World) -> None:
    for method, path in (("GET", "/api/nothing"), ("PATCH", "/api/keys"), ("POST", "/api/people/p_1/why/x")):
        status, problem = ask(method, path, {} if method != "GET" else None)
        assert (status, problem["type"].rpartition("/")[2]) == (404, "not-found")


def test_a_body_that_is_no_text_is_refused(deployed: World) -> None:
    request = event(
        "PUT", "/api/programmes/shop", b64encode(b"\xff\xfe").decode(), {"authorization": f"Bearer {ADMIN}"}
    )
    status, _, answer = route({**request, "isBase64Encoded": True})
    assert (status, json.loads(answer)["type"].rpartition("/")[2]) == (400, "bad-json")


# ---- the contract


def test_the_openapi_document_is_the_one_on_file(deployed: World) -> None:
    filed = ROOT / "events" / "contracts" / "openapi.json"
    made = ask("GET", "/api/openapi.json")[1]
    filed.write_text(json.dumps(made, indent=2, ensure_ascii=False) + "\n")
    assert json.loads(filed.read_text()) == made, (
        "the API has changed: review it, and file the answer of GET /api/openapi.json"
    )


def test_every_operation_says_what_it_answers_and_its_refusals(deployed: World) -> None:
    for path, operations in ask("GET", "/api/openapi.json")[1]["paths"].items():
        for method, operation in operations.items():
            answers = operation["responses"]
            assert {"400", "401", "403"} <= answers.keys(), (method, path)
            assert [s for s in answers if s.startswith("2")], (method, path)
            refusals = [a["content"] for s, a in answers.items() if s.startswith("4")]
            assert all(list(content) == ["application/problem+json"] for content in refusals)
            assert operation["summary"]
            assert operation["tags"]
