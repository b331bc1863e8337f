"""Stock: what letters recommend from, counted at night.

The catalogue is uploaded, or learned: a product that people view or buy and nobody has uploaded is looked up in an
event of one of them. Both lie beside the programmes; the shelf that is made of them is one document, read by functions
that recommend as they read the programmes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tailor.edges.store import Store
from tailor.kernel.errors import Rejected
from tailor.kernel.person import Person
from tailor.kernel.program import Program
from tailor.rules.consent import View, view
from tailor.rules.recommending import Shelf, Tally, of_event, read_products

CATALOGUE = "products"
UPLOADED, LEARNED = "uploaded", "learned"
SHELF = "shelf"
PEOPLE = 500_000
"""People counted in one night; more would say the same."""
LOOKED_UP = 200
"""New products looked up in one night."""
MOST = 5_000
"""Products of a catalogue; a document of the ledger holds no more."""


def upload(rows: Iterable[Any], store: Store) -> int:
    """Replace the uploaded catalogue; answers how many products are in it. Letters follow after the next night.

    Raises
    ------
    Rejected : a product that cannot be shown, or too many of them; nothing is changed then.
    """
    products = read_products(rows)
    if len(products) > MOST:
        raise Rejected(f"{len(products)} products: up to {MOST} can be recommended from", code="too-large")
    store.define(CATALOGUE, UPLOADED, products)
    return len(products)


def catalogue(store: Store) -> dict[str, dict[str, Any]]:
    """Name → product; what was uploaded is believed over what was learned."""
    known = store.definitions(CATALOGUE)
    return {**known.get(LEARNED, {}), **known.get(UPLOADED, {})}


def shelf(store: Store) -> Shelf:
    """As it was made last; an empty one before."""
    made = store.definition(SHELF, SHELF)
    return Shelf(**made) if made else Shelf()


def stock(store: Store, program: Program, *, now: int, enough: Callable[[], bool]) -> dict[str, int]:
    """Count, learn, and put the shelf up anew: ``{"people", "products", "learned"}``. It may be done again."""
    products = catalogue(store)
    learned: dict[str, dict[str, Any]] = {}
    tally = Tally()
    looked_up: set[str] = set()
    for person in store.everybody():
        if tally.people >= PEOPLE or enough():
            break
        seen = view(person, "personalization", program, now=now)
        _learn(person, seen, {**products, **learned}, store, looked_up, learned)
        tally.add(seen, {**products, **learned} if learned else products)
    if learned:
        before = store.definition(CATALOGUE, LEARNED) or {}
        store.define(CATALOGUE, LEARNED, dict([*before.items(), *learned.items()][-MOST:]))
        products = {**learned, **products}
    store.define(SHELF, SHELF, tally.shelf(products).to_json())
    return {"people": tally.people, "products": len(products), "learned": len(learned)}


def _learn(
    person: Person,
    seen: View,
    known: Mapping[str, Any],
    store: Store,
    looked_up: set[str],
    learned: dict[str, dict[str, Any]],
) -> None:
    """Look up what this person viewed or bought and nobody knows yet; each name is looked up once a night."""
    liked = seen.attributes
    names = {str(liked.get("last_viewed_product", "")), *map(str, liked.get("purchase_history", ())[:3])}
    new = {name for name in names if name and name not in known and name not in looked_up}
    if not new or len(looked_up) >= LOOKED_UP:
        return
    looked_up |= new
    found = {
        product["name"]: product
        for event in store.events(person, newest_first=True)
        for product in of_event(event.properties)
        if product["name"] in new
    }
    for name, product in found.items():
        try:
            learned |= read_products([product])
        except Rejected:
            looked_up.add(name)  # its link is none; nobody's letter can show it
