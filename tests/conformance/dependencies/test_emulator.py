"""S3 and SQS: what a kill may not take, nor give back."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from tests.conformance.dependencies.clients import S3Client, aws
from tests.conformance.dependencies.conftest import Open
from tests.process.conftest import Recorder
from unstuck.targets.dependencies import Dependency
from unstuck.worlds.process.world import ProcessWorld

pytestmark = pytest.mark.process


@pytest.fixture
def emulator(start: Open) -> Dependency:
    return start("s3")


@pytest.fixture
def sqs(emulator: Dependency) -> Iterator[Any]:
    """The same server has both."""
    with contextlib.closing(aws(emulator, "sqs")) as client:
        yield client


@pytest.fixture
def s3(emulator: Dependency) -> Iterator[Any]:
    with contextlib.closing(aws(emulator, "s3")) as client:
        yield client


def kill(world: ProcessWorld, recorder: Recorder) -> None:
    world.signal("dep", "SIGKILL", "tree")
    recorder.wait("dep", "ready", 2)


def all_of(sqs: Any, queue: str) -> list[Any]:
    """Every message of a queue, received once."""
    found: list[Any] = []
    while messages := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", ()):
        found += messages
    return found


def test_the_event_of_an_object_that_was_put_is_in_its_queue(
    s3: Any, sqs: Any, world: ProcessWorld, recorder: Recorder
) -> None:
    """Once the put is acknowledged a kill takes neither the object nor its event."""
    queue = sqs.create_queue(QueueName="events")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    s3.create_bucket(Bucket="bucket")
    s3.put_bucket_notification_configuration(
        Bucket="bucket",
        NotificationConfiguration={
            "QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]
        },
    )
    for number in range(5):
        s3.put_object(Bucket="bucket", Key=f"key-{number}", Body=b"body")
    kill(world, recorder)
    s3.put_object(Bucket="bucket", Key="later", Body=b"body")  # the bucket still notifies
    told = "".join(message["Body"] for message in all_of(sqs, queue))
    assert [told.count(f'"key": "{key}"') for key in ("key-0", "key-4", "later")] == [1, 1, 1]
    assert told.count('"s3:ObjectCreated:Put"') + told.count('"ObjectCreated:Put"') == 6


def test_what_was_deleted_does_not_come_back(sqs: Any, world: ProcessWorld, recorder: Recorder) -> None:
    """A message that a worker has acknowledged would be a double, and no doing of the service."""
    queue = sqs.create_queue(QueueName="jobs", Attributes={"VisibilityTimeout": "0"})["QueueUrl"]
    for word in ("done", "waiting"):
        sqs.send_message(QueueUrl=queue, MessageBody=word)
    (got,) = sqs.receive_message(QueueUrl=queue)["Messages"]
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=got["ReceiptHandle"])
    kill(world, recorder)
    left = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    assert [message["Body"] for message in left] == [({"done", "waiting"} - {got["Body"]}).pop()]


def test_what_was_received_stays_hidden_and_is_deleted_by_its_old_handle(
    sqs: Any, world: ProcessWorld, recorder: Recorder
) -> None:
    """A worker that holds a message goes on as if nothing had happened."""
    queue = sqs.create_queue(QueueName="jobs", Attributes={"VisibilityTimeout": "600"})["QueueUrl"]
    sqs.send_message(QueueUrl=queue, MessageBody="held")
    (got,) = sqs.receive_message(QueueUrl=queue)["Messages"]
    kill(world, recorder)
    assert "Messages" not in sqs.receive_message(QueueUrl=queue)
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=got["ReceiptHandle"])
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    depth = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
    assert [depth[name] for name in names] == ["0", "0"]


def test_a_kill_in_the_midst_of_sends_loses_none_that_was_acknowledged(
    emulator: Dependency, sqs: Any, world: ProcessWorld, recorder: Recorder
) -> None:
    """Two clients send and note what came back; all of that is there afterwards."""
    queue = sqs.create_queue(QueueName="jobs")["QueueUrl"]
    acknowledged: list[str] = []
    going = threading.Event()

    def send(name: str) -> None:
        with contextlib.closing(aws(emulator, "sqs")) as client:
            number = 0
            with contextlib.suppress(BotoCoreError, ClientError):
                while not stopping.is_set():
                    number += 1
                    client.send_message(QueueUrl=queue, MessageBody=f"{name}-{number}")
                    acknowledged.append(f"{name}-{number}")
                    if len(acknowledged) >= 40:
                        going.set()

    stopping = threading.Event()
    senders = [threading.Thread(target=send, args=(name,)) for name in ("a", "b")]
    for sender in senders:
        sender.start()
    assert going.wait(30)
    world.signal("dep", "SIGKILL", "tree")
    stopping.set()
    for sender in senders:
        sender.join(60)
    recorder.wait("dep", "ready", 2)
    assert set(acknowledged) <= {message["Body"] for message in all_of(sqs, queue)}


def test_moto_serves_as_well(start: Open) -> None:
    """The second opinion speaks the same."""
    dependency = start("s3", "other", emulator="moto")
    S3Client().write(dependency, "word")
    assert S3Client().has(dependency, "word")
