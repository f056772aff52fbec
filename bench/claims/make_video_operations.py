"""What was claimed of the service in operation: how much succeeds under mixed faults, with nobody at hand."""

from __future__ import annotations

from typing import Final

from bench.campaign import kept
from bench.campaign.page import minutes
from bench.campaign.totals import Campaign
from bench.claims.claim import Claim, Finding, Verdict
from bench.claims.runs import NothingJudgedError, ran
from bench.shares import needed, share_least

INCIDENT: Final = "make-video"
COMMAND: Final = "python -m bench campaign --keep"
IN_SIM: Final = f"{COMMAND} --world sim"
SUCCEED: Final = 0.99
RECOVER: Final = 0.9
WITHIN_S: Final = 300.0  # what was claimed: recovery in two to five minutes


def _campaign(world: kept.World) -> Campaign:
    """The figures of the last campaign. Raises `NothingJudgedError` when none was kept."""
    found = kept.read(world)
    if found is None or not found.valid:
        command = COMMAND if world == "processes" else IN_SIM
        raise NothingJudgedError(f"{kept.KEPT[world]}: no figures; run `{command}` first")
    return found


def _size(found: Campaign) -> str:
    excluded = sum(found.excluded.values())
    return (
        f"{found.runs} drawn runs, {found.jobs} jobs, {found.faults_landed} faults landed, drawn without "
        f"regard to what a job survives; {excluded} jobs excluded for what their clients did or for poison, "
        f"{_share(found.valid_without_fault, found.valid)} of the valid ones in runs without a fault; "
        f"{found.failed_runs} runs broke a promise, {found.unjudged_runs} were not judged. "
        "[How it is drawn](campaign.md)."
    )


def _share(count: int, of: int) -> str:
    return f"{count / of:.0%}" if of else "none"


def supported(share: float, *, of: int, bad: int) -> Verdict:
    """What so many jobs say of `at least this share is good`, at 95 %.

    Refuted: fewer are good in the sample itself. Held: the exact lower bound of the share is as high; without
    a bad one that takes about 3/(1 - share) jobs, and fewer say nothing, however good they were.
    """
    if of == 0:
        return "not testable here"
    if (of - bad) / of < share:
        return "refuted"
    return "held" if share_least(of - bad, of) >= share else "not testable here"


def _needs(share: float) -> str:
    return f"{share:.1%}".replace(".0%", "%") + f" takes {needed(share)} valid jobs without a failure."


def success(found: Campaign) -> Finding:
    """Of valid jobs; a broken promise refutes it, whatever the share."""
    bad = found.valid - found.succeeded
    least = share_least(found.succeeded, found.valid)
    verdict = "refuted" if found.failed_runs else supported(SUCCEED, of=found.valid, bad=bad)
    more = "99.9 % is supported, too." if least >= 0.999 else f"99.9 % is not supported: {_needs(0.999)}"
    ends = ", ".join(f"{count} {end}" for end, count in found.failures.items())
    return Finding(
        verdict=verdict,
        figure=f"{found.succeeded / found.valid:.2%} ({found.succeeded} of {found.valid} valid jobs); at "
        f"least {least:.2%} supported" + (f". Otherwise: {ends}" if ends else ""),
        note=f"{_size(found)} {more}",
        commit=found.commit,
    )


def manual(found: Campaign) -> Finding:
    """Who failed wrongly is somebody's work, as who is stuck."""
    broken = found.bad or found.failed_runs
    wrongly = found.valid - found.succeeded
    verdict = "refuted" if broken else supported(SUCCEED, of=found.valid, bad=wrongly)
    return Finding(
        verdict=verdict,
        figure=f"{found.bad} of {found.jobs} jobs stuck, lost or doubled; {wrongly} of {found.valid} valid "
        f"ones failed ({wrongly / found.valid:.2%}), which somebody has to see to",
        note=_size(found),
        commit=found.commit,
    )


def recovery(found: Campaign, sim: Campaign) -> Finding:
    """Jobs, not blows. The times of production decide, and those of real processes times their factor have
    to agree: a factor makes longer what is not shortened, too."""
    verdict = supported(RECOVER, of=found.hit, bad=found.hit - found.recovered)
    simulated = supported(RECOVER, of=sim.hit, bad=sim.hit - sim.recovered)
    broken = "refuted" in (verdict, simulated) or found.failed_runs or sim.failed_runs
    if broken or sim.recovery_p99_s * sim.factor > WITHIN_S:
        verdict = "refuted"
    elif simulated != "held" or found.recovery_p99_s * found.factor > WITHIN_S:
        verdict = "not testable here"
    return Finding(
        verdict=verdict,
        figure=f"real processes: {found.recovered} of {found.hit} hit jobs recovered "
        f"({found.recovered / max(1, found.hit):.1%}), median {minutes(found, found.recovery_median_s)}, p99 "
        f"{minutes(found, found.recovery_p99_s)}; sim with the periods of production: {sim.recovered} of "
        f"{sim.hit}, median {minutes(sim, sim.recovery_median_s)}, p99 {minutes(sim, sim.recovery_p99_s)}",
        note=f"Periods are {found.factor:g} times shorter on real processes (a lease of 2 s for 60, a sweep "
        "each 0.5 s for 15), and all of the time is multiplied, although work and the patience of a call are "
        f"not shortened: an upper bound. {_size(found)}",
        commit=found.commit,
    )


def _success() -> Finding:
    return success(_campaign("processes"))


def _manual() -> Finding:
    return manual(_campaign("processes"))


def _recovery() -> Finding:
    return recovery(_campaign("processes"), _campaign("sim"))


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
        watches=kept.WATCHES,
        measure=_success,
    ),
    Claim(
        id="operations-manual",
        incident=INCIDENT,
        says="Fewer than 1 % of jobs need somebody's hand; none is stuck, lost or doubled.",
        command=COMMAND,
        watches=kept.WATCHES,
        measure=_manual,
    ),
    Claim(
        id="operations-recovery",
        incident=INCIDENT,
        says="More than 90 % of jobs that a fault hit recover, within 2 to 5 minutes.",
        command=f"{COMMAND}; {IN_SIM}",
        watches=kept.WATCHES,
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
