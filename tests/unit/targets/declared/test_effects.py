"""Effects that are rows of a source: which job each row belongs to, and that each is told once."""

from __future__ import annotations

from typing import Any, cast

import pytest

from tests.unit.targets.declared.witnesses import Told
from unstuck.targets.declared.calls import Caller
from unstuck.targets.declared.effects import EffectsLook
from unstuck.targets.declared.file import HttpCall, RowsSource


class Answering:
    """Stands for a caller: each call gets `answer`."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def perform(self, *_: Any) -> Any:
        return self.answer


@pytest.mark.parametrize(
    "rows", [[7, 8, 7], ["7", "8", "7"], [{"job": 7}, {"job": 8}, {"job": 7}], "[7, 8, 7]"]
)
def test_each_row_is_an_effect_of_its_job(rows: Any) -> None:
    """A row is an id, be it a number, or an object with one; two of one job are two effects, told once."""
    told = Told()
    source = RowsSource(call=HttpCall(url="http://127.0.0.1/"))
    effects = EffectsLook(source, cast("Caller", Answering(rows)), told.tracker, 1.0)
    effects.look()
    effects.look()
    assert [job for kind, _, job, _ in told.events if kind == "effect"] == ["7", "7", "8"]
