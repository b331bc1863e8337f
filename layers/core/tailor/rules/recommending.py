"""Recommendations: counted ahead for everybody, chosen at the moment a letter is written.

At night people's purchases are counted: how often each product was bought, and which were bought by the same people.
What is left of it, a :class:`Shelf`, is small enough to be kept in memory, so a letter costs no read more, and what
somebody bought a minute ago is already known when it is written.

Item-to-item counts as in Linden, Smith, York, "Amazon.com Recommendations" (2003), with the cosine of two products'
buyers as their nearness.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from itertools import combinations
from math import sqrt
from typing import Any

from tailor.kernel.errors import Rejected
from tailor.kernel.fields import Fields
from tailor.rules.consent import View
from tailor.rules.mailjinja import safe_url

TOGETHER = 20
"""Newest products of a person that are taken to go together."""
NEIGHBOURS = 12
FIELDS = ("name", "category", "price", "currency", "url", "image_url")
_WEIGHTS = {"last_wished_product": 3.0, "last_viewed_product": 2.0}
"""How much what somebody wished for, or looked at last, counts beside what they bought (1, and less the older)."""


@dataclass(slots=True)
class Shelf:
    """What is known of products, ahead of any letter.

    Attributes
    ----------
    products : name → what a template may show: :data:`FIELDS`, those that are known.
    popular : names, the most bought first.
    beside : name → names often bought by the same people, the nearest first.
    """

    products: dict[str, dict[str, Any]] = field(default_factory=dict)
    popular: list[str] = field(default_factory=list)
    beside: dict[str, list[str]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The stored form."""
        return asdict(self)

    def recommend(self, seen: View, count: int, category: str | None = None) -> tuple[list[dict[str, Any]], bool]:
        """Up to ``count`` products for the person in ``seen``, and whether anything known of them had a say.

        What goes with their wishes, views and purchases comes first, then what is popular in the categories they care
        about, then what is popular. Nothing they have bought, and nothing outside of ``category``.
        """
        known = seen.attributes
        bought = [str(name) for name in _listed(known.get("purchase_history"))]
        scores: dict[str, float] = {}
        for attribute, weight in _WEIGHTS.items():
            self._score(scores, str(known.get(attribute, "")), weight)
        for age, name in enumerate(bought[:TOGETHER]):
            self._score(scores, name, 1 / (1 + age))
        liked = {known.get("last_viewed_category"), known.get("last_purchase_category")} - {None}
        near = sorted(scores, key=lambda name: (-scores[name], name))
        mine = [name for name in self.popular if self.products.get(name, {}).get("category") in liked]
        gone = set(bought)
        chosen: list[dict[str, Any]] = []
        personal = False
        for name in dict.fromkeys([*near, *mine, *self.popular]):
            product = self.products.get(name)
            if product is None or name in gone or (category and product.get("category") != category):
                continue
            chosen.append(product)
            personal = personal or name in scores or product.get("category") in liked
            if len(chosen) == count:
                break
        return chosen, personal

    def _score(self, scores: dict[str, float], name: str, weight: float) -> None:
        for rank, other in enumerate(self.beside.get(name, ())):
            scores[other] = scores.get(other, 0.0) + weight / (1 + rank)


@dataclass(slots=True)
class Tally:
    """Counts over people, one after the other; who does not permit it is not counted."""

    bought: Counter[str] = field(default_factory=Counter)
    together: Counter[tuple[str, str]] = field(default_factory=Counter)
    people: int = 0

    def add(self, seen: View, known: Mapping[str, Any]) -> None:
        """Count what one person bought of the ``known`` products."""
        names = [name for name in _listed(seen.attributes.get("purchase_history")) if name in known][:TOGETHER]
        self.people += 1
        self.bought.update(names)
        self.together.update(combinations(sorted(set(names)), 2))

    def shelf(self, products: Mapping[str, dict[str, Any]]) -> Shelf:
        """What is left of it; products nobody has bought stand behind the others."""
        nearness: dict[str, list[tuple[float, str]]] = {}
        for (one, other), count in self.together.items():
            cosine = count / sqrt(self.bought[one] * self.bought[other])
            nearness.setdefault(one, []).append((-cosine, other))
            nearness.setdefault(other, []).append((-cosine, one))
        beside = {name: [other for _, other in sorted(found)[:NEIGHBOURS]] for name, found in nearness.items()}
        popular = sorted(products, key=lambda name: (-self.bought[name], name))
        return Shelf(dict(products), popular, beside)


def read_products(rows: Iterable[Any], pointer: str = "/products") -> dict[str, dict[str, Any]]:
    """A catalogue, name → product, from rows ``{"name", "url", "category", "price", "currency", "image_url"}``.

    Raises
    ------
    Rejected : a row without a name or a link, or one with a link that a letter may not hold.
    """
    products = {}
    for number, row in enumerate(rows):
        fields = Fields(row, f"{pointer}/{number}")
        product = {"name": fields.text("name"), "url": fields.text("url")}
        product |= {
            name: value for name in FIELDS if name not in product and (value := fields.any(name)) not in (None, "")
        }
        fields.done()
        for name in ("url", "image_url"):
            try:
                if name in product:
                    product[name] = safe_url(product[name])
            except Rejected as error:
                raise fields.fail(error.detail, name) from error
        products[str(product["name"])] = product
    return products


def of_event(properties: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    """The products in an event's properties that are whole enough to be shown."""
    for raw in (properties, *_listed(properties.get("products"))):
        if isinstance(raw, Mapping) and raw.get("name") and raw.get("url"):
            yield {name: raw[name] for name in FIELDS if raw.get(name) not in (None, "")}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
