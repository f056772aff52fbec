"""Wall clocks of their own for processes, by a small library that is preloaded into them (`wall_clock.c`).

The library is compiled where it is used, by the machine's own compiler, and tried on a process of ours. Each
process of a run has a file that says how far its wall clock is off; the harness writes it, and the library
reads it at each look at the clock. The machine's clock is never touched.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

from unstuck import clock
from unstuck.errors import CapabilityError
from unstuck.worlds.process.wire import PRELOAD

SOURCE = Path(__file__).with_suffix(".c")
COMPILERS = ("cc", "gcc", "clang")
VARIABLE = "UNSTUCK_WALL_CLOCK"
PROBED_BY_S = 86_400.0  # a day: nobody's start takes so long

_COMPILED_WITHIN_S = 60.0
_PROBED_WITHIN_S = 30.0
_PROBE = """
import ctypes, threading, time
class Timespec(ctypes.Structure):
    _fields_ = [("s", ctypes.c_long), ("ns", ctypes.c_long)]
libc = ctypes.CDLL(None)
condition, mutex, attributes = (ctypes.create_string_buffer(64) for _ in range(3))
libc.pthread_mutex_init(mutex, None)
libc.pthread_condattr_init(attributes)
libc.pthread_condattr_setclock(attributes, 1)
libc.pthread_cond_init(condition, attributes)
libc.pthread_mutex_lock(mutex)
until = time.monotonic() + 0.002
libc.pthread_cond_timedwait(condition, mutex, ctypes.byref(Timespec(int(until), int(until % 1 * 1e9))))
kept = time.monotonic() >= until
threading.Event().wait(0.001)
print(time.time(), time.monotonic(), kept)
"""
"""Says both clocks, and whether a condition that waits by the monotonic clock did so."""

# The words of a file, of 8 bytes each, as `wall_clock.c` reads them.
_MAGIC = 0x756E737475636B31
_SLOTS = 32
_CURRENT = 1
_FIRST_SLOT = 2
_NUMBER, _OFFSET, _DRIFT, _SINCE, _CHECK, _SEEN = range(6)
_SLOT_WORDS = 6
_WORDS = _FIRST_SLOT + _SLOTS * _SLOT_WORDS
_WORD_MAX = 2**64 - 1


class Shim:
    """The compiled library of one session, made when it is first asked for; from any thread."""

    def __init__(self, folder: Path) -> None:
        """`folder`: where it is kept; goes with whoever made it."""
        self._folder = folder
        self._lock = threading.Lock()
        self._works: Path | None = None

    def path(self) -> Path:
        """The library, which has been seen to work on this machine.

        Raises `CapabilityError`, which says what is missing.
        """
        with self._lock:
            if self._works is None:
                library = compile_shim(self._folder)
                probe(library, self._folder)
                self._works = library
            return self._works


def can_compile() -> bool:
    """Whether there is what `compile_shim` begins with; whether it works is only seen by doing it."""
    return sys.platform.startswith("linux") and _compiler() is not None


def _compiler() -> str | None:
    return next((found for name in COMPILERS if (found := shutil.which(name))), None)


def compile_shim(folder: Path) -> Path:
    """The library in `folder`, compiled unless it lies there already. Raises `CapabilityError`."""
    if not sys.platform.startswith("linux"):
        raise CapabilityError(
            "clock faults: they need Linux. Run the scenario there, or exclude it by policy."
        )
    compiler = _compiler()
    if compiler is None:
        raise CapabilityError(
            f"clock faults: no C compiler on PATH ({', '.join(COMPILERS)}). Install one with the C library's "
            "headers, as by `apt-get install gcc libc6-dev`."
        )
    digest = hashlib.sha256(SOURCE.read_bytes() + compiler.encode()).hexdigest()[:16]
    library = folder / f"wall-clock-{digest}.so"
    if library.exists():
        return library
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    begun = library.with_suffix(".begun")  # a compiler that is killed leaves no half library
    command = [compiler, "-shared", "-fPIC", "-O2", "-fexceptions", "-o", str(begun), str(SOURCE), "-ldl"]
    said = _run(command, {**os.environ, "TMPDIR": str(folder)}, _COMPILED_WITHIN_S)
    if said.returncode != 0:
        raise CapabilityError(
            f"clock faults: {compiler} cannot compile {SOURCE.name}: {_first_error(said.stderr)}"
        )
    begun.replace(library)
    return library


def probe(library: Path, folder: Path) -> None:
    """Tries the library on a process of ours. Raises `CapabilityError` when it has no effect there."""
    clocks = WallClocks(library, folder)
    name = "probe"
    environment = {**os.environ, **clocks.environment(name, os.environ)}
    clocks.set(name, offset_s=PROBED_BY_S, drift_ppm=0.0)
    said = _run([sys.executable, "-I", "-S", "-c", _PROBE], environment, _PROBED_WITHIN_S)
    seen = clocks.is_seen(name)
    clocks.close()
    words = said.stdout.split()
    worked = seen and len(words) == 3 and words[2] == "True"
    ahead_s = (float(words[0]) - clock.realtime_s()) if worked else 0.0
    if not PROBED_BY_S / 2 < ahead_s < PROBED_BY_S * 2:
        last = (said.stderr.strip().splitlines() or ["it shows the real time"])[-1]
        raise CapabilityError(
            f"clock faults: preloading has no effect here: {last}. It needs glibc 2.30 or newer, and a "
            "temporary folder that is not mounted noexec (TMPDIR chooses another)."
        )


def _run(
    command: list[str], environment: Mapping[str, str], within_s: float
) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, env=dict(environment), stdin=subprocess.DEVNULL, capture_output=True, text=True,
            errors="replace", timeout=within_s, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CapabilityError(f"clock faults: {Path(command[0]).name} did not work: {error}") from None


def _first_error(said: str) -> str:
    lines = (
        [line for line in said.splitlines() if "error" in line] or said.splitlines() or ["it says nothing"]
    )
    return f"{lines[0].strip()}. Install the C library's headers, as by `apt-get install gcc libc6-dev`."


class WallClocks:
    """The wall clocks of one run's processes; from any thread. `close` lets go of their files."""

    def __init__(self, library: Path, folder: Path) -> None:
        """`folder`: where the files are made; whoever gave it removes it."""
        self._library = library
        self._folder = folder / "clocks"
        self._lock = threading.Lock()
        self._pages: dict[str, _Page] = {}

    def environment(self, name: str, beside: Mapping[str, str]) -> dict[str, str]:
        """What a process of this name needs, `beside` what its environment says already.

        Every process of a name has the clock of that name, also the next one after a restart.
        """
        with self._lock:
            if name not in self._pages:
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._pages[name] = _Page(self._folder / name.replace("/", "_"))
            page = self._pages[name]
        others = beside.get(PRELOAD)
        return {
            PRELOAD: f"{self._library}:{others}" if others else str(self._library),
            VARIABLE: str(page.path),
        }

    def set(self, name: str, *, offset_s: float, drift_ppm: float) -> bool:
        """From now on the wall clock is `offset_s` off, and `drift_ppm` fast. False: it has no own one."""
        with self._lock:
            page = self._pages.get(name)
            if page is not None:
                page.set(offset_ns=round(offset_s * 1e9), drift_ppb=round(drift_ppm * 1e3))
            return page is not None

    def is_seen(self, name: str) -> bool:
        """Whether somebody has read the clock since it was last set."""
        with self._lock:
            page = self._pages.get(name)
            return page is not None and page.is_seen()

    def close(self) -> None:
        """Idempotent. Nothing can be set any more; processes that still run keep what they have."""
        with self._lock:
            for page in self._pages.values():
                page.close()
            self._pages.clear()


class _Page:
    """One file, mapped. Each setting goes whole into the next slot before its number counts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_bytes(bytes(8 * _WORDS))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 8 * _WORDS)
        self._words = memoryview(self._map).cast("Q")  # native and aligned: a word is written at once
        self._number = 0
        self._words[0] = _MAGIC

    def set(self, *, offset_ns: int, drift_ppb: int) -> None:
        self._number += 1
        since_ns = clock.monotonic_ns()
        check = _MAGIC ^ self._number ^ (offset_ns << 1) ^ (drift_ppb << 2) ^ (since_ns << 3)
        at = self._slot()
        # Nobody reads this slot: its last setting is 32 changes old.
        self._words[at + _SEEN] = 0
        for field, value in (
            (_NUMBER, self._number), (_OFFSET, offset_ns), (_DRIFT, drift_ppb), (_SINCE, since_ns),
            (_CHECK, check),
        ):  # fmt: skip
            self._words[at + field] = value & _WORD_MAX
        self._words[_CURRENT] = self._number

    def is_seen(self) -> bool:
        return self._number > 0 and self._words[self._slot() + _SEEN] != 0

    def close(self) -> None:
        self._words.release()
        self._map.close()

    def _slot(self) -> int:
        return _FIRST_SLOT + self._number % _SLOTS * _SLOT_WORDS
