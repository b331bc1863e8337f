"""A contact sheet: letters for people, at three widths, light and dark, in one page and one picture.

Chromium is looked for where Debian puts it (``CHROMIUM`` names another); Playwright is a tool of developers and no
function carries it.
"""

from __future__ import annotations

import html
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tailor.cli.programme import Unreadable

WIDTHS = (320, 600, 1024)
SCHEMES = ("light", "dark")
TALLEST = 4_000
"""Pixels of a picture; what is below is cut off."""
INBOXES = (("Phone", 38, 80), ("Desktop", 70, 110))
"""Characters of subject and preheader that lists of letters show: iPhone upright, Gmail in a window of 1,280 px."""
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


@dataclass(slots=True)
class Shown:
    """One person's letter, as :func:`tailor.flows.render.written` answers it, or ``{"refused": why}``."""

    name: str
    letter: dict[str, Any]


@dataclass(slots=True)
class Leaf:
    """One template, what is to be mended in it, and the letters made of it."""

    key: str
    findings: list[str]
    shown: list[Shown]


def make(leaves: list[Leaf], folder: Path, *, pictures: bool) -> dict[str, Any]:
    """Write the sheet: ``{"html", "png", "letters", "pictures", "overflows"}``; ``overflows`` are letters wider than
    their window.

    Raises
    ------
    Unreadable : pictures are wanted and there is no browser, or no Playwright; says how to get them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    taken: dict[tuple[str, str, int, str], str] = {}
    overflows: dict[tuple[str, str, int, str], str] = {}
    page = folder / "index.html"
    png = ""
    if pictures:
        with _browser() as browser:
            for scheme in SCHEMES:
                # Nothing is loaded: what a letter says without its images is what many see first.
                window = browser.new_context(color_scheme=scheme, offline=True).new_page()
                for leaf in leaves:
                    for number, shown in enumerate(leaf.shown):
                        if "html" in shown.letter:
                            _picture(window, scheme, leaf, number, folder, taken, overflows)
            page.write_text(_page(leaves, taken, overflows), "utf-8")
            png = str(folder / "sheet.png")
            window = browser.new_page(viewport={"width": 1_720, "height": 900})
            window.goto(page.resolve().as_uri())
            window.screenshot(path=png, full_page=True)
    else:
        page.write_text(_page(leaves, taken, overflows), "utf-8")
    letters = sum("html" in shown.letter for leaf in leaves for shown in leaf.shown)
    return {
        "html": str(page),
        "png": png,
        "letters": letters,
        "pictures": len(taken),
        "overflows": [*overflows.values()],
    }


class _browser:
    """Headless Chromium, as a context."""

    def __enter__(self) -> Any:
        try:
            from playwright.sync_api import Error, sync_playwright
        except ImportError:
            raise Unreadable("pictures need Playwright: pip install playwright, or give --no-pictures") from None
        found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _BROWSERS)), None)
        if found is None:
            raise Unreadable(
                "pictures need Chromium: apt-get install chromium, or name yours in CHROMIUM, or give --no-pictures"
            )
        self._playwright = sync_playwright().start()
        try:
            arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
            return self._playwright.chromium.launch(executable_path=found, args=arguments)
        except Error as error:
            self._playwright.stop()
            raise Unreadable(f"{found} does not start: {error.message.splitlines()[0]}") from None

    def __exit__(self, *_: object) -> None:
        self._playwright.stop()


def _picture(
    window: Any,
    scheme: str,
    leaf: Leaf,
    number: int,
    folder: Path,
    taken: dict[tuple[str, str, int, str], str],
    overflows: dict[tuple[str, str, int, str], str],
) -> None:
    """One letter in one scheme, at each width; ``window`` is a page of the browser in that scheme."""
    shown = leaf.shown[number]
    window.set_content(shown.letter["html"], wait_until="domcontentloaded")
    for width in WIDTHS:
        window.set_viewport_size({"width": width, "height": 700})
        needed, height = window.evaluate(
            "[document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
        )
        key = (leaf.key, shown.name, width, scheme)
        if needed > width:
            overflows[key] = f"{leaf.key} for {shown.name}: {needed} px wide in a window of {width} px, {scheme}"
        taken[key] = f"{leaf.key}-{number + 1}-{width}-{scheme}.png"
        clip = {"x": 0, "y": 0, "width": width, "height": min(height, TALLEST)}
        window.screenshot(path=str(folder / taken[key]), clip=clip, full_page=True)


def cut(text: str, characters: int) -> str:
    """A line as a list of letters cuts it."""
    return text if len(text) <= characters else text[: characters - 1].rstrip() + "…"


_STYLE = """
body { margin: 0; padding: 32px; background: #e9e9ec; color: #1c1c22; font: 15px/22px system-ui, sans-serif; }
h1 { font-size: 22px; margin: 32px 0 8px; } h2 { font-size: 17px; margin: 28px 0 8px; }
ul { margin: 0 0 8px; padding-left: 20px; }
.error { color: #b3261e; } .warning { color: #8a5a00; } .note { color: #555; }
.inbox { display: inline-block; vertical-align: top; margin: 0 16px 12px 0; padding: 10px 14px; background: #fff;
  border-radius: 8px; max-width: 640px; } .inbox b { display: block; } .inbox small { color: #666; }
.row { display: flex; gap: 16px; align-items: flex-start; }
figure { margin: 0; } figcaption { font-size: 12px; color: #555; }
img { display: block; border: 1px solid #c9c9d1; background: #fff; } .bad img { border: 3px solid #b3261e; }
.fallbacks { font-size: 13px; color: #555; }
"""


def _page(
    leaves: list[Leaf], taken: dict[tuple[str, str, int, str], str], overflows: dict[tuple[str, str, int, str], str]
) -> str:
    body = "".join(line for leaf in leaves for line in _leaf(leaf, taken, overflows))
    head = '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Preview</title>'
    return f"{head}<style>{_STYLE}</style></head><body>{body}</body></html>"


def _leaf(
    leaf: Leaf, taken: dict[tuple[str, str, int, str], str], overflows: dict[tuple[str, str, int, str], str]
) -> Iterator[str]:
    yield f"<h1>{html.escape(leaf.key)}</h1><ul>"
    for finding in leaf.findings or ["note: nothing to mend"]:
        yield f'<li class="{finding.partition(":")[0]}">{html.escape(finding)}</li>'
    yield "</ul>"
    for shown in leaf.shown:
        yield f"<h2>{html.escape(leaf.key)} for {html.escape(shown.name)}</h2>"
        if "refused" in shown.letter:
            yield f'<p class="error">no letter: {html.escape(shown.letter["refused"])}</p>'
            continue
        for inbox, subject, preheader in INBOXES:
            first, second = cut(shown.letter["subject"], subject), cut(shown.letter["preheader"], preheader)
            yield f'<div class="inbox"><small>{inbox}</small><b>{html.escape(first)}</b>{html.escape(second)}</div>'
        stood_in = ", ".join(shown.letter["fallbacks"]) or "none"
        yield f'<p class="fallbacks">{shown.letter["size"]:,} bytes; fallbacks: {html.escape(stood_in)}</p>'
        for warning in shown.letter["warnings"]:
            yield f'<p class="warning">{html.escape(warning)}</p>'
        yield '<div class="row">'
        for scheme in SCHEMES:
            for width in WIDTHS:
                if name := taken.get((leaf.key, shown.name, width, scheme)):
                    bad = (leaf.key, shown.name, width, scheme) in overflows
                    small = {320: 200, 600: 240, 1024: 300}[width]
                    yield f'<figure class="{"bad" if bad else ""}"><img src="{name}" width="{small}" alt="">'
                    yield f"<figcaption>{width} px, {scheme}</figcaption></figure>"
        yield "</div>"
