"""The words of dependencies: what is wanted, what a kind has to offer, and what is open then."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from unstuck.errors import TargetError
from unstuck.worlds.port import World
from unstuck.worlds.process.session import Session
from unstuck.worlds.process.wire import Launch

Framer = Literal["resp", "postgres", "amqp", "http1", "raw"]
"""Who cuts the bytes of a link to it into messages."""

Shape = Literal["whole", "seconds", "text", "texts", "flag", "settings"]
"""Of an option's value: a whole number; a number; a text; a text or a list of them; true or false; texts
or numbers by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A dependency as a target file names it. `name` is its role, and its process, in the run."""

    name: str
    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """What a kind lets a target file say. `means` is the row of the documentation."""

    shape: Shape
    means: str
    at_least: float | None = None
    choices: tuple[str, ...] = ()


class Place(World, Protocol):
    """A world in which dependencies can live: one of this machine, not the sim."""

    quick: Path  # of the run, for files that are many and small; removed with the world


FROM: Mapping[str, Option] = {
    "from": Option(
        shape="text",
        choices=("machine", "container"),
        means="a program of this machine, or a container (the first that is there)",
    ),
    "image": Option(shape="text", means="the image of the container, in place of the usual one"),
}
"""What can be said of every kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """Where one dependency is made."""

    world: Place
    session: Session
    data: Path  # of its own, empty, mode 0700, gone with the world
    log: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """Ready to be started: the data is there, nothing runs.

    `launch` makes the process for a port; it is asked again, with another one, when somebody took the
    first. What it names besides (data, other ports) may change then, too, but not after the start.
    """

    launch: Callable[[int], Launch]
    url: Callable[[str, int], str]
    values: Mapping[str, str] = field(default_factory=dict)  # the kind's own, for templates
    framer: Framer | None = None  # None: the kind's


class NotInstalled(TargetError):  # noqa: N818  what is the case, not an error of somebody's
    """Nothing on this machine can run it; a container may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contained:
    """What runs a kind from an image, on the network of this machine.

    The dependency's folder is `inside` there. It is ready when its output has had each text of `ready`, in
    this order; without any, when its port is answered.
    """

    image: str
    inside: str
    command: Callable[[int], Sequence[str] | None]  # None: the image's own
    environment: Callable[[int], Mapping[str, str]]
    url: Callable[[str, int], str]
    values: Mapping[str, str] = field(default_factory=dict)
    ready: Callable[[int], Sequence[str]] = lambda _: ()
    ready_timeout_s: float = 60.0
    read_only: Mapping[str, str] = field(default_factory=dict)  # paths of ours, by where they are there
    framer: Framer | None = None


class KindModule(Protocol):
    """One kind: a module of `kinds`."""

    @property
    def KIND(self) -> str: ...  # noqa: N802  a module's constants

    @property
    def FRAMER(self) -> Framer: ...  # noqa: N802  same

    @property
    def OPTIONS(self) -> Mapping[str, Option]: ...  # noqa: N802  same

    @property
    def VALUES(self) -> tuple[str, ...]:  # noqa: N802  same
        """What its `values` hold beside url, host and port."""
        ...

    @property
    def INSTALL(self) -> str: ...  # noqa: N802  same

    def prepare(self, wanted: Wanted, ground: Ground) -> Prepared:
        """Makes its data. Raises `TargetError`, `NotInstalled` with `INSTALL` where nothing can run it."""
        ...

    def contained(self, wanted: Wanted, ground: Ground) -> Contained:
        """The same from an image: `options["image"]`, or the one that is usual. Raises `TargetError`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """One that runs, and was ready. The world ends it.

    `spec` is how it was started: `world.start(spec)`, once it has been stopped, starts it again on the
    same port and data; so does the supervisor after a kill.
    """

    name: str
    kind: str
    host: str
    port: int
    framer: Framer
    spec: Launch
    prepared: Prepared

    def url(self, host: str, port: int) -> str:
        """What a role is told that reaches it by this address: that of the role's link, or its own."""
        return self.prepared.url(host, port)

    def values(self, host: str, port: int) -> Mapping[str, str]:
        """What templates of a target file can name: `url`, `host`, `port`, and what its kind adds."""
        return {"url": self.url(host, port), "host": host, "port": str(port), **self.prepared.values}
