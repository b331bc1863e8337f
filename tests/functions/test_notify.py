"""Webhooks: who is told what, that it is us, again until it is taken, and nothing to where nobody may point us."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import botocore.session
import pytest

from gateway import ask
from tailor.edges import runtime
from tailor.edges.outside import Outside
from tailor.flows.notify import BACK_OFF, FAILURES
from tailor.kernel.errors import Rejected, Transient
from tailor.kernel.instants import MINUTE, iso
from tailor.kernel.proof import timed
from world import World

ADA = ("user_id", "u-ada")


class Endpoint(ThreadingHTTPServer):
    """A customer's server: keeps what it is told and answers ``status``."""

    status = 200

    def __init__(self) -> None:
        self.told: list[tuple[dict[str, str], bytes]] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hook?a=1"

    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.told]


class _Handler(BaseHTTPRequestHandler):
    server: Endpoint

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        assert self.path == "/hook?a=1"
        self.server.told.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(self.server.status)
        self.send_header("location", "http://127.0.0.1/elsewhere")
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        """Quiet."""


@pytest.fixture(name="endpoint")
def _endpoint() -> Iterator[Endpoint]:
    server = Endpoint()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(name="open_shop")
def _open_shop(shop: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """The shop, with a parameter store, and webhooks to this machine allowed."""
    ssm = botocore.session.get_session().create_client("ssm", region_name="eu-west-1")
    monkeypatch.setattr(runtime, "client", lambda service: ssm if service == "ssm" else shop.client(service))
    monkeypatch.setenv("WEBHOOKS_ANYWHERE", "true")
    return shop


def subscribed(url: str, *events: str) -> dict[str, Any]:
    status, made = ask("POST", "/api/webhooks", {"url": url, "events": list(events)})
    assert status == 201, made
    return dict(made)


def buys(shop: World, order: str = "o-1") -> None:
    shop.arrive(shop.event("Order Completed", ADA, id=order, properties={"order_id": order}))
    shop.pump()


def test_a_fact_is_told_signed_once_and_in_the_order_of_the_person(open_shop: World, endpoint: Endpoint) -> None:
    made = subscribed(endpoint.url, "segment.*")
    buys(open_shop)
    open_shop.queues["notify"] *= 2
    open_shop.notify()
    ((headers, raw),) = endpoint.told
    ada = open_shop.person(*ADA)
    assert ada is not None
    body = json.loads(raw)
    assert body == {
        "id": headers["tailor-delivery"],
        "event": "segment.entered",
        "sequence": 1,
        "data": {"at": open_shop.now, "person": ada.id, "segment": "buyers", "program": ada.program},
    }
    assert headers["tailor-event"] == "segment.entered"
    assert headers["content-type"] == "application/json"
    assert timed(headers["tailor-signature"], raw, made["secret"].encode(), now=open_shop.now)
    assert not timed(headers["tailor-signature"], raw, b"another", now=open_shop.now)
    assert not timed(headers["tailor-signature"], raw + b" ", made["secret"].encode(), now=open_shop.now)
    assert open_shop.queues["notify"] == []


def test_each_webhook_is_told_what_it_asked_for(open_shop: World, endpoint: Endpoint) -> None:
    subscribed(endpoint.url, "journey.entered", "journey.finished")
    buys(open_shop)
    open_shop.notify()
    assert [body["event"] for body in endpoint.bodies()] == ["journey.entered"]
    assert endpoint.bodies()[0]["data"]["journey"] == "receipt"


def test_a_journey_calls_the_webhook_of_its_name_signed(open_shop: World, endpoint: Endpoint) -> None:
    made = subscribed(endpoint.url, "journey.webhook:desk")
    calls = [{"webhook": "desk", "properties": {"order": {"from": "order_id"}}}, {"webhook": "other"}]
    journey = {"trigger": {"event": "Order Completed"}, "steps": calls}
    open_shop.publish({"name": "calls", "journeys": {"calls": journey}})
    buys(open_shop)
    open_shop.notify()
    ((headers, raw),) = endpoint.told
    told = json.loads(raw)["data"]
    assert (told["webhook"], told["journey"], told["properties"]) == ("desk", "calls", {"order": "o-1"})
    assert timed(headers["tailor-signature"], raw, made["secret"].encode(), now=open_shop.now)


def test_what_fails_is_told_again_later_and_later_and_given_up_in_the_end(open_shop: World, endpoint: Endpoint) -> None:
    made = subscribed(endpoint.url, "segment.entered")
    endpoint.status = 302
    buys(open_shop)
    for attempt in range(1, len(BACK_OFF) + 2):
        open_shop.notify(attempt=attempt)
    assert open_shop.postponed == list(BACK_OFF)
    assert open_shop.queues["notify"] == []
    assert len(endpoint.told) == len(BACK_OFF) + 1
    (listed,) = ask("GET", "/api/webhooks")[1]
    assert (listed["enabled"], listed["failures"]) == (True, len(BACK_OFF) + 1)
    assert [state for _, state in open_shop.store.deliveries(made["id"], since=0)] == ["FAILED"]
    endpoint.status = 204
    since = {"since": iso(open_shop.now)}
    assert ask("POST", f"/api/webhooks/{made['id']}/replay", since)[1] == {"queued": 1, "next": None}
    open_shop.notify()
    assert endpoint.told[-1][1] == endpoint.told[0][1]
    assert ask("GET", "/api/webhooks")[1][0]["failures"] == 0
    assert ask("POST", f"/api/webhooks/{made['id']}/replay", since)[1]["queued"] == 0
    assert ask("POST", f"/api/webhooks/{made['id']}/replay", {**since, "everything": True})[1]["queued"] == 1
    open_shop.notify()
    assert len(endpoint.told) == len(BACK_OFF) + 3
    later = {"since": iso(open_shop.now + MINUTE), "everything": True}
    assert ask("POST", f"/api/webhooks/{made['id']}/replay", later)[1]["queued"] == 0


def test_an_endpoint_that_only_fails_is_disabled_with_notice_and_comes_back(
    open_shop: World, endpoint: Endpoint
) -> None:
    made = subscribed(endpoint.url, "segment.entered")
    other = subscribed(endpoint.url.replace("127.0.0.1", "localhost"), "webhook.disabled")
    endpoint.status = 500
    open_shop.store.tally("webhook", made["id"], FAILURES - 1)
    buys(open_shop)
    endpoint.told.clear()
    open_shop.facts.clear()
    open_shop.notify()
    (fact,) = open_shop.facts
    assert (fact["name"], fact["webhook"]) == ("webhook.disabled", made["id"])
    assert fact["why"].endswith("HTTP 500")
    assert {json.loads(raw)["event"] for _, raw in endpoint.told} == {"segment.entered", "webhook.disabled"}
    listed = {one["id"]: one for one in ask("GET", "/api/webhooks")[1]}
    assert not listed[made["id"]]["enabled"]
    assert listed[other["id"]]["enabled"]
    before = {"since": iso(open_shop.now), "everything": False}
    assert ask("POST", f"/api/webhooks/{made['id']}/replay", before)[0] == 409
    endpoint.status = 200
    endpoint.told.clear()
    assert ask("POST", f"/api/webhooks/{made['id']}/enable", {})[0] == 204
    assert ask("POST", f"/api/webhooks/{made['id']}/replay", before)[1]["queued"] == 1
    open_shop.notify()
    assert "segment.entered" in [body["event"] for body in endpoint.bodies()]


def test_a_webhook_that_is_deleted_hears_nothing_more(open_shop: World, endpoint: Endpoint) -> None:
    made = subscribed(endpoint.url, "*")
    buys(open_shop)
    assert ask("DELETE", f"/api/webhooks/{made['id']}") == (204, None)
    open_shop.notify()
    assert endpoint.told == []
    assert ask("DELETE", f"/api/webhooks/{made['id']}")[0] == 404
    assert ask("GET", "/api/webhooks")[1] == []


def test_a_notifier_killed_anywhere_tells_everything(open_shop: World, endpoint: Endpoint) -> None:
    subscribed(endpoint.url, "segment.entered")
    buys(open_shop)
    queued = list(open_shop.queues["notify"])
    open_shop.notify()
    for ahead in range(1, 8):
        endpoint.told.clear()
        open_shop.queues["notify"] = []
        open_shop.now += MINUTE
        order = f"o-{ahead}"
        fact = {**json.loads(queued[0])["detail"], "at": open_shop.now, "version": ahead}
        open_shop.queues["notify"] = [json.dumps({"detail": {**fact, "name": "segment.entered", "segment": order}})]
        open_shop.gate.kill_at = open_shop.gate.calls + ahead
        open_shop.notify()
        assert order in {body["data"]["segment"] for body in endpoint.bodies()}, f"killed after call {ahead}"


def test_the_secret_is_shown_once_and_kept_apart(open_shop: World, endpoint: Endpoint) -> None:
    made = subscribed(endpoint.url, "*")
    (listed,) = ask("GET", "/api/webhooks")[1]
    assert "secret" not in listed
    assert made["secret"].startswith("whsec_")
    assert made["secret"] not in json.dumps(open_shop.store.definitions("webhook"))
    assert runtime.secret_of_key(made["id"]) == (made["secret"].encode(),)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://shop.example/hook", "https://"),
        ("ftp://shop.example/hook", "https://"),
        ("https:///hook", "whole URL"),
        ("https://shop.example:22/hook", "port"),
        ("https://shop.example:99999/hook", "URL"),
        ("https://me:secret@shop.example/hook", "user"),
        ("https://shop.example/hook#there", "fragment"),
        ("https://127.0.0.1/hook", "public"),
        ("https://10.1.2.3/hook", "public"),
        ("https://169.254.169.254/latest/meta-data", "public"),
        ("https://[::1]/hook", "public"),
        ("https://[::ffff:10.0.0.1]/hook", "public"),
        ("https://[64:ff9b::a9fe:a9fe]/hook", "public"),
        ("https://[2002:a00:1::1]/hook", "public"),
        ("https://[fd00::1]/hook", "public"),
        ("https://224.0.0.1/hook", "public"),
        ("https://0.0.0.0/hook", "public"),
        ("https://shop.example/a b\r\nHost: x", "whole URL"),
    ],
)
def test_no_webhook_leads_inside(shop: World, url: str, said: str) -> None:
    status, problem = ask("POST", "/api/webhooks", {"url": url, "events": ["*"]})
    assert (status, problem["pointer"]) == (400, "/url")
    assert said in problem["detail"]
    assert shop.store.definitions("webhook") == {}


@pytest.mark.parametrize(("events", "pointer"), [([], "/events"), (["segment.enterd"], "/events/0")])
def test_a_fact_that_is_none_is_refused(shop: World, events: list[str], pointer: str) -> None:
    status, problem = ask("POST", "/api/webhooks", {"url": "https://shop.example/hook", "events": events})
    assert (status, problem["pointer"]) == (400, pointer)


@pytest.mark.parametrize("inside", ["127.0.0.1", "10.0.0.7", "169.254.169.254", "::1", "fe80::1%eth0", "0.0.0.0"])
def test_a_name_that_leads_inside_is_not_called(monkeypatch: pytest.MonkeyPatch, inside: str) -> None:
    def resolve(*_: Any, **__: Any) -> list[Any]:
        public = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.215.14", 443))
        return [public, (socket.AF_INET, socket.SOCK_STREAM, 6, "", (inside, 443))]

    def connect(*_: Any, **__: Any) -> Any:
        raise AssertionError("connected")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(Rejected, match="not a public one"):
        Outside().post("https://rebound.example/hook", b"{}", {})


def test_the_connection_goes_to_the_address_that_was_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def resolve(host: str, *_: Any, **__: Any) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.215.14", 443))]

    def connect(address: Any, *_: Any, **__: Any) -> Any:
        asked.append(address)
        raise OSError

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(Transient):
        Outside().post("https://shop.example/hook", b"{}", {})
    assert asked == ["shop.example", ("93.184.215.14", 443)]
