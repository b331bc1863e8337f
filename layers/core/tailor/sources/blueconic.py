"""BlueConic: profiles and timeline events, by a webhook connection with the body that we publish for it.

Contract: ``events/blueconic/webhook.mustache`` in this repository, and the profile of BlueConic's REST API v2. A
connection sends the body of the template, and the secret in a header. A profile is told by its id and the time it
changed, a timeline event by its own id. Objectives consented to come without the time of the choice: repeated with
every change they would undo what was chosen elsewhere in between, so they are not read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tailor.kernel.errors import Rejected
from tailor.kernel.event import Event, Identifier
from tailor.kernel.inbound import Inbound, Parsed
from tailor.kernel.items import Reading, read_each
from tailor.kernel.proof import ShowsSecret
from tailor.kernel.values import dated, key, money, objects, present, read_body, required, text
from tailor.rules.identity import identifier, ordered

TRAITS = {
    "firstname": "first_name",
    "lastname": "last_name",
    "phonenumber": "phone",
    "zipcode": "postal_code",
    "postalcode": "postal_code",
}
"""Property → our trait; others keep their names."""
NAMES = {"order": "Order Completed", "product_view": "Product Viewed", "view_product": "Product Viewed"}
"""Type of a timeline event → our name; others keep theirs."""
OURS = {"id": "product_id", "order_total": "total", "price": "price"}
MONEY = frozenset({"total", "price", "revenue"})


@dataclass(frozen=True, slots=True)
class BlueConic(ShowsSecret):
    """The secret is shown in a header."""

    name: str = "blueconic"

    def to_events(self, request: Inbound, *, now: int) -> Parsed:
        """The traits of one profile or a list of them, and an event for each of their timeline events.

        Raises
        ------
        Rejected : no JSON.
        """
        document = read_body(request)
        profiles = document if isinstance(document, list) else [document]
        return read_each(profiles, lambda profile, pointer: _events(profile, pointer, now))


BLUECONIC = BlueConic()


def _events(profile: Any, pointer: str, received: int) -> Reading:
    if not isinstance(profile, dict):
        raise Rejected("a profile must be an object", code="bad-shape", pointer=pointer)
    field = "profile_id" if "profile_id" in profile else "id"
    number = required(profile, field, "a profile", pointer)
    properties = _properties(profile.get("properties"))
    email = identifier("email", profile.get("email") or properties.get("email"))
    people = ordered([identifier("blueconic_profile_id", number), email, identifier("phone", properties.get("phone"))])
    changed = profile.get("timestamp") or properties.get("lastmodifieddate")
    at, clock = dated(changed, received=received)
    segments = [
        text(one.get("name") or one.get("id")) if isinstance(one, dict) else text(one)
        for one in _list(profile.get("segments"))
    ]
    version = text(profile.get("event_id")) or text(changed) or str(received)
    identify = Event(
        id=key("profile", number, version),
        kind="identify",
        name="Identify",
        at=at,
        received=received,
        source="blueconic",
        identifiers=people,
        traits=present(properties | {"blueconic_segments": sorted(filter(None, segments))}),
        context=clock,
    )
    timeline = objects(profile.get("events"))
    return [identify, *(_timeline(one, number, people, f"{pointer}/events", received) for one in timeline)]


def _timeline(
    event: dict[str, Any], profile: str, people: tuple[Identifier, ...], pointer: str, received: int
) -> Event:
    kind = required(event, "eventTypeId", "a timeline event", pointer)
    at, clock = dated(event.get("date"), received=received)
    properties = _flat(event.get("data"))
    products = properties.pop("product", None)
    if isinstance(products, dict):
        products = [products]
    if isinstance(products, list):
        properties["products"] = [product for product in products if isinstance(product, dict)]
    if kind == "order":
        properties.setdefault("order_id", text(event.get("id")))
    return Event(
        id=key("timeline", profile, required(event, "id", "a timeline event", pointer)),
        kind="track",
        name=NAMES.get(kind, kind),
        at=at,
        received=received,
        source="blueconic",
        identifiers=people,
        properties=present(properties),
        context=clock,
    )


def _properties(value: Any) -> dict[str, Any]:
    """``{"email": ["…"]}`` or ``[{"id": "email", "values": ["…"]}]``; of one value the value alone."""
    if isinstance(value, list):
        value = {text(one.get("id")): one.get("values") for one in objects(value)}
    found: dict[str, Any] = {}
    for name, given in value.items() if isinstance(value, dict) else ():
        values = [one for one in _list(given) if isinstance(one, (str, int, float, bool))]
        if name and values:
            ours = TRAITS.get(name.lower().replace("_", "")) or name
            found[ours] = values[0] if len(values) == 1 else values
    return found


def _flat(data: Any, depth: int = 4) -> dict[str, Any]:
    """Timeline data as plain values: ``[{"id": "quantity", "values": [100]}]`` → ``{"quantity": 100}``."""
    found: dict[str, Any] = {}
    for one in objects(data) if depth else ():
        name = text(one.get("id"))
        values = [_flat(each, depth - 1) if isinstance(each, list) else each for each in _list(one.get("values"))]
        ours = OURS.get(name) or name
        plain = [money(each) or each if ours in MONEY else each for each in values]
        found[ours] = plain[0] if len(plain) == 1 else plain
    return {name: value for name, value in found.items() if name}


def _list(value: Any) -> list[Any]:
    return [one for one in value if one is not None] if isinstance(value, list) else [value]
