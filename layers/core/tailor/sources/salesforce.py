"""Salesforce: contacts and leads, by Outbound Messages (SOAP) and by Change Data Capture.

Contract: "Outbound Messaging" in the SOAP API Developer Guide and the "Change Data Capture Developer Guide". An
Outbound Message is not signed: it must name our ``OrganizationId``, at a URL nobody else knows. A repeat has the same
notification ``Id``. Changes come from an EventBridge partner bus, or by anything that hands them on with the secret in
a header; a repeat has the same transaction and number.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from xml.parsers import expat

from tailor.kernel.document import inner, read_json
from tailor.kernel.errors import Rejected
from tailor.kernel.event import ConsentChange, Event
from tailor.kernel.inbound import Inbound, Parsed
from tailor.kernel.items import Reading, read_each
from tailor.kernel.proof import same, shown, unproved
from tailor.kernel.values import check_size, dated, key, label, present, required, text
from tailor.rules.identity import identifier, ordered

ACKNOWLEDGED = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>'
    '<notificationsResponse xmlns="http://soap.sforce.com/2005/09/outbound"><Ack>true</Ack></notificationsResponse>'
    "</soapenv:Body></soapenv:Envelope>"
)
"""The answer, as ``text/xml``, without which Salesforce sends again for a day."""

ELEMENTS = 20_000
"""The most elements in one message: a hundred notifications of two hundred fields."""
DEPTH = 16

PEOPLE = {"Contact": "salesforce_contact_id", "Lead": "salesforce_lead_id"}
"""Types of records that are people → kind of their ids."""

TRAITS = {
    "FirstName": "first_name",
    "LastName": "last_name",
    "Email": "email",
    "Phone": "phone",
    "MobilePhone": "mobile_phone",
    "Title": "title",
    "Company": "company",
    "Birthdate": "birthday",
    "LeadSource": "lead_source",
    "MailingCity": "city",
    "MailingState": "state",
    "MailingCountry": "country",
    "MailingPostalCode": "postal_code",
    "City": "city",
    "State": "state",
    "Country": "country",
    "PostalCode": "postal_code",
}
"""Standard field → our trait; the organization's own fields, ``Shoe_Size__c``, keep their names."""

OPTOUT = "HasOptedOutOfEmail"
PARTS = ("Name", "MailingAddress", "Address")
"""Compound fields of a change, and what the names of their parts begin with outside: ``MailingCity``."""


@dataclass(frozen=True, slots=True)
class Salesforce:
    """The stored secret is the OrganizationId, of 15 or 18 characters."""

    name: str = "salesforce"
    signed: bool = True

    def verify(self, request: Inbound, secret: bytes, *, now: int) -> None:
        """Check the organization of a message; a JSON change must show the secret in a header.

        Raises
        ------
        Rejected : another organization, or none (401); no XML (400).
        """
        check_size(request)
        claimed = "" if _is_json(request.body) else _read_soap(request.body).organization
        expected = secret.decode("utf-8", "replace").strip()[:15]
        if shown(request, secret) or (len(expected) == 15 and same(expected, claimed[:15])):
            return
        raise unproved("the message names another OrganizationId than the one stored as this key's secret")

    def to_events(self, request: Inbound, *, now: int) -> Parsed:
        """One event for each notification or change about a contact or a lead.

        Raises
        ------
        Rejected : neither XML nor JSON, or too much of it.
        """
        check_size(request)
        if _is_json(request.body):
            document = read_json(request.body)
            changes = document if isinstance(document, list) else [document]
            return read_each(changes, lambda change, pointer: _json(change, pointer, now))
        return read_each(
            _read_soap(request.body).notifications, lambda notice, pointer: _notification(notice, pointer, now)
        )


SALESFORCE = Salesforce()


@dataclass(slots=True)
class _Message:
    """What an Outbound Message says, gathered while it is parsed: no tree is built that could outgrow the worker.

    A notification is ``{"Id", "type", "fields": {name: text}}``.
    """

    organization: str = ""
    notifications: list[dict[str, Any]] = field(default_factory=list)
    _path: list[str] = field(default_factory=list)
    _text: list[str] = field(default_factory=list)
    _count: int = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        self._count += 1
        self._path.append(tag.rpartition("}")[2])
        self._text.clear()
        if self._count > ELEMENTS or len(self._path) > DEPTH:
            raise Rejected("the message has too many elements", code="too-large", status=413)
        if self._path[-1] == "Notification":
            self.notifications.append({"Id": "", "type": "", "fields": {}})
        elif self._path[-1] == "sObject" and self.notifications:
            kind = next((value for name, value in attributes.items() if name.endswith("}type")), "")
            self.notifications[-1]["type"] = kind.rpartition(":")[2]

    def data(self, text: str) -> None:
        """Text between two tags."""
        self._text.append(text)

    def end(self, tag: str) -> None:
        """An element ends."""
        content = "".join(self._text).strip()
        self._text.clear()
        match self._path:
            case [*_, "notifications", "OrganizationId"]:
                self.organization = content
            case [*_, "Notification", "Id"]:
                self.notifications[-1]["Id"] = content
            case [*_, "Notification", "sObject", name]:
                self.notifications[-1]["fields"][name] = content
        self._path.pop()


def _is_json(body: bytes) -> bool:
    return body.lstrip()[:1] in (b"{", b"[")


@lru_cache(1)
def _read_soap(body: bytes) -> _Message:
    """The message; read for the proof, it need not be read again for what it says."""
    message = _Message()
    parser = expat.ParserCreate(namespace_separator="}")
    parser.StartElementHandler = message.start
    parser.CharacterDataHandler = message.data
    parser.EndElementHandler = message.end
    # No document type, so no entity: nothing can expand, nothing outside can be named.
    parser.StartDoctypeDeclHandler = _no_doctype
    try:
        parser.Parse(body, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise Rejected("the body is neither JSON nor well-formed XML", code="bad-xml") from error
    return message


def _no_doctype(*_: Any) -> None:
    raise Rejected("the message declares a document type", code="bad-xml")


def _notification(notice: Any, pointer: str, received: int) -> Reading:
    if not isinstance(notice, dict):
        raise Rejected("a notification must be an object", code="bad-shape", pointer=pointer)
    id = required(notice, "Id", "a notification", pointer)
    kind, fields = text(notice.get("type")), inner(notice, "fields")
    if kind not in PEOPLE:
        return f"{label(kind)}: it is no person"
    record = required(fields, "Id", kind, f"{pointer}/fields")
    times = (fields.get("SystemModstamp"), fields.get("LastModifiedDate"))
    return [_identify(kind, record, fields, key("notification", id), times, received, {})]


def _json(item: Any, pointer: str, received: int) -> Reading:
    """A change, or a notification in the form in which it went into quarantine."""
    if isinstance(item, dict) and item.keys() == {"Id", "type", "fields"}:
        return _notification(item, pointer, received)
    if isinstance(item, dict) and "attributes" in item:
        return _record(item, pointer, received)
    return _change(item, pointer, received)


def _record(item: dict[str, Any], pointer: str, received: int) -> Reading:
    """A record as a query answers it."""
    kind = text(inner(item, "attributes").get("type"))
    if kind not in PEOPLE:
        return f"{label(kind)}: it is no person"
    record = required(item, "Id", kind, pointer)
    changed = text(item.get("SystemModstamp")) or text(item.get("LastModifiedDate"))
    fields = {name: value for name, value in item.items() if name != "attributes"}
    return [_identify(kind, record, fields, key("record", record, changed), (changed,), received, {})]


def _change(change: Any, pointer: str, received: int) -> Reading:
    """A change as it lies on a bus (``detail.payload``), in an envelope (``payload``), or bare.

    Nulled fields unset their traits; a gap (``GAP_UPDATE``) says only that something is missing.
    """
    outer = inner(change, "detail") or change
    payload = inner(outer, "payload") or outer
    header = inner(payload, "ChangeEventHeader")
    kind, what = text(header.get("entityName")), text(header.get("changeType"))
    if not header:
        raise Rejected("the change has no ChangeEventHeader", code="bad-shape", pointer=pointer)
    if kind not in PEOPLE:
        return f"{label(kind)}: it is no person"
    if what.startswith("GAP_"):
        return f"{kind} {label(what)}: changes were lost on the way, load the records again"
    if what not in ("CREATE", "UPDATE", "UNDELETE"):
        return f"{kind} {label(what)}: a record that is deleted has not asked for erasure"
    records = header.get("recordIds")
    if not isinstance(records, list) or not 0 < len(records) <= 1_000:
        raise Rejected("the change names no records", code="no-id", pointer=f"{pointer}/ChangeEventHeader/recordIds")
    fields = {name: value for name, value in payload.items() if name not in ("ChangeEventHeader", *PARTS)}
    for part in PARTS:
        prefix = "Mailing" if part == "MailingAddress" else ""
        fields |= {f"{prefix}{name}": value for name, value in inner(payload, part).items()}
    nulled = header.get("nulledFields")
    names = [text(one).rpartition(".")[2] for one in nulled] if isinstance(nulled, list) else []
    gone = dict.fromkeys(TRAITS[name] for name in names if name in TRAITS)
    transaction = key(required(header, "transactionKey", "a change", pointer), text(header.get("sequenceNumber")))
    times = (header.get("commitTimestamp"),)
    return [
        _identify(kind, text(record), fields, key("change", transaction, text(record)), times, received, gone)
        for record in records
    ]


def _identify(
    kind: str,
    record: str,
    fields: dict[str, Any],
    id: str,
    times: tuple[Any, ...],
    received: int,
    gone: dict[str, None],
) -> Event:
    at, clock = dated(*times, received=received)
    traits = {TRAITS.get(name, name): value for name, value in fields.items() if name in TRAITS or name.endswith("__c")}
    known = {name: value for name, value in traits.items() if isinstance(value, (str, int, float, bool))}
    out = fields.get(OPTOUT)
    return Event(
        id=id,
        kind="identify",
        name="Identify",
        at=at,
        received=received,
        source="salesforce",
        identifiers=ordered(
            [
                identifier(PEOPLE[kind], _whole_id(record)),
                identifier("email", fields.get("Email")),
                identifier("phone", fields.get("MobilePhone")) or identifier("phone", fields.get("Phone")),
            ]
        ),
        traits=present(known) | gone,
        context=clock,
        consent=(ConsentChange("marketing", "withdrawn"),) if out is True or out == "true" else (),
    )


def _whole_id(record: str) -> str:
    """The 18 characters of an id of 15: three more that say which of the others are capitals."""
    if len(record) != 15 or not record.isascii() or not record.isalnum():
        return record
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
    fives = (record[start : start + 5] for start in (0, 5, 10))
    return record + "".join(alphabet[sum(c.isupper() << bit for bit, c in enumerate(five))] for five in fives)
