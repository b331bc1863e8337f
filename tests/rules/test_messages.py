"""The raw bytes are what SES sends: they are looked at as bytes first, then as two parsers read them."""

from __future__ import annotations

import email.parser
import email.policy
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailor.kernel.errors import Rejected
from tailor.kernel.program import Sender
from tailor.rules.messages import Envelope, build_mime
from tailor.rules.templates import Letter, header_text

LETTER = Letter("Hello Ada", "pre", "<p>Hello = Ada é</p>\n", "Hello Ada é\n", (), ())
ENVELOPE = Envelope(
    sender=Sender("Shop <hello@shop.example>", "help@shop.example", "1 High St", "news.shop.example"),
    to="ada@example.com",
    message_id="m_abc",
    journey="welcome",
    kind="marketing",
    unsubscribe_url="https://mail.shop.example/u/" + "t" * 300,
)


def raw_header(raw: bytes, name: str) -> list[bytes]:
    """The lines of a header, unfolded by nobody."""
    head = raw.partition(b"\r\n\r\n")[0]
    return re.findall(rb"(?m)^" + name.encode() + rb": ((?:.*\r\n[ \t])*.*?)\r?$", head)


def both_parsers(raw: bytes) -> list[dict[str, str]]:
    """Subject, text and HTML as the modern and as the old parser read them."""
    found = []
    modern = email.parser.BytesParser(policy=email.policy.default).parsebytes(raw)
    found.append(
        {
            "subject": str(modern["Subject"]),
            "text": modern.get_body(("plain",)).get_content(),  # type: ignore[union-attr]
            "html": modern.get_body(("html",)).get_content(),  # type: ignore[union-attr]
        }
    )
    old = email.parser.BytesParser(policy=email.policy.compat32).parsebytes(raw)
    parts = [part.get_payload(decode=True).decode("utf-8") for part in old.get_payload()]  # type: ignore[union-attr]
    decoded = "".join(
        piece if isinstance(piece, str) else piece.decode(charset or "ascii")
        for piece, charset in email.header.decode_header(old["Subject"])
    )
    found.append({"subject": re.sub(r"\r\n(?=[ \t])", "", decoded), "text": parts[0], "html": parts[1]})
    return found


def test_both_parts_arrive_as_they_were_written() -> None:
    for read in both_parsers(build_mime(LETTER, ENVELOPE)):
        assert read["subject"] == "Hello Ada"
        assert read["text"].replace("\r\n", "\n").strip() == LETTER.text.strip()
        assert read["html"].replace("\r\n", "\n").strip() == LETTER.html.strip()


def test_one_click_unsubscribe_is_unbroken_in_the_raw_bytes() -> None:
    raw = build_mime(LETTER, ENVELOPE)
    assert b"\r\nList-Unsubscribe: <https://mail.shop.example/u/" + b"t" * 300 + b">\r\n" in raw
    assert b"\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in raw


def test_a_link_as_long_as_a_line_may_be_stays_in_one_piece() -> None:
    url = "https://mail.shop.example/u/" + "t" * 940
    raw = build_mime(LETTER, replace(ENVELOPE, unsubscribe_url=url))
    assert b"\r\nList-Unsubscribe: <" + url.encode() + b">\r\n" in raw
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    with pytest.raises(Rejected):
        build_mime(LETTER, replace(ENVELOPE, unsubscribe_url=url + "t" * 20))


def test_the_other_headers() -> None:
    raw = build_mime(LETTER, ENVELOPE)
    assert raw_header(raw, "From") == [b"Shop <hello@shop.example>"]
    assert raw_header(raw, "To") == [b"ada@example.com"]
    assert raw_header(raw, "Reply-To") == [b"help@shop.example"]
    assert raw_header(raw, "List-ID") == [b"<news.shop.example>"]
    assert raw_header(raw, "Feedback-ID") == [b"welcome:marketing:shop.example:tailor"]
    assert raw_header(raw, "Auto-Submitted") == [b"auto-generated"]
    assert raw_header(raw, "X-Tailor-Message") == [b"m_abc"]
    assert raw_header(raw, "MIME-Version") == [b"1.0"]
    assert raw_header(raw, "Date") == raw_header(raw, "Message-ID") == []


def test_a_transactional_letter_carries_no_list_headers() -> None:
    raw = build_mime(LETTER, replace(ENVELOPE, kind="transactional", journey="", unsubscribe_url=""))
    for name in ("List-Unsubscribe", "List-Unsubscribe-Post", "List-ID", "Auto-Submitted"):
        assert raw_header(raw, name) == []


def test_marketing_without_a_way_out_is_refused() -> None:
    with pytest.raises(Rejected) as error:
        build_mime(LETTER, replace(ENVELOPE, unsubscribe_url=""))
    assert error.value.code == "no-unsubscribe"


def test_the_same_message_has_the_same_bytes() -> None:
    assert build_mime(LETTER, ENVELOPE) == build_mime(LETTER, ENVELOPE)
    assert build_mime(LETTER, ENVELOPE) != build_mime(LETTER, replace(ENVELOPE, message_id="m_abd"))


@pytest.mark.parametrize(
    ("address", "written"),
    [
        ("hello@shop.example", b"hello@shop.example"),
        ("Shop & Sons <hello@shop.example>", b"Shop & Sons <hello@shop.example>"),
        ('"Shop, Inc." <hello@shop.example>', b'"Shop, Inc." <hello@shop.example>'),
        ("Café <hello@shop.example>", b"=?utf-8?b?Q2Fmw6k=?=\r\n <hello@shop.example>"),
    ],
)
def test_the_senders_name_is_written_as_headers_want_it(address: str, written: bytes) -> None:
    raw = build_mime(LETTER, replace(ENVELOPE, sender=Sender(address)))
    assert raw_header(raw, "From") == [written]
    parsed = email.parser.BytesParser(policy=email.policy.default).parsebytes(raw)
    assert parsed["From"].addresses[0].addr_spec == "hello@shop.example"


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ada",
        "ada@",
        "a b@example.com",
        "ada@example.com, bob@example.com",
        "ada@example.com\r\nBcc: bob@example.com",
        "ada@example.com\x00",
        "<ada@example.com>",
        "Ada <ada@example.com>",
        "адa@example.com",
        "ada@exa mple.com",
        "a" * 65 + "@x.example",
    ],
)
def test_a_recipient_that_is_not_one_bare_address_is_refused_and_not_quoted(address: str) -> None:
    with pytest.raises(Rejected) as error:
        build_mime(LETTER, replace(ENVELOPE, to=address))
    assert error.value.code == "bad-address"
    assert "example.com" not in error.value.detail


@pytest.mark.parametrize(
    "address",
    ["", "Shop", "Shop <hello@shop.example>\r\nBcc: x@y.example", "a@x.example, b@x.example", "S\x00 <a@x.example>"],
)
def test_a_sender_that_is_not_one_mailbox_is_refused(address: str) -> None:
    with pytest.raises(Rejected):
        build_mime(LETTER, replace(ENVELOPE, sender=Sender(address)))


@pytest.mark.parametrize(
    "broken",
    [
        replace(ENVELOPE, message_id="m\r\nBcc: x"),
        replace(ENVELOPE, unsubscribe_url="https://x.example/\r\nBcc: x"),
        replace(ENVELOPE, unsubscribe_url="https://x.example/> <b"),
        replace(ENVELOPE, unsubscribe_url="javascript:x"),
        replace(ENVELOPE, unsubscribe_url="mailto:unsub@shop.example"),
        replace(ENVELOPE, sender=replace(ENVELOPE.sender, list_id="a b")),
        replace(ENVELOPE, sender=replace(ENVELOPE.sender, reply_to="x\r\ny")),
    ],
)
def test_nothing_gets_into_a_header_that_does_not_belong_there(broken: Envelope) -> None:
    with pytest.raises(Rejected):
        build_mime(LETTER, broken)


def test_a_journey_with_an_odd_key_still_makes_a_feedback_id() -> None:
    raw = build_mime(LETTER, replace(ENVELOPE, journey="a:b\r\nc é"))
    assert raw_header(raw, "Feedback-ID") == [b"a-b--c--:marketing:shop.example:tailor"]


@pytest.mark.parametrize("subject", ["a\r\nBcc: x@y.example", "a\nb", "a\x00b", "a\u2028b"])
def test_a_subject_with_controls_is_refused(subject: str) -> None:
    with pytest.raises(Rejected):
        build_mime(replace(LETTER, subject=subject), ENVELOPE)


@given(
    st.text()
    | st.sampled_from(["=?utf-8?q?=0D=0ABcc:_x?=", "שלום " * 40, "👩‍👩‍👧" * 30, "x" * 400, "a=?b?=c", "é x " * 60])
)
def test_any_subject_arrives_whole_in_words_of_one_charset(subject: str) -> None:
    line = header_text(subject, limit=200)
    raw = build_mime(replace(LETTER, subject=line), ENVELOPE)
    head = raw.partition(b"\r\n\r\n")[0]
    (written,) = raw_header(raw, "Subject")
    assert written.isascii()
    assert len({charset.lower() for charset in re.findall(rb"=\?([\w-]+)\?[bq]\?", written)}) <= 1
    assert all(len(piece) <= 998 for piece in head.split(b"\r\n"))
    assert raw_header(raw, "Bcc") == []
    for read in both_parsers(raw):
        assert read["subject"].strip() == line


@given(
    text=st.text(),
    html=st.text() | st.sampled_from(["x" * 5000, ".\n..\n", "--=_x\n", "a \n\tb\t\n", "=\n=3D", "\r\r\n", "From x\n"]),
)
def test_any_body_arrives_whole_in_short_lines(text: str, html: str) -> None:
    sendable = re.compile("[\ud800-\udfff]")
    letter = replace(LETTER, text=sendable.sub("", text), html=sendable.sub("", html))
    raw = build_mime(letter, ENVELOPE)
    body = raw.partition(b"\r\n\r\n")[2]
    assert all(len(line) <= 76 for line in body.split(b"\r\n"))
    assert body.isascii()
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", raw)
    assert not re.search(rb"[ \t]\r\n", body)

    def lines(part: str) -> str:
        return part.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n")

    for read in both_parsers(raw):
        assert lines(read["text"]) == lines(letter.text)
        assert lines(read["html"]) == lines(letter.html)
