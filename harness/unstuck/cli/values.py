"""Reads the values of flags, and says in one line what is wrong with them. Imports nothing heavy."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from unstuck.errors import did_you_mean


def whole(minimum: int) -> Callable[[str], int]:
    """A parser of whole numbers from `minimum` on, for a flag."""

    def parse_whole(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = minimum - 1
        if number < minimum:
            raise argparse.ArgumentTypeError(f"value={text!r} must be a whole number, {minimum} or more")
        return number

    return parse_whole


def seconds(text: str) -> float:
    """A parser of positive durations, for a flag."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"value={text!r} must be a number of seconds, more than 0")
    return number


def minutes(text: str) -> float:
    """A parser of durations from 0 on, for a flag."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"value={text!r} must be a number of minutes, 0 or more")
    return number


def one_of(*known: str) -> Callable[[str], str]:
    """A parser of one of some words, for a flag; says which was meant."""

    def parse_word(text: str) -> str:
        if text not in known:
            raise argparse.ArgumentTypeError(f"value={text!r} is unknown.{did_you_mean(text, known)}")
        return text

    return parse_word


def peak_mib(text: str) -> tuple[str, float]:
    """A parser of `400` or `worker=400`, for a flag: the role (empty: all) and MiB."""
    role, equals, number = text.rpartition("=")
    try:
        value = float(number)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf") or (equals and not role):
        raise argparse.ArgumentTypeError(f"value={text!r} must be MiB, more than 0, or ROLE=MIB")
    return role, value
