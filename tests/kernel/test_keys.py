from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailor.kernel.errors import Rejected
from tailor.kernel.keys import digest, identifier_key, message_id, new_id, read_token, sign_token

KEY = b"0123456789abcdef"


@given(st.text(), st.sampled_from(["unsubscribe", "click"]))
def test_a_token_gives_back_its_payload(payload: str, purpose: str) -> None:
    payload = payload.encode("utf-8", "replace").decode()
    token = sign_token(payload, purpose=purpose, kid="1", key=KEY)
    assert read_token(token, purpose=purpose, keys={"2": b"other", "1": KEY}) == payload


@given(st.integers(0, 80), st.characters(min_codepoint=33, max_codepoint=126))
def test_a_token_with_one_character_changed_is_refused(position: int, character: str) -> None:
    token = sign_token("p_1|marketing", purpose="unsubscribe", kid="1", key=KEY)
    position %= len(token)
    changed = token[:position] + character + token[position + 1 :]
    if changed != token:
        with pytest.raises(Rejected) as refused:
            read_token(changed, purpose="unsubscribe", keys={"1": KEY})
        assert refused.value.status == 403


@pytest.mark.parametrize("token", ["", "1", "1.1", "1.1..", "1.9.eA.eA", "2.1.eA.eA", "1.1.é.é", "." * 5000])
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(Rejected):
        read_token(token, purpose="unsubscribe", keys={"1": KEY})


def test_a_token_for_one_purpose_is_none_for_another_and_a_retired_key_signs_nothing() -> None:
    token = sign_token("p_1", purpose="preferences", kid="1", key=KEY)
    with pytest.raises(Rejected):
        read_token(token, purpose="unsubscribe", keys={"1": KEY})
    with pytest.raises(Rejected):
        read_token(token, purpose="preferences", keys={"2": KEY})


def test_digests_know_where_their_parts_end() -> None:
    assert digest("ab", "c") != digest("a", "bc") != digest("abc")


def test_keys_do_not_hold_the_address() -> None:
    assert "ada" not in identifier_key("email", "ada@example.com")


def test_ids_sort_by_time_and_messages_are_what_they_are() -> None:
    assert new_id("p", now=1, entropy=b"\xff" * 10) < new_id("p", now=2, entropy=b"\x00" * 10)
    assert message_id("p_1", "j", 0, 5) == message_id("p_1", "j", 0, 5) != message_id("p_1", "j", 1, 5)
