"""A million rows of CSV through the real import, by workers in processes of their own, three of which are killed.

The ledger and the queue are files, so that they survive a worker as DynamoDB and SQS do, and cost next to nothing: what
is measured is the import itself. Afterwards every row must be there once in effect: as an event with the id that its
row gives it, or in the file of refused rows. The naive import reads the file whole and sends a message a row.
"""

from __future__ import annotations

import csv
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from typing import Any

ROWS = 1_000_000
SMALL = 20
"""What part of the rows the memory of a small import is measured with."""
WRONG = 997
"""Each row of this number has an address that is none."""
KILLS = 3
BEGUN = 1_795_500_000_000
MAPPING: dict[str, Any] = {
    "name": "crm",
    "at": "updated",
    "identifiers": {"user_id": "customer", "email": "email"},
    "traits": {
        "first_name": "first name",
        "city": "city",
        "interests": {"column": "likes", "type": "list", "split": ";"},
        "shoe_size": {"column": "shoe size", "type": "number"},
    },
    "consent": {
        "basis": "consent",
        "column": "newsletter",
        "at": "newsletter since",
        "evidence": "Form of 2024-03, confirmed by mail",
    },
}
HEADER = ("customer", "email", "first name", "city", "likes", "shoe size", "newsletter", "newsletter since", "updated")


def write_file(path: Path, rows: int) -> None:
    """A customer file; every fourth customer wants no newsletter, and was never asked."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADER)
        for n in range(1, rows + 1):
            address = f"customer {n}" if n % WRONG == 0 else f"customer.{n}@example.com"
            choice = ("", "") if n % 4 == 0 else ("yes", f"2025-0{n % 9 + 1}-17")
            stamp = f"2026-10-{n % 28 + 1:02d}T09:15:00Z"
            writer.writerow((n, address, f"Name {n % 700}", "Zürich, West", "tents;maps", 36 + n % 12, *choice, stamp))


def refused(rows: int) -> int:
    """How many rows of the file are wrong."""
    return rows // WRONG


def events(rows: int) -> int:
    """How many events the others are: one each, and one for each yes."""
    wrong_and_asked = sum(n % 4 != 0 for n in range(WRONG, rows + 1, WRONG))
    return (rows - refused(rows)) + (rows - rows // 4 - wrong_and_asked)


class Files:
    """The ledger's jobs and the queue, in a folder: what is written is there, whenever the worker dies."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._sent = os.open(root / "sent", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def job(self, name: str, kind: str = "job") -> tuple[int, dict[str, Any]] | None:
        path = self._root / f"{kind}-{name}"
        if not path.exists():
            return None
        version, document = json.loads(path.read_text())
        return version, document

    def jobs(self, kind: str = "job") -> dict[str, tuple[int, dict[str, Any]]]:
        names = [path.name.removeprefix(f"{kind}-") for path in self._root.glob(f"{kind}-*")]
        return {name: row for name in names if (row := self.job(name, kind))}

    def keep_job(
        self, name: str, document: Mapping[str, Any], *, was: int, kind: str = "job", until: int | None = None
    ) -> None:
        from tailor.kernel.errors import Stale

        if (self.job(name, kind) or (0,))[0] != was:
            raise Stale(name)
        beside = self._root / "beside"
        beside.write_text(json.dumps([was + 1, document]))
        beside.replace(self._root / f"{kind}-{name}")

    def drop(self, keys: Iterable[tuple[str, str]]) -> None:
        for pk, sk in keys:
            (self._root / f"{pk.removeprefix('K#')}-{sk}").unlink(missing_ok=True)

    def put(self, bodies: Iterable[dict[str, Any]]) -> None:
        """Each message is made as for SQS; of its events the ids are kept."""
        for body in bodies:
            json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
            os.write(self._sent, "".join(f"{event['id']}\n" for event in body["events"]).encode())


def work(root: Path, ahead: int) -> None:
    """One worker, whose clock is ``ahead``: it goes on where the one before was killed."""
    from tailor.edges.folder import Folder
    from tailor.flows.load import Desk, load, sweep

    files = Files(root)
    desk = Desk(files, Folder(root), files)

    def clock() -> int:
        return BEGUN + ahead + time.monotonic_ns() // 1_000_000

    for id in sweep(desk, now=clock()):
        load(id, desk, clock=clock)


def propose(root: Path, rows: int) -> str:
    """Enter the import of a file of ``rows``; answers its id."""
    from tailor.edges.folder import Folder
    from tailor.flows.load import Desk, propose

    write_file(root / "people.csv", rows)
    files = Files(root)
    desk = Desk(files, Folder(root), files)
    return propose(
        "people.csv",
        lambda _: "people.csv",
        MAPPING,
        desk,
        told_by=str(rows),
        size=(root / "people.csv").stat().st_size,
        by="bench",
        as_of=None,
        now=BEGUN,
    ).id


@dataclass
class Ran:
    """What an import took: CPU and time in s, the most memory of any worker in MB; how it ended, and what it left."""

    cpu: float
    seconds: float
    peak_mb: float
    killed: int
    job: dict[str, Any]
    ids: int
    refused: int


def load(root: Path, rows: int, kills: int) -> Ran:
    """Import a file of ``rows`` with ``kills`` workers killed on the way."""
    id = propose(root, rows)
    files = Files(root)
    cpu, peak, killed, begun = 0.0, 0.0, 0, time.monotonic()
    while files.job(id, "import"):
        worker = Popen([sys.executable, str(Path(__file__).resolve()), str(root), str(killed * 20 * 60_000)])
        if killed < kills:
            _wait_for(files, id, rows * (killed + 1) // (kills + 1), worker)
            worker.send_signal(signal.SIGKILL)
        _, status, usage = os.wait4(worker.pid, 0)
        worker.returncode = os.waitstatus_to_exitcode(status)
        killed += worker.returncode == -signal.SIGKILL
        if worker.returncode not in (0, -signal.SIGKILL):
            raise RuntimeError(f"a worker failed with status {worker.returncode}")
        cpu += usage.ru_utime + usage.ru_stime
        peak = max(peak, usage.ru_maxrss / 1024)
    found = files.job(id, "imported")
    assert found
    return Ran(cpu, time.monotonic() - begun, peak, killed, found[1], len(set(_ids(root))), _refused(root))


def _wait_for(files: Files, id: str, rows: int, worker: Popen[bytes]) -> None:
    """Until so many rows are behind the worker, or it is at its end."""
    while worker.poll() is None:
        found = files.job(id, "import")
        if found is None or found[1]["counts"].get("rows", 0) >= rows:
            return
        time.sleep(0.002)


def _ids(root: Path) -> Iterator[bytes]:
    with (root / "sent").open("rb") as file:
        yield from file


def _refused(root: Path) -> int:
    found = list((root / "rejected").rglob("*.csv"))
    if not found:
        return 0
    with found[0].open(newline="") as file:
        numbers = [row["_row"] for row in csv.DictReader(file)]
    assert len(numbers) == len(set(numbers)), "a refused row is told twice"
    return len(numbers)


def check(ran: Ran, rows: int) -> None:
    """Raises where a row is missing, or counted twice."""
    wanted = {"rows": rows, "events": events(rows), "refused": refused(rows)}
    told = {"counts": ran.job["counts"], "ids": ran.ids, "beside": ran.refused}
    if told != {"counts": wanted, "ids": events(rows), "beside": refused(rows)}:
        raise RuntimeError(f"{told} is not {wanted}")


def naive(path: Path) -> int:
    """The whole file in memory, a message for each row; answers the rows."""
    sink = os.open(os.devnull, os.O_WRONLY)
    with path.open(newline="") as file:
        found = list(csv.DictReader(file))
    for row in found:
        if "@" in row["email"]:
            traits = {"first_name": row["first name"], "city": row["city"], "likes": row["likes"].split(";")}
            event = {"userId": row["customer"], "email": row["email"], "at": row["updated"], "traits": traits}
            os.write(sink, json.dumps(event).encode())
    os.close(sink)
    return len(found)


def run(rows: int = ROWS) -> dict[str, float]:
    """Import, killed three times; then a small one for its memory, and the naive import."""
    with tempfile.TemporaryDirectory() as folder:
        large, small = Path(folder) / "large", Path(folder) / "small"
        large.mkdir()
        small.mkdir()
        ran = load(large, rows, KILLS)
        check(ran, rows)
        less = load(small, rows // SMALL, 0)
        check(less, rows // SMALL)
        # The import has deleted its file.
        write_file(small / "again.csv", rows // SMALL)
        begun = time.process_time()
        simple = naive(small / "again.csv") / (time.process_time() - begun)
    rate = rows / ran.cpu
    print(
        f"{rows:,} rows in {ran.seconds:.0f} s, {ran.killed} workers killed: {rows / ran.seconds:,.0f} rows/s, "
        f"{rate:,.0f} rows per s of CPU; {ran.job['counts']}, each once; at most {ran.peak_mb:.0f} MB"
    )
    return {
        "import_rows_per_s": rate,
        "import_rows_lost_or_doubled": 0.0,
        "import_peak_mb": ran.peak_mb,
        "import_peak_ratio_to_small": ran.peak_mb / less.peak_mb,
        "import_ratio_to_naive": rate / simple,
    }


if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[2] / "layers" / "core")]
    work(Path(sys.argv[1]), int(sys.argv[2]))
