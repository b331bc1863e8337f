"""Requests to test with: our own samples under ``events/``, and the corpus of recorded ones where it is at hand."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tailor.edges.http import inbound
from tailor.kernel.inbound import Inbound, Parsed

ROOT = Path(__file__).parents[2]
CORPUS = ROOT.parent / "shared" / "corpus"
SECRET = b"sample-shop-secret"
"""Signs the samples of signed sources."""
ORGANIZATION = b"00D5g000004zAbCEAU"
"""Stands in for the secret where the vendor signs nothing and names its customer."""


def samples(source: str) -> list[Path]:
    """The sample events of a source, without the files of what is expected of them."""
    return sorted(p for p in (ROOT / "events" / source).glob("*.json") if not p.name.endswith(".expected.json"))


def secret_of(source: str) -> bytes:
    """What the samples of a source prove themselves by."""
    return ORGANIZATION if source == "salesforce" else SECRET


def expected(sample: Path) -> dict[str, Any]:
    """What a sample is to give."""
    found: dict[str, Any] = json.loads(sample.with_suffix(".expected.json").read_text())
    return found


def request_of(event: dict[str, Any]) -> tuple[Inbound, int]:
    """The request in a function's event, and the instant it was received."""
    if "Records" in event:
        record = event["Records"][0]
        return Inbound("POST", "/", {}, record["body"].encode()), int(record["attributes"]["SentTimestamp"])
    return inbound(event), event["requestContext"]["timeEpoch"]


def result(parsed: Parsed) -> dict[str, Any]:
    """What a source made of a request, in the form of the expectation files."""
    out: dict[str, Any] = {"events": [event.to_json() for event in parsed.events]}
    if parsed.refused:
        out["refused"] = [[error.code, error.pointer] for error, _ in parsed.refused]
    if parsed.ignored:
        out["ignored"] = parsed.ignored
    return out


def corpus(folder: str, pattern: str = "*.json") -> list[tuple[str, Any]]:
    """Name and content of every file of the corpus that fits; the test is skipped where there is no corpus."""
    if not CORPUS.is_dir():
        pytest.skip(f"{folder}: the corpus is not present")
    return [(path.stem, json.loads(path.read_text())) for path in sorted((CORPUS / folder).glob(pattern))]


def recorded(capture: dict[str, Any]) -> Iterator[Inbound]:
    """The requests of a recorded client, as the gateway would have handed them on."""
    for one in capture["requests"]:
        stage = "prod" if one["path"].startswith("/prod/") else "$default"
        packed = one.get("body_gzip_b64")
        yield inbound(
            {
                "requestContext": {"http": {"method": one["method"], "path": one["path"]}, "stage": stage},
                "rawPath": one["path"],
                "headers": dict(one["headers"]),
                "body": packed or one["body_text"],
                "isBase64Encoded": bool(packed),
            }
        )


def plain_body(one: dict[str, Any]) -> bytes:
    """The uncompressed body of a recorded request."""
    return one["body_text"].encode() if "body_text" in one else b64decode(one["body_gzip_b64"])
