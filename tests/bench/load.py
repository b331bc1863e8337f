"""Ten minutes of mixed sources from another process, with dying workers, throttling and redelivery; see ``storm``.

What ten minutes of storm let through takes longer in a calm, in which nobody dies early: half an hour on two cores.
Nothing is timed here that a target depends on: the tables are an emulator's. What counts is that nothing is lost and
that people are the same as in a calm.
"""

from __future__ import annotations

import os
import sys
from contextlib import redirect_stdout
from pathlib import Path

import pytest

SECONDS = 600


def run(*, seconds: int = SECONDS) -> dict[str, float]:
    """Storm, then the same in a calm; anything lost or different raises."""
    import storm
    from shop import SHOP
    from world import world

    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), pytest.MonkeyPatch.context() as patch:
        with world(patch) as shop:
            shop.publish(SHOP)
            rough = storm.run(shop, items=1_000_000, seconds=seconds, say=_say)
        with world(patch) as shop:
            shop.publish(SHOP)
            _say(f"in a calm: the same {rough.sent['items']:,} items")
            smooth = storm.calm(shop, items=rough.sent["items"], say=_say)
    sent = rough.sent["usable"] + rough.sent["unusable"]
    print(f"{rough.sent} {rough.troubles}; absorbed {rough.absorbed}, quarantined {rough.quarantined}")
    if rough.people != smooth.people:
        raise RuntimeError("people are not the same as in a calm")
    return {
        "load_events_sent": sent,
        "load_events_lost": sent - rough.absorbed - rough.quarantined,
        "load_kills": rough.troubles["killed"],
    }


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
