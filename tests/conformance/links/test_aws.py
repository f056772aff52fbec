"""boto3 and an S3/SQS emulator with a link between: nothing is noticed, and rules name operations."""

from __future__ import annotations

import hashlib
import itertools
import urllib.request
from collections.abc import Callable
from typing import Any

import boto3
import botocore.config
import botocore.exceptions
import pytest
from mypy_boto3_s3 import S3Client
from mypy_boto3_sqs import SQSClient

from tests.conformance.links.conftest import OpenLink
from unstuck.links.rules import Answer, Cut, Duplicate, Error
from unstuck.worlds.process.session import Session

pytestmark = pytest.mark.process
Open = Callable[[int, str], OpenLink]
_numbers = itertools.count(1)


def client(service: str, link: OpenLink) -> Any:
    return boto3.client(
        service,  # type: ignore[call-overload]  # one of two names
        endpoint_url=f"http://{link.host}:{link.port}",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=botocore.config.Config(
            retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}, read_timeout=10
        ),
    )


@pytest.fixture
def link(open_link: Open, session: Session) -> OpenLink:
    return open_link(int(session.emulator().url.rsplit(":", 1)[1]), "http1")


@pytest.fixture
def s3(link: OpenLink) -> S3Client:
    made: S3Client = client("s3", link)
    return made


@pytest.fixture
def sqs(link: OpenLink) -> SQSClient:
    made: SQSClient = client("sqs", link)
    return made


@pytest.fixture
def bucket(s3: S3Client) -> str:
    name = f"bucket-{next(_numbers)}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def queue(sqs: SQSClient, link: OpenLink) -> str:
    """A queue's URL, which leads through the link."""
    return sqs.create_queue(QueueName=f"queue-{next(_numbers)}")["QueueUrl"]


def received(sqs: SQSClient, queue: str) -> list[str]:
    messages = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
    return [message["Body"] for message in messages]


@pytest.mark.parametrize("size", [0, 10, 300_000, 6_000_000])
def test_objects_of_any_size_come_back_as_they_went(
    link: OpenLink, s3: S3Client, bucket: str, size: int
) -> None:
    """Below and above what is kept; boto3 expects 100 Continue, and gets it from us."""
    body = hashlib.sha256(b"seed").digest() * (size // 32 + 1)
    s3.put_object(Bucket=bucket, Key="a/b.mp4", Body=body[:size])
    assert s3.get_object(Bucket=bucket, Key="a/b.mp4")["Body"].read() == body[:size]
    assert link.counts() == {"CreateBucket": 1, "PutObject": 1, "GetObject": 1}
    assert link.events("unframed") == []


def test_operations_have_their_names(link: OpenLink, s3: S3Client, bucket: str) -> None:
    """A multipart upload, a presigned PUT and a HEAD, as the reference service uses them."""
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, Body=b"x" * 5_500_000)
    parts = {"Parts": [{"ETag": part["ETag"], "PartNumber": 1}]}
    s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload=parts)  # type: ignore[arg-type]  # a plain dict
    url = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "p"})
    urllib.request.urlopen(urllib.request.Request(url, data=b"presigned", method="PUT")).close()
    assert s3.head_object(Bucket=bucket, Key="p")["ContentLength"] == 9
    s3.delete_object(Bucket=bucket, Key="p")
    assert link.counts() == {
        "CreateBucket": 1,
        "CreateMultipartUpload": 1,
        "UploadPart": 1,
        "CompleteMultipartUpload": 1,
        "PutObject": 1,
        "HeadObject": 1,
        "DeleteObject": 1,
    }


def test_an_answered_message_is_never_received(link: OpenLink, sqs: SQSClient, queue: str) -> None:
    """The sender gets an id and the right digest (boto3 verifies it); the queue gets nothing."""
    rule = link.rule(Answer(), label="AmazonSQS.SendMessage", nth=2)
    attributes = {"kind": {"DataType": "String", "StringValue": "job"}}
    ids = [
        sqs.send_message(QueueUrl=queue, MessageBody=body, MessageAttributes=attributes)["MessageId"]  # type: ignore[arg-type]  # a plain dict
        for body in ("one", "two", "three")
    ]
    assert link.wait("done", rule=rule).facts["message_ids"] == [ids[1]]
    assert sorted(received(sqs, queue)) == ["one", "three"]


def test_an_answered_batch_is_never_received(link: OpenLink, sqs: SQSClient, queue: str) -> None:
    """Each entry of a batch is accepted, and gone."""
    rule = link.rule(Answer(), label="AmazonSQS.SendMessageBatch")
    entries = [{"Id": str(n), "MessageBody": f"body {n}"} for n in range(3)]
    reply = sqs.send_message_batch(QueueUrl=queue, Entries=entries)  # type: ignore[arg-type]  # plain dicts
    ids = [entry["MessageId"] for entry in reply["Successful"]]
    assert link.wait("done", rule=rule).facts["message_ids"] == ids
    assert len(set(ids)) == 3
    assert received(sqs, queue) == []


def test_a_duplicated_message_is_received_twice(link: OpenLink, sqs: SQSClient, queue: str) -> None:
    """At-least-once delivery, on demand."""
    rule = link.rule(Duplicate(), label="AmazonSQS.SendMessage")
    sqs.send_message(QueueUrl=queue, MessageBody="event")
    assert link.wait("done", rule=rule).outcome == "duplicated"
    assert received(sqs, queue) == ["event", "event"]


def test_contains_finds_an_object_key(link: OpenLink, s3: S3Client, bucket: str) -> None:
    """The result of one job is lost on its way, others are written."""
    link.rule(Cut(), label="PutObject", contains="j-2/")
    s3.put_object(Bucket=bucket, Key="j-1/result", Body=b"1")
    with pytest.raises(botocore.exceptions.HTTPClientError):
        s3.put_object(Bucket=bucket, Key="j-2/result", Body=b"2")
    keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert keys == ["j-1/result"]


@pytest.mark.parametrize("service", ["s3", "sqs"])
def test_errors_come_in_the_services_own_words(link: OpenLink, service: str) -> None:
    """boto3 reads code and message out of either protocol's envelope."""
    link.rule(Error(status=503, code="SlowDown", message="too fast"))
    made = client(service, link)
    call = made.list_buckets if service == "s3" else made.list_queues
    with pytest.raises(botocore.exceptions.ClientError, match=r"SlowDown.*too fast"):
        call()
