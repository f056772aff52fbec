"""Dependencies from images: the same promises through a stand-in. Skipped where no engine has the image."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.dependencies.clients import (
    Client,
    PostgresClient,
    RabbitmqClient,
    RedisClient,
    S3Client,
    url_of,
)
from tests.conformance.dependencies.conftest import Open
from tests.conformance.dependencies.test_residue import ROOT
from tests.process.conftest import Recorder
from unstuck import clock
from unstuck.errors import TargetError
from unstuck.targets.dependencies import Wanted, containers, open_dependency
from unstuck.targets.dependencies.kinds import postgres, rabbitmq, redis
from unstuck.targets.dependencies.port import NotInstalled
from unstuck.worlds.container.engine import connect
from unstuck.worlds.container.residue import LABEL_PROCESS, LABEL_RUN
from unstuck.worlds.container.session import ContainerSession
from unstuck.worlds.process import proctree
from unstuck.worlds.process.ports import is_answered
from unstuck.worlds.process.session import Session
from unstuck.worlds.process.world import ProcessWorld

pytestmark = [pytest.mark.process, pytest.mark.containers]
GONE_WITHIN_S = 30.0


class Engine:
    """What the tests look for in the machine's engine."""

    def __init__(self) -> None:
        self.client = connect()

    def has(self, image: str) -> bool:
        return any(image in (one["RepoTags"] or ()) for one in self.client.api.images())

    def containers_of(self, run: str, name: str = "dep") -> list[Any]:
        labels = [f"{LABEL_RUN}={run}", f"{LABEL_PROCESS}={name}"]
        return list(self.client.api.containers(all=True, filters={"label": labels}))

    def gone(self, run: str) -> bool:
        """The engine removes a container a moment after its end."""
        deadline_ns = clock.monotonic_ns() + int(GONE_WITHIN_S * 1e9)
        while self.containers_of(run):
            if clock.monotonic_ns() > deadline_ns:
                return False
            clock.sleep(0.05)
        return True


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    reason = containers.why_not()
    if reason is not None:
        pytest.skip(reason)
    one = Engine()
    yield one
    one.client.close()


@pytest.fixture
def run(session: Session, world: ProcessWorld) -> str:
    return f"{session.folder.name}-{world.scratch.name}"


def needs(engine: Engine, image: str) -> None:
    if not engine.has(image):
        pytest.skip(f"{image} is not there")


KEPT = [
    pytest.param("redis", redis.IMAGE, RedisClient(), id="redis"),
    pytest.param("postgres", postgres.IMAGE, PostgresClient(), id="postgres"),
    pytest.param("rabbitmq", rabbitmq.IMAGE, RabbitmqClient(), id="rabbitmq"),
]


@pytest.mark.parametrize(("kind", "image", "client"), KEPT)
def test_a_kill_and_a_stop_lose_nothing(
    kind: str,
    image: str,
    client: Client,
    engine: Engine,
    start: Open,
    world: ProcessWorld,
    recorder: Recorder,
    run: str,
) -> None:
    """It comes back on the same port and data; the world's end leaves no container."""
    needs(engine, image)
    dependency = start(kind, **{"from": "container"})
    client.write(dependency, "before")
    (first,) = engine.containers_of(run)
    server = proctree.read(int(engine.client.api.inspect_container(first["Id"])["State"]["Pid"]))
    assert server is not None
    got = world.signal("dep", "SIGKILL", "tree")
    assert server.pid in got
    assert world.wait_gone("dep", got, 10)
    assert not proctree.exists(server)
    recorder.wait("dep", "ready", 2, within_s=90)
    assert client.has(dependency, "before")
    world.stop("dep", grace_s=20)
    assert not is_answered(dependency.host, dependency.port)
    world.start(dependency.spec)
    assert client.has(dependency, "before")
    world.close()
    assert not is_answered(dependency.host, dependency.port)
    assert engine.gone(run)
    assert not world.quick.exists()


def test_a_kill_of_the_stand_in_alone_takes_the_container_with_it(
    engine: Engine, start: Open, world: ProcessWorld, recorder: Recorder, run: str
) -> None:
    """Whoever kills it, and unasked: that is told as unexpected, and it is started again."""
    needs(engine, redis.IMAGE)
    dependency = start("redis", image=redis.IMAGE)
    (first,) = engine.containers_of(run)
    stand_in = recorder.of("dep", "start")[0].data["pid"]
    os.kill(stand_in, 9)
    assert recorder.wait("dep", "exit").data["expected"] is False
    recorder.wait("dep", "ready", 2)
    (second,) = engine.containers_of(run)
    assert first["Id"] != second["Id"]
    assert RedisClient().has(dependency, "nothing") is False


@pytest.mark.parametrize("scope", ["main", "tree"])
def test_a_pause_stops_the_server(scope: Any, engine: Engine, start: Open, world: ProcessWorld) -> None:
    """A paused server answers nobody, until it goes on with what it had."""
    needs(engine, redis.IMAGE)
    dependency = start("redis", image=redis.IMAGE)
    RedisClient().write(dependency, "before")
    world.signal("dep", "SIGSTOP", scope)
    with pytest.raises(Exception, match=r"[Tt]imeout|timed out"):
        RedisClient(timeout_s=0.5).has(dependency, "before")
    world.signal("dep", "SIGCONT", scope)
    assert RedisClient().has(dependency, "before")


def test_sql_and_database_are_as_a_target_file_says(engine: Engine, start: Open, tmp_path: Path) -> None:
    """The image runs the scripts in their order, when it makes its files."""
    needs(engine, postgres.IMAGE)
    (tmp_path / "z.sql").write_text("CREATE TABLE words (word text);")
    (tmp_path / "a.sql").write_text("INSERT INTO words VALUES ('from a file');")
    scripts = [str(tmp_path / "z.sql"), str(tmp_path / "a.sql")]
    dependency = start("postgres", image=postgres.IMAGE, init=scripts, database="mine")
    assert url_of(dependency).endswith("/mine")
    assert PostgresClient().has(dependency, "from a file")


def test_objects_are_served_by_moto(engine: Engine, start: Open) -> None:
    """Which keeps nothing, and says so in its documentation."""
    needs(engine, "motoserver/moto:latest")
    dependency = start("s3", **{"from": "container"})
    S3Client().write(dependency, "word")
    assert S3Client().has(dependency, "word")


def test_any_image_serves_a_port_that_it_is_told(engine: Engine, start: Open) -> None:
    """`command` follows its entry point."""
    needs(engine, redis.IMAGE)
    dependency = start(
        "command",
        image=redis.IMAGE,
        command="redis-server --bind {host} --port {port} --dir {folder}",
        url="redis://{host}:{port}",
        framer="resp",
    )
    RedisClient().write(dependency, "word")
    assert (dependency.framer, RedisClient().has(dependency, "word")) == ("resp", True)


def test_it_serves_where_the_machine_has_no_program(
    engine: Engine, start: Open, monkeypatch: pytest.MonkeyPatch, run: str
) -> None:
    """A container is taken unasked, unless the target file asks for this machine's program."""
    needs(engine, redis.IMAGE)

    def none() -> str:
        raise NotInstalled("no redis-server was found")

    monkeypatch.setattr(redis, "find_server", none)
    with pytest.raises(TargetError, match="no redis-server was found"):
        start("redis", "other", **{"from": "machine"})
    start("redis")
    assert len(engine.containers_of(run)) == 1


def test_beside_a_world_of_containers_it_serves_them(
    engine: Engine, session: Session, tmp_path: Path, recorder: Recorder
) -> None:
    """It runs beside them, on the machine or in a container of its own, and is struck by its name."""
    needs(engine, redis.IMAGE)
    with contextlib.closing(ContainerSession(session, image_name=redis.IMAGE)) as roles:
        world = roles.world("roles", on_event=recorder)
        for name, where in (("ours", "machine"), ("theirs", "container")):
            wanted = Wanted(name=name, kind="redis", options={"from": where})
            dependency = open_dependency(wanted, world=world, session=session, folder=tmp_path)
            RedisClient().write(dependency, "before")
            assert world.signal(name, "SIGKILL", "tree")
            recorder.wait(name, "ready", 2)
            assert RedisClient().has(dependency, "before")
        world.close()


def test_an_image_that_nobody_has_is_one_line(engine: Engine, start: Open) -> None:
    """Its name, and the engine's own words."""
    with pytest.raises(TargetError, match=r"image='unstuck\.invalid/none:1' is not there, and cannot") as it:
        start("redis", image="unstuck.invalid/none:1")
    assert "\n" not in str(it.value)


def test_a_harness_that_is_killed_leaves_no_container(engine: Engine, tmp_path: Path) -> None:
    """The guardian kills what the stand-in's file names, and the engine removes it."""
    needs(engine, redis.IMAGE)
    victim = subprocess.Popen(
        [sys.executable, "-m", "tests.conformance.dependencies.victim", str(tmp_path), "redis"],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": f"{ROOT / 'harness'}{os.pathsep}{ROOT}",
            "VICTIM_OPTIONS": json.dumps({"from": "container"}),
        },
        stdout=subprocess.PIPE,
        text=True,
    )
    assert victim.stdout is not None
    with victim, victim.stdout:
        try:
            facts = json.loads(victim.stdout.readline())
            assert len(engine.containers_of(facts["run"], "dep-redis")) == 1
        finally:
            victim.kill()
    processes = [proctree.Process(*fields) for fields in facts["processes"]]
    assert proctree.wait_gone(processes, GONE_WITHIN_S)
    assert not is_answered("127.0.0.1", facts["ports"][0])
    assert engine.gone(facts["run"])


def test_without_an_engine_it_is_one_line(start: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing, and what to do."""
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere")
    with pytest.raises(
        TargetError, match=r"from='container': no engine answers on /nowhere .*; start Docker$"
    ):
        start("redis", **{"from": "container"})
