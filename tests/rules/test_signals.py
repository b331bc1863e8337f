"""TC strings, GPP strings, GPC: decoded as the reference decoders do, never read as more consent than there is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import iab_tcf
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tailor.kernel.errors import Rejected
from tailor.kernel.instants import iso
from tailor.rules import gpp, tcf
from tailor.rules.signals import of_gpc, of_gpp, of_tcf

VECTORS = Path(__file__).resolve().parents[3] / "shared" / "corpus" / "sources" / "cmp"
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def vectors(kind: str) -> list[Any]:
    """The reference vectors that hold a ``kind``; one that skips where there are none."""
    found = [
        pytest.param(json.loads(path.read_text()), id=path.stem)
        for path in sorted(VECTORS.glob("*_vector_*.json"))
        if f'"{kind}"' in path.read_text()
    ]
    return found or [pytest.param({}, marks=pytest.mark.skip(reason="the reference vectors are not on this machine"))]


# ---- a writer of bits of our own, so that the decoder is not tested by itself


def base64url(bits: str) -> str:
    padded = bits + "0" * (-len(bits) % 6)
    return "".join(ALPHABET[int(padded[i : i + 6], 2)] for i in range(0, len(padded), 6))


def tc_string(consents: set[int], interests: set[int] = frozenset(), *, vendors: str = "0" * 17) -> str:  # type: ignore[assignment]
    def flags(chosen: set[int]) -> str:
        return "".join("1" if index in chosen else "0" for index in range(1, 25))

    head = f"{2:06b}{17_000_000_000:036b}{17_000_000_000:036b}{300:012b}{1:012b}{1:06b}{4:06b}{13:06b}{7:012b}{4:06b}"
    return base64url(f"{head}10{0:012b}{flags(consents)}{flags(interests)}0{3:06b}{4:06b}{vendors}{'0' * 17}{0:012b}")


def us(*values: int, version: int = 1) -> str:
    return base64url(f"{version:06b}" + "".join(f"{value:02b}" for value in values))


USNAT = [1, 1, 1, 1, 0, 0, 2, 2, 2, *[0] * 12, 0, 0, 0, 2, 0, 0]


# ---- vectors of the reference libraries


@pytest.mark.parametrize("vector", vectors("tc_string"))
def test_tc_strings_decode_as_the_reference_does(vector: dict[str, Any]) -> None:
    expected = vector["expected"]
    if "error" in expected:
        with pytest.raises(Rejected, match="not read as consent"):
            of_tcf(vector["tc_string"])
        return
    read = tcf.decode(vector["tc_string"])
    assert sorted(read.consented()) == expected["purposeConsents"]
    assert sorted(tcf.numbered(read.interests)) == expected["purposeLegitimateInterests"]
    assert sorted(tcf.numbered(read.features)) == expected["specialFeatureOptins"]
    assert len(read.vendor_consents) == expected["vendorConsentsCount"]
    assert read.vendor_consents[: len(expected["vendorConsents"])] == expected["vendorConsents"]
    assert len(read.vendor_interests) == expected["vendorLegitimateInterestsCount"]
    assert len(read.disclosed) == expected["vendorsDisclosedCount"]
    assert (iso(read.created), iso(read.updated)) == (expected["created"], expected["lastUpdated"])
    assert (read.cmp, read.cmp_version, read.language) == (expected["cmpId"], expected["cmpVersion"], "EN")
    assert (read.policy, read.country) == (expected["policyVersion"], expected["publisherCountryCode"])


@pytest.mark.parametrize("vector", vectors("gpp_string"))
def test_gpp_strings_decode_as_the_reference_does(vector: dict[str, Any]) -> None:
    expected = vector["expected"]
    if "error" in expected:
        with pytest.raises(Rejected, match="not read as consent"):
            of_gpp(vector["gpp_string"])
        return
    assert gpp.decode(vector["gpp_string"]) == expected["decoded"]


@pytest.mark.parametrize("vector", vectors("expected_opt_out"))
def test_gpc_headers_say_what_the_specification_has_them_say(vector: dict[str, Any]) -> None:
    for case in vector["cases"]:
        headers = {name.lower(): value for name, value in case["headers"].items()}
        assert bool(of_gpc(headers)) is case["expected_opt_out"]


RECORDED = [
    json.loads(line) for line in (Path(__file__).parent / "signals.jsonl").read_text(encoding="utf-8").splitlines()
]
"""Random strings of the reference encoders (``@iabgpp/cmpapi`` 3.2.0, ``@iabtcf/core`` 1.5), of every section, as those
decode them; and such as were altered at random and are refused by both."""


@pytest.mark.parametrize("vector", [one for one in RECORDED if "gpp" in one and "decoded" in one])
def test_gpp_strings_of_the_reference_encoder_decode_as_it_does(vector: dict[str, Any]) -> None:
    assert json.loads(json.dumps(gpp.decode(vector["gpp"]))) == vector["decoded"]


@pytest.mark.parametrize("vector", [one for one in RECORDED if "tc" in one and "decoded" in one])
def test_tc_strings_of_the_reference_encoder_decode_as_it_does(vector: dict[str, Any]) -> None:
    read, expected = tcf.decode(vector["tc"]), vector["decoded"]
    assert sorted(read.consented()) == expected["pc"]
    assert sorted(tcf.numbered(read.interests)) == expected["pli"]
    assert (read.vendor_consents, read.vendor_interests) == (expected["vc"], expected["vli"])
    assert (read.disclosed, read.allowed) == (expected["vd"], expected["va"])
    assert sorted(tcf.numbered(read.publisher.consents)) == expected["pubc"]
    assert (read.cmp, read.language, read.country) == (expected["cmp"], expected["lang"], expected["country"])


@pytest.mark.parametrize("vector", [one for one in RECORDED if "refused" in one])
def test_altered_strings_that_the_reference_refuses_are_refused(vector: dict[str, Any]) -> None:
    with pytest.raises(Rejected, match="not read as consent"):
        of_gpp(vector["gpp"]) if "gpp" in vector else of_tcf(vector["tc"])


def test_every_section_that_is_read_has_been_recorded() -> None:
    seen = {name for one in RECORDED if "gpp" in one for name in one.get("decoded", ())}
    assert seen == {"tcfeuv2", "tcfcav1", "uspv1", *(state.name for state in gpp.STATES.values())}


# ---- strings written here


@pytest.mark.filterwarnings("ignore:datetime.datetime.utcfromtimestamp:DeprecationWarning")
@given(st.sets(st.integers(1, 24)), st.sets(st.integers(1, 24)), st.sets(st.integers(1, 40)))
def test_a_tc_string_reads_as_the_other_decoder_reads_it(
    consents: set[int], interests: set[int], vendors: set[int]
) -> None:
    listed = f"{40:016b}0" + "".join("1" if index in vendors else "0" for index in range(1, 41))
    text = tc_string(consents, interests, vendors=listed)
    ours, theirs = tcf.decode(text), iab_tcf.decode(text)
    assert ours.consented() == {p for p, yes in theirs.purposes_consent.items() if yes} == consents
    assert tcf.numbered(ours.interests) == {p for p, yes in theirs.purposes_legitimate_interests.items() if yes}
    assert set(ours.vendor_consents) == vendors == {v for v, yes in theirs.consented_vendors.items() if yes}
    assert (ours.cmp, ours.vendor_list, ours.country) == (300, 7, "DE")


def test_ranges_of_vendors() -> None:
    several = f"{40:016b}1{2:012b}" + f"0{3:016b}" + f"1{10:016b}{12:016b}"
    assert tcf.decode(tc_string(set(), vendors=several)).vendor_consents == [3, 10, 11, 12]
    backwards = f"{40:016b}1{1:012b}1{12:016b}{10:016b}"
    with pytest.raises(Rejected, match="backwards"):
        tcf.decode(tc_string(set(), vendors=backwards))


@given(st.sets(st.integers(1, 11)), st.sets(st.integers(1, 11)))
@example({3, 4}, {3, 4, 5, 6, 8})
def test_only_explicit_consent_to_all_that_a_purpose_needs_grants_it(consents: set[int], interests: set[int]) -> None:
    granted = {change.purpose for change in of_tcf(tc_string(consents, interests)) if change.grant == "granted"}
    needed = {"personalization": {5, 6}, "profiling": {3, 5}, "analytics": {8}, "sharing": {3, 4}}
    assert granted == {ours for ours, theirs in needed.items() if theirs <= consents}


@pytest.mark.parametrize(
    "text", ["", "C", "!", "BOEFEAyOEFEAyAHABDENAI4AAAB9vABAASA", tc_string({5, 6})[:40], "CQ.$", "C\x00"]
)
def test_a_malformed_tc_string_is_refused(text: str) -> None:
    with pytest.raises(Rejected, match="not read as consent") as caught:
        of_tcf(text)
    assert caught.value.code == "bad-signal"


def refusal(read: Any, text: str) -> str | None:
    """The code with which a text is refused, ``None`` where it is read."""
    try:
        read(text)
    except Rejected as error:
        return error.code
    return None


@given(st.text(max_size=60) | st.text(ALPHABET + ".~", max_size=200).map(lambda t: "DBABLA~" + t))
def test_whatever_comes_is_read_or_refused_and_never_fails_otherwise(text: str) -> None:
    assert refusal(of_tcf, text) in (None, "bad-signal")
    assert refusal(of_gpp, text) in (None, "bad-signal")


@pytest.mark.parametrize("field", [6, 7, 8])
def test_every_kind_of_opt_out_of_the_national_section_opts_out(field: int) -> None:
    values = list(USNAT)
    assert of_gpp(f"DBABLA~{us(*values)}.QA") == ()
    values[field] = 1
    assert [(c.purpose, c.grant) for c in of_gpp(f"DBABLA~{us(*values)}.QA")] == [("sharing", "withdrawn")]
    values[field] = 3
    with pytest.raises(Rejected, match="means nothing"):
        of_gpp(f"DBABLA~{us(*values)}.QA")


@pytest.mark.parametrize("id", gpp.STATES)
def test_an_opt_out_under_the_law_of_any_state_opts_out(id: int) -> None:
    (layout, *_) = gpp.STATES[id].layouts.values()
    for out in (1, 2):
        values = [out if name == "SaleOptOut" else 0 for name, size in layout for _ in range(size)]
        found = of_gpp(f"{header(id)}~{us(*values)}")
        assert [(c.purpose, c.grant) for c in found] == ([("sharing", "withdrawn")] if out == 1 else [])


def header(id: int) -> str:
    """Of a string with one section."""
    code = ""
    for number in (21, 13, 8, 5, 3, 2, 1):
        code = ("1" if number <= id else "0") + code
        id -= number if number <= id else 0
    return base64url(f"{3:06b}{1:06b}{1:012b}0{code.rstrip('0')}1")


@pytest.mark.parametrize("kept", range(1, 11))
def test_a_section_that_is_cut_short_is_refused(kept: int) -> None:
    with pytest.raises(Rejected, match="not read as consent"):
        of_gpp(f"DBABLA~{'BVQqAAAAAgA'[:kept]}" if kept < 10 else "DBABLA~BVQqAAAAA")


def test_vendors_of_canada_are_read_in_either_coding() -> None:
    core = f"{1:06b}{0:036b}{0:036b}{300:012b}{1:012b}{1:06b}{4:06b}{13:06b}{7:012b}{2:06b}0{0:012b}{0:024b}{0:024b}"
    by_id = f"{40:016b}1{2:012b}0{3:016b}1{10:016b}{40:016b}"
    by_distance = f"{40:016b}1{2:012b}0{'0011'}1{'01011'}{'10001011'}"
    for vendors in (by_id, by_distance):
        read = gpp.decode(f"{header(5)}~{base64url(f'{core}{vendors}{0:017b}{0:012b}')}")["tcfcav1"]
        assert read["VendorExpressConsent"] == [3, *range(10, 41)]
    with pytest.raises(Rejected, match="neither"):
        gpp.decode(f"{header(5)}~{base64url(f'{core}{by_id}{1:017b}{0:012b}')}")


def test_the_gpc_of_a_section_opts_out() -> None:
    assert [c.grant for c in of_gpp(f"DBABLA~{us(*USNAT)}.YA")] == ["withdrawn"]


@pytest.mark.parametrize(("text", "out"), [("1YYN", True), ("1YNN", False), ("1---", False)])
def test_us_privacy_strings(text: str, out: bool) -> None:
    assert bool(of_gpp(f"DBABTA~{text}")) is out
    with pytest.raises(Rejected):
        of_gpp(f"DBABTA~{text[:3]}")
    with pytest.raises(Rejected):
        of_gpp(f"DBABTA~{text[:2]}x{text[3:]}")


@pytest.mark.parametrize(
    "text", ["", "DBABLA", "DBABLA~", "DBABLA~~", "EBABLA~BVQqAAAAAgA", "DBABLA~EVQqAAAAAgA", "DBA"]
)
def test_a_malformed_gpp_string_is_refused(text: str) -> None:
    with pytest.raises(Rejected, match="not read as consent"):
        of_gpp(text)


def test_a_section_not_known_here_says_nothing() -> None:
    # 30 = 21 + 8 + 1 in Fibonacci coding.
    assert header(30) == base64url(f"{3:06b}{1:06b}{1:012b}0" + "10001011")
    assert gpp.decode(f"{header(30)}~BAAA") == {}
