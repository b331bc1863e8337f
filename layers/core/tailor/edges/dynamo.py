"""DynamoDB as it is: whole batches, retries of what was left unprocessed, and plain Python values.

Only :mod:`tailor.edges.store` uses this. Numbers are ``int``, binaries ``bytes``; nothing else is stored, so the two
conversions below are all there is (the library's own serializer costs 25 times as much and returns Decimals).
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from tailor.kernel.errors import Stale, Transient

Item = dict[str, Any]

_THROTTLED = frozenset(
    {
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ThrottlingException",
        "ThrottlingError",
        "InternalServerError",
        "ServiceUnavailable",
    }
)
_LOST = frozenset({"ConditionalCheckFailed", "TransactionConflict", "DuplicateItem"})


def encode(value: Any) -> dict[str, Any]:
    """One attribute value on the wire."""
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, int):
        return {"N": str(value)}
    if isinstance(value, bytes):
        return {"B": value}
    return {"L": [encode(v) for v in value]}


def decode(value: Mapping[str, Any]) -> Any:
    """The inverse of :func:`encode`."""
    ((kind, raw),) = value.items()
    if kind == "N":
        return int(raw)
    return [decode(v) for v in raw] if kind == "L" else raw


def pack_item(item: Mapping[str, Any]) -> dict[str, Any]:
    """A whole item on the wire."""
    return {name: encode(value) for name, value in item.items()}


def unpack_item(item: Mapping[str, Any]) -> Item:
    """A whole item off the wire."""
    return {name: decode(value) for name, value in item.items()}


def read_lightly(client: Any) -> Any:
    """Make a botocore client take DynamoDB's JSON as it is; answers ``client``.

    botocore walks every answer along its model to arrive at the same values; that is a twentieth of what absorbing an
    event costs.
    """
    client.meta.events.register("before-parse.dynamodb", _take_json)
    return client


def _take_json(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any) -> None:
    # Errors are left to botocore: there is more to them than the JSON.
    if response_dict["status_code"] == 200:
        customized_response_dict.update(json.loads(response_dict["body"], object_hook=_binary))
        response_dict["body"] = b"{}"


def _binary(value: dict[str, Any]) -> dict[str, Any]:
    raw = value.get("B")
    return {"B": b64decode(raw)} if isinstance(raw, str) else value


class Dynamo:
    """A botocore DynamoDB client with batches.

    Throttling after botocore's own retries raises :class:`Transient`, lost conditions :class:`Stale`.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """One request; maps errors."""
        try:
            answer: dict[str, Any] = getattr(self._client, operation)(**arguments)
            return answer
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in _THROTTLED:
                raise Transient(f"DynamoDB {operation}: {code}") from error
            if code == "ConditionalCheckFailedException":
                raise Stale(operation) from error
            if code == "TransactionCanceledException":
                reasons = {reason.get("Code") for reason in error.response.get("CancellationReasons", [])}
                if reasons & _LOST or "ConditionalCheckFailed" in str(error):
                    raise Stale(operation) from error
                if reasons & {"ThrottlingError", "ProvisionedThroughputExceeded"}:
                    raise Transient(f"DynamoDB {operation}: {code}") from error
            raise

    def get(self, table: str, keys: Sequence[Mapping[str, str]], *, consistent: bool = False) -> list[Item]:
        """Items of one table by key, in no order, 100 a request."""
        return [unpack_item(i) for _, i in self.get_across([(table, key) for key in keys], consistent=consistent)]

    def get_across(
        self, keys: Sequence[tuple[str, Mapping[str, str]]], *, consistent: bool = False
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """(table, raw item) for keys of several tables, 100 a request."""
        for start in range(0, len(keys), 100):
            request: dict[str, Any] = {}
            for table, key in keys[start : start + 100]:
                request.setdefault(table, {"ConsistentRead": consistent, "Keys": []})["Keys"].append(pack_item(key))
            for _ in range(8):
                answer = self.call("batch_get_item", RequestItems=request)
                for table, items in answer["Responses"].items():
                    for item in items:
                        yield table, item
                request = answer.get("UnprocessedKeys") or {}
                if not request:
                    break
            else:
                raise Transient("DynamoDB leaves keys unread")

    def put_all(self, table: str, items: Iterable[Item]) -> None:
        """Unconditional puts, 25 a request; of two items with one key the last is written."""
        unique = {(item["pk"], item.get("sk")): item for item in items}
        queue = [{"PutRequest": {"Item": pack_item(item)}} for item in unique.values()]
        for start in range(0, len(queue), 25):
            self._write_all({table: queue[start : start + 25]})

    def _write_all(self, request: dict[str, Any]) -> None:
        for _ in range(8):
            request = self.call("batch_write_item", RequestItems=request).get("UnprocessedItems") or {}
            if not request:
                return
        raise Transient("DynamoDB leaves items unwritten")

    def delete_all(self, table: str, keys: Iterable[Mapping[str, str]]) -> None:
        """Unconditional deletes, 25 a request; what is not there is deleted already."""
        queue = [{"DeleteRequest": {"Key": pack_item(key)}} for key in keys]
        for start in range(0, len(queue), 25):
            self._write_all({table: queue[start : start + 25]})

    def execute_all(self, statements: Sequence[Mapping[str, Any]]) -> list[bool]:
        """PartiQL statements, 25 a request; for each whether its condition held.

        Raises
        ------
        Transient : a statement failed for another reason than its condition.
        """
        held: list[bool] = []
        for start in range(0, len(statements), 25):
            answer = self.call("batch_execute_statement", Statements=list(statements[start : start + 25]))
            for response in answer["Responses"]:
                code = response.get("Error", {}).get("Code")
                if code is not None and code not in _LOST:
                    raise Transient(f"DynamoDB statement: {code}: {response['Error'].get('Message', '')[:200]}")
                held.append(code is None)
        return held

    def transact(self, actions: Sequence[Mapping[str, Any]]) -> None:
        """All or nothing, at most 100 actions.

        Raises
        ------
        Stale : a condition did not hold, or another transaction was at it.
        """
        self.call("transact_write_items", TransactItems=list(actions))

    def query(self, **arguments: Any) -> Iterator[Item]:
        """All items of a query, page by page as they are consumed."""
        while True:
            answer = self.call("query", **arguments)
            for item in answer["Items"]:
                yield unpack_item(item)
            if "LastEvaluatedKey" not in answer:
                return
            arguments["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
