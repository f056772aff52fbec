"""What runs stand on: their threads, and the limits that are looked at before the first begins."""

from __future__ import annotations

import threading

import pytest

import unstuck.campaign as module
from unstuck.campaign import runners
from unstuck.errors import UsageError
from unstuck.runner.engine import Engine


def test_leaving_early_stops_what_runs_and_drops_what_waits() -> None:
    """A bug of ours, or Ctrl-C without a handler: nothing goes on behind the caller's back."""
    stop = threading.Event()
    began: list[int] = []

    def run(number: int) -> None:
        began.append(number)
        assert stop.wait(5)

    def campaign() -> None:
        with runners(1, stop) as pool:
            for number in range(5):
                pool.submit(run, number)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        campaign()
    assert stop.is_set()
    assert len(began) <= 1


def test_a_low_limit_of_open_files_is_told_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stage of processes asks for it when it opens: no run has begun that could be blamed."""

    def too_low() -> None:
        raise UsageError("open files: too low")

    monkeypatch.setattr(module, "raise_open_files", too_low)
    with (
        pytest.raises(UsageError, match="open files"),
        module.ProcessStage(stop=threading.Event()),
    ):
        pytest.fail("it has opened")


def test_an_engine_is_what_is_woken() -> None:
    """The fake stands for the real one."""
    assert callable(Engine.wake)
