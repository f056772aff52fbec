"""The service's recovery sweeps run one at a time, and none begins while an operator has paused them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unstuck.checks.port import Evidence, PropertyResult
from unstuck.checks.result import conclude, plural
from unstuck.checks.run_story import Sweep
from unstuck.checks.story import Story, seconds

NAME = "recovery_runs"
PROMISE = "Recovery sweeps run one at a time, and none begins while recovery is paused."
PARAMETERS: Mapping[str, tuple[type, ...]] = {}


def check(story: Story, params: Mapping[str, Any]) -> PropertyResult:  # noqa: ARG001  takes none
    """Judges every sweep that began. One whose process died ends when the service says so of it."""
    sweeps = list(story.sweeps.values())
    broken = [
        *(overlap for nth, sweep in enumerate(sweeps) for overlap in _overlaps(sweep, sweeps[:nth])),
        *(evidence for sweep in sweeps for evidence in _while_paused(sweep, story)),
    ]
    triggered = sum(sweep.triggered for sweep in sweeps)
    return conclude(
        NAME,
        judged=len(sweeps),
        summary=f"{plural(len(sweeps), 'sweep')} began and set {plural(triggered, 'job')} going, "
        f"{plural(len(story.pauses), 'pause')}",
        broken=broken,
        figures={"sweeps": len(sweeps), "triggered": triggered},
    )


def _overlaps(sweep: Sweep, earlier: list[Sweep]) -> list[Evidence]:
    return [
        Evidence(
            job=None,
            message=f"run {sweep.run} ({sweep.who}) began at {seconds(sweep.begun):.3f} s, while run "
            f"{other.run} ({other.who}) was under way since {seconds(other.begun):.3f} s",
            events=(other.begun.number, sweep.begun.number),
        )
        for other in earlier
        if other.ended is None or other.ended.number > sweep.begun.number
    ]


def _while_paused(sweep: Sweep, story: Story) -> list[Evidence]:
    """By the time of each: the pause holds from its answer on, and until the resumption is asked for."""
    return [
        Evidence(
            job=None,
            message=f"run {sweep.run} ({sweep.who}) began at {seconds(sweep.begun):.3f} s, "
            f"while recovery was paused since {seconds(paused):.3f} s",
            events=(paused.number, sweep.begun.number),
        )
        for paused, resumed in story.pauses
        if seconds(paused) < seconds(sweep.begun)
        and (resumed is None or seconds(sweep.begun) < seconds(resumed))
    ]
