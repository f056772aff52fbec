"""Runs made up for the tests of reports: workers are replaced while some jobs are being processed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from tests.unit.checks.draft import Draft
from unstuck.checks.verdict import judge
from unstuck.faults import rolling_replace
from unstuck.history import History
from unstuck.report.group import RunLine
from unstuck.report.publish import summarise_run
from unstuck.rundir import RecordedPlan, RunFolder, create, write_plan
from unstuck.scenario import Condition, Fault, OnState, Scenario, Upload

STAGES = ("inspect", "frames", "scenes", "captions", "thumbnails", "stitch", "publish")
EXPECT = {"every_job_terminal": {"within_s": 5}, "no_job_lost": {}, "effects": {}, "recovery_within": {}}
FAULT_AT_S = 1.0
AT = datetime(2026, 3, 1, 10, 15, tzinfo=UTC)
TEXT = "name: workers-replaced\n"


def scenario(*, name: str = "workers-replaced", summary: str | None = None) -> Scenario:
    """The scenario that the made-up runs belong to."""
    return Scenario(
        name=name,
        summary=summary or "A deploy replaces the workers. Nothing is left behind.",
        workload=(Upload(count=6, every_s=0.02),),
        faults=(
            Fault(
                name="rolling_replace",
                parameters=rolling_replace.Parameters(role="worker", grace_s=5),
                when=OnState(state="active", stage="scenes", hold=True),
                condition=Condition(subject="active_jobs", comparison=">=", number=1),
            ),
        ),
        expect=EXPECT,
        budget_s=10.0,
        case={"stage": "scenes", "grace_s": 5},
        text=TEXT,
    )


def history(*, jobs: int = 6, stuck: int = 0, lands: bool = True, name: str = "j") -> History:
    """`jobs` jobs; the second worker is killed, and `stuck` of its jobs never go on.

    With `lands` false the fault is armed and never fires: nothing is proved.
    """
    draft = Draft(expect=EXPECT, seed=7, version="0.1.0", date="2026-03-01T10:15:00+00:00", defences_off=[])
    for process, role in (("api-1", "api"), ("worker-1", "worker"), ("worker-2", "worker")):
        draft.add("process", "start", process=process, at_s=0.05, role=role, pid=1)
    draft.add("fault", "armed", at_s=0.1, data={"fault": 0, "name": "rolling_replace", "setup": False})
    names = [f"{name}-{number}" for number in range(1, jobs + 1)]
    spread_s = 0.8 / jobs
    hit = names[1::2] if lands else []
    lost = hit[:stuck]
    for number, job in enumerate(names):
        _begin(draft, job, 0.15 + number * spread_s / 2, f"worker-{1 + number % 2}")
    if lands:
        _strike(draft, hit)
    for number, job in enumerate(names):
        if job not in lost:
            _finish(draft, job, 1.4 + number * spread_s, again=job in hit)
    for process in ("api-1", "worker-1", "worker-3") if lands else ("api-1", "worker-1", "worker-2"):
        draft.add(
            "process", "usage", process=process, at_s=3.0, role="worker" if "w" in process else "api",
            rss_bytes=200 << 20, rss_bytes_max=(300 if "w" in process else 90) << 20,
            limit_bytes=(512 << 20) if "w" in process else None,
        )  # fmt: skip
    draft.add("run", "budget", at_s=1.3, budget_s=10.0)
    for job in names:
        state, held = ("active", "lease") if job in lost else ("succeeded", None)
        draft.add("outcome", job=job, at_s=11.4 if stuck else 3.2, state=state, held=held)
    draft.add("run", "end", at_s=11.5 if stuck else 3.3, reason="budget" if stuck else "settled")
    return History(tuple(draft.events))


def recorded(
    reports: Path,
    *,
    of: Scenario | None = None,
    jobs: int = 6,
    stuck: int = 0,
    lands: bool = True,
    name: str = "j",
) -> tuple[RunFolder, RunLine]:
    """A made-up run in a folder of its own, judged, and not yet reported."""
    case = of or scenario()
    folder = create(reports, case, seed=7, at=AT)
    events = history(jobs=jobs, stuck=stuck, lands=lands, name=name)
    write_plan(folder, RecordedPlan(scenario=case.name, case=case.case, seed=7))
    write_history(folder.history, events)
    folder.log("worker-2").write_text("bye\n", encoding="utf-8")
    verdict = judge(events)
    line = RunLine(
        title=case.title,
        exit_code=verdict.exit_code,
        summary=summarise_run(folder, case, verdict),
        folder=folder.path.name,
        duration_s=4.25,
    )
    return folder, line


def write_history(path: Path, events: History) -> None:
    """As the recorder would."""
    rows = [
        {"i": e.number, "t": e.at_ns, "kind": e.kind, "phase": e.phase, "job": e.job, "process": e.process,
         "data": dict(e.data)}
        for e in events.events
    ]  # fmt: skip
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _begin(draft: Draft, job: str, at_s: float, worker: str) -> None:
    common = {"id": f"{job}.1", "client": job, "action": "initiate_upload", "tag": "job"}
    draft.add("op", "invoke", at_s=at_s, data=common)
    draft.move(job, ">awaiting_upload", at_s=at_s + 0.01)
    draft.add("op", "ok", at_s=at_s + 0.02, job=job, data={**common, "status": 201})
    put = {"id": f"{job}.2", "client": job, "action": "put_object"}
    draft.add("op", "invoke", at_s=at_s + 0.03, job=job, data=put)
    draft.add("op", "ok", at_s=at_s + 0.04, job=job, data={**put, "status": 200})
    draft.move(job, "awaiting_upload>queued", at_s=at_s + 0.05)
    draft.move(job, "queued>active", at_s=at_s + 0.2, attempt=1, token=1, worker=worker)
    for number, stage in enumerate(STAGES[:3]):
        draft.add("stage", job=job, at_s=at_s + 0.22 + number * 0.05, stage=stage, attempt=1, token=1)


def _strike(draft: Draft, hit: list[str]) -> None:
    common = {"fault": 0, "name": "rolling_replace"}
    condition = {"wanted": "active_jobs >= 1", "seen": len(hit), "held": True}
    draft.add("fault", "fired", at_s=FAULT_AT_S, job=hit[0], data={**common, "condition": condition})
    draft.add(
        "process", "signal", at_s=1.01, process="worker-2", role="worker", signal="SIGTERM", scope="main"
    )
    draft.add("process", "exit", at_s=1.1, process="worker-2", role="worker", signal="SIGKILL", expected=True)
    draft.add("process", "start", at_s=1.12, process="worker-3", role="worker", pid=3)
    draft.add(
        "fault", "landed", at_s=1.2, job=hit[0],
        data={**common, "in_flight": len(hit), "how": "worker-2 gone and replaced", "jobs": hit},
    )  # fmt: skip


def _finish(draft: Draft, job: str, at_s: float, *, again: bool) -> None:
    attempt = 1
    if again:
        attempt = 2
        draft.move(job, "active>queued", at_s=at_s, attempt=1, token=1)
        draft.move(job, "queued>active", at_s=at_s + 0.1, attempt=2, token=2, worker="worker-3")
    for number, stage in enumerate(STAGES[3:]):
        draft.add(
            "stage", job=job, at_s=at_s + 0.15 + number * 0.05, stage=stage, attempt=attempt, token=attempt
        )
    draft.add("effect", job=job, at_s=at_s + 0.4, key=job, attempt=attempt, token=attempt, applied=True)
    draft.move(job, "active>succeeded", at_s=at_s + 0.45, attempt=attempt, token=attempt)
