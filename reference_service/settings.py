"""Configuration from environment variables `REFERENCE_…`; a missing or bad one is one clear line."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from reference_service.domain import Defence, Delivery

Seconds = Annotated[float, Field(gt=0)]

NO_SINK = "http://127.0.0.1:9"  # nobody listens on the discard port


class BadSettings(Exception):  # noqa: N818  the text is the message
    """One line that names the variable, its value, the rule and the next step."""


class Settings(BaseSettings):
    """Defaults suit production; scenarios shorten the periods."""

    model_config = SettingsConfigDict(env_prefix="REFERENCE_", frozen=True, extra="ignore")

    instance: str = "local"  # a name for this process that outlives restarts
    database_url: str = Field(
        description="postgresql+psycopg://… or sqlite:///…",
        examples=["postgresql+psycopg://user:password@127.0.0.1:5432/reference"],
    )
    database_answer_s: Seconds = 3.0  # for one answer of PostgreSQL; longer where tables are huge
    s3_endpoint: str | None = None  # None: AWS itself
    s3_public_endpoint: str | None = None  # what clients can reach, for presigned URLs
    sqs_endpoint: str | None = None
    aws_region: str = "us-east-1"
    aws_access_key_id: str = "test"
    aws_secret_access_key: str = "test"  # noqa: S105  the emulators' word
    bucket: str = "videos"
    jobs_queue: str = "jobs"
    uploads_queue: str = "uploads"
    vision_url: str = Field(default="http://127.0.0.1:8099", description="captions are asked here")
    sink_url: str = Field(
        description="downstream sink for published videos", examples=["http://127.0.0.1:8098"]
    )
    stub_host: str | None = None  # where the stubs of both listen; None: where their URL says, on loopback
    api_host: str = "127.0.0.1"
    api_port: int = Field(default=8080, ge=0, le=65535)
    log_format: Literal["line", "json"] = "line"
    metrics_port: int = Field(default=0, ge=0, le=65535)  # of a role without HTTP; 0: off
    tokens: Annotated[dict[str, str], Field(description="bearer token -> tenant")] = {"dev-token": "dev"}
    # Bearer token for /internal/…; None: those routes are refused.
    internal_token: str | None = Field(default=None, min_length=1)
    api_drain_s: float = Field(
        default=1.0, ge=0
    )  # 503 on work for so long (at most drain_grace_s), then exit

    page_poll_s: Seconds = 2.0  # between two looks of a page at what is on screen

    requests_max: int = Field(default=400, ge=1)  # under way in one API process, ten for each of its threads
    rate_per_s: float = Field(default=50.0, gt=0)  # announcements of one tenant, by each API process
    rate_burst: int = Field(default=200, ge=1)
    queue_depth_max: int = Field(default=10_000, ge=1)  # with so many jobs queued, announcements are refused
    queue_share: float = Field(
        default=0.9, gt=0, le=1
    )  # of these, by one tenant alone; each of several: less
    retry_after_s: Seconds = 5.0  # told to whom is refused for that; up to twice as long, to spread them
    queue_window: int = Field(default=100, ge=0)  # events in the queue at a time; 0: all there are
    upload_deadline_s: Seconds = 3600.0
    upload_idle_s: Seconds = 300.0  # a multipart upload that got a part within this still moves
    upload_bytes_max: int = Field(default=5 * 1024**3, gt=0)
    lease_s: Seconds = 60.0
    heartbeat_s: Seconds = 15.0
    drain_grace_s: float = Field(default=20.0, ge=0)  # for the job to finish, before it is handed back
    attempts_max: int = Field(default=3, ge=1)
    losses_spared: int = Field(default=5, ge=0)  # attempts of a job whose lease was lost, uncharged
    patience_s: Seconds = 20.0  # how long one call tries to reach a dependency before the attempt fails
    retry_tokens: int = Field(default=20, ge=1)  # retries that an attempt may spend; ten successes earn one
    retry_first_s: Seconds = 5.0  # before the second attempt at most; doubles with each
    retry_longest_s: Seconds = 300.0
    breaker_failures: int = Field(default=5, ge=1)  # of a dependency in a row: then it is left alone
    breaker_open_s: Seconds = 30.0  # before somebody looks whether it is back
    waits_max: int = Field(default=2880, ge=0)  # of a job for anything, uncharged: a day of them and more
    vision_answer_s: Seconds = 10.0  # for the vision API to answer one call
    job_timeout_s: Seconds = 3600.0  # of an attempt; only with `timeout_by_size` off
    stage_timeout_s: Seconds = 60.0  # of each stage, and by its weight for each MiB on top
    stage_timeout_s_per_mib: float = Field(default=10.0, ge=0)
    stage_timeout_max_s: Seconds = 6 * 3600.0
    checkpoint_units: int = Field(default=25, ge=1)  # frames or items of a stage between two checkpoints
    checkpoint_s: Seconds = 15.0  # or so long, whichever comes first
    slots: int = Field(default=2, ge=1, le=64)  # jobs at a time in one worker
    receive_wait_s: float = Field(default=1.0, ge=0, le=20)
    delivery: Delivery = Delivery.PULL
    inbox_host: str = "127.0.0.1"  # where a worker listens for events that are pushed
    inbox_port: int = Field(default=0, ge=0, le=65535)  # 0: any that is free
    inbox_url: str | None = None  # what the role `push` reaches it by; None: by these two
    ack_deadline_s: Seconds = 5.0  # for a worker to answer an event; then another one gets it
    sweep_every_s: Seconds = 15.0
    reconcile_after_s: Seconds = 120.0
    recovery_schedule: str = "*/15 * * * *"  # cron, in UTC; a sixth field is seconds
    recovery_stuck_after_s: Seconds = 600.0  # since its creation: a waiting job may be stuck
    recovery_quiet_s: Seconds = 300.0  # a job that was run, or announced, within this is not stuck
    recovery_lease_s: Seconds = 60.0  # a recovery run that shows no progress for so long has died
    instance_dead_after_s: Seconds = 60.0  # no heartbeat of an instance for so long: dead
    relay_every_s: Seconds = 0.5
    alerts_every_s: Seconds = 15.0  # between evaluations of the rules
    alert_upload_age_s: Seconds = 300.0  # from here on an upload counts as waited for
    alert_uploads: int = Field(default=5, ge=0)  # with more of those it fires
    alert_failures_within_s: Seconds = 3600.0
    alert_failures: int = Field(default=10, ge=0)
    alert_orphan_age_s: Seconds = 300.0  # a job that nobody holds and that has not moved for so long
    alert_orphans: int = Field(default=5, ge=0)
    alert_memory_within_s: Seconds = 60.0  # heartbeats that are older say nothing of now
    alert_sweeper_silent_s: Seconds = 120.0  # no sweeper was heard of for so long
    alert_dependency_away_s: Seconds = 300.0  # a dependency has been left alone for so long
    alert_dependency_within_s: Seconds = 120.0  # nobody has asked it again for so long: nobody needs it now
    alert_recovery_silent_s: Seconds = 2700.0  # three times of the schedule: no recovery sweep has begun
    alert_recovery_paused_s: Seconds = 3600.0  # recovery sweeps have been paused for so long
    work_folder: str | None = None  # temporary files; None: the system's
    disk_budget_bytes: int | None = Field(default=None, gt=0)  # of the work folder; None: its whole disk
    disk_reserve_bytes: int = Field(default=16 * 1024**2, ge=0)  # with less room, a worker takes no job
    disk_per_source_byte: float = Field(default=3.0, ge=0)  # room that a job needs on top, by its size
    descriptors_reserve: int = Field(default=32, ge=1)  # for a job's child, beyond those of its worker
    memory_budget_bytes: int | None = Field(default=None, gt=0)  # of a role; None: what its cgroup allows
    memory_warn_percent: int = Field(default=70, ge=1, le=100)  # of the budget
    memory_limit_bytes: int | None = Field(default=None, gt=0)  # by how much a job's child may grow

    defences_off: Annotated[frozenset[Defence], NoDecode] = frozenset()
    allow_unsafe: bool = False
    testpoints: str | None = None  # host:port of a harness; None in production

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003  the parent's signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  the parent's signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  the parent's signature
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """No files: nobody names one, and to look into each field for them takes longer than all the rest."""
        return (init_settings, env_settings)

    @field_validator("defences_off", mode="before")
    @classmethod
    def _split_names(cls, value: object) -> object:
        if isinstance(value, str):
            names = [name.strip() for name in value.split(",") if name.strip()]
            known = {str(defence) for defence in Defence}
            for name in names:
                if name not in known:
                    raise ValueError(f"{name!r} is no defence. Known: {', '.join(sorted(known))}.")
            return frozenset(names)
        return value

    @field_validator("recovery_schedule")
    @classmethod
    def _is_cron(cls, value: str) -> str:
        from croniter import croniter  # noqa: PLC0415  the default is not validated, and few set another

        if not croniter.is_valid(value):
            raise ValueError("no cron expression: minute, hour, day, month, weekday, and seconds if wanted")
        return value

    @model_validator(mode="after")
    def _unsafe_is_explicit(self) -> Settings:
        if self.defences_off and not self.allow_unsafe:
            raise ValueError("switching defences off loses jobs; set REFERENCE_ALLOW_UNSAFE=1 to mean it")
        if not all(self.tokens):
            raise ValueError("tokens: an empty token would let everybody in; give each a text")
        if self.heartbeat_s >= self.lease_s:
            raise ValueError("heartbeat_s must be shorter than lease_s")
        return self

    def defended(self, defence: Defence) -> bool:
        """True unless this defence was switched off."""
        return defence not in self.defences_off


class GivenSettings(Settings):
    """Settings from values alone: what stands in the environment of this process plays no part."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003  the parent's signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003  the parent's signature
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  the parent's signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  the parent's signature
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


def read_operator_settings() -> Settings:
    """Those of an operator's command, which never reaches the sink: where it is may be missing.

    Raises `BadSettings`.
    """
    return read_settings(**({} if "REFERENCE_SINK_URL" in os.environ else {"sink_url": NO_SINK}))


def read_settings(**given: str) -> Settings:
    """The settings of this process; what is `given` comes before its environment.

    Raises `BadSettings` with one line a user can act on.
    """
    try:
        return Settings(**given)  # type: ignore[arg-type]  # the environment has the rest
    except SettingsError as error:  # not even JSON, where JSON is wanted
        name = str(error).partition('"')[2].partition('"')[0]
        raise BadSettings(f"REFERENCE_{name.upper()}: no JSON; see docs/reference-service.md") from None
    except ValidationError as error:
        if missing := [str(one["loc"][0]) for one in error.errors() if one["type"] == "missing"]:
            raise BadSettings(_not_set(missing)) from None
        first = error.errors()[0]
        name = "REFERENCE_" + "_".join(str(part) for part in first["loc"]).upper()
        value = "" if not first["loc"] else f"={first['input']!r}"
        where = name if first["loc"] else "settings"
        raise BadSettings(f"{where}{value}: {first['msg']}") from None


def _not_set(fields: Sequence[str]) -> str:
    """Names all of them, with an example of each."""
    names = {name: f"REFERENCE_{name.upper()}" for name in fields}
    examples = [
        f"{names[name]}={example}"
        for name in fields
        for example in (Settings.model_fields[name].examples or ())
    ]
    hint = f"; for example {' '.join(examples)}" if examples else ""
    return f"{', '.join(names.values())}: not set{hint} (docs/reference-service.md has them all)"
