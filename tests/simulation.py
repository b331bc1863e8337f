"""A broadcast in simulated time, through the real flows: campaign, relay, deliver, SES, reports, absorb, the clock.

Only what is outside of the flows is made up: DynamoDB (:mod:`memory`), queues, and an SES with a quota that throttles,
answers late, loses answers of letters it has taken, and reports twice and in any order. Between any two calls a worker
may be killed; what it had taken from a queue comes back later. A worker has a clock of its own; the campaign, the
relay, absorb and the ticks run each simulated minute.
"""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from heapq import heappop, heappush
from random import Random
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError

from memory import Memory
from tailor.edges.bus import Facts, Queue
from tailor.edges.dynamo import pack_item
from tailor.edges.mailer import Account, Mailer
from tailor.edges.store import Store
from tailor.flows import broadcast
from tailor.flows.absorb import absorb
from tailor.flows.deliver import Letterheads, Post, deliver
from tailor.flows.refresh import tick
from tailor.flows.relay import relay
from tailor.flows.unpack import unpack
from tailor.kernel.errors import Transient
from tailor.kernel.instants import DAY, MINUTE, SECOND, iso
from tailor.kernel.person import Person
from tailor.kernel.program import Program
from tailor.rules.compiled import Compiled
from tailor.rules.pacing import SHARES, Pace

START = 1_795_500_000_000
VISIBILITY = 6 * MINUTE
PROGRAM = {
    "name": "shop",
    "sender": {"from": "Shop <hello@shop.example>", "postal_address": "1 High Street"},
    "templates": {
        "sale": {
            "subject": "{first_name}, a sale",
            "html": '<html><body><p>Dear {{ first_name }}</p><a href="https://shop.example/sale">Go</a>'
            '<a href="{{ unsubscribe_url }}">No more</a></body></html>',
        },
        "notice": {
            "kind": "transactional",
            "subject": "Our terms change",
            "html": "<html><body><p>Dear {{ first_name }}</p></body></html>",
        },
    },
    "campaigns": {
        "sale": {"template": "sale", "audience": {"attribute": "country", "ne": "NO"}},
        "notice": {"template": "notice", "audience": {"attribute": "country", "eq": "NO"}},
    },
}
BATCH = 2_000
"""Reports that absorb takes at once."""
NOTIFIED = 5
"""Every fifth person gets the transactional notice, which is sent again in doubt; the others the sale, which is not."""


class Killed(BaseException):
    """The worker is gone, in the middle of what it did."""


@dataclass
class Hazards:
    """How things go wrong: chances of one call, report or answer."""

    killed: float = 1 / 4_000
    lost_answer: float = 1 / 1_000
    never_taken: float = 1 / 2_000
    twice: float = 1 / 50


CALM = Hazards(0, 0, 0, 0)


@dataclass
class Report:
    """What a simulation showed.

    ``sent``: letters that SES took; ``duplicates``: those beyond the first of one message; ``lost``: messages that were
    sent, says the ledger, and that SES has not, or of which nothing is known; ``unsettled``: letters that SES took and
    the ledger does not know of; ``doubtful``: messages left UNKNOWN, listed as such; ``busy``: letters that left while
    others waited, and ``allowed``: how many the quota let leave in that time; ``throttled``: share of calls that SES
    throttled.
    """

    sent: int
    duplicates: int
    lost: int
    unsettled: int
    doubtful: int
    busy: int
    allowed: float
    throttled: float
    kills: int
    states: Counter[str]

    @property
    def used(self) -> float:
        """Share of the quota used while letters waited."""
        return self.busy / self.allowed


@dataclass
class Simulation:
    """One run with ``people`` recipients under an account that takes ``rate`` letters a second."""

    people: int
    rate: float = 500.0
    workers: int = 4
    seed: int = 1
    hazards: Hazards = field(default_factory=Hazards)
    now: int = START

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        self.memory = Memory()
        self.store = Store(_Gate(self, self.memory), people="people", ledger="ledger")
        self.watch = Store(self.memory, people="people", ledger="ledger")
        self.queues: dict[str, deque[tuple[int, str]]] = {"broadcast": deque(), "send": deque()}
        self.ingest: list[str] = []
        self.coming: list[tuple[int, int, str]] = []
        self.delayed: list[tuple[int, int, str]] = []
        self.taken: Counter[str] = Counter()
        self.seconds: Counter[int] = Counter()
        self.calls = self.throttled = self.kills = self._order = 0
        self.relayed = 0
        self.compiled = Compiled(Program.of([PROGRAM]))
        self.watch.define("programme", "shop", PROGRAM)
        self.clocks = [self.now] * self.workers
        self.paces = [Pace(SHARES["broadcast"] * self.rate / self.workers) for _ in range(self.workers)]
        self.heads = Letterheads(self.compiled.program)
        self.last_busy = 0
        self.tokens, self.filled = max(1.0, self.rate), self.now
        for number in range(self.people):
            self._join(number)

    def _join(self, number: int) -> None:
        country = "NO" if number % NOTIFIED == 0 else "DE"
        person = Person(
            f"p_{number:07d}",
            1,
            {"email": [f"person{number}@example.com"]},
            {"first_name": f"Person {number}", "country": country},
            consent={"marketing": ["granted", START - DAY, "segment"]},
            program=self.compiled.version,
            decided=START - DAY,
        )
        self.memory._write("people", pack_item({"pk": person.id, "v": 1, "s": person.pack()}))

    # ---- what is outside

    def gate(self, call: Callable[[], Any]) -> Any:
        """One call of a worker, which may be its last: before it takes effect, or before its answer is known."""
        chance = self.random.random()
        if chance < self.hazards.killed / 2:
            self.kills += 1
            raise Killed
        answer = call()
        if chance > 1 - self.hazards.killed / 2:
            self.kills += 1
            raise Killed
        return answer

    def put(self, queue: str) -> Callable[..., Any]:
        def send_message_batch(QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:
            return self.gate(lambda: self._enqueue(queue, [entry["MessageBody"] for entry in Entries]))  # type: ignore[no-any-return]

        return send_message_batch

    def _enqueue(self, queue: str, bodies: list[str]) -> dict[str, Any]:
        if queue == "ingest":
            self.ingest += bodies
        else:
            self.queues[queue].extend((self.now, body) for body in bodies)
        return {}

    def queue(self, name: str) -> Queue:
        return Queue(SimpleNamespace(send_message_batch=self.put(name)), name)

    def send_email(self, clock: Callable[[], int], request: dict[str, Any]) -> dict[str, str]:
        """SES: a bucket of one second's quota; what it takes it reports, twice now and then, and late."""
        now = clock()
        self.calls += 1
        self.tokens = min(max(1.0, self.rate), self.tokens + max(0, now - self.filled) * self.rate / SECOND)
        self.filled = max(self.filled, now)
        if self.tokens < 1:
            self.throttled += 1
            raise ClientError({"Error": {"Code": "TooManyRequestsException", "Message": "Maximum rate"}}, "SendEmail")
        chance = self.random.random()
        if chance < self.hazards.never_taken:
            raise ReadTimeoutError(endpoint_url="ses")
        self.tokens -= 1
        self.seconds[now // SECOND] += 1
        tags = {tag["Name"]: tag["Value"] for tag in request["EmailTags"]}
        self.taken[tags["tailor_message"]] += 1
        id = f"ses-{self.calls}"
        to = request["Destination"]["ToAddresses"]
        for kind in ("Send", "Delivery"):
            at = now + self.random.randrange(200, 8_000)
            mail = {
                "messageId": id,
                "timestamp": iso(now),
                "destination": to,
                "tags": {n: [v] for n, v in tags.items()},
            }
            about = {"timestamp": iso(at), "recipients": to} if kind == "Delivery" else {}
            body = json.dumps({"eventType": kind, "mail": mail, kind.lower(): about})
            for _ in range(1 + (self.random.random() < self.hazards.twice)):
                self._later(self.coming, at + self.random.randrange(20_000), body)
        if chance > 1 - self.hazards.lost_answer:
            raise ReadTimeoutError(endpoint_url="ses")
        return {"MessageId": id}

    def _later(self, heap: list[tuple[int, int, str]], at: int, body: str) -> None:
        self._order += 1
        heappush(heap, (at, self._order, body))

    # ---- workers

    def minute(self) -> None:
        """What happens in one minute."""
        end = self.now + MINUTE
        self._survive(self._campaigns)
        self._relay()
        for worker in range(self.workers):
            self.clocks[worker] = max(self.clocks[worker], self.now)
        while (worker := min(range(self.workers), key=self.clocks.__getitem__)) is not None:
            if self.clocks[worker] >= end or not self._send(worker):
                break
        self.now = end
        self._absorb()
        self._survive(lambda: tick(self.store, self.compiled, clock=lambda: self.now))
        self._relay()

    def _survive(self, work: Callable[[], Any]) -> bool:
        try:
            work()
        except (Killed, Transient):
            return False
        return True

    def _campaigns(self) -> None:
        account = Account(self.rate, 50_000_000.0, float(sum(self.taken.values())))
        backlog = sum(map(len, self.queues.values()))
        broadcast.advance(self.store, lambda: self.compiled, account, backlog, clock=lambda: self.now)

    def _relay(self) -> None:
        facts = Facts(SimpleNamespace(put_events=lambda Entries: {"FailedEntryCount": 0}), "facts")
        while self.relayed < len(self.memory.stream):
            records = self.memory.stream[self.relayed : self.relayed + 100]
            work = partial(relay, records, facts, self.queue("send"), lambda: self.queue("broadcast"))
            if self._survive(work):
                self.relayed += len(records)
        self.memory.stream.clear()
        self.relayed = 0

    def _send(self, worker: int) -> bool:
        """One batch of one worker; false where nothing waits."""
        while self.delayed and self.delayed[0][0] <= self.clocks[worker]:
            self.queues["send"].append((0, heappop(self.delayed)[2]))
        queue = self.queues["send"] or self.queues["broadcast"]
        if not queue:
            return False
        bodies = [queue.popleft()[1] for _ in range(min(10, len(queue)))]
        if len(self.queues["broadcast"]) > self.rate:
            self.last_busy = self.clocks[worker]
        owed = [json.loads(body) for body in bodies]
        try:
            outcomes = deliver(owed, self._post(worker))
        except (Killed, Transient):
            for body in bodies:
                self._later(self.delayed, self.clocks[worker] + VISIBILITY, body)
            return True
        for body, outcome in zip(bodies, outcomes, strict=True):
            assert outcome.error is None, outcome.error
            if outcome.retry_after is not None:
                self._later(self.delayed, self.clocks[worker] + outcome.retry_after * SECOND, body)
        return True

    def _post(self, worker: int) -> Post:
        def clock() -> int:
            return self.clocks[worker]

        def sleep(seconds: float) -> None:
            self.clocks[worker] += max(1, round(seconds * SECOND))

        def each(work: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
            answers = [work(item) for item in items]
            self.clocks[worker] += self.random.randrange(30, 80)
            return answers

        def send_email(**request: Any) -> Any:
            return self.gate(lambda: self.send_email(clock, request))

        return Post(
            store=self.store,
            mailer=Mailer(SimpleNamespace(send_email=send_email), configuration_set="tailor"),
            reports=lambda: self.queue("ingest"),
            program=self.compiled.program,
            signing_keys={"1": b"key"},
            public_url="https://mail.shop.example",
            owner=f"w{worker}-{self.random.random()}",
            letterhead=self.heads,
            campaign=lambda key: broadcast.standing(key, self.watch),
            pace=self.paces[worker],
            clock=clock,
            sleep=sleep,
            each=each,
        )

    def _absorb(self) -> None:
        while self.coming and self.coming[0][0] <= self.now:
            self.ingest.append(heappop(self.coming)[2])
        waiting, self.ingest = self.ingest, []
        batches = deque(waiting[start : start + BATCH] for start in range(0, len(waiting), BATCH))
        while batches:
            events = [event for body in batches[0] for event in unpack(body, claimed=_never, now=self.now).events]
            work = partial(absorb, events, self.store, self.compiled, new_id=_nobody, now=self.now)
            if self._survive(work):
                batches.popleft()

    # ---- a run

    def run(self) -> Report:
        """Start both campaigns, let time pass until nothing is to be done, and compare ledger and SES."""
        for key in ("sale", "notice"):
            broadcast.start(key, self.watch, self.compiled, now=self.now)
        while (
            any(one.state in broadcast.OPEN for one in broadcast.broadcasts(self.watch).values())
            or self.queues["broadcast"]
        ):
            self.minute()
        self.settle()
        return self.report()

    def work(self) -> None:
        """Let time pass until no campaign runs and nothing waits."""
        while self._open() or self.delayed or any(self.queues.values()):
            self.minute()

    def _open(self) -> bool:
        return any(one.state in broadcast.OPEN for one in broadcast.broadcasts(self.watch).values())

    def settle(self) -> None:
        """Let doubt be settled: the clock hands over again what nobody has reported on, and what a killed worker had
        taken from the queue comes back."""
        for minutes in (1, 1, 45, 8, 180, 8, 660, 8, 2880, 8, 1):
            self.now += (minutes - 1) * MINUTE
            self.minute()

    def letters(self, key: str) -> dict[int, tuple[str, str, str]]:
        """Person → (message, state, why) of the letter of a campaign, where there is a row for one."""
        found = {}
        for number in range(self.people):
            for sk, row in self.memory.tables["ledger"].get(f"P#p_{number:07d}", {}).items():
                if sk.startswith("S#") and row["campaign"]["S"] == key:
                    found[number] = (sk[2:], row["state"]["S"], row.get("why", {"S": ""})["S"])
        return found

    def reached(self, key: str) -> set[int]:
        """People to whom a campaign's letter is owed, or was."""
        begun = broadcast.broadcasts(self.watch)[key].begun
        everybody = ((n, self.watch.person(f"p_{n:07d}")) for n in range(self.people))
        return {n for n, person in everybody if person and person.offers.get(key, [0])[0] == begun}

    def differences(self, key: str, wanted: set[int]) -> list[str]:
        """How ledger, SES and the campaign's own counts differ from what they must be."""
        found, one = self.letters(key), broadcast.broadcasts(self.watch)[key]
        wrong = []
        if self.reached(key) != wanted or one.handed != len(wanted):
            wrong.append(f"{key}: reached {len(self.reached(key))}, counted {one.handed}, wanted {len(wanted)}")
        for number in wanted:
            message, state, why = found.get(number, ("", "no row", ""))
            taken = self.taken[message]
            certain = {"DELIVERED": 1, "SKIPPED": 0, "UNKNOWN": 0}.get(state)
            if taken != certain or (state == "SKIPPED" and why != "cancelled"):
                wrong.append(f"{key}: {number} is {state} ({why}), SES has taken {taken}")
        strangers = (number for number in found.keys() - wanted if self.taken[found[number][0]])
        return wrong + [f"{key}: {number} got a letter that was not for them" for number in strangers]

    def report(self) -> Report:
        states: Counter[str] = Counter()
        duplicates = lost = unsettled = 0
        for number in range(self.people):
            rows = self.memory.tables["ledger"].get(f"P#p_{number:07d}", {})
            letters = {sk[2:]: row["state"]["S"] for sk, row in rows.items() if sk.startswith("S#")}
            if not letters:
                lost += 1
            for message, state in letters.items():
                taken = self.taken[message]
                states[state] += 1
                duplicates += max(0, taken - 1)
                lost += state in ("SENT", "DELIVERED") and not taken
                unsettled += bool(state not in ("SENT", "DELIVERED") and taken)
        sent = sum(self.taken.values())
        first = min(self.seconds) if self.seconds else 0
        last = self.last_busy // SECOND
        busy = sum(n for second, n in self.seconds.items() if first < second < last)
        allowed = self.rate * max(1, last - first - 1)
        doubtful = states["UNKNOWN"] + states["SENDING"]
        throttled = self.throttled / max(1, self.calls)
        return Report(sent, duplicates, lost, unsettled, doubtful, busy, allowed, throttled, self.kills, states)


def interrupted(people: int, *, seed: int) -> list[str]:
    """Pause, resume, another audience and a cancellation in the middle of two broadcasts; what is wrong then.

    ``first`` goes to those abroad and then to those at home; ``second`` goes to everybody and is cancelled. Workers are
    killed all the time, SES answers.
    """
    hazards = Hazards(killed=1 / 1_500, lost_answer=0, never_taken=0)
    run = Simulation(people, rate=people / 2_000, seed=seed, hazards=hazards)
    abroad, home = {"attribute": "country", "eq": "NO"}, {"attribute": "country", "eq": "DE"}
    for key, audience in (("first", abroad), ("second", {"any": [abroad, home]})):
        broadcast.put(key, {"template": "sale", "audience": audience}, run.watch, run.compiled, now=run.now)
    wrong: list[str] = []
    broadcast.start("first", run.watch, run.compiled, now=run.now)
    run.minute()
    broadcast.pause("first", run.watch, now=run.now)
    before = run.taken.total()
    for _ in range(20):
        run.minute()
    if run.taken.total() != before:
        wrong.append(f"{run.taken.total() - before} letters left while paused")
    broadcast.resume("first", run.watch, now=run.now)
    run.minute()
    reached = run.reached("first")
    broadcast.put("first", {"template": "sale", "audience": home}, run.watch, run.compiled, now=run.now)
    run.work()
    run.settle()
    wrong += run.differences("first", reached | {n for n in range(people) if n % NOTIFIED})
    broadcast.start("second", run.watch, run.compiled, now=run.now)
    run.minute()
    broadcast.cancel("second", run.watch, now=run.now)
    run.work()
    run.settle()
    if not 0 < len(run.reached("second")) < people:
        wrong.append("the second was not cancelled in its middle")
    return wrong + run.differences("second", run.reached("second"))


class _Gate:
    """Every call of the client may kill."""

    def __init__(self, simulation: Simulation, client: Any) -> None:
        self._simulation, self._client = simulation, client

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        made = getattr(self._client, operation)
        return lambda **arguments: self._simulation.gate(lambda: made(**arguments))


def _never(claim: Any) -> bytes:
    raise AssertionError(claim)


def _nobody(now: int) -> str:
    raise AssertionError("nobody new comes in")
