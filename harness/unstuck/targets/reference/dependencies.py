"""What the runs of a session share: PostgreSQL with a template database, and an S3/SQS emulator.

Each run has a database, a bucket and queues of its own, so runs go on side by side.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import boto3
import psycopg
from botocore.config import Config
from botocore.exceptions import ClientError
from sqlalchemy import create_engine

from reference_service.media import make
from reference_service.store import schema
from unstuck.errors import HarnessError
from unstuck.targets.reference.observer import INSTALL
from unstuck.targets.reference.places import REGION, Places
from unstuck.worlds.process.dependencies.s3 import EmulatorName
from unstuck.worlds.process.session import Session

TEMPLATE = "unstuck_reference"
DEPTHS: tuple[Literal["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"], ...] = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
)
PROMPT = Config(
    connect_timeout=2, read_timeout=10, retries={"total_max_attempts": 3}, s3={"addressing_style": "path"}
)


class Dependencies:
    """Started at the first run, for all runs of a session; safe to use from many threads."""

    def __init__(
        self,
        session: Session,
        emulator: EmulatorName,
        videos: Path,
        lay: Callable[[str], object] | None = None,
    ) -> None:
        """`lay` makes the schema of each run's database, given a URL; None: today's, at once."""
        self._lay = lay or _lay_todays
        self._session = session
        self._emulator = emulator
        self._videos = videos
        self._lock = threading.Lock()
        self._ready = False
        self._number = 0

    def start(self) -> None:
        """Starts both unless they run. Raises `TargetError` with what to install."""
        with self._lock:
            if self._ready:
                return
            self._postgres = self._session.postgres()
            self._make_template()
            self.endpoint = self._session.emulator(self._emulator).url
            account = boto3.session.Session("test", "test", region_name=REGION)
            self.s3 = account.client("s3", endpoint_url=self.endpoint, config=PROMPT)
            self.sqs = account.client("sqs", endpoint_url=self.endpoint, config=PROMPT)
            self._ready = True

    def video(self, name: str) -> Path:
        """The path of one of the bundled videos, made at its first use."""
        return make(name, self._videos)

    def open(self) -> Places:
        """A database from the template, a bucket that notifies, and two queues."""
        with self._lock:
            self._number += 1
            name = f"run{self._number}"
        host, port = self._postgres.host, self._postgres.port
        self._postgres.create_database(name, template=TEMPLATE)
        bucket = f"unstuck-{name}"
        jobs, uploads = f"{name}-jobs", f"{name}-uploads"
        try:
            self.s3.create_bucket(Bucket=bucket)
            jobs_url = self.sqs.create_queue(QueueName=jobs)["QueueUrl"]
            uploads_url = self.sqs.create_queue(QueueName=uploads)["QueueUrl"]
            self._notify(bucket, uploads_url)
        except BaseException:
            self._postgres.drop_database(name)
            raise
        return Places(
            database=name,
            database_host=host,
            database_port=port,
            bucket=bucket,
            jobs_queue=jobs,
            uploads_queue=uploads,
            jobs_queue_url=jobs_url,
        )

    def close(self, places: Places) -> None:
        """Gives a run's database back; its bucket and queues go with the emulator."""
        self._postgres.drop_database(places.database)

    def fetch(self, bucket: str, key: str, path: Path) -> bool:
        """Copies an object to `path`; False when there is none.

        Raises `HarnessError` when the store cannot say: that is no failure of the service.
        """
        try:
            self.s3.download_file(bucket, key, str(path))
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                return False
            raise HarnessError(f"objects: {bucket}/{key} cannot be read: {error}") from error
        return True

    def stop_notifying(self, bucket: str) -> Mapping[str, list[str]]:
        """Takes the bucket's notifications away, and says what is configured afterwards."""
        self.s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
        read_back = self.s3.get_bucket_notification_configuration(Bucket=bucket)
        return {
            "configured": [name for name, found in read_back.items() if "Configuration" in name and found]
        }

    def corrupt(self, bucket: str, prefix: str, inside: str) -> Mapping[str, list[str]]:
        """Inverts the middle of every object under `prefix` whose key holds `inside`.

        `keys` names them, `unchanged` those that read back as before.
        """
        listed = self.s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", ())
        keys = [str(row["Key"]) for row in listed if inside in row["Key"] and row["Size"]]
        unchanged = []
        for key in keys:
            before = self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
            body = bytearray(before)
            # A stretch, not a byte: a decoder may forgive one.
            middle = len(body) // 2
            body[middle : middle + 64] = bytes(0xFF - byte for byte in body[middle : middle + 64])
            self.s3.put_object(Bucket=bucket, Key=key, Body=bytes(body))
            if self.s3.get_object(Bucket=bucket, Key=key)["Body"].read() == before:
                unchanged.append(key)
        return {"keys": keys, "unchanged": unchanged}

    def count(self, bucket: str, prefix: str) -> int:
        """How many objects lie under `prefix`, up to 1000."""
        return int(self.s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("KeyCount", 0))

    def depth(self, queue_url: str) -> int:
        """Messages that wait or are being handled."""
        found = self.sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=[*DEPTHS])["Attributes"]
        return sum(int(found[name]) for name in DEPTHS)

    def _notify(self, bucket: str, queue_url: str) -> None:
        arn = self.sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])
        self.s3.put_bucket_notification_configuration(
            Bucket=bucket,
            NotificationConfiguration={
                "QueueConfigurations": [
                    {
                        "QueueArn": arn["Attributes"]["QueueArn"],
                        "Events": ["s3:ObjectCreated:*"],
                        "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "uploads/"}]}},
                    }
                ]
            },
        )

    def _make_template(self) -> None:
        """The service's schema and our triggers, once; copying it is much cheaper than making it."""
        url = self._postgres.create_database(TEMPLATE)
        self._lay(url.replace("postgresql://", "postgresql+psycopg://", 1))
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(INSTALL)


def _lay_todays(url: str) -> None:
    engine = create_engine(url)
    with engine.begin() as laying:
        schema.lay(laying)
    engine.dispose()
