"""boto3 clients that are made at first use, or beforehand by `warm_up`, and survive a fork.

boto3 itself is imported then, too: half of what roles without a client would be resident with.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from io import BytesIO
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from urllib3.exceptions import HTTPError
from urllib3.response import HTTPResponse

from reference_service.disk import NO_ROOM
from reference_service.open_files import OUT
from reference_service.ports import Unavailable

if TYPE_CHECKING:
    import boto3
    from botocore.awsrequest import AWSPreparedRequest, AWSResponse
    from botocore.client import BaseClient

T = TypeVar("T")
C = TypeVar("C", bound="BaseClient")
NOWHERE = "http://127.0.0.1:9"  # nobody listens there
CONNECT_S = 2.0
READ_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsAccess:
    """Where and as whom. `endpoint` None: AWS itself."""

    endpoint: str | None
    region: str
    key_id: str
    secret: str


class AwsRefused(Exception):  # noqa: N818  an answer, not a bug
    """The service answered that it will not; `code` is its word for why."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


def load() -> None:
    """Imports what clients need: for a process that forks others, which then need not."""
    for name in ("boto3.session", "botocore.awsrequest", "botocore.config", "botocore.exceptions"):
        import_module(name)


@cache
def _session() -> boto3.session.Session:
    """One for all clients, since the models of the services are parsed once for each session."""
    import boto3.session  # noqa: PLC0415  heavy

    return boto3.session.Session()


class OwnClient(Generic[C]):
    """A client of `service` whose connections belong to the process that uses it.

    `read_s` is how long an answer may take before the call is `Unavailable`; it is tried twice.
    """

    def __init__(self, service: str, access: AwsAccess, *, read_s: float = READ_S) -> None:
        self._service = service
        self._access = access
        self._read_s = read_s
        self._client: C | None = None
        self._pid = 0

    def own(self) -> C:
        if self._client is None:
            self._client = self._make()
            self._pid = os.getpid()
        elif self._pid != os.getpid():
            self._client.close()  # forgets, in this process, the connections that are the parent's
            self._pid = os.getpid()
        return self._client

    def close(self) -> None:
        """Ends its connections; the next call makes new ones."""
        if self._client is not None:
            self._client.close()

    def call(self, action: Callable[[C], T]) -> T:
        """`action(client)`. Raises `AwsRefused` for an answer below 500, `Unavailable` for all else."""
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415  heavy

        try:
            return action(self.own())
        except ClientError as error:
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            if status >= 500 or status == 429:
                raise Unavailable(f"{self._service}: {error}") from error
            raise AwsRefused(str(error), code=str(error.response.get("Error", {}).get("Code", ""))) from error
        except (BotoCoreError, HTTPError, OSError) as error:  # HTTPError: while a body is read
            if isinstance(error, OSError) and error.errno in NO_ROOM | OUT:
                raise  # our own disk, or our own descriptors, not the store
            raise Unavailable(f"{self._service}: {error}") from error

    def _make(self) -> C:
        kind = _Kind.of(self._service, self._access, self._read_s)
        ready = _ready.get(kind)
        if self._access.endpoint is None or not ready:
            return cast("C", _make(kind, self._access.endpoint))
        client = ready.pop()
        _point(client, self._access.endpoint)
        return cast("C", client)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """Clients of one kind differ in nothing but their endpoint."""

    service: str
    region: str
    key_id: str
    secret: str
    read_s: float

    @classmethod
    def of(cls, service: str, access: AwsAccess, read_s: float) -> _Kind:
        return cls(
            service=service, region=access.region, key_id=access.key_id, secret=access.secret, read_s=read_s
        )


_ready: dict[_Kind, list[BaseClient]] = {}  # made beforehand, for whoever comes first


def _make(kind: _Kind, endpoint: str | None) -> BaseClient:
    from botocore.config import Config  # noqa: PLC0415  heavy

    config = Config(
        connect_timeout=CONNECT_S,
        read_timeout=kind.read_s,
        retries={"mode": "standard", "total_max_attempts": 2},
        signature_version="s3v4" if kind.service == "s3" else None,
        s3={"addressing_style": "path"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    make: Any = _session().client  # typed by literal names only
    client: BaseClient = make(
        kind.service,
        endpoint_url=endpoint,
        region_name=kind.region,
        aws_access_key_id=kind.key_id,
        aws_secret_access_key=kind.secret,
        config=config,
    )
    return client


def _point(client: BaseClient, endpoint: str) -> None:
    """Makes a client that was made for another endpoint use this one, for each of its requests."""

    def choose(builtins: dict[str, Any], **_: object) -> None:
        builtins["SDK::Endpoint"] = endpoint

    client.meta.events.register("before-endpoint-resolution", choose)


def warm_up(access: AwsAccess, read_s: Mapping[str, float], *, each: int = 2) -> None:
    """Makes `each` clients of S3 and of SQS for `OwnClient` to take, and botocore compute what it does at
    their first calls; opens nothing. `access.endpoint` plays no part; `read_s` is by service.

    A process that is forked from this one need not do it again, nor does a worker's child: a client takes
    5 ms to make, and 10 ms more to copy the pages that this touches.
    """
    for service in ("s3", "sqs"):
        kind = _Kind.of(service, access, read_s.get(service, READ_S))
        _ready[kind] = [_make(kind, NOWHERE) for _ in range(each)]
        for client in _ready[kind]:
            events: Any = client.meta.events  # typed as if no handler could answer
            events.register("before-send", _answer_with_nothing)
            _call_each(client)
            events.unregister("before-send", _answer_with_nothing)


def _call_each(client: Any) -> None:
    """What roles call most."""
    where = {"Bucket": "none", "Key": "none"}
    if client.meta.service_model.service_name == "s3":
        client.generate_presigned_url("put_object", Params=where)
        client.head_object(**where)
        client.put_object(**where, Body=b"", ContentType="image/png")
        client.get_object(**where, IfMatch="none")["Body"].close()
        for _ in client.get_paginator("list_objects_v2").paginate(Bucket="none"):
            client.delete_objects(Bucket="none", Delete={"Objects": [{"Key": "none"}], "Quiet": True})
    else:
        url = f"{NOWHERE}/none"
        client.get_queue_url(QueueName="none")
        client.receive_message(QueueUrl=url)
        client.send_message(QueueUrl=url, MessageBody="{}")
        client.delete_message(QueueUrl=url, ReceiptHandle="none")


def _answer_with_nothing(request: AWSPreparedRequest, **_: object) -> AWSResponse:
    from botocore.awsrequest import AWSResponse  # noqa: PLC0415  heavy
    from botocore.compat import HTTPHeaders  # noqa: PLC0415  same

    body = b"{}" if request.headers.get("X-Amz-Target") else b""  # JSON is SQS, which must be some
    return AWSResponse(request.url, 200, HTTPHeaders(), HTTPResponse(BytesIO(body), preload_content=False))
