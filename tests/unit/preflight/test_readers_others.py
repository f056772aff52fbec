"""systemd units, Procfiles, fly.toml, and how formats are told apart."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.unit.preflight.manifests import workload, workloads
from unstuck.errors import UsageError
from unstuck.preflight.model import Kind
from unstuck.preflight.readers import NAMES, read_manifest, recognised

# --- systemd


def unit(*lines: str) -> Any:
    text = "\n".join(("[Unit]", "Description=x", "[Service]", "ExecStart=/usr/bin/video worker", *lines))
    return workload("etc/video-worker.service", text)


def test_a_unit_with_its_lines() -> None:
    """Grace, limit, signal, policy, watchdog, variables."""
    found = unit(
        "TimeoutStopSec=2min",
        "MemoryMax=1G",
        "KillSignal=INT",
        "Restart=on-failure",
        "KillMode=mixed",
        "WatchdogSec=30",
        "RuntimeMaxSec=1h",
        'Environment="A=b c" D=e',
    )
    assert (found.name, found.kind, found.line) == ("video-worker", Kind.WORKER, 4)
    assert (found.grace_s.value, found.grace_s.line) == (120, 5)
    assert found.memory_limit_mib.value == 1024
    assert found.stop_signal.value == "SIGINT"
    assert found.restart.value == "on-failure"
    assert found.kill_mode.value == "mixed"
    assert found.liveness.patience_s == 30
    assert [one.value for one in found.timeouts_s] == [3600]
    assert {name: one.value for name, one in found.environment.items()} == {"A": "b c", "D": "e"}


def test_defaults_are_those_of_systemd() -> None:
    """90 s, SIGTERM to every process, no restart, no limit."""
    found = unit()
    assert (found.grace_s.value, found.stop_signal.value, found.restart.value) == (90, "SIGTERM", "no")
    assert found.memory_limit_mib is None
    assert found.liveness is None
    assert found.entry.reaches_all


@pytest.mark.parametrize(
    ("lines", "value"),
    [
        (["TimeoutSec=5"], 5),
        (["TimeoutStopSec=0"], math.inf),
        (["TimeoutStopSec=infinity"], math.inf),
        (["TimeoutStopSec=5", "TimeoutStopSec="], 90),
        (["TimeoutStopSec=x"], None),
        (["# TimeoutStopSec=5"], 90),
        (["TimeoutStopSec=\\", "  7"], 7),
    ],
)
def test_the_grace_of_a_unit(lines: list[str], value: float | None) -> None:
    """0 and infinity are no limit, an empty value takes back, the last one counts."""
    assert unit(*lines).grace_s.value == value


def test_a_unit_that_ends_and_a_timer() -> None:
    """A oneshot is a job; a timer is the schedule of its unit."""
    assert unit("Type=oneshot").kind is Kind.JOB
    assert unit("Type=oneshot").restart is None
    timer = workload("recover.timer", "[Timer]\nOnCalendar=*:0/15\n[Install]\nWantedBy=timers.target\n")
    assert (timer.kind, timer.name) == (Kind.SCHEDULE, "recover.timer")
    assert timer.schedule is not None
    assert timer.schedule.value == "*:0/15"
    assert read_manifest("x.service", "[Install]\nA=b\n").workloads == ()


def test_the_last_start_counts() -> None:
    """Prefixes are not part of it."""
    found = workload("a.service", "[Service]\nExecStart=old\nExecStart=\nExecStart=-@/bin/new x\n")
    assert found.entry is not None
    assert found.entry.words == ("/bin/new", "x")


# --- Procfile


def test_process_types() -> None:
    """`web` serves, `release` ends, and every process gets the signal."""
    found = workloads(
        "Procfile", "web: gunicorn app\n# no\n\nworker: celery worker\nrelease: ./migrate\nbad line\n"
    )
    assert {name: (one.kind, one.line) for name, one in found.items()} == {
        "web": (Kind.SERVICE, 1),
        "worker": (Kind.WORKER, 4),
        "release": (Kind.JOB, 5),
    }
    assert all(one.entry is not None and one.entry.reaches_all for one in found.values())
    assert {one.grace_s.value for one in found.values() if one.grace_s is not None} == {30}


# --- fly.toml

FLY = """\
app = "video"
kill_signal = "SIGTERM"
kill_timeout = "2m"

[processes]
web = "gunicorn app"
worker = "python -m worker"

[env]
LEASE_S = "60"

[http_service]
processes = ["web"]
auto_stop_machines = "stop"
min_machines_running = 0

[[vm]]
processes = ["worker"]
memory = "2gb"

[[vm]]
size = "shared-cpu-1x"

[[restart]]
policy = "never"
processes = ["worker"]
"""


def test_process_groups_with_their_lines() -> None:
    """Each with its own machine, its own policy, and the proxy that may stop it."""
    found = workloads("fly.toml", FLY)
    web, worker = found["web"], found["worker"]
    assert (web.kind, web.line, worker.kind, worker.line) == (Kind.SERVICE, 6, Kind.WORKER, 7)
    for one in (web, worker):
        assert one.grace_s is not None
        assert one.stop_signal is not None
        assert (one.grace_s.value, one.grace_s.line, one.stop_signal.value) == (120, 3, "SIGTERM")
        assert one.environment["LEASE_S"].line == 10
    assert web.memory_limit_mib is not None
    assert worker.memory_limit_mib is not None
    assert (web.memory_limit_mib.value, worker.memory_limit_mib.value) == (256, 2048)
    assert worker.restart is not None
    assert (web.restart, worker.restart.value) == (None, "no")
    assert web.scales_to_zero is not None
    assert web.scales_to_zero.value is True
    assert worker.scales_to_zero is None


def test_defaults_are_those_of_fly() -> None:
    """SIGINT, 5 s, and a machine whose size stands elsewhere."""
    found = workload("fly.toml", 'app = "x"\n')
    assert found.grace_s is not None
    assert found.stop_signal is not None
    assert found.memory_limit_mib is not None
    assert (found.grace_s.value, found.stop_signal.value, found.memory_limit_mib.value) == (5, "SIGINT", None)


def test_what_is_no_toml_is_told_in_a_line() -> None:
    """With its line."""
    with pytest.raises(UsageError, match=r"fly.toml:2: this is not TOML"):
        read_manifest("fly.toml", 'app = "x"\nkill_timeout =\n')


# --- formats


@pytest.mark.parametrize(
    ("path", "text", "format_"),
    [
        ("Dockerfile", "FROM x\n", "Dockerfile"),
        ("a/Dockerfile.worker", "FROM x\n", "Dockerfile"),
        ("Containerfile", "FROM x\n", "Dockerfile"),
        ("Procfile.dev", "web: x\n", "Procfile"),
        ("fly.staging.toml", 'app = "x"\n', "fly.toml"),
        ("deploy", "#!/usr/bin/env bash\ngcloud run deploy x\n", "shell script"),
        ("a\\deploy.sh", "x\n", "shell script"),
        ("x.yml", "services: {a: {image: x}}\n", "Compose"),
        ("x.yaml", "steps: [{name: x}]\n", "Cloud Build"),
    ],
)
def test_formats_are_told_by_name_or_by_what_is_in_them(path: str, text: str, format_: str) -> None:
    """And each is told to people."""
    assert read_manifest(path, text).format == format_
    assert format_ in NAMES


@pytest.mark.parametrize(
    ("path", "text", "says"),
    [
        (
            "Dockerfle",
            "FROM x\n",
            "Dockerfle: the name tells no format that preflight reads. Did you mean 'Do",
        ),
        ("notes.txt", "x\n", "notes.txt: the name tells no format that preflight reads. Known: Compose"),
        ("x.yaml", "a: 1\n", "x.yaml:1: this YAML is no manifest that is read here"),
        ("x.yaml", "", "x.yaml:1: the file holds nothing"),
        ("x.yaml", "services:\n", "x.yaml:1: this YAML is no manifest that is read here"),
        ("x.yaml", "kind: [\n", "x.yaml:2: this is not YAML"),
    ],
)
def test_other_files_are_refused_in_a_line(path: str, text: str, says: str) -> None:
    """With what was meant, or what is known."""
    with pytest.raises(UsageError) as refused:
        read_manifest(path, text)
    assert str(refused.value).startswith(says)
    assert "\n" not in str(refused.value)


def test_names_that_may_be_manifests() -> None:
    """For whoever looks through a folder."""
    names = ["compose.yaml", "Dockerfile", "x.timer", "main.py", "README.md", "fly.toml", "pyproject.toml"]
    assert [name for name in names if recognised(name)] == [
        "compose.yaml",
        "Dockerfile",
        "x.timer",
        "fly.toml",
    ]


# --- comments that allow


def test_comments_allow_on_their_line_or_on_the_next() -> None:
    """Alone on a line a comment speaks of the next one that is none; several may stand together."""
    found = read_manifest(
        "Procfile",
        "# unstuck: allow US002, US003 because it is handed back\n# unstuck: allow US004: elsewhere\nweb: x\n"
        "worker: y # unstuck: allow US003 -- fine\n",
    ).allowed
    assert found == {
        3: (frozenset({"US002", "US003", "US004"}), "it is handed back; elsewhere"),
        4: (frozenset({"US003"}), "fine"),
    }


@pytest.mark.parametrize(
    "comment", ["# unstuck: allow", "# unstuck: allow US003", "# unstuck: allow us3 because x"]
)
def test_a_comment_without_rule_or_reason_is_refused(comment: str) -> None:
    """It would allow nobody knows what, or why."""
    with pytest.raises(UsageError, match="must name a rule and a reason"):
        read_manifest("Procfile", f"web: x {comment}\n")
