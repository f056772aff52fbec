"""Signals, leases, time-outs, probes, recovery and restarts: the cases that are easy to get wrong."""

from __future__ import annotations

import pytest

from tests.unit.preflight.manifests import compose, found, judged, unjudged
from unstuck.preflight.finding import Severity
from unstuck.preflight.judging import judge
from unstuck.preflight.measured import Measured
from unstuck.preflight.readers import read_manifest

# --- signals


@pytest.mark.parametrize(
    ("command", "caught"),
    [
        ('sh -c "exec python -m worker"', False),
        ('sh -c "migrate && exec python -m worker"', False),
        ('sh -c "exec python -m worker 2>&1"', False),
        ('sh -c "exec python -m worker --cores $(nproc)"', False),
        ('sh -c "migrate && python -m worker"', True),
        ('dumb-init sh -c "python -m worker"', False),
        ('tini -- sh -c "python -m worker"', True),
        ('tini -g -- sh -c "python -m worker"', False),
        ("tini -- python -m worker", False),
        ("/entrypoint.sh worker", False),
        ("yarn start", True),
        ("python -c 'x'", False),
    ],
)
def test_who_keeps_the_signal(command: str, caught: bool) -> None:
    """A shell without exec, unless an init signals everybody; and a launcher with a shell of its own."""
    judgement = judged(compose(f"command: {command!r}" if '"' not in command else f"command: '{command}'"))
    assert bool(found(judgement, "US006")) is caught
    assert bool(judgement.kept["US006"]) is not caught


def test_a_cmd_in_shell_form_behind_an_entrypoint_is_found() -> None:
    """It becomes `sh -c` as arguments, which an entry point that ends in `exec "$@"` starts."""
    text = 'FROM x\nENTRYPOINT ["/entrypoint.sh"]\nCMD python -m worker\n'
    assert found(judged(("Dockerfile", text)), "US006")[0][0] == 2


@pytest.mark.parametrize(
    ("line", "caught"),
    [
        ("CMD alembic upgrade head && exec gunicorn a:b", False),
        ("CMD exec gunicorn a:b 2>&1", False),
        ("CMD exec alembic upgrade head; gunicorn a:b", True),
        ("ENTRYPOINT dumb-init python -m worker", True),
        ('ENTRYPOINT ["dumb-init", "sh", "-c", "python -m worker"]', False),
    ],
)
def test_who_keeps_the_signal_in_shell_form(line: str, caught: bool) -> None:
    """The shell is in front of everything, an init included, until its last command replaces it."""
    assert bool(found(judged(("Dockerfile", f"FROM x\n{line}\n")), "US006")) is caught


def test_the_program_of_a_shell_form_is_that_of_its_last_command() -> None:
    """What prepares has ended when the signal comes."""
    text = "FROM x\nSTOPSIGNAL SIGQUIT\nCMD alembic upgrade head && exec gunicorn a:b\n"
    assert "is not what gunicorn ends in order on" in found(judged(("Dockerfile", text)), "US007")[0][1]


def test_where_everybody_gets_the_signal_no_shell_keeps_it() -> None:
    """A dyno, and a unit with the default KillMode."""
    files = (
        ("Procfile", "worker: sh -c 'python -m worker'\n"),
        ("w.service", "[Service]\nExecStart=/bin/sh -c 'python -m worker'\n"),
    )
    assert not found(judged(*files), "US006")
    only_main = "[Service]\nKillMode=mixed\nExecStart=/bin/sh -c 'python -m worker'\n"
    assert found(judged(("w.service", only_main)), "US006")


@pytest.mark.parametrize(
    ("signal", "command", "outcome"),
    [
        ("SIGQUIT", "gunicorn app", "found"),
        ("SIGTERM", "gunicorn app", "kept"),
        ("SIGINT", "celery worker", "kept"),
        ("SIGKILL", "python w.py", "found"),
        ("SIGUSR1", "python w.py", "open"),
        ("SIGTERM", "python w.py", "kept"),
        ("SIGTERM", "php-fpm8.2", "found"),
    ],
)
def test_which_signal_a_program_ends_on(signal: str, command: str, outcome: str) -> None:
    """Known programs by their own pages, unknown ones only on SIGTERM; SIGKILL is nobody's."""
    judgement = judged(compose(f"stop_signal: {signal}\ncommand: {command}"))
    got = "found" if found(judgement, "US007") else "open" if unjudged(judgement, "US007") else "kept"
    assert got == outcome


# --- leases


def test_a_heartbeat_makes_a_short_lease_right() -> None:
    """Also for the queue, when a worker that was given has it."""
    queue = ("q.sh", "aws sqs create-queue --queue-name jobs\n")
    assert found(judged(queue, longest_stage_s=60), "US008")[0][1].startswith(
        "SQS's default VisibilityTimeout of 30 s"
    )
    assert not found(judged(queue, compose("environment: {HEARTBEAT_S: 5}"), longest_stage_s=60), "US008")


@pytest.mark.parametrize(
    ("name", "value", "caught"),
    [
        ("SQS_VISIBILITY_TIMEOUT", "30", True),
        ("JOB_LEASE_SECONDS", "30", True),
        ("LEASE_MS", "90000", False),
        ("ACK_DEADLINE", "10s", True),
        ("CELERY_BROKER_TRANSPORT_OPTIONS", '{"visibility_timeout": 30}', True),
        ("RELEASE", "30", False),
        ("PLEASE_S", "30", False),
        ("DNS_LEASE_COUNT", "3", False),
        ("TASK_LOCK_TTL", "3", True),
    ],
)
def test_which_variables_are_leases(name: str, value: str, caught: bool) -> None:
    """By whole words; what merely contains one is none."""
    assert (
        bool(found(judged(compose(f"environment:\n  {name}: '{value}'"), longest_stage_s=60), "US008"))
        is caught
    )


@pytest.mark.parametrize(
    ("variable", "caught"),
    [
        ("HEARTBEAT_S: 29", False),
        ("HEARTBEAT_S: 30", True),
        ("HEARTBEAT_S: '${BEAT}'", False),
        ("CELERY_BROKER_HEARTBEAT: 5", True),
        ("AMQP_HEARTBEAT_S: 5", True),
        ("RABBITMQ_HEARTBEAT: 5", True),
        ("JOB_HEARTBEAT: 5", False),
    ],
)
def test_which_heartbeats_renew_a_lease(variable: str, caught: bool) -> None:
    """Those that come before it ends, of a job and not of a connection; one that is not known may."""
    own = compose(f"environment:\n  LEASE_S: 30\n  {variable}")
    queue = ("q.sh", "aws sqs create-queue --queue-name jobs\n")
    others = compose(f"environment:\n  {variable}")
    for files in ((own,), (queue, others)):
        assert bool(found(judged(*files, longest_stage_s=60), "US008")) is caught


def test_a_heartbeat_of_what_does_no_work_renews_no_lease() -> None:
    """An exporter or an API may have one of its own."""
    queue = ("q.sh", "aws sqs create-queue --queue-name jobs\n")
    for name in ("api", "metrics-exporter"):
        file = compose("", f"  {name}: {{image: x, environment: {{HEARTBEAT_S: 5}}}}\n")
        assert found(judged(queue, file, longest_stage_s=60), "US008")


def test_a_lease_that_is_not_known_is_not_judged() -> None:
    """Neither alone nor with its heartbeat."""
    judgement = judged(compose("environment: {LEASE_S: '${LEASE}'}"), longest_stage_s=60)
    assert unjudged(judgement, "US008") == ["LEASE_S=${LEASE} is not known here"]
    judgement = judged(compose("environment: {LEASE_S: '${LEASE}', HEARTBEAT_S: 5}"), longest_stage_s=60)
    assert unjudged(judgement, "US009") == ["LEASE_S=${LEASE} is not known here"]


# --- time-outs and probes


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("gunicorn app", "gunicorn's default --timeout of 30 s"),
        ("gunicorn -t 60 app", "gunicorn's --timeout=60"),
        ("gunicorn -t 0 app", None),
        ("gunicorn -k gevent app", None),
        ("gunicorn --threads 4 app", None),
        ("gunicorn --timeout=120 app", None),
        ("uvicorn app", None),
        ("sh -c 'exec gunicorn -t 60 app'", "gunicorn's --timeout=60"),
        ("sh -c 'migrate -t 20 && exec gunicorn -t 120 app'", None),
        ("sh -c 'exec gunicorn -k gevent app'", None),
    ],
)
def test_gunicorns_watchdog(command: str, line: str | None) -> None:
    """Only where a worker of it can be silent."""
    texts = [
        text for _, text in found(judged(("Procfile", f"web: {command}\n"), longest_stage_s=90), "US010")
    ]
    assert [text.partition(" is no longer")[0] for text in texts] == ([line] if line else [])


@pytest.mark.parametrize(
    ("arguments", "command", "outcome"),
    [
        ("--timeout 900", "gunicorn app", "kept"),
        ("--timeout 60", "gunicorn app", "found"),
        ("--timeout 900", "gunicorn --timeout 60 app", "found"),
        ("--timeout 60", "gunicorn --timeout 900 app", "kept"),
        ("--threads 4", "gunicorn app", "none"),
        ("--workers 4", "gunicorn app", "found"),
        ("${ARGUMENTS}", "gunicorn app", "open"),
        ("${ARGUMENTS}", "gunicorn -t 900 app", "kept"),
    ],
)
def test_gunicorn_is_told_by_a_variable_as_well(arguments: str, command: str, outcome: str) -> None:
    """The command line wins; what the variable says is not known where its value is not."""
    text = (
        f"services:\n  api:\n    image: x\n    command: {command}\n    ports: ['1:1']\n"
        f"    environment: {{GUNICORN_CMD_ARGS: '{arguments}'}}\n"
    )
    judgement = judged(("c.yaml", text), longest_stage_s=90)
    outcomes = {
        "found": found(judgement, "US010"),
        "open": unjudged(judgement, "US010"),
        "kept": judgement.kept["US010"],
    }
    assert [name for name, there in outcomes.items() if there] == ([] if outcome == "none" else [outcome])


def test_a_watchdog_and_a_probe_have_patience() -> None:
    """(failures - 1) periods and one time-out."""
    unit = ("w.service", "[Service]\nExecStart=/bin/worker\nWatchdogSec=60\n")
    assert found(judged(unit, longest_stage_s=60), "US011")
    assert not found(judged(unit, longest_stage_s=59), "US011")


@pytest.mark.parametrize(
    ("probe", "caught"),
    [
        ("{httpGet: {path: /readyz}}", True),
        ("{httpGet: {path: /health/db}}", True),
        ("{httpGet: {path: /already}}", False),
        ("{httpGet: {path: /healthz}}", False),
        ("{httpGet: {}}", False),
        ("{tcpSocket: {port: 1}}", False),
        ("{exec: {command: [sh, -c, 'pg_isready -h db']}}", True),
        ("{exec: {command: [cat, /tmp/ok]}}", False),
    ],
)
def test_what_a_liveness_probe_asks(probe: str, caught: bool) -> None:
    """Paths that speak of readiness or a dependency, and clients of one."""
    text = (
        "apiVersion: v1\nkind: Pod\nmetadata: {name: api}\nspec:\n"
        f"  containers: [{{image: x, livenessProbe: {probe}}}]\n"
    )
    assert bool(found(judged(("p.yaml", text)), "US012")) is caught


# --- recovery, restarts, scale


@pytest.mark.parametrize(
    ("more", "outcome"),
    [
        ("  sweeper: {image: x}\n", "kept"),
        ("  cron: {image: x, command: [video, retry-stuck]}\n", "kept"),
        ("  other: {image: x, environment: {SWEEP_EVERY_S: 60}}\n", "kept"),
        ("  other: {image: x}\n", "found"),
    ],
)
def test_what_counts_as_a_recovery(more: str, outcome: str) -> None:
    """A name, a command or a variable that speaks of it."""
    judgement = judged(compose("restart: always", more))
    assert ("found" if found(judgement, "US013") else "kept") == outcome


def test_a_schedule_without_a_telling_name_is_not_judged() -> None:
    """It may be the recovery. Where no worker was given there is nothing to recover."""
    schedule = (
        "s.sh",
        "gcloud scheduler jobs create http nightly --schedule '* * * * *' --uri https://x/a\n",
    )
    assert unjudged(judged(compose("restart: always"), schedule), "US013")
    assert judged(schedule).kept["US013"] == 0
    recovering = ("s.sh", schedule[1].replace("/a", "/internal/recover"))
    assert judged(compose("restart: always"), recovering).kept["US013"] == 1


def test_a_service_that_is_not_started_again_is_a_warning() -> None:
    """A worker is an error, a job is neither."""
    text = "services:\n  api: {image: x, ports: ['1:1']}\n  worker: {image: x}\n  migrate: {image: x}\n"
    judgement = judged(("c.yaml", text))
    assert [(one.subject, one.severity) for one in judgement.findings if one.rule == "US014"] == [
        ("api", Severity.WARNING),
        ("worker", Severity.ERROR),
    ]


def test_a_unit_that_is_only_started_again_after_success_is_found() -> None:
    """The kernel's kill is no success."""
    for policy, caught in (("on-success", True), ("on-watchdog", True), ("on-failure", False)):
        unit = ("worker.service", f"[Service]\nExecStart=/bin/worker\nRestart={policy}\n")
        assert bool(found(judged(unit), "US014")) is caught


def test_a_worker_behind_a_proxy_that_stops_machines() -> None:
    """fly's, unless one stays; a service may be stopped."""
    text = (
        'app = "x"\n[processes]\nworker = "w"\nweb = "v"\n[http_service]\nauto_stop_machines = "stop"\n'
        "min_machines_running = 0\n"
    )
    [(line, _)] = found(judged(("fly.toml", text)), "US018")
    assert line == 6
    assert not found(judged(("fly.toml", text.replace("= 0", "= 1"))), "US018")


def test_a_comment_allows_at_the_value_and_at_the_workload() -> None:
    """Told and counted, and it fails nothing; another rule is not allowed by it."""
    text = "services:\n  # unstuck: allow US004 because the host has one job\n  worker:\n    image: x\n"
    judgement = judged(("c.yaml", text))
    assert [(one.rule, one.allowed) for one in judgement.findings if one.rule in ("US004", "US014")] == [
        ("US014", None),
        ("US004", "the host has one job"),
    ]
    assert "US004" not in [one.rule for one in judgement.standing]


def test_a_measured_drain_counts_where_none_is_declared() -> None:
    """It must fit into the grace as well."""
    manifest = read_manifest("c.yaml", "services: {worker: {image: x}}\n")
    texts = [one.text for one in judge([manifest], Measured(drain_s=12.5)).findings if one.rule == "US002"]
    assert texts == [
        (
            "Compose's default grace of 10 s is no longer than the measured drain of 12.5 s: "
            "SIGKILL cuts the drain"
        )
    ]
    assert not [one for one in judge([manifest], Measured(drain_s=5)).findings if one.rule == "US002"]


def test_a_redis_by_name_is_a_dependency_and_a_service_without_a_port_needs_no_readiness() -> None:
    """Neither an image of its own nor a generator of load is held against what is not its matter."""
    assert judged(("c.yaml", "services: {redis: {image: 'team/cache'}}\n")).judged == 0
    pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: load}\nspec: {containers: [{image: x}]}\n"
    assert judged(("p.yaml", pod)).kept["US020"] == 0
    assert not found(judged(("p.yaml", pod)), "US020")


def test_what_cuts_a_service_is_a_warning() -> None:
    """It may do other things than the long work; a job that runs to its end gets a note."""
    service = ("c.yaml", "services: {api: {image: x, ports: ['1:1']}}\n")
    job = (
        "j.yaml",
        (
            "apiVersion: batch/v1\nkind: Job\nmetadata: {name: j}\n"
            "spec: {template: {spec: {containers: [{image: x}]}}}\n"
        ),
    )
    for file, severity in ((service, Severity.WARNING), (job, Severity.NOTE)):
        ones = [one for one in judged(file, longest_stage_s=60).findings if one.rule == "US003"]
        assert [one.severity for one in ones] == [severity]
