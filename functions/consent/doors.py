"""What happens behind each path of ``consent``: a visit in, (page, status, further headers) out."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, quote

import pages
from tailor.flows import enrol
from tailor.flows.choose import (
    Desk,
    Pace,
    ask_own_data,
    check_unsubscribe,
    choices,
    choose,
    pace,
    set_pace,
    unsubscribe,
)
from tailor.flows.export import page as data_page
from tailor.flows.own import check_own_data, correct_me, correctable, erase_me, is_restricted, own_data, restrict_me
from tailor.kernel.errors import Rejected
from tailor.kernel.inbound import Inbound

Opened = tuple[str, int, Mapping[str, str]]
FRAMED = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors *; "
    "base-uri 'none'"
}
"""Forms are made to stand in other people's pages; nothing else here is."""
SENT = 64 * 1024
"""Bytes of a form that was sent."""


@dataclass(slots=True)
class Visit:
    """One request to a person's doors.

    ``sender``: network address; ``counted``: what the visit is to be counted as, ``""`` for nothing.
    """

    request: Inbound
    parameters: Mapping[str, str]
    desk: Desk
    sender: str
    clock: Callable[[], int]
    counted: str = ""

    @property
    def token(self) -> str:
        """The signed part of the path."""
        return self.parameters.get("token", "")

    @property
    def posted(self) -> bool:
        """Whether something is to be done, not only shown."""
        return self.request.method == "POST"

    def fields(self) -> dict[str, list[str]]:
        """What a form has sent, urlencoded or as JSON.

        Raises
        ------
        Rejected : too much, or malformed.
        """
        body = self.request.body
        if len(body) > SENT:
            raise Rejected(f"a form has at most {SENT} bytes", code="too-large", status=413)
        if self.request.headers.get("content-type", "").startswith("application/json"):
            return _from_json(body)
        try:
            return parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=200)
        except ValueError as error:
            raise Rejected("a form has at most 200 fields", code="bad-form") from error

    def evidence(self, text: str) -> dict[str, str]:
        """What the choice was made by, from where and under which words."""
        agent = self.request.headers.get("user-agent", "")[:200]
        door = self.request.path.split("/")[1]
        return {"door": door, "text": text, "agent": agent, **({"ip": self.sender} if self.sender else {})}


def _from_json(body: bytes) -> dict[str, list[str]]:
    try:
        document = json.loads(body)
    except ValueError as error:
        raise Rejected("the body is no JSON", code="bad-json") from error
    if not isinstance(document, dict):
        raise Rejected("the body must be one JSON object", code="bad-shape")
    return {
        str(name): [str(one) for one in (value if isinstance(value, list) else [value])]
        for name, value in document.items()
        if value is not None
    }


def _unsubscribe(visit: Visit) -> Opened:
    if visit.posted:
        how = visit.evidence(pages.UNSUBSCRIBE_TEXT)
        unsubscribe(visit.token, visit.desk, how=how, now=visit.clock())
        visit.counted = "Unsubscribed"
        return pages.unsubscribed(), 200, {}
    check_unsubscribe(visit.token, visit.desk)
    return pages.confirm_unsubscribe(), 200, {}


def _preferences(visit: Visit) -> Opened:
    now, token, desk = visit.clock(), visit.token, visit.desk
    if visit.request.path.endswith("/data"):
        return _own_data(visit, now)
    mailed = bool(desk.compiled.program.own_data)
    if not visit.posted:
        found = choices(token, desk, now=now)
        return pages.preferences(found, pace(token, desk, now=now), mailed=mailed, saved=False), 200, {}
    sent = visit.fields()
    if sent.get("do") == ["ask"]:
        ask_own_data(token, desk, now=now)
        return pages.asked(), 200, {}
    if sent.get("do") == ["erase"]:
        return _erase(visit, sure=sent.get("sure") == ["yes"])
    if (done := sent.get("do")) in (["correct"], ["restrict"], ["lift"]):
        return _exercised(visit, done[0], sent, now)
    chosen = choose(token, set(sent.get("choice", [])), desk, how=visit.evidence(pages.PREFERENCES_TEXT), now=now)
    if "at_most" in sent or "pause" in sent:
        before = pace(token, desk, now=now)
        until = pages.pause_until(sent.get("pause", [""])[0], before.paused_until, now=now)
        set_pace(token, Pace(sent.get("at_most", [""])[0], until), desk, now=now)
    return pages.preferences(chosen, pace(token, desk, now=now), mailed=mailed, saved=True), 200, {}


def _erase(visit: Visit, *, sure: bool) -> Opened:
    if not sure:
        return pages.not_sure(), 422, {}
    erase_me(visit.token, visit.desk, clock=visit.clock)
    visit.counted = "ErasuresRequested"
    return pages.erased(), 200, {}


def _exercised(visit: Visit, what: str, sent: Mapping[str, list[str]], now: int) -> Opened:
    if what == "correct":
        said = {name.removeprefix("is-"): values[0] for name, values in sent.items() if name.startswith("is-")}
        count = correct_me(visit.token, said, visit.desk, now=now)
        done = "Put right. This holds from now on." if count else "Nothing was changed."
    else:
        restrict_me(visit.token, visit.desk, lift=what == "lift", now=now)
        done = "Done. This holds from now on."
    visit.counted = "RightsExercised"
    return _own_page(visit, now, saved=done)


def _own_page(visit: Visit, now: int, *, saved: str = "") -> Opened:
    known = correctable(visit.token, visit.desk, now=now)
    stands = is_restricted(visit.token, visit.desk, now=now)
    return pages.own_data(f"/preferences/{quote(visit.token)}", known, restricted=stands, saved=saved), 200, {}


def _own_data(visit: Visit, now: int) -> Opened:
    if "as" not in visit.request.query:
        check_own_data(visit.token, visit.desk, now=now)
        return _own_page(visit, now)
    found = own_data(visit.token, visit.desk, now=now)
    if found is None:
        return pages.refused("There is no profile behind this link any more."), 404, {}
    if visit.request.query.get("as") == "json":
        name = 'attachment; filename="my-data.json"'
        kind = {"content-type": "application/json", "content-disposition": name}
        return json.dumps(found, ensure_ascii=False, indent=1), 200, kind
    return data_page(found), 200, {}


def _form(visit: Visit) -> Opened:
    program = visit.desk.compiled.program
    form = enrol.form_of(visit.parameters.get("form", ""), program)
    token = visit.request.query.get("person", "")
    names = enrol.questions(form, token, visit.desk, now=visit.clock())
    asked = [program.attributes[name] for name in names]
    if not visit.posted:
        return pages.form(form, asked), 200, FRAMED
    sent = visit.fields()
    try:
        enrol.submit(form, sent, visit.desk, how=visit.evidence(""), now=visit.clock())
    except Rejected as error:
        if error.code != "bad-email":
            raise
        email = sent.get("email", [""])[0][:320]
        return pages.form(form, asked, refusal=error.detail, email=email), error.status, FRAMED
    visit.counted = "FormsSubmitted"
    return pages.submitted(form), 200, FRAMED


def _confirm(visit: Visit) -> Opened:
    if not visit.posted:
        return pages.ask_confirmation(enrol.check_confirmation(visit.token, visit.desk)), 200, {}
    said = enrol.confirm(visit.token, visit.desk, how=visit.evidence(pages.CONFIRM_TEXT), now=visit.clock())
    visit.counted = "ConsentsConfirmed" if said else ""
    return pages.confirmed() if said else pages.ask_confirmation([]), 200, {}


DOORS: dict[str, Callable[[Visit], Opened]] = {
    "u": _unsubscribe,
    "preferences": _preferences,
    "forms": _form,
    "confirm": _confirm,
}
"""First part of the path → what is behind it."""
