"""How long each job that a fault hit took to be claimed again, and to end.

The time begins with the blow: when it was dealt, not when it was seen to have landed, which depends on how
often the harness looks. Of a fault that lasts it begins with the healing, unless the job went on before.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from statistics import median

from unstuck.checks.story import Story, Stroke, seconds
from unstuck.checks.victims import victims


@dataclass(frozen=True, slots=True, kw_only=True)
class Recoveries:
    """The recovery times of one run, ascending, in seconds. Either may be empty: nothing was hit."""

    claimed_s: tuple[float, ...] = ()  # one a claim that followed a blow, from the last blow before it
    ended_s: tuple[float, ...] = ()  # one a job that was hit and ended, from the first blow that hit it

    def series(self) -> dict[str, float]:
        """`claimed` and `ended`, each as the median of the run; what the run has none of is absent."""
        found = {"claimed": self.claimed_s, "ended": self.ended_s}
        return {name: median(values) for name, values in found.items() if values}


def recoveries(story: Story) -> Recoveries:
    """All of a run. A job that never ended, or was never claimed again, is not among them.

    Jobs that waited when the blow was dealt count only in a run where it hit no job that was worked on:
    whether some waited just then is chance, and they had nothing to recover from.
    """
    claimed: dict[tuple[str, int], tuple[bool, float]] = {}
    ended: dict[str, tuple[bool, float]] = {}
    for stroke in _blows(story):
        for victim in victims(story, stroke):
            job, held = victim.job, victim.held is not None
            if victim.next_claim is not None:
                claim = victim.next_claim
                # Blows come in the order in which they were dealt: the last one before the claim stays.
                claimed[job.id, claim.move.number] = held, _since(stroke, claim.at_s)
            if job.terminal_at_s is not None:
                ended.setdefault(job.id, (held, _since(stroke, job.terminal_at_s)))
    return Recoveries(claimed_s=_worked_on(claimed.values()), ended_s=_worked_on(ended.values()))


def _worked_on(times: Collection[tuple[bool, float]]) -> tuple[float, ...]:
    """Ascending; of the jobs that were held, or of all when none was."""
    held_s = [value_s for held, value_s in times if held]
    return tuple(sorted(held_s or [value_s for _, value_s in times]))


def _blows(story: Story) -> list[Stroke]:
    strokes = [stroke for fault in story.faults.values() if fault.name != "heal" for stroke in fault.strokes]
    return sorted(strokes, key=lambda stroke: stroke.struck_s)


def _since(stroke: Stroke, at_s: float) -> float:
    healed_s = None if stroke.healed is None else seconds(stroke.healed)
    begun_s = healed_s if healed_s is not None and healed_s <= at_s else stroke.struck_s
    return max(0.0, at_s - begun_s)
