"""What publishing makes of a letter: MJML becomes HTML, CSS goes into the tags, and nothing else moves."""

from __future__ import annotations

import re
from pathlib import Path

import css_inline
import pytest

from tailor.kernel.errors import Rejected
from tailor.kernel.program import Program, Template
from tailor.rules.mailjinja import pieces
from tailor.rules.pressing import finished, inline, is_mjml, press
from tailor.rules.templates import GIVEN, compile_template

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "corpus" / "email"
STYLE = re.compile(r"\sstyle\s*=\s*(?:\"[^\"]*\"|'[^']*')")
SHEET = "<style>td { color: red; padding: 1px !important } .loud { color: blue }</style>"


def mjml(inside: str) -> str:
    return f"<mjml><mj-body><mj-section><mj-column>{inside}</mj-column></mj-section></mj-body></mjml>"


def test_a_loop_inside_a_table_stays_where_it_is() -> None:
    rows = "<table>{% for item in interests %}<tr><td>{{ item }}</td></tr>{% endfor %}</table>"
    made = inline(SHEET + rows)
    assert STYLE.sub("", made) == SHEET + rows
    assert '<td style="color: red; padding: 1px">{{ item }}</td>' in made


def test_what_the_author_wrote_in_the_tag_wins_but_over_what_insists() -> None:
    made = inline(SHEET + '<table><tr><td class="loud" style="color: green; padding: 9px">x</td></tr></table>')
    assert '<td class="loud" style="color: green; padding: 9px; padding: 1px">' in made


def test_a_style_made_of_values_is_kept_whole() -> None:
    made = inline(SHEET + """<table><tr><td style='color:{{ "a" if city == "b" else "c" }}'>x</td></tr></table>""")
    assert """<td style='color: red; color:{{ "a" if city == "b" else "c" }}; padding: 1px'>""" in made


def test_comments_scripts_and_comparisons_are_left_alone() -> None:
    source = SHEET + "<!--[if mso]><td>{{ a < b }}</td><![endif]--><p>{% if order_count > 1 %}many{% endif %}</p>"
    assert inline(source) == source


def test_lines_stay_lines() -> None:
    source = f"<html>\n{SHEET}\n<table>\n<tr>\n<td\n class='loud'>x</td>\n</tr>\n</table>"
    assert inline(source).count("\n") == source.count("\n")


def test_pressing_twice_says_the_same_as_pressing_once_of_the_same_source() -> None:
    source = SHEET + "<table><tr><td>x</td></tr></table>"
    assert press(source) == press(source)


def test_mjml_becomes_html_and_its_tags_stay() -> None:
    source = mjml(
        "<mj-raw>{% if order_count < 2 %}</mj-raw><mj-text>Hi {first_name}</mj-text><mj-raw>{% endif %}</mj-raw>"
    )
    made = press(source)
    assert is_mjml(source)
    assert not is_mjml(made)
    assert made.index("{% if order_count < 2 %}") < made.index("Hi {first_name}") < made.index("{% endif %}")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("<mjml><mj-body><mj-section>", "cannot be read"),
        (mjml("\n<mj-txt>Hi</mj-txt>"), "line 2: MJML has no <mj-txt>"),
    ],
)
def test_mjml_that_cannot_be_read_is_refused_with_its_reason(source: str, said: str) -> None:
    with pytest.raises(Rejected, match=re.escape(said)):
        press(source)


def test_a_published_document_keeps_the_source_and_sends_what_was_pressed() -> None:
    source = SHEET + "<table><tr><td>x</td></tr></table>"
    whole = finished({"name": "shop", "templates": {"a": {"subject": "Hi", "html": source}}})
    assert whole["templates"]["a"]["html"] == source
    assert Program.of([whole]).templates["a"].html == press(source)
    assert finished(whole) == whole


def test_a_letter_that_cannot_be_pressed_is_named() -> None:
    with pytest.raises(Rejected) as refused:
        finished({"name": "shop", "templates": {"a": {"subject": "Hi", "html": "<mjml><mj-body>"}}})
    assert refused.value.pointer == "/templates/a/html"


def test_no_file_of_the_corpus_is_damaged_and_all_get_what_a_parser_would_give() -> None:
    files = sorted(CORPUS.glob("**/*.html"))
    if not files:
        pytest.skip(f"{CORPUS.name} is not present")
    whole = css_inline.CSSInliner(keep_style_tags=True, load_remote_stylesheets=False)
    for path in files:
        source = path.read_text("utf-8", "replace")
        made = inline(source)
        assert STYLE.sub("", made) == STYLE.sub("", source), path
        # What the parser adds by itself, and what shows nothing, is not the author's to style.
        invented = "" if "<body" in source else "|body"
        unseen = rf"<(?:html|head|meta|title|style|tbody|link|base{invented})\b[^>]*>"
        theirs = re.sub(unseen, "", whole.inline(source))
        ours = re.sub(unseen, "", made)
        assert len(re.findall(r"\sstyle=", ours)) == len(re.findall(r"\sstyle=", theirs)), path


@pytest.mark.parametrize(
    ("source", "made"),
    [
        ("{{#each items}}{{name}} {{/each}}", "{% for each_item_1 in items %}{{ each_item_1.name }} {% endfor %}"),
        ("{{#each items}}{{this.x}}{{/each}}", "{% for each_item_1 in items %}{{ each_item_1.x }}{% endfor %}"),
        ("{{#if city}}a{{else}}b{{/if}}", "{% if city %}a{% else %}b{% endif %}"),
        ("{{#unless city}}a{{/unless}}", "{% if not city %}a{% endif %}"),
        ("{{#rows}}{{.}}{{/rows}}", "{% for each_item_1 in rows %}{{ each_item_1 }}{% endfor %}"),
        ("{{^rows}}-{{/rows}}", "{% if not rows %}-{% endif %}"),
        ("{{{city}}}", "{{ city }}"),
        ("{{ city|upper }} {% if city %}x{% endif %}", "{{ city|upper }} {% if city %}x{% endif %}"),
    ],
)
def test_handlebars_become_our_own_tags(source: str, made: str) -> None:
    assert press(source) == made


def test_every_file_of_the_corpus_compiles() -> None:
    files = sorted(CORPUS.glob("**/*.html")) + sorted(CORPUS.glob("**/*.mjml"))
    if not files:
        pytest.skip(f"{CORPUS.name} is not present")
    refused = []
    for path in files:
        made = press(path.read_text("utf-8", "replace"))
        tags = " ".join(piece for tag, piece in pieces(made) if tag in ("{{", "{%"))
        names = set(re.findall(r"[A-Za-z]\w*", tags)) | set(re.findall(r"\{([A-Za-z]\w*)\}", made))
        names -= {*GIVEN, "for", "if", "in", "loop", "user"} | {name for name in names if name.startswith("each_item_")}
        program = Program.of([{"name": "theirs", "attributes": {name: {"fallback": "x"} for name in names}}])
        try:
            compile_template(Template("t", "s", made), program)
        except Rejected as refusal:
            refused.append((path.name, refusal.detail))
    assert refused == []
