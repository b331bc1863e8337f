"""Mailchimp: subscriptions to its audiences, by its webhooks.

Contract: Mailchimp's "Sync Audience Data with Webhooks". A webhook is a form; the audience's URL is tried out with GET.
Without a signature it must show the secret in its URL (``?secret=``). Times are in UTC; a repeat has the same type,
time, audience and address. Which purpose or topic an audience is the URL says (``?purpose.<list id>=marketing:deals``),
see :func:`tailor.kernel.values.purpose_of`; it is marketing as a whole otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tailor.kernel.errors import Rejected
from tailor.kernel.event import ConsentChange, Event, Grant
from tailor.kernel.inbound import Inbound, Parsed
from tailor.kernel.items import Reading, read_one
from tailor.kernel.keys import digest
from tailor.kernel.proof import check_shown, timed, unproved
from tailor.kernel.values import dated, label, present, purpose_of, read_form, text
from tailor.rules.identity import identifier, ordered

TRAITS = {"FNAME": "first_name", "LNAME": "last_name", "PHONE": "phone", "BIRTHDAY": "birthday"}
"""Merge field → our trait; others keep their names, in lower case."""
MERGES = "data[merges]["


@dataclass(frozen=True, slots=True)
class Mailchimp:
    """``X-Mailchimp-Signature: t=…,v1=…`` where there is one, else the secret in the query."""

    name: str = "mailchimp"
    signed: bool = True

    def verify(self, request: Inbound, secret: bytes, *, now: int) -> None:
        """Check the signature and its time; without one the secret.

        Raises
        ------
        Rejected : missing, wrong, or more than 5 minutes from ``now`` (401).
        """
        if header := request.headers.get("x-mailchimp-signature", ""):
            if not timed(header, request.body, secret, now=now):
                raise unproved("X-Mailchimp-Signature is not the signature of this body: check the webhook's secret")
        else:
            check_shown(request, secret, parameter="secret")

    def to_events(self, request: Inbound, *, now: int) -> Parsed:
        """The event of one webhook.

        Raises
        ------
        Rejected : no form.
        """
        if greeting := greets(request):
            return Parsed(ignored=[greeting])
        fields = read_form(request)
        return read_one(fields, lambda form: _events(form, request, now))


MAILCHIMP = Mailchimp()


def greets(request: Inbound) -> str:
    """Why a request is only a trial of the door: Mailchimp asks by GET whether the URL answers."""
    return "Mailchimp tried the door" if request.method in ("GET", "HEAD") else ""


def _events(form: dict[str, str], request: Inbound, received: int) -> Reading:
    kind = form.get("type", "")
    if not kind:
        raise Rejected("the form has no 'type'", code="bad-type", pointer="/type")
    audience = form.get("data[list_id]", "")[:100]
    mapped = f"purpose.{audience}" in request.query
    purpose, topic = purpose_of(request, audience) if mapped else ("marketing", "")

    def choice(grant: Grant) -> tuple[ConsentChange, ...]:
        return (ConsentChange(purpose, grant, topic),)

    match kind, form.get("data[reason]", ""):
        case "subscribe", _:
            return [
                _event(form, "Identify", received, kind="identify", traits=_traits(form), consent=choice("granted"))
            ]
        case "unsubscribe", reason:
            # Mailchimp reports a complaint as an unsubscription for abuse.
            everything = (ConsentChange("marketing", "withdrawn"),) if reason == "abuse" else choice("withdrawn")
            return [_event(form, "Consent Updated", received, kind="consent", consent=everything)]
        case "profile", _:
            return [_event(form, "Identify", received, kind="identify", traits=_traits(form))]
        case "upemail", _:
            return [
                _event(
                    form, "Identify", received, kind="identify", traits=present({"email": form.get("data[new_email]")})
                )
            ]
        case "cleaned", "abuse":
            gone = (ConsentChange("marketing", "withdrawn"),)
            return [_event(form, "Consent Updated", received, kind="consent", consent=gone)]
        case "cleaned", _:
            return [_event(form, "Email Bounced", received, properties={"bounce_type": "Permanent"})]
        case "campaign", _:
            return "campaign: nothing here uses it"
        case _:
            return f"{label(kind)}: nothing here uses it"


def _event(form: dict[str, str], name: str, received: int, **more: Any) -> Event:
    """A change of address names the old one first: the person has both, and is written to at the new one."""
    fired = form.get("fired_at")
    at, clock = dated(fired, received=received)
    emails = [form.get(f"data[{field}]") for field in ("old_email", "new_email", "email")]
    parts = ("type", "data[list_id]", "data[id]", "data[web_id]", "data[new_id]")
    told = [form.get(part, "") for part in parts]
    evidence = {"list": text(form.get("data[list_id]")), "reason": text(form.get("data[reason]"))}
    return Event(
        id=digest(*told, *(email or "" for email in emails), fired or str(received)),
        kind=more.pop("kind", "track"),
        name=name,
        at=at,
        received=received,
        source="mailchimp",
        identifiers=ordered([identifier("email", email) for email in emails]),
        context=clock | ({"consent": present(evidence)} if more.get("consent") else {}),
        **more,
    )


def _traits(form: dict[str, str]) -> dict[str, Any]:
    """Merge fields with their values; those of an address and of groups are nested deeper, and left out."""
    names = {field: field.removeprefix(MERGES)[:-1] for field in form if field.startswith(MERGES)}
    known = {TRAITS.get(name, name.lower()): form[field] for field, name in names.items() if name and "[" not in name}
    return present({name: value for name, value in known.items() if name not in ("groupings", "interests")})
