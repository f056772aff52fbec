"""Claims: what is tried, what is kept, and the page that is made of it."""

from __future__ import annotations

from pathlib import Path

import pytest

import bench.claims.page
from bench.claims import all_claims, trying
from bench.claims.claim import Claim, Finding
from bench.claims.make_video_operations import supported
from bench.claims.page import Kept, page, read
from bench.claims.runs import NothingJudgedError

HELD = Finding(verdict="held", figure="0 of 9 stuck", note="a | b")


def claim(name: str = "one", finding: Finding | None = HELD) -> Claim:
    def measure() -> Finding:
        if finding is None:
            raise NothingJudgedError("exit code 4")
        return finding

    return Claim(id=name, incident="some-day", says="All is well.", command="unstuck run x", measure=measure)


@pytest.fixture
def kept_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(bench.claims.page, "KEPT", tmp_path / "claims.json")
    monkeypatch.setattr(bench.claims.page, "PAGE", tmp_path / "claims.md")
    return tmp_path


def test_a_page_tells_each_claim_with_its_finding() -> None:
    """A bar in a text is no column; what was not tried is told as that."""
    text = page({"one": Kept(finding=HELD, date="2026-01-02")}, [claim(), claim("two")])
    assert "| All is well. | **held** | 0 of 9 stuck | a \\| b | 2026-01-02 |" in text
    assert "| All is well. | not measured yet | - | - | - |" in text
    assert "## [some-day](incidents/some-day.md)" in text
    assert "unstuck run x  # two" in text


def test_what_is_not_tried_again_keeps_its_finding(
    kept_here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--only` tries one; without `--write` nothing is kept; a claim that is gone takes its finding along."""
    claims = [claim("one"), claim("two", Finding(verdict="refuted", figure="9 of 9"))]
    assert trying.main(["--only", "one"], claims) == 0
    assert not list(kept_here.iterdir())
    assert trying.main(["--write"], claims) == 0
    assert trying.main(["--only", "two", "--write"], claims) == 0
    assert {name: one.finding.verdict for name, one in read().items()} == {"one": "held", "two": "refuted"}
    (kept_here / "claims.md").unlink()
    assert trying.main(["--page"], claims[1:]) == 0
    assert set(read()) == {"two"}
    assert "9 of 9" in (kept_here / "claims.md").read_text()
    assert "two                          refuted            9 of 9" in capsys.readouterr().out


def test_a_claim_that_could_not_be_tried_keeps_what_was_found_before(
    kept_here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A harness error is no finding: exit code 1, and the reason is told."""
    trying.main(["--write"], [claim()])
    assert trying.main(["--write"], [claim(finding=None)]) == 1
    assert read()["one"].finding == HELD
    assert "could not be tried: exit code 4" in capsys.readouterr().out


def test_the_claims_of_every_incident_are_found() -> None:
    """By the modules that lie there; each has a name of its own."""
    ids = [one.id for one in all_claims()]
    assert len(ids) == len(set(ids))
    assert {"deploy-191", "draining-alone", "recovery-at-start-up"} <= set(ids)


@pytest.mark.parametrize(
    ("of", "bad", "verdict"),
    [
        (120, 0, "not testable here"),  # supports 97.5 %
        (299, 0, "not testable here"),
        (300, 0, "held"),
        (1000, 3, "held"),  # at most 7.75 bad ones, at 95 %
        (1000, 6, "not testable here"),  # 99.4 % were seen, and 98.8 % are supported
        (1000, 11, "refuted"),
        (0, 0, "not testable here"),
    ],
)
def test_a_share_holds_only_when_so_many_jobs_support_it(of: int, bad: int, verdict: str) -> None:
    """None bad in a hundred says little of one in a hundred: by the rule of three, 97 %."""
    assert supported(0.99, of=of, bad=bad) == verdict
