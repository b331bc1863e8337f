"""The recipient's doors: one-click unsubscribe (RFC 8058) and the preference page."""

from __future__ import annotations

import re
from base64 import b64encode
from typing import Any

import pytest

from tailor.edges import runtime
from tailor.flows.deliver import links
from tailor.kernel.instants import HOUR
from world import CONTEXT, World, app

ADA = (("user_id", "u-ada"), ("email", "ada@example.com"))
ONE_CLICK = "List-Unsubscribe=One-Click"


def request(shop: World, method: str, url: str, body: str = "", kind: str = "application/x-www-form-urlencoded") -> Any:
    path = url.removeprefix("https://mail.shop.example")
    event = {
        "version": "2.0",
        "rawPath": path,
        "pathParameters": {"token": path.split("/")[2]},
        "headers": {"content-type": kind, "user-agent": "Mail/1"},
        "requestContext": {"http": {"method": method, "path": path}},
        "body": b64encode(body.encode()).decode(),
        "isBase64Encoded": True,
    }
    return app("consent").handler(event, CONTEXT)


@pytest.fixture(name="letter")
def _letter(shop: World) -> dict[str, str]:
    """Links of a letter that Ada got, as they stand in its raw source."""
    joins = shop.event("Identify", *ADA, kind="identify", consent=[("marketing", "granted")])
    shop.arrive(joins, shop.event("Product Viewed", *ADA, properties={"name": "Tent"}))
    shop.pump()
    shop.tick(shop.now + 48 * HOUR)
    shop.pump()
    (mail,) = shop.ses.mails
    raw = mail["raw"].decode()
    header = re.search(r"^List-Unsubscribe: <(https://[^>\r\n]+)>\r\n", raw, re.MULTILINE)
    assert header, raw
    assert "\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in raw
    shop.ses.mails.clear()
    ada = shop.person("user_id", "u-ada")
    assert ada is not None
    urls = links(ada.id, "marketing", "https://mail.shop.example", runtime.signing_keys())
    assert urls["unsubscribe_url"] == header[1]
    return {"unsubscribe": header[1], "preferences": urls["preferences_url"]}


def another_letter_is_due(shop: World) -> None:
    shop.now += 31 * 24 * HOUR
    shop.arrive(shop.event("Product Viewed", *ADA, properties={"name": "Stove"}))
    shop.pump()
    shop.tick(shop.now + 48 * HOUR)
    shop.pump()


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_one_click_ends_the_letters_at_once_and_answers_200(shop: World, letter: dict[str, str], kind: str) -> None:
    answer = request(shop, "POST", letter["unsubscribe"], ONE_CLICK, kind)
    assert answer["statusCode"] == 200
    assert "location" not in answer["headers"]
    ada = shop.person("user_id", "u-ada")
    assert ada is not None
    assert ada.consent["marketing"][0] == "withdrawn"
    another_letter_is_due(shop)
    assert shop.ses.mails == []


def test_repeating_it_changes_nothing(shop: World, letter: dict[str, str]) -> None:
    for _ in range(3):
        assert request(shop, "POST", letter["unsubscribe"], ONE_CLICK)["statusCode"] == 200
    ada = shop.person("user_id", "u-ada")
    assert ada is not None
    assert [row["grant"] for row in shop.store.consents(ada)] == ["granted", "withdrawn"]


def test_opening_a_link_changes_nothing(shop: World, letter: dict[str, str]) -> None:
    before = shop.everybody()
    for url in letter.values():
        assert request(shop, "HEAD", url, ONE_CLICK)["statusCode"] == 200
        answer = request(shop, "GET", url)
        assert answer["statusCode"] == 200
        assert "<form" in answer["body"]
        assert "ada@example.com" not in answer["body"]
    assert shop.everybody() == before
    another_letter_is_due(shop)
    assert len(shop.ses.mails) == 1


def test_a_forged_link_is_refused(shop: World, letter: dict[str, str]) -> None:
    for url in (letter["unsubscribe"][:-1] + "!", letter["preferences"].replace("/preferences/", "/u/")):
        assert request(shop, "POST", url, ONE_CLICK)["statusCode"] == 403
    another_letter_is_due(shop)
    assert len(shop.ses.mails) == 1


def test_the_preference_page_takes_what_is_ticked_and_keeps_the_evidence(shop: World, letter: dict[str, str]) -> None:
    page = request(shop, "GET", letter["preferences"])["body"]
    assert 'value="marketing" checked' in page
    assert 'value="analytics">' in page
    request(shop, "POST", letter["preferences"], "choice=marketing&choice=personalization&choice=analytics")
    page = request(shop, "GET", letter["preferences"])["body"]
    assert 'value="analytics" checked' in page
    assert 'value="marketing:deals">' in page
    ada = shop.person("user_id", "u-ada")
    assert ada is not None
    rows = list(shop.store.consents(ada))
    assert [(row["purpose"], row["topic"], row["grant"]) for row in rows[1:]] == [
        ("marketing", "deals", "withdrawn"),
        ("analytics", "", "granted"),
    ]
    assert rows[-1]["how"] == {"door": "preferences", "text": rows[-1]["how"]["text"], "agent": "Mail/1"}
    assert [row["before"] for row in rows[1:]] == [row["hash"] for row in rows[:-1]]
    another_letter_is_due(shop)
    assert shop.ses.mails == []


def test_an_unsubscription_can_be_taken_back_and_given_again(shop: World, letter: dict[str, str]) -> None:
    request(shop, "POST", letter["unsubscribe"], ONE_CLICK)
    shop.now += 1
    request(shop, "POST", letter["preferences"], "choice=marketing&choice=marketing:deals")
    shop.now += 1
    request(shop, "POST", letter["unsubscribe"], ONE_CLICK)
    another_letter_is_due(shop)
    assert shop.ses.mails == []
