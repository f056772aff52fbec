"""What a role inherits of the user's own environment: all but addresses of brokers and databases.

A shell may point at production by `REDIS_URL`. A worker that falls back on it would take real jobs, and
be killed in the midst of them. So what looks like such an address stays outside, wherever it points; a
target file passes a variable on by naming it in `inherit`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from unstuck.targets.declared.hosts import DSN, hosts_off_machine

_SYSTEMS = (
    "AMQP|ARQ|BROKER|BULL|BULLMQ|CACHE|CASSANDRA|CELERY|CLICKHOUSE|COUCH|COUCHDB|DATABASE|DB|DRAMATIQ|DYNAMODB|"
    "ELASTIC|ELASTICSEARCH|HUEY|KAFKA|KOMBU|MARIADB|MEMCACHE|MEMCACHED|MONGO|MONGODB|MQ|MSSQL|MYSQL|NATS|ORACLE|"
    "POSTGRES|POSTGRESQL|PROCRASTINATE|PULSAR|QUEUE|RABBIT|RABBITMQ|REDIS|RESULT|RESULTS|RQ|S3|SIDEKIQ|SQL|"
    "SQLALCHEMY|SQS|TEMPORAL|VALKEY"
)
_PLACES = "ADDR|ADDRESS|ADDRESSES|BACKEND|BROKERS?|DSN|ENDPOINT|HOST|HOSTS|HOSTNAME|PORT|SERVERS?|URIS?|URLS?"
_NAME = re.compile(
    rf"(.*_)?({_SYSTEMS})(_.*)?_({_PLACES})(_.*)?"  # MY_REDIS_URL, DB_MAIN_HOST, REDIS_PORT_6379_TCP_ADDR
    rf"|({_SYSTEMS})({_PLACES})|(.*_)?({_PLACES})_({_SYSTEMS})"  # DBHOST, HOST_DB
    r"|(CELERY_|AWS_|BOTO).*|PG[A-Z]+",  # what these clients read of themselves
    re.IGNORECASE,
)
_SCHEME = re.compile(
    r"(?:amqps?|pyamqp|rediss?|redis\+\w+|valkeys?|sentinel|unix\+redis|postgres(?:ql)?(?:\+\w+)?|mysql(?:\+\w+)?|"
    r"mariadb(?:\+\w+)?|mongodb(?:\+srv)?|mssql(?:\+\w+)?|oracle(?:\+\w+)?|sqs|kafka|nats|stomp|memcached|"
    r"clickhouse\w*|cassandra|neo4j|elasticsearch)://",
    re.IGNORECASE,
)


def withheld(environment: Mapping[str, str], passed_on: Collection[str] = ()) -> list[str]:
    """The names of the variables that roles do not get, in alphabetical order."""
    return sorted(
        name
        for name, value in environment.items()
        if name not in passed_on and looks_like_address(name, value)
    )


def inherited(environment: Mapping[str, str], passed_on: Collection[str] = ()) -> dict[str, str]:
    """The environment without what is withheld."""
    out = set(withheld(environment, passed_on))
    return {name: value for name, value in environment.items() if name not in out}


def looks_like_address(name: str, value: str) -> bool:
    """True for a variable that says, by name or by value, where a broker, a database, another machine is."""
    return bool(
        _NAME.fullmatch(name)
        or _SCHEME.search(value)
        or DSN.search(value)
        or ("://" in value and hosts_off_machine(value))
    )
