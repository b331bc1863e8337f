"""Campaigns: whether one is for a person, and what that makes of them. Pure, like the step.

A person remembers which run of a campaign has reached them, on which of its laps over everybody: so that a page that is
done again, or an audience that has changed, gives nobody a second letter, and counts nobody twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tailor.kernel.campaign import Campaign
from tailor.kernel.instants import DAY, HOUR, NEVER, SECOND
from tailor.kernel.keys import message_id, share
from tailor.kernel.person import Person
from tailor.kernel.program import Program, Template
from tailor.rules.calendar import instant
from tailor.rules.consent import view
from tailor.rules.effects import Effects
from tailor.rules.eligibility import Terms, count, eligible, when, where_of
from tailor.rules.journeys import RETRY
from tailor.rules.priority import coming
from tailor.rules.segments import Rule

SCHEDULED = "scheduled"
"""Why a letter leaves later that waits for its time alone."""
REMEMBERED = 20
"""Campaigns a person remembers, the newest."""
COMPLAINTS = (0.001, 0.003)
BOUNCES = (0.05, 0.10)
"""Shares of letters at which to warn, and at which a campaign is paused: what Gmail, Yahoo and SES stand."""
ENOUGH = 200
"""Letters delivered or bounced before shares mean anything."""
WARM_UP_FIRST = 50
WARM_UP_GROWTH = 2
"""A new domain's first day, and what each day may be of the one before."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a campaign: when it was ``begun``, and which ``lap`` over everybody it is on."""

    campaign: Campaign
    audience: Rule
    begun: int
    lap: int = 1

    def message(self, person: str) -> str:
        """What its letter to a person is."""
        return message_id(person, f"campaign:{self.campaign.key}", 0, self.begun)


@dataclass(frozen=True, slots=True)
class Offer:
    """What a campaign makes of a person.

    ``verdict``: ``queued``, ``planned`` (owed, and leaves later), ``already`` (a former lap), ``outside`` the audience,
    or the reason that keeps them from a letter, as in :mod:`tailor.rules.eligibility`. ``owed``: the next person and
    its effects, where there are any to write; ``at`` and ``why``: when it leaves, and why not before.
    """

    verdict: str
    owed: tuple[Person, Effects] | None = None
    at: int = NEVER
    why: str = ""


def offer(person: Person, run: Run, program: Program, *, suppressed: str | None, now: int) -> Offer:
    """Decide whether the campaign's letter goes to ``person``, and owe it."""
    campaign = run.campaign
    known = person.offers.get(campaign.key)
    if known is not None and known[0] == run.begun:
        return Offer("already" if known[1] < run.lap else "queued")
    if not run.audience.holds(view(person, "personalization", program, now=now), now=now)[0]:
        return Offer("outside")
    if held_out(person.id, campaign):
        return Offer("holdout")
    template = program.templates.get(campaign.template)
    if template is None or (why := eligible(person, template, program, suppressed=suppressed, now=now)):
        return Offer("template-gone" if template is None else why)
    due = max(now, planned(person, campaign, program, now=now))
    terms = Terms(campaign.window, campaign.calendar, campaign.deadline(run.begun), campaign.patient)
    ahead = coming(person, template, campaign.priority, program, now=due)
    verdict = when(person, run.message(person.id), template, terms, program, ahead=ahead, now=due)
    if verdict.why and not verdict.later:
        return Offer(verdict.why)
    leaves = verdict.at if verdict.later else due
    owed = _owe(person, run, template, program, leaves, terms.not_after, now)
    if leaves > now:
        return Offer("planned", owed, leaves, verdict.why or SCHEDULED)
    return Offer("queued", owed, now)


def _owe(
    person: Person, run: Run, template: Template, program: Program, due: int, not_after: int, now: int
) -> tuple[Person, Effects]:
    after = person.copy()
    after.version += 1
    message = run.message(person.id)
    count(after, message, template, program, now=due)
    owed: dict[str, Any] = {
        "journey": "",
        "campaign": run.campaign.key,
        "step": 0,
        "template": template.key,
        "entered": run.begun,
        "at": now,
        "cause": f"campaign:{run.campaign.key}",
    }
    if not_after < NEVER:
        owed["not_after"] = not_after
    effects = Effects()
    later = due > now
    if not later:
        effects.messages.append({"message": message, "person": person.id, **owed})
    after.owed[message] = {**owed, "retry": due if later else now + RETRY, "tries": 0 if later else 1}
    after.due = min(after.due, after.owed[message]["retry"])
    after.offers[run.campaign.key] = [run.begun, run.lap]
    for key in sorted(after.offers, key=lambda one: after.offers[one][0])[:-REMEMBERED]:
        del after.offers[key]
    return after, effects


def trial(person: Person, campaign: Campaign, *, now: int) -> tuple[Person, Effects, str]:
    """Owe ``person`` the letter as a test, now: (the next person, effects, message id). Consent still decides."""
    after = person.copy()
    after.version += 1
    message = message_id(person.id, f"test:{campaign.key}", 0, now)
    owed: dict[str, Any] = {
        "journey": "",
        "campaign": campaign.key,
        "test": True,
        "step": 0,
        "template": campaign.template,
        "entered": now,
        "at": now,
        "cause": f"test:{campaign.key}",
    }
    after.owed[message] = {**owed, "retry": now + RETRY, "tries": 1}
    after.due = min(after.due, now + RETRY)
    return after, Effects(messages=[{"message": message, "person": person.id, **owed}]), message


def held_out(person: str, campaign: Campaign) -> bool:
    """Whether a person is in the share that gets no letter: always the same people of a campaign."""
    return campaign.holdout > 0 and share("holdout", campaign.key, person) < campaign.holdout


def planned(person: Person, campaign: Campaign, program: Program, *, now: int) -> int:
    """When the letter is due, by the schedule alone."""
    if campaign.at is None or not campaign.local:
        return campaign.at or 0
    told = datetime.fromtimestamp(campaign.at // 1000, UTC)
    where = where_of(person, campaign.calendar, program, now=now)
    return instant(told.date(), told.hour * 60 + told.minute, where)


def alarm(counts: dict[str, int]) -> tuple[str, str]:
    """(``pause`` or ``warn``, why) where complaints or bounces are too many among letters, ``("", "")`` where not.

    ``counts`` by state, of all that have ever been in it.
    """
    bounced, complained = counts.get("BOUNCED", 0), counts.get("COMPLAINED", 0)
    delivered = counts.get("DELIVERED", 0)
    if delivered + bounced < ENOUGH:
        return "", ""
    shares = {
        "complaints": (complained / max(1, delivered), COMPLAINTS),
        "bounces": (bounced / (delivered + bounced), BOUNCES),
    }
    for level, at in (("pause", 1), ("warn", 0)):
        for what, (found, limits) in shares.items():
            if found >= limits[at]:
                return level, f"{what} are {found:.2%} of {delivered + bounced} letters; the limit is {limits[at]:.1%}"
    return "", ""


def warm_up(letters: int, *, daily: float, first: int = WARM_UP_FIRST) -> list[int]:
    """Letters a day for a domain or account that has not sent before, until all of ``letters`` have left.

    Each day twice the one before, as mailbox providers ask of newcomers, and never more than the quota allows.
    """
    plan: list[int] = []
    left, today = letters, float(first)
    while left > 0:
        plan.append(min(left, max(1, int(min(today, daily if daily > 0 else today)))))
        left -= plan[-1]
        if today < daily:
            today *= WARM_UP_GROWTH
        elif left > 0:
            rest, each = divmod(left, int(daily)) if daily >= 1 else (0, left)
            return [*plan, *[int(daily)] * rest, *([each] if each else [])]
    return plan


def lasts(
    letters: int, campaign: Campaign, *, handed: int = 0, ran: int = 0, rate: float, daily: float, sent: float
) -> int:
    """How many ms a campaign takes for so many letters more, by its ramp, its throttle and the account's quota.

    Parameters
    ----------
    handed, ran : letters it has handed over, and for how many ms it has run.
    rate, daily, sent : letters a second, in 24 hours, and those of them that are used, as SES counts them.
    """
    left, took, today = letters, 0, max(0.0, daily - sent) if daily >= 0 else float("inf")
    for hour in range(ran // HOUR, len(campaign.ramp)):
        length = (hour + 1) * HOUR - ran - took
        if took // DAY < (took + length) // DAY and daily >= 0:
            today = daily
        most = max(0.0, min(rate * length / SECOND, today, sum(campaign.ramp[: hour + 1]) - handed))
        if left <= most:
            return took + int(length * left / most) if left else took
        left, handed, took, today = left - int(most), handed + int(most), took + length, today - int(most)
    pace = rate if campaign.throttle is None else min(rate, campaign.throttle * SECOND / HOUR)
    rest = duration_of(left, rate=pace, daily=daily, sent=max(0.0, daily - today))
    return min(NEVER, took + rest)


def duration_of(letters: int, *, rate: float, daily: float, sent: float) -> int:
    """How many ms so many letters take under the account's quota, ``sent`` of today's being used."""
    today = max(0.0, daily - sent) if daily >= 0 else float("inf")
    if letters <= today:
        return int(letters / rate * 1000) if rate else NEVER
    if daily <= 0:
        return NEVER
    days = -(-(letters - today) // daily)
    last = (letters - today) - (days - 1) * daily
    return int(days * DAY + last / rate * 1000) if rate else NEVER
