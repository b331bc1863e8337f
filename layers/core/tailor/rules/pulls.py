"""Pulls: what to ask a vendor for next, and where its answer leaves us. Pure: the asking itself is done elsewhere.

A pull as a document (``tailor pull put NAME FILE``)::

    source = "hubspot"                   # hubspot, salesforce, woocommerce
    url = "https://api.hubapi.com"       # of the shop, or of the organization's own domain, for the others
    every = "15m"
    account = "62515"                    # HubSpot: number of the portal
    properties = ["loyalty_tier"]        # beyond the standard ones

Each has a cursor, and asks for what was changed since. What was asked for twice is the same event twice, so a cursor
stays behind rather than running ahead: search indexes of vendors lag, and clocks differ.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from tailor.kernel.document import inner
from tailor.kernel.errors import Rejected
from tailor.kernel.fields import Fields
from tailor.kernel.inbound import Inbound
from tailor.kernel.instants import MINUTE, duration, iso, parse_instant
from tailor.kernel.values import moment, objects, text

HUBSPOT = ("firstname", "lastname", "email", "phone", "mobilephone", "city", "country", "zip", "hs_language")
"""Properties of a contact that are always asked for, and ``hs_email_optout``."""
SALESFORCE = {
    "Contact": ("Id", "FirstName", "LastName", "Email", "Phone", "MobilePhone", "MailingCity", "MailingCountry"),
    "Lead": ("Id", "FirstName", "LastName", "Email", "Phone", "MobilePhone", "Company", "City", "Country"),
}
VERSION = "v61.0"
PAGE = {"hubspot": 100, "salesforce": 500, "woocommerce": 50}
LAG = 5 * MINUTE
"""How long a change may be missing from a search."""
SEARCHED = 9_900
"""Results that HubSpot pages through before it wants another search."""
OFTEN = MINUTE
"""The shortest interval."""


@dataclass(frozen=True, slots=True)
class Pull:
    """See the module; ``every`` in ms."""

    name: str
    source: str
    url: str
    every: int
    account: str = ""
    properties: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ask:
    """One request: ``path`` below the pull's URL, with its query."""

    method: str
    path: str
    body: bytes = b""


@dataclass(slots=True)
class Page:
    """What an answer holds: requests as the vendor's source reads them, the cursor behind it, whether there is more."""

    bodies: list[Inbound]
    cursor: dict[str, Any]
    more: bool = False
    found: int = field(default=0)


def read_pull(name: str, document: Any) -> Pull:
    """A pull from its document.

    Raises
    ------
    Rejected : it is wrong, with a pointer into it.
    """
    fields = Fields(document, "")
    source = fields.text("source", among=tuple(VENDORS))
    url = fields.text("url", "https://api.hubapi.com" if source == "hubspot" else None).rstrip("/")
    every = duration(fields.text("every", "15m"))
    account = fields.text("account", "")
    properties = fields.any("properties") or []
    fields.done()
    if every < OFTEN:
        raise fields.fail("every minute is as often as it goes", "every")
    if source == "hubspot" and not account.isdecimal():
        raise fields.fail("give the number of the portal, as it stands in its notifications", "account")
    if not isinstance(properties, list) or not all(isinstance(p, str) and p.isidentifier() for p in properties):
        raise fields.fail("'properties' must be a list of names", "properties")
    return Pull(name, source, url, every, account, tuple(properties))


def ask(pull: Pull, cursor: Mapping[str, Any]) -> Ask:
    """What to ask for next."""
    return VENDORS[pull.source][0](pull, cursor)


def read(pull: Pull, cursor: Mapping[str, Any], answer: Any) -> Page:
    """What an answer to :func:`ask` holds.

    Raises
    ------
    Rejected : it is no answer of this vendor.
    """
    return VENDORS[pull.source][1](pull, cursor, answer)


def _since(cursor: Mapping[str, Any]) -> int:
    since: int = cursor.get("since", 0)
    return since


# ---- HubSpot: a search, the longest unchanged first


def hydration(pull: Pull, numbers: list[str]) -> Ask:
    """A batch read of up to 100 contacts by number."""
    body = {"properties": _wanted(pull), "inputs": [{"id": number} for number in numbers[:100]]}
    return Ask("POST", "/crm/v3/objects/contacts/batch/read", json.dumps(body).encode())


def contacts(pull: Pull, answer: Any) -> list[Inbound]:
    """The contacts of a search or a batch read, as the source reads them."""
    found = [{"portalId": pull.account, "contact": contact} for contact in objects(_list(answer, "results"))]
    return [Inbound("POST", "/", {}, json.dumps(found, ensure_ascii=False).encode())] if found else []


def _wanted(pull: Pull) -> list[str]:
    return [*dict.fromkeys((*HUBSPOT, "hs_email_optout", *pull.properties))]


def _ask_hubspot(pull: Pull, cursor: Mapping[str, Any]) -> Ask:
    since = {"propertyName": "lastmodifieddate", "operator": "GTE", "value": str(_since(cursor))}
    body = {
        "filterGroups": [{"filters": [since]}],
        "sorts": [{"propertyName": "lastmodifieddate", "direction": "ASCENDING"}],
        "properties": [*_wanted(pull), "lastmodifieddate"],
        "limit": PAGE["hubspot"],
        "after": cursor.get("after", 0),
    }
    return Ask("POST", "/crm/v3/objects/contacts/search", json.dumps(body).encode())


def _read_hubspot(pull: Pull, cursor: Mapping[str, Any], answer: Any) -> Page:
    found = objects(_list(answer, "results"))
    seen = [moment(inner(one, "properties").get("lastmodifieddate") or one.get("updatedAt")) for one in found]
    last = max((at for at in seen if at is not None), default=_since(cursor))
    newest = max(last, cursor.get("newest", 0))
    told = text(inner(inner(answer, "paging"), "next").get("after"))
    after = int(told) if told.isdecimal() else None
    bodies = contacts(pull, answer)
    if after is None:
        return Page(bodies, {"since": max(_since(cursor), newest - LAG)}, found=len(found))
    if after >= SEARCHED:
        # Another search, from where this one has come to; more than it has in one ms cannot be told apart.
        since = last if last > _since(cursor) else last + 1
        return Page(bodies, {"since": since, "newest": newest}, more=True, found=len(found))
    return Page(bodies, {"since": _since(cursor), "after": after, "newest": newest}, more=True, found=len(found))


# ---- Salesforce: a query, told where it stands by time and id


def _ask_salesforce(pull: Pull, cursor: Mapping[str, Any]) -> Ask:
    kind, at, id = cursor.get("kind", "Contact"), iso(_since(cursor)), cursor.get("id", "")
    fields = [*dict.fromkeys((*SALESFORCE[kind], "HasOptedOutOfEmail", *pull.properties, "SystemModstamp"))]
    later = f"SystemModstamp > {at}" + (f" OR (SystemModstamp = {at} AND Id > '{id}')" if id.isalnum() else "")
    query = f"SELECT {', '.join(fields)} FROM {kind} WHERE {later} "  # noqa: S608
    query += f"ORDER BY SystemModstamp, Id LIMIT {PAGE['salesforce']}"
    return Ask("GET", f"/services/data/{VERSION}/query?{urlencode({'q': query})}")


def _read_salesforce(pull: Pull, cursor: Mapping[str, Any], answer: Any) -> Page:
    found = objects(_list(answer, "records"))
    bodies = [Inbound("POST", "/", {}, json.dumps(found, ensure_ascii=False).encode())] if found else []
    kind = cursor.get("kind", "Contact")
    place = dict(cursor)
    if found:
        place |= {"since": moment(found[-1].get("SystemModstamp")) or _since(cursor), "id": text(found[-1].get("Id"))}
    if len(found) == PAGE["salesforce"]:
        return Page(bodies, place, more=True, found=len(found))
    # The other kind of record next; it has a place of its own.
    kept = {name: value for name, value in place.items() if name in ("since", "id")}
    others = place.get("others", {})
    following = "Lead" if kind == "Contact" else "Contact"
    now = {"kind": following, **others.get(following, {}), "others": {**others, kind: kept}}
    return Page(bodies, now, more=following == "Lead", found=len(found))


# ---- WooCommerce: orders by the time of their change, against what its webhooks have lost


def _ask_woocommerce(pull: Pull, cursor: Mapping[str, Any]) -> Ask:
    query = {
        "orderby": "modified",
        "order": "asc",
        "dates_are_gmt": "true",
        "modified_after": iso(_since(cursor))[:19],
        "per_page": PAGE["woocommerce"],
        "page": cursor.get("page", 1),
    }
    return Ask("GET", f"/wp-json/wc/v3/orders?{urlencode(query)}")


def _read_woocommerce(pull: Pull, cursor: Mapping[str, Any], answer: Any) -> Page:
    if not isinstance(answer, list):
        raise _strange("a list of orders")
    found = objects(answer)
    headers = {"x-wc-webhook-topic": "order.updated", "x-wc-webhook-source": f"{pull.url}/"}
    bodies = [Inbound("POST", "/", headers, json.dumps(order, ensure_ascii=False).encode()) for order in found]
    changed = [_changed(order) for order in found]
    newest = max([*changed, cursor.get("newest", 0)])
    if len(answer) < PAGE["woocommerce"]:
        return Page(bodies, {"since": max(_since(cursor), newest - LAG)}, found=len(found))
    return Page(bodies, {**cursor, "page": cursor.get("page", 1) + 1, "newest": newest}, more=True, found=len(found))


def _changed(order: Mapping[str, Any]) -> int:
    try:
        return parse_instant(text(order.get("date_modified_gmt")))
    except Rejected:
        return 0


def _list(answer: Any, name: str) -> list[Any]:
    found = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(found, list):
        raise _strange(f"{name!r}")
    return found


def _strange(wanted: str) -> Rejected:
    return Rejected(f"the vendor answers without {wanted}: look at the URL", code="bad-answer")


Asking = Callable[[Pull, Mapping[str, Any]], Ask]
Answering = Callable[[Pull, Mapping[str, Any], Any], Page]
VENDORS: dict[str, tuple[Asking, Answering]] = {
    "hubspot": (_ask_hubspot, _read_hubspot),
    "salesforce": (_ask_salesforce, _read_salesforce),
    "woocommerce": (_ask_woocommerce, _read_woocommerce),
}
"""Source → what to ask it, and how to read its answer."""
