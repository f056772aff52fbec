"""One supervised container: the same states, restarts and evidence as a process, told by the engine.

The container is made once and started again after each exit, as a restart policy of the engine would do;
the policy is ours, since the engine's would act on its own.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unstuck.worlds.container import residue
from unstuck.worlds.container.memory import ContainerMemory
from unstuck.worlds.process import proctree
from unstuck.worlds.process.spawn import SpawnError
from unstuck.worlds.process.supervisor import Emit, Supervised
from unstuck.worlds.process.wire import Launch

if TYPE_CHECKING:
    from docker import DockerClient

_LOG_ENDS_WITHIN_S = 2.0
_END_TOLD_WITHIN_S = 5.0
_SIGNAL_EXIT = 128  # the engine's code for a program that a signal ended, plus the signal's number


@dataclass(frozen=True, slots=True, kw_only=True)
class Berth:
    """What the containers of one run have in common."""

    image: str
    run: str  # label and first part of each name
    owner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """An incarnation of a container has ended, as the engine tells it."""

    who: SupervisedContainer
    incarnation: int
    status: int  # as wait() has it
    oom_killed: bool


class SupervisedContainer(Supervised):
    """`Supervised` over a container. `tell_ended` is called from a thread of its own, once an incarnation."""

    def __init__(
        self,
        launch: Launch,
        *,
        log: str,
        emit: Emit,
        client: DockerClient,
        berth: Berth,
        tell_ended: Callable[[Ended], None],
    ) -> None:
        super().__init__(
            launch,
            log=log,
            emit=emit,
            kill_left_over=lambda: None,  # the kernel kills all of a container with its process 1
            packages=frozenset(),
            groups=None,
            group_prefix="",
        )
        self._client = client
        self._berth = berth
        self._tell_ended = tell_ended
        self._identity: str | None = None  # of the container, once it is made
        self._incarnation = 0
        self._main: proctree.Process | None = None  # process 1 of the present incarnation

    def is_main(self, process: proctree.Process) -> bool:
        """Whether this is its process 1, and not a later holder of its pid.

        1. it ends, 2. the engine collects it, and its pid is given away, 3. the engine tells us of its end.
        """
        main = self._main
        return main is not None and (process.pid, process.started) == (main.pid, main.started)

    def ended(self, end: Ended) -> None:
        """Acts on an exit, unless it is that of an earlier incarnation."""
        if end.incarnation != self._incarnation or not self.alive:
            return
        if isinstance(self._group, ContainerMemory):
            self._group.ended(oom_killed=end.oom_killed)
        self.exited(end.status)

    def send(self, number: int) -> bool:
        """To process 1, through the engine, as `docker kill` does; False when it had ended."""
        return self._call("kill", signal.Signals(number).name)

    def pause(self) -> bool:
        """Freezes the container with all its processes; False when it had ended, or was frozen already."""
        return self._call("pause")

    def unpause(self) -> bool:
        """The reverse."""
        return self._call("unpause")

    # What differs from a process

    def _spawn(self) -> str:
        """Starts the container, made before the first time. Raises `SpawnError`."""
        from docker.errors import APIError  # noqa: PLC0415  an extra

        api = self._client.api
        try:
            if self._identity is None:
                self._identity = str(api.create_container_from_config(self._config(), self._name())["Id"])
            identity = self._identity
            output = api.attach(identity, stdout=True, stderr=True, stream=True, logs=False)
            log = threading.Thread(target=_copy, args=(output, self._log), daemon=True)
            log.start()
            api.start(identity)
            self.pid = int(api.inspect_container(identity)["State"]["Pid"])
            self._main = proctree.read(self.pid)
        except (APIError, OSError) as error:
            raise SpawnError(_said(error)) from None
        self._incarnation += 1
        waiter = threading.Thread(
            target=self._await_end, args=(identity, self._incarnation, log), daemon=True
        )
        waiter.start()
        self._check_process()
        if self.launch.memory_limit_bytes is not None:
            self._group = ContainerMemory.of(self.pid)
        return "container"

    def _check_process(self) -> None:
        """Raises `SpawnError` when the engine's processes are not this machine's: then it is another.

        1. the engine tells the pid, 2. the process ends, and its pid is gone, 3. the engine tells that it
        has ended: between 2 and 3 it is said to run, so that is waited for.
        """
        if self.pid and proctree.read(self.pid) is None and not self._ends_soon():
            raise SpawnError(
                f"its pid {self.pid} is not in our process table; the engine must run on this machine, "
                "and Unstuck see its processes"
            )

    def _ends_soon(self) -> bool:
        try:
            self._client.api.wait(self._identity, timeout=_END_TOLD_WITHIN_S)
        except OSError:  # the HTTP library's time-out is one, too
            return False
        return True

    def _await_end(self, identity: str, incarnation: int, log: threading.Thread) -> None:
        from docker.errors import APIError  # noqa: PLC0415  an extra

        code, oom_killed = _SIGNAL_EXIT + signal.SIGKILL, False
        with contextlib.suppress(APIError, OSError):  # removed, or the engine is gone: ended it has
            code = int(self._client.api.wait(identity, timeout=None)["StatusCode"])
            oom_killed = bool(self._client.api.inspect_container(identity)["State"]["OOMKilled"])
        log.join(_LOG_ENDS_WITHIN_S)
        self._tell_ended(
            Ended(who=self, incarnation=incarnation, status=wait_status(code), oom_killed=oom_killed)
        )

    def _deliver(self, number: int) -> None:
        self.send(number)

    def _call(self, method: str, *arguments: Any) -> bool:
        """False when the container was in no state for it."""
        from docker.errors import APIError  # noqa: PLC0415  an extra

        try:
            getattr(self._client.api, method)(self._identity, *arguments)
        except APIError:
            return False
        return True

    def _name(self) -> str:
        return f"{self._berth.run}-{self.launch.name}"

    def _config(self) -> Mapping[str, Any]:
        """What to make: production's image and user, the machine's network, nothing shared but that."""
        launch, api = self.launch, self._client.api
        limit = {}
        if launch.memory_limit_bytes is not None and launch.memory_limited_by == "world":
            # Memory and swap together: otherwise an overrun would go to swap, as far as there is any.
            limit = {"mem_limit": launch.memory_limit_bytes, "memswap_limit": launch.memory_limit_bytes}
        host = api.create_host_config(
            network_mode="host",
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            log_config={"type": "none"},  # it is attached to: the run's folder has the log
            **limit,
        )
        config: Mapping[str, Any] = api.create_container_config(
            self._berth.image,
            entrypoint=entrypoint_of(launch),
            command=list(launch.argv) if launch.entry else None,
            environment=dict(launch.environment),
            user=_user(),
            labels={
                residue.LABEL_RUN: self._berth.run,
                residue.LABEL_OWNER: self._berth.owner,
                residue.LABEL_PROCESS: launch.name,
            },
            stop_signal=launch.stop_signal,
            healthcheck={"test": ["NONE"]},  # readiness is the supervisor's; a probe would use the memory
            host_config=host,
        )
        return config


def entrypoint_of(launch: Launch) -> list[str]:
    """In exec form, so that the program itself is process 1. `package.__main__:main` is `-m package`."""
    if launch.entry is None:
        return list(launch.command or ())
    return ["python", "-m", launch.entry.partition(":")[0].removesuffix(".__main__")]


def wait_status(code: int) -> int:
    """A wait status from the engine's exit code, where 137 stands for SIGKILL."""
    number = code - _SIGNAL_EXIT
    if number in set(signal.Signals):
        return number
    return (code & 0xFF) << 8


def _user() -> str | None:
    """Ours, unless we are root: so that we may signal its processes. None: the image's own."""
    return None if os.getuid() == 0 else f"{os.getuid()}:{os.getgid()}"


def _copy(output: Any, log: str) -> None:
    """Appends what a container prints to its log, until it ends."""
    with contextlib.suppress(OSError), Path(log).open("ab", buffering=0) as file:
        file.writelines(output)  # each chunk as it comes: the file has no buffer


def _said(error: BaseException) -> str:
    said = getattr(error, "explanation", None) or str(error)
    return f"the engine refuses it: {' '.join(str(said).split())}"
