"""Bodies are read as a Go server reads them."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unstuck.links.toxiproxy.body import field, lowered, read_value
from unstuck.links.toxiproxy.problem import ApiError


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "EOF"),
        (b" \r\n\t", "EOF"),
        (b"{", "unexpected EOF"),
        (b"[1,", "unexpected EOF"),
        (b"nope", "invalid character 'n' at offset 0"),
        (b'{"a":NaN}', "invalid character 'N' looking for beginning of value"),
        (b"[" * 100_000, "exceeded max depth"),
    ],
)
def test_what_is_no_json_is_told(data: bytes, told: str) -> None:
    """In Go's words where they are short."""
    with pytest.raises(ApiError) as caught:
        read_value(data)
    assert (str(caught.value), caught.value.status) == (f"bad request body: {told}", 400)


@given(st.binary(max_size=50))
def test_no_bytes_break_it(data: bytes) -> None:
    """A value, or a refusal."""
    with contextlib.suppress(ApiError):
        read_value(data)


@pytest.mark.parametrize(
    ("value", "default", "got"),
    [("x", "", "x"), (None, "d", "d"), (True, False, True), (5, 1, 5), (2, 1.0, 2.0), (0.5, 1.0, 0.5)],
)
def test_a_field_has_the_type_of_its_default(value: Any, default: Any, got: Any) -> None:
    """Null and absent are the default; a whole number is a fraction, too."""
    found = field({"f": value}, "f", default, "T")
    assert found == got
    assert type(found) is type(got)
    assert field({}, "f", default, "T") == default


@pytest.mark.parametrize(
    ("value", "default"),
    [
        (1, ""),
        ("true", False),
        (1, False),
        (True, 1),
        (1.0, 1),
        (2**63, 1),
        (-(2**63) - 1, 1),
        (True, 1.0),
        ("1", 1.0),
        (1e39, 1.0),
        (10**400, 1.0),
        (float("inf"), 1.0),
        ([], ""),
        ({}, 1),
    ],
)
def test_another_type_is_refused(value: Any, default: Any) -> None:
    """Also a number that Go's type does not hold."""
    with pytest.raises(ApiError, match="json: cannot unmarshal"):
        field({"f": value}, "f", default, "T")


def test_keys_match_in_any_case() -> None:
    """And null is an empty object."""
    assert lowered({"NaMe": 1}, "T") == {"name": 1}
    assert lowered(None, "T") == {}
