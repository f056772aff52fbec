"""What was claimed of the workers that died of their memory, and of what was done about it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from bench.claims.claim import Claim, Finding
from bench.claims.runs import ROOT, NothingJudgedError, ran
from bench.imports import measure_import
from bench.memory_cost import added_per_month

INCIDENT: Final = "critical-production-fixes"
MIB: Final = 1 << 20
LOOP: Final = 3  # starts from which on it is a loop
HEADROOM: Final = 0.3
HEAVY: Final = ("alembic", "av", "boto3", "fastapi", "prometheus_client", "psycopg", "uvicorn")
THAT_DAY: Final = tuple(
    word
    for name in ("bounded_memory", "child_isolation", "attempt_limit")
    for word in ("--defence-off", name)
)
WRONG_FLAG: Final = (
    "#!/bin/sh\ngcloud run jobs deploy importer --image video --region r --memory 1Gi --timeout 3600\n"
)


def _worker(said: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = next(one for one in said["processes"] if one["role"] == "worker")
    return found


def _loop() -> Finding:
    said = ran(INCIDENT, *THAT_DAY)
    starts, stuck = len(_worker(said)["lives"]), int(said["outcomes"].get("stuck", 0))
    return Finding(
        verdict="held" if starts >= LOOP and stuck else "refuted",
        figure=f"1 run: the worker of 512 MiB was started {starts} times, {stuck} of 3 jobs stuck",
        note="300 frames of 720p, held as arrays in the process that takes the jobs.",
    )


def _headroom() -> Finding:
    worker = _worker(ran(INCIDENT))
    free = 1 - worker["rss_bytes_max"] / worker["limit_bytes"]
    return Finding(
        verdict="held" if free >= HEADROOM and len(worker["lives"]) == 1 else "refuted",
        figure=f"1 run: {worker['rss_bytes_max'] / MIB:.0f} of {worker['limit_bytes'] / MIB:.0f} MiB "
        f"at the peak, {free:.0%} free",
        note="The same video and the same limit; one job at a time, the role executed, not forked.",
    )


def _told_apart() -> Finding:
    reasons = {
        off: sorted(str(job["reason"]) for job in ran("told-apart", *flags)["jobs"] if job["reason"])
        for off, flags in (("on", ()), ("off", ("--defence-off", "kill_evidence")))
    }
    held = reasons == {"on": ["memory_exceeded", "timed_out"], "off": ["memory_exceeded"] * 2}
    return Finding(
        verdict="held" if held else "refuted",
        figure=f"with evidence: {' and '.join(reasons['on'])}; "
        f"by the signal alone: {' and '.join(reasons['off'])}",
        note="Both are killed by SIGKILL, side by side in one worker of 512 MiB.",
    )


def _larger_limit() -> Finding:
    added = added_per_month(from_mib=512, to_mib=2048, instances=1, price_per_gib_hour=1.0)
    return Finding(
        verdict="not testable here",
        figure=f"{added:,.0f} x the price of a GiB-hour, a month and instance (512 MiB to 2 GiB)",
        note="A formula, which is tested; the price is whatever the list of the day says.",
    )


def _imports() -> Finding:
    lean, whole = measure_import("reference_service.app"), measure_import("reference_service.all_roles")
    look = f"import sys, reference_service.app; print(*(name for name in {HEAVY} if name in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", look], capture_output=True, text=True, check=True, timeout=60
    )
    early = done.stdout.split()
    saved = whole.rss_bytes - lean.rss_bytes
    found = f"; all the same it imports {', '.join(early)}" if early else ""
    return Finding(
        verdict="held" if saved > 0 and not early else "refuted",
        figure=f"{lean.rss_bytes / MIB:.0f} MiB resident for what every role imports, "
        f"{whole.rss_bytes / MIB:.0f} MiB for all that any imports{found}",
        note=f"Fresh processes, of this machine's Python. Heavy: {', '.join(HEAVY)}.",
    )


def _wrong_flag() -> Finding:
    with tempfile.TemporaryDirectory(prefix="unstuck-claim-") as folder:
        script = Path(folder) / "deploy.sh"
        script.write_text(WRONG_FLAG, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "unstuck", "preflight", str(script), "--format", "json"],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "harness"), str(ROOT)])},
            capture_output=True, text=True, check=False, timeout=60, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    try:
        rules = {one["rule"] for one in json.loads(done.stdout)["findings"]}
    except (ValueError, KeyError):
        raise NothingJudgedError(f"unstuck preflight: exit code {done.returncode}: {done.stderr}") from None
    return Finding(
        verdict="held" if "US001" in rules else "refuted",
        figure=f"`--timeout` on a job: {', '.join(sorted(rules)) or 'nothing found'}",
    )


CLAIMS: Final = (
    Claim(
        id="memory-crash-loop",
        incident=INCIDENT,
        says="At 512 MiB one large video makes workers crash in a loop.",
        look=" ".join(("unstuck run critical-production-fixes", *THAT_DAY)),
        measure=_loop,
    ),
    Claim(
        id="memory-headroom",
        incident=INCIDENT,
        says="With the fix the same limit is enough, with at least 30 % of it free.",
        look="unstuck run critical-production-fixes",
        measure=_headroom,
    ),
    Claim(
        id="kills-told-apart",
        incident=INCIDENT,
        says="A worker that is killed by its watchdog and one that is killed for its memory are told apart.",
        look="unstuck run told-apart",
        measure=_told_apart,
    ),
    Claim(
        id="imports-late",
        incident=INCIDENT,
        says="Heavy clients that are imported late save memory in the roles that need none of them.",
        look="python -m bench imports reference_service.app reference_service.all_roles",
        measure=_imports,
    ),
    Claim(
        id="larger-limit-cost",
        incident=INCIDENT,
        says="What a larger limit costs a month is known before it is set.",
        measure=_larger_limit,
        watches=("bench/memory_cost.py",),
    ),
    Claim(
        id="wrong-flag-found",
        incident=INCIDENT,
        says="A flag of another kind of workload is found before the deploy.",
        measure=_wrong_flag,
        watches=("harness/unstuck/preflight",),
    ),
)
