"""The page in a browser, where one is installed: its scripts are allowed to run, and do what they are for."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.unit.report.made_up import recorded
from tests.unit.report.test_files import EVIL
from unstuck.report.run_page import run_html

BROWSER = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chrome")

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium here; the rest is tested without")


def shown(tmp_path: Path, text: str, place: str = "") -> str:
    """The page as the browser has it once its scripts have run."""
    page = tmp_path / "report.html"
    page.write_text(text, encoding="utf-8")
    # Of its own, so that nothing stays; and short, since the browser makes sockets in it.
    with tempfile.TemporaryDirectory(prefix="b-") as own:
        command = [
            str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=3000",
            f"--user-data-dir={own}/profile", "--dump-dom", f"{page.as_uri()}{place}",
        ]  # fmt: skip
        here = {**os.environ, "TMPDIR": own}
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, env=here)
    return done.stdout


def test_evidence_is_found_on_the_timeline(tmp_path: Path) -> None:
    """A link to a mark zooms in on it and marks it; only our scripts run, whatever a job is called."""
    _, line = recorded(tmp_path / "reports", stuck=2, name=f"</script>{EVIL}")
    page = shown(tmp_path, run_html(line), "#mark-0-0")
    assert '<html lang="en" class="live">' in page
    assert re.search(r'<u id="mark-0-0"[^>]*class="found"', page)
    canvas = re.search(r'class="canvas" style="([^"]*)"', page)
    assert canvas is not None
    assert "width: calc" in canvas[1]
    assert 'class="tools" data-filter=".row.job">' in page  # they do something now, and are shown


def test_a_large_run_begins_with_thin_lanes(tmp_path: Path) -> None:
    """So that all of it is seen at once; the page draws its own axis for the part that is shown."""
    _, line = recorded(tmp_path / "reports", jobs=130)
    page = shown(tmp_path, run_html(line))
    assert 'class="plot dense low"' in page
    assert re.search(r'class="ticks">(<em class="" style="--a: ?[\d.]+;">[\d.]+ s</em>)+', page)
