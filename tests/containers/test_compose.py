"""The compose file, as a reader of its first lines would use it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3
from localstack_client.session import Session as Emulator

from reference_service.media import make
from unstuck.worlds.process.ports import free_port

pytestmark = [
    pytest.mark.containers,
    pytest.mark.soak,  # builds and starts all of it: about a minute
    pytest.mark.timeout(600),
    pytest.mark.skipif(shutil.which("docker") is None, reason="no docker client to run compose with"),
]
ROOT = Path(__file__).parents[2]
LOCALSTACK = "localstack/localstack:4"  # as docker-compose.yml has it
TERMINAL = {"succeeded", "failed", "cancelled", "expired"}
WITHIN_S = 60.0
HTTP = urllib3.PoolManager(timeout=15.0, retries=False)


def is_here(image: str) -> bool:
    """Whether the engine has it; it has more than a gigabyte, so no test fetches it unasked."""
    words = ["docker", "image", "inspect", image]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def stored_in(service: dict[str, str], prefix: str) -> set[str]:
    """Names of the objects below a prefix, as the emulator itself has them."""
    host = f"127.0.0.1:{service['EMULATOR_PORT']}"
    emulator = Emulator(aws_access_key_id="test", aws_secret_access_key="test", localstack_host=host)
    objects = emulator.client("s3")
    try:
        found = objects.list_objects_v2(Bucket="videos", Prefix=prefix)
    finally:
        objects.close()
    return {row["Key"].removeprefix(prefix) for row in found.get("Contents", ())}


def compose(*words: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = ["docker", "compose", "--project-name", environment["PROJECT"], *words]
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module", params=["moto", "localstack"])
def service(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """A project of its own on free ports, which leaves nothing; with either emulator of S3 and SQS."""
    if request.param == "localstack" and not is_here(LOCALSTACK):
        pytest.skip(f"{LOCALSTACK} is not on this machine; `docker pull` it to try that profile")
    ports = {name: str(free_port()) for name in ("API_PORT", "EMULATOR_PORT", "POSTGRES_PORT")}
    environment = {**ports, "PROJECT": f"unstuck-test-{os.getpid()}", "COMPOSE_PROFILES": request.param}
    try:
        up = compose("up", "--build", "--wait", environment=environment)
        assert up.returncode == 0, up.stderr[-2000:]
        yield environment
    finally:
        down = compose("down", "--volumes", "--timeout", "5", environment=environment)
        assert down.returncode == 0, down.stderr


def ask(method: str, url: str, body: bytes | None = None, *, token: str | None = "dev-token") -> Any:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"} if token else {}
    answer = HTTP.request(method, url, body=body, headers=headers)
    assert answer.status < 300, (url, answer.status, answer.data)
    return json.loads(answer.data) if answer.data else None


def test_an_upload_through_it_succeeds(service: dict[str, str], tmp_path: Path) -> None:
    """Announce, put, wait: the notification of the object store moves the job on, and it succeeds."""
    api = f"http://127.0.0.1:{service['API_PORT']}"
    video = make("tiny.mp4", tmp_path).read_bytes()
    body = json.dumps({"name": "a video", "size_bytes": len(video)}).encode()
    announced = ask("POST", f"{api}/jobs", body)
    upload = announced["upload"]
    ask("PUT", upload["url"], video, token=None)
    job = announced["job"]["id"]
    deadline = time.monotonic() + WITHIN_S
    while (found := ask("GET", f"{api}/jobs/{job}")["job"])["state"] not in TERMINAL:
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    assert found["state"] == "succeeded", found
    assert "manifest.json" in stored_in(service, found["result_prefix"])


def test_every_port_is_published_on_the_loopback_only(service: dict[str, str]) -> None:
    """Nobody else on the network reaches the service, its database or the emulator."""
    listed = compose("ps", "--format", "json", environment=service).stdout
    published = [
        port
        for line in listed.splitlines()
        for port in json.loads(line)["Publishers"] or ()
        if port["PublishedPort"]
    ]
    assert {port["URL"] for port in published} == {"127.0.0.1"}
    assert len(published) == 3


def test_the_worker_has_its_limit_and_drains(service: dict[str, str]) -> None:
    """512 MiB without swap beside it; a stop is an exit with 0 within the grace."""
    name = f"{service['PROJECT']}-worker-1"
    stopped = compose("stop", "worker", environment=service)
    assert stopped.returncode == 0, stopped.stderr
    words = ["docker", "inspect", name]
    found = json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)[0]
    assert found["HostConfig"]["Memory"] == found["HostConfig"]["MemorySwap"] == 512 * 1024 * 1024
    assert found["State"]["ExitCode"] == 0
