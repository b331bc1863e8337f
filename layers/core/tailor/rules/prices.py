"""What AWS charges: the one table of prices, for dry runs and for the bench.

US dollars for one, us-east-1, on demand, as of July 2026; see aws.amazon.com, ``/ses/pricing`` and so on.
"""

from __future__ import annotations

from collections.abc import Mapping

SES_LETTER = 0.10e-3
"""À la carte; accounts that are new begin on the plan Essentials, at 0.16e-3."""
WRU, RRU = 0.625e-6, 0.125e-6
"""DynamoDB's request units."""
SNS_MESSAGE, SQS_REQUEST = 0.50e-6, 0.40e-6
HTTP_REQUEST, INVOCATION, GB_SECOND = 1.00e-6, 0.20e-6, 0.0000133334
"""API Gateway's HTTP API, and Lambda on Graviton."""
LOG_BYTE = 0.50e-9

LETTER_WRU, LETTER_RRU, LETTER_SECONDS = 13.0, 7.7, 0.0055
"""What a campaign's letter takes over its life, owed, sent, reported sent and delivered, as the bench measures it."""
WALKED_RRU = 0.131
"""What it takes to read a person of about a kilobyte in passing."""


def letter(wru: float, rru: float, seconds: float) -> dict[str, float]:
    """What a letter costs by service; ``seconds`` of a worker of one gigabyte. SES reports on it twice, and letters and
    reports are sent, received and deleted ten or more at a time."""
    return {
        "SES": SES_LETTER,
        "DynamoDB": wru * WRU + rru * RRU,
        "Lambda": seconds * GB_SECOND,
        "SNS": 2 * SNS_MESSAGE,
        "SQS": 0.5 * SQS_REQUEST,
    }


def broadcast(letters: int, people: int) -> Mapping[str, float]:
    """What so many letters cost by service, and looking at so many people for whom they are for."""
    costs = {name: usd * letters for name, usd in letter(LETTER_WRU, LETTER_RRU, LETTER_SECONDS).items()}
    costs["DynamoDB"] += people * WALKED_RRU * RRU
    return costs
