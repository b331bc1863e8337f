"""What holds for every source."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.samples import SECRET, expected, request_of, result, samples
from tailor.kernel.errors import Rejected
from tailor.kernel.event import Event
from tailor.kernel.inbound import Inbound
from tailor.sources import SOURCES

NOW = 1_795_510_800_000
PAIRS = [pytest.param(name, sample, id=f"{name}-{sample.stem}") for name in SOURCES for sample in samples(name)]


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_has_samples(name: str) -> None:
    assert SOURCES[name].name == name
    assert samples(name), f"events/{name}/ has no samples: add <case>.json and <case>.expected.json"


@pytest.mark.parametrize(("name", "sample"), PAIRS)
def test_a_sample_gives_what_is_written_beside_it(name: str, sample: Any) -> None:
    request, received = request_of(json.loads(sample.read_text()))
    parsed = SOURCES[name].to_events(request, now=received)
    assert result(parsed) == expected(sample)
    assert [Event.from_json(event.to_json()) for event in parsed.events] == parsed.events


@pytest.mark.parametrize(("name", "sample"), PAIRS)
def test_a_repeated_request_gives_the_same_events_later(name: str, sample: Any) -> None:
    request, received = request_of(json.loads(sample.read_text()))
    first, again = (SOURCES[name].to_events(request, now=at) for at in (received, received + 90_000))
    assert [event.id for event in first.events] == [event.id for event in again.events]


@pytest.mark.parametrize("name", [name for name, source in SOURCES.items() if source.signed])
def test_signed_samples_verify_and_altered_ones_do_not(name: str) -> None:
    for sample in samples(name):
        request, received = request_of(json.loads(sample.read_text()))
        SOURCES[name].verify(request, SECRET, now=received)
        altered = Inbound(request.method, request.path, request.headers, request.body + b" ")
        for forged, secret in ((altered, SECRET), (request, b"another"), (Inbound("POST", "/", {}, b""), SECRET)):
            with pytest.raises(Rejected) as refusal:
                SOURCES[name].verify(forged, secret, now=received)
            assert refusal.value.status == 401


def vocabulary() -> Iterator[str]:
    """Every name and text in the bodies of the samples: what a source looks at."""

    def words(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            yield from value
        for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            yield from words(child)
        if isinstance(value, str):
            yield value

    for name in SOURCES:
        for sample in samples(name):
            request, _ = request_of(json.loads(sample.read_text()))
            yield from request.headers.values()
            yield from words(json.loads(request.body)) if request.body[:1] == b"{" else ()


WORDS = st.sampled_from(sorted(set(vocabulary())))
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=12),
    st.sampled_from(["2026-1-2", "0001-01-01", "1e999999", "-0", "+46701740605"]),
    WORDS,
)
DOCUMENTS = st.recursive(
    VALUES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS | st.text(max_size=3), inner, max_size=7)
)
TOPICS = st.sampled_from([sample.stem.replace("_", "/", 1) for sample in samples("shopify")])


@st.composite
def altered(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """A source and a document of one of its samples, some of its values exchanged."""
    name = draw(st.sampled_from(list(SOURCES)))
    bodies = [request_of(json.loads(sample.read_text()))[0].body for sample in samples(name)]
    document = json.loads(draw(st.sampled_from([body for body in bodies if body[:1] == b"{"])))
    for _ in range(draw(st.integers(1, 4))):
        place = document
        while isinstance(place, dict) and place:
            key = draw(st.sampled_from(sorted(place)))
            if not isinstance(place[key], dict) or draw(st.booleans()):
                place[key] = draw(DOCUMENTS)
                break
            place = place[key]
    return name, document


INVENTED = st.tuples(st.sampled_from(list(SOURCES)), st.dictionaries(WORDS, DOCUMENTS, max_size=12))


@settings(max_examples=500, derandomize=True, deadline=None)
@given(case=altered() | INVENTED, topic=TOPICS, route=st.sampled_from(["batch", "track", "i", "p", "a"]))
def test_no_document_breaks_a_source(case: tuple[str, dict[str, Any]], topic: str, route: str) -> None:
    name, document = case
    request = Inbound("POST", f"/v1/{route}", {"x-shopify-topic": topic}, json.dumps(document).encode())
    try:
        parsed = SOURCES[name].to_events(request, now=NOW)
    except Rejected:
        return
    for event in parsed.events:
        assert event.identifiers
        assert 0 <= event.at <= event.received == NOW
        assert event.source == name
        assert 0 < len(event.id) <= 300
        json.dumps(event.to_json(), ensure_ascii=False, allow_nan=False).encode()


@settings(max_examples=200, derandomize=True, deadline=None)
@given(body=st.binary(max_size=80) | st.text(alphabet='{}[]":,\\u0deaf19 ', max_size=40).map(str.encode))
def test_no_bytes_break_a_source(body: bytes) -> None:
    for source in SOURCES.values():
        for headers in ({"x-shopify-topic": "orders/create"}, {"content-encoding": "gzip", "shopify-topic": "x"}):
            with suppress(Rejected):
                source.to_events(Inbound("POST", "/v1/batch", headers, body), now=NOW)
