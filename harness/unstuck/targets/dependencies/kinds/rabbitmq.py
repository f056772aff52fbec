"""RabbitMQ: a node of its own, with its own epmd, cookie and ports, all on the loopback."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

from unstuck.errors import TargetError
from unstuck.targets.dependencies.port import (
    Contained,
    Framer,
    Ground,
    NotInstalled,
    Option,
    Prepared,
    Wanted,
)
from unstuck.targets.dependencies.surroundings import refuse_settings, surroundings
from unstuck.worlds.process.ports import LOOPBACK, free_port
from unstuck.worlds.process.wire import Launch

KIND = "rabbitmq"
FRAMER: Framer = "amqp"
VALUES = ("vhost", "user", "password")
INSTALL = "install RabbitMQ (apt install rabbitmq-server)"
OPTIONS = {
    "vhost": Option(shape="text", means="the virtual host that roles use (`/`)"),
    "user": Option(shape="text", means="who may do everything there (`guest`)"),
    "password": Option(shape="text", means="of that user (`guest`)"),
    "plugins": Option(shape="texts", means="those to enable, of the ones that came with it (none)"),
    "settings": Option(shape="settings", means="lines of `rabbitmq.conf`; half a second more to start"),
}

_READY_WITHIN_S = 120.0  # 4 s of CPU; a minute was seen on a machine with more to do than it could
IMAGE = "rabbitmq:3-alpine"
_INSIDE = "/var/lib/rabbitmq"
_CONFIGURATION = "/unstuck"
_READY = "Server startup complete"
_NODE = "unstuck@localhost"
_BEGINS_AS_OURS = re.compile(r"(listeners|distribution|management\.(tcp|ssl)|.*\.listener|log)\b.*")
_LISTENS = re.compile(
    r"rabbitmq_(management|prometheus|mqtt|stomp|stream(_management)?|web_.*|tracing|top|.*_management)"
)
_PLAIN = re.compile(r"[\w./@+-]+")
_ERLANG = (
    # It is where it must not listen by default.
    f"-kernel inet_dist_use_interface {{{LOOPBACK.replace('.', ',')}}}",
    # Its start loads a thousand modules; with larger heaps to begin with a fifth of it is saved.
    "+hms 50000",
)


def prepare(wanted: Wanted, ground: Ground) -> Prepared:
    """Writes its configuration. Raises `TargetError`."""
    server = find_server()
    environment = surroundings(ground.data) | {
        "LC_ALL": "C.UTF-8",
        "RUNNING_UNDER_SYSTEMD": "true",  # its script then becomes the server, so that signals reach it
        **_configured(wanted, write_to=ground.data, seen_as=str(ground.data)),
    }

    def launch(port: int) -> Launch:
        return Launch(
            name=wanted.name,
            role=wanted.name,
            command=[str(server)],
            environment=environment | _ports(port),
            folder=str(ground.data),
            log=str(ground.log),
            ready_line=_READY,
            ready_timeout_s=_READY_WITHIN_S,
            beside=True,
        )

    return Prepared(launch=launch, url=_url_of(wanted), values=_values(wanted))


def contained(wanted: Wanted, ground: Ground) -> Contained:
    """The official image, or one that is like it."""
    configuration = ground.data / "configuration"
    configuration.mkdir()
    configured = _configured(wanted, write_to=configuration, seen_as=_CONFIGURATION)
    configured |= {"RABBITMQ_MNESIA_BASE": f"{_INSIDE}/mnesia", "RABBITMQ_LOG_BASE": f"{_INSIDE}/log"}
    return Contained(
        image=wanted.options.get("image", IMAGE),
        inside=_INSIDE,
        command=lambda _: ["rabbitmq-server"],
        environment=lambda port: configured | _ports(port),
        url=_url_of(wanted),
        values=_values(wanted),
        ready=lambda _: [_READY],
        ready_timeout_s=_READY_WITHIN_S,
        read_only={_CONFIGURATION: str(configuration)},
    )


def _values(wanted: Wanted) -> dict[str, str]:
    usual = {"vhost": "/", "user": "guest", "password": "guest"}
    return {name: str(wanted.options.get(name, value)) for name, value in usual.items()}


def _url_of(wanted: Wanted) -> Callable[[str, int], str]:
    values = {name: quote(value, safe="") for name, value in _values(wanted).items()}

    def url(host: str, port: int) -> str:
        return f"amqp://{values['user']}:{values['password']}@{host}:{port}/{values['vhost']}"

    return url


def _configured(wanted: Wanted, *, write_to: Path, seen_as: str) -> dict[str, str]:
    """Variables that say all but its ports; the files that they name are there. Raises `TargetError`."""
    options, values = wanted.options, _values(wanted)
    for name, value in values.items():
        if not _PLAIN.fullmatch(value):
            raise TargetError(f"{name}={value!r} may hold only letters, digits and . / @ + - _")
    plugins = options.get("plugins", ())
    plugins = [plugins] if isinstance(plugins, str) else list(plugins)
    for plugin in plugins:
        if _LISTENS.fullmatch(plugin) or not _PLAIN.fullmatch(plugin):
            raise TargetError(
                f"plugins: {plugin!r} opens a port of its own to other machines, or is no name; leave it out"
            )
    terms = zip(("default_vhost", "default_user", "default_pass"), values.values(), strict=True)
    flags = (*_ERLANG, *(f'-rabbit {name} <<"{value}">>' for name, value in terms))
    settings = {name: str(value) for name, value in options.get("settings", {}).items()}
    return {
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": " ".join(flags),
        **_write(write_to, seen_as, plugins, settings),
    }


def _ports(port: int) -> dict[str, str]:
    """Its own, that of its node, and that of an epmd which only this node knows."""
    return {
        "RABBITMQ_NODE_IP_ADDRESS": LOOPBACK,
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(free_port()),
        "ERL_EPMD_ADDRESS": LOOPBACK,
        "ERL_EPMD_PORT": str(free_port()),
    }


def _write(data: Path, seen_as: str, plugins: list[str], settings: Mapping[str, str]) -> dict[str, str]:
    """The files that it reads, in place of the machine's own, and the variables that name them."""
    (data / "environment.conf").write_text("")
    (data / "enabled_plugins").write_text(f"[{','.join(plugins)}].\n")
    if settings:
        ours = {name for name in settings if _BEGINS_AS_OURS.fullmatch(name)}
        refuse_settings(settings, ours)
        lines = [f"{name} = {value}\n" for name, value in settings.items()]
        (data / "rabbitmq.conf").write_text("".join(lines))
    variables = {
        "RABBITMQ_CONF_ENV_FILE": f"{seen_as}/environment.conf",
        "RABBITMQ_CONFIG_FILE": f"{seen_as}/rabbitmq.conf",
        "RABBITMQ_CONFIG_FILES": f"{seen_as}/conf.d/*.conf",  # there is none; the machine may have some
        "RABBITMQ_ADVANCED_CONFIG_FILE": f"{seen_as}/advanced.config",
        "RABBITMQ_ENABLED_PLUGINS_FILE": f"{seen_as}/enabled_plugins",
        "RABBITMQ_MNESIA_BASE": f"{seen_as}/mnesia",
        "RABBITMQ_LOG_BASE": f"{seen_as}/log",
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_NODENAME": _NODE,
    }
    if not plugins and not settings:  # it would read all of them, to enable none; it needs them for settings
        (data / "plugins").mkdir()
        variables["RABBITMQ_PLUGINS_DIR"] = f"{seen_as}/plugins"
    return variables


def find_server() -> Path:
    """The script that starts it as whoever we are. Raises `NotInstalled`.

    Debian's `rabbitmq-server` in PATH is another one before it, which serves root and its own user only,
    in their folders.
    """
    for folder in _folders():
        if all(os.access(folder / name, os.R_OK) for name in ("rabbitmq-server", "rabbitmq-env")):
            return folder / "rabbitmq-server"
    raise NotInstalled(f"no rabbitmq-server was found: {INSTALL}")


def _folders() -> Iterator[Path]:
    found = shutil.which("rabbitmq-server")
    if found is not None:
        yield Path(found).resolve().parent
        yield Path(found).parent
    yield Path("/usr/lib/rabbitmq/bin")
    yield from sorted(Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*/sbin"), reverse=True)
