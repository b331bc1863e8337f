"""Shapes of the API: what callers send, and what they get. Instants are ISO 8601 in UTC."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Strict(BaseModel):
    """A request; fields nobody asked for are refused."""

    model_config = ConfigDict(extra="forbid")


class KeyRequest(Strict):
    """Either a token for the API (``scopes``), or a key by which a source sends (``source``)."""

    name: str = Field(min_length=1, max_length=100, description="For whom, or for what")
    scopes: list[str] | None = Field(None, description="ingest, read, write (implies read), admin (implies all)")
    source: str | None = Field(None, description="segment, shopify")
    secret: str | None = Field(None, min_length=1, max_length=1000, description="What the source signs with")
    rate: int | None = Field(None, ge=1, le=10_000, description="Requests a second the source may make (500)")


class IssuedKey(BaseModel):
    """Shown once: ``token`` for the API, ``key`` for a source."""

    id: str
    token: str | None = None
    key: str | None = None


class Key(BaseModel):
    """A key without what opens the door."""

    id: str
    name: str
    created: str
    scopes: list[str] | None = None
    source: str | None = None
    rate: int | None = None


class SecretRequest(Strict):
    """Another signing secret; the one before stays valid beside it."""

    secret: str = Field(min_length=1, max_length=1000)


class Change(BaseModel):
    """One definition that changes; ``lines`` begin with ``+``, ``-``, a blank, or are ``@@``."""

    pointer: str
    change: Literal["added", "changed", "removed"]
    lines: list[str]


class Warned(BaseModel):
    """Something to look at; it keeps nothing from being published."""

    pointer: str
    detail: str


class Publication(BaseModel):
    """What publishing did, or would do: ``version`` of the document, ``program`` of all documents together."""

    name: str
    version: str
    program: str
    changed: bool
    diff: list[Change]
    warnings: list[Warned]


class ProgrammeSummary(BaseModel):
    """A programme in force, and how much it defines."""

    name: str
    version: str
    published: str | None
    purposes: int
    topics: int
    attributes: int
    segments: int
    journeys: int
    templates: int


class Programme(BaseModel):
    """A programme in force."""

    name: str
    version: str
    published: str | None
    document: dict[str, Any]


class SegmentSummary(BaseModel):
    """A segment, its rule in English, and how many were in it when everybody was ``counted`` last.

    Too few to tell of have no ``size``: they are fewer than ``below``, the programme's ``minimum_group``.
    """

    key: str
    title: str
    purpose: str
    sentence: str
    size: int | None
    below: int | None
    counted: str | None


class SegmentSize(BaseModel):
    """How many of all ``people`` were in a segment; see ``SegmentSummary`` of too few."""

    day: str
    at: str
    size: int | None
    below: int | None
    people: int


class Segment(SegmentSummary):
    """A segment with its rule, as it was written and as text, and its sizes by day, the oldest first."""

    rule: Any
    text: str
    history: list[SegmentSize]


class PreviewRequest(Strict):
    """A rule to try, as in a programme."""

    rule: Any
    purpose: str = "personalization"


class Example(BaseModel):
    """Somebody for whom a rule holds."""

    id: str
    identifiers: dict[str, list[str]]


class Preview(BaseModel):
    """How many of ``people`` a rule holds for: ``size``, and with 95 % confidence from ``low`` to ``high``."""

    sentence: str
    size: int
    low: int
    high: int
    exact: bool
    people: int
    sampled: int
    matched: int
    examples: list[Example]


class Member(Example):
    """Somebody in a segment."""

    since: str


class Members(BaseModel):
    """A page of members; ``next`` is the ``after`` of the next page, ``null`` on the last."""

    members: list[Member]
    next: str | None


class Explanation(BaseModel):
    """Why somebody is in a segment, or not. ``changes``: when time alone would change that; ``reason``: the rule and
    the rules inside it, with what each looked at (instants in ms)."""

    segment: str
    member: bool
    since: str | None
    sentence: str
    changes: str | None
    reason: dict[str, Any]


class Job(BaseModel):
    """Work over everybody. ``rebuild``: counters are made from the events; ``estimate``: when it may be done."""

    name: str
    state: Literal["waiting", "running", "finished"]
    program: str | None
    rebuild: bool
    started: str
    finished: str | None
    progress: float
    total: int
    estimate: str | None
    counts: dict[str, int]


class Tick(BaseModel):
    """One tick of the clock: how late, in ms, people were decided, and whether it left some to the next."""

    at: str
    people: int
    p50: int
    p95: int
    max: int
    unfinished: bool


class Lateness(BaseModel):
    """People decided at most so many ms late, and more than the class before; ``null``: later than all classes."""

    most_ms: int | None
    people: int


class ClockDay(BaseModel):
    """One day of the clock."""

    day: str
    people: list[Lateness]


class Clock(BaseModel):
    """The last tick, the last that decided anybody, and the last days."""

    last: Tick | None
    busy: Tick | None
    days: list[ClockDay]


class CampaignRequest(Strict):
    """A campaign as in a programme; only `template` and `audience` must be there."""

    template: str = Field(description="Key of the template of its letter")
    audience: Any = Field(description='A rule, such as `{"segment": KEY}`')
    title: str | None = None
    at: str | None = Field(None, description="Instant, or with `local` the time on each recipient's clock")
    local: bool | None = None
    not_after: str | None = Field(None, description="For how long a letter is of use, such as `2d`")
    holdout: float | None = Field(None, description="Share of the audience that gets no letter, such as 0.05")
    throttle: int | None = Field(None, description="Letters an hour")
    ramp: list[int] | None = Field(None, description="Letters in the first hour, in the second, ...")
    window: dict[str, Any] | None = Field(None, description="Local times at which letters may leave")
    capped: Literal["skip", "wait"] | None = Field(
        None, description="What happens where a frequency cap leaves no room"
    )
    priority: Literal["high", "normal", "low"] | None = Field(
        None, description="To known letters of journeys above it, it leaves the room under a cap; `low` by itself"
    )


class Campaign(BaseModel):
    """A campaign. `people`: those walked on this lap, by what became of them; `letters`: owed so far;
    `deliveries`: letters by the states they have reached."""

    key: str
    title: str
    template: str
    state: Literal["draft", "scheduled", "running", "paused", "finished", "cancelled"]
    why: str
    document: dict[str, Any]
    started: str | None
    begins: str | None
    finished: str | None
    lap: int
    progress: float
    total: int
    letters: int
    people: dict[str, int]
    deliveries: dict[str, int]
    estimate: str | None = Field(description="When its last letter may have left")


class Counted(BaseModel):
    """About how many people, with 95 % from `low` to `high`; `below` where they are too few to be told of."""

    people: int | None
    low: int | None
    high: int | None
    below: int | None


class CountedFor(Counted):
    """People, and why they get the letter later, or none."""

    why: str
    says: str


class Limits(BaseModel):
    """What bounds how fast it goes: of the account, in letters, and of the campaign, in letters an hour."""

    per_second: float | None
    per_day: float | None
    sent_today: float | None
    throttle: int | None
    ramp: list[int]


class CampaignCheck(BaseModel):
    """What a campaign would do if it were started. `exact`: all `people` were looked at, else `sampled` of them; `usd`:
    by service, at list prices of us-east-1."""

    key: str
    people: int
    sampled: int
    exact: bool
    audience: Counted
    letters: Counted
    at_once: Counted
    later: list[CountedFor]
    left_out: list[CountedFor]
    begins: str
    ends: str | None
    takes_ms: int | None
    limits: Limits
    usd: dict[str, float]
    warnings: list[str]


class TestRequest(Strict):
    """Whom to send a test to."""

    person: str = Field(min_length=1, max_length=100, description="Id of the person")


class Tested(BaseModel):
    """The test's message id."""

    message: str


class WarmUpDay(BaseModel):
    """Letters on one day."""

    day: int
    letters: int


class WarmUp(BaseModel):
    """A plan by days, and how long the account would take at once (`null`: never)."""

    letters: int
    days: list[WarmUpDay]
    at_once_ms: int | None


class WebhookRequest(Strict):
    """Where to tell which facts: ``segment.entered``, ``segment.*``, ``*``, ..."""

    url: str = Field(max_length=2000)
    events: list[str] = Field(max_length=50)


class Webhook(BaseModel):
    """A webhook without its secret. ``failures``: attempts failed in a row; ``why``: what disabled it."""

    id: str
    url: str
    events: list[str]
    created: str
    enabled: bool
    why: str
    failures: int


class IssuedWebhook(Webhook):
    """The ``secret`` is shown once."""

    secret: str


class RedeliverRequest(Strict):
    """What happened since an instant; what reached the webhook too, if ``everything``."""

    since: str
    everything: bool = False


class Redelivered(BaseModel):
    """Deliveries queued; ``next`` is the ``since`` to go on with, ``null`` if that was all."""

    queued: int
    next: str | None


class Choice(BaseModel):
    """Consent in force for one purpose, or one topic of it."""

    purpose: str
    topic: str
    grant: Literal["granted", "denied", "withdrawn", "pending"]
    at: str
    source: str


class Membership(BaseModel):
    """A segment they are in."""

    segment: str
    title: str
    since: str


class Enrolment(BaseModel):
    """A journey they are in; ``due`` is when its next step is taken."""

    journey: str
    entered: str
    step: int
    due: str
    cause: str


class Finished(BaseModel):
    """A journey they went through; ``entered`` counts for re-entry, ``how`` it ended: ``end``, ``goal``, ..."""

    journey: str
    entered: str
    ended: str
    how: str


class JourneyInForce(BaseModel):
    """What a journey is called, how it begins, and how it stands; ``counted``: the last walk over everybody."""

    key: str
    title: str
    begins: str
    priority: Literal["high", "normal", "low"]
    paused: bool
    version: str
    counted: str | None


class JourneySummary(JourneyInForce):
    """A journey in force; ``enrolled`` is how many were in it at ``counted``, the last walk over everybody."""

    enrolled: int | None


class JourneyStep(BaseModel):
    """A step in English, and how many were waiting at it."""

    step: int
    says: str
    waiting: int


class Journey(JourneySummary):
    """A journey in English. ``earlier``: people in earlier versions; ``ended``: how those who went through it ended."""

    outline: list[str]
    steps: list[JourneyStep]
    earlier: int
    ended: dict[str, int]


class About(BaseModel):
    """About how many people, with 95 % from `low` to `high`."""

    people: int
    low: int
    high: int


class Held(About):
    """People whose letter waits, and for what."""

    why: str
    says: str


class WatchedStep(BaseModel):
    """A step, who waits at it, and when the next of them goes on. `counted`: how many the last walk found there."""

    step: int
    says: str
    waiting: About
    counted: int | None
    next: str | None
    held: list[Held]


class Due(About):
    """People who go on within a time."""

    within: str


class Ended(About):
    """People whose enrolment ended last, and how."""

    how: str
    says: str


class Became(BaseModel):
    """Letters in a state."""

    state: str
    why: str
    letters: int


class WatchedJourney(JourneyInForce):
    """A journey as of an instant. `exact`: all `people` were looked at, else `sampled` of them; `entered`: whoever is
    in it or has been; `earlier`: who is in earlier versions; `letters`: those of `readers` people in it; `counted`: the
    instant of the last walk over everybody."""

    as_of: str
    people: int
    sampled: int
    exact: bool
    enrolled: About
    entered: About
    earlier: About
    steps: list[WatchedStep]
    due: list[Due]
    ended: list[Ended]
    letters: list[Became]
    readers: int


class JourneyRequest(BaseModel):
    """Who is to enter; ``properties`` are those of the event that begins it."""

    person: str = Field(description="Id of a person", max_length=100)
    properties: dict[str, Any] = Field(default_factory=dict)


class Enrolled(BaseModel):
    """The request is on its way, as the event of this id."""

    journey: str
    person: str
    event: str


class RehearsalRequest(BaseModel):
    """How far to look, and a programme to try in the place of the one of its name."""

    span: str = Field("30d", description="A duration such as '48h' or '30d'", max_length=20)
    programme: dict[str, Any] | None = None


class Happening(BaseModel):
    """``what`` happens to ``name`` (a template, a journey, a segment, a webhook), and ``why``."""

    at: str
    what: Literal["letter", "skipped", "put-off", "entered", "finished", "in", "out", "webhook"]
    name: str
    why: str
    subject: str | None = None


class Owed(BaseModel):
    """A letter that is due and not yet reported on; `until` and `why` where it has been put off."""

    message: str
    state: Literal["QUEUED"]
    journey: str
    campaign: str
    template: str
    at: str
    until: str | None
    why: str


class Occurrence(BaseModel):
    """How often they did something, and when last."""

    count: int
    last: str


class Suspicion(BaseModel):
    """Something wrong with a profile: ``email:typo``, ``phone:invalid``, ``burst:events``, ..."""

    code: str
    field: str
    hint: str


class Quality(BaseModel):
    """``completeness`` from 0 to 1 is the share of what the programmes declare that is known; ``missing`` the rest."""

    completeness: float
    missing: list[str]
    findings: list[Suspicion]


class Person(BaseModel):
    """Everything known and decided about one person. Sensitive and undeclared attributes appear by name alone."""

    id: str
    version: int
    identifiers: dict[str, list[str]]
    attributes: dict[str, Any]
    sensitive: list[str]
    undeclared: list[str]
    consent: list[Choice]
    memberships: list[Membership]
    enrolments: list[Enrolment]
    finished: list[Finished]
    owed: list[Owed]
    events: dict[str, Occurrence]
    aliases: list[str]
    flags: list[str]
    quality: Quality
    due: str | None = Field(description="When time alone could next change anything")
    decided: str
    program: str


class ErasedStore(BaseModel):
    """What became of a person in one store; ``until`` is when the last trace there ends."""

    store: str
    done: str
    count: int | None
    until: str | None


class Erasure(BaseModel):
    """A request for erasure and, once it is done, its receipt. ``deadline`` is 30 days after ``requested``."""

    person: str
    state: Literal["requested", "planned", "sealed", "counted", "swept", "settled", "finished"]
    how: str
    requested: str
    deadline: str
    finished: str | None
    stores: list[ErasedStore]


class CarriedOut(BaseModel):
    """What a request says beside its kind: the right `attributes` of a rectification (null removes one), the `purposes`
    an objection is against (marketing and profiling)."""

    model_config = ConfigDict(extra="forbid")

    attributes: dict[str, Any] | None = None
    purposes: list[str] | None = None


class RightAsked(CarriedOut):
    """A right that somebody exercises; `access` is also that to take one's data along."""

    kind: Literal["access", "rectification", "restriction", "lifting", "objection", "opt_out"]
    now: bool = False


class Reason(BaseModel):
    """Why."""

    model_config = ConfigDict(extra="forbid")

    why: str = Field(min_length=1, max_length=1_000)


class RightRequest(BaseModel):
    """A request and, once it is closed, what was done. `due` is by the law of the person's country."""

    id: str
    person: str
    kind: str
    by: str
    state: Literal["open", "done", "refused"]
    asked: str
    due: str
    overdue: bool
    extended: bool
    settled: str | None
    why: str
    did: list[str]


class Kept(BaseModel):
    """One store, or one attribute, with its class of `data`. `days` is null without a term, `overdue` where nobody can
    look."""

    what: str
    data: str
    days: int | None
    by: str
    overdue: int | None


class Retention(BaseModel):
    """What is kept how long; `looked_at` people were looked at for what is `overdue`."""

    stores: list[Kept]
    attributes: list[Kept]
    looked_at: int
    overdue: int


class Broken(BaseModel):
    """One place where a consent chain does not hold: whose it is, the row's key, what is wrong."""

    chain: str
    row: str
    what: str


class Proof(BaseModel):
    """What checking the hashes of all consent rows showed."""

    intact: bool
    rows: int
    head: str
    breaks: list[Broken]


class Entry(BaseModel):
    """One event, choice or message of a timeline, with the fields of its kind."""

    model_config = ConfigDict(extra="allow")
    at: str
    kind: Literal["event", "consent", "message"]


class Finding(BaseModel):
    """One thing found out, what would change it, and when time alone could; instants in ``facts`` may be in ms."""

    code: str
    sentence: str
    change: str
    until: str | None
    facts: dict[str, Any]


class Why(BaseModel):
    """Whether they got it; ``reasons`` begin with the one that decided. ``state`` of the message: QUEUED, SENDING,
    SENT, DELIVERED, BOUNCED, COMPLAINED, SKIPPED, FAILED or UNKNOWN."""

    answer: bool
    sentence: str
    reasons: list[Finding]
    message: str | None
    state: str | None
    program: str
    person_version: int


class Quarantined(BaseModel):
    """What a known sender sent and we could not use; ``reason`` is a problem."""

    model_config = ConfigDict(extra="allow")
    id: str
    at: str
    source: str
    reason: dict[str, Any]
    raw: Any = None


class ReplayRequest(Strict):
    """A row of the quarantine, and what to read in place of its raw item."""

    id: str = Field(min_length=1, max_length=200)
    raw: Any = None


class Replayed(BaseModel):
    """Events that went into the queue."""

    events: int


class Fault(BaseModel):
    """One of several problems."""

    code: str
    detail: str
    pointer: str


class Problem(BaseModel):
    """``application/problem+json`` (RFC 9457); ``pointer`` (RFC 6901) leads into the body that was sent."""

    type: str
    title: str
    status: int
    detail: str
    pointer: str = ""
    errors: list[Fault] | None = None


class Agreement(BaseModel):
    """What one field says of a pair: ``weight`` in log odds, above 0 for one person."""

    field: str
    level: str
    weight: float


class Duplicate(BaseModel):
    """Two people who may be one. ``probability`` by the model; ``by`` whom it was found or decided."""

    id: str
    one: str
    other: str
    state: Literal["review", "join", "apart", "joined", "undone"]
    band: str
    weight: float
    probability: float
    reasons: list[Agreement]
    by: str
    at: str | None


class ComparedPerson(BaseModel):
    """One of the two, as before a merge."""

    id: str
    version: int
    identifiers: dict[str, list[str]]


class ComparedField(BaseModel):
    """A field of both; ``…`` is a value that is not declared, or sensitive."""

    field: str
    one: str | None
    other: str | None
    level: str
    weight: float


class LetterDue(BaseModel):
    """A letter that would have been owed at an instant."""

    at: str
    template: str
    journey: str
    step: int


class WhatIf(BaseModel):
    """Letters that only two people, or only one, would have got by now."""

    as_two: list[LetterDue]
    as_one: list[LetterDue]


class DuplicatePair(Duplicate):
    """A pair side by side."""

    people: list[ComparedPerson]
    fields: list[ComparedField]
    what_if: WhatIf


class DuplicateDecision(BaseModel):
    """What the pair has become: one person, or two."""

    state: Literal["joined", "apart"]
    people: list[str]


class DedupRun(BaseModel):
    """A run of the deduplication: how far it is, how many, why, and some pairs."""

    state: Literal["waiting", "running", "finished"]
    by: str
    stage: str
    doing: str
    progress: float
    started: str
    finished: str | None
    counts: dict[str, int]
    why: dict[str, int]
    samples: list[dict[str, Any]]


class ImportRequest(Strict):
    """A file to import. ``mapping`` says what its columns mean and on what basis the people in it may be written to."""

    file: str = Field(min_length=1, max_length=200, pattern=r"^[^/\\\x00-\x1f]+$", description="Its name, for people")
    size: int = Field(gt=0, description="Bytes")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="Of the content: the same file is not imported twice")
    mapping: dict[str, Any]
    as_of: str | None = Field(None, description="When rows without a time were true; an import of its own")


class Import(BaseModel):
    """One import; ``problems`` and ``notes`` say how many rows had what, ``problem`` why it could not go on."""

    id: str
    file: str
    name: str
    state: Literal["waiting", "running", "finished", "failed", "cancelled"]
    basis: str | None
    by: str
    as_of: str
    created: str
    started: str | None
    finished: str | None
    size: int
    rows: int
    events: int
    refused: int
    progress: float | None
    estimate: str | None
    rows_per_s: int | None
    problems: dict[str, int]
    notes: dict[str, int]
    problem: dict[str, Any] | None


class ProposedImport(Import):
    """An import, and where its file is to be put; ``None`` once it is there."""

    upload: str | None


class Link(BaseModel):
    """Where a file can be fetched for an hour."""

    url: str
    file: str


class Feed(BaseModel):
    """A folder whose files are imported as they come."""

    name: str
    mapping: dict[str, Any]


class PullRequest(Strict):
    """What to fetch from a vendor; ``secret`` is a token, or ``name:password``, and is never shown again."""

    document: dict[str, Any]
    secret: str | None = Field(None, min_length=1, max_length=2000)


class Pull(BaseModel):
    """How far a pull is; ``problem`` says why it did not go on."""

    name: str
    document: dict[str, Any]
    due: str | None
    last: str | None
    counts: dict[str, int]
    problem: str | None


class Product(BaseModel):
    """A product that letters may recommend."""

    name: str
    url: str
    category: str = ""
    price: float | str = ""
    currency: str = ""
    image_url: str = ""


class Products(BaseModel):
    """What an upload did."""

    products: int
