"""`unstuck prove`: with a defence off, the scenario that guards it must fail, and as it claims."""

from __future__ import annotations

import argparse
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from unstuck import __version__, rundir
from unstuck.catalogue import Catalogue
from unstuck.cli.carry_out import Reporter, keep
from unstuck.cli.choosing import choose_target, stage_of
from unstuck.cli.console import show
from unstuck.cli.environment import shut_out
from unstuck.cli.inputs import (
    SEED,
    Named,
    check_defences,
    find_scenarios,
    jobs_by_default,
    load_all,
    reference_packages,
    reports_folder,
)
from unstuck.cli.interrupt import stopping
from unstuck.cli.progress import ProgressScreen
from unstuck.clock import monotonic_ns, utc_date
from unstuck.errors import ExitCode, UsageError
from unstuck.report.group import Group, ProofLine
from unstuck.report.publish import shown
from unstuck.report.sheet import Span
from unstuck.report.text_proof import proof_sheet
from unstuck.scenario_file import ScenarioFile

if TYPE_CHECKING:
    from unstuck.prove.matrix import Proof


def execute(chosen: argparse.Namespace) -> ExitCode:
    """Proves, reports, and returns 0 when every alarm sounded."""
    shut_out()
    with reference_packages():
        from unstuck.prove.matrix import prove  # noqa: PLC0415  heavy, and an extra may be missing

    target = choose_target(chosen.target, chosen.configuration, allowed_hosts=chosen.allow_host)
    catalogue = target.catalogue()
    files = _files(chosen.files, catalogue, target.scenarios())
    defences = check_defences(chosen.defence, catalogue) or tuple(sorted(catalogue.defences))
    guarded = {
        (guard.defence, file.case(guard.case).title) for file in files for guard in file.base_case().guards
    }
    asked = {(defence, title) for defence, title in guarded if defence in defences}
    if not asked:
        raise UsageError(
            f"no scenario here guards {', '.join(defences)}. `unstuck scenarios list` shows who does."
        )
    reports, seed = reports_folder(chosen.reports), SEED if chosen.seed is None else chosen.seed
    rundir.prepare(reports)
    stop, started_ns = threading.Event(), monotonic_ns()
    folder = rundir.create_group(reports, "prove")
    try:
        with ProgressScreen(len(asked) + len({title for _, title in asked})) as screen, stopping(stop):
            reporter = Reporter(folder.path, screen, title=lambda step: f"{step.title}{step.note}")
            proof = prove(
                files,
                defences=defences,
                reports=folder.path,
                seed=seed,
                jobs=chosen.jobs or jobs_by_default(),
                progress=reporter.hear,
                stop=stop,
                emulator=chosen.emulator,
                place=stage_of(target, stop=stop, seed=seed, emulator=chosen.emulator),
            )
    except BaseException:
        with suppress(OSError):
            folder.path.rmdir()  # only if it is empty
        raise
    group = _group(proof, reporter, folder, seed, started_ns, interrupted=stop.is_set())
    group = keep(group, reports, folder, reporter.troubles)
    unguarded = sorted(proof.unguarded) if not chosen.files else []
    sheet = proof_sheet(list(group.defences), list(group.falsified), unguarded, group.folder, seed)
    for note in group.notes:
        sheet.paragraph(note, first=Span("note: ", "yellow"))
    show(sheet)
    return group.exit_code


def _group(
    proof: Proof,
    reporter: Reporter,
    folder: rundir.GroupFolder,
    seed: int,
    started_ns: int,
    *,
    interrupted: bool,
) -> Group:
    records = [record for row in proof.rows for record in (row.control, row.record)]
    return Group(
        name="prove",
        lines=tuple(reporter.line_of(record) for record in {id(one): one for one in records}.values()),
        seed=seed,
        version=__version__,
        date=utc_date().isoformat(timespec="seconds"),
        duration_s=(monotonic_ns() - started_ns) / 1e9,
        folder=shown(folder.path),
        interrupted=interrupted,
        decided=proof.exit_code,
        defences=tuple(_defences(proof)),
        falsified=tuple(_mutations(proof)),
    )


def _files(words: list[str], catalogue: Catalogue, known: Mapping[str, Path]) -> list[ScenarioFile]:
    named = (
        find_scenarios(words, known=known)
        if words
        else [Named(path=path, selection={}) for path in known.values()]
    )
    return list(load_all(named, catalogue).values())


def _defences(proof: Proof) -> list[ProofLine]:
    return [
        ProofLine(
            subject=row.defence,
            where=row.title,
            by=row.by,
            proved=row.proved,
            note=row.note,
            replay=_replay(row.record.folder),
        )
        for row in proof.rows
    ]


def _mutations(proof: Proof) -> list[ProofLine]:
    return [
        ProofLine(
            subject=row.mutator,
            where=f"{row.caught} of {'1 history' if row.tried == 1 else f'{row.tried} histories'}",
            by=row.by,
            proved=row.caught == row.tried,
            tried=row.tried > 0,
            note=f"unseen in {', '.join(row.missed)}" if row.missed else "",
        )
        for row in proof.mutations
    ]


def _replay(folder: Path | None) -> str | None:
    return f"unstuck replay {shown(folder)}" if folder is not None else None
