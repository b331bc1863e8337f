"""GPP strings: the IAB's Global Privacy Platform, one section for each law somebody chose under.

Contract: IAB Tech Lab, "Consent String Specification" of the Global Privacy Platform and its sections; names of fields
are the specification's. Of a section that ends early the fields that are missing are 0, as the reference decoder has
it: 0 means "not applicable", which is neither consent nor refusal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tailor.kernel.errors import Rejected
from tailor.kernel.instants import iso
from tailor.rules import tcf
from tailor.rules.bits import Bits, malformed

TWO = 2
"""Bits of a field: 0 not applicable, 1 yes, 2 no."""
Layout = tuple[tuple[str, int], ...]
"""Names of a core segment's fields after ``Version``, in order, with how many values each is (1: a number, no list)."""

_MSPA: Layout = (("MspaCoveredTransaction", 1), ("MspaOptOutOptionMode", 1), ("MspaServiceProviderMode", 1))
_OPT_OUTS: Layout = (("SaleOptOut", 1), ("TargetedAdvertisingOptOut", 1))


def _state(sensitive: int, children: int, *, notice: str = "ProcessingNotice", consent: bool = True) -> Layout:
    """Most states' section; they differ in how many kinds of ``sensitive`` data and of ``children`` they know."""
    return (
        (notice, 1),
        ("SaleOptOutNotice", 1),
        ("TargetedAdvertisingOptOutNotice", 1),
        *_OPT_OUTS,
        ("SensitiveDataProcessing", sensitive),
        ("KnownChildSensitiveDataConsents", children),
        *((("AdditionalDataProcessingConsent", 1),) if consent else ()),
        *_MSPA,
    )


def _national(sensitive: int, children: int) -> Layout:
    return (
        ("SharingNotice", 1),
        ("SaleOptOutNotice", 1),
        ("SharingOptOutNotice", 1),
        ("TargetedAdvertisingOptOutNotice", 1),
        ("SensitiveDataProcessingOptOutNotice", 1),
        ("SensitiveDataLimitUseNotice", 1),
        ("SaleOptOut", 1),
        ("SharingOptOut", 1),
        ("TargetedAdvertisingOptOut", 1),
        ("SensitiveDataProcessing", sensitive),
        ("KnownChildSensitiveDataConsents", children),
        ("PersonalDataConsents", 1),
        *_MSPA,
    )


_CALIFORNIA: Layout = (
    ("SaleOptOutNotice", 1),
    ("SharingOptOutNotice", 1),
    ("SensitiveDataLimitUseNotice", 1),
    ("SaleOptOut", 1),
    ("SharingOptOut", 1),
    ("SensitiveDataProcessing", 9),
    ("KnownChildSensitiveDataConsents", 2),
    ("PersonalDataConsents", 1),
    *_MSPA,
)
_UTAH: Layout = (
    ("SharingNotice", 1),
    ("SaleOptOutNotice", 1),
    ("TargetedAdvertisingOptOutNotice", 1),
    ("SensitiveDataProcessingOptOutNotice", 1),
    *_OPT_OUTS,
    ("SensitiveDataProcessing", 8),
    ("KnownChildSensitiveDataConsents", 1),
    *_MSPA,
)
_IOWA: Layout = (
    ("ProcessingNotice", 1),
    ("SaleOptOutNotice", 1),
    ("TargetedAdvertisingOptOutNotice", 1),
    ("SensitiveDataOptOutNotice", 1),
    *_OPT_OUTS,
    ("SensitiveDataProcessing", 8),
    ("KnownChildSensitiveDataConsents", 1),
    *_MSPA,
)

STATES: dict[int, tuple[str, Mapping[int, Layout]]] = {
    7: ("usnat", {1: _national(12, 2), 2: _national(16, 3)}),
    8: ("usca", {1: _CALIFORNIA}),
    9: ("usva", {1: _state(8, 1, notice="SharingNotice", consent=False)}),
    10: ("usco", {1: _state(7, 1, notice="SharingNotice", consent=False)}),
    11: ("usut", {1: _UTAH}),
    12: ("usct", {1: _state(8, 3, notice="SharingNotice", consent=False)}),
    13: ("usfl", {1: _state(8, 3)}),
    14: ("usmt", {1: _state(8, 3, notice="SharingNotice")}),
    15: ("usor", {1: _state(11, 3)}),
    16: ("ustx", {1: _state(8, 1)}),
    17: ("usde", {1: _state(9, 5)}),
    18: ("usia", {1: _IOWA}),
    19: ("usne", {1: _state(8, 1)}),
    20: ("usnh", {1: _state(8, 3)}),
    21: ("usnj", {1: _state(10, 5)}),
    22: ("ustn", {1: _state(8, 1)}),
}
"""Section id → its name, and its layout by version."""
NATIONAL = 7
EARLY = 66
"""Bits of a national section of version 2 from before its lists grew; its lists are as long as those of version 1."""


def decode(text: str) -> dict[str, dict[str, Any]]:
    """The sections of a GPP string by their names, each as field → value; sections not known here are left out.

    A bare TC string is taken for a string of one section, as the reference decoder does.

    Raises
    ------
    Rejected : it is no GPP string, or one of its sections is malformed.
    """
    if text.startswith("C"):
        return {"tcfeuv2": _tcfeuv2(text)}
    header, *sections = text.split("~")
    ids = _section_ids(Bits(header))
    if len(ids) != len(sections):
        raise malformed(f"the header announces {len(ids)} sections and {len(sections)} follow")
    found: dict[str, dict[str, Any]] = {}
    for id, section in zip(ids, sections, strict=True):
        if not section.strip():
            raise malformed(f"section {id} is blank")
        if (reader := _READERS.get(id)) is not None:
            name, read = reader
            found[name] = read(section)
    return found


def _section_ids(bits: Bits) -> list[int]:
    kind, version = bits.number(6), bits.number(6)
    if (kind, version) != (3, 1):
        raise malformed("this is no GPP string")
    return bits.fibonacci_ranges()


def _us(id: int) -> Callable[[str], dict[str, Any]]:
    name, layouts = STATES[id]

    def read(section: str) -> dict[str, Any]:
        core, *others = section.split(".")
        bits = Bits(core)
        version = bits.number(6)
        if version not in layouts:
            raise malformed(f"version {version} of section {name} is not known")
        layout = layouts[version]
        early = dict(layouts[1] if id == NATIONAL and bits.left() == EARLY - 6 else layout)
        fields: dict[str, Any] = {"Version": version}
        for field, size in layout:
            values = [bits.number(TWO) if bits.left() >= TWO else 0 for _ in range(early[field])]
            fields[field] = values + [0] * (size - len(values)) if size > 1 else values[0]
        for segment in others:
            further = Bits(segment)
            kind = further.number(2)
            if kind != 1:
                raise malformed(f"section {name} has no segment of type {kind}")
            fields |= {"GpcSegmentType": kind, "Gpc": further.flag()}
        return fields

    return read


def _uspv1(section: str) -> dict[str, Any]:
    if len(section) != 4 or not section[0].isdecimal() or not set(section[1:]) <= set("YN-"):
        raise malformed("a US privacy string is a digit and three of Y, N and -")
    return {"Version": int(section[0]), "Notice": section[1], "OptOutSale": section[2], "LspaCovered": section[3]}


def _tcfeuv2(section: str) -> dict[str, Any]:
    read = tcf.decode(section)
    own = read.publisher
    return {
        "Version": read.version,
        "Created": iso(read.created),
        "LastUpdated": iso(read.updated),
        "CmpId": read.cmp,
        "CmpVersion": read.cmp_version,
        "ConsentScreen": read.screen,
        "ConsentLanguage": read.language,
        "VendorListVersion": read.vendor_list,
        "PolicyVersion": read.policy,
        "IsServiceSpecific": read.service_specific,
        "UseNonStandardStacks": read.own_stacks,
        "SpecialFeatureOptins": read.features,
        "PurposeConsents": read.consents,
        "PurposeLegitimateInterests": read.interests,
        "PurposeOneTreatment": read.purpose_one_treatment,
        "PublisherCountryCode": read.country,
        "VendorConsents": read.vendor_consents,
        "VendorLegitimateInterests": read.vendor_interests,
        "PublisherRestrictions": [
            {"purposeId": one.purpose, "type": one.type, "ids": list(one.vendors)} for one in read.restrictions
        ],
        "PublisherPurposesSegmentType": tcf.PUBLISHER,
        "PublisherConsents": own.consents,
        "PublisherLegitimateInterests": own.interests,
        "NumCustomPurposes": len(own.custom_consents),
        "PublisherCustomConsents": own.custom_consents,
        "PublisherCustomLegitimateInterests": own.custom_interests,
        "VendorsAllowedSegmentType": tcf.ALLOWED,
        "VendorsAllowed": read.allowed,
        "VendorsDisclosedSegmentType": tcf.DISCLOSED,
        "VendorsDisclosed": read.disclosed,
    }


def _tcfcav1(section: str) -> dict[str, Any]:
    """Canada: express and implied consent instead of consent and legitimate interest."""
    core, *others = section.split(".")
    bits = Bits(core)
    version = bits.number(6)
    if version != 1:
        raise malformed(f"version {version} of section tcfcav1 is not known")
    fields: dict[str, Any] = {
        "Version": version,
        "Created": iso(bits.instant()),
        "LastUpdated": iso(bits.instant()),
        "CmpId": bits.number(12),
        "CmpVersion": bits.number(12),
        "ConsentScreen": bits.number(6),
        "ConsentLanguage": bits.letters(2),
        "VendorListVersion": bits.number(12),
        "TcfPolicyVersion": bits.number(6),
        "UseNonStandardStacks": bits.flag(),
        "SpecialFeatureExpressConsent": bits.flags(tcf.FEATURES),
        "PurposesExpressConsent": bits.flags(tcf.PURPOSES),
        "PurposesImpliedConsent": bits.flags(tcf.PURPOSES),
        "VendorExpressConsent": bits.chosen(),
        "VendorImpliedConsent": bits.chosen(),
    }
    own, disclosed = tcf.Publisher(), list[int]()
    for segment in others:
        further = Bits(segment)
        match further.number(3):
            case kind if kind == tcf.PUBLISHER:
                own = tcf.read_publisher(further)
            case kind if kind == tcf.DISCLOSED:
                disclosed = further.chosen()
            case kind:
                raise malformed(f"section tcfcav1 has no segment of type {kind}")
    return fields | {
        "PubPurposesSegmentType": tcf.PUBLISHER,
        "PubPurposesExpressConsent": own.consents,
        "PubPurposesImpliedConsent": own.interests,
        "NumCustomPurposes": len(own.custom_consents),
        "CustomPurposesExpressConsent": own.custom_consents,
        "CustomPurposesImpliedConsent": own.custom_interests,
        "DisclosedVendorsSegmentType": tcf.DISCLOSED,
        "DisclosedVendors": disclosed,
    }


_READERS: dict[int, tuple[str, Callable[[str], dict[str, Any]]]] = {
    2: ("tcfeuv2", _tcfeuv2),
    5: ("tcfcav1", _tcfcav1),
    6: ("uspv1", _uspv1),
    **{id: (name, _us(id)) for id, (name, _) in STATES.items()},
}


def check(value: Any, field: str) -> None:
    """Raises ``Rejected`` for the value 3, which the specification reserves."""
    if value == 3:
        raise Rejected(f"{field} is 3, which means nothing: it is not read as consent", code="bad-signal")
