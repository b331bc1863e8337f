"""The recipient's pages in a real browser: phones and desktops, light and dark, by keyboard, without scripts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import axe_core_python
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from functions.test_forms import DOCUMENT, EMAIL
from gateway import served
from tailor.edges import runtime
from tailor.flows.deliver import links
from tailor.kernel.keys import sign_token
from world import World, world

CHROMIUM = next((path for path in ("/usr/bin/chromium", "/usr/bin/chromium-browser") if Path(path).exists()), "")
AXE = next(Path(axe_core_python.__file__).parent.rglob("axe.min.js"))
SCREENS = {"phone": {"width": 360, "height": 740}, "desktop": {"width": 1280, "height": 900}}
PICTURES = os.environ.get("PICTURES", "")
"""A folder that pictures of every page go to, for people to look at."""

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="there is no Chromium on this machine")


@pytest.fixture(name="site", scope="module")
def _site() -> Iterator[tuple[World, dict[str, str]]]:
    """The pages over real HTTP: (world, name of the page → address)."""
    patch = pytest.MonkeyPatch()
    with world(patch) as shop:
        shop.publish(DOCUMENT)
        yes = [("marketing", "granted"), ("analytics", "pending")]
        known = {"first_name": "Ada", "city": "Bern"}
        shop.arrive(shop.event("Identify", ("email", EMAIL), kind="identify", traits=known, consent=yes))
        shop.pump()
        (ada,) = shop.everybody()
        urls = links(ada.id, "marketing", "", runtime.signing_keys())
        with served() as root:
            own = sign_token(f"{ada.id}|{shop.now}", purpose="own-data", kid="1", key=runtime.signing_keys()["1"])
            gone = sign_token("p_gone", purpose="preferences", kid="1", key=runtime.signing_keys()["1"])
            yield (
                shop,
                {
                    "preferences": root + urls["preferences_url"],
                    "own data": f"{root}/preferences/{own}/data",
                    "data": f"{root}/preferences/{own}/data?as=page",
                    "unsubscribe": root + urls["unsubscribe_url"],
                    "confirm": root + urls["confirm_url"],
                    "form": f"{root}/forms/newsletter",
                    "nobody": f"{root}/preferences/{gone}",
                    "refused": f"{root}/preferences/1.1.x.y",
                },
            )
    patch.undo()


@pytest.fixture(name="browser", scope="module")
def _browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


def faults(page: Page) -> list[str]:
    """What axe-core finds serious or critical, by WCAG 2.2 A and AA."""
    page.evaluate(AXE.read_text())
    options = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
    found: dict[str, Any] = page.evaluate("options => axe.run(document, options)", options)
    serious = [one for one in found["violations"] if one["impact"] in ("serious", "critical")]
    return [f"{one['id']}: {one['nodes'][0]['html']}" for one in serious]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", SCREENS)
def test_every_page_is_accessible_and_fits(site: Any, browser: Browser, screen: str, scheme: Any) -> None:
    _, pages = site
    with browser.new_context(viewport=SCREENS[screen], color_scheme=scheme, bypass_csp=True) as context:  # type: ignore[arg-type]
        page = context.new_page()
        for name, url in pages.items():
            page.goto(url)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} is too wide"
            if PICTURES:
                page.screenshot(path=f"{PICTURES}/{name}-{screen}-{scheme}.png", full_page=True)
            assert faults(page) == [], name
            small = page.eval_on_selector_all(
                "button, a.button, select, input[type=text], input[type=email]",
                "all => all.filter(one => one.getBoundingClientRect().height < 44).map(one => one.outerHTML)",
            )
            assert small == [], name


def test_preferences_are_set_by_keyboard_alone_and_without_scripts(site: Any, browser: Browser) -> None:
    shop, pages = site
    with browser.new_context(java_script_enabled=False, viewport=SCREENS["phone"]) as context:  # type: ignore[arg-type]
        page = context.new_page()
        page.goto(pages["preferences"])
        page.keyboard.press("Tab")
        page.keyboard.press("Space")
        boxes = page.locator("input[name=choice]").count()
        for _ in range(boxes):
            page.keyboard.press("Tab")
        page.keyboard.type("at most once a week")
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.wait_for_selector("[role=status]")
        assert page.locator("[role=status]").inner_text() == "Saved. This holds from now on."
        assert not page.locator("input[value=marketing]").is_checked()
    (ada,) = shop.everybody()
    assert ada.consent["marketing"][0] == "withdrawn"
    assert ada.attributes["letters_at_most"] == "weekly"


def test_a_form_is_filled_in_by_keyboard_alone_and_without_scripts(site: Any, browser: Browser) -> None:
    shop, pages = site
    with browser.new_context(java_script_enabled=False, viewport=SCREENS["desktop"]) as context:  # type: ignore[arg-type]
        page = context.new_page()
        page.goto(pages["form"])
        page.keyboard.press("Tab")
        page.keyboard.type("bob@example.com")
        page.keyboard.press("Tab")
        page.keyboard.type("Bob")
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        page.keyboard.press("Space")
        page.keyboard.press("Enter")
        page.wait_for_selector("[role=status]")
    bob = shop.person("email", "bob@example.com")
    assert bob is not None
    (event,) = shop.store.events(bob)
    assert event.context["answers"]["first_name"] == "Bob"
    assert "first_name" not in bob.attributes, "it waits for the letter of confirmation"
    assert {key: entry[0] for key, entry in bob.consent.items()} == {"marketing:deals": "pending"}


def test_a_form_works_inside_another_page_and_the_preference_centre_does_not(site: Any, browser: Browser) -> None:
    _, pages = site
    with browser.new_context() as context:
        page = context.new_page()
        frames = "".join(f'<iframe src="{pages[name]}"></iframe>' for name in ("form", "preferences"))
        host = pages["form"].replace("/forms/newsletter", "/a-page-of-the-shop")
        page.route(host, lambda one: one.fulfill(body=frames, content_type="text/html"))
        page.goto(host)
        form, other = page.frame_locator("iframe >> nth=0"), page.frames
        form.locator("#email").wait_for(timeout=10_000)
        assert all("choice" not in frame.content() for frame in other[2:])
