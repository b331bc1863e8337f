"""Segment: the calls its client libraries make (server, browser, HTTP API), and those its webhook destination forwards.

Contract: Segment's HTTP Tracking API and common fields; what the clients really send was recorded from
``segment-analytics-python``, ``@segment/analytics-node`` and ``@segment/analytics-next``. For the forwarded calls, one
at once or a list of them: Segment's "Webhooks (Actions) Destination".
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
from dataclasses import dataclass, replace
from json import JSONDecodeError, JSONDecoder
from typing import Any, cast

from tailor.kernel.document import canonical, inner, not_after, read_instant, read_object
from tailor.kernel.errors import Rejected
from tailor.kernel.event import ConsentChange, Event, Identifier, Kind
from tailor.kernel.inbound import Inbound, Parsed
from tailor.kernel.keys import digest
from tailor.kernel.proof import same, signature, unproved
from tailor.kernel.values import check_size, unpacked
from tailor.rules.identity import identifier, ordered
from tailor.rules.signals import of_gpp, of_tcf

REQUEST_BYTES = 500 * 1024
"""A request as it comes over the wire."""
INFLATED_BYTES = 4 * 1024 * 1024
"""A request after decompression."""
ITEM_BYTES = 32 * 1024
BATCH_ITEMS = 2_500
ID_LENGTH = 100
NAME_LENGTH = 200

ROUTES = {
    "batch": None,
    "b": None,
    "identify": "identify",
    "i": "identify",
    "track": "track",
    "t": "track",
    "page": "page",
    "p": "page",
    "screen": "screen",
    "s": "screen",
    "group": "group",
    "g": "group",
    "alias": "alias",
    "a": "alias",
}
"""Last part of the path → the call it makes; ``None`` where the body holds a batch. Browsers use the short ones."""

NAMES = {
    "identify": "Identify",
    "page": "Page Viewed",
    "screen": "Screen Viewed",
    "group": "Group",
    "alias": "Alias",
    "delete": "Delete",
}
"""What the calls are called that carry no event name of their own."""

IMPLIED = {"event": "track", "groupId": "group", "previousId": "alias", "traits": "identify"}
"""Field only one type of call has → that type."""

KINDS = ("track", *NAMES)

PURPOSES = {"marketing": "marketing", "analytics": "analytics", "advertising": "sharing"}
"""Consent categories with a purpose of ours; others are purposes of their own."""

CHOICE = "Segment Consent Preference Updated"
"""The track call with which Segment's consent wrappers report a choice."""

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NOT_WORD = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Segment:
    """The write key is all the proof a call has; it is checked by the door."""

    name: str = "segment"
    signed: bool = False

    def verify(self, request: Inbound, secret: bytes, *, now: int) -> None:
        """Nothing is signed."""

    def write_key(self, request: Inbound) -> str | None:
        """The key a call claims: the user of Basic, else ``writeKey`` of the body, else the Bearer token.

        Raises
        ------
        Rejected : the body had to be read for it, and could not be.
        """
        scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic" and (user := _basic_user(credentials)):
            return user
        key = read_object(_inflate(request)).get("writeKey")
        if isinstance(key, str) and key:
            return key
        return credentials.strip() or None if scheme.lower() == "bearer" else None

    def to_events(self, request: Inbound, *, now: int) -> Parsed:
        """Every call of the request; one that cannot be used is refused alone.

        Raises
        ------
        Rejected : unknown route (404), too much in one request (413), or a body without calls (400).
        """
        route = request.path.rpartition("/")[2]
        if route not in ROUTES:
            raise Rejected(f"there is no call {route[:40]!r}; use /v1/batch", code="not-found", status=404)
        body = _inflate(request)
        document = read_object(body)
        shared = inner(document, "context")
        alone = ROUTES[route] is not None or "type" in document or _implied(document) is not None
        calls = document.get("batch", [document] if alone else None)
        if not isinstance(calls, list):
            raise Rejected("'batch' must be a list of calls", code="bad-shape", pointer="/batch")
        if len(calls) > BATCH_ITEMS:
            raise _too_large(f"{len(calls)} calls in one batch, the limit is {BATCH_ITEMS}", "/batch")
        parsed = Parsed()
        for index, call in enumerate(calls):
            pointer = f"/batch/{index}" if calls is document.get("batch") else ""
            try:
                if len(body) > ITEM_BYTES:
                    _check_size(call, pointer)
                if not isinstance(call, dict):
                    raise Rejected("a call must be a JSON object", code="bad-shape", pointer=pointer)
                sent = read_instant(call.get("sentAt", document.get("sentAt")))
                context = inner(call, "context")
                context = {**shared, **context} if shared else context
                parsed.events.append(_event(call, context, ROUTES[route], index, pointer, sent, now))
            except Rejected as refusal:
                parsed.refused.append((refusal, call))
        return parsed


SEGMENT = Segment()


@dataclass(frozen=True, slots=True)
class SegmentWebhook:
    """``X-Signature``: the hexadecimal HMAC-SHA1 of the body; of a list, that of its first call alone.

    So Segment signs: who knows the key in the URL and has seen a signed call could add calls to a list.
    """

    name: str = "segment_webhook"
    signed: bool = True

    def verify(self, request: Inbound, secret: bytes, *, now: int) -> None:
        """Check the signature; there is no time in it.

        Raises
        ------
        Rejected : missing or wrong (401).
        """
        claimed = request.headers.get("x-signature", "")
        signed = (request.body, _first(request.body))
        if not any(same(signature(secret, part, algorithm="sha1"), claimed) for part in signed if part):
            raise unproved("X-Signature is not the signature of this body: check the destination's shared secret")

    def to_events(self, request: Inbound, *, now: int) -> Parsed:
        """The events of the calls.

        Raises
        ------
        Rejected : no JSON, or too much of it.
        """
        check_size(request)
        calls = request.body.strip()
        batch = b'{"batch":' + (calls if calls[:1] == b"[" else b"[" + calls + b"]") + b"}"
        parsed = SEGMENT.to_events(Inbound("POST", "/v1/batch", {}, batch), now=now)
        parsed.events = [replace(event, source=self.name) for event in parsed.events]
        return parsed


SEGMENT_WEBHOOK = SegmentWebhook()


def _basic_user(credentials: str) -> str:
    try:
        return b64decode(credentials).decode().partition(":")[0]
    except ValueError:
        return ""


def _inflate(request: Inbound) -> bytes:
    if len(request.body) > REQUEST_BYTES:
        raise _too_large(f"the request has {len(request.body)} bytes, the limit is {REQUEST_BYTES}: send less at once")
    return unpacked(request, INFLATED_BYTES).body


def _too_large(detail: str, pointer: str = "") -> Rejected:
    return Rejected(detail, code="too-large", pointer=pointer, status=413)


def _check_size(call: Any, pointer: str) -> None:
    size = len(json.dumps(call, separators=(",", ":"), ensure_ascii=False).encode())
    if size > ITEM_BYTES:
        raise _too_large(f"the call has {size} bytes, the limit is {ITEM_BYTES}", pointer)


def _event(
    call: dict[str, Any],
    context: dict[str, Any],
    routed: str | None,
    index: int,
    pointer: str,
    sent: int | None,
    received: int,
) -> Event:
    kind = call.get("type")
    if kind not in KINDS:
        kind = routed or (_implied(call) if kind is None else None)
    if kind is None:
        raise Rejected(f"'type' must be one of {', '.join(KINDS)}", code="bad-type", pointer=f"{pointer}/type")
    for part in ("traits", "properties"):
        if call.get(part) is not None and not isinstance(call[part], dict):
            raise Rejected(f"{part!r} must be an object", code="bad-shape", pointer=f"{pointer}/{part}")
    identifiers = _identifiers(kind, call, context)
    if not identifiers:
        detail = "nobody is named: give 'userId' or 'anonymousId', and no stand-in such as 'null'"
        raise Rejected(detail, code="no-identity", pointer=pointer)
    name = _name(kind, call, pointer)
    at, clock = not_after(_at(call, sent, received), received)
    consent = _consent(context) if kind == "identify" or name == CHOICE else ()
    return Event(
        id=_id(call, index, received),
        kind=cast(Kind, kind),
        name=name,
        at=at,
        received=received,
        source="segment",
        identifiers=identifiers,
        traits=_traits(inner(call, "traits")) if kind == "identify" else {},
        properties=_properties(kind, call),
        context=_trimmed(context) | clock | ({"consent": inner(context, "consent")} if consent else {}),
        consent=consent,
    )


def _implied(call: dict[str, Any]) -> str | None:
    """The type of a call that does not say it, by what it is about."""
    return next((kind for part, kind in IMPLIED.items() if part in call), None)


def _name(kind: str, call: dict[str, Any], pointer: str) -> str:
    if kind != "track":
        return NAMES[kind]
    name = call.get("event")
    if not isinstance(name, str) or not 0 < len(name.strip()) <= NAME_LENGTH:
        raise Rejected(
            f"'event' must be the name of what happened, 1 to {NAME_LENGTH} characters",
            code="bad-name",
            pointer=f"{pointer}/event",
        )
    return name.strip()


def _identifiers(kind: str, call: dict[str, Any], context: dict[str, Any]) -> tuple[Identifier, ...]:
    """``previousId`` of an alias is taken as anonymous: that is what clients pass when a visitor gets an account.

    Traits of a group are the group's, not the person's.
    """
    about = [inner(context, "traits"), inner(call, "properties")]
    if kind == "identify":
        about.insert(0, inner(call, "traits"))
    found = [identifier("user_id", call.get("userId")), identifier("anonymous_id", call.get("anonymousId"))]
    if kind == "alias" and call.get("previousId") != call.get("userId"):
        found.append(identifier("anonymous_id", call.get("previousId")))
    for handle in ("email", "phone"):
        found += [one for part in about if (one := identifier(handle, part.get(handle)))][:1]
    return ordered(found)


def _at(call: dict[str, Any], sent: int | None, received: int) -> int:
    """``received - (sentAt - originalTimestamp)``: right even where the sender's clock is not.

    A call with both ``timestamp`` and ``originalTimestamp`` has been through that sum before.
    """
    corrected, original = read_instant(call.get("timestamp")), read_instant(call.get("originalTimestamp"))
    if corrected is not None and original is not None:
        return corrected
    claimed = corrected if original is None else original
    if claimed is None:
        return received
    return claimed if sent is None else max(0, received - (sent - claimed))


def _id(call: dict[str, Any], index: int, received: int) -> str:
    """``messageId``; without one, a digest of what a retry repeats.

    Where not even a time of the event was sent, a retry and a repetition look the same: then every arrival counts.
    """
    given = call.get("messageId")
    if isinstance(given, (str, int)) and not isinstance(given, bool) and (text := str(given).strip()):
        return text if len(text) <= ID_LENGTH and text.isprintable() else digest(text)
    content = {name: value for name, value in call.items() if name not in ("sentAt", "writeKey", "_metadata")}
    timed = call.get("timestamp") or call.get("originalTimestamp")
    return digest(canonical(content), *(() if timed else (str(received), str(index))))


def _traits(sent: dict[str, Any]) -> dict[str, Any]:
    traits: dict[str, Any] = {}
    for name, value in sent.items():
        if name == "address" and isinstance(value, dict):
            for part in ("street", "city", "state", "postalCode", "country"):
                if part in value:
                    traits.setdefault(_snake(part), value[part])
        elif _snake(name) == name or _snake(name) not in sent:
            traits[_snake(name)] = value
    whole = traits.get("name")
    if isinstance(whole, str) and "," not in whole and not {"first_name", "last_name"} & traits.keys():
        first, _, last = traits.pop("name").strip().partition(" ")
        traits |= {"first_name": first, "last_name": last.strip()} if last else {"first_name": first}
    return traits


def _snake(name: str) -> str:
    """``firstName`` → ``first_name``; names that are not one word stay as sent."""
    if not name.isalnum():
        return name
    word = _CAMEL.sub("_", name).lower()
    return {"firstname": "first_name", "lastname": "last_name"}.get(word, word)


def _properties(kind: str, call: dict[str, Any]) -> dict[str, Any]:
    properties = inner(call, "properties")
    match kind:
        case "page" | "screen":
            own = {part: call[part] for part in ("name", "category") if isinstance(call.get(part), str)}
            return own | properties
        case "group":
            return {"group_id": call.get("groupId")} | inner(call, "traits")
        case "alias":
            return {"previous_id": call.get("previousId")}
        case _:
            return properties


def _trimmed(context: dict[str, Any]) -> dict[str, Any]:
    """What is worth keeping of where it came from; the network address is not."""
    kept: dict[str, Any] = {}
    page = inner(context, "page")
    if seen := {part: page[part] for part in ("url", "path", "referrer", "title") if page.get(part)}:
        kept["page"] = seen
    if campaign := inner(context, "campaign"):
        kept["campaign"] = campaign
    return kept | {part: context[part] for part in ("locale", "timezone", "userAgent") if context.get(part)}


def _consent(context: dict[str, Any]) -> tuple[ConsentChange, ...]:
    """``context.consent.categoryPreferences``: an absent object says nothing, an empty one denies everything.

    Taken from ``identify`` and :data:`CHOICE` alone. On any other call the object is a copy of a cookie and says how
    that one call may flow; read as a choice, the next page view would undo an unsubscription.
    """
    consent = inner(context, "consent")
    return _preferences(consent.get("categoryPreferences")) + _signals(consent)


def _signals(consent: dict[str, Any]) -> tuple[ConsentChange, ...]:
    """``tcString`` and ``gppString``, which wrappers of consent banners put beside the categories.

    Raises
    ------
    Rejected : one is malformed; it is not taken for consent, nor is what stands beside it.
    """
    found: list[ConsentChange] = []
    for name, read in (("tcString", of_tcf), ("gppString", of_gpp)):
        if isinstance(text := consent.get(name), str) and text:
            found += read(text)
    return tuple(found)


def _preferences(preferences: Any) -> tuple[ConsentChange, ...]:
    if preferences == {}:
        return tuple(ConsentChange(purpose, "denied") for purpose in PURPOSES.values())
    if not isinstance(preferences, dict):
        return ()
    return tuple(
        ConsentChange(_purpose(category), "granted" if allowed else "denied")
        for category, allowed in preferences.items()
        if isinstance(allowed, bool) and _purpose(category)
    )


def _purpose(category: str) -> str:
    word = _NOT_WORD.sub("-", category.strip().lower()).strip("-")
    return PURPOSES.get(word, word)


def _first(body: bytes) -> bytes:
    """The first call of a list, byte for byte as it stands there."""
    if body[:1] != b"[" or len(body) > 1024 * 1024:
        return b""
    try:
        text = body.decode()
        _, end = JSONDecoder().raw_decode(text, 1)
    except (JSONDecodeError, RecursionError, UnicodeDecodeError, ValueError):
        return b""
    return text[1:end].encode()
