"""`ports.Objects` on S3, or whatever speaks its HTTP."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from reference_service.aws import AwsAccess, AwsRefused, OwnClient
from reference_service.ports import (
    ObjectChanged,
    ObjectFacts,
    ObjectMissing,
    Rejected,
    Unavailable,
    UploadPart,
)

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

T = TypeVar("T")
GONE = frozenset({"404", "NoSuchKey", "NotFound", "NoSuchUpload"})
SMALL_BYTES = (
    256 * 1024
)  # sent at once; for a file botocore asks the server first whether it may (100-continue)
CHANGED = frozenset({"412", "PreconditionFailed"})
REFUSED = frozenset(
    {"403", "AccessDenied", "AllAccessDisabled", "InvalidObjectState", "KMS.DisabledException"}
)
UNFIT = frozenset({"EntityTooSmall", "InvalidPart", "InvalidPartOrder"})  # the client's parts; no retry helps


class S3Objects:
    """One bucket. `public` is the endpoint that clients reach, for presigned URLs."""

    def __init__(self, bucket: str, access: AwsAccess, public: AwsAccess | None = None) -> None:
        """Opens nothing."""
        self._bucket = bucket
        self._client: OwnClient[S3Client] = OwnClient("s3", access)
        self._public: OwnClient[S3Client] = OwnClient("s3", public) if public else self._client

    def presign_put(self, key: str, *, expires_s: int) -> str:
        return self._public.own().generate_presigned_url(
            "put_object", Params={"Bucket": self._bucket, "Key": key}, ExpiresIn=expires_s
        )

    def presign_part(self, key: str, upload_id: str, number: int, *, expires_s: int) -> str:
        params = {"Bucket": self._bucket, "Key": key, "UploadId": upload_id, "PartNumber": number}
        return self._public.own().generate_presigned_url("upload_part", Params=params, ExpiresIn=expires_s)

    def create_multipart(self, key: str) -> str:
        answer = self._call(lambda s3: s3.create_multipart_upload(Bucket=self._bucket, Key=key))
        return answer["UploadId"]

    def parts(self, key: str, upload_id: str) -> Sequence[UploadPart]:
        return [
            UploadPart(number=number, size_bytes=size, last_modified=modified)
            for number, size, modified, _ in self._parts(key, upload_id)
        ]

    def complete_multipart(self, key: str, upload_id: str) -> None:
        """Puts all parts together; nothing happens when the upload is gone (completed, or aborted), or
        when its parts can make no object (one but the last is too small).
        """
        found = self._parts(key, upload_id)
        if not found:
            return
        parts = [{"PartNumber": number, "ETag": etag} for number, _, _, etag in found]
        self._gone_is_fine(
            lambda s3: s3.complete_multipart_upload(
                Bucket=self._bucket,
                Key=key,
                UploadId=upload_id,
                MultipartUpload={"Parts": parts},  # type: ignore[typeddict-item]  # plain dicts
            )
        )

    def abort_multipart(self, key: str, upload_id: str) -> None:
        self._gone_is_fine(
            lambda s3: s3.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload_id)
        )

    def head(self, key: str) -> ObjectFacts | None:
        try:
            answer = self._call(lambda s3: s3.head_object(Bucket=self._bucket, Key=key))
        except ObjectMissing:
            return None
        return ObjectFacts(size_bytes=answer["ContentLength"], etag=answer["ETag"].strip('"'))

    def put_file(self, key: str, path: Path, content_type: str) -> None:
        if path.stat().st_size <= SMALL_BYTES:
            self.put_bytes(key, path.read_bytes(), content_type)
            return

        def put(s3: S3Client) -> None:
            with path.open("rb") as file:
                s3.put_object(Bucket=self._bucket, Key=key, Body=file, ContentType=content_type)

        self._call(put)

    def put_bytes(self, key: str, body: bytes, content_type: str) -> None:
        self._call(
            lambda s3: s3.put_object(Bucket=self._bucket, Key=key, Body=body, ContentType=content_type)
        )

    def get_file(self, key: str, path: Path, *, etag: str | None = None) -> None:
        def get(s3: S3Client) -> None:
            if etag is None:
                answer = s3.get_object(Bucket=self._bucket, Key=key)
            else:
                answer = s3.get_object(Bucket=self._bucket, Key=key, IfMatch=f'"{etag}"')
            with answer["Body"] as body:
                if etag is not None and answer["ETag"].strip('"') != etag:  # a store without conditions
                    raise ObjectChanged(f"etag={etag!r}: the object's is {answer['ETag']}")
                with path.open("wb") as file:
                    shutil.copyfileobj(body, file, 1 << 20)

        self._call(get)

    def get_bytes(self, key: str) -> bytes:
        def get(s3: S3Client) -> bytes:
            with s3.get_object(Bucket=self._bucket, Key=key)["Body"] as body:
                return body.read()

        return self._call(get)

    def delete_prefix(self, prefix: str) -> None:
        def remove(s3: S3Client) -> None:
            kept: list[str] = []  # one that it will not give up must not keep those of later pages
            pages = s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
            for page in pages:
                keys = [{"Key": one["Key"]} for one in page.get("Contents", ())]
                if not keys:
                    continue
                answer = s3.delete_objects(Bucket=self._bucket, Delete={"Objects": keys, "Quiet": True})  # type: ignore[typeddict-item]  # plain dicts
                # The answer as a whole is a 200 all the same.
                kept += [
                    f"{problem.get('Key')}: {problem.get('Code')}" for problem in answer.get("Errors", ())
                ]
            if kept:
                raise Rejected(f"s3: {kept[0]} ({len(kept)} were not removed)")

        self._call(remove)

    def delete(self, key: str) -> None:
        self._gone_is_fine(lambda s3: s3.delete_object(Bucket=self._bucket, Key=key))

    def close(self) -> None:
        """Ends its connections; the next call makes new ones."""
        self._client.close()
        self._public.close()

    def _parts(self, key: str, upload_id: str) -> list[tuple[int, int, float, str]]:
        def read(s3: S3Client) -> list[tuple[int, int, float, str]]:
            found = []
            pages = s3.get_paginator("list_parts").paginate(Bucket=self._bucket, Key=key, UploadId=upload_id)
            for page in pages:
                for part in page.get("Parts", ()):
                    modified = part["LastModified"].timestamp()
                    found.append((part["PartNumber"], part["Size"], modified, part["ETag"]))
            return found

        try:
            return self._call(read)
        except ObjectMissing:
            return []

    def _gone_is_fine(self, action: Callable[[S3Client], object]) -> None:
        with contextlib.suppress(ObjectMissing):
            self._call(action)

    def _call(self, action: Callable[[S3Client], T]) -> T:
        try:
            return self._client.call(action)
        except AwsRefused as error:
            if error.code in GONE | UNFIT:
                raise ObjectMissing(str(error)) from error
            if error.code in CHANGED:
                raise ObjectChanged(str(error)) from error
            kind = Rejected if error.code in REFUSED else Unavailable
            raise kind(f"s3: {error}") from error
