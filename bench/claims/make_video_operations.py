"""What was claimed of the service in operation: how much succeeds under mixed faults, with nobody at hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from bench.claims.claim import Claim, Finding, Verdict
from bench.claims.runs import ROOT, NothingJudgedError, ran

INCIDENT: Final = "make-video"
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


def supported(share_least: float, *, of: int, bad: int) -> Verdict:
    """What so many jobs say of `at least this share is good`.

    Without a bad one the rule of three: n good ones support 1 - 3/n, at 95 %; fewer than that support
    nothing, however good they were. With bad ones it is Poisson's upper bound of their number, by Wilson and
    Hilferty's approximation. Refuted: the share itself is too low.
    """
    if of == 0 or (of - bad) / of < share_least:
        return "refuted" if of else "not testable here"
    most_bad = (
        3.0 if bad == 0 else (bad + 1) * (1 - 1 / (9 * (bad + 1)) + 1.645 / (3 * (bad + 1) ** 0.5)) ** 3
    )
    return "held" if 1 - most_bad / of >= share_least else "not testable here"


def _needed(share_least: float) -> str:
    return f"To support {share_least:.0%} takes {round(3 / (1 - share_least))} jobs without a bad one."


def _success() -> Finding:
    found = _campaign()
    share = found["succeeded"] / max(1, found["valid"])
    verdict = supported(0.99, of=found["valid"], bad=found["valid"] - found["succeeded"])
    short = f" {_needed(0.99)}" if verdict == "not testable here" else ""
    return Finding(
        verdict=verdict,
        figure=f"{share:.2%} ({found['succeeded']} of {found['valid']} valid jobs)",
        note=f"{_size(found)} Valid: its client did its part, and the scenario did not doom it.{short}",
    )


def _manual() -> Finding:
    found = _campaign()
    verdict = supported(0.99, of=found["jobs"], bad=found["manual"])
    short = f" {_needed(0.99)}" if verdict == "not testable here" else ""
    return Finding(
        verdict=verdict,
        figure=f"{found['manual']} of {found['jobs']} jobs stuck, lost or doubled",
        note=f"{_size(found)}{short}",
    )


def _recovery() -> Finding:
    found = _campaign()
    share = found["recovered"] / max(1, found["hit"])
    inside = found["within_budget"] == found["recovered"]
    verdict = supported(0.9, of=found["hit"], bad=found["hit"] - found["recovered"])
    if verdict == "held" and found["recovery_p99_s"] > BUDGET_S:
        verdict = "refuted"
    short = f" {_needed(0.9)}" if verdict == "not testable here" else ""
    return Finding(
        verdict=verdict,
        figure=f"{share:.1%} of {found['hit']} hits recovered; median {found['recovery_median_s']:.1f} s, "
        f"p99 {found['recovery_p99_s']:.1f} s",
        note=f"{_size(found)} {'All' if inside else found['within_budget']} within the budget that their "
        f"scenario declares. Periods are shortened, so seconds stand for minutes.{short}",
    )


def _overload() -> Finding:
    said = ran("overload-passes")
    lost, stuck = (int(said["outcomes"].get(name, 0)) for name in ("lost", "stuck"))
    taken, ended = sum(said["states"].values()), int(said["states"].get("succeeded", 0))
    [latency] = [one for one in said["properties"] if one["name"] == "latency_within"]
    kept = latency["verdict"] == "pass"
    return Finding(
        verdict="held" if kept and ended == taken and not lost + stuck else "refuted",
        figure=f"{ended} of {taken} jobs that were taken succeeded, {lost} lost, {stuck} stuck; "
        f"afterwards a median of {latency['figures']['after_p50_s']:.1f} s",
        note="60 announcements, 50 of them at five times what two slots can do, by the latency of their "
        "captions. Whoever was refused for 2 s gave up. Held: the median afterwards is at most twice the one "
        "before, in the same run.",
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
        says="Overload at five times the capacity loses nothing that was acknowledged, and latency recovers.",
        command="unstuck run overload-passes",
        measure=_overload,
    ),
)
