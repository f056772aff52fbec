"""The words and laws of the service: states, who moves each on and by when, legal moves, reasons.

Pure: imports no time, socket, subprocess or threading.

state             moved on by                                     by when
----------------  ----------------------------------------------  ---------------------------------
awaiting_upload   API (`complete`), relay (ObjectCreated),        `upload_deadline`, put off while a
                  sweeper (object there: queued; else: expired)   multipart upload still moves
queued            worker (claim), API (cancel), sweeper (queued   event within `reconcile_after_s`,
                  by hand before its upload: awaiting_upload)     else the sweeper publishes again
active            worker (holder of the token), sweeper           `lease_expires_at`, put off by each
                  (lease expired: queued, or failed when          heartbeat
                  attempts are used up)
succeeded         nobody: final                                   -
failed            nobody: final (retry makes a new job)           -
cancelled         nobody: final                                   -
expired           nobody: final                                   -
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """Where a job is in its life."""

    AWAITING_UPLOAD = "awaiting_upload"
    QUEUED = "queued"
    ACTIVE = "active"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


TERMINAL = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED, State.EXPIRED})

RETRYABLE = TERMINAL - {State.SUCCEEDED}

LEGAL_MOVES: frozenset[tuple[State | None, State]] = frozenset(
    {
        (None, State.AWAITING_UPLOAD),
        (None, State.QUEUED),  # a retry of a job whose upload is still there
        (State.AWAITING_UPLOAD, State.QUEUED),
        (State.AWAITING_UPLOAD, State.EXPIRED),
        (State.AWAITING_UPLOAD, State.FAILED),  # what was uploaded is not what was announced
        (State.AWAITING_UPLOAD, State.CANCELLED),
        (State.QUEUED, State.ACTIVE),
        (State.QUEUED, State.CANCELLED),
        (State.QUEUED, State.AWAITING_UPLOAD),  # queued by hand, and its object is not there: put back
        (State.ACTIVE, State.QUEUED),  # handed back, or its lease expired
        (State.ACTIVE, State.SUCCEEDED),
        (State.ACTIVE, State.FAILED),
        (State.ACTIVE, State.CANCELLED),
    }
)

JOB_ID = re.compile(r"[A-Za-z0-9-]{1,64}")

STAGES = ("inspect", "frames", "scenes", "captions", "thumbnails", "stitch", "publish")


class Reason(StrEnum):
    """Why a job is `failed`. The first group is permanent; the second is tried again first."""

    INVALID_MEDIA = "invalid_media"
    UPLOAD_MISMATCH = "upload_mismatch"
    OBJECT_MISSING = "object_missing"
    SOURCE_CHANGED = "source_changed"  # put again after it was verified

    MEMORY_EXCEEDED = "memory_exceeded"  # only with evidence: an OOM kill counted, or MemoryError
    DISK_EXCEEDED = "disk_exceeded"  # it filled the disk by itself, or nobody waits for room
    TIMED_OUT = "timed_out"  # our own watchdog killed it: not an OOM
    CRASHED = "crashed"  # it ended, and nothing says why
    DEPENDENCY_UNAVAILABLE = "dependency_unavailable"

    @classmethod
    def of(cls, word: str) -> Reason:
        """Of a row. A word of a newer version, which was rolled back, is read as `crashed`: to this version
        nothing says why. One such row must not take the whole list of its tenant's jobs with it.
        """
        try:
            return cls(word)
        except ValueError:
            return cls.CRASHED


OLDER_WORDS: Mapping[Reason, Reason] = {Reason.DISK_EXCEEDED: Reason.CRASHED}
"""Reasons that the first release does not know, and what it has to be given instead before it comes back."""


PERMANENT = frozenset(
    {Reason.INVALID_MEDIA, Reason.UPLOAD_MISMATCH, Reason.OBJECT_MISSING, Reason.SOURCE_CHANGED}
)


def is_job_id(text: object) -> bool:
    """Whether it can be one of ours: anything else need not be looked up, and some of it cannot be."""
    return isinstance(text, str) and JOB_ID.fullmatch(text) is not None


class Outcome(StrEnum):
    """How an attempt ended; null in the attempts log while it runs."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    HANDED_BACK = "handed_back"  # a drain, a cancel, a dependency away, no room: not charged
    LOST = "lost"  # its lease expired, or its instance was found dead


class Delivery(StrEnum):
    """How events come to the workers: they ask the queue, or the role `push` brings them by HTTP."""

    PULL = "pull"
    PUSH = "push"


class Defence(StrEnum):
    """Mechanisms that keep a promise; each can be switched off by name, with the unsafe flag."""

    DRAIN_ON_SIGTERM = "drain_on_sigterm"
    LIVENESS_APART = "liveness_apart"
    BOUNDED_WAITS = "bounded_waits"
    REFUSE_WHILE_DRAINING = "refuse_while_draining"
    STARTUP_CLEANUP = "startup_cleanup"
    CAREFUL_CLEANUP = "careful_cleanup"
    LEASE_RECOVERY = "lease_recovery"
    FENCING = "fencing"
    UPLOAD_EXPIRY = "upload_expiry"
    QUEUE_LIMIT = "queue_limit"
    RATE_LIMIT = "rate_limit"
    RETRY_AFTER = "retry_after"
    TENANT_FAIRNESS = "tenant_fairness"
    OBJECT_CHECK = "object_check"
    CLAIM_ONLY_QUEUED = "claim_only_queued"
    CLAIM_ONLY_VERIFIED = "claim_only_verified"
    COMPLETE_IDEMPOTENCY = "complete_idempotency"
    ATTEMPT_LIMIT = "attempt_limit"
    LOSSES_APART = "losses_apart"
    RETRY_BACKOFF = "retry_backoff"
    RETRY_BUDGET = "retry_budget"
    CIRCUIT_BREAKER = "circuit_breaker"
    TIMEOUT_BY_SIZE = "timeout_by_size"
    CHILD_ISOLATION = "child_isolation"
    KILL_EVIDENCE = "kill_evidence"
    BOUNDED_MEMORY = "bounded_memory"
    DISK_BUDGET = "disk_budget"
    DISK_PATIENCE = "disk_patience"
    EAGER_CLEANUP = "eager_cleanup"
    DESCRIPTOR_BUDGET = "descriptor_budget"
    DESCRIPTOR_PATIENCE = "descriptor_patience"
    MEMORY_WARNING = "memory_warning"
    EVENT_RECONCILIATION = "event_reconciliation"
    RECOVERY_SWEEP = "recovery_sweep"
    RECOVERY_SINGLE_FLIGHT = "recovery_single_flight"
    RECOVERY_LEASE_EXPIRY = "recovery_lease_expiry"
    RECOVERY_RACE_PROTECTION = "recovery_race_protection"
    RECOVERY_RECENT_COMPLETION = "recovery_recent_completion"
    RECOVERY_ASKS_PER_JOB = "recovery_asks_per_job"
    RECOVERY_UPLOAD_CHECK = "recovery_upload_check"
    RECOVERY_PAUSE_PERSISTENCE = "recovery_pause_persistence"
    OUTBOX = "outbox"
    ALERTS = "alerts"
    ALERTS_FROM_OUTSIDE = "alerts_from_outside"
    ACK_AFTER_CLAIM = "ack_after_claim"
    PUSH_REDELIVERY = "push_redelivery"
    ACK_DEADLINE = "ack_deadline"
    CHECKPOINT_VALIDATION = "checkpoint_validation"
    STAGE_CHECKPOINTS = "stage_checkpoints"
    CHECKPOINT_CLEANUP = "checkpoint_cleanup"
    AV_SYNC = "av_sync"
    PAGE_PULLS_WHAT_IS_OPEN = "page_pulls_what_is_open"
    STABLE_EFFECT_KEY = "stable_effect_key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One row of `jobs`. Times are seconds since 1970 by the database's clock."""

    id: str
    tenant: str
    name: str
    state: State
    stage: str | None
    attempt: int  # how many times it was claimed
    charged: int  # attempts that count against the limit (hand-backs do not)
    token: int  # fencing: grows with each claim; every write of a worker carries it
    worker: str | None
    lease_expires_at: float | None
    upload_key: str
    upload_deadline: float
    upload_id: str | None  # of a multipart upload
    expected_bytes: int | None  # announced by the client
    etag: str | None  # of the object that was verified
    size_bytes: int | None
    retry_of: str | None
    reason: Reason | None
    result_prefix: str | None  # the published outputs; contains the token
    effect_at: float | None  # since when the downstream system may have heard of its effect
    rss_bytes: int | None  # of the running attempt, from the last heartbeat
    created_at: float
    updated_at: float
    published_at: float | None  # when its event was last handed to the queue
    triggered_by: str | None  # `recovery`: a recovery sweep last set it going; None: none ever did
    not_before: float | None = None  # the next attempt begins no sooner; None: at once
    trace: str | None = None  # of the client's request; None: made by a version that knew of none


def used_up(job: Job, attempts_max: int | None) -> bool:
    """Whether the job has had all the attempts that count (None: it never has).

    It gets as many again once its effect was begun: nobody takes an effect back, so an attempt that died
    between that and the job's success must not make it a failed job that was published all the same.
    """
    if attempts_max is None:
        return False
    return job.charged >= (attempts_max if job.effect_at is None else 2 * attempts_max)
