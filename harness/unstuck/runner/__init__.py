"""Runs one case of a scenario on a world against a target, and leaves a history."""

from __future__ import annotations

from unstuck.runner.run import RunRequest, run_scenario

__all__ = ["RunRequest", "run_scenario"]
