"""Broadcast: campaigns, from their start to the last letter, page by page over the people table.

A run is one row: the campaign as it was started, how it stands, where its walk is and what it has counted. Each page is
decided, written and then checkpointed under the row's version, so that a worker killed anywhere leaves a page that is
done again: whom it has reached already is not reached twice, and nobody is counted twice.

::

    draft ──start──▶ scheduled ──its time──▶ running ──everybody walked──▶ finished
                         │                    │  ▲
                         └──cancel────────────┤  └──resume── paused ◀──pause, or too many complaints
                                              └──cancel──▶ cancelled

The walk hands over no more letters than the account takes in the next minute, so that a pause is felt at once and a
throttle or a ramp is what it says. What is in the queue when a campaign is paused is put off, what is there when it is
cancelled is left out. Another audience sends a running campaign on a new lap: who has been reached stays reached.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tailor.edges.mailer import Account
from tailor.edges.store import Store, Write
from tailor.flows.audience import check_audience
from tailor.flows.checkpoint import keep
from tailor.flows.publish import KIND as PROGRAMME
from tailor.flows.walk import PAGE, ROUNDS
from tailor.kernel.campaign import Campaign, Standing, read_campaign
from tailor.kernel.errors import Rejected, Transient
from tailor.kernel.fields import Fields, nearest
from tailor.kernel.instants import MINUTE, NEVER, SECOND, iso
from tailor.kernel.journey_document import read_calendar
from tailor.kernel.person import Person
from tailor.kernel.program import Program
from tailor.rules.campaigns import Run, alarm, duration_of, lasts, offer, trial, warm_up
from tailor.rules.compiled import Compiled
from tailor.rules.pacing import SHARES
from tailor.rules.segments import compile_rule

KIND = "campaign"
AHEAD = MINUTE
"""For how long ahead letters are handed over."""
LEASE = 45 * SECOND
"""How long a worker may be silent before another goes on with its campaign. It speaks with each page, and the next one
comes within the minute: what a killed worker leaves costs no minute of the quota."""
BACKLOG = 2 * MINUTE
"""Letters that wait in the queue are never more than leave in this time."""
RESERVE = 0.05
"""Share of the daily quota that broadcasts leave to letters somebody waits for."""
STATES = ("draft", "scheduled", "running", "paused", "finished", "cancelled")
OPEN = ("scheduled", "running", "paused")
DELIVERIES = ("SENT", "DELIVERED", "BOUNCED", "COMPLAINED", "SKIPPED", "FAILED", "UNKNOWN")


@dataclass(slots=True)
class Broadcast:
    """One run as stored under its campaign's ``key``.

    Attributes
    ----------
    version : of the row, 0 before its first write.
    document : ``{"campaign", "calendar"}`` as written.
    begun : instant of the start, which tells the letters of this run from others; ``begins``: when the first may leave.
    lap, after : how often it has begun to walk, and id of the last person done.
    handed : letters owed so far, in all laps; ``counts``: what the lap made of people, by verdict. A worker that is
        stopped in the middle of a page has owed letters that are not counted: the end of the walk finds them.
    ran : for how long it has run, in ms; ``touched``: instant of the last checkpoint.
    lease : instant until which a worker holds it.
    why : what paused it.
    """

    key: str
    version: int = 0
    document: dict[str, Any] = field(default_factory=dict)
    state: str = "draft"
    begun: int = 0
    begins: int = 0
    lap: int = 1
    after: str = ""
    handed: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    total: int = 0
    ran: int = 0
    touched: int = 0
    lease: int = 0
    finished: int = 0
    why: str = ""
    warned: bool = False

    @property
    def campaign(self) -> Campaign:
        """The campaign as it runs."""
        calendar = read_calendar(Fields(self.document.get("calendar") or {}, "/calendar"))
        return read_campaign(self.key, Fields(self.document["campaign"], f"/campaigns/{self.key}"), calendar)


@dataclass(slots=True)
class Advanced:
    """What one stretch of work did: verdict → people, and facts to tell."""

    counts: Counter[str] = field(default_factory=Counter)
    facts: list[dict[str, Any]] = field(default_factory=list)


# ---- what the owners do


def put(key: str, campaign: Mapping[str, Any], store: Store, compiled: Compiled, *, now: int) -> Broadcast:
    """Make a campaign, or change one; a running one goes on a new lap, with those it has reached left alone.

    Raises
    ------
    Rejected : it is wrong (``pointer`` leads into it), is a programme's (409), has ended (409), or runs and has too
    small an audience now (422).
    """
    if key in compiled.program.campaigns:
        detail = f"{key!r} is defined by a programme: change it there"
        raise Rejected(detail, code="defined-elsewhere", status=409)
    tried = _check(key, campaign, store, compiled)
    document = _made_by_hand(campaign, store)

    def change(known: Broadcast) -> Broadcast:
        if known.state in ("finished", "cancelled"):
            raise Rejected(f"{key!r} has ended: make another", code="ended", status=409)
        if known.state != "draft":
            check_audience(tried.audiences[key], store, tried, now=now)
        return _again(known, document, now)

    return _change(key, store, change, make=True)


def _again(known: Broadcast, document: dict[str, Any], now: int) -> Broadcast:
    changed = replace(known, document=document)
    if known.document == document or known.state == "draft":
        return changed
    return replace(
        changed, lap=known.lap + 1, after="", counts={}, begins=changed.campaign.begins(now=known.begun), touched=now
    )


def start(key: str, store: Store, compiled: Compiled, *, now: int) -> Broadcast:
    """Start a campaign: a draft, or one of a programme.

    Raises
    ------
    Rejected : there is none (404), it has been started before (409), or its audience is too small (422).
    """
    document = _of_programme(key, store)

    def change(known: Broadcast) -> Broadcast:
        if known.state != "draft":
            raise Rejected(f"{key!r} is {known.state}: a campaign is started once", code="started", status=409)
        wanted = document or _made_by_hand(known.document["campaign"], store)
        tried = _check(key, wanted["campaign"], store, compiled, calendar=wanted.get("calendar"))
        check_audience(tried.audiences[key], store, tried, now=now)
        begun = replace(known, document=wanted, begun=now, total=store.headcount(), touched=now)
        return replace(begun, state="scheduled", begins=begun.campaign.begins(now=now))

    return _change(key, store, change, make=document is not None)


def pause(key: str, store: Store, *, why: str = "", now: int) -> Broadcast:
    """Hand nothing over until it is resumed; what waits in the queue is put off."""
    return _move(key, store, ("scheduled", "running"), "paused", now, why)


def resume(key: str, store: Store, *, now: int) -> Broadcast:
    """Go on where it was paused."""
    return _move(key, store, ("paused",), "scheduled", now)


def cancel(key: str, store: Store, *, now: int) -> Broadcast:
    """End it: what waits in the queue, or for a recipient's clock, is left out."""
    return _move(key, store, (*OPEN, "draft", "finished"), "cancelled", now)


def _move(key: str, store: Store, states: tuple[str, ...], state: str, now: int, why: str = "") -> Broadcast:
    def change(known: Broadcast) -> Broadcast:
        if known.state not in states:
            raise Rejected(f"{key!r} is {known.state}, not {' or '.join(states)}", code="wrong-state", status=409)
        return replace(known, state=state, why=why, touched=now, lease=0)

    return _change(key, store, change)


def test(key: str, person: Person, store: Store, compiled: Compiled, *, now: int) -> str:
    """Send the letter to one person now, whatever the schedule, holdout, audience and caps say; its message id.

    Raises
    ------
    Rejected : there is no such campaign (404).
    Transient : the person is being written by others all the time.
    """
    document = _of_programme(key, store)
    known = _known(key, store) if document is None else Broadcast(key, document=document)
    for _ in range(ROUNDS):
        after, effects, message = trial(person, known.campaign, now=now)
        if not store.write([Write(after, effects.pack(), had_due=person.due < NEVER)], now=now):
            return message
        found = store.person(person.id, consistent=True)
        if found is None:
            raise Rejected("this person is no longer there", code="not-found", status=404)
        person = found
    raise Transient("the person was written by others each time")


def _check(
    key: str, campaign: Mapping[str, Any], store: Store, compiled: Compiled, *, calendar: Any = None
) -> Compiled:
    """Compile the campaign beside what is in force."""
    trial_document = {"name": "~campaign", "calendar": calendar or {}, "campaigns": {key: dict(campaign)}}
    documents = [_without(document, key) for document in store.definitions(PROGRAMME).values()]
    try:
        tried = Compiled(Program.of([*documents, trial_document]))
    except Rejected as fault:
        pointer = fault.pointer.removeprefix(f"/campaigns/{key}")
        raise Rejected(fault.detail, code=fault.code, pointer=pointer, status=fault.status) from fault
    if tried.counts_more_than(compiled):
        detail = "its audience counts what nobody has counted yet: make it a segment of a programme, and name that"
        raise Rejected(detail, code="not-counted", pointer="/audience", status=422)
    return tried


def _without(document: Mapping[str, Any], key: str) -> dict[str, Any]:
    campaigns = {name: one for name, one in (document.get("campaigns") or {}).items() if name != key}
    return {**document, "campaigns": campaigns}


def _of_programme(key: str, store: Store) -> dict[str, Any] | None:
    for document in store.definitions(PROGRAMME).values():
        if found := (document.get("campaigns") or {}).get(key):
            return {"campaign": found, "calendar": document.get("calendar")}
    return None


def _made_by_hand(campaign: Mapping[str, Any], store: Store) -> dict[str, Any]:
    """A campaign that is of no programme keeps the quiet hours of the one whose letter it sends."""
    for document in store.definitions(PROGRAMME).values():
        if campaign["template"] in (document.get("templates") or {}):
            return {"campaign": dict(campaign), "calendar": document.get("calendar")}
    return {"campaign": dict(campaign)}


# ---- rows


def broadcasts(store: Store) -> dict[str, Broadcast]:
    """All runs and drafts, by key."""
    return {key: Broadcast(key, version, **row) for key, (version, row) in store.jobs(KIND).items()}


def _known(key: str, store: Store) -> Broadcast:
    found = store.job(key, KIND)
    if found is None:
        known = [
            *broadcasts(store),
            *(k for d in store.definitions(PROGRAMME).values() for k in d.get("campaigns", ())),
        ]
        raise Rejected(f"there is no campaign {key!r}{nearest(key, known)}", code="not-found", status=404)
    return Broadcast(key, found[0], **found[1])


def drafted(key: str, store: Store, compiled: Compiled) -> tuple[Broadcast, Compiled]:
    """A campaign as it runs, or as it would if it were started, and the programmes with it.

    Raises
    ------
    Rejected : there is none (404), or its audience counts what nobody has counted yet (422).
    """
    document = _of_programme(key, store)
    known = Broadcast(key, document=document) if document and not store.job(key, KIND) else _known(key, store)
    if known.state == "draft":
        known = replace(known, document=document or _made_by_hand(known.document["campaign"], store))
    wanted = known.document
    return known, _check(key, wanted["campaign"], store, compiled, calendar=wanted.get("calendar"))


def standing(key: str, store: Store) -> Standing:
    """How a campaign stands, for the sender."""
    found = store.job(key, KIND)
    if found is None:
        return Standing()
    known = Broadcast(key, found[0], **found[1])
    return Standing(known.state, known.campaign)


def _change(key: str, store: Store, change: Callable[[Broadcast], Broadcast], *, make: bool = False) -> Broadcast:
    for _ in range(ROUNDS):
        found = store.job(key, KIND)
        known = Broadcast(key) if found is None and make else _known(key, store)
        changed = change(known)
        if _keep(changed, store):
            return changed
    raise Transient("the campaign is being written by its worker; try again")


def _keep(broadcast: Broadcast, store: Store) -> bool:
    return keep(broadcast, store, kind=KIND, called="key")


# ---- the worker


def advance(
    store: Store,
    compiled: Callable[[], Compiled],
    account: Account,
    backlog: int,
    *,
    clock: Callable[[], int],
    enough: Callable[[], bool] = lambda: False,
) -> Advanced:
    """Hand over what the account takes in the next minute, of all campaigns that run, the oldest first.

    Parameters
    ----------
    backlog : letters that wait in the queue.
    """
    done = Advanced()
    room = budget(account, backlog)
    for known in sorted(broadcasts(store).values(), key=lambda one: one.begun):
        if known.state in ("running", "finished"):
            known = _watch(known, store, done, clock())
        if known.state == "cancelled" and known.begun and not known.finished and known.touched + LEASE <= clock():
            _count_out(known, store, clock, enough)
        if known.state not in ("scheduled", "running") or known.begins > clock() or known.lease > clock():
            continue
        now = clock()
        ran = known.ran + (min(now - known.touched, BACKLOG) if known.state == "running" else 0)
        held = replace(known, state="running", ran=ran, touched=now, lease=now + LEASE)
        if not _keep(held, store):
            continue
        room -= _walk(held, store, compiled(), room, done, clock, enough)
    return done


def _walk(
    held: Broadcast,
    store: Store,
    compiled: Compiled,
    room: int,
    done: Advanced,
    clock: Callable[[], int],
    enough: Callable[[], bool],
) -> int:
    """Pages of one run, as far as it goes; answers the letters handed over."""
    before = held.handed
    while held.state == "running" and held.handed - before < room and not enough():
        allowed = min(PAGE, room - (held.handed - before), held.campaign.allowed(held.ran + AHEAD) - held.handed)
        if allowed < 1:
            break
        further = _page(held, store, compiled, int(allowed), done, clock)
        if further is None:
            return held.handed - before
        held = further
    if held.state == "running":
        _keep(replace(held, lease=0), store)
    return held.handed - before


def _count_out(known: Broadcast, store: Store, clock: Callable[[], int], enough: Callable[[], bool]) -> None:
    """Go on to the end of the table for a cancelled run, to count those it has reached: by the page that was under way
    when it was cancelled, or in an earlier lap."""
    held: Broadcast | None = known
    while held is not None and not held.finished and not enough():
        people, after = store.page(held.after, limit=PAGE)
        reached = sum(one.offers.get(held.key, (0,))[0] == held.begun for one in people)
        counts = Counter(held.counts) + Counter(already=reached)
        further = replace(held, after=after, counts=dict(counts), finished=0 if after else clock())
        further.handed = max(held.handed, _reached(counts))
        held = further if _keep(further, store) else None


def _reached(counts: Mapping[str, int]) -> int:
    return sum(counts.get(verdict, 0) for verdict in ("queued", "planned", "already"))


def budget(account: Account, backlog: int) -> int:
    """Letters that may be handed over now: as many as fill the queue up, and fit in what is left of the day."""
    if not account.enabled:
        return 0
    rate = account.rate * SHARES["broadcast"]
    today = account.left - RESERVE * max(0.0, account.daily)
    return max(0, int(min(rate * BACKLOG / SECOND, today) - backlog))


def _page(
    held: Broadcast, store: Store, compiled: Compiled, limit: int, done: Advanced, clock: Callable[[], int]
) -> Broadcast | None:
    """One page further; ``None`` where the run is no longer ours, as when it has been paused."""
    now = clock()
    campaign = held.campaign
    run = Run(campaign, compile_rule(campaign.audience, compiled.program), held.begun, held.lap)
    people, after = store.page(held.after, limit=limit)
    counts = _offer(people, run, store, compiled.program, now)
    then = clock()
    lap = Counter(held.counts) + counts
    handed = held.handed + counts["queued"] + counts["planned"]
    further = replace(
        held,
        after=after,
        counts=dict(lap),
        handed=handed if after else max(handed, _reached(lap)),
        lease=then + LEASE,
        state="running" if after else "finished",
        finished=0 if after else then,
    )
    if not _keep(further, store):
        return None
    done.counts += counts
    if further.finished:
        done.facts.append({"name": "campaign.finished", "at": then, "campaign": held.key, "letters": further.handed})
    return further


def _offer(people: Sequence[Person], run: Run, store: Store, program: Program, now: int) -> Counter[str]:
    """Offer the letter to the people of a page; answers how many got which verdict."""
    counts: Counter[str] = Counter()
    left_out: list[tuple[Person, str]] = []
    pending = list(people)
    for _ in range(ROUNDS):
        _, suppressed = store.letters((), {email for one in pending if (email := one.email())})
        offers = [
            (one, offer(one, run, program, suppressed=suppressed.get(one.email() or ""), now=now)) for one in pending
        ]
        writes = {
            one.id: Write(made.owed[0], made.owed[1].pack(), had_due=one.due < NEVER)
            for one, made in offers
            if made.owed is not None
        }
        lost = {write.person.id for write in store.write(list(writes.values()), now=now)}
        for one, made in offers:
            if one.id not in lost:
                counts.update({"people": 1, made.verdict.partition(":")[0]: 1})
                if made.owed is None and made.verdict not in ("outside", "already", "queued"):
                    left_out.append((one, made.verdict))
        if not lost:
            store.skip(_rows(left_out, run, program), now=now)
            return counts
        # Somebody merged away meanwhile is walked as who took them in.
        pending = list(store.people(lost, consistent=True).people.values())
    raise Transient(f"{len(pending)} people were written by others each time")


def _rows(
    left_out: Iterable[tuple[Person, str]], run: Run, program: Program
) -> Iterable[tuple[str, str, dict[str, Any]]]:
    for person, why in left_out:
        row = {
            "journey": "",
            "campaign": run.campaign.key,
            "step": 0,
            "template": run.campaign.template,
            "entered": run.begun,
            "cause": f"campaign:{run.campaign.key}",
            "program": program.version,
            "consent": person.consent_head,
            "person_version": person.version,
            "why": why,
        }
        yield person.id, run.message(person.id), row


def _watch(known: Broadcast, store: Store, done: Advanced, now: int) -> Broadcast:
    """Pause a campaign that draws too many complaints or bounces; warn before that."""
    level, why = alarm(deliveries(known.key, store))
    if level == "pause" and known.state == "running":
        paused = replace(known, state="paused", why=why, touched=now, lease=0)
        if _keep(paused, store):
            done.facts.append({"name": "campaign.paused", "at": now, "campaign": known.key, "why": why})
        return paused
    if level and not known.warned:
        warned = replace(known, warned=True)
        if _keep(warned, store):
            done.facts.append({"name": "campaign.warned", "at": now, "campaign": known.key, "why": why})
            return warned
    return known


# ---- what people see


def deliveries(key: str, store: Store) -> dict[str, int]:
    """Letters of a campaign by what became of them, as far as it is known."""
    return {state: n for state, n in store.tallies(f"campaign:{key}").items() if state in DELIVERIES}


def campaigns(store: Store, compiled: Compiled, account: Account | None, *, now: int) -> list[dict[str, Any]]:
    """All campaigns: those of programmes that nobody has started, drafts and runs; see :func:`shown`."""
    known = broadcasts(store)
    for key in compiled.program.campaigns:
        if key not in known and (document := _of_programme(key, store)):
            known[key] = Broadcast(key, document=document)
    return [shown(one, store, account, now=now) for one in sorted(known.values(), key=lambda b: (b.begun, b.key))]


def campaign(key: str, store: Store, account: Account | None, *, now: int) -> dict[str, Any]:
    """One of :func:`campaigns`.

    Raises
    ------
    Rejected : there is none (404).
    """
    document = None if store.job(key, KIND) else _of_programme(key, store)
    return shown(_known(key, store) if document is None else Broadcast(key, document=document), store, account, now=now)


def shown(one: Broadcast, store: Store, account: Account | None, *, now: int) -> dict[str, Any]:
    """For people: how it stands, how far it is, and when it may be done under the account's quota."""
    campaign = one.campaign
    walked = one.counts.get("people", 0)
    total = max(walked, one.total or store.headcount())
    share = one.handed / walked if walked and one.lap == 1 else 1.0
    ahead = int((total - walked) * share) if one.state not in ("finished", "cancelled") else 0
    sent = deliveries(one.key, store) if one.begun else {}
    open_ = one.state in ("scheduled", "running")
    takes = lasting(ahead, campaign, account, handed=one.handed, ran=one.ran) if account else NEVER
    estimate = max(now, one.begins) + takes if open_ and takes < NEVER else None
    return {
        "key": one.key,
        "title": campaign.title,
        "template": campaign.template,
        "state": one.state,
        "why": one.why,
        "document": one.document["campaign"],
        "started": iso(one.begun) if one.begun else None,
        "begins": iso(one.begins) if one.begins else None,
        "finished": iso(one.finished) if one.finished else None,
        "lap": one.lap,
        "progress": 1.0 if one.state == "finished" else round(walked / total, 3) if total else 0.0,
        "total": total,
        "letters": one.handed,
        "people": one.counts,
        "deliveries": sent,
        "estimate": None if estimate is None else iso(estimate),
    }


def lasting(letters: int, campaign: Campaign, account: Account, *, handed: int = 0, ran: int = 0) -> int:
    """How many ms so many letters more take in the lane of broadcasts, ``NEVER`` where the account sends nothing."""
    if not account.enabled:
        return NEVER
    rate, daily = account.rate * SHARES["broadcast"], account.daily * (1 - RESERVE) if account.daily >= 0 else -1
    return lasts(letters, campaign, handed=handed, ran=ran, rate=rate, daily=daily, sent=account.sent)


def plan(letters: int, account: Account, *, first: int) -> dict[str, Any]:
    """A warm-up for a new domain or account: ``{"letters", "days": [{"day", "letters"}], "at_once_ms"}``."""
    days = warm_up(letters, daily=account.daily, first=first)
    at_once = duration_of(letters, rate=account.rate, daily=account.daily, sent=account.sent)
    return {
        "letters": letters,
        "days": [{"day": day, "letters": n} for day, n in enumerate(days, 1)],
        "at_once_ms": None if at_once >= NEVER else at_once,
    }
