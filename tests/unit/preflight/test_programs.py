"""What is started, behind shells, inits and launchers."""

from __future__ import annotations

import pytest

from unstuck.preflight.model import Kind
from unstuck.preflight.programs import execs, option_of, program_of, shell_text
from unstuck.preflight.readers.kinds import is_dependency, kind_of


@pytest.mark.parametrize(
    ("command", "program"),
    [
        ("python -m celery -A x worker", "celery"),
        ("python3.12 worker.py", "worker.py"),
        ("python -u -m video.worker", "video"),
        ("tini -g -- gunicorn app", "gunicorn"),
        ("/usr/sbin/nginx -g daemon", "nginx"),
        ("env A=1 bundle exec sidekiq", "sidekiq"),
        ("poetry run uvicorn app:app", "uvicorn"),
        ("gosu app celery worker", "celery"),
        ("php-fpm8.2 -F", "php-fpm"),
        ("npm start", "npm"),
        ("exec node server.js", "server.js"),
        ("python", "python"),
        ("A=1", None),
        ("", None),
    ],
)
def test_the_program_behind_what_starts_it(command: str, program: str | None) -> None:
    """Interpreters give way to what they run, launchers and inits to what they start."""
    assert program_of(command.split()) == program


def test_the_program_behind_a_shell() -> None:
    """It is the last command of its text, also a shell deeper."""
    assert program_of(["sh", "-c", "migrate && exec gunicorn app"]) == "gunicorn"
    assert program_of(["sh", "-c", "bash -c 'celery worker'"]) == "celery"
    assert program_of(["sh", "-c", ""]) is None


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["sh", "-c", "a b"], "a b"),
        (["/bin/bash", "-e", "-c", "a"], "a"),
        (["/entrypoint.sh", "/bin/sh", "-c", "a"], "a"),
        (["bash", "-ec", "a"], "a"),
        (["sh", "script.sh", "-c", "a"], None),
        (["sh", "-c"], None),
        (["python", "-c", "a"], None),
    ],
)
def test_a_shell_is_found_wherever_it_stands(words: list[str], text: str | None) -> None:
    """With what it is told; a script is something else."""
    assert shell_text(words) == text


def test_only_the_last_command_counts_as_exec() -> None:
    """What is in front of it has ended."""
    assert execs("migrate && exec gunicorn")
    assert not execs("exec 2>&1; gunicorn")
    assert not execs("")


def test_the_last_of_a_flag_counts() -> None:
    """Joined by `=` or apart."""
    assert option_of(("g", "--timeout", "30", "-t=60"), "--timeout", "-t") == "60"
    assert option_of(("g", "--timeout"), "--timeout") is None
    assert option_of(("g",), "--timeout") is None
    assert option_of(("sh", "-c", "a --timeout 1; exec sh -c 'b --timeout 2'"), "--timeout") == "2"


@pytest.mark.parametrize(
    ("name", "words", "reachable", "kind"),
    [
        ("video-worker", [], False, Kind.WORKER),
        ("videoWorker", [], True, Kind.WORKER),
        ("api", ["uvicorn", "app"], True, Kind.SERVICE),
        ("app", ["celery", "-A", "x", "worker"], False, Kind.WORKER),
        ("app", ["python", "-m", "worker"], False, Kind.WORKER),
        ("app", ["python", "-m", "worker"], True, Kind.SERVICE),
        ("migrate", [], False, Kind.JOB),
        ("network", [], False, Kind.SERVICE),
    ],
)
def test_kinds_are_guessed(name: str, words: list[str], reachable: bool, kind: Kind) -> None:
    """From the name first, then from what is started, unless it can be reached."""
    assert kind_of(name, words, reachable=reachable) is kind


@pytest.mark.parametrize(
    ("image", "is_one"),
    [
        ("postgres:17", True),
        ("registry:5000/team/redis@sha256:00", True),
        ("motoserver/moto:5", True),
        ("video", False),
        ("my/postgres-backup", False),
        (None, False),
    ],
)
def test_other_peoples_servers(image: str | None, is_one: bool) -> None:
    """By the image's name, without registry, tag and digest."""
    assert is_dependency(image) is is_one
