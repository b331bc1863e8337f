"""Each minute: campaigns that run hand over what the account takes in the next one."""

from __future__ import annotations

from typing import Any

from tailor.edges import runtime
from tailor.flows.broadcast import advance

RESERVE_MS = 5_000
"""Time kept for finishing the page at hand."""
STRETCH_MS = 50_000
"""What a tick may take before the next one comes."""
logger = runtime.logger()


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """``{"job": "campaigns"}``; answers what became of the people walked."""
    left = context.get_remaining_time_in_millis
    begun = left()
    done = advance(
        runtime.store(),
        runtime.compiled,
        runtime.account(),
        runtime.broadcast_queue().waiting(),
        clock=runtime.now,
        enough=lambda: left() < RESERVE_MS or begun - left() > STRETCH_MS,
    )
    if done.facts:
        runtime.facts().publish(done.facts)
    for fact in done.facts:
        logger.warning("campaign", extra={"fact": fact})
        runtime.count("CampaignsPaused", fact["name"] == "campaign.paused")
    if done.counts:
        logger.info("campaigns", extra={"counts": dict(done.counts)})
    return dict(done.counts)
