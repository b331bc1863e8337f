"""SES, one attempt a call: the library's own retries would send twice (an accepted request whose answer is lost)."""

from __future__ import annotations

import hmac
import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
)
from botocore.httpsession import get_cert_path

from tailor.edges.lines import Broken, Lines, Reply, Unreached
from tailor.kernel.errors import Ambiguous, Rejected, Transient

PATH = "/v2/email/outbound-emails"
SECONDS = 20
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


_NOT_US = frozenset(
    {
        *("AccessDenied", "AccessDeniedException", "NotAuthorized", "OptInRequired", "HTTP401", "HTTP403"),
        *("ExpiredToken", "ExpiredTokenException", "RequestExpired", "UnrecognizedClientException"),
        *("InvalidClientTokenId", "InvalidSignatureException", "SignatureDoesNotMatch", "IncompleteSignature"),
        *("MissingAuthenticationToken", "MissingAuthenticationTokenException"),
    }
)
"""Refused before anything was read: the errors that all services have in common."""
LOCKED_OUT = 60
"""Seconds until SES is asked again that does not know us, or forbids it."""


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
    """SES v2 by the two requests we make.

    Walking the model of the service to build one JSON object takes botocore longer than everything else a letter needs,
    and signing and sending it half as long again. A request is sent once, whatever comes of it; errors are those of a
    botocore client. ``client`` is one, and tells where SES is and who we are.
    """

    def __init__(self, client: Any, credentials: Any) -> None:
        self._client = client
        self._credentials = credentials
        url = client.meta.endpoint_url
        self._lines = Lines(url, seconds=SECONDS, trust=get_cert_path(True) if url.startswith("https:") else None)

    def get_account(self) -> dict[str, Any]:
        """``GetAccount``, by the client."""
        answer: dict[str, Any] = self._client.get_account()
        return answer

    def send_email(self, **request: Any) -> dict[str, Any]:
        """``SendEmail`` with raw content."""
        # Base64 has nothing that JSON would have to escape, so the encoder need not look through the letter.
        raw = b64encode(request.pop("Content")["Raw"]["Data"])
        body = b'{"Content":{"Raw":{"Data":"%b"}},%b' % (raw, json.dumps(request).encode()[1:])
        headers = self._signed(body, at=datetime.now(UTC))
        try:
            answer = self._lines.post(PATH, body, headers)
        except Unreached as error:
            raise EndpointConnectionError(endpoint_url=self._lines.host, error=error) from error
        except Broken as error:
            raise HTTPClientError(error=error) from error
        if answer.status >= 300:
            raise _error(answer)
        try:
            return {"MessageId": json.loads(answer.body)["MessageId"]}
        except (ValueError, KeyError, TypeError) as error:
            # Accepted, and nobody knows as what.
            raise HTTPClientError(error=error) from error

    def _signed(self, body: bytes, *, at: datetime) -> dict[str, str]:
        """The headers of a request, signed. Contract: "Create a signed AWS API request" (Signature Version 4)."""
        credentials, region = self._credentials.get_frozen_credentials(), self._client.meta.region_name
        stamp = f"{at:%Y%m%dT%H%M%SZ}"
        headers = {"content-type": "application/json", "host": self._lines.host, "x-amz-date": stamp}
        if credentials.token:
            headers["x-amz-security-token"] = credentials.token
        names = ";".join(headers)
        said = [f"{name}:{value}" for name, value in headers.items()]
        request = "\n".join(("POST", PATH, "", *said, "", names, sha256(body).hexdigest()))
        scope = f"{stamp[:8]}/{region}/ses/aws4_request"
        to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{sha256(request.encode()).hexdigest()}"
        key = _signing_key(credentials.secret_key, stamp[:8], region)
        signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
        headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={credentials.access_key}/{scope}, SignedHeaders={names}, "
            f"Signature={signature}"
        )
        headers["user-agent"] = "tailor"
        return headers


@lru_cache(maxsize=2)
def _signing_key(secret: str, day: str, region: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (day, region, "ses", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def _error(answer: Reply) -> ClientError:
    code = answer.headers.get("x-amzn-errortype", "").partition(":")[0] or f"HTTP{answer.status}"
    try:
        told = json.loads(answer.body)
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
    if code in _NOT_US:
        return Transient(f"SES does not let us send: {code}: look at the function's role", retry_after=LOCKED_OUT)
    if code in _NEVER:
        return Rejected(f"SES refuses the message: {code}", code="ses-refused")
    return Ambiguous(f"SES: {code}")
