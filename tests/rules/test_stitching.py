"""Whose an event is: rules about identifiers alone."""

from __future__ import annotations

from typing import Any

import pytest

from tailor.kernel.errors import Rejected
from tailor.kernel.event import Identifier
from tailor.kernel.identification import Identification
from tailor.kernel.program import Program
from tailor.rules.stitching import Stitch, stitch, usable

ADA = {"user_id": ["u-ada"], "email": ["ada@x.com"], "anonymous_id": ["a-1"], "phone": ["+4917012345"]}
BOB = {"user_id": ["u-bob"], "email": ["bob@x.com"]}
EVE = {"email": ["eve@x.com"]}
VISITOR = {"anonymous_id": ["a-9"]}
RULES = Identification()


def place(*named: tuple[str, str], rules: Identification = RULES, **people: dict[str, list[str]]) -> Stitch:
    holders = {
        Identifier(kind, value): id for id, held in people.items() for kind, values in held.items() for value in values
    }
    return stitch(usable([Identifier(*one) for one in named], rules), holders, people, rules)


def test_nobody_known_is_somebody_new_with_all_the_event_names() -> None:
    found = place(("user_id", "u-1"), ("anonymous_id", "a-5"))
    assert found.home is None
    assert found.claims == [Identifier("user_id", "u-1"), Identifier("anonymous_id", "a-5")]


def test_a_visitor_who_signs_in_keeps_their_history() -> None:
    found = place(("user_id", "u-ada"), ("anonymous_id", "a-9"), ada=ADA, visitor=VISITOR)
    assert (found.home, found.joins, found.conflicts) == ("ada", ["visitor"], [])


def test_an_anonymous_visitor_becomes_known_on_two_devices() -> None:
    first = place(("user_id", "u-1"), ("anonymous_id", "a-9"), visitor=VISITOR)
    assert (first.home, first.claims) == ("visitor", [Identifier("user_id", "u-1")])
    known = {**VISITOR, "user_id": ["u-1"]}
    second = place(("user_id", "u-1"), ("anonymous_id", "a-8"), known=known, other={"anonymous_id": ["a-8"]})
    assert (second.home, second.joins) == ("known", ["other"])


def test_a_browser_shared_by_two_who_sign_in_joins_nobody() -> None:
    by_id = place(("user_id", "u-new"), ("anonymous_id", "a-1"), ada=ADA)
    assert (by_id.home, by_id.claims) == (None, [Identifier("user_id", "u-new")])
    assert by_id.conflicts == [Identifier("anonymous_id", "a-1")]
    by_address = place(("email", "new@x.com"), ("anonymous_id", "a-1"), ada=ADA)
    assert by_address.home is None
    both_known = place(("email", "eve@x.com"), ("anonymous_id", "a-1"), ada=ADA, eve=EVE)
    assert (both_known.home, both_known.joins) == ("eve", [])
    assert both_known.conflicts == [Identifier("anonymous_id", "a-1")]


def test_a_phone_given_to_a_new_owner_joins_nobody() -> None:
    found = place(("email", "new@x.com"), ("phone", "+4917012345"), ada=ADA)
    assert (found.home, found.joins, found.claims) == (None, [], [Identifier("email", "new@x.com")])


def test_an_identifier_that_arrives_late_brings_two_together() -> None:
    found = place(("user_id", "u-1"), ("email", "eve@x.com"), one={"user_id": ["u-1"]}, eve=EVE)
    assert (found.home, found.joins) == ("one", ["eve"])


def test_two_known_people_in_one_event_stay_two_and_it_goes_to_the_stronger() -> None:
    found = place(("user_id", "u-ada"), ("email", "bob@x.com"), ada=ADA, bob=BOB)
    assert (found.home, found.joins, found.conflicts) == ("ada", [], [Identifier("email", "bob@x.com")])


def test_what_a_signed_in_person_adds_is_theirs_up_to_the_limit() -> None:
    full = {"user_id": ["u-1"], "email": [f"{n}@x.com" for n in range(5)]}
    found = place(("user_id", "u-1"), ("email", "more@x.com"), ("anonymous_id", "a-5"), full=full)
    assert found.claims == [Identifier("anonymous_id", "a-5")]
    assert found.conflicts == [Identifier("email", "more@x.com")]
    wider = Identification(limits={**RULES.limits, "email": 6})
    assert len(place(("user_id", "u-1"), ("email", "more@x.com"), rules=wider, full=full).claims) == 1


def test_a_record_of_a_vendor_outlasts_its_address_and_a_device_does_not() -> None:
    contact = {"hubspot_contact_id": ["7"], "email": ["old@x.com"]}
    changed = place(("email", "new@x.com"), ("hubspot_contact_id", "7"), contact=contact)
    assert (changed.home, changed.claims) == ("contact", [Identifier("email", "new@x.com")])
    joined = place(("email", "eve@x.com"), ("hubspot_contact_id", "7"), contact=contact, eve=EVE)
    assert (joined.home, joined.joins) == ("contact", ["eve"])
    device = {"ga_client_id": ["7"], "email": ["old@x.com"]}
    assert place(("email", "new@x.com"), ("ga_client_id", "7"), device=device).home is None
    rules = Identification(priority=("email", "user_id"))
    assert place(("email", "new@x.com"), ("ga_client_id", "7"), rules=rules, device=device).home is None


def test_a_role_mailbox_names_nobody_beside_something_that_does() -> None:
    team = {"user_id": ["u-1"], "email": ["info@x.com"]}
    found = place(("user_id", "u-2"), ("email", "info@x.com"), team=team)
    assert (found.home, found.claims, found.conflicts) == (None, [Identifier("user_id", "u-2")], [])
    alone = place(("email", "info@x.com"), team=team)
    assert alone.home == "team"


def test_what_is_known_to_be_shared_joins_nobody() -> None:
    one, other = Identifier("user_id", "u-1"), Identifier("phone", "+4917012345")
    assert usable([one, other], RULES, {other}) == [one]
    assert usable([other], RULES, {other}) == [other]


def test_values_that_the_programme_names_stand_for_nobody() -> None:
    rules = Identification(never={"email": ("till@shop.com", "kiosk*")})
    named = [
        Identifier("email", "till@shop.com"),
        Identifier("email", "kiosk7@shop.com"),
        Identifier("phone", "+49170"),
    ]
    assert usable(named, rules) == [Identifier("phone", "+49170")]
    assert usable(named[:2], rules) == []


def test_eager_programmes_join_who_meets_unless_they_hold_too_much() -> None:
    rules = Identification(meeting="eager")
    met = place(("email", "eve@x.com"), ("anonymous_id", "a-1"), rules=rules, ada=ADA, eve=EVE)
    assert met.joins == ["ada"]
    assert place(("user_id", "u-bob"), ("email", "ada@x.com"), rules=rules, ada=ADA, bob=BOB).joins == []


def test_another_priority_makes_another_kind_the_stronger() -> None:
    rules = Identification(priority=("email", "user_id", "phone", "anonymous_id"))
    found = place(("user_id", "u-ada"), ("email", "bob@x.com"), rules=rules, ada=ADA, bob=BOB)
    assert found.home == "bob"


@pytest.mark.parametrize(
    ("section", "pointer"),
    [
        ({"limits": {"email": 0}}, "/identity/limits"),
        ({"meeting": "hasty"}, "/identity/meeting"),
        ({"survivorship": {"city": "newest"}}, "/identity/survivorship"),
        ({"never": {"email": "info"}}, "/identity/never"),
        ({"prioritty": []}, "/identity/prioritty"),
    ],
)
def test_a_wrong_rule_about_identity_is_refused_with_its_place(section: dict[str, Any], pointer: str) -> None:
    with pytest.raises(Rejected) as refusal:
        Program.of([{"name": "shop", "identity": section}])
    assert refusal.value.pointer == pointer


def test_only_one_programme_says_who_is_who() -> None:
    with pytest.raises(Rejected, match="already defined"):
        Program.of([{"name": "a", "identity": {"join": "review"}}, {"name": "b", "identity": {}}])
