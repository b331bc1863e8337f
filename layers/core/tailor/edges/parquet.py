"""Rows of Parquet files, read in ranges; the one module that needs pyarrow, and loads it when it is asked for rows."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tailor.kernel.errors import Rejected

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BATCH = 1_000
"""Rows decoded at once."""


class Ranges(io.RawIOBase):
    """A file of ``size`` bytes that is read by ``read(start, length)``."""

    def __init__(self, read: Callable[[int, int], bytes], size: int) -> None:
        self._read = read
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """As files do."""
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        """Where it is."""
        return self._at

    def readinto(self, buffer: WriteableBuffer) -> int:
        """As files do."""
        view = memoryview(buffer).cast("B")
        wanted = min(len(view), self._size - self._at)
        found = self._read(self._at, wanted) if wanted > 0 else b""
        view[: len(found)] = found
        self._at += len(found)
        return len(found)


def rows(read: Callable[[int, int], bytes], size: int, *, after: int = 0) -> Iterator[dict[str, Any]]:
    """The rows of a file after the first ``after``, with values as JSON has them.

    Row groups that are behind us are not read.

    Raises
    ------
    Rejected : the file is no Parquet.
    """
    file = _open(read, size)
    before = 0
    for group in range(file.metadata.num_row_groups):
        count = file.metadata.row_group(group).num_rows
        if before + count > after:
            at = before
            for batch in file.iter_batches(batch_size=BATCH, row_groups=[group], use_threads=False):
                skip = min(max(0, after - at), batch.num_rows)
                yield from map(_plain, batch.slice(skip).to_pylist())
                at += batch.num_rows
        before += count


def shape(read: Callable[[int, int], bytes], size: int) -> tuple[list[str], int]:
    """(names of the columns, number of rows)."""
    file = _open(read, size)
    return list(file.schema_arrow.names), int(file.metadata.num_rows)


def _open(read: Callable[[int, int], bytes], size: int) -> Any:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        detail = "reading Parquet needs pyarrow: pip install pyarrow, or convert the file to CSV"
        raise Rejected(detail, code="no-pyarrow") from None
    try:
        return parquet.ParquetFile(io.BufferedReader(Ranges(read, size), 1024 * 1024), pre_buffer=False)
    except pyarrow.ArrowInvalid as error:
        raise Rejected(f"the file is no Parquet: {error}", code="bad-parquet") from error


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {str(name): _plain(one) for name, one in value.items()}
        case list():
            return [_plain(one) for one in value]
        case datetime():
            return value.isoformat()
        case date():
            return value.isoformat()
        case Decimal():
            return f"{value:f}"
        case bytes():
            return value.decode("utf-8", "replace")
        case float() if value != value or value in (float("inf"), float("-inf")):
            return None
        case _:
            return value if isinstance(value, (str, int, float, bool)) or value is None else str(value)
