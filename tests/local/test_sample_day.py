"""The sample day: the same people every time, a programme that holds, and a comparison that notices."""

from __future__ import annotations

import json
import signal
import socket
from collections import Counter
from collections.abc import Iterator
from email.message import EmailMessage
from email.policy import SMTP
from html import escape
from typing import Any

import pytest

import run
import sample_day
from postbox import Message
from sample_day import Expected
from tailor.cli.programme import read
from tailor.kernel.event import Event
from tailor.kernel.inbound import Inbound
from tailor.kernel.instants import iso
from tailor.kernel.program import Program
from tailor.rules.compiled import Compiled
from tailor.rules.pressing import finished
from tailor.rules.templates import compile_template
from tailor.sources import SOURCES
from world import World

PEOPLE = sample_day.people()
WANTED = sample_day.expected(PEOPLE)
FLIP = 1_000


def message(to: str, wanted: Expected, *, at: int = FLIP, subject: str = "") -> Message:
    mail = EmailMessage(policy=SMTP)
    mail["To"] = to
    mail["List-Unsubscribe"] = "<http://shop.example/u/1>"
    mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    mail["Subject"] = subject or wanted.subject
    words = "".join(f"<p>{escape(text)}</p>" for text in wanted.shows)
    html = f'<p>{escape(wanted.preheader)}</p>{words}<a href="{wanted.link}">{escape(wanted.cta)}</a>'
    mail.set_content(html, subtype="html")
    return Message(f"ses-{to}", at, (to,), mail.as_bytes(), {}, "")


@pytest.fixture
def letters() -> list[Message]:
    """Exactly what is expected."""
    return [message(to, wanted) for to, wanted in WANTED.items()]


@pytest.fixture
def signals() -> Iterator[None]:
    kept = {sign: signal.getsignal(sign) for sign in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for sign, handler in kept.items():
        signal.signal(sign, handler)


def test_the_same_300_people_every_time() -> None:
    assert sample_day.people() == PEOPLE
    assert len({one.email for one in PEOPLE}) == 300
    assert Counter(one.group for one in PEOPLE) == {group: group.size for group in sample_day.GROUPS}


def test_the_day_covers_every_block_and_call_to_action() -> None:
    come_back = [wanted for wanted in WANTED.values() if wanted.template == sample_day.COME_BACK]
    for block in ("Out you go", "Your next pair"):
        assert {block in wanted.shows for wanted in come_back} == {True, False}
    assert {wanted.link.rpartition("/")[2].partition("?")[0] for wanted in come_back} == {
        *("", "outdoor", "running", "sustainable", "seen")
    }
    assert any(wanted.subject.startswith("there, ") for wanted in come_back)


def test_the_programme_compiles() -> None:
    program = Program.of([finished(read(run.PROGRAMME))])
    assert set(Compiled(program).segments.keys) == set(program.segments)
    for template in program.templates.values():
        compile_template(template, program)
    assert {wanted.template for wanted in WANTED.values()} == set(program.templates) - {program.own_data}


def test_what_is_expected_is_no_difference(letters: list[Message]) -> None:
    assert sample_day.compare(PEOPLE, letters, FLIP) == []


def test_every_difference_is_found(letters: list[Message]) -> None:
    buyer = next(one for one in PEOPLE if one.group.name == "buyer").email
    ripening = next(one for one in PEOPLE if one.group.name == "ripening").email
    ada, second = letters[0], letters[1]
    letters[1] = message(second.to[0], WANTED[second.to[0]], subject="Another")
    early = message(ripening, WANTED[ripening], at=FLIP - 7)
    kept = [early if letter.to == (ripening,) else letter for letter in letters[1:]]
    found = sample_day.compare(PEOPLE, [*kept, letters[2], message(buyer, WANTED[ada.to[0]])], FLIP)
    for difference in ("7 ms too early", "nobody expects", "a second letter", "no letter", "subject 'Another'"):
        assert sum(difference in line for line in found) == 1
    assert len(found) == 5


@pytest.mark.usefixtures("signals")
def test_a_taken_port_ends_the_run_with_2_and_a_way_out(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert run.main(["--once", "--mailbox-port", str(port), "--api-port", "0"]) == 2
    said = capsys.readouterr().err
    assert f"port {port} is in use" in said
    assert "TAILOR_MAILBOX_PORT" in said


def test_who_comes_twice_is_joined_at_night_and_nobody_else(shop: World) -> None:
    for one in PEOPLE[::5]:
        known = {name: value for name, value in (("email", one.email), ("firstName", one.first_name)) if value}
        shop.arrive(*identified(shop, known, userId=one.user_id))
    for one in sample_day.doubles(PEOPLE):
        shop.arrive(*identified(shop, {"email": one.email, **sample_day._home(one)}, userId=one.user_id))
        again = {"email": sample_day.mistyped(one), **sample_day._home(one)}
        shop.arrive(*identified(shop, again, anonymousId=f"newsletter-{one.number}"))
    shop.pump(batch=100)
    before = len(shop.everybody())
    counts = shop.night()["counts"]
    assert counts["joined"] == sample_day.DOUBLES
    assert counts.get("refused", 0) == 0
    assert len(shop.everybody()) == before - sample_day.DOUBLES
    for one in sample_day.doubles(PEOPLE):
        assert shop.person("email", one.email) == shop.person("email", sample_day.mistyped(one))


def identified(shop: World, traits: dict[str, Any], **who: str) -> list[Event]:
    """What Segment's source makes of a call to identify."""
    call = {"type": "identify", "messageId": f"{who}{sorted(traits)}", "traits": traits, **who}
    body = json.dumps({**call, "timestamp": iso(shop.now)}).encode()
    request = Inbound("POST", "/v1/identify", {"content-type": "application/json"}, body)
    return list(SOURCES["segment"].to_events(request, now=shop.now).events)
