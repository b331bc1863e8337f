"""A first mapping for a file, from the names of its columns; for a person to look at before anything is imported."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

KNOWN: dict[str, tuple[str, ...]] = {
    "email": (
        "email",
        "emailaddress",
        "mail",
        "courriel",
        "adresseemail",
        "correo",
        "emailadresse",
        "useremail",
        "emails",
    ),
    "user_id": (
        "userid",
        "customerid",
        "customernumber",
        "customerno",
        "clientid",
        "contactid",
        "memberid",
        "kundennummer",
    ),
    "phone": ("phone", "phonenumber", "mobile", "mobilephone", "telephone", "tel", "cell", "handy", "portable"),
    "first_name": ("firstname", "givenname", "forename", "vorname", "prenom", "fname", "nombre"),
    "last_name": ("lastname", "surname", "familyname", "nachname", "nom", "lname", "apellido", "apellidos"),
    "birthday": ("birthday", "birthdate", "dateofbirth", "dob", "geburtsdatum", "datedenaissance"),
    "city": ("city", "town", "stadt", "ort", "ville", "ciudad"),
    "country": ("country", "countrycode", "land", "pays", "pais"),
    "postal_code": ("postalcode", "postcode", "zip", "zipcode", "plz", "codepostal"),
    "language": ("language", "lang", "locale", "sprache", "langue", "idioma"),
    "interests": ("interests", "interest", "hobbies", "interessen", "interets"),
    "time_zone": ("timezone", "tz"),
    "at": ("updatedat", "updated", "modified", "lastmodified", "lastmodifieddate", "changed", "timestamp"),
    "order_id": (
        "orderid",
        "ordernumber",
        "orderno",
        "receipt",
        "receiptid",
        "receiptnumber",
        "transactionid",
        "bonnummer",
    ),
    "total": ("total", "amount", "ordertotal", "grandtotal", "sum", "revenue", "betrag"),
    "ordered": ("orderdate", "orderedat", "purchasedat", "purchasedate", "date", "createdat", "datetime", "datum"),
    "currency": ("currency", "currencycode", "wahrung", "devise"),
    "consent": (
        "newsletter",
        "optin",
        "marketingoptin",
        "emailoptin",
        "acceptsmarketing",
        "subscribed",
        "marketingconsent",
    ),
    "consent_at": (
        "optindate",
        "optinat",
        "optintime",
        "subscribedat",
        "consentdate",
        "consentat",
        "newslettersince",
        "newsletterseit",
    ),
}
"""What a column may be → how its name is written, without accents, blanks and signs."""
IDENTIFIERS = ("email", "user_id", "phone")
TRAITS = ("first_name", "last_name", "birthday", "city", "country", "postal_code", "language", "interests", "time_zone")


def guess(columns: Sequence[str]) -> dict[str, Any]:
    """A mapping document for columns of these names; without the basis of consent, which nobody can guess.

    A file with orders (numbers and totals) becomes ``Order Completed``, any other what is known of people. Columns that
    mean nothing here become traits (or properties) under their own names, and can be read once a programme declares
    them.
    """
    found = _recognised(columns)
    left = [name for name in columns if name not in found.values()]
    is_order = {"order_id", "total"} <= found.keys()
    document: dict[str, Any] = {"kind": "track", "event": "Order Completed"} if is_order else {"kind": "identify"}
    when = ("ordered", "at") if is_order else ("at",)
    if at := next((found[name] for name in when if name in found), None):
        document["at"] = at
    document["identifiers"] = {kind: found[kind] for kind in IDENTIFIERS if kind in found}
    traits: dict[str, Any] = {name: found[name] for name in TRAITS if name in found}
    if "interests" in traits:
        traits["interests"] = {"column": found["interests"], "type": "list"}
    if is_order:
        document["id"] = [found["order_id"]]
        document["traits"] = traits
        document["properties"] = {
            "order_id": found["order_id"],
            "total": {"column": found["total"], "type": "money"},
            **({"currency": found["currency"]} if "currency" in found else {}),
            **{slug(name): name for name in left},
        }
    else:
        unused = [found[name] for name in ("order_id", "total", "ordered", "currency") if name in found]
        document["traits"] = traits | {slug(name): name for name in (*left, *unused)}
    if "consent" in found:
        document["consent"] = {"column": found["consent"]} | (
            {"at": found["consent_at"]} if "consent_at" in found else {}
        )
    return {name: value for name, value in document.items() if value not in ({}, [])}


def slug(name: str) -> str:
    """A column's name as that of an attribute: ``"Shoe size (EU)"`` → ``"shoe_size_eu"``."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    words = re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])", plain)
    return "_".join(words).lower()[:60] or "column"


def _recognised(columns: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in columns:
        # Of a pointer into a document what it leads to: the first of a list is what the list is of.
        leaf = next(part for part in reversed(name.split("/")) if not part.isdecimal()) if "/" in name else name
        compact = slug(leaf).replace("_", "")
        for meaning, written in KNOWN.items():
            if compact in written and meaning not in found:
                found[meaning] = name
                break
    return found
