"""Where dependencies are, as each process reaches them: through a link of its own, or past every link."""

from __future__ import annotations

import threading

from unstuck.targets.dependencies import Dependency
from unstuck.targets.run_links import RunLinks

Address = tuple[str, int]


class Addresses:
    """Of one run; used from many threads."""

    def __init__(self, links: RunLinks) -> None:
        self._links = links
        self._dependencies: dict[str, Dependency] = {}
        self._linked: dict[tuple[str, str], Address] = {}
        self._lock = threading.Lock()

    @property
    def databases(self) -> dict[str, str]:
        """Dependency -> the name of its database, where it has one."""
        found = {}
        for name, one in self._dependencies.items():
            values = one.values(one.host, one.port)
            if "database" in values:
                found[name] = values["database"]
        return found

    def add(self, dependency: Dependency) -> None:
        self._dependencies[dependency.name] = dependency

    def framer(self, name: str) -> str:
        return self._dependencies[name].framer

    def link(self, process: str, name: str, upstream: Address, framer: str) -> None:
        """Opens the link of a process to `name`; one that is open stays, so that restarts find it."""
        with self._lock:
            if (process, name) not in self._linked:
                self._linked[process, name] = self._links.open(process, name, upstream, framer)

    def has_link(self, process: str, name: str) -> bool:
        return (process, name) in self._linked

    def of(self, name: str, *, process: str | None) -> Address:
        """The process's own link if it has one; else where the dependency listens."""
        if process is not None and (process, name) in self._linked:
            return self._linked[process, name]
        one = self._dependencies[name]
        return one.host, one.port

    def value(self, name: str, what: str, *, process: str | None) -> str:
        """`{broker}` is host:port; `{broker.url}` and the like are what the kind offers.

        Raises `KeyError` for what it does not.
        """
        address = self.of(name, process=process)
        if not what:
            return self.spelled(address, what)
        values = self._dependencies[name].values(*address)
        if what not in values:
            raise KeyError(f"{name}.{what}")
        return values[what]

    @staticmethod
    def spelled(address: Address, what: str) -> str:
        """An address as `host:port`, or as one of host, port, url (of HTTP). Raises `KeyError`."""
        host, port = address
        return {"": f"{host}:{port}", "host": host, "port": str(port), "url": f"http://{host}:{port}"}[what]
