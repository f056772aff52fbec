"""What was claimed of a periodic recovery that finds the videos whose events were missed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bench.claims.claim import Claim, Finding
from bench.claims.runs import ran, reproduced

INCIDENT: Final = "process-new-videos"
SEEDS: Final = 5
SIM: Final = ("--world", "sim")


def _missed_events() -> Finding:
    said = reproduced(INCIDENT)
    without, now = (
        sum(int(said["runs"][name]["classes"].get(kind, 0)) for kind in ("stuck", "lost"))
        for name in ("before", "after")
    )
    ended = int(said["runs"]["after"]["jobs"].get("succeeded", 0))
    return Finding(
        verdict="held" if without == 3 and now == 0 and ended == 4 else "refuted",
        figure=f"of 4 jobs, 3 of whose events were lost: {without} not done without, {now} with",
        note="Nobody holds a job whose event is gone, so it counts as lost.",
    )


def _every_cause() -> Finding:
    left = jobs = 0
    causes = ("handler-not-registered", "api-down", "worker-dead-before-the-claim")
    for cause in causes:
        for seed in range(1, SEEDS + 1):
            outcomes = ran("nobody-was-told", "--case", f"alternative={cause}", "--seed", str(seed), *SIM)[
                "outcomes"
            ]
            jobs += sum(int(count) for count in outcomes.values())
            left += sum(int(count) for kind, count in outcomes.items() if kind != "ok")
    return Finding(
        verdict="held" if left == 0 else "refuted",
        figure=f"{jobs} jobs in {len(causes)} x {SEEDS} runs in the sim: {left} not done",
        note="Handler not registered; API dead in a completion; worker dead with the event.",
    )


def _last_hundred() -> Finding:
    on, off = (
        _most_attempts(ran("hundred-and-one-runs", *flags, *SIM))
        for flags in ((), ("--defence-off", "recovery_asks_per_job"))
    )
    return Finding(
        verdict="refuted" if off > 1 and on == 1 else "held",
        figure=f"after more than 100 other runs in the sim: {off} attempts of one job by that list, "
        f"{on} asking per job",
        note="True up to the hundredth run since; unit tests show both sides of it.",
    )


def _most_attempts(summary: Mapping[str, Any]) -> int:
    [bounded] = [one for one in summary["properties"] if one["name"] == "attempts_bounded"]
    return int(bounded["figures"]["most"])


CLAIMS: Final = (
    Claim(
        id="recovery-missed-events",
        incident=INCIDENT,
        says="A periodic recovery finds every video whose event was missed.",
        look=f"unstuck reproduce {INCIDENT}",
        measure=_missed_events,
    ),
    Claim(
        id="recovery-any-cause",
        incident=INCIDENT,
        says="It does so whatever the cause: handler, API or worker.",
        look="unstuck run nobody-was-told --all-cases --world sim",
        measure=_every_cause,
    ),
    Claim(
        id="recovery-last-hundred",
        incident=INCIDENT,
        says="A look at the last 100 runs keeps the recovery from running a job twice.",
        look="unstuck run hundred-and-one-runs --defence-off recovery_asks_per_job --world sim",
        measure=_last_hundred,
    ),
)
