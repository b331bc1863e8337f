"""Forms and the preference centre, through the handler: nothing granted unconfirmed, nothing forged, nothing leaked."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import urlencode

import pytest

from gateway import event, route
from shop import SHOP
from tailor.edges import runtime
from tailor.flows.deliver import links
from tailor.kernel.errors import Rejected
from tailor.kernel.instants import DAY, HOUR, MINUTE
from tailor.kernel.program import Program
from world import World

EMAIL = "ada@example.com"
EVERYTHING = ["marketing", "marketing:deals", "personalization"]
SENDS = [{"send": "come-back"}]
FORM = {
    "title": "Letters from Trail & Co",
    "fields": ["first_name", "interests", "city", "language"],
    "ask": 2,
    "boxes": {"marketing:deals": "Send me deals", "analytics": "Count whether I open them"},
    "confirm": "confirm",
}
CONFIRM = {
    "kind": "transactional",
    "subject": "Was it you?",
    "html": '<html><body><p>Please <a href="{confirm_url}">confirm</a>.</p></body></html>',
}
OWN_DATA = {
    "kind": "transactional",
    "subject": "Your data",
    "html": '<html><body><p>Here <a href="{confirm_url}">it is</a>, for an hour.</p></body></html>',
}
DOCUMENT: dict[str, Any] = {
    **SHOP,
    "templates": {**SHOP["templates"], "confirm": CONFIRM, "own-data": OWN_DATA},
    "own_data": "own-data",
    "forms": {"newsletter": FORM},
}


@pytest.fixture(name="site")
def _site(shop: World) -> World:
    shop.publish(DOCUMENT)
    return shop


def visit(method: str, path: str, sent: Any = None, *, kind: str = "application/x-www-form-urlencoded") -> Any:
    body = sent if isinstance(sent, str) else urlencode(sent or {}, doseq=True)
    status, headers, text = route(event(method, path, body, {"content-type": kind, "user-agent": "Browser/1"}))
    return status, headers, text


def grants(shop: World) -> dict[str, str]:
    person = shop.person("email", EMAIL)
    assert person is not None
    return {key: entry[0] for key, entry in person.consent.items()}


def confirmation(shop: World) -> str:
    """The link in the letter of confirmation that came last."""
    found = re.search(r"https://mail\.shop\.example(/confirm/[\w.-]+\w)", unfolded(shop.ses.mails[-1]["raw"]))
    assert found
    return found[1]


def unfolded(raw: bytes) -> str:
    return raw.decode().replace("=\r\n", "").replace("=3D", "=")


def sign_up(shop: World, *boxes: str, **answers: str) -> None:
    status, _, _ = visit("POST", "/forms/newsletter", {"email": EMAIL, "box": boxes, **answers})
    assert status == 200
    shop.now += 1_000
    shop.pump()


def test_boxes_are_separate_and_none_is_ticked(site: World) -> None:
    status, headers, html = visit("GET", "/forms/newsletter")
    assert status == 200
    assert "frame-ancestors *" in headers["content-security-policy"]
    assert html.count('name="box"') == 2
    assert "checked" not in html
    assert re.findall(r'name="(first_name|interests|city|language)"', html) == ["first_name", "interests"]


def test_a_form_grants_nothing_before_the_letter_is_confirmed(site: World) -> None:
    sign_up(site, "marketing:deals", first_name="Ada")
    assert grants(site) == {"marketing:deals": "pending"}
    assert [mail["to"] for mail in site.ses.mails] == [EMAIL]
    link = confirmation(site)
    assert visit("GET", link)[0] == 200
    assert grants(site) == {"marketing:deals": "pending"}
    site.now += HOUR
    for _ in range(2):
        assert visit("POST", link)[0] == 200
    assert grants(site) == {"marketing:deals": "granted"}
    ada = site.person("email", EMAIL)
    assert ada is not None
    rows = list(site.store.consents(ada))
    assert [row["grant"] for row in rows] == ["pending", "granted"]
    text = Program.of([DOCUMENT]).forms["newsletter"].text
    assert rows[0]["how"] == {"door": "forms", "text": text, "agent": "Browser/1", "ip": "203.0.113.9"}
    assert rows[1]["how"]["door"] == "confirm"


def test_other_words_are_another_version_of_the_text() -> None:
    reworded = {**DOCUMENT, "forms": {"newsletter": {**FORM, "boxes": {"analytics": "Count what I open"}}}}
    assert Program.of([reworded]).forms["newsletter"].text != Program.of([DOCUMENT]).forms["newsletter"].text


def test_somebody_elses_form_takes_nothing_from_who_has_agreed(site: World) -> None:
    sign_up(site, "marketing:deals")
    visit("POST", confirmation(site))
    sign_up(site, "marketing:deals")
    assert grants(site) == {"marketing:deals": "granted"}
    assert len(site.ses.mails) == 1


def test_a_form_with_nothing_in_it_says_nothing_and_sends_nothing(site: World) -> None:
    sign_up(site)
    assert grants(site) == {}
    assert site.ses.mails == []


def city(shop: World) -> Any:
    person = shop.person("email", EMAIL)
    assert person is not None
    return person.attributes.get("city")


def test_answers_about_a_known_address_wait_for_its_owner(site: World) -> None:
    site.arrive(site.event("Identify", ("email", EMAIL), kind="identify", traits={"city": "Oslo"}))
    site.pump()
    sign_up(site, city="Lyon", first_name="<b>Eve")
    assert city(site) == "Oslo"
    link = confirmation(site)
    _, _, html = visit("GET", link)
    assert "City: Lyon" in html
    assert "First name: &lt;b&gt;Eve" in html
    assert city(site) == "Oslo", "scanners follow links"
    site.now += HOUR
    visit("POST", link)
    assert city(site) == "Lyon"


def test_a_confirmation_is_used_once_and_brings_nothing_back(site: World) -> None:
    sign_up(site, city="Lyon")
    link = confirmation(site)
    visit("POST", link)
    site.now += HOUR
    site.arrive(site.event("Identify", ("email", EMAIL), kind="identify", traits={"city": "Oslo"}))
    site.pump()
    assert "Nothing to confirm" in visit("POST", link)[2]
    assert city(site) == "Oslo"


@pytest.mark.parametrize("later", [1, 11 * MINUTE])
def test_nobody_slips_answers_into_somebody_elses_confirmation(site: World, later: int) -> None:
    sign_up(site, "marketing:deals", first_name="Ada")
    link = confirmation(site)
    site.now += later
    sign_up(site, city="Nowhere")
    assert "Nowhere" not in visit("GET", link)[2]
    visit("POST", link)
    ada = site.person("email", EMAIL)
    assert ada is not None
    assert (ada.attributes.get("first_name"), city(site)) == ("Ada", None)


def test_the_next_form_asks_only_for_what_is_missing(site: World) -> None:
    sign_up(site, first_name="Ada", interests="outdoor, running")
    visit("POST", confirmation(site))
    ada = site.person("email", EMAIL)
    assert ada is not None
    assert ada.attributes["interests"] == ["outdoor", "running"]
    url = links(ada.id, "marketing", "", runtime.signing_keys())["preferences_url"]
    token = url.rpartition("/")[2]
    _, _, html = visit("GET", f"/forms/newsletter?person={token}")
    assert re.findall(r'id="f-(\w+)"', html) == ["city", "language"]
    assert "Ada" not in html
    assert visit("GET", f"/forms/newsletter?person={token}x")[0] == 403


def test_a_form_may_come_as_json(site: World) -> None:
    body = json.dumps({"email": EMAIL, "box": ["analytics"], "city": "Lyon"})
    assert visit("POST", "/forms/newsletter", body, kind="application/json")[0] == 200
    assert grants(site) == {"analytics": "pending"}
    assert visit("POST", "/forms/newsletter", "[1]", kind="application/json")[0] == 400


@pytest.mark.parametrize("email", ["", "ada", "ada@", "a b@example.com"])
def test_an_address_that_is_none_is_told_to_the_visitor(site: World, email: str) -> None:
    status, _, html = visit("POST", "/forms/newsletter", {"email": email})
    assert status == 422
    assert 'role="alert"' in html
    assert site.everybody() == []


def test_there_is_no_other_form(site: World) -> None:
    status, _, html = visit("GET", "/forms/newsleter")
    assert status == 404
    assert "newsletter" in html


@pytest.mark.parametrize(
    ("form", "pointer"),
    [
        ({**FORM, "confirm": ""}, "/forms/newsletter/confirm"),
        ({**FORM, "confirm": "", "boxes": {}}, "/forms/newsletter/confirm"),
        ({**FORM, "confirm": "come-back"}, "/forms/newsletter/confirm"),
        ({**FORM, "boxes": {"marketing:nope": "x"}}, "/forms/newsletter/boxes/marketing:nope"),
        ({**FORM, "fields": ["shoe"]}, "/forms/newsletter/fields/0"),
        ({**FORM, "fields": ["religion"]}, "/forms/newsletter/fields/0"),
        ({**FORM, "ask": -1}, "/forms/newsletter/ask"),
    ],
)
def test_a_form_that_cannot_be_meant_is_refused(form: dict[str, Any], pointer: str) -> None:
    with pytest.raises(Rejected) as caught:
        Program.of([{**DOCUMENT, "attributes": {"religion": {"class": "sensitive"}}, "forms": {"newsletter": form}}])
    assert caught.value.pointer == pointer


# ---- the preference centre


@pytest.fixture(name="door")
def _door(site: World) -> str:
    """The preference link of Ada, who gets letters."""
    joins = site.event("Identify", ("email", EMAIL), kind="identify", consent=[("marketing", "granted")])
    site.arrive(joins)
    site.pump()
    ada = site.person("email", EMAIL)
    assert ada is not None
    return links(ada.id, "marketing", "", runtime.signing_keys())["preferences_url"]


def looks_at_something(shop: World) -> None:
    shop.arrive(shop.event("Product Viewed", ("email", EMAIL), properties={"name": "Tent"}))
    shop.pump()
    shop.tick(shop.now + 48 * HOUR)
    shop.pump()


def test_a_pause_holds_letters_back_and_ends_by_itself(site: World, door: str) -> None:
    assert visit("POST", door, {"choice": EVERYTHING, "pause": "30", "at_most": ""})[0] == 200
    looks_at_something(site)
    assert site.ses.mails == []
    ada = site.person("email", EMAIL)
    assert ada is not None
    assert [row["why"] for row in site.store.messages(ada)] == ["paused"]
    assert "Paused until" in visit("GET", door)[2]
    site.now += 31 * DAY
    looks_at_something(site)
    assert len(site.ses.mails) == 1
    assert "Paused until" not in visit("GET", door)[2]


def test_a_chosen_frequency_is_a_cap(site: World, door: str) -> None:
    document = {**DOCUMENT, "journeys": {"deal": {"trigger": {"event": "Deal"}, "re_entry": "0m", "steps": SENDS}}}
    site.publish(document)
    visit("POST", door, {"choice": EVERYTHING, "at_most": "weekly", "pause": ""})
    sent = []
    for day in range(9):
        site.now += DAY
        site.arrive(site.event("Deal", ("email", EMAIL), id=f"deal{day}"))
        site.pump()
        sent.append(len(site.ses.mails))
    assert sent == [1, 1, 1, 1, 1, 1, 1, 2, 2]
    assert 'value="weekly" selected' in visit("GET", door)[2]


def fresh(shop: World, door: str) -> str:
    """The link to their own data that somebody is mailed who asks for it."""
    assert visit("POST", door, {"do": "ask"})[0] == 200
    shop.now += 1_000
    shop.pump()
    mail = shop.ses.mails[-1]
    found = re.search(r"https://mail\.shop\.example(/preferences/[\w.-]+/data)", unfolded(mail["raw"]))
    assert mail["to"] == EMAIL
    assert found
    return found[1]


def test_people_read_and_take_along_what_is_held_about_them(site: World, door: str) -> None:
    link = fresh(site, door)
    assert visit("GET", link)[0] == 200
    status, headers, text = visit("GET", f"{link}?as=json")
    assert status == 200
    assert headers["content-disposition"].startswith("attachment")
    assert json.loads(text)["profile"]["identifiers"] == {"email": [EMAIL]}
    assert EMAIL in visit("GET", f"{link}?as=page")[2]


def test_people_erase_themselves_and_only_when_they_are_sure(site: World, door: str) -> None:
    link = fresh(site, door).removesuffix("/data")
    assert visit("POST", link, {"do": "erase"})[0] == 422
    assert site.person("email", EMAIL) is not None
    assert visit("POST", link, {"do": "erase", "sure": "yes"})[0] == 200
    assert site.person("email", EMAIL) is None
    assert "We hold nothing about you" in visit("GET", door)[2]
    assert visit("GET", f"{link}/data?as=json")[0] == 404


def test_a_letter_passed_on_neither_shows_nor_erases_anybody(site: World, door: str) -> None:
    assert [visit("GET", f"{door}/data{how}")[0] for how in ("", "?as=json", "?as=page")] == [403] * 3
    assert visit("POST", door, {"do": "erase", "sure": "yes"})[0] == 403
    assert site.person("email", EMAIL) is not None
    page = visit("GET", door)[2]
    assert "as=json" not in page
    assert 'value="erase"' not in page


def test_a_link_to_ones_own_data_ends_and_opens_nothing_else(site: World, door: str) -> None:
    link = fresh(site, door)
    token = link.removesuffix("/data")
    assert visit("GET", token)[0] == visit("POST", token, {"choice": "marketing"})[0] == 403
    site.now += HOUR + 1
    for how in ("", "?as=json", "?as=page"):
        status, _, html = visit("GET", f"{link}{how}")
        assert (status, "valid for an hour" in html) == (403, True)
    assert visit("POST", token, {"do": "erase", "sure": "yes"})[0] == 403
    assert site.person("email", EMAIL) is not None


def test_the_link_is_mailed_once_in_ten_minutes_and_again_later(site: World, door: str) -> None:
    first = fresh(site, door)
    visit("POST", door, {"do": "ask"})
    site.pump()
    assert len(site.ses.mails) == 1
    site.now += 11 * MINUTE
    assert fresh(site, door) != first


def test_without_a_letter_for_it_the_page_names_another_way(site: World, door: str) -> None:
    site.publish({**DOCUMENT, "own_data": ""})
    page = visit("GET", door)[2]
    assert "answer one of our letters" in page
    assert 'value="ask"' not in page
    assert visit("POST", door, {"do": "ask"})[0] == 404


@pytest.mark.parametrize("own_data", ["come-back", "own-date"])
def test_the_letter_with_the_link_is_a_transactional_template(own_data: str) -> None:
    with pytest.raises(Rejected) as caught:
        Program.of([{**DOCUMENT, "own_data": own_data}])
    assert caught.value.pointer == "/own_data"


@pytest.mark.parametrize("path", ["/preferences", "/confirm", "/u"])
def test_links_cannot_be_forged_nor_used_at_another_door(site: World, door: str, path: str) -> None:
    token = door.rpartition("/")[2]
    kid, _, rest = token.partition(".")
    forged = [f"{token[:-1]}{'A' if token[-1] != 'A' else 'B'}", f"{kid}.x{rest}", token.upper(), "1.1.cF8.x", ""]
    if path != "/preferences":
        forged.append(token)
    for one in forged:
        for method in ("GET", "POST"):
            assert visit(method, f"{path}/{one}")[0] == 403
    assert grants(site) == {"marketing": "granted"}


def test_links_and_pages_do_not_leak_the_address(site: World, door: str) -> None:
    from base64 import urlsafe_b64decode

    payload = door.rpartition("/")[2].split(".")[2]
    decoded = urlsafe_b64decode(payload + "=" * (-len(payload) % 4)).decode()
    assert decoded == site.everybody()[0].id
    status, headers, html = visit("GET", door)
    assert status == 200
    assert EMAIL not in html
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
