"""What holds for every source."""

from __future__ import annotations

import json
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.samples import ROOT, SECRET, expected, request_of, result, samples, secret_of
from tailor.kernel.errors import Rejected
from tailor.kernel.event import Event
from tailor.kernel.inbound import Inbound
from tailor.sources import GREETINGS, SOURCES, read

NOW = 1_795_510_800_000
SIGNED = [name for name, source in SOURCES.items() if source.signed]
SHOWING = ("ga4", "adobe", "tealium", "blueconic", "onetrust", "didomi", "cmp", "salesforce")
"""Vendors that sign nothing: they show a secret, or name their organization."""
SIGNING = [name for name in SIGNED if name not in SHOWING]
PROOFS = (
    "authorization",
    "stripe-signature",
    "x-hub-signature-256",
    "x-hubspot-signature",
    "x-hubspot-signature-v3",
    "x-mailchimp-signature",
    "x-sfmc-ens-signature",
    "x-shopify-hmac-sha256",
    "x-signature",
    "x-square-hmacsha256-signature",
    "x-tailor-secret",
    "x-wc-webhook-signature",
)
PAIRS = [pytest.param(name, sample, id=f"{name}-{sample.stem}") for name in SOURCES for sample in samples(name)]


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_has_samples(name: str) -> None:
    assert SOURCES[name].name == name
    assert samples(name), f"events/{name}/ has no samples: add <case>.json and <case>.expected.json"


@pytest.mark.parametrize(("name", "sample"), PAIRS)
def test_a_sample_gives_what_is_written_beside_it(name: str, sample: Any) -> None:
    request, received = request_of(json.loads(sample.read_text()))
    parsed = read(SOURCES[name], request, now=received)
    assert result(parsed) == expected(sample)
    assert [Event.from_json(event.to_json()) for event in parsed.events] == parsed.events


@pytest.mark.parametrize(("name", "sample"), PAIRS)
def test_a_repeated_request_gives_the_same_events_later(name: str, sample: Any) -> None:
    request, received = request_of(json.loads(sample.read_text()))
    first, again = (SOURCES[name].to_events(request, now=at) for at in (received, received + 90_000))
    assert [event.id for event in first.events] == [event.id for event in again.events]


@pytest.mark.parametrize("name", SIGNED)
def test_samples_prove_themselves_and_do_not_under_another_secret(name: str) -> None:
    for sample in samples(name):
        request, received = request_of(json.loads(sample.read_text()))
        if greeted(name, request):
            continue
        SOURCES[name].verify(request, secret_of(name), now=received)
        bare = replace(request, headers={"host": "api.shop.example"}, query={}, body=b"")
        for forged, secret in ((request, b"another"), (bare, secret_of(name)), (bare, b"")):
            with pytest.raises(Rejected) as refusal:
                SOURCES[name].verify(forged, secret, now=received)
            assert refusal.value.status in (400, 401)


@pytest.mark.parametrize("name", SIGNING)
def test_a_signed_sample_that_was_altered_proves_nothing(name: str) -> None:
    for sample in samples(name):
        request, received = request_of(json.loads(sample.read_text()))
        # A secret shown in the query proves whatever comes with it; Mailchimp's is there where nothing is signed.
        if greeted(name, request) or "secret" in request.query or "x-tailor-secret" in request.headers:
            continue
        body = bytearray(request.body)
        body[len(body) // 3] ^= 1
        with pytest.raises(Rejected) as refusal:
            SOURCES[name].verify(replace(request, body=bytes(body)), SECRET, now=received)
        assert refusal.value.status == 401


@pytest.mark.parametrize("name", GREETINGS)
def test_a_trial_of_the_door_holds_no_event(name: str) -> None:
    requests = [request_of(json.loads(sample.read_text())) for sample in samples(name)]
    trials = [(request, at) for request, at in requests if GREETINGS[name](request)]
    assert trials
    assert len(trials) < len(requests)
    for request, at in trials:
        parsed = SOURCES[name].to_events(request, now=at)
        assert (parsed.events, parsed.refused) == ([], [])
        assert parsed.ignored == [GREETINGS[name](request)]


def greeted(name: str, request: Inbound) -> bool:
    return name in GREETINGS and bool(GREETINGS[name](request))


def words(value: Any) -> Iterator[str]:
    """Every name and text in a document."""
    if isinstance(value, dict):
        yield from value
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from words(child)
    if isinstance(value, str):
        yield value


def document(request: Inbound) -> Any:
    """What the body of a sample says, as plain values; of a form its fields, of XML nothing."""
    if request.body[:1] in (b"{", b"["):
        return json.loads(request.body)
    return {} if request.body[:1] == b"<" else dict(parse_qsl(request.body.decode()))


REQUESTS = {
    name: [
        request
        for sample in samples(name)
        if "content-encoding" not in (request := request_of(json.loads(sample.read_text()))[0]).headers
    ]
    for name in SOURCES
}
VOCABULARY = {
    name: sorted({word for one in requests for word in (*one.headers.values(), *words(document(one)))} | {"id"})
    for name, requests in REQUESTS.items()
}
"""Source → every name and text in its samples: what it looks at."""
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=12),
    st.sampled_from(["2026-1-2", "0001-01-01", "1e999999", "-0", "+46701740605", "9" * 4_000]),
)
DOCUMENTS = {
    name: st.recursive(
        VALUES | st.sampled_from(known),
        lambda inner, known=known: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.sampled_from(known) | st.text(max_size=3), inner, max_size=7)
        ),
    )
    for name, known in VOCABULARY.items()
}


@st.composite
def altered(draw: st.DrawFn, name: str) -> Inbound:
    """A sample of a source, some of its values exchanged, or something that only uses its words."""
    request = draw(st.sampled_from(REQUESTS[name]))
    content = document(request)
    if draw(st.integers(0, 4)) == 0:
        content = draw(DOCUMENTS[name])
    for _ in range(draw(st.integers(1, 4))):
        place = content
        while isinstance(place, (dict, list)) and place:
            where = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
            if not isinstance(place[where], (dict, list)) or draw(st.integers(0, 2)) == 0:
                place[where] = draw(DOCUMENTS[name])
                break
            place = place[where]
    if request.body[:1] in (b"{", b"[", b""):
        return replace(request, body=json.dumps(content).encode())
    if request.body[:1] == b"<":
        cut = draw(st.integers(0, len(request.body)))
        word = draw(st.sampled_from([*VOCABULARY[name], "<", "</sf:Id>", "<Notification>", "&x;", "]]>"]))
        return replace(request, body=request.body[:cut] + word.encode() + request.body[cut:])
    fields = content if isinstance(content, dict) else {}
    form = urlencode({key: str(value) for key, value in fields.items()}, errors="ignore")
    return replace(request, body=form.encode())


@pytest.mark.parametrize("name", SOURCES)
def test_no_document_breaks_a_source(name: str) -> None:
    @settings(max_examples=60, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(request=altered(name))
    def attempt(request: Inbound) -> None:
        check(name, request)

    attempt()


def check(name: str, request: Inbound) -> None:
    """What holds of anything a source makes of anything."""
    try:
        parsed = SOURCES[name].to_events(request, now=NOW)
    except Rejected:
        return
    assert parsed.events or parsed.refused or parsed.ignored or name.startswith("segment")
    for event in parsed.events:
        assert event.identifiers
        assert not any(one.kind == "person" for one in event.identifiers) or name == "ses"
        assert 0 <= event.at <= event.received == NOW
        assert event.source == name
        assert 0 < len(event.id) <= 300
        json.dumps(event.to_json(), ensure_ascii=False, allow_nan=False).encode()
    for refusal, raw in parsed.refused:
        assert "@" not in refusal.detail
        json.dumps(raw)
    for reason in parsed.ignored:
        assert 0 < len(reason) <= 300
        assert "@" not in reason or name == "ses"


@settings(max_examples=100, derandomize=True, deadline=None)
@given(
    body=st.binary(max_size=80)
    | st.text(alphabet='{}[]":,\\u0deaf19 ', max_size=40).map(str.encode)
    | st.text(alphabet="<>/!a&;[]'\"=: ?xml", max_size=40).map(str.encode)
    | st.text(alphabet="data[]=%&+;ab0", max_size=40).map(str.encode)
)
def test_no_bytes_break_a_source_or_pass_for_proof(body: bytes) -> None:
    topics = {"x-shopify-topic": "orders/create", "x-wc-webhook-topic": "order.created"}
    for name, source in SOURCES.items():
        for headers in (topics, topics | {"content-encoding": "gzip"}):
            with suppress(Rejected):
                source.to_events(Inbound("POST", "/v1/batch", headers, body), now=NOW)
        if source.signed:
            claims = dict.fromkeys(PROOFS, body.decode("latin-1"))
            with pytest.raises(Rejected):
                source.verify(Inbound("POST", "/", claims, body), secret_of(name), now=NOW)


BOMBS = {
    "deep": b"[" * 200_000,
    "deep and closed": b"[" * 90_000 + b"]" * 90_000,
    "many": b"[" + b"[]," * 300_000 + b"[]]",
    "long number": b'{"id":' + b"9" * 500_000 + b"}",
    "laughs": b'<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]><l>&b;</l>',
    "outside": b'<!DOCTYPE l [<!ENTITY a SYSTEM "file:///etc/hostname">]><notifications>&a;</notifications>',
    "deep tree": b"<a>" * 100_000,
    "many elements": b"<a>" + b"<b/>" * 200_000 + b"</a>",
    "form": b"&".join(b"data[%d]=1" % number for number in range(60_000)),
    "large": b'{"a":"' + b"x" * 5_000_000 + b'"}',
}


@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize("name", ["stripe", "woocommerce", "salesforce", "tealium", "mailchimp", "segment_webhook"])
def test_a_bomb_is_defused(name: str, bomb: str) -> None:
    request = Inbound("POST", "/", {"x-wc-webhook-topic": "order.created"}, BOMBS[bomb])
    tracemalloc.start()
    events: list[Event] = []
    with suppress(Rejected):
        events = SOURCES[name].to_events(request, now=NOW).events
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert not events
    assert peak < 64 * 1024 * 1024


def test_what_the_door_imports_of_sources_is_light() -> None:
    # pydantic, boto3 and parsers of XML would cost every cold start of the door.
    program = "import sys, tailor.sources; print(sorted(sys.modules.keys() & {'pydantic', 'boto3', 'xml.etree'}))"
    path = str(ROOT / "layers" / "core")
    done = subprocess.run([sys.executable, "-c", program], env={"PYTHONPATH": path}, capture_output=True, check=True)
    assert done.stdout.decode().strip() == "[]"
