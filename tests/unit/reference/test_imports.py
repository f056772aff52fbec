"""What a role loads before it needs it: nothing heavy; and clients are made once, at their first use."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from reference_service.aws import AwsAccess, OwnClient
from reference_service.http_pool import OwnPool

HEAVY = ("alembic", "av", "boto3", "botocore", "fastapi", "numpy", "prometheus_client", "psycopg", "uvicorn")
BUILD = """
import sys
from reference_service.app import build
from reference_service.settings import GivenSettings
given = {"database_url": "postgresql+psycopg://x@127.0.0.1/x", "sink_url": "http://127.0.0.1:9"}
build(GivenSettings(**given), sys.argv[1])
print(*[module for module in sys.argv[2:] if module in sys.modules])
"""


@pytest.mark.parametrize(("role", "loaded"), [("sweeper", []), ("worker", ["av"])])
def test_a_role_loads_only_what_it_works_with(role: str, loaded: list[str]) -> None:
    """A service that is built has no web server, no migrations, no metrics, no codecs but a worker's."""
    done = subprocess.run(
        [sys.executable, "-c", BUILD, role, *HEAVY], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == loaded


def test_who_forks_loads_what_clients_need_beforehand() -> None:
    """A worker does: else each child would import it anew, and hold it for itself."""
    look = "import sys; from reference_service.aws import load; load(); print('boto3.session' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"


def test_a_client_of_the_cloud_is_made_once_and_late() -> None:
    """Each costs megabytes: none before the first call, and the same one for every call."""
    access = AwsAccess(endpoint="http://127.0.0.1:9", region="us-east-1", key_id="k", secret="s")
    own: OwnClient[Any] = OwnClient("sqs", access)
    assert own._client is None
    assert own.own() is own.own()


def test_a_pool_of_connections_is_made_once_and_late() -> None:
    """The same for HTTP."""
    pool = OwnPool()
    assert pool._pool is None
    assert pool.own() is pool.own()
