"""Hypothesis strategies over whole scenarios, and a list of them that one seed fixes.

Hypothesis is imported by this module only: the extra `unstuck[generate]`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, TypeVar

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from unstuck.catalogue import Catalogue
from unstuck.generate.whole import Bounds, draw_scenario
from unstuck.rng import split
from unstuck.scenario import Scenario

T = TypeVar("T")

PROCESS: Final = frozenset({"processes", "signals", "links", "points", "artefacts", "notifications"})
"""What the process world and the reference service can do on every machine."""

SIM: Final = PROCESS - {"links"}
"""What the sim can do."""

MEMORY: Final = "memory_limit"
"""Where a memory cgroup can be made, add this to `PROCESS`."""

DRAWS_MAX: Final = 4  # for each scenario that is asked for: the same one may be drawn more than once


class _Drawn:
    """Chooses by coins alone.

    Hypothesis now and then draws an integer that stands as a constant in a module that happens to be
    loaded. With coins the same seed draws the same scenarios, whatever else a process has imported.
    """

    def __init__(self, draw: DrawFn) -> None:
        self._draw = draw

    def pick(self, options: Sequence[T]) -> T:
        if len(options) == 1:
            return options[0]
        number = 0
        # Two coins more than needed, so that the first options are hardly likelier than the last.
        for _ in range((len(options) - 1).bit_length() + 2):
            number = 2 * number + self._draw(_COIN)
        return options[number % len(options)]


_COIN: Final = st.booleans()


@st.composite
def _scenarios(draw: DrawFn, catalogue: Catalogue, capabilities: frozenset[str], bounds: Bounds) -> Scenario:
    return draw_scenario(_Drawn(draw), catalogue, capabilities, bounds)


def scenarios(
    catalogue: Catalogue,
    capabilities: frozenset[str] = PROCESS,
    *,
    jobs_max: int = 3,
    deeds_max: int = 3,
    unsparing: bool = False,
) -> SearchStrategy[Scenario]:
    """Whole scenarios for the target of `catalogue`: every one loads, and a correct service passes it.

    At most `jobs_max` jobs, and `deeds_max` things that are done to the service (of one to two faults
    each), all within `capabilities`. `unsparing`: without regard to what a job can survive; such scenarios
    measure how many do. Shrinks towards one plain client and no fault.
    """
    bounds = Bounds(jobs_max=jobs_max, deeds_max=deeds_max, unsparing=unsparing)
    return _scenarios(_awake(catalogue), capabilities, bounds)


def _awake(catalogue: Catalogue) -> Catalogue:
    """Without the roles of which none runs: nothing could be done to them."""
    links = {link for link in catalogue.links if link.partition(".")[0] not in catalogue.resting}
    return replace(catalogue, roles=catalogue.roles - catalogue.resting, links=frozenset(links))


def drawn(strategy: SearchStrategy[Scenario], count: int, *, seed: int) -> list[Scenario]:
    """`count` different scenarios, the same ones for the same seed (and version of Hypothesis).

    Nothing runs yet, so that they can be run side by side. Fewer than `count` when there seem to be no more.
    """
    found: dict[str, Scenario] = {}
    for number in range(DRAWS_MAX * count):
        scenario = _one(strategy, split(seed, "generate", number).getrandbits(64))
        found.setdefault(scenario.name, scenario)
        if len(found) == count:
            break
    return list(found.values())


def _one(strategy: SearchStrategy[Scenario], seed: int) -> Scenario:
    """One example of its own: those that Hypothesis draws in a row are variations of each other."""
    found: list[Scenario] = []

    @seeded(seed)
    @settings(
        max_examples=2,  # the first one is always the simplest
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(scenario: Scenario) -> None:
        found.append(scenario)

    collect()
    return found[-1]
