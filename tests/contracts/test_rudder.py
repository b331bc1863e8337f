"""What rudder-transformer makes of the same requests, field by field; every difference has a reason here."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import parse_qsl

from contracts.samples import corpus
from tailor.kernel.document import read_instant
from tailor.kernel.event import Event
from tailor.kernel.inbound import Inbound
from tailor.kernel.instants import parse_instant
from tailor.kernel.values import moment
from tailor.sources import SOURCES, read

NOW = parse_instant("2026-11-24T09:00:00Z")

MAPPED = {
    "shopify": "",
    "esp_customerio": "id=/event_id&name=/metric&at=/timestamp&user_id=/data/customer_id&property.eventId=/event_id"
    "&property.deliveryId=/data/delivery_id&property.actionId=/data/action_id&property.emailSubject=/data/subject"
    "&property.broadcastId=/data/broadcast_id&property.transactionalMessageId=/data/transactional_message_id"
    "&property.link.url=/data/href&property.link.id=/data/link_id&properties=/none",
    "esp_iterable": "name=/eventName&at=/dataFields/createdAt&user_id=/userId&email=/dataFields/email"
    "&properties=/dataFields&id=/dataFields/messageId",
    "esp_mailjet": "id=/Message_GUID&at=/time&email=/email&identifier.mailjet_contact_id=/mj_contact_id"
    "&property.customcampaign=/customcampaign&property.mj_campaign_id=/mj_campaign_id",
    "esp_braze": "items=/events&name=/event_type&at=/time&user_id=/user/external_user_id&anonymous_id=/user/user_id",
    "generic_webhook": "",
    "crm_close": "id=/event/id&name=group created&at=/event/date_created&user_id=/event/user_id&properties=/event",
}
"""Folder → the mapping that the URL of the generic webhook declares, ``""`` for none."""

PASSED_BY = {
    "no_query_parameters": "no topic, no body",
    "random_event": "an unknown topic",
    "add_member_to_an_organization": "a log of Auth0 with several people in it: which one is meant must be declared",
    "facebook_lead": "leads, whose fields must be declared",
    "when_we_receive_finalized": "a form whose fields must be declared",
    "carts_create": "they answer without an event, for the cart is empty; we note that it was opened",
}
"""Part of a name → why it is not compared."""

EXPLAINED = {
    "name": "our names are those of Segment's specifications; theirs are the vendor's words, or their own",
    "userId": "their user is a hash of the address where there is none, or the vendor's id; we hold the address itself",
    "email": "the mapping declares one place; a sample has another address in another",
    "anonymousId": "they make one up from the cart, or read their own from notes of the cart",
    "messageId": "ours also says whose id it is",
    "properties.variant": "they give the name of the product as variant",
    "properties.order_id": "they take the checkout's id for that of an order",
    "properties.value": "the total, in the words of the specification",
    "properties.cart_id": "they take the visitor's id for that of the cart",
    "properties.list_id": "they take the id of the event for that of the list",
    "properties.image_url": "no picture is kept: nothing reads it",
    "properties.title": "the specification calls it name",
    "properties.name": "they give the variant's title, Default Title, as the name",
    "properties.subscription_id": "outside of the event",
}
"""Field, or the beginning of its name → why ours may differ."""


def pairs() -> Iterator[tuple[str, str, Inbound, list[dict[str, Any]]]]:
    for folder, mapping in MAPPED.items():
        for name, content in corpus(f"sources/{folder}", "*pair_inbound*.json"):
            if any(part in name for part in PASSED_BY):
                continue
            sent = content["request"]
            query = {key: values[0] for key, values in (sent.get("query") or {}).items()} | dict(parse_qsl(mapping))
            theirs = content["expected_canonical_rudder"]
            if not isinstance(theirs, list):
                theirs = [theirs.get("output", theirs)]
            source = "shopify" if folder == "shopify" else "webhook"
            yield source, name, Inbound("POST", "/", {}, json.dumps(sent.get("body", {})).encode(), query), theirs


def ours_of(event: Event) -> dict[str, Any]:
    """Our event by the names of their fields."""
    found: dict[str, Any] = {"name": event.name, "at": event.at, "messageId": event.id}
    held = {one.kind: one.value for one in event.identifiers}
    found["anonymousId"] = held.get("anonymous_id")
    found["userId"] = held.get("user_id") or held.get("shopify_customer_id")
    found["email"] = held.get("email")
    return found | flat("properties", event.properties)


def theirs_of(call: dict[str, Any]) -> dict[str, Any]:
    found = {part: call.get(part) for part in ("userId", "anonymousId", "messageId")}
    found["name"] = "Identify" if call["type"] == "identify" else call.get("event")
    traits = (call.get("traits") or {}) | ((call.get("context") or {}).get("traits") or {})
    found["email"] = traits.get("email")
    time = call.get("originalTimestamp") or call.get("timestamp")
    found["at"] = read_instant(time) or moment(time)
    return found | flat("properties", call.get("properties") or {})


def flat(prefix: str, value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return {k: v for name, one in value.items() for k, v in flat(f"{prefix}.{name}", one).items()}
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return {k: v for index, one in enumerate(value) for k, v in flat(f"{prefix}.{index}", one).items()}
    return {prefix: value}


def same(theirs: Any, ours: Any) -> bool:
    if theirs in (None, "", [], {}):
        return True
    try:
        return str(theirs) == str(ours) or Decimal(str(theirs)) == Decimal(str(ours))
    except InvalidOperation:
        return False


def explained(field: str) -> str:
    """The field without the numbers of list items, where it has a reason."""
    bare = ".".join(part for part in field.split(".") if not part.isdecimal() and part != "products")
    return next((known for known in EXPLAINED if bare == known or bare.startswith(f"{known}.")), "")


def test_every_field_is_theirs_or_differs_for_a_reason() -> None:
    fields, excused, unexplained = Counter[str](), Counter[str](), []
    compared = 0
    for source, name, request, theirs in pairs():
        parsed = read(SOURCES[source], request, now=NOW)
        assert parsed.refused == [], name
        if not parsed.events:
            assert parsed.ignored, name
            continue
        compared += 1
        expected, got = theirs_of(theirs[0]), ours_of(parsed.events[0])
        for field, value in expected.items():
            if same(value, got.get(field)):
                fields["equal"] += value not in (None, "", [], {})
            elif reason := explained(field):
                excused[reason] += 1
            else:
                unexplained.append((name, field, value, got.get(field)))
    print(f"\n{compared} requests: {fields['equal']} fields equal, {sum(excused.values())} differ for a reason")
    for field, times in excused.most_common():
        print(f"{times:>4}  {field:<26} {EXPLAINED[field]}")
    assert unexplained == []
    assert excused.keys() == EXPLAINED.keys(), "an explanation nothing needs"
    assert compared >= 20
    assert fields["equal"] > 3 * sum(excused.values())
