"""The rows of a campaign in a file, one a line as soon as its run has ended: what an interruption leaves."""

from __future__ import annotations

import json
import threading
from dataclasses import asdict
from pathlib import Path

from bench.campaign.rows import RunRow, run_row
from unstuck.errors import UsageError


class Journal:
    """Appends rows to a file, and knows those that are there. Safe to use from several threads."""

    def __init__(self, path: Path, *, seed: int, world: str, commit: str) -> None:
        """Goes on with the file when it is of the same campaign. Raises `UsageError` when it is not."""
        self._path = path
        self._lock = threading.Lock()
        self.rows: list[RunRow] = []
        about = {"seed": seed, "world": world, "commit": commit}
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        if not lines:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(about) + "\n", encoding="utf-8")
        else:
            self._go_on(lines, about)

    @property
    def names(self) -> frozenset[str]:
        """Scenarios that have been run."""
        return frozenset(row.name for row in self.rows)

    @property
    def valid(self) -> int:
        """Jobs so far whose end says something of the service."""
        return sum(row.valid for row in self.rows)

    def add(self, row: RunRow) -> None:
        with self._lock:
            self.rows.append(row)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(row)) + "\n")

    def _go_on(self, lines: list[str], about: dict[str, object]) -> None:
        try:
            head = json.loads(lines[0])
        except ValueError:
            head = None
        if head != about:
            raise UsageError(
                f"{self._path}: is the journal of another campaign ({lines[0]}), and this one is "
                f"{json.dumps(about)}. Finish that one, or choose another file with --journal FILE."
            )
        for number, line in enumerate(lines[1:], 2):
            try:
                self.rows.append(run_row(json.loads(line)))
            except (ValueError, TypeError, KeyError) as error:
                if number == len(lines):  # cut off while it was being written: run again
                    self._path.write_text("\n".join(lines[:-1]) + "\n", encoding="utf-8")
                    return
                raise UsageError(
                    f"{self._path}:{number}: no row of a campaign ({error}). Remove the line."
                ) from None
