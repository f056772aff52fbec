"""The matrix of the proof: what a recorded proof says, and the page that is made of it."""

from __future__ import annotations

from typing import Any

import pytest

from bench import proof
from bench.proof import Row, page, rows_of, tell_stale

GROUP: dict[str, Any] = {
    "date": "2026-01-02T03:04:05+00:00",
    "runs": [
        {"title": "a", "verdict": "pass"},
        {"title": "a without fencing", "verdict": "fail"},
        {"title": "a without outbox", "verdict": "pass"},
    ],
    "proof": {
        "defences": [
            {"subject": "fencing", "where": "a", "by": "effects", "proved": True},
            {"subject": "outbox", "where": "a", "by": "no_job_lost", "proved": False},
        ]
    },
}
ROW = Row(
    defence="fencing", case="a", by="effects", caught=True, control="pass", date="2026-01-02", commit="abc123"
)  # fmt: skip


def test_a_recorded_proof_has_a_row_for_each_guard() -> None:
    """Caught is what was proved; the control is the same case with every defence on."""
    fencing, outbox = rows_of(GROUP, "abc123")
    assert fencing == ROW
    assert (outbox.caught, outbox.control) == (False, "pass")


def test_the_page_has_a_row_for_each_guard_that_is_claimed() -> None:
    """A silent alarm and one that was never tried are seen, and counted as what they are."""
    claimed = [("fencing", "a", "effects"), ("outbox", "a", "no_job_lost"), ("new", "b", "outcomes")]
    text = page(list(rows_of(GROUP, "abc123")), claimed)
    assert "1 of 3 guards of 3 defences proved." in text
    assert "| `fencing` | `a` | `effects` | caught | pass | 2026-01-02 | `abc123` |" in text
    assert "| `outbox` | `a` | `no_job_lost` | **missed** | pass | 2026-01-02 | `abc123` |" in text
    assert "| `new` | `b` | `outcomes` | not tried yet | - | - | - |" in text


def test_a_guard_is_not_caught_by_another_failure_or_without_its_control() -> None:
    """The run without the defence fails all the same: by another property, or since the case always does."""
    runs = [
        {"title": "a", "verdict": "fail"},
        {"title": "a without fencing", "verdict": "fail"},
        {"title": "b", "verdict": "pass"},
        {"title": "b without outbox", "verdict": "fail"},
    ]
    lines = [
        {"subject": "fencing", "where": "a", "by": "effects", "proved": False},
        {"subject": "outbox", "where": "b", "by": "no_job_lost", "proved": False},
    ]
    rows = list(rows_of({**GROUP, "runs": runs, "proof": {"defences": lines}}, "abc123"))
    assert [(row.caught, row.control) for row in rows] == [(False, "fail"), (False, "pass")]


def test_stale_rows_are_named_with_why(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the scenario that guards, and the modules in which the defence is."""
    asked: list[list[str]] = []

    def stale(commit: str, paths: list[str]) -> str | None:
        asked.append(paths)
        return f"a file changed since {commit}" if commit == "old" else None

    monkeypatch.setattr(proof, "stale", stale)
    rows = [
        Row(
            defence="outbox", case="missed-event[alternative=x]", by="effects", caught=True, control="pass",
            date="2026-01-02", commit=commit,
        )
        for commit in ("new", "old")
    ]  # fmt: skip
    assert tell_stale(rows[:1]) == 0
    assert tell_stale(rows) == 1
    [line] = capsys.readouterr().out.splitlines()
    assert line.endswith(" missed-event[alternative=x]: a file changed since old")
    assert asked[0][0] == "scenarios/missed-event.yaml"
    assert len(asked[0]) > 1
    assert all(path.startswith("reference_service/") for path in asked[0][1:])
