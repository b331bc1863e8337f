"""The bench measures what it says; none of these tests looks at a clock."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import botocore.config
import botocore.session
import pytest
from botocore.exceptions import ClientError

from bench import absorb, bars, doors, fuzz, imports, population, segments, send, startup
from bench.deployment import FUNCTIONS
from bench.fake_dynamo import ConditionFailed, Endpoint, Tables, Usage, endpoint, item_size
from tailor.edges.dynamo import read_lightly
from tailor.kernel.errors import Rejected
from tailor.kernel.inbound import Parsed
from tailor.rules import prices
from tailor.rules.compiled import Compiled
from tailor.sources import SOURCES


@pytest.fixture(name="cloud", scope="module")
def _cloud() -> Iterator[Endpoint]:
    with endpoint() as started:
        yield started


def text(size: int) -> dict[str, str]:
    return {"S": "x" * size}


def put(pk: str, **attributes: dict[str, str]) -> dict[str, object]:
    return {"TableName": "people", "Item": {"pk": {"S": pk}, **attributes}}


def spent(tables: Tables) -> tuple[float, float]:
    usage, tables.usage = tables.usage, Usage()
    return usage.wru, usage.rru


@pytest.mark.parametrize(
    ("item", "size"),
    [
        ({"pk": {"S": "abc"}}, 5),
        ({"pk": {"S": "é"}}, 4),
        ({"n": {"N": "1795500000000"}}, 5),
        ({"n": {"N": "1795500000001"}}, 9),
        ({"n": {"N": "0"}}, 2),
        ({"b": {"B": "AAAA"}}, 4),
        ({"l": {"L": [{"S": "ab"}, {"BOOL": True}]}}, 9),
    ],
)
def test_an_item_is_as_large_as_dynamodb_says(item: dict[str, dict[str, object]], size: int) -> None:
    assert item_size(item) == size


@pytest.mark.parametrize(("size", "units"), [(1, 1), (1_000, 1), (1_100, 2), (3_000, 3)])
def test_a_write_costs_a_unit_for_each_kilobyte_begun(size: int, units: int) -> None:
    tables = Tables()
    tables.answer("PutItem", put("p", s=text(size)))
    assert spent(tables) == (units, 0)


def test_a_write_costs_as_much_as_the_larger_of_old_and_new() -> None:
    tables = Tables()
    tables.answer("PutItem", put("p", s=text(3_000)))
    spent(tables)
    tables.answer("PutItem", put("p", s=text(1)))
    assert spent(tables) == (3, 0)


def test_the_index_costs_only_where_its_key_changes() -> None:
    tables = Tables()
    early = {"due_shard": {"S": "1"}, "due_at": {"N": "100"}}
    late = {"due_shard": {"S": "1"}, "due_at": {"N": "200"}}
    for item, units in ((early, 2), (early, 1), (late, 3), ({}, 2), ({}, 1)):
        tables.answer("PutItem", put("p", **item))
        assert spent(tables) == (units, 0)


def test_reads_round_up_each_item_and_cost_half_unless_consistent() -> None:
    tables = Tables()
    tables.answer("PutItem", put("small", s=text(10)))
    tables.answer("PutItem", put("large", s=text(5_000)))
    spent(tables)
    keys = [{"pk": {"S": pk}} for pk in ("small", "large", "missing")]
    tables.answer("BatchGetItem", {"RequestItems": {"people": {"Keys": keys}}})
    assert spent(tables) == (0, 0.5 + 1 + 0.5)
    tables.answer("BatchGetItem", {"RequestItems": {"people": {"Keys": keys, "ConsistentRead": True}}})
    assert spent(tables) == (0, 1 + 2 + 1)


def test_a_transaction_costs_double_and_leaves_nothing_when_it_fails() -> None:
    tables = Tables()
    new = "attribute_not_exists(pk)"
    tables.answer("TransactWriteItems", {"TransactItems": [{"Put": put("a")}, {"Put": put("b")}]})
    assert spent(tables) == (4, 0)
    with pytest.raises(ConditionFailed):
        tables.answer(
            "TransactWriteItems",
            {"TransactItems": [{"Put": put("c")}, {"Put": {**put("a"), "ConditionExpression": new}}]},
        )
    assert tables.answer("GetItem", {"TableName": "people", "Key": {"pk": {"S": "c"}}}) == {}


def test_the_statement_of_a_lost_version_changes_nothing() -> None:
    tables = Tables()
    tables.answer("PutItem", put("p", v={"N": "3"}, fx=text(1)))
    statement = 'UPDATE "people" SET v=? REMOVE fx WHERE pk=? AND v=?'

    def update(version: int) -> object:
        parameters = [{"N": str(version + 1)}, {"S": "p"}, {"N": str(version)}]
        request = {"Statements": [{"Statement": statement, "Parameters": parameters}]}
        return tables.answer("BatchExecuteStatement", request)["Responses"][0].get("Error", {}).get("Code")

    assert update(2) == "ConditionalCheckFailed"
    assert update(3) is None
    assert update(3) == "ConditionalCheckFailed"
    assert tables.answer("GetItem", {"TableName": "people", "Key": {"pk": {"S": "p"}}})["Item"] == {
        "pk": {"S": "p"},
        "v": {"N": "4"},
    }


def test_answers_read_lightly_are_those_botocore_reads(cloud: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in startup.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    config = botocore.config.Config(retries={"total_max_attempts": 1})
    plain, light = (
        botocore.session.get_session().create_client("dynamodb", endpoint_url=cloud.url, config=config)
        for _ in range(2)
    )
    read_lightly(light)
    item = {"pk": {"S": "p"}, "s": {"B": b"\x00\xff"}, "n": {"N": "7"}, "l": {"L": [{"B": b"x"}]}, "B": {"S": "b"}}
    plain.put_item(TableName="light", Item=item)
    keys = {"light": {"Keys": [{"pk": {"S": "p"}}]}}
    answers = [client.batch_get_item(RequestItems=keys)["Responses"] for client in (plain, light)]
    assert answers == [{"light": [item]}] * 2
    for client in (plain, light):
        with pytest.raises(ClientError) as refused:
            client.put_item(TableName="light", Item=item, ConditionExpression="attribute_not_exists(pk)")
        assert refused.value.response["Error"]["Code"] == "ConditionalCheckFailedException"
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_a_batch_of_known_people_takes_few_requests_and_the_same_in_every_run() -> None:
    runs = []
    for _ in range(2):
        with endpoint() as cloud, absorb.tailor(cloud) as worker:
            runs.append(absorb.count(cloud, worker, 2))
    assert runs[0] == runs[1]
    assert bars.bar_of("aws_requests_per_event_100").holds(runs[0].requests / 200)


def test_the_naive_worker_keeps_up_with_its_description() -> None:
    with endpoint() as cloud, absorb.tailor(cloud):
        worker = absorb.naive(cloud)
        cloud.usage()
        (batch,) = absorb._batches(3, 3, 1, absorb._as_call)
        worker(batch)
        assert cloud.usage().requests == 3 * 6
        worker(batch)
        assert cloud.usage().requests == 3


def test_compiled_segments_answer_as_the_tree_walk_does() -> None:
    compiled = Compiled(population.program())
    crowd, raw = segments.people(compiled, 25)
    segments.assert_same(compiled, crowd, raw)
    with pytest.raises(AssertionError):
        segments.assert_same(compiled, crowd, [raw[-1], *raw[:-1]])


def test_every_metric_has_a_bar() -> None:
    assert str(bars.bar_of("init_ms_send")) == "≤ 350"
    assert {str(bars.bar_of(f"init_ms_{function}")) for function in FUNCTIONS} == {"≤ 450", "≤ 350", ""}
    assert bars.bar_of("absorb_events_per_s_core_100").holds(2_400)
    assert not bars.bar_of("absorb_events_per_s_core_100").holds(2_399)
    with pytest.raises(KeyError):
        bars.bar_of("made_up")


def test_clients_of_a_function_are_read_from_its_code() -> None:
    assert startup.clients("absorb") == ["dynamodb"]
    assert startup.clients("relay") == ["events", "sqs"]
    assert "sesv2" in startup.clients("send")


def test_an_import_whose_workers_are_killed_has_every_row_once(tmp_path: Path) -> None:
    rows = 30_000
    ran = imports.load(tmp_path, rows, kills=3)
    imports.check(ran, rows)
    assert ran.killed == 3
    assert imports.refused(rows) == 30


def test_the_bench_of_imports_would_see_a_row_that_is_missing(tmp_path: Path) -> None:
    ran = imports.load(tmp_path, 2_000, kills=0)
    imports.check(ran, 2_000)
    ran.ids -= 1
    with pytest.raises(RuntimeError, match="is not"):
        imports.check(ran, 2_000)


def test_every_source_that_comes_by_a_door_is_measured_there() -> None:
    measured = {name for name in SOURCES if doors._requests(name)}
    assert measured == SOURCES.keys() - {"ses"}
    door = doors._door()
    assert all(doors._take(one, door).taken for name in measured for one in doors._requests(name))
    assert {str(bars.bar_of(f"ingest_us_{name}")) for name in measured} == {"≤ 60"}


def test_a_million_events_cost_less_together(capsys: pytest.CaptureFixture[str]) -> None:
    costs = doors.costs(60)
    assert 0 < costs["usd_per_million_events_batched"] < costs["usd_per_million_events_single"] < 20
    assert "DynamoDB" in capsys.readouterr().out


def test_a_letter_takes_about_what_dry_runs_reckon_with() -> None:
    wru, rru = send.units(200)
    assert wru == pytest.approx(prices.LETTER_WRU, rel=0.2)
    assert rru == pytest.approx(prices.LETTER_RRU, rel=0.2)


@pytest.mark.parametrize("what", ["ValueError", "accepted without a valid signature", "ms"])
def test_the_fuzzer_finds_what_it_looks_for(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    request, _ = doors._requests("stripe")[0]
    watch = fuzz.Watch("stripe", 1)
    watch.look(replace(request, body=b"{}"), request.body)
    assert watch.finds == []

    class Broken:
        name, signed = "stripe", True

        def to_events(self, request: object, *, now: int) -> object:
            if what == "ValueError":
                raise ValueError
            return Parsed()

        def verify(self, request: object, secret: bytes, *, now: int) -> None:
            if what != "accepted without a valid signature":
                raise Rejected("no", status=401)

    monkeypatch.setitem(SOURCES, "stripe", Broken())
    monkeypatch.setattr(fuzz, "MOST_MS", -1 if what == "ms" else fuzz.MOST_MS)
    watch.look(replace(request, body=b"{}"), request.body)
    assert [what in find["what"] for find in watch.finds] == [True]
