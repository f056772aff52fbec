"""Whatever a file holds, loading it ends in scenarios or in one line for the user, and in nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from unstuck.describe import describe
from unstuck.errors import ScenarioError
from unstuck.plan import make_plan
from unstuck.scenario_file import load, loads
from unstuck.targets.reference.names import catalogue
from unstuck.yaml_source import BYTES_MAX

CATALOGUE = catalogue()
FILES = [
    path.read_text(encoding="utf-8")
    for path in sorted(Path(__file__).parents[3].joinpath("scenarios").glob("*.yaml"))
]
WORDS = st.sampled_from(
    ["$stage", "$x", "[]", "{}", "null", "-1", "1e9", "true", "yes", "*a", "&a ", "!!x ", "<<", "\t", "- ",
     ": ", "\n", "\n  ", "{", "}", "[", "]", "'", '"', "? ", "|", ">", "#", "%", "\\", "\x00", "\ud800", "é",
     "any", "start", "{fault: 0}", "{wait: {}}", "alternative", "0x", "9" * 400]
)  # fmt: skip
QUICK = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])


def assert_loads_or_is_refused(text: str) -> None:
    try:
        file = loads(text, Path("s.yaml"), CATALOGUE)
    except ScenarioError as error:
        message = str(error)
    else:
        assert file.pairwise_cases()[0] is file.base_case()
        for scenario in (file.base_case(), file.all_cases()[-1]):
            assert make_plan(scenario, 1).to_json().encode()
            assert "\n" not in "".join(describe(scenario))
        return
    assert message.startswith("s.yaml:")
    assert "\n" not in message
    assert message.encode()  # it can be printed anywhere


@QUICK
@given(st.text())
def test_any_text(text: str) -> None:
    """Arbitrary text never ends in anything but a scenario or a `ScenarioError` of one line."""
    assert_loads_or_is_refused(text)


@QUICK
@given(st.lists(WORDS | st.from_regex(r"[a-z_]{1,8}: ?", fullmatch=True), max_size=30).map("".join))
@example("a: " + "{" * 50)
@example("&a [*a]")
def test_text_that_looks_like_yaml(text: str) -> None:
    """The same for pieces of YAML in any order."""
    assert_loads_or_is_refused(text)


@QUICK
@given(st.data())
def test_small_mutations_of_the_shipped_files(data: st.DataObject) -> None:
    """The same for shipped files in which a few pieces were replaced, doubled or cut out."""
    text = data.draw(st.sampled_from(FILES))
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 20)))
        text = (
            text[:start] + data.draw(WORDS | st.text(max_size=5) | st.just(text[start:end] * 2)) + text[end:]
        )
    assert_loads_or_is_refused(text)


@QUICK
@given(st.data())
def test_swapped_values_of_the_shipped_files(data: st.DataObject) -> None:
    """The same where a word of a file stands in the place of another one."""
    text = data.draw(st.sampled_from(FILES))
    words = sorted(set(text.replace("{", " ").replace("}", " ").replace(",", " ").split()))
    text = text.replace(data.draw(st.sampled_from(words)), data.draw(st.sampled_from(words) | WORDS))
    assert_loads_or_is_refused(text)


@QUICK
@given(st.binary(max_size=200))
def test_any_bytes(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    """The same for files that are no text at all."""
    path = tmp_path_factory.getbasetemp() / "fuzz.yaml"
    path.write_bytes(raw)
    with pytest.raises(ScenarioError) as caught:  # 200 random bytes are no valid scenario
        load(path, CATALOGUE)
    assert "\n" not in str(caught.value)


def test_the_largest_files_are_refused_or_loaded_in_seconds() -> None:
    """256 KiB of keys, of items or of one word end soon: nothing here is quadratic."""
    assert_loads_or_is_refused("".join(f"key-{number}: 1\n" for number in range(BYTES_MAX // 14)))
    assert_loads_or_is_refused("name: [" + "a, " * (BYTES_MAX // 4) + "]")
    assert_loads_or_is_refused("name: " + "x" * (BYTES_MAX - 10))
