"""Settings that the service would refuse are refused when the scenario is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from reference_service.settings import GivenSettings
from unstuck.errors import ScenarioError
from unstuck.scenario_file import load
from unstuck.targets.reference import catalogue, roles
from unstuck.targets.reference.simulated.target import _settings

HEAD = "name: x\nsummary: s\nworkload: [{upload: {count: 1}}]\nexpect: {no_job_lost: {}}\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "settings: {lease_s: 0}\n",
            ":5: settings.lease_s=0 is refused by the target: should be gr",
        ),
        ("settings:\n  slots: 65\n", ":6: settings.slots=65 is refused by the target: should be less than"),
        (
            "settings: {lease_s: 1, heartbeat_s: 2}\n",
            ":5: settings is refused by the target: heartbeat_s",
        ),
        (
            "settings: {lease_s: 5}\nroles: {worker: {settings: {heartbeat_s: 6}}}\n",
            ":6: roles.worker.settings is refused by the target: heartbeat_s must be shorter than lease_s",
        ),
        (
            "settings: {slots: $n}\nmatrix: {n: [1, 0]}\n",
            ":6: settings.slots=0 is refused by the target",
        ),
    ],
)
def test_what_the_service_refuses_is_refused_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    """By the bounds that the service's own model declares; nothing has to be started to know them."""
    path = tmp_path / "s.yaml"
    path.write_text(HEAD + text)
    with pytest.raises(ScenarioError) as caught:
        load(path, catalogue())
    assert said in str(caught.value)


def test_a_role_s_settings_stand_over_the_scenario_s(tmp_path: Path) -> None:
    """What would not fit the target's own periods fits the scenario's."""
    path = tmp_path / "s.yaml"
    path.write_text(HEAD + "settings: {lease_s: 10}\nroles: {worker: {settings: {heartbeat_s: 6}}}\n")
    load(path, catalogue())


def test_the_environment_of_the_harness_plays_no_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stray variable of the user's neither refuses a scenario nor changes it."""
    monkeypatch.setenv("REFERENCE_SLOTS", "nonsense")
    path = tmp_path / "s.yaml"
    path.write_text(HEAD + "settings: {lease_s: 10}\n")
    load(path, catalogue())


def test_nor_does_it_in_the_sim(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same seed gives the same run, whatever REFERENCE_… the user has set."""
    monkeypatch.setenv("REFERENCE_API_DRAIN_S", "77")
    chosen = tuple(sorted(roles.SETTINGS.items()))
    assert _settings.__wrapped__(chosen, ()).api_drain_s == GivenSettings.model_fields["api_drain_s"].default
