"""``tailor source``, run as a user runs it: a process with a body on standard input."""

from __future__ import annotations

import csv
import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from contracts.samples import ROOT, SECRET, expected, samples, secret_of
from tailor.sources import SOURCES

NOW = "2026-11-24T09:00:00Z"


def run(*arguments: str | Path, body: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "tailor.cli.main", "source", *(str(one) for one in arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "layers" / "core")}
    return subprocess.run(command, input=body, env=environment, capture_output=True, check=False, timeout=60)


def events(done: subprocess.CompletedProcess[bytes]) -> list[Any]:
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("name", ["stripe", "hubspot", "salesforce", "mailchimp", "segment"])
def test_a_sample_of_the_door_gives_the_same_here(name: str, tmp_path: Path) -> None:
    sample = next(one for one in samples(name) if expected(one)["events"] and "signed" not in one.stem)
    event = json.loads(sample.read_text())
    headers = tmp_path / "headers.json"
    headers.write_text(json.dumps(event["headers"]))
    how = ["--headers", headers, "--path", event["rawPath"], "--now", NOW, "--json"]
    how += ["--query", urlencode(event.get("queryStringParameters", {}))]
    proof = ["--secret", secret_of(name).decode()] if SOURCES[name].signed else []
    done = run(name, *how, *proof, body=event["body"].encode())
    assert events(done) == expected(sample)["events"]
    assert done.returncode == 0
    if proof:
        forged = run(name, *how, "--secret", "another", body=event["body"].encode())
        assert (forged.returncode, forged.stdout) == (2, b"")
        assert forged.stderr


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_the_event_of_a_function_is_read_as_the_function_reads_it(name: str) -> None:
    for sample in samples(name)[:1]:
        proof = ["--secret", secret_of(name).decode()] if SOURCES[name].signed else []
        done = run(name, *proof, "--json", body=sample.read_bytes())
        assert events(done) == expected(sample)["events"], (sample.name, done.stderr)


@pytest.mark.parametrize(
    "body", [b'{"requestContext": {}}', b'{"Records": [7], "eventSource": ""}', b'{"requestContext": []}']
)
def test_what_only_looks_like_an_event_is_refused(body: bytes) -> None:
    done = run("webhook", "--no-verify", body=body)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"cannot be read as one" in done.stderr
    assert b"Traceback" not in done.stderr


def test_headers_may_be_lines_or_lists(tmp_path: Path) -> None:
    headers = tmp_path / "headers"
    lines = f"Content-Type: application/json\nX-Tailor-Secret: {SECRET.decode()}\n\n"
    body = b'{"event": "A", "user_id": "u", "timestamp": "2026-11-24T08:00:00Z"}'
    traced = "> POST /hook HTTP/1.1\n" + "".join(f"> {line}\n" for line in lines.splitlines())
    marked = "\ufeff" + lines.replace("\n", "\r\n")
    for written in (lines, traced, marked, json.dumps({"X-Tailor-Secret": [SECRET.decode()]})):
        headers.write_text(written)
        done = run("webhook", "--headers", headers, "--secret", SECRET.decode(), "--now", NOW, body=body)
        assert [event["name"] for event in events(done)] == ["A"]


def test_without_secret_nothing_is_read_unless_one_says_so() -> None:
    body = b'{"id": "evt_1", "type": "customer.created", "data": {"object": {"object": "customer", "id": "cus_1"}}}'
    asked = run("stripe", body=body)
    assert (asked.returncode, asked.stdout) == (2, b"")
    assert b"--secret" in asked.stderr
    assert len(events(run("stripe", "--no-verify", body=body))) == 1


@pytest.mark.parametrize(
    ("arguments", "body", "reason"),
    [
        (["strip"], b"{}", b"did you mean 'stripe'"),
        (["stripe", "--no-verify"], b"{", b"not JSON"),
        (["stripe", "--no-verify", "--now", "today"], b"{}", b"'today' is not an ISO 8601 time"),
        (["stripe", "--no-verify", "--headers", "/nowhere/at-all"], b"{}", b"No such file"),
        (["stripe", "--no-verify"], b'{"type": "customer.created"}', b"'id'"),
        (["adobe", "--file", "/nowhere/hit_data.tsv"], b"", b"column_headers.tsv is missing"),
        (["stripe", "--no-verify"], b" " * (4 * 1024 * 1024 + 1), b"more than 4194304 bytes"),
    ],
)
def test_what_cannot_be_read_ends_with_2_and_the_reason(arguments: list[str], body: bytes, reason: bytes) -> None:
    done = run(*arguments, body=body)
    assert (done.returncode, done.stdout) == (2, b"")
    assert reason in done.stderr
    assert b"Traceback" not in done.stderr


def test_what_is_ignored_is_said_and_is_no_failure() -> None:
    done = run("stripe", "--no-verify", body=b'{"id": "evt_1", "type": "price.created"}')
    assert (done.returncode, done.stdout) == (0, b"")
    assert b"price.created: it is about the catalogue, and no customer" in done.stderr


def test_a_trial_of_the_door_needs_no_secret() -> None:
    done = run("woocommerce", body=b"webhook_id=7")
    assert done.returncode == 0
    assert b"tried the door" in done.stderr


def test_an_export_of_ga4_is_read_line_by_line(tmp_path: Path) -> None:
    row = {"event_timestamp": "1795510740123456", "event_name": "page_view", "user_pseudo_id": "1.2"}
    lines = [
        json.dumps(row),
        "",
        "{",
        json.dumps(row | {"user_pseudo_id": None}),
        json.dumps(row | {"event_name": "x"}),
    ]
    content = "\n".join(lines).encode()
    for name, packed in (("rows.ndjson", content), ("rows.ndjson.gz", gzip.compress(content))):
        path = tmp_path / name
        path.write_bytes(packed)
        done = run("ga4", "--file", path, "--now", NOW)
        assert [event["name"] for event in events(done)] == ["Page Viewed", "x"]
        assert done.returncode == 0
        assert b"line 3: refused" in done.stderr
        assert b"line 4: refused: nobody is named" in done.stderr


def test_a_feed_of_adobe_is_read_by_the_names_beside_it(tmp_path: Path) -> None:
    names = ["hitid_high", "hitid_low", "exclude_hit", "hit_time_gmt", "post_visid_high", "post_visid_low"]
    names += ["post_pagename", "post_event_list"]
    (tmp_path / "column_headers.tsv").write_text("\t".join(names) + "\n")
    rows = [
        [
            "2948027281753079808",
            "4948646782672799561",
            "0",
            "1795510700",
            "1944017885723175213",
            "7",
            "Größe\\\tXL",
            "",
        ],
        ["1", "2", "1", "1795510700", "1", "7", "x", ""],
        ["1", "3", "0", "1795510701", "1", "7", "two\\\nlines", "1"],
    ]
    (tmp_path / "hit_data.tsv").write_bytes("".join("\t".join(row) + "\n" for row in rows).encode("iso-8859-1"))
    done = run("adobe", "--file", tmp_path / "hit_data.tsv", "--now", NOW)
    first, second = events(done)
    assert first["id"] == "hit:2948027281753079808:4948646782672799561"
    assert first["properties"]["title"] == "Größe\tXL"
    assert second["name"] == "Order Completed"
    assert second["properties"]["title"] == "two\nlines"
    assert b"row 2: ignored: hit: excluded by Adobe" in done.stderr


def test_a_row_with_another_number_of_columns_is_refused(tmp_path: Path) -> None:
    (tmp_path / "column_headers.tsv").write_text("a\tb\n")
    (tmp_path / "hit_data.tsv").write_text("1\t2\t3\n")
    done = run("adobe", "--file", tmp_path / "hit_data.tsv")
    assert done.returncode == 2
    assert b"row 1 has 3 columns" in done.stderr


@pytest.mark.parametrize(("suffix", "delimiter"), [("tsv", "\t"), ("csv", ",")])
def test_a_table_may_begin_with_its_names(tmp_path: Path, suffix: str, delimiter: str) -> None:
    path = tmp_path / f"export.{suffix}"
    parameters = json.dumps([{"key": "page_location", "value": {"string_value": "https://shop.example/ö"}}])
    rows = [["event_timestamp", "event_name", "user_pseudo_id", "event_params"]]
    rows += [["1795510740123456", "page_view", "9007199254740993.2", parameters]]
    with path.open("w", newline="") as stream:
        csv.writer(stream, delimiter=delimiter).writerows(rows)
    [event] = events(run("ga4", "--file", path, "--now", NOW))
    assert event["properties"]["url"] == "https://shop.example/ö"
    assert event["identifiers"] == [["ga_client_id", "9007199254740993.2"]]


def test_a_table_whose_columns_nobody_names_is_refused(tmp_path: Path) -> None:
    (tmp_path / "hit_data.tsv").write_text("1\t2\n")
    done = run("adobe", "--file", tmp_path / "hit_data.tsv")
    assert done.returncode == 2
    assert b"names no columns" in done.stderr
