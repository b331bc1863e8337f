"""Reckon: what a campaign would do if it were started: who gets its letter, who does not and why, how long it takes and
what it costs. Nothing is written, owed or counted.

Each person is decided as when the campaign comes to them, at its beginning, and the letter is written as it would be.
People are those of a segment's preview: all of a small table, a fair sample of a large one, with its margin.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tailor.edges.mailer import Account
from tailor.edges.store import Store
from tailor.flows.audience import Sample, sample
from tailor.flows.broadcast import drafted, lasting
from tailor.flows.finding import REASONS
from tailor.kernel.campaign import Campaign
from tailor.kernel.errors import Rejected
from tailor.kernel.instants import DAY, NEVER, iso
from tailor.kernel.person import Person
from tailor.kernel.program import Program
from tailor.rules import prices
from tailor.rules.campaigns import SCHEDULED, Run, offer
from tailor.rules.compiled import Compiled
from tailor.rules.consent import view
from tailor.rules.groups import check_group, too_few
from tailor.rules.pacing import SHARES
from tailor.rules.recommending import Shelf
from tailor.rules.segments import Rule
from tailor.rules.templates import NOWHERE, compile_template, given

NOT_WRITTEN = "not-written"
"""Why nobody gets a letter that shows what is not known of them; what that is follows."""
_LATER = {
    SCHEDULED: "it is not the time of the campaign where they are yet",
    "quiet-hours": "it is night where they are",
    "window": "it is outside the hours of the campaign where they are",
    "capped": "they wait for room under a frequency cap",
    "yields": "a letter of a higher priority comes first",
}


@dataclass(slots=True)
class _Found:
    """What was decided of the people of a sample: how many are in the audience, get the letter at once, get it later
    and why, get none and why; and when the last one leaves."""

    audience: int = 0
    at_once: int = 0
    later: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    last: int = 0

    @property
    def letters(self) -> int:
        """How many get one."""
        return self.at_once + self.later.total()


def reckon(
    key: str, store: Store, compiled: Compiled, account: Account | None, *, shelf: Shelf, now: int
) -> dict[str, Any]:
    """``{"audience", "letters", "at_once", "later", "left_out", "begins", "ends", "takes_ms", "limits", "usd", …}``.

    Numbers of people are ``{"people", "low", "high", "below"}``: about how many, with 95 % from ``low`` to ``high``; of
    fewer than ``minimum_group`` nothing but that is told, as ``below``. ``later`` and ``left_out`` have ``why`` and
    ``says`` beside them. Without an ``account`` nobody knows how long it takes.

    Raises
    ------
    Rejected : there is no such campaign (404), its audience counts what nobody has counted yet, or is too small (422).
    """
    known, tried = drafted(key, store, compiled)
    campaign, program, audience = known.campaign, tried.program, tried.audiences[key]
    begins = campaign.begins(now=now)
    sampled = sample(store)
    run = Run(campaign, audience, known.begun or now, known.lap)
    found = _decide(sampled.people, run, audience, program, store, shelf, begins)
    size, _, most = sampled.stands_for(found.audience)
    check_group(size if sampled.exact or found.audience else most, program, rule=audience, pointer="/audience")
    letters = sampled.stands_for(found.letters)[0]
    takes = lasting(letters, campaign, account) if account else NEVER
    ends = max(begins + takes, found.last) if takes < NEVER else None

    def told(matched: int) -> dict[str, Any]:
        return _told(sampled, matched, program)

    def reasons(counted: Counter[str], words: Mapping[str, str]) -> list[dict[str, Any]]:
        return [{"why": why, "says": _says(why, words), **told(n)} for why, n in counted.most_common()]

    return {
        "key": key,
        "people": sampled.total,
        "sampled": len(sampled.people),
        "exact": sampled.exact,
        "audience": told(found.audience),
        "letters": told(found.letters),
        "at_once": told(found.at_once),
        "later": reasons(found.later, _LATER),
        "left_out": reasons(found.left_out, {code: says for code, (says, _) in REASONS.items()}),
        "begins": iso(begins),
        "ends": None if ends is None else iso(ends),
        "takes_ms": None if ends is None else ends - begins,
        "limits": _limits(campaign, account),
        "usd": {name: round(usd, 4) for name, usd in prices.broadcast(letters, sampled.total).items()},
        "warnings": list(_warnings(run, found, account, begins, ends)),
    }


def _decide(
    people: list[Person], run: Run, audience: Rule, program: Program, store: Store, shelf: Shelf, now: int
) -> _Found:
    members = [one for one in people if audience.holds(view(one, "personalization", program, now=now), now=now)[0]]
    _, suppressed = store.letters((), {email for one in members if (email := one.email())})
    template = program.templates[run.campaign.template]
    head, extra = compile_template(template, program), given(template, NOWHERE)
    found = _Found(audience=len(members), last=now)
    for person in members:
        made = offer(person, run, program, suppressed=suppressed.get(person.email() or ""), now=now)
        if made.owed is None:
            found.left_out[made.verdict] += 1
            continue
        try:
            head.render(view(person, template.reads_for, program, now=now), extra, now=now, shelf=shelf)
        except Rejected as refused:
            found.left_out[f"{NOT_WRITTEN}: {refused.detail}"] += 1
            continue
        found.last = max(found.last, made.at)
        if made.why:
            found.later[made.why] += 1
        else:
            found.at_once += 1
    return found


def _told(sampled: Sample, matched: int, program: Program) -> dict[str, Any]:
    size, low, high = sampled.stands_for(matched)
    if matched and too_few(size, program):
        return {"people": None, "low": None, "high": None, "below": program.minimum_group}
    return {"people": size, "low": low, "high": high, "below": None}


def _says(why: str, words: Mapping[str, str]) -> str:
    code, _, part = why.partition(": ")
    if code == NOT_WRITTEN:
        return f"the letter could not be written: {part}"
    more = f" ({part})" if part else ""
    return f"{words.get(code, 'it has reached them')}{more}"


def _limits(campaign: Campaign, account: Account | None) -> dict[str, Any]:
    return {
        "per_second": account.rate * SHARES["broadcast"] if account else None,
        "per_day": account.daily if account and account.daily >= 0 else None,
        "sent_today": account.sent if account else None,
        "throttle": campaign.throttle,
        "ramp": list(campaign.ramp),
    }


def _warnings(run: Run, found: _Found, account: Account | None, begins: int, ends: int | None) -> Iterable[str]:
    if account is None:
        yield "SES does not say what this account may send: nobody knows how long it takes"
    elif ends is None:
        yield "this account may send nothing at the moment"
    deadline = run.campaign.deadline(run.begun)
    if ends is not None and ends > deadline:
        yield f"the last letter would leave at {iso(ends)}, and after {iso(deadline)} its letters are of no use"
    if account and account.rate <= 1:
        yield "one letter a second or fewer: the account is in SES's sandbox, which sends to verified addresses alone"
    if found.audience and not found.letters:
        yield "nobody would get a letter"
    if ends is not None and run.campaign.at is None and ends - begins > DAY and not run.campaign.ramp:
        yield f"at {account.rate if account else 0:g} letters a second it takes days: raise the quota of the account"
