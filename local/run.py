"""``make run``: the whole system on this machine, one sample day through it, and the letters in a mailbox.

It ends with status 0 where exactly the expected letters were sent, 1 where they were not, 2 where this machine could
not do it. Ctrl-C ends it and leaves nothing behind.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import cloud
import gate
import postbox
import sample_day
from cloud import Cloud, Deployed, Unusable
from gate import Gate
from postbox import Mailbox, Message
from sample_day import Doors, Played, Someone
from tailor.kernel.instants import SECOND, iso

PROGRAMME = cloud.ROOT / "events" / "programs" / "shop"
EXPLAINED = ("just-looking", "young-urban-eco")
"""Segments of the sample programme whose rules are text; the report explains them for three people."""
PEOPLE = Path("events/imports/people")

_SETTLE_SECONDS = 180
_LATEST = 150 * SECOND
_LOOK_SECONDS = 0.5
_CALM_LOOKS = 4


class Steps:
    """Numbered steps on the terminal: what is being done, how far it is, how long it took."""

    def __init__(self) -> None:
        self._number = 0
        self._live = sys.stdout.isatty()

    @contextmanager
    def step(self, title: str) -> Iterator[Callable[[str], None]]:
        """Announce a step; call what it gives with the progress so far. A failed step prints no time."""
        self._number += 1
        start = time.monotonic()
        line = f"{self._number:2}  {title}"
        print(line, end="" if self._live else "\n", flush=True)
        said = ""

        def progress(text: str) -> None:
            nonlocal said
            said = text
            if self._live:
                print(f"\r\033[K{line}  {text}", end="", flush=True)

        try:
            yield progress
        except BaseException:
            print(flush=True)
            raise
        took = f"{time.monotonic() - start:.1f} s"
        end = f"{said}, {took}" if said else took
        print(f"\r\033[K{line}  {end}" if self._live else f"      {end}", flush=True)


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the cloud, the front door of its API, and the mailbox listen."""

    cloud: int
    api: int
    mailbox: int


@dataclass(slots=True)
class Shop:
    """Everything running: the stack in its cloud, the mailbox, keys for its doors, and the programme in force."""

    cloud: Cloud
    gate: Gate
    mailbox: Mailbox
    deployed: Deployed
    doors: Doors
    token: str

    def environment(self) -> dict[str, str]:
        """What ``tailor`` needs to find this system."""
        return {**os.environ, "TAILOR_URL": self.gate.url, "TAILOR_TOKEN": self.token}

    def tailor(self, *arguments: str) -> str:
        """Run the command line tool; answers what it printed.

        Raises
        ------
        Unusable : it failed.
        """
        program = Path(sys.executable).with_name("tailor")
        done = subprocess.run([program, *arguments], env=self.environment(), capture_output=True, text=True)
        if done.returncode:
            raise Unusable(f"tailor {' '.join(arguments)} failed; it said:\n{done.stdout}{done.stderr}")
        return done.stdout

    def settle(self) -> None:
        """Wait until nothing is on its way any more.

        Raises
        ------
        Unusable : it takes too long.
        """
        sqs = self.cloud.client("sqs")
        queues = [self.deployed.outputs[name] for name in ("IngestQueueUrl", "SendQueueUrl")]
        deadline = time.monotonic() + _SETTLE_SECONDS
        calm = 0
        while calm < _CALM_LOOKS:
            waiting = sum(_depth(sqs, queue) for queue in queues)
            calm = 0 if waiting else calm + 1
            if time.monotonic() > deadline:
                raise Unusable(f"{waiting} messages are stuck in the queues; see {self.cloud.log}")
            time.sleep(_LOOK_SECONDS)


@contextmanager
def opened(ports: Ports, steps: Steps) -> Iterator[Shop]:
    """Start, build, deploy, make keys, push the programme; clear everything away at the end.

    Raises
    ------
    Unusable : this machine cannot do it; the message says why.
    """
    cloud.require_free(ports.api, gate.PORT_VARIABLE)
    cloud.require_free(ports.mailbox, postbox.PORT_VARIABLE)
    with ExitStack() as stack:
        with steps.step("Start the embedded cloud"):
            ses = {"AWS_ENDPOINT_URL_SESV2": postbox.url_of(ports.mailbox)}
            running = stack.enter_context(Cloud.start(ports.cloud, environment=ses))
        with steps.step("Build the functions (sam build)"):
            built = running.build()
        with steps.step("Deploy template.yaml (sam deploy)"):
            deployed = running.deploy(built, public_url=gate.url_of(ports.api))
            door = stack.enter_context(Gate.start(ports.api, deployed.url))
        with steps.step("Open the mailbox in place of SES") as progress:
            sns, topic = running.client("sns"), deployed.outputs["FeedbackTopic"]
            mailbox = stack.enter_context(
                Mailbox.start(
                    ports.mailbox, events=lambda report: sns.publish(TopicArn=topic, Message=json.dumps(report))
                )
            )
            progress(mailbox.url)
        with steps.step("Make keys for the doors"):
            doors, token = _keys(running, deployed, door.url)
        shop = Shop(running, door, mailbox, deployed, doors, token)
        with steps.step(f"Push the programme {PROGRAMME.relative_to(cloud.ROOT)}"):
            shop.tailor("push", str(PROGRAMME))
        yield shop


def live(shop: Shop, everybody: Sequence[Someone], steps: Steps) -> tuple[Played, list[str]]:
    """Play the day and wait for its letters; answers what was done, and every difference from what was expected."""
    with steps.step(f"Let {len(everybody)} people look, buy and sign up") as progress:
        played = sample_day.play(everybody, shop.doors, clock=_now, settle=shop.settle)
        progress(f"{played.calls} Segment calls, {played.orders} Shopify orders")
    wanted = sample_day.expected(everybody)
    at_once = {one.email for one in everybody if one.email in wanted and one.group.name != "ripening"}
    with steps.step("Wait for the letters that are due at once") as progress:
        _await_letters(shop, at_once, played.flip + _LATEST, progress)
    with steps.step(f"Wait for the minute clock: 48 hours are over at {iso(played.flip)[11:19]} UTC") as progress:
        _await_letters(shop, set(wanted), played.flip + _LATEST, progress)
        shop.settle()
    return played, sample_day.compare(everybody, shop.mailbox.messages(), played.flip)


def join_doubles(shop: Shop, everybody: Sequence[Someone], steps: Steps) -> list[str]:
    """Deduplicate as at night, show who was joined and why, and undo one; answers every difference from what was
    expected."""
    wanted = sample_day.doubles(everybody)
    found: list[str] = []
    with steps.step("Find who is there twice, as at night (tailor dedup --now)") as progress:
        report = json.loads(shop.tailor("dedup", "--now", "--quiet", "--json"))
        progress(f"{report['counts']['joined']} joined, {report['counts']['review']} left to look at")
    merged = json.loads(shop.tailor("duplicates", "list", "--merged", "--json"))
    if len(merged) != len(wanted):
        found.append(f"{len(merged)} were joined instead of the {len(wanted)} who came twice")
    for one in wanted:
        people = [json.loads(shop.tailor("person", email, "--json")) for email in (one.email, sample_day.mistyped(one))]
        if people[0]["id"] != people[1]["id"]:
            found.append(f"{one.email} and {sample_day.mistyped(one)} are still two")
    if merged:
        with steps.step("Undo one of them (tailor duplicates undo)") as progress:
            pair = merged[-1]
            undone = json.loads(shop.tailor("duplicates", "undo", pair["id"], "--json"))
            progress(f"{' and '.join(undone['people'])} are two again")
        states = [one["state"] for one in json.loads(shop.tailor("duplicates", "list", "--merged", "--json"))]
        if states.count("undone") != 1:
            found.append(f"undoing one of {len(merged)} left {states.count('undone')} undone")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; see the module docstring."""
    options = _parser().parse_args(arguments)
    for sign in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(sign, _leave)
    everybody = sample_day.people()
    steps = Steps()
    try:
        ports = Ports(options.port, options.api_port, options.mailbox_port)
        with opened(ports, steps) as shop:
            played, differences = live(shop, everybody, steps)
            differences += join_doubles(shop, everybody, steps)
            _report(shop, everybody, played, differences)
            if not options.once:
                print("\nCtrl-C ends it all and leaves nothing behind.", flush=True)
                signal.pause()
            return 1 if differences else 0
    except Unusable as error:
        print(f"\n{error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nEnded.")
        return 0 if not options.once else 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make run", description="Run the whole system on this machine.")
    parser.add_argument("--once", action="store_true", help="end after the sample day; status 0 if it went as expected")
    for flag, variable, port in (
        ("--port", cloud.PORT_VARIABLE, cloud.PORT),
        ("--api-port", gate.PORT_VARIABLE, gate.PORT),
        ("--mailbox-port", postbox.PORT_VARIABLE, postbox.PORT),
    ):
        default = int(os.environ.get(variable, port))
        parser.add_argument(flag, type=int, default=default, help=f"default {port}, or {variable}")
    return parser


def _leave(number: int, frame: object) -> NoReturn:
    sys.exit(128 + number)


def _now() -> int:
    return time.time_ns() // 1_000_000


def _depth(sqs: Any, queue: str) -> int:
    names = [f"ApproximateNumberOfMessages{kind}" for kind in ("", "NotVisible", "Delayed")]
    found = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
    return sum(int(value) for value in found.values())


def _keys(running: Cloud, deployed: Deployed, url: str) -> tuple[Doors, str]:
    """One key for every door and a token for the command line, made through the API as its owner would."""
    stored = running.client("secretsmanager").get_secret_value(SecretId=deployed.outputs["AdminSecretArn"])
    admin = str(stored["SecretString"])

    def make(**key: Any) -> dict[str, Any]:
        request = urllib.request.Request(
            f"{url}/api/keys",
            data=json.dumps(key).encode(),
            headers={"Authorization": f"Bearer {admin}", "Content-Type": "application/json"},
            method="POST",
        )
        try:
            with urllib.request.urlopen(request) as answer:
                made: dict[str, Any] = json.loads(answer.read())
                return made
        except urllib.error.HTTPError as error:
            raise Unusable(f"POST /api/keys answered {error.code}: {error.read().decode()[:500]}") from error

    secret = secrets.token_hex(16)
    segment = make(name="web shop", source="segment")
    shopify = make(name="orders", source="shopify", secret=secret)
    token = make(name="command line", scopes=["read", "write"])
    return Doors(url, segment["key"], shopify["key"], secret), token["token"]


def _await_letters(shop: Shop, wanted: set[str], until: int, progress: Callable[[str], None]) -> None:
    """Wait until everybody of ``wanted`` has a letter, or the instant ``until`` has come."""
    while True:
        reached = {to for message in shop.mailbox.messages() for to in message.to}
        progress(f"{len(wanted & reached)} of {len(wanted)}")
        if wanted <= reached or _now() > until:
            return
        time.sleep(_LOOK_SECONDS)


def _report(shop: Shop, everybody: Sequence[Someone], played: Played, differences: Sequence[str]) -> None:
    messages = shop.mailbox.messages()
    by_address = {one.email: one for one in everybody}
    known = [(message, by_address[to]) for message in messages for to in message.to if to in by_address]
    sent = Counter(one.group.name for _, one in known)
    print("\nWho got a letter, and who did not\n")
    for group in sample_day.GROUPS:
        letter = group.letter or "-"
        print(f"  {sent[group.name]:4} of {group.size:3}  {letter:10} {group.name:10} {group.why}")
    late = [message.at - played.flip for message, one in known if one.group.name == "ripening"]
    if late:
        print(f"\n48 hours were over at {iso(played.flip)}; these letters left {_span(late)} later, none before.")
    if differences:
        print(f"\n{len(differences)} differences from what was expected; functions log to {shop.cloud.log}")
        for difference in differences[:20]:
            print(f"  {difference}")
    else:
        print(f"\nAll {len(messages)} letters are as expected, and nobody else got one.")
    print("\nWho was there twice, and why they are one now (tailor duplicates list --merged)\n")
    for line in shop.tailor("duplicates", "list", "--merged", "--limit", "4").splitlines():
        print(f"  {line}")
    print("\nWhy not? The system's own answer, for one of each kind:")
    for group in sample_day.GROUPS:
        if not group.letter and group.name != "anonymous":
            one = next(one for one in everybody if one.group is group)
            print(f"\n  {group.name}: {group.why}")
            for line in shop.tailor("why", one.email, sample_day.COME_BACK).splitlines():
                print(f"    {line}")
    print("\nWho is in a segment, and why? Two rules written as text, three people:")
    for key in EXPLAINED:
        print(f"\n  {key}")
        for one in sample_day.examples(everybody):
            told = shop.tailor("segment", "explain", key, one.email).splitlines()[0]
            print(f"    {one.email}: {told}")
    _invite(shop, messages)


def _span(late: Sequence[int]) -> str:
    first, last = min(late) / SECOND, max(late) / SECOND
    return f"{first:.1f} to {last:.1f} s"


def _invite(shop: Shop, messages: Sequence[Message]) -> None:
    tool = Path(sys.executable).with_name("tailor")
    program = tool.relative_to(cloud.ROOT) if tool.is_relative_to(cloud.ROOT) else tool
    print(f"\nLetters      {shop.mailbox.url}")
    print(f"API          {shop.gate.url}/api")
    for message in messages:
        if link := message.header("List-Unsubscribe").partition("<")[2].partition(">")[0]:
            print(f"One click    curl -X POST -d List-Unsubscribe=One-Click '{link}'")
            break
    print(f"\n  export TAILOR_URL={shop.gate.url} TAILOR_TOKEN={shop.token}")
    print(f"  {program} person ada@example.com")
    print(f"  {program} why ada@example.com {sample_day.COME_BACK}")
    print(f"  {program} push {PROGRAMME.relative_to(cloud.ROOT)}")
    print("\nBring people of your own; leave --dry-run out once it looks right:\n")
    print(f"  {program} import {PEOPLE}.csv --mapping {PEOPLE}.toml --dry-run")
    print(f"  {program} imports list")


if __name__ == "__main__":
    sys.exit(main())
