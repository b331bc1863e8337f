"""Verify: that nothing was altered in, or taken out of, what a person consented to."""

from __future__ import annotations

from typing import Any

from tailor.edges.store import Store
from tailor.kernel.person import Person
from tailor.rules import chain


def verify(person: Person, store: Store) -> dict[str, Any]:
    """Walk the consent chains of a person and of those merged into them.

    Returns
    -------
    ``{"intact", "rows", "head", "breaks": [{"chain", "row", "what"}]}``; each break names the person whose chain it is
    and the sort key of the row.
    """
    heads = {person.id: person.consent_head} | {other.id: other.consent_head for _, other in store.merges(person)}
    rows = 0
    breaks: list[chain.Break] = []
    for id in (person.id, *person.aliases):
        links = list(store.chain(id))
        rows += len(links)
        if id in heads:
            breaks += chain.verify(id, links, heads[id])
        else:
            breaks.append(chain.Break(id, "", "the record of their merge is missing, and with it the end of the chain"))
    return {
        "intact": not breaks,
        "rows": rows,
        "head": person.consent_head,
        "breaks": [{"chain": one.chain, "row": one.row, "what": one.what} for one in breaks],
    }
