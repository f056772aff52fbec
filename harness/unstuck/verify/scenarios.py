"""What is run: scenarios with both versions in them, on a database that the old one has made."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from unstuck.catalogue import Catalogue
from unstuck.scenario import Scenario
from unstuck.scenario_file import loads

HEAD = """
budget_s: 30
settings: {reconcile_after_s: 2, upload_deadline_s: DEADLINE}
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
  outcomes: {job: {exactly: 4, state: succeeded}SECOND}
"""

SECOND: Mapping[str, str] = {
    "migrate-in-flight": ", after: {exactly: 3, state: succeeded}",
    "roll-forward": ", after: {exactly: 3, state: succeeded}",
    "roll-back": ", after: {exactly: 15, state: succeeded}",
    "restore-older-backup": ", awaiting: {exactly: 2, state: succeeded}",
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
  - upload: {count: 4, video: tiny.mp4, every_s: 0.05}
  - upload: {count: 3, tag: after, video: tiny.mp4, steps: [initiate, {wait: {s: 8}}, put, complete]}
faults:
  - when: {job: job, enters: active, stage: scenes, hold: true}
    while: {active_jobs: ">=1"}
    back_up: {}
  - when: {fault: 0, phase: landed}
    while: {open_jobs: ">=1"}
    migrate: {version: NEW}
""",
    "roll-forward": """
name: roll-forward
summary: On the migrated schema every role is replaced by the new version, with jobs in flight.
workload:
  - upload: {count: 4, video: tiny.mp4, every_s: 0.05}
  - upload: {count: 3, tag: after, video: tiny.mp4, steps: [initiate, {wait: {s: 12}}, put, complete]}
faults:
  - when: start
    migrate: {version: NEW}
  - when: {job: job, enters: active, stage: scenes, hold: true}
    while: {active_jobs: ">=1"}
    rolling_replace: {role: worker, grace_s: 5, overlap: true, version: NEW}
  - when: {fault: 1, phase: landed}
    rolling_replace: {role: sweeper, grace_s: 5, overlap: true, version: NEW}
  - when: {fault: 2, phase: landed}
    rolling_replace: {role: relay, grace_s: 5, overlap: true, version: NEW}
  - when: {fault: 3, phase: landed}
    rolling_replace: {role: api, grace_s: 5, overlap: true, version: NEW}
""",
    "roll-back": """
name: roll-back
summary: The new version was there. The roles go back to the old one with jobs in flight, then the schema.
workload:
  - upload: {count: 4, video: tiny.mp4, every_s: 0.05}
  - upload: {count: 14, tag: after, video: tiny.mp4, start_s: 1, every_s: 4}
  - upload: {count: 1, tag: after, video: tiny.mp4, steps: [initiate, {wait: {s: 50}}, put, complete]}
faults:
  - when: start
    migrate: {version: NEW}
  - when: {job: job, enters: active, stage: scenes, hold: true}
    while: {active_jobs: ">=1"}
    rolling_replace: {role: worker, grace_s: 5, overlap: true, version: NEW}
  - when: {fault: 1, phase: landed}
    rolling_replace: {role: relay, grace_s: 5, overlap: true, version: NEW}
  - when: {fault: 2, phase: landed}
    rolling_replace: {role: api, grace_s: 5, overlap: true, version: NEW}
  - when: {fault: 3, phase: landed}
    while: {open_jobs: ">=1"}
    rolling_replace: {role: worker, grace_s: 5, overlap: true, version: OLD}
  - when: {fault: 4, phase: landed}
    rolling_replace: {role: relay, grace_s: 5, overlap: true, version: OLD}
  - when: {fault: 5, phase: landed}
    rolling_replace: {role: api, grace_s: 5, overlap: true, version: OLD}
  - when: {fault: 6, phase: landed}
    migrate: {version: NEW, down_to: OLD}
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
        text = body + HEAD + EXPECT.replace("SECOND", SECOND[name])
        text = text.replace("DEADLINE", str(DEADLINE_S.get(name, LONG_S)))
        text = text.replace("{version: NEW, ", "{" if new is None else f"{{version: {json.dumps(new)}, ")
        text = text.replace(", version: NEW", "" if new is None else f", version: {json.dumps(new)}")
        text = text.replace("{version: NEW}", "{}" if new is None else f"{{version: {json.dumps(new)}}}")
        text = text.replace(": OLD", f": {json.dumps(old)}")
        made.append(loads(text, Path(f"{name}.yaml"), catalogue).base_case())
    return made
