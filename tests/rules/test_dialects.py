"""One template in three other languages: Liquid is run and compared, the others are read by a grammar."""

from __future__ import annotations

import random
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import liquid
import pytest

from tailor.cli import programme
from tailor.kernel.errors import Rejected
from tailor.kernel.program import Cta, Program, Template
from tailor.rules.consent import View
from tailor.rules.dialects import LANGUAGES, Said, say
from tailor.rules.mailjinja import display
from tailor.rules.plaintext import tidy
from tailor.rules.pressing import finished
from tailor.rules.templates import compile_template, given, header_text

SHOP = Program.of([finished(programme.read(Path(__file__).parents[2] / "events" / "programs" / "shop"))])
LINKS = {
    "unsubscribe_url": "https://mail.shop.example/u/a?b=1&c=2",
    "preferences_url": "https://mail.shop.example/p/a",
    "confirm_url": "https://mail.shop.example/p/a/data",
}
NAMES = (
    "Ada",
    "Zoë",
    "O'Neil",
    '"Q"',
    "<b>Bob</b>",
    "a & b",
    "{{ 7*7 }}",
    "{% if x %}",
    "{CTA_Link}",
    "שלום",
    "",
    "   ",
)
THINGS = ("outdoor", "running shoes", "tents", "indoor & out", "<i>", "sustainable fashion")


def people(number: int) -> list[dict[str, Any]]:
    """The same people every time, hostile ones among them; every attribute is missing for some."""
    chance = random.Random(20261126)

    def some() -> dict[str, Any]:
        person: dict[str, Any] = {
            "interests": chance.sample(THINGS, chance.randrange(4)),
            "purchase_history": chance.sample(THINGS, chance.randrange(3)),
            "order_count": chance.choice([0, 1, 2.0, 7.5]),
        }
        for name in ("first_name", "last_purchase_category", "last_viewed_product", "city", "gender", "area"):
            person[name] = chance.choice(NAMES)
        return {name: value for name, value in person.items() if chance.random() < 0.8}

    return [some() for _ in range(number)]


class Reader(HTMLParser):
    """What a browser would read: tags, their attributes, and text; however characters are escaped."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.read: list[Any] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.read.append((tag, attrs))

    def handle_endtag(self, tag: str) -> None:
        self.read.append(tag)

    def handle_data(self, data: str) -> None:
        self.read.append(data)


def seen(html: str) -> list[Any]:
    reader = Reader()
    reader.feed(html)
    reader.close()
    return reader.read


SENT_ELSEWHERE = sorted({*SHOP.templates} - {SHOP.own_data})
"""Letters that another sender can send; the link to one's own data only we can sign."""


def one(html: str, to: str, *, subject: str = "s", program: Program = SHOP, **fields: Any) -> Said:
    return say(Template("t", subject, html, **fields), program, LANGUAGES[to])


@pytest.mark.parametrize("key", SENT_ELSEWHERE)
def test_liquid_says_what_we_say_to_a_thousand_people(key: str) -> None:
    template = SHOP.templates[key]
    said = say(template, SHOP, LANGUAGES["liquid"])
    assert said.refusals == []
    letterhead = compile_template(template, SHOP)
    parts = {part: liquid.Environment().from_string(source) for part, source in said.parts.items()}
    extra = given(template, LINKS)
    compared = 0
    for person in people(1_000):
        view = View(person, {}, {})
        letter = letterhead.render(view, extra, now=0)
        values = {
            name: display(v) if isinstance(v, float) else v for name, v in letterhead.values(view, extra, now=0).items()
        }
        values |= {flag.name: "1" for flag in said.flags if flag.holds(view)} | extra
        theirs = {part: ready.render(**values) for part, ready in parts.items()}
        assert header_text(theirs["subject"], limit=200) == letter.subject
        assert header_text(theirs["preheader"], limit=250) == letter.preheader
        assert tidy(theirs["text"]) == tidy(letter.text)
        assert seen(theirs["html"]) == seen(letter.html)
        compared += 1
    assert compared == 1_000


LANGUAGE = """
Hi {first_name|friend}, {{ first_name|upper }}{% if city == 'Rome' %}R{% elif city %}C{% else %}-{% endif %}
{% if not city %}none{% endif %}{% if city is defined and gender != 'x' %}both{% endif %}
{% if interests contains 'outdoor' %}O{% endif %}{% if not interests contains 'tents' %}T{% endif %}
{% if order_count > 1 %}many{% endif %}
{% if city %}<a href="https://x.example/?c={city}&amp;n={first_name}">{city}</a>{% endif %}
{% for thing in interests %}[{{ thing }}]{% endfor %}{{ interests|default('nothing') }} {% raw %}{{ raw }}{% endraw %}
"""


def test_liquid_agrees_on_all_it_can_say() -> None:
    template = Template("t", "{first_name}", LANGUAGE)
    said = say(template, SHOP, LANGUAGES["liquid"])
    assert [refusal.detail for refusal in said.refusals] == []
    letterhead = compile_template(template, SHOP)
    ready = liquid.Environment().from_string(said.parts["html"])
    for person in people(300):
        view = View(person, {}, {})
        values = letterhead.values(view, {}, now=0)
        values |= {flag.name: "1" for flag in said.flags if flag.holds(view)}
        assert seen(ready.render(**values)) == seen(letterhead.render(view, {}, now=0).html)


TOKENS = {
    "mailchimp": re.compile(
        r"\*\|(?:(?P<open>(?:IF|IFNOT):[A-Z0-9_]{1,10}(?:!?=[^|]+)?)|(?P<elif>ELSEIF:[A-Z0-9_]{1,10}(?:!?=[^|]+)?)"
        r"|(?P<else>ELSE:)|(?P<close>END:IF)|(?P<value>(?:(?:URL|UPPER|LOWER|TITLE):)?[A-Z0-9_]{1,10}|UNSUB"
        r"|UPDATE_PROFILE|LIST:ADDRESSLINE|LIST:COMPANY))\|\*"
    ),
    "ampscript": re.compile(
        r"%%\[ (?:(?P<open>IF .+? THEN)|(?P<elif>ELSEIF .+? THEN)|(?P<else>ELSE)|(?P<close>ENDIF)) \]%%"
        r"|%%=(?P<value>.+?)=%%|%%(?P<own>[A-Za-z_]+)%%"
    ),
}
LEFT = {"mailchimp": re.compile(r"\*\||\|\*"), "ampscript": re.compile(r"%%")}


def grammatical(source: str, language: str) -> int:
    """Read a document of ``language``; answers how many tags there are. Blocks nest, and nothing else is left over."""
    depth: list[str] = []
    count = 0
    for token in TOKENS[language].finditer(source):
        count += 1
        match token.lastgroup:
            case "open":
                depth.append("if")
            case "elif":
                assert depth[-1] == "if", token[0]
            case "else":
                assert depth[-1] == "if", token[0]
                depth[-1] = "else"
            case "close":
                depth.pop()
            case "value" if language == "ampscript":
                quiet = re.sub(r'"(?:[^"]|"")*"', "", token["value"])
                assert quiet.count("(") == quiet.count(")"), token[0]
                assert '"' not in quiet, token[0]
    assert depth == []
    assert not LEFT[language].search(TOKENS[language].sub("", source))
    return count


@pytest.mark.parametrize("language", ["mailchimp", "ampscript"])
@pytest.mark.parametrize("key", SENT_ELSEWHERE)
def test_the_sample_letters_are_grammatical_elsewhere(key: str, language: str) -> None:
    said = say(SHOP.templates[key], SHOP, LANGUAGES[language])
    assert said.refusals == []
    assert sum(grammatical(part, language) for part in said.parts.values()) >= 8
    assert "{%" not in "".join(said.parts.values())


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_a_link_that_only_we_can_sign_is_refused_with_what_to_do(language: str) -> None:
    refusals = say(SHOP.templates[SHOP.own_data], SHOP, LANGUAGES[language]).refusals
    assert {(one.code, "send this letter from here" in one.detail) for one in refusals} == {(refusals[0].code, True)}


def test_merge_tags_and_ampscript_as_they_are_written() -> None:
    source = (
        "{% if city == 'Rome' %}{first_name|\"friend\"}{% else %}<a href='https://x.example/?{city|x}'>x</a>{% endif %}"
    )
    assert one(source, "mailchimp").parts["html"] == (
        '*|IF:CITY=Rome|**|IF:FIRST_NAME|**|FIRST_NAME|**|ELSE:|*"friend"*|END:IF|**|ELSE:|*'
        "<a href='https://x.example/?*|IF:CITY|**|URL:CITY|**|ELSE:|*x*|END:IF|*'>x</a>*|END:IF|*"
    )
    text = one("x", "ampscript", subject='{first_name|say "hi"}').parts["subject"]
    assert text == '%%=IIF(Empty(AttributeValue("first_name")), "say ""hi""", AttributeValue("first_name"))=%%'


@pytest.mark.parametrize(
    ("to", "source", "said"),
    [
        (
            "mailchimp",
            "a\n{% for x in interests %}{{ x }}{% endfor %}",
            "line 2: mailchimp cannot say this: there are no loops",
        ),
        (
            "ampscript",
            "\n\n{{ first_name|truncate(3) }}",
            "line 3: ampscript cannot say this: there is no filter 'truncate'",
        ),
        ("mailchimp", "{% if city and gender %}x{% endif %}", "put one condition inside the other"),
        ("liquid", "{% if city and (gender or area) %}x{% endif %}", "'and' and 'or' cannot be mixed"),
        ("liquid", "{% if city == gender %}x{% endif %}", "not with another value"),
        ("liquid", "\n{last_name}", "line 2: liquid cannot say this: 'last_name' has no fallback"),
        ("mailchimp", "{% if order_count > 2 %}x{% endif %}", "only equality can be asked"),
        ("ampscript", "<p style='color:{city|red}'>x</p>", "choose between styles by a condition"),
        ("liquid", "{% if order_count %}x{% endif %}", "write {% if order_count is defined %}"),
        ("mailchimp", "5 *|NOT|*", "begin and end a merge tag"),
        ("liquid", "{{ 'a' if city else 'b' }}", "put choices into {% if %}"),
    ],
)
def test_what_cannot_be_said_is_refused_with_its_line_and_a_hint(to: str, source: str, said: str) -> None:
    (refusal, *_) = one(source, to).refusals
    assert said in refusal.detail
    assert refusal.pointer == "/templates/t/html"


def test_all_refusals_are_told_at_once() -> None:
    source = "{% for x in interests %}{{ x }}{% endfor %}\n{{ city|int }}\n{last_name}"
    assert [r.detail[:7] for r in one(source, "mailchimp").refusals] == ["line 1:", "line 2:", "line 3:"]


def test_a_template_that_does_not_compile_here_is_refused_as_here() -> None:
    with pytest.raises(Rejected, match="did you mean 'first_name'"):
        one("{frist_name}", "liquid")


def test_the_call_to_action_is_handed_over_as_two_values() -> None:
    cta = (Cta("Go", "https://x.example/?{city|x}"),)
    said = one('<a href="{CTA_Link}">{CTA_Text}</a>', "liquid", cta=cta)
    assert said.parts["html"] == '<a href="{{ CTA_Link | escape }}">{{ CTA_Text | escape }}</a>'
    assert said.reads == ["CTA_Link", "CTA_Text"]
