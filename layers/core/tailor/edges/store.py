"""All of Tailor's DynamoDB: two tables, ``people`` and ``ledger``.

people: one item a person: ``pk`` id, ``v`` version, ``s`` packed state, ``due_shard``/``due_at`` (sparse index
``due``), ``fx`` outbox of the last write. A person merged away leaves ``{pk, v, into}``.

ledger, by partition and sort key:

============  ======================  =====================  ==============================================
row           pk                      sk                     holds
============  ======================  =====================  ==============================================
identifier    ``I#kind#hash``         ``I``                  ``p`` person: a unique claim; ``shared``: how many
                                                             quarrel about it, where it joins nobody any more; after
                                                             an erasure ``gone``, its instant, until ``ttl``
dispute       ``I#kind#hash``         ``X#person``           somebody else who came with it; expires by ``ttl``
event         ``P#person``            ``E#time#mark``        ``n`` name, ``b`` JSON, or ``z`` packed JSON of a
                                                             large one, ``v`` version of the person it made; expires
                                                             by ``ttl``
consent       ``P#person``            ``C#version#index``    ``b`` JSON, hash-chained
message       ``P#person``            ``S#message``          the send ledger, no body
merge         ``P#person``            ``G#time#other``       ``s``, ``v`` who was merged away, ``m``, ``mv`` who took
                                                             them in, as they were; see :mod:`tailor.edges.duplicates`
suppression   ``Z#hash``              ``Z``                  ``why``; survives erasure
definition    ``D#kind``              key                    ``s`` packed JSON document
job           ``K#job``               name                   ``v`` version, ``s`` packed JSON: cursor and counts
import        ``K#import``            id                     likewise: a file, and how far it is
imported      ``K#imported``          id                     likewise: at its end; expires by ``ttl``
erasure       ``K#erasure``           person                 likewise: a request, and how far it is
receipt       ``K#erased``            person                 likewise: an erasure that is finished
counter       ``R#owner``             what                   ``n``
pace          ``R#key``               ``pace``               ``w`` window, ``n`` requests counted in it
delivery      ``W#webhook``           ``time#mark``          ``state``, ``why``, ``s`` packed JSON: the fact told
told          ``P#person``            ``W#webhook#…``        where a delivery lies that tells more of somebody than
                                                             their id; ``…`` is its sort key
quarantine    ``Q#day``               ``hash#part``          ``at`` instant, ``s`` part of the packed JSON: reason
                                                             and raw item
============  ======================  =====================  ==============================================
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from tailor.edges.dynamo import Dynamo, Item, encode, pack_item, unpack_item
from tailor.kernel.errors import Rejected, Stale
from tailor.kernel.event import Event, Identifier
from tailor.kernel.instants import DAY, NEVER, iso
from tailor.kernel.keys import DUE_SHARDS, digest, due_shard, identifier_key, suppression_key
from tailor.kernel.person import Person

EVENT_LIFE = 395 * DAY
"""How long event rows live: 13 months."""
EVENT_BYTES = 300_000
"""The largest event row, packed if it has to be; DynamoDB allows 400 KB an item with all its names and keys."""
QUARANTINE_LIFE = 30 * DAY
PART_BYTES = 350_000
"""A packed row of the quarantine is cut into parts of this size."""
DELIVERY_LIFE = 30 * DAY
"""How long what was told to a webhook can be told again."""
GONE_LIFE = 15 * DAY
"""How long it is known that an identifier was erased: longer than a queue keeps an event about it."""
STARTS = 25
"""Letters that enter SENDING in one transaction; where one of them loses, each does alone."""
MESSAGE_RANKS = {
    "QUEUED": 0,
    "SENDING": 1,
    "SKIPPED": 2,
    "FAILED": 2,
    "UNKNOWN": 2,
    "SENT": 3,
    "DELIVERED": 4,
    "BOUNCED": 5,
    "COMPLAINED": 6,
}
"""States of a message. Those at or above SKIPPED are final for the sender; SES events only ever move a row up. What
a campaign left out, and was not handed over, is SKIPPED with the rank of QUEUED."""


def pointed(sk: str) -> tuple[str, str]:
    """Key of the delivery to which a person's row ``W#webhook#…`` points."""
    _, webhook, delivery = sk.split("#", 2)
    return f"W#{webhook}", delivery


@dataclass(slots=True)
class Write:
    """One person's next state and all that must be true with it.

    ``person.version`` is the new version; the write holds only where the stored one is one less (or, at 1, where
    there is none). ``claims`` are identifiers newly taken, ``absorbed`` people merged into this one as read,
    ``consents`` rows of the chain, ``also`` further actions. These make the write a transaction; without them it goes
    in a batch. ``before`` is the person as it was before a merge. ``changed`` says that what tells people apart is
    new, so that the stream hands the person on to be compared with others.
    """

    person: Person
    outbox: bytes | None = None
    claims: Sequence[Identifier] = ()
    absorbed: Sequence[Person] = ()
    consents: Sequence[Mapping[str, Any]] = ()
    had_due: bool = False
    changed: bool = False
    before: Person | None = None
    also: Sequence[dict[str, Any]] = ()

    @property
    def joint(self) -> bool:
        """Whether more than the person has to be written with it."""
        return bool(self.claims or self.absorbed or self.consents or self.also) or self.person.version == 1


@dataclass(slots=True)
class Start:
    """A letter about to be handed to SES.

    ``holder`` is the id its row stands under: the person's, or an alias; ``row`` what the ledger keeps of it;
    ``unknown_at`` the instant at which it came into doubt, where it is sent again.
    """

    holder: str
    message: str
    person: Person
    row: Mapping[str, Any]
    unknown_at: int | None = None


@dataclass(slots=True)
class Loaded:
    """People by the id they were asked for; one merged away is found under the id of who took them in."""

    people: dict[str, Person] = field(default_factory=dict)
    moved: dict[str, str] = field(default_factory=dict)


class Claims(dict[Identifier, str]):
    """Identifier → the person who holds it; ``erased``: identifier → instant its holder was erased; ``shared``: those
    that too many quarrel about."""

    def __init__(self) -> None:
        super().__init__()
        self.erased: dict[Identifier, int] = {}
        self.shared: set[Identifier] = set()


class Store:
    """The two tables. ``client`` is a botocore DynamoDB client."""

    def __init__(self, client: Any, *, people: str, ledger: str) -> None:
        self._db = Dynamo(client)
        self._people = people
        self._ledger = ledger

    @property
    def tables(self) -> tuple[Dynamo, str, str]:
        """(connection, name of ``people``, name of ``ledger``), for what else keeps rows in them."""
        return self._db, self._people, self._ledger

    # ---- people

    def claims(self, identifiers: Iterable[Identifier], *, consistent: bool = False) -> Claims:
        """Who holds which identifier; those nobody holds are left out."""
        wanted = {identifier_key(i.kind, i.value): i for i in identifiers}
        found = Claims()
        for row in self._db.get(self._ledger, [{"pk": key, "sk": "I"} for key in wanted], consistent=consistent):
            if "p" in row:
                found[wanted[row["pk"]]] = row["p"]
                if "shared" in row:
                    found.shared.add(wanted[row["pk"]])
            else:
                found.erased[wanted[row["pk"]]] = row["gone"]
        return found

    def people(self, ids: Iterable[str], *, consistent: bool = False) -> Loaded:
        """The people with these ids, following merges."""
        loaded = Loaded()
        wanted = set(ids)
        while wanted:
            rows = self._db.get(self._people, [{"pk": id} for id in wanted], consistent=consistent)
            wanted = set()
            for row in rows:
                if "into" in row:
                    loaded.moved[row["pk"]] = row["into"]
                    if row["into"] not in loaded.people:
                        wanted.add(row["into"])
                else:
                    loaded.people[row["pk"]] = _person(row)
        for old in loaded.moved:
            while loaded.moved[old] in loaded.moved:
                loaded.moved[old] = loaded.moved[loaded.moved[old]]
        return loaded

    def person(self, id: str, *, consistent: bool = False) -> Person | None:
        """One person, following merges."""
        loaded = self.people([id], consistent=consistent)
        return loaded.people.get(loaded.moved.get(id, id))

    def write(self, writes: Sequence[Write], *, now: int) -> list[Write]:
        """Write people where their versions still hold; answers those that lost and must be decided again."""
        plain = [write for write in writes if not write.joint]
        joint = [write for write in writes if write.joint]
        held = self._db.execute_all([self._statement(w) for w in plain])
        lost = [w for w, ok in zip(plain, held, strict=True) if not ok]
        return lost + self._write_joint(joint, now)

    def _write_joint(self, writes: Sequence[Write], now: int) -> list[Write]:
        """Several people a transaction; where one of them loses, each alone."""
        lost: list[Write] = []
        bundle: list[tuple[Write, list[dict[str, Any]]]] = []
        size = 0
        for write in writes:
            actions = self._actions(write, now)
            if size + len(actions) > 100:
                lost += self._transact(bundle)
                bundle, size = [], 0
            bundle.append((write, actions))
            size += len(actions)
        return lost + self._transact(bundle)

    def _transact(self, bundle: Sequence[tuple[Write, list[dict[str, Any]]]]) -> list[Write]:
        if not bundle:
            return []
        try:
            self._db.transact([action for _, actions in bundle for action in actions])
        except Stale:
            if len(bundle) == 1:
                return [bundle[0][0]]
            return [write for one in bundle for write in self._transact([one])]
        return []

    def _statement(self, write: Write) -> dict[str, Any]:
        person = write.person
        sets, values = ["SET v=? SET s=?"], [encode(person.version), encode(person.pack())]
        if person.due < NEVER:
            sets.append("SET due_shard=? SET due_at=?")
            values += [encode(due_shard(person.id)), encode(person.due)]
        elif write.had_due:
            sets.append("REMOVE due_shard REMOVE due_at")
        if write.outbox is not None:
            sets.append("SET fx=?")
            values.append(encode(write.outbox))
        else:
            sets.append("REMOVE fx")
        if write.changed:
            sets.append("SET mx=?")
            values.append(encode(1))
        else:
            sets.append("REMOVE mx")
        return {
            "Statement": f'UPDATE "{self._people}" {" ".join(sets)} WHERE pk=? AND v=?',
            "Parameters": [*values, encode(person.id), encode(person.version - 1)],
        }

    def _actions(self, write: Write, now: int) -> list[dict[str, Any]]:
        person = write.person
        item: Item = {"pk": person.id, "v": person.version, "s": person.pack()}
        if person.due < NEVER:
            item |= {"due_shard": due_shard(person.id), "due_at": person.due}
        if write.outbox is not None:
            item["fx"] = write.outbox
        if write.changed:
            item["mx"] = 1
        actions = [self._put_if_version(item, person.version - 1)]
        for claim in write.claims:
            mine = {"pk": identifier_key(claim.kind, claim.value), "sk": "I", "p": person.id}
            actions.append(put_action(self._ledger, mine, "attribute_not_exists(p)"))
        for other in write.absorbed:
            actions.append(
                self._put_if_version({"pk": other.id, "v": other.version + 1, "into": person.id}, other.version)
            )
            merge = {"pk": f"P#{person.id}", "sk": f"G#{now:013d}#{other.id}", "s": other.pack(), "v": other.version}
            if write.before is not None:
                merge |= {"m": write.before.pack(), "mv": write.before.version}
            actions.append(put_action(self._ledger, merge))
            # What nobody had claimed for the other either is claimed above.
            theirs = {Identifier(kind, value) for kind, values in other.identifiers.items() for value in values}
            actions += [
                repoint_action(self._ledger, one, other.id, person.id)
                for one in sorted(theirs - {*write.claims}, key=str)
            ]
        for index, row in enumerate(write.consents):
            body = json.dumps(row, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
            link = {"pk": f"P#{person.id}", "sk": f"C#{person.version:010d}#{index:03d}", "b": body}
            actions.append(put_action(self._ledger, link))
        actions += write.also
        if len(actions) > 100:
            raise Rejected("one event brings too many identifiers at once", code="too-many-identifiers")
        return actions

    def _put_if_version(self, item: Item, version: int) -> dict[str, Any]:
        if version == 0:
            return put_action(self._people, item, "attribute_not_exists(pk)")
        return put_action(self._people, item, "v = :v", {":v": version})

    def due(self, shard: int, *, now: int, page: int = 100) -> Iterator[tuple[int, str]]:
        """(due, id) of the people of one shard whose clock has struck, the longest waiting first, read as consumed."""
        rows = self._db.query(
            TableName=self._people,
            IndexName="due",
            KeyConditionExpression="due_shard = :s AND due_at <= :now",
            ExpressionAttributeValues=pack_item({":s": str(shard), ":now": now}),
            Limit=page,
        )
        return ((row["due_at"], row["pk"]) for row in rows)

    def page(self, after: str, *, limit: int) -> tuple[list[Person], str]:
        """Up to ``limit`` people after the one with the id ``after`` (``""``: from the beginning), in an order of the
        table's own; and the ``after`` of the next page, ``""`` where there is none. People merged away are left out.
        """
        arguments: dict[str, Any] = {"TableName": self._people, "Limit": limit}
        if after:
            arguments["ExclusiveStartKey"] = pack_item({"pk": after})
        answer = self._db.call("scan", **arguments)
        rows = [unpack_item(raw) for raw in answer["Items"]]
        last = unpack_item(answer["LastEvaluatedKey"])["pk"] if "LastEvaluatedKey" in answer else ""
        return [_person(row) for row in rows if "into" not in row], last

    def headcount(self) -> int:
        """About how many people there are; DynamoDB counts every six hours."""
        return int(self._db.call("describe_table", TableName=self._people)["Table"].get("ItemCount", 0))

    def everybody(self, *, segment: int = 0, segments: int = 1) -> Iterator[Person]:
        """Walk the people table (one of ``segments`` parallel scans)."""
        arguments: dict[str, Any] = {"TableName": self._people, "Segment": segment, "TotalSegments": segments}
        while True:
            answer = self._db.call("scan", **arguments)
            for raw in answer["Items"]:
                row = unpack_item(raw)
                if "into" not in row:
                    yield _person(row)
            if "LastEvaluatedKey" not in answer:
                return
            arguments["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    # ---- disputes

    def dispute(self, identifier: Identifier, person: str, *, now: int) -> int:
        """Enter that ``person`` came with an identifier that is somebody else's; answers how many others have."""
        key = identifier_key(identifier.kind, identifier.value)
        row = {"pk": key, "sk": f"X#{person}", "ttl": (now + EVENT_LIFE) // 1000}
        self._db.call("put_item", **put_action(self._ledger, row)["Put"])
        return len(self.rivals(key))

    def rivals(self, key: str) -> list[str]:
        """Ids of the people who came with an identifier (by its partition key) that was somebody else's."""
        rows = self._db.query(
            TableName=self._ledger,
            KeyConditionExpression="pk = :pk AND begins_with(sk, :prefix)",
            ExpressionAttributeValues=pack_item({":pk": key, ":prefix": "X#"}),
            ProjectionExpression="sk",
            ConsistentRead=True,
        )
        return [row["sk"][2:] for row in rows]

    def share(self, identifier: Identifier, holder: str, rivals: int) -> None:
        """Know of an identifier that it joins nobody any more; its holder keeps it."""
        try:
            self._db.call(
                "update_item",
                TableName=self._ledger,
                Key=pack_item({"pk": identifier_key(identifier.kind, identifier.value), "sk": "I"}),
                UpdateExpression="SET #shared = :n",
                ConditionExpression="p = :p",
                ExpressionAttributeNames={"#shared": "shared"},
                ExpressionAttributeValues=pack_item({":n": rivals, ":p": holder}),
            )
        except Stale:
            # It has another holder by now, who will be told of the next dispute.
            return

    # ---- events

    def put_events(self, events: Iterable[tuple[Person, Event]]) -> None:
        """Append (person as written, event) rows; the same event twice is one row."""
        self._db.put_all(self._ledger, (_event_row(person, event) for person, event in events))

    def events(self, person: Person, *, newest_first: bool = False) -> Iterator[Event]:
        """All events of a person and of those merged into them, each once, by id of the sender."""
        seen: set[str] = set()
        for id in (person.id, *person.aliases):
            for row in self._rows(f"P#{id}", "E#", newest_first=newest_first):
                event = read_event(row)
                if event.mark not in seen:
                    seen.add(event.mark)
                    yield event

    def consents(self, person: Person) -> Iterator[dict[str, Any]]:
        """The rows of the consent chains, each in its own order: those of people merged into this one, then its own."""
        for id in (*person.aliases, person.id):
            for _, row in self.chain(id):
                yield row

    def chain(self, id: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """(sort key, row) of the consent chain that was begun under one id, in its order."""
        for row in self._rows(f"P#{id}", "C#"):
            yield row["sk"], json.loads(row["b"])

    def _rows(self, pk: str, prefix: str, *, newest_first: bool = False) -> Iterator[Item]:
        return self._db.query(
            TableName=self._ledger,
            KeyConditionExpression="pk = :pk AND begins_with(sk, :prefix)",
            ExpressionAttributeValues=pack_item({":pk": pk, ":prefix": prefix}),
            ScanIndexForward=not newest_first,
        )

    def outlived(self, person: str, *, before: int) -> int:
        """How many event rows of somebody should have gone ``before`` an instant, and are still there."""
        rows = self._db.query(
            TableName=self._ledger,
            KeyConditionExpression="pk = :pk AND begins_with(sk, :prefix)",
            FilterExpression="#ttl < :before",
            ExpressionAttributeNames={"#ttl": "ttl"},
            ExpressionAttributeValues=pack_item({":pk": f"P#{person}", ":prefix": "E#", ":before": before // 1000}),
            ProjectionExpression="sk",
        )
        return sum(1 for _ in rows)

    # ---- messages

    def messages(self, person: Person) -> list[Item]:
        """The send ledger of a person and of those merged into them."""
        rows = [row for id in (person.id, *person.aliases) for row in self._rows(f"P#{id}", "S#")]
        return [{**_message_row(row), "message": row["sk"][2:]} for row in rows]

    def message(self, person: str, message: str) -> Item | None:
        """One row of the send ledger."""
        rows = self._db.get(self._ledger, [_message_key(person, message)], consistent=True)
        return _message_row(rows[0]) if rows else None

    def suppressed(self, email: str) -> str | None:
        """Why an address must never be written to, or ``None``."""
        rows = self._db.get(self._ledger, [{"pk": suppression_key(email), "sk": "Z"}], consistent=True)
        return rows[0]["why"] if rows else None

    def suppress(self, email: str, why: str, *, now: int) -> None:
        """Never write to this address again."""
        self._db.put_all(self._ledger, [{"pk": suppression_key(email), "sk": "Z", "why": why, "at": now}])

    def letters(
        self, wanted: Iterable[tuple[str, str]], emails: Iterable[str]
    ) -> tuple[dict[tuple[str, str], Item], dict[str, str]]:
        """Rows of the send ledger by (holder, message), and why which addresses must never be written to."""
        rows = {(f"P#{holder}", f"S#{message}"): (holder, message) for holder, message in wanted}
        addresses = {suppression_key(email): email for email in emails}
        keys = [{"pk": pk, "sk": sk} for pk, sk in rows] + [{"pk": key, "sk": "Z"} for key in addresses]
        found: dict[tuple[str, str], Item] = {}
        suppressed: dict[str, str] = {}
        for row in self._db.get(self._ledger, keys, consistent=True):
            if row["sk"] == "Z":
                suppressed[addresses[row["pk"]]] = row["why"]
            else:
                found[rows[row["pk"], row["sk"]]] = _message_row(row)
        return found, suppressed

    def start_sending(self, starts: Sequence[Start], *, now: int) -> list[Start]:
        """Enter SENDING, each letter only while its person is as it was read, so that nothing withdrawn in between can
        leave, and only if nobody else has entered it. Answers those that lost and must be decided again.
        """
        lost: list[Start] = []
        for begin in range(0, len(starts), STARTS):
            bundle = starts[begin : begin + STARTS]
            try:
                self._db.transact(self._start(bundle, now))
            except Stale:
                lost += bundle if len(bundle) == 1 else self._start_each(bundle, now)
        return lost

    def _start_each(self, starts: Sequence[Start], now: int) -> list[Start]:
        return [lost for one in starts for lost in self.start_sending([one], now=now)]

    def _start(self, starts: Sequence[Start], now: int) -> list[dict[str, Any]]:
        checks = {
            start.person.id: {
                "ConditionCheck": {
                    "TableName": self._people,
                    "Key": pack_item({"pk": start.person.id}),
                    "ConditionExpression": "v = :v",
                    "ExpressionAttributeValues": pack_item({":v": start.person.version}),
                }
            }
            for start in starts
        }
        puts = []
        for start in starts:
            state = {"state": "SENDING", "rank": MESSAGE_RANKS["SENDING"], "sending_at": now}
            put: dict[str, Any] = {
                "TableName": self._ledger,
                "Item": pack_item({**_message_key(start.holder, start.message), **_slim(start.row), **state}),
                "ConditionExpression": "attribute_not_exists(pk) OR #rank = :queued",
                "ExpressionAttributeNames": {"#rank": "rank"},
                "ExpressionAttributeValues": pack_item({":queued": MESSAGE_RANKS["QUEUED"]}),
            }
            if start.unknown_at is not None:
                put["ConditionExpression"] = "#state = :unknown AND unknown_at = :since"
                put["ExpressionAttributeNames"] = {"#state": "state"}
                put["ExpressionAttributeValues"] = pack_item({":unknown": "UNKNOWN", ":since": start.unknown_at})
            puts.append({"Put": put})
        return [*puts, *checks.values()]

    def sent(self, letters: Sequence[tuple[str, str, str]], *, now: int) -> None:
        """SENDING → SENT for (holder, message, id of SES); one that SES has reported on already is further."""
        update = 'SET "state"=? SET "rank"=? SET sent_at=? SET ses=? WHERE pk=? AND sk=? AND "state"=?'
        statement = f'UPDATE "{self._ledger}" {update}'
        self._db.execute_all(
            [
                {
                    "Statement": statement,
                    "Parameters": [
                        encode(value)
                        for value in (
                            *("SENT", MESSAGE_RANKS["SENT"], now, ses),
                            *(f"P#{holder}", f"S#{message}", "SENDING"),
                        )
                    ],
                }
                for holder, message, ses in letters
            ]
        )

    def close(self, holder: str, message: str, state: str, row: Mapping[str, Any], *, why: str, now: int) -> bool:
        """End a message that was not handed to SES, with what the ledger keeps of it; false if it is ended already."""
        rank = MESSAGE_RANKS[state]
        facts = {**row, "state": state, "rank": rank, f"{state.lower()}_at": now, "why": why}
        move = self._move(holder, message, facts, "attribute_not_exists(pk) OR #rank < :rank", {})
        try:
            self._db.call("update_item", **move)
        except Stale:
            return False
        return True

    def skip(self, rows: Iterable[tuple[str, str, Mapping[str, Any]]], *, now: int) -> None:
        """Note for (person, message) why a letter is left out for now; it may be sent after all if that changes."""
        state = {"state": "SKIPPED", "rank": MESSAGE_RANKS["QUEUED"], "skipped_at": now}
        self._db.put_all(self._ledger, ({**_message_key(id, message), **row, **state} for id, message, row in rows))

    def settle(self, person: str, message: str, state: str, *, now: int, **facts: Any) -> bool:
        """Move a message up to ``state``; false if it already is as far or further, or does not exist."""
        rank = MESSAGE_RANKS[state]
        move = self._move(
            person,
            message,
            {"state": state, "rank": rank, f"{state.lower()}_at": now, **facts},
            "#rank < :rank",
            {},
        )
        try:
            self._db.call("update_item", **move)
        except Stale:
            return False
        return True

    def remember_clicks(self, holder: str, message: str, clicks: Sequence[str]) -> None:
        """Keep the newest clicks on a letter, as ``link instant``."""
        try:
            self._db.call(
                "update_item",
                TableName=self._ledger,
                Key=pack_item(_message_key(holder, message)),
                UpdateExpression="SET clicks = :clicks",
                ConditionExpression="attribute_exists(pk)",
                ExpressionAttributeValues=pack_item({":clicks": list(clicks)}),
            )
        except Stale:
            pass

    def release(self, person: str, message: str, *, owner: str) -> None:
        """SENDING → QUEUED, after SES refused to accept it for now."""
        self._db.call(
            "update_item",
            **self._move(
                person,
                message,
                {"state": "QUEUED", "rank": MESSAGE_RANKS["QUEUED"]},
                "#state = :from AND #owner = :owner",
                {":from": "SENDING", ":owner": owner},
                {"#owner": "owner"},
            ),
        )

    def _move(
        self,
        person: str,
        message: str,
        facts: Mapping[str, Any],
        condition: str,
        values: Mapping[str, Any],
        names: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        used = {"#state": "state", "#rank": "rank"} | dict(names or {})
        condition_names = {name: field for name, field in used.items() if name in condition}
        return {
            "TableName": self._ledger,
            "Key": pack_item(_message_key(person, message)),
            "UpdateExpression": "SET " + ", ".join(f"#f_{name} = :f_{name}" for name in facts),
            "ConditionExpression": condition,
            "ExpressionAttributeNames": condition_names | {f"#f_{name}": name for name in facts},
            "ExpressionAttributeValues": pack_item(
                {f":f_{name}": value for name, value in facts.items()}
                | dict(values)
                | ({":rank": facts["rank"]} if ":rank" in condition else {})
            ),
        }

    # ---- definitions

    def definitions(self, kind: str) -> dict[str, dict[str, Any]]:
        """All documents of one kind, by key."""
        rows = self._db.query(
            TableName=self._ledger,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues=pack_item({":pk": f"D#{kind}"}),
        )
        return {row["sk"]: _unpack_document(row["s"]) for row in rows}

    def definition(self, kind: str, key: str) -> dict[str, Any] | None:
        """One document."""
        rows = self._db.get(self._ledger, [{"pk": f"D#{kind}", "sk": key}], consistent=True)
        return _unpack_document(rows[0]["s"]) if rows else None

    def define(self, kind: str, key: str, document: Mapping[str, Any]) -> None:
        """Create or replace a document.

        Raises
        ------
        Rejected : packed it is larger than DynamoDB's item.
        """
        packed = _pack_document(document)
        if len(packed) > 390_000:
            raise Rejected(
                f"{kind} {key!r} is {len(packed)} bytes packed, the limit is 390000: split it",
                code="too-large",
                status=413,
            )
        self._db.put_all(self._ledger, [{"pk": f"D#{kind}", "sk": key, "s": packed}])

    def undefine(self, kind: str, key: str) -> None:
        """Remove a document; nothing happens if there is none."""
        self._db.call("delete_item", TableName=self._ledger, Key=pack_item({"pk": f"D#{kind}", "sk": key}))

    # ---- erasure

    def seal(self, person: Person, claims: Sequence[str], *, now: int) -> None:
        """Take a person out, as read, and leave of their ``claims`` (partition keys) only that they are gone. From here
        on nothing can be written about them or sent to them.

        Raises
        ------
        Stale : the person has changed.
        """
        delete = {
            "TableName": self._people,
            "Key": pack_item({"pk": person.id}),
            "ConditionExpression": "v = :v",
            "ExpressionAttributeValues": pack_item({":v": person.version}),
        }
        # What one transaction cannot hold belongs to nobody until :meth:`disclaim`.
        gone = [self._gone(key, person.id, now) for key in claims[:99]]
        self._db.transact([{"Delete": delete}, *gone])

    def disclaim(self, person: str, claims: Sequence[str], *, aliases: Sequence[str], now: int) -> None:
        """The rest of :meth:`seal`, also for those who were killed in it; who holds a claim by now keeps it."""
        for claim in claims:
            try:
                self._db.call("put_item", **self._gone(claim, person, now)["Put"])
            except Stale:
                continue
        self._db.delete_all(self._people, [{"pk": alias} for alias in aliases])

    def _gone(self, claim: str, person: str, now: int) -> dict[str, Any]:
        row = {"pk": claim, "sk": "I", "gone": now, "ttl": (now + GONE_LIFE) // 1000}
        return put_action(self._ledger, row, "p = :p", {":p": person})

    def rows(self, person: str) -> list[tuple[str, str]]:
        """Keys of all there is about a person beside themselves: (partition, sort key)."""
        rows = self._db.query(
            TableName=self._ledger,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues=pack_item({":pk": f"P#{person}"}),
            ProjectionExpression="pk, sk",
            ConsistentRead=True,
        )
        return [(row["pk"], row["sk"]) for row in rows]

    def drop(self, keys: Iterable[tuple[str, str]]) -> None:
        """Remove rows."""
        self._db.delete_all(self._ledger, [{"pk": pk, "sk": sk} for pk, sk in keys])

    def disputes(self, person: str, claims: Iterable[str]) -> set[tuple[str, str]]:
        """Keys of the rows about what a person came with that is somebody else's, and of all about their ``claims``.

        The former are found by the person's events, as long as those are there.
        """
        named = {one for row in self._rows(f"P#{person}", "E#") for one in read_event(row).identifiers}
        about = {(key, rival) for key in claims for rival in self.rivals(key)}
        brought = {identifier_key(one.kind, one.value) for one in named}
        about |= {(key, person) for key in brought if person in self.rivals(key)}
        return {(key, f"X#{rival}") for key, rival in about}

    def merges(self, person: Person) -> Iterator[tuple[int, Person]]:
        """(instant, somebody as they were when merged into this person)."""
        for id in (person.id, *person.aliases):
            for row in self._rows(f"P#{id}", "G#"):
                _, at, other = row["sk"].split("#")
                yield int(at), Person.unpack(other, row["v"], row["s"])

    # ---- jobs and tallies

    def jobs(self, kind: str = "job") -> dict[str, tuple[int, dict[str, Any]]]:
        """Every job (or erasure: ``kind``) by its name: (version, document)."""
        rows = self._db.query(
            TableName=self._ledger,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues=pack_item({":pk": f"K#{kind}"}),
            ConsistentRead=True,
        )
        return {row["sk"]: (row["v"], _unpack_document(row["s"])) for row in rows}

    def job(self, name: str, kind: str = "job") -> tuple[int, dict[str, Any]] | None:
        """One job: (version, document)."""
        rows = self._db.get(self._ledger, [{"pk": f"K#{kind}", "sk": name}], consistent=True)
        return (rows[0]["v"], _unpack_document(rows[0]["s"])) if rows else None

    def keep_job(
        self, name: str, document: Mapping[str, Any], *, was: int, kind: str = "job", until: int | None = None
    ) -> None:
        """Write a job whose version is ``was`` (0: there is none); it is one more afterwards. It expires at ``until``.

        Raises
        ------
        Stale : somebody else wrote it first.
        """
        item: Item = {"pk": f"K#{kind}", "sk": name, "v": was + 1, "s": _pack_document(document)}
        if until is not None:
            item["ttl"] = until // 1000
        put = put_action(
            self._ledger, item, "v = :v" if was else "attribute_not_exists(pk)", {":v": was} if was else None
        )
        self._db.call("put_item", **put["Put"])

    def tally(self, owner: str, what: str, by: int = 1) -> int:
        """Add to a counter that several workers share; answers what it is now."""
        answer = self._db.call(
            "update_item",
            TableName=self._ledger,
            Key=pack_item({"pk": f"R#{owner}", "sk": what}),
            UpdateExpression="ADD n :by",
            ExpressionAttributeValues=pack_item({":by": by}),
            ReturnValues="UPDATED_NEW",
        )
        return int(unpack_item(answer["Attributes"])["n"])

    def tallied(self, owner: str, what: str) -> int:
        """A counter as it stands, 0 where nobody has counted."""
        rows = self._db.get(self._ledger, [{"pk": f"R#{owner}", "sk": what}], consistent=True)
        return rows[0]["n"] if rows else 0

    def tallies(self, owner: str) -> dict[str, int]:
        """All counters of one owner."""
        rows = self._db.query(
            TableName=self._ledger,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues=pack_item({":pk": f"R#{owner}"}),
        )
        return {row["sk"]: row["n"] for row in rows}

    def reset(self, owner: str, what: str) -> None:
        """Begin a counter anew."""
        self._db.call("delete_item", TableName=self._ledger, Key=pack_item({"pk": f"R#{owner}", "sk": what}))

    def spend(self, key: str, window: int, by: int) -> int:
        """Add to the requests of a source's key in a window of time; answers what they are now. One row a key."""
        row = {
            "TableName": self._ledger,
            "Key": pack_item({"pk": f"R#{key}", "sk": "pace"}),
            "ReturnValues": "UPDATED_NEW",
        }
        values = pack_item({":w": window, ":n": by})
        try:
            answer = self._db.call(
                "update_item",
                **row,
                UpdateExpression="ADD n :n",
                ConditionExpression="w = :w",
                ExpressionAttributeValues=values,
            )
        except Stale:
            # The first of a new window; what two of them count at once is lost.
            answer = self._db.call(
                "update_item", **row, UpdateExpression="SET w = :w, n = :n", ExpressionAttributeValues=values
            )
        return int(unpack_item(answer["Attributes"])["n"])

    # ---- what webhooks are told

    def open_delivery(self, webhook: str, delivery: str, fact: Mapping[str, Any], *, about: str = "") -> None:
        """Enter a fact that a webhook is to be told; it stays as it is if it was entered before.

        What it tells is ``about`` a person whose erasure must find it, where it tells more than their id.
        """
        until = (fact["at"] + DELIVERY_LIFE) // 1000
        row = {"pk": f"W#{webhook}", "sk": delivery, "state": "OPEN", "s": _pack_document(fact), "ttl": until}
        if about:
            self._db.put_all(self._ledger, [{"pk": f"P#{about}", "sk": f"W#{webhook}#{delivery}", "ttl": until}])
        try:
            self._db.call("put_item", **put_action(self._ledger, row, "attribute_not_exists(pk)")["Put"])
        except Stale:
            pass

    def delivery(self, webhook: str, delivery: str) -> tuple[str, dict[str, Any]] | None:
        """(state, fact) of one delivery."""
        rows = self._db.get(self._ledger, [{"pk": f"W#{webhook}", "sk": delivery}], consistent=True)
        return (rows[0]["state"], _unpack_document(rows[0]["s"])) if rows else None

    def told(self, person: str) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
        """(webhook, delivery, state, fact) of what webhooks were told of somebody beyond their id."""
        for row in self._rows(f"P#{person}", "W#"):
            partition, delivery = pointed(row["sk"])
            webhook = partition.partition("#")[2]
            if (found := self.delivery(webhook, delivery)) is not None:
                yield webhook, delivery, *found

    def deliveries(self, webhook: str, *, since: int) -> Iterator[tuple[str, str]]:
        """(delivery, state) of everything a webhook was to be told that happened at ``since`` or later, in order."""
        rows = self._db.query(
            TableName=self._ledger,
            KeyConditionExpression="pk = :pk AND sk >= :since",
            ExpressionAttributeValues=pack_item({":pk": f"W#{webhook}", ":since": f"{since:013d}"}),
        )
        return ((row["sk"], row["state"]) for row in rows)

    def settle_delivery(self, webhook: str, delivery: str, state: str, *, why: str = "") -> None:
        """Say what became of a delivery: ``DELIVERED``, ``FAILED`` or ``HELD``."""
        try:
            self._db.call(
                "update_item",
                TableName=self._ledger,
                Key=pack_item({"pk": f"W#{webhook}", "sk": delivery}),
                UpdateExpression="SET #state = :state, why = :why",
                ConditionExpression="attribute_exists(pk)",
                ExpressionAttributeNames={"#state": "state"},
                ExpressionAttributeValues=pack_item({":state": state, ":why": why}),
            )
        except Stale:
            pass

    # ---- quarantine

    def quarantine(self, rows: Iterable[Mapping[str, Any]], *, now: int) -> None:
        """Keep what a verified sender sent and we could not use; each row has ``source``, ``reason`` and ``raw``.

        The same row twice in a day is one: senders repeat what they got no answer to.
        """
        items = []
        for row in rows:
            packed = _pack_document(row)
            mark = digest(str(row.get("source")), packed.hex(), size=10)
            for part, start in enumerate(range(0, len(packed), PART_BYTES)):
                items.append(
                    {
                        "pk": f"Q#{iso(now)[:10]}",
                        "sk": f"{mark}#{part:03d}",
                        "at": now,
                        "s": packed[start : start + PART_BYTES],
                        "ttl": (now + QUARANTINE_LIFE) // 1000,
                    }
                )
        self._db.put_all(self._ledger, items)

    def quarantined(self, day: str) -> Iterator[dict[str, Any]]:
        """The quarantine of one day (``2026-11-24``) in no order, each row with its ``id`` and ``at``, as consumed."""
        return self._quarantined(day, "")

    def quarantined_row(self, id: str) -> dict[str, Any] | None:
        """One row of the quarantine."""
        day, _, mark = id.partition("/")
        return next(self._quarantined(day, f"{mark}#"), None) if mark else None

    def _quarantined(self, day: str, prefix: str) -> Iterator[dict[str, Any]]:
        for mark, parts in groupby(self._parts(day, prefix), lambda row: row["sk"].partition("#")[0]):
            rows = list(parts)
            document = _unpack_document(b"".join(row["s"] for row in rows))
            yield {"id": f"{day}/{mark}", "at": rows[0]["at"], **document}

    def _parts(self, day: str, prefix: str) -> Iterator[Item]:
        condition, values = "pk = :pk", {":pk": f"Q#{day}"}
        if prefix:
            condition, values = f"{condition} AND begins_with(sk, :sk)", {**values, ":sk": prefix}
        return self._db.query(
            TableName=self._ledger,
            KeyConditionExpression=condition,
            ExpressionAttributeValues=pack_item(values),
        )

    def unquarantine(self, id: str) -> None:
        """Drop one row of the quarantine, after its replay."""
        day, _, mark = id.partition("/")
        parts = list(self._parts(day, f"{mark}#"))
        self._db.delete_all(self._ledger, ({"pk": part["pk"], "sk": part["sk"]} for part in parts))


ALL_DUE_SHARDS = range(DUE_SHARDS)


def _person(row: Item) -> Person:
    return Person.unpack(row["pk"], row["v"], row["s"], row.get("due_at", NEVER))


def _event_row(person: Person, event: Event) -> Item:
    return event_row(person.id, event) | {"v": person.version}


def read_event(row: Item) -> Event:
    """The inverse of :func:`event_row`."""
    return Event.from_json(_unpack_document(row["z"]) if "z" in row else json.loads(row["b"]))


def event_row(person: str, event: Event) -> Item:
    """The row of an event under a person's id."""
    written = json.dumps(event.to_json(), separators=(",", ":"), ensure_ascii=False)
    large = len(written.encode("utf-8", "surrogatepass")) > EVENT_BYTES if len(written) > EVENT_BYTES // 4 else False
    return {
        "pk": f"P#{person}",
        "sk": f"E#{event.at:013d}#{event.mark}",
        "n": event.name,
        **({"z": _pack_document(event.to_json())} if large else {"b": written}),
        "ttl": (event.at + EVENT_LIFE) // 1000,
    }


def _message_key(person: str, message: str) -> dict[str, str]:
    return {"pk": f"P#{person}", "sk": f"S#{message}"}


def repoint_action(table: str, claim: Identifier, old: str, new: str) -> dict[str, Any]:
    """An identifier goes from one person to another, as an action of a transaction."""
    return {
        "Update": {
            "TableName": table,
            "Key": pack_item({"pk": identifier_key(claim.kind, claim.value), "sk": "I"}),
            "UpdateExpression": "SET p = :new",
            "ConditionExpression": "p = :old",
            "ExpressionAttributeValues": pack_item({":new": new, ":old": old}),
        }
    }


def _slim(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the send ledger as it lies in the table: its links are much alike and would cost it a unit or two in
    every write."""
    return {**row, "links": zlib.compress(json.dumps(row["links"]).encode(), 1)}


def _message_row(item: Item) -> Item:
    """The inverse of :func:`_slim`."""
    return {**item, "links": json.loads(zlib.decompress(item["links"]))} if "links" in item else item


def put_action(
    table: str, item: Mapping[str, Any], condition: str | None = None, values: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """A put as an action of a transaction; ``["Put"]`` of it are the arguments of a put alone."""
    put: dict[str, Any] = {"TableName": table, "Item": pack_item(item)}
    if condition is not None:
        put["ConditionExpression"] = condition
    if values:
        put["ExpressionAttributeValues"] = pack_item(values)
    return {"Put": put}


def _pack_document(document: Mapping[str, Any]) -> bytes:
    return zlib.compress(json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode())


def _unpack_document(packed: bytes) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(zlib.decompress(packed))
    return document
