"""RabbitMQ: its options, and who it may be told by."""

from __future__ import annotations

import contextlib

import pika
import pytest

from tests.conformance.dependencies.clients import lacks_rabbitmq, url_of
from tests.conformance.dependencies.conftest import Open
from unstuck.errors import TargetError
from unstuck.targets.dependencies.kinds.rabbitmq import find_server
from unstuck.worlds.process.world import ProcessWorld

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(bool(lacks_rabbitmq()), reason=str(lacks_rabbitmq())),
]


def test_options_reach_the_server(start: Open, world: ProcessWorld) -> None:
    """Virtual host, user, plugins and lines of its configuration are as a target file says."""
    dependency = start(
        "rabbitmq",
        vhost="jobs",
        user="me",
        password="secret",
        plugins="rabbitmq_consistent_hash_exchange",
        settings={"channel_max": 7},
    )
    assert url_of(dependency) == f"amqp://me:secret@127.0.0.1:{dependency.port}/jobs"
    with contextlib.closing(pika.BlockingConnection(pika.URLParameters(url_of(dependency)))) as connection:
        channel = connection.channel()
        channel.exchange_declare("spread", "x-consistent-hash")  # the plugin's
        assert connection._impl.params.channel_max == 7
    values = dependency.values("h", 1)
    assert (values["vhost"], values["user"], values["password"]) == ("jobs", "me", "secret")


def test_a_setting_alone_needs_no_plugin(start: Open) -> None:
    """What checks the settings comes with the plugins."""
    dependency = start("rabbitmq", settings={"channel_max": 7})
    with contextlib.closing(pika.BlockingConnection(pika.URLParameters(url_of(dependency)))) as connection:
        assert connection._impl.params.channel_max == 7


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"settings": {"listeners.tcp.default": 5672}},
            "settings: listeners.tcp.default='5672' is Unstuck's",
        ),
        (
            {"settings": {"management.tcp.port": 1}},
            "settings: management.tcp.port='1' is Unstuck's to choose",
        ),
        ({"plugins": ["rabbitmq_management"]}, "plugins: 'rabbitmq_management' opens a port of its own"),
        ({"vhost": 'a">> b'}, "may hold only letters, digits and"),
    ],
)
def test_where_it_listens_is_not_the_users_to_say(options: dict[str, object], text: str, start: Open) -> None:
    """Nor can a name end the Erlang term that it stands in. Nothing is started."""
    with pytest.raises(TargetError) as caught:
        start("rabbitmq", **options)
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_script_is_not_that_which_serves_root_only() -> None:
    """Debian's in PATH goes to its own folders, and refuses an ordinary user."""
    assert "rabbitmq-script-wrapper" not in find_server().read_text()
    assert (find_server().parent / "rabbitmq-env").exists()
