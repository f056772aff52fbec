"""A real proxy process, links that end with their test, and real servers behind them."""

from __future__ import annotations

import itertools
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tests.conformance.links.servers import EchoServer, HttpServer
from unstuck import clock
from unstuck.links.client import LinkEvent, Links
from unstuck.links.rules import Action, Rule
from unstuck.worlds.process.session import Session

WITHIN_S = 10.0


class Proxy:
    """The proxy's process, the control connection, and every event so far."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "unstuck.links", *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert "ready" in line, line
        self.links = Links.connect("127.0.0.1", int(line.rsplit(":", 1)[1]))
        self.events: list[LinkEvent] = []
        self._changed = threading.Condition()
        self.links.on_event(self._keep)

    def _keep(self, event: LinkEvent) -> None:
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    def wait(self, event: str, where: Callable[[LinkEvent], bool], number: int = 1) -> LinkEvent:
        """The `number`-th event of that name for which `where` holds."""

        def found() -> list[LinkEvent]:
            return [one for one in self.events if one.event == event and where(one)]

        with self._changed:
            assert self._changed.wait_for(lambda: len(found()) >= number, WITHIN_S), self.events
            return found()[number - 1]

    def close(self) -> int:
        """Ends it as a harness does; its exit code."""
        self.links.close()
        code = self.process.wait(WITHIN_S)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


@dataclass
class OpenLink:
    """A link of one test."""

    proxy: Proxy
    name: str
    host: str
    port: int

    @property
    def links(self) -> Links:
        return self.proxy.links

    def rule(self, action: Action, **fields: object) -> str:
        """Adds a rule for this link; its id."""
        rule_id = f"{self.name}-{next(_numbers)}"
        self.links.add_rule(Rule(id=rule_id, link=self.name, action=action, **fields))  # type: ignore[arg-type]  # passed on as given
        return rule_id

    def wait(self, event: str, number: int = 1, **fields: object) -> LinkEvent:
        """The `number`-th such event of this link."""
        return self.proxy.wait(
            event,
            lambda one: (
                one.link == self.name and all(getattr(one, key) == value for key, value in fields.items())
            ),
            number,
        )

    def events(self, event: str) -> list[LinkEvent]:
        return [one for one in self.proxy.events if one.link == self.name and one.event == event]

    def counts(self) -> dict[str, int]:
        return self.links.counts()[self.name]


_numbers = itertools.count(1)


def listening(port: int, within_s: float = WITHIN_S) -> None:
    """Returns when something takes connections there."""
    deadline_ns = clock.monotonic_ns() + int(within_s * 1e9)
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert clock.monotonic_ns() < deadline_ns, f"nothing listens on {port}"
            clock.sleep(0.05)
        else:
            return


@pytest.fixture(scope="session")
def proxy() -> Iterator[Proxy]:
    one = Proxy()
    yield one
    assert one.close() == 0


@pytest.fixture
def open_link(proxy: Proxy) -> Iterator[Callable[[int, str], OpenLink]]:
    """Opens links that are shut when the test ends."""
    with ExitStack() as stack:

        def open_one(port: int, framer: str) -> OpenLink:
            name = f"test.link{next(_numbers)}"
            link = OpenLink(proxy, name, *proxy.links.open(name, "127.0.0.1", port, framer))
            stack.callback(proxy.links.shut, name)
            return link

        yield open_one


@pytest.fixture
def echo() -> Iterator[EchoServer]:
    with EchoServer() as server:
        yield server


@pytest.fixture
def link(open_link: Callable[[int, str], OpenLink], echo: EchoServer) -> OpenLink:
    """A raw link to an echo."""
    return open_link(echo.port, "raw")


@pytest.fixture
def upstream() -> Iterator[socket.socket]:
    """A listening socket whose connections the test itself accepts."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(WITHIN_S)
        yield listener


@pytest.fixture
def http() -> Iterator[HttpServer]:
    with HttpServer() as server:
        yield server


@pytest.fixture(scope="session")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """Where the real PostgreSQL and the S3/SQS emulator run."""
    with Session(scratch=tmp_path_factory.mktemp("s")) as one:
        yield one
