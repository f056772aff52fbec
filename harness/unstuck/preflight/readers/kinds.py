"""What a workload is for, guessed from how it is called, what it starts and whether anybody can reach it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from unstuck.preflight.model import Kind
from unstuck.preflight.programs import program_of

_ENDS: Final = frozenset(
    {
        "migrate",
        "migration",
        "migrations",
        "init",
        "setup",
        "seed",
        "bootstrap",
        "release",
        "test",
        "tests",
        "e2e",
    }
)
_WORKERS: Final = frozenset(
    {
        *(
            "worker",
            "workers",
            "consumer",
            "consumers",
            "processor",
            "runner",
            "poller",
            "dispatcher",
            "daemon",
        ),
        *("sweeper", "relay", "beat", "scheduler", "celery", "sidekiq", "rq", "dramatiq", "resque", "huey"),
        *("transcoder", "encoder", "renderer", "queue", "jobs"),
    }
)
_WORKER_PROGRAMS: Final = frozenset({"celery", "sidekiq", "rq", "dramatiq", "huey_consumer", "resque", "arq"})
_DEPENDENCIES: Final = frozenset(
    {
        *(
            "postgres",
            "postgresql",
            "postgis",
            "timescaledb",
            "pgbouncer",
            "mysql",
            "mariadb",
            "mongo",
            "mongodb",
        ),
        *("redis", "redis-stack", "redis-stack-server", "valkey", "keydb", "memcached", "rabbitmq", "kafka"),
        *(
            "cp-kafka",
            "zookeeper",
            "cp-zookeeper",
            "nats",
            "elasticsearch",
            "opensearch",
            "clickhouse-server",
        ),
        *(
            "minio",
            "localstack",
            "localstack-pro",
            "server-moto",
            "ministack",
            "elasticmq",
            "elasticmq-native",
        ),
        *("nginx", "traefik", "haproxy", "caddy", "envoy", "grafana", "prometheus", "alertmanager", "loki"),
        *(
            "jaeger",
            "all-in-one",
            "opentelemetry-collector",
            "otel-collector",
            "mailhog",
            "mailpit",
            "adminer",
        ),
        *("pgadmin4", "vault", "consul", "etcd", "toxiproxy", "fake-gcs-server", "flower", "watchtower"),
    }
)


def tokens(text: str) -> frozenset[str]:
    """The words of a name: `videoWorker-2` has `video`, `worker` and `2`."""
    apart = re.sub(r"([a-z])([A-Z])", r"\1 \2", text)
    return frozenset(word.lower() for word in re.split(r"[^A-Za-z0-9]+", apart) if word)


def is_dependency(image: str | None) -> bool:
    """True for an image of a well-known server that somebody else wrote."""
    if image is None:
        return False
    repository = image.split("@")[0]
    head, _, tail = repository.rpartition(":")
    if head and "/" not in tail:  # else the colon is that of a registry's port
        repository = head
    name = repository.rsplit("/", 1)[-1].lower()
    return name in _DEPENDENCIES or repository.lower() in (
        "motoserver/moto",
        "apache/kafka",
        "dpage/pgadmin4",
    )


def kind_of(
    name: str,
    words: Sequence[str] = (),
    *,
    image: str | None = None,
    reachable: bool = False,
    ends: bool = False,
) -> Kind:
    """`reachable`: it publishes a port. `ends`: its platform waits for its end."""
    if is_dependency(image) or (image is not None and name.lower() in _DEPENDENCIES):
        return Kind.DEPENDENCY
    if ends:
        return Kind.JOB
    called = tokens(name) | tokens(" ".join(words[:6]))
    if tokens(name) & _ENDS or (words and tokens(words[0]) & _ENDS):
        return Kind.JOB
    if tokens(name) & _WORKERS or program_of(words) in _WORKER_PROGRAMS:
        return Kind.WORKER
    if not reachable and called & _WORKERS:
        return Kind.WORKER
    return Kind.SERVICE
