"""Events from a file to the door for them."""

from __future__ import annotations

import json
import sys
from base64 import b64decode, b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tailor.cli.client import Client

CHUNK_EVENTS = 200
CHUNK_BYTES = 400_000
"""The door takes 500 KiB a request."""
_KEPT_HEADERS = ("content-type", "content-encoding")


class Unsendable(Exception):
    """A file that holds no events; says where and why."""


def send(file: str, client: Client, key: str) -> Iterator[tuple[int, int]]:
    """Send what is in a file (``-``: standard input); yields (sent so far, all) after each request.

    A file holds a JSON array of Segment-style calls, one such call, one a line, an object with a ``batch`` of them, or
    a whole request as API Gateway passes it on (the samples under ``events/``).

    Raises
    ------
    Unsendable : it holds none of these.
    """
    found = _read(file)
    if len(found) == 1 and "rawPath" in found[0]:
        _replay(found[0], client, key)
        yield 1, 1
        return
    calls = [call for one in found for call in (one["batch"] if isinstance(one.get("batch"), list) else [one])]
    sent = 0
    for chunk in _chunks(calls):
        client.call("POST", "/v1/batch", json.dumps({"batch": chunk}).encode(), _basic(key))
        sent += len(chunk)
        yield sent, len(calls)


def text_of(file: str) -> str:
    """A text file, ``-`` for standard input.

    Raises
    ------
    Unsendable : it cannot be read.
    """
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text("utf-8-sig")
    except OSError as error:
        raise Unsendable(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Unsendable(f"{file}: it is not UTF-8") from None


def one_document(file: str) -> Any:
    """The JSON in a file.

    Raises
    ------
    Unsendable : there is none.
    """
    try:
        return json.loads(text_of(file))
    except json.JSONDecodeError as error:
        raise Unsendable(f"{file}:{error.lineno}: not JSON: {error.msg}") from None


def _read(file: str) -> list[dict[str, Any]]:
    text = text_of(file)
    try:
        whole = json.loads(text)
    except json.JSONDecodeError:
        whole = [_line(file, number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    found = whole if isinstance(whole, list) else [whole]
    if not found or not all(isinstance(one, dict) for one in found):
        raise Unsendable(f"{file}: there are no events in it; each is a JSON object")
    return found


def _line(file: str, number: int, line: str) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        raise Unsendable(f"{file}:{number}: not JSON: {error.msg}") from None


def _chunks(calls: list[Any]) -> Iterator[list[Any]]:
    chunk: list[Any] = []
    size = 0
    for call in calls:
        weight = len(json.dumps(call))
        if chunk and (len(chunk) == CHUNK_EVENTS or size + weight > CHUNK_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(call)
        size += weight
    if chunk:
        yield chunk


def _replay(sample: dict[str, Any], client: Client, key: str) -> None:
    """A recorded request, with our own key in the place of the recorded one."""
    headers = {name.lower(): value for name, value in sample.get("headers", {}).items()}
    kept = {n: v for n, v in headers.items() if n in _KEPT_HEADERS or n.startswith(("x-", "shopify-"))}
    path = sample["rawPath"]
    if path.startswith("/sources/"):
        path = f"{path.rpartition('/')[0]}/{key}"
    else:
        kept |= _basic(key)
    text = sample.get("body") or ""
    client.call("POST", path, b64decode(text) if sample.get("isBase64Encoded") else text.encode(), kept)


def _basic(key: str) -> dict[str, str]:
    return {"authorization": "Basic " + b64encode(f"{key}:".encode()).decode(), "content-type": "application/json"}
