"""The first screen of a real failure, run in the sim: what a reader takes from it is what happened."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from unstuck.cli import main
from unstuck.errors import ExitCode


@pytest.fixture(scope="module")
def stale_writer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reports of a worker that was paused past its lease, woke, and made the job succeed without it."""
    reports = tmp_path_factory.mktemp("reports")
    words = ["run", "worker-paused", "--world", "sim", "--defence-off", "fencing", "--reports", str(reports)]
    assert main(words) == ExitCode.FAIL
    return reports / "latest"


@pytest.fixture
def screen(stale_writer: Path, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["check", str(stale_writer)]) == ExitCode.FAIL
    return capsys.readouterr().out


def lines_of(screen: str) -> list[tuple[float, str]]:
    """The events around the break: when, and what."""
    found = re.findall(r"^ +(\d+\.\d{3}) [▶ ] (.*(?:\n {15}\S.*)?)$", screen, flags=re.MULTILINE)
    return [(float(at), " ".join(text.split())) for at, text in found]


def test_a_job_claimed_during_the_pause_waited_from_the_blow(screen: str) -> None:
    """It stood for four seconds: nobody reads that it recovered in none."""
    told = re.search(
        r"^  recovery: 1 claimed while the fault lasted, ([\d.]+) s after the blow$", screen, re.MULTILINE
    )
    assert told is not None
    assert float(told[1]) == pytest.approx(4, abs=0.1)


def test_who_wrote_is_named_beside_who_held(screen: str, stale_writer: Path) -> None:
    """On the screen and on the page: the holder alone is not who did it."""
    told = r"worker-(\d) \(attempt 2, token 2\), until [\d.]+ s; worker-(\d) wrote with token 1"
    for text in (screen, (stale_writer / "report.html").read_text(encoding="utf-8")):
        found = re.search(told, text)
        assert found is not None
        assert found[1] != found[2]


def test_what_was_read_afterwards_stands_where_it_happened(screen: str, stale_writer: Path) -> None:
    """What is read at the end is no move at the end: it is marked, and stands beside the move it tells of."""
    lines = lines_of(screen)
    said = [(at, text) for at, text in lines if text.startswith("the service says")]
    moves = {text.partition(":")[0]: at for at, text in lines if " (from " in text and "attempt=2" in text}
    assert [at for at, _ in said] == [moves["active (from queued)"], moves["succeeded (from active)"]]
    assert all(text.startswith("the service says (transitions, read afterwards): ") for _, text in said)
    assert [at for at, _ in lines] == sorted(at for at, _ in lines)
    page = (stale_writer / "report.html").read_text(encoding="utf-8")
    assert "the service says (transitions, read afterwards): from=active, to=succeeded" in page


def test_claims_stops_and_wake_ups_of_the_holders_are_kept(screen: str) -> None:
    """Without them nobody sees why a second one held the job; what the harness took down later is no part."""
    texts = [text for _, text in lines_of(screen)]
    assert sum(text.startswith("active (from queued)") for text in texts) == 2
    assert sum(text.endswith("signal: signal=SIGSTOP") for text in texts) == 2
    assert sum(text.endswith("signal: signal=SIGCONT") for text in texts) == 2
    assert not any("exit" in text for text in texts)


def test_the_row_names_its_holder_and_no_writer(screen: str) -> None:
    """The trigger sees whose claim the row carries, not who wrote it."""
    [end] = [text for _, text in lines_of(screen) if text.startswith("succeeded (from active)")]
    assert "holder=worker-" in end
    assert "worker=" not in end
