"""What is too large for a queue: it lies in S3, and the message holds a claim on it."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import Any

from botocore.exceptions import ClientError

from tailor.kernel.errors import Transient
from tailor.kernel.keys import digest

_ABSENT = frozenset({"404", "NoSuchKey", "NotFound"})


class Claims:
    """One bucket. What lies there is taken away once it is absorbed; what never is expires by the bucket's own rule,
    after the queue has forgotten the claim."""

    def __init__(self, client: Any, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def keep(self, text: str) -> str:
        """Lay ``text`` down; answers the claim. The same text gives the same claim.

        Raises
        ------
        Transient : S3 did not take it.
        """
        claim = f"claims/{digest(text)}"
        self._put(claim, text)
        return claim

    def fetch(self, claim: str) -> str | None:
        """The text a claim is on; ``None`` where it is not there any more, for then it was absorbed."""
        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=claim)
        except ClientError as error:
            if error.response["Error"]["Code"] in _ABSENT:
                return None
            raise
        return zlib.decompress(answer["Body"].read()).decode("utf-8", "surrogatepass")

    def replace(self, claim: str, text: str) -> None:
        """Let a claim be on another text.

        Raises
        ------
        Transient : S3 did not take it.
        """
        self._put(claim, text)

    def waiting(self) -> Iterator[str]:
        """Every claim, in order."""
        asked: dict[str, Any] = {"Bucket": self._bucket, "Prefix": "claims/"}
        while True:
            answer = self._client.list_objects_v2(**asked)
            yield from (one["Key"] for one in answer.get("Contents", ()))
            if not answer.get("IsTruncated"):
                return
            asked["ContinuationToken"] = answer["NextContinuationToken"]

    def discard(self, claims: Iterable[str]) -> None:
        """Take away what has been absorbed.

        Raises
        ------
        Transient : S3 did not do it; a repeat does no harm.
        """
        for claim in claims:
            try:
                self._client.delete_object(Bucket=self._bucket, Key=claim)
            except ClientError as error:
                raise Transient(f"S3: {error.response['Error']['Code']}") from error

    def _put(self, claim: str, text: str) -> None:
        body = zlib.compress(text.encode("utf-8", "surrogatepass"))
        try:
            self._client.put_object(Bucket=self._bucket, Key=claim, Body=body)
        except ClientError as error:
            raise Transient(f"S3: {error.response['Error']['Code']}") from error
