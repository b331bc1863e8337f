"""DynamoDB in this process: a client that keeps items in dictionaries, for runs with a million letters.

It understands the requests of :mod:`tailor.edges.store` and no others, keeps the sparse index of those who are due,
puts every new outbox on a stream, and reckons write and read units as :mod:`bench.fake_dynamo` does.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

Wire = dict[str, Any]

_CLAUSE = re.compile(r'(SET|REMOVE) "?(\w+)"?(?:=\?)?')
_EQUALS = re.compile(r'"?(\w+)"?=\?')


class _Refused(Exception):
    pass


def size(item: Wire) -> int:
    """Bytes of an item as DynamoDB counts them."""
    return sum(len(name) + _value(value) for name, value in item.items())


def _value(value: Wire) -> int:
    ((kind, raw),) = value.items()
    match kind:
        case "S":
            return len(raw.encode())
        case "B":
            return len(raw)
        case "N":
            return (len(raw) + 1) // 2 + 1
        case "L":
            return 3 + sum(1 + _value(one) for one in raw)
        case _:
            return 1


class Memory:
    """The client; ``wru`` and ``rru`` are units since :meth:`reckon`, ``requests`` counts all."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[str, dict[str, Wire]]] = {"people": {}, "ledger": {}}
        self.stream: list[Wire] = []
        self.due: dict[str, dict[str, int]] = {}
        self.wru = 0.0
        self.rru = 0.0
        self.requests = 0
        self._bill = False
        self._known: dict[str, int] = {}
        self._keys: list[str] = []

    def reckon(self) -> None:
        """Begin to reckon units, which takes time."""
        self._bill = True

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        handler = getattr(self, f"_{operation}", None)
        if handler is None:
            raise AttributeError(operation)

        def call(**arguments: Any) -> Any:
            self.requests += 1
            try:
                return handler(**arguments)
            except _Refused:
                return self._refuse(operation)

        return call

    def _refuse(self, operation: str) -> Any:
        if operation == "transact_write_items":
            error = {"Code": "TransactionCanceledException", "Message": "[ConditionalCheckFailed]"}
            raise ClientError({"Error": error}, "TransactWriteItems")
        raise ClientError({"Error": {"Code": "ConditionalCheckFailedException", "Message": ""}}, operation)

    # ---- reads

    def _batch_get_item(self, RequestItems: Wire) -> Wire:
        found = {}
        for table, wanted in RequestItems.items():
            items = [self._find(table, key) for key in wanted["Keys"]]
            for item in items if self._bill else ():
                self._read(size(item or {}), wanted.get("ConsistentRead", False))
            found[table] = [item for item in items if item is not None]
        return {"Responses": found, "UnprocessedKeys": {}}

    def _query(self, TableName: str, **request: Any) -> Wire:
        values = request["ExpressionAttributeValues"]
        if request.get("IndexName") == "due":
            now = int(values[":now"]["N"])
            struck = sorted((at, pk) for pk, at in self.due.get(values[":s"]["S"], {}).items() if at <= now)
            return {"Items": [{"pk": {"S": pk}, "due_at": {"N": str(at)}} for at, pk in struck]}
        partition = self.tables[TableName].get(values[":pk"]["S"], {})
        prefix = values.get(":prefix", {"S": ""})["S"]
        items = [partition[sk] for sk in sorted(partition) if sk.startswith(prefix)]
        self._read(sum(map(size, items)), request.get("ConsistentRead", False))
        return {"Items": items}

    def _scan(self, TableName: str, Limit: int = 1_000_000, ExclusiveStartKey: Wire | None = None, **_: Any) -> Wire:
        """By the order of insertion, which is as good as one by hashes."""
        order = self._order(TableName)
        start = order[ExclusiveStartKey["pk"]["S"]] + 1 if ExclusiveStartKey else 0
        keys = list(order)[start : start + Limit] if Limit >= len(order) else self._keys[start : start + Limit]
        items = [self.tables[TableName][pk][""] for pk in keys]
        if self._bill:
            self._read(sum(map(size, items)), consistent=False)
        answer: Wire = {"Items": items}
        if start + Limit < len(order):
            answer["LastEvaluatedKey"] = {"pk": {"S": keys[-1]}}
        return answer

    def _order(self, table: str) -> dict[str, int]:
        if len(self._known) != len(self.tables[table]):
            self._keys = list(self.tables[table])
            self._known = {pk: place for place, pk in enumerate(self._keys)}
        return self._known

    def _describe_table(self, TableName: str) -> Wire:
        return {"Table": {"ItemCount": len(self.tables[TableName])}}

    def _find(self, table: str, key: Wire) -> Wire | None:
        return self.tables[table].get(key["pk"]["S"], {}).get(key["sk"]["S"] if "sk" in key else "")

    def _read(self, weight: int, consistent: bool) -> None:
        self.rru += max(1, -(-weight // 4096)) * (1 if consistent else 0.5)

    # ---- writes

    def _put_item(self, TableName: str, Item: Wire, **condition: Any) -> Wire:
        self._check(TableName, Item, condition)
        self._write(TableName, Item)
        return {}

    def _update_item(self, TableName: str, Key: Wire, UpdateExpression: str, **request: Any) -> Wire:
        self._check(TableName, Key, request)
        item = self._updated(TableName, Key, UpdateExpression, request)
        self._write(TableName, item)
        return {"Attributes": item}

    def _delete_item(self, TableName: str, Key: Wire) -> Wire:
        self.tables[TableName].get(Key["pk"]["S"], {}).pop(Key.get("sk", {"S": ""})["S"], None)
        return {}

    def _batch_write_item(self, RequestItems: Wire) -> Wire:
        for table, writes in RequestItems.items():
            for write in writes:
                self._write(table, write["PutRequest"]["Item"])
        return {"UnprocessedItems": {}}

    def _batch_execute_statement(self, Statements: list[Wire]) -> Wire:
        return {"Responses": [self._statement(one["Statement"], one["Parameters"]) for one in Statements]}

    def _statement(self, text: str, parameters: list[Wire]) -> Wire:
        changes, _, where = text.partition(" WHERE ")
        table = changes.split('"')[1]
        wanted = _EQUALS.findall(where)
        found = dict(zip(wanted, parameters[-len(wanted) :], strict=True))
        key = {name: found.pop(name) for name in ("pk", "sk") if name in found}
        item = self._find(table, key)
        if item is None or any(item.get(name) != value for name, value in found.items()):
            self._charge(item or {}, {})
            return {"Error": {"Code": "ConditionalCheckFailed"}}
        changed, values = dict(item), iter(parameters)
        for verb, name in _CLAUSE.findall(changes.partition('" ')[2]):
            if verb == "SET":
                changed[name] = next(values)
            else:
                changed.pop(name, None)
        self._write(table, changed)
        return {}

    def _transact_write_items(self, TransactItems: list[Wire]) -> Wire:
        before = self.wru
        actions = [next(iter(action.items())) for action in TransactItems]
        try:
            for _, action in actions:
                self._check(action["TableName"], action.get("Item") or action["Key"], action)
            for verb, action in actions:
                match verb:
                    case "Put":
                        self._write(action["TableName"], action["Item"])
                    case "ConditionCheck":
                        self._charge(self._find(action["TableName"], action["Key"]) or {}, {})
                    case "Update":
                        expression = action["UpdateExpression"]
                        updated = self._updated(action["TableName"], action["Key"], expression, action)
                        self._write(action["TableName"], updated)
                    case "Delete":
                        self._delete_item(action["TableName"], action["Key"])
        finally:
            self.wru += self.wru - before
        return {}

    def _updated(self, table: str, key: Wire, expression: str, request: Wire) -> Wire:
        names, values = request.get("ExpressionAttributeNames", {}), request.get("ExpressionAttributeValues", {})
        item = dict(self._find(table, key) or key)
        verb, _, body = expression.partition(" ")
        for clause in body.split(", "):
            words = clause.replace("=", " ").split()
            name = names.get(words[0], words[0])
            if verb == "ADD":
                was = int(item.get(name, {"N": "0"})["N"])
                item[name] = {"N": str(was + int(values[words[1]]["N"]))}
            else:
                item[name] = values[words[1]]
        return item

    def _check(self, table: str, key: Wire, request: Wire) -> None:
        condition = request.get("ConditionExpression")
        if condition is None:
            return
        names, values = request.get("ExpressionAttributeNames", {}), request.get("ExpressionAttributeValues", {})
        item = self._find(table, key) or {}

        def holds(clause: str) -> bool:
            if clause.startswith("attribute_not_exists("):
                return clause[21:-1] not in item
            left, comparison, right = clause.split()
            known, wanted = item.get(names.get(left, left)), values[right]
            if comparison == "<":
                return known is not None and int(known["N"]) < int(wanted["N"])
            return bool(known == wanted)

        if not any(all(holds(one) for one in way.split(" AND ")) for way in condition.split(" OR ")):
            self._charge(item, {})
            raise _Refused

    def _write(self, table: str, item: Wire) -> None:
        pk, sk = item["pk"]["S"], item["sk"]["S"] if "sk" in item else ""
        partition = self.tables[table].setdefault(pk, {})
        self._charge(partition.get(sk, {}), item)
        partition[sk] = item
        if table != "people":
            return
        if "due_at" in item:
            self.due.setdefault(item["due_shard"]["S"], {})[pk] = int(item["due_at"]["N"])
        else:
            for shard in self.due.values():
                shard.pop(pk, None)
        if "fx" in item:
            image = {"pk": item["pk"], "v": item["v"], "fx": {"B": b64encode(item["fx"]["B"]).decode()}}
            self.stream.append({"dynamodb": {"NewImage": image, "SequenceNumber": str(len(self.stream))}})

    def _charge(self, old: Wire, new: Wire) -> None:
        if not self._bill:
            return
        self.wru += max(1, -(-max(size(old), size(new)) // 1024))
        was, now = ([item.get(name) for name in ("due_shard", "due_at")] for item in (old, new))
        if new and was != now:
            self.wru += (None not in was) + (None not in now)
