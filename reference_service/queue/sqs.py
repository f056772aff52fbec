"""`ports.Queue` on SQS, or whatever speaks its HTTP."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from reference_service.aws import AwsAccess, AwsRefused, OwnClient
from reference_service.ports import Message, Unavailable
from reference_service.pulled import Pulled
from reference_service.queue.bodies import read_body

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

T = TypeVar("T")
ANSWER_S = 5.0
MOST = 10  # SQS gives no more at a time
STALE_RECEIPT = frozenset({"ReceiptHandleIsInvalid", "InvalidParameterValue"})
DEPTHS: tuple[Literal["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"], ...] = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
)
VISIBILITY_S = 10  # to claim, which follows at once; the work itself is under the database's lease


class SqsQueue(Pulled):
    """One queue by name. A body that is no JSON object comes as `{"raw": text}`."""

    def __init__(self, name: str, access: AwsAccess, *, longest_wait_s: float = 1.0) -> None:
        """Opens nothing. `longest_wait_s` is the longest `wait_s` that `receive` will be asked for."""
        self._name = name
        self._client: OwnClient[SQSClient] = OwnClient("sqs", access, read_s=read_s(longest_wait_s))
        self._url: str | None = None

    def send(self, body: Mapping[str, Any]) -> str:
        text = json.dumps(dict(body))
        return self._call(lambda sqs, url: sqs.send_message(QueueUrl=url, MessageBody=text)["MessageId"])

    def receive(self, *, wait_s: float, most: int) -> Sequence[Message]:
        """At most `most`. SQS waits in whole seconds: `wait_s` is rounded up."""
        answer = self._call(
            lambda sqs, url: sqs.receive_message(
                QueueUrl=url,
                WaitTimeSeconds=math.ceil(wait_s),
                MaxNumberOfMessages=max(1, min(most, MOST)),
                VisibilityTimeout=VISIBILITY_S,
            )
        )
        return [
            Message(id=one["MessageId"], receipt=one["ReceiptHandle"], body=read_body(one["Body"]))
            for one in answer.get("Messages", ())
        ]

    def delete(self, message: Message) -> None:
        """Idempotent: a receipt that is no longer good belongs to a message that is gone, or comes again."""
        try:
            self._client.call(
                lambda sqs: sqs.delete_message(QueueUrl=self._url_by(sqs), ReceiptHandle=message.receipt)
            )
        except AwsRefused as error:
            if error.code not in STALE_RECEIPT:
                raise Unavailable(f"sqs: {error}") from error

    def depth(self) -> int:
        """About: SQS counts late."""
        answer = self._call(
            lambda sqs, url: sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[*DEPTHS])["Attributes"]
        )
        return sum(int(answer[name]) for name in DEPTHS)

    def close(self) -> None:
        """Ends its connections; the next call makes new ones."""
        self._client.close()

    def _call(self, action: Callable[[SQSClient, str], T]) -> T:
        try:
            return self._client.call(lambda sqs: action(sqs, self._url_by(sqs)))
        except AwsRefused as error:
            raise Unavailable(f"sqs: {error}") from error

    def _url_by(self, sqs: SQSClient) -> str:
        if self._url is None:
            self._url = sqs.get_queue_url(QueueName=self._name)["QueueUrl"]
        return self._url


def read_s(longest_wait_s: float) -> float:
    """How long an answer may take when `receive` waits for so long at most.

    Short, since nobody renews a worker's leases while it waits for an answer that does not come.
    """
    return ANSWER_S + math.ceil(longest_wait_s)
