"""What was claimed of the deploy that left 191 videos behind, and of what was built against it."""

from __future__ import annotations

import statistics
from typing import Final

from bench.claims.claim import Claim, Finding
from bench.claims.runs import ran, reproduced

INCIDENT: Final = "deployment-resilience"
JOBS: Final = 191
SEEDS: Final = 5
RECOVERY_S_MAX: Final = (
    5.0  # of the scenario: less than half of the lease that would have to run out otherwise
)
_NOBODY_ELSE: Final = ("--defence-off", "startup_cleanup", "--defence-off", "lease_recovery")


def _stranded() -> Finding:
    said = reproduced(INCIDENT, "--jobs", str(JOBS))
    without, now = (int(said["runs"][name]["classes"].get("stuck", 0)) for name in ("before", "after"))
    ended = int(said["runs"]["after"]["jobs"].get("succeeded", 0))
    return Finding(
        verdict="held" if without == JOBS and now == 0 and ended == JOBS else "refuted",
        figure=f"{without} of {JOBS} stuck without, {now} with; {ended} succeeded",
        note="One deploy meets all of them at work, in 3 workers of 64 places each; work that takes long is "
        "a process that stands at a test point.",
    )


def _draining_alone() -> Finding:
    stuck = {
        grace_s: int(
            ran("draining-alone", "--case", f"grace_s={grace_s}", *_NOBODY_ELSE)["outcomes"].get("stuck", 0)
        )
        for grace_s in (20, 2)
    }
    return Finding(
        verdict="held" if not any(stuck.values()) else "refuted",
        figure=f"grace 20 s: {stuck[20]} of 4 stuck; grace 2 s: {stuck[2]} of 4 stuck",
        note="True while the grace outlasts the longest job (here 6 s), and no longer: then a lease has to "
        "run out.",
    )


def _at_start_up() -> Finding:
    claims_s = []
    stuck = 0
    for seed in range(1, SEEDS + 1):
        said = ran("worker-killed", "--defence-off", "lease_recovery", "--seed", str(seed))
        stuck += int(said["outcomes"].get("stuck", 0))
        claims_s.append(float(said["recovery"]["claim_max_s"]))
    return Finding(
        verdict="held" if stuck == 0 and max(claims_s) <= RECOVERY_S_MAX else "refuted",
        figure=f"{SEEDS} kills: {stuck} jobs stuck; claimed again after {statistics.median(claims_s):.1f} s "
        f"(median), {max(claims_s):.1f} s at most",
        note="With a lease of 12 s, and nobody who would take it back: the restarted worker does, by the log "
        "of attempts.",
    )


CLAIMS: Final = (
    Claim(
        id="deploy-191",
        incident=INCIDENT,
        says="A deploy in the midst of the work leaves 191 videos processing for ever; with the defences, "
        "none.",
        look=f"unstuck reproduce deployment-resilience --jobs {JOBS}",
        measure=_stranded,
    ),
    Claim(
        id="draining-alone",
        incident=INCIDENT,
        says="Draining at SIGTERM alone means zero stuck videos.",
        look=" ".join(("unstuck run draining-alone --all-cases", *_NOBODY_ELSE)),
        measure=_draining_alone,
    ),
    Claim(
        id="recovery-at-start-up",
        incident=INCIDENT,
        says="A worker that starts again recovers what its earlier life held, without anybody's help.",
        look="unstuck run worker-killed --defence-off lease_recovery",
        measure=_at_start_up,
    ),
)
