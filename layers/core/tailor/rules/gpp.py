"""GPP strings: the IAB's Global Privacy Platform, one section for each law somebody chose under.

Contract: IAB Tech Lab, "Consent String Specification" of the Global Privacy Platform and its sections; names of fields
are the specification's. A section that ends before its last field is malformed: what it says until there may be cut
off in the middle.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
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


def _agreement(*, children: bool) -> Layout:
    """The sections of 2025 begin with the Multi-State Privacy Agreement, and have ``MspaVersion`` where the older ones
    have ``Version``."""
    return (
        ("MspaCoveredTransaction", 1),
        ("MspaMode", 1),
        ("ProcessingNotice", 1),
        ("SaleOptOutNotice", 1),
        ("TargetedAdvertisingOptOutNotice", 1),
        *_OPT_OUTS,
        *((("KnownChildSensitiveDataConsents", 1),) if children else ()),
        ("AdditionalDataProcessingConsent", 1),
    )


GPC, SENSITIVE = "gpc", "sensitive"
"""What the one segment after the first holds."""
KINDS = 8
"""Kinds of sensitive data in a segment of its own."""


@dataclass(frozen=True, slots=True)
class State:
    """A section of the United States.

    ``layouts`` are those of the first segment by version, one for all where the number is the agreement's; ``further``
    is what may come after it.
    """

    name: str
    layouts: Mapping[int, Layout]
    further: str = GPC


_SILENT: dict[str, dict[str, Any]] = {
    "": {},
    GPC: {"GpcSegmentType": 1, "Gpc": False},
    SENSITIVE: {"SensitiveDataProcessing": [0] * KINDS},
}
"""What a segment that is left out is told to say, as the reference decoder has it: nothing."""
_ANY = 0
"""In place of a version: the layout does not depend on it."""
STATES: dict[int, State] = {
    7: State("usnat", {1: _national(12, 2), 2: _national(16, 3)}),
    8: State("usca", {1: _CALIFORNIA}),
    9: State("usva", {1: _state(8, 1, notice="SharingNotice", consent=False)}, further=""),
    10: State("usco", {1: _state(7, 1, notice="SharingNotice", consent=False)}),
    11: State("usut", {1: _UTAH}, further=""),
    12: State("usct", {1: _state(8, 3, notice="SharingNotice", consent=False)}),
    13: State("usfl", {1: _state(8, 3)}, further=""),
    14: State("usmt", {1: _state(8, 3, notice="SharingNotice")}),
    15: State("usor", {1: _state(11, 3)}),
    16: State("ustx", {1: _state(8, 1)}),
    17: State("usde", {1: _state(9, 5)}),
    18: State("usia", {1: _IOWA}),
    19: State("usne", {1: _state(8, 1)}),
    20: State("usnh", {1: _state(8, 3)}),
    21: State("usnj", {1: _state(10, 5)}),
    22: State("ustn", {1: _state(8, 1)}),
    23: State("usmn", {1: _state(8, 1)}),
    24: State("usmd", {_ANY: _agreement(children=False)}),
    25: State("usin", {_ANY: _agreement(children=True)}, further=SENSITIVE),
    26: State("usky", {_ANY: _agreement(children=True)}, further=SENSITIVE),
    27: State("usri", {_ANY: _agreement(children=True)}, further=SENSITIVE),
}
"""Section id → what it is made of."""
NATIONAL = 7
EARLY = frozenset({60, 66})
"""Bits of a national section from before its lists grew: they are as long as those of version 1, whatever it says. In
every other they are as long as those of version 2."""


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
    state = STATES[id]
    silent = _SILENT[state.further]

    def read(section: str) -> dict[str, Any]:
        core, *others = section.split(".")
        fields = _first(id, Bits(core)) | silent
        if len(others) > (1 if state.further else 0):
            raise malformed(f"section {state.name} has no more than {1 if state.further else 0} further segments")
        for segment in others:
            fields |= _further(state, Bits(segment))
        return fields

    return read


def _first(id: int, bits: Bits) -> dict[str, Any]:
    state, length = STATES[id], bits.left()
    version = bits.number(6)
    layout = state.layouts.get(version, state.layouts.get(_ANY))
    if layout is None:
        raise malformed(f"version {version} of section {state.name} is not known")
    # How long the lists are that the string has; how long they are told is the version's own.
    written = layout if id != NATIONAL else state.layouts[1 if length in EARLY else 2]
    sizes = dict(layout)
    fields: dict[str, Any] = {"MspaVersion" if _ANY in state.layouts else "Version": version}
    for field, size in written:
        values = [bits.number(TWO) for _ in range(size)]
        fields[field] = (values + [0] * sizes[field])[: sizes[field]] if size > 1 else values[0]
    return fields


def _further(state: State, bits: Bits) -> dict[str, Any]:
    if state.further == SENSITIVE:
        return {"SensitiveDataProcessing": [bits.number(TWO) for _ in range(KINDS)]}
    kind = bits.number(2)
    if kind != 1:
        raise malformed(f"section {state.name} has no segment of type {kind}")
    return {"GpcSegmentType": kind, "Gpc": bits.flag()}


def _uspv1(section: str) -> dict[str, Any]:
    if len(section) != 4 or not section[0].isdecimal() or not set(section[1:]) <= set("YN-"):
        raise malformed("a US privacy string is a digit and three of Y, N and -")
    return {"Version": int(section[0]), "Notice": section[1], "OptOutSale": section[2], "LspaCovered": section[3]}


def _tcfeuv2(section: str) -> dict[str, Any]:
    read = tcf.read(section)
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
            {"key": one.purpose, "type": one.type, "ids": list(one.vendors)} for one in read.restrictions
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
    fields = _canadian(Bits(core))
    own, disclosed = tcf.Publisher(), list[int]()
    for segment in others:
        further = Bits(segment)
        match further.number(3):
            case kind if kind == tcf.PUBLISHER:
                own = tcf.read_publisher(further)
            case kind if kind == tcf.DISCLOSED:
                disclosed = _either(further, Bits.chosen_by_distance, Bits.chosen)
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


def _canadian(bits: Bits) -> dict[str, Any]:
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
    }
    return fields | _either(bits, _vendors_by_distance, _vendors_by_id)


def _either[T](bits: Bits, *codings: Callable[[Bits], T]) -> T:
    """What is left of a Canadian segment: its specification has ranges of vendors in Fibonacci coding, and encoders of
    before 2026 wrote them as Europe does. The coding in which nothing is left over is the right one."""
    for coding in codings:
        ahead = bits.fork()
        try:
            found = coding(ahead)
        except Rejected:
            continue
        if ahead.ends():
            return found
    raise malformed("the vendors of section tcfcav1 can be read in neither coding")


def _vendors_by_distance(bits: Bits) -> dict[str, Any]:
    return {
        "VendorExpressConsent": bits.chosen_by_distance(),
        "VendorImpliedConsent": bits.chosen_by_distance(),
        "PubRestrictions": [_restriction(bits, Bits.chosen_by_distance) for _ in range(bits.number(12))],
    }


def _vendors_by_id(bits: Bits) -> dict[str, Any]:
    return {
        "VendorExpressConsent": bits.chosen(),
        "VendorImpliedConsent": bits.chosen(),
        "PubRestrictions": [_restriction(bits, Bits.ranges) for _ in range(bits.number(12))],
    }


def _restriction(bits: Bits, vendors: Callable[[Bits], list[int]]) -> dict[str, Any]:
    return {"key": bits.number(6), "type": bits.number(2), "ids": vendors(bits)}


_READERS: dict[int, tuple[str, Callable[[str], dict[str, Any]]]] = {
    2: ("tcfeuv2", _tcfeuv2),
    5: ("tcfcav1", _tcfcav1),
    6: ("uspv1", _uspv1),
    **{id: (state.name, _us(id)) for id, state in STATES.items()},
}


def check(value: Any, field: str) -> None:
    """Raises ``Rejected`` for the value 3, which the specification reserves."""
    if value == 3:
        raise Rejected(f"{field} is 3, which means nothing: it is not read as consent", code="bad-signal")
