"""Part: one person becomes the two again that were merged.

Merges are undone in the reverse of their order. Event rows move first, which changes nothing while the two are one;
then one transaction restores both, gives each the identifiers that are theirs, and enters that they are to be kept
apart.
"""

from __future__ import annotations

from tailor.edges.duplicates import Duplicates, Merge
from tailor.edges.store import Store
from tailor.kernel.errors import Rejected, Stale, Transient
from tailor.kernel.person import Person
from tailor.rules import joining
from tailor.rules.compiled import Compiled

ATTEMPTS = 8


def part(person: str, other: str, store: Store, compiled: Compiled, *, by: str, now: int) -> tuple[Person, Person]:
    """Undo the merge of ``other`` into ``person``; answers both.

    Raises
    ------
    Rejected : there is no such merge (404), or a later one has to be undone first (409).
    Transient : others kept writing them first.
    """
    duplicates = Duplicates(store)
    for _ in range(ATTEMPTS):
        whole, merge = _find(person, other, store, duplicates)
        since = duplicates.events_since(merge)
        rest = [one.other for one in duplicates.merges(person) if one.other.id in merge.rest]
        parted = joining.part(whole, merge.mine, merge.other, rest, since, compiled, merged_at=merge.at, now=now)
        duplicates.move_events(parted.moved, person, other)
        try:
            duplicates.part(
                merge,
                parted.mine.person,
                parted.other.person,
                outboxes=(parted.mine.effects.pack(), parted.other.effects.pack()),
                consents=(parted.mine.effects.consents, parted.other.effects.consents),
                repointed=parted.repointed,
                now=now,
                by=by,
            )
        except Stale:
            continue
        return parted.mine.person, parted.other.person
    raise Transient("others kept writing them first")


def _find(person: str, other: str, store: Store, duplicates: Duplicates) -> tuple[Person, Merge]:
    holder = duplicates.into(person)
    if holder is not None:
        detail = f"{person} has since been merged into {holder}: undo that first"
        raise Rejected(detail, code="undo-later-first", status=409)
    whole = store.person(person, consistent=True)
    merges = duplicates.merges(person)
    merge = next((one for one in merges if one.other.id == other), None)
    if whole is None or merge is None:
        detail = (
            f"{other} was not merged into {person}, or it was undone; list merges with GET /api/duplicates?state=join"
        )
        raise Rejected(detail, code="not-found", status=404)
    if merges[0].mine.version != merge.mine.version:
        detail = f"{merges[0].other.id} was merged into {person} later: undo that first"
        raise Rejected(detail, code="undo-later-first", status=409)
    return whole, merge
