"""Mailchimp: subscriptions to its audiences, by its webhooks; what became of its transactional letters (Mandrill).

Contract: Mailchimp's "Sync Audience Data with Webhooks". A webhook is a form; the audience's URL is tried out with GET.
Without a signature it must show the secret in its URL (``?secret=``). Times are in UTC; a repeat has the same type,
time, audience and address. Which purpose or topic an audience is the URL says (``?purpose.<list id>=marketing:deals``),
see :func:`tailor.kernel.values.purpose_of`; it is marketing as a whole otherwise.

Contract for transactional letters: Mailchimp Transactional's "Webhooks" and "Authenticating Webhook Requests". The
form's one field ``mandrill_events`` is a JSON list; the letters are not ours, their events are named like ours.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tailor.kernel.document import inner, read_json
from tailor.kernel.errors import Rejected
from tailor.kernel.event import ConsentChange, Event, Grant
from tailor.kernel.inbound import Inbound, Parsed
from tailor.kernel.items import Reading, read_each, read_one, unused
from tailor.kernel.keys import digest
from tailor.kernel.proof import check_shown, key_and_url, same, signature, timed, unproved
from tailor.kernel.values import dated, present, purpose_of, read_form, required, text
from tailor.rules.identity import identifier, ordered

TRAITS = {"FNAME": "first_name", "LNAME": "last_name", "PHONE": "phone", "BIRTHDAY": "birthday"}
"""Merge field → our trait; others keep their names, in lower case."""
MERGES = "data[merges]["
TRANSACTIONAL = "mandrill_events"
"""The field that holds a list of events about transactional letters."""
LETTERS = {
    "send": "Email Sent",
    "delivered": "Email Delivered",
    "deferral": "Email Delayed",
    "hard_bounce": "Email Bounced",
    "soft_bounce": "Email Bounced",
    "reject": "Email Rejected",
    "open": "Email Opened",
    "click": "Email Link Clicked",
    "spam": "Consent Updated",
    "unsub": "Consent Updated",
}
"""``event`` of a transactional letter → our name. A complaint is a withdrawal."""
BOUNCES = {"hard_bounce": "Permanent", "soft_bounce": "Transient"}


@dataclass(frozen=True, slots=True)
class Mailchimp:
    """``X-Mailchimp-Signature: t=…,v1=…`` or ``X-Mandrill-Signature`` where there is one, else the secret in the query.

    Mandrill's is the base64 HMAC-SHA1 of the URL and all fields with their values, in the order of their names; it
    sends just one.
    """

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
        elif header := request.headers.get("x-mandrill-signature", ""):
            signing, url = key_and_url(request, secret)
            fields = read_form(request)
            told = f"{url}{TRANSACTIONAL}{fields.get(TRANSACTIONAL, '')}"
            expected = signature(signing, told.encode("utf-8", "surrogatepass"), algorithm="sha1", base64=True)
            # Names and values are signed without what divides them: with another field it would fit other forms too.
            if not same(expected, header) or fields.keys() != {TRANSACTIONAL}:
                raise unproved("X-Mandrill-Signature does not fit URL and form: check the webhook's key, and the URL")
        else:
            check_shown(request, secret, parameter="secret")

    def to_events(self, request: Inbound, *, now: int) -> Parsed:
        """The event of one webhook, or those of a list about transactional letters.

        Raises
        ------
        Rejected : no form.
        """
        if greeting := greets(request):
            return Parsed(ignored=[greeting])
        fields = read_form(request)
        if TRANSACTIONAL in fields:
            listed = read_json(fields[TRANSACTIONAL].encode())
            if not isinstance(listed, list):
                raise Rejected(f"{TRANSACTIONAL!r} is no list", code="bad-shape", pointer=f"/{TRANSACTIONAL}")
            parsed = read_each(listed, lambda told, at: _letter(told, at, now), pointer=f"/{TRANSACTIONAL}")
            # Each goes into quarantine in a form of its own, so that it can be read again.
            parsed.refused = [(refusal, {TRANSACTIONAL: json.dumps([one])}) for refusal, one in parsed.refused]
            return parsed
        return read_one(fields, lambda form: _events(form, request, now))


MAILCHIMP = Mailchimp()


def greets(request: Inbound) -> str:
    """Why a request is only a trial of the door: Mailchimp asks by GET whether the URL answers, Mandrill also by an
    empty list that it signs with no key of ours."""
    tried = request.method in ("GET", "HEAD") or request.body in (b"mandrill_events=%5B%5D", b"mandrill_events=[]")
    return "Mailchimp tried the door" if tried else ""


def _letter(told: Any, pointer: str, received: int) -> Reading:
    if not isinstance(told, dict):
        raise Rejected("an event must be an object", code="bad-shape", pointer=pointer)
    kind = text(told.get("event") or told.get("type"))
    name = LETTERS.get(kind)
    if name is None:
        return unused(kind)
    message = inner(told, "msg")
    letter = text(message.get("_id")) or required(told, "_id", "an event", pointer)
    person = identifier("email", message.get("email"))
    if person is None:
        raise Rejected("the letter has no address", code="no-identity", pointer=f"{pointer}/msg/email")
    at, clock = dated(told.get("ts"), received=received)
    link, agent = text(told.get("url"), 2_000), text(told.get("user_agent"), 500)
    gone = name == "Consent Updated"
    properties = {
        "subject": "" if gone else text(message.get("subject"), 500),
        "link": link,
        "bounce_type": BOUNCES.get(kind, ""),
        "reason": text(message.get("bounce_description")),
    }
    evidence = {"consent": {"letter": letter, "reason": kind}} if gone else {}
    return [
        Event(
            id=digest("mandrill", kind, letter, text(told.get("ts")), link),
            kind="consent" if gone else "track",
            name=name,
            at=at,
            received=received,
            source="mailchimp",
            identifiers=(person,),
            properties=present(properties),
            context=clock | present({"userAgent": agent}) | evidence,
            consent=(ConsentChange("marketing", "withdrawn"),) if gone else (),
        )
    ]


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
            return unused(kind)


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
