"""What the fields of a scenario may say: names and ranges, by the name of the field that carries them.

A field called `role` names a role wherever it stands, in a fault's parameters as in a property's; a
field whose name ends in `_s` is a number of seconds. So a new fault or property is checked without a
line here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from unstuck.catalogue import Catalogue
from unstuck.loading.spot import Spot
from unstuck.scenario import CANONICAL_STATES

ANY_JOB = "any"
DELIVERIES = ("at_least_once", "at_most_once", "exactly_once")

ACTIONS = (
    "submit",
    "initiate_upload",
    "put_object",
    "put_part",
    "complete_upload",
    "cancel",
    "retry",
    "publish_event",
)  # what clients do; `unstuck.history` describes each

DELIVERIES = ("exactly_once", "at_least_once", "at_most_once")  # of effects

# By name and not from `signal`, whose members differ from one system to the next.
SIGNALS = (
    "SIGABRT",
    "SIGALRM",
    "SIGBUS",
    "SIGCHLD",
    "SIGCONT",
    "SIGFPE",
    "SIGHUP",
    "SIGILL",
    "SIGINT",
    "SIGKILL",
    "SIGPIPE",
    "SIGQUIT",
    "SIGSEGV",
    "SIGSTOP",
    "SIGTERM",
    "SIGTSTP",
    "SIGUSR1",
    "SIGUSR2",
    "SIGXCPU",
)

DAY_S = 86_400
CLIENTS_MAX = 10_000

RANGES: Mapping[str, tuple[float, float]] = {
    "budget_s": (0.1, DAY_S),
    "count": (1, CLIENTS_MAX),
    "exactly": (0, CLIENTS_MAX),
    "at_least": (0, CLIENTS_MAX),
    "at_most": (0, CLIENTS_MAX),
    "most": (0, CLIENTS_MAX),
    "memory_limit_mib": (16, 1024 * 1024),
    "disk_limit_mib": (1, 1024 * 1024),
    "descriptors_max": (16, 1024 * 1024),
    "mib": (1, 1024 * 1024),
    "attempt": (1, 1_000),
    "fault": (0, 1_000),
    "first": (1, 1_000),
    "nth": (1, 1_000_000),
    # Of clocks: ten years; and from one that stands still to one that gains a day a second.
    "offset_s": (-3_650 * DAY_S, 3_650 * DAY_S),
    "drift_ppm": (-1_000_000, DAY_S * 1_000_000),
    "only": (1, 10_000),
    "parts": (0, 10_000),  # S3's own limit
    "replicas": (0, 64),
    "times": (1, 1_000),
    # Of toxics; a byte more than 1 GiB, or a millisecond more than a day, is a slip of the pen.
    "average_size": (1, 2**30),
    "bytes": (0, 2**30),
    "delay": (0, DAY_S * 1_000_000),
    "jitter": (0, DAY_S * 1_000),
    "latency": (0, DAY_S * 1_000),
    "rate": (0, 2**30),
    "size_variation": (0, 2**30),
    "timeout": (0, DAY_S * 1_000),
    "toxicity": (0, 1),
}
SECONDS = (0, DAY_S)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The catalogue of a target, and the tags of this scenario's uploads."""

    catalogue: Catalogue
    tags: frozenset[str] = frozenset()

    def check(self, field: str, spot: Spot) -> None:
        """Raises `ScenarioError` when the value is no name, or out of the range, that `field` allows."""
        value = spot.node.value
        if isinstance(value, str):
            self._check_name(field, value, spot)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            low, high = RANGES.get(field) or (SECONDS if field.endswith("_s") else (value, value))
            if not low <= value <= high:
                raise spot.error(f"is out of range. Take a number from {low} to {high}.")

    def _check_name(self, field: str, value: str, spot: Spot) -> None:
        field = field.removesuffix("s")  # `stages: [frames]` is a list of them
        if field == "link":
            links = self.catalogue.links
            if not any(fnmatchcase(link, value) for link in links):
                raise spot.unknown("a link", links)
            return
        what, known = self._names().get(field, ("", (value,)))
        if value not in known:
            raise spot.unknown(what, known)

    def _names(self) -> Mapping[str, tuple[str, Collection[str]]]:
        catalogue = self.catalogue
        return {
            # Of `alerts`: fires, quiet, ends.
            **dict.fromkeys(("fire", "quiet", "end"), ("an alert of this target", catalogue.alerts)),
            "delivery": ("a way of counting effects", DELIVERIES),
            "job": ("a tag of the workload", {ANY_JOB, *self.tags}),
            "mode": ("a way of delivery", DELIVERIES),
            "op": ("what a client does", ACTIONS),
            "point": ("a test point", catalogue.points),
            "role": ("a role", catalogue.roles),
            "signal": ("a signal", SIGNALS),
            "stage": ("a stage", catalogue.stages),
            "state": ("a state", CANONICAL_STATES),
            "video": ("a video", catalogue.videos),
            "wa": ("a state", CANONICAL_STATES),  # `was`
        }
