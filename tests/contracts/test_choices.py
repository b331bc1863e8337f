"""OneTrust, Didomi, Mailchimp, Marketing Cloud: what people agreed to, and took back."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from tailor.kernel.errors import Rejected
from tailor.kernel.event import ConsentChange, Event, Identifier
from tailor.kernel.inbound import Inbound, Parsed
from tailor.kernel.instants import parse_instant
from tailor.sources import GREETINGS, SOURCES

NOW = parse_instant("2026-11-24T09:00:00Z")
MAPPED = {"purpose.G-1": "marketing"}


def post(source: str, body: Any, query: dict[str, str] | None = None, *, now: int = NOW) -> Parsed:
    return SOURCES[source].to_events(Inbound("POST", "/", {}, json.dumps(body).encode(), query or {}), now=now)


# ---- OneTrust


def choice(status: str, **more: Any) -> dict[str, Any]:
    fields = {"TransactionStatus": status, "ConsentDate": "2026-11-24T08:00:00Z"}
    profile = {"purposeId": "G-1", "profileFields": fields}
    return {"eventId": "e-1", "payload": {"dataSubjectEmail": "a@b.example", "profiles": [profile | more]}}


@pytest.mark.parametrize(
    ("status", "grant"),
    [
        ("ACTIVE", "granted"),
        ("CONFIRMED", "granted"),
        ("PENDING", "pending"),
        ("NO_CONSENT", "denied"),
        ("WITHDRAWN", "withdrawn"),
        ("OPT_OUT", "withdrawn"),
        ("HARD_OPT_OUT", "withdrawn"),
        ("EXPIRED", "withdrawn"),
        ("NOT_OPTED_OUT", None),
    ],
)
def test_onetrusts_statuses(status: str, grant: Any) -> None:
    parsed = post("onetrust", choice(status), MAPPED)
    changes = [change for event in parsed.events for change in event.consent]
    assert changes == ([ConsentChange("marketing", grant)] if grant else [])
    assert parsed.refused == []
    assert bool(parsed.ignored) is (grant is None)


@pytest.mark.parametrize("status", ["", "YES", "active consent", None, True])
def test_an_unknown_status_is_never_consent(status: Any) -> None:
    parsed = post("onetrust", choice(status), MAPPED)
    assert parsed.events == []
    assert [refusal.code for refusal, _ in parsed.refused] == ["bad-status"]


def test_a_purpose_the_url_does_not_map_permits_nothing_of_ours() -> None:
    [event] = post("onetrust", choice("ACTIVE")).events
    assert event.consent == (ConsentChange("g-1", "granted"),)


def test_agreement_to_topics_is_to_these_alone_and_withdrawal_is_of_all() -> None:
    topics = {"topics": ["deals", {"topicId": "news"}]}
    [granted] = post("onetrust", choice("ACTIVE", **topics), MAPPED).events
    assert granted.consent == (
        ConsentChange("marketing", "granted", "deals"),
        ConsentChange("marketing", "granted", "news"),
    )
    [withdrawn] = post("onetrust", choice("WITHDRAWN", **topics), MAPPED).events
    assert withdrawn.consent == (ConsentChange("marketing", "withdrawn"),)


def test_a_choice_is_as_old_as_it_was_made_and_repeats_are_one() -> None:
    [first] = post("onetrust", choice("ACTIVE"), MAPPED).events
    [again] = post("onetrust", choice("ACTIVE"), MAPPED, now=NOW + 9_000).events
    assert first.id == again.id
    assert first.at == parse_instant("2026-11-24T08:00:00Z")


def test_a_refused_choice_can_be_read_again_when_mended() -> None:
    body = choice("ACTIVE")
    body["payload"]["profiles"].append({"purposeId": "G-2", "profileFields": {"TransactionStatus": "?"}})
    parsed = post("onetrust", body, MAPPED)
    [(_, raw)] = parsed.refused
    raw["payload"]["profiles"][0]["profileFields"]["TransactionStatus"] = "WITHDRAWN"
    [mended] = post("onetrust", raw).events
    assert mended.identifiers == parsed.events[0].identifiers
    assert mended.consent == (ConsentChange("g-2", "withdrawn"),)


# ---- Didomi


def event(purposes: Any, *, regulation: str | None = "gdpr", status: str = "confirmed") -> dict[str, Any]:
    about: dict[str, Any] = {"id": "d-1", "created_at": "2026-11-24T08:00:00Z", "status": status}
    about |= {"regulation": regulation, "consents": {"purposes": purposes}}
    about |= {"user": {"id": "u-1", "organization_user_id": "a@b.example"}}
    return {"type": "event.created", "parameters": {"entity": about}}


def changes(body: dict[str, Any], **query: str) -> tuple[ConsentChange, ...]:
    [found] = post("didomi", body, {name.replace("__", "."): value for name, value in query.items()}).events
    return found.consent


def test_didomis_two_spellings_of_choices() -> None:
    expected = (ConsentChange("marketing", "granted"), ConsentChange("b", "denied"))
    listed = [{"id": "a", "enabled": True}, {"id": "b", "enabled": False}, {"id": "c", "enabled": "yes"}]
    assert changes(event(listed), purpose__a="marketing") == expected
    assert changes(event({"enabled": ["a"], "disabled": ["b"]}), purpose__a="marketing") == expected


def test_another_regulation_never_overwrites_a_choice_under_the_gdpr() -> None:
    yes = [{"id": "a", "enabled": True}]
    assert changes(event(yes, regulation="cpra"), purpose__a="marketing") == (ConsentChange("cpra.a", "granted"),)
    assert changes(event(yes, regulation="cpra"), purpose__cpra__a="sharing") == (ConsentChange("sharing", "granted"),)
    assert changes(event(yes, regulation=None), purpose__a="marketing") == (ConsentChange("marketing", "granted"),)


def test_a_choice_to_be_approved_is_pending() -> None:
    both = [{"id": "a", "enabled": True}, {"id": "b", "enabled": False}]
    made = changes(event(both, status="pending_approval"))
    assert [one.grant for one in made] == ["pending", "denied"]


def test_a_user_that_was_hashed_for_didomi_is_not_ours() -> None:
    body = event([{"id": "a", "enabled": True}])
    body["parameters"]["entity"]["user"] |= {"organization_user_id_hash_algorithm": "hash-sha256"}
    [found] = post("didomi", body).events
    assert found.identifiers == (Identifier("didomi_user_id", "u-1"),)


@pytest.mark.parametrize("kind", ["user.updated", "event.deleted", None])
def test_other_events_of_didomi_are_no_choices(kind: Any) -> None:
    assert post("didomi", event([{"id": "a", "enabled": True}]) | {"type": kind}).events == []


# ---- Mailchimp


def mailchimp(kind: str, query: dict[str, str] | None = None, **fields: str) -> Event:
    known = {"type": kind, "fired_at": "2026-11-24 08:00:00", "data[list_id]": "L1", "data[email]": "A@b.example"}
    form = known | {f"data[{name}]": value for name, value in fields.items()}
    request = Inbound("POST", "/", {}, urlencode(form).encode(), query or {})
    [found] = SOURCES["mailchimp"].to_events(request, now=NOW).events
    return found


def test_an_audience_is_marketing_unless_the_url_says_otherwise() -> None:
    assert mailchimp("subscribe").consent == (ConsentChange("marketing", "granted"),)
    topic = mailchimp("unsubscribe", {"purpose.L1": "marketing:deals"})
    assert topic.consent == (ConsentChange("marketing", "withdrawn", "deals"),)
    assert topic.at == parse_instant("2026-11-24T08:00:00Z")


@pytest.mark.parametrize("kind", ["unsubscribe", "cleaned"])
def test_a_complaint_withdraws_all_of_marketing(kind: str) -> None:
    made = mailchimp(kind, {"purpose.L1": "marketing:deals"}, reason="abuse")
    assert made.consent == (ConsentChange("marketing", "withdrawn"),)


def test_an_address_that_was_cleaned_has_bounced_for_good() -> None:
    made = mailchimp("cleaned", reason="hard")
    assert (made.name, made.properties, made.consent) == ("Email Bounced", {"bounce_type": "Permanent"}, ())


def test_a_new_address_belongs_to_whom_the_old_one_did() -> None:
    made = mailchimp("upemail", email="", old_email="old@b.example", new_email="new@b.example")
    assert [one.value for one in made.identifiers] == ["old@b.example", "new@b.example"]
    assert made.traits == {"email": "new@b.example"}
    assert made.consent == ()


def filled(form: dict[str, str]) -> Parsed:
    return SOURCES["mailchimp"].to_events(Inbound("POST", "/", {}, urlencode(form).encode()), now=NOW)


def transactional(*told: Any) -> Parsed:
    return filled({"mandrill_events": json.dumps(told)})


def test_a_complaint_about_a_transactional_letter_withdraws_and_a_full_mailbox_does_not() -> None:
    letter = {"_id": "m1", "email": "ada@example.com"}
    parsed = transactional(*({"event": kind, "ts": NOW // 1000, "msg": letter} for kind in ("spam", "soft_bounce")))
    complaint, bounce = parsed.events
    assert complaint.consent == (ConsentChange("marketing", "withdrawn"),)
    assert (bounce.consent, bounce.properties["bounce_type"]) == ((), "Transient")


def test_an_event_about_no_letter_can_be_read_again_when_mended() -> None:
    [(refusal, kept)] = transactional({"event": "open", "ts": 1, "msg": {"_id": "m1"}}).refused
    assert (refusal.code, refusal.pointer) == ("no-identity", "/mandrill_events/0/msg/email")
    letter = json.loads(kept["mandrill_events"])[0]
    letter["msg"]["email"] = "ada@example.com"
    mended = {"mandrill_events": json.dumps([letter])}
    assert [event.name for event in filled(mended).events] == ["Email Opened"]


def test_merge_fields_are_traits() -> None:
    fields = {"merges][FNAME": "Mira", "merges][SHOE": "42", "merges][ADDRESS][city": "Lund", "merges][LNAME": ""}
    assert mailchimp("profile", **fields).traits == {"first_name": "Mira", "shoe": "42"}


@pytest.mark.parametrize("body", [b"", b"fired_at=1"])
def test_a_form_without_a_type_is_quarantined(body: bytes) -> None:
    parsed = SOURCES["mailchimp"].to_events(Inbound("POST", "/", {}, body), now=NOW)
    assert [refusal.code for refusal, _ in parsed.refused] == ["bad-type"]


@pytest.mark.parametrize("body", [b"type=%ff", b"type=\xff", b"&".join([b"a=1"] * 2_000)])
def test_what_is_no_form_is_refused(body: bytes) -> None:
    with pytest.raises(Rejected) as refusal:
        SOURCES["mailchimp"].to_events(Inbound("POST", "/", {}, body), now=NOW)
    assert refusal.value.code == "bad-form"


# ---- Marketing Cloud


def ens(kind: str, **info: Any) -> Parsed:
    notice = {"eventCategoryType": kind, "timestampUTC": NOW - 5, "compositeId": "1.2.3", "mid": 9, "info": info}
    return post("sfmc", [notice | {"composite": {"subscriberId": "77"}}])


def test_letters_of_others_are_told_like_ours_but_are_not() -> None:
    [opened] = ens("EngagementEvents.EmailOpen", to="a@b.example").events
    assert (opened.name, opened.at) == ("Email Opened", NOW - 5)
    assert "message_id" not in opened.properties
    [clicked] = ens("EngagementEvents.EmailClick", url="https://shop.example/a").events
    [other] = ens("EngagementEvents.EmailClick", url="https://shop.example/b").events
    assert clicked.id != other.id
    assert clicked.identifiers == (Identifier("sfmc_subscriber_id", "9:77"),)


def test_unsubscribing_there_withdraws_here() -> None:
    [gone] = ens("EngagementEvents.EmailUnsubscribe", subscriberKey="k").events
    assert gone.consent == (ConsentChange("marketing", "withdrawn"),)
    assert ens("EngagementEvents.SMSBounce").events == []


@pytest.mark.parametrize(
    "body", [{"callbackId": "c"}, {"verificationKey": "k"}, {"callbackId": "c", "verificationKey": "k", "x": 1}, []]
)
def test_only_the_handshake_itself_passes_unsigned(body: Any) -> None:
    assert GREETINGS["sfmc"](Inbound("POST", "/", {}, json.dumps(body).encode())) == ""
