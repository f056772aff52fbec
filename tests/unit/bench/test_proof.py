"""The matrix of the proof: what a recorded proof says, and the page that is made of it."""

from __future__ import annotations

from typing import Any

from bench.proof import Row, page, rows_of

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
    defence="fencing", case="a", by="effects", caught=True, control="pass", date="2026-01-02"
)  # fmt: skip


def test_a_recorded_proof_has_a_row_for_each_guard() -> None:
    """Caught is what was proved; the control is the same case with every defence on."""
    fencing, outbox = rows_of(GROUP)
    assert fencing == ROW
    assert (outbox.caught, outbox.control) == (False, "pass")


def test_the_page_has_a_row_for_each_guard_that_is_claimed() -> None:
    """A silent alarm and one that was never tried are seen, and counted as what they are."""
    claimed = [("fencing", "a", "effects"), ("outbox", "a", "no_job_lost"), ("new", "b", "outcomes")]
    text = page(list(rows_of(GROUP)), claimed)
    assert "1 of 3 guards of 3 defences proved." in text
    assert "| `fencing` | `a` | `effects` | caught | pass | 2026-01-02 |" in text
    assert "| `outbox` | `a` | `no_job_lost` | **missed** | pass | 2026-01-02 |" in text
    assert "| `new` | `b` | `outcomes` | not tried yet | - | - |" in text
