"""The baseline file: written for people, read with suspicion."""

from __future__ import annotations

from pathlib import Path

import pytest

from unstuck.compare.baseline import (
    SAMPLES_MAX,
    Baseline,
    Machine,
    measure_machine,
    merge,
    read_baseline,
    slowness,
    write_baseline,
)
from unstuck.errors import UsageError

MACHINE = Machine(processors=2, jobs=2, yardstick_ms=(10.0,))
TEXT = """\
{
 "format": 1,
 "what": "recovery times in seconds, one a gate; unstuck gate --write-baseline adds to them",
 "machine": {"processors": 2, "jobs": 2, "yardstick_ms": [10.0]},
 "cases": {
  "a[grace_s=0]": {
   "claimed_s": [0.8, 0.9],
   "ended_s": [2.0]
  },
  "b": {
   "ended_s": [1.5]
  }
 }
}
"""


def test_it_reads_what_it_writes(tmp_path: Path) -> None:
    """Cases by name, a line a time, so that a review sees what grew."""
    baseline = Baseline(
        machine=MACHINE,
        samples={
            ("b", "ended"): (1.5,),
            ("a[grace_s=0]", "ended"): (2.0,),
            ("a[grace_s=0]", "claimed"): (0.8, 0.9),
        },
    )
    path = tmp_path / "baseline.json"
    write_baseline(path, baseline)
    assert path.read_text() == TEXT
    assert read_baseline(path) == baseline


def test_an_empty_one_is_one(tmp_path: Path) -> None:
    """A gate in which nothing recovered leaves a file that can be read."""
    path = tmp_path / "baseline.json"
    write_baseline(path, Baseline(machine=MACHINE))
    assert read_baseline(path).samples == {}


def test_gates_add_up_to_a_limit() -> None:
    """One sample a gate; the oldest go, and what a gate did not measure stays."""
    baseline = merge(None, MACHINE, {("a", "claimed"): 0.12345, ("b", "ended"): 7.0})
    for number in range(SAMPLES_MAX):
        baseline = merge(baseline, MACHINE, {("a", "claimed"): float(number)})
    assert baseline.samples["a", "claimed"] == tuple(float(number) for number in range(SAMPLES_MAX))
    assert baseline.samples["b", "ended"] == (7.0,)
    assert len(baseline.machine.yardstick_ms) == SAMPLES_MAX


def test_machines_are_told_apart_by_a_fixed_piece_of_work() -> None:
    """By the median of all gates."""
    slow = Machine(processors=2, jobs=2, yardstick_ms=(20.0, 21.0, 90.0))
    assert slowness(MACHINE, slow) == pytest.approx(2.1)
    assert measure_machine(2).yardstick_ms[0] > 0


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"format": 1', '"format": 2', "format=2 is unknown"),
        ("}\n}\n", "}\n", "is not JSON"),
        ('"claimed_s"', '"claimed_ms"', "has no 'claimed_ms'"),
        ("[1.5]", "[]", "must be an array of numbers"),
        ("[1.5]", '["x"]', "must be an array of numbers"),
        ("[1.5]", "[-1]", "must be an array of numbers"),
        ("[1.5]", "[NaN]", "must be an array of numbers"),
        ("[1.5]", f"[{10**400}]", "must be an array of numbers"),
        ('"processors": 2', '"processors": 0', "must be a whole number"),
        ("[10.0]", "[0]", "must be more than 0"),
        ('"machine"', '"engine"', "machine=None must be an object"),
        ('"cases"', '"kases"', "cases=None must be an object"),
    ],
)
def test_what_is_wrong_with_it_is_said(tmp_path: Path, old: str, new: str, said: str) -> None:
    """In one line that names the file."""
    path = tmp_path / "baseline.json"
    path.write_text(TEXT.replace(old, new))
    with pytest.raises(UsageError, match=said) as caught:
        read_baseline(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_says_how_to_get_one(tmp_path: Path) -> None:
    """The flag that writes it."""
    with pytest.raises(UsageError, match="--write-baseline"):
        read_baseline(tmp_path / "none.json")
