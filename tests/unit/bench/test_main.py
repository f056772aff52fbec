"""`python -m bench`: what it can do, and what it says of what it cannot."""

from __future__ import annotations

import pytest

from bench.__main__ import PAGES, main


def test_the_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """Those that make pages, too."""
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    usage = capsys.readouterr().out.partition("\n\n")[0]
    assert all(name in usage for name in ("figures", "soak", *PAGES))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nope"], [*PAGES, "figures", "soak"]),
        (["--kills", "3", "claims"], ["claims has flags of its own: name it first."]),
    ],
)
def test_a_wrong_command_is_told_what_there_is(
    words: list[str], said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, and nothing is measured."""
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert all(one in error for one in said), error
