"""What the options of a session come to, checked before anything starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar, get_args

import pytest

from unstuck.cli.choosing import ChosenTarget, choose_target
from unstuck.cli.inputs import SEED, jobs_by_default
from unstuck.cli.policy import find_policy, load_policy
from unstuck.errors import UsageError, did_you_mean
from unstuck.worlds.port import WorldName

Word = TypeVar("Word", bound=str)

CASES: Final = ("base", "pairwise", "all")
WORLDS: Final[tuple[WorldName, ...]] = get_args(WorldName)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """How the scenarios of one session are run. `shared_out`: pytest-xdist hands each worker its tests."""

    cases: str
    world: WorldName
    jobs: int
    seed: int
    reports: Path
    shared_out: bool
    target: ChosenTarget


def read_choices(config: pytest.Config) -> Choices:
    """The options, with defaults for what was not said. Raises `UsageError`."""
    world = _word(config, "world", WORLDS)
    host = config.getoption("unstuck_allow_host")
    target = choose_target(
        config.getoption("unstuck_target"), here=config.rootpath, allowed_hosts=[host] if host else ()
    )
    if target.file is not None and world != "processes":
        name = target.file.name
        raise UsageError(f"--unstuck-world={world!r}: the target {name!r} runs as processes only.")
    shared_out = hasattr(config, "workerinput")
    jobs = _whole(config, "jobs", 1)
    # The sim computes all the while, on one processor: side by side it would only take turns.
    by_default = 1 if shared_out or world == "sim" else jobs_by_default()
    reports = config.getoption("unstuck_reports")
    seed = _whole(config, "seed", 0)
    return Choices(
        cases=_word(config, "cases", CASES),
        world=world,
        jobs=1 if shared_out else jobs or by_default,
        seed=SEED if seed is None else seed,
        reports=config.invocation_params.dir / reports if reports else _reports_of(config.rootpath),
        shared_out=shared_out,
        target=target,
    )


def _reports_of(root: Path) -> Path:
    return load_policy(find_policy(root)).reports or root / "reports"


def _word(config: pytest.Config, name: str, known: Sequence[Word]) -> Word:
    value = config.getoption(f"unstuck_{name}")
    if value is None:
        return known[0]
    for word in known:
        if word == value:
            return word
    raise UsageError(f"--unstuck-{name}={value!r} is unknown.{did_you_mean(value, known)}")


def _whole(config: pytest.Config, name: str, minimum: int) -> int | None:
    value = config.getoption(f"unstuck_{name}")
    if value is None:
        return None
    if not value.isdecimal() or int(value) < minimum:
        raise UsageError(f"--unstuck-{name}={value!r} must be a whole number, {minimum} or more.")
    return int(value)
