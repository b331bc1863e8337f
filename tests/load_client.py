"""Posts to the doors from a process of its own, as vendors do: signed, mixed, and again until it is taken.

``python load_client.py URL NOW BEGIN ITEMS SECONDS`` sends the items from ``BEGIN`` on, ``ITEMS`` of them or as many as
``SECONDS`` allow (0: no limit), and prints ``{"items", "usable", "unusable", "tries"}`` as JSON. The same numbers give
the same requests, so that another run can be compared.
"""

from __future__ import annotations

import hmac
import json
import sys
import time
from base64 import b64encode
from hashlib import sha256
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlsplit

PEOPLE_OF = 40
"""Items that concern the same dozen people; then come others, so that nobody has more events than are remembered."""
SECRET = b"load-secret"


def person(number: int) -> str:
    """Who an item is about."""
    return f"u-{number // PEOPLE_OF}-{number % 12}"


def instant(now: int, number: int) -> str:
    """An instant of its own for each item, before ``now``."""
    at = now - 3_600_000 + number % 3_000_000
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(at // 1000))}.{at % 1000:03d}Z"


def item(number: int, now: int) -> tuple[str, dict[str, str], bytes, int, int]:
    """(path, headers, body, usable events, unusable ones) of one request."""
    who, at = person(number), instant(now, number)
    match number % 5:
        case 0:
            calls: list[Any] = [
                {
                    "type": "track",
                    "event": ("Product Viewed", "Signed Up", "Cart Viewed")[part],
                    "userId": who,
                    "messageId": f"m-{number}-{part}",
                    "timestamp": at,
                    "properties": {"name": f"Tent {number % 7}", "n": number},
                }
                for part in range(3)
            ]
            calls.append({"type": "track", "event": "", "userId": who, "messageId": f"bad-{number}"})
            basic = b64encode(b"load-segment-key:").decode()
            return "/v1/batch", {"authorization": f"Basic {basic}"}, _json({"batch": calls}), 3, 1
        case 1:
            order = {"id": 10**16 + number, "email": f"{who}@shop.example", "created_at": at, "line_items": []}
            body = _json(order | {"total_price": f"{number % 90}.95", "currency": "EUR"})
            mac = b64encode(hmac.digest(SECRET, body, "sha256")).decode()
            headers = {"x-shopify-topic": "orders/create", "x-shopify-hmac-sha256": mac}
            return "/sources/shopify/load-shopify-key", headers, body, 1, 0
        case 2:
            about = {
                "object": "customer",
                "id": f"cus_{who}",
                "email": f"{who}@shop.example",
                "name": f"Ada {number % 5}",
            }
            event = {
                "id": f"evt_{number}",
                "type": "customer.updated",
                "created": (now - 60_000 + number % 50_000) // 1000,
            }
            body = _json(event | {"data": {"object": about}})
            stamp = str(now // 1000)
            mac = hmac.new(SECRET, f"{stamp}.".encode() + body, sha256).hexdigest()
            return "/sources/stripe/load-stripe-key", {"stripe-signature": f"t={stamp},v1={mac}"}, body, 1, 0
        case 3:
            body = _json({"id": number, "event": "Form Completed", "email": f"{who}@shop.example", "timestamp": at})
            return "/sources/webhook/load-webhook-key", {"x-tailor-secret": SECRET.decode()}, body, 1, 0
        case _:
            body = _json({"id": number, "note": "nobody is named"})
            return "/sources/webhook/load-webhook-key", {"x-tailor-secret": SECRET.decode()}, body, 0, 1


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def post(host: str, request: tuple[str, dict[str, str], bytes]) -> int:
    """Send one request until it is taken; answers how often it was sent."""
    path, headers, body = request
    for tries in range(1, 1_000):
        connection = HTTPConnection(host, timeout=60)
        try:
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            answer.read()
            if answer.status < 300:
                return tries
            if answer.status not in (429, 500, 503):
                raise SystemExit(f"{path} was answered {answer.status}")
        except (OSError, HTTPException):
            # The worker died, or its answer was lost: nobody knows whether it was taken.
            pass
        finally:
            connection.close()
        time.sleep(0.002)
    raise SystemExit(f"{path} is never taken")


def main() -> None:
    """See the module."""
    url, now, begin, items, seconds = sys.argv[1], *map(int, sys.argv[2:6])
    host, until = urlsplit(url).netloc, time.monotonic() + seconds
    usable = unusable = tries = number = 0
    while number < items and not (seconds and time.monotonic() > until):
        path, headers, body, good, bad = item(begin + number, now)
        tries += post(host, (path, headers, body))
        usable, unusable, number = usable + good, unusable + bad, number + 1
    print(json.dumps({"items": number, "usable": usable, "unusable": unusable, "tries": tries}))


if __name__ == "__main__":
    main()
