"""HubSpot and Salesforce: changes of contacts and leads."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tailor.kernel.errors import Rejected
from tailor.kernel.event import Event, Identifier
from tailor.kernel.inbound import Inbound, Parsed
from tailor.kernel.instants import parse_instant
from tailor.sources import ANSWERS, SOURCES

NOW = parse_instant("2026-11-24T09:00:00Z")
NOTICE = {"portalId": 7, "objectId": 9007199254740993, "eventId": 1, "occurredAt": NOW - 5}


def hubspot(*notices: dict[str, Any]) -> Parsed:
    return SOURCES["hubspot"].to_events(Inbound("POST", "/", {}, json.dumps(notices).encode()), now=NOW)


def changed(name: str, value: Any, **more: Any) -> Event:
    notice = NOTICE | {"subscriptionType": "contact.propertyChange", "propertyName": name, "propertyValue": value}
    [event] = hubspot(notice | more).events
    return event


def outbound(*records: str, kind: str = "Contact") -> bytes:
    notes = "".join(
        f'<Notification><Id>04l{number}</Id><sObject xsi:type="sf:{kind}">{fields}</sObject></Notification>'
        for number, fields in enumerate(records)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:sf="urn:sobject.enterprise.soap.sforce.com">'
        f'<e:Body><notifications xmlns="http://soap.sforce.com/2005/09/outbound">{notes}</notifications></e:Body>'
        "</e:Envelope>"
    ).encode()


def salesforce(body: bytes | dict[str, Any]) -> Parsed:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return SOURCES["salesforce"].to_events(Inbound("POST", "/", {}, raw), now=NOW)


def change(kind: str = "UPDATE", fields: dict[str, Any] | None = None, **header: Any) -> Parsed:
    about = {"entityName": "Contact", "recordIds": ["0035g00000MiraLAAS"], "changeType": kind, "sequenceNumber": 1}
    about |= {"commitTimestamp": NOW - 5, "transactionKey": "t-1"} | header
    return salesforce({"detail": {"payload": {"ChangeEventHeader": about, **(fields or {})}}})


# ---- HubSpot


def test_a_contact_is_known_by_portal_and_number() -> None:
    event = changed("firstname", "Mira")
    assert event.identifiers == (Identifier("hubspot_contact_id", "7:9007199254740993"),)
    assert (event.traits, event.at) == ({"first_name": "Mira"}, NOW - 5)


def enrolled(**values: str) -> dict[str, Any]:
    properties = {name: {"value": value, "versions": []} for name, value in values.items()}
    return {"vid": 9007199254740993, "portal-id": 7, "properties": properties}


def test_a_workflow_sends_the_whole_contact_and_again_when_it_has_changed() -> None:
    events = hubspot(enrolled(firstname="Ada"), enrolled(firstname="Ada"), enrolled(firstname="Eda")).events
    assert {event.identifiers for event in events} == {(Identifier("hubspot_contact_id", "7:9007199254740993"),)}
    assert [event.traits for event in events] == [{"first_name": "Ada"}, {"first_name": "Ada"}, {"first_name": "Eda"}]
    assert events[0].id == events[1].id != events[2].id


def test_a_workflow_of_other_objects_is_ignored_and_a_contact_without_number_refused() -> None:
    parsed = hubspot({"objectId": 1, "objectType": "DEAL", "portalId": 7, "properties": {}}, {"properties": {}})
    assert not parsed.events
    assert "DEAL" in parsed.ignored[0]
    assert [refusal.pointer for refusal, _ in parsed.refused] == ["/1/vid"]


def test_a_changed_address_names_the_person_by_it() -> None:
    assert Identifier("email", "mira@shop.example") in changed("email", "Mira@Shop.example").identifiers
    assert [i.kind for i in changed("email", "").identifiers] == ["hubspot_contact_id"]


def test_an_emptied_property_is_unset() -> None:
    assert changed("city", "").traits == {"city": None}


@pytest.mark.parametrize(("value", "grants"), [("true", ["withdrawn"]), ("false", []), ("", [])])
def test_opting_out_of_all_mail_withdraws(value: str, grants: list[str]) -> None:
    assert [one.grant for one in changed("hs_email_optout", value).consent] == grants


def test_one_event_id_serves_several_changes() -> None:
    first = changed("city", "Lund")
    assert first.id == changed("city", "Lund", attemptNumber=3).id
    others = [
        changed("country", "SE"),
        changed("city", "Lund", occurredAt=NOW - 4),
        changed("city", "Lund", portalId=8),
    ]
    assert len({first.id, *(event.id for event in others)}) == 4


def test_of_the_deletions_only_the_privacy_deletion_erases() -> None:
    both = hubspot(*(NOTICE | {"subscriptionType": f"contact.{kind}"} for kind in ("deletion", "privacyDeletion")))
    assert [(event.kind, event.name) for event in both.events] == [("delete", "Delete")]


@pytest.mark.parametrize(
    ("about", "kept"),
    [
        ({"subscriptionType": "object.creation", "objectTypeId": "0-1"}, True),
        ({"subscriptionType": "object.creation", "objectTypeId": "0-2"}, False),
        ({"subscriptionType": "object.creation"}, False),
        ({"subscriptionType": "company.creation"}, False),
        ({"subscriptionType": "contact.creation"}, True),
        ({"subscriptionType": 7}, False),
    ],
)
def test_only_contacts_are_people(about: dict[str, Any], kept: bool) -> None:
    parsed = hubspot(NOTICE | about)
    assert bool(parsed.events) is kept
    assert bool(parsed.ignored) is not kept


def test_merged_contacts_are_one_person() -> None:
    merge = {"subscriptionType": "contact.merge", "mergedObjectIds": [2, 3], "newObjectId": 4}
    [event] = hubspot(NOTICE | merge | {"objectId": 1}).events
    assert [one.value for one in event.identifiers] == ["7:1", "7:4", "7:2", "7:3"]
    [(refusal, _)] = hubspot(NOTICE | merge | {"mergedObjectIds": list(range(99))}).refused
    assert refusal.code == "too-many"


def test_one_bad_notification_does_not_spoil_the_others() -> None:
    parsed = hubspot(NOTICE | {"subscriptionType": "contact.creation"}, {"subscriptionType": "contact.creation"})
    assert len(parsed.events) == 1
    [(refusal, raw)] = parsed.refused
    assert (refusal.code, refusal.pointer) == ("no-id", "/1/objectId")
    assert raw == {"subscriptionType": "contact.creation"}


# ---- Salesforce


def test_every_notification_is_one_event() -> None:
    mira = "<sf:Id>0035g00000MiraL</sf:Id><sf:Email>mira@shop.example</sf:Email><sf:Shoe_Size__c>42</sf:Shoe_Size__c>"
    otto = "<sf:Id>0035g00000OttoL</sf:Id><sf:HasOptedOutOfEmail>true</sf:HasOptedOutOfEmail>"
    first, second = salesforce(outbound(mira, otto)).events
    assert first.traits == {"email": "mira@shop.example", "Shoe_Size__c": "42"}
    assert [one.grant for one in second.consent] == ["withdrawn"]
    assert first.id != second.id
    assert salesforce(outbound("<sf:Id>001</sf:Id>", kind="Account")).ignored == ["Account: it is no person"]


def test_an_id_of_15_characters_is_the_same_person_as_that_of_18() -> None:
    ids = ("001A0000006Vm9r", "001A0000006Vm9rIAC")
    short, long = (salesforce(outbound(f"<sf:Id>{id}</sf:Id>")).events[0].identifiers for id in ids)
    assert short == long == (Identifier("salesforce_contact_id", "001A0000006Vm9rIAC"),)


def test_a_change_sets_and_unsets() -> None:
    fields = {"Name": {"FirstName": "Mira"}, "Email": "mira@shop.example", "MobilePhone": None}
    [event] = change(fields=fields, nulledFields=["MobilePhone", "MailingAddress.City"]).events
    assert event.traits == {"first_name": "Mira", "email": "mira@shop.example", "mobile_phone": None, "city": None}
    assert event.id == change(fields=fields).events[0].id != change(fields=fields, sequenceNumber=2).events[0].id


def test_one_transaction_may_change_many() -> None:
    assert len(change(recordIds=["0035g00000MiraLAAS", "0035g00000OttoLAAS"]).events) == 2


@pytest.mark.parametrize("kind", ["GAP_CREATE", "GAP_UPDATE", "GAP_OVERFLOW", "DELETE", "GAP_DELETE"])
def test_gaps_and_deletions_are_said_and_change_nobody(kind: str) -> None:
    parsed = change(kind)
    assert (parsed.events, parsed.refused) == ([], [])
    assert kind in parsed.ignored[0]


@pytest.mark.parametrize(
    "body",
    [
        b"<a>",
        b"",
        b"<a></b>",
        b'<?xml version="1.0" encoding="x-none"?><a/>',
        b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>',
        b'<!DOCTYPE a SYSTEM "http://127.0.0.1/a.dtd"><a/>',
        b"<a>&x;</a>",
        b"<a>" * 17 + b"</a>" * 17,
    ],
)
def test_xml_that_is_broken_or_declares_anything_is_refused(body: bytes) -> None:
    with pytest.raises(Rejected) as refusal:
        salesforce(body)
    assert refusal.value.code in ("bad-xml", "too-large")


def test_the_answer_is_the_acknowledgement_salesforce_waits_for() -> None:
    kind, body = ANSWERS["salesforce"]
    assert kind == "text/xml"
    assert "<Ack>true</Ack>" in body
    assert 'xmlns="http://soap.sforce.com/2005/09/outbound"' in body


def test_a_notification_can_be_read_again_as_it_lies_in_quarantine() -> None:
    record = "<sf:Email>mira@shop.example</sf:Email>"
    [(refusal, raw)] = salesforce(outbound(record)).refused
    assert refusal.pointer == "/0/fields/Id"
    raw["fields"]["Id"] = "0035g00000MiraLAAS"
    [event] = salesforce(raw).events
    assert event.id == salesforce(outbound("<sf:Id>0035g00000MiraLAAS</sf:Id>")).events[0].id
