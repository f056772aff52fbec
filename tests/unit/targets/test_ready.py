"""The targets that come ready-made: their files load, fit their scenarios, and say what they need."""

from __future__ import annotations

from pathlib import Path

import pytest

from unstuck.cli.targets import targets_sheet
from unstuck.errors import ScenarioError, TargetError
from unstuck.scenario_file import load
from unstuck.targets.declared.names import catalogue_of
from unstuck.targets.declared.reading import load_target
from unstuck.targets.declared.requirements import install_line, what_is_missing
from unstuck.targets.declared.roles import variants_of
from unstuck.targets.ready import ready_targets, scenario_files

NO_LEASE = {"huey", "celery-rabbitmq"}  # nothing limits how long a claim lasts
LEAST = """\
name: least
requires: [{requires}]
roles: {{worker: {{command: "true"}}}}
submit: {{command: "echo 1"}}
observe: {{sources: [{{command: "echo []"}}]}}
"""


@pytest.mark.parametrize("scenario", scenario_files(), ids=lambda path: path.stem)
@pytest.mark.parametrize("target", sorted(ready_targets()))
def test_every_scenario_fits_every_target(target: str, scenario: Path) -> None:
    """One file for all; where a target has no lease, a scenario about leases is refused and says so."""
    names = catalogue_of(load_target(ready_targets()[target]))
    if target in NO_LEASE and "lease_s" in scenario.read_text(encoding="utf-8"):
        with pytest.raises(ScenarioError, match="lease_s"):
            load(scenario, names)
    else:
        assert load(scenario, names).name == scenario.stem


def test_a_configuration_may_promise_otherwise() -> None:
    """Huey delivers at most once; who puts interrupted tasks back wants more, and is judged by that."""
    huey = load_target(ready_targets()["huey"])
    assert catalogue_of(huey).promise == "at_most_once"
    assert catalogue_of(huey, "reliable").promise == "at_least_once"


def test_each_says_what_it_is_and_what_to_choose() -> None:
    """Every name, configuration and scenario can be found in the list."""
    told = "\n".join("".join(span.text for span in line) for line in targets_sheet().lines)
    for name, path in ready_targets().items():
        assert f"\n{name}  " in f"\n{told}"
        assert all(word in told for word in load_target(path).configurations)
    assert all(path.stem in told for path in scenario_files())


def test_a_missing_package_is_named_with_what_installs_it(tmp_path: Path) -> None:
    """As pip takes it; one that is there is not named, and whoever has a Python of its own is left alone."""
    path = tmp_path / "unstuck.yaml"
    path.write_text(LEAST.format(requires="pytest, 'no-such-package[extra]>=2'"), encoding="utf-8")
    target = load_target(path)
    assert what_is_missing(target) == ["no-such-package[extra]>=2"]
    assert install_line(target) == "pip install 'no-such-package[extra]>=2'"
    path.write_text(f"python: python3\n{path.read_text(encoding='utf-8')}", encoding="utf-8")
    assert what_is_missing(load_target(path)) == []
    path.write_text(LEAST.format(requires='">>"'), encoding="utf-8")
    assert what_is_missing(load_target(path)) == [">>"]


def test_a_missing_file_is_named_with_what_brings_it(tmp_path: Path) -> None:
    """In the folder where the roles run, and only until it is there."""
    path = tmp_path / "unstuck.yaml"
    needs = "{file: node_modules/some, install: npm install}"
    path.write_text(LEAST.format(requires=f"{needs}, no-such-package"), encoding="utf-8")
    target = load_target(path)
    assert what_is_missing(target) == ["no-such-package", "node_modules/some"]
    assert install_line(target) == f"pip install 'no-such-package' && (cd {tmp_path} && npm install)"
    (tmp_path / "node_modules/some").mkdir(parents=True)
    assert what_is_missing(target) == ["no-such-package"]
    path.write_text(LEAST.format(requires="{file: node_modules/some}"), encoding="utf-8")
    with pytest.raises(ScenarioError, match=r"unstuck\.yaml:2: .*install"):
        load_target(path)


def test_an_unknown_configuration_is_refused() -> None:
    """With what was meant, if that can be guessed."""
    with pytest.raises(TargetError, match="reliable"):
        variants_of(load_target(ready_targets()["rq"]), "relaible", ())


def test_a_look_through_a_hash_needs_a_list_of_many(tmp_path: Path) -> None:
    """A job's own key says already which job it is."""
    path = tmp_path / "unstuck.yaml"
    text = LEAST.format(requires="pytest").replace(
        'observe: {sources: [{command: "echo []"}]}',
        "dependencies: {broker: {kind: redis}}\n"
        'observe: {sources: [{looks: [{key: "a:{job}", through: b, held: queue}]}]}',
    )
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ScenarioError, match=r"unstuck\.yaml:6: .*Drop `through`"):
        load_target(path)
