"""Options of dependencies, checked before anything starts."""

from __future__ import annotations

from typing import Any

import pytest

from unstuck.errors import TargetError
from unstuck.targets.dependencies import KINDS, Wanted, check


@pytest.mark.parametrize(
    ("name", "kind", "options", "text"),
    [
        ("broker", "redsi", {}, "dependency 'broker': kind='redsi' is unknown. Did you mean 'redis'?"),
        ("a/b", "redis", {}, "dependency: name='a/b' must begin with a letter"),
        ("b", "redis", {"database": 3}, "(redis): option 'database' is unknown. Did you mean 'databases'?"),
        ("b", "redis", {"databases": 0}, "databases=0 must be 1 or more"),
        ("b", "redis", {"databases": True}, "databases=True must be a whole number"),
        ("b", "redis", {"settings": ["a"]}, "settings=['a'] must be names with texts or numbers"),
    ],
)
def test_what_is_wrong_is_one_line(name: str, kind: str, options: dict[str, Any], text: str) -> None:
    """Where, the value, the rule, and what was probably meant."""
    with pytest.raises(TargetError) as caught:
        check(Wanted(name=name, kind=kind, options=options))
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_kind_says_what_to_install_and_what_its_options_mean() -> None:
    """Nothing a target file may name is without a word on it."""
    for name, kind in KINDS.items():
        assert name == kind.KIND
        assert "install" in kind.INSTALL.lower()
        assert all(option.means for option in kind.OPTIONS.values())
