"""What a record of the import queue says: an import to go on with, a file that was dropped, a pull, contacts to be
read, or files to be combed for those who are erased."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

from tailor.edges import runtime
from tailor.flows import comb, pull
from tailor.flows.load import Desk, dropped, load
from tailor.kernel.errors import Rejected

RESERVE_MS = 30_000
"""Time kept for finishing the chunk, or the page, at hand."""
COMBING_MS = 240_000
"""Time kept for the file at hand while files are combed: one of 64 MB takes up to three minutes."""
ROOM = 16 * 1024 * 1024
logger = runtime.logger()


def done(record: dict[str, Any], desk: Desk, context: Any) -> bool:
    """Go as far as there is time; whether the record is dealt with."""

    def enough(reserve: int = RESERVE_MS) -> bool:
        return bool(context.get_remaining_time_in_millis() < reserve)

    try:
        match json.loads(record["body"]):
            case {"import": id}:
                _load(id, desk, enough)
            case {"pull": name}:
                state = pull.pull(name, _counter(), clock=runtime.now, enough=enough)
                logger.info("pulled", extra={"pull": name, "state": state.to_json() if state else None})
            case {"hydrate": key, "numbers": numbers}:
                pull.hydrate(key, numbers, _counter(), clock=runtime.now)
            case {"comb": True}:
                _comb(partial(enough, COMBING_MS))
            case {"detail": {"object": file}} if (id := _entered(file, desk)) is not None:
                _load(id, desk, enough)
    except Exception:
        logger.exception("record goes back to the queue", extra={"record": record["messageId"]})
        return False
    return True


def _comb(enough: Callable[[], bool]) -> None:
    done = comb.comb(comb.Desk(runtime.store(), runtime.imports(), runtime.claims()), clock=runtime.now, enough=enough)
    logger.info("combed", extra={"erased": done})


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
