"""How long roles take from their start to ready: each alone, all at once.

Two runs, one after the other: in one each role is killed by itself and comes back, in the other workers are
replaced one by one. A worker that comes back under its old name is told apart: it first waits to be sure that
its earlier life is over (`Presence.claim_name`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

How = Literal["at once", "alone", "again"]
KILLED = ("relay", "sweeper", "api", "vision", "worker")
REST_S = 1.5  # between two of them: whoever came back has nothing more to do by then
HEAD = """\
name: {name}
summary: {summary}
budget_s: 60
settings: {{upload_deadline_s: 60}}
workload:
  - upload: {{count: 1, video: tiny.mp4, steps: [initiate, {{wait: {{s: {wait_s}}}}}, put, complete]}}
expect:
  every_job_terminal: {{}}
faults:
"""


def scenarios() -> Mapping[str, str]:
    """File name -> text. One upload waits all the time, so that the faults land while work is in flight."""
    killed = [
        f"  - {{when: {{at_s: {REST_S * number}}}, kill: {{role: {role}, which: any}}}}\n"
        for number, role in enumerate(KILLED, start=1)
    ]
    replaced = ["  - {when: {at_s: 2}, rolling_replace: {role: worker}}\n"]
    wait_s = REST_S * (len(KILLED) + 1)
    return {
        "killed.yaml": HEAD.format(name="killed", summary="Each role is killed alone.", wait_s=wait_s)
        + "".join(killed),
        "replaced.yaml": HEAD.format(name="replaced", summary="Workers are replaced.", wait_s=5)
        + "".join(replaced),
    }


def starts(events: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, How, float]]:
    """(role, how, seconds) of each start that got ready; how: at once, alone, again.

    A worker's second life under one name is `again`; that of any other role is `alone`, as is a first life
    that began after the first fault had struck.
    """
    lives: dict[str, int] = {}
    hows: dict[str, How] = {}
    struck = False
    for event in events:
        kind, phase, name = event["kind"], event["phase"], event["process"]
        struck = struck or (kind == "fault" and phase == "fired")
        if kind != "process" or phase not in {"start", "ready"}:
            continue
        role = event["data"]["role"]
        if phase == "start":
            lives[name] = lives.get(name, 0) + 1
            again = lives[name] > 1 and role == "worker"
            hows[name] = "again" if again else "alone" if struck else "at once"
        else:
            yield role, hows[name], float(event["data"]["after_s"])
