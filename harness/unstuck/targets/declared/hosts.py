"""Addresses off this machine: found in the texts of a target file, and kept out unless they are meant.

What the harness breaks is what it has started, on the loopback. An address elsewhere is somebody's real
system, so it takes two yeses: `allow_hosts` of the file, and `--allow-host` of who types the command.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from urllib.parse import unquote

from unstuck.errors import ScenarioError, TargetError
from unstuck.loading.spot import Spot
from unstuck.yaml_source import Node

_HERE = "127.0.0.1"
_TEMPLATE = re.compile(r"\{[A-Za-z_][\w.]*\}")  # all addresses that are filled in are on the loopback
_PORT = re.compile(r"\{(?:\w+\.)?port\}")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://([^\s/?#\"'<>]*)")
_PAIR = re.compile(
    r"(?<![\w.@/:-])((?:\d{1,3}\.){3}\d{1,3}|\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[\w-]*\w)?(?:\.[A-Za-z0-9-]+)*)"
    r":(\d{2,5})(?![\w.:-])"
)
_HOST = re.compile(r"[A-Za-z0-9](?:[\w-]*\w)?(?:\.[A-Za-z0-9-]+)*\.?")
DSN = re.compile(
    r"(?:^|[\s;?&'\"(])(?:host|hostaddr|server|data source)(?:\s*=\s*|=['\"])([^\s;&'\"/)][^\s;&'\")]*)",
    re.IGNORECASE,
)
"""A connection string in keywords, `host=db dbname=shop`, also in a URL's query; its group: the hosts."""
_TAG_MAX = 99  # `postgres:16` is an image with its tag, and no port
_NAMES_A_HOST = re.compile(
    r"(^|[_-]|^PG|^DB)(HOST|HOSTS|HOSTADDR|HOSTNAME|ENDPOINT|SERVER|SERVERS|ADDR|ADDRESS)$", re.IGNORECASE
)
_HOST_OPTION = re.compile(r"--?(?:[\w-]+-)?(?:host|server|endpoint|address)|-h")
_NO_TEXTS = frozenset({"name", "summary", "allow_hosts", "inherit"})  # these reach nobody


def hosts_off_machine(text: str, *, names_host: bool = False) -> list[str]:
    """The hosts in a text that are not this machine: of URLs, of `host:port`, of `host=NAME`; all of it, if
    it is said to name a host. What a template fills in is on the loopback."""
    text = _TEMPLATE.sub(_HERE, _PORT.sub("8080", text))
    found = [host for match in _URL.finditer(text) for host in _of_authority(match[1])]
    found += [host for match in DSN.finditer(text) for host in _of_keyword(unquote(match[1]))]
    rest = _URL.sub(" ", text)
    for match in _PAIR.finditer(rest):
        host, port = match[1], int(match[2])
        if "." not in host and "[" not in host and port <= _TAG_MAX:
            continue
        if host.isdigit():  # a time of day, a range
            continue
        found.append(host)
    if names_host:
        named = [one.rpartition(":")[0] or one for one in re.split(r"[,;\s]+", rest)]
        found += [one for one in named if _HOST.fullmatch(one) and not one.isdigit()]
    elif _is_address(rest.strip()):
        found.append(rest.strip())
    return [
        host
        for host in dict.fromkeys(host.strip("[]").rstrip(".").lower() for host in found)
        if not is_here(host)
    ]


def hosts_in_command(words: Sequence[str]) -> list[str]:
    """The same for a command, where `--host NAME` names one, too."""
    found: list[str] = []
    for before, word in zip(("", *words), words, strict=False):
        option, equals, value = word.partition("=")
        if equals and _HOST_OPTION.fullmatch(option):
            found += hosts_off_machine(value, names_host=True)
        found += hosts_off_machine(word, names_host=bool(_HOST_OPTION.fullmatch(before)))
    return list(dict.fromkeys(found))


def hosts_in_variable(name: str, value: str) -> list[str]:
    """The same for a variable: `REDIS_HOST: cache` names a host."""
    return hosts_off_machine(value, names_host=bool(_NAMES_A_HOST.search(name)))


def is_here(host: str) -> bool:
    """True for the loopback, and for the address that stands for every own one."""
    if host in ("", "localhost") or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def check_hosts(root: Spot, named: Collection[str], allowed: Collection[str]) -> None:
    """Raises `ScenarioError` for the first host of a target file that is off this machine, and that not
    both the file names (`named`) and the command line allows."""
    for way, line, host in _in_file(root):
        if host in named and host in allowed:
            continue
        raise ScenarioError(f"{root.file}:{line}: {way}: {host!r} {refusal(host, named, allowed)}")


def check_filled(where: str, hosts: Iterable[str], allowed: Collection[str]) -> None:
    """The same for hosts of a text with everything filled in, which a scenario may have had a hand in.

    `allowed`: those that both allow. Raises `TargetError`.
    """
    for host in hosts:
        if host not in allowed:
            raise TargetError(f"{where}: {host!r} {refusal(host, (), ())}")


def refusal(host: str, named: Collection[str], allowed: Collection[str]) -> str:
    """What is wrong with a host, and the next step."""
    missing = []
    if host not in named:
        missing.append(f"name it in allow_hosts of the target file ([{host}])")
    if host not in allowed:
        missing.append(f"allow it with --allow-host {host}")
    return (
        "is not this machine, and only what Unstuck has started may be struck. Name a dependency instead; "
        f"if it is meant, {' and '.join(missing)}."
    )


def _in_file(root: Spot) -> Iterator[tuple[str, int, str]]:
    """(way, line, host) of each, in the order of the file."""
    entries = root.node.value
    assert isinstance(entries, Mapping)
    for key, node in entries.items():
        if key not in _NO_TEXTS:
            yield from _in_node(node, key, key)


def _in_node(node: Node, way: str, key: str) -> Iterator[tuple[str, int, str]]:
    value = node.value
    if isinstance(value, str):
        hosts = hosts_in_variable(key, value)
        if key == "command":  # one text, which is split as a shell would
            hosts = list(dict.fromkeys([*hosts, *hosts_in_command(value.split())]))
        yield from ((way, node.line, host) for host in hosts)
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            if name != "summary":
                yield from _in_node(inner, f"{way}.{name}", name)
    elif isinstance(value, tuple):
        words = [item.value for item in value]
        if words and all(isinstance(word, str | int | float) for word in words):
            for host in hosts_in_command([str(word) for word in words]):
                yield way, _line_of(value, host), host
            return
        for number, item in enumerate(value):
            yield from _in_node(item, f"{way}[{number}]", key)


def _line_of(items: Iterable[Node], host: str) -> int:
    """Of the item that has it; a list that ends before it is on the line of its first."""
    items = list(items)
    return next((item.line for item in items if host in str(item.value).lower()), items[0].line)


def _of_authority(authority: str) -> Iterator[str]:
    """The hosts of a URL: `user:word@one:1,two:2` has two."""
    for part in authority.rpartition("@")[2].split(","):
        if part.startswith("["):
            yield part.partition("]")[0].removeprefix("[")
        elif part:
            yield part.partition(":")[0]


def _of_keyword(value: str) -> Iterator[str]:
    """The hosts of `host=one:1,two`, and of `server=tcp:one,1433`; what cannot be a host is none."""
    for part in value.split(","):
        host = part.removeprefix("tcp:")
        if not _is_address(host):
            host = host.partition("]")[0].removeprefix("[") if "[" in host else host.partition(":")[0]
        if _is_address(host) or (_HOST.fullmatch(host) and not host.isdigit()):
            yield host


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
