"""What a client does to a declared target: submits jobs, and cancels them, as the target file says."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from unstuck.targets.declared.agent_client import CallError
from unstuck.targets.declared.calls import Caller, find
from unstuck.targets.declared.file import CommandCall, TargetFile
from unstuck.targets.declared.tracker import Tracker
from unstuck.targets.port import Emit, Reply


class Client:
    """One for all clients of a run; used from many threads."""

    def __init__(self, file: TargetFile, caller: Caller, tracker: Tracker, emit: Emit) -> None:
        self._file = file
        self._caller = caller
        self._tracker = tracker
        self._emit = emit
        self._numbers = itertools.count(1)

    def call(self, action: str, values: Mapping[str, Any]) -> Reply:
        """One op. Raises KeyError for an action that does not exist: a bug of the plan."""
        return {"submit": self._submit, "cancel": self._cancel}[action](values)

    def _submit(self, values: Mapping[str, Any]) -> Reply:
        submit = self._file.submit
        tag = str(values["tag"])
        given: dict[str, Any] = {**submit.values, **values["values"]}
        chosen = None
        if submit.chosen:
            chosen = f"job-{values['client']}-{next(self._numbers)}"
            given["job"] = chosen
            self._tracker.expect(chosen, tag)
        try:
            answer = self._caller.perform(submit.call, given, submit.timeout_s)
        except CallError as error:
            return Reply(phase="info" if error.maybe else "fail", error=str(error))
        job = chosen or self._id_in(answer)
        if job is None:
            shown = " ".join(str(answer).split())[:200]
            self._emit("evidence", "no_id", answer=shown)
            return Reply(phase="info", error=f"submit: the answer holds no id of a job: {shown!r}")
        if not self._tracker.acknowledge(job, tag):
            self._emit("evidence", "same_id", job=job)
            return Reply(phase="info", error=f"submit: the id {job!r} was given to another job before")
        return Reply(phase="ok", data={"job": job})

    def _id_in(self, answer: Any) -> str | None:
        """The id of the job in an answer; a program may print other lines before it."""
        submit = self._file.submit
        if submit.job is None:
            if isinstance(answer, str):
                lines = [line.strip() for line in answer.splitlines() if line.strip()]
                last = lines[-1] if lines else ""
                answer = last if isinstance(submit.call, CommandCall) else answer.strip()
                answer = answer.strip('"')
        else:
            if isinstance(answer, list) and answer and not submit.job.startswith("$"):
                answer = answer[0]  # the row that a statement returned
            try:
                answer = find(submit.job, answer)
            except ValueError:
                return None
        if isinstance(answer, bool) or not isinstance(answer, str | int) or answer == "":
            return None
        return str(answer)

    def _cancel(self, values: Mapping[str, Any]) -> Reply:
        if self._file.cancel is None:
            return Reply(phase="fail", error="the target file declares no `cancel`")
        try:
            self._caller.perform(self._file.cancel, {"job": values["job"]}, self._file.submit.timeout_s)
        except CallError as error:
            return Reply(phase="info" if error.maybe else "fail", error=str(error))
        return Reply(phase="ok")
