"""Names in braces, what may be named where, and what follows from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.declared.test_reading import GOOD, write
from unstuck.targets.declared.names import catalogue_of
from unstuck.targets.declared.reading import load_target
from unstuck.targets.declared.templates import fill, fill_all, has_port, names_in, reached_by


def value_of(name: str) -> str:
    return {"broker": "127.0.0.1:1", "broker.url": "redis://127.0.0.1:1/0", "job": "j"}[name]


def test_names_are_filled_in_and_all_else_is_left() -> None:
    """JSON keeps its braces, also those that close two at once; doubled around a name they are one pair."""
    assert fill("{broker} {broker.url}", value_of) == "127.0.0.1:1 redis://127.0.0.1:1/0"
    assert fill('{"a": 1, "b": {}} {{job}} {1} { job }', value_of) == '{"a": 1, "b": {}} {job} {1} { job }'
    assert fill('{"a": {"b": "{job}"}} {"c":{job}}', value_of) == '{"a": {"b": "j"}} {"c":j}'
    assert names_in("{a} {b.c} {{d}} {1}") == {"a", "b.c"}


def test_lists_and_mappings_are_filled_in() -> None:
    """As the body of a request has them; numbers stay numbers."""
    assert fill_all({"a": ["{job}", 1], "b": {"c": "{job}"}}, value_of) == {"a": ["j", 1], "b": {"c": "j"}}


def test_a_name_that_nobody_has_is_a_key_error() -> None:
    """Whoever fills in says where that was."""
    with pytest.raises(KeyError):
        fill("{nobody}", value_of)


def test_roles_have_links_to_what_they_name(tmp_path: Path) -> None:
    """In the command, or in an environment: each is a link, and a scenario can name it."""
    text = GOOD.replace(
        "  worker:\n", '  api: {command: [api, "{port}"]}\n  worker:\n    environment: {API: "{api.url}"}\n'
    )
    file = load_target(write(tmp_path, text))
    assert reached_by(file, file.roles["worker"]) == ["broker", "api"]
    assert has_port(file, file.roles["api"])
    assert not has_port(file, file.roles["worker"])
    assert {"worker.broker", "worker.api"} <= catalogue_of(file).links


def test_a_role_without_a_port_has_no_address(tmp_path: Path) -> None:
    """Nothing would listen there: it names nothing."""
    text = GOOD.replace('[submit, "{item}"]', '[submit, "{worker.url}"]')
    with pytest.raises(Exception, match=r"\{worker.url\} names nothing"):
        load_target(write(tmp_path, text))


@pytest.mark.parametrize(
    ("old", "new"),
    [("environment:\n", 'environment:\n  PORT: "{port}"\n'),
     ("    ready: ready\n", '    ready: {url: "http://127.0.0.1:{port}/"}\n'),
     ("submit:\n", 'configurations: {fast: {environment: {PORT: "{port}"}}}\nsubmit:\n')],
)  # fmt: skip
def test_a_port_may_be_named_in_any_text_of_a_role(tmp_path: Path, old: str, new: str) -> None:
    """In what all roles get, too: else the role would be told to listen on port 0."""
    file = load_target(write(tmp_path, GOOD.replace(old, new, 1)))
    assert has_port(file, file.roles["worker"])


def test_an_id_of_ours_may_be_named_in_a_submission(tmp_path: Path) -> None:
    """With `chosen`; and a value of the job's may have that name."""
    chosen = GOOD.replace("{item}", "{job}").replace("  values:", "  chosen: true\n  values:")
    assert load_target(write(tmp_path, chosen)).submit.chosen
    value = GOOD.replace("{item}", "{job}").replace("item: book", "job: book")
    assert load_target(write(tmp_path, value)).submit.values == {"job": "book"}
