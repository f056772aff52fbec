"""`unstuck gate`: what the policy says, for every change."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path

from unstuck.cli.baseline import Adding, Against
from unstuck.cli.carry_out import Order, Watch, carry_out, screen_of
from unstuck.cli.choosing import choose_target
from unstuck.cli.console import show
from unstuck.cli.explaining import plan_sheet
from unstuck.cli.inputs import (
    SEED,
    Named,
    choose_cases,
    find_scenarios,
    incident_of,
    jobs_by_default,
    load_all,
)
from unstuck.cli.policy import Exclusion, Policy, find_policy, load_policy, override
from unstuck.errors import ExitCode, UsageError, did_you_mean
from unstuck.report.group import Group
from unstuck.report.junit import junit_xml
from unstuck.report.markdown import group_markdown
from unstuck.report.words import plural
from unstuck.rundir import disk, write
from unstuck.scenario import Scenario
from unstuck.scenario_file import ScenarioFile
from unstuck.worlds.process.wall_clock import can_compile


def execute(chosen: argparse.Namespace) -> ExitCode:
    """Runs the policy's cases, reports, and returns what they came to."""
    policy = override(
        load_policy(chosen.policy or find_policy(Path.cwd())),
        cases_max=chosen.cases_max,
        time_budget_s=chosen.time_budget,
        jobs=chosen.jobs,
        seed=chosen.seed,
        reports=chosen.reports,
        baseline=chosen.baseline,
    )
    target = choose_target(chosen.target, chosen.configuration, allowed_hosts=chosen.allow_host)
    catalogue = target.catalogue()
    named = _named(chosen.files, policy, target.scenarios())
    files = load_all(named, catalogue)
    if not chosen.files:
        check_exclusions(policy, list(files.values()))
    whole = not chosen.files and target.file is None  # then some may lie beyond what this machine can do
    cases, excluded, notes = select(named, files, policy, impossible=impossible if whole else None)
    if not cases:
        raise UsageError(f"nothing is left to run: the policy excludes {len(excluded)} of {len(excluded)}.")
    if chosen.plan:
        show(plan_sheet(cases, excluded, target=target))
        return ExitCode.PASS
    for path in filter(None, (chosen.junit, chosen.summary)):
        _prepare(path, advice="Choose another file.")
    step_summary = _step_summary()
    if step_summary is not None:
        _prepare(step_summary, advice="Look at GITHUB_STEP_SUMMARY, or unset it.")
    jobs = policy.jobs or jobs_by_default()
    group = carry_out(
        Order(
            name="gate",
            cases=cases,
            reports=policy.reports or Path("reports"),
            seed=SEED if policy.seed is None else policy.seed,
            jobs=jobs,
            emulator=chosen.emulator,
            time_budget_s=policy.time_budget_s,
            target=target,
            excluded=excluded,
            notes=notes,
            grouped=True,
            watch=_watch(policy, chosen.baseline, chosen.write_baseline, jobs),
        )
    )
    show(screen_of(group))
    _hand_out(group, chosen.junit, chosen.summary)
    return group.exit_code


def select(
    named: Sequence[Named],
    files: dict[Path, ScenarioFile],
    policy: Policy,
    *,
    impossible: Callable[[Scenario], str | None] | None = None,
) -> tuple[list[Scenario], list[tuple[Scenario, str]], tuple[str, ...]]:
    """The cases to run, those excluded with the reason, and what a reader should know.

    Every scenario's base case comes first; then one more pairwise case of each in turn, until
    `cases_max` is reached. They are run in this order, so that a time budget that cuts them short has
    something of every scenario. Of those in one turn the longest are first: one that begins last, while
    nothing else is left to run, would cost all of its length. A case that was selected by name is taken
    as if it were the base case. `impossible` says why a case cannot be run here, if so.
    """
    rows: list[list[Scenario]] = []
    excluded: list[tuple[Scenario, str]] = []
    for one in named:
        selections = [one.selection] if one.selection else []
        cases = choose_cases(files[one.path], selections, pairwise=not selections)
        reasons = {
            case.title: _reason(case, policy.exclude) or (impossible(case) if impossible else None)
            for case in cases
        }
        excluded += [(case, why) for case in cases if (why := reasons[case.title]) is not None]
        rows.append([case for case in cases if reasons[case.title] is None])
    columns = ([case for case in column if case is not None] for column in zip_longest(*rows))
    in_turn = [case for column in columns for case in sorted(column, key=_lasting_s, reverse=True)]
    chosen = list({case.title: case for case in in_turn}.values())
    kept = chosen[: policy.cases_max]
    notes: tuple[str, ...] = ()
    if left_out := len(chosen) - len(kept):
        left = f"{plural(left_out, 'pairwise case')} left out: cases_max is {policy.cases_max}."
        notes = (f"{left} `unstuck run NAME --pairwise` runs all of a scenario.",)
    return kept, excluded, notes


def _lasting_s(case: Scenario) -> float:
    """How long its faults last, as declared: the longest waits of any case."""
    return sum(getattr(fault.parameters, "for_s", 0.0) for fault in case.faults)


def check_exclusions(policy: Policy, files: Sequence[ScenarioFile]) -> None:
    """Raises `UsageError` for an exclusion that names no scenario, or no case of it: a slip, not a policy."""
    by_name = {file.name: file for file in files}
    for nth, exclusion in enumerate(policy.exclude):
        where = f"{policy.source}: [tool.unstuck.gate.exclude[{nth}]]"
        file = by_name.get(exclusion.scenario)
        if file is None:
            hint = did_you_mean(exclusion.scenario, by_name)
            raise UsageError(f"{where} scenario={exclusion.scenario!r} is not in the gate.{hint}")
        why = file.grid.why_none(exclusion.case)
        if why is not None:
            raise UsageError(f"{where} case {why}")


def impossible(case: Scenario) -> str | None:
    """Why a case of the default gate has to be left out on this machine; None when it can run."""
    from unstuck.targets.reference.versions import can_build, is_known  # noqa: PLC0415  may be missing

    versions = [options.version for options in case.roles.values() if options.version]
    if versions and not (can_build() and all(map(is_known, versions))):
        return "mixes in another version, which is built from a checkout with its history (and hatchling)"
    if any(fault.name == "clock" for fault in case.faults) and not can_compile():
        return "sets clocks wrong, which takes Linux and a C compiler (cc, gcc or clang)"
    return None


def _watch(policy: Policy, asked: Path | None, write_to: Path | None, jobs: int) -> Watch | None:
    """Who looks at the recovery times; None when there is no baseline. Raises `UsageError`."""
    if write_to is not None:
        if asked is not None:
            raise UsageError(
                "--baseline and --write-baseline in one gate: what is slower would become the norm. "
                "Hold the gate against the file first."
            )
        return Adding(write_to, jobs=jobs)
    return None if policy.baseline is None else Against(policy.baseline, jobs=jobs)


def _named(words: Sequence[str], policy: Policy, known: Mapping[str, Path]) -> list[Named]:
    if words:
        return find_scenarios(words, known=known)
    if policy.files:
        base = policy.source.parent if policy.source else None
        return find_scenarios(policy.files, base=base, known=known)
    return [Named(path=path, selection={}) for path in known.values() if incident_of(path) is None]


def _reason(case: Scenario, exclusions: Sequence[Exclusion]) -> str | None:
    return next((exclusion.reason for exclusion in exclusions if exclusion.covers(case)), None)


def _step_summary() -> Path | None:
    """The file that GitHub shows beside a step; None elsewhere."""
    name = os.environ.get("GITHUB_STEP_SUMMARY")
    return Path(name) if name else None


def _prepare(path: Path, *, advice: str) -> None:
    """Proves that a file can be written, before anything starts."""
    with disk(path, advice=advice):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("ab").close()


def _hand_out(group: Group, junit: Path | None, summary: Path | None) -> None:
    if junit is not None:
        write(junit, junit_xml(group.name, group.lines))
    if summary is not None:
        write(summary, group_markdown(group))
    path = _step_summary()
    if path is not None:
        with disk(path, advice="Look at GITHUB_STEP_SUMMARY."), path.open("a", encoding="utf-8") as file:
            file.write(group_markdown(group))
