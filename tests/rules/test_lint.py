"""The lint: what readers, receivers and the law would complain of."""

from __future__ import annotations

import pytest

from tailor.rules.lint import CLIPPED, SHARES, Finding, contrast, lint
from tailor.rules.support import UNSUPPORTED

GOOD = """<!doctype html>
<html lang="en" dir="ltr"><head><title>Deals</title><meta name="color-scheme" content="light dark">
<style>p { color: #222222 }</style></head>
<body>
<p style="color: #222222; background: #ffffff">Good morning, {first_name}.</p>
{% for item in interests %}<p>{{ item }}</p>{% endfor %}
<img src="https://shop.example/a.png" alt="A tent" width="300">
<p>And a few more words, so that the picture is not all there is to see in here: there it goes, and on, and on.</p>
<a href="{CTA_Link}">{CTA_Text}</a>
<p>{postal_address} <a href="{unsubscribe_url}">Unsubscribe</a></p>
</body></html>"""
TEXT = "Good morning. There is a tent, and you may unsubscribe."


def found(html: str, kind: str = "marketing", text: str = TEXT) -> dict[str, Finding]:
    return {one.rule: one for one in reversed(lint(html, kind=kind, text=text))}


def test_a_good_letter_has_nothing_to_mend() -> None:
    assert lint(GOOD, kind="marketing", text=TEXT) == []


@pytest.mark.parametrize(
    ("rule", "severity", "before", "after"),
    [
        ("alt", "warning", ' alt="A tent"', ""),
        ("lang", "warning", ' lang="en"', ""),
        ("dir", "note", ' dir="ltr"', ""),
        ("title", "warning", "<title>Deals</title>", ""),
        ("color-scheme", "note", '<meta name="color-scheme" content="light dark">', ""),
        ("unsubscribe", "error", 'href="{unsubscribe_url}"', 'href="https://shop.example"'),
        ("unsubscribe", "error", "<p>{postal_address}", '<p style="display:none">{postal_address}'),
        ("postal-address", "error", "{postal_address}", ""),
        ("link", "error", 'href="{CTA_Link}"', 'href="#"'),
        ("link", "error", 'href="{CTA_Link}"', 'href="javascript:go()"'),
        ("link", "error", 'href="{CTA_Link}"', 'href="www.shop.example"'),
        ("link", "warning", "{CTA_Text}</a>", "</a>"),
        ("link", "warning", 'href="{CTA_Link}"', 'href="#nowhere"'),
        ("contrast", "warning", "color: #222222; background: #ffffff", "color: #ffffff; background: #27ae60"),
        ("role", "note", "<body>", "<body><table><tr><td>x</td></tr></table>"),
        ("forbidden", "error", "<body>", "<body><form></form>"),
        ("forbidden", "error", "<body>", '<body onload="go()">'),
        (
            "image-text",
            "warning",
            "so that the picture is not all there is to see in here: there it goes, and on, and on",
            "",
        ),
        ("structural-selector", "warning", "p { color", "p:first-child { color"),
        ("media-important", "note", "<style>", "<style>@media (max-width: 9px) { p { color: #000000 } }"),
        ("image-width", "note", ' width="300"', ""),
        ("client-support", "warning", "<body>", '<body style="display: grid">'),
    ],
)
def test_each_rule_finds_its_fault(rule: str, severity: str, before: str, after: str) -> None:
    assert before in GOOD
    assert found(GOOD.replace(before, after))[rule].severity == severity


def test_a_finding_names_the_line() -> None:
    assert found(GOOD.replace(' alt="A tent"', ""))["alt"].line == 7


def test_gmails_cut_is_counted_in_bytes() -> None:
    filler = "é" * (CLIPPED // 2)
    assert found(GOOD.replace("Good morning", filler))["clipped"].severity == "error"
    assert "clipped" not in found(GOOD.replace("Good morning", "e" * (CLIPPED // 2)))


def test_an_empty_text_part_is_told() -> None:
    assert found(GOOD, text=" \n ")["text-part"].severity == "warning"


def test_a_transactional_letter_needs_no_way_out() -> None:
    bare = GOOD.replace("{postal_address}", "").replace('href="{unsubscribe_url}"', 'href="https://shop.example"')
    assert lint(bare, kind="transactional", text=TEXT) == []


def test_a_rendered_letter_is_linted_by_its_own_values() -> None:
    letter = GOOD.replace("{unsubscribe_url}", "https://m.example/u/1").replace("{postal_address}", "1 High Street")
    assert (
        lint(letter, kind="marketing", text=TEXT, unsubscribe=["https://m.example/u/"], postal=["1 High Street"]) == []
    )
    assert {one.rule for one in lint(letter, kind="marketing", text=TEXT)} == {"unsubscribe", "postal-address"}


def test_colours_that_nobody_can_tell_are_not_judged() -> None:
    for ground in ("url(https://a.example/b.png)", "{{ colour }}", "linear-gradient(#fff, #000)"):
        html = GOOD.replace("color: #222222; background: #ffffff", f"color: #ffffff; background: {ground}")
        assert "contrast" not in found(html)


def test_contrast_is_that_of_wcag() -> None:
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert contrast((119, 119, 119), (255, 255, 255)) == pytest.approx(4.478, abs=0.001)


def test_the_shares_are_of_all_readers_and_every_client_of_the_table_has_one() -> None:
    assert sum(share for _, share in SHARES.values()) == pytest.approx(1)
    assert {client for _, clients in UNSUPPORTED.values() for client in clients} <= SHARES.keys()
