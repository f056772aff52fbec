"""Sets of words, written as text that a person can read and sort."""

from __future__ import annotations


def words(text: str) -> frozenset[str]:
    """The words of a text, whatever stands between them."""
    return frozenset(text.split())
