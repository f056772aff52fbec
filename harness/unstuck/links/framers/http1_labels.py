"""What an HTTP request is called: an AWS operation where it is one, else method and path template."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote

from unstuck.links.framers.identities import path_template
from unstuck.links.messages import Kind

_QUERY_API_SERVICES = {"2012-11-05": "AmazonSQS", "2010-03-31": "AmazonSNS"}
_READING_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_READING = ("Get", "Head", "List", "Describe")
# (method, bucket or key, what is in the query) -> operation; the first that fits. "" always fits.
_S3_OPERATIONS: Mapping[tuple[str, bool], tuple[tuple[str, str], ...]] = {
    ("GET", False): (
        ("uploads", "ListMultipartUploads"),
        ("notification", "GetBucketNotificationConfiguration"),
        ("location", "GetBucketLocation"),
        ("versions", "ListObjectVersions"),
        ("list-type", "ListObjectsV2"),
        ("", "ListObjects"),
    ),
    ("PUT", False): (("notification", "PutBucketNotificationConfiguration"), ("", "CreateBucket")),
    ("HEAD", False): (("", "HeadBucket"),),
    ("DELETE", False): (("", "DeleteBucket"),),
    ("POST", False): (("delete", "DeleteObjects"),),
    ("GET", True): (("uploadId", "ListParts"), ("tagging", "GetObjectTagging"), ("", "GetObject")),
    ("PUT", True): (("partNumber", "UploadPart"), ("tagging", "PutObjectTagging"), ("", "PutObject")),
    ("HEAD", True): (("", "HeadObject"),),
    ("DELETE", True): (("uploadId", "AbortMultipartUpload"), ("", "DeleteObject")),
    ("POST", True): (("uploads", "CreateMultipartUpload"), ("uploadId", "CompleteMultipartUpload")),
}


def label_of(method: str, target: str, headers: Mapping[str, str], body: bytes) -> str:
    """`AmazonSQS.SendMessage`, `PutObject`, `POST /jobs/{id}/complete`; S3 in path style only.

    `headers` have lower-case names. `body` is empty when it was not kept.
    """
    aws_target = headers.get("x-amz-target")
    if aws_target:
        return aws_target
    if headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        action = _query_api_action(body)
        if action:
            return action
    path, _, query = target.partition("?")
    presigned = "X-Amz-Credential=" in query or "AWSAccessKeyId=" in query  # by either signature version
    if presigned or "/s3/aws4_request" in headers.get("authorization", ""):
        return _s3_label(method, path, query, copies="x-amz-copy-source" in headers)
    return f"{method} {path_template(path)}"


def kind_of(method: str, label: str) -> Kind:
    """By the name of an AWS operation, else by the method."""
    operation = label.rpartition(".")[2]
    if operation.startswith("Receive"):
        return "poll"
    if " " in label:
        return "read" if method in _READING_METHODS else "write"
    return "read" if operation.startswith(_READING) else "write"


def _query_api_action(body: bytes) -> str:
    fields = dict(parse_qsl(body.decode("utf-8", "replace")))
    action = fields.get("Action", "")
    service = _QUERY_API_SERVICES.get(fields.get("Version", ""))
    return f"{service}.{action}" if action and service else action


def _s3_label(method: str, path: str, query: str, *, copies: bool) -> str:
    bucket, _, key = unquote(path).lstrip("/").partition("/")
    if not bucket:
        return "ListBuckets"
    names = {field.partition("=")[0] for field in query.split("&")} | {""}
    for name, operation in _S3_OPERATIONS.get((method, bool(key)), ()):
        if name in names:
            copied = {"PutObject": "CopyObject", "UploadPart": "UploadPartCopy"} if copies else {}
            return copied.get(operation, operation)
    return f"{method} /{{bucket}}/{{key}}" if key else f"{method} /{{bucket}}"
