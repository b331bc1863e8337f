"""SES, one attempt a call: the library's own retries would send twice (an accepted request whose answer is lost)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
)

from tailor.kernel.errors import Ambiguous, Rejected, Transient

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


class Mailer:
    """``client`` is a botocore SES v2 client made with ``retries={"total_max_attempts": 1}``."""

    def __init__(self, client: Any, *, configuration_set: str) -> None:
        self._client = client
        self._configuration_set = configuration_set

    def send(self, raw: bytes, *, sender: str, to: str, tags: Mapping[str, str]) -> str:
        """Hand one message to SES; answers its SES message id.

        Raises
        ------
        Transient : not accepted; may be tried again, after long where the daily quota is used up or sending is paused.
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


def _meaning(error: ClientError) -> Exception:
    code = error.response["Error"]["Code"]
    said = error.response["Error"].get("Message", "")
    if code in _LATER:
        return Transient(f"SES: {code}", retry_after=900 if "Daily" in said else 2)
    if code in _STOPPED:
        return Transient(f"SES: {code}", retry_after=900)
    if code in _NEVER:
        return Rejected(f"SES refuses the message: {code}", code="ses-refused")
    return Ambiguous(f"SES: {code}")
