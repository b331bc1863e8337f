"""S3: files that are imported, and what of them could not be used. Everything is read in ranges, so that memory does
not grow with a file, and by the ETag it had at first, so that a file replaced meanwhile is not taken for the same one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from tailor.kernel.errors import Rejected, Transient

RANGE_BYTES = 4 * 1024 * 1024
"""What one request reads."""
PART_BYTES = 8 * 1024 * 1024
"""What one part of a large upload has; S3 asks for at least 5 MiB."""
UPLOAD_BYTES = 5 * 1024**3
"""The most that one request can put."""
LINK_SECONDS = 3_600

_ABSENT = frozenset({"404", "NoSuchKey", "NotFound"})
_REPLACED = frozenset({"412", "PreconditionFailed"})
_LATER = frozenset(
    {"SlowDown", "InternalError", "ServiceUnavailable", "RequestTimeout", "503", "500", "ThrottlingException"}
)


@dataclass(frozen=True, slots=True)
class Found:
    """An object: its ``size`` in bytes, its ``etag``, and the instant it was put there."""

    size: int
    etag: str
    modified: int


class _Absent(Exception):
    """There is no such object."""


class _Ended(Exception):
    """The object ends before."""


class Bucket:
    """One bucket. ``client`` is a botocore S3 client."""

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self._name = name

    def find(self, key: str) -> Found | None:
        """What is there under a key."""
        try:
            head = self._call("head_object", Key=key)
        except _Absent:
            return None
        return Found(head["ContentLength"], head["ETag"], round(head["LastModified"].timestamp() * 1000))

    def read(self, key: str, start: int, length: int, *, etag: str = "") -> bytes:
        """Up to ``length`` bytes from ``start`` on; none after the end.

        Raises
        ------
        Rejected : there is no such object, or it is not the one with ``etag`` any more.
        """
        asked = {"Key": key, "Range": f"bytes={start}-{start + length - 1}"} | ({"IfMatch": etag} if etag else {})
        try:
            body: bytes = self._call("get_object", **asked)["Body"].read()
            return body
        except _Absent:
            raise Rejected(f"the file {key.rpartition('/')[2]} is not there any more", code="file-gone") from None
        except _Ended:
            return b""

    def blocks(self, key: str, *, start: int = 0, etag: str = "") -> Iterator[bytes]:
        """An object from ``start`` on, in ranges; for what it raises see :meth:`read`."""
        while block := self.read(key, start, RANGE_BYTES, etag=etag):
            yield block
            start += len(block)
            if len(block) < RANGE_BYTES:
                return

    def put(self, key: str, body: bytes) -> None:
        """Put an object there, in place of what was."""
        self._call("put_object", Key=key, Body=body)

    def keys(self, prefix: str) -> Iterator[str]:
        """Keys that begin with ``prefix``, in their order."""
        asked: dict[str, Any] = {"Prefix": prefix}
        while True:
            answer = self._call("list_objects_v2", **asked)
            yield from (one["Key"] for one in answer.get("Contents", ()))
            if not answer.get("IsTruncated"):
                return
            asked["ContinuationToken"] = answer["NextContinuationToken"]

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects."""
        for key in keys:
            self._call("delete_object", Key=key)

    def discard(self, key: str, etag: str) -> None:
        """Remove an object, unless another is there by now."""
        found = self.find(key)
        if found is None or found.etag != etag:
            return
        try:
            self._call("delete_object", Key=key, IfMatch=etag)
        except (Rejected, _Absent):
            return

    def write(self, key: str, blocks: Iterable[bytes]) -> None:
        """Put together an object of any size from blocks; memory stays at that of one part."""
        held = bytearray()
        upload, parts = "", list[dict[str, Any]]()
        for block in blocks:
            held += block
            while len(held) >= PART_BYTES:
                upload = upload or self._call("create_multipart_upload", Key=key)["UploadId"]
                parts.append(self._part(key, upload, len(parts) + 1, bytes(held[:PART_BYTES])))
                del held[:PART_BYTES]
        if not upload:
            self.put(key, bytes(held))
            return
        if held:
            parts.append(self._part(key, upload, len(parts) + 1, bytes(held)))
        self._call("complete_multipart_upload", Key=key, UploadId=upload, MultipartUpload={"Parts": parts})

    def upload_url(self, key: str, *, size: int) -> str:
        """Where exactly ``size`` bytes may be put, by whoever has the URL, within an hour."""
        return self._signed("put_object", Key=key, ContentLength=size)

    def download_url(self, key: str) -> str:
        """Where an object may be fetched, by whoever has the URL, within an hour."""
        return self._signed("get_object", Key=key)

    def _signed(self, operation: str, **arguments: Any) -> str:
        parameters = {"Bucket": self._name, **arguments}
        return str(self._client.generate_presigned_url(operation, Params=parameters, ExpiresIn=LINK_SECONDS))

    def _part(self, key: str, upload: str, number: int, body: bytes) -> dict[str, Any]:
        done = self._call("upload_part", Key=key, UploadId=upload, PartNumber=number, Body=body)
        return {"ETag": done["ETag"], "PartNumber": number}

    def _call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """One request; raises ``_Absent`` for what is not there, ``_Ended`` after the end."""
        try:
            answer: dict[str, Any] = getattr(self._client, operation)(Bucket=self._name, **arguments)
            return answer
        except ClientError as error:
            code = str(error.response["Error"]["Code"])
            if code in _ABSENT:
                raise _Absent(operation) from error
            if code in ("416", "InvalidRange"):
                raise _Ended(operation) from error
            if code in _REPLACED:
                raise Rejected("the file was replaced while it was being read", code="file-replaced") from error
            if code in _LATER:
                raise Transient(f"S3 {operation}: {code}") from error
            raise
