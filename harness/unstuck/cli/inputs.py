"""From what a user typed to scenarios: bundled names, files, folders, cases."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import unstuck
from unstuck.cases import Case, matches, parse_selection
from unstuck.catalogue import Catalogue
from unstuck.cli.policy import find_policy, load_policy
from unstuck.errors import UsageError, did_you_mean
from unstuck.rundir import disk
from unstuck.scenario import Scenario
from unstuck.scenario_file import ScenarioFile, load

SEED: Final = 1
INCIDENTS: Final = "incidents"  # the folder of those scenarios that the default gate leaves out
JOBS_MAX: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A scenario file, and the case that its name selected (`name[k=v]`); empty: none."""

    path: Path
    selection: Case


def bundled_folder() -> Path:
    """Where the scenarios are that come with Unstuck: in the wheel, or at the top of a checkout."""
    package = Path(unstuck.__file__).parent
    inside = package / "scenarios"
    folder = inside if inside.is_dir() else package.parents[1] / "scenarios"
    return folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder


def bundled() -> dict[str, Path]:
    """Every bundled scenario by name: those of every day, then those of incidents, each by their paths."""
    paths = sorted(bundled_folder().rglob("*.yaml"), key=lambda path: (incident_of(path) or "", path))
    return {path.stem: path for path in paths}


def incident_of(path: Path) -> str | None:
    """The incident whose folder a bundled scenario lies in (`incidents/<incident>/<name>.yaml`); None: none.

    Such a scenario is run when it is named, and counts in `prove`; the default gate stays fast without it.
    """
    folder = path.absolute().parent
    return folder.name if folder.parent == (bundled_folder() / INCIDENTS).absolute() else None


def find_scenarios(
    words: Sequence[str], *, base: Path | None = None, known: Mapping[str, Path] | None = None
) -> list[Named]:
    """What the words mean: a file, a folder of `*.yaml`, a glob, or the name of a bundled scenario.

    `known`: those that can be named, by name (None: the bundled ones of the reference service). Paths are
    relative to `base` (default: the current folder). Each file occurs once for each selection. Raises
    `UsageError`.
    """
    base = base or Path()
    found: list[Named] = []
    for word in words:  # a name may be too long for a file system, or lie behind a folder that is closed
        with disk(base / word, doing="read", advice="Give a scenario, or a folder of scenarios."):
            found += _find(word, base, bundled() if known is None else known)
    once: list[Named] = []
    for named in found:
        if named not in once:
            once.append(named)
    return once


def choose_cases(
    file: ScenarioFile, selections: Sequence[Case], *, pairwise: bool = False, everything: bool = False
) -> list[Scenario]:
    """The cases that are asked for: of each selection its first, or all that match it.

    Raises `ScenarioError` when a selection has no case.
    """
    chosen: list[Scenario] = []
    for selection in selections or ({},):
        if pairwise or everything:
            file.case(selection)  # complains, with what is known, when there is none
            cases = file.all_cases() if everything else file.pairwise_cases()
            chosen += [case for case in cases if matches(case.case, selection)]
        else:
            chosen.append(file.case(selection))
    return list({case.title: case for case in chosen}.values())


def load_all(named: Sequence[Named], catalogue: Catalogue) -> dict[Path, ScenarioFile]:
    """Every file, loaded and validated once. Raises `ScenarioError`, or `UsageError` for a name twice."""
    files = {one.path: load(one.path, catalogue) for one in named}
    names: dict[str, Path] = {}
    for path, file in files.items():
        other = names.setdefault(file.name, path)
        if other != path:
            raise UsageError(f"{path}: name={file.name!r} is also that of {other}. Rename one of them.")
    return files


def parse_selections(texts: Sequence[str]) -> list[Case]:
    """The values of `--case`. Raises `UsageError`."""
    for text in texts:
        if not text.strip(" ,"):
            raise UsageError(f"--case {text!r} chooses nothing. Write name=value, or leave it out.")
    return [parse_selection(text) for text in texts]


def check_defences(names: Sequence[str], catalogue: Catalogue) -> tuple[str, ...]:
    """The names as given, once each. Raises `UsageError` for one that the target does not have."""
    for name in names:
        if name not in catalogue.defences:
            raise UsageError(
                f"defence {name!r} is not a defence of this target.{did_you_mean(name, catalogue.defences)}"
            )
    return tuple(dict.fromkeys(names))


def jobs_by_default() -> int:
    """Two runs for each processor that we may use, at most four: a run waits half of its time."""
    try:
        count = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS
        count = os.cpu_count() or 1
    return max(1, min(JOBS_MAX, count * 2))


def reports_folder(given: Path | None) -> Path:
    """`--reports`, else `reports` of the nearest [tool.unstuck], else reports/. Raises `UsageError`."""
    if given is not None:
        return given
    return load_policy(find_policy(Path.cwd())).reports or Path("reports")


@contextmanager
def reference_packages() -> Iterator[None]:
    """Within: a package that the bundled service needs and that is not installed is a `UsageError`."""
    try:
        yield
    except ModuleNotFoundError as error:
        name = error.name or "?"
        if name.split(".")[0] in ("unstuck", "reference_service"):
            raise
        raise UsageError(
            f"the package {name!r} is missing, which the bundled reference service needs. "
            "Install it: pip install 'unstuck[reference]'."
        ) from None


def target_catalogue() -> Catalogue:
    """What scenarios for the bundled service may name. Raises `UsageError` when it is not installed."""
    with reference_packages():
        from unstuck.targets.reference import catalogue  # noqa: PLC0415  an extra may be missing

        return catalogue()


def _find(word: str, base: Path, known: Mapping[str, Path]) -> Iterator[Named]:
    if not word:
        raise UsageError("a scenario's name is empty. `unstuck scenarios list` shows those that are bundled.")
    path = base / word
    if path.is_file():
        yield Named(path=path, selection={})
    elif path.is_dir():
        inside = sorted(path.glob("*.yaml"))
        if not inside:
            raise UsageError(f"{word}: holds no *.yaml. Give a scenario, or a folder of scenarios.")
        yield from (Named(path=one, selection={}) for one in inside)
    else:
        yield from _named_or_glob(word, base, known)


def _named_or_glob(word: str, base: Path, known: Mapping[str, Path]) -> Iterator[Named]:
    name, bracket, case = word.partition("[")
    if name in known and (not bracket or case.endswith("]")):
        yield Named(path=known[name], selection=parse_selection(case.removesuffix("]")))
        return
    file = base / name
    if bracket and case.endswith("]") and file.is_file():
        yield Named(path=file, selection=parse_selection(case.removesuffix("]")))
        return
    matching = _glob(word, base) if any(char in word for char in "*?") else []
    if not matching:
        kind = "file" if "/" in word or word.endswith((".yaml", ".yml")) else "scenario"
        near = did_you_mean(Path(name).stem, known)
        hint = near if "Did you mean" in near else " See `unstuck scenarios list`."  # not all of their names
        raise UsageError(f"{word}: no such {kind}.{hint}")
    yield from (Named(path=one, selection={}) for one in matching if one.is_file())


def _glob(word: str, base: Path) -> list[Path]:
    if Path(word).is_absolute():
        return []
    try:
        return sorted(base.glob(word))
    except ValueError as error:  # before Python 3.13, for `a**`
        raise UsageError(f"{word}: is no pattern ({error}). Give a scenario, or a folder of them.") from None
