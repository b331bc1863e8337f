"""The night: claims are healed, likely duplicates become one or are left to be looked at; a run outlives workers."""

from __future__ import annotations

from copy import deepcopy
from random import Random
from typing import Any

import pytest

from bench.crowd import records
from shop import SHOP
from tailor.edges import runtime
from tailor.flows import dedup, duplicates
from tailor.flows.arrive import pair_of
from tailor.kernel.errors import Rejected
from tailor.kernel.event import Identifier
from tailor.kernel.instants import DAY, MINUTE
from tailor.kernel.keys import identifier_key
from tailor.kernel.person import Person
from tailor.rules.matching import engine
from tailor.rules.matching.normalise import normalise
from world import CONTEXT, Killed, World, app

ADA = Identifier("user_id", "u-ada")
MAIL = Identifier("email", "ada@example.com")


def test_a_lost_claim_is_made_again(shop: World) -> None:
    shop.arrive(shop.event("Identify", ("user_id", "u-ada"), ("email", "ada@example.com"), kind="identify"))
    shop.pump()
    key = {"pk": {"S": identifier_key("email", "ada@example.com")}, "sk": {"S": "I"}}
    shop.dynamo.delete_item(TableName="ledger", Key=key)
    assert shop.night()["counts"]["mended"] == 1
    claims = shop.store.claims([ADA, MAIL], consistent=True)
    assert claims[ADA] == claims[MAIL]
    assert shop.night()["counts"].get("mended", 0) == 0


def test_two_people_who_share_an_identifier_are_joined(shop: World) -> None:
    shop.arrive(shop.event("Identify", ("user_id", "u-ada"), kind="identify", traits={"city": "Kyiv"}, id="1"))
    shop.arrive(shop.event("Page Viewed", ("email", "ada@example.com"), id="2"))
    shop.pump()
    one, other = shop.everybody()
    mine, its = (one, other) if "user_id" in one.identifiers else (other, one)
    mine.identifiers["email"] = ["ada@example.com"]
    mine.version += 1
    shop.dynamo.put_item(
        TableName="people", Item={"pk": {"S": mine.id}, "v": {"N": str(mine.version)}, "s": {"B": mine.pack()}}
    )
    shop.night()
    (ada,) = shop.everybody()
    assert ada.id == mine.id
    assert ada.aliases == [its.id]
    assert ada.attributes == {"city": "Kyiv"}
    assert ada.history["Page Viewed"][0] == 1
    assert shop.store.person(its.id, consistent=True) == ada


def test_the_night_brings_a_new_programme_to_the_quiet_and_starts_no_journey_with_old_news(shop: World) -> None:
    shop.arrive(shop.event("Product Viewed", ("user_id", "u-ada"), at=shop.now - 3 * DAY))
    shop.pump()
    document = deepcopy(SHOP)
    document["segments"]["viewers"] = {"rule": {"did": "Product Viewed"}}
    document["journeys"]["viewers"] = {"trigger": {"segment_entered": "viewers"}, "steps": [{"send": "come-back"}]}
    shop.publish(document)
    shop.now += DAY
    assert app("refresh").handler({"job": "nightly"}, CONTEXT)["walked"] == {"people": 1, "written": 1}
    (ada,) = shop.everybody()
    assert "viewers" in ada.memberships
    assert "viewers" not in {**ada.enrolments, **ada.finished}
    assert app("refresh").handler({"job": "nightly"}, CONTEXT)["walked"] == {"people": 1}


EDITH = {"first_name": "Edith", "last_name": "Haverly", "birth_date": "1979-05-23", "city": "Sheffield"}


def signs_up(shop: World, email: str, **traits: Any) -> None:
    shop.arrive(shop.event("Identify", ("email", email), kind="identify", traits=traits))
    shop.pump()


def three(shop: World) -> None:
    """Edith twice, and somebody else of her household."""
    signs_up(shop, "edith.haverly@gmail.com", **EDITH, phone="+447911123456")
    signs_up(shop, "edith.haverly@gmial.com", **EDITH)
    signs_up(shop, "robert@haverly.example", **EDITH | {"first_name": "Robert", "birth_date": "1951-11-02"})


def test_at_night_likely_duplicates_become_one_with_reasons(shop: World) -> None:
    three(shop)
    answer = shop.night()
    assert answer["counts"]["joined"] == 1
    assert len(shop.everybody()) == 2
    (edith,) = [person for person in shop.everybody() if person.aliases]
    (merge,) = duplicates.merged(shop.store, limit=5)
    assert (merge["state"], merge["by"]) == ("joined", "night")
    assert {merge["one"], merge["other"]} == {edith.id, *edith.aliases}
    assert merge["reasons"][0]["weight"] > 1
    run = dedup.newest(shop.store)
    assert run is not None
    told = run.to_json()
    assert (told["state"], told["progress"]) == ("finished", 1.0)
    assert sum(told["why"].values()) == 1
    assert told["samples"][0]["band"] == "join"
    assert {"joined", "refused", "review", "mended"} <= told["counts"].keys()


def test_what_was_undone_stays_apart_the_next_night(shop: World) -> None:
    three(shop)
    shop.night()
    (merge,) = duplicates.merged(shop.store, limit=5)
    duplicates.undo(merge["id"], shop.store, runtime.compiled(), now=shop.now)
    assert len(shop.everybody()) == 3
    shop.now += DAY
    assert shop.night()["counts"].get("joined", 0) == 0
    assert len(shop.everybody()) == 3
    assert duplicates.merged(shop.store, limit=5)[0]["state"] == "undone"


def test_a_programme_may_want_every_pair_looked_at(shop: World) -> None:
    document = deepcopy(SHOP)
    document["identity"] = {"join": "review"}
    shop.publish(document)
    three(shop)
    shop.night()
    assert len(shop.everybody()) == 3
    (pair, *_) = duplicates.waiting(shop.store, limit=5)
    assert pair["probability"] > 0.99


def test_who_arrives_is_compared_at_once_and_joined_at_night(shop: World) -> None:
    three(shop)
    shop.compare()
    assert len(shop.everybody()) == 3
    (pair, *_) = duplicates.waiting(shop.store, limit=5)
    assert (pair["band"], pair["by"]) == ("join", "arrival")
    shop.night()
    assert len(shop.everybody()) == 2
    assert pair["id"] not in {one["id"] for one in duplicates.waiting(shop.store, limit=5)}


def test_who_arrives_is_joined_at_once_where_the_programme_says_so(shop: World) -> None:
    document = deepcopy(SHOP)
    document["identity"] = {"join": "arrival"}
    shop.publish(document)
    three(shop)
    shop.compare()
    assert len(shop.everybody()) == 2


def test_a_person_is_found_under_the_keys_of_what_is_known_now(shop: World) -> None:
    three(shop)
    shop.compare()
    (robert,) = [person for person in shop.everybody() if person.attributes["first_name"] == "Robert"]
    pairs = engine_pairs(shop)
    before = pairs.keys_of(robert.id)
    shop.now += MINUTE
    signs_up(shop, "robert@haverly.example", last_name="Okafor")
    shop.compare()
    after = pairs.keys_of(robert.id)
    assert {*before} != {*after}
    gone = [key for key in before if key not in after]
    assert gone
    assert robert.id not in pairs.found_under(gone)
    assert robert.id in pairs.found_under(after)


def engine_pairs(shop: World) -> Any:
    from tailor.edges.duplicates import Duplicates

    return Duplicates(shop.store)


def test_a_key_that_too_many_have_finds_nobody(shop: World) -> None:
    pairs = engine_pairs(shop)
    for number in range(41):
        pairs.keep_keys(f"p_{number}", ["phone:shared", "email:own"] if number == 0 else ["phone:shared"], [])
    assert pairs.found_under(["phone:shared"]) == set()
    assert pairs.found_under(["phone:shared", "email:own"]) == {"p_0"}


def test_a_pair_side_by_side_shows_declared_values_and_what_would_have_been(shop: World) -> None:
    three(shop)
    for box in ("edith.haverly@gmail.com", "edith.haverly@gmial.com"):
        shop.arrive(shop.event("Product Viewed", ("email", box), at=shop.now - 3 * DAY, properties={"name": "Tent"}))
    shop.pump()
    shop.compare()
    (pair, *_) = duplicates.waiting(shop.store, limit=5)
    shown = duplicates.show(pair["id"], shop.store, runtime.compiled(), now=shop.now)
    fields = {field["field"]: field for field in shown["fields"]}
    assert (fields["first"]["one"], fields["first"]["other"]) == ("Edith", "Edith")
    assert fields["birth"]["one"] == "…"
    assert fields["birth"]["level"] == "same"
    assert len(shown["what_if"]["as_two"]) - len(shown["what_if"]["as_one"]) == 0
    assert {one["id"] for one in shown["people"]} == {pair["one"], pair["other"]}


def test_who_is_kept_apart_is_not_asked_about_again(shop: World) -> None:
    three(shop)
    shop.compare()
    (pair, *_) = duplicates.waiting(shop.store, limit=5)
    duplicates.keep_apart(pair["id"], shop.store, now=shop.now)
    assert pair["id"] not in {one["id"] for one in duplicates.waiting(shop.store, limit=5)}
    shop.night()
    assert len(shop.everybody()) == 3
    duplicates.merge(pair["id"], shop.store, runtime.compiled(), now=shop.now)
    with pytest.raises(Rejected, match="undo"):
        duplicates.keep_apart(pair["id"], shop.store, now=shop.now)


def test_an_erased_person_leaves_no_key_and_no_pair(shop: World) -> None:
    from tailor.flows.erase import SETTLE, erase, request_erasure

    three(shop)
    shop.compare()
    (pair, *_) = duplicates.waiting(shop.store, limit=5)
    keys = engine_pairs(shop).keys_of(pair["one"])
    request = request_erasure(pair["one"], shop.store, how="api", now=shop.now)
    erase(request, shop.store, clock=lambda: shop.now)
    shop.now += SETTLE
    erase(request, shop.store, clock=lambda: shop.now)
    assert pair["one"] not in engine_pairs(shop).found_under(keys)
    assert engine_pairs(shop).pairs_of(pair["other"]) == []
    assert duplicates.waiting(shop.store, limit=5) == []


def crowd(shop: World, count: int) -> None:
    for one in records(count):
        person = Person(one["record_id"], 1, {"anonymous_id": [one["record_id"]]})
        person.attributes = {name: value for name, value in one.items() if value and not name.endswith("_id")}
        shop.dynamo._client.put_item(
            TableName="people", Item={"pk": {"S": person.id}, "v": {"N": "1"}, "s": {"B": person.pack()}}
        )


def test_a_night_killed_at_any_call_is_finished_by_the_next_minutes(worlds: Any) -> None:
    def play(shop: World) -> list[tuple[str, ...]]:
        shop.night()
        return sorted(tuple(sorted((person.id, *person.aliases))) for person in shop.everybody())

    with worlds() as shop:
        three(shop)
        shop.gate.calls = 0
        want, calls = play(shop), shop.gate.calls
    picked = sorted(Random(3).sample(range(1, calls + 1), 8))
    for kill_at in picked:
        with worlds() as shop:
            three(shop)
            shop.gate.calls, shop.gate.kill_at = 0, kill_at
            try:
                play(shop)
            except Killed:
                shop.now += 20 * MINUTE
            shop.gate.kill_at = None
            assert play(shop) == want, f"killed at call {kill_at} of {calls}"


def test_several_shards_find_what_one_worker_finds() -> None:
    """Each pair belongs to one shard; together they are all, with the same weights and the same people."""
    people = [normalise(one) for one in records(600)]
    whole = engine.resolve(people)
    table, pairs = engine.prepare(people)
    model = engine.learn(table, pairs)
    shards = [engine.likely(table, engine.portion(table, pairs, number, 3), model) for number in range(3)]
    assert all(len(shard.one) for shard in shards)
    stored = [document for shard in shards for document in shard.documents(50)]
    together = engine.Likely.of(stored)
    labels = engine.cluster(table, together, model)
    clusters = {one: table.ids[label] for one, label in zip(table.ids, labels, strict=True)}
    assert clusters == whole.clusters()


def test_a_night_of_several_shards_is_the_work_of_several_workers(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dedup, "SHARD", 40)
    crowd(shop, 100)
    run = dedup.begin(shop.store, by="request", now=shop.now)
    assert dedup.begin(shop.store, by="schedule", now=shop.now).version == run.version
    shop.night()
    done = dedup.newest(shop.store)
    assert done is not None
    assert (done.shards, done.stage) == (3, "done")
    expected = engine.resolve(normalise(one) for one in records(100)).clusters()
    assert done.counts["joined"] == 100 - len({*expected.values()})
    for person in shop.everybody():
        assert len({expected[id] for id in (person.id, *person.aliases)}) == 1


def test_the_closest_match_says_the_same_as_the_night() -> None:
    one, other = (
        normalise({"record_id": id, "first_name": "Edith", "last_name": "Haverly", "email": email})
        for id, email in (("b", "edith.haverly@gmail.com"), ("a", "edith.haverly@gmial.com"))
    )
    (match,) = engine.closest(one, [other], engine.resolve([]).model)
    pair = pair_of(match, by="arrival", at=7)
    assert (pair.one, pair.other, pair.band) == ("a", "b", "join")
    assert [reason[0] for reason in pair.reasons][:2] == ["email", "last"] or pair.weight > 3
