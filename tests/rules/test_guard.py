"""Templates are refused for what they could do, and the refusal says where and what instead."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailor.kernel.errors import Rejected
from tailor.kernel.program import Cta, Program, Template
from tailor.rules.consent import View
from tailor.rules.templates import compile_template

PROGRAM = Program.of(
    [
        {
            "name": "shop",
            "attributes": {
                "religion": {"class": "sensitive", "purposes": ["personalization"]},
                "segment_score": {"type": "number", "purposes": ["analytics"]},
                "address": {"type": "map"},
            },
        }
    ]
)


def refusal(html: str = "", **fields: Any) -> Rejected:
    with pytest.raises(Rejected) as error:
        compile_template(Template("t", fields.pop("subject", "s"), html, **fields), PROGRAM)
    assert error.value.code == "bad-template"
    return error.value


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{{ frist_name }}", "line 1, near '{{ frist_name }}': there is no 'frist_name'; did you mean 'first_name'?"),
        (
            "a\nb {user.frist_name}",
            "line 2, near 'b {user.frist_name}': there is no 'frist_name'; did you mean 'first_name'?",
        ),
        ("{% if religion == 'x' %}{% endif %}", "'religion' is sensitive and read for no purpose: leave it out"),
        (
            "{segment_score}",
            "'segment_score' may not serve the purpose 'personalization': leave it out, or add that to its 'purposes'",
        ),
        ("{{ user }}", "name one, as in user.first_name"),
        ("{CTA_Text}", "there is no 'CTA_Text'"),
        ("{{ first_name|uper }}", "there is no filter 'uper'; did you mean 'upper'?"),
        ("{% if first_name is defind %}{% endif %}", "there is no test 'defind'; did you mean 'defined'?"),
        ("x\n{% iff city %}", "line 2, near '{% iff city %}': Encountered unknown tag 'iff'"),
        ("{% if city %}", "Unexpected end of template"),
        ("{{ city }", "line 1"),
        ("{{}}", "Expected an expression"),
        ("{% set x = 1 %}", "{% set %} cannot be used in a letter"),
        ("{{ city.upper() }}", "a call with brackets cannot be used in a letter"),
        ("{shop_name.x}", "'shop_name' is a text and has no 'x'"),
    ],
)
def test_a_refusal_says_where_and_what_instead(source: str, said: str) -> None:
    error = refusal(source)
    assert said in error.detail
    assert error.pointer == "/templates/t/html"


def test_a_refusal_points_to_the_part() -> None:
    assert refusal(subject="{nope}").pointer == "/templates/t/subject"
    assert refusal(preheader="{nope}").pointer == "/templates/t/preheader"
    assert refusal(text="{nope}").pointer == "/templates/t/text"
    assert refusal(cta=(Cta("{nope}", "https://x.example"),)).pointer == "/templates/t/cta/0/text"
    assert refusal(cta=(Cta("x", "https://x.example/{nope}"),)).pointer == "/templates/t/cta/0/link"
    assert refusal(subject="{subject}").pointer == "/templates/t/subject"


def test_a_transactional_letter_sees_what_serves_the_service() -> None:
    assert "may not serve the purpose 'service'" in refusal("{city}", kind="transactional").detail
    made = compile_template(Template("t", "s", "{first_name}", kind="transactional"), PROGRAM)
    assert made.render(View({"first_name": "Ada"}, {}, {}), {}, now=0).html == "Ada"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("<a href={city}>x</a>", "put quotes around the value of 'href'"),
        ("<p class={city}>", "put quotes"),
        ("<p {city}>", "a value cannot stand in a tag"),
        ("<{city}>", "cannot be the name of a tag"),
        ("</{{ city }}>", "cannot be the name of a tag"),
        ("<a{{ city }}>", "a value cannot stand in a tag"),
        ("<style>.a{color:{{ city }}}</style>", "inside <style>"),
        ("<script>{{ city }}</script>", "inside <script>"),
        ('<p onclick="{city}">', "'onclick'"),
        ("{% if city %}<a href='{% endif %}{city}'>", "the branches of this condition end in different places"),
        ('<a href="{% if city %}https://x.example/{% endif %}{country}">', "different places"),
        ("{% for i in interests %}<a href='{% endfor %}", "ends in another place"),
        ("<p>{first_name}</p><!-- note", "the HTML ends inside of a comment"),
        ('<p>{first_name}</p><a href="https://x.example>', "the HTML ends inside of a value"),
    ],
)
def test_a_value_stands_only_where_it_can_be_made_safe(source: str, said: str) -> None:
    assert said in refusal(source).detail


@pytest.mark.parametrize(
    "source",
    [
        '<td{% if city %} class="a"{% endif %}>x</td>',
        '<a href="{% if city %}https://x.example/{% else %}https://y.example/{% endif %}">',
        '<!--[if mso]><p title="{first_name}"><![endif]--><!--[if !mso]><!--><b>{first_name}</b><!--<![endif]-->',
        "<!-- {{ first_name }} --><title>{subject}</title>",
        "1 < 2 {first_name} <3",
    ],
)
def test_ordinary_html_is_not_refused(source: str) -> None:
    compile_template(Template("t", "s", source), PROGRAM)


FRAGMENTS = st.sampled_from(
    [
        "{{",
        "}}",
        "{%",
        "%}",
        "{#",
        "#}",
        "{",
        "}",
        "if ",
        "endif",
        "for x in interests",
        "endfor",
        "first_name",
        "user.",
        "|",
        "default(",
        "(",
        ")",
        "'",
        '"',
        "contains",
        " ",
        '<a href="',
        "<",
        ">",
        "<!--",
        "-->",
        "<style>",
        "</style>",
        "raw",
        "endraw",
        "“",
        "’",
        "&quot;",
        "not ",
        "is ",
        "[0]",
        "[:2]",
        "1",
        ".",
        ",",
        "~",
        "+",
        "\n",
        "é",
        "elsif ",
        "else",
        "in ",
    ]
)


@settings(max_examples=300)
@given(st.lists(FRAGMENTS | st.text(max_size=3), max_size=25).map("".join))
def test_any_text_is_a_template_or_is_refused(source: str) -> None:
    template = Template("t", source, source, source, source)
    try:
        made = compile_template(template, PROGRAM).render(
            View({"first_name": "Ada", "interests": ["a"]}, {}, {}), {}, now=0
        )
    except Rejected as error:
        assert error.pointer.startswith("/templates/t/")  # noqa: PT017
        return
    assert isinstance(made.html, str)
