"""What was claimed of the service in operation: how much succeeds under mixed faults, with nobody at hand."""

from __future__ import annotations

from typing import Final

from bench.campaign import kept
from bench.campaign.page import seen, took
from bench.campaign.totals import Campaign
from bench.claims.claim import Claim, Finding
from bench.claims.runs import NothingJudgedError, ran
from bench.shares import judge, needed, share_least, share_most

INCIDENT: Final = "make-video"
COMMAND: Final = "python -m bench campaign --keep"
IN_SIM: Final = f"{COMMAND} --world sim"
SUCCEED: Final = 0.99
MORE: Final = 0.999
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
        f"{seen(found)}. {found.runs} drawn runs, {found.jobs} jobs, {found.faults_landed} faults landed, "
        f"drawn without regard to what a job survives; {excluded} jobs excluded for what clients "
        "did or for poison, "
        f"{_share(found.valid_without_fault, found.valid)} of the valid ones in runs without a fault; "
        f"{found.failed_runs} runs broke a promise, {found.unjudged_runs} were not judged. "
        "[How it is drawn](campaign.md)."
    )


def _share(count: int, of: int) -> str:
    return f"{count / of:.0%}" if of else "none"


def _more(good: int, of: int) -> str:
    """What they say of one more nine."""
    takes = f"; {needed(MORE)} valid jobs without a failure support it" if good == of else ""
    word = judge(MORE, good, of)
    return f"99.9 % is {word}{'' if word == 'held' else takes}."


def success(found: Campaign) -> Finding:
    """Of valid jobs; a broken promise refutes it, whatever the share."""
    good, of = found.succeeded, found.valid
    ends = ", ".join(f"{count} {end}" for end, count in found.failures.items())
    return Finding(
        verdict="refuted" if found.failed_runs else judge(SUCCEED, good, of),
        figure=f"{good / of:.2%} ({good} of {of} valid jobs); by the bounds at least "
        f"{share_least(good, of):.2%} and at most {share_most(good, of):.2%}"
        + (f". Otherwise: {ends}" if ends else ""),
        note=f"{_size(found)} {_more(good, of)}",
        commit=found.commit,
    )


def manual(found: Campaign) -> Finding:
    """Who failed wrongly is somebody's work, as who is stuck."""
    broken = found.bad or found.failed_runs
    wrongly = found.valid - found.succeeded
    return Finding(
        verdict="refuted" if broken else judge(SUCCEED, found.succeeded, found.valid),
        figure=f"{found.bad} of {found.jobs} jobs stuck, lost or doubled; {wrongly} of {found.valid} valid "
        f"ones failed ({wrongly / found.valid:.2%}), which somebody has to see to",
        note=_size(found),
        commit=found.commit,
    )


def recovery(found: Campaign, sim: Campaign) -> Finding:
    """Jobs, not blows. The times of production decide, and those of real processes times their factor have
    to agree: a factor makes longer what is not shortened, too. A p99 above the time refutes nothing, since
    nine in ten were claimed; a median above it does."""
    verdict = judge(RECOVER, found.recovered, found.hit)
    simulated = judge(RECOVER, sim.recovered, sim.hit)
    broken = "refuted" in (verdict, simulated) or found.failed_runs or sim.failed_runs
    if broken or (sim.percentiles and sim.recovery_median_s * sim.factor > WITHIN_S):
        verdict = "refuted"
    elif simulated != "held" or any(one.recovery_p99_s * one.factor > WITHIN_S for one in (found, sim)):
        verdict = "undecided"
    return Finding(
        verdict=verdict,
        figure=f"real processes: {found.recovered} of {found.hit} hit jobs recovered "
        f"({found.recovered / max(1, found.hit):.1%}), {took(found)}; sim with the periods of production "
        f"({seen(sim)}): {sim.recovered} of {sim.hit}, {took(sim)}",
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
        look=COMMAND,
        watches=kept.WATCHES,
        measure=_success,
    ),
    Claim(
        id="operations-manual",
        incident=INCIDENT,
        says="Fewer than 1 % of jobs need somebody's hand; none is stuck, lost or doubled.",
        look=COMMAND,
        watches=kept.WATCHES,
        measure=_manual,
    ),
    Claim(
        id="operations-recovery",
        incident=INCIDENT,
        says="More than 90 % of jobs that a fault hit recover, within 2 to 5 minutes.",
        look=f"{COMMAND}; {IN_SIM}",
        watches=kept.WATCHES,
        measure=_recovery,
    ),
    Claim(
        id="operations-overload",
        incident=INCIDENT,
        says="Overload at five times the capacity loses nothing that was acknowledged, and latency recovers.",
        look="unstuck run overload-passes",
        measure=_overload,
    ),
)
