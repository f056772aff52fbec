"""A proof tells a silent alarm from a run that never was."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import pytest

import unstuck.prove.matrix as module
from tests.unit.runner.stage import scenario
from unstuck.campaign import Progress, RunRecord
from unstuck.checks.port import PropertyResult, Verdict
from unstuck.checks.verdict import RunVerdict
from unstuck.errors import ExitCode
from unstuck.prove.matrix import MutationRow, Proof, ProofRow, prove
from unstuck.scenario import Guard, Scenario
from unstuck.scenario_file import ScenarioFile

PASSED = RunVerdict(verdict=Verdict.PASS, reasons=(), properties=(), faults=(), jobs=())


def failed(*names: str) -> RunVerdict:
    broken = tuple(
        PropertyResult(name=name, verdict=Verdict.FAIL, judged=1, summary="broken") for name in names
    )
    return replace(PASSED, verdict=Verdict.FAIL, properties=broken)


def record(
    verdict: RunVerdict | None, exit_code: ExitCode | None = None, error: str | None = None
) -> RunRecord:
    code = exit_code if verdict is None or exit_code is not None else verdict.exit_code
    return RunRecord(
        scenario=scenario(),
        verdict=verdict,
        error=error,
        exit_code=code or ExitCode.PASS,
        folder=None,
        duration_s=0.0,
    )


class File:
    """Stands for a loaded scenario file of one case."""

    def __init__(self, *guards: Guard) -> None:
        self._case = replace(scenario(), guards=guards)

    def base_case(self) -> Scenario:
        return self._case

    def case(self, _: object) -> Scenario:
        return self._case


class Bench:
    def __init__(self, reports: Path) -> None:
        self.reports = reports
        self.control = record(PASSED)
        self.broken: dict[str, RunRecord] = {}
        self.ran: list[tuple[str, ...]] = []
        self.told: list[Progress] = []
        self.stop = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to close."""

    def run_one(self, _: Scenario, *, defences_off: tuple[str, ...], **__: Any) -> RunRecord:
        self.ran.append(defences_off)
        return self.broken[defences_off[0]] if defences_off else self.control

    def prove(self, *guards: Guard, defences: tuple[str, ...] = ("fencing",)) -> Proof:
        files: list[Any] = [File(*guards)]
        checked: list[ScenarioFile] = files
        return prove(
            checked, defences=defences, reports=self.reports, seed=1, jobs=2, progress=self.told.append,
            stop=self.stop,
        )  # fmt: skip


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    made = Bench(tmp_path)
    monkeypatch.setattr(module, "ProcessStage", lambda **_: made)
    monkeypatch.setattr(module, "run_one", made.run_one)
    return made


FENCING = Guard(defence="fencing", by="legal_transitions")


def test_an_alarm_is_proved_when_it_sounds_without_and_is_silent_with(bench: Bench) -> None:
    """Both runs, each told; the intended property is among those that failed."""
    bench.broken["fencing"] = record(failed("legal_transitions", "effects"))
    proof = bench.prove(FENCING, Guard(defence="outbox", by="effects"), defences=("fencing", "nobody_s"))
    [row] = proof.rows
    assert row.proved
    assert row.failed == ("legal_transitions", "effects")
    assert proof.exit_code is ExitCode.PASS
    assert proof.unguarded == ("nobody_s",)
    assert sorted(bench.ran) == [(), ("fencing",)]
    assert sorted(step.note for step in bench.told) == ["", " without fencing"]


@pytest.mark.parametrize(
    ("broken", "control", "exit_code", "note"),
    [
        (record(PASSED), record(PASSED), ExitCode.FAIL, "failed: nothing"),
        (record(failed("effects")), record(PASSED), ExitCode.FAIL, "failed: effects"),
        (
            record(failed("legal_transitions")),
            record(failed("effects")),
            ExitCode.FAIL,
            "with the defence on it did not pass: fail",
        ),
        (
            record(None, ExitCode.HARNESS, "links: gone"),
            record(PASSED),
            ExitCode.HARNESS,
            "links: gone",
        ),
        (record(None, ExitCode.USAGE, "needs links"), record(PASSED), ExitCode.USAGE, "needs links"),
        (
            record(failed("legal_transitions")),
            record(None, ExitCode.HARNESS, "links: gone"),
            ExitCode.HARNESS,
            "with the defence on it did not pass: links: gone",
        ),
        (
            record(failed("legal_transitions")),
            record(replace(PASSED, verdict=Verdict.INCONCLUSIVE)),
            ExitCode.INCONCLUSIVE,
            "with the defence on it did not pass: inconclusive",
        ),
        (
            record(replace(PASSED, verdict=Verdict.INCONCLUSIVE)),
            record(PASSED),
            ExitCode.FAIL,
            "failed: nothing",
        ),
    ],
)
def test_an_unproved_alarm_says_what_kept_it(
    bench: Bench, broken: RunRecord, control: RunRecord, exit_code: ExitCode, note: str
) -> None:
    """Silence is a failure; a harness error, or a missing ability, proves nothing against the alarm."""
    bench.broken["fencing"], bench.control = broken, control
    proof = bench.prove(FENCING)
    assert not proof.rows[0].proved
    assert (proof.exit_code, proof.rows[0].note) == (exit_code, note)


def test_an_interrupted_proof_begins_nothing_new(bench: Bench) -> None:
    """Neither does it say that an alarm was silent."""
    bench.stop.set()
    proof = bench.prove(FENCING)
    assert bench.ran == []
    assert proof.exit_code is ExitCode.INTERRUPTED
    assert proof.rows[0].note == "interrupted before it began"


@pytest.mark.parametrize(("caught", "exit_code"), [(2, ExitCode.PASS), (1, ExitCode.FAIL)])
def test_a_falsified_history_that_passes_is_a_failure(caught: int, exit_code: ExitCode) -> None:
    """The checks let something through."""
    row = MutationRow(mutator="drop a job", by="no_job_lost", tried=2, caught=caught)
    assert Proof(rows=(), mutations=(row,), unguarded=()).exit_code is exit_code


def test_the_gravest_trouble_of_several_rows_counts() -> None:
    """A silent alarm beats a harness error."""

    def row(broken: RunRecord) -> ProofRow:
        return ProofRow(
            defence="d", title="t", by="b", caught=False, control_passed=True, failed=(), record=broken,
            control=record(PASSED), note="",
        )  # fmt: skip

    rows = (row(record(None, ExitCode.HARNESS)), row(record(PASSED)))
    assert Proof(rows=rows, mutations=(), unguarded=()).exit_code is ExitCode.FAIL
    assert Proof(rows=rows[:1], mutations=(), unguarded=()).exit_code is ExitCode.HARNESS
