"""Partials are put into letters once, when they are published, and what is wrong in one is told of its own line."""

from __future__ import annotations

from typing import Any

import pytest

from tailor.flows.publish import Faulty, check
from tailor.kernel.errors import Rejected
from tailor.kernel.program import Program
from tailor.rules.consent import View
from tailor.rules.dialects import LANGUAGES, say
from tailor.rules.partials import DEPTH, assemble
from tailor.rules.pressing import finished
from tailor.rules.templates import compile_template

FOOTER = "<p>We are {postal_address}</p>\n<p>Bye, {first_name}</p>\n"
PAGE = "<html><body>\n<h1>Hello</h1>\n{% include 'footer' %}\n<p>{city|your town}</p></body></html>"


def document(html: str = PAGE, text: str = "", **partials: str) -> dict[str, Any]:
    letter = {"subject": "Hi", "html": html, **({"text": text} if text else {})}
    return {"name": "shop", "templates": {"hello": letter}, "partials": {"footer": FOOTER, **partials}}


def wrong(made: dict[str, Any]) -> list[tuple[str, str]]:
    with pytest.raises(Faulty) as caught:
        check(made, [])
    return [(fault.pointer, fault.detail) for fault in caught.value.faults]


def test_every_letter_and_part_has_the_text_of_the_partial_in_its_place() -> None:
    program = Program.of([finished(document(text="Hello\n{% include “footer” %}"))])
    letter = compile_template(program.templates["hello"], program).render(
        View({"first_name": "<Ada>"}, {}, {}), {"postal_address": "1 High St"}, now=0
    )
    assert "<p>We are 1 High St</p>\n<p>Bye, &lt;Ada&gt;</p>\n<p>your town</p>" in letter.html
    assert letter.text == "Hello\n<p>We are 1 High St</p>\n<p>Bye, <Ada></p>\n"


def test_a_partial_of_mjml_is_compiled_with_its_letter_and_said_to_other_senders() -> None:
    source = "<mjml><mj-body>{% include 'foot' %}</mj-body></mjml>"
    row = "<mj-section><mj-column><mj-text>Bye, {first_name}</mj-text></mj-column></mj-section>"
    program = Program.of([finished(document(source, foot=row))])
    assert "Bye, {first_name}" in program.templates["hello"].html
    assert "<mj-" not in program.templates["hello"].html
    assert "Bye, {{ first_name" in say(program.templates["hello"], program, LANGUAGES["liquid"]).parts["html"]


def test_publishing_twice_changes_nothing() -> None:
    once = finished(document(text="{% include 'footer' %}"))
    assert finished(once) == once


@pytest.mark.parametrize(
    ("made", "pointer", "detail"),
    [
        (document("a\n{% include 'foter' %}"), "/templates/hello/html", "line 2: there is no partial 'foter'; did you"),
        (document(text="{% include name %}"), "/templates/hello/text", "line 1: write {% include"),
        (document(footer="\n{% include 'fot' %}"), "/partials/footer", "line 2: there is no partial 'fot'; did you"),
        (document(footer="x\n{% include 'footer' %}"), "/partials/footer", "itself: footer → footer"),
        (document(footer="\n<p>{first_nam}</p>"), "/partials/footer", "line 2, near '<p>{first_nam}</p>': there is no"),
        (document(PAGE + "\n{cty}"), "/templates/hello/html", "line 5, near '{cty}': there is no 'cty'"),
        (document(footer=7), "/partials/footer", "must be text"),  # type: ignore[arg-type]
    ],
)
def test_what_is_wrong_is_told_of_its_own_line(made: dict[str, Any], pointer: str, detail: str) -> None:
    (where, what), *_ = wrong(made)
    assert where == pointer
    assert detail in what


def test_a_finding_in_a_partial_is_told_of_its_line_and_one_that_nobody_includes_is_named() -> None:
    _, warnings = check(document(footer="<p>\n<img src='https://x.example/a.png'></p>", spare="x"), [])
    told = {warning["pointer"]: warning["detail"] for warning in warnings}
    assert "line 2: " in told["/partials/footer"]
    assert "no letter includes it" in told["/partials/spare"]


def test_neither_depth_nor_number_nor_size_is_without_end() -> None:
    deep = {f"p{n}": f"{{% include 'p{n + 1}' %}}" for n in range(DEPTH + 1)} | {f"p{DEPTH + 1}": "x"}
    for partials in (
        deep,
        {"p0": "{% include 'p1' %}" * 40, "p1": "{% include 'p2' %}" * 40, "p2": ""},
        {"p0": "{% include 'p1' %}" * 40, "p1": "x" * 10_000},
    ):
        with pytest.raises(Rejected) as caught:
            assemble("{% include 'p0' %}", partials, "/templates/t/html")
        assert caught.value.code == "bad-template"
