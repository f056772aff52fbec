"""`toxiproxy-python`, which knows nothing of us, drives our server through everything that it offers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from toxiproxy import Toxiproxy, api, exceptions

from tests.conformance.links.servers import EchoServer
from tests.conformance.toxiproxy.conftest import Server, connect


@pytest.fixture
def client(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Toxiproxy]:
    """The address is a variable of the library's class: it is put back."""
    monkeypatch.setattr(api.APIConsumer, "host", api.APIConsumer.host)
    monkeypatch.setattr(api.APIConsumer, "port", api.APIConsumer.port)
    one = Toxiproxy()
    one.update_api_consumer(server.host, server.port)
    yield one
    one.destroy_all()


def answers(listen: str) -> bool:
    with connect(listen) as sock:
        sock.sendall(b"ping")
        return sock.recv(4) == b"ping"


def test_the_server_is_there(client: Toxiproxy) -> None:
    """It runs, and says a version of the API's second generation."""
    assert client.running() is True
    assert client.version().startswith(b'{"version": "2.')


def test_a_proxy_lives_and_ends(client: Toxiproxy, echo: EchoServer) -> None:
    """Made, found, used, destroyed; a second of the same name is refused."""
    proxy = client.create(name="db", upstream=f"127.0.0.1:{echo.port}")
    assert (proxy.name, proxy.enabled) == ("db", True)
    assert answers(proxy.listen)
    assert client.get_proxy("db").listen == proxy.listen
    assert client.get_proxy("no") is None
    with pytest.raises(exceptions.ProxyExists):
        client.create(name="db", upstream="127.0.0.1:1")
    assert client.destroy(proxy) is True
    with pytest.raises(ConnectionRefusedError):
        connect(proxy.listen)
    with pytest.raises(exceptions.NotFound):
        proxy.destroy()


def test_a_proxy_can_be_made_disabled_and_enabled(client: Toxiproxy, echo: EchoServer) -> None:
    """It listens only while it is enabled, and on the same port again."""
    made = client.create(name="db", upstream=f"127.0.0.1:{echo.port}", enabled=False)
    made.enable()
    listen = client.get_proxy("db").listen
    assert answers(listen)
    with made.down():
        assert client.get_proxy("db").enabled is False
        with pytest.raises(ConnectionRefusedError):
            connect(listen)
    assert client.get_proxy("db").listen == listen
    assert answers(listen)


def test_toxics_come_and_go(client: Toxiproxy, echo: EchoServer) -> None:
    """With their attributes, under the name that they were given or that is made of type and stream."""
    proxy = client.create(name="db", upstream=f"127.0.0.1:{echo.port}")
    proxy.add_toxic(type="latency", attributes={"latency": 5, "jitter": 1})
    proxy.add_toxic(name="cut", type="limit_data", stream="upstream", toxicity=0.5, attributes={"bytes": 9})
    assert set(proxy.toxics()) == {"latency_downstream", "cut"}
    cut = proxy.get_toxic("cut")
    assert (cut.type, cut.stream, cut.toxicity, cut.attributes) == (
        "limit_data",
        "upstream",
        0.5,
        {"bytes": 9},
    )
    assert proxy.get_toxic("latency_downstream").attributes == {"latency": 5, "jitter": 1}
    assert proxy.get_toxic("no") is None
    assert proxy.destroy_toxic("cut") is True
    assert set(proxy.toxics()) == {"latency_downstream"}
    with pytest.raises(exceptions.NotFound):
        proxy.destroy_toxic("cut")
    with pytest.raises(exceptions.InvalidToxic):
        proxy.add_toxic(type="laziness")
    with pytest.raises(exceptions.ProxyExists):
        proxy.add_toxic(type="latency")


@pytest.mark.parametrize(
    ("kind", "attributes"),
    [
        ("bandwidth", {"rate": 10}),
        ("latency", {"latency": 1, "jitter": 0}),
        ("limit_data", {"bytes": 10}),
        ("noop", {}),
        ("reset_peer", {"timeout": 10}),
        ("slicer", {"average_size": 10, "size_variation": 1, "delay": 5}),
        ("slow_close", {"delay": 10}),
        ("timeout", {"timeout": 10}),
    ],
)
def test_every_type_of_toxic_is_there(client: Toxiproxy, kind: str, attributes: dict[str, int]) -> None:
    """And comes back with its attributes."""
    proxy = client.create(name="db", upstream="127.0.0.1:1")
    proxy.add_toxic(type=kind, attributes=attributes)
    assert proxy.get_toxic(f"{kind}_downstream").attributes == attributes


def test_reset_enables_and_heals_everything(client: Toxiproxy, echo: EchoServer) -> None:
    """All proxies run, and none has a toxic."""
    for name in ("one", "two"):
        proxy = client.create(name=name, upstream=f"127.0.0.1:{echo.port}")
        proxy.add_toxic(type="timeout", attributes={"timeout": 0})
        proxy.disable()
    assert client.reset() is True
    for proxy in client.proxies().values():
        assert proxy.enabled
        assert proxy.toxics() == {}
        assert answers(proxy.listen)


def test_populate_makes_what_is_missing(client: Toxiproxy, echo: EchoServer) -> None:
    """And makes anew what has another upstream; the library does that by itself."""
    upstream = f"127.0.0.1:{echo.port}"
    one = client.create(name="one", upstream=upstream)
    wanted = [
        {"name": "one", "listen": one.listen, "upstream": upstream},
        {"name": "two", "listen": "127.0.0.1:0", "upstream": upstream},
    ]
    assert [proxy.name for proxy in client.populate(wanted)] == ["two"]
    assert set(client.proxies()) == {"one", "two"}
    client.destroy_all()
    assert client.proxies() == {}
