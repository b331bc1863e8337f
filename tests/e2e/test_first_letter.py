"""From a real client's first call to a real letter and back, on the deployed system.

People are told apart by their addresses, so the tests do not meet.
"""

from __future__ import annotations

import gzip
import json
import re
import shutil
import subprocess
from base64 import b64encode
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from segment.analytics.client import Client

import cloud
from house import House, ask, one_click, until

pytestmark = pytest.mark.e2e

NODE = Path(__file__).with_name("node")


def basic(key: str) -> str:
    return "Basic " + b64encode(f"{key}:".encode()).decode()


def test_the_day_ends_with_exactly_the_expected_letters(house: House) -> None:
    assert house.differences == []


def test_every_offer_can_be_refused_with_one_click(house: House) -> None:
    links = {one_click(house.letters(one.email)[0]) for one in house.members("ripe")}
    assert len(links) == len(house.members("ripe"))


def test_unsubscribing_takes_a_post_and_looking_changes_nothing(house: House) -> None:
    refuser, onlooker, bouncer = house.members("ripe")[:3]
    link = one_click(house.letters(refuser.email)[0])
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    for _ in range(2):
        status, headers, _body = ask(link, "POST", b"List-Unsubscribe=One-Click", **form)
        assert (status, headers.get("location")) == (200, None)
    assert ask(one_click(house.letters(onlooker.email)[0]), "GET")[0] == 200
    house.shop.mailbox.report(house.letters(bouncer.email)[0], "Bounce")
    house.shop.settle()
    house.wishes(refuser, bouncer, onlooker)
    assert until(lambda: len(house.letters(onlooker.email)) == 2)
    house.shop.settle()
    assert len(house.letters(refuser.email)) == 1
    assert len(house.letters(bouncer.email)) == 1


def test_a_forged_link_is_refused(house: House) -> None:
    link = one_click(house.letters(house.members("ripe")[3].email)[0])
    assert ask(link[:-4] + "AAAA", "POST", b"List-Unsubscribe=One-Click")[0] == 403


def test_a_counted_link_leads_where_the_letter_says(house: House) -> None:
    one = next(one for one in house.members("newcomer") if one.counted)
    counted = re.search(r'href="(http[^"]+/c/[^"]+)"[^>]*>Open your account<', house.letters(one.email)[0].body.html)
    assert counted
    status, headers, _ = ask(counted[1], "GET", User_Agent="Mozilla/5.0")
    assert (status, headers["location"]) == (302, "https://trail.example/account")


@pytest.mark.parametrize("compressed", [False, True])
def test_segments_python_client_brings_a_letter(house: House, compressed: bool) -> None:
    user, errors = f"python-{compressed}", list[Exception]()
    email = f"{user.lower()}@example.com"
    client = Client(
        house.shop.doors.segment_key,
        host=house.shop.doors.url,
        gzip=compressed,
        on_error=lambda error, batch: errors.append(error),
    )
    client.identify(user, {"email": email, "firstName": "Py"})
    client.track(user, "Signed Up")
    client.flush()
    client.join()
    assert errors == []
    assert until(lambda: [m.subject for m in house.letters(email)] == ["Welcome, Py"])


def test_segments_node_client_brings_a_letter(house: House) -> None:
    client = node_client()
    target = urlsplit(f"{house.shop.doors.url}/v1/batch")
    arguments = (f"{target.scheme}://{target.netloc}", target.path, house.shop.doors.segment_key, "node-1")
    done = subprocess.run(
        ["node", "sign_up.mjs", *arguments, "node-1@example.com"], cwd=client, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert until(lambda: [m.subject for m in house.letters("node-1@example.com")] == ["Welcome, Node"])


def node_client() -> Path:
    """A folder in which Segment's node library is installed; skips where there is no node."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("node and npm are not present")
    folder = cloud.HOME / "node"
    folder.mkdir(parents=True, exist_ok=True)
    for file in NODE.iterdir():
        shutil.copy(file, folder)
    done = subprocess.run(
        ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder, capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(f"npm could not install Segment's node library: {done.stderr[-300:]}")
    return folder


TRACK = json.dumps({"batch": [{"type": "track", "userId": "u", "event": "Page Read", "messageId": "m"}]}).encode()


@pytest.mark.parametrize(
    ("body", "key", "status"),
    [
        pytest.param(TRACK, "wrong", 401, id="wrong key"),
        pytest.param(b'{"batch": [', None, 400, id="broken"),
        pytest.param(b'{"batch": 7}', None, 400, id="no list"),
        pytest.param(b'{"batch": [' + b" " * 600_000 + b"]}", None, 413, id="oversize"),
    ],
)
def test_what_cannot_be_taken_is_refused_with_a_reason(house: House, body: bytes, key: str | None, status: int) -> None:
    url = f"{house.shop.doors.url}/v1/batch"
    got, headers, answer = ask(url, "POST", body, Authorization=basic(key or house.shop.doors.segment_key))
    assert (got, headers["content-type"]) == (status, "application/problem+json")
    problem = json.loads(answer)
    assert problem["status"] == status
    assert problem["detail"]


def test_a_bomb_is_refused(house: House) -> None:
    url = f"{house.shop.doors.url}/v1/batch"
    bomb = gzip.compress(b'{"batch": [' + b" " * 8_000_000 + b"]}")
    got, _, _ = ask(url, "POST", bomb, Authorization=basic(house.shop.doors.segment_key), Content_Encoding="gzip")
    assert got == 413


def test_an_order_with_another_shops_signature_is_refused(house: House) -> None:
    url = f"{house.shop.doors.url}/sources/shopify/{house.shop.doors.shopify_key}"
    headers = {"X_Shopify_Topic": "orders/create", "X_Shopify_Hmac_Sha256": b64encode(b"0" * 32).decode()}
    got, answer, _ = ask(url, "POST", b'{"id": 1, "email": "x@example.com"}', **headers)
    assert (got, answer["content-type"]) == (401, "application/problem+json")
