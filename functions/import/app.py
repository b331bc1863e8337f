"""Files and vendors → events. Queue records say what to go on with, see :mod:`records`; each minute what nobody has is
queued again, and what is due."""

from __future__ import annotations

from typing import Any

from records import done
from tailor.edges import runtime
from tailor.flows import comb, pull
from tailor.flows.load import Desk, sweep


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """SQS batch, or ``{"job": "sweep"}``, in; partial batch response, or what was queued, out."""
    desk = Desk(runtime.store(), runtime.imports(), runtime.bulk_queue())
    if event.get("job") == "sweep":
        now = runtime.now()
        left: list[dict[str, Any]] = [{"import": id} for id in sweep(desk, now=now)]
        left += [{"pull": name} for name in pull.due(runtime.store(), now=now)]
        left += [{"comb": True}] if comb.due(runtime.store(), now=now) else []
        runtime.import_queue().put(left)
        return {"queued": left}
    failed = [record["messageId"] for record in event["Records"] if not done(record, desk, context)]
    return {"batchItemFailures": [{"itemIdentifier": id} for id in failed]}
