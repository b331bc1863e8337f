"""The manifest of an Adobe Analytics Data Feed: which files belong to a delivery, and how to tell that they are whole.

Contract: "Data feed contents". It is written last, so that a delivery is complete once its manifest is there.
"""

from __future__ import annotations

from dataclasses import dataclass

from tailor.kernel.errors import Rejected

LOOKUP, DATA = "Lookup-File", "Data-File"


@dataclass(frozen=True, slots=True)
class Delivered:
    """One file: its ``role`` (:data:`LOOKUP` or :data:`DATA`), MD5 in hex (``""``: not said), size and records
    (-1: not said)."""

    role: str
    name: str
    md5: str = ""
    size: int = -1
    records: int = -1


def read_manifest(text: str) -> list[Delivered]:
    """The files of a delivery, in the order of the manifest.

    Raises
    ------
    Rejected : no manifest, or one that promises other files than it names.
    """
    pairs = [
        (name.strip(), value.strip()) for name, colon, value in (line.partition(":") for line in text.splitlines())
    ]
    if not pairs or pairs[0][0].removeprefix("\ufeff") != "Datafeed-Manifest-Version":
        raise Rejected("the file is no manifest of a Data Feed", code="bad-manifest")
    blocks: list[dict[str, str]] = []
    for name, value in pairs:
        if name in (LOOKUP, DATA):
            blocks.append({"role": name, "name": value})
        elif blocks and name:
            blocks[-1][name] = value
    head = dict(pairs)
    files = [
        Delivered(
            block["role"],
            _safe(block["name"]),
            block.get("MD5-Digest", "").lower(),
            _number(block.get("File-Size")),
            _number(block.get("Record-Count")),
        )
        for block in blocks
    ]
    for role, promised in ((LOOKUP, "Lookup-Files"), (DATA, "Data-Files")):
        named = sum(file.role == role for file in files)
        if (wanted := _number(head.get(promised))) not in (-1, named):
            raise Rejected(f"the manifest promises {wanted} of {promised}, and names {named}", code="bad-manifest")
    total = _number(head.get("Total-Records"))
    counted = [file.records for file in files if file.role == DATA]
    if total >= 0 and -1 not in counted and sum(counted) != total:
        raise Rejected(f"the manifest promises {total} records, its files have {sum(counted)}", code="bad-manifest")
    return files


def _safe(name: str) -> str:
    if not name or "/" in name or not name.isprintable():
        raise Rejected("the manifest names a file that lies elsewhere", code="bad-manifest")
    return name


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 16 else -1
