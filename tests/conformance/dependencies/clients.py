"""A real client for each kind: it writes a word, and reads whether it is there."""

from __future__ import annotations

import contextlib
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import boto3
import pika
import psycopg
import pytest
import redis

from unstuck.errors import TargetError
from unstuck.targets.dependencies import Dependency
from unstuck.targets.dependencies.kinds import rabbitmq
from unstuck.worlds.process.dependencies import postgres_cluster


class Client(Protocol):
    def write(self, dependency: Dependency, word: str) -> None:
        """Returns once it was acknowledged."""
        ...

    def has(self, dependency: Dependency, word: str) -> bool: ...


def url_of(dependency: Dependency) -> str:
    return dependency.url(dependency.host, dependency.port)


class RedisClient:
    def __init__(self, timeout_s: float | None = None) -> None:
        self._timeout_s = timeout_s

    def write(self, dependency: Dependency, word: str) -> None:
        with redis.Redis.from_url(url_of(dependency), socket_timeout=self._timeout_s) as client:
            client.set(word, word)

    def has(self, dependency: Dependency, word: str) -> bool:
        with redis.Redis.from_url(url_of(dependency), socket_timeout=self._timeout_s) as client:
            return bool(client.exists(word))


class PostgresClient:
    def write(self, dependency: Dependency, word: str) -> None:
        with psycopg.connect(url_of(dependency)) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS words (word text)")
            connection.execute("INSERT INTO words VALUES (%s)", [word])

    def has(self, dependency: Dependency, word: str) -> bool:
        with psycopg.connect(url_of(dependency)) as connection:
            if connection.execute("SELECT to_regclass('words')").fetchone() == (None,):
                return False
            found = connection.execute("SELECT count(*) FROM words WHERE word = %s", [word]).fetchone()
            return found == (1,)


def aws(dependency: Dependency, service: Any) -> Any:
    values = dependency.values(dependency.host, dependency.port)
    session = boto3.Session(values["access_key"], values["secret_key"], region_name=values["region"])
    return session.client(service, endpoint_url=values["url"])


class S3Client:
    def write(self, dependency: Dependency, word: str) -> None:
        with contextlib.closing(aws(dependency, "s3")) as client:
            client.create_bucket(Bucket="words")
            client.put_object(Bucket="words", Key=word, Body=word.encode())

    def has(self, dependency: Dependency, word: str) -> bool:
        with contextlib.closing(aws(dependency, "s3")) as client:
            if "words" not in [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]:
                return False
            found = client.list_objects_v2(Bucket="words").get("Contents", ())
            if word not in [one["Key"] for one in found]:
                return False
            return bool(client.get_object(Bucket="words", Key=word)["Body"].read() == word.encode())


class SqsClient:
    def write(self, dependency: Dependency, word: str) -> None:
        with contextlib.closing(aws(dependency, "sqs")) as client:
            queue = client.create_queue(QueueName="words")["QueueUrl"]
            client.send_message(QueueUrl=queue, MessageBody=word)

    def has(self, dependency: Dependency, word: str) -> bool:
        with contextlib.closing(aws(dependency, "sqs")) as client:
            for queue in client.list_queues().get("QueueUrls", ()):
                got = client.receive_message(QueueUrl=queue, VisibilityTimeout=0, MaxNumberOfMessages=10)
                if word in [message["Body"] for message in got.get("Messages", ())]:
                    return True
            return False


class RabbitmqClient:
    """Persistent messages in a durable queue; the broker confirms each.

    A durable queue is not as durable as its messages (3.10.8): 1. `queue.declare` is answered  2. the commit
    is in Mnesia's LATEST.LOG, presumed aborted, and the record that decides on it waits to be written
    3. SIGKILL: the next start undoes it, and the messages are gone with their queue. On a busy machine the
    record was missing after 2 of 12 kills that followed at once. The commit of another durable queue writes
    what waits as well: with that it was missing after none of 12.
    """

    def write(self, dependency: Dependency, word: str) -> None:
        with contextlib.closing(self._connect(dependency)) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            channel.queue_declare("words", durable=True)
            kept = pika.BasicProperties(delivery_mode=pika.DeliveryMode.Persistent)
            channel.queue_declare("others", durable=True)
            channel.basic_publish("", "words", word.encode(), kept, mandatory=True)

    def has(self, dependency: Dependency, word: str) -> bool:
        with contextlib.closing(self._connect(dependency)) as connection:
            channel = connection.channel()
            channel.queue_declare("words", durable=True)
            while True:  # what is not acknowledged goes back when the connection ends
                _, _, body = channel.basic_get("words")
                if body is None or body == word.encode():
                    return body is not None

    def _connect(self, dependency: Dependency) -> pika.BlockingConnection:
        return pika.BlockingConnection(pika.URLParameters(url_of(dependency)))


class KeeperClient:
    """Of the program `keeper`, which stands for any command."""

    def write(self, dependency: Dependency, word: str) -> None:
        with urllib.request.urlopen(f"{url_of(dependency)}{word}", data=b"") as answer:
            assert answer.status == 200

    def has(self, dependency: Dependency, word: str) -> bool:
        try:
            with urllib.request.urlopen(f"{url_of(dependency)}{word}"):
                return True
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            return False


KEEPER = {
    "command": [sys.executable, str(Path(__file__).parent / "keeper.py"), "{host}", "{port}", "{folder}"],
    "framer": "http1",
    "url": "http://{host}:{port}/",
}


def _hide_nothing(_: pytest.MonkeyPatch) -> None:
    """PATH and wheels are hidden for every kind."""


def _hide_rabbitmq(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rabbitmq, "_folders", lambda: iter(()))


def _hide_postgres(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_cluster, "_folders", lambda: iter(()))


def lacks_rabbitmq() -> str | None:
    try:
        rabbitmq.find_server()
    except TargetError as error:
        return str(error)
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A kind as the suite tries it. `hide` makes the machine lack what PATH and wheels do not bring."""

    kind: str
    client: Client
    hide: Callable[[pytest.MonkeyPatch], None] = _hide_nothing
    lacking: str | None = None  # why this machine cannot try it
    options: Mapping[str, Any] = field(default_factory=dict)
    missing: Mapping[str, Any] | None = None  # options with which the machine lacks it, if not these

    def __str__(self) -> str:
        return self.kind


SAMPLES = [
    Sample(kind="redis", client=RedisClient()),
    Sample(kind="postgres", client=PostgresClient(), hide=_hide_postgres),
    Sample(kind="rabbitmq", client=RabbitmqClient(), hide=_hide_rabbitmq, lacking=lacks_rabbitmq()),
    Sample(kind="s3", client=S3Client()),
    Sample(kind="sqs", client=SqsClient()),
    Sample(
        kind="command", client=KeeperClient(), options=KEEPER, missing={"command": "no-such-program {port}"}
    ),
]
