"""Proves the alarms: with a defence switched off, the scenario that guards it fails, by the intended
property; with it on, the same case passes."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from unstuck import rundir
from unstuck.campaign import ProcessStage, Progress, RunRecord, Stage, Tell, excluded, run_one, runners
from unstuck.checks.port import Verdict
from unstuck.checks.verdict import judge
from unstuck.errors import ExitCode
from unstuck.history import read_history
from unstuck.prove.mutators import MUTATORS
from unstuck.report.group import worst
from unstuck.rng import split
from unstuck.scenario import Guard, Scenario
from unstuck.scenario_file import ScenarioFile
from unstuck.worlds.process.dependencies.s3 import EmulatorName


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofRow:
    """One defence and the case that guards it. `caught`: the intended property failed without it."""

    defence: str
    title: str
    by: str
    caught: bool
    control_passed: bool  # the same case with every defence on
    failed: tuple[str, ...]  # every property that failed without the defence
    record: RunRecord
    control: RunRecord
    note: str

    @property
    def proved(self) -> bool:
        return self.caught and self.control_passed

    @property
    def trouble(self) -> ExitCode:
        """What an unproved row leads to: a harness error proves nothing against the alarm."""
        codes: list[ExitCode] = []
        if not self.caught:
            code = self.record.exit_code
            codes.append(ExitCode.FAIL if code in (ExitCode.PASS, ExitCode.INCONCLUSIVE) else code)
        if not self.control_passed:
            codes.append(self.control.exit_code)
        return worst(codes)


@dataclass(frozen=True, slots=True, kw_only=True)
class MutationRow:
    """One way of falsifying a healthy history; `caught` of `tried` failed by the intended property."""

    mutator: str
    by: str
    tried: int
    caught: int
    missed: tuple[str, ...] = ()  # titles of the histories where it went unseen


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """The whole matrix. A defence that no scenario guards is in `unguarded`."""

    rows: tuple[ProofRow, ...]
    mutations: tuple[MutationRow, ...]
    unguarded: tuple[str, ...]

    @property
    def exit_code(self) -> ExitCode:
        """0 when every alarm is proved and every mutation caught.

        Else 130 when it was interrupted; 1 when an alarm stayed silent where something was to be seen, a
        control failed, or a mutation passed; else what kept the unproved from being tried: 4, 2 or 3.
        """
        troubles = [row.trouble for row in self.rows]
        if any(m.caught != m.tried for m in self.mutations):
            troubles.append(ExitCode.FAIL)
        return worst(troubles)


def prove(
    files: Sequence[ScenarioFile],
    *,
    defences: Sequence[str],
    reports: Path,
    seed: int,
    jobs: int,
    progress: Tell = lambda _: None,
    stop: threading.Event | None = None,
    emulator: EmulatorName = "ministack",
    place: AbstractContextManager[Stage] | None = None,
) -> Proof:
    """Runs each guarded case twice, without its defence and with it, and falsifies what passed.

    `defences` are those to prove (a guard for another one is left out). The runs take place at `place`;
    None: the reference service, in real processes. Raises `UsageError`.
    """
    stop = stop or threading.Event()
    rundir.prepare(reports)
    guarded = [
        (guard, file.case(guard.case))
        for file in files
        for guard in file.base_case().guards
        if guard.defence in defences
    ]
    controls = {case.title: case for _, case in guarded}
    with place or ProcessStage(stop=stop, emulator=emulator) as stage, runners(jobs, stop) as pool:

        def run(case: Scenario, off: tuple[str, ...]) -> RunRecord:
            if stop.is_set():
                return excluded(case, "interrupted before it began", ExitCode.INTERRUPTED)
            record = run_one(
                case, stage=stage, reports=reports, seed=seed, stop=stop,
                defences_off=off, progress=progress, emulator=emulator,
            )  # fmt: skip
            progress(
                Progress(title=case.title, phase="done", note=" without ".join(("", *off)), record=record)
            )
            return record

        # First those that mostly wait for a budget to run out; the others fill the time beside them.
        broken = [pool.submit(run, case, (guard.defence,)) for guard, case in guarded]
        healthy = {title: pool.submit(run, case, ()) for title, case in controls.items()}
        records = [future.result() for future in broken]
        control = {title: future.result() for title, future in healthy.items()}
    rows = tuple(
        _row(guard, case, record, control[case.title])
        for (guard, case), record in zip(guarded, records, strict=True)
    )
    seen = {guard.defence for guard, _ in guarded}
    return Proof(
        rows=rows,
        mutations=falsify(list(control.values()), seed),
        unguarded=tuple(defence for defence in defences if defence not in seen),
    )


def _row(guard: Guard, case: Scenario, record: RunRecord, control: RunRecord) -> ProofRow:
    failed: tuple[str, ...] = ()
    if record.verdict is not None:
        failed = tuple(p.name for p in record.verdict.properties if p.verdict is Verdict.FAIL)
    caught = guard.by in failed
    note = ""
    if not caught:
        note = record.error or record.excluded or f"failed: {', '.join(failed) or 'nothing'}"
    elif control.exit_code is not ExitCode.PASS:
        note = f"with the defence on it did not pass: {control.error or control.exit_code.name.lower()}"
    return ProofRow(
        defence=guard.defence,
        title=case.title,
        by=guard.by,
        caught=caught,
        control_passed=control.exit_code is ExitCode.PASS,
        failed=failed,
        record=record,
        control=control,
        note=note,
    )


def falsify(records: Sequence[RunRecord], seed: int) -> tuple[MutationRow, ...]:
    """Every mutator on the history of every record that passed, where it applies."""
    rows: list[MutationRow] = []
    healthy = [r for r in records if r.exit_code is ExitCode.PASS and r.folder is not None]
    histories = [(r.scenario.title, read_history(r.folder / "history.jsonl")) for r in healthy if r.folder]
    for mutator in MUTATORS:
        tried, missed = 0, []
        for title, history in histories:
            mutated = mutator.apply(history, split(seed, "mutate", mutator.name, title))
            if mutated is None:
                continue
            tried += 1
            verdict = judge(mutated)
            if not any(p.name == mutator.by and p.verdict is Verdict.FAIL for p in verdict.properties):
                missed.append(title)
        row = MutationRow(
            mutator=mutator.name,
            by=mutator.by,
            tried=tried,
            caught=tried - len(missed),
            missed=tuple(missed),
        )
        rows.append(row)
    return tuple(rows)
