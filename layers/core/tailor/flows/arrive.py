"""Arrive: somebody new, or of whom something new is known, is compared at once with the people most like them.

Each person is found under a few keys in the ledger (:data:`tailor.rules.matching.blocking.PASSES`). Who shares one is
compared, by the model of last night or the shipped one, and likely pairs are left with their weights and reasons. They
are joined here only where the programme says ``join = "arrival"``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tailor.edges.duplicates import Duplicates, Pair, block_key
from tailor.edges.store import Store
from tailor.flows.join import join_all
from tailor.kernel.person import Person
from tailor.rules.compiled import Compiled
from tailor.rules.likeness import comparable, raw
from tailor.rules.matching.blocking import keys
from tailor.rules.matching.engine import Match, closest
from tailor.rules.matching.normalise import Record, normalise
from tailor.rules.matching.weights import Model, standard

MODEL = "matching"
"""Kind and key of the definition that holds the model of last night."""


def arrive(ids: Iterable[str], store: Store, compiled: Compiled, *, clock: Callable[[], int]) -> dict[str, int]:
    """Compare people with those who share a key with them.

    Returns
    -------
    ``{"compared", "likely", "joined"}``: pairs.
    """
    duplicates = Duplicates(store)
    model: Model | None = None
    counts = {"compared": 0, "likely": 0, "joined": 0}
    for person in store.people(ids).people.values():
        record = _keyed(person, duplicates)
        if record is None:
            continue
        others = _others(person, duplicates, store)
        if not others:
            continue
        model = model or model_in_force(store)
        likely = [pair_of(match, by="arrival", at=clock()) for match in closest(record, others, model)]
        counts["compared"] += len(others)
        counts["likely"] += len(likely)
        duplicates.keep(likely)
        if compiled.program.identity.join == "arrival":
            sure = [pair for pair in likely if pair.band == "join"]
            counts["joined"] += join_all(sure, store, compiled, by="arrival", clock=clock)
    return counts


def model_in_force(store: Store) -> Model:
    """The model that the last night estimated, else the shipped one."""
    dumped = store.definition(MODEL, MODEL)
    return Model.load(dumped) if dumped else standard()


def pair_of(match: Match, *, by: str, at: int) -> Pair:
    """A match as a pair to be kept."""
    one, other = sorted((match.one, match.other))
    reasons = [[reason.field, reason.level, round(reason.weight, 1)] for reason in match.reasons]
    return Pair(one, other, "review", round(match.weight, 2), reasons, by, at, match.band)


def _keyed(person: Person, duplicates: Duplicates) -> Record | None:
    """The person as a record, found under its keys from now on; ``None`` where there is nothing to compare."""
    told = raw(person)
    record = normalise(told) if comparable(told) else None
    wanted = [block_key(key) for key in keys(record)] if record else []
    known = duplicates.keys_of(person.id)
    if known != wanted:
        duplicates.keep_keys(person.id, wanted, known)
    return record


def _others(person: Person, duplicates: Duplicates, store: Store) -> list[Record]:
    found = duplicates.found_under(duplicates.keys_of(person.id)) - {person.id}
    people = store.people(found).people
    return [normalise(raw(other)) for other in people.values() if other.id != person.id]
