"""Compressed files as streams: nothing is held but what is read next."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Iterable, Iterator
from functools import partial
from typing import IO, cast

from tailor.kernel.errors import Rejected

BLOCK = 1024 * 1024


def gunzip(blocks: Iterable[bytes], *, skip: int = 0) -> Iterator[bytes]:
    """What was compressed by gzip, in blocks of at most a mebibyte, without its first ``skip`` bytes.

    Raises
    ------
    Rejected : it is no gzip, or ends in the middle.
    """
    for found in _inflate(blocks):
        if skip >= len(found):
            skip -= len(found)
            continue
        yield found[skip:]
        skip = 0


def _inflate(blocks: Iterable[bytes]) -> Iterator[bytes]:
    reader, begun = zlib.decompressobj(wbits=31), False
    try:
        for block in blocks:
            waiting = block
            while waiting:
                begun = True
                yield reader.decompress(waiting, BLOCK)
                waiting = reader.unconsumed_tail
                if reader.eof:
                    # Files that were joined are several of them, one after the other.
                    waiting, reader, begun = reader.unused_data.lstrip(b"\0"), zlib.decompressobj(wbits=31), False
        yield reader.flush()
    except zlib.error as error:
        raise Rejected("the file is no gzip, or damaged", code="bad-gzip") from error
    if begun and not reader.eof:
        raise Rejected("the file ends in the middle: it was not copied to its end", code="bad-gzip")


def member(blocks: Iterable[bytes], name: str) -> Iterator[bytes] | None:
    """The file ``name`` inside a tar archive, as a stream; ``None`` where there is none.

    Raises
    ------
    Rejected : it is no tar archive.
    """
    try:
        archive = tarfile.open(fileobj=cast("IO[bytes]", _Stream(blocks)), mode="r|")  # noqa: SIM115
        for entry in archive:
            if entry.isfile() and entry.name.rpartition("/")[2] == name:
                file = cast("IO[bytes]", archive.extractfile(entry))
                return iter(partial(file.read, BLOCK), b"")
    except tarfile.TarError as error:
        raise Rejected("the file is no tar archive", code="bad-archive") from error
    return None


class _Stream:
    """Blocks as a file that can only be read on."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks = iter(blocks)
        self._held = b""

    def read(self, size: int) -> bytes:
        while len(self._held) < size and (block := next(self._blocks, None)) is not None:
            self._held += block
        given, self._held = self._held[:size], self._held[size:]
        return given
