"""What was said of jobs that were claimed before their upload existed, and of what was built against it."""

from __future__ import annotations

from typing import Final

from bench.claims.claim import Claim, Finding
from bench.claims.runs import ran, reproduced

INCIDENT: Final = "s3-upload-fix"
JOBS: Final = 7  # of its scenario: four uploads that come late,
NEVER: Final = 3  # and three that never do


def _before_the_upload() -> Finding:
    runs = reproduced(INCIDENT)["runs"]
    failed, after = int(runs["before"]["jobs"].get("failed", 0)), runs["after"]["jobs"]
    came, never = int(after.get("succeeded", 0)), int(after.get("expired", 0))
    held = failed > NEVER and (came, never) == (JOBS - NEVER, NEVER)
    return Finding(
        verdict="held" if held else "refuted",
        figure=f"{failed} of {JOBS} failed without their file; with the defences {came} of 4 whose file came "
        f"succeeded, {never} of 3 without one expired",
        note="The file comes 0.7 s after the announcement; a worker is mostly faster.",
    )


def _thresholds() -> Finding:
    fired = ran("alerts", "--case", "alternative=uploads-vanish")["verdict"]
    quiet = ran("alerts", "--case", "alternative=as-many-as-allowed")["verdict"]
    return Finding(
        verdict="held" if fired == quiet == "pass" else "refuted",
        figure=f"above the threshold it fired and ended ({fired}); at the threshold all were quiet ({quiet})",
        note="With the periods and thresholds of production shortened: 0.8 s for 5 minutes, 2 for 5.",
    )


CLAIMS: Final = (
    Claim(
        id="claimed-before-upload",
        incident=INCIDENT,
        says="Jobs that are queued when they are announced are claimed before their file is there, and fail; "
        "with `awaiting_upload` before `queued`, none is.",
        look="unstuck reproduce s3-upload-fix",
        measure=_before_the_upload,
    ),
    Claim(
        id="alert-thresholds",
        incident=INCIDENT,
        says="The alert on uploads that do not come fires above its threshold, and only then.",
        look="unstuck run alerts --all-cases",
        measure=_thresholds,
    ),
)
