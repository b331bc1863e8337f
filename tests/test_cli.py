"""The command line against the real API over HTTP: what it prints, what it sends, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import botocore.session
import pytest

from gateway import ADMIN, served
from shop import SHOP
from tailor.cli.client import Client
from tailor.cli.main import main
from tailor.cli.programme import Unreadable, read
from tailor.edges import runtime
from tailor.kernel.program import Program
from world import World

MAIN = """name = "shop"

[sender]
from = "Trail & Co <hello@shop.example>"
postal_address = "1 High Street, Springfield"

[topics.deals]
title = "Deals"

[segments.viewers]
title = "Looked at something"
rule = {did = "Product Viewed"}

[segments."tent lovers"]
rule = {attribute = "interests", contains = "tents"}

[journeys.welcome]
trigger = {event = "Signed Up"}
steps = [{send = "hello"}]

[templates.hello]
topic = "deals"

[[templates.hello.cta]]
text = "Look"
link = "https://shop.example/new"
"""
HELLO = """Subject: Hello {first_name}
Preheader: Good to see you

<html><body>
<p>{CTA_Text}</p>
<a href="{CTA_Link}">{CTA_Text}</a>
<p>{postal_address} <a href="{unsubscribe_url}">Unsubscribe</a></p>
</body></html>
"""
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    (tmp_path / "templates").mkdir()
    (tmp_path / "program.toml").write_text(MAIN)
    (tmp_path / "templates" / "hello.html").write_text(HELLO)
    return tmp_path


@pytest.fixture(name="tailor")
def _tailor(shop: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Runs the command as its users do; answers (status, output, errors)."""
    ssm = botocore.session.get_session().create_client("ssm", region_name="eu-west-1")
    monkeypatch.setattr(runtime, "client", lambda service: ssm if service == "ssm" else shop.client(service))
    monkeypatch.setenv("TZ", "UTC")

    def run(*argv: str) -> tuple[int, str, str]:
        try:
            status = main(argv)
        except SystemExit as stop:
            status = int(str(stop.code))
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    with served() as url:
        monkeypatch.setenv("TAILOR_URL", url)
        monkeypatch.setenv("TAILOR_TOKEN", ADMIN)
        yield run


def joins(shop: World, **traits: Any) -> None:
    ada = (("user_id", "u-ada"), ("email", "ada@example.com"))
    shop.arrive(shop.event("Identify", *ada, kind="identify", traits=traits, consent=(("marketing", "granted"),)))
    shop.arrive(shop.event("Product Viewed", *ada, properties={"name": "Tent"}))
    shop.pump()


# ---- the folder


def test_a_folder_reads_as_the_document_it_stands_for(folder: Path) -> None:
    (folder / "templates" / "hello.txt").write_text("Hello {first_name}\n")
    hello = read(folder)["templates"]["hello"]
    assert hello == {
        "topic": "deals",
        "cta": [{"text": "Look", "link": "https://shop.example/new"}],
        "subject": "Hello {first_name}",
        "preheader": "Good to see you",
        "html": HELLO.partition("\n\n")[2],
        "text": "Hello {first_name}\n",
    }
    assert Program.of([read(folder)]).templates["hello"].topic == "deals"


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("program.toml", "name = ", "program.toml:"),
        ("program.toml", "name = 'x'\nsince = 2026-01-01\n", "put dates and times into quotes"),
        ("program.toml", MAIN + "\n[templates.lost]\n", "lost.html is missing"),
        ("program.toml", MAIN.replace('topic = "deals"', 'subject = "x"'), "'subject' of the template 'hello' belongs"),
        ("templates/hello.html", "<html>\n", "hello.html:1: begin with 'Subject: ...'"),
        ("templates/hello.html", "Subject: x\n", "comes an empty line"),
        ("templates/hello.html", "Preheader: x\n\n<p>", "hello.html:2: the head has no 'Subject: ...'"),
        ("templates/other.txt", "x", "there is no letter other.html"),
    ],
)
def test_a_malformed_file_is_named(folder: Path, file: str, text: str, said: str) -> None:
    (folder / file).write_text(text)
    with pytest.raises(Unreadable) as refused:
        read(folder)
    assert said in str(refused.value)


# ---- push


def test_push_shows_what_changes_publishes_it_and_is_then_done(tailor: Run, shop: World, folder: Path) -> None:
    status, out, _ = tailor("push", str(folder), "--yes")
    assert status == 0
    assert "+ segments/viewers" in out
    assert "- segments/buyers" in out
    assert "published shop as version" in out
    assert shop.store.definition("programme", "shop") == read(folder)
    status, out, _ = tailor("push", str(folder), "--yes")
    assert status == 0
    # The functions run in this process too, and their log may be among it.
    (said,) = [line for line in out.splitlines() if not line.startswith("{")]
    assert "in force as it is" in said


def test_push_shows_only_the_lines_that_changed(tailor: Run, folder: Path) -> None:
    tailor("push", str(folder), "--yes")
    letter = folder / "templates" / "hello.html"
    letter.write_text(HELLO.replace("<p>{CTA_Text}</p>", "<p>New</p>"))
    status, out, _ = tailor("push", str(folder), "--dry-run")
    assert status == 0
    lines = [line.strip() for line in out.splitlines()]
    assert lines[0] == "~ templates/hello"
    assert [line for line in lines[1:] if line[:1] in "+-"] == ["-  <p>{CTA_Text}</p>", "+  <p>New</p>"]
    warned = [line for line in lines if line.startswith("warning: ")]
    assert warned
    assert all("hello.html:" in line for line in warned)


def test_a_dry_run_changes_nothing(tailor: Run, shop: World, folder: Path) -> None:
    before = shop.store.definitions("programme")
    assert tailor("push", str(folder), "--dry-run")[0] == 0
    assert shop.store.definitions("programme") == before


def test_every_fault_is_told_with_the_file_and_the_line(tailor: Run, shop: World, folder: Path) -> None:
    broken = MAIN.replace('did = "Product Viewed"', 'dit = "Product Viewed"').replace('contains = "tents"', 'has = "x"')
    (folder / "program.toml").write_text(broken)
    (folder / "templates" / "hello.html").write_text(HELLO.replace("<p>{CTA_Text}", "<p>{shoe_size}"))
    before = shop.store.definitions("programme")
    status, _, err = tailor("push", str(folder), "--yes")
    assert status == 1
    where = [line.partition(": ")[0] for line in err.splitlines()]
    assert where == [
        f"{folder}/program.toml:10",
        f"{folder}/program.toml:14",
        f"{folder}/templates/hello.html:5",
        "tailor",
    ]
    assert "shoe_size" in err
    assert "3 faults; nothing was published" in err
    assert shop.store.definitions("programme") == before


def test_a_fault_in_the_head_or_the_text_of_a_letter_is_told_there(tailor: Run, folder: Path) -> None:
    (folder / "templates" / "hello.html").write_text(HELLO.replace("Good to see you", "{% if %}"))
    (folder / "templates" / "hello.txt").write_text("one\ntwo {shoe_size}\n")
    assert f"{folder}/templates/hello.html:2:" in tailor("push", str(folder))[2]
    (folder / "templates" / "hello.html").write_text(HELLO)
    assert f"{folder}/templates/hello.txt:2:" in tailor("push", str(folder))[2]


def test_a_folder_is_checked_without_a_deployment(tailor: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TAILOR_URL")
    status, out, _ = tailor("push", str(folder), "--dry-run")
    assert status == 0
    assert "right by itself" in out
    assert tailor("push", str(folder))[0] == 2


def test_a_programme_that_builds_on_another_is_checked_beside_it(tailor: Run, tmp_path: Path) -> None:
    document = 'name = "more"\n[journeys.again]\ntrigger = {segment_entered = "buyers"}\nsteps = [{send = "receipt"}]\n'
    (tmp_path / "program.toml").write_text(document)
    assert tailor("push", str(tmp_path), "--yes")[0] == 0


# ---- people


def test_a_person_is_shown_with_what_happened(tailor: Run, shop: World) -> None:
    joins(shop, first_name="Ada", shoe_size=42)
    status, out, _ = tailor("person", "ada@example.com")
    assert status == 0
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "email ada@example.com" in lines
    assert "first_name Ada" in lines
    assert "undeclared shoe_size" in lines
    assert any(line.startswith("marketing granted 2026-11-24T") for line in lines)
    assert any(line.startswith("complete ") and line.endswith("%") for line in lines)
    assert any(line.startswith("missing ") for line in lines)
    assert any("event Product Viewed name=Tent" in line for line in lines)
    assert tailor("person", "user_id:u-ada") == (0, out, "")


def test_json_is_the_whole_answer(tailor: Run, shop: World) -> None:
    joins(shop, first_name="Ada")
    person = json.loads(tailor("person", "ada@example.com", "--json")[1])
    assert person["attributes"]["first_name"] == "Ada"
    assert {entry["kind"] for entry in person["timeline"]} == {"event", "consent"}
    assert json.loads(tailor("why", person["id"], "come-back", "--json")[1])["answer"] is False


def test_why_is_told_in_a_sentence_with_when_time_would_change_it(tailor: Run, shop: World) -> None:
    joins(shop)
    status, out, _ = tailor("why", "ada@example.com", "come-back")
    assert status == 0
    assert out.startswith("No: They are not in the segment 'viewed-not-bought'")
    assert "Time alone could change it: 2026-11-26T" in out


def test_a_letter_is_rendered_for_a_person_also_from_a_file(tailor: Run, shop: World, folder: Path) -> None:
    joins(shop, first_name="Ada")
    status, out, _ = tailor("render", "come-back", "--email", "ada@example.com")
    assert status == 0
    assert "Ada, Your Personalized Deal Awaits!" in out
    assert "<" not in out.partition("\n\n")[2]
    letter = folder / "templates" / "hello.html"
    letter.write_text("Subject: Hi {first_name}\n\n<p>Hello</p>\n")
    assert tailor("render", str(letter), "--email", "ada@example.com", "--html")[1].strip() == "<p>Hello</p>"


def test_somebody_unknown_is_a_refusal(tailor: Run) -> None:
    assert tailor("person", "bob@example.com") == (1, "", "tailor: nobody has this email\n")


# ---- keys, events, quarantine


def test_keys_are_made_listed_and_revoked(tailor: Run, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("shh\n")
    made = [
        json.loads(tailor("keys", "create", *arguments, "--json")[1])
        for arguments in (
            ("ci", "--scopes", "read,write"),
            ("site", "--source", "segment"),
            ("store", "--source", "shopify", "--secret-file", str(tmp_path / "secret")),
        )
    ]
    assert [bool(one["token"]) for one in made] == [True, False, False]
    assert runtime.secret_of_key(made[2]["id"]) == (b"shh",)
    status, out, _ = tailor("keys", "list")
    assert status == 0
    heading, *rows = [line.split() for line in out.splitlines()]
    assert heading == ["ID", "NAME", "FOR", "CREATED"]
    assert {row[0]: row[1:-1] for row in rows} == {
        made[0]["id"]: ["ci", "read", "write"],
        made[1]["id"]: ["site", "segment"],
        made[2]["id"]: ["store", "shopify"],
    }
    assert tailor("keys", "revoke", made[0]["id"])[0] == 0
    assert made[0]["id"] not in tailor("keys", "list")[1]
    assert tailor("keys", "revoke", made[0]["id"])[0] == 1


def call(number: int, **parts: Any) -> dict[str, Any]:
    return {"type": "track", "event": "Signed Up", "userId": f"u-{number}", "messageId": f"m-{number}", **parts}


@pytest.mark.parametrize("form", ["array", "lines", "batch", "one"])
def test_events_are_sent_from_a_file_of_any_form(tailor: Run, shop: World, tmp_path: Path, form: str) -> None:
    key = json.loads(tailor("keys", "create", "site", "--source", "segment", "--json")[1])["key"]
    calls = [call(number) for number in range(1 if form == "one" else 450)]
    file = tmp_path / "events.json"
    file.write_text(
        {
            "array": json.dumps(calls),
            "lines": "\n".join(json.dumps(one) for one in calls) + "\n",
            "batch": json.dumps({"batch": calls}),
            "one": json.dumps(calls[0]),
        }[form]
    )
    status, out, err = tailor("events", str(file), "--key", key)
    assert (status, err) == (0, "")
    assert out.startswith(f"{len(calls)} sent")
    queued = [event["id"] for body in shop.queues["ingest"] for event in json.loads(body)["events"]]
    assert sorted(queued) == sorted(one["messageId"] for one in calls)


def test_a_recorded_request_is_sent_again_with_our_own_key(tailor: Run, shop: World, tmp_path: Path) -> None:
    key = json.loads(tailor("keys", "create", "site", "--source", "segment", "--json")[1])["key"]
    sample = {
        "rawPath": "/v1/track",
        "headers": {"Authorization": "Basic b2xk", "Content-Type": "application/json"},
        "body": json.dumps(call(1)),
        "isBase64Encoded": False,
    }
    file = tmp_path / "sample.json"
    file.write_text(json.dumps(sample))
    assert tailor("events", str(file), "--key", key)[0] == 0
    assert json.loads(shop.queues["ingest"][0])["events"][0]["id"] == "m-1"
    file.write_text(json.dumps({**sample, "rawPath": "/sources/shopify/recorded"}))
    status, _, err = tailor("events", str(file), "--key", key)
    assert status == 1
    assert "no key of a shopify source" in err


@pytest.mark.parametrize("text", ["", "[]", "[1]", '{"a": 1}\n{', "\xff"])
def test_a_file_without_events_is_named(tailor: Run, tmp_path: Path, text: str) -> None:
    file = tmp_path / "events.json"
    file.write_bytes(text.encode("latin-1"))
    status, _, err = tailor("events", str(file), "--key", "wk_x")
    assert status == 1
    assert str(file) in err


def test_the_quarantine_is_listed_and_replayed(tailor: Run, shop: World, tmp_path: Path) -> None:
    key = json.loads(tailor("keys", "create", "site", "--source", "segment", "--json")[1])["key"]
    (tmp_path / "bad.json").write_text(json.dumps(call(1, event="")))
    tailor("events", str(tmp_path / "bad.json"), "--key", key)
    status, out, _ = tailor("quarantine", "list", "--day", "2026-11-24")
    assert status == 0
    id, source, *_ = out.splitlines()[1].split()
    assert source == "segment"
    assert tailor("quarantine", "replay", id)[0] == 1
    (tmp_path / "mended.json").write_text(json.dumps(call(1)))
    assert tailor("quarantine", "replay", id, "--raw", str(tmp_path / "mended.json"))[:2] == (0, "1 queued\n")
    assert len(tailor("quarantine", "list")[1].splitlines()) == 1


# ---- how it ends


def test_a_wrong_token_is_told_apart_from_a_missing_scope(tailor: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert tailor("keys", "list", "--token", "tk_wrong")[::2] == (
        1,
        "tailor: the token is not valid: set TAILOR_TOKEN, or give --token\n",
    )
    reader = json.loads(tailor("keys", "create", "r", "--scopes", "read", "--json")[1])["token"]
    status, _, err = tailor("keys", "list", "--token", reader)
    assert status == 1
    assert "not permitted" in err
    assert "'admin'" in err


def test_a_server_that_does_not_answer_is_named(tailor: Run) -> None:
    status, _, err = tailor("keys", "list", "--url", "http://127.0.0.1:9")
    assert status == 1
    assert err.startswith("tailor: http://127.0.0.1:9 does not answer")


@pytest.mark.parametrize("url", ["shop.example", "file:///etc/passwd", ""])
def test_a_url_that_is_none_is_refused(tailor: Run, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.delenv("TAILOR_URL")
    assert tailor("keys", "list", "--url", url)[0] in (1, 2)


@pytest.mark.parametrize(
    "argv",
    [
        (),
        ("nothing",),
        ("keys",),
        ("keys", "create", "x"),
        ("push",),
        ("keys", "create", "x", "--scopes", "a", "--source", "b"),
    ],
)
def test_a_command_wrongly_called_ends_with_2(tailor: Run, argv: tuple[str, ...]) -> None:
    assert tailor(*argv)[0] == 2


def test_without_a_deployment_or_a_token_the_variable_to_set_is_named(
    tailor: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("TAILOR_TOKEN", "TAILOR_URL"):
        monkeypatch.delenv(variable)
        status, _, err = tailor("keys", "list")
        assert status == 2
        assert variable in err


def test_no_address_ever_stands_in_a_url(tailor: Run, shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    joins(shop)
    asked: list[str] = []
    call = Client.call

    def noted(self: Client, method: str, path: str, body: bytes | None, headers: Any) -> Any:
        asked.append(path)
        return call(self, method, path, body, headers)

    monkeypatch.setattr(Client, "call", noted)
    tailor("person", "ada@example.com")
    tailor("why", "ada@example.com", "come-back")
    tailor("render", "come-back", "--email", "ada@example.com")
    assert len(asked) == 6
    assert not [path for path in asked if "ada" in path or "example" in path]


def test_partials_and_a_letter_in_a_folder_are_read_and_told_of_by_their_files(tailor: Run, folder: Path) -> None:
    (folder / "partials").mkdir()
    (folder / "partials" / "footer.html").write_text("<p>Bye</p>\n<p>{{ frist_name }}</p>\n")
    letter = folder / "templates" / "again"
    letter.mkdir()
    (letter / "letter.html").write_text("<html><body>{% include 'footer' %}</body></html>")
    (letter / "letter.txt").write_text("Bye\n{{ ctiy }}")
    (letter / "template.toml").write_text('kind = "transactional"\nsubject = "Again"\n')
    status, _, told = tailor("push", str(folder), "--dry-run")
    assert status == 1
    assert f"{folder / 'partials' / 'footer.html'}:2: line 2" in told
    (folder / "partials" / "footer.html").write_text("<p>Bye</p>")
    assert f"{letter / 'letter.txt'}:2: line 2" in tailor("push", str(folder), "--dry-run")[2]
    (letter / "letter.txt").write_text("Bye")
    assert tailor("push", str(folder), "--yes")[0] == 0
    (letter / "template.toml").write_text('kind = "transactional"\nsubject = "Again"\ntopic = "nowhere"\n')
    assert f"{letter / 'template.toml'}:3: " in tailor("push", str(folder), "--dry-run")[2]
    (folder / "templates" / "again.mjml").write_text("Subject: Hi\n\n<mjml></mjml>")
    with pytest.raises(Unreadable, match="keep one of them"):
        read(folder)


def test_a_value_without_a_fallback_stops_the_rehearsal_and_not_the_publication(
    tailor: Run, folder: Path, tmp_path: Path
) -> None:
    letter = folder / "templates" / "hello.html"
    letter.write_text(letter.read_text().replace("<body>", "<body><p>{last_name}</p>", 1))
    assert "{last_name}" in letter.read_text()
    (folder / "people.json").write_text('{"Ada": {"last_name": "Byron", "consent": {"marketing": "granted"}}}')
    sheet = ("preview", str(folder), "--no-pictures", "--out", str(tmp_path / "sheet"))
    for command in (("push", str(folder), "--check"), ("journey", "check", str(folder)), sheet):
        status, _, told = tailor(*command)
        assert status == 1
        assert "'last_name' has no fallback" in told
    status, out, _ = tailor("push", str(folder), "--yes")
    assert status == 0
    assert "'last_name' has no fallback" in out
    letter.write_text(letter.read_text().replace("{last_name}", "{last_name|friend}"))
    for command in (("push", str(folder), "--check"), ("journey", "check", str(folder)), sheet):
        assert tailor(*command)[0] == 0


# ---- rights


def test_rights_are_asked_answered_and_listed(shop: World, tailor: Run, tmp_path: Path) -> None:
    shop.publish({**SHOP, "attributes": {"city": {}}})
    who = ("email", "ada@example.com")
    shop.arrive(shop.event("Identify", who, kind="identify", traits={"city": "Bern"}))
    shop.pump()
    shop.now += 1_000
    assert tailor("rights", "list")[1] == "Nothing is waiting for an answer.\n"
    status, said, _ = tailor("rights", "ask", "access", who[1])
    assert (status, "access is to be answered by 2026-12-24" in said) == (0, True)
    id = said.partition(":")[0]
    assert tailor("rights", "extend", id, "--why", "the archive moves")[0] == 0
    listed = tailor("rights", "list")[1]
    assert "(put off)" in listed
    assert "ada@example.com" not in listed
    status, said, _ = tailor("rights", "ask", "rectification", who[1], "--set", "city=Basel", "--now")
    assert (status, said.partition(": ")[2]) == (0, "done; corrected: city\n")
    for file in ("data.json", "data.html"):
        assert tailor("rights", "export", who[1], str(tmp_path / file))[0] == 0
        assert "Basel" in (tmp_path / file).read_text()
    assert tailor("rights", "refuse", id, "--why", "nobody could show to be her")[0] == 0
    assert "nobody could show to be her" in tailor("rights", "list", "--closed")[1]
    status, _, error = tailor("rights", "erase", who[1])
    assert (status, "--sure" in error) == (1, True)
    status, said, _ = tailor("rights", "erase", who[1], "--sure")
    assert (status, "swept" in said) == (0, True)
    person = said.partition(":")[0]
    assert "a hash stays" in tailor("rights", "erase", person)[1]


def test_a_correction_without_a_value_is_refused_before_it_is_sent(tailor: Run) -> None:
    status, _, error = tailor("rights", "carry-out", "q_1", "--set", "city")
    assert (status, "NAME=VALUE" in error) == (1, True)


def test_what_is_kept_how_long_is_shown(shop: World, tailor: Run) -> None:
    joins(shop, city="Bern")
    status, said, _ = tailor("retention")
    assert (status, "395 days" in said, "0 overdue among 1 people looked at" in said) == (0, True, True)
