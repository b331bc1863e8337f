"""Who is who on the deployed system: workers that race for one newcomer, and duplicates joined, listed and undone."""

from __future__ import annotations

import json
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Thread

import pytest

import run
from house import House
from tailor.edges.store import Store
from tailor.flows.absorb import absorb
from tailor.kernel.errors import Transient
from tailor.kernel.event import Event, Identifier
from tailor.kernel.keys import new_id
from tailor.kernel.program import Program
from tailor.rules.compiled import Compiled

pytestmark = pytest.mark.e2e

WORKERS = 32
NOW = 1_795_500_000_000


def test_32_workers_who_meet_the_same_newcomer_make_one_person(house: House) -> None:
    name = secrets.token_hex(4)
    user, email = Identifier("user_id", f"race-{name}"), Identifier("email", f"race-{name}@example.com")
    outputs, compiled = house.shop.deployed.outputs, Compiled(Program.of([]))
    start = Barrier(WORKERS)

    def store() -> Store:
        client = house.shop.cloud.client("dynamodb")
        return Store(client, people=outputs["PeopleTable"], ledger=outputs["LedgerTable"])

    def work(number: int) -> int:
        own = Identifier("anonymous_id", f"race-{name}-{number}")
        # Some know the user, some the address, some both: all of them are one.
        known = [(user, email), (user,), (email, user)][number % 3]
        event = Event(f"{name}-{number}", "track", "Raced", NOW + number, NOW + 99, "segment", (*known, own))
        mine = store()
        start.wait(timeout=60)
        for attempt in range(30):
            try:
                absorb(
                    [event],
                    mine,
                    compiled,
                    new_id=lambda at: new_id("p", now=at, entropy=secrets.token_bytes(10)),
                    now=NOW,
                )
            except Transient:
                time.sleep(0.02 * (attempt + 1))
            else:
                return attempt
        raise AssertionError("a worker lost thirty times, as a queue would not let it")

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(work, range(WORKERS)))
    after = store()
    browsers = [Identifier("anonymous_id", f"race-{name}-{number}") for number in range(WORKERS)]
    claims = after.claims([user, email, *browsers], consistent=True)
    assert len(claims) == 2 + WORKERS, "an identifier belongs to nobody"
    (person,) = after.people({*claims.values()}, consistent=True).people.values()
    assert person.identifiers["user_id"] == [user.value]
    assert {*person.identifiers["anonymous_id"]} == {one.value for one in browsers}
    assert person.history["Raced"][0] == WORKERS
    holders = [one.id for one in after.everybody() if user.value in one.identifiers.get("user_id", ())]
    assert holders == [person.id], "somebody else holds the same user id"


def test_who_came_twice_is_joined_listed_with_reasons_and_undone(house: House) -> None:
    """As ``make run`` does; the minute clock is not waited for."""

    def a_minute_early() -> None:
        time.sleep(3)
        function = house.shop.deployed.resources["DedupFunction"]
        house.shop.cloud.client("lambda").invoke(
            FunctionName=function, Payload=json.dumps({"job": "continue"}).encode()
        )

    Thread(target=a_minute_early, daemon=True).start()
    assert run.join_doubles(house.shop, house.everybody, run.Steps()) == []
    (merge, *_) = json.loads(house.shop.tailor("duplicates", "list", "--merged", "--json"))
    assert {reason["field"] for reason in merge["reasons"]} >= {"last", "birth"}
