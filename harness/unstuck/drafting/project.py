"""What a project shows of the job system that it uses. Files are read, nothing of it is run."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

PACKAGE_FILES = (
    "requirements*.txt", "requirements/*.txt", "pyproject.toml", "setup.cfg", "setup.py", "Pipfile",
    "package.json", "Gemfile", "go.mod",
)  # fmt: skip
START_FILES = ("Procfile", "docker-compose.y*ml", "compose.y*ml", "Makefile")
PYTHONS = (".venv/bin/python", "venv/bin/python", "env/bin/python")
SKIPPED = frozenset(
    {
        "node_modules",
        "venv",
        "env",
        "build",
        "dist",
        "site-packages",
        "__pycache__",
        "tests",
        "test",
        "targets",
    }
)
BROKERS = {"redis": "redis", "rediss": "redis", "amqp": "rabbitmq", "amqps": "rabbitmq", "pyamqp": "rabbitmq"}
FILES_MAX = 3000
BYTES_MAX = 512 * 1024


@dataclass(frozen=True, slots=True)
class Mention:
    """A word, and where it stands."""

    word: str
    file: str  # relative to the project
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """`app = Celery(…)`: the variable of a module."""

    call: str
    module: str
    variable: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A decorated function. `parameters`: those without a default, but for `self`, with their annotations.
    `given`: the name that its decorator gives it; None: it goes by where it is."""

    decorator: str
    module: str
    function: str
    parameters: tuple[tuple[str, str], ...]
    given: str | None = None

    @property
    def name(self) -> str:
        return self.given or f"{self.module}.{self.function}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """`source`: the folder from which its modules are imported, relative to `folder`."""

    folder: Path
    python: str | None  # of its own, relative; None: it has none
    source: str
    lines: tuple[tuple[str, int, str], ...]  # (file, line, text) of what may name packages and programs
    imports: tuple[Mention, ...]
    apps: tuple[App, ...]
    tasks: tuple[Task, ...]
    variables: tuple[str, ...]  # of the environment, that its modules read
    options: Mapping[str, str] = field(
        default_factory=dict
    )  # that it sets to constants, by name in lower case

    def near(self, words: Collection[str]) -> list[str]:
        """Those of the words that it names anywhere, also in the variables that it reads."""
        said = {one.word for one in self.mentions(words)}
        read = " ".join(self.variables).lower()
        return sorted(
            said | {word for word in words if word in read or (word == "rabbitmq" and "amqp" in read)}
        )

    def mentions(self, words: Collection[str]) -> list[Mention]:
        """Where the project names one of the words: what it needs, starts, or imports."""
        found = [one for one in self.imports if one.word in words]
        patterns = {
            word: re.compile(rf"(?<![\w-]){re.escape(word)}(?![\w])", re.IGNORECASE) for word in words
        }
        for file, line, text in self.lines:
            found += [Mention(word, file, line) for word, pattern in patterns.items() if pattern.search(text)]
        return sorted(found, key=lambda one: (one.file.endswith(".py"), one.file, one.line))


def look_at_project(folder: Path) -> Project:
    """Reads what is there. A file that cannot be read, or is no Python, says nothing."""
    folder = folder.absolute()
    source = "src" if (folder / "src").is_dir() and not (folder / "src" / "__init__.py").exists() else "."
    lines = [
        (str(path.relative_to(folder)), number, text)
        for pattern in (*PACKAGE_FILES, *START_FILES)
        for path in sorted(folder.glob(pattern))
        for number, text in enumerate(_text(path).splitlines(), 1)
        if not text.lstrip().startswith("#")
    ]
    reader = _Reader()
    for path in _modules(folder):
        inside = folder / source
        base = inside if source != "." and path.is_relative_to(inside) else folder
        reader.read(path, str(path.relative_to(folder)), _module_name(path.relative_to(base)))
    return Project(
        folder=folder,
        python=next((one for one in PYTHONS if (folder / one).exists()), None),
        source=source if any((folder / source).glob("**/*.py")) else ".",
        lines=tuple(lines),
        imports=tuple(reader.imports),
        apps=tuple(reader.apps),
        tasks=tuple(reader.tasks),
        variables=tuple(dict.fromkeys(reader.variables)),
        options=reader.options,
    )


class _Reader:
    """Collects from modules, one after the other."""

    def __init__(self) -> None:
        self.imports: list[Mention] = []
        self.apps: list[App] = []
        self.tasks: list[Task] = []
        self.variables: list[str] = []
        self.options: dict[str, str] = {}

    def read(self, path: Path, file: str, module: str) -> None:
        try:
            tree = ast.parse(_text(path))
        except (SyntaxError, ValueError, RecursionError):
            return
        for node in ast.walk(tree):
            self._options(node)
            match node:
                case ast.Import(names=names):
                    self.imports += [Mention(one.name.split(".")[0], file, node.lineno) for one in names]
                case ast.ImportFrom(module=str(name), level=0):
                    self.imports.append(Mention(name.split(".")[0], file, node.lineno))
                case ast.Assign(targets=[ast.Name(id=variable)], value=ast.Call(func=func)):
                    self.apps.append(App(call=_last(func), module=module, variable=variable))
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    self._function(node, module)
                case ast.Constant(value=str(said)) if "://" in said:
                    word = BROKERS.get(said.partition("://")[0].partition("+")[0])
                    self.imports += [Mention(word, file, node.lineno)] if word is not None else []
                case ast.Subscript() | ast.Call():
                    self._variable(node)
                case _:
                    pass

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef, module: str) -> None:
        for decorator in node.decorator_list:
            name = _last(decorator.func if isinstance(decorator, ast.Call) else decorator)
            given = node.args
            plain = [*given.posonlyargs, *given.args]
            plain = plain[: len(plain) - len(given.defaults)]
            named = [
                one
                for one, default in zip(given.kwonlyargs, given.kw_defaults, strict=True)
                if default is None
            ]
            parameters = tuple(
                (one.arg, "" if one.annotation is None else ast.unparse(one.annotation))
                for one in (*plain, *named)
                if one.arg != "self"
            )
            self.tasks.append(
                Task(
                    decorator=name, module=module, function=node.name, parameters=parameters,
                    given=_given_name(decorator),
                )
            )  # fmt: skip

    def _options(self, node: ast.AST) -> None:
        """`conf.x = 1`, `X = 1`, `update(x=1)`, `{"x": 1}`; of several the first."""
        pairs: list[tuple[str, ast.expr]] = []
        match node:
            case ast.Assign(targets=[ast.Attribute() | ast.Name() as where], value=value):
                pairs = [(_last(where), value)]
            case ast.Call(keywords=keywords):
                pairs = [(one.arg, one.value) for one in keywords if one.arg is not None]
            case ast.Dict(keys=keys, values=values):
                pairs = [
                    (key.value, value)
                    for key, value in zip(keys, values, strict=True)
                    if isinstance(key, ast.Constant) and isinstance(key.value, str)
                ]
            case _:
                pass
        for name, value in pairs:
            if isinstance(value, ast.Constant) and isinstance(value.value, str | int | float):
                self.options.setdefault(name.lower(), str(value.value))

    def _variable(self, node: ast.Subscript | ast.Call) -> None:
        """`os.environ["X"]`, `os.environ.get("X")`, `os.getenv("X")`, `env("X")`, `config("X")`."""
        match node:
            case ast.Subscript(value=where, slice=ast.Constant(value=str(name))) if _last(where) == "environ":
                self.variables.append(name)
            case ast.Call(
                func=ast.Attribute(value=where, attr="get"), args=[ast.Constant(value=str(name)), *_]
            ) if _last(where) == "environ":
                self.variables.append(name)
            case ast.Call(func=func, args=[ast.Constant(value=str(name)), *_]) if _last(func) in (
                "getenv", "env", "config",
            ):  # fmt: skip
                self.variables.append(name)
            case _:
                pass


def _modules(folder: Path) -> Iterator[Path]:
    count = 0
    for where, folders, names in os.walk(folder):
        folders[:] = sorted(one for one in folders if not one.startswith(".") and one not in SKIPPED)
        for name in sorted(names):
            if name.endswith(".py") and not name.startswith(("test_", "unstuck_")) and count < FILES_MAX:
                count += 1
                yield Path(where) / name


def _module_name(path: Path) -> str:
    parts: Sequence[str] = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _given_name(decorator: ast.expr) -> str | None:
    """`clean` of `@app.task(name="clean")`."""
    if isinstance(decorator, ast.Call):
        for one in decorator.keywords:
            if one.arg == "name" and isinstance(one.value, ast.Constant) and isinstance(one.value.value, str):
                return one.value.value
    return None


def _last(node: ast.expr) -> str:
    """`task` of `app.task`, `Celery` of `celery.Celery`."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(BYTES_MAX).decode("utf-8", errors="replace")
    except OSError:
        return ""
