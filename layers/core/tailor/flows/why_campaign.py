"""Why not, of a campaign that has left neither a letter nor a row: not begun, not for them, or not come to them yet."""

from __future__ import annotations

from dataclasses import dataclass

from tailor.edges.store import Store
from tailor.flows.broadcast import Broadcast, broadcasts
from tailor.flows.finding import Finding, failing, moment
from tailor.kernel.campaign import Campaign
from tailor.kernel.person import Person
from tailor.rules.campaigns import held_out
from tailor.rules.compiled import Compiled
from tailor.rules.consent import view
from tailor.rules.segments import compile_rule


@dataclass(slots=True)
class Known:
    """A campaign, and its run where it has one."""

    campaign: Campaign
    run: Broadcast | None = None


def known(store: Store, compiled: Compiled) -> dict[str, Known]:
    """Every campaign by its key: those of programmes, drafts and runs."""
    found = {key: Known(campaign) for key, campaign in compiled.program.campaigns.items()}
    return found | {key: Known(run.campaign, run) for key, run in broadcasts(store).items()}


def standing(one: Known, person: Person, compiled: Compiled, *, now: int) -> list[Finding]:
    """Why the campaign owes ``person`` nothing, the first obstacle first."""
    key, run = one.campaign.key, one.run
    if run is None or run.state == "draft":
        return [Finding("not-started", f"The campaign {key!r} has not been started.", "starting it")]
    audience = _audience(one.campaign, person, compiled, now)
    if audience:
        return audience
    begun = moment(run.begun)
    match run.state:
        case "scheduled":
            so, until = f"The campaign {key!r} begins on {moment(run.begins)}.", run.begins
            return [Finding("not-begun", so, f"time, until {moment(until)}", until)]
        case "paused":
            why = f": {run.why}" if run.why else ""
            sentence = f"The campaign {key!r} is paused{why}, and has not come to them yet."
            return [Finding("paused", sentence, "resuming it")]
        case "cancelled":
            return [Finding("cancelled", f"The campaign {key!r} was cancelled before it came to them.", "another one")]
        case "running":
            return [Finding("under-way", f"The campaign {key!r} is under way and has not come to them yet.", "time")]
        case _:
            sentence = f"They would be in the audience of {key!r} now, and were not when it went out, from {begun}."
            return [Finding("not-then", sentence, "another campaign")]


def _audience(campaign: Campaign, person: Person, compiled: Compiled, now: int) -> list[Finding]:
    rule = compile_rule(campaign.audience, compiled.program, pointer=f"/campaigns/{campaign.key}/audience")
    reason = rule.explain(view(person, "personalization", compiled.program, now=now), now=now)
    if not reason.holds:
        return failing("not-in-audience", f"They are not in the audience of the campaign {campaign.key!r}.", reason)
    if held_out(person.id, campaign):
        sentence = f"They are in the {campaign.holdout:.0%} of the audience of {campaign.key!r} that get no letter."
        return [Finding("holdout", sentence, "another share")]
    return []
