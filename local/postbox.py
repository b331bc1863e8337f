"""A mailbox in the place of SES: takes letters over the SES v2 REST API, shows them, and reports on them as SES does.

Clients need only ``AWS_ENDPOINT_URL_SESV2``. What is kept is the raw message, byte for byte, because parsers mend what
real mail servers would not. Reports have the form of SES event publishing
(https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html) and go to a callback.

===========================================  ===================================================================
request                                      answer
===========================================  ===================================================================
``POST /v2/email/outbound-emails``           ``{"MessageId"}``; raw content only
``GET /v2/email/account``                    the sending quota of a young account
``GET /``, ``/m/{id}``                       pages for people
``GET /api/messages``, ``/api/messages/{id}`` the same as JSON
``GET /m/{id}/html``, ``/m/{id}/raw``        one part, the whole message
``POST /m/{id}/report``                      form ``kind=Bounce``: reports it, as if the world had done it
``POST /_control``                           ``{"mode": MODES, "times": n}``: the next n sends go wrong
===========================================  ===================================================================
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import email
import email.policy
import json
import queue
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from functools import cached_property
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Any, ClassVar, Literal, Self
from urllib.parse import parse_qs, urlsplit

import postbox_pages as pages
from cloud import require_free
from gate import CLOSE_POLL_SECONDS, QuietServer
from tailor.kernel.instants import iso

PORT = 8025
PORT_VARIABLE = "TAILOR_MAILBOX_PORT"

Kind = Literal["Send", "Delivery", "Bounce", "Complaint", "Open", "Click"]
Report = dict[str, Any]

REPORTS_ON_DEMAND: tuple[Kind, ...] = ("Open", "Click", "Bounce", "Complaint")

_REFUSALS: Mapping[str, tuple[int, str, str]] = {
    "throttle": (429, "TooManyRequestsException", "Maximum sending rate exceeded."),
    "daily-quota": (429, "TooManyRequestsException", "Daily message quota exceeded."),
    "reject": (400, "MessageRejected", "Email address is not verified."),
    "paused": (400, "SendingPausedException", "Sending is paused for this account."),
    "fail": (500, "InternalServiceErrorException", "Internal failure."),
}
MODES = (*_REFUSALS, "accept-then-timeout", "accept-then-reset")
"""Ways a send can go wrong. The two that accept keep the letter, report it, and never answer the sender."""

_HOLD_SECONDS = 120
_PREVIEW = 140
_FILLER = "\u034f\u2007"
_LARGEST = 40 * 1024 * 1024


@dataclass(slots=True)
class Body:
    """The readable parts of a message; ``""`` where there is none."""

    html: str = ""
    text: str = ""


@dataclass(frozen=True)
class Message:
    """One letter that was accepted.

    ``id`` is SES's message id, ``at`` the instant of acceptance in ms, ``to`` the recipients of the envelope, ``raw``
    what was handed in, ``tags`` name → value.
    """

    id: str
    at: int
    to: tuple[str, ...]
    raw: bytes
    tags: Mapping[str, str]
    configuration_set: str

    @cached_property
    def parsed(self) -> EmailMessage:
        """The message as Python's own parser reads it."""
        return email.message_from_bytes(self.raw, policy=email.policy.default)

    @cached_property
    def body(self) -> Body:
        """The HTML and the text alternative."""
        body = Body()
        for part in self.parsed.walk():
            match part.get_content_type():
                case "text/html" if not body.html:
                    body.html = str(part.get_content())
                case "text/plain" if not body.text:
                    body.text = str(part.get_content())
        return body

    @property
    def subject(self) -> str:
        """The decoded subject."""
        return self.header("Subject")

    @cached_property
    def preview(self) -> str:
        """What an inbox shows behind the subject: the first words of the letter, hidden or not."""
        words = _Words()
        words.feed(self.body.html)
        return " ".join("".join(words.found or [self.body.text]).split())[:_PREVIEW].rstrip()

    def header(self, name: str) -> str:
        """A decoded header, ``""`` where there is none."""
        return str(self.parsed.get(name, ""))

    @property
    def raw_headers(self) -> str:
        """The header block as it went over the wire."""
        return self.raw.replace(b"\r\n", b"\n").partition(b"\n\n")[0].decode("ascii", "backslashreplace")

    def summary(self) -> dict[str, Any]:
        """What lists show, as JSON."""
        return {
            "id": self.id,
            "at": iso(self.at),
            "to": list(self.to),
            "from": self.header("From"),
            "subject": self.subject,
            "preview": self.preview,
            "tags": dict(self.tags),
            "configurationSet": self.configuration_set,
            "bytes": len(self.raw),
        }

    def to_json(self) -> dict[str, Any]:
        """Everything but the raw bytes, as JSON."""
        headers = [[name, str(value)] for name, value in self.parsed.items()]
        return {**self.summary(), "headers": headers, "html": self.body.html, "text": self.body.text}


class _Words(HTMLParser):
    """Collects the first words of an HTML body, as an inbox does for its preview."""

    _SILENT: ClassVar = frozenset({"head", "style", "script", "title"})
    _INLINE: ClassVar = frozenset({"a", "b", "em", "i", "small", "span", "strong", "u"})

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._silent += tag in self._SILENT

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in self._SILENT
        if self.found and tag not in self._INLINE:
            self.found.append(" ")

    def handle_data(self, data: str) -> None:
        # Letters pad their preheader with invisible characters, so that the body does not show behind it.
        visible = "".join(c for c in data if (c.isprintable() and c not in _FILLER) or c.isspace())
        if not self._silent and visible.strip():
            self.found.append(visible)


@dataclass(slots=True)
class Mailbox:
    """A running mailbox on ``127.0.0.1``. Use it in a ``with`` block, or :meth:`close` it.

    ``events`` hears every report; it runs on a thread of its own, in the order in which things happened.
    """

    events: Callable[[Report], None]
    quota: float = 50_000
    rate: float = 14
    _server: QuietServer = field(init=False)
    _letters: dict[str, Message] = field(default_factory=dict)
    _faults: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _closing: threading.Event = field(default_factory=threading.Event)
    _reports: queue.SimpleQueue[Report | None] = field(default_factory=queue.SimpleQueue)
    _threads: list[threading.Thread] = field(default_factory=list)

    @classmethod
    def start(cls, port: int = PORT, *, events: Callable[[Report], None]) -> Self:
        """Listen on ``port``.

        Raises
        ------
        Unusable : the port is taken.
        """
        require_free(port, PORT_VARIABLE)
        mailbox = cls(events)
        handler = type("Handler", (_Handler,), {"mailbox": mailbox})
        mailbox._server = QuietServer(("127.0.0.1", port), handler)
        for work in (lambda: mailbox._server.serve_forever(CLOSE_POLL_SECONDS), mailbox._tell):
            thread = threading.Thread(target=work, daemon=True)
            thread.start()
            mailbox._threads.append(thread)
        return mailbox

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def url(self) -> str:
        """Root of the page, and the endpoint for SES clients."""
        return url_of(self._server.server_address[1])

    def close(self) -> None:
        """Stop listening; reports not yet made are dropped."""
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._reports.put(None)
        for thread in self._threads:
            thread.join(5)

    def messages(self) -> list[Message]:
        """Every letter accepted, oldest first."""
        with self._lock:
            return list(self._letters.values())

    def message(self, id: str) -> Message | None:
        """One letter by its SES message id."""
        with self._lock:
            return self._letters.get(id)

    def misbehave(self, mode: str, times: int = 1) -> None:
        """Let the next ``times`` sends go wrong in one of :data:`MODES`; 0 ends all trouble."""
        if mode not in MODES:
            raise ValueError(f"{mode!r} is none of {', '.join(MODES)}")
        with self._lock:
            self._faults = [*self._faults, *[mode] * times] if times else []

    def report(self, message: Message, kind: Kind) -> None:
        """Report ``kind`` about ``message`` now, as SES would."""
        self._reports.put(_report(message, kind))

    def _accept(self, message: Message) -> None:
        with self._lock:
            self._letters[message.id] = message
        self.report(message, "Send")
        self.report(message, "Delivery")

    def _fault(self) -> str | None:
        with self._lock:
            return self._faults.pop(0) if self._faults else None

    def _tell(self) -> None:
        while (report := self._reports.get()) is not None:
            if self._closing.is_set():
                return
            # A report that nobody takes is lost, as it is with SES; the mailbox goes on.
            with contextlib.suppress(Exception):
                self.events(report)


def url_of(port: int) -> str:
    """Where a mailbox on ``port`` is found."""
    return f"http://127.0.0.1:{port}"


class _Handler(BaseHTTPRequestHandler):
    """One connection; ``mailbox`` is set by the server's own subclass."""

    protocol_version = "HTTP/1.1"
    server_version = "Mailbox"
    mailbox: ClassVar[Mailbox]

    def do_GET(self) -> None:
        """Pages, JSON and the account."""
        target = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(target.query).items()}
        match target.path.strip("/").split("/"):
            case ["v2", "email", "account"]:
                self._json(200, self._account())
            case [""]:
                wanted = query.get("q", "")
                found = [m for m in reversed(self.mailbox.messages()) if _matches(m, wanted)]
                self._page(200, pages.inbox(found, wanted, len(self.mailbox.messages())))
            case ["api", "messages"]:
                self._json(200, [m.summary() for m in self.mailbox.messages() if _matches(m, query.get("q", ""))])
            case ["api", "messages", id] if message := self.mailbox.message(id):
                self._json(200, message.to_json())
            case ["m", id] if message := self.mailbox.message(id):
                view, reported = query.get("view", ""), query.get("reported", "")
                self._page(200, pages.letter(message, view, reported, REPORTS_ON_DEMAND))
            case ["m", id, "html"] if message := self.mailbox.message(id):
                self._page(200, pages.framed(message.body.html), pages.FRAME_POLICY)
            case ["m", id, "raw"] if message := self.mailbox.message(id):
                self._answer(200, message.raw, {"Content-Type": "message/rfc822"})
            case _:
                self._page(404, pages.missing())

    def do_POST(self) -> None:
        """Sends, reports on demand, and trouble."""
        length = int(self.headers.get("Content-Length") or 0)
        if length > _LARGEST * 2:
            self.close_connection = True
            self._refuse(400, "BadRequestException", "Message length is more than 41943040 bytes long.")
            return
        body = self.rfile.read(length)
        match urlsplit(self.path).path.strip("/").split("/"):
            case ["v2", "email", "outbound-emails"]:
                self._send(body)
            case ["m", id, "report"] if message := self.mailbox.message(id):
                kind = parse_qs(body.decode()).get("kind", [""])[-1]
                if kind not in REPORTS_ON_DEMAND:
                    self._json(400, {"detail": f"'kind' is one of {', '.join(REPORTS_ON_DEMAND)}"})
                    return
                self.mailbox.report(message, kind)
                self._answer(303, b"", {"Location": f"/m/{id}?reported={kind}"})
            case ["_control"]:
                try:
                    wanted = json.loads(body)
                    self.mailbox.misbehave(wanted["mode"], int(wanted.get("times", 1)))
                    self._json(200, wanted)
                except (ValueError, KeyError, TypeError) as error:
                    self._json(400, {"detail": f"send {{'mode': ..., 'times': ...}}: {error}"})
            case _:
                self._refuse(404, "NotFoundException", "There is no such operation here.")

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the pages tell what came."""

    def _send(self, body: bytes) -> None:
        fault = self.mailbox._fault()
        if fault and fault in _REFUSALS:
            self._refuse(*_REFUSALS[fault])
            return
        try:
            message = _read(json.loads(body))
        except (ValueError, KeyError, TypeError, binascii.Error) as error:
            self._refuse(400, "BadRequestException", f"Raw content could not be read: {error}")
            return
        self.mailbox._accept(message)
        match fault:
            case "accept-then-timeout":
                self.mailbox._closing.wait(_HOLD_SECONDS)
                self.close_connection = True
            case "accept-then-reset":
                self.close_connection = True
            case _:
                self._json(200, {"MessageId": message.id})

    def _account(self) -> dict[str, Any]:
        quota = {
            "Max24HourSend": self.mailbox.quota,
            "MaxSendRate": self.mailbox.rate,
            "SentLast24Hours": float(len(self.mailbox.messages())),
        }
        return {
            "EnforcementStatus": "HEALTHY",
            "ProductionAccessEnabled": True,
            "SendingEnabled": True,
            "SendQuota": quota,
            "SuppressionAttributes": {"SuppressedReasons": ["BOUNCE", "COMPLAINT"]},
        }

    def _refuse(self, status: int, code: str, text: str) -> None:
        self._answer(
            status,
            json.dumps({"message": text}).encode(),
            {"Content-Type": "application/json", "x-amzn-ErrorType": code},
        )

    def _json(self, status: int, value: Any) -> None:
        self._answer(status, json.dumps(value, indent=2).encode(), {"Content-Type": "application/json"})

    def _page(self, status: int, html: str, policy: str = pages.POLICY) -> None:
        headers = {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": policy}
        self._answer(status, html.encode("utf-8", "replace"), headers)

    def _answer(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body)), "Cache-Control": "no-store"}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def _read(request: Mapping[str, Any]) -> Message:
    """A ``SendEmail`` request with raw content as a message; the envelope falls back to the headers, as with SES."""
    raw = base64.b64decode(request["Content"]["Raw"]["Data"], validate=True)
    destination = request.get("Destination") or {}
    to: Sequence[str] = [a for kind in ("To", "Cc", "Bcc") for a in destination.get(f"{kind}Addresses") or ()]
    if not to:
        parsed = email.message_from_bytes(raw, policy=email.policy.default)
        to = [a.addr_spec for name in ("To", "Cc", "Bcc") if parsed[name] for a in parsed[name].addresses]
    if not to:
        raise ValueError("no recipient")
    now = time.time_ns() // 1_000_000
    return Message(
        id=f"{now:016x}-{uuid.uuid4()}-000000",
        at=now,
        to=tuple(to),
        raw=raw,
        tags={tag["Name"]: tag["Value"] for tag in request.get("EmailTags") or ()},
        configuration_set=request.get("ConfigurationSetName") or "",
    )


def _matches(message: Message, wanted: str) -> bool:
    sought = " ".join((*message.to, message.subject, message.preview)).casefold()
    return all(word in sought for word in wanted.casefold().split())


def _report(message: Message, kind: Kind) -> Report:
    moment = iso(time.time_ns() // 1_000_000)
    agent = {"timestamp": moment, "ipAddress": "127.0.0.1", "userAgent": "Mozilla/5.0 (Mailbox)"}
    tags = {name: [value] for name, value in message.tags.items()}
    if message.configuration_set:
        tags["ses:configuration-set"] = [message.configuration_set]
    details: dict[Kind, dict[str, Any]] = {
        "Send": {},
        "Delivery": {
            "timestamp": moment,
            "processingTimeMillis": 12,
            "recipients": list(message.to),
            "smtpResponse": "250 2.0.0 OK",
            "reportingMTA": "a8-70.smtp-out.amazonses.com",
        },
        "Bounce": {
            "feedbackId": str(uuid.uuid4()),
            "bounceType": "Permanent",
            "bounceSubType": "General",
            "bouncedRecipients": [
                {
                    "emailAddress": address,
                    "action": "failed",
                    "status": "5.1.1",
                    "diagnosticCode": "smtp; 550 5.1.1 user unknown",
                }
                for address in message.to
            ],
            "timestamp": moment,
            "reportingMTA": "dsn; a8-70.smtp-out.amazonses.com",
        },
        "Complaint": {
            "feedbackId": str(uuid.uuid4()),
            "complaintSubType": None,
            "complainedRecipients": [{"emailAddress": address} for address in message.to],
            "timestamp": moment,
            "userAgent": "Mailbox",
            "complaintFeedbackType": "abuse",
            "arrivalDate": moment,
        },
        "Open": agent,
        "Click": {**agent, "link": pages.first_link(message.body.html), "linkTags": None},
    }
    mail = {
        "timestamp": iso(message.at),
        "source": message.header("From"),
        "sendingAccountId": "000000000000",
        "messageId": message.id,
        "destination": list(message.to),
        "headersTruncated": False,
        "headers": [{"name": name, "value": str(value)} for name, value in message.parsed.items()],
        "commonHeaders": {
            "from": [message.header("From")],
            "to": list(message.to),
            "messageId": message.id,
            "subject": message.subject,
        },
        "tags": tags,
    }
    return {"eventType": kind, "mail": mail, kind.lower(): details[kind]}
