"""The send queues → SES, at most once a message. Broadcasts have one of their own, so that nobody waits for them."""

from __future__ import annotations

import json
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import cache, lru_cache
from typing import Any

from tailor.edges import runtime
from tailor.edges.bus import Queue
from tailor.flows.broadcast import standing
from tailor.flows.deliver import TOGETHER, Letterheads, Outcome, Post, deliver
from tailor.flows.stock import shelf
from tailor.kernel.errors import Transient
from tailor.kernel.program import Program

RESERVE_MS = 15_000
"""Time kept for the letters at hand."""
logger = runtime.logger()


@lru_cache(maxsize=2)
def _letterheads(program: Program) -> Letterheads:
    return Letterheads(program)


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(TOGETHER)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """SQS batch in, partial batch response out."""
    records = event["Records"]
    lane, queue = runtime.lane(records[0].get("eventSourceARN", ""))
    program = runtime.program()
    post = Post(
        store=runtime.store(),
        mailer=runtime.mailer(),
        reports=runtime.ingest_queue,
        program=program,
        signing_keys=runtime.signing_keys(),
        public_url=runtime.public_url(),
        owner=runtime.owner(),
        letterhead=_letterheads(program),
        campaign=lambda key: runtime.soon(f"campaign:{key}", lambda: standing(key, runtime.store())),
        pace=runtime.pace(lane),
        clock=runtime.now,
        sleep=time.sleep,
        each=_pool().map,
        patience=max(0, context.get_remaining_time_in_millis() - RESERVE_MS),
        shelf=lambda: runtime.kept("shelf", shelf),
    )
    try:
        outcomes = deliver([json.loads(record["body"]) for record in records], post)
    except Transient as refused:
        logger.warning("batch goes back", extra={"why": str(refused)})
        return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in records]}
    failed = [r["messageId"] for r, o in zip(records, outcomes, strict=True) if not _done(r, o, queue)]
    for state, times in Counter(outcome.state for outcome in outcomes).items():
        runtime.count("Messages", times, state=state)
    states = {json.loads(r["body"])["message"]: o.state for r, o in zip(records, outcomes, strict=True)}
    logger.info("messages", extra={"states": states})
    return {"batchItemFailures": [{"itemIdentifier": id} for id in failed]}


def _done(record: dict[str, Any], outcome: Outcome, queue: Queue) -> bool:
    if outcome.error is not None:
        logger.error("message failed", extra={"record": record["messageId"]}, exc_info=outcome.error)
    if outcome.retry_after is None:
        return True
    try:
        queue.postpone(record["receiptHandle"], outcome.retry_after)
    except Transient:
        logger.info("message comes back later than asked", extra={"record": record["messageId"]})
    return False
