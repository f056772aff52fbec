"""Makes a failing scenario smaller while it still fails: fewer faults, fewer jobs, fewer settings.

Whatever a correct service passes, it passes when it is made smaller: where a change might make another end
of a job right, no end is expected of it any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from unstuck.catalogue import Catalogue
from unstuck.errors import ScenarioError
from unstuck.generate.whole import loaded, named
from unstuck.scenario import CANONICAL_STATES, Fault, OnFault, OnPoint, OnState, Scenario, Upload


@dataclass(frozen=True, slots=True, kw_only=True)
class Shrunk:
    """The smallest scenario that was found, and how many runs it took."""

    scenario: Scenario
    runs: int


def shrink(
    scenario: Scenario, fails: Callable[[Scenario], bool], catalogue: Catalogue, *, runs_max: int = 200
) -> Shrunk:
    """Drops and simplifies, one thing at a time, as long as `fails` says that what is left still fails.

    `fails` has to mean *by the same property*, or another failure is what remains. It is never asked about
    `scenario` itself, nor about what does not load. Ends when nothing more can be left out, or after
    `runs_max` questions.
    """
    runs = 0
    tried = {named(scenario).name}
    smaller = True
    while smaller:
        smaller = False
        for candidate in _valid(_smaller(scenario), catalogue):
            if candidate.name in tried:
                continue
            if runs >= runs_max:
                return Shrunk(scenario=scenario, runs=runs)
            tried.add(candidate.name)
            runs += 1
            if fails(candidate):
                scenario, smaller = candidate, True
                break
    return Shrunk(scenario=scenario, runs=runs)


def _valid(candidates: Iterator[Scenario], catalogue: Catalogue) -> Iterator[Scenario]:
    for candidate in candidates:
        try:
            valid = loaded(named(candidate), catalogue)
        except ScenarioError:
            continue
        yield valid


def _smaller(scenario: Scenario) -> Iterator[Scenario]:
    """Scenarios with one thing less, what says most about a failure first."""
    yield from _fewer_faults(scenario)
    yield from _fewer_jobs(scenario)
    yield from _simpler_faults(scenario)
    yield from _fewer_settings(scenario)


def _fewer_faults(scenario: Scenario) -> Iterator[Scenario]:
    for index in reversed(range(len(scenario.faults))):
        gone = _with_dependents(scenario.faults, index)
        left = [number for number in range(len(scenario.faults)) if number not in gone]
        renumbered = {old: new for new, old in enumerate(left)}
        faults = tuple(_renumber(scenario.faults[number], renumbered) for number in left)
        yield replace(scenario, faults=faults)


def _with_dependents(faults: tuple[Fault, ...], index: int) -> set[int]:
    """A fault, and those that wait for it or end it."""
    gone = {index}
    while True:
        more = {number for number, fault in enumerate(faults) if _refers_to(fault) & gone} | gone
        if more == gone:
            return gone
        gone = more


def _refers_to(fault: Fault) -> set[int]:
    others = {fault.when.fault} if isinstance(fault.when, OnFault) else set()
    ended = getattr(fault.parameters, "fault", None)
    return others if ended is None else {*others, ended}


def _renumber(fault: Fault, numbers: Mapping[int, int]) -> Fault:
    if isinstance(fault.when, OnFault):
        fault = replace(fault, when=replace(fault.when, fault=numbers[fault.when.fault]))
    if hasattr(fault.parameters, "fault"):
        fault = replace(fault, parameters=replace(fault.parameters, fault=numbers[fault.parameters.fault]))
    return fault


def _fewer_jobs(scenario: Scenario) -> Iterator[Scenario]:
    for index, upload in enumerate(scenario.workload):
        others = (*scenario.workload[:index], *scenario.workload[index + 1 :])
        if others:
            yield _with_workload(scenario, others)
        for change in _simpler_upload(upload):
            workload = (*scenario.workload[:index], change, *scenario.workload[index + 1 :])
            yield _with_workload(scenario, workload)
        for change in _fewer_steps(upload):
            workload = (*scenario.workload[:index], change, *scenario.workload[index + 1 :])
            # What becomes of such a client is another question.
            yield _without_outcomes(replace(scenario, workload=workload), upload.tag)


def _simpler_upload(upload: Upload) -> Iterator[Upload]:
    if upload.count > 1:
        yield replace(upload, count=1, every_s=0.0)
        yield replace(upload, count=upload.count - 1)
    if upload.start_s:
        yield replace(upload, start_s=0.0)


def _fewer_steps(upload: Upload) -> Iterator[Upload]:
    for number in reversed(range(1, len(upload.steps))):
        yield replace(upload, steps=(*upload.steps[:number], *upload.steps[number + 1 :]))


def _with_workload(scenario: Scenario, workload: tuple[Upload, ...]) -> Scenario:
    """What is expected of tags that are gone goes with them; of fewer jobs, fewer are expected."""
    before = _counts(scenario.workload)
    after = _counts(workload)
    outcomes = scenario.expect.get("outcomes")
    expect = {name: rule for name, rule in scenario.expect.items() if name != "outcomes"}
    if outcomes is not None:
        kept = {
            key: _lowered(rule, before.get(key, 0), after.get(key, 0))
            for key, rule in outcomes.items()
            if key in after or key in CANONICAL_STATES
        }
        if kept:
            expect["outcomes"] = kept
    return replace(scenario, workload=workload, expect=expect)


def _without_outcomes(scenario: Scenario, *tags: str) -> Scenario:
    """Nothing is expected of how the jobs of these tags end; without tags, of no job."""
    outcomes = scenario.expect.get("outcomes", {})
    kept = {key: rule for key, rule in outcomes.items() if tags and key not in tags}
    expect = {name: rule for name, rule in scenario.expect.items() if name != "outcomes"}
    return replace(scenario, expect={**expect, "outcomes": kept} if kept else expect)


def _counts(workload: tuple[Upload, ...]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for upload in workload:
        counts[upload.tag] = counts.get(upload.tag, 0) + upload.count
    return counts


def _lowered(rule: Mapping[str, Any], before: int, after: int) -> dict[str, Any]:
    return {
        key: after if key in ("exactly", "at_least") and value == before and before else value
        for key, value in rule.items()
    }


def _simpler_faults(scenario: Scenario) -> Iterator[Scenario]:
    for index, fault in enumerate(scenario.faults):
        for change in _simpler_fault(fault):
            faults = (*scenario.faults[:index], change, *scenario.faults[index + 1 :])
            yield replace(scenario, faults=faults)


def _simpler_fault(fault: Fault) -> Iterator[Fault]:
    nth = getattr(fault.when, "nth", 1)
    if nth > 1:
        when: Any = fault.when
        yield replace(fault, when=replace(when, nth=1))
    # What strikes each time makes the jobs of a tag fail, and would make others fail.
    once = fault.times == "once"
    if once and isinstance(fault.when, OnState | OnPoint) and fault.when.job != "any":
        yield replace(fault, when=replace(fault.when, job="any"))
    if fault.condition is not None:
        yield replace(fault, condition=None)


def _fewer_settings(scenario: Scenario) -> Iterator[Scenario]:
    """Not those of deadlines: what nobody puts is waited for, longer without them."""
    for role in scenario.roles:
        roles = {name: options for name, options in scenario.roles.items() if name != role}
        yield _without_outcomes(replace(scenario, roles=roles))
    for setting in scenario.settings:
        if setting.startswith("upload_"):
            continue
        left = {name: value for name, value in scenario.settings.items() if name != setting}
        yield _without_outcomes(replace(scenario, settings=left))
