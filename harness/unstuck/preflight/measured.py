"""What a run, or the user, has measured of the service: the figures that manifests are held against."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from unstuck.checks.job_story import seconds
from unstuck.checks.story import JobStory, ProcessStory, Story

MIB: Final = 1024 * 1024
ANY: Final = ""
"""The role of a peak that holds for every workload."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """None, or a role that is missing: nobody measured it, and rules that need it judge nothing.

    `longest_stage_s`: of all stages that ran undisturbed from their beginning to their end; `stage` is its
    name. `drain_s`: from SIGTERM to the exit, the longest that was not cut short. `peaks_mib`: by role.
    `sources`: runs and flags that were asked; `in_sim`: runs of the sim, which measure nothing.
    """

    longest_stage_s: float | None = None
    stage: str | None = None
    drain_s: float | None = None
    peaks_mib: Mapping[str, float] = field(default_factory=dict)
    sources: tuple[str, ...] = ()
    in_sim: tuple[str, ...] = ()

    @property
    def runs(self) -> tuple[str, ...]:
        """The sources that are runs, not flags."""
        return tuple(one for one in self.sources if not one.startswith("--"))

    def or_else(self, other: Measured) -> Measured:
        """These figures, and those of `other` where there are none."""
        stage = self if self.longest_stage_s is not None else other
        return Measured(
            longest_stage_s=stage.longest_stage_s,
            stage=stage.stage,
            drain_s=other.drain_s if self.drain_s is None else self.drain_s,
            peaks_mib=self.peaks_mib if ANY in self.peaks_mib else {**other.peaks_mib, **self.peaks_mib},
            sources=tuple(dict.fromkeys((*self.sources, *other.sources))),
            in_sim=(*self.in_sim, *other.in_sim),
        )


def highest(many: Iterable[Measured]) -> Measured:
    """Of several runs the highest of each figure."""
    found = Measured()
    for one in many:
        peaks = dict(found.peaks_mib)
        for role, peak_mib in one.peaks_mib.items():
            peaks[role] = max(peak_mib, peaks.get(role, 0.0))
        longer = one if (one.longest_stage_s or 0.0) > (found.longest_stage_s or 0.0) else found
        drains = [drain_s for drain_s in (found.drain_s, one.drain_s) if drain_s is not None]
        found = Measured(
            longest_stage_s=longer.longest_stage_s,
            stage=longer.stage,
            drain_s=max(drains, default=None),
            peaks_mib=peaks,
            sources=(*found.sources, *one.sources),
            in_sim=(*found.in_sim, *one.in_sim),
        )
    return found


def measured_in(story: Story, source: str) -> Measured:
    """What one recorded run tells; one of the sim nothing, whose stages are fakes and take virtual time.

    Stages of jobs that a fault hit do not count, and neither do those of an attempt that did not go on to the
    next stage: their length is the fault's. Processes that the harness made
    allocate are left out, too, and so is its own proxy.
    """
    if story.run.in_sim:
        return Measured(in_sim=(source,))
    hit = {job for fault in story.faults.values() for stroke in fault.strokes for job in stroke.jobs or ()}
    stays = [stay for job in story.jobs.values() if job.id not in hit for stay in _stages(job)]
    longest_s, stage = max(stays, default=(None, None))
    return Measured(
        longest_stage_s=longest_s,
        stage=stage,
        drain_s=max((took_s for one in story.processes.values() for took_s in _drains(one)), default=None),
        peaks_mib=_peaks(story),
        sources=(source,),
    )


def _stages(job: JobStory) -> Iterator[tuple[float, str]]:
    """(seconds, name) of each stage that the same attempt went on from, or ended the job in."""
    for nth, event in enumerate(job.stages):
        name = event.data.get("stage")
        if not isinstance(name, str):
            continue
        token = event.data["token"]
        following = job.stages[nth + 1] if nth + 1 < len(job.stages) else None
        if following is not None and following.data["token"] == token:
            yield seconds(following) - seconds(event), name
        elif job.moves and job.moves[-1].token == token and job.state == "succeeded":
            yield job.moves[-1].at_s - seconds(event), name


def _drains(process: ProcessStory) -> Iterator[float]:
    """How long it took to end after SIGTERM, each time when it ended by itself."""
    for life in process.lives:
        if life.asked_to_stop is None or life.exit is None or life.exit.data.get("signal") == "SIGKILL":
            continue
        took_s = life.exit.data.get("took_s")
        yield (
            float(took_s)
            if isinstance(took_s, int | float)
            else seconds(life.exit) - seconds(life.asked_to_stop)
        )


def _peaks(story: Story) -> Mapping[str, float]:
    """The peak of each role in MiB: a process's own, and that of the largest child which did a job in it.

    Where a cgroup counted, the children are in its count.
    """
    burdened = {
        name
        for fault in story.faults.values()
        if fault.name.startswith("allocate")
        for stroke in fault.strokes
        for name in (stroke.landed.process, *(stroke.processes or ()))
    }
    children: dict[str, int] = {}
    for job in story.jobs.values():
        for said in job.said_attempts.values():
            holder, peak = said.data.get("instance"), said.data.get("peak_rss_bytes")
            if isinstance(holder, str) and isinstance(peak, int):
                children[holder] = max(peak, children.get(holder, 0))
    peaks: dict[str, float] = {}
    for process in story.processes.values():
        if process.role in (None, "links") or process.name in burdened:
            continue
        own, grouped = 0, False
        for event in process.usage:
            used = event.data.get("rss_bytes_max", event.data.get("rss_bytes"))
            own = max(own, used if isinstance(used, int) else 0)
            grouped = grouped or event.data.get("limit_kind") == "cgroup"
        if own:
            whole = own if grouped else own + children.get(process.name, 0)
            peaks[process.role] = max(whole / MIB, peaks.get(process.role, 0.0))
    return peaks
