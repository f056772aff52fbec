"""A catalogue like the reference target's, built here so that these tests need no target and no fault."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from unstuck.catalogue import Catalogue

STAGES = ("inspect", "frames", "scenes", "captions", "thumbnails", "stitch", "publish")
Which = Literal["here", "holder", "any", "all"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RollingReplace:
    role: str
    grace_s: float = 10.0
    overlap: bool = False
    version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    role: str
    which: Which = "any"
    signal: str = "SIGKILL"
    scope: Literal["main", "group", "tree", "child"] = "tree"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    role: str
    for_s: float
    which: Which = "holder"


@dataclass(frozen=True, slots=True, kw_only=True)
class Down:
    role: str
    for_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocateHere:
    mib: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DelayMessage:
    by_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkDown:
    link: str
    for_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Heal:
    fault: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Nothing:
    """A fault without parameters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    low: int
    high: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Exotic:
    """Every shape of field that a fault's parameters may have."""

    roles: tuple[str, ...] = ()
    range: Range | None = None
    size: int | str = 1

    def __post_init__(self) -> None:
        if self.range is not None and self.range.low > self.range.high:
            raise ValueError("has a range that ends\nbefore it begins. Swap low and high.")


CATALOGUE = Catalogue(
    faults={
        "rolling_replace": RollingReplace,
        "kill": Kill,
        "pause": Pause,
        "down": Down,
        "crash_here": Nothing,
        "allocate_here": AllocateHere,
        "notifications_off": Nothing,
        "swallow": Nothing,
        "delay_message": DelayMessage,
        "duplicate_message": Nothing,
        "cut_message": Nothing,
        "link_down": LinkDown,
        "heal": Heal,
        "exotic": Exotic,
    },
    on_message=frozenset({"swallow", "delay_message", "duplicate_message", "cut_message"}),
    at_point=frozenset({"allocate_here"}),
    properties={
        "every_job_terminal": {"within_s": (float,)},
        "no_job_lost": {},
        "terminal_is_final": {},
        "legal_transitions": {},
        "outcomes": {"*": (dict,)},
        "latency_within": {"*": (int, float, dict)},
        "effects": {"mode": (str,)},
        "result_intact": {},
        "no_premature_claim": {},
        "completion_idempotent": {},
        "drains_cleanly": {},
        "recovery_within": {"budget_s": (float,)},
        "attempts_bounded": {"most": (int,)},
        "memory_within": {"role": (str,), "below": (float,)},
        "visits": {"stages": (list,), "most": (int, dict)},
    },
    roles=frozenset({"api", "worker", "sweeper", "relay"}),
    stages=STAGES,
    points=frozenset(
        {
            "api.complete.before_commit",
            "api.complete.committed",
            "worker.claim.committed",
            "worker.stage.started",
        }
    ),
    links=frozenset(
        {"api.database", "api.objects", "relay.database", "relay.queue", "worker.database", "worker.queue"}
    ),
    videos=frozenset({"tiny.mp4", "short.mp4", "large.mp4", "truncated.mp4"}),
    defences=frozenset(
        {
            "drain_on_sigterm",
            "lease_recovery",
            "upload_expiry",
            "child_isolation",
            "attempt_limit",
            "bounded_memory",
        }
    ),
    settings={"upload_deadline_s": float, "upload_idle_s": float, "slots": int, "bucket": str},
)
