"""Which texts name a host off this machine, and what a target file needs to reach one."""

from __future__ import annotations

import pytest

from unstuck.errors import TargetError
from unstuck.targets.declared.hosts import (
    check_filled,
    hosts_in_command,
    hosts_in_variable,
    hosts_off_machine,
    refusal,
)
from unstuck.targets.declared.inherited import inherited, withheld


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("redis://prod.example:6379/0", ["prod.example"]),
        ("redis://user:word@cache/0", ["cache"]),
        ("postgres://one:1,two:2/db", ["one", "two"]),
        ("http://{api}.example.com/", ["127.0.0.1.example.com"]),
        ("10.0.0.5", ["10.0.0.5"]),
        ("10.0.0.5:6379", ["10.0.0.5"]),
        ("db.prod:5432", ["db.prod"]),
        ("redis:6379", ["redis"]),
        ("prod:{port}", ["prod"]),
        ("[fe80::1]:80", ["fe80::1"]),
        ("http://[2001:db8::1]:80/", ["2001:db8::1"]),
        ("HTTPS://Prod.Example/", ["prod.example"]),
        ("host=db.example user=x", ["db.example"]),
        ("user=x host = db port=5432", ["db"]),
        ("host='db' user=x", ["db"]),
        ("host=one:1,two dbname=x", ["one", "two"]),
        ("hostaddr=10.0.0.5", ["10.0.0.5"]),
        ("hostaddr=fe80::1", ["fe80::1"]),
        ("Server=tcp:db.example,1433;Database=x", ["db.example"]),
        ("postgresql:///db?host=db.example", ["db.example"]),
        ("postgresql://{broker}/db?x=1&host=db%2Eexample", ["db.example"]),
        ("select dblink_connect('host=db user=x')", ["db"]),
    ],
)
def test_hosts_elsewhere_are_found(text: str, hosts: list[str]) -> None:
    """In URLs with one host or several, in pairs of host and port, in keywords, as bare addresses."""
    assert hosts_off_machine(text) == hosts


@pytest.mark.parametrize(
    "text",
    [
        *("redis://{broker}/0", "{broker.url}", "http://{api}/jobs", "amqp://{broker.user}:x@{broker}//"),
        *("http://localhost:80", "http://127.0.0.1", "127.1.2.3:80", "0.0.0.0:8000", "[::1]:80", "::"),
        *("sqlite:///file.db", "unix:///tmp/x.sock", "tasks:submit", "proj.celery:app"),
        *("postgres:16", "nginx:1.25", "12:30", "12:30:45", "$.x[0:10]", "worker@%h", "python3.11"),
        *("select x::text from jobs", '{"a": 10, "b": 20}', "sha256:0123456789abcdef", "1", ""),
        *("host={broker.host} port={broker.port}", "host=localhost", "host=/run/postgresql dbname=x"),
        *("postgresql:///db?host=%2Frun", "select 1 where host = 'a' and server = $1", "localhost=x"),
    ],
)
def test_what_is_no_host_elsewhere_is_left_alone(text: str) -> None:
    """The loopback, what a template fills in, images with tags, times, paths, statements."""
    assert hosts_off_machine(text) == []


def test_options_and_variables_that_name_a_host() -> None:
    """`--host NAME` of a command and `X_HOST` of an environment name one without a port."""
    assert hosts_in_command(["psql", "-h", "db", "--host=other", "-p", "5"]) == ["db", "other"]
    assert hosts_in_command(["celery", "--hostname", "worker@%h", "-h"]) == []
    assert hosts_in_variable("REDIS_HOST", "cache") == ["cache"]
    assert hosts_in_variable("KAFKA_SERVERS", "one:9092,two") == ["one", "two"]
    assert hosts_in_variable("REDIS_HOST", "{broker.host}") == []
    assert hosts_in_variable("MODE", "cache") == []
    assert hosts_in_variable("PGHOST", "cache") == ["cache"]
    assert hosts_in_variable("DATABASE_DSN", "host=db.example user=x") == ["db.example"]
    assert hosts_in_command(["psql", "host=db.example dbname=y"]) == ["db.example"]


def test_what_was_filled_in_is_held_to_the_same() -> None:
    """A scenario can give a value that leads elsewhere, which the file alone does not show."""
    check_filled("http", hosts_off_machine("http://127.0.0.1:80/"), ())
    check_filled("http", hosts_off_machine("http://prod/"), {"prod"})
    with pytest.raises(TargetError, match="http: 'prod' is not this machine"):
        check_filled("http", hosts_off_machine("http://prod/"), ())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(
            (name, "x")
            for name in ("BROKER_URL", "REDIS_URL", "DATABASE_URL", "CELERY_BROKER_URL", "AMQP_URL")
        ),
        *(
            (name, "x")
            for name in ("SQLALCHEMY_DATABASE_URI", "DB_HOST", "PGHOST", "REDIS_PORT_6379_TCP_ADDR")
        ),
        ("SHOP", "rediss://localhost/0"),
        ("SHOP", "postgresql+psycopg://localhost/x"),
        ("ENDPOINT", "https://api.example/"),
        ("APP_CONN", "host=db dbname=shop"),
        ("APP_CONN", "dbname=shop host=localhost"),
    ],
)
def test_addresses_are_kept_from_roles(name: str, value: str) -> None:
    """By the variable's name wherever it points, and by a value that is such an address."""
    assert inherited({name: value, "PATH": "/bin"}) == {"PATH": "/bin"}
    assert withheld({name: value}) == [name]
    assert withheld({name: value}, {name}) == []


def test_other_variables_reach_roles() -> None:
    """A program needs its surroundings."""
    kept = {
        "PATH": "/bin",
        "HOME": "/root",
        "LANG": "C",
        "PORT": "80",
        "PAGER": "less",
        "DISPLAY": "host:10",
        "OPTIONS": "-Dhttp.host=x",
        "URL": "http://127.0.0.1/",
    }
    assert inherited(kept) == kept


def test_errors_name_both_steps() -> None:
    """What is missing is said: the file's yes, the command line's, or both."""
    assert "allow_hosts" in refusal("x", (), ())
    assert "--allow-host x" in refusal("x", (), ())
    assert "allow_hosts" not in refusal("x", {"x"}, ())
