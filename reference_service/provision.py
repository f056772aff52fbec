"""Creates the bucket, the queues and the notification, for development and tests; idempotent.

In production they belong to whoever runs the account: the queue needs a policy that lets S3 write to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reference_service.aws import AwsAccess, AwsRefused, OwnClient
from reference_service.ports import Unavailable
from reference_service.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

FIRST_REGION = "us-east-1"  # the one that S3 does not want to be told
EXISTS = frozenset({"BucketAlreadyOwnedByYou", "BucketAlreadyExists"})


def create_resources(settings: Settings, s3: AwsAccess, sqs: AwsAccess, *, notification: bool) -> None:
    """Raises `Unavailable`, also when the endpoint refuses."""
    try:
        _create(settings, s3, sqs, notification=notification)
    except AwsRefused as error:
        raise Unavailable(f"bucket={settings.bucket!r} in {s3.region}, and its queues: {error}") from error


def _create(settings: Settings, s3: AwsAccess, sqs: AwsAccess, *, notification: bool) -> None:
    objects: OwnClient[S3Client] = OwnClient("s3", s3)
    queues: OwnClient[SQSClient] = OwnClient("sqs", sqs)
    place: Any = {}
    if s3.region != FIRST_REGION:
        place = {"CreateBucketConfiguration": {"LocationConstraint": s3.region}}
    try:
        objects.call(lambda client: client.create_bucket(Bucket=settings.bucket, **place))
    except AwsRefused as error:
        if error.code not in EXISTS:
            raise
    queues.call(lambda client: client.create_queue(QueueName=settings.jobs_queue))
    url = queues.call(lambda client: client.create_queue(QueueName=settings.uploads_queue))["QueueUrl"]
    if notification:
        answer = queues.call(
            lambda client: client.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        )
        arn = answer["Attributes"]["QueueArn"]
        objects.call(
            lambda client: client.put_bucket_notification_configuration(
                Bucket=settings.bucket,
                NotificationConfiguration={
                    "QueueConfigurations": [
                        {
                            "QueueArn": arn,
                            "Events": ["s3:ObjectCreated:*"],
                            # Else every artefact and output of ours would be told of, too.
                            "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "uploads/"}]}},
                        }
                    ]
                },
            )
        )
