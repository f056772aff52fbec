"""Texts of a scenario are short enough for a screen."""

from __future__ import annotations

import pytest

from tests.unit.scenario.test_refusals import EXPECT, HEAD, WORK, refusal

LONG = "x" * 200_000


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (HEAD.replace("summary: s", f"summary: {LONG}") + WORK + EXPECT, "s.yaml:2: summary='xxx"),
        (
            HEAD + f"workload: [upload: {{count: 2, tag: {LONG}}}]\n" + EXPECT,
            "s.yaml:3: workload[0].upload.tag=",
        ),
        (HEAD + WORK + EXPECT + f"settings: {{bucket: {LONG}}}\n", "s.yaml:5: settings.bucket="),
        (HEAD + WORK + "expect:\n  outcomes: {job: {reason: " + LONG + "}}\n", "s.yaml:5: expect.outcomes"),
    ],
    ids=["summary", "tag", "setting", "reason"],
)
def test_a_text_that_no_screen_would_show_is_refused(text: str, where: str) -> None:
    """With its line and its length, and without the text itself."""
    said = refusal(text)
    assert said.startswith(where)
    assert "200000 characters. Write 1000 at most." in said
    assert len(said) < 300
