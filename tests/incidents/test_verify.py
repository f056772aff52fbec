"""The whole verification, from the newest commit that knew one revision less to this checkout."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from unstuck.cli import main
from unstuck.targets.reference.versions import can_build, is_known

pytestmark = [pytest.mark.incidents, pytest.mark.process, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
FIRST_RELEASE = "414ad9c"  # the last commit whose schema ended at revision 0001
LINES = {
    *(
        "back-up",
        "migrate",
        "no-restart",
        "side-by-side",
        "roll-forward",
        "roll-back",
        "downgrade",
        "restore",
    ),
    *("processes", "words"),
}


@pytest.fixture
def old() -> str:
    if not can_build() or not is_known(FIRST_RELEASE):
        pytest.skip("needs the history of the service, and hatchling, to build its first release")
    return FIRST_RELEASE


@pytest.mark.soak  # minutes: the other one shows in seconds that a bad version is rejected
def test_this_checkout_may_be_deployed_over_the_first_release(
    old: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Every line of the checklist is ok, or says what cannot be had, with its evidence."""
    code = main(["verify", "--from", old, "--json", "--reports", str(tmp_path)])
    told = json.loads(capfd.readouterr().out)
    bad = [line for line in told["lines"] if line["state"] in {"broken", "not proved"}]
    assert (code, bad) == (0, [])
    assert {line["id"] for line in told["lines"]} == LINES
    assert all(line["evidence"] for line in told["lines"])
    assert told["revisions"][0] == "0001"


def test_a_version_that_takes_a_column_from_the_old_one_is_caught(old: str, tmp_path: Path) -> None:
    """Its migration drops what the old version reads: the old one's acts on the same file fail."""
    tree = tmp_path / "new"
    archive = subprocess.run(["git", "-C", str(ROOT), "archive", old], check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
        packed.extractall(tree, filter="data")
    versions = tree / "reference_service/store/migrations/versions"
    (versions / "r9999_breaking.py").write_text(BREAKING, encoding="utf-8")
    schema = tree / "reference_service/store/schema.py"
    known = schema.read_text(encoding="utf-8").replace('("0001",)', '("0001", "9999")')
    schema.write_text(known, encoding="utf-8")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=tree, check=True, capture_output=True)
    [wheel] = tmp_path.glob("*.whl")
    words = ["verify", "--from", old, "--to", str(wheel), "--database", "sqlite", "--reports", str(tmp_path)]
    assert main(words) == 1


BREAKING = """
from alembic import op

revision, down_revision = "9999", "0001"


def upgrade() -> None:
    with op.batch_alter_table("jobs") as jobs:
        jobs.drop_column("effect_at")


def downgrade() -> None:
    raise NotImplementedError
"""
