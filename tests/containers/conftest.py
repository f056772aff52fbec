"""Real containers for tests; skipped, with the reason, where no engine answers."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest

from tests.process.conftest import Recorder
from unstuck.errors import UsageError
from unstuck.worlds.container.engine import connect
from unstuck.worlds.container.session import ContainerSession
from unstuck.worlds.container.world import ContainerWorld
from unstuck.worlds.process.session import Session

IMAGE = "python:3.11-slim"  # what the Dockerfile builds from, so that nothing else has to be fetched


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Asked once, and not at all where no test wants an engine."""
    wanting = [item for item in items if item.get_closest_marker("containers")]
    reason = why_no_engine() if wanting else None
    for item in wanting if reason else ():
        item.add_marker(pytest.mark.skip(reason=str(reason)))


@cache
def why_no_engine() -> str | None:
    """None when an engine answers that has the image, or can fetch it."""
    try:
        client = connect()
    except UsageError as error:
        return str(error)
    from docker.errors import APIError, ImageNotFound  # noqa: PLC0415  an extra, which is there by now

    try:
        client.images.get(IMAGE)
    except ImageNotFound:
        try:
            client.images.pull(IMAGE)
        except (APIError, OSError) as error:
            return f"{IMAGE} is not there, and cannot be fetched: {error}"
    finally:
        client.close()
    return None


@pytest.fixture(scope="session")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with Session(scratch=tmp_path_factory.mktemp("s")) as one:
        yield one


@pytest.fixture(scope="session")
def containers(session: Session) -> Iterator[ContainerSession]:
    one = ContainerSession(session, image_name=IMAGE)
    yield one
    one.close()


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def world(
    containers: ContainerSession, recorder: Recorder, request: pytest.FixtureRequest
) -> Iterator[ContainerWorld]:
    one = containers.world(request.node.name, on_event=recorder)
    yield one
    one.close()
