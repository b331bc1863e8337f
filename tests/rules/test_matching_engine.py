"""The steps and the whole: candidates stay few, weights add up, chains break, order does not matter."""

from __future__ import annotations

import json
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.crowd import records
from tailor.rules.matching.blocking import PASSES, Pass, candidates, keys
from tailor.rules.matching.clusters import LARGEST, WHOLE, gather
from tailor.rules.matching.compare import FIELDS, LEVELS, ROW, birth_level, compare, first_name, last_name
from tailor.rules.matching.engine import JOIN, REVIEW, Resolution, resolve
from tailor.rules.matching.normalise import Record, normalise
from tailor.rules.matching.placing import placed
from tailor.rules.matching.table import Codes, tabulate
from tailor.rules.matching.weights import HOUSE, SAME, STRANGE, Floats, Model, estimate, odds, standard, weigh

CROWD = [normalise(raw) for raw in records(1_500)]
GOLD = {raw["record_id"]: raw["cluster_id"] for raw in records(1_500)}


@pytest.fixture(scope="module")
def found() -> Resolution:
    return resolve(CROWD)


def some(**fields: str) -> Record:
    return normalise({"record_id": "0", **fields})


def levels_of(one: dict[str, str], other: dict[str, str]) -> dict[str, str]:
    """Levels of two raw records in words, those without a value left out."""
    table = tabulate([normalise({**one, "record_id": "1"}), normalise({**other, "record_id": "2"})])
    levels = compare(table, np.array([0], np.int32), np.array([1], np.int32))[:, 0]
    return {field: LEVELS[field][levels[ROW[field]] - 1] for field in FIELDS if levels[ROW[field]]}


# ---- candidates


def test_a_person_is_looked_up_under_the_keys_of_the_passes_that_work_at_once() -> None:
    record = some(first_name="Peggy", last_name="Haverly", email="peggy.haverly@gmail.com", dob="1979-05-23")
    assert keys(record) == [
        "email:peggyhaverly@gmail.com",
        "mailbox:peggyhaverly",
        "names:haverly|margaret",
        "birth date, last name:19790523|h164",
    ]


def test_no_key_is_made_of_missing_parts() -> None:
    assert keys(some()) == []
    assert len(candidates(tabulate([replace(some(), id=str(n)) for n in range(50)]))) == 0


def test_a_key_that_thousands_share_yields_pairs_in_proportion() -> None:
    crowd = [replace(some(first_name=f"n{n}", last_name="smith"), id=f"{n:05}") for n in range(4_000)]
    one = (Pass("last name", ("last",), cap=20, window=3),)
    assert len(candidates(tabulate(crowd), one)) < 6 * len(crowd)


def test_a_pair_comes_once_and_says_by_which_passes() -> None:
    twice = [replace(some(first_name="Edith", last_name="Haverly", dob="1979-05-23"), id=str(n)) for n in (1, 2)]
    pairs = candidates(tabulate(twice))
    assert (pairs.one.tolist(), pairs.other.tolist()) == ([0], [1])
    assert int(pairs.why[0]).bit_count() > 3
    assert len(PASSES) <= 32


# ---- comparison


@pytest.mark.parametrize(
    ("one", "other", "level"),
    [
        ("19840307", "19840308", 2),
        ("19840307", "19840703", 2),
        ("19840307", "19480307", 2),
        ("19840307", "19841107", 3),
        ("198403??", "19840307", 3),
        ("19840307", "1984????", 4),
        ("19840307", "19840416", 4),
        ("19840307", "19511122", 5),
    ],
)
def test_birth_dates_differ_by_degrees(one: str, other: str, level: int) -> None:
    assert birth_level(one, other) == birth_level(other, one) == level


def test_names_differ_by_degrees() -> None:
    assert first_name("peggy", "margaret") == 2
    assert first_name("e", "edith") == 2
    assert first_name("e", "hazel") == 5
    assert first_name("edith", "hazel") == 0
    assert last_name("haverly", "haverly okafor") == 2
    assert last_name("de la cruz", "delacruz") == 1


def test_a_pair_is_told_field_by_field() -> None:
    assert levels_of(
        {"first_name": "Edith", "last_name": "Haverly", "email": "e.haverly79@gmail.com", "phone": "07911123456"},
        {"first_name": "Edtih", "last_name": "Okafor", "email": "e.haverly79@outlook.com", "phone": "07911123457"},
    ) == {
        "first": "a slip apart",
        "last": "different",
        "email": "similar",
        "phone": "a digit apart",
    }


def test_swapped_names_are_a_slip() -> None:
    swapped = levels_of(
        {"first_name": "Edith", "last_name": "Haverly"}, {"first_name": "Haverly", "last_name": "Edith"}
    )
    assert swapped == {"first": "a slip apart", "last": "a slip apart"}


def test_an_address_is_one_field() -> None:
    here = {"street": "14 Quarry Bank", "city": "Sheffield", "postcode": "S10 5BD"}
    assert levels_of(here, here) == {"address": "same"}
    assert levels_of(here, {**here, "street": "70 Quarry Bank"}) == {"address": "same street"}
    assert levels_of(here, {"city": "Sheffield"}) == {"address": "same city"}
    assert levels_of(here, {"city": "Leeds", "street": "2 Mill Lane"}) == {"address": "different"}


def test_a_name_guessed_from_a_mailbox_is_no_second_evidence_beside_it() -> None:
    named = {"first_name": "Edith", "last_name": "Haverly", "email": "edith_haverly@outlook.com"}
    assert levels_of(named, {"email": "edith_haverly@outlook.com"}) == {"email": "same"}
    assert levels_of({**named, "email": ""}, {"email": "edith_haverly@outlook.com"}) == {
        "first": "same",
        "last": "same",
    }


def test_surnames_typed_as_given_names_are_put_right_by_what_the_file_knows() -> None:
    whole = [replace(some(first_name="edith", last_name="haverly"), id=str(n)) for n in range(9)]
    swapped = replace(some(first_name="haverly", last_name="edith"), id="swapped")
    alone = replace(some(first_name="haverly"), id="alone")
    *_, first, second = placed([*whole, swapped, alone])
    assert (first.first, first.last) == ("edith", "haverly")
    assert (second.first, second.last) == ("", "haverly")


# ---- weights


def test_shipped_shares_are_probabilities_for_every_level() -> None:
    for shares in (SAME, HOUSE, STRANGE):
        assert {field: len(row) for field, row in shares.items()} == {field: len(LEVELS[field]) for field in FIELDS}
        assert all(abs(row.sum() - 1) < 1e-6 for row in shares.values())


def test_agreement_speaks_for_one_person_and_difference_against() -> None:
    model = standard()
    for field in FIELDS:
        evidence = model.evidence(field)[1:]
        assert evidence[0] > 0 > evidence[-1], field


def test_what_is_learned_keeps_equality_above_near_misses(found: Resolution) -> None:
    for field in ("first", "last", "birth", "email", "phone", "national"):
        evidence = found.model.evidence(field)[1:]
        assert evidence.argmax() == 0, field
        assert evidence[-1] < 0, field


def test_a_common_name_tells_less_than_a_rare_one(found: Resolution) -> None:
    rarity = found.model.rarity["last"]
    counts = dict(zip(found.table.columns["last"].values, found.table.columns["last"].counts.tolist(), strict=True))
    common = max((name for name in counts if name), key=counts.__getitem__)
    assert rarity[common] > found.model.rarest["last"]


def test_an_address_that_several_use_tells_less() -> None:
    office = [replace(some(first_name=name, last_name="Okafor", email="front@brightmoor.net"), id=str(n))
              for n, name in enumerate(("Edith", "Marek", "Hazel", "Tomas", "Bao"))]  # fmt: skip
    table = tabulate(office)
    pairs = candidates(table)
    assert estimate(table, pairs, compare(table, pairs.one, pairs.other)).sharers["email"] == {
        "front@brightmoor.net": 5
    }


def test_reasons_add_up_to_the_weight_against_strangers(found: Resolution) -> None:
    table, pairs, model = found.table, found.pairs, found.model
    parts = odds(model, table, found.levels, pairs.one, pairs.other).sum(0)
    strangers_only = replace(model, house=1e-30)
    weights = weigh(strangers_only, table, found.levels, pairs.one, pairs.other)
    assert np.allclose(parts + strangers_only.prior, weights)


def test_a_model_survives_being_stored(found: Resolution) -> None:
    loaded = Model.load(json.loads(json.dumps(found.model.dump(most=10**9))))
    again = weigh(loaded, found.table, found.levels, found.pairs.one, found.pairs.other)
    assert np.allclose(again, found.weights, atol=1e-3)


# ---- people


def grouped(count: int, links: dict[tuple[int, int], float], conflicts: tuple[tuple[int, int], ...] = ()) -> list[int]:
    """Labels where ``links`` have these weights and all other pairs lean against it a little."""
    one, other = (np.array([pair[k] for pair in links], np.int32) for k in (0, 1))
    weights = np.array(list(links.values()))
    clash = np.array([pair in conflicts for pair in links])

    def judge(left: Codes, right: Codes) -> tuple[Floats, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
        pairs = list(zip(left.tolist(), right.tolist(), strict=True))
        return np.full(len(pairs), -1.0), np.array([pair in conflicts for pair in pairs], bool)

    return gather(count, one, other, weights, weights, clash, weights > JOIN, judge).tolist()


def test_one_link_joins_two_and_nobody_else() -> None:
    assert grouped(4, {(1, 2): 5.0}) == [0, 1, 1, 3]


def test_a_chain_is_cut_where_its_ends_clash() -> None:
    assert grouped(3, {(0, 1): 6.0, (1, 2): 5.0, (0, 2): -3.0}, conflicts=((0, 2),)) == [0, 0, 2]
    assert grouped(3, {(0, 1): 6.0, (1, 2): 5.0, (0, 2): -8.0}) == [0, 0, 2]
    assert grouped(3, {(0, 1): 6.0, (1, 2): 5.0, (0, 2): 1.0}) == [0, 0, 0]


def test_conflicts_across_whole_clusters_keep_them_apart() -> None:
    links = {(0, 1): 9.0, (2, 3): 9.0, (1, 2): 8.0, (0, 2): 8.0, (1, 3): 8.0, (0, 3): 8.0}
    assert grouped(4, links) == [0, 0, 0, 0]
    assert grouped(4, links, conflicts=((0, 3),)) == [0, 0, 2, 2]


@pytest.mark.parametrize("count", [LARGEST + 20, 3 * WHOLE])
def test_no_person_grows_without_end(count: int) -> None:
    links = {(a, b): 5.0 + (a * b % 7) / 10 for a in range(count) for b in range(a + 1, min(a + 40, count))}
    labels = grouped(count, links)
    assert 1 < max(labels.count(label) for label in labels) <= LARGEST


# ---- the whole


@settings(max_examples=4, deadline=None)
@given(st.integers())
def test_the_order_of_records_does_not_matter(found: Resolution, seed: int) -> None:
    shuffled = list(CROWD)
    Random(seed).shuffle(shuffled)
    again = resolve(shuffled)
    assert again.clusters() == found.clusters()
    assert [(match.one, match.other, match.band) for match in again.matches()] == [
        (match.one, match.other, match.band) for match in found.matches()
    ]


def test_duplicates_are_found_and_strangers_left_alone(found: Resolution) -> None:
    clusters = found.clusters()
    true = {(a, b) for a, b in pairs_of(GOLD)}
    joined = {(a, b) for a, b in pairs_of(clusters)}
    assert len(true & joined) > 0.8 * len(true)
    assert len(joined - true) < 0.01 * len(joined)


def pairs_of(clusters: dict[str, str]) -> list[tuple[str, str]]:
    members: dict[str, list[str]] = {}
    for record, cluster in clusters.items():
        members.setdefault(cluster, []).append(record)
    return [(a, b) for group in members.values() for a in sorted(group) for b in sorted(group) if a < b]


def test_matches_are_what_was_joined_or_is_to_be_looked_at(found: Resolution) -> None:
    clusters = found.clusters()
    matches = list(found.matches())
    assert {match.band for match in matches} == {"join", "review"}
    for match in matches:
        assert (clusters[match.one] == clusters[match.other]) == (match.band == "join")
        assert match.band == "join" or match.weight >= REVIEW
        assert [abs(reason.weight) for reason in match.reasons] == sorted(
            (abs(reason.weight) for reason in match.reasons), reverse=True
        )


def test_what_was_joined_stays_joined_when_it_comes_again(found: Resolution) -> None:
    again = resolve([*CROWD, *(replace(record, id=f"{record.id}-again") for record in CROWD[:300] if record.email)])
    clusters = again.clusters()
    repeated = [record for record in CROWD[:300] if record.email]
    same = sum(clusters[record.id] == clusters[f"{record.id}-again"] for record in repeated)
    assert same > 0.97 * len(repeated)


def test_an_empty_file_has_nobody() -> None:
    assert resolve([]).clusters() == {}
    assert list(resolve([]).matches()) == []
    assert resolve([some(first_name="Edith")]).clusters() == {"0": "0"}
