"""Any JSON webhook, by a mapping that its own URL declares.

The sender is given a URL such as::

    /sources/webhook/<key>?name=Form%20Completed&email=/answers/email&id=/uuid&at=/created_at&traits=/answers

A value that begins with ``/`` is a JSON pointer (RFC 6901) into the item, anything else is itself.

=====================  ===========================================  ======================
parameter              what it says                                 if left out
=====================  ===========================================  ======================
items                  pointer to the list of items                 the body, or its /events
id                     dedupe key                                   /id, /event_id, …
name                   what happened                                /event, /event_name, …
kind                   identify, track, page, delete                by the name
at                     when: ISO 8601, or seconds or ms since 1970  /timestamp, /time, …
user_id, email, …      an identifier of that kind                   /user_id, /email, …
identifier.KIND        an identifier of any kind                    none
traits, properties     an object                                    /traits, /properties, …
trait.N, property.N    one value                                    none
grant.PURPOSE[:TOPIC]  true for a grant, false for a withdrawal     none
=====================  ===========================================  ======================

What is left out is the first that is there of the usual places in :data:`USUAL`. Of a list of one value the value is
meant, as forms send it.

A sender that signs does so by HMAC-SHA256 of the raw body in ``X-Signature`` or ``X-Hub-Signature-256``, hexadecimal
(also after ``sha256=``) or base64; any other shows the secret in a header.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

from tailor.kernel.document import canonical
from tailor.kernel.errors import Rejected
from tailor.kernel.event import ConsentChange, Event, Kind
from tailor.kernel.inbound import Inbound, Parsed
from tailor.kernel.items import Reading, read_each
from tailor.kernel.keys import digest
from tailor.kernel.proof import check_shown, same, signature, unproved
from tailor.kernel.values import dated, key, read_body, text
from tailor.rules.identity import identifier, ordered

HANDLES = ("user_id", "email", "phone", "anonymous_id")
USUAL: dict[str, tuple[str, ...]] = {
    "id": ("/id", "/event_id", "/eventId", "/message_id", "/uuid"),
    "name": ("/event", "/event_name", "/eventName", "/event_type", "/metric"),
    "at": ("/timestamp", "/time", "/occurred_at", "/created_at", "/created_time", "/date"),
    "traits": ("/traits",),
    "properties": ("/properties", "/data"),
    "user_id": ("/user_id", "/userId", "/external_id", "/customer_id", "/user/external_user_id", "/data/customer_id"),
    "email": ("/email", "/email_address", "/recipient", "/data/recipient", "/data/email_address"),
    "phone": ("/phone", "/phone_number"),
    "anonymous_id": ("/anonymous_id", "/anonymousId"),
}
"""Parameter → where to look for what the URL does not declare."""
NAMES = {"identify": "Identify", "page": "Page Viewed", "delete": "Delete"}
"""What an item of a kind is called that names nothing itself."""
KINDS = ("identify", "track", "page", "delete")
SIGNATURES = ("x-signature", "x-hub-signature-256")


@dataclass(frozen=True, slots=True)
class Webhook:
    """See the module; the mapping is the URL's and is not signed with the body."""

    name: str = "webhook"
    signed: bool = True

    def verify(self, request: Inbound, secret: bytes, *, now: int) -> None:
        """Check the signature if there is one, else the secret.

        Raises
        ------
        Rejected : missing or wrong (401).
        """
        claimed = next((request.headers[name] for name in SIGNATURES if request.headers.get(name)), "")
        if not claimed:
            check_shown(request, secret)
            return
        claimed = claimed.strip().removeprefix("sha256=")
        if not any(same(signature(secret, request.body, base64=base64), claimed) for base64 in (False, True)):
            raise unproved("X-Signature is not the HMAC-SHA256 of this body: check the secret")

    def to_events(self, request: Inbound, *, now: int) -> Parsed:
        """One event for each item.

        Raises
        ------
        Rejected : no JSON, or no list where the URL says the items are.
        """
        document = read_body(request)
        declared = _declared(tuple(request.query.items()))
        items = _items(document, request.query.get("items"))
        return read_each(items, lambda item, pointer: _event(item, declared, pointer, now))


WEBHOOK = Webhook()


def _items(document: Any, where: str | None) -> list[Any]:
    found = document if where is None else _at(document, (_place(where),))
    if where is None and isinstance(document, dict) and isinstance(document.get("events"), list):
        found = document["events"]
    if where is not None and not isinstance(found, list):
        raise Rejected("there is no list where 'items' points to", code="bad-shape", pointer=where)
    return found if isinstance(found, list) else [found]


def _event(item: Any, declared: Declared, pointer: str, received: int) -> Reading:
    if not isinstance(item, dict):
        raise Rejected("an item must be an object", code="bad-shape", pointer=pointer)
    name = text(_at(item, declared.name))
    kind = text(_at(item, declared.kind)) if declared.kind else "track" if name else "identify"
    if kind not in KINDS:
        raise Rejected(f"'kind' must be one of {', '.join(KINDS)}", code="bad-kind", pointer=pointer)
    if kind == "track" and not name:
        raise Rejected("nothing says what happened: declare 'name' in the URL", code="bad-name", pointer=pointer)
    people = ordered([identifier(ours, _at(item, places)) for ours, places in declared.people])
    if not people:
        detail = "nobody is named: declare 'user_id', 'email' or another identifier in the URL"
        raise Rejected(detail, code="no-identity", pointer=pointer)
    when = _at(item, declared.at)
    at, clock = dated(when, received=received)
    id = text(_at(item, declared.id))
    if not id:
        id = digest(canonical(item), *(() if when else (str(received), pointer)))
    return [
        Event(
            id=key("item", id),
            kind=cast(Kind, kind),
            name=name or NAMES[kind],
            at=at,
            received=received,
            source="webhook",
            identifiers=people,
            traits={name: _alone(value) for name, value in _values(item, *declared.traits).items()},
            properties=_values(item, *declared.properties),
            context=clock,
            consent=_consent(item, declared.grants),
        )
    ]


def _values(item: dict[str, Any], whole: Places, single: Named) -> dict[str, Any]:
    """An object, and single values over it."""
    found = _at(item, whole)
    values = dict(found) if isinstance(found, dict) else {}
    for name, places in single:
        if (value := _at(item, places)) is not None:
            values[name] = value
    return values


def _consent(item: dict[str, Any], grants: Named) -> tuple[ConsentChange, ...]:
    """Only true and false are choices (or the words, as forms write them)."""
    changes = []
    for name, places in grants:
        purpose, _, topic = name.partition(":")
        said = _at(item, places)
        said = {"true": True, "false": False}.get(said.lower()) if isinstance(said, str) else said
        if purpose and isinstance(said, bool):
            changes.append(ConsentChange(purpose, "granted" if said else "withdrawn", topic))
    return tuple(changes)


def _at(item: Any, places: Places) -> Any:
    """What the first place holds that leads anywhere, ``None`` for nothing; of a list of one value the value."""
    for place in places:
        found = _found(item, place)
        if found is not None and found != "":
            return _alone(found)
    return None


def _alone(found: Any) -> Any:
    return found[0] if isinstance(found, list) and len(found) == 1 and type(found[0]) in (str, int) else found


def _found(item: Any, place: Place) -> Any:
    if isinstance(place, str):
        return place
    found = item
    for name in place:
        if isinstance(found, dict):
            found = found.get(name)
        elif isinstance(found, list) and name.isdecimal() and len(name) < 6 and int(name) < len(found):
            found = found[int(name)]
        else:
            return None
    return found


# ---- what the URL declares


Place = tuple[str, ...] | str
"""The names of a JSON pointer; a text that is no pointer is itself."""
Places = tuple[Place, ...]
"""Of these the first that leads somewhere counts."""
Named = tuple[tuple[str, Places], ...]


@dataclass(frozen=True, slots=True)
class Declared:
    """Where a URL says that things are, by what they are; ``traits`` and ``properties`` are a whole and single ones."""

    id: Places
    name: Places
    kind: Places
    at: Places
    people: Named
    traits: tuple[Places, Named]
    properties: tuple[Places, Named]
    grants: Named


@lru_cache(256)
def _declared(query: tuple[tuple[str, str], ...]) -> Declared:
    # A sender's URL is the same each time.
    pointers = USUAL | {parameter: (where,) for parameter, where in query}
    places = {parameter: tuple(_place(where) for where in found) for parameter, found in pointers.items()}

    def named(prefix: str) -> Named:
        return tuple((one.removeprefix(prefix), where) for one, where in places.items() if one.startswith(prefix))

    return Declared(
        id=places["id"],
        name=places["name"],
        kind=places.get("kind", ()),
        at=places["at"],
        people=tuple((kind, where) for one, where in places.items() if (kind := _kind(one))),
        traits=(places["traits"], named("trait.")),
        properties=(places["properties"], named("property.")),
        grants=named("grant."),
    )


def _place(where: str) -> Place:
    if where and not where.startswith("/"):
        return where
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in where.split("/")[1:])


def _kind(parameter: str) -> str:
    """The kind of identifier a parameter declares; Tailor's own is not for others to claim."""
    kind = parameter if parameter in HANDLES else parameter.removeprefix("identifier.")
    return kind if parameter in HANDLES or (parameter.startswith("identifier.") and kind != "person") else ""
