"""``tailor import``: what it shows of a file with no deployment, and what it does with one."""

from __future__ import annotations

import gzip
import json
import shutil
import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from gateway import ADMIN, served
from tailor.cli.main import main
from tailor.edges import runtime
from tailor.edges.folder import Folder
from tailor.flows import load
from world import World

SAMPLES = Path(__file__).resolve().parents[1] / "events" / "imports"
PEOPLE = str(SAMPLES / "people.csv")
MAPPED = [PEOPLE, "--mapping", str(SAMPLES / "people.toml")]


def tailor(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = main(["import", *arguments])
    said = capsys.readouterr()
    return status, said.out, said.err


def looked(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    status, out, err = tailor(capsys, *arguments, "--dry-run", "--json")
    assert out, err
    return status, json.loads(out)


def test_a_dry_run_shows_the_mapping_the_first_events_and_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = tailor(capsys, *MAPPED, "--dry-run")
    assert status == 0
    assert "columns parted by ';', utf-8, with a header" in out
    assert "E-Mail           →  identifier email" in out
    assert "consent marketing:deals  granted" in out
    assert "5 rows: 6 events, 2 rows refused" in out
    assert "1 row  /E-Mail" in out


def test_a_dry_run_as_json_has_canonical_events_and_pointers(capsys: pytest.CaptureFixture[str]) -> None:
    status, look = looked(capsys, *MAPPED)
    assert (status, look["rows"], look["events"], look["refused"]) == (0, 5, 6, 2)
    assert look["first"][0]["identifiers"] == [["user_id", "1001"], ["email", "ada@example.com"]]
    assert [(one["pointer"], one["first_row"]) for one in look["problems"]] == [("/E-Mail", 4), ("/Newsletter seit", 5)]


def test_without_a_mapping_one_is_guessed_and_the_basis_is_demanded(capsys: pytest.CaptureFixture[str]) -> None:
    status, look = looked(capsys, PEOPLE)
    assert status == 1
    assert look["guessed"]
    assert look["mapping"]["identifiers"] == {"email": "E-Mail", "user_id": "Customer No"}
    assert "on what basis" in look["missing"]
    assert looked(capsys, PEOPLE, "--basis", "none")[0] == 0


def test_it_imports_nothing_without_a_basis(capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = tailor(capsys, PEOPLE, "--yes", "--url", "http://127.0.0.1:9", "--token", "x")
    assert status == 1
    assert "on what basis" in err


@pytest.mark.parametrize("sample", ["people", "people-ndjson", "till"])
def test_every_sample_can_be_imported(capsys: pytest.CaptureFixture[str], sample: str) -> None:
    data = {"people-ndjson": "people.ndjson"}.get(sample, f"{sample}.csv")
    status, look = looked(capsys, str(SAMPLES / data), "--mapping", str(SAMPLES / f"{sample}.toml"))
    assert (status, look["events"] > 0) == (0, True)


def test_the_mapping_that_is_saved_gives_the_same_events(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    saved = tmp_path / "mapping.toml"
    _, guessed = looked(capsys, str(SAMPLES / "people.ndjson"), "--basis", "none", "--save", str(saved))
    assert tomllib.loads(saved.read_text()) == guessed["mapping"]
    assert guessed["mapping"]["identifiers"] == {"email": "/contact/emails/0"}
    _, again = looked(capsys, str(SAMPLES / "people.ndjson"), "--mapping", str(saved))
    assert [event["identifiers"] for event in again["first"]] == [event["identifiers"] for event in guessed["first"]]


def test_the_format_is_told_by_the_content(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    packed = tmp_path / "whatever"
    packed.write_bytes(gzip.compress(Path(PEOPLE).read_bytes()))
    assert looked(capsys, str(packed), *MAPPED[1:])[1]["rows"] == 5
    export = tmp_path / "export"
    export.write_text('{"event_name": "page_view", "event_timestamp": "1795500000000000", "user_pseudo_id": "1.2"}\n')
    _, look = looked(capsys, str(export), "--basis", "none")
    assert (look["format"], look["first"][0]["name"]) == ("ga4", "Page Viewed")


def test_only_the_first_rows_are_looked_at_if_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert looked(capsys, *MAPPED, "--rows", "2")[1]["rows"] == 2


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([str(SAMPLES / "none.csv")], "there is no such file"),
        ([PEOPLE, "--mapping", str(SAMPLES / "till.toml"), "--dry-run"], "the file has no column"),
        ([PEOPLE, "--mapping", PEOPLE, "--dry-run"], "people.csv:"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(capsys: pytest.CaptureFixture[str], arguments: list[str], told: str) -> None:
    status, out, err = tailor(capsys, *arguments)
    assert (status, out) == (1, "")
    assert told in err
    assert err.count("\n") == 1


class Served(Folder):
    """A folder whose files can be put and fetched over HTTP, as those of a bucket by a signed link."""

    url = ""

    def upload_url(self, key: str, *, size: int) -> str:
        return f"{self.url}/{key}"

    def download_url(self, key: str) -> str:
        return f"{self.url}/{key}"


@pytest.fixture(name="bucket")
def _bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    root = tmp_path / "bucket"
    shelf = Served(root)

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            shelf.put(self.path[1:], self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.end_headers()

        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write((root / self.path[1:]).read_bytes())

        def log_message(self, format: str, *arguments: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    shelf.url = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setattr(runtime, "imports", lambda: shelf)
    yield root
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_file_is_uploaded_imported_and_what_was_refused_comes_back(
    shop: World,
    bucket: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = tmp_path / "people.csv"
    shutil.copy(PEOPLE, file)
    # The functions work while the command waits.
    monkeypatch.setattr("tailor.cli.importing.time.sleep", lambda _: shop.load())
    with served() as url:
        there = ["--url", url, "--token", ADMIN]
        status, out, err = tailor(capsys, str(file), *MAPPED[1:], *there)
        assert (status, err.strip().splitlines()[-1]) == (0, f"refused rows, with the reasons: {file}.rejected.csv")
        assert "5 rows: 6 events, 2 rows refused" in out or "2 refused" in out
        assert "no e-mail address" in Path(f"{file}.rejected.csv").read_text()
        status, _, err = tailor(capsys, str(file), *MAPPED[1:], *there)
        assert status == 0
        assert "this file was imported" in err
        assert main(["imports", "list", "--json", *there]) == 0
        # The functions' logs come by the same way, a line each.
        said = [line for line in capsys.readouterr().out.splitlines() if not line.startswith('{"level"')]
        [job] = json.loads("\n".join(said))
        assert main(["imports", "show", job["id"], *there]) == 0
        assert "finished" in capsys.readouterr().out
        assert main(["feed", "put", "loyalty", str(SAMPLES / "people.toml"), *there]) == 0
        assert main(["feed", "list", *there]) == 0
        assert "loyalty" in capsys.readouterr().out
    shop.pump()
    assert shop.person("email", "ada@example.com")


def test_an_import_is_cancelled_by_its_command(
    shop: World, bucket: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "people.csv"
    shutil.copy(PEOPLE, file)
    with served() as url:
        there = ["--url", url, "--token", ADMIN]
        status, _, _ = tailor(capsys, str(file), *MAPPED[1:], "--no-wait", *there)
        assert status == 0
        [job] = load.imports(shop.store)
        assert main(["imports", "cancel", job.id, *there]) == 0
        assert "cancelled by admin" in capsys.readouterr().out
        shop.load()
        status, _, err = tailor(capsys, str(file), *MAPPED[1:], *there)
        assert status == 1
        assert "this file was cancelled" in err
    assert shop.person("email", "ada@example.com") is None
    assert not (bucket / job.key).exists()
