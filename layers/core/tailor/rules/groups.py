"""Groups: how many people there must be before anything is told of them, or sent to them, as a group.

A number or a list of very few people says something of each of them; ``minimum_group`` of the programmes is the least.
None at all is too few as well, or the answer would tell of one person that they are not in it. A programme that sets
``minimum_group = 1`` wants everything told.
"""

from __future__ import annotations

from tailor.kernel.errors import Rejected
from tailor.kernel.program import Program
from tailor.rules.segments import Rule


def too_few(size: int, program: Program) -> bool:
    """Whether a group of ``size`` people is too small to be told of."""
    return size < program.minimum_group > 1


def check_group(size: int, program: Program, *, rule: Rule, pointer: str = "") -> None:
    """Refuse what would tell of, or reach, fewer people than the programmes allow; the number itself is not told.

    Raises
    ------
    Rejected : too few (422); the remedy names the coarser form of an attribute that ``rule`` reads, if there is one.
    """
    if not too_few(size, program):
        return
    finer = sorted(name[1:] for name in rule.reads if name[1:] in program.coarser and name[:1] == "@")
    remedy = (
        f"ask for {program.coarser[finer[0]]!r} instead of {finer[0]!r}"
        if finer
        else "widen the rule, or set another 'minimum_group' in the programme if fewer may be told of"
    )
    detail = f"fewer than {program.minimum_group} people are in this group, too few to tell of them: {remedy}"
    raise Rejected(detail, code="group-too-small", pointer=pointer, status=422)
