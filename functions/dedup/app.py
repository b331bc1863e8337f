"""Nightly: every identifier of a person is claimed for that person, and for nobody else."""

from __future__ import annotations

from typing import Any

from tailor.edges import runtime
from tailor.flows.dedup import dedup

RESERVE_MS = 10_000
logger = runtime.logger()


def handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """Answers how many people were mended."""
    mended = dedup(
        runtime.store(),
        runtime.compiled(),
        new_id=runtime.person_id,
        now=runtime.now(),
        enough=lambda: context.get_remaining_time_in_millis() < RESERVE_MS,
    )
    runtime.count("PeopleMended", mended)
    logger.info("dedup", extra={"mended": mended})
    return {"mended": mended}
