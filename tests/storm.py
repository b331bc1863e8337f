"""A storm over the doors: another process posts, workers die, AWS throttles, records come twice and out of order.

:func:`run` lets the client of ``load_client.py`` post to the real ``ingest`` over HTTP on the loopback while the real
``absorb`` works; :func:`calm` is the same without any trouble. Both answer what came of it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError
from moto.core.model_instances import reset_model_data

from gateway import event, route
from tailor.edges import runtime
from tailor.kernel.instants import iso
from tailor.kernel.keys import digest
from tailor.kernel.person import Person
from world import CONTEXT, Gate, Killed, World, app

CLIENT = Path(__file__).with_name("load_client.py")
SECRET = b"load-secret"
SOURCES = ("segment", "shopify", "stripe", "webhook")
BATCH = 20
TOLD = 30.0
"""Seconds between two words of how far it is."""

Say = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was sent and what became of it: different events absorbed, rows in quarantine, a digest of all people."""

    sent: dict[str, int]
    absorbed: int
    quarantined: int
    people: str
    troubles: dict[str, int]


class Weather(Gate):
    """Every call to AWS may be throttled, or be the last of its worker; ``calm`` ends that."""

    def __init__(self, random: Random) -> None:
        super().__init__()
        self.random, self.calm = random, False
        self.troubles = {"killed": 0, "throttled": 0, "redelivered": 0, "held up": 0}

    def pass_through(self, call: Callable[[], Any], operation: str = "") -> Any:
        """One call to AWS."""
        fate = 1.0 if self.calm else self.random.random()
        if fate < 0.02:
            self.troubles["throttled"] += 1
            raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "slow down"}}, "any")
        done = call()
        if fate < 0.04:
            self.troubles["killed"] += 1
            raise Killed
        return done


def run(world: World, *, items: int, seconds: int = 0, seed: int = 7, say: Say = lambda text: None) -> Outcome:
    """Post ``items`` (or what ``seconds`` allow) in bad weather, until all is absorbed."""
    return _play(world, Weather(Random(seed)), items, seconds, say)


def calm(world: World, *, items: int, say: Say = lambda text: None) -> Outcome:
    """Post ``items`` in fair weather."""
    weather = Weather(Random(0))
    weather.calm = True
    return _play(world, weather, items, 0, say)


def _play(world: World, weather: Weather, items: int, seconds: int, say: Say) -> Outcome:
    _keys(world)
    now = world.now
    world.gate = world.dynamo._gate = weather
    runtime.meter = lambda: SimpleNamespace(wait=lambda *_, **__: _held_up(weather))  # type: ignore[assignment,return-value]
    at_work = threading.Lock()
    with _served(at_work) as url:
        command = [sys.executable, str(CLIENT), url, str(now), "0", str(items), str(seconds)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as client:
            batches, told = 0, time.monotonic()
            while client.poll() is None or world.queues["ingest"]:
                batches += 1
                if time.monotonic() - told > TOLD:
                    told = time.monotonic()
                    say(f"{batches:,} batches absorbed, {len(world.queues['ingest']):,} messages wait")
                with at_work:
                    _absorb(world, weather)
                    # moto keeps hold of whatever it ever made: 24 GB in ten minutes.
                    reset_model_data()
                weather.calm |= client.poll() is not None and not weather.random.randrange(50)
            assert client.stdout is not None
            sent = json.loads(client.stdout.read())
    return Outcome(
        sent, _absorbed(world), len(list(world.store.quarantined(iso(now)[:10]))), _people(world), weather.troubles
    )


def _keys(world: World) -> None:
    for source in SOURCES:
        world.store.define("key", digest(f"load-{source}-key"), {"id": f"k_{source}", "source": source})
        runtime._CACHE[f"secret:k_{source}"] = (1 << 62, (SECRET,))


def _held_up(weather: Weather) -> int:
    if weather.calm or weather.random.random() > 0.03:
        return 0
    weather.troubles["held up"] += 1
    return 1


def _absorb(world: World, weather: Weather) -> None:
    """One batch; what a dead worker had in hand comes again, and some of what was done comes twice."""
    queue = world.queues["ingest"]
    if not weather.calm:
        weather.random.shuffle(queue)
    bodies, queue[:] = queue[:BATCH], queue[BATCH:]
    records = [{"messageId": str(index), "body": body} for index, body in enumerate(bodies)]
    if not records:
        return
    try:
        failed = {
            one["itemIdentifier"] for one in app("absorb").handler({"Records": records}, CONTEXT)["batchItemFailures"]
        }
    except Killed:
        queue += bodies
        return
    queue += [record["body"] for record in records if record["messageId"] in failed]
    if not weather.calm and weather.random.random() < 0.2:
        weather.troubles["redelivered"] += len(bodies)
        queue += bodies
    world.stream.clear()


@contextmanager
def _served(at_work: threading.Lock) -> Iterator[str]:
    """The doors over HTTP; a worker that dies closes the connection without a word."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            try:
                with at_work:
                    status, _, text = route(event("POST", self.path, body, dict(self.headers.items())))
            except Killed:
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("content-length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *arguments: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _absorbed(world: World) -> int:
    """Different events that stand in people's histories, each by its mark."""
    return sum(1 for person in world.everybody() for _ in world.store.events(person))


def _people(world: World) -> str:
    return sha256(json.dumps(sorted(_portrait(person) for person in world.everybody())).encode()).hexdigest()


def _portrait(person: Person) -> str:
    """A person without what the order of arrival may decide: ids, versions, instants of decisions."""
    held = {kind: sorted(values) for kind, values in person.identifiers.items()}
    history = {name: [count, times] for name, (count, times) in person.history.items()}
    known = [held, person.attributes, person.consent, history, person.orders, person.purchases, sorted(person.marks)]
    return json.dumps(known, sort_keys=True)
