"""Starts one process: by fork of what is imported already, or by exec. Runs in the guardian.

Whoever is started has: its own session and process group, default signal handlers, an environment
and a folder as told, nothing open but the null device and its log, SIGKILL when the guardian dies,
and the part of PID 1 for its descendants (it adopts their orphans, as in a container).
"""

from __future__ import annotations

import contextlib
import importlib
import os
import pwd
import resource
import signal
import sys
import traceback
from typing import Literal, NoReturn, TextIO

from unstuck.worlds.process import disks, linux
from unstuck.worlds.process.cgroups import MemoryGroup
from unstuck.worlds.process.wire import PRELOAD, Launch

How = Literal["fork", "exec"]

_ERROR_FD = 3
_UNFLUSHED = 120


class SpawnError(Exception):
    """The process could not be started; the text says why, as `field=value rule`."""


def how_to_start(launch: Launch, packages: frozenset[str]) -> How:
    """A fork serves entries of the packages that were preloaded; all else is executed.

    With a memory limit an entry is executed too: a forked child is charged almost nothing for the
    pages that it shares with the process that it was forked from. With a library to preload likewise: a
    fork has loaded its libraries long ago.
    """
    if launch.entry is None or launch.memory_limit_bytes is not None or PRELOAD in launch.environment:
        return "exec"
    return "fork" if launch.entry.partition(".")[0].partition(":")[0] in packages else "exec"


def command_of(launch: Launch) -> list[str]:
    """What to execute; an entry becomes a Python that calls it, with the modules that we see."""
    if launch.entry is None:
        return list(launch.command or ())
    module, _, function = launch.entry.partition(":")
    code = (
        f"import sys; sys.path[:] = {sys.path!r}; "
        f"from {module} import {function}; sys.exit({function}(sys.argv[1:]))"
    )
    return [sys.executable, "-c", code, *launch.argv]


def spawn(launch: Launch, log: str, how: How, group: MemoryGroup | None) -> int:
    """The pid of a process that has begun to run what was asked. Raises `SpawnError`."""
    try:
        reader, writer = os.pipe()
    except OSError as error:
        raise SpawnError(
            f"no pipe for it: {error.strerror}; close what is open, or raise `ulimit -n`"
        ) from None
    guardian_pid = os.getpid()
    with os.fdopen(reader, "rb") as pipe:
        # Until the child has reset its handlers no signal may run the guardian's inside of it.
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            pid = os.fork()
            if pid == 0:
                try:
                    _child(launch, log, how, group, writer, guardian_pid)
                finally:
                    os._exit(127)  # whatever happens, this is no second guardian
        except OSError as error:  # the guardian has to live on: it is who takes the others away
            raise SpawnError(
                f"cannot be forked: {error.strerror}; end processes, or raise `ulimit -u`"
            ) from None
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
            os.close(writer)
        problem = pipe.read()  # ends when the child executes, or has closed what it inherited
    if problem:
        os.waitpid(pid, 0)
        raise SpawnError(problem.decode(errors="replace"))
    return pid


def _child(
    launch: Launch, log: str, how: How, group: MemoryGroup | None, writer: int, guardian_pid: int
) -> NoReturn:
    step, error_fd = "start", writer
    try:
        _reset_signals(how)
        os.setsid()
        step = f"memory_limit_bytes={launch.memory_limit_bytes!r}"
        _limit(launch, group)
        step = f"log={log!r}"
        _redirect(log)
        step = f"folder={launch.folder!r}"
        if launch.folder is not None:
            os.chdir(launch.folder)
        if launch.disk_folder is not None and launch.disk_bytes is not None:
            step = f"disk_folder={launch.disk_folder!r}"
            disks.limit(launch.disk_folder, launch.disk_bytes)
        step = f"user={launch.user!r}"
        _change_user(launch)
        linux.become_subreaper()
        error_fd = os.dup2(writer, _ERROR_FD, inheritable=False)
        os.closerange(_ERROR_FD + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        if launch.descriptors_max is not None:
            step = f"descriptors_max={launch.descriptors_max!r}"
            resource.setrlimit(resource.RLIMIT_NOFILE, (launch.descriptors_max, launch.descriptors_max))
        if sys.platform.startswith("linux") and not linux.die_with_parent(guardian_pid):
            os._exit(1)
        if how == "exec":
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            command = command_of(launch)
            step = f"command={command[0]!r}"
            os.execvpe(command[0], command, dict(launch.environment))  # noqa: S606  no shell wanted
        os.close(_ERROR_FD)
    except BaseException as error:  # noqa: BLE001  whatever it is, the guardian has to hear of it
        reason = error.strerror if isinstance(error, OSError) and error.strerror else repr(error)
        if isinstance(error, FileNotFoundError) and step.startswith("command="):
            reason = "was not found; install it or give its path"
        os.write(error_fd, f"{step}: {reason}".encode())
        os._exit(127)
    os._exit(_call(launch))


def _reset_signals(how: How) -> None:
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        # Python itself ignores SIGPIPE and turns SIGINT into KeyboardInterrupt: a fork stays Python.
        if how == "fork" and number == signal.SIGPIPE:
            continue
        if how == "fork" and number == signal.SIGINT:
            signal.signal(number, signal.default_int_handler)
            continue
        try:
            signal.signal(number, signal.SIG_DFL)
        except (OSError, ValueError):
            continue  # the C library keeps two for itself


def _limit(launch: Launch, group: MemoryGroup | None) -> None:
    if group is not None:
        group.join()
    elif launch.memory_limit_bytes is not None and launch.memory_limited_by == "world":
        resource.setrlimit(resource.RLIMIT_AS, (launch.memory_limit_bytes, launch.memory_limit_bytes))


def _redirect(log: str) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.dup2(output, 1)
    os.dup2(output, 2)


def _change_user(launch: Launch) -> None:
    if launch.user == "namespace":
        if not linux.enter_namespaces(folder=launch.folder):
            raise SpawnError("the kernel refuses a user namespace")
    elif launch.user == "nobody":
        who = unprivileged_user()
        os.setgroups([])
        os.setgid(who.pw_gid)
        os.setuid(who.pw_uid)


def unprivileged_user() -> pwd.struct_passwd:
    """`postgres` where there is one, else `nobody`. Raises KeyError when there is neither."""
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


def _call(launch: Launch) -> int:
    """Runs the entry in this fork; its exit code. Its threads end with it, like multiprocessing's.

    What comes after it is as in CPython: streams are flushed, one that cannot be makes 120 of any code, and
    who did not catch SIGINT dies of it.
    """
    interrupted = False
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, ())  # from here on SIGINT raises where it is caught
        code = _run_entry(launch)
    except SystemExit as error:
        code = _exit_code(error.code)
    except KeyboardInterrupt:
        _print_exception()
        code, interrupted = 128 + signal.SIGINT, True
    except BaseException:  # noqa: BLE001  what the interpreter would do: print it, exit 1
        _print_exception()
        code = 1
    if not all([_is_flushed(sys.stdout), _is_flushed(sys.stderr)]):
        code = _UNFLUSHED
    if interrupted:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    return code


def _run_entry(launch: Launch) -> int:
    assert launch.entry is not None
    os.environ.clear()
    os.environ.update(launch.environment)
    sys.argv = [launch.entry, *launch.argv]
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(line_buffering=True)
    module, _, name = launch.entry.partition(":")
    return _exit_code(getattr(importlib.import_module(module), name)(list(launch.argv)))


def _print_exception() -> None:
    with contextlib.suppress(Exception):  # nobody hears of it where stderr is closed
        traceback.print_exc()


def _is_flushed(stream: TextIO | None) -> bool:
    """Also when there is nothing to flush any more."""
    if stream is None or getattr(stream, "closed", False):
        return True
    try:
        stream.flush()
    except Exception:  # noqa: BLE001  of whatever stands there
        return False
    return True


def _exit_code(value: object) -> int:
    """What `sys.exit(value)` makes the process's exit code."""
    if value is None:
        return 0
    if isinstance(value, int):
        return value & 0xFF
    with contextlib.suppress(Exception):
        print(value, file=sys.stderr)  # noqa: T201  as sys.exit does
    return 1
