"""What is known of programs by their names: launchers, shells, which signals make whom end in order.

Sources of the signals, each the project's own page on signals: gunicorn (TERM is graceful, INT and QUIT
are quick), Celery (TERM and the first INT are warm, QUIT is cold), nginx and php-fpm (QUIT is graceful,
TERM is fast), Apache httpd (WINCH is graceful), unicorn (QUIT is graceful, TERM is quick), uvicorn,
Sidekiq, Puma, RQ and dramatiq (TERM and INT).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Final

from unstuck.preflight import shell_words

SHELLS: Final = frozenset({"sh", "bash", "dash", "ash", "zsh", "ksh"})
INITS: Final = frozenset({"tini", "tini-static", "dumb-init", "docker-init", "catatonit", "s6-svscan"})
REAPERS: Final = INITS | {"supervisord", "init"}
LAUNCHERS: Final = frozenset({"npm", "yarn", "pnpm"})
"""They start the program in a shell of their own: what handles SIGTERM in the program never gets it."""

FORKS: Final = frozenset({"celery", "chromium", "chrome", "google-chrome", "puppeteer", "xvfb-run", "ffmpeg"})
"""Programs whose children (or children's children) outlive their parents as a matter of course."""

_BOTH: Final = frozenset({"SIGTERM", "SIGINT"})
GRACEFUL: Final[Mapping[str, frozenset[str]]] = {
    "gunicorn": frozenset({"SIGTERM"}),
    "nginx": frozenset({"SIGQUIT"}),
    "php-fpm": frozenset({"SIGQUIT"}),
    "unicorn": frozenset({"SIGQUIT"}),
    "httpd": frozenset({"SIGWINCH"}),
    "apache2": frozenset({"SIGWINCH"}),
    **dict.fromkeys(("celery", "uvicorn", "hypercorn", "sidekiq", "puma", "rq", "dramatiq"), _BOTH),
}
"""Program -> the signals on which it lets its work end. Of others nothing is known."""

_SKIPPED: Final = frozenset({"exec", "env", "nice", "setpriv", "stdbuf", "time", "command"})
_SKIPPED_WITH_NEXT: Final = frozenset({"gosu", "su-exec", "chroot"})
_RUNNERS: Final = frozenset({"poetry", "pipenv", "uv", "pdm", "hatch", "rye"})
_INTERPRETER: Final = re.compile(r"(python|pypy|ruby|node|nodejs|perl|php|java|deno|bun)[\d.]*", re.ASCII)
_DEEP: Final = 4  # shells within shells that are looked into


def name_of(word: str) -> str:
    """The last part of a path: `sh` of `/bin/sh`."""
    return PurePosixPath(word).name


def shell_text(words: Sequence[str]) -> str | None:
    """What a shell in this command is told by `-c` (or `-ec`, `-lc` …); None: there is no such shell."""
    for nth, word in enumerate(words[:-2]):
        if name_of(word) in SHELLS:
            for further, option in enumerate(words[nth + 1 : -1], nth + 1):
                if re.fullmatch(r"-[a-z]*c", option, re.ASCII):
                    return words[further + 1]
                if not option.startswith("-"):
                    break
    return None


def execs(text: str) -> bool:
    """True when the last command of a shell text replaces the shell."""
    last = [command[0].text for command in shell_words.commands(text)][-1:]
    return last == ["exec"]


def behind_shells(words: Sequence[str], depth: int = 0) -> Sequence[str]:
    """The last command of what a shell in this command is told, also a shell deeper; else the command."""
    text = shell_text(words)
    if text is None or depth >= _DEEP:
        return words
    *_, last = ((), *shell_words.commands(text))
    return behind_shells([word.text for word in last], depth + 1)


def program_of(words: Sequence[str]) -> str | None:
    """The program behind inits, launchers and interpreters; of `python -m celery …` it is `celery`."""
    rest = list(behind_shells(words))
    while rest:
        name = name_of(rest[0])
        if name in INITS or name in _SKIPPED:
            rest = _behind_options(rest[1:])
        elif name in _SKIPPED_WITH_NEXT:
            rest = rest[2:]
        elif name in _RUNNERS and rest[1:2] == ["run"]:
            rest = _behind_options(rest[2:])
        elif name == "bundle" and rest[1:2] == ["exec"]:
            rest = rest[2:]
        elif _INTERPRETER.fullmatch(name) and len(rest) > 1:
            return _interpreted(rest[1:]) or name
        elif "=" in rest[0] and not rest[0].startswith("-"):
            rest = rest[1:]
        else:
            return re.sub(r"^(php-fpm)[\d.]+$", r"\1", name) or None
    return None


def _behind_options(words: list[str]) -> list[str]:
    while words and words[0].startswith("-"):
        words = words[1:]
    return words


def _interpreted(words: list[str]) -> str | None:
    """What an interpreter runs: the module of `-m`, else the first file."""
    for nth, word in enumerate(words):
        if word == "-m":
            return words[nth + 1].split(".")[0] if nth + 1 < len(words) else None
        if word in ("-c", "-e"):
            return None
        if not word.startswith("-"):
            return name_of(word)
    return None


def option_of(words: Sequence[str], *names: str) -> str | None:
    """The value of a flag of a command: `--timeout 30`, `--timeout=30`, `-t 30`. The last one counts.

    Of a shell's text it is that of its last command.
    """
    found: str | None = None
    words = behind_shells(words)
    for nth, word in enumerate(words):
        flag, equals, value = word.partition("=")
        if flag in names:
            found = value if equals else words[nth + 1] if nth + 1 < len(words) else None
    return found
