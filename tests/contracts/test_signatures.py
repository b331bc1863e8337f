"""Signatures that the vendors' own libraries make and check, and the recorded vectors of each system."""

from __future__ import annotations

import hmac
import json
import time
from base64 import b64encode
from typing import Any

import pytest
import stripe
from hubspot.exceptions import InvalidSignatureTimestampError
from hubspot.utils.signature import Signature
from square.utils import webhooks_helper

from contracts.samples import corpus
from tailor.kernel.errors import Rejected
from tailor.kernel.inbound import Inbound
from tailor.kernel.instants import MINUTE, parse_instant
from tailor.sources import SOURCES

NOW = parse_instant("2026-11-24T09:00:00Z")
BODY = '{"id":9007199254740993,"note":"Größe 👟"}'
URL = "https://in.example.com/hooks/x"


def request(headers: dict[str, str], body: str | bytes = BODY, **more: Any) -> Inbound:
    raw = body.encode() if isinstance(body, str) else body
    return Inbound("POST", "/hooks/x", {"host": "in.example.com", **headers}, raw, **more)


def refused(source: str, one: Inbound, secret: bytes, *, now: int = NOW) -> bool:
    try:
        SOURCES[source].verify(one, secret, now=now)
    except Rejected as refusal:
        return refusal.status == 401
    return False


# ---- Stripe


def by_stripe(at: int, body: str = BODY, secret: str = "whsec_s") -> dict[str, str]:
    header = stripe.WebhookSignature.generate_signature_header(body, secret, timestamp=at // 1000)
    return {"stripe-signature": header}


def test_what_stripe_signs_is_accepted_within_five_minutes_either_way() -> None:
    for distance, fine in ((0, True), (-5, True), (5, True), (-6, False), (6, False), (-60, False), (600, False)):
        signed = request(by_stripe(NOW + distance * MINUTE))
        assert refused("stripe", signed, b"whsec_s") is not fine, distance


def test_what_we_would_sign_as_stripe_does_its_library_accepts() -> None:
    at = int(time.time())
    mine = hmac.digest(b"whsec_s", f"{at}.{BODY}".encode(), "sha256").hex()
    assert stripe.WebhookSignature.verify_header(BODY, f"t={at},v1={mine}", "whsec_s", tolerance=300)
    SOURCES["stripe"].verify(request({"stripe-signature": f"t={at},v1={mine}"}), b"whsec_s", now=at * 1000)


def test_one_fitting_signature_of_several_is_enough_while_a_secret_is_rotated() -> None:
    header = by_stripe(NOW, secret="whsec_old")["stripe-signature"]
    other = by_stripe(NOW, secret="whsec_new")["stripe-signature"].partition(",")[2]
    for secret in (b"whsec_old", b"whsec_new"):
        assert not refused("stripe", request({"stripe-signature": f"{header},{other}"}), secret)


def test_a_time_that_was_changed_after_signing_is_refused() -> None:
    header = by_stripe(NOW - 60 * MINUTE)["stripe-signature"]
    moved = f"t={NOW // 1000},{header.partition(',')[2]}"
    assert refused("stripe", request({"stripe-signature": moved}), b"whsec_s")


@pytest.mark.parametrize("header", ["", "t=,v1=", "v1=ä", "t=1e9,v1=00", "t=1795510800", "," * 5_000, "t=\ud800,v1=x"])
def test_anything_else_is_no_stripe_signature(header: str) -> None:
    assert refused("stripe", request({"stripe-signature": header}), b"whsec_s")


# ---- Square


def by_square(url: str = URL) -> str:
    return b64encode(hmac.digest(b"sq_key", (url + BODY).encode(), "sha256")).decode()


def test_square_and_we_agree_on_what_is_signed() -> None:
    header = by_square()
    assert webhooks_helper.verify_signature(
        request_body=BODY, signature_header=header, signature_key="sq_key", notification_url=URL
    )
    signed = {"x-square-hmacsha256-signature": header}
    assert not refused("square", request(signed), b"sq_key")
    for wrong in (request(signed, BODY + " "), request(signed | {"host": "other.example.com"})):
        assert refused("square", wrong, b"sq_key")
    assert refused("square", request(signed), b"sq_other")


def test_behind_a_proxy_the_stored_url_is_the_one_that_counts() -> None:
    signed = {"x-square-hmacsha256-signature": by_square("https://shop.example/in")}
    assert refused("square", request(signed), b"sq_key")
    assert not refused("square", request(signed), b"sq_key https://shop.example/in")


# ---- HubSpot


def by_hubspot(version: str, *, at: int = NOW, url: str = URL) -> dict[str, str]:
    made = Signature.get_signature(
        client_secret="hs_secret",
        request_body=BODY,
        signature_version=version,
        http_uri=url,
        http_method="POST",
        timestamp=str(at),
    )
    if version == "v3":
        return {"x-hubspot-signature-v3": made, "x-hubspot-request-timestamp": str(at)}
    return {"x-hubspot-signature": made, "x-hubspot-signature-version": version}


@pytest.mark.parametrize("version", ["v1", "v2", "v3"])
def test_what_hubspot_signs_is_accepted(version: str) -> None:
    signed = by_hubspot(version)
    assert not refused("hubspot", request(signed), b"hs_secret")
    assert refused("hubspot", request(signed, BODY + " "), b"hs_secret")
    assert refused("hubspot", request(signed), b"another")


@pytest.mark.parametrize("version", ["v2", "v3"])
def test_a_hubspot_signature_holds_for_one_url_and_method(version: str) -> None:
    signed = by_hubspot(version, url=f"{URL}?tenant=a")
    assert refused("hubspot", request(signed), b"hs_secret")
    assert not refused("hubspot", request(signed, query={"tenant": "a"}), b"hs_secret")
    put = Inbound("PUT", "/hooks/x", {"host": "in.example.com", **by_hubspot(version)}, BODY.encode())
    assert refused("hubspot", put, b"hs_secret")


def test_hubspots_third_version_expires_and_cannot_be_dated_ahead() -> None:
    for distance, fine in ((-5, True), (5, True), (-6, False), (6, False)):
        assert refused("hubspot", request(by_hubspot("v3", at=NOW + distance * MINUTE)), b"hs_secret") is not fine
    with pytest.raises(InvalidSignatureTimestampError):
        Signature.is_valid("x", "hs_secret", BODY, URL, "POST", "v3", str(NOW - 6 * MINUTE * 1000))


def test_the_weaker_versions_are_not_asked_where_the_third_is_wrong() -> None:
    both = by_hubspot("v1") | {"x-hubspot-signature-v3": "AAAA", "x-hubspot-request-timestamp": str(NOW)}
    assert refused("hubspot", request(both), b"hs_secret")


# ---- Recorded vectors


def vectors(system: str) -> list[dict[str, Any]]:
    [(_, found)] = corpus("golden", "signature_vectors.json")
    return [vector for vector in found if vector["system"] == system]


@pytest.mark.parametrize(
    "source", ["stripe", "square", "hubspot", "woocommerce", "shopify", "segment_webhook_destination"]
)
def test_the_recorded_vectors_are_accepted_and_altered_ones_are_not(source: str) -> None:
    found = vectors(source)
    assert found
    for vector in found:
        name = source.removesuffix("_destination")
        headers = {vector["header"].lower(): vector["value"], "host": "in.example.com"}
        if vector.get("timestamp"):
            headers["x-hubspot-request-timestamp"] = vector["timestamp"]
        if "version" in vector:
            headers["x-hubspot-signature-version"] = vector["version"]
        path = (vector.get("uri") or vector.get("notification_url") or "").removeprefix("https://in.example.com")
        at = 1_788_264_000_000
        for body, secret, fine in (
            (vector["body"], vector["secret"], True),
            (vector["body"][:-1] + " ", vector["secret"], False),
            (vector["body"], vector["secret"] + "x", False),
        ):
            one = Inbound("POST", path, headers, body.encode())
            assert refused(name, one, secret.encode(), now=at) is not fine, vector


# ---- The others


@pytest.mark.parametrize(
    ("source", "header", "algorithm", "base64"),
    [
        ("woocommerce", "x-wc-webhook-signature", "sha256", True),
        ("sfmc", "x-sfmc-ens-signature", "sha256", True),
        ("webhook", "x-signature", "sha256", False),
        ("webhook", "x-signature", "sha256", True),
        ("webhook", "x-hub-signature-256", "sha256", False),
        ("segment_webhook", "x-signature", "sha1", False),
    ],
)
def test_a_signature_of_the_body_alone(source: str, header: str, algorithm: str, base64: bool) -> None:
    mac = hmac.digest(b"s3", BODY.encode(), algorithm)
    good = b64encode(mac).decode() if base64 else mac.hex()
    assert not refused(source, request({header: good}), b"s3")
    # The other encoding is as good for the generic webhook, whose senders choose.
    other = [] if source == "webhook" else [mac.hex() if base64 else b64encode(mac).decode()]
    for wrong in ("", good[:-1], good + "=", good.swapcase(), "ä", *other):
        assert refused(source, request({header: wrong}), b"s3"), wrong
    assert refused(source, request({header: good}, BODY.replace("3", "4")), b"s3")


def test_of_a_list_segment_signs_the_first_call() -> None:
    first = '{"type":"track","event":"A","userId":"u"}'
    mac = hmac.digest(b"s3", first.encode(), "sha1").hex()
    assert not refused("segment_webhook", request({"x-signature": mac}, f"[{first},{first}]"), b"s3")
    assert refused("segment_webhook", request({"x-signature": mac}, f"[{first[:-1]} }}]"), b"s3")
    for broken in ("[", "[]", "[{", "[" * 100_000):
        assert refused("segment_webhook", request({"x-signature": mac}, broken), b"s3")


def test_mailchimps_signature_is_checked_wherever_there_is_one() -> None:
    stamp = NOW // 1000
    good = hmac.digest(b"s3", f"{stamp}.type=profile".encode(), "sha256").hex()
    shown = {"secret": "s3"}
    assert not refused("mailchimp", request({}, "type=profile", query=shown), b"s3")
    assert refused("mailchimp", request({}, "type=profile", query={"secret": "s"}), b"s3")
    assert refused("mailchimp", request({}, "type=profile"), b"s3")
    signed = {"x-mailchimp-signature": f"t={stamp},v1={good}"}
    assert not refused("mailchimp", request(signed, "type=profile"), b"s3")
    assert refused("mailchimp", request(signed, "type=profil"), b"s3")
    assert refused("mailchimp", request({"x-mailchimp-signature": "t=1,v1=0"}, "type=profile", query=shown), b"s3")


@pytest.mark.parametrize("source", ["ga4", "adobe", "tealium", "blueconic", "onetrust", "didomi", "cmp", "webhook"])
def test_a_vendor_that_signs_nothing_shows_the_secret(source: str) -> None:
    basic = b64encode(b"anybody:s3").decode()
    for headers in (
        {"x-tailor-secret": "s3"},
        {"authorization": "Bearer s3"},
        {"authorization": f"Basic {basic}"},
    ):
        assert not refused(source, request(headers), b"s3")
        assert not refused(source, request(headers), b"s3\n")
        assert refused(source, request(headers), b"s4")
        assert refused(source, request(headers), b"")
    for headers in ({}, {"authorization": "Bearer "}, {"authorization": "Basic s3"}, {"x-tailor-secret": "S3"}):
        assert refused(source, request(headers), b"s3")


def test_an_outbound_message_must_name_our_organization() -> None:
    def message(organization: str) -> Inbound:
        inner = f"<OrganizationId>{organization}</OrganizationId>"
        space = "http://soap.sforce.com/2005/09/outbound"
        return request({}, f'<E><B><notifications xmlns="{space}">{inner}</notifications></B></E>')

    for ours in (b"00D5g000004zAbC", b"00D5g000004zAbCEAU"):
        assert not refused("salesforce", message("00D5g000004zAbCEAU"), ours)
        assert not refused("salesforce", message("00D5g000004zAbC"), ours)
        for other in ("00D5g000004zAbD", "00d5g000004zabc", "", "00D5g000004zAb"):
            assert refused("salesforce", message(other), ours)
    assert refused("salesforce", message(""), b"")
    assert refused("salesforce", request({}, json.dumps({"OrganizationId": "00D5g000004zAbC"})), b"00D5g000004zAbC")


# ---- Mandrill


def by_mandrill(told: str, body: str) -> Inbound:
    mac = b64encode(hmac.digest(b"key", f"{URL}{told}".encode(), "sha1")).decode()
    return request({"x-mandrill-signature": mac}, body)


def test_a_form_that_mandrill_signs_has_the_one_field_that_it_sends() -> None:
    assert not refused("mailchimp", by_mandrill("mandrill_events[1]", "mandrill_events=%5B1%5D"), b"key")
    for other in (
        "mandrill_events=%5B2%5D",
        "mandrill_events%5B=1%5D",
        "mandrill_events=%5B1&%5D=",
        "=&mandrill_events=%5B1%5D",
    ):
        assert refused("mailchimp", by_mandrill("mandrill_events[1]", other), b"key"), other
