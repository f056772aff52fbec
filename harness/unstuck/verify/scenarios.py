"""What is run: scenarios with both versions in them, on a database that the old one has made.

Where something has to happen before a job is claimed, no time is waited for: the relay is paused at an exact
event, so that the jobs behind it wait, and goes on when it has happened.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from unstuck.catalogue import Catalogue
from unstuck.scenario import Scenario
from unstuck.scenario_file import loads

HEAD = """
budget_s: 120
settings: {reconcile_after_s: RECONCILE, upload_deadline_s: DEADLINE}
roles:
  api: {version: OLD}
  worker: {replicas: 2, version: OLD}
  sweeper: {version: OLD}
  relay: {version: OLD}
"""

EXPECT = """
expect:
  every_job_terminal: {within_s: 30}
  no_job_lost: {}
  legal_transitions: {}
  effects: exactly_once
  result_intact: {}
  status_truthful: {}
  outcomes: {OUTCOMES}
"""

OUTCOMES: Mapping[str, str] = {
    "migrate-in-flight": "job: {exactly: 7, state: succeeded}",
    "roll-forward": "job: {exactly: 7, state: succeeded}",
    "roll-back": "job: {exactly: 9, state: succeeded}",
    "restore-older-backup": "job: {exactly: 4, state: succeeded}, awaiting: {exactly: 2, state: succeeded}",
}

DEADLINE_S: Mapping[str, int] = {
    "restore-older-backup": 10
}  # a completion that is forgotten is made up for then
LONG_S = 120

BODIES: Mapping[str, str] = {
    "migrate-in-flight": """
name: migrate-in-flight
summary: A back-up is taken and the schema migrated under the old version, with its jobs in flight.
workload:
  - upload: {count: 7, video: tiny.mp4, every_s: 0.05}
faults:
  - when: {message: "*SendMessage*", link: relay.queue, nth: 1, on: reply}
    pause: {role: relay, which: all, for_s: 300}
  - when: {job: job, enters: active, stage: scenes, hold: true}
    while: {active_jobs: ">=1"}
    back_up: {}
  - when: {fault: 1, phase: landed}
    while: {open_jobs: ">=1"}
    migrate: {version: NEW}
  - when: {fault: 2, phase: landed}
    heal: {fault: 0}
""",
    "roll-forward": """
name: roll-forward
summary: On the migrated schema every role is replaced by the new version, with jobs in flight.
workload:
  - upload: {count: 7, video: tiny.mp4, every_s: 0.05}
faults:
  - when: start
    migrate: {version: NEW}
  - when: {message: "*SendMessage*", link: relay.queue, nth: 2, on: reply}
    pause: {role: relay, which: all, for_s: 300}
  - when: {job: job, enters: active, stage: scenes, hold: true}
    while: {active_jobs: ">=1"}
    rolling_replace: {role: worker, grace_s: 5, overlap: true, version: NEW}
  - when: {fault: 2, phase: landed}
    rolling_replace: {role: sweeper, grace_s: 5, overlap: true, version: NEW}
  - when: {fault: 3, phase: landed}
    rolling_replace: {role: api, grace_s: 5, overlap: true, version: NEW}
  - when: {fault: 4, phase: landed}
    rolling_replace: {role: relay, grace_s: 1, overlap: true, version: NEW}
  - when: {fault: 5, phase: landed}
    heal: {fault: 1}
""",
    "roll-back": """
name: roll-back
summary: The new version was there. The roles go back to the old one with jobs in flight, then the schema.
workload:
  - upload: {count: 9, video: tiny.mp4, every_s: 0.05}
faults:
  - when: start
    migrate: {version: NEW}
  - when: {message: "*SendMessage*", link: relay.queue, nth: 2, on: reply}
    pause: {role: relay, which: all, for_s: 300}
  - when: {job: job, enters: active, stage: scenes, hold: true}
    while: {active_jobs: ">=1"}
    rolling_replace: {role: worker, grace_s: 5, overlap: true, version: NEW}
  - when: {fault: 2, phase: landed}
    rolling_replace: {role: relay, grace_s: 1, overlap: true, version: NEW}
  - when: {message: "*SendMessage*", link: relay.queue, nth: 5, on: reply}
    pause: {role: relay, which: all, for_s: 300}
  - when: {fault: 4, phase: landed}
    while: {open_jobs: ">=1"}
    rolling_replace: {role: worker, grace_s: 5, overlap: true, version: OLD}
  - when: {fault: 5, phase: landed}
    rolling_replace: {role: relay, grace_s: 1, overlap: true, version: OLD}
  - when: {message: "*SendMessage*", link: relay.queue, nth: 7, on: reply}
    pause: {role: relay, which: all, for_s: 300}
  - when: {fault: 7, phase: landed}
    while: {open_jobs: ">=1"}
    migrate: {version: NEW, down_to: OLD}
  - when: {fault: 8, phase: landed}
    heal: {fault: 7}
  - when: {fault: 3, phase: landed}
    heal: {fault: 1}
  - when: {fault: 6, phase: landed}
    heal: {fault: 4}
""",
    "restore-older-backup": """
name: restore-older-backup
summary: A back-up older than schema, queue and objects is put back under the new version.
workload:
  - upload: {count: 4, video: tiny.mp4, every_s: 0.05}
  - upload: {count: 2, tag: awaiting, video: tiny.mp4, steps: [initiate, {wait: {s: 4}}, put, complete]}
  - upload: {count: 3, tag: later, video: tiny.mp4, start_s: 6}
faults:
  - when: {job: job, enters: active, stage: scenes, hold: true}
    while: {active_jobs: ">=1"}
    back_up: {}
  - when: {fault: 0, phase: landed}
    migrate: {version: NEW}
  - when: {op: complete_upload, phase: ok, job: later, nth: 3}
    restore_backup: {roles: [api, relay, sweeper, worker], version: NEW}
""",
}


def scenarios(old: str, new: str | None, catalogue: Catalogue) -> Sequence[Scenario]:
    """One of each, the old version first; `new` None: the one in this checkout."""
    made = []
    for name, body in BODIES.items():
        text = body + HEAD + EXPECT.replace("OUTCOMES", OUTCOMES[name])
        # Where events are held back, nobody else is to announce their jobs.
        text = text.replace("RECONCILE", "30" if "pause:" in body else "2")
        text = text.replace("DEADLINE", str(DEADLINE_S.get(name, LONG_S)))
        text = text.replace("{version: NEW, ", "{" if new is None else f"{{version: {json.dumps(new)}, ")
        text = text.replace(", version: NEW", "" if new is None else f", version: {json.dumps(new)}")
        text = text.replace("{version: NEW}", "{}" if new is None else f"{{version: {json.dumps(new)}}}")
        text = text.replace(": OLD", f": {json.dumps(old)}")
        made.append(loads(text, Path(f"{name}.yaml"), catalogue).base_case())
    return made
