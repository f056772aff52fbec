"""What was claimed of the service in operation: how much succeeds under mixed faults, with nobody at hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from bench.claims.claim import Claim, Finding
from bench.claims.runs import ROOT, NothingJudgedError, ran

INCIDENT: Final = "make-video-operations"
COMMAND: Final = "python -m bench campaign --keep"
JOBS: Final = 1000
BUDGET_S: Final = 300.0  # what was claimed: recovery in two to five minutes


def _campaign() -> Mapping[str, Any]:
    """The figures of the last campaign. Raises `NothingJudgedError` when none was kept."""
    path = ROOT / "docs/campaign.json"
    if not path.exists():
        raise NothingJudgedError(f"docs/campaign.json is missing; run `{COMMAND}` first (20 minutes)")
    found: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _size(found: Mapping[str, Any]) -> str:
    asked = "" if found["jobs"] >= JOBS else f" (fewer than the {JOBS} that were asked for)"
    return (
        f"{found['runs']} drawn runs, {found['jobs']} jobs{asked}, {found['faults_landed']} faults landed; "
        f"{found['unproven_runs']} more runs proved nothing, and are not counted."
    )


def _success() -> Finding:
    found = _campaign()
    share = found["succeeded"] / max(1, found["valid"])
    return Finding(
        verdict="held" if share >= 0.99 else "refuted",
        figure=f"{share:.2%} ({found['succeeded']} of {found['valid']} valid jobs)",
        note=f"{_size(found)} Valid: its client did its part, and the scenario did not doom it.",
    )


def _manual() -> Finding:
    found = _campaign()
    return Finding(
        verdict="held" if found["manual"] < 0.01 * max(1, found["jobs"]) else "refuted",
        figure=f"{found['manual']} of {found['jobs']} jobs stuck, lost or doubled",
        note=_size(found),
    )


def _recovery() -> Finding:
    found = _campaign()
    share = found["recovered"] / max(1, found["hit"])
    inside = found["within_budget"] == found["recovered"]
    return Finding(
        verdict="held" if share > 0.9 and found["recovery_p99_s"] <= BUDGET_S else "refuted",
        figure=f"{share:.1%} of {found['hit']} hits recovered; median {found['recovery_median_s']:.1f} s, "
        f"p99 {found['recovery_p99_s']:.1f} s",
        note=f"{_size(found)} {'All' if inside else found['within_budget']} within the budget that their "
        "scenario declares. Periods are shortened, so seconds stand for minutes.",
    )


def _overload() -> Finding:
    said = ran("overload")
    ended, stuck = int(said["jobs"].get("succeeded", 0)), int(said["outcomes"].get("stuck", 0))
    return Finding(
        verdict="held" if ended == 24 and stuck == 0 else "refuted",
        figure=f"{ended} of 24 succeeded, {stuck} stuck",
        note="24 clients at four times what may wait, with no worker for 14 s: refused, told when to come "
        "again, and done. Nothing that was acknowledged was lost.",
    )


CLAIMS: Final = (
    Claim(
        id="operations-success",
        incident=INCIDENT,
        says="At least 99 % of jobs succeed under mixed faults.",
        command=COMMAND,
        measure=_success,
    ),
    Claim(
        id="operations-manual",
        incident=INCIDENT,
        says="Fewer than 1 % of jobs need somebody's hand; none is stuck, lost or doubled.",
        command=COMMAND,
        measure=_manual,
    ),
    Claim(
        id="operations-recovery",
        incident=INCIDENT,
        says="More than 90 % of jobs that a fault hit recover, within 2 to 5 minutes.",
        command=COMMAND,
        measure=_recovery,
    ),
    Claim(
        id="operations-overload",
        incident=INCIDENT,
        says="Overload loses nothing that was acknowledged.",
        command="unstuck run overload",
        measure=_overload,
    ),
)
