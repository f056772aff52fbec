"""Durations, sizes, switches and signals."""

from __future__ import annotations

import math

import pytest

from unstuck.preflight import units
from unstuck.preflight.variables import duration_s


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("90", 90),
        ("90s", 90),
        ("1m30s", 90),
        ("1min 30s", 90),
        ("500ms", 0.5),
        ("1.5h", 5400),
        ("2 d", 172800),
        ("infinity", math.inf),
        ("0", 0),
        ("", None),
        ("soon", None),
        ("1x", None),
        ("-1", None),
        ("1e3", None),
        (None, None),
        ("9" * 50, None),
    ],
)
def test_durations(text: str | None, value: float | None) -> None:
    """In the spellings of Go, systemd, gcloud and bare numbers; what is none is none."""
    assert units.seconds(text) == value


@pytest.mark.parametrize(
    ("text", "decimal", "value"),
    [
        ("512m", False, 512),
        ("1048576000m", True, 1),
        ("1048.576M", True, 1000),
        ("512mb", False, 512),
        ("1Gi", True, 1024),
        ("1G", False, 1024),
        ("1G", True, 953.674),
        ("1048576", True, 1),
        ("64k", False, 0.0625),
        ("0.5g", False, 512),
        ("50%", False, None),
        ("lots", True, None),
        (None, True, None),
        ("512M", True, 488.28),
    ],
)
def test_sizes(text: str | None, decimal: bool, value: float | None) -> None:
    """G is 2^30 for Docker and systemd, 10^9 for Kubernetes and gcloud."""
    size = units.mebibytes(text, decimal=decimal)
    assert size == (None if value is None else pytest.approx(value, rel=1e-4))


def test_switches_and_whole_numbers() -> None:
    """Words in any case; what is neither is not known."""
    assert [units.switch(word) for word in ("True", "off", "YES", "0", "maybe", None)] == [
        True,
        False,
        True,
        False,
        None,
        None,
    ]
    assert [units.whole(text) for text in ("3", " 4 ", "-1", "1.5", "x", None)] == [
        3,
        4,
        None,
        None,
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("text", "name"),
    [("TERM", "SIGTERM"), ("sigquit", "SIGQUIT"), ("15", "SIGTERM"), ("a b", None), (None, None)],
)
def test_signals(text: str | None, name: str | None) -> None:
    """By name or number."""
    assert units.signal_name(text) == name


def test_figures_are_short() -> None:
    """As people write them."""
    assert [units.show_s(value) for value in (10, 41.26, 0.8218, 86400, math.inf)] == [
        "10 s",
        "41.26 s",
        "0.8218 s",
        "86400 s",
        "no end",
    ]
    assert [units.show_mib(value) for value in (512, 99.861, 65536)] == ["512 MiB", "99.86 MiB", "65536 MiB"]


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("LEASE_S", "30", 30),
        ("LEASE_MS", "30000", 30),
        ("LEASE_MINUTES", "2", 120),
        ("LEASE", "45", 45),
        ("LEASE_MS", "5s", 5),
        ("X", None, None),
    ],
)
def test_a_variable_says_its_unit(name: str, text: str | None, value: float | None) -> None:
    """A unit in the value wins over the name's."""
    assert duration_s(name, text) == value
