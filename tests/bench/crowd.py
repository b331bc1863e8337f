"""Raw records of made-up customers, with slips, gaps and households, as many as wanted and always the same."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from random import Random

from tailor.rules.matching.nicknames import GROUPS

Raw = dict[str, str]

_GIVEN = sorted(GROUPS)
_HEADS = str.split(
    "ab an ar be bo br ca co cra da de do du fa fi ga gra ha hol ja ke ko la le lo ma mo na ne or pa pe ro sa"
)
_MIDDLES = str.split("la re ni to ma ri so le va do na mi ge ra lu be")
_TAILS = str.split("son ton ley man er ez ini ard ova ski ford well by sen ura ic")
_SURNAMES = [head + middle + tail for middle in _MIDDLES for head in _HEADS for tail in _TAILS]
_DOMAINS = str.split("gmail.com yahoo.com hotmail.com outlook.com web.de orange.fr")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def _zipf(count: int) -> list[float]:
    return list(accumulate(1 / (rank + 20) for rank in range(count)))


_GIVEN_WEIGHTS, _SURNAME_WEIGHTS = _zipf(len(_GIVEN)), _zipf(len(_SURNAMES))


def records(count: int, *, seed: int = 5) -> Iterator[Raw]:
    """``count`` records of about two thirds as many people; ``cluster_id`` says who is who."""
    random = Random(seed)
    made = person = 0
    while made < count:
        home = _home(random)
        for _ in range(random.choice((1, 1, 2, 2, 3))):
            person += 1
            whole = _person(random, home)
            for _ in range(random.choice((1, 1, 1, 2, 3))):
                if made < count:
                    yield {**_seen(random, whole), "record_id": f"r{made:08d}", "cluster_id": f"p{person}"}
                    made += 1


def _home(random: Random) -> Raw:
    return {
        "last_name": random.choices(_SURNAMES, cum_weights=_SURNAME_WEIGHTS)[0],
        "street": f"{random.randint(1, 200)} {random.choice(_SURNAMES)} street",
        "city": random.choice(_SURNAMES[:800]) + "ville",
        "postcode": str(random.randint(10_000, 99_999)),
        "country": "US",
    }


def _person(random: Random, home: Raw) -> Raw:
    first = random.choices(_GIVEN, cum_weights=_GIVEN_WEIGHTS)[0]
    mailbox = f"{first}.{home['last_name']}{random.randint(1, 999)}"
    return home | {
        "first_name": first,
        "dob": f"{random.randint(1940, 2006)}-{random.randint(1, 12):02d}-{random.randint(1, 28):02d}",
        "email": f"{mailbox}@{random.choice(_DOMAINS)}",
        "phone": f"{random.randint(2, 9)}{random.randint(10**8, 10**9 - 1)}",
    }


def _seen(random: Random, whole: Raw) -> Raw:
    """One record of a person: some fields missing, some mistyped."""
    seen = dict(whole)
    for field, gone in (("dob", 0.5), ("email", 0.35), ("phone", 0.4), ("street", 0.4), ("first_name", 0.05)):
        if random.random() < gone:
            seen[field] = ""
    if not seen["street"]:
        seen["city"] = seen["postcode"] = ""
    for field in ("first_name", "last_name", "street"):
        if len(seen[field]) > 3 and random.random() < 0.06:
            place = random.randrange(1, len(seen[field]))
            seen[field] = seen[field][:place] + random.choice(_LETTERS) + seen[field][place + 1 :]
    return seen
