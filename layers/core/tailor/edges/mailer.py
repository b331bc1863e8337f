"""SES, one attempt a call: the library's own retries would send twice (an accepted request whose answer is lost)."""

from __future__ import annotations

import json
import socket
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
)
from botocore.httpsession import URLLib3Session

from tailor.kernel.errors import Ambiguous, Rejected, Transient

SECONDS = 20
CONNECTIONS = 25
AT_ONCE: Any = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
"""botocore's clients ask for this, its session alone does not: the last part of a letter would wait for 40 ms until the
other side has acknowledged those before."""
PARKED = 3600
"""Seconds until a stopped account is tried again; the daily quota is of a window that rolls on."""
_LATER = frozenset({"TooManyRequestsException", "ThrottlingException", "Throttling", "LimitExceededException"})
_STOPPED = frozenset({"SendingPausedException", "AccountSuspendedException"})
_NEVER = frozenset(
    {
        "MessageRejected",
        "MailFromDomainNotVerifiedException",
        "NotFoundException",
        "BadRequestException",
        "ValidationException",
    }
)


class Throttled(Transient):
    """SES did not take the message, for it came too soon after others."""


class Stopped(Transient):
    """SES takes nothing for a while: the daily quota is used up, or the account may not send."""


@dataclass(frozen=True, slots=True)
class Account:
    """What SES allows: letters a second, letters in 24 hours, those ``sent`` of them, and whether it allows any."""

    rate: float
    daily: float
    sent: float
    enabled: bool = True

    @property
    def left(self) -> float:
        """Letters that may still be sent today; SES says -1 where there is no limit."""
        return float("inf") if self.daily < 0 else max(0.0, self.daily - self.sent)


class Direct:
    """SES v2 by the two requests we make, signed and sent by botocore's own parts.

    Walking the model of the service to build one JSON object takes botocore longer than everything else a letter needs.
    A request is sent once, whatever comes of it; errors are those of a botocore client. ``client`` is one, and tells
    where SES is and who we are.
    """

    def __init__(self, client: Any, credentials: Any) -> None:
        self._client = client
        self._credentials = credentials
        self._url = f"{client.meta.endpoint_url}/v2/email/outbound-emails"
        self._http = URLLib3Session(timeout=SECONDS, max_pool_connections=CONNECTIONS, socket_options=AT_ONCE)

    def get_account(self) -> dict[str, Any]:
        """``GetAccount``, by the client."""
        answer: dict[str, Any] = self._client.get_account()
        return answer

    def send_email(self, **request: Any) -> dict[str, Any]:
        """``SendEmail`` with raw content."""
        # Base64 has nothing that JSON would have to escape, so the encoder need not look through the letter.
        raw = b64encode(request.pop("Content")["Raw"]["Data"])
        body = b'{"Content":{"Raw":{"Data":"%b"}},%b' % (raw, json.dumps(request).encode()[1:])
        headers = {"Content-Type": "application/json", "User-Agent": "tailor"}
        signed = AWSRequest("POST", self._url, data=body, headers=headers)
        credentials = self._credentials.get_frozen_credentials()
        SigV4Auth(credentials, "ses", self._client.meta.region_name).add_auth(signed)
        answer = self._http.send(signed.prepare())
        if answer.status_code >= 300:
            raise _error(answer)
        accepted: dict[str, Any] = json.loads(answer.content)
        return accepted


def _error(answer: Any) -> ClientError:
    code = answer.headers.get("x-amzn-errortype", "").partition(":")[0] or f"HTTP{answer.status_code}"
    try:
        told = json.loads(answer.content)
    except ValueError:
        told = {}
    message = told.get("message") or told.get("Message") or "" if isinstance(told, dict) else ""
    return ClientError({"Error": {"Code": code, "Message": str(message)}}, "SendEmail")


class Mailer:
    """``client`` is a botocore SES v2 client made with ``retries={"total_max_attempts": 1}``."""

    def __init__(self, client: Any, *, configuration_set: str) -> None:
        self._client = client
        self._configuration_set = configuration_set

    def send(self, raw: bytes, *, sender: str, to: str, tags: Mapping[str, str]) -> str:
        """Hand one message to SES; answers its SES message id.

        Raises
        ------
        Throttled, Stopped, Transient : not accepted; may be tried again after ``retry_after``.
        Rejected : SES will never accept this message.
        Ambiguous : time-out, reset or server error: it may have been accepted.
        """
        request: dict[str, Any] = {
            "FromEmailAddress": sender,
            "Destination": {"ToAddresses": [to]},
            "Content": {"Raw": {"Data": raw}},
            "EmailTags": [{"Name": name, "Value": value} for name, value in tags.items()],
        }
        if self._configuration_set:
            request["ConfigurationSetName"] = self._configuration_set
        try:
            return str(self._client.send_email(**request)["MessageId"])
        except ClientError as error:
            raise _meaning(error) from error
        except (EndpointConnectionError, ConnectTimeoutError, NoCredentialsError) as error:
            raise Transient(f"SES was not reached: {type(error).__name__}") from error
        except BotoCoreError as error:
            raise Ambiguous(f"SES gave no answer: {type(error).__name__}") from error

    def account(self) -> Account:
        """The quota of the account as it stands (``GetAccount``).

        Raises
        ------
        Transient : SES does not say.
        """
        try:
            answer = self._client.get_account()
        except (ClientError, BotoCoreError) as error:
            raise Transient(f"SES: {type(error).__name__}") from error
        quota = answer["SendQuota"]
        return Account(
            float(quota["MaxSendRate"]),
            float(quota["Max24HourSend"]),
            float(quota["SentLast24Hours"]),
            bool(answer.get("SendingEnabled", True)),
        )


def _meaning(error: ClientError) -> Exception:
    """Contract: the errors of ``SendEmail`` in the SES v2 API reference; what is not listed may have been accepted."""
    code = error.response["Error"]["Code"]
    said = error.response["Error"].get("Message", "")
    if code in _STOPPED or (code in _LATER and "Daily" in said):
        return Stopped(f"SES: {code}", retry_after=PARKED)
    if code in _LATER:
        return Throttled(f"SES: {code}", retry_after=2)
    if code in _NEVER:
        return Rejected(f"SES refuses the message: {code}", code="ses-refused")
    return Ambiguous(f"SES: {code}")
