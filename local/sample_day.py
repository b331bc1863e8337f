"""A day in the life of a shop: 300 made-up people, what they do at its doors, and which letters that must cause.

What they do goes in by the doors of real clients: Segment's own library (plain and gzip) and signed Shopify webhooks.
Which letters must follow is said here a second time, from the groups alone, so that the system can be held to it.
The same seed makes the same people.
"""

from __future__ import annotations

import hmac
import json
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from html import unescape
from itertools import count
from random import Random
from typing import Any

from segment.analytics.client import Client  # type: ignore[import-untyped]

from cloud import Unusable
from postbox import Message
from tailor.kernel.instants import DAY, HOUR, MINUTE, iso

COME_BACK = "come-back"
WELCOME = "welcome"
WISHLIST = "wishlist"

WINDOW = 48 * HOUR
LEAD = MINUTE
"""How long after the start the people of ``ripening`` must get their letter."""
_RETRY_SECONDS = (0.5, 1, 2, 4, 8)


@dataclass(frozen=True, slots=True)
class Group:
    """People who do the same. ``why`` says what must become of them, ``letter`` is the template they get, or ``""``."""

    name: str
    size: int
    why: str
    letter: str = ""


GROUPS = (
    Group("ripe", 40, "looked 50 h ago, bought nothing since", COME_BACK),
    Group("ripening", 20, "looked 47 h 59 min ago: 48 h are over a minute after the start", COME_BACK),
    Group("newcomer", 30, "signed up just now", WELCOME),
    Group("wisher", 20, "put something on the wishlist just now", WISHLIST),
    Group("buyer", 60, "looked 50 h ago, bought 30 h ago"),
    Group("fresh", 40, "looked 2 h ago, 48 h are not over"),
    Group("unasked", 25, "looked 50 h ago, was never asked for consent"),
    Group("refused", 25, "looked 50 h ago, refused marketing"),
    Group("withdrawn", 20, "looked 50 h ago, agreed once and took it back"),
    Group("anonymous", 20, "looked 50 h ago, left no address"),
)

DOUBLES = 12
"""So many of ``fresh`` come twice: known to the shop, and as a stranger at the newsletter who mistypes the address."""
_SURNAMES = (
    "Haverly",
    "Okafor",
    "Lindqvist",
    "Marchetti",
    "Petrenko",
    "Sandoval",
    "Thorsen",
    "Ueda",
    "Vranić",
    "Zwick",
)

ADA = 1
"""The number of the one whom examples speak of: she likes the outdoors, runs, and is written to."""

_NAMES = (
    *("Ada", "Zoë", "Jürgen", "Nadia", "O'Neil", "李雷", "ليلى", "Ingrid", "Tomás", "Priya", "Kwame", "Sölvi"),
    *("Marta", "Yuki", "Anne-Marie", "Dmytro", "Ravi", "Chloé", "Siobhán", "Emeka", "Łukasz", "Aroha", "Mehmet", "Bea"),
    # A name that is a template: it must come out as it went in.
    "{CTA_Link}{{ 7 * 7 }}",
)
_PRODUCTS = {
    "Two-person tent": "camping",
    "Ranger's lamp": "camping",
    "Trail runner 3": "running shoes",
    "Linen shirt": "sustainable fashion",
    "Rain jacket": "jackets",
    "Enamel mug": "kitchen",
}
_INTERESTS = ((), (), ("outdoor",), ("outdoor", "cooking"), ("reading",), ("sustainable fashion",))
_ECO = {"gender": "female", "age": 29, "area": "urban", "city.kind": "urban", "values": ["eco-conscious", "eco"]}


@dataclass(frozen=True, slots=True)
class Someone:
    """One made-up person; ``""`` and ``()`` stand for what nobody knows of them."""

    number: int
    group: Group
    first_name: str
    interests: tuple[str, ...]
    eco: bool
    product: str
    bought: str
    counted: bool

    @property
    def email(self) -> str:
        """Their address, in a domain that is nobody's (RFC 2606)."""
        return "ada@example.com" if self.number == ADA else f"person{self.number}@example.com"

    @property
    def user_id(self) -> str:
        """Their id in the shop."""
        return f"u-{self.number}"


@dataclass(frozen=True, slots=True)
class Expected:
    """What a letter must be: texts that show, texts that must not, and where the call to action leads.

    ``link`` is empty where clicks are counted, because the link is then our own.
    """

    template: str
    subject: str
    preheader: str
    shows: tuple[str, ...] = ()
    hides: tuple[str, ...] = ()
    cta: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True)
class Doors:
    """Where events go, and with which keys. ``url`` is the root of the HTTP API."""

    url: str
    segment_key: str
    shopify_key: str
    shopify_secret: str


@dataclass(slots=True)
class Played:
    """What was done: events by Segment, orders by Shopify, and the instant at which ``ripening`` is ripe (ms)."""

    calls: int = 0
    orders: int = 0
    flip: int = 0


def people(seed: int = 7) -> tuple[Someone, ...]:
    """The people of the day."""
    random = Random(seed)
    numbers = count(ADA)
    made = tuple(_someone(random, next(numbers), group) for group in GROUPS for _ in range(group.size))
    ada = replace(made[0], first_name="Ada", interests=("outdoor",), product="Two-person tent", bought="Trail runner 3")
    return (ada, *made[1:])


def _someone(random: Random, number: int, group: Group) -> Someone:
    return Someone(
        number=number,
        group=group,
        first_name=random.choice((*_NAMES, "")),
        interests=random.choice(_INTERESTS),
        eco=random.random() < 0.3,
        product=random.choice(list(_PRODUCTS)),
        bought=random.choice(("", *_PRODUCTS)),
        counted=random.random() < 0.5,
    )


def examples(everybody: Iterable[Someone]) -> tuple[Someone, Someone, Someone]:
    """Three people whose segments are worth explaining: one who looks around, one who bought, one who cares."""
    known = [one for one in everybody if one.group.name != "anonymous"]
    looking, bought = (next(one for one in known if one.group.name == name) for name in ("fresh", "buyer"))
    caring = next(one for one in known if one.eco and "sustainable fashion" in one.interests)
    return looking, bought, caring


def doubles(everybody: Iterable[Someone]) -> tuple[Someone, ...]:
    """Those who come twice."""
    return tuple(one for one in everybody if one.group.name == "fresh")[:DOUBLES]


def mistyped(one: Someone) -> str:
    """The address that somebody who comes twice leaves the second time."""
    return one.email.replace("@example.com", "@exmaple.com")


def _home(one: Someone) -> dict[str, Any]:
    """What tells of somebody who comes twice that they are the same."""
    return {
        "firstName": one.first_name or "Kim",
        "lastName": _SURNAMES[one.number % len(_SURNAMES)],
        "birthDate": f"{1950 + one.number % 50}-0{1 + one.number % 9}-1{one.number % 10}",
        "address": {"street": f"{one.number} High Street", "city": "Springfield", "postalCode": f"62{one.number:03}"},
    }


def expected(everybody: Iterable[Someone]) -> dict[str, Expected]:
    """Address → the one letter its owner must get; who is not in it must get none."""
    return {one.email: _letter(one) for one in everybody if one.group.letter}


def _letter(one: Someone) -> Expected:
    name = one.first_name or "there"
    if one.group.letter == WELCOME:
        link = "" if one.counted else "https://trail.example/account"
        return Expected(WELCOME, f"Welcome, {name}", "Your account is ready", (name,), (), "Open your account", link)
    if one.group.letter == WISHLIST:
        link = "" if one.counted else "https://trail.example/wishlist"
        return Expected(
            WISHLIST, f"{name}, it is on your list", "We keep it for you", (name,), (), "Open my list", link
        )
    category = _PRODUCTS.get(one.bought, "")
    blocks = {"Out you go": "outdoor" in one.interests, "Your next pair": category == "running shoes"}
    if "outdoor" in one.interests:
        cta, page = "Pack for the weekend", "outdoor"
    elif category == "running shoes":
        cta, page = "Find your next pair", "running"
    elif one.eco and "sustainable fashion" in one.interests:
        cta, page = "See what is made to last", "sustainable"
    else:
        cta, page = f"Back to {one.product}", "seen"
    return Expected(
        COME_BACK,
        f"{name}, Your Personalized Deal Awaits!",
        f"Exclusive offers on {category or 'things you like'} just for you!",
        (one.product, *(text for text, shown in blocks.items() if shown)),
        tuple(text for text, shown in blocks.items() if not shown),
        cta,
        "" if one.counted else f"https://trail.example/{page}?from=come-back",
    )


def check(message: Message, wanted: Expected) -> list[str]:
    """What is wrong with a letter, in words; empty where nothing is."""
    html = unescape(message.body.html)
    found = []
    if message.subject != wanted.subject:
        found.append(f"subject {message.subject!r} instead of {wanted.subject!r}")
    if not message.preview.startswith(wanted.preheader):
        found.append(f"preheader {message.preview!r} instead of {wanted.preheader!r}")
    found += [f"{text!r} is missing" for text in wanted.shows if text not in html]
    found += [f"{text!r} should not be there" for text in wanted.hides if text in html]
    if f">{wanted.cta}</a>" not in html:
        found.append(f"call to action {wanted.cta!r} is missing")
    if wanted.link and f'href="{wanted.link}"' not in html:
        found.append(f"no link to {wanted.link}")
    if wanted.template != WELCOME:
        headers = message.raw_headers
        if "\nList-Unsubscribe: <http" not in headers or ">" not in headers.partition("\nList-Unsubscribe: ")[2]:
            found.append("List-Unsubscribe is not whole")
        if "\nList-Unsubscribe-Post: List-Unsubscribe=One-Click" not in headers:
            found.append("List-Unsubscribe-Post is missing")
    return found


def compare(everybody: Iterable[Someone], messages: Iterable[Message], flip: int) -> list[str]:
    """How the letters sent differ from those expected; empty where they are the same.

    ``flip`` is the instant before which nobody of ``ripening`` may get a letter. Addresses are named: nobody has them.
    """
    everybody = tuple(everybody)
    wanted = expected(everybody)
    ripening = {one.email for one in everybody if one.group.name == "ripening"}
    found: list[str] = []
    seen: set[str] = set()
    for message in messages:
        (to,) = message.to
        if to not in wanted:
            found.append(f"{to}: a letter nobody expects, {message.subject!r}")
        elif to in seen:
            found.append(f"{to}: a second letter, {message.subject!r}")
        else:
            found += [f"{to}: {problem}" for problem in check(message, wanted[to])]
            if to in ripening and message.at < flip:
                found.append(f"{to}: a letter {flip - message.at} ms too early")
        seen.add(to)
    return found + [f"{to}: no letter, {wanted[to].subject!r} expected" for to in wanted if to not in seen]


@dataclass(slots=True)
class _Day:
    doors: Doors
    clock: Callable[[], int]
    played: Played = field(default_factory=Played)
    clients: list[Any] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    orders: list[tuple[dict[str, Any], str]] = field(default_factory=list)

    def open(self) -> None:
        for gzip in (False, True):
            self.clients.append(
                Client(self.doors.segment_key, host=self.doors.url, gzip=gzip, on_error=self._failed, max_retries=4)
            )

    def close(self) -> None:
        for client in self.clients:
            client.join()

    def call(self, kind: str, one: Someone, *arguments: Any, at: int, **more: Any) -> None:
        """One call of Segment's library, about half of them through the client that compresses."""
        moment = datetime.fromtimestamp(at / 1000, UTC)
        getattr(self.clients[one.number % 2], kind)(*arguments, timestamp=moment, **more)
        self.played.calls += 1

    def identify(self, one: Someone, at: int, consent: Mapping[str, bool] | None) -> None:
        traits: dict[str, Any] = {"email": one.email, "firstName": one.first_name, "interests": list(one.interests)}
        if one.eco:
            traits |= _ECO
        context = {"consent": {"categoryPreferences": dict(consent)}} if consent is not None else {}
        known = {name: value for name, value in traits.items() if value}
        self.call("identify", one, one.user_id, known, context=context, at=at)

    def come_twice(self, one: Someone, at: int) -> None:
        """Give an address and a birthday in the shop, and again at the newsletter."""
        context = {"consent": {"categoryPreferences": {"Marketing": True, "Analytics": False}}}
        self.call("identify", one, one.user_id, {"email": one.email, **_home(one)}, context=context, at=at)
        stranger = {"anonymous_id": f"newsletter-{one.number}"}
        self.call("identify", one, None, {"email": mistyped(one), **_home(one)}, context=context, at=at, **stranger)

    def view(self, one: Someone, at: int) -> None:
        who = {"anonymous_id": f"a-{one.number}"} if one.group.name == "anonymous" else {"user_id": one.user_id}
        properties = {"name": one.product, "category": _PRODUCTS[one.product]}
        self.call("track", one, event="Product Viewed", properties=properties, at=at, **who)

    def order(self, one: Someone, product: str, at: int) -> None:
        number = 5_000_000_000_000_000_000 + one.number * 100 + len(self.orders) % 100
        line = {"product_id": 1, "title": product, "product_type": _PRODUCTS[product], "quantity": 1, "price": "59.90"}
        body = {
            "id": number,
            "email": one.email,
            "created_at": iso(at),
            "processed_at": iso(at),
            "currency": "EUR",
            "current_total_price": "59.90",
            "line_items": [line],
            "customer": {"id": 7_000_000_000_000 + one.number, "email": one.email},
        }
        self.orders.append((body, iso(at)))

    def flush(self) -> None:
        """Hand everything over, and see that it was taken."""
        for client in self.clients:
            client.flush()
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(self._post_order, self.orders))
        self.played.orders += len(self.orders)
        self.orders.clear()
        if self.failures:
            raise Unusable(f"{len(self.failures)} requests were refused, the first with: {self.failures[0]}")

    def _post_order(self, order: tuple[dict[str, Any], str]) -> None:
        body = json.dumps(order[0]).encode()
        signature = b64encode(hmac.digest(self.doors.shopify_secret.encode(), body, "sha256")).decode()
        headers = {
            "Content-Type": "application/json",
            "X-Shopify-Topic": "orders/create",
            "X-Shopify-Shop-Domain": "trail.myshopify.com",
            "X-Shopify-Event-Id": f"event-{order[0]['id']}",
            "X-Shopify-Triggered-At": order[1],
            "X-Shopify-Hmac-Sha256": signature,
        }
        url = f"{self.doors.url}/sources/shopify/{self.doors.shopify_key}"
        request = urllib.request.Request(url, data=body, headers=headers, method="POST")
        for wait in (*_RETRY_SECONDS, None):
            try:
                urllib.request.urlopen(request, timeout=60).close()
                return
            except OSError as error:
                # Shopify, too, comes again with the same webhook when a door is busy.
                if wait is None or (isinstance(error, urllib.error.HTTPError) and error.code < 500):
                    self.failures.append(str(error))
                    return
                time.sleep(wait)

    def _failed(self, error: Exception, batch: list[Any]) -> None:
        self.failures.append(str(error))


def play(everybody: Iterable[Someone], doors: Doors, *, clock: Callable[[], int], settle: Callable[[], None]) -> Played:
    """Do everything the people do; ``settle`` waits until the system has taken in what was sent.

    Who people are, what they permit and what they bought goes in first: what they looked at would else, for a moment,
    look like a reason for a letter.

    Raises
    ------
    Unusable : a door refused a request.
    """
    day = _Day(doors, clock)
    day.open()
    try:
        for one in everybody:
            _introduce(day, one, clock())
        for one in doubles(everybody):
            day.come_twice(one, clock() - 30 * DAY)
        day.flush()
        settle()
        # Those whose minute it is come last, so that the minute is still ahead when they are in.
        for one in sorted(everybody, key=lambda one: one.group.name == "ripening"):
            _act(day, one, clock())
        day.flush()
    finally:
        day.close()
    return day.played


def _introduce(day: _Day, one: Someone, now: int) -> None:
    agreed = {"Marketing": True, "Analytics": one.counted}
    match one.group.name:
        case "anonymous" | "newcomer":
            return
        case "unasked":
            day.identify(one, now - 60 * DAY, None)
        case "refused":
            day.identify(one, now - 60 * DAY, {"Marketing": False, "Analytics": False})
        case "withdrawn":
            day.identify(one, now - 60 * DAY, agreed)
            day.identify(one, now - 5 * DAY, {"Marketing": False, "Analytics": False})
        case _:
            day.identify(one, now - 60 * DAY, agreed)
    if one.bought:
        day.order(one, one.bought, now - 30 * DAY)
    if one.group.name == "buyer":
        day.order(one, one.product, now - 30 * HOUR)


def _act(day: _Day, one: Someone, now: int) -> None:
    match one.group.name:
        case "newcomer":
            day.identify(one, now, {"Marketing": one.eco, "Analytics": one.counted})
            day.call("track", one, one.user_id, "Signed Up", at=now)
        case "wisher":
            day.call("track", one, one.user_id, "Product Added to Wishlist", {"name": one.product}, at=now)
        case "fresh":
            day.view(one, now - 2 * HOUR)
        case "ripening":
            day.played.flip = day.played.flip or now + LEAD
            day.view(one, day.played.flip - WINDOW)
        case _:
            day.view(one, now - 50 * HOUR)
