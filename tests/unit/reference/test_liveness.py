"""Whether a role without HTTP says that it lives: while it waits, amidst a step, and when it cannot."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from reference_service.clock import SystemClock
from reference_service.exposition import STALLED_S, Exposition, Progress
from reference_service.fakes import ManualClock
from reference_service.runtime import ForkRuntime
from reference_service.settings import GivenSettings
from unstuck.worlds.process.ports import free_port

pytestmark = pytest.mark.process
CLOCK = SystemClock()


def settings() -> GivenSettings:
    return GivenSettings(database_url="sqlite://", sink_url="http://s", metrics_port=free_port())


@pytest.fixture
def runtime() -> Iterator[ForkRuntime]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGIO)}
    one = ForkRuntime(boot_id="b", drain_on_sigterm=True, memory_limit_bytes=None)
    yield one
    one.close()
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def exposition() -> Iterator[Exposition]:
    one = Exposition(settings(), lambda: b"figures 1\n")
    yield one
    one.close()


def port_of(exposition: Exposition) -> int:
    port: int = exposition._listener.getsockname()[1]
    return port


class Client(threading.Thread):
    """Asks once; `took_s` and `answer` are there after `join`."""

    def __init__(self, port: int, path: str) -> None:
        super().__init__(daemon=True)
        self._port, self._path = port, path
        self.answer = b""
        self.took_s = 0.0
        self.start()

    def run(self) -> None:
        began = CLOCK.monotonic()
        with socket.create_connection(("127.0.0.1", self._port), timeout=20) as peer:
            peer.sendall(f"GET {self._path} HTTP/1.1\r\n\r\n".encode())
            while chunk := peer.recv(4096):
                self.answer += chunk
        self.took_s = CLOCK.monotonic() - began


def test_a_step_that_waits_for_others_answers_its_supervisor(
    runtime: ForkRuntime, exposition: Exposition
) -> None:
    """In a call that lasts: whoever asks whether it lives is told at once, figures come after."""
    runtime.attend(exposition, CLOCK, at_once=True)
    deaf, other = socket.socketpair()
    deaf.settimeout(1.5)
    figures, liveness = Client(port_of(exposition), "/metrics"), Client(port_of(exposition), "/livez")
    with pytest.raises(TimeoutError):
        deaf.recv(1)  # as a client's library waits for an answer
    runtime.wait(0.0)
    liveness.join(10)
    figures.join(10)
    assert b"200 OK" in liveness.answer
    assert liveness.took_s < 1.0
    assert b"figures 1" in figures.answer
    for one in (deaf, other):
        one.close()


def test_a_client_does_not_end_the_wait(runtime: ForkRuntime, exposition: Exposition) -> None:
    """The signal that says that one has come wakes nobody else."""
    runtime.attend(exposition, CLOCK, at_once=True)
    began = CLOCK.monotonic()
    liveness = Client(port_of(exposition), "/livez")
    runtime.wait(0.7)
    assert CLOCK.monotonic() - began >= 0.7
    liveness.join(10)
    assert b"200 OK" in liveness.answer


def test_a_loop_that_does_nothing_any_more_does_not_live() -> None:
    """Nothing was begun and nothing ended for as long as no single call can last."""
    clock, done = ManualClock(), [0]
    progress = Progress(clock, lambda: done[0])
    clock.advance(STALLED_S - 1)
    assert progress.goes_on()
    clock.advance(2)
    assert not progress.goes_on()
    done[0] += 1
    assert progress.goes_on()


def test_what_a_stalled_loop_says(runtime: ForkRuntime) -> None:
    """503, and its supervisor restarts it."""
    exposition = Exposition(settings(), lambda: b"", goes_on=lambda: False)
    runtime.attend(exposition, CLOCK, at_once=True)
    client = Client(port_of(exposition), "/livez")
    while not client.answer:
        CLOCK.sleep(0.01)
    assert b"503" in client.answer
    exposition.close()


NO_DESCRIPTOR_LEFT = """
import os, resource, signal, socket, sys
from reference_service.clock import SystemClock
from reference_service.exposition import Exposition
from reference_service.runtime import ForkRuntime
from reference_service.settings import GivenSettings
port, clock = int(sys.argv[1]), SystemClock()
given = GivenSettings(database_url="sqlite://", sink_url="http://s", metrics_port=port)
exposition = Exposition(given, lambda: b"")
runtime = ForkRuntime(boot_id="b", drain_on_sigterm=True, memory_limit_bytes=None)
runtime.attend(exposition, clock, at_once=True)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
client, taken = socket.socket(), []
try:
    while True: taken.append(os.dup(0))
except OSError: pass
client.connect(("127.0.0.1", port))
signal.alarm(20)
began, cpu = clock.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_utime
for _ in range(4):
    runtime.wait(0.3)
took, cpu = clock.monotonic() - began, resource.getrusage(resource.RUSAGE_SELF).ru_utime - cpu
print(1.2 <= took < 10, cpu < 0.4)
for fd in taken: os.close(fd)
client.sendall(b"GET /livez HTTP/1.1\\r\\n\\r\\n")
runtime.wait(1.0)
print(client.recv(4096)[:15])
"""


def test_without_descriptors_a_wait_ends_in_time() -> None:
    """Who cannot be let in is left alone for a moment, and is let in when there is room again."""
    done = subprocess.run(
        [sys.executable, "-c", NO_DESCRIPTOR_LEFT, str(free_port())],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout.splitlines() == ["True True", "b'HTTP/1.1 200 OK'"], done.stderr


def test_clients_that_say_nothing_do_not_keep_it(runtime: ForkRuntime, exposition: Exposition) -> None:
    """However many come: a wait is over when its time is, or one client's patience later."""
    runtime.attend(exposition, CLOCK, at_once=False)
    silent = [socket.create_connection(("127.0.0.1", port_of(exposition))) for _ in range(8)]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    began = CLOCK.monotonic()
    runtime.wait(0.05)
    assert CLOCK.monotonic() - began < 0.6
    assert resource.getrusage(resource.RUSAGE_SELF).ru_utime - before < 0.5
    for one in silent:
        one.close()


def test_who_comes_with_a_jobs_end_is_told_before_the_next_step(
    runtime: ForkRuntime, exposition: Exposition, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1. a client comes while the role waits  2. so does the end of a job, which ends the wait  3. the next
    step asks somebody who does not answer.
    """
    runtime.attend(exposition, CLOCK, at_once=True)
    read, write = os.pipe()
    runtime.watch(read)
    poll_once, clients = runtime._poll_once, list[socket.socket]()

    def poll_when_both_have_come(timeout_s: float) -> set[int]:
        client = socket.create_connection(("127.0.0.1", port_of(exposition)), timeout=5)
        client.sendall(b"GET /livez HTTP/1.1\r\n\r\n")
        clients.append(client)
        os.write(write, b"!")
        return poll_once(timeout_s)

    monkeypatch.setattr(runtime, "_poll_once", poll_when_both_have_come)
    runtime.wait(5.0)
    [client] = clients
    assert client.recv(100).startswith(b"HTTP/1.1 200")
    client.close()
    for fd in (read, write):
        os.close(fd)
