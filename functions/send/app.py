"""The send queue → SES, at most once a message."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from tailor.edges import runtime
from tailor.flows.deliver import Letterheads, Post, deliver
from tailor.kernel.errors import Transient
from tailor.kernel.program import Program

logger = runtime.logger()


@lru_cache(maxsize=2)
def _letterheads(program: Program) -> Letterheads:
    return Letterheads(program)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """SQS batch in, partial batch response out."""
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
    )
    failed = [record["messageId"] for record in event["Records"] if not _deliver(record, post)]
    return {"batchItemFailures": [{"itemIdentifier": id} for id in failed]}


def _deliver(record: dict[str, Any], post: Post) -> bool:
    owed = json.loads(record["body"])
    try:
        state = deliver(owed, post, now=runtime.now())
    except Transient as refused:
        logger.info("message waits", extra={"message_id": owed["message"], "why": str(refused)})
        return False
    except Exception:
        logger.exception("message failed", extra={"message_id": owed["message"]})
        return False
    runtime.count("Messages", state=state)
    logger.info("message", extra={"message_id": owed["message"], "state": state})
    return True
