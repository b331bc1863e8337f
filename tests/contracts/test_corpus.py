"""The table: what becomes of every payload of the open corpus that a vendor would send to our door."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from contracts.samples import corpus
from tailor.kernel.errors import Rejected
from tailor.kernel.inbound import Inbound
from tailor.kernel.instants import parse_instant
from tailor.sources import SOURCES

NOW = parse_instant("2026-11-24T09:00:00Z")
FOLDERS = {
    "adobe_analytics": "adobe",
    "blueconic": "blueconic",
    "cmp": "onetrust",
    "ga4": "ga4",
    "hubspot": "hubspot",
    "mailchimp": "mailchimp",
    "salesforce": "salesforce",
    "segment": "segment",
    "ses": "ses",
    "sfmc": "sfmc",
    "shopify": "shopify",
    "square": "square",
    "stripe": "stripe",
    "tealium": "tealium",
    "woocommerce": "woocommerce",
}
"""Folder → source. The generic webhook is compared in ``test_rudder``."""
UNUSABLE = {"no_query_parameters": "it has neither topic nor body", "pair_inbound_s_test": "a log of Auth0, no call"}
UNUSABLE |= {"spec_group": "an excerpt of a call, without its user"}
"""Part of a name → why nothing can be made of it: it is refused, and rightly."""

LEAST = {"adobe": 2, "blueconic": 1, "ga4": 15, "hubspot": 1, "mailchimp": 1, "salesforce": 1}
LEAST |= {"segment": 30, "ses": 2, "shopify": 13, "sfmc": 2, "square": 3, "stripe": 3, "tealium": 2, "woocommerce": 2}
"""Source → payloads known to concern a person: that many must be mapped."""


def payloads(folder: str) -> Iterator[tuple[str, Inbound]]:
    """What of a folder is inbound: requests, events, export rows, and answers in the form of a webhook's body."""
    for name, content in corpus(f"sources/{folder}"):
        kind = content["meta"]["kind"]
        if "request" in content:
            sent = content["request"]
            body = sent["body_text"].encode() if "body_text" in sent else json.dumps(sent.get("body", {})).encode()
            headers = {header.lower(): value for header, value in sent.get("headers", {}).items()}
            query = {field: values[0] for field, values in (sent.get("query") or {}).items()}
            yield name, Inbound(sent.get("method", "POST"), sent.get("path", "/v1/batch"), headers, body, query)
        elif "call" in content:
            call = {"anonymousId": "visitor"} | content["call"]
            yield name, Inbound("POST", "/v1/batch", {}, json.dumps({"batch": [call]}).encode())
        elif folder == "shopify" and kind == "record":
            # The resources of the REST API are the bodies of webhooks about them, without the wrapper.
            [(resource, about), *_] = content["record"].items()
            if isinstance(about, list):
                [about, *_] = about
            topics = {"order": "orders/create", "checkout": "checkouts/create", "customer": "customers/create"}
            topic = topics.get(resource.rstrip("s"), f"{resource}/create")
            about = about if isinstance(about, dict) else content["record"]
            yield name, Inbound("POST", "/", {"x-shopify-topic": topic}, json.dumps(about).encode())
        elif kind == "inbound":
            headers = {header.lower(): value for header, value in content["webhook_headers"].items()}
            yield name, Inbound("POST", "/", headers, json.dumps(content["record"]).encode())
        elif kind == "event" or "export_like" in name:
            yield name, Inbound("POST", "/", {}, json.dumps(content.get("event", content.get("record"))).encode())
        elif folder == "blueconic" and "get_profiles_profileid" in name:
            yield name, Inbound("POST", "/", {}, content["exchange"]["body"].encode())
        elif folder == "ga4" and kind == "pair_outbound":
            for made in content["expected_requests"]:
                if "output" in made:
                    yield name, Inbound("POST", "/", {}, json.dumps(made["output"]["body"]["JSON"]).encode())


def outcome(source: str, request: Inbound) -> tuple[str, Any]:
    try:
        parsed = SOURCES[source].to_events(request, now=NOW)
    except Rejected as refusal:
        return "quarantined", refusal.detail
    if parsed.refused:
        return "quarantined", [refusal.detail for refusal, _ in parsed.refused]
    return ("mapped", parsed.events) if parsed.events else ("ignored", parsed.ignored)


def test_every_payload_is_mapped_or_ignored_for_a_reason() -> None:
    table: dict[str, Counter[str]] = {}
    quarantined = []
    for folder, source in FOLDERS.items():
        counts = table.setdefault(source, Counter())
        for name, request in payloads(folder):
            what, about = outcome(source, request)
            counts[what] += 1
            if what == "quarantined" and not any(part in name for part in UNUSABLE):
                quarantined.append((name, about))
            if what == "ignored":
                assert all(about), name
    print(f"\n{'source':<14}{'payloads':>9}{'mapped':>8}{'ignored':>9}{'quarantined':>13}")
    for source, counts in table.items():
        row = (counts.total(), counts["mapped"], counts["ignored"], counts["quarantined"])
        print(f"{source:<14}{row[0]:>9}{row[1]:>8}{row[2]:>9}{row[3]:>13}")
    every = sum((counts.total() for counts in table.values()), 0)
    assert every >= 80
    assert len(quarantined) <= every // 100, quarantined
    assert [source for source, counts in table.items() if counts["mapped"] < LEAST.get(source, 0)] == []


def test_money_of_the_corpus_is_the_senders_to_the_last_digit() -> None:
    found = {
        name: event.properties.get("total")
        for folder in ("square", "stripe", "woocommerce", "adobe_analytics")
        for name, request in payloads(folder)
        for event in SOURCES[FOLDERS[folder]].to_events(request, now=NOW).events
        if event.name in ("Order Completed", "Payment Succeeded")
    }
    assert sorted(found.values()) == ["100.00", "159.0", "1902.00", "29.35"]
