"""The authorizer: who a bearer is, and nobody else."""

from __future__ import annotations

import pytest

from gateway import ADMIN
from tailor.flows.admit import issue_key, issue_token
from world import CONTEXT, World, app


def verdict(authorization: str | None, name: str = "authorization") -> dict[str, object]:
    headers = {} if authorization is None else {name: authorization}
    answer: dict[str, object] = app("authorizer").handler({"headers": headers}, CONTEXT)
    return answer


def test_the_token_of_the_deployment_may_do_everything(shop: World) -> None:
    assert verdict(f"Bearer {ADMIN}") == {
        "isAuthorized": True,
        "context": {"key": "admin", "scopes": "ingest read write admin"},
    }


def test_a_token_has_the_scopes_it_was_made_with(shop: World) -> None:
    made = issue_token("ci", ["write", "ingest"], shop.store, entropy=b"e" * 32, now=shop.now)
    context = {"key": made["id"], "scopes": "ingest write"}
    assert verdict(f"bearer {made['token']}", "Authorization") == {"isAuthorized": True, "context": context}


def test_a_key_of_a_source_is_no_token(shop: World) -> None:
    made = issue_key("s", "segment", None, shop.store, entropy=b"e" * 32, keep_secret=lambda *_: None, now=shop.now)
    assert verdict(f"Bearer {made['key']}") == {"isAuthorized": False}


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", f"Basic {ADMIN}", ADMIN, "Bearer tk_x", "Bearer \ud800", f"Bearer {ADMIN}x"],
)
def test_anything_else_is_turned_away(shop: World, authorization: str | None) -> None:
    assert verdict(authorization) == {"isAuthorized": False}
