"""Parse: the rows of a file in any of the forms that can be imported, from any place in it.

A :class:`Opened` says how one file is read, as plain data, so that a worker in another process goes on with it: the
same bytes are cut into the same rows, whoever cuts them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from hashlib import md5
from itertools import islice
from typing import Any, Protocol

from tailor.edges import archive, parquet
from tailor.edges.bucket import Found
from tailor.kernel.errors import Rejected
from tailor.kernel.event import Event
from tailor.kernel.fields import Fields, nearest
from tailor.kernel.inbound import Inbound
from tailor.rules import rows
from tailor.rules.dialect import ENCODINGS, SAMPLE_BYTES, Dialect, detect
from tailor.rules.manifest import DATA, LOOKUP, Delivered, read_manifest
from tailor.rules.mapping import TABLES, Origin, RowMapping
from tailor.rules.quality import inspect
from tailor.rules.rows import Row
from tailor.sources import SOURCES, read

FEED = Dialect(encoding="latin-1", delimiter="\t", quote="", escape="\\", header=False)
"""How Adobe writes ``hit_data.tsv``."""
PLAIN = Dialect()
HITS, HEADERS = "hit_data.tsv", "column_headers.tsv"
MANIFEST_BYTES = 1024 * 1024


class Files(Protocol):
    """Where files are: a bucket, or a folder of this machine."""

    def find(self, key: str) -> Found | None:
        """What is there under a key."""

    def read(self, key: str, start: int, length: int, *, etag: str = "") -> bytes:
        """A range of it."""

    def blocks(self, key: str, *, start: int = 0, etag: str = "") -> Iterator[bytes]:
        """It from ``start`` on."""


@dataclass(frozen=True, slots=True)
class Opened:
    """How one file is read.

    Attributes
    ----------
    key, etag, size : the object, and what tells that it is still the same.
    form : ``table``, ``documents`` (a JSON object a line) or ``parquet``.
    packing : ``""``, ``gz``, or ``tgz`` for the hits in an archive.
    dialect, columns, first : of a table: how it is written, its columns, the offset of its first row.
    total : bytes (rows of Parquet) until the end of the unpacked file, as far as can be told; 0 if not.
    """

    key: str
    etag: str
    size: int
    form: str
    packing: str = ""
    dialect: Dialect = PLAIN
    columns: tuple[str, ...] = ()
    first: int = 0
    total: int = 0

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Opened:
        """The inverse of :func:`dataclasses.asdict`."""
        return cls(**{**raw, "dialect": Dialect(**raw["dialect"]), "columns": tuple(raw["columns"])})

    def rows(self, files: Files, *, offset: int, number: int) -> Iterator[Row]:
        """The rows from ``offset`` on, of which ``number`` came before; of Parquet offsets are counts of rows."""
        if self.form == "parquet":
            read = partial(_ranged, files, self)
            for index, values in enumerate(parquet.rows(read, self.size, after=offset), number + 1):
                yield Row(index, index, len(json.dumps(values, default=str)), values)
            return
        blocks = self.blocks(files, offset=offset)
        if self.form == "documents":
            yield from rows.documents(blocks, offset=offset, number=number)
        else:
            yield from rows.table(blocks, self.dialect, self.columns, offset=offset, number=number)

    def blocks(self, files: Files, *, offset: int) -> Iterator[bytes]:
        """What is in it from ``offset`` on, unpacked."""
        return _unpacked(files, self.key, self.etag, self.packing, offset)


def _ranged(files: Files, source: Opened, start: int, length: int) -> bytes:
    return files.read(source.key, start, length, etag=source.etag)


def _unpacked(files: Files, key: str, etag: str, packing: str, offset: int) -> Iterator[bytes]:
    if not packing:
        return files.blocks(key, start=offset, etag=etag)
    # Nobody can begin in the middle of a compressed file: what lies before is unpacked and left.
    packed = files.blocks(key, etag=etag)
    if packing == "gz":
        return archive.gunzip(packed, skip=offset)
    found = archive.member(archive.gunzip(packed), HITS)
    if found is None:
        raise Rejected(f"there is no {HITS} in {_base(key)}", code="no-data")
    return _without(found, offset)


def _without(blocks: Iterable[bytes], skip: int) -> Iterator[bytes]:
    for block in blocks:
        if skip < len(block):
            yield block[skip:]
        skip = max(0, skip - len(block))


# ---- finding out how a file is read


def open_files(key: str, mapping: RowMapping, declared: Any, files: Files) -> list[Opened]:
    """The file under ``key``, or all files of the delivery whose manifest it is; what they are made of is checked.

    ``declared`` is the ``csv`` of a mapping document: what of the dialect need not be found out.

    Raises
    ------
    Rejected : it is not there, not in the form it should be, not whole, or lacks columns that the mapping names.
    """
    if mapping.format == "adobe":
        return _delivery(key, files)
    found = _found(key, files)
    start = files.read(key, 0, 4, etag=found.etag)
    if start == b"PAR1":
        return [_parquet(key, found, mapping, files)]
    if mapping.format == "parquet":
        raise Rejected(f"{_base(key)} is no Parquet", code="bad-parquet")
    packing = "gz" if start[:2] == b"\x1f\x8b" else ""
    total = found.size if not packing else int.from_bytes(files.read(key, max(0, found.size - 4), 4), "little")
    if mapping.format != "csv":
        return [Opened(key, found.etag, found.size, "documents", packing, total=total)]
    sample = b"".join(_first(_unpacked(files, key, found.etag, packing, 0), SAMPLE_BYTES))
    dialect = declare(detect(sample[:SAMPLE_BYTES], whole=len(sample) <= SAMPLE_BYTES), declared)
    columns, first = rows.header(_unpacked(files, key, found.etag, packing, 0), dialect)
    if named := _declared_columns(declared):
        columns = named if len(named) == len(columns) else _other_width(len(named), len(columns))
    _check_columns(mapping, columns)
    return [Opened(key, found.etag, found.size, "table", packing, dialect, tuple(columns), first, total)]


def _other_width(named: int, there: int) -> list[str]:
    raise Rejected(f"{named} columns are declared, the file has {there}", code="no-columns", pointer="/csv/columns")


def _first(blocks: Iterable[bytes], size: int) -> Iterator[bytes]:
    for block in blocks:
        yield block
        size -= len(block)
        if size < 0:
            return


def declare(dialect: Dialect, declared: Any) -> Dialect:
    """A dialect with what was declared in the place of what was found out.

    Raises
    ------
    Rejected : something else is declared than a dialect has.
    """
    if declared is None:
        return dialect
    fields = Fields(declared, "/csv")
    header = fields.any("header")
    _declared_columns(declared)
    fields.any("columns")
    made = Dialect(
        encoding=fields.text("encoding", dialect.encoding, among=ENCODINGS),
        delimiter=fields.text("delimiter", dialect.delimiter),
        quote=fields.text("quote", dialect.quote),
        escape=fields.text("escape", dialect.escape),
        terminator=dialect.terminator,
        header=dialect.header if header is None else bool(header),
        skip=dialect.skip,
    )
    fields.done()
    for name in ("delimiter", "quote", "escape"):
        if len(getattr(made, name)) > 1 or (name == "delimiter" and not made.delimiter):
            raise fields.fail(f"{name!r} must be one character", name)
    return made


def _declared_columns(declared: Any) -> list[str]:
    found = declared.get("columns") if isinstance(declared, Mapping) else None
    if found is not None and not (isinstance(found, list) and all(isinstance(one, str) for one in found)):
        raise Rejected("'columns' must be a list of names", code="bad-definition", pointer="/csv/columns")
    return found or []


def _check_columns(mapping: RowMapping, columns: list[str]) -> None:
    if mapping.format not in TABLES:
        return
    for name in sorted(mapping.columns()):
        if name not in columns and not name.startswith("/"):
            raise Rejected(f"the file has no column {name!r}{nearest(name, columns)}", code="no-column")


def _parquet(key: str, found: Found, mapping: RowMapping, files: Files) -> Opened:
    source = Opened(key, found.etag, found.size, "parquet")
    columns, count = parquet.shape(partial(_ranged, files, source), found.size)
    _check_columns(mapping, columns)
    return Opened(key, found.etag, found.size, "parquet", columns=tuple(columns), total=count)


def _found(key: str, files: Files) -> Found:
    found = files.find(key)
    if found is None:
        raise Rejected(f"the file {_base(key)} is not there", code="no-file")
    if not found.size:
        raise Rejected(f"the file {_base(key)} is empty", code="no-data")
    return found


def _base(key: str) -> str:
    return key.rpartition("/")[2]


# ---- Adobe's deliveries


def _delivery(key: str, files: Files) -> list[Opened]:
    found = _found(key, files)
    text = files.read(key, 0, MANIFEST_BYTES, etag=found.etag).decode("latin-1")
    folder = key[: len(key) - len(_base(key))]
    delivered = read_manifest(text)
    kept = {one.name: _whole(folder + one.name, one, files) for one in delivered}
    data = [one for one in delivered if one.role == DATA]
    lookups = [one for one in delivered if one.role == LOOKUP] or data
    columns = _headers([folder + one.name for one in lookups], files)
    made = []
    for one in data:
        packing = "tgz" if one.name.endswith((".tar.gz", ".tgz")) else "gz" if one.name.endswith(".gz") else ""
        if one.name.endswith(".zip"):
            raise Rejected("the feed is compressed as zip: choose gzip in its settings", code="bad-archive")
        source = kept[one.name]
        made.append(Opened(folder + one.name, source.etag, source.size, "table", packing, FEED, columns))
        _count(made[-1], one, files)
    if not made:
        raise Rejected("the manifest names no data", code="no-data")
    return made


def _whole(key: str, promised: Delivered, files: Files) -> Found:
    """The file as it was promised.

    Raises
    ------
    Rejected : another size, or another MD5.
    """
    found = _found(key, files)
    if promised.size not in (-1, found.size):
        detail = f"{promised.name} has {found.size} bytes, its manifest says {promised.size}"
        raise Rejected(detail, code="not-whole")
    if promised.md5:
        checked = md5(usedforsecurity=False)
        for block in files.blocks(key, etag=found.etag):
            checked.update(block)
        if checked.hexdigest() != promised.md5:
            raise Rejected(f"{promised.name} has another MD5 than its manifest says: copy it again", code="not-whole")
    return found


def _headers(keys: list[str], files: Files) -> tuple[str, ...]:
    for key in keys:
        if key.endswith((".tar.gz", ".tgz")):
            found = archive.member(archive.gunzip(files.blocks(key)), HEADERS)
            if found is not None:
                return tuple(b"".join(islice(found, 1)).decode("latin-1").splitlines()[0].split("\t"))
    raise Rejected(f"no file of the delivery has {HEADERS}: the columns have no names", code="no-columns")


def _count(source: Opened, promised: Delivered, files: Files) -> None:
    """Count the records before the first of them is imported; a line end after a backslash is part of a value."""
    if promised.records < 0:
        return
    counted, last = 0, b""
    for block in _unpacked(files, source.key, source.etag, source.packing, 0):
        counted += block.count(b"\n") - (last + block).count(b"\\\n")
        last = block[-1:]
    counted += last not in (b"\n", b"")
    if counted != promised.records:
        detail = f"{promised.name} has {counted} records, its manifest says {promised.records}"
        raise Rejected(detail, code="not-whole")


# ---- from rows to events


def events_of(row: Row, mapping: RowMapping, origin: Origin, notes: list[str]) -> list[Event]:
    """What a row says, read by the mapping, or by the vendor's own source.

    Raises
    ------
    Rejected : nothing in it can be used; what a vendor's source leaves alone is a note.
    """
    if row.refusal is not None:
        raise row.refusal
    if mapping.format in TABLES:
        events = [inspect(event) for event in mapping.events(row.values, origin, row.number, notes)]
    else:
        body = json.dumps(row.values, ensure_ascii=False).encode("utf-8", "surrogatepass")
        parsed = read(SOURCES[mapping.format], Inbound("POST", "/", {}, body), now=origin.received)
        for refusal, _ in parsed.refused:
            raise refusal
        notes += parsed.ignored
        about = mapping.circumstances(origin, row.number)
        events = [replace(event, context=event.context | about) for event in parsed.events]
    for event in events:
        notes += [code for code, *_ in event.context.get("quality", {}).get("findings", ())]
    return events
