"""What can be said of a target without starting it: its file, programs, packages, surroundings."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from unstuck.doctor.steps import Notes, Step
from unstuck.report.words import plural
from unstuck.targets.declared.file import (
    HttpCall,
    JobSource,
    PythonCall,
    RedisCall,
    RedisSource,
    Role,
    RowsSource,
    SqlCall,
    TargetFile,
)
from unstuck.targets.declared.hosts import hosts_in_variable
from unstuck.targets.declared.inherited import looks_like_address, withheld
from unstuck.targets.declared.requirements import install_line, what_is_missing
from unstuck.targets.declared.roles import python_of
from unstuck.targets.declared.templates import all_calls, fill

TODO = re.compile(r"\bTODO\b[:\s]*(.*)")
MODULE_WITHIN_S = 20.0
RUN_NODE = frozenset({"node", "npm", "npx", "yarn", "pnpm", "tsx", "ts-node"})
FIND = """\
import importlib.util, sys
sys.path.insert(0, "")
sys.exit(importlib.util.find_spec(sys.argv[1]) is None)
"""


def look_at_file(file: TargetFile) -> Step:
    """It was loaded, so it is valid; what whoever wrote it left open, with its lines."""
    notes = Notes("file")
    notes.tell(
        f"{file.path} is valid: depends on {', '.join(file.dependencies) or 'nothing'}; "
        f"{plural(len(file.roles), 'role')}, {plural(len(file.observe.sources), 'source')} of states, "
        f"promise {file.promise}"
    )
    for number, line in enumerate(file.text.splitlines(), 1):
        found = TODO.search(line)
        if found:
            notes.bad(f"{file.path}:{number}: TODO {found[1].strip()}", "Do it, and take the word TODO out.")
    return notes.step()


def look_at_programs(file: TargetFile) -> Step:
    """Whether the programs that roles run, and the packages that the file needs, are there."""
    notes = Notes("programs")
    python = python_of(file)
    for role in file.roles.values():
        _look_at_role(file, role, python, notes)
    missing = what_is_missing(file)
    if missing:
        notes.bad(f"`requires` names what is not there: {', '.join(missing)}", f"{install_line(file)}.")
    else:
        _look_at_node(file, notes)
    needed = dict(_packages(file))
    for package, why in needed.items():
        if importlib.util.find_spec(package) is None:
            notes.bad(
                f"the package {package!r} is missing, which {why} needs",
                "Install it: pip install 'unstuck[targets]'.",
            )
    if needed:
        notes.tell(f"packages: {', '.join(needed)}")
    return notes.step()


def look_at_surroundings(file: TargetFile, environment: Mapping[str, str]) -> Step:
    """What of the user's environment roles do not get, and what they may read by themselves."""
    notes = Notes("surroundings")
    names = withheld(environment, file.inherit)
    if names:
        notes.tell(f"kept from the roles: {', '.join(names)}")
    declared = {*file.environment, *(name for role in file.roles.values() for name in role.environment)}
    for line, name, value in _dotenv(file.folder):
        if name not in declared and (looks_like_address(name, value) or hosts_in_variable(name, value)):
            notes.note(
                f"{file.folder / '.env'}:{line}: {name} may reach a role that reads this file by itself",
                f"Set {name} in `environment` of the target file, so that it cannot lead elsewhere.",
            )
    allowed = ", ".join(sorted(file.hosts_allowed))
    if allowed:
        notes.note(f"off this machine it may reach: {allowed}")
    if not names and not allowed:
        notes.tell("nothing of a broker or a database in your environment; nothing off this machine is named")
    return notes.step()


def _look_at_role(file: TargetFile, role: Role, python: str, notes: Notes) -> None:
    def value_of(name: str) -> str:
        return python if name == "python" else f"{{{name}}}"

    words = [fill(word, value_of) for word in role.command]
    folder = file.folder / role.folder
    program = words[0]
    search = (
        role.environment.get("PATH") or file.environment.get("PATH") or os.environ.get("PATH", os.defpath)
    )
    found = shutil.which(str(folder / program) if os.sep in program else program, path=search)
    if not folder.is_dir():
        notes.bad(f"{role.name}: its folder is not there ({folder})", "Mend `folder` in the target file.")
    elif found is None:
        notes.bad(f"{role.name}: {program!r} was not found", "Install it, or give its path in `command`.")
    elif role.command[0] == "{python}" and words[1:2] == ["-m"] and len(words) > 2:
        modules = role.environment.get("PYTHONPATH") or file.environment.get("PYTHONPATH")
        around = {**os.environ, **({"PYTHONPATH": fill(modules, value_of)} if modules else {})}
        _look_at_module(role, python, words[2], folder, around, notes)
    else:
        notes.tell(f"{role.name}: {found}")


def _look_at_module(
    role: Role, python: str, module: str, folder: Path, around: Mapping[str, str], notes: Notes
) -> None:
    try:
        ended = subprocess.run(
            [python, "-c", FIND, module.partition(".")[0]],
            cwd=folder, env=around, stdin=subprocess.DEVNULL, capture_output=True, check=False,
            timeout=MODULE_WITHIN_S,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        notes.bad(f"{role.name}: {python} does not run ({error})", "Mend `python` in the target file.")
        return
    if ended.returncode == 0:
        notes.tell(f"{role.name}: {module} of {python}")
    else:
        notes.bad(
            f"{role.name}: {python} has no module {module!r}",
            "Install it there, or name the Python that has it, as `python: .venv/bin/python` "
            f"({file_hint(folder)}).",
        )


def _look_at_node(file: TargetFile, notes: Notes) -> None:
    """Packages of a package.json that node_modules lacks, where a role runs Node: it says so at the begin of
    a long trace."""
    run_it = [role for role in file.roles.values() if Path(role.command[0]).name in RUN_NODE]
    for folder in dict.fromkeys(file.folder / role.folder for role in run_it):
        try:
            said = json.loads((folder / "package.json").read_text(encoding="utf-8"))
            names = [*said.get("dependencies", {})]
        except (OSError, ValueError, AttributeError, TypeError):
            continue
        beside = [one / "node_modules" for one in (folder, *folder.parents)]
        missing = [name for name in names if not any((one / name).is_dir() for one in beside)]
        if missing:
            notes.bad(
                f"{folder / 'package.json'} names {', '.join(missing)}, which no node_modules has",
                f"npm install, in {folder}.",
            )


def file_hint(folder: Path) -> str:
    """A Python of the project's own that is there, for advice."""
    for name in (".venv", "venv", "env"):
        if (folder / name / "bin" / "python").exists():
            return f"there is {name}/bin/python"
    return "there is none beside it"


def _packages(file: TargetFile) -> Iterator[tuple[str, str]]:
    """Packages of ours that the file needs, and for what."""
    paths: list[str | None] = [file.submit.job]
    for source in (*file.observe.sources, *((file.effects,) if file.effects else ())):
        match source:
            case RedisSource(looks=looks):
                yield "redis", "looking into Redis"
                paths += [look.field for look in looks]
            case RowsSource():
                paths += [source.job, source.state, source.held, source.rows]
            case JobSource():
                paths.append(source.state)
    for call in all_calls(file):
        match call:
            case HttpCall():
                yield "urllib3", "a call over HTTP"
            case SqlCall():
                yield "psycopg", "a call in SQL"
            case RedisCall():
                yield "redis", "a call to Redis"
            case PythonCall() | _:
                pass
    if any(path is not None and path.startswith("$") for path in paths):
        yield "jsonpath_rfc9535", "a JSONPath"


def _dotenv(folder: Path) -> Iterator[tuple[int, str, str]]:
    """(line, name, value) of the project's `.env`, which many programs read by themselves."""
    try:
        text = (folder / ".env").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    for number, line in enumerate(text.splitlines(), 1):
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and not name.startswith("#"):
            yield number, name.strip(), value.strip().strip("'\"")
