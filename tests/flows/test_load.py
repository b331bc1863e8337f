"""Loading files: killed anywhere, gone on with by others, and every row counted once."""

from __future__ import annotations

import csv
import gzip
import io
import json
import tarfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import md5
from pathlib import Path
from random import Random
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from tailor.edges.folder import Folder
from tailor.flows import load as loading
from tailor.flows.load import DONE, LEASE, UNPACKING, Desk, Import, find, imports, load, propose, sweep
from tailor.kernel.errors import Rejected, Stale
from tailor.kernel.event import Event
from tailor.kernel.instants import DAY, parse_instant
from world import Gate, Killed

BEGUN = parse_instant("2026-11-24T06:00:00Z")
PEOPLE = {
    "name": "loyalty",
    "identifiers": {"email": "email"},
    "traits": {"first_name": "name", "shoe": {"column": "shoe", "type": "number"}},
    "consent": {"basis": "none"},
}


@dataclass
class Memory:
    """The ledger's jobs and a queue, in memory; each call passes a gate at which the worker can be killed."""

    gate: Gate = field(default_factory=Gate)
    kept: dict[tuple[str, str], tuple[int, str]] = field(default_factory=dict)
    sent: list[Event] = field(default_factory=list)

    def job(self, name: str, kind: str = "job") -> tuple[int, dict[str, Any]] | None:
        row = self.kept.get((kind, name))
        return self.gate.pass_through(lambda: row and (row[0], json.loads(row[1])))  # type: ignore[no-any-return]

    def jobs(self, kind: str = "job") -> dict[str, tuple[int, dict[str, Any]]]:
        return {name: (v, json.loads(text)) for (of, name), (v, text) in self.kept.items() if of == kind}

    def keep_job(
        self, name: str, document: Mapping[str, Any], *, was: int, kind: str = "job", until: int | None = None
    ) -> None:
        def keep() -> None:
            if self.kept.get((kind, name), (0, ""))[0] != was:
                raise Stale(name)
            self.kept[kind, name] = (was + 1, json.dumps(document))

        self.gate.pass_through(keep)

    def drop(self, keys: Iterable[tuple[str, str]]) -> None:
        for pk, sk in keys:
            self.gate.pass_through(lambda pk=pk, sk=sk: self.kept.pop((pk.removeprefix("K#"), sk), None))  # type: ignore[misc]

    def put(self, bodies: Iterable[dict[str, Any]]) -> None:
        for body in bodies:
            self.gate.pass_through(lambda body=body: self.sent.extend(map(Event.from_json, body["events"])))  # type: ignore[misc]


class Shelf(Folder):
    """A folder whose writes pass the gate too."""

    def __init__(self, root: Path, gate: Gate) -> None:
        super().__init__(root)
        self.gate = gate

    def write(self, key: str, blocks: Iterable[bytes]) -> None:
        self.gate.pass_through(lambda: super(Shelf, self).write(key, blocks))

    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            self.gate.pass_through(lambda key=key: super(Shelf, self).delete([key]))  # type: ignore[misc]


@dataclass
class Place:
    """Everything an import stands in: its desk, and a clock moved by hand."""

    memory: Memory
    shelf: Shelf
    now: int = BEGUN

    @property
    def desk(self) -> Desk:
        return Desk(self.memory, self.shelf, self.memory)

    def propose(
        self, body: bytes, mapping: Any = PEOPLE, *, name: str = "people.csv", as_of: int | None = None
    ) -> Import:
        told_by = md5(body).hexdigest()
        made = propose(
            name, lambda id: f"uploads/{id}", mapping, self.desk, told_by=told_by, size=len(body), by="k_1",
            as_of=as_of, now=self.now,
        )  # fmt: skip
        Folder.write(self.shelf, made.key, [body])
        return made

    def load(self, id: str, enough: Callable[[], bool] = lambda: False) -> Import | None:
        return load(id, self.desk, clock=lambda: self.now, enough=enough)

    def finish(self, id: str) -> Import:
        done = self.load(id)
        assert done
        return done

    def rejected(self, job: Import) -> str:
        return b"".join(self.shelf.blocks(job.rejected_key)).decode()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    memory = Memory()
    return Place(memory, Shelf(tmp_path, memory.gate))


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "CHUNK_ROWS", 3)


def people(count: int, *, wrong: Callable[[int], bool] = lambda _: False) -> bytes:
    lines = ["email,name,shoe"]
    lines += [f"p{n}@x.example,N{n},{'large' if wrong(n) else 40 + n % 5}" for n in range(count)]
    return ("\n".join(lines) + "\n").encode()


def test_a_file_is_imported_and_refused_rows_lie_beside_it_with_reasons(place: Place) -> None:
    job = place.propose(people(5, wrong=lambda n: n == 2))
    done = place.finish(job.id)
    assert done.state == "finished"
    assert done.counts == {"rows": 5, "events": 4, "refused": 1}
    assert done.problems == {"bad-number /shoe": 1}
    assert [event.traits["first_name"] for event in place.memory.sent] == ["N0", "N1", "N3", "N4"]
    assert place.rejected(done) == (
        "email,name,shoe,_reason,_pointer,_row\n"
        "p2@x.example,N2,large,shoe: 'large' is no number with '.' before its decimals,/shoe,3\n"
    )


def test_the_file_of_refused_rows_mended_is_a_file_to_import(place: Place) -> None:
    done = place.finish(place.propose(people(5, wrong=lambda n: n == 2)).id)
    mended = place.rejected(done).replace(",large,", ",42,").encode()
    again = place.finish(place.propose(mended, name="mended.csv").id)
    assert again.counts == {"rows": 1, "events": 1}
    assert place.memory.sent[-1].traits == {"email": "p2@x.example", "first_name": "N2", "shoe": 42}


def test_what_is_suspicious_is_kept_put_right_and_told(place: Place) -> None:
    mapping = {**PEOPLE, "traits": {"country": "land"}, "identifiers": {"email": "email", "phone": "tel"}}
    done = place.finish(place.propose(b"email,land,tel\nada@gmial.com,Schweiz,079 555 01 23\n", mapping).id)
    [event] = place.memory.sent
    assert event.traits["country"] == "CH"
    assert "email:typo" in str(done.notes)
    assert done.counts == {"rows": 1, "events": 1}


def test_a_file_is_not_imported_twice_unless_it_is_said_as_of_when(place: Place) -> None:
    first = place.propose(people(3))
    place.finish(first.id)
    place.now += DAY
    assert place.propose(people(3)).state == "finished"
    assert len(imports(place.memory)) == 1
    other = place.propose(people(3), as_of=place.now)
    assert other.id != first.id
    place.finish(other.id)
    assert len({event.mark for event in place.memory.sent}) == 6


@pytest.mark.usefixtures("small_chunks")
def test_killed_after_any_call_it_is_gone_on_with_and_nothing_counts_twice(tmp_path: Path) -> None:
    def run(kill_at: int | None, folder: Path) -> tuple[Memory, Import, str]:
        memory = Memory()
        place = Place(memory, Shelf(folder, memory.gate))
        job = place.propose(people(10, wrong=lambda n: n in (1, 8)))
        memory.gate.calls, memory.gate.kill_at = 0, kill_at
        try:
            place.load(job.id)
        except Killed:
            place.now += UNPACKING + LEASE
            for id in sweep(place.desk, now=place.now):
                place.load(id)
        calls = memory.gate.calls
        memory.gate.kill_at = None
        done = find(job.id, memory)
        assert done
        memory.gate.calls = calls
        return memory, done, place.rejected(done)

    calm, expected, rejected = run(None, tmp_path / "calm")
    assert calm.gate.calls > 15
    for kill_at in range(1, calm.gate.calls + 1):
        memory, done, beside = run(kill_at, tmp_path / str(kill_at))
        assert memory.gate.killed
        assert (done.counts, done.problems, done.state) == (expected.counts, expected.problems, "finished"), kill_at
        assert beside == rejected, kill_at
        assert {e.mark: e.to_json() for e in memory.sent} == {e.mark: e.to_json() for e in calm.sent}, kill_at
        assert not memory.jobs("import")
        assert not list(Folder(tmp_path / str(kill_at)).keys("parts/"))


@pytest.mark.usefixtures("small_chunks")
def test_a_worker_whose_lease_ran_out_while_it_slept_changes_nothing_any_more(place: Place) -> None:
    job = place.propose(people(12))
    took_over = False

    def meanwhile() -> bool:
        nonlocal took_over
        if not took_over:
            took_over = True
            place.now += LEASE + 1
            place.finish(job.id)
        return False

    assert place.load(job.id, enough=meanwhile) is None
    done = find(job.id, place.memory)
    assert done
    assert done.counts["rows"] == 12
    assert Counter(event.mark for event in place.memory.sent).keys() == {e.mark for e in place.memory.sent}


@pytest.mark.usefixtures("small_chunks")
def test_a_worker_that_runs_out_of_time_leaves_the_rest_to_the_next(place: Place) -> None:
    job = place.propose(people(10))
    stretches = 0
    while (now := place.load(job.id, enough=lambda: True)) and not now.finished:
        stretches += 1
        assert now.state == "running"
        assert now.to_json()["progress"] == pytest.approx(min(1.0, stretches * 0.3), abs=0.06)
    assert stretches == 4
    assert [event.context["row"] for event in place.memory.sent] == list(range(1, 11))


def test_only_one_worker_has_an_import(place: Place) -> None:
    job = place.propose(people(4))
    place.load(job.id, enough=lambda: place.load(job.id) is not None)
    assert len(place.memory.sent) == 4


@pytest.mark.parametrize(
    ("body", "mapping", "code"),
    [
        (b"mail,name\na@x.example,A\n", PEOPLE, "no-column"),
        (b"", PEOPLE, "no-data"),
        ("email,name,shoe\n".encode("utf-16"), PEOPLE, "bad-encoding"),
        (b"email,name,shoe\n", {**PEOPLE, "format": "parquet"}, "bad-parquet"),
        (b"PAR1 and no more", {**PEOPLE, "format": "parquet"}, "bad-parquet"),
        (gzip.compress(people(5000), mtime=0)[:-900], PEOPLE, "bad-gzip"),
        (people(2), {**PEOPLE, "csv": {"delimeter": ";"}}, "bad-definition"),
    ],
)
def test_what_cannot_go_on_fails_and_says_why(place: Place, body: bytes, mapping: Any, code: str) -> None:
    done = place.finish(place.propose(body, mapping).id)
    assert done.state == "failed"
    assert done.problem
    assert done.problem["type"].endswith(code)


def test_a_file_that_kills_every_worker_is_given_up_and_one_that_goes_on_is_not(place: Place) -> None:
    def die() -> int:
        place.memory.gate.calls, place.memory.gate.kill_at = 0, 3
        runs = 0
        while place.memory.jobs("import"):
            place.now += UNPACKING + LEASE
            runs += 1
            try:
                place.load(job.id)
            except Killed:
                place.memory.gate.calls = 0
        return runs

    job = place.propose(people(4))
    # The last of them die while they put it to its end.
    assert loading.DEATHS < die() <= 2 * loading.DEATHS
    place.memory.gate.kill_at = None
    done = find(job.id, place.memory)
    assert done
    assert done.problem
    assert (done.state, done.problem["title"]) == ("failed", "Given up")


def test_a_wrong_mapping_is_refused_before_anything_is_kept(place: Place) -> None:
    with pytest.raises(Rejected, match="on what basis"):
        place.propose(people(1), {"identifiers": {"email": "email"}})
    assert not imports(place.memory)


def test_an_import_whose_file_never_comes_is_ended(place: Place) -> None:
    job = propose("a.csv", lambda id: f"uploads/{id}", PEOPLE, place.desk, told_by="x", size=1, by="", as_of=None, now=BEGUN)  # fmt: skip  # noqa: E501
    assert sweep(place.desk, now=BEGUN + DAY // 2) == []
    assert sweep(place.desk, now=BEGUN + 2 * DAY) == []
    ended = find(job.id, place.memory)
    assert ended
    assert (ended.state, ended.problem and ended.problem["title"]) == ("failed", "No file")
    assert place.memory.jobs(DONE).keys() == {job.id}


ROWS = [{"email": f"p{n}@x.example", "name": f"N{n}", "shoe": 40 + n % 5} for n in range(20)]


def as_parquet(rows: list[dict[str, Any]], **how: Any) -> bytes:
    sink = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(rows), sink, **how)
    return sink.getvalue()


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize(
    ("format", "body"),
    [
        ("csv", people(20)),
        ("csv", gzip.compress(people(20), mtime=0)),
        ("csv", gzip.compress(people(20)[:100], mtime=0) + gzip.compress(people(20)[100:], mtime=0)),
        ("ndjson", "".join(json.dumps(row) + "\n" for row in ROWS).encode()),
        ("ndjson", gzip.compress("\n".join(map(json.dumps, ROWS)).encode(), mtime=0)),
        ("parquet", as_parquet(ROWS, row_group_size=7)),
    ],
)
def test_every_format_gives_the_same_events_with_and_without_stops(place: Place, format: str, body: bytes) -> None:
    job = place.propose(body, {**PEOPLE, "format": format})
    chaos = Random(7)
    while (now := place.load(job.id, enough=lambda: chaos.random() < 0.6)) and not now.finished:
        pass
    assert [(e.context["row"], e.traits["first_name"], e.traits["shoe"]) for e in place.memory.sent] == [
        (n + 1, f"N{n}", 40 + n % 5) for n in range(20)
    ]


GA4 = {"format": "ga4", "name": "site", "consent": {"basis": "none"}}


def hits() -> list[dict[str, Any]]:
    at = BEGUN * 1000
    return [
        {
            "event_name": "purchase",
            "event_timestamp": str(at),
            "user_pseudo_id": "1.2",
            "user_id": "u1",
            "ecommerce": {"transaction_id": "T1", "purchase_revenue": 12.5},
            "event_params": [{"key": "currency", "value": {"string_value": "EUR", "int_value": None}}],
        },
        {"event_name": "page_view", "event_timestamp": str(at), "user_pseudo_id": None, "user_id": None},
    ]


@pytest.mark.parametrize("parquet_file", [False, True])
def test_an_export_of_ga4_is_read_as_its_source_reads_it(place: Place, parquet_file: bool) -> None:
    body = as_parquet(hits()) if parquet_file else "\n".join(map(json.dumps, hits())).encode()
    done = place.finish(place.propose(body, GA4, name="events_20261124").id)
    [order] = place.memory.sent
    assert (order.id, order.name, order.properties["total"]) == ("order:T1", "Order Completed", "12.5")
    assert order.context["quiet"], "an export of months must not start journeys"
    assert (order.context["import"], order.context["row"]) == (done.id, 1)
    assert done.problems == {"no-identity /0": 1}
    assert json.loads(place.rejected(done))["_row"] == 2


COLUMNS = ["hitid_high", "hitid_low", "exclude_hit", "hit_time_gmt", "visid_high", "visid_low", "pagename"]
FEED = {"format": "adobe", "name": "site", "consent": {"basis": "none"}}


def feed(shelf: Folder, *, broken: str = "", single: bool = False) -> str:
    """A delivery as Adobe writes it; its manifest's key."""
    lines = [
        [str(n), "1", "1" if n == 3 else "0", str(BEGUN // 1000), "5", str(n), f"A\\\nbig\\\tpage {n}"]
        for n in range(6)
    ]
    tsv = "".join("\t".join(line) + "\n" for line in lines).encode("latin-1")
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        inside = [("browser.tsv", b"1\tx\n"), ("column_headers.tsv", "\t".join(COLUMNS).encode() + b"\n")]
        for name, content in [*inside, *([("hit_data.tsv", tsv)] if single else [])]:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    lookup, data = archive.getvalue(), archive.getvalue() if single else gzip.compress(tsv)
    name = "rsid_2026-11-24.tar.gz" if single else "01-rsid_2026-11-24.tsv.gz"
    shelf.write(f"drop/site/{name}", [data + (b"x" if broken == "size" else b"")])
    text = f"Datafeed-Manifest-Version: 1.0\n Lookup-Files: {int(not single)}\n Data-Files: 1\n Total-Records: {7 if broken == 'count' else 6}\n\n"  # noqa: E501
    if not single:
        shelf.write("drop/site/lookup_data.tar.gz", [lookup])
        text += (
            f" Lookup-File: lookup_data.tar.gz\n MD5-Digest: {md5(lookup).hexdigest()}\n File-Size: {len(lookup)}\n\n"
        )
    digest = "0" * 32 if broken == "md5" else md5(data).hexdigest()
    records = 7 if broken == "count" else 6
    text += f" Data-File: {name}\n MD5-Digest: {digest}\n File-Size: {len(data)}\n Record-Count: {records}\n"
    shelf.write("drop/site/rsid_2026-11-24.txt", [text.encode()])
    return "drop/site/rsid_2026-11-24.txt"


def deliver(place: Place, key: str) -> Import:
    made = propose("rsid.txt", lambda _: key, FEED, place.desk, told_by=key, size=1, by="", as_of=None, now=BEGUN)
    return place.finish(made.id)


@pytest.mark.parametrize("single", [False, True])
def test_a_data_feed_is_checked_by_its_manifest_and_read_as_its_source_reads_it(place: Place, single: bool) -> None:
    done = deliver(place, feed(place.shelf, single=single))
    assert (done.state, done.problem) == ("finished", None)
    assert done.counts == {"rows": 6, "events": 5}
    assert done.notes == {"hit: excluded by Adobe": 1}
    assert place.memory.sent[0].properties["title"] == "A\nbig\tpage 0"
    assert place.memory.sent[0].id == "hit:0:1"


@pytest.mark.parametrize("broken", ["size", "md5", "count"])
def test_a_data_feed_that_is_not_whole_is_not_begun(place: Place, broken: str) -> None:
    done = deliver(place, feed(place.shelf, broken=broken))
    assert (done.state, place.memory.sent) == ("failed", [])
    assert done.problem
    assert done.problem["title"] == "Not whole"


def test_a_file_of_semicolons_and_other_letters_keeps_its_way_of_writing_in_what_it_refuses(place: Place) -> None:
    body = "email;name;shoe\na@x.example;Zoë;groß\n".encode("cp1252")
    done = place.finish(place.propose(body).id)
    [row] = csv.DictReader(io.StringIO(place.rejected(done)), delimiter=";")
    assert (row["name"], row["shoe"], row["_pointer"]) == ("Zoë", "groß", "/shoe")


def test_memory_does_not_grow_with_the_file(place: Place) -> None:
    class Endless(Folder):
        """A file of two gigabytes that is nowhere."""

        def blocks(self, key: str, *, start: int = 0, etag: str = "") -> Iterator[bytes]:
            line = b"a@x.example,A,42\n" * 60_000
            for _ in range(2_000):
                yield line

    import tracemalloc

    rows = loading.Opened("k", "", 0, "table", columns=("email", "name", "shoe")).rows(
        Endless(Path()), offset=0, number=0
    )
    chunks = loading.chunks(rows)
    next(chunks)
    tracemalloc.start()
    for _ in range(3):
        next(chunks)
    settled, _ = tracemalloc.get_traced_memory()
    for _ in range(12):
        next(chunks)
    later, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert later < settled + 2_000_000
