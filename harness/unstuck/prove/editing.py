"""Makes a changed copy of a history: events replaced, left out, and added, then numbered anew."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from unstuck.checks.story import JobStory, Move, Story
from unstuck.history import Event, History


class Edit:
    """Collects changes by the numbers that events have in `history`, and applies them at once."""

    def __init__(self, history: History) -> None:
        self.story = Story(history)
        self.events = history.events
        self._replaced: dict[int, Event] = {}
        self._left_out: set[int] = set()
        self._added: dict[int, list[Event]] = defaultdict(list)

    def change(self, number: int, *, at_ns: int | None = None, **data: Any) -> None:
        """Changes some of what an event carries."""
        event = self._replaced.get(number, self.events[number])
        at_ns = event.at_ns if at_ns is None else at_ns
        self._replaced[number] = event._replace(at_ns=at_ns, data={**event.data, **data})

    def change_move(self, number: int, data: Mapping[str, Any]) -> None:
        """As `change`, for fields such as `from` that are no Python names."""
        self.change(number, **data)

    def leave_out(self, numbers: Iterable[int]) -> None:
        self._left_out.update(numbers)

    def add(self, after: int, *events: Event) -> None:
        """Adds events behind another one; what is added behind the same one keeps its order."""
        self._added[after].extend(events)

    def like(self, number: int, **data: Any) -> Event:
        """A copy of an event, a moment later, with some of its data changed."""
        event = self.events[number]
        return event._replace(at_ns=event.at_ns + 1, data={**event.data, **data})

    def history(self) -> History:
        """The changed copy; the original stays as it was."""
        kept: list[Event] = []
        for event in self.events:
            if event.number not in self._left_out:
                kept.append(self._replaced.get(event.number, event))
            kept.extend(self._added.get(event.number, ()))
        return History(tuple(event._replace(number=number) for number, event in enumerate(kept)))

    # What mutators look for

    def expected(self, name: str, parameter: str, default: float) -> float:
        """A number that the scenario expects of a property, or what the property takes without it."""
        value = self.expect(name).get(parameter, default)
        return float(value) if isinstance(value, int | float) else default

    def expect(self, name: str) -> Mapping[str, Any]:
        """The parameters of a property in this run; empty when it was not expected."""
        start = self.story.run.start
        expect = {} if start is None else start.data.get("expect", {})
        params = expect.get(name, {}) if isinstance(expect, Mapping) else {}
        return params if isinstance(params, Mapping) else {}

    def ended(self) -> list[JobStory]:
        """Jobs whose last move was to a terminal state."""
        return [job for job in self.story.jobs.values() if job.terminal_at_s is not None]

    def succeeded(self) -> list[JobStory]:
        return [job for job in self.ended() if job.state == "succeeded"]

    def logged(self, job: JobStory, move: Move) -> Event | None:
        """The line of the service's own log that is about a move, when the log is whole."""
        if len(job.said_moves) != len(job.moves):
            return None
        return job.said_moves[job.moves.index(move)]
