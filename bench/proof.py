"""`python -m bench proof`: each defence switched off, and its page made of what `unstuck prove` recorded.

Without `--from` it runs `unstuck prove` (or, with `--defence`, that part of it). With `--write` the rows are
kept in docs/proof.json, and docs/proof.md is made of them; of what was not proved this time, the last row
stays. `--stale` lists the rows whose scenario or defence has changed since their commit. Exit 1 when an
alarm stayed silent, or a row is stale.
"""

# ruff: noqa: T201  its output is what it is for

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

from bench.claims.page import cell
from bench.claims.runs import ROOT
from bench.commit import measured_at, stale
from bench.guarded import code_of, scenario_file
from unstuck.cli.inputs import bundled, incident_of
from unstuck.scenario_file import load
from unstuck.targets.reference.names import catalogue

PAGE: Final = ROOT / "docs/proof.md"
KEPT: Final = ROOT / "docs/proof.json"
JUDGED: Final = (0, 1, 3)
HEAD: Final = """\
# Proof that the alarms sound

Green says something only if red is possible. So each [defence](reference-service.md#defences) is switched off
in turn: the case of the scenario that guards it has to fail, by the property that it names (*caught*), and
the same case has to pass with every defence on. Both were seen on real processes, once each, on the day and
at the commit that the row names; scenarios of [incidents](incidents/README.md) stand below the others.

Made by `python -m bench proof --write`; `unstuck prove` shows the same, with the reports of each run.
`python -m bench proof --stale` lists the rows whose scenario or defence has changed since their commit.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One guard, and what became of it. `caught`: without the defence the property that it names failed, and
    with it the case passed. `control`: the verdict with every defence on. `commit`: empty in rows from before
    it was recorded."""

    defence: str
    case: str  # a title: `sigterm-mid-job[grace_s=0,…]`
    by: str
    caught: bool
    control: str
    date: str
    commit: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        return self.defence, self.case, self.by


def main(argv: Sequence[str]) -> int:
    """0 when every alarm that was tried sounded."""
    chosen = _parser().parse_args(argv)
    if chosen.page:
        _keep(read())
        return 0
    if chosen.stale:
        return tell_stale(read())
    if chosen.source is not None:
        group = json.loads((chosen.source / "group.json").read_text(encoding="utf-8"))
        rows = list(rows_of(group, measured_at()))
    else:
        rows = _proved(chosen.defence or [], chosen.jobs)
    for row in rows:
        print(f"{'caught' if row.caught else 'MISSED':7} {row.defence:28} {row.by:24} {row.case}")
    if chosen.write:
        _keep([*read(), *rows])
    return 0 if rows and all(row.caught and row.control == "pass" for row in rows) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench proof", description=__doc__)
    parser.add_argument("--defence", action="append", help="only these")
    parser.add_argument("--jobs", type=int, default=2, help="runs side by side")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--write", action="store_true", help="keep the rows, and make the page anew")
    how.add_argument("--page", action="store_true", help="prove nothing: make the page anew of what is kept")
    how.add_argument("--stale", action="store_true", help="list the rows whose files have changed since")
    parser.add_argument(
        "--from", dest="source", type=Path, metavar="DIR", help="the folder of a proof that was made already"
    )
    return parser


def _proved(defences: Sequence[str], jobs: int) -> list[Row]:
    words = [sys.executable, "-m", "unstuck", "prove", "--jobs", str(jobs)]
    words += [word for name in defences for word in ("--defence", name)]
    with tempfile.TemporaryDirectory(prefix="unstuck-proof-") as folder:
        done = subprocess.run([*words, "--reports", folder], cwd=ROOT, check=False, stdin=subprocess.DEVNULL)
        if done.returncode not in JUDGED:
            sys.exit(f"unstuck prove: exit code {done.returncode}")
        [path] = {path.resolve() for path in Path(folder).rglob("group.json")}
        return list(rows_of(json.loads(path.read_text(encoding="utf-8")), measured_at()))


def rows_of(group: Mapping[str, Any], commit: str) -> Iterator[Row]:
    """Of the `group.json` of a proof. The control of a row is the run that has its title and no more."""
    verdicts = {run["title"]: run["verdict"] for run in group["runs"]}
    for line in group["proof"]["defences"]:
        control = verdicts.get(line["where"], "not run")
        yield Row(
            defence=line["subject"],
            case=line["where"],
            by=line["by"],
            caught=line["proved"] and control == "pass",
            control=control,
            date=str(group["date"])[:10],
            commit=commit,
        )


def tell_stale(rows: Sequence[Row]) -> int:
    """Names each row that may not be true any more; 1 when there is one."""
    worst = 0
    for row in rows:
        files = [scenario_file(row.case.partition("[")[0]), *code_of([row.defence])]
        why = stale(row.commit, files)
        if why is not None:
            print(f"{row.defence:28} {row.case}: {why}")
            worst = 1
    return worst


def guards() -> list[tuple[str, str, str]]:
    """(defence, case, property) of every guard of a bundled scenario; those of incidents last."""
    names = catalogue()
    found = []
    for path in sorted(bundled().values(), key=lambda path: (incident_of(path) or "", path)):
        file = load(path, names)
        found += [(one.defence, file.case(one.case).title, one.by) for one in file.base_case().guards]
    return found


def read() -> list[Row]:
    """What was proved so far."""
    if not KEPT.exists():
        return []
    names = [one.name for one in fields(Row)]
    return [
        Row(**{name: row.get(name, "") for name in names})
        for row in json.loads(KEPT.read_text(encoding="utf-8"))
    ]


def _keep(rows: Sequence[Row]) -> None:
    """The newest of each guard that there is, and the page of them."""
    newest = {row.key: row for row in rows}
    kept = [newest[key] for key in guards() if key in newest]
    KEPT.write_text(json.dumps([asdict(row) for row in kept], indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page(kept, guards()), encoding="utf-8")


def page(rows: Sequence[Row], claimed: Sequence[tuple[str, str, str]]) -> str:
    """The whole page: a row for each guard, whether or not it was tried."""
    known = {row.key: row for row in rows}
    told = [known.get(key) for key in claimed]
    caught = sum(row is not None and row.caught and row.control == "pass" for row in told)
    parts = [HEAD]
    defences = len({defence for defence, _, _ in claimed})
    parts.append(f"{caught} of {len(claimed)} guards of {defences} defences proved.\n")
    parts.append("| defence off | case | has to fail | without it | with every defence | seen | commit |")
    parts.append("|---|---|---|---|---|---|---|")
    for (defence, case, by), row in zip(claimed, told, strict=True):
        seen = ("not tried yet", "-", "-", "-") if row is None else _told(row)
        parts.append("| " + " | ".join((f"`{defence}`", f"`{case}`", f"`{by}`", *seen)) + " |")
    return "\n".join(parts) + "\n"


def _told(row: Row) -> tuple[str, str, str, str]:
    return ("caught" if row.caught else "**missed**", row.control, row.date, cell(row.commit))
