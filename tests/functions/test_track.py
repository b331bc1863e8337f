"""Clicks and opens: no open redirect, nothing recorded without permission."""

from __future__ import annotations

import email
import email.policy
import re
from typing import Any

import pytest

from tailor.kernel.instants import HOUR
from world import CONTEXT, World, app

ADA = (("user_id", "u-ada"), ("email", "ada@example.com"))


def get(path: str, method: str = "GET", agent: str = "Mozilla/5.0") -> Any:
    event = {
        "version": "2.0",
        "rawPath": path,
        "pathParameters": {"token": path.split("/")[2]},
        "headers": {"user-agent": agent},
        "requestContext": {"http": {"method": method, "path": path}},
    }
    return app("track").handler(event, CONTEXT)


def letter(shop: World, *purposes: str) -> str:
    joins = shop.event("Identify", *ADA, kind="identify", consent=[(purpose, "granted") for purpose in purposes])
    shop.arrive(joins, shop.event("Product Viewed", *ADA, properties={"name": "Tent"}))
    shop.pump()
    shop.tick(shop.now + 48 * HOUR)
    shop.pump()
    (mail,) = shop.ses.mails
    part = email.message_from_bytes(mail["raw"], policy=email.policy.default).get_body(("html",))
    assert part is not None
    return str(part.get_content())


def paths(html: str, kind: str) -> list[str]:
    return [
        url.removeprefix("https://mail.shop.example") for url in re.findall(rf'"(https://[^"]+/{kind}/[^"]+)"', html)
    ]


def recorded(shop: World) -> list[tuple[str, Any]]:
    ada = shop.person("user_id", "u-ada")
    assert ada is not None
    return [(e.name, e.properties) for e in shop.store.events(ada) if e.name in ("Email Opened", "Email Link Clicked")]


def test_without_permission_to_count_a_letter_has_no_pixel_and_plain_links(shop: World) -> None:
    html = letter(shop, "marketing")
    assert 'href="https://shop.example/new"' in html
    assert paths(html, "c") == paths(html, "o") == []


def test_a_click_leads_where_the_letter_said_and_is_recorded(shop: World) -> None:
    html = letter(shop, "marketing", "analytics")
    (click, _), (pixel,) = paths(html, "c"), paths(html, "o")
    answer = get(click)
    assert (answer["statusCode"], answer["headers"]["location"]) == (302, "https://shop.example/new")
    assert answer["headers"]["cache-control"] == "no-store"
    picture = get(pixel, agent="GoogleImageProxy")
    assert picture["headers"]["content-type"] == "image/gif"
    shop.pump()
    (click_event, open_event) = sorted(recorded(shop), key=lambda one: one[0])
    assert click_event[0] == "Email Link Clicked"
    assert click_event[1]["link"] == "https://shop.example/new"
    assert click_event[1]["agent"] == "machine", "nobody clicks in the second in which a letter arrives"
    assert open_event[1]["agent"] == "machine"


def test_the_link_that_no_person_sees_leads_nowhere_and_tells_a_machine(shop: World) -> None:
    html = letter(shop, "marketing", "analytics")
    click, trap = paths(html, "c")
    assert f'href="https://mail.shop.example{trap}" style="display:none"' in html
    shop.now += HOUR
    browser = "Mozilla/5.0 (X11) AppleWebKit/537.36 Chrome/130.0 Safari/537.36"
    assert get(trap, agent=browser)["statusCode"] == 204
    assert get(click, agent=browser)["statusCode"] == 302
    shop.pump()
    assert sorted((p["link"], p["agent"]) for _, p in recorded(shop)) == [
        ("", "machine"),
        ("https://shop.example/new", "human"),
    ]


def test_who_only_asks_whether_a_link_is_there_is_a_machine(shop: World) -> None:
    html = letter(shop, "marketing", "analytics")
    (click, _), (pixel,) = paths(html, "c"), paths(html, "o")
    shop.now += HOUR
    browser = "Mozilla/5.0 (X11) AppleWebKit/537.36 Chrome/130.0 Safari/537.36"
    answer = get(click, method="HEAD", agent=browser)
    assert (answer["statusCode"], answer["headers"]["location"]) == (302, "https://shop.example/new")
    assert get(pixel, method="HEAD", agent=browser)["statusCode"] == 200
    shop.pump()
    assert sorted((name, p["agent"]) for name, p in recorded(shop)) == [
        ("Email Link Clicked", "machine"),
        ("Email Opened", "machine"),
    ]


def test_a_withdrawal_also_blinds_the_letters_already_sent(shop: World) -> None:
    html = letter(shop, "marketing", "analytics")
    shop.now += 1
    shop.arrive(shop.event("Consent Changed", *ADA, kind="consent", consent=[("analytics", "withdrawn")]))
    shop.pump()
    assert get(paths(html, "c")[0])["statusCode"] == 302
    assert get(paths(html, "o")[0])["statusCode"] == 200
    shop.pump()
    assert recorded(shop) == []


@pytest.mark.parametrize("index", ["9", "-1", "01x", "²", "", "1" * 9])
def test_a_position_that_the_letter_does_not_have_leads_nowhere(shop: World, index: str) -> None:
    click = paths(letter(shop, "marketing", "analytics"), "c")[0]
    assert get(f"{click.rpartition('.')[0]}.{index}")["statusCode"] == 403


@pytest.mark.parametrize("token", ["x", "1.1.cF8xfG18MA.AAAA", "https://evil.example"])
def test_a_forged_link_leads_nowhere_and_a_forged_picture_is_just_a_picture(shop: World, token: str) -> None:
    assert get(f"/c/{token}")["statusCode"] == 403
    assert get(f"/o/{token}")["statusCode"] == 200
