"""TC strings: what somebody chose in a banner of the IAB's Transparency and Consent Framework, version 2.

Contract: IAB Tech Lab, "Consent string and vendor list formats v2" (TCF 2.0 to 2.2). Only an explicit consent counts;
legitimate interest is the vendor's claim, not a choice.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tailor.rules.bits import Bits, malformed

PURPOSES = 24
FEATURES = 12
FIRST_CMP = 2
DISCLOSED, ALLOWED, PUBLISHER = 1, 2, 3
"""Types of the segments after the first."""


@dataclass(frozen=True, slots=True)
class Restriction:
    """A publisher's word on a ``purpose``: 0 not allowed, 1 needs consent, 2 needs legitimate interest."""

    purpose: int
    type: int
    vendors: tuple[int, ...]


@dataclass(slots=True)
class Publisher:
    """The segment in which a publisher keeps what it was allowed itself; bits in the order of the purposes."""

    consents: list[bool] = field(default_factory=lambda: [False] * PURPOSES)
    interests: list[bool] = field(default_factory=lambda: [False] * PURPOSES)
    custom_consents: list[bool] = field(default_factory=list)
    custom_interests: list[bool] = field(default_factory=list)


@dataclass(slots=True)
class TcString:
    """A TC string, read. ``created`` and ``updated`` in ms; purposes and features as bits in their order from 1."""

    version: int
    created: int
    updated: int
    cmp: int
    cmp_version: int
    screen: int
    language: str
    vendor_list: int
    policy: int
    service_specific: bool
    own_stacks: bool
    features: list[bool]
    consents: list[bool]
    interests: list[bool]
    purpose_one_treatment: bool
    country: str
    vendor_consents: list[int]
    vendor_interests: list[int]
    restrictions: list[Restriction]
    publisher: Publisher = field(default_factory=Publisher)
    allowed: list[int] = field(default_factory=list)
    disclosed: list[int] = field(default_factory=list)

    def consented(self) -> frozenset[int]:
        """Numbers of the purposes with an explicit consent."""
        return numbered(self.consents)


def numbered(flags: list[bool]) -> frozenset[int]:
    """The places of the ones, from 1."""
    return frozenset(index for index, yes in enumerate(flags, 1) if yes)


def decode(text: str) -> TcString:
    """Read a TC string as it stands alone.

    Raises
    ------
    Rejected : another version, a character or a segment that is none, fewer bits than it says it has, or nobody who
        wrote it: the ids of consent platforms begin at 2.
    """
    found = read(text)
    if found.cmp < FIRST_CMP:
        raise malformed(f"there is no consent platform {found.cmp}")
    return found


def read(text: str) -> TcString:
    """Read a TC string or the section of a GPP string that is one; see :func:`decode`."""
    first, *others = text.split(".")
    found = _core(Bits(first))
    for segment in others:
        _further(Bits(segment), found)
    return found


def _core(bits: Bits) -> TcString:
    version = bits.number(6)
    if version != 2:
        raise malformed(f"version {version} of the TC string is not read, only 2")
    return TcString(
        version,
        bits.instant(),
        bits.instant(),
        bits.number(12),
        bits.number(12),
        bits.number(6),
        bits.letters(2),
        bits.number(12),
        bits.number(6),
        bits.flag(),
        bits.flag(),
        bits.flags(FEATURES),
        bits.flags(PURPOSES),
        bits.flags(PURPOSES),
        bits.flag(),
        bits.letters(2),
        bits.chosen(),
        bits.chosen(),
        [_restriction(bits) for _ in range(bits.number(12))],
    )


def _restriction(bits: Bits) -> Restriction:
    found = Restriction(bits.number(6), bits.number(2), tuple(bits.ranges()))
    if not found.vendors:
        raise malformed(f"a restriction of purpose {found.purpose} is one of no vendor")
    return found


def _further(bits: Bits, into: TcString) -> None:
    match bits.number(3):
        case kind if kind == DISCLOSED:
            into.disclosed = bits.chosen()
        case kind if kind == ALLOWED:
            into.allowed = bits.chosen()
        case kind if kind == PUBLISHER:
            into.publisher = read_publisher(bits)
        case kind:
            raise malformed(f"there is no segment of type {kind}")


def read_publisher(bits: Bits) -> Publisher:
    """The rest of a segment of type 3."""
    consents, interests = bits.flags(PURPOSES), bits.flags(PURPOSES)
    custom = bits.number(6)
    return Publisher(consents, interests, bits.flags(custom), bits.flags(custom))
