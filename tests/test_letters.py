"""``tailor compile`` and ``tailor preview`` over the sample programme, without a deployment."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from tailor.cli.main import main
from tailor.cli.sheet import cut

SHOP = Path(__file__).parents[1] / "events" / "programs" / "shop"
COME_BACK = SHOP / "templates" / "come-back.html"


def test_a_letter_in_another_language(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compile", str(COME_BACK), "--to", "liquid", "--out", str(tmp_path)]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "come-back.html.html",
        "come-back.preheader.txt",
        "come-back.subject.txt",
        "come-back.text.txt",
    ]
    assert "CTA_Link" in capsys.readouterr().out


def test_flags_are_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compile", str(COME_BACK), "--to", "mailchimp", "--json"]) == 0
    flags = json.loads(capsys.readouterr().out)["flags"]
    assert set(flags.values()) == {"interests contains 'outdoor'", "purchase_history contains 'running shoes'"}


def test_what_cannot_be_said_is_told_by_the_line_of_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(SHOP, tmp_path / "shop")
    letter = tmp_path / "shop" / "templates" / "welcome.html"
    letter.write_text(letter.read_text().replace("</body>", "{{ country|truncate(3) }}\n</body>"))
    line = letter.read_text().splitlines().index("{{ country|truncate(3) }}") + 1
    assert main(["compile", str(letter), "--to", "ampscript"]) == 1
    said = capsys.readouterr().err
    assert f"welcome.html:{line}: line {line}: ampscript cannot say this: there is no filter 'truncate'" in said


def test_a_sheet_without_pictures_shows_inboxes_findings_and_fallbacks(tmp_path: Path) -> None:
    assert main(["preview", str(SHOP), "--out", str(tmp_path), "--no-pictures"]) == 0
    page = (tmp_path / "index.html").read_text()
    assert page.count("<h2>") == 6 * len(list((SHOP / "templates").glob("*.html")))
    assert "{CTA_Link}{{7*7}} Bcc: x@y, Your Pers…" in page
    assert "fallbacks: last_purchase_category" in page
    assert "is not supported for 50% of readers: Gmail" in page
    assert "<script>" not in page


def test_pictures_are_taken_and_nothing_is_wider_than_its_window(tmp_path: Path) -> None:
    if shutil.which("chromium") is None:
        pytest.skip("Debian's chromium is not installed")
    people = tmp_path / "people.json"
    people.write_text(json.dumps({"Ada": {"first_name": "Ada " + "x" * 20, "interests": ["outdoor"]}}))
    assert main(["preview", str(COME_BACK), "--people", str(people), "--out", str(tmp_path / "out")]) == 0
    made = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert len([name for name in made if name.startswith("come-back-1-")]) == 6
    assert "sheet.png" in made


def test_a_missing_browser_is_told_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CHROMIUM", raising=False)
    assert main(["preview", str(COME_BACK), "--out", str(tmp_path)]) == 1
    assert "apt-get install chromium" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "playwright.sync_api", None)
    assert main(["preview", str(COME_BACK), "--out", str(tmp_path)]) == 1
    assert "pip install playwright" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("people", "said"), [("[]", "profiles by name"), ("{", "Expecting"), ('{"Ada": {"consent": 1}}', "/Ada/consent")]
)
def test_people_that_cannot_be_read_are_told(
    tmp_path: Path, people: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "people.json").write_text(people)
    arguments = ["preview", str(COME_BACK), "--people", str(tmp_path / "people.json"), "--no-pictures"]
    assert main([*arguments, "--out", str(tmp_path)]) == 1
    assert said in capsys.readouterr().err


def test_a_letter_that_is_not_there_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compile", str(SHOP / "templates" / "nope.html"), "--to", "liquid"]) == 1
    assert "there is no such letter" in capsys.readouterr().err


def test_a_line_is_cut_as_inboxes_cut_it() -> None:
    assert cut("Ada, your order", 38) == "Ada, your order"
    assert cut("Ada, your order", 10) == "Ada, your…"
