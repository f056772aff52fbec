"""The names that a scenario for a declared target may use."""

from __future__ import annotations

from unstuck.catalogue import Catalogue
from unstuck.checks import property_parameters
from unstuck.faults import FAULTS
from unstuck.targets.declared.agent_client import PROCESS
from unstuck.targets.declared.file import CommandCall, PythonCall, TargetFile
from unstuck.targets.declared.ledger import POINTS
from unstuck.targets.declared.templates import all_calls, named_by, names_in, reached_by


def catalogue_of(target: TargetFile, configuration: str | None = None) -> Catalogue:
    """Everything that can be named, from the file alone; the promise is that of the configuration."""
    chosen = target.configurations.get(configuration or "")
    client = PROCESS.rpartition("-")[0]
    called = {
        name
        for call in all_calls(target)
        for name in named_by(call)
        if name in target.dependencies or name in target.roles
    }
    if any(isinstance(call, CommandCall | PythonCall) for call in all_calls(target)):
        # A program of the user's has the addresses from its environment, or gets no link at all.
        named = {name.partition(".")[0] for text in target.environment.values() for name in names_in(text)}
        called |= named & {*target.dependencies, *target.roles}
    links = {f"{client}.{name}" for name in called}
    for role in target.roles.values():
        links |= {f"{role.name}.{name}" for name in reached_by(target, role)}
    return Catalogue(
        faults={name: module.Parameters for name, module in FAULTS.items()},
        on_message=frozenset(name for name, module in FAULTS.items() if hasattr(module, "message_action")),
        at_point=frozenset(name for name, module in FAULTS.items() if "points" in module.NEEDS),
        properties=property_parameters(),
        roles=frozenset({*target.roles, *target.dependencies}),
        stages=(),
        points=POINTS if target.ledger else frozenset(),
        links=frozenset(links),
        videos=frozenset(),
        defences=frozenset(target.defences),
        settings={name: type(one.value) for name, one in target.settings.items()},
        values={name: type(value) for name, value in target.submit.values.items()},
        promise=chosen.promise if chosen and chosen.promise else target.promise,
    )
