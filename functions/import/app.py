"""Files and vendors → events. Queue records say what to go on with: an import, a file that was dropped, a pull, or
contacts to be read; each minute what nobody has is queued again, and what is due."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

from tailor.edges import runtime
from tailor.flows import pull
from tailor.flows.load import Desk, dropped, load, sweep
from tailor.kernel.errors import Rejected

RESERVE_MS = 30_000
"""Time kept for finishing the chunk, or the page, at hand."""
ROOM = 16 * 1024 * 1024
logger = runtime.logger()


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """SQS batch, or ``{"job": "sweep"}``, in; partial batch response, or what was queued, out."""
    desk = Desk(runtime.store(), runtime.imports(), runtime.bulk_queue())
    if event.get("job") == "sweep":
        now = runtime.now()
        left = [{"import": id} for id in sweep(desk, now=now)]
        left += [{"pull": name} for name in pull.due(runtime.store(), now=now)]
        runtime.import_queue().put(left)
        return {"queued": left}

    def enough() -> bool:
        return bool(context.get_remaining_time_in_millis() < RESERVE_MS)

    failed = [record["messageId"] for record in event["Records"] if not _done(record, desk, enough)]
    return {"batchItemFailures": [{"itemIdentifier": id} for id in failed]}


def _done(record: dict[str, Any], desk: Desk, enough: Callable[[], bool]) -> bool:
    try:
        match json.loads(record["body"]):
            case {"import": id}:
                _load(id, desk, enough)
            case {"pull": name}:
                state = pull.pull(name, _counter(), clock=runtime.now, enough=enough)
                logger.info("pulled", extra={"pull": name, "state": state.to_json() if state else None})
            case {"hydrate": key, "numbers": numbers}:
                pull.hydrate(key, numbers, _counter(), clock=runtime.now)
            case {"detail": {"object": file}} if (id := _entered(file, desk)) is not None:
                _load(id, desk, enough)
    except Exception:
        logger.exception("record goes back to the queue", extra={"record": record["messageId"]})
        return False
    return True


def _counter() -> pull.Desk:
    call = partial(runtime.outside().ask, room=ROOM)
    return pull.Desk(runtime.store(), runtime.bulk_queue(), call, runtime.secret_of_pull, runtime.pause)


def _entered(file: dict[str, Any], desk: Desk) -> str | None:
    """The import of a file that was dropped; what no feed is for goes to quarantine."""
    now = runtime.now()
    try:
        job = dropped(file["key"], file["etag"], runtime.store(), desk, size=file.get("size", 0), now=now)
    except Rejected as error:
        row = {"source": "import", "reason": error.problem(), "raw": {"key": file["key"]}}
        runtime.store().quarantine([row], now=now)
        return None
    return job.id if job else None


def _load(id: str, desk: Desk, enough: Callable[[], bool]) -> None:
    job = load(id, desk, clock=runtime.now, enough=enough)
    if job is None:
        return
    if not job.finished:
        runtime.import_queue().put([{"import": id}])
    logger.info("imported", extra={"import": id, "state": job.state, "counts": job.counts, "problem": job.problem})
