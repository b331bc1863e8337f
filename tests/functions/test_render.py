"""Render: the letter as it would be, by HTTP and invoked directly, and everything worth a warning."""

from __future__ import annotations

import json
from email import message_from_string
from email.header import decode_header, make_header
from typing import Any

import pytest

from gateway import ADMIN, ask, event, route
from tailor.flows.admit import issue_token
from world import CONTEXT, World, app

YES = {"marketing": "granted"}


def invoked(**request: Any) -> dict[str, Any]:
    answer: dict[str, Any] = app("render").handler(request, CONTEXT)
    return answer


def test_a_letter_for_a_described_person(shop: World) -> None:
    profile = {"first_name": "Ada", "interests": ["outdoor"], "last_purchase_category": "tents", "consent": YES}
    letter = invoked(template="come-back", profile=profile)
    assert letter["subject"] == "Ada, Your Personalized Deal Awaits!"
    assert letter["preheader"] == "Exclusive offers on tents just for you!"
    assert ">See the tents<" in letter["html"]
    assert "Out you go" in letter["text"]
    assert letter["links"] == ["https://shop.example/tents"]
    assert (letter["fallbacks"], letter["warnings"]) == ([], [])
    assert letter["size"] == len(letter["html"].encode())


def test_http_and_direct_invocation_answer_the_same(shop: World) -> None:
    request = {"template": "come-back", "profile": {"first_name": "Zoë", "consent": YES}}
    assert ask("POST", "/render", request) == (200, invoked(**request))


def test_a_letter_for_somebody_real_shows_what_they_permit(shop: World) -> None:
    ada = (("user_id", "u-ada"), ("email", "ada@example.com"))
    shop.arrive(
        shop.event("Identify", *ada, kind="identify", traits={"first_name": "Ada"}, consent=(("marketing", "granted"),))
    )
    shop.pump()
    person = shop.person("user_id", "u-ada")
    assert person is not None
    assert invoked(template="come-back", person=person.id)["subject"].startswith("Ada,")
    shop.arrive(
        shop.event("Consent", *ada, kind="consent", consent=(("personalization", "withdrawn"),), at=shop.now + 1)
    )
    shop.now += 1
    shop.pump()
    letter = invoked(template="come-back", person=person.id)
    assert letter["subject"].startswith("there,")
    assert any("'personalization' is not permitted" in warning for warning in letter["warnings"])


def test_what_would_keep_it_from_being_sent_is_a_warning(shop: World) -> None:
    assert invoked(template="come-back", profile={"first_name": "Ada"})["warnings"] == [
        "it would not be sent: no-consent: marketing:deals"
    ]


def test_an_attribute_no_letter_can_show_is_a_warning(shop: World) -> None:
    (warning,) = invoked(template="come-back", profile={"shoe_size": 42, "consent": YES})["warnings"]
    assert warning.startswith("shoe_size: not declared")


def test_a_letter_that_is_cut_off_is_a_warning(shop: World) -> None:
    long = {"subject": "Hi", "html": "<p>" + "x" * 103_000 + "</p>", "topic": "deals"}
    (warning,) = invoked(template=long, profile={"consent": YES})["warnings"]
    assert "Gmail" in warning


def test_a_template_can_be_tried_before_it_is_published(shop: World) -> None:
    trial = {"subject": "{first_name}: {order_count|no}", "html": "<p>{last_name}</p>", "topic": "deals"}
    letter = invoked(template=trial, profile={"last_name": "Byron", "consent": YES})
    assert letter["subject"] == "there: no"
    assert letter["warnings"] == ["'last_name' has no fallback: people without it get no letter"]


@pytest.mark.parametrize(
    ("request_", "status", "pointer"),
    [
        ({"template": "come-bak", "profile": {}}, 404, "/template"),
        ({"template": "come-back", "person": "p_none"}, 404, ""),
        ({"template": "come-back"}, 400, ""),
        ({"template": "come-back", "profile": {}, "person": "p_1"}, 400, ""),
        ({"template": "come-back", "profile": []}, 400, "/profile"),
        ({"template": "come-back", "profile": {"consent": {"marketing": "maybe"}}}, 400, "/profile/consent/marketing"),
        ({"template": "come-back", "profil": {}}, 400, "/profil"),
        ({"template": {"subject": "Hi"}, "profile": {}}, 400, "/template/html"),
        ({"template": {"subject": "{% if %}", "html": "x"}, "profile": {}}, 400, "/template/subject"),
        ({"template": {"subject": "x", "html": "x", "topic": "none"}, "profile": {}}, 400, "/template/topic"),
        ({"template": {"subject": "x", "html": "<p>{last_name}</p>"}, "profile": {}}, 400, "/template/html"),
        ({"profile": {}}, 404, "/template"),
    ],
)
def test_what_cannot_be_rendered_is_refused_with_the_place(
    shop: World, request_: dict[str, Any], status: int, pointer: str
) -> None:
    answered, problem = ask("POST", "/render", request_)
    assert (answered, problem["pointer"]) == (status, pointer)
    assert invoked(**request_) == problem


def test_rendering_needs_the_scope_to_read(shop: World) -> None:
    request = {"template": "come-back", "profile": {"first_name": "Ada"}}
    for scope, status in (("ingest", 403), ("read", 200)):
        made = issue_token("t", [scope], shop.store, entropy=scope.encode().ljust(32), now=shop.now)
        assert ask("POST", "/render", request, token=made["token"])[0] == status
    bare = app("render").handler(event("POST", "/render", json.dumps(request)), CONTEXT)
    assert bare["statusCode"] == 401


def test_rendering_only_reads(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    done: set[str] = set()
    call = shop.dynamo._call

    def noted(operation: str, arguments: dict[str, Any]) -> Any:
        done.add(operation)
        return call(operation, arguments)

    monkeypatch.setattr(shop.dynamo, "_call", noted)
    invoked(template="come-back", profile={"first_name": "Ada", "consent": YES})
    assert done == {"query", "batch_get_item"}
    assert not any(shop.queues.values())
    assert not shop.ses.mails


def test_the_raw_message_is_what_ses_would_get(shop: World) -> None:
    mime = invoked(template="come-back", profile={"first_name": "Zoë", "consent": YES})["mime"]
    message = message_from_string(mime)
    assert str(make_header(decode_header(message["Subject"]))) == "Zoë, Your Personalized Deal Awaits!"
    assert [part.get_content_type() for part in message.walk()][1:] == ["text/plain", "text/html"]
    assert message["To"] == "nobody@preview.invalid"


def test_many_letters_at_once_each_a_letter_or_a_problem(shop: World) -> None:
    profiles = [{"first_name": "Ada", "consent": YES}, {"first_name": {"a": 1}}, [], {"first_name": "Bob"}]
    letters = invoked(template="come-back", profiles=profiles, fields=["subject", "fallbacks"])["letters"]
    assert letters[0]["subject"].startswith("Ada,")
    assert set(letters[0]) == {"subject", "fallbacks"}
    assert letters[1]["problem"]["type"].endswith("bad-value")
    assert letters[2]["problem"]["pointer"] == "/profiles/2"
    assert letters[3]["subject"].startswith("Bob,")
    assert invoked(template="come-back", people=["p_none"])["letters"][0]["problem"]["status"] == 404


@pytest.mark.parametrize("profiles", [[], [{}] * 51, {}])
def test_a_batch_has_a_size(shop: World, profiles: Any) -> None:
    assert invoked(template="come-back", profiles=profiles)["pointer"] == "/profiles"


def test_fields_that_do_not_exist_are_refused(shop: World) -> None:
    assert invoked(template="come-back", profile={}, fields=["subjekt"])["pointer"] == "/fields"


# What other senders are told.


def arrived(shop: World, **traits: Any) -> str:
    ada = (("user_id", "u-ada"), ("email", "ada@example.com"))
    shop.arrive(shop.event("Identify", *ada, kind="identify", traits=traits, consent=(("marketing", "granted"),)))
    shop.pump()
    person = shop.person("user_id", "u-ada")
    assert person is not None
    return person.id


def test_another_sender_is_told_what_its_letter_needs(shop: World) -> None:
    id = arrived(shop, first_name="Ada", interests=["outdoor"], shoe_size=42, city="Rome")
    status, answer = ask("GET", "/attributes/user_id/u-ada?template=come-back")
    assert status == 200
    assert (answer["person"], answer["permitted"]) == (id, True)
    values = answer["values"]
    assert values["first_name"] == "Ada"
    assert (values["CTA_Text"], values["CTA_Link"]) == ("See the tents", "https://shop.example/tents")
    assert [value for name, value in values.items() if name.startswith("F_")] == ["1"]
    assert not {"shoe_size", "city", "email"} & set(values)
    assert ask("GET", f"/attributes/person/{id}?template=come-back") == (200, answer)


def test_what_they_do_not_permit_is_told_to_nobody(shop: World) -> None:
    arrived(shop, first_name="Ada", interests=["outdoor"])
    refused = (("personalization", "withdrawn"), ("marketing", "withdrawn"))
    shop.now += 1
    shop.arrive(shop.event("Consent", ("user_id", "u-ada"), kind="consent", consent=refused, at=shop.now))
    shop.pump()
    answer = ask("GET", "/attributes/user_id/u-ada?template=come-back")[1]
    assert answer["permitted"] is False
    assert set(answer["values"]) == {"CTA_Text", "CTA_Link"}


def test_the_answer_may_be_kept_for_a_minute(shop: World) -> None:
    arrived(shop, first_name="Ada")
    token = {"authorization": f"Bearer {ADMIN}"}
    _, headers, _ = route(event("GET", "/attributes/user_id/u-ada?template=come-back", headers=token))
    assert headers["cache-control"] == "private, max-age=60"
    again = {**token, "if-none-match": headers["etag"]}
    assert route(event("GET", "/attributes/user_id/u-ada?template=come-back", headers=again))[0] == 304


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/attributes/email/ada@example.com?template=come-back", 400),
        ("/attributes/user_id/u-nobody?template=come-back", 404),
        ("/attributes/person/p_none?template=come-back", 404),
        ("/attributes/user_id/u-ada?template=come-bak", 404),
        ("/attributes/user_id/u-ada", 404),
    ],
)
def test_attributes_that_cannot_be_told(shop: World, path: str, status: int) -> None:
    arrived(shop, first_name="Ada")
    assert ask("GET", path)[0] == status
    assert ask("GET", path, token=None)[0] == 401


def test_a_letter_has_a_sender_and_fallbacks_of_its_own(shop: World) -> None:
    own = {
        "subject": "Hi {first_name}",
        "html": "<p>{city} {last_name|friend}</p>",
        "topic": "deals",
        "sender": {"from": "Ada of the shop <ada@shop.example>", "reply_to": "answers@shop.example"},
        "fallbacks": {"city": "your town", "first_name": "walker", "last_name": "nobody"},
    }
    letter = invoked(template=own, profile={"consent": YES})
    assert (letter["subject"], letter["warnings"]) == ("Hi walker", [])
    assert "<p>your town friend</p>" in letter["html"]
    assert sorted(letter["fallbacks"]) == ["city", "first_name", "last_name"]
    head = letter["mime"].partition("\r\n\r\n")[0]
    assert "From: Ada of the shop <ada@shop.example>" in head
    assert "Reply-To: answers@shop.example" in head
    assert invoked(template=own, profile={"first_name": "Zoë", "consent": YES})["subject"] == "Hi Zoë"


@pytest.mark.parametrize(
    ("own", "pointer", "detail"),
    [
        ({"fallbacks": {"citty": "x"}}, "/template/fallbacks/citty", "did you mean 'city'"),
        ({"fallbacks": {"city": " "}}, "/template/fallbacks/city", "says something"),
        ({"fallbacks": {"city": "x"}, "kind": "transactional"}, "/template/fallbacks/city", "may not serve"),
        ({"sender": {"form": "x@shop.example"}}, "/template/sender/form", "did you mean 'from'"),
    ],
)
def test_what_a_letter_cannot_call_its_own_is_told(
    shop: World, own: dict[str, object], pointer: str, detail: str
) -> None:
    status, problem = ask("POST", "/render", {"template": {"subject": "Hi", "html": "<p>Hi</p>", **own}, "profile": {}})
    assert status == 400
    assert problem["pointer"] == pointer
    assert detail in problem["detail"]
