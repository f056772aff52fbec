"""boto3 clients that are made at first use and survive a fork."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from reference_service.ports import Unavailable

if TYPE_CHECKING:
    from botocore.client import BaseClient

T = TypeVar("T")
C = TypeVar("C", bound="BaseClient")
CONNECT_S = 2.0
READ_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsAccess:
    """Where and as whom. `endpoint` None: AWS itself."""

    endpoint: str | None
    region: str
    key_id: str
    secret: str


@cache
def _session() -> boto3.session.Session:
    """One for all clients, since the models of the services are parsed once for each session."""
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
        """`action(client)`. Raises `Unavailable` for whatever went wrong but a `ClientError` below 500."""
        try:
            return action(self.own())
        except ClientError as error:
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            if status >= 500 or status == 429:
                raise Unavailable(f"{self._service}: {error}") from error
            raise
        except (BotoCoreError, OSError) as error:
            raise Unavailable(f"{self._service}: {error}") from error

    def _make(self) -> C:
        access = self._access
        config = Config(
            connect_timeout=CONNECT_S,
            read_timeout=self._read_s,
            retries={"mode": "standard", "total_max_attempts": 2},
            signature_version="s3v4" if self._service == "s3" else None,
            s3={"addressing_style": "path"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        make: Any = _session().client  # typed by literal names only
        client: C = make(
            self._service,
            endpoint_url=access.endpoint,
            region_name=access.region,
            aws_access_key_id=access.key_id,
            aws_secret_access_key=access.secret,
            config=config,
        )
        return client


def error_code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def warm_up() -> None:
    """Parses the models of S3 and SQS; opens nothing."""
    access = AwsAccess(endpoint="http://127.0.0.1:9", region="us-east-1", key_id="none", secret="none")  # noqa: S106  nobody is asked
    for service in ("s3", "sqs"):
        warm: OwnClient[Any] = OwnClient(service, access)
        warm.own()
