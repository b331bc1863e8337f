"""A folder of this machine with the methods of a bucket, for what runs without a cloud."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from tailor.edges.bucket import RANGE_BYTES, Found


class Folder:
    """Objects are files below ``root``; see :class:`tailor.edges.bucket.Bucket` for what the methods do."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def find(self, key: str) -> Found | None:
        """The file; its ETag is that of its size and time."""
        path = self._root / key
        if not path.is_file():
            return None
        known = path.stat()
        return Found(known.st_size, f"{known.st_size}-{known.st_mtime_ns}", known.st_mtime_ns // 1_000_000)

    def read(self, key: str, start: int, length: int, *, etag: str = "") -> bytes:
        """A range of a file."""
        with (self._root / key).open("rb") as file:
            file.seek(start)
            return file.read(length)

    def blocks(self, key: str, *, start: int = 0, etag: str = "") -> Iterator[bytes]:
        """A file in ranges."""
        with (self._root / key).open("rb") as file:
            file.seek(start)
            while block := file.read(RANGE_BYTES):
                yield block

    def put(self, key: str, body: bytes) -> None:
        """Write a file."""
        self.write(key, [body])

    def keys(self, prefix: str) -> Iterator[str]:
        """Files whose paths begin with ``prefix``."""
        found = (str(path.relative_to(self._root)) for path in self._root.rglob("*") if path.is_file())
        yield from sorted(key for key in found if key.startswith(prefix))

    def delete(self, keys: Iterable[str]) -> None:
        """Remove files."""
        for key in keys:
            (self._root / key).unlink(missing_ok=True)

    def discard(self, key: str, etag: str) -> None:
        """Remove a file, unless another is there by now."""
        if (found := self.find(key)) is not None and found.etag == etag:
            self.delete([key])

    def write(self, key: str, blocks: Iterable[bytes]) -> None:
        """Write a file, there as a whole or not at all."""
        path = self._root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f"{path.name}.part")
        with beside.open("wb") as file:
            file.writelines(blocks)
        beside.replace(path)
