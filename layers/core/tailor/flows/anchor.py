"""Anchor: what everybody agreed to, nailed down each night where nobody can alter it.

The audit walks over everybody. Of each page it lays the leaves (a hash of each person's id and of the head of their
consent chain) under the hash over them and the page before, into a bucket with Object Lock::

    anchors/DAY/root ──▶ anchors/DAY/HASH ──before──▶ anchors/DAY/HASH ──▶ … ──▶ the first, before which is ""

The name of a page is what it holds, so a page that is done again, by a worker after one that was killed, lies beside
what the root leads to, or is the same. Nothing there names anybody: ids are random, and so are the hashes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

from tailor.edges.bucket import RANGE_BYTES, Bucket
from tailor.kernel.errors import Rejected
from tailor.kernel.instants import iso
from tailor.kernel.person import Person
from tailor.rules.chain import leaf, link


def anchor(people: Iterable[Person], before: str, bucket: Bucket, *, day: str) -> str:
    """Lay down one page that follows ``before``; answers its hash. A page without a choice of anybody is none."""
    leaves = [leaf(person.id, person.consent_head) for person in people if person.consent_head]
    if not leaves:
        return before
    root = link(before, leaves)
    _lay(f"{day}/{root}", {"before": before, "leaves": leaves}, bucket)
    return root


def close(root: str, bucket: Bucket, *, day: str, people: int, now: int) -> None:
    """Say which page is a day's last, ``""`` where nobody has agreed to anything."""
    _lay(f"{day}/root", {"root": root, "people": people, "at": iso(now)}, bucket)


def anchored(person: str, hashes: Sequence[str], bucket: Bucket, *, day: str) -> str | None:
    """Which of ``hashes``, rows of a person's chain, was its head on that day; ``None`` where none was.

    Raises
    ------
    Rejected : that day has no root, or a page is not what its name says.
    """
    wanted = {leaf(person, one): one for one in hashes}
    for leaves in _pages(bucket, day):
        for one in leaves:
            if one in wanted:
                return wanted[one]
    return None


def _pages(bucket: Bucket, day: str) -> Iterator[list[str]]:
    root = json.loads(bucket.read(f"anchors/{day}/root", 0, RANGE_BYTES))["root"]
    while root:
        page = json.loads(bucket.read(f"anchors/{day}/{root}", 0, RANGE_BYTES))
        if link(page["before"], page["leaves"]) != root:
            raise Rejected(f"page {root} of {day} was altered", code="anchor-altered")
        yield page["leaves"]
        root = page["before"]


def _lay(name: str, document: object, bucket: Bucket) -> None:
    bucket.put(f"anchors/{name}", json.dumps(document, separators=(",", ":")).encode())
