"""Each ready-made target: its jobs get through, its defaults lose what they are known to lose, and the
configuration that its documentation recommends does not.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.systems.conftest import NOT_OURS_TO_INSTALL, Run
from unstuck.targets.ready import ready_targets

pytestmark = [pytest.mark.process, pytest.mark.timeout(240)]

GIVES_UP_S = 4.0  # for losses that nothing brings back


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """What a scenario does to jobs under a target's defaults, and not in its `reliable` configuration."""

    scenario: str
    title: str
    becomes: str  # the class of the jobs that it hits


LOSSES = {
    "arq": Loss(scenario="worker-killed", title="worker-killed", becomes="stuck"),
    # What a killed worker held comes back within 100 s, which is long for a test; a child's task at once.
    "celery-redis": Loss(scenario="child-killed", title="child-killed", becomes="failed"),
    "dramatiq": Loss(scenario="worker-killed", title="worker-killed", becomes="stuck"),
    "huey": Loss(scenario="sigterm", title="sigterm[scope=main]", becomes="lost"),
    "procrastinate": Loss(scenario="worker-killed", title="worker-killed", becomes="stuck"),
    # A work-horse that dies fails its job at once; retries are what does it after all.
    "rq": Loss(scenario="child-killed", title="child-killed", becomes="failed"),
}
LONG = {"celery-rabbitmq": Loss(scenario="worker-killed", title="worker-killed", becomes="stuck")}


def test_every_ready_made_target_is_tried() -> None:
    """A folder that no run here names would be shipped untried."""
    assert set(ready_targets()) == {*LOSSES, *LONG, *NOT_OURS_TO_INSTALL}


@pytest.mark.parametrize("target", LOSSES)
def test_the_defaults_do_their_jobs_and_lose_what_they_are_known_to_lose(run: Run, target: str) -> None:
    """Without a fault every job succeeds once; under it some become what the documentation says."""
    _lose(run, target, LOSSES[target])


@pytest.mark.parametrize("target", LOSSES)
def test_the_recommended_configuration_loses_nothing(run: Run, target: str) -> None:
    """The same fault, and every job ends well: the alarm was no property of the harness."""
    _keep(run, target, LOSSES[target])


@pytest.mark.soak
@pytest.mark.parametrize("target", LONG)
def test_the_same_holds_for_a_broker_that_takes_long_to_start(run: Run, target: str) -> None:
    """RabbitMQ takes seconds of processor time for each run."""
    _lose(run, target, LONG[target])


@pytest.mark.soak
@pytest.mark.parametrize("target", LONG)
def test_its_recommended_configuration_loses_nothing_either(run: Run, target: str) -> None:
    """Messages of a connection that is gone are delivered again at once."""
    _keep(run, target, LONG[target])


def _lose(run: Run, target: str, loss: Loss) -> None:
    told = run(target, None, "baseline", loss.scenario, budget_s=GIVES_UP_S)
    baseline, hit = told["baseline"], told[loss.title]
    assert (baseline.verdict, baseline.classes) == ("pass", {"ok": 5}), baseline.reasons
    assert hit.classes[loss.becomes] >= 1, (hit.classes, hit.reasons)


def _keep(run: Run, target: str, loss: Loss) -> None:
    hit = run(target, "reliable", loss.scenario)[loss.title]
    assert hit.verdict == "pass", hit.reasons
    assert set(hit.classes) <= {"ok", "restarted", "doubled"}, hit.classes
    assert all(job["state"] == "succeeded" for job in hit.jobs)
