"""Subscribe: webhooks, which are told facts as they become known."""

from __future__ import annotations

from base64 import b32encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from tailor.edges.bus import Queue
from tailor.edges.outside import Outside
from tailor.edges.store import Store
from tailor.kernel.errors import Rejected
from tailor.kernel.fields import nearest
from tailor.kernel.keys import digest

KIND = "webhook"
FACTS = (
    "segment.entered",
    "segment.exited",
    "journey.entered",
    "journey.finished",
    "journey.crowded",
    "journey.webhook",
    "message.unconfirmed",
    "campaign.warned",
    "campaign.paused",
    "campaign.finished",
    "person.erasure_requested",
    "audit.disagreed",
    "webhook.disabled",
)
"""Every fact there is; each has a schema in ``events/contracts``."""
CALL = "journey.webhook"
WEBHOOKS = 100
REPLAYED = 10_000
"""Deliveries queued again by one request."""


def subscribe(
    url: str,
    events: Sequence[str],
    store: Store,
    outside: Outside,
    *,
    entropy: bytes,
    keep_secret: Callable[[str, str], None],
    now: int,
) -> dict[str, Any]:
    """A new webhook: the document of :func:`subscriptions` and its ``secret``, which is never shown again.

    Parameters
    ----------
    url : https, to a public address.
    events : names of facts; ``segment.*`` means all of a kind, ``*`` all, ``journey.webhook:NAME`` the calls that
        journeys make to the webhook of that name.
    entropy : 32 bytes that nobody else has.
    keep_secret : stores (id, secret).

    Raises
    ------
    Rejected : the URL may not be posted to, an event that is none, or too many webhooks.
    """
    outside.check(url)
    if not events:
        raise Rejected(f"name at least one of {', '.join(FACTS)}, or *", code="bad-event", pointer="/events")
    for index, pattern in enumerate(events):
        if not pattern.startswith(f"{CALL}:") and not any(fnmatchcase(fact, pattern) for fact in FACTS):
            detail = f"there is no fact {pattern!r}{nearest(pattern, FACTS)}"
            raise Rejected(detail, code="bad-event", pointer=f"/events/{index}")
    if len(store.definitions(KIND)) >= WEBHOOKS:
        raise Rejected(f"there are {WEBHOOKS} webhooks already: delete one", code="too-many", status=422)
    secret = f"whsec_{b32encode(entropy).decode().rstrip('=').lower()}"
    id = f"wh_{digest(secret, size=10)}"
    keep_secret(id, secret)
    document = {"url": url, "events": sorted(set(events)), "created": now, "enabled": True, "why": ""}
    store.define(KIND, id, document)
    return {"id": id, **document, "secret": secret}


def subscriptions(store: Store) -> list[dict[str, Any]]:
    """All webhooks, the oldest first: ``{"id", "url", "events", "created", "enabled", "why", "failures"}``.

    ``why`` says what disabled one, ``failures`` how many attempts have failed since the last that did not.
    """
    found = [{"id": id, **d, "failures": store.tallied(KIND, id)} for id, d in store.definitions(KIND).items()]
    return sorted(found, key=lambda one: (int(one["created"]), str(one["id"])))


def unsubscribe(id: str, store: Store, *, forget_secret: Callable[[str], None]) -> None:
    """Tell a webhook nothing any more.

    Raises
    ------
    Rejected : there is none (404).
    """
    _known(id, store)
    store.undefine(KIND, id)
    store.reset(KIND, id)
    forget_secret(id)


def enable(id: str, store: Store) -> None:
    """Tell a webhook again what becomes known from now on; :func:`replay` tells it what it missed.

    Raises
    ------
    Rejected : there is none (404).
    """
    document = _known(id, store)
    store.reset(KIND, id)
    store.define(KIND, id, {**document, "enabled": True, "why": ""})


def replay(id: str, since: int, store: Store, queue: Queue, *, everything: bool) -> dict[str, Any]:
    """Queue again what a webhook was to be told of what happened since an instant; what reached it only if
    ``everything``. Answers ``{"queued", "next"}``: where to go on if there was more, else ``None``.

    Raises
    ------
    Rejected : there is none (404), or it is disabled (409).
    """
    if not _known(id, store)["enabled"]:
        raise Rejected("this webhook is disabled: enable it first", code="disabled", status=409)
    queued: list[str] = []
    resume: int | None = None
    for delivery, state in store.deliveries(id, since=since):
        at = int(delivery[:13])
        if len(queued) >= REPLAYED and at > int(queued[-1][:13]):
            resume = at
            break
        if everything or state != "DELIVERED":
            queued.append(delivery)
    queue.put({"webhook": id, "delivery": delivery, "again": True} for delivery in queued)
    return {"queued": len(queued), "next": resume}


def wanted(fact: Mapping[str, Any], events: Iterable[str]) -> bool:
    """Whether a subscription to ``events`` covers a fact; a journey's call is also known by its webhook's name."""
    known = [fact["name"], *([f"{CALL}:{fact['webhook']}"] if fact["name"] == CALL else [])]
    return any(fnmatchcase(name, pattern) for name in known for pattern in events)


def _known(id: str, store: Store) -> dict[str, Any]:
    document = store.definition(KIND, id)
    if document is None:
        raise Rejected("there is no such webhook", code="not-found", status=404)
    return document
