"""What was claimed of the work on jobs that make videos, and of what was built against their failures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from bench import rework
from bench.claims.claim import Claim, Finding, Verdict
from bench.claims.runs import ran
from reference_service.stages.frames import FRAMES_PER_S

INCIDENT: Final = "make-video"
SIM: Final = ("--world", "sim")
REWORK_LESS: Final = 0.60
REWORK_MORE: Final = 0.80
TIMEOUTS_S: Final = (4.8, 5.2, 5.6)
STAGES_OF_PICTURES: Final = ("reference_service/stages/frames.py", "reference_service/stages/scenes.py")
SEEDS: Final = (1, 2, 3, 4)
MORE_LARGE: Final = 0.15
LOAD_LESS: Final = 0.80


def _rework() -> Finding:
    return told_of(rework.measure())


def told_of(found: rework.Rework) -> Finding:
    """Both pictures and seconds: what takes longer to fetch than to do again saves none."""
    kept, lost = found.units
    kept_s, lost_s = found.back_s
    less, less_s = 1 - kept / lost, 1 - kept_s / lost_s
    verdict: Verdict = "refuted" if less < REWORK_LESS else "held"
    if verdict == "held" and less_s < REWORK_LESS:
        verdict = "not testable here"
    shortest, longer = (rework.pays_from(share) / FRAMES_PER_S for share in (REWORK_LESS, REWORK_MORE))
    return Finding(
        verdict=verdict,
        figure=f"{len(found.places)} crashes of real processes anywhere in a video of a minute, "
        f"{rework.EVERY} pictures between checkpoints (the default): {lost} pictures done again without, "
        f"{kept} with, "
        f"{less:.0%} less; {lost_s:.0f} s until back at the place of the crash without, {kept_s:.0f} s with",
        note=f"A matter of length: at most {rework.EVERY - 1} pictures are done again, and "
        f"{FRAMES_PER_S:g} are taken of each second. By that rule {REWORK_LESS:.0%} fewer on average take a "
        f"video of {shortest:.0f} s, {REWORK_MORE:.0%} one of {longer:.0f} s; below "
        f"{rework.EVERY / FRAMES_PER_S:.0f} s nothing is saved. A matter of what a picture costs, too: the "
        "seconds have fetching, restoring and decoding from the last key frame in them, and a picture of "
        "320x240 is made anew faster than it is fetched. Whole stages are kept in both; only the two "
        "that go picture by picture are struck.",
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
        figure=f"in the sim, one time-out for all of {told}; by size: {least} of {of}",
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
        figure=f"5 minutes away in the sim: {before} calls and {failed_before} of 6 jobs failed without, "
        f"{calls} calls and {failed} failed with; {less:.0%} less",
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
        look="python -m bench rework",
        measure=_rework,
        watches=("bench/rework.py", "reference_service/progress.py", *STAGES_OF_PICTURES),
    ),
    Claim(
        id="timeouts-by-size",
        incident=INCIDENT,
        says="With time-outs that follow a job's size 15 to 20 % more of the large jobs succeed.",
        look="unstuck run large-cut-short --case alternative=among-small-ones --world sim "
        "--defence-off timeout_by_size",
        measure=_large,
    ),
    Claim(
        id="breaker-load",
        incident=INCIDENT,
        says="A circuit breaker takes 80 % of the load off a vision API that is away; no job fails for it.",
        look="unstuck run vision-outage --case alternative=five-minutes --world sim "
        "--defence-off circuit_breaker",
        measure=_load,
    ),
)
