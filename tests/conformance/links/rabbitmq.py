"""A RabbitMQ of its own on free loopback ports, for as long as a test module needs it."""

from __future__ import annotations

import glob
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conformance.links.conftest import listening
from unstuck.worlds.process.ports import free_port

STARTS_WITHIN_S = 60.0


def server_script() -> str | None:
    """The server's own script: what Debian puts on PATH changes to another user first."""
    found = sorted(glob.glob("/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server"))
    return found[-1] if found else shutil.which("rabbitmq-server")


@contextmanager
def rabbitmq(folder: Path) -> Iterator[int]:
    """Its port. The Erlang port mapper is a process of its own, and goes, too."""
    port, mapper_port = free_port(), free_port()
    (folder / "enabled_plugins").write_text("[].")
    loopback = "127.0.0.1"
    environment = {
        **os.environ,
        "HOME": str(folder),
        "RABBITMQ_NODENAME": f"links{port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": loopback,
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_CONFIG_FILE": str(folder / "none"),
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} +S 1:1",
        "ERL_EPMD_ADDRESS": loopback,
        "ERL_EPMD_PORT": str(mapper_port),
    }
    log = (folder / "server.log").open("wb")
    mapper = subprocess.Popen(["epmd"], env=environment, stdout=log, stderr=log)
    listening(mapper_port)
    process = subprocess.Popen(
        [str(server_script())], env=environment, stdout=log, stderr=log, start_new_session=True
    )
    try:
        listening(port, STARTS_WITHIN_S)
        yield port
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
        mapper.kill()
        mapper.wait(10)
        log.close()
