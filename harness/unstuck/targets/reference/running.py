"""A reference service that is running, as a target file would declare it: how to look, and how to ask it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from unstuck.targets.declared.file import (
    CommandCall,
    DependencyOptions,
    HttpCall,
    Observation,
    RowsSource,
    SqlCall,
    Submission,
    TargetFile,
    Timings,
)

DATABASE, API = "database", "api"
JOBS = """\
select id as job, state, name, tenant,
       case state when 'queued' then 'queue' when 'active' then 'lease' end as held,
       updated_at as since,
       state = 'active' and lease_expires_at > extract(epoch from clock_timestamp()) as busy
from jobs where state in ('awaiting_upload', 'queued', 'active')"""


def running_file(environment: Mapping[str, str] = os.environ) -> TargetFile:
    """Its database is where REFERENCE_DATABASE_URL says (PostgreSQL), its API on REFERENCE_API_PORT.

    Its rescue is a sweep of its own, by REFERENCE_INTERNAL_TOKEN: that takes up every job that is due.
    """
    address = f"127.0.0.1:{environment.get('REFERENCE_API_PORT') or 8080}"
    token = environment.get("REFERENCE_INTERNAL_TOKEN", "")
    return TargetFile(
        name="reference",
        path=Path("reference"),
        folder=Path.cwd(),
        dependencies={
            DATABASE: DependencyOptions(kind="postgres"),
            API: DependencyOptions(kind="command"),
        },
        submit=Submission(call=CommandCall(command=("true",))),
        observe=Observation(
            sources=(RowsSource(call=SqlCall(dependency=DATABASE, statement=JOBS)),),
        ),
        rescue=HttpCall(
            url=f"{{{API}.url}}/internal/sweep",
            headers={"Authorization": f"Bearer {token}"},
        ),
        timings=Timings(),
        running={DATABASE: "$REFERENCE_DATABASE_URL", API: f"http://{address}"},
    )
