"""Who may be whom: the rows of the ledger about pairs of people, their merges, and the keys they are found by.

============  ======================  =========================  ==========================================
row           pk                      sk                         holds
============  ======================  =========================  ==========================================
merge         ``P#person``            ``G#time#other``           ``s``, ``v`` who was merged away, ``m``, ``mv``
                                                                 who took them in, as they were
pair          ``P#person``            ``D#other``                ``state``, ``w`` weight in hundredths, ``s``
                                                                 packed reasons; one row on either side
keys          ``P#person``            ``B``                      ``keys`` by which the person is looked up
block         ``B#key``               person                     one of those people
to review     ``U#review``            ``weight#one#other``       the pairs of state ``review``, likeliest first
merged        ``U#merged``            ``time#person#other``      ``s`` packed: by whom, why, and ``undone``
============  ======================  =========================  ==========================================

No row holds a value of a person: ids, hashes, levels and weights.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import batched
from typing import Any

from tailor.edges.dynamo import Item, encode, pack_item
from tailor.edges.store import Store, event_row, put_action, read_event, repoint_action
from tailor.kernel.event import Event, Identifier
from tailor.kernel.instants import NEVER
from tailor.kernel.keys import digest, due_shard
from tailor.kernel.person import Person

CAP = 40
"""People of one key that a newcomer is compared with; a key held by more tells nothing at once, only at night."""
REVIEW = "U#review"
MERGED = "U#merged"
_HEAVIEST = 1_000_000


@dataclass(frozen=True, slots=True)
class Pair:
    """Two people, ``one < other``, and what is known of the two.

    ``state``: ``review`` (somebody has to look), ``join`` (joined, or about to be), ``apart`` (never to be asked
    again). ``weight`` in log odds. ``reasons``: ``[field, level, weight]``, the weightiest first. ``by`` whom and
    ``at`` which instant it was found or decided. ``band``: ``join`` where the model would not have asked anybody.
    """

    one: str
    other: str
    state: str
    weight: float = 0.0
    reasons: list[list[Any]] = field(default_factory=list)
    by: str = ""
    at: int = 0
    band: str = "review"

    @property
    def id(self) -> str:
        """``one.other``."""
        return f"{self.one}.{self.other}"


@dataclass(frozen=True, slots=True)
class Merge:
    """One merge: ``mine`` took in ``other``, both as they were; ``rest`` are those taken in in the same moment.

    ``sk`` is the sort key of its row.
    """

    at: int
    sk: str
    mine: Person
    other: Person
    rest: tuple[str, ...] = ()


class Duplicates:
    """The rows of this module, in the tables of ``store``."""

    def __init__(self, store: Store) -> None:
        self._db, self._people, self._ledger = store.tables

    # ---- keys

    def keys_of(self, person: str) -> list[str]:
        """The keys under which somebody is found."""
        rows = self._db.get(self._ledger, [{"pk": f"P#{person}", "sk": "B"}], consistent=True)
        return list(rows[0]["keys"]) if rows else []

    def keep_keys(self, person: str, keys: Sequence[str], known: Sequence[str]) -> None:
        """Be found under ``keys`` from now on, and no longer under those that were ``known`` and are not among them.

        The person's own row comes first: what it names can be removed later, whatever was written before a stop.
        """
        union = [*dict.fromkeys([*known, *keys])]
        if union != [*known]:
            self._db.put_all(self._ledger, [{"pk": f"P#{person}", "sk": "B", "keys": union}])
        self._db.put_all(self._ledger, ({"pk": f"B#{key}", "sk": person} for key in keys if key not in known))
        if gone := [key for key in known if key not in keys]:
            self._db.delete_all(self._ledger, [{"pk": f"B#{key}", "sk": person} for key in gone])
            self._db.put_all(self._ledger, [{"pk": f"P#{person}", "sk": "B", "keys": list(keys)}])

    def forget_keys(self, person: str) -> None:
        """Be found no more."""
        self._db.delete_all(self._ledger, [{"pk": f"B#{key}", "sk": person} for key in self.keys_of(person)])
        self._db.delete_all(self._ledger, [{"pk": f"P#{person}", "sk": "B"}])

    def found_under(self, keys: Iterable[str]) -> set[str]:
        """Ids of the people under any of the keys; of one that more than :data:`CAP` have, nobody."""
        found: set[str] = set()
        for key in keys:
            answer = self._db.call(
                "query",
                TableName=self._ledger,
                KeyConditionExpression="pk = :pk",
                ExpressionAttributeValues=pack_item({":pk": f"B#{key}"}),
                ProjectionExpression="sk",
                Limit=CAP + 1,
            )
            if len(answer["Items"]) <= CAP:
                found |= {row["sk"]["S"] for row in answer["Items"]}
        return found

    # ---- pairs

    def pair(self, one: str, other: str) -> Pair | None:
        """What is known of two."""
        first, second = sorted((one, other))
        rows = self._db.get(self._ledger, [{"pk": f"P#{first}", "sk": f"D#{second}"}], consistent=True)
        return _pair(rows[0]) if rows else None

    def pairs_of(self, person: str) -> list[Pair]:
        """All pairs somebody is one of."""
        return [_pair(row) for row in self._rows(f"P#{person}", "D#")]

    def apart(self, one: Person, other: Person) -> bool:
        """Whether the two, or any that became them, are to be kept apart."""
        theirs = {other.id, *other.aliases}
        mine = (one.id, *one.aliases)
        return any(
            pair.state == "apart" and ({pair.one, pair.other} & theirs) for id in mine for pair in self.pairs_of(id)
        )

    def keep(self, pairs: Iterable[Pair]) -> None:
        """Write pairs to be reviewed; what was decided before stays, and is not put before anybody again."""
        for some in batched(pairs, 100, strict=False):
            keys = [{"pk": f"P#{pair.one}", "sk": f"D#{pair.other}"} for pair in some]
            known = {pair.id: pair for pair in map(_pair, self._db.get(self._ledger, keys, consistent=True))}
            fresh = [pair for pair in some if pair.id not in known or known[pair.id].state == "review"]
            stale = [known[pair.id] for pair in fresh if pair.id in known and known[pair.id].weight != pair.weight]
            self._db.put_all(self._ledger, (row for pair in fresh for row in _pair_rows(pair)))
            self._db.delete_all(self._ledger, [_review_key(pair) for pair in stale])

    def review(self, *, limit: int) -> list[Pair]:
        """The likeliest pairs that somebody has to look at."""
        found = []
        for row in self._rows(REVIEW, ""):
            _, one, other = row["sk"].split("#")
            if (pair := self.pair(one, other)) is not None and pair.state == "review":
                found.append(pair)
            if len(found) >= limit:
                break
        return found

    def keep_apart(self, pair: Pair) -> None:
        """Never ask again."""
        known = self.pair(pair.one, pair.other)
        self._db.put_all(self._ledger, _pair_rows(pair))
        if known is not None:
            self._db.delete_all(self._ledger, [_review_key(known)])

    def settled(self, pair: Pair) -> list[dict[str, Any]]:
        """Actions that enter a pair as decided, for the transaction that carries it out."""
        actions = [put_action(self._ledger, item) for item in _pair_rows(pair)]
        if (known := self.pair(pair.one, pair.other)) is not None:
            actions.append({"Delete": {"TableName": self._ledger, "Key": pack_item(_review_key(known))}})
        return actions

    def forget_pairs(self, person: str) -> None:
        """Remove every row, on either side, of the pairs somebody is one of."""
        keys: list[dict[str, str]] = []
        for pair in self.pairs_of(person):
            keys += [{"pk": f"P#{pair.one}", "sk": f"D#{pair.other}"}, {"pk": f"P#{pair.other}", "sk": f"D#{pair.one}"}]
            keys.append(_review_key(pair))
        self._db.delete_all(self._ledger, keys)

    # ---- merges

    def log(self, at: int, person: str, other: str, document: Mapping[str, Any]) -> dict[str, Any]:
        """The action that enters a merge in the list of them."""
        return put_action(self._ledger, {"pk": MERGED, "sk": f"{at:013d}#{person}#{other}", "s": _packed(document)})

    def merged(self, *, limit: int) -> list[dict[str, Any]]:
        """The newest merges: ``{"at", "person", "other", "by", "weight", "reasons", "undone"}``."""
        found = []
        for row in self._rows(MERGED, "", newest_first=True):
            at, person, other = row["sk"].split("#")
            found.append({"at": int(at), "person": person, "other": other, **_unpacked(row["s"])})
            if len(found) >= limit:
                break
        return found

    def entry(self, at: int, person: str, other: str) -> dict[str, Any]:
        """What the list of merges says of one (``{"by", "weight", "reasons"}``); none where identifiers did it."""
        rows = self._db.get(self._ledger, [{"pk": MERGED, "sk": f"{at:013d}#{person}#{other}"}], consistent=True)
        return _unpacked(rows[0]["s"]) if rows else {}

    def entries(self, person: str) -> list[tuple[str, str]]:
        """Keys of the entries about the merges of somebody in the list of them, but for those that were undone."""
        keys = [(f"{merge.at:013d}", merge.mine.id, merge.other.id) for merge in self.merges(person)]
        wanted = [{"pk": MERGED, "sk": "#".join(key)} for key in keys]
        return [(row["pk"], row["sk"]) for row in self._db.get(self._ledger, wanted, consistent=True)]

    def merges(self, person: str) -> list[Merge]:
        """The merges in which ``person`` took somebody in, and that can be undone, the newest first."""
        rows = [row for row in self._rows(f"P#{person}", "G#", newest_first=True) if "m" in row]
        found = []
        for row in rows:
            _, at, other = row["sk"].split("#")
            rest = tuple(r["sk"].split("#")[2] for r in rows if r["mv"] == row["mv"] and r["sk"] != row["sk"])
            mine = Person.unpack(person, row["mv"], row["m"])
            found.append(Merge(int(at), row["sk"], mine, Person.unpack(other, row["v"], row["s"]), rest))
        return found

    def into(self, person: str) -> str | None:
        """Whom somebody was merged into, ``None`` where they were not."""
        rows = self._db.get(self._people, [{"pk": person}], consistent=True)
        return str(rows[0]["into"]) if rows and "into" in rows[0] else None

    # ---- undoing

    def events_since(self, merge: Merge) -> list[Event]:
        """What was absorbed after a merge, wherever its rows lie by now."""
        taken = [row for row in self._rows(f"P#{merge.mine.id}", "E#") if row.get("v", 0) > merge.mine.version]
        moved = [
            row
            for id in (merge.other.id, *merge.rest)
            for row in self._rows(f"P#{id}", "E#")
            if row.get("by") == merge.mine.id
        ]
        # A stop between the two writes of a move leaves a row on either side.
        return [read_event(row) for row in {row["sk"]: row for row in (*taken, *moved)}.values()]

    def move_events(self, events: Iterable[Event], person: str, to: str) -> None:
        """Let event rows of ``person`` be those of ``to``. While the two are one, this changes nothing for anybody."""
        rows = [{**event_row(to, event), "by": person} for event in events]
        self._db.put_all(self._ledger, rows)
        self._db.delete_all(self._ledger, [{"pk": f"P#{person}", "sk": str(row["sk"])} for row in rows])

    def part(
        self,
        merge: Merge,
        mine: Person,
        other: Person,
        *,
        outboxes: tuple[bytes | None, bytes | None],
        consents: tuple[Sequence[Mapping[str, Any]], Sequence[Mapping[str, Any]]],
        repointed: Sequence[Identifier],
        now: int,
        by: str,
    ) -> None:
        """Two people of one, in one transaction; they are kept apart from then on.

        Parameters
        ----------
        mine, other : the next state of each; the version of ``mine`` is one more than what is stored.
        repointed : identifiers that go to ``other``.

        Raises
        ------
        Stale : somebody wrote one of them first.
        """
        was = {":v": mine.version - 1}
        actions = [put_action(self._people, _item(mine, outboxes[0]), "v = :v", was)]
        gone = put_action(self._people, _item(other, outboxes[1]), "#into = :p", {":p": mine.id})
        gone["Put"]["ExpressionAttributeNames"] = {"#into": "into"}
        actions.append(gone)
        actions += [repoint_action(self._ledger, one, mine.id, other.id) for one in repointed]
        actions.append(
            {"Delete": {"TableName": self._ledger, "Key": pack_item({"pk": f"P#{mine.id}", "sk": merge.sk})}}
        )
        one, two = sorted((mine.id, other.id))
        actions += self.settled(Pair(one, two, "apart", by=by, at=now))
        entry = {"pk": MERGED, "sk": f"{merge.at:013d}#{mine.id}#{other.id}"}
        known = self._db.get(self._ledger, [entry], consistent=True)
        document = _unpacked(known[0]["s"]) if known else {"by": "identifiers", "weight": None, "reasons": []}
        actions.append(self.log(merge.at, mine.id, other.id, {**document, "undone": now}))
        for person, rows in ((mine, consents[0]), (other, consents[1])):
            for index, row in enumerate(rows):
                body = json.dumps(row, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
                link = {"pk": f"P#{person.id}", "sk": f"C#{person.version:010d}#{index:03d}", "b": body}
                actions.append(put_action(self._ledger, link))
        self._db.transact(actions)

    def _rows(self, pk: str, prefix: str, *, newest_first: bool = False) -> Iterator[Item]:
        condition, values = "pk = :pk", {":pk": pk}
        if prefix:
            condition, values = "pk = :pk AND begins_with(sk, :prefix)", {":pk": pk, ":prefix": prefix}
        return self._db.query(
            TableName=self._ledger,
            KeyConditionExpression=condition,
            ExpressionAttributeValues={name: encode(value) for name, value in values.items()},
            ScanIndexForward=not newest_first,
            ConsistentRead=True,
        )


def block_key(key: str) -> str:
    """A key of :func:`tailor.rules.matching.lookup.keys` as it is stored: its values cannot be read from it."""
    name, _, values = key.partition(":")
    return f"{name}:{digest(name, values, size=10)}"


def _pair(row: Item) -> Pair:
    one, other = sorted((row["pk"][2:], row["sk"][2:]))
    return Pair(one, other, row["state"], row["w"] / 100, **_unpacked(row["s"]))


def _pair_rows(pair: Pair) -> list[Item]:
    about = {
        "state": pair.state,
        "w": round(pair.weight * 100),
        "s": _packed({"reasons": pair.reasons, "by": pair.by, "at": pair.at, "band": pair.band}),
    }
    rows: list[Item] = [
        {"pk": f"P#{pair.one}", "sk": f"D#{pair.other}", **about},
        {"pk": f"P#{pair.other}", "sk": f"D#{pair.one}", **about},
    ]
    return rows + ([_review_key(pair)] if pair.state == "review" else [])


def _review_key(pair: Pair) -> dict[str, str]:
    weight = min(max(_HEAVIEST - round(pair.weight * 100), 0), 2 * _HEAVIEST)
    return {"pk": REVIEW, "sk": f"{weight:07d}#{pair.one}#{pair.other}"}


def _item(person: Person, outbox: bytes | None) -> Item:
    item: Item = {"pk": person.id, "v": person.version, "s": person.pack()}
    if person.due < NEVER:
        item |= {"due_shard": due_shard(person.id), "due_at": person.due}
    if outbox is not None:
        item["fx"] = outbox
    return item


def _packed(document: Mapping[str, Any]) -> bytes:
    return zlib.compress(json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode())


def _unpacked(packed: bytes) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(zlib.decompress(packed))
    return document
