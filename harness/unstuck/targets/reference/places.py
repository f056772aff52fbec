"""Where one run of the reference service keeps its things."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

REGION = "us-east-1"
TOKEN = "unstuck-run"  # noqa: S105  of the run's own tenant
INTERNAL_TOKEN = "unstuck-operator"  # noqa: S105  for /internal/…, of the run's own service
TENANT = "unstuck"


def token_of(tenant: str) -> str:
    """What a client of a tenant of a scenario shows; of the run's own for an empty name."""
    return f"{TOKEN}-{tenant}" if tenant else TOKEN


def tokens(tenants: Iterable[str]) -> dict[str, str]:
    """Token -> tenant, for the service's settings: the run's own, and those that a scenario names."""
    return {TOKEN: TENANT, **{token_of(tenant): tenant for tenant in sorted(set(tenants) - {""})}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where one run keeps its things; the names are free of other runs'."""

    database: str
    database_host: str
    database_port: int
    bucket: str
    jobs_queue: str
    uploads_queue: str
    jobs_queue_url: str

    @property
    def database_url(self) -> str:
        """Past every link: for the harness's own eyes."""
        return f"postgresql://postgres@{self.database_host}:{self.database_port}/{self.database}"
