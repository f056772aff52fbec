"""What `[tool.unstuck]` in pyproject.toml says, checked whole before anything starts."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from unstuck.cases import matches
from unstuck.errors import UsageError, did_you_mean
from unstuck.rundir import disk
from unstuck.scenario import Scenario

CASES_MAX: Final = 40
LARGEST: Final = sys.float_info.max  # TOML has whole numbers that no float can hold


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusion:
    """Cases that the gate leaves out: of `scenario`, those whose case has all values of `case`."""

    scenario: str
    reason: str
    case: Mapping[str, Any] = field(default_factory=dict)

    def covers(self, scenario: Scenario) -> bool:
        return scenario.name == self.scenario and matches(scenario.case, self.case)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Which cases a gate runs and how. None: not said. `files` empty: the bundled ones, but no incident's."""

    files: tuple[str, ...] = ()
    exclude: tuple[Exclusion, ...] = ()
    cases_max: int = CASES_MAX
    time_budget_s: float | None = None
    jobs: int | None = None
    seed: int | None = None
    reports: Path | None = None
    baseline: Path | None = None
    source: Path | None = None  # paths in the policy are relative to its folder


def find_policy(start: Path) -> Path | None:
    """The nearest pyproject.toml, here or above, that has a [tool.unstuck]; None when there is none.

    Raises `UsageError` for one that cannot be read or parsed.
    """
    for folder in (start, *start.parents):
        path = folder / "pyproject.toml"
        if path.is_file():
            tool = _read(path).get("tool")
            if isinstance(tool, dict) and "unstuck" in tool:
                return path
    return None


def load_policy(path: Path | None) -> Policy:
    """Reads and checks [tool.unstuck]; with None, the defaults. Raises `UsageError` with file and key."""
    if path is None:
        return Policy()
    tool = _read(path).get("tool", {})
    table = tool.get("unstuck", {}) if isinstance(tool, dict) else {}
    whole = _Table(path, "tool.unstuck", table, {"reports", "gate", "baseline", "target"})
    gate = _Table(
        path,
        "tool.unstuck.gate",
        whole.get("gate", dict, {}),
        {"files", "exclude", "cases_max", "time_budget_s", "jobs", "seed"},
    )
    reports, baseline = whole.text("reports"), whole.text("baseline")
    budget_s = gate.number("time_budget_s")
    return Policy(
        files=gate.texts("files"),
        exclude=tuple(_exclusion(path, nth, row) for nth, row in enumerate(gate.get("exclude", list, []))),
        cases_max=gate.whole("cases_max", 1) or CASES_MAX,
        time_budget_s=budget_s,
        jobs=gate.whole("jobs", 1),
        seed=gate.whole("seed", 0),
        reports=path.parent / reports if reports else None,
        baseline=path.parent / baseline if baseline else None,
        source=path,
    )


def policy_target(path: Path | None) -> str | None:
    """The target that a project's [tool.unstuck] names: a path, a ready-made one, or the file itself.

    Raises `UsageError` for a `target` that is neither text nor a table.
    """
    if path is None:
        return None
    tool = _read(path).get("tool", {})
    table = tool.get("unstuck", {}) if isinstance(tool, dict) else {}
    target = table.get("target") if isinstance(table, dict) else None
    if target is None:
        return None
    if isinstance(target, dict):
        return str(path)
    if not isinstance(target, str) or not target:
        raise UsageError(f"{path}: [tool.unstuck] target={target!r} must be text, or a table.")
    beside = path.parent / target
    return str(beside) if beside.exists() else target


def override(policy: Policy, **flags: Any) -> Policy:
    """The policy with what the command line said; None there leaves it as it is."""
    return replace(policy, **{name: value for name, value in flags.items() if value is not None})


def _exclusion(path: Path, nth: int, row: Any) -> Exclusion:
    table = _Table(path, f"tool.unstuck.gate.exclude[{nth}]", row, {"scenario", "case", "reason"})
    scenario, reason = table.text("scenario"), table.text("reason")
    if not scenario:
        raise table.wrong("scenario", scenario, "must be the name of a scenario")
    if not reason or not reason.strip():
        raise table.wrong("reason", reason, "must say why: whoever reads the gate's screen sees it")
    return Exclusion(scenario=scenario, reason=reason.strip(), case=table.get("case", dict, {}))


@dataclass(frozen=True, slots=True)
class _Table:
    """One table of the file; every look into it checks, and every complaint says where."""

    path: Path
    name: str
    values: Any
    known: set[str]

    def __post_init__(self) -> None:
        if not isinstance(self.values, dict):
            raise UsageError(f"{self.path}: {self.name}={self.values!r} must be a table.")
        for key in self.values:
            if key not in self.known:
                raise UsageError(
                    f"{self.path}: [{self.name}] has no key {key!r}.{did_you_mean(key, self.known)}"
                )

    def wrong(self, key: str, value: Any, rule: str) -> UsageError:
        return UsageError(f"{self.path}: [{self.name}] {key}={value!r} {rule}.")

    def get(self, key: str, kind: type, default: Any) -> Any:
        value = self.values.get(key, default)
        if not isinstance(value, kind):
            raise self.wrong(key, value, "must be a table" if kind is dict else "must be an array")
        return value

    def text(self, key: str) -> str | None:
        value = self.values.get(key)
        if value is not None and (not isinstance(value, str) or not value):
            raise self.wrong(key, value, "must be text")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        values = self.get(key, list, [])
        if key in self.values and not values:
            raise self.wrong(key, values, "must name something, or be left out")
        for value in values:
            if not isinstance(value, str) or not value:
                raise self.wrong(key, value, "must be an array of text")
        return tuple(values)

    def whole(self, key: str, minimum: int) -> int | None:
        value = self.values.get(key)
        if value is not None and (type(value) is not int or value < minimum):
            raise self.wrong(key, value, f"must be a whole number, {minimum} or more")
        return value

    def number(self, key: str) -> float | None:
        value = self.values.get(key)
        if value is None:
            return None
        if type(value) not in (int, float) or not 0 < value <= LARGEST:
            raise self.wrong(key, value, "must be a number of seconds, more than 0")
        return float(value)


def _read(path: Path) -> dict[str, Any]:
    try:
        with disk(path, doing="read", advice="Choose another with --policy FILE."):
            return tomllib.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # of TOML and of UTF-8
        raise UsageError(
            f"{path}: is not TOML ({error}). Mend it, or choose another with --policy FILE."
        ) from None
