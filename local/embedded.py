"""Starts ministack with two repairs; runs on ministack's own Python, see :mod:`cloud`.

DynamoDB puts every change of an item on the table's stream. ministack leaves out those made by PartiQL's UPDATE, with
which `absorb` writes people in batches: nothing that they owe would ever leave.

A number that comes from a parameter of a template is text. AWS takes it for the number; ministack's poller of queues
stops at the first concurrency that is text, and no queue is read any more.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from ministack.app import main  # type: ignore[import-not-found]
from ministack.services import dynamodb, lambda_svc  # type: ignore[import-not-found]

_update = dynamodb._partiql_update


def _update_with_record(table: dict[str, Any], parsed: dict[str, Any], data: dict[str, Any] | None = None) -> Any:
    key, sort, _, refused = dynamodb._partiql_key_target(table, parsed)
    before = None if refused else deepcopy(table["items"].get(key, {}).get(sort))
    answer = _update(table, parsed, data)
    if answer[0] == 200:
        dynamodb._emit_stream_event(parsed["table"], "MODIFY", before, table["items"][key][sort])
    return answer


dynamodb._partiql_update = _update_with_record

_concurrency = lambda_svc._sqs_esm_concurrency


def _concurrency_by_number(mapping: dict[str, Any], *about: Any) -> Any:
    scaling = mapping.get("ScalingConfig") or {}
    if isinstance(most := scaling.get("MaximumConcurrency"), str):
        mapping = {**mapping, "ScalingConfig": {**scaling, "MaximumConcurrency": int(most)}}
    return _concurrency(mapping, *about)


lambda_svc._sqs_esm_concurrency = _concurrency_by_number

if __name__ == "__main__":
    main()
