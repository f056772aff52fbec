"""From a judged run to what its reports show: pure, and the only place where that is decided."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from unstuck import __version__
from unstuck.checks.classes import JobClass
from unstuck.checks.job_story import JobStory, data_of, seconds
from unstuck.checks.port import PropertyResult, Verdict
from unstuck.checks.run_story import Life, ProcessStory
from unstuck.checks.story import Story, Stroke
from unstuck.checks.verdict import FaultRow, RunVerdict
from unstuck.checks.victims import Victim, victims
from unstuck.report.evidence import explain, life_end
from unstuck.report.model import (
    BrokenPromise,
    FaultLine,
    JobLine,
    LifeLine,
    ProcessLine,
    PropertyLine,
    Recovery,
    Stay,
    Summary,
)
from unstuck.report.words import what, when, workload
from unstuck.scenario import Fault, Scenario

_RECOVERY = "recovery_within."  # whose figures are the recovery times


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What a report says of a run beside its history: where it lies, and what it was run with."""

    seed: int
    version: str = __version__
    date: str | None = None
    folder: str | None = None  # as the user would type it
    target: str | None = None  # with its configuration
    defences_off: tuple[str, ...] = ()
    logs: tuple[str, ...] = ()  # files with something in them, relative to the folder


def summarise(
    scenario: Scenario, story: Story, verdict: RunVerdict, promises: Mapping[str, str], around: Circumstances
) -> Summary:
    """Puts a judged run into words. `promises`: property -> its sentence."""
    logs = {name: log for name in story.processes if (log := f"logs/{name}.log") in around.logs}
    broken = tuple(_broken(verdict.properties, story, promises, logs))
    faulty = {item.job for item in broken if item.verdict is Verdict.FAIL}
    jobs = tuple(_job(story.jobs[row.job], row, row.job in faulty) for row in verdict.jobs)
    figures = verdict.figures
    demanded = scenario.expect.get("recovery_within", {})
    return Summary(
        title=scenario.title,
        name=scenario.name,
        about=scenario.summary,
        case=scenario.case,
        verdict=verdict.verdict,
        reasons=tuple(verdict.reasons),
        done=tuple(_done(scenario)),
        workload=tuple(workload(upload) for upload in scenario.workload),
        faults=tuple(_faults(scenario, story, verdict.faults)),
        jobs=jobs,
        states=_count(job.state or "unknown" for job in jobs),
        outcomes=_count(job.outcome for job in jobs if job.outcome),
        properties=tuple(_property(result, promises) for result in verdict.properties),
        broken=broken,
        recovery={
            name[len(_RECOVERY) :]: value for name, value in figures.items() if name.startswith(_RECOVERY)
        },
        processes=tuple(_process(one, story, logs.get(one.name)) for one in story.processes.values()),
        duration_s=story.end_s,
        budget_from_s=None if story.run.budget is None else seconds(story.run.budget),
        budget_s=scenario.budget_s,
        end_reason=story.run.end_reason,
        seed=around.seed,
        defences_off=around.defences_off,
        version=around.version,
        date=around.date,
        folder=around.folder,
        target=around.target,
        recoveries=tuple(
            _recovery(stroke, victim)
            for fault in story.faults.values()
            for stroke in fault.strokes
            for victim in victims(story, stroke)
        ),
        claim_budget_s=_seconds_of(demanded.get("claim_s")),
        terminal_budget_s=_seconds_of(demanded.get("budget_s", scenario.budget_s)),
        notes=tuple(_notes(scenario, story, around)),
        in_sim=story.run.in_sim,
    )


def _done(scenario: Scenario) -> list[str]:
    return [f"{when(fault.when)}: {what(fault)}" for fault in scenario.faults]


def _faults(scenario: Scenario, story: Story, rows: Sequence[FaultRow]) -> list[FaultLine]:
    """Every fault of the scenario and of the history, also those that only one of them knows."""
    seen = {row.index: row for row in rows}
    count = max([len(scenario.faults), *(index + 1 for index in seen)])
    return [
        _fault(
            index, scenario.faults[index] if index < len(scenario.faults) else None, seen.get(index), story
        )
        for index in range(count)
    ]


def _fault(index: int, fault: Fault | None, row: FaultRow | None, story: Story) -> FaultLine:
    told = story.faults.get(index)
    strokes = tuple((seconds(one.fired), one.over_s) for one in told.strokes) if told else ()
    name = fault.name if fault else row.name if row else "unknown"
    line = FaultLine(
        index=index,
        name=name,
        what=what(fault) if fault else name,
        when=when(fault.when) if fault else "at some moment",
        armed=False,
        fired=0,
        landed=0,
        healed=0,
        missed=0,
        strokes=strokes,
        problem="was never armed",
    )
    if row is None:
        return line
    return replace(
        line,
        armed=row.armed,
        fired=row.fired,
        landed=row.landed,
        healed=row.healed,
        missed=row.missed,
        how=row.how or "",
        condition=row.condition or "",
        in_flight=row.in_flight,
        setup=row.setup,
        problem=row.problem or "",
    )


def _recovery(stroke: Stroke, victim: Victim) -> Recovery:
    """As `recovery_within` measures it."""

    def since_s(at_s: float | None) -> float | None:
        return None if at_s is None else max(0.0, at_s - stroke.over_s)

    claim = victim.next_claim
    meanwhile = claim is not None and claim.at_s < stroke.over_s and stroke.healed is not None
    return Recovery(
        job=victim.job.id,
        fault=stroke.fault.index,
        claim_s=None if claim is None or meanwhile else since_s(claim.at_s),
        terminal_s=since_s(victim.job.terminal_at_s),
        meanwhile_s=claim.at_s - stroke.struck_s if claim is not None and meanwhile else None,
    )


def _seconds_of(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _job(job: JobStory, row: JobClass, broken: bool) -> JobLine:  # noqa: FBT001  internal
    holders = {claim.at_s: claim for claim in job.claims}
    stays = []
    for stay in job.stays:
        claim = holders.get(stay.from_s) if stay.state == "active" else None
        said = data_of(job.said_attempts.get(claim.move.token)) if claim else {}
        stays.append(
            Stay(
                state=stay.state,
                from_s=stay.from_s,
                until_s=stay.until_s,
                holder=claim.holder if claim else None,
                attempt=claim.move.attempt if claim else None,
                peak_bytes=peak if isinstance(peak := said.get("peak_rss_bytes"), int) else None,
                stage_peaks=tuple(dict(said.get("stage_peaks") or {}).items()),
            )
        )
    return JobLine(
        id=job.id,
        tag=job.tag,
        state=job.state,
        reason=job.reason,
        outcome=str(row.kind),
        allowed=row.allowed,
        rescued=row.rescued,
        attempts=len(job.claims),
        stays=tuple(stays),
        stages=tuple(
            (seconds(event), str(event.data["stage"])) for event in job.stages if event.data["stage"]
        ),
        effects=tuple((seconds(event), bool(event.data["applied"])) for event in job.effects),
        broken=broken,
    )


def _property(result: PropertyResult, promises: Mapping[str, str]) -> PropertyLine:
    return PropertyLine(
        name=result.name,
        promise=promises.get(result.name, ""),
        verdict=result.verdict,
        judged=result.judged,
        summary=result.summary,
        expected=result.expected,
        figures=result.figures,
    )


def _broken(
    results: Sequence[PropertyResult], story: Story, promises: Mapping[str, str], logs: Mapping[str, str]
) -> list[BrokenPromise]:
    """Failures first; of what was unclear only what the scenario asked for."""
    told = [result for result in results if result.verdict is Verdict.FAIL]
    told += [result for result in results if result.verdict is Verdict.INCONCLUSIVE and result.expected]
    return [
        explain(result, item, promises.get(result.name, ""), story, logs)
        for result in told
        for item in result.evidence
    ]


def _process(process: ProcessStory, story: Story, log: str | None) -> ProcessLine:
    over_s = math.inf if story.run.end is None else seconds(story.run.end)
    sizes = [
        size
        for event in process.usage
        for name in ("rss_bytes", "rss_bytes_max")
        if isinstance(size := event.data.get(name), int)
    ]
    limits = [size for event in process.usage if isinstance(size := event.data.get("limit_bytes"), int)]
    return ProcessLine(
        name=process.name,
        role=process.role or "",
        lives=tuple(_life(life, over_s) for life in process.lives),
        rss_bytes_max=max(sizes, default=None),
        limit_bytes=limits[-1] if limits else None,
        memory=tuple(
            (seconds(event), size)
            for event in process.usage
            if limits and isinstance(size := event.data.get("rss_bytes"), int)
        ),
        log=log,
    )


def _life(life: Life, over_s: float) -> LifeLine:
    """Whatever ends after the run is over was taken down by us."""
    exit_s = None if life.exit is None else seconds(life.exit)
    return LifeLine(
        from_s=seconds(life.begun),
        until_s=exit_s,
        end=life_end(life),
        expected=life.exit is None or bool(life.exit.data.get("expected")) or seconds(life.exit) >= over_s,
        signals=tuple((seconds(event), str(event.data.get("signal", "?"))) for event in life.signals),
    )


def _notes(scenario: Scenario, story: Story, around: Circumstances) -> list[str]:
    notes = []
    if story.history.cut is not None:
        notes.append(f"history.jsonl: {story.history.cut}")
    if around.defences_off:
        wanted = " A failure is what this run is for." if _is_to_fail(scenario, around.defences_off) else ""
        notes.append(f"Defences off: {', '.join(around.defences_off)}.{wanted}")
    if story.run.end_reason == "interrupted":
        notes.append("The run was interrupted before its end.")
    return notes


def _is_to_fail(scenario: Scenario, defences_off: Iterable[str]) -> bool:
    """The scenario guards one of them, or is of an incident for which all that was missing is off."""
    off = set(defences_off)
    day = scenario.before
    return any(guard.defence in off for guard in scenario.guards) or (
        day is not None and off.issuperset(day.defences_off)
    )


def _count(words: Iterable[str]) -> Mapping[str, int]:
    return dict(Counter(words).most_common())
