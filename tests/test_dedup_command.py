"""``tailor dedup``: a CSV in, clusters and reasons out, and errors that say how to mend them."""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import pytest

from tailor.cli.client import Client
from tailor.cli.dedup import add_parser

PEOPLE = """record_id,first_name,last_name,email,phone,country
a,Edith,Haverly,edith.haverly@gmail.com,07911 123456,GB
b,Edith,Haverly,EDITH.HAVERLY+news@gmail.com,,GB
c,Marek,Okafor,marek@brightmoor.net,,GB
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "people.csv").write_text(PEOPLE)
    return tmp_path


def _nobody(arguments: argparse.Namespace) -> Client:
    raise AssertionError("a file is deduplicated without any deployment")


def dedup(folder: Path, *more: str, file: str = "people.csv") -> int:
    parser = argparse.ArgumentParser()
    options = argparse.ArgumentParser(add_help=False)
    options.add_argument("--json", action="store_true")
    add_parser(parser.add_subparsers(), argparse.ArgumentParser(add_help=False), options, _nobody)
    arguments = parser.parse_args(["dedup", str(folder / file), "--out", str(folder / "clusters.csv"), *more])
    status: int = arguments.run(arguments)
    return status


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_record_gets_the_cluster_it_belongs_to(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dedup(folder) == 0
    assert rows(folder / "clusters.csv") == [
        {"record_id": "a", "cluster_id": "a"},
        {"record_id": "b", "cluster_id": "a"},
        {"record_id": "c", "cluster_id": "c"},
    ]
    assert "2 (1 records fewer)" in capsys.readouterr().out


def test_pairs_come_with_weights_and_reasons_field_by_field(folder: Path) -> None:
    assert dedup(folder, "--pairs", str(folder / "pairs.csv")) == 0
    (pair,) = rows(folder / "pairs.csv")
    assert (pair["record_id_1"], pair["record_id_2"], pair["band"]) == ("a", "b", "join")
    assert float(pair["probability"]) > 0.99
    assert pair["email"].startswith("same (+")
    assert pair["phone"] == ""


def test_other_columns_are_named_by_a_mapping(folder: Path) -> None:
    text = PEOPLE.replace("record_id,first_name", "Nr,Vorname")
    (folder / "theirs.csv").write_text(text, encoding="utf-8-sig")
    assert dedup(folder, "--map", "record_id=Nr", "--map", "first_name=Vorname", file="theirs.csv") == 0
    assert [row["cluster_id"] for row in rows(folder / "clusters.csv")] == ["a", "a", "c"]


@pytest.mark.parametrize(
    ("text", "arguments", "told"),
    [
        ("id,email\n1,a@b.net\n", (), "has no column 'record_id'"),
        ("record_id,colour\n1,red\n", (), "has nothing to compare"),
        ("record_id,email\n1,a@b.net\n1,c@d.net\n", (), "line 3: '1' comes a second time"),
        ("record_id,email\n,a@b.net\n", (), "line 2: there is no record_id"),
        ("record_id,email\n1,a@b.net,more\n", (), "line 2: more cells than the header"),
        ("", (), "is empty: its first line"),
        ('record_id,email\n1,"a\n2,b\n', (), "must end with one"),
        ("record_id,email,E-Mail\n1,a,b\n", (), "has 2 columns 'email'"),
        (PEOPLE, ("--map", "emial=email"), "did you mean 'email'?"),
        (PEOPLE, ("--map", "email=frist_name"), "did you mean 'first_name'?"),
        (PEOPLE, ("--map", "dob"), "write it as OURS=THEIRS"),
        (PEOPLE, ("--map", "birthday=born"), "'birthday' is not one of our columns"),
        (PEOPLE, ("--map", "dob=born"), "has no column 'born'"),
        (PEOPLE, ("--pairs", "/nowhere/at/all.csv"), "there is no folder /nowhere/at"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(
    folder: Path, capsys: pytest.CaptureFixture[str], text: str, arguments: tuple[str, ...], told: str
) -> None:
    (folder / "wrong.csv").write_text(text)
    assert dedup(folder, *arguments, file="wrong.csv") == 1
    error = capsys.readouterr().err
    assert told in error
    assert "@" not in error
    assert not (folder / "clusters.csv").exists()


def test_a_file_that_is_missing_or_not_text_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dedup(folder, file="nobody.csv") == 1
    assert "No such file" in capsys.readouterr().err
    (folder / "latin.csv").write_bytes("record_id,first_name\n1,José\n".encode("latin-1"))
    assert dedup(folder, file="latin.csv") == 1
    assert "is not UTF-8" in capsys.readouterr().err
    (folder / "wide.csv").write_bytes(PEOPLE.encode("utf-16"))
    assert dedup(folder, file="wide.csv") == 1
    assert "iconv -f UTF-16" in capsys.readouterr().err


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_cells_may_be_parted_otherwise_and_columns_spelled_otherwise(folder: Path, delimiter: str) -> None:
    header, *lines = PEOPLE.replace("record_id,first_name", "Record ID,First Name").splitlines()
    text = "\r\n".join([header.upper(), *lines]).replace(",", delimiter)
    (folder / "theirs.csv").write_bytes(text.encode("utf-8-sig"))
    assert dedup(folder, file="theirs.csv") == 0
    assert [row["cluster_id"] for row in rows(folder / "clusters.csv")] == ["a", "a", "c"]


def test_a_file_with_a_header_alone_has_no_people(folder: Path) -> None:
    (folder / "none.csv").write_text(PEOPLE.splitlines()[0] + "\n")
    assert dedup(folder, file="none.csv") == 0
    assert rows(folder / "clusters.csv") == []
