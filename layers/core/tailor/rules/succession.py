"""Succession: a new version of a programme takes along the steps on which those enrolled in earlier ones finish.

They stand in the document in force under ``former`` of the journey, version of the steps → steps. Publishing puts them
there; whoever writes the programme need not know. Those whom ``moves`` names go on in the new version instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from typing import Any

from tailor.kernel.errors import Rejected
from tailor.kernel.fields import nearest
from tailor.kernel.journey_document import version_of
from tailor.kernel.program import Program
from tailor.rules.compiled import Compiled

FORMER = 10
"""Earlier versions kept of a journey, the newest."""

Document = Mapping[str, Any]


def succeed(
    document: Document, before: Document, others: Iterable[Document]
) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """``document`` with the steps that ``before``, which it replaces, leaves behind; and what is lost, as warnings.

    Steps that no longer fit what else is in force (a segment, an attribute they speak of is gone) cannot be kept: those
    enrolled in them end where they are.
    """
    after, beside = deepcopy(dict(document)), list(others)
    for key, journey in after.get("journeys", {}).items():
        if former := _former(journey, before.get("journeys", {}).get(key, {})):
            journey["former"] = former
    lost = list(_idle_moves(after))
    while (place := _unfit(after, beside)) is not None:
        key, version, why = place
        del after["journeys"][key]["former"][version]
        detail = (
            f"those still in its version {version} end where they are, for that version does not fit any more: {why}"
        )
        lost.append({"pointer": f"/journeys/{key}", "detail": detail})
    return after, lost


def _idle_moves(document: Document) -> Iterator[dict[str, str]]:
    """Moves from steps that no earlier version has: nobody is there to be moved."""
    for key, journey in document.get("journeys", {}).items():
        earlier = [step.get("name") for steps in journey.get("former", {}).values() for step in steps]
        for old in journey.get("moves", {}) if earlier else ():
            if old not in earlier:
                hint = nearest(old, filter(None, earlier))
                detail = f"no earlier version has a step named {old!r}, so that nobody is moved by this{hint}"
                yield {"pointer": f"/journeys/{key}/moves/{old}", "detail": detail}


def _former(journey: Document, replaced: Document) -> dict[str, Any]:
    kept = {**replaced.get("former", {}), **journey.get("former", {})}
    if steps := replaced.get("steps"):
        kept.pop(version_of(steps), None)
        kept[version_of(steps)] = steps
    kept.pop(version_of(journey["steps"]), None)
    return dict(list(kept.items())[-FORMER:])


def _unfit(document: Document, others: list[Document]) -> tuple[str, str, str] | None:
    """(journey, version, why) of the first earlier steps that do not compile."""
    try:
        Compiled(Program.of([*others, document]))
    except Rejected as fault:
        for key, journey in document.get("journeys", {}).items():
            for version in journey.get("former", {}):
                if f"{fault.pointer}/".startswith(f"/journeys/{key}/former/{version}/"):
                    return key, version, fault.detail
        raise
    return None
