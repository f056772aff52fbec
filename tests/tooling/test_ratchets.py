"""Things that may not get worse. Each list of exceptions may shrink, and a stale entry fails too."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.tooling.repository import (
    PYTHON,
    SOURCES,
    calls,
    comments,
    functions,
    imports,
    lines_of,
    modules,
    text,
    tree,
)

MODULE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60

LARGE_MODULES: Mapping[str, str] = {}
"""Module -> why it is larger than allowed."""

LONG_FUNCTIONS: Mapping[str, str] = {}
"""`module:function` -> why it is longer than allowed."""

VAGUE_NAMES = frozenset(
    {"common", "helper", "helpers", "manager", "misc", "shared", "tools", "util", "utils"}
)

EFFECTS = frozenset(
    {
        *("_thread", "asyncio", "concurrent", "multiprocessing", "threading"),
        *("random", "secrets", "uuid"),
        *("time", "sched"),
        *(
            "http.client",
            "http.server",
            "select",
            "selectors",
            "socket",
            "socketserver",
            "ssl",
            "urllib.request",
        ),
        *("boto3", "botocore", "httpx", "psycopg", "requests", "sqlite3", "urllib3", "uvicorn"),
        *("ctypes", "pty", "resource", "signal", "subprocess"),
    }
)
"""Modules by which code reaches past the service's ports."""

EFFECTFUL_CALLS = re.compile(
    r"os\.(_exit|abort|exec\w*|fork\w*|kill\w*|pipe\w*|popen|posix_spawn\w*|spawn\w*|system|urandom|wait\w*)"
    r"|(datetime\.)?(datetime|date)\.(now|today|utcnow)"
)

ADAPTERS: Mapping[str, tuple[str, set[str]]] = {
    # module of reference_service -> what it is, and what it may reach past the ports
    "all_roles.py": (
        "imports for whoever forks, and uses nothing",
        {"psycopg", "uvicorn"},
    ),
    "aws.py": ("clients of S3 and SQS", {"boto3", "botocore", "urllib3"}),
    "clock.py": ("the clock and the randomness of production", {"random", "secrets", "time"}),
    "exposition.py": ("answers of a role without HTTP", {"socket"}),
    "fakes.py": ("the ports' fakes: a generator from a seed", {"random"}),
    "forked.py": (
        "the life of a child",
        {"ctypes", "os._exit", "resource", "signal"},
    ),
    "http_pool.py": ("connections for sink and vision", {"urllib3"}),
    "internal.py": ("the same", {"secrets"}),
    "memory.py": ("asks for the size of a page; limits nothing", {"resource"}),
    "open_files.py": ("asks for its limit; sets none", {"resource"}),
    "downstream.py": ("a program of its own", {"http.server", "signal"}),
    "health.py": ("a program of its own", {"urllib.request"}),
    "points.py": ("test points of a harness", {"os.kill", "signal", "socket", "threading"}),
    "rates.py": ("a lock around what threads of the API share", {"threading"}),
    "queue/endpoints.py": ("workers over HTTP", {"urllib3"}),
    "queue/inbox.py": ("events that are pushed, over HTTP", {"selectors", "socket"}),
    "runtime.py": (
        "processes and signals of production",
        {"os.fork", "os.kill", "os.pipe", "os.waitpid", "select", "signal"},
    ),
    "serving.py": ("the HTTP server", {"signal", "socket", "uvicorn"}),
    "sink.py": ("the downstream system over HTTP", {"urllib3"}),
    "tenants.py": ("compares secrets in constant time; draws nothing", {"secrets"}),
    "store/database.py": ("connections to PostgreSQL and SQLite", {"sqlite3"}),
    "store/deadline.py": ("connections to PostgreSQL that give up waiting", {"psycopg"}),
    "vision/client.py": ("the vision API over HTTP", {"urllib3"}),
    "web/routes.py": ("a lock around what threads of the API share", {"threading"}),
    "vision/stub.py": ("a program of its own", {"http.server", "signal"}),
}


@pytest.mark.parametrize("folder", PYTHON)
def test_modules_stay_small(folder: str) -> None:
    """A module that outgrows its limit is two modules."""
    large = {str(path) for path in modules(folder) if text(path).count("\n") > MODULE_LINES_MAX}
    assert large == {path for path in LARGE_MODULES if Path(path).parts[0] == folder}


@pytest.mark.parametrize("folder", PYTHON)
def test_functions_stay_short(folder: str) -> None:
    """A function that does not fit a screen is several."""
    long = {
        f"{path}:{function.name}"
        for path in modules(folder)
        for function in functions(path)
        if lines_of(function) > FUNCTION_LINES_MAX
    }
    assert long == {place for place in LONG_FUNCTIONS if Path(place).parts[0] == folder}


def test_no_module_has_a_vague_name() -> None:
    """A module is named for what it knows; a drawer for everything fills up."""
    assert not [path for path in modules(*PYTHON) if {path.stem, path.parent.name} & VAGUE_NAMES]


def test_every_exception_to_a_lint_says_why() -> None:
    """`noqa` and `type: ignore` name their code, and a reason stands behind it."""
    silent = [
        f"{path}:{line}: {comment}"
        for path in modules(*PYTHON)
        if "noqa" in text(path) or "type: ignore" in text(path)  # most have none, and tokenizing is slow
        for line, comment in comments(path)
        if not has_reason(comment)
    ]
    assert not silent, "\n".join(silent)


def has_reason(comment: str) -> bool:
    """True for a comment that switches nothing off, or says why."""
    marks = list(re.finditer(r"(noqa|type: ?ignore)(:\s*[A-Z]+\d+(,\s*[A-Z]+\d+)*|\[[\w, -]+\])?", comment))
    if not marks or re.fullmatch(r"#[^#]*`(noqa|type: ignore)`.*", comment):
        return True
    behind = comment[marks[-1].end() :]
    return all(mark.group(2) for mark in marks) and re.search(r"\w{2}", behind) is not None


@pytest.mark.parametrize(
    ("comment", "has"),
    [
        ("# noqa: S101  state invariant", True),
        ("# type: ignore[misc]  # binds now", True),
        ("# noqa: S101", False),
        ("# noqa  because", False),
        ("# type: ignore", False),
        ("# type: ignore[misc]", False),
        ("# ruff: noqa: T201  prints are its output", True),
        ("# says nothing of lints", True),
    ],
)
def test_the_test_of_reasons_can_fail(comment: str, *, has: bool) -> None:
    """A code without a reason is none, and neither is a reason without a code."""
    assert has_reason(comment) is has


def test_the_service_reaches_the_outside_through_its_adapters_only() -> None:
    """Clocks, sleeps, randomness, threads, processes, sockets, clients: what no sim could replace."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in modules("reference_service"):
        for _, name in reached(path):
            found[path.relative_to("reference_service").as_posix()].add(name)
    assert dict(found) == {module: reaches for module, (_, reaches) in ADAPTERS.items()}


def reached(path: Path) -> Iterator[tuple[int, str]]:
    """(line, what) of everything in a module that goes past the ports."""
    for line, name in imports(path):
        parts = name.split(".")
        hits = {".".join(parts[:count]) for count in range(1, len(parts) + 1)} & EFFECTS
        yield from ((line, hit) for hit in hits)
    for line, name in calls(path):
        if EFFECTFUL_CALLS.fullmatch(name):
            yield line, name


def test_secrets_compares_and_draws_nothing() -> None:
    """What is drawn comes from the Randomness port."""
    for module in ("internal", "tenants"):
        found = calls(Path(f"reference_service/{module}.py"))
        assert {name for _, name in found if name.startswith("secrets.")} == {"secrets.compare_digest"}


def test_fakes_draw_from_a_seed_only() -> None:
    """`random.Random(seed)` and nothing of the module's own generator."""
    used = {name for _, name in calls(Path("reference_service/fakes.py")) if name.startswith("random.")}
    assert used <= {"random.Random"}


def test_the_harness_reads_clocks_in_one_module() -> None:
    """`unstuck.clock` alone imports `time` or asks for the date."""
    readers = {
        path.relative_to("harness/unstuck").as_posix()
        for path in modules("harness")
        if any(name == "time" or name.startswith("time.") for _, name in imports(path))
        or any(
            re.fullmatch(r"(datetime\.)?(datetime|date)\.(now|today|utcnow)", name) for _, name in calls(path)
        )
    }
    assert readers == {"clock.py"}


UNSEEDED: Mapping[str, str] = {
    "rng.py": "makes the generators, each from the seed and a name",
    "worlds/process/ports.py": "where to begin to look for a free port: apart from other harnesses",
    "worlds/process/session.py": "names a session's folder, unlike any other session's",
}
"""Modules of the harness that draw by themselves, and what; nothing of it decides what a run does."""


def test_randomness_of_the_harness_comes_from_the_seed() -> None:
    """Only `unstuck.rng` makes generators; what else draws decides nothing of a run."""
    drawers = {
        path.relative_to("harness/unstuck").as_posix()
        for path in modules("harness")
        if any(re.fullmatch(r"Random|(random|secrets|uuid)\.(?!UUID)\w+", name) for _, name in calls(path))
    }
    assert drawers == set(UNSEEDED)


@pytest.mark.parametrize("folder", [*SOURCES, "tests"])
def test_every_module_says_what_it_is_for(folder: str) -> None:
    """A docstring, except in an empty `__init__`."""
    assert not [path for path in modules(folder) if text(path).strip() and not ast.get_docstring(tree(path))]


def test_every_test_states_a_fact() -> None:
    """A one-sentence docstring, which a failure is read against."""
    mute = [
        f"{path}:{function.lineno}: {function.name}"
        for path in modules("tests")
        if path.name.startswith("test_")
        for function in functions(path)
        if function.name.startswith("test_") and not ast.get_docstring(function)
    ]
    assert not mute, "\n".join(mute)
