"""A whole scenario: clients, faults, settings, what must hold, and how long a recovery may take."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from unstuck.catalogue import Catalogue
from unstuck.describe import describe
from unstuck.generate.choices import Choices, chance
from unstuck.generate.clients import Client, draw_clients
from unstuck.generate.deeds import ONCE, Deed, draw_deed
from unstuck.generate.moments import SHORT_S, Stage
from unstuck.scenario import RoleOptions, Scenario
from unstuck.scenario_file import loads
from unstuck.scenario_writer import dump

Settings = dict[str, str | int | float | bool]

DEADLINE_S: Final = 3.0  # of an upload, while the API answers: what nobody puts is waited for in every run
IDLE_S: Final = 2.0
PERIODS: Final[Mapping[str, float]] = {
    "lease_s": 2.0,
    "sweep_every_s": 0.5,
    "reconcile_after_s": 3.0,
    "drain_grace_s": 3.0,
}
"""The periods of the target's own that a recovery waits for; scenarios may change them."""

ATTEMPTS_MAX: Final = 3
LOSSES_SPARED: Final = 5  # attempts of a job whose lease is lost, and that are not charged
ATTEMPT_S: Final = 4.0  # of a small video, with the machine busy
TROUBLE_S: Final = 5.0  # the longest pause before a role tries a dependency again
SLOTS: Final = 2

SPARING: Final = (1, 1, 2, 2, 0, 3, 2, 1)
UNSPARING: Final = (0, 1, 1, 2, 2, 3, 4, 6)
"""How many things are done to the service, each as likely as the others."""

ANY_LENGTH_S: Final = (*SHORT_S, 6.0, 15.0, 40.0)
"""How long somebody is away in an unsparing scenario, each as likely as the others. The longest is twice the
patience of a call (20 s), and many times the lease."""

SETTLES_S: Final = 20.0  # more of a budget, after an outage that outlasted retries and breakers


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How large a scenario may become.

    `unsparing`: number and length of the faults are drawn without regard to what the service allows a job, so
    that a sound job may use up its attempts; no end is expected of any job, only that it ends.
    """

    jobs_max: int = 3
    deeds_max: int = 3
    unsparing: bool = False


def draw_scenario(
    choices: Choices, catalogue: Catalogue, capabilities: frozenset[str], bounds: Bounds
) -> Scenario:
    """A scenario that loads, in which every fault can land, and which a correct service passes.

    An unsparing one is passed as well, but by failed jobs, too; and a fault may come too late for a job that
    an earlier one has ended.
    """
    clients = draw_clients(choices, catalogue, jobs_max=bounds.jobs_max)
    settings, workers = _draw_settings(choices)
    stage = Stage(
        clients=clients,
        catalogue=catalogue,
        capabilities=capabilities,
        replicas=workers.replicas or 2,
        lease_s=float(settings.get("lease_s", PERIODS["lease_s"])),
        lengths_s=ANY_LENGTH_S if bounds.unsparing else SHORT_S,
    )
    deeds: list[Deed] = []
    for _ in range(min(bounds.deeds_max, choices.pick(UNSPARING if bounds.unsparing else SPARING))):
        deed = draw_deed(choices, stage, sum(len(one.faults) for one in deeds))
        deeds.append(deed)
        spent = ONCE.intersection(fault.name for fault in deed.faults)
        stage = replace(stage, spent=stage.spent | spent)
        if deed.poisons is not None:
            stage = replace(stage, poisoned=stage.poisoned | {deed.poisons})
    return _assemble(clients, deeds, settings, workers, catalogue, unsparing=bounds.unsparing)


def _draw_settings(choices: Choices) -> tuple[Settings, RoleOptions]:
    """Settings of every role, and what is changed of the workers."""
    settings: Settings = {"upload_deadline_s": DEADLINE_S, "upload_idle_s": IDLE_S}
    for name, values in (("lease_s", (3.0,)), ("reconcile_after_s", (2.0,)), ("drain_grace_s", (0.5,))):
        if chance(choices, 5):
            settings[name] = choices.pick(values)
    replicas = choices.pick((None, None, None, 3))
    slots = choices.pick((None, None, None, 1))
    return settings, RoleOptions(replicas=replicas, settings={} if slots is None else {"slots": slots})


def _assemble(
    clients: Sequence[Client],
    deeds: Sequence[Deed],
    settings: Settings,
    workers: RoleOptions,
    catalogue: Catalogue,
    *,
    unsparing: bool,
) -> Scenario:
    settings = dict(settings)
    settings["upload_deadline_s"] = DEADLINE_S + _silence_s(deeds)
    charged = _charged(deeds)
    processed = any(client.behaviour.works or client.behaviour.reason for client in clients)
    if charged >= ATTEMPTS_MAX and processed and not unsparing:
        settings["attempts_max"] = charged + 1  # so that no sound job runs out of attempts
    limits = [deed.memory_limit_mib for deed in deeds if deed.memory_limit_mib is not None]
    workers = replace(workers, memory_limit_mib=max(limits, default=None))
    budget_s = budget_of(clients, deeds, settings, workers)
    if unsparing:  # a job that one fault hit may wait for each of the others, one after the other
        budget_s += SETTLES_S + sum(_lasts_s(deed) for deed in deeds)
    expect = expectations(clients, deeds, settings, budget_s)
    if unsparing:
        expect.pop("outcomes", None)
        # Once its effect may have been applied, a job has as many attempts again: else it would be done, and
        # yet failed.
        expect["attempts_bounded"] = {"most": 2 * ATTEMPTS_MAX, "losses_spared": LOSSES_SPARED}
    draft = Scenario(
        name="generated",
        summary="A generated scenario.",
        workload=tuple(client.upload for client in clients),
        faults=tuple(fault for deed in deeds for fault in deed.faults),
        expect=expect,
        budget_s=budget_s,
        settings=settings,
        roles={"worker": workers} if workers != RoleOptions() else {},
    )
    return loaded(named(draft), catalogue)


def _charged(deeds: Sequence[Deed]) -> int:
    """How many attempts of a sound job may count against its limit, at most: those that may be crashes of its
    own, and the losses that are not spared.
    """
    losses = sum(deed.losses for deed in deeds)
    return sum(deed.strokes for deed in deeds) - min(losses, LOSSES_SPARED)


def _silence_s(deeds: Sequence[Deed]) -> float:
    """For how long a client may wait for the answer to its announcement, whose deadline runs meanwhile."""
    faults = [fault for deed in deeds if "api" in deed.touches for fault in deed.faults]
    return sum(float(getattr(fault.parameters, name, 0.0)) for fault in faults for name in ("for_s", "by_s"))


def _lasts_s(deed: Deed) -> float:
    return sum(float(getattr(fault.parameters, "for_s", 0.0) or 0.0) for fault in deed.faults)


def named(scenario: Scenario) -> Scenario:
    """The scenario under a name that its content gives it, with a summary that says what happens."""
    bare = replace(scenario, name="generated", summary="A generated scenario.")
    digest = hashlib.sha256(dump(bare).encode()).hexdigest()[:8]
    deeds = ", ".join(fault.name.replace("_", " ") for fault in scenario.faults) or "nothing"
    tags = ", ".join(f"{upload.count} {upload.tag}" for upload in scenario.workload)
    return replace(
        scenario,
        name=f"generated-{digest}",
        summary=f"Uploads of {tags}, with {deeds}. Every promise holds.",
    )


def loaded(scenario: Scenario, catalogue: Catalogue, *, header: Sequence[str] = ()) -> Scenario:
    """The scenario as it is when it is read from its own text. Raises `ScenarioError` if it is not valid."""
    return loads(dump(scenario, header=header), Path(f"{scenario.name}.yaml"), catalogue).base_case()


def expectations(
    clients: Sequence[Client], deeds: Sequence[Deed], settings: Mapping[str, Any], budget_s: float
) -> dict[str, dict[str, Any]]:
    """What has to hold whatever the order of events; see `clients` for why."""
    touched = frozenset().union(*(deed.touches for deed in deeds))
    poisoned = {deed.poisons for deed in deeds}
    outcomes: dict[str, Any] = {}
    for client in clients:
        behaviour = client.behaviour
        certain = behaviour.state is not None and not (behaviour.through_api and "api" in touched)
        if client.tag in poisoned:
            outcomes[client.tag] = {"exactly": client.upload.count, "state": "failed", "reason": "crashed"}
        elif certain:
            # An announcement whose answer is lost leaves one more job, which nobody puts: it expires.
            more = behaviour.state == "expired" and "api" in touched
            rule: dict[str, Any] = {"at_least" if more else "exactly": client.upload.count}
            rule["state"] = behaviour.state
            if behaviour.reason is not None:
                rule["reason"] = behaviour.reason
            outcomes[client.tag] = rule
    expect: dict[str, dict[str, Any]] = {
        "every_job_terminal": {"within_s": budget_s},
        "no_job_lost": {},
        "terminal_is_final": {},
    }
    if any(rule["state"] == "succeeded" for rule in outcomes.values()):
        expect["effects"] = {"delivery": "exactly_once"}
    if outcomes:
        expect["outcomes"] = outcomes
    if "attempts_max" in settings:
        expect["attempts_bounded"] = {"most": settings["attempts_max"], "losses_spared": LOSSES_SPARED}
    return expect


def budget_of(
    clients: Sequence[Client], deeds: Sequence[Deed], settings: Mapping[str, Any], workers: RoleOptions
) -> float:
    """An upper bound of how long the slowest job may take when all faults are healed, in seconds.

    An announcement is due at its deadline, put off once more while its parts come; its event may have been
    lost, and is sent again; each attempt that is lost costs a lease, a sweep and perhaps another event; and
    jobs wait for each other's slots. A correct service ends far sooner: only a failure waits so long.
    """

    def period(name: str) -> float:
        return float(settings.get(name, PERIODS[name]))

    sweep_s = period("sweep_every_s")
    announced_s = period("reconcile_after_s") + sweep_s + TROUBLE_S
    uploaded_s = float(settings["upload_deadline_s"]) + 2 * IDLE_S + sweep_s
    lost_s = period("lease_s") + period("drain_grace_s") + sweep_s + announced_s
    jobs = sum(client.upload.count for client in clients)
    slots = max(1, int(workers.settings.get("slots", SLOTS)))  # those of one worker: the others may be away
    attempts = int(settings.get("attempts_max", ATTEMPTS_MAX))
    poisoned = any(deed.poisons for deed in deeds)
    lost = (attempts if poisoned else 0) + sum(deed.strokes for deed in deeds)
    rounds = -(-jobs // slots) + lost
    return float(round(uploaded_s + announced_s + lost * lost_s + rounds * ATTEMPT_S))


def sentences(scenario: Scenario) -> list[str]:
    """What happens in it, in words; for the head of its file."""
    return [line for line in describe(scenario) if line]
