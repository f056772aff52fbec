"""What a fault may ask of the run, where the answer depends on what other faults did."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from unstuck.errors import TargetError
from unstuck.faults.port import Missed, Occasion
from unstuck.runner.hand import RunnerHand


def hand(error: str, *signalled: str) -> RunnerHand:
    """Of a run that signalled these, and whose next process does not start."""

    def start_like(_: str, *, version: str | None) -> str:
        raise TargetError(error)

    engine = SimpleNamespace(
        world=None, scheduler=None, start_like=start_like, until=lambda *_: True,
        live=SimpleNamespace(signalled=set(signalled)),
    )  # fmt: skip
    return RunnerHand(cast("Any", engine), 0, cast("Occasion", None), None, then=None)


def test_a_successor_that_another_fault_hit_is_a_miss() -> None:
    """It is gone unready, and that is nobody's failure."""
    with pytest.raises(Missed, match="worker-2 was hit by another fault"):
        hand("process 'worker-2' (role 'worker'): died by SIGKILL", "worker-2").replace("worker-1")


def test_a_successor_that_dies_by_itself_is_told_as_it_is() -> None:
    """Though its log ends with the name of the one that it was to replace."""
    error = "process 'worker-2' (role 'worker'): died with code 1. Its log ends: KeyError: 'worker-1'"
    with pytest.raises(TargetError, match="died with code 1"):
        hand(error, "worker-1").replace("worker-1")
