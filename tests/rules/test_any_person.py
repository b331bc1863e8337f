"""Whoever the letters of the sample programmes are for, what leaves is mail: 10,000 people made up by hypothesis."""

from __future__ import annotations

import email
import re
from email.header import decode_header, make_header
from pathlib import Path
from typing import Any
from unicodedata import normalize

import mailparser
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tailor.cli import programme
from tailor.kernel.program import Program, Template
from tailor.rules.consent import View
from tailor.rules.messages import Envelope, build_mime
from tailor.rules.pressing import finished
from tailor.rules.templates import Letter, Letterhead, compile_template
from tailor.rules.templates import given as given_names

SHOP = Path(__file__).parents[2] / "events" / "programs" / "shop"
LINKS = {
    "unsubscribe_url": "https://mail.shop.example/u/abc",
    "preferences_url": "https://mail.shop.example/p/abc",
    "confirm_url": "https://mail.shop.example/p/abc/data",
}
PROGRAM = Program.of([finished(programme.read(SHOP))])
LETTERS: list[tuple[Template, Letterhead]] = [(t, compile_template(t, PROGRAM)) for t in PROGRAM.templates.values()]
NAMES = sorted(
    name
    for name, attribute in PROGRAM.attributes.items()
    if attribute.type == "text" and name in PROGRAM.permitted["personalization"]
)
LISTS = ("interests", "purchase_history")

SHARES = 5
EXAMPLES = 100
EACH = 20
"""People of one example; together they are 10,000."""
OTHER = 7
"""One in so many letters is read by the other parser too, which takes ten times as long; no multiple of the letters."""
NASTY = (
    "{CTA_Link}{{7*7}}\r\nBcc: x@y.example",
    "</td></table><script>alert(1)</script>",
    "=?utf-8?q?=0D=0ABcc:_x@y.example?=",
    "\u202eevil\u2066\u2028\u2029",
    "שלום וברכה مرحبا",
    "👩‍👩‍👧‍👦🏴󠁧󠁢󠁥󠁮󠁧󠁿" * 40,
    "\x00\x01\x1b[31m\x7f\x9f",
    "\ud800\udfff\ufdd0\ufdd1\ufdd2\ufffe",
    "e\u0301" * 300,
    "x" * 20_000,
    ".\r\n.\r\n\r\n--=_",
    "%0d%0aBcc:x",
    "'\"><img src=x onerror=alert(1)>",
    "{% raw %}{{ first_name }}{% endraw %}",
    " \t\n ",
    "",
)
text = st.sampled_from(NASTY) | st.text(max_size=60) | st.text(st.characters(), max_size=12)


@st.composite
def crowds(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Some people, of texts drawn together: of each attribute some have one text, some another, and some have none."""
    texts = draw(st.lists(text, min_size=6, max_size=12))
    numbers = draw(st.lists(st.integers() | st.floats(), min_size=2, max_size=4))
    shift = draw(st.integers(1, 40))
    crowd = []
    for number in range(EACH):
        person: dict[str, Any] = {}
        for at, name in enumerate([*NAMES, *LISTS, "order_count", "lifetime_value"]):
            picked = number * shift + at
            if picked % 4 == 3:
                continue
            words = texts[picked % len(texts) :]
            person[name] = words if name in LISTS else words[0]
            if name in ("order_count", "lifetime_value"):
                person[name] = numbers[picked % len(numbers)]
        crowd.append(person)
    return crowd


def unfolded(header: str) -> str:
    return re.sub(r"\r\n(?=[ \t])", "", header)


def plain(part: str) -> str:
    return part.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")


def check_bytes(raw: bytes, letter: Letter) -> None:
    head, _, body = raw.partition(b"\r\n\r\n")
    assert raw.isascii()
    assert max(map(len, head.split(b"\r\n"))) <= 998
    assert max(map(len, body.split(b"\r\n"))) <= 76
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", raw)
    written = {line.partition(b":")[0] for line in head.split(b"\r\n") if line[:1] not in b" \t"}
    assert not written & {b"Bcc", b"Cc"}
    assert "\n" not in letter.subject
    assert "\r" not in letter.subject


def check_library(raw: bytes, letter: Letter, template: Template) -> None:
    message = email.message_from_bytes(raw)
    known = {"From", "To", "Subject", "MIME-Version", "Content-Type", "X-Tailor-Message", "Feedback-ID", "Reply-To"}
    lists = {"List-Unsubscribe", "List-Unsubscribe-Post", "List-ID"} if template.kind == "marketing" else set()
    assert sorted(message.keys()) == sorted(known | lists | {"Auto-Submitted"})
    assert message["To"] == "ada@customer.example"
    assert str(make_header(decode_header(unfolded(message["Subject"])))) == letter.subject
    words, markup = message.get_payload()  # type: ignore[misc]
    assert plain(words.get_payload(decode=True).decode()) == plain(letter.text)  # type: ignore[union-attr]
    assert plain(markup.get_payload(decode=True).decode()) == plain(letter.html)  # type: ignore[union-attr]
    assert not any(part.defects for part in (message, words, markup))  # type: ignore[union-attr]


def check_other(raw: bytes, letter: Letter) -> None:
    parsed = mailparser.parse_from_bytes(raw)
    assert unfolded(parsed.subject) == letter.subject
    assert [address for _, address in parsed.to] == ["ada@customer.example"]
    assert not parsed.has_defects
    # It composes what it reads.
    assert [plain(part) for part in parsed.text_plain] == [normalize("NFC", plain(letter.text))]
    assert [plain(part) for part in parsed.text_html] == [normalize("NFC", plain(letter.html))]


@pytest.mark.parametrize("share", range(SHARES))
def test_what_leaves_is_mail(share: int) -> None:
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(crowds())
    def every(crowd: list[dict[str, Any]]) -> None:
        for number, person in enumerate(crowd):
            # Letters take turns, and so do the people whose letter the slow parser reads too.
            template, letterhead = LETTERS[number % len(LETTERS)]
            letter = letterhead.render(View(person, {}, {}), given_names(template, LINKS), now=0)
            envelope = Envelope(
                template.sender, "ada@customer.example", "m_1", "j", template.kind, LINKS["unsubscribe_url"]
            )
            raw = build_mime(letter, envelope)
            check_bytes(raw, letter)
            check_library(raw, letter, template)
            if number % OTHER == 0:
                check_other(raw, letter)

    every()
