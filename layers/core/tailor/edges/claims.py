"""What is too large for a queue: it lies in S3, and the message holds a claim on it."""

from __future__ import annotations

import zlib
from typing import Any

from botocore.exceptions import ClientError

from tailor.kernel.errors import Transient
from tailor.kernel.keys import digest


class Claims:
    """One bucket; what lies there expires by the bucket's own rule, after the queue has forgotten the claim."""

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
        body = zlib.compress(text.encode("utf-8", "surrogatepass"))
        try:
            self._client.put_object(Bucket=self._bucket, Key=claim, Body=body)
        except ClientError as error:
            raise Transient(f"S3: {error.response['Error']['Code']}") from error
        return claim

    def fetch(self, claim: str) -> str:
        """The text a claim is on."""
        answer = self._client.get_object(Bucket=self._bucket, Key=claim)
        return zlib.decompress(answer["Body"].read()).decode("utf-8", "surrogatepass")
