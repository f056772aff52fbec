"""A reference service that is running, as a target file would declare it: how to look, and how to ask it."""

from __future__ import annotations

from pathlib import Path

from unstuck.targets.declared.file import (
    CommandCall,
    DependencyOptions,
    Observation,
    RowsSource,
    SqlCall,
    Submission,
    TargetFile,
    Timings,
)

DATABASE = "database"
RESCUE = ("{python}", "-m", "reference_service", "retry-stuck", "--age-minutes", "0", "--job", "{job}")
JOBS = """\
select id as job, state, name, tenant,
       case state when 'queued' then 'queue' when 'active' then 'lease' end as held,
       updated_at as since,
       state = 'active' and lease_expires_at > extract(epoch from clock_timestamp()) as busy
from jobs where state in ('awaiting_upload', 'queued', 'active')"""


def running_file() -> TargetFile:
    """Its database is where REFERENCE_DATABASE_URL says (PostgreSQL).

    Its rescue is its own command, in the environment of who types ours: one recovery run, on record, which
    looks for itself whether the job may be set going.
    """
    return TargetFile(
        name="reference",
        path=Path("reference"),
        folder=Path.cwd(),
        dependencies={DATABASE: DependencyOptions(kind="postgres")},
        submit=Submission(call=CommandCall(command=("true",))),
        observe=Observation(
            sources=(RowsSource(call=SqlCall(dependency=DATABASE, statement=JOBS)),),
        ),
        rescue=CommandCall(command=RESCUE),
        timings=Timings(),
        running={DATABASE: "$REFERENCE_DATABASE_URL"},
    )
