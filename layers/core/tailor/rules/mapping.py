"""A mapping: what the columns of a file mean, and on what ground the people in it may be written to.

As a document (``tailor import FILE --mapping people.toml``)::

    name = "loyalty"                     # of this feed; rows are told from those of other feeds by it
    kind = "identify"                    # or "track", with event = "Order Completed"
    at = "updated"                       # column with the time of the row; without one, the time of the import
    id = ["receipt", "line"]             # columns that tell one row from another (for track; ["*"]: all of them)
    journeys = false                     # whether rows may start journeys
    form = { dates = "dmy", decimal = ",", zone = "Europe/Paris", region = "FR", yes = ["oui"], no = ["non"] }

    [identifiers]
    email = "E-mail"
    [traits]
    first_name = "First name"
    interests = { column = "Likes", type = "list", split = ";" }
    [properties]
    total = { column = "Total", type = "money" }

    [consent]
    basis = "consent"                    # consent, legitimate-interest, contract, none
    purpose = "marketing"
    topic = "deals"
    column = "Newsletter"                # yes or no in each row
    at = "Newsletter since"              # when it was given: a column, or a date for all
    evidence = "Double opt-in on shop.example/news, wording of 2024-03"

What a basis means for the rows:

=======================  ==========================================================================================
``consent``              a yes is a grant at its own time, with the evidence beside it in the consent chain
``legitimate-interest``  no grant: what stands on that basis is served until the person objects; evidence is kept
``contract``             likewise
``none``                 no grant: nothing may be sent for marketing until the person agrees
=======================  ==========================================================================================

A no is a withdrawal whatever the basis. A yes without a time is refused: it could undo a withdrawal that came later.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from tailor.kernel.document import not_after
from tailor.kernel.errors import Rejected
from tailor.kernel.event import ConsentChange, Event, Identifier, Kind
from tailor.kernel.fields import Fields
from tailor.kernel.keys import digest
from tailor.kernel.program import BASES
from tailor.kernel.values import key
from tailor.rules.calendar import zone
from tailor.rules.columns import NO, ORDERS, YES, Column, Form, find, pointer_to, read_column
from tailor.rules.identity import identifier, ordered
from tailor.rules.quality import phone

FORMATS = ("csv", "ndjson", "parquet", "ga4", "adobe")
TABLES = ("csv", "ndjson", "parquet")
"""Formats whose columns a mapping declares; those of the others are the vendor's."""
KINDS = ("identify", "track")
NO_BASIS = "none"
REASONS = ("_reason", "_pointer", "_row")
"""Columns that a row has once it was refused, after its own; they say nothing of it."""
EVIDENCE = 1_000
"""Characters of the evidence."""


@dataclass(frozen=True, slots=True)
class Basis:
    """The ground on which the people of a file are written to; see the module."""

    basis: str
    purpose: str = "marketing"
    topic: str = ""
    column: Column | None = None
    at: Column | None = None
    since: int | None = None
    evidence: str = ""
    proof: Column | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a row comes from: ``import_id`` and ``file``; ``as_of``, when what it says was true, if it has no time of
    its own; ``received``, when the import was entered."""

    import_id: str
    file: str
    as_of: int
    received: int


@dataclass(frozen=True, slots=True)
class RowMapping:
    """See the module. ``notes`` of :meth:`events` are what was kept, but not as what it was declared to be."""

    name: str
    format: str
    kind: str
    event: str
    id: tuple[Column, ...]
    at: Column | None
    journeys: bool
    form: Form
    region: str
    identifiers: Mapping[str, Column]
    traits: Mapping[str, Column]
    properties: Mapping[str, Column]
    consent: Basis

    @property
    def handles(self) -> dict[str, Column]:
        """Identifiers that are traits too, and are looked at as such."""
        return {kind: column for kind, column in self.identifiers.items() if kind in ("email", "phone")}

    def columns(self) -> set[str]:
        """Names of all columns it reads."""
        basis = self.consent
        single = [self.at, basis.column, basis.at, basis.proof]
        many = [*self.id, *self.identifiers.values(), *self.traits.values(), *self.properties.values()]
        return {one.name for one in (*single, *many) if one is not None} - {"*"}

    def events(self, row: Mapping[str, Any], origin: Origin, number: int, notes: list[str]) -> list[Event]:
        """What a row says: traits or something that happened, and a choice of consent, each at its own time.

        Raises
        ------
        Rejected : a value is not what the mapping says of its column, or nobody is named; with a pointer to the column.
        """
        at, clock = self._when(row, origin)
        people = self._people(row, notes)
        traits = _values(self.handles, row, self.form) | _values(self.traits, row, self.form)
        properties = _values(self.properties, row, self.form)
        choice = self._choice(row, origin, number, at)
        context = {**clock, **self.circumstances(origin, number)}
        name = self.event or "Identify"
        event = Event(
            id=self._id(row, name, at, [people, traits, properties]),
            kind=cast(Kind, self.kind),
            name=name,
            at=at,
            received=origin.received,
            source="import",
            identifiers=people,
            traits=traits,
            properties=properties,
            context=context,
        )
        if choice is None:
            return [event]
        change, when, how = choice
        agreed = Event(
            id=key("consent", digest(self.name, str(when), change.purpose, change.topic, change.grant, _text(people))),
            kind="consent",
            name="Consent Updated",
            at=when,
            received=origin.received,
            source="import",
            identifiers=people,
            context={**context, "consent": how},
            consent=(change,),
        )
        return [event, agreed]

    def circumstances(self, origin: Origin, number: int) -> dict[str, Any]:
        """What the context of every event of a row says: where it is from, and that it starts no journeys."""
        return {"import": origin.import_id, "row": number} | ({} if self.journeys else {"quiet": True})

    def _when(self, row: Mapping[str, Any], origin: Origin) -> tuple[int, dict[str, Any]]:
        written = find(row, self.at.name) if self.at else None
        if self.at is None or written is None or written == "":
            if self.at is not None and self.kind == "track":
                raise Rejected(f"{self.at.name}: it is empty", code="no-time", pointer=pointer_to(self.at.name))
            return not_after(origin.as_of, origin.received)
        return not_after(_instant(self.at, written, self.form), origin.received)

    def _people(self, row: Mapping[str, Any], notes: list[str]) -> tuple[Identifier, ...]:
        found: list[Identifier | None] = []
        for kind, column in self.identifiers.items():
            value = column.of(row, self.form)
            if value is None:
                continue
            one = identifier(kind, (phone(str(value), self.region)[0] or value) if kind == "phone" else value)
            if one is None and kind == "email":
                detail = f"{column.name}: this is no e-mail address"
                raise Rejected(detail, code="bad-email", pointer=pointer_to(column.name))
            if one is None:
                notes.append(f"{column.name}: not usable as {kind} by itself")
            found.append(one)
        people = ordered(found)
        if not people:
            names = ", ".join(column.name for column in self.identifiers.values())
            raise Rejected(f"nobody is named: there is nothing usable in {names}", code="no-identity")
        return people

    def _id(self, row: Mapping[str, Any], name: str, at: int, content: list[Any]) -> str:
        if not self.id:
            # The same words at another time say something new: they may have been otherwise in between.
            return key("row", digest(self.name, name, str(at), _text(content)))
        if any(column.name == "*" for column in self.id):
            own = {column: value for column, value in row.items() if column not in REASONS}
            return key("row", digest(self.name, name, _text(own)))
        parts = [column.of(row, self.form) for column in self.id]
        if None in parts:
            column = self.id[parts.index(None)].name
            detail = f"{column}: it is empty, so that the row cannot be told from another"
            raise Rejected(detail, code="no-id", pointer=pointer_to(column))
        return key(name.lower().replace(" ", "-"), self.name, *parts)

    def _choice(
        self, row: Mapping[str, Any], origin: Origin, number: int, at: int
    ) -> tuple[ConsentChange, int, dict[str, Any]] | None:
        basis = self.consent
        said = basis.column.of(row, self.form) if basis.column else None
        if basis.column is None and basis.basis == "consent":
            said = True
        if said is None or (said and basis.basis != "consent"):
            return None
        when = basis.since
        if basis.at is not None:
            written = find(row, basis.at.name)
            when = None if written in (None, "") else _instant(basis.at, written, self.form)
        if when is None and said:
            name = basis.at.name if basis.at else "at"
            detail = f"{name}: a grant without its time could undo a later withdrawal"
            raise Rejected(detail, code="no-time", pointer=pointer_to(name))
        proof = basis.proof.of(row, self.form) if basis.proof else None
        how = {
            "basis": basis.basis,
            "evidence": proof or basis.evidence,
            "import": origin.import_id,
            "file": origin.file,
            "row": number,
        }
        change = ConsentChange(basis.purpose, "granted" if said else "withdrawn", basis.topic)
        return change, min(at if when is None else when, origin.received), {k: v for k, v in how.items() if v != ""}


def _instant(column: Column, written: Any, form: Form) -> int:
    try:
        return form.instant(written)
    except Rejected as error:
        detail = f"{column.name}: {error.detail}"
        raise Rejected(detail, code=error.code, pointer=pointer_to(column.name)) from error


def _values(columns: Mapping[str, Column], row: Mapping[str, Any], form: Form) -> dict[str, Any]:
    found = {name: column.of(row, form) for name, column in columns.items()}
    return {name: value for name, value in found.items() if value is not None}


def _plain(value: Any) -> Any:
    return [value.kind, value.value] if isinstance(value, Identifier) else str(value)


# One encoder for all rows: making one costs more than what it does here.
_text = json.JSONEncoder(sort_keys=True, ensure_ascii=False, default=_plain).encode


# ---- reading the document


def read_mapping(document: Any) -> RowMapping:
    """A mapping from its document.

    Raises
    ------
    Rejected : it is wrong, with a pointer into it; or it does not say on what basis the people may be written to.
    """
    fields = Fields(document, "")
    format = fields.text("format", "csv", among=FORMATS)
    kind = fields.text("kind", "identify", among=KINDS)
    event = fields.text("event", "")
    id = tuple(map(Column, _names(fields, "id")))
    mapping = RowMapping(
        name=fields.text("name", "import"),
        format=format,
        kind=kind,
        event=event,
        id=id,
        at=read_column(at, fields, "at") if (at := fields.any("at")) is not None else None,
        journeys=_flag(fields, "journeys"),
        form=(form := _form(fields))[0],
        region=form[1],
        identifiers=_columns(fields, "identifiers"),
        traits=_columns(fields, "traits"),
        properties=_columns(fields, "properties"),
        consent=_basis(fields, form[0]),
    )
    fields.any("csv")
    fields.done()
    if format in TABLES:
        _check(mapping, fields)
    return mapping


def _check(mapping: RowMapping, fields: Fields) -> None:
    if not mapping.identifiers:
        raise fields.fail("say who a row is about: name a column for email, user_id, phone, …", "identifiers")
    if "person" in mapping.identifiers:
        detail = "ids of Tailor's own are not for others to claim"
        raise Rejected(detail, code="bad-definition", pointer="/identifiers/person")
    if mapping.kind == "track" and not mapping.event:
        raise fields.fail('say what happened: event = "Order Completed"', "event")
    if mapping.kind == "track" and not mapping.id:
        detail = 'name the columns that tell one row from another, such as ["order_id"]; ["*"] for all of them'
        raise fields.fail(detail, "id")
    if mapping.kind == "identify" and mapping.properties:
        raise fields.fail('properties are of something that happened: kind = "track"', "properties")


def _flag(fields: Fields, name: str) -> bool:
    value = fields.any(name)
    if value is not None and not isinstance(value, bool):
        raise fields.fail(f"{name!r} must be true or false", name)
    return bool(value)


def _names(fields: Fields, name: str) -> tuple[str, ...]:
    value = fields.any(name)
    found = [value] if isinstance(value, str) else [] if value is None else value
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise fields.fail(f"{name!r} must be a list of columns", name)
    return tuple(found)


def _columns(fields: Fields, name: str) -> dict[str, Column]:
    raw = fields.any(name)
    inner = Fields({} if raw is None else raw, f"{fields.pointer}/{name}")
    return {str(key): read_column(value, inner, str(key)) for key, value in inner.raw.items()}


def _form(fields: Fields) -> tuple[Form, str]:
    raw = fields.any("form")
    inner = Fields({} if raw is None else raw, "/form")
    clock = inner.text("zone", "UTC")
    if zone(clock) is None:
        raise inner.fail(f"there is no time zone {clock!r}; write it as 'Europe/Paris'", "zone")
    form = Form(
        decimal=inner.text("decimal", ".", among=(".", ",")),
        dates=inner.text("dates", "ymd", among=ORDERS),
        zone=clock,
        yes=tuple(word.lower() for word in _names(inner, "yes")) or YES,
        no=tuple(word.lower() for word in _names(inner, "no")) or NO,
    )
    region = inner.text("region", "")
    if region and not (len(region) == 2 and region.isascii() and region.isupper()):
        raise inner.fail(f"{region!r} is no country of ISO 3166, such as 'FR'", "region")
    inner.done()
    return form, region


def _basis(fields: Fields, form: Form) -> Basis:
    raw = fields.any("consent")
    if raw is None or (isinstance(raw, Mapping) and "basis" not in raw):
        detail = (
            f"say on what basis you hold these people's data: consent.basis = one of {', '.join(BASES)}, {NO_BASIS}"
        )
        raise Rejected(detail, code="no-basis", pointer="/consent")
    inner = Fields(raw, "/consent")
    basis = inner.text("basis", among=(*BASES, NO_BASIS))
    purpose, topic = inner.text("purpose", "marketing"), inner.text("topic", "")
    column, proof, at = inner.any("column"), inner.any("evidence_column"), inner.any("at")
    evidence = inner.text("evidence", "")
    inner.done()
    if len(evidence) > EVIDENCE:
        raise inner.fail(f"the evidence has {len(evidence)} characters, the limit is {EVIDENCE}", "evidence")
    if basis in BASES and not (evidence or proof):
        raise inner.fail("say what proves it: 'evidence' for all rows, or 'evidence_column'", "evidence")
    if basis == "consent" and at is None:
        raise inner.fail("say when it was given: a column, or a date for all rows", "at")
    since = None
    if isinstance(at, str):
        try:
            since = form.instant(at)
        except Rejected:
            since = None
    return Basis(
        basis,
        purpose,
        topic,
        replace(read_column(column, inner, "column"), type="boolean") if column is not None else None,
        read_column(at, inner, "at") if at is not None and since is None else None,
        since,
        evidence,
        read_column(proof, inner, "evidence_column") if proof is not None else None,
    )
