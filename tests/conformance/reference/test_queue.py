"""`ports.Queue`: one suite for the fake and for SQS over HTTP, on each emulator."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from reference_service.aws import AwsAccess
from reference_service.clock import SystemClock
from reference_service.fakes import MemoryQueue
from reference_service.ports import Queue, Unavailable
from reference_service.provision import create_resources
from reference_service.queue import SqsQueue
from reference_service.relay import created_keys
from reference_service.settings import Settings
from tests.conformance.reference.conftest import client

pytestmark = pytest.mark.process
KINDS = ["memory", "ministack", "moto"]


@pytest.fixture(params=KINDS)
def queue(request: pytest.FixtureRequest, new_name: Callable[[str], str]) -> Iterator[Queue]:
    if request.param == "memory":
        yield MemoryQueue(SystemClock())
        return
    endpoint = request.getfixturevalue("servers").emulator(request.param).url
    access = AwsAccess(endpoint=endpoint, region="us-east-1", key_id="test", secret="test")
    name = new_name("queue")
    sqs: Any = client("sqs", access)
    sqs.create_queue(QueueName=name)
    sqs.close()
    one = SqsQueue(name, access)
    yield one
    one.close()


def test_a_message_is_received(queue: Queue) -> None:
    """Its body as it was sent, under the id that sending returned."""
    sent = queue.send({"job": "j-1", "odd": "ä\n\"'"})
    (message,) = queue.receive(wait_s=1, most=10)
    assert (message.id, dict(message.body)) == (sent, {"job": "j-1", "odd": "ä\n\"'"})


def test_a_received_message_is_hidden_until_deleted(queue: Queue) -> None:
    """Nobody else gets it meanwhile; deleted, it is gone; deleting again is fine."""
    queue.send({"n": 1})
    (message,) = queue.receive(wait_s=1, most=1)
    assert queue.receive(wait_s=0, most=1) == []
    queue.delete(message)
    queue.delete(message)
    assert queue.receive(wait_s=0, most=1) == []


def test_a_message_that_is_given_back_can_be_had_at_once(queue: Queue) -> None:
    """Another one gets what it said, and once."""
    queue.send({"n": 1})
    (message,) = queue.receive(wait_s=1, most=1)
    queue.give_back(message)
    (again,) = queue.receive(wait_s=1, most=10)
    assert again.body == {"n": 1}
    queue.delete(again)
    assert queue.receive(wait_s=0, most=1) == []


def test_at_most_so_many_are_received(queue: Queue) -> None:
    """And all of them in the end."""
    for number in range(5):
        queue.send({"n": number})
    seen = [m.body["n"] for _ in range(3) for m in queue.receive(wait_s=0, most=2)]
    assert sorted(seen) == list(range(5))


@pytest.mark.parametrize("access", ["ministack", "moto"], indirect=True)
def test_a_body_of_others_is_kept_as_text(access: AwsAccess, new_name: Callable[[str], str]) -> None:
    """What is no JSON object stops nobody."""
    name = new_name("queue")
    sqs: Any = client("sqs", access)
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    one = SqsQueue(name, access)
    for text in ("no json", json.dumps([1])):
        sqs.send_message(QueueUrl=url, MessageBody=text)
        (message,) = one.receive(wait_s=1, most=1)
        assert message.body == {"raw": text}
        one.delete(message)
    sqs.close()
    one.close()


@pytest.mark.parametrize("access", ["ministack", "moto"], indirect=True)
def test_an_upload_is_notified(access: AwsAccess, new_name: Callable[[str], str]) -> None:
    """A provisioned bucket tells of uploads, with their keys, and of nothing else that we store."""
    settings = Settings.model_validate(
        {
            "database_url": "sqlite://",
            "sink_url": "http://x",
            "bucket": new_name("bucket"),
            "jobs_queue": new_name("jobs"),
            "uploads_queue": new_name("uploads"),
        }
    )
    for _ in range(2):
        create_resources(settings, access, access, notification=True)
    s3: Any = client("s3", access)
    for key in ("artefacts/j-1/1/x", "uploads/j-1/source", "uploads/j 2+ä/source"):
        s3.put_object(Bucket=settings.bucket, Key=key, Body=b"x")
    one = SqsQueue(settings.uploads_queue, access)
    keys: list[str] = []
    for _ in range(5):
        for message in one.receive(wait_s=0, most=10):
            keys += created_keys(message)
            one.delete(message)
    assert keys == ["uploads/j-1/source", "uploads/j 2+ä/source"]
    s3.close()
    one.close()


@pytest.mark.parametrize("access", ["moto"], indirect=True)  # ministack takes a bucket for any region
def test_resources_are_made_in_any_region(access: AwsAccess, new_name: Callable[[str], str]) -> None:
    """S3 wants to be told where a bucket is to be, but for its first region; again, nothing is done."""
    there = replace(access, region="eu-west-1")
    settings = Settings.model_validate(
        {
            "database_url": "sqlite://",
            "sink_url": "http://x",
            "bucket": new_name("bucket"),
            "jobs_queue": new_name("jobs"),
            "uploads_queue": new_name("uploads"),
        }
    )
    for _ in range(2):
        create_resources(settings, there, there, notification=True)
    s3: Any = client("s3", there)
    assert s3.get_bucket_location(Bucket=settings.bucket)["LocationConstraint"] == "eu-west-1"
    s3.close()


@pytest.mark.parametrize("access", ["moto"], indirect=True)
def test_a_refusal_to_make_a_resource_is_one_line(access: AwsAccess) -> None:
    """Whoever deploys is told what was refused, and sees no trace."""
    settings = Settings.model_validate({"database_url": "sqlite://", "sink_url": "http://x", "bucket": "B"})
    with pytest.raises(Unavailable, match="bucket='B'"):
        create_resources(settings, access, access, notification=True)


def test_a_queue_that_is_not_there_is_unavailable() -> None:
    """A condition to wait for, not a bug."""
    access = AwsAccess(endpoint="http://127.0.0.1:9", region="us-east-1", key_id="a", secret="b")
    one = SqsQueue("jobs", access)
    with pytest.raises(Unavailable):
        one.send({})
    one.close()
