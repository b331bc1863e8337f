"""Withdrawals and sends in any order, also between any two calls of the sender: what was withdrawn before a letter is
claimed does not leave. Between the claim and SES's answer nothing stands; that is where a letter leaves."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from memory import Memory
from tailor.edges.bus import Facts, Queue
from tailor.edges.mailer import Mailer
from tailor.edges.store import Store
from tailor.flows.absorb import absorb
from tailor.flows.deliver import Letterheads, Post, deliver
from tailor.flows.relay import relay
from tailor.kernel.campaign import Standing
from tailor.kernel.event import ConsentChange, Event, Identifier
from tailor.kernel.program import Program
from tailor.rules.compiled import Compiled
from tailor.rules.pacing import Pace

PROGRAM = {
    "name": "shop",
    "sender": {"from": "Shop <hello@shop.example>", "postal_address": "1 High Street"},
    "topics": {"deals": {"purpose": "marketing"}},
    "templates": {
        "offer": {"topic": "deals", "subject": "Hi", "html": '<p>Hi</p><a href="{{ unsubscribe_url }}">No more</a>'}
    },
    "journeys": {"ask": {"trigger": {"event": "Ask"}, "re_entry": "0m", "steps": [{"send": "offer"}]}},
}
COMPILED = Compiled(Program.of([PROGRAM]))
WHO = st.sampled_from(["ada", "bob"])
WHAT = st.sampled_from(["", "deals"])
CALLS = 5
"""Calls of one delivery of one letter; after them nothing can come in between."""


class Withdrawals(RuleBasedStateMachine):
    """The model: who permits what, in the order in which it was committed."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_795_500_000_000
        self.number = 0
        self.memory = Memory()
        self.store = Store(self.memory, people="people", ledger="ledger")
        self.queue: list[dict[str, Any]] = []
        self.reports: list[dict[str, Any]] = []
        self.refused: dict[tuple[str, str], bool] = {}
        self.granted: dict[str, bool] = {}
        self.mails: list[str] = []
        self.calls = 0
        self.between: tuple[int, Callable[[], None]] | None = None

    # ---- what people do

    def happen(self, who: str, name: str, *consent: ConsentChange) -> None:
        self.now += 1000
        self.number += 1
        event = Event(
            f"{self.number}",
            "track",
            name,
            self.now,
            self.now,
            "segment",
            (Identifier("email", f"{who}@x.example"),),
            consent=consent,
        )
        absorb([event], self.store, COMPILED, new_id=lambda _: f"p_{who}", now=self.now)

    @rule(who=WHO)
    def grant(self, who: str) -> None:
        self.happen(
            who, "Agreed", ConsentChange("marketing", "granted"), ConsentChange("marketing", "granted", "deals")
        )
        self.granted[who] = True
        self.refused[who, ""] = self.refused[who, "deals"] = False

    @rule(who=WHO, topic=WHAT)
    def withdraw(self, who: str, topic: str) -> None:
        self.happen(who, "Refused", ConsentChange("marketing", "withdrawn", topic))
        self.refused[who, topic] = True

    @rule(who=WHO)
    def ask(self, who: str) -> None:
        self.happen(who, "Ask")
        facts = Facts(SimpleNamespace(put_events=lambda Entries: {}), "facts")
        stream, self.memory.stream = self.memory.stream, []
        relay(stream, facts, Queue(self._sqs(self.queue), "send"), lambda: Queue(self._sqs(self.queue), "broadcast"))

    def _sqs(self, into: list[dict[str, Any]]) -> Any:
        def send_message_batch(QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:
            into.extend(json.loads(entry["MessageBody"]) for entry in Entries)
            return {}

        return SimpleNamespace(send_message_batch=send_message_batch)

    # ---- what the sender does

    @rule(at=st.integers(0, CALLS), who=WHO, topic=WHAT)
    def send(self, at: int, who: str, topic: str) -> None:
        """Deliver what is there, or what somebody asks for; before call ``at`` they withdraw."""
        if not self.queue:
            self.ask(who)
        self.calls, self.between = 0, (at, lambda: self.withdraw(who, topic))
        batch, self.queue = self.queue, []
        outcomes = deliver(batch, self._post())
        self.queue += [owed for owed, o in zip(batch, outcomes, strict=True) if o.retry_after is not None]
        self.between = None

    def interrupt(self) -> None:
        self.calls += 1
        if self.between is not None and self.calls > self.between[0]:
            _, withdraw = self.between
            self.between = None
            withdraw()

    def _post(self) -> Post:
        machine = self

        class Interrupted:
            def __getattr__(self, operation: str) -> Callable[..., Any]:
                def call(**arguments: Any) -> Any:
                    machine.interrupt()
                    answer = getattr(machine.memory, operation)(**arguments)
                    if operation == "transact_write_items":
                        machine.claimed(arguments["TransactItems"])
                    return answer

                return call

        def send_email(**request: Any) -> dict[str, str]:
            machine.interrupt()
            machine.mails.append(request["Destination"]["ToAddresses"][0])
            return {"MessageId": f"ses-{len(machine.mails)}"}

        return Post(
            store=Store(Interrupted(), people="people", ledger="ledger"),
            mailer=Mailer(SimpleNamespace(send_email=send_email), configuration_set=""),
            reports=lambda: Queue(machine._sqs(machine.reports), "ingest"),
            program=COMPILED.program,
            signing_keys={"1": b"key"},
            public_url="https://mail.shop.example",
            owner=str(self.number),
            letterhead=Letterheads(COMPILED.program),
            campaign=lambda key: Standing("running"),
            pace=Pace(1e6),
            clock=lambda: machine.now,
            sleep=lambda seconds: None,
        )

    def claimed(self, actions: list[dict[str, Any]]) -> None:
        """A claim has been committed: at this instant its people must permit the letter."""
        for action in actions:
            if "Put" in action:
                who = action["Put"]["Item"]["pk"]["S"].removeprefix("P#p_")
                assert self.granted.get(who), f"{who} was never asked"
                assert not self.refused[who, ""], f"{who} has withdrawn"
                assert not self.refused[who, "deals"], f"{who} has withdrawn the topic"

    def teardown(self) -> None:
        rows = [row for part in self.memory.tables["ledger"].values() for sk, row in part.items() if sk[:2] == "S#"]
        sent = [row for row in rows if row["state"]["S"] in ("SENDING", "SENT")]
        assert len(sent) == len(self.mails), "every mail was claimed, each once"


Withdrawals.TestCase.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)
TestWithdrawals = Withdrawals.TestCase
