"""The names that a scenario may use, as data: the loader checks against it and suggests from it.

The loader sits below faults, checks and targets, so what they know is handed to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from unstuck.scenario import Promise


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """Everything that can be named in a scenario, for one target.

    `faults` maps a fault's name to its frozen dataclass of parameters; `properties` maps a property's
    name to its parameters (name -> types that a value may have; `*` allows any key).
    """

    faults: Mapping[str, type]
    properties: Mapping[str, Mapping[str, tuple[type, ...]]]
    roles: frozenset[str]
    stages: tuple[str, ...]
    points: frozenset[str]
    links: frozenset[str]  # "worker.database", …
    videos: frozenset[str]
    defences: frozenset[str]
    on_message: frozenset[str] = frozenset()  # faults that a link does itself, at their trigger's message
    at_point: frozenset[str] = frozenset()  # faults that befall who stands at their trigger's test point
    resting: frozenset[str] = frozenset()  # roles of which none runs unless a scenario says so
    alerts: frozenset[str] = frozenset()  # rules of the target whose changes the harness sees
    settings: Mapping[str, type] = field(default_factory=dict)  # the target's own settings
    promise: Promise = "effectively_once"  # of deliveries, where a scenario says nothing
    values: Mapping[str, type] | None = None  # of a job that is submitted; None: the target takes uploads
    refuse_settings: Callable[[Mapping[str, object]], tuple[str | None, str] | None] = lambda _: None
    """What the target says of these settings over its own: the setting (None: it lies in several) and the
    rule that it breaks; None when it takes them."""
