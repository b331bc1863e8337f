"""What authors write is what recipients read; what recipients wrote is never code."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from quopri import decodestring
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment
from jinja2.meta import find_undeclared_variables

from tailor.kernel.errors import Rejected
from tailor.kernel.program import Cta, Program, Template
from tailor.rules.consent import View
from tailor.rules.templates import GIVEN, Letter, Letterhead, compile_template

NOW = 1_795_500_000_000
PROGRAM = Program.of(
    [
        {
            "name": "shop",
            "attributes": {
                "address": {"type": "map"},
                "points": {"type": "number"},
                "photo": {"type": "text"},
                "cart": {"type": "map"},
            },
        }
    ]
)
LINKS = {
    "unsubscribe_url": "https://mail.shop.example/u/abc?x=1&y=2",
    "preferences_url": "https://mail.shop.example/p/abc",
}
CORPUS = Path(__file__).parents[3] / "shared" / "corpus" / "email"


def letterhead(html: str = "", *, subject: str = "s", **fields: Any) -> Letterhead:
    return compile_template(Template("t", subject, html, **fields), PROGRAM)


def letter(
    html: str = "", *, subject: str = "s", extra: dict[str, str] = LINKS, person: Any = (), **fields: Any
) -> Letter:
    return letterhead(html, subject=subject, **fields).render(View(dict(person), {}, {}), extra, now=NOW)


def shown(html: str, **person: Any) -> str:
    return letter(html, person=person).html


# The snippets of the mission, as written.


def test_a_block_is_shown_to_those_whose_interests_contain_the_word() -> None:
    source = "{% if user.interests contains 'outdoor' %}tents{% endif %}"
    assert shown(source, interests=["indoor", "outdoor"]) == "tents"
    assert shown(source, interests=["indoor"]) == ""
    assert shown(source) == ""


def test_a_block_is_shown_to_those_whose_purchase_history_includes_the_product() -> None:
    source = "{% if user.purchase_history includes 'running shoes' %}socks{% endif %}"
    assert shown(source, purchase_history=["running shoes"]) == "socks"
    assert shown(source, purchase_history=["Running shoes"]) == ""
    assert shown(source) == ""


def test_subject_and_preheader_take_single_braces() -> None:
    made = letter(
        "<body><p>hi</p></body>",
        subject="{first_name}, Your Personalized Deal Awaits!",
        preheader="Exclusive offers on {last_purchase_category} just for you!",
        person={"first_name": "Ada", "last_purchase_category": "Shoes & <Co>"},
    )
    assert made.subject == "Ada, Your Personalized Deal Awaits!"
    assert made.preheader == "Exclusive offers on Shoes & <Co> just for you!"
    assert made.html.startswith('<body><div style="display:none')
    assert "Exclusive offers on Shoes &amp; &lt;Co&gt; just for you!" in made.html


def test_the_call_to_action_is_filled_in_and_its_style_left_alone() -> None:
    button = (
        '<a href="{CTA_Link}" style="background:#27ae60; color:#fff; padding:10px 20px; text-decoration:none;'
        ' border-radius:5px;">{CTA_Text}</a>'
    )
    made = letter(
        button,
        cta=(Cta("See {last_viewed_product}", "https://shop.example/p?q={last_viewed_product}&r=1"),),
        person={"last_viewed_product": "A & B/ü"},
    )
    assert made.html == button.replace("{CTA_Link}", "https://shop.example/p?q=A%20%26%20B%2F%C3%BC&amp;r=1").replace(
        "{CTA_Text}", "See A &amp; B/ü"
    )
    assert made.text == "See A & B/ü (https://shop.example/p?q=A%20%26%20B%2F%C3%BC&r=1)\n"


def test_the_first_call_to_action_that_holds_is_shown() -> None:
    ctas = (
        Cta("Tents", "https://shop.example/tents", {"attribute": "country", "eq": "NO"}),
        Cta("Shoes", "https://shop.example/shoes", {"attribute": "country", "eq": "IT"}),
        Cta("All", "https://shop.example/"),
    )
    head = letterhead("{CTA_Text} {CTA_Link}", cta=ctas)
    assert len(head.rules) == 2

    def body(**person: Any) -> str:
        return head.render(View(person, {}, {}), {}, now=NOW).html

    assert body(country="NO") == "Tents https://shop.example/tents"
    assert body(country="IT") == "Shoes https://shop.example/shoes"
    assert body() == "All https://shop.example/"


# The language.


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{user.first_name}", "Ada"),
        ("{ first_name }", "Ada"),
        ("{{ first_name|upper }}", "ADA"),
        ("{address.city}", "Bergen"),
        ("{{ address['city'] }}", "Bergen"),
        ("{{ cart.items }}", "2"),
        ("{{ interests|join(' and ') }}", "outdoor and rain"),
        ("{interests}", "outdoor, rain"),
        ("{{ interests|first }} {{ interests[1] }}", "outdoor rain"),
        ("{{ lifetime_value }} {{ lifetime_value|round }} {{ 100 - order_count }}", "12.5 12 97"),
        ("{% for i in interests[:1] %}{{ loop.index }}{i}{% endfor %}", "1outdoor"),
        ("{% for i in purchase_history %}x{% else %}nothing yet{% endfor %}", "nothing yet"),
        ("{% for i in interests if i contains 'rai' %}{i}{% endfor %}", "rain"),
        ("{% if order_count > 2 and lifetime_value < 100 %}yes{% endif %}", "yes"),
        ("{% if 2 < order_count <= 3 %}yes{% endif %}", "yes"),
        ("{% if 'rain' in interests and 'sun' not in interests %}yes{% endif %}", "yes"),
        ("{% if not interests contains 'sun' %}yes{% endif %}", "yes"),
        ("{% if interests contains 'sun' or interests contains 'rain' %}yes{% endif %}", "yes"),
        ("{% if city %}a{% elsif country %}b{% else %}c{% endif %}", "c"),
        ("{% if city == nil %}unknown{% endif %}", "unknown"),
        ("{% if address contains 'city' and not address contains 'Bergen' %}a key{% endif %}", "a key"),
        ("{% if purchase_history contains 1 or [true] contains 1 or [1] contains true %}same{% endif %}", ""),
        ("{% if country > 5 %}a{% else %}b{% endif %}", "b"),
        ("{% if first_name > 5 %}a{% else %}b{% endif %}", "b"),
        ("{{ 'many' if order_count > 1 else 'few' }}", "many"),
        ("{{ city or 'your town' }}", "your town"),
        ("{# a note #}x{% raw %}{first_name}{% endraw %}", "x{first_name}"),
        ("${first_name} {{ '{first_name}' }} {\"a\":1} {}", '${first_name} {first_name} {"a":1} {}'),
        ("<style>.a{color:red}.{first_name}{}</style>{first_name}", "<style>.a{color:red}.{first_name}{}</style>Ada"),
        ("<script>var {first_name} = 1</script>", "<script>var {first_name} = 1</script>"),
        ("<!-- {anything} -->", "<!-- {anything} -->"),
        ("{{ first_name\n}}\n", "Ada\n"),
    ],
)
def test_the_language(source: str, expected: str) -> None:
    person = {
        "first_name": "Ada",
        "interests": ["outdoor", "rain"],
        "address": {"city": "Bergen"},
        "cart": {"items": 2},
        "order_count": 3,
        "lifetime_value": 12.5,
    }
    assert shown(source, **person) == expected


@pytest.mark.parametrize(
    "tag",
    [
        "{% if interests contains ‘outdoor’ %}",
        "{% if interests contains “outdoor” %}",
        '{% if interests contains “outdoor" %}',
        "{% if interests contains &quot;outdoor&quot; %}",
        "{% if interests contains &#39;outdoor&#39; and order_count &gt; 2 %}",
        "{%\xa0if interests contains 'outdoor' %}",
    ],
)
def test_what_editors_do_to_tags_is_undone(tag: str) -> None:
    assert shown(tag + "yes{% endif %}", interests=["outdoor"], order_count=3) == "yes"


def test_an_apostrophe_inside_quotes_is_no_editors_doing() -> None:
    assert shown("{% if interests contains 'Levi’s' %}yes{% endif %}", interests=["Levi’s"]) == "yes"
    assert shown("{% if interests contains ‘Levi’s’ %}yes{% endif %}", interests=["Levi’s"]) == "yes"


def test_words_that_are_operators_are_still_words_elsewhere() -> None:
    program = Program.of([{"name": "p", "attributes": {"contains": {"type": "list"}, "includes": {"type": "map"}}}])
    template = Template(
        "t",
        "s",
        "{% if contains contains 'a' %}1{% endif %}{% if user.contains includes 'a' %}2{% endif %}"
        "{{ includes.contains }}",
    )
    made = compile_template(template, program).render(
        View({"contains": ["a"], "includes": {"contains": "3"}}, {}, {}), {}, now=NOW
    )
    assert made.html == "123"


def test_html_without_tags_is_left_as_it_is() -> None:
    source = "<!doctype html>\n<body>\n<p style='a'>50 % {off} &nbsp;</p>\r\n</body>\n\n".replace("{off}", "{ off: 1 }")
    assert shown(source) == source.replace("\r\n", "\n")


@pytest.mark.parametrize("set_name", ["foundation", "leemunroe", "mailgun"])
def test_real_templates_without_tags_come_out_byte_for_byte(set_name: str) -> None:
    folder = CORPUS / set_name
    if not folder.is_dir():
        pytest.skip("corpus of templates not present")
    seen = 0
    for path in sorted(folder.rglob("*.html")):
        source = path.read_text(encoding="utf-8-sig").replace("\r\n", "\n")
        if re.search(r"\{\{|\{%|\{#|\{[A-Za-z_.]+\}", source):
            continue
        assert shown(source) == source, path.name
        seen += 1
    if not seen:
        pytest.skip("every template of this set has tags")


def test_real_jinja_templates_compile_as_they_are_and_have_a_text_part() -> None:
    folder = CORPUS / "sendwithus"
    if not folder.is_dir():
        pytest.skip("corpus of templates not present")
    paths = sorted(folder.rglob("*.html"))
    assert paths
    for path in paths:
        source = path.read_text(encoding="utf-8")
        names = find_undeclared_variables(Environment().parse(source))
        program = Program.of([{"name": "theirs", "attributes": {name: {"fallback": "x"} for name in names}}])
        head = compile_template(Template("t", "s", source), program)
        assert head.needs == (), path.name


# Missing values.


def test_the_catalogues_fallback_stands_in_and_the_letter_says_so() -> None:
    made = letter("Hello {first_name}, {order_count} orders", person={"first_name": "  "})
    assert made.html == "Hello there, 0 orders"
    assert made.fallbacks == ("first_name", "order_count")


def test_the_authors_fallback_comes_before_the_catalogues() -> None:
    made = letter(
        "{first_name|dear friend} {{ user.city|default('your town') }} {{ city|title|default(country) }}",
        person={"country": "NO"},
    )
    assert made.html == "dear friend your town NO"
    assert made.fallbacks == ("first_name", "city")


def test_no_fallback_is_recorded_where_the_value_is_known() -> None:
    assert letter("{first_name|x} {city|y}", person={"first_name": "Ada", "city": "Rome"}).fallbacks == ()


def test_a_fallback_with_marks_of_every_kind_is_only_text() -> None:
    assert shown("""{city|it's "our" 100 % \\n #1 & town}""") == "it&#39;s &#34;our&#34; 100 % \\n #1 &amp; town"
    assert shown("{city|l&#39;ami}") == "l&#39;ami"


@pytest.mark.parametrize(
    "source",
    [
        "{city}",
        "{user.city}",
        "{{ city|upper }}",
        "{address.city}",
        "{{ 'in ' ~ city }}",
        "{{ city or country }}",
        "{{ city|default(country) }}",
        "{{ interests|join(', ') }}",
        "{{ points + 1 }}",
        '<a href="{photo}">x</a>',
        "{% for i in interests %}{i}{% endfor %}{city}",
    ],
)
def test_a_missing_value_without_fallback_makes_no_letter(source: str) -> None:
    with pytest.raises(Rejected) as error:
        shown(source, address={"street": "x"})
    assert error.value.code == "missing-value"
    assert error.value.pointer == "/templates/t/html"
    assert re.search("city|country|interests|points|photo", error.value.detail)


def test_a_dry_run_can_ask_which_attributes_a_letter_needs() -> None:
    head = letterhead(
        "{first_name} {city|x} {last_name} {% if country %}{country}{% endif %}{{ language or 'en' }}"
        "{% if interests contains 'a' and points > 3 %}{points}{interests}{% else %}{{ points }}{% endif %}",
        subject="{last_viewed_category}",
    )
    assert head.needs == ("last_name", "last_viewed_category", "points")


def test_an_empty_subject_makes_no_letter() -> None:
    with pytest.raises(Rejected, match="subject is empty"):
        letter("x", subject="{% if city %}Hello{% endif %}")


def test_a_value_of_an_unexpected_shape_makes_no_letter_and_is_not_quoted() -> None:
    for source, person in (
        ("{address}", {"address": {"mail": "ada@example.com"}}),
        ("{{ points + 1 }}", {"points": "ada@example.com"}),
        ("{{ points|round }}", {"points": "ada@example.com"}),
    ):
        with pytest.raises(Rejected) as error:
            shown(source, **person)
        assert "ada" not in error.value.detail


def test_a_letter_that_grows_out_of_bounds_is_stopped() -> None:
    with pytest.raises(Rejected) as error:
        shown(
            "{% for a in interests %}{% for b in interests %}{a}{b}{% endfor %}{% endfor %}",
            interests=["x" * 900] * 500,
        )
    assert error.value.code == "letter-too-large"


# Links.


def test_links_are_numbered_and_replaced_but_never_the_way_out() -> None:
    source = (
        '<head><link href="https://fonts.example/x.css"></head>'
        '<a class="b>c" href="https://shop.example/?a=1&amp;b=2">1</a><A HREF=\'http://shop.example/\'>2</A>'
        '<a href="{unsubscribe_url}">out</a><a href="{preferences_url}?topic=deals">choose</a>'
        '<a href="mailto:help@shop.example">?</a><a href="tel:+4712345">!</a><a data-href="https://no.example">.</a>'
        '<!--[if mso]><v:roundrect href="https://shop.example/mso"></v:roundrect><![endif]-->'
    )
    head = letterhead(source)
    made = head.render(View({}, {}, {}), LINKS, now=NOW, counted="https://t.example/c?m=1&i=")
    originals = ("https://shop.example/?a=1&b=2", "http://shop.example/", "https://shop.example/mso")
    assert made.links == originals
    for index in range(3):
        assert f"https://t.example/c?m=1&amp;i={index}" in made.html
    assert decodestring(made.encoded).decode().replace("\r\n", "\n") == made.html
    assert max(map(len, made.encoded.split(b"\r\n"))) <= 76
    for kept in (
        "fonts.example/x.css",
        "/u/abc?x=1&amp;y=2",
        "/p/abc?topic=deals",
        "mailto:help",
        "tel:+47",
        "no.example",
    ):
        assert kept in made.html
    plain = head.render(View({}, {}, {}), LINKS, now=NOW)
    assert plain.links == originals
    assert 'href="https://shop.example/?a=1&amp;b=2"' in plain.html


@pytest.mark.parametrize(
    "photo",
    [
        "javascript:alert(1)",
        " JaVaScRiPt:x",
        "data:text/html,x",
        "//evil.example",
        "/x",
        'https:// x"y',
        "vbscript:x",
        "x",
    ],
)
def test_a_link_made_of_data_is_a_link_or_there_is_no_letter(photo: str) -> None:
    for source in (
        '<a href="{photo}">x</a>',
        "<img src='{{ photo }}'>",
        '<a href="{% if city %}a{% elif country %}b{% elif photo %}{photo}{% else %}c{% endif %}">',
    ):
        with pytest.raises(Rejected) as error:
            shown(source, photo=photo)
        assert error.value.code == "unsafe-link"


def test_a_value_inside_a_link_is_percent_encoded_wherever_it_stands() -> None:
    value = "a b&c=d/é\"'<"
    encoded = "a%20b%26c%3Dd%2F%C3%A9%22%27%3C"
    assert shown('<a href="https://x.example/?q={city}">', city=value) == f'<a href="https://x.example/?q={encoded}">'
    assert (
        shown('<a href="https://x.example/?q={{ city|urlencode }}">', city="a b")
        == '<a href="https://x.example/?q=a%20b">'
    )
    assert shown('<a href="java{city}">', city="script:x") == '<a href="javascript%3Ax">'
    assert (
        letter(text="see https://x.example/?q={city}, {city}", person={"city": "a b"}).text
        == "see https://x.example/?q=a%20b, a b\n"
    )


def test_a_value_in_a_style_is_a_word_or_a_link() -> None:
    assert shown('<p style="color:{city}">', city="red;background:url(x)") == '<p style="color:redbackgroundurlx">'
    source = "<p style=\"background:url('{photo}')\">"
    assert shown(source, photo="https://x.example/a b.png") == source.replace("{photo}", "https://x.example/a%20b.png")
    with pytest.raises(Rejected):
        shown(source, photo="javascript:x")


# The text part.


def test_the_text_part_follows_the_html_and_makes_the_same_choices() -> None:
    source = """<html><head><title>no</title><style>p{x}</style></head><body><div style="display: none">hidden</div>
    <h1>Hello   {first_name}</h1><p>One<br>two &amp; three</p>{% if city %}<p>In {city}</p>{% endif %}
    <ul>{% for i in interests %}<li>{i}</li>{% endfor %}</ul><script>no()</script><!-- {% if city %}no{% endif %} -->
    <p><a href="https://shop.example/?a=1&amp;b=2">Shop</a>
    <a href="{unsubscribe_url}"><img src="x" alt="Unsubscribe"></a></p>
    <a href="https://x.example">https://x.example</a></body></html>"""
    made = letter(source, preheader="secret", person={"first_name": "<Ada>", "interests": ["a", "b"]})
    assert made.text == (
        "Hello <Ada>\n\nOne\ntwo & three\n\n- a\n- b\n\n"
        "Shop (https://shop.example/?a=1&b=2) Unsubscribe (https://mail.shop.example/u/abc?x=1&y=2)\nhttps://x.example\n"
    )


def test_conditions_that_end_in_what_is_left_out_of_the_text_still_end() -> None:
    assert letter('a {% if city %}<b style="display:none">{% endif %}b</b> c').text.split() == ["a", "c"]


def test_an_authored_text_part_is_used_as_it_is() -> None:
    made = letter(
        "<p>html</p>",
        subject="S {first_name}",
        text="Hi {first_name}\n\n\n\n{subject}  \nbye",
        person={"first_name": "A&B"},
    )
    assert made.text == "Hi A&B\n\nS A&B\nbye\n"


def test_the_preheader_stays_where_its_author_put_it() -> None:
    made = letter("<body><i>{preheader}</i></body>", preheader="Only today")
    assert made.html == "<body><i>Only today</i></body>"


# Values are data.

HOSTILE = "{CTA_Link}{{7*7}}{% raw %}\r\nBcc: x@y.example\x00\u2028\u202e<script>\"'&"


def test_a_hostile_value_is_inert_in_every_part() -> None:
    made = letter(
        '<body title="{first_name}">{first_name}</body>',
        subject="{first_name}",
        preheader="{first_name}",
        text="{first_name}",
        cta=(Cta("{first_name}", "https://x.example/{first_name}"),),
        person={"first_name": HOSTILE},
    )
    inert = "{CTA_Link}{{7*7}}{% raw %} Bcc: x@y.example<script>\"'&"
    assert made.subject == inert == made.preheader
    assert "<script" not in made.html
    assert '"' not in made.html.partition('title="')[2].partition('">')[0]
    assert made.html.count("{{7*7}}") == 3
    for part in (made.subject, made.preheader, made.html, made.text):
        assert not re.search("[\x00\r\u2028\u202e]", part)


class _Counter(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, tuple[str, ...]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, tuple(name for name, _ in attrs)))


LETTERHEAD = letterhead(
    '<body><p title="{first_name}" style="color:{city}">{first_name} {{ user.city|upper }}</p>'
    '<a href="https://x.example/{city}?{first_name}">{% for i in interests %}<b>{i}</b>{% endfor %}</a></body>',
    subject="{first_name} {city}",
    preheader="{city}",
)
VALUES = st.text() | st.sampled_from(
    [HOSTILE, "עברית", "👩‍👩‍👧", "\ud800", "=?utf-8?q?x?=", "{first_name}", "x" * 20_000]
)


@given(first_name=VALUES, city=VALUES.filter(lambda v: v.strip()), interest=VALUES)
def test_no_value_changes_the_structure_of_a_letter(first_name: str, city: str, interest: str) -> None:
    person = {"first_name": first_name, "city": city, "interests": ["a" + interest]}
    try:
        made = LETTERHEAD.render(View(person, {}, {}), {}, now=NOW)
    except Rejected as error:
        assert error.code == "missing-value"  # noqa: PT017 - nothing but controls is as good as nothing
        return
    counter = _Counter()
    counter.feed(made.html)
    assert counter.seen == [("body", ()), ("div", ("style",)), ("p", ("title", "style")), ("a", ("href",)), ("b", ())]
    assert made.subject.isprintable() or not re.search("[\x00-\x1f\x7f-\x9f\u2028-\u202e]", made.subject)
    assert len(made.subject) <= 200
    (made.subject + made.html + made.text).encode("utf-8")


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda v: st.lists(v) | st.dictionaries(st.text(), v),
    )
)
def test_a_value_of_any_shape_gives_a_letter_or_a_reason(value: Any) -> None:
    try:
        made = LETTERHEAD.render(View({"first_name": value, "city": value, "interests": value}, {}, {}), {}, now=NOW)
        assert made.html
    except Rejected as error:
        assert error.code in ("missing-value", "bad-value", "bad-render")  # noqa: PT017


def test_rendering_twice_gives_the_same_letter() -> None:
    view = View({"first_name": "Ada", "city": "Rome", "interests": ["a"]}, {}, {})
    assert LETTERHEAD.render(view, {}, now=NOW) == LETTERHEAD.render(view, {}, now=NOW + 1)


def test_the_given_names_are_written_as_they_are_handed_in() -> None:
    handed = {name: f"https://x.example/{name}" for name in GIVEN}
    assert letter(" ".join(f"{{{name}}}" for name in sorted(GIVEN)), extra=handed).html == " ".join(
        handed[name] for name in sorted(GIVEN)
    )


GIVEN_BLOCK = (
    "{% given city, last_viewed_product, fresh='30d' %}{city}: {last_viewed_product}{% broader %}news{% endgiven %}"
)
DAY = 86_400_000


@pytest.mark.parametrize(
    ("person", "ages", "shown_", "noted"),
    [
        ({"city": "Rome", "last_viewed_product": "tent"}, (1, 30), "Rome: tent", ()),
        ({"city": "Rome", "last_viewed_product": "tent"}, (1, 31), "news", ("last_viewed_product (stale)",)),
        ({"city": " ", "last_viewed_product": "tent"}, (1, 1), "news", ("city (missing)",)),
        ({}, (), "news", ("city (missing)",)),
    ],
)
def test_a_block_is_made_broader_for_whom_too_little_is_known(
    person: dict[str, str], ages: tuple[int, ...], shown_: str, noted: tuple[str, ...]
) -> None:
    written = {name: NOW - age * DAY for name, age in zip(person, ages, strict=True)}
    made = letterhead(GIVEN_BLOCK).render(View(person, {}, {}, written=written), {}, now=NOW)
    assert (made.html, made.fallbacks) == (shown_, noted)
    assert letterhead(GIVEN_BLOCK).needs == ()


def test_a_value_of_unknown_age_is_not_fresh() -> None:
    person = {"city": "Rome", "last_viewed_product": "tent"}
    assert letter(GIVEN_BLOCK, person=person).fallbacks == ("city (stale)",)
    assert letter("{% given city %}{city}{% broader %}x{% endgiven %}", person=person).html == "Rome"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{% given city %}x{% endgiven %}", "say what the others are shown"),
        ("{% given %}x{% broader %}y{% endgiven %}", "name the attributes"),
        ("{% given city, fresh='soon' %}x{% broader %}y{% endgiven %}", "as in '30d'"),
        ("{% given ctiy %}x{% broader %}y{% endgiven %}", "did you mean 'city'"),
        ("{% if city is given(interests, 1) %}x{% endif %}", "write {% given city %}"),
    ],
)
def test_a_broader_block_is_written_in_full(source: str, said: str) -> None:
    with pytest.raises(Rejected, match=re.escape(said)):
        letterhead(source)
