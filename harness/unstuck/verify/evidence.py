"""What a run shows of a deploy: which version did what, before and after the schema was changed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unstuck.campaign import RunRecord
from unstuck.checks.port import Verdict
from unstuck.checks.story import FaultStory, Story, seconds
from unstuck.history import read_history
from unstuck.rundir import RunFolder


class Shown:
    """One run, asked. A run that recorded nothing shows nothing."""

    def __init__(self, record: RunRecord) -> None:
        self.record = record
        self.story: Story | None = None
        if record.folder is not None:
            path = RunFolder(path=Path(record.folder)).history
            self.story = Story(read_history(path)) if path.exists() else None
        self.versions = _versions(self.story)

    @property
    def folder(self) -> str | None:
        return None if self.record.folder is None else str(self.record.folder)

    @property
    def passed(self) -> bool:
        verdict = self.record.verdict
        return verdict is not None and verdict.verdict is Verdict.PASS and self.record.error is None

    @property
    def broken(self) -> list[str]:
        """Promises that were broken, in the words of their properties."""
        verdict = self.record.verdict
        results = () if verdict is None else verdict.properties
        return [f"{one.name}: {one.summary}" for one in results if one.verdict is Verdict.FAIL]

    @property
    def problems(self) -> list[str]:
        """What is broken; else why nothing is proved."""
        if self.broken:
            return self.broken
        if self.record.error is not None:
            return [self.record.error]
        return list(self.record.verdict.reasons) if self.record.verdict is not None else ["it did not run"]

    def landed(self, name: str, nth: int = 0) -> Mapping[str, Any] | None:
        """What the nth fault of this name reported when it had landed; None: it has not."""
        faults = [] if self.story is None else list(self.story.faults.values())
        same = [fault for fault in faults if fault.name == name]
        return dict(same[nth].landed[0].data) if nth < len(same) and same[nth].landed else None

    def at_s(self, name: str, nth: int = 0) -> float | None:
        fault = self._fault(name, nth)
        return seconds(fault.landed[0]) if fault is not None and fault.landed else None

    def claims(self, version: str, *, from_s: float = 0.0, until_s: float = float("inf")) -> int:
        """How many jobs processes of a version claimed in that time."""
        jobs = [] if self.story is None else self.story.jobs.values()
        return sum(
            self.versions.get(claim.holder or "") == version and from_s <= claim.at_s < until_s
            for job in jobs
            for claim in job.claims
        )

    def ended_before(self, at_s: float) -> list[str]:
        """Processes that had ended by then."""
        processes = [] if self.story is None else self.story.processes.values()
        return [
            process.name
            for process in processes
            if any(life.exit is not None and seconds(life.exit) < at_s for life in process.lives)
        ]

    @property
    def last_end_s(self) -> float:
        """When the last job ended."""
        jobs = [] if self.story is None else self.story.jobs.values()
        return max((job.terminal_at_s or 0.0 for job in jobs), default=0.0)

    def _fault(self, name: str, nth: int) -> FaultStory | None:
        faults = [] if self.story is None else list(self.story.faults.values())
        same = [fault for fault in faults if fault.name == name]
        return same[nth] if nth < len(same) else None


def _versions(story: Story | None) -> Mapping[str, str]:
    """The version of each process, as it was started."""
    if story is None:
        return {}
    return {
        process.name: str(process.lives[0].begun.data.get("version", ""))
        for process in story.processes.values()
        if process.lives
    }
