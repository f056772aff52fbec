"""Videos made once a session, and ways to run stages over them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reference_service import media
from reference_service.ports import StageInput, StageOutput, Vision
from reference_service.stages import MediaStages

STAGES = ("inspect", "frames", "scenes", "captions", "thumbnails", "stitch")


class CountingVision:
    """A fake vision API: says how often it was asked."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []

    def caption(self, jpeg: bytes) -> str:
        self.asked.append(jpeg)
        return f"Caption {len(self.asked)}."


class Pipeline:
    """Runs stages into folders of their own, as a worker does."""

    def __init__(self, source: Path, folder: Path) -> None:
        self.source = source
        self.folder = folder
        self.vision: Vision = CountingVision()
        self.interrupt: Callable[[], None] = lambda: None
        self.bounded = True
        self.timed = True
        self.outputs: dict[str, StageOutput] = {}

    def run(self, *stages: str) -> StageOutput:
        """Runs each in turn; returns the output of the last."""
        for stage in stages:
            (self.folder / stage).mkdir()
            self.outputs[stage] = MediaStages().run(stage, self._given(stage))
        return self.outputs[stages[-1]]

    def run_into_full_disk(self, stage: str, name: str) -> StageOutput:
        """Runs `stage` in a folder where the file `name` is on a full device."""
        (self.folder / stage).mkdir()
        (self.folder / stage / name).symlink_to("/dev/full")
        return MediaStages().run(stage, self._given(stage))

    def _given(self, stage: str) -> StageInput:
        return StageInput(
            job="j-1",
            stage=stage,
            fetch=lambda: self.source,
            folder=self.folder / stage,
            artefacts={name: self.folder / name for name in self.outputs},
            vision=self.vision,
            interrupt=self.interrupt,
            bounded=self.bounded,
            timed=self.timed,
        )

    def run_before(self, stage: str) -> None:
        """Runs what comes before `stage`, if anything does."""
        for earlier in STAGES[: STAGES.index(stage)]:
            self.run(earlier)

    def read(self, stage: str, name: str) -> Any:
        return json.loads((self.folder / stage / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """`videos(name)`: the path of a video of the table."""
    folder = tmp_path_factory.mktemp("videos")
    return lambda name: media.make(name, folder)


@pytest.fixture
def pipeline(videos: Callable[[str], Path], tmp_path: Path) -> Callable[[str | Path], Pipeline]:
    """`pipeline(source)`: stages over a video of the table, or over any file."""

    def build(source: str | Path) -> Pipeline:
        folder = tmp_path / "work"
        folder.mkdir()
        return Pipeline(videos(source) if isinstance(source, str) else source, folder)

    return build


@pytest.fixture(scope="session")
def limited() -> Iterator[Callable[..., dict[str, Any]]]:
    """Runs stages in a forked child with limits of memory and CPU; see `limited.py`."""
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("peak memory is read from /proc, which Linux has")
    script = Path(__file__).with_name("limited.py")
    root = Path(media.__file__).parents[1]
    process = subprocess.Popen(
        [sys.executable, str(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(root)},
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None

    def run(
        source: Path,
        *stages: str,
        bounded: bool = True,
        room_bytes: int = 256 * 1024**2,
        cpu_s: int = 5,
    ) -> dict[str, Any]:
        request = {
            "source": str(source),
            "stages": stages or STAGES,
            "bounded": bounded,
            "room_bytes": room_bytes,
            "cpu_s": cpu_s,
        }
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
        answer: dict[str, Any] = json.loads(process.stdout.readline())
        return answer

    yield run
    process.stdin.close()
    assert process.wait(timeout=10) == 0
    process.stdout.close()
