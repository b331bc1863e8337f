from __future__ import annotations

from contextlib import suppress
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shop import SHOP
from tailor.kernel.errors import Rejected
from tailor.kernel.journey import Send, Wait
from tailor.kernel.program import Program


def test_programmes_are_merged_and_the_version_follows_what_they_say() -> None:
    other = {"name": "blog", "topics": {"news": {"title": "News"}}}
    both = Program.of([SHOP, other])
    assert set(both.topics) == {"deals", "news"}
    assert both.version == Program.of([other, SHOP]).version != Program.of([SHOP]).version
    assert both.journeys["receipt"].steps == (Wait(3_600_000), Send("receipt"))


CTA = {"when": {}, "text": "Look", "link": "https://shop.example"}


@pytest.mark.parametrize(
    ("path", "value", "pointer", "hint"),
    [
        (
            ["journeys", "come-back", "steps", 0],
            {"snd": "come-back"},
            "/journeys/come-back/steps/0",
            "{'send': TEMPLATE}",
        ),
        (
            ["journeys", "come-back", "steps", 0],
            {"send": "comeback"},
            "/journeys/come-back/steps/0/send",
            "'come-back'?",
        ),
        (["journeys", "come-back", "steps", 0], {"wait": "soon"}, "/journeys/come-back/steps/0/wait", "'48h'"),
        (
            ["journeys", "come-back", "trigger"],
            {"segment_entered": "buyrs"},
            "/journeys/come-back/trigger/segment_entered",
            "'buyers'?",
        ),
        (["templates", "come-back", "topic"], "deal", "/templates/come-back/topic", "'deals'?"),
        (["templates", "come-back", "kind"], "promo", "/templates/come-back/kind", "marketing"),
        (["templates", "come-back", "cta"], [CTA], "/templates/come-back/cta", "last"),
        (["segments", "buyers", "rul"], {}, "/segments/buyers/rul", "'rule'?"),
        (["segments", "buyers", "purpose"], "fun", "/segments/buyers/purpose", "no purpose"),
        (["topics"], [], "/topics", "expected an object"),
        (["attributes"], {"x": {"purposes": ["spying"]}}, "/attributes/x/purposes", "no purpose"),
        (["attributes"], {"x": {"class": "secret"}}, "/attributes/x/class", "sensitive"),
    ],
)
def test_a_malformed_programme_is_refused_with_place_and_hint(
    path: list[Any], value: Any, pointer: str, hint: str
) -> None:
    document = deepcopy(SHOP)
    target: Any = document
    for part in path[:-1]:
        target = target.setdefault(part, {}) if isinstance(target, dict) else target[part]
    target[path[-1]] = value
    with pytest.raises(Rejected) as refused:
        Program.of([document])
    assert refused.value.pointer == pointer
    assert hint in refused.value.detail


def test_two_programmes_cannot_define_the_same_thing() -> None:
    with pytest.raises(Rejected, match="another programme"):
        Program.of([SHOP, {**SHOP, "name": "shop-2"}])


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda i: st.lists(i) | st.dictionaries(st.sampled_from([*SHOP, "trigger", "steps", "rule", "cta", "x"]), i),
        max_leaves=20,
    )
)
def test_garbage_is_refused_and_never_crashes(garbage: Any) -> None:
    for key in SHOP:
        document = {"name": "x", key: garbage}
        with suppress(Rejected):
            Program.of([document])
