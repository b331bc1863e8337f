"""What a signal of a browser or a banner says in our words: TC strings, GPP strings, Global Privacy Control.

A signal never grants what it does not say: not to have opted out is not to have agreed, legitimate interest is nobody's
choice, and what is malformed is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tailor.kernel.event import ConsentChange
from tailor.rules import gpp, tcf

NEEDS = {
    "personalization": frozenset({5, 6}),
    "profiling": frozenset({3, 5}),
    "analytics": frozenset({8}),
    "sharing": frozenset({3, 4}),
}
"""Purpose of ours → the TCF purposes all of which it takes: 3 and 4 are advertising's profiles, made and used, 5 and 6
those for content, 8 measures content. E-mail is none of the TCF's purposes."""

OPT_OUTS = ("SaleOptOut", "SharingOptOut", "TargetedAdvertisingOptOut")
"""Fields of the US sections that, at 1, opt out of sale and sharing."""

SHARING = "sharing"


def of_tcf(text: str) -> tuple[ConsentChange, ...]:
    """The choices of a TC string.

    Raises
    ------
    Rejected : it is malformed.
    """
    return _of_purposes(tcf.decode(text).consented())


def of_gpp(text: str) -> tuple[ConsentChange, ...]:
    """The choices of a GPP string; where its sections differ, both stand and the stricter one wins.

    Raises
    ------
    Rejected : it is malformed.
    """
    found: list[ConsentChange] = []
    for name, fields in gpp.decode(text).items():
        if name == "tcfeuv2":
            found += _of_purposes(tcf.numbered(fields["PurposeConsents"]))
        elif name == "tcfcav1":
            found += _of_purposes(tcf.numbered(fields["PurposesExpressConsent"]))
        elif _opts_out(fields):
            found.append(ConsentChange(SHARING, "withdrawn"))
    return tuple(dict.fromkeys(found))


def of_gpc(headers: Mapping[str, str]) -> tuple[ConsentChange, ...]:
    """Global Privacy Control: ``Sec-GPC: 1`` and nothing else opts out of sale and sharing (W3C, section 3.1).

    ``headers`` have lower-case names.
    """
    return (ConsentChange(SHARING, "withdrawn"),) if headers.get("sec-gpc") == "1" else ()


def _of_purposes(consented: Iterable[int]) -> tuple[ConsentChange, ...]:
    yes = frozenset(consented)
    return tuple(ConsentChange(ours, "granted" if needs <= yes else "denied") for ours, needs in NEEDS.items())


def _opts_out(fields: Mapping[str, Any]) -> bool:
    for name in OPT_OUTS:
        gpp.check(fields.get(name), name)
    return fields.get("Gpc") is True or fields.get("OptOutSale") == "Y" or any(fields.get(n) == 1 for n in OPT_OUTS)
