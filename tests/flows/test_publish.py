"""Publishing: everything wrong is told at once, and nothing is in force unless all of it is right."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from shop import SHOP
from tailor.flows.publish import Faulty, check, difference, programme, programmes, publish, version_of, withdraw
from tailor.kernel.errors import Rejected
from world import World


def changed(**parts: Any) -> dict[str, Any]:
    document = deepcopy(SHOP)
    for section, definitions in parts.items():
        document.setdefault(section, {}).update(definitions)
    return document


def faults(document: dict[str, Any], *others: dict[str, Any]) -> set[tuple[str, str]]:
    with pytest.raises(Faulty) as refused:
        check(document, others)
    return {(fault.code, fault.pointer) for fault in refused.value.faults}


def test_a_right_programme_is_told_its_version_and_its_gaps() -> None:
    program, warnings = check(changed(templates={"bare": {"subject": "Hi {last_name}", "html": "<p>Hi</p>"}}), [])
    assert program.templates.keys() == {"come-back", "receipt", "bare"}
    assert ["'last_name'" in w["detail"] for w in warnings if w["pointer"] == "/templates/bare"] == [True]


def test_a_letter_is_linted_when_it_is_published_and_notes_are_left_out() -> None:
    html = '<html lang="en">\n<title>x</title>\n<table><tr><td><img src="https://a.example/a.png"></td></tr></table></html>'
    _, warnings = check(changed(templates={"bare": {"subject": "Hi", "html": html, "kind": "transactional"}}), [])
    told = [w["detail"] for w in warnings if w["pointer"] == "/templates/bare/html"]
    assert 'line 3: <img> without alt: say what it shows, or alt=""' in told
    assert not any("role=" in detail for detail in told)


def test_a_letter_without_a_sender_or_a_postal_address_is_warned_of() -> None:
    document = {**SHOP, "sender": {}}
    _, warnings = check(document, [])
    about = {w["pointer"] for w in warnings if not w["pointer"].startswith("/templates/")}
    assert about == {"/sender/from", "/sender/postal_address"}


def test_all_faults_are_told_at_once() -> None:
    document = changed(
        segments={
            "odd": {"rule": {"did": "Order Completed", "whithin": "2d"}},
            "lost": {"rule": {"segment": "nowhere"}},
        },
        journeys={"still": {"trigger": {"event": "Signed Up"}, "steps": [{"wait": "soon"}, {"send": "come-back"}]}},
        templates={
            "torn": {"subject": "{% if %}", "html": "<p>x</p>"},
            "nosy": {"subject": "Hi", "html": "<p>{shoe_size}</p>"},
        },
    )
    found = faults(document)
    assert {pointer.split("/")[1] + "/" + pointer.split("/")[2] for _, pointer in found} == {
        "segments/odd",
        "segments/lost",
        "journeys/still",
        "templates/torn",
        "templates/nosy",
    }
    assert len(found) == 5


def test_what_refers_to_a_wrong_definition_is_not_called_wrong_as_well() -> None:
    broken = {"title": "Broken", "rule": {"attribute": "shoe_size", "eq": 42}}
    letter = {"subject": "{% broken %}", "html": "<p>x</p>"}
    document = changed(
        segments={"broken": broken, "leaning": {"rule": {"not": {"segment": "broken"}}}},
        journeys={"j": {"trigger": {"segment_entered": "broken"}, "steps": [{"send": "bad"}]}},
        templates={"bad": letter},
    )
    assert {pointer.rsplit("/", 1)[0] for _, pointer in faults(document)} == {"/segments/broken/rule", "/templates/bad"}


def test_the_problem_carries_every_fault_with_its_pointer() -> None:
    with pytest.raises(Faulty) as refused:
        check(changed(segments={"a": {"rule": {}}, "b": {"rule": {}}}), [])
    problem = refused.value.problem()
    assert problem["status"] == 400
    assert [error["pointer"].split("/")[2] for error in problem["errors"]] == ["a", "b"]
    assert problem["pointer"] == problem["errors"][0]["pointer"]
    assert "(and 1 more)" in problem["detail"]


def test_two_programmes_may_not_define_the_same_thing() -> None:
    other = {"name": "other", "segments": {"buyers": {"rule": {"did": "Order Completed"}}}}
    assert faults(SHOP, other) == {("bad-definition", "/segments/buyers")}


def test_a_programme_may_build_on_another_and_then_holds_it_in_place(shop: World) -> None:
    other = {"name": "other", "segments": {"not-buyers": {"rule": {"not": {"segment": "buyers"}}}}}
    publish(other, shop.store, now=shop.now)
    with pytest.raises(Rejected) as refused:
        withdraw("shop", shop.store, now=shop.now)
    assert (refused.value.status, refused.value.code) == (409, "in-use")
    withdraw("other", shop.store, now=shop.now)
    withdraw("shop", shop.store, now=shop.now)
    assert programmes(shop.store) == []


@pytest.mark.parametrize("name", ["", "Shop", "a/b", "a#b", "-a", 7, None])
def test_a_programme_has_a_name_that_can_stand_in_a_url(shop: World, name: Any) -> None:
    with pytest.raises(Faulty) as refused:
        publish({**SHOP, "name": name}, shop.store, now=shop.now)
    assert refused.value.pointer == "/name"


def test_a_dry_run_says_everything_and_changes_nothing(shop: World) -> None:
    before = shop.store.definitions("programme")
    document = changed(segments={"new": {"rule": {"did": "Signed Up"}}})
    planned = publish(document, shop.store, now=shop.now, dry_run=True)
    assert [(c["pointer"], c["change"]) for c in planned.diff] == [("/segments/new", "added")]
    assert planned.changed
    assert shop.store.definitions("programme") == before
    assert shop.store.definitions("programme-history") == {}


def test_what_is_published_is_what_was_planned_and_every_version_stays_on_record(shop: World) -> None:
    first = changed(segments={"new": {"rule": {"did": "Signed Up"}}})
    second = changed(segments={"newer": {"rule": {"did": "Signed Up"}}})
    planned = publish(first, shop.store, now=shop.now, dry_run=True)
    assert publish(first, shop.store, now=shop.now) == planned
    publish(second, shop.store, now=shop.now + 1)
    assert programme("shop", shop.store)["document"] == second
    history = shop.store.definitions("programme-history")
    assert {key: record["document"] for key, record in history.items()} == {
        f"shop#{version_of(first)}": first,
        f"shop#{version_of(second)}": second,
    }
    assert {record["published"] for record in history.values()} == {shop.now, shop.now + 1}


def test_publishing_the_same_again_changes_nothing(shop: World) -> None:
    done = publish(SHOP, shop.store, now=shop.now)
    assert (done.changed, done.diff) == (False, [])
    assert shop.store.definitions("programme-history") == {}


def test_a_difference_shows_the_lines_that_changed_and_little_else() -> None:
    html = "\n".join(f"<p>{i}</p>" for i in range(50))
    before = {"subject": "Old", "html": html}
    after = {"subject": "New", "html": html.replace("<p>40</p>", "<p>forty</p>")}
    (change,) = difference({"templates": {"t": before}}, {"templates": {"t": after}})
    assert (change["pointer"], change["change"]) == ("/templates/t", "changed")
    assert [line for line in change["lines"] if line[:1] in "+-"] == [
        "-subject: Old",
        "+subject: New",
        "-  <p>40</p>",
        "+  <p>forty</p>",
    ]
    assert change["lines"].count("@@") == 1
    assert len(change["lines"]) < 15


def test_an_unknown_programme_is_answered_with_the_nearest_known(shop: World) -> None:
    for use in (lambda: programme("shopp", shop.store), lambda: withdraw("shopp", shop.store, now=shop.now)):
        with pytest.raises(Rejected, match="did you mean 'shop'") as refused:
            use()
        assert refused.value.status == 404
