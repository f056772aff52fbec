"""What was claimed of the work on jobs that make videos, and of what was built against their failures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from bench.claims.claim import Claim, Finding
from bench.claims.runs import ran

INCIDENT: Final = "make-video"
SIM: Final = ("--world", "sim")
CRASHES: Final = [f"stage={stage},nth={nth}" for stage in ("frames", "scenes") for nth in (2, 5, 8, 11)]
REWORK_LESS: Final = 0.60
TIMEOUTS_S: Final = (4.8, 5.2, 5.6)
SEEDS: Final = (1, 2, 3, 4)
MORE_LARGE: Final = 0.15
LOAD_LESS: Final = 0.80


def _rework() -> Finding:
    kept, lost = (_units_again(off) for off in ((), ("--defence-off", "stage_checkpoints")))
    less = 1 - kept / lost
    return Finding(
        verdict="held" if less >= REWORK_LESS else "refuted",
        figure=f"{len(CRASHES)} crashes: {lost} units done again without, {kept} with; {less:.0%} less",
        note="Kept after each third unit: at most so many are done again, wherever it strikes. Kept more "
        "seldom, or struck early in a stage, it saves less.",
    )


def _units_again(off: Sequence[str]) -> int:
    return sum(
        _figure(ran("crash-in-mid-stage", "--case", case, *off, *SIM), "rework_within", "rework_units")
        for case in CRASHES
    )


def _large() -> Finding:
    shares: dict[float, tuple[int, int]] = {}
    for timeout_s in TIMEOUTS_S:
        counts = [
            sum(_large_done(timeout_s, seed, off) for seed in SEEDS)
            for off in ((), ("--defence-off", "timeout_by_size"))
        ]
        shares[timeout_s] = (counts[0], counts[1])
    of = 4 * len(SEEDS)
    more = [(with_ - without) / of for with_, without in shares.values()]
    least = min(with_ for with_, _ in shares.values())
    told = "; ".join(f"{s:g} s: {without} of {of}" for s, (_, without) in shares.items())
    held, refuted = min(more) >= MORE_LARGE, max(more) < MORE_LARGE
    return Finding(
        # Any one time-out is as good as another: without the sizes of those days nobody can tell.
        verdict="held" if held else "refuted" if refuted else "not testable here",
        figure=f"one time-out for all of {told}; by size: {least} of {of}",
        note="A large job takes 5 s of work here, and each has one attempt. How many more succeed is a "
        "matter of how near the one time-out lies to that: any figure between none and all can be had.",
    )


def _large_done(timeout_s: float, seed: int, off: Sequence[str]) -> int:
    case = f"alternative=among-small-ones,timeout_s={timeout_s}"
    said = ran("large-cut-short", "--case", case, "--seed", str(seed), *off, *SIM)
    return 4 - int(said["states"].get("failed", 0))


def _load() -> Finding:
    with_, without = (
        ran("vision-outage", "--case", "alternative=five-minutes", *off, *SIM)
        for off in ((), ("--defence-off", "circuit_breaker"))
    )
    calls, before = (_figure(said, "calls_in_vain", "in_vain") for said in (with_, without))
    failed, failed_before = (int(said["states"].get("failed", 0)) for said in (with_, without))
    less = 1 - calls / before
    return Finding(
        verdict="held" if less >= LOAD_LESS and failed == 0 else "refuted",
        figure=f"5 minutes away: {before} calls and {failed_before} of 6 jobs failed without, {calls} calls "
        f"and {failed} failed with; {less:.0%} less",
        note="Without a breaker the jobs had given up before the five minutes were over: had they not, it "
        "would have been asked more often still.",
    )


def _figure(said: Mapping[str, Any], name: str, figure: str) -> int:
    [found] = [one["figures"] for one in said["properties"] if one["name"] == name]
    return int(found.get(figure, 0))


CLAIMS: Final = (
    Claim(
        id="rework-in-stage",
        incident=INCIDENT,
        says="Checkpoints within a stage save 60 to 80 % of the work that is done again after a crash.",
        command="unstuck run crash-in-mid-stage --all-cases --world sim --defence-off stage_checkpoints",
        measure=_rework,
    ),
    Claim(
        id="timeouts-by-size",
        incident=INCIDENT,
        says="With time-outs that follow a job's size 15 to 20 % more of the large jobs succeed.",
        command="unstuck run large-cut-short --case alternative=among-small-ones --world sim "
        "--defence-off timeout_by_size",
        measure=_large,
    ),
    Claim(
        id="breaker-load",
        incident=INCIDENT,
        says="A circuit breaker takes 80 % of the load off a vision API that is away; no job fails for it.",
        command="unstuck run vision-outage --case alternative=five-minutes --world sim "
        "--defence-off circuit_breaker",
        measure=_load,
    ),
)
