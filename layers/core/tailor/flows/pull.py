"""Pull: what was changed at a vendor since the last time, page by page, each behind a checkpoint.

A pull's state is one row of the ledger: its cursor, when it is due, and a lease. A page is queued before the cursor
moves, so a worker killed in between asks for it again, and the same answer gives the same events. What the vendor does
not want now it is not asked for: it says for how long, and until then the pull is not due.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

from tailor.edges.bus import Queue, envelopes
from tailor.edges.outside import Heard
from tailor.edges.store import Store
from tailor.flows.checkpoint import keep
from tailor.kernel.document import read_json
from tailor.kernel.errors import Rejected, Transient
from tailor.kernel.inbound import Inbound
from tailor.kernel.instants import HOUR, MINUTE, SECOND, iso
from tailor.rules import pulls
from tailor.rules.pulls import Ask, Pull, ask, contacts, hydration, read_pull
from tailor.sources import SOURCES, read

KIND = "pull"
"""Kind of the definitions, and of the rows that say how far each is."""
LEASE = 3 * MINUTE
ROOM = 16 * 1024 * 1024
"""Bytes of one answer."""
PAUSE = {"hubspot": 0.25, "salesforce": 0.0, "woocommerce": 0.2}
"""Seconds between two requests; HubSpot allows four searches in one."""
BUSY = frozenset({429, 500, 502, 503, 504})
LONGEST = HOUR


@dataclass(frozen=True, slots=True)
class Desk:
    """What pulling needs of the world.

    Attributes
    ----------
    call : one HTTP request; raises ``Transient`` where there is no answer.
    secret : name of a pull → what it shows, newest first.
    pause : waits so many seconds.
    """

    store: Store
    queue: Queue
    call: Callable[[str, str, bytes, Mapping[str, str]], Heard]
    secret: Callable[[str], Sequence[bytes]]
    pause: Callable[[float], None]


@dataclass(slots=True)
class State:
    """How far a pull is: ``due`` when it goes on, ``counts`` of ``found`` records, ``events`` and ``refused``."""

    name: str
    version: int = 0
    cursor: dict[str, Any] = field(default_factory=dict)
    due: int = 0
    lease: int = 0
    touched: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    problem: str = ""

    def to_json(self) -> dict[str, Any]:
        """For people."""
        return {
            "name": self.name,
            "due": iso(self.due) if self.due else None,
            "last": iso(self.touched) if self.touched else None,
            "counts": self.counts,
            "problem": self.problem or None,
        }


def define(name: str, document: Mapping[str, Any], store: Store) -> None:
    """Enter a pull, or change one; a new one is due at once.

    Raises
    ------
    Rejected : it is wrong.
    """
    read_pull(name, _described(document))
    store.define(KIND, name, document)


def states(store: Store) -> list[tuple[dict[str, Any], State]]:
    """Every pull's document, and how far it is, by name."""
    rows = store.jobs(KIND)
    found = []
    for name, document in sorted(store.definitions(KIND).items()):
        version, known = rows.get(name, (0, {}))
        found.append((document, State(**{**known, "name": name, "version": version})))
    return found


def due(store: Store, *, now: int) -> list[str]:
    """Names of the pulls that nobody has and whose time has come."""
    return [state.name for _, state in states(store) if state.due <= now and state.lease <= now]


def _described(document: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != "key"}


def pull(name: str, desk: Desk, *, clock: Callable[[], int], enough: Callable[[], bool]) -> State | None:
    """Fetch what is new; ``None`` where there is no such pull, or another worker has it."""
    found = next(((document, state) for document, state in states(desk.store) if state.name == name), None)
    now = clock()
    if found is None or found[1].lease > now or found[1].due > now:
        return None
    about, state = read_pull(name, _described(found[0])), replace(found[1], lease=now + LEASE)
    if not _keep(state, desk.store):
        return None
    try:
        headers = _authorized(about, desk)
        more = True
        while more and not enough():
            answer = _asked(about, ask(about, state.cursor), headers, desk)
            page = pulls.read(about, state.cursor, answer)
            counts = _queue(about, page.bodies, desk, now=clock())
            counts["found"] = page.found
            more = page.more
            then = clock()
            state = replace(
                state,
                cursor=page.cursor,
                counts=dict(Counter(state.counts) + counts),
                lease=then + LEASE if more else 0,
                due=0 if more else then + about.every,
                touched=then,
                problem="",
            )
            if not _keep(state, desk.store):
                return None
            desk.pause(PAUSE[about.source])
        state = replace(state, lease=0)
    except Transient as later:
        wait = min(max(later.retry_after * SECOND, MINUTE), LONGEST)
        state = replace(state, lease=0, due=clock() + wait, problem=str(later))
    except Rejected as refusal:
        state = replace(state, lease=0, due=clock() + max(about.every, 10 * MINUTE), problem=refusal.detail)
    return state if _keep(state, desk.store) else None


def hydrate(key: str, numbers: list[str], desk: Desk, *, clock: Callable[[], int]) -> int:
    """Read contacts of HubSpot of whom only a change is known; answers how many events that gave. Without a pull for
    the key that told of them nothing can be read, and nothing is.

    Raises
    ------
    Transient : not now.
    """
    for document, state in states(desk.store):
        if document.get("key") == key and document.get("source") == "hubspot":
            about = read_pull(state.name, _described(document))
            headers = _authorized(about, desk)
            counts: Counter[str] = Counter()
            for start in range(0, len(numbers), 100):
                answer = _asked(about, hydration(about, numbers[start : start + 100]), headers, desk)
                counts += _queue(about, contacts(about, answer), desk, now=clock())
            return counts["events"]
    return 0


def _keep(state: State, store: Store) -> bool:
    return keep(state, store, kind=KIND, called="name")


def _queue(about: Pull, bodies: Sequence[Inbound], desk: Desk, *, now: int) -> Counter[str]:
    counts: Counter[str] = Counter()
    for body in bodies:
        parsed = read(SOURCES[about.source], body, now=now)
        events = [event.to_json() for event in parsed.events]
        desk.queue.put(envelopes(about.source, f"pull {about.name}", events, received=now))
        rows = [
            {"source": about.source, "key": f"pull {about.name}", "reason": error.problem(), "raw": raw}
            for error, raw in parsed.refused
        ]
        desk.store.quarantine(rows, now=now)
        counts.update({"events": len(events), "refused": len(rows)})
    return counts


def _authorized(about: Pull, desk: Desk) -> dict[str, str]:
    """Headers that show who we are.

    Raises
    ------
    Rejected : there is no secret, or Salesforce does not take it.
    """
    secret = next(iter(desk.secret(about.name)), b"").decode()
    if not secret:
        raise Rejected("no secret is stored: tailor pull put NAME FILE --secret-file FILE", code="no-secret")
    match about.source:
        case "woocommerce":
            return {"authorization": "Basic " + b64encode(secret.encode()).decode()}
        case "salesforce":
            client, _, password = secret.partition(":")
            form = {"grant_type": "client_credentials", "client_id": client, "client_secret": password}
            answer = _asked(
                about,
                Ask("POST", "/services/oauth2/token", urlencode(form).encode()),
                {"content-type": "application/x-www-form-urlencoded"},
                desk,
            )
            return {"authorization": f"Bearer {answer.get('access_token') if isinstance(answer, dict) else ''}"}
        case _:
            return {"authorization": f"Bearer {secret}"}


def _asked(about: Pull, one: Ask, headers: Mapping[str, str], desk: Desk) -> Any:
    """The JSON of an answer.

    Raises
    ------
    Transient : the vendor is busy, or we were too fast.
    Rejected : it does not let us in, or does not understand us.
    """
    kind = {"accept": "application/json", "content-type": "application/json"}
    heard = desk.call(one.method, about.url + one.path, one.body, kind | dict(headers))
    if heard.status in BUSY or (heard.status == 403 and b"REQUEST_LIMIT_EXCEEDED" in heard.body):
        told = heard.headers.get("retry-after", "")
        wait = int(told) if told.isdecimal() and len(told) < 6 else 60
        raise Transient(f"{about.source} wants to be asked later (HTTP {heard.status})", retry_after=wait)
    if heard.status >= 300:
        said = heard.body[:200].decode("utf-8", "replace")
        hint = ": look at the secret and what it permits" if heard.status in (401, 403) else ""
        raise Rejected(f"{about.source} answers HTTP {heard.status}{hint} {json.dumps(said)}", code="refused-by-vendor")
    return read_json(heard.body)
