"""Where one run of the reference service keeps its things."""

from __future__ import annotations

from dataclasses import dataclass

REGION = "us-east-1"
TOKEN = "unstuck-run"  # noqa: S105  of the run's own tenant
INTERNAL_TOKEN = "unstuck-operator"  # noqa: S105  for /internal/…, of the run's own service
TENANT = "unstuck"


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
