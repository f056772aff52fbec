"""The only module that picks adapters: settings in, a service and its roles out."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from reference_service import aws, provision, push, relay, scheduler, sweeper, worker
from reference_service.aws import AwsAccess
from reference_service.budget import Budget
from reference_service.clock import SystemClock, SystemRandomness
from reference_service.domain import Defence, Delivery
from reference_service.logs import LineLog
from reference_service.memory import OwnMemory
from reference_service.metrics import Metrics
from reference_service.objects import S3Objects
from reference_service.points import NoPoints, SocketPoints
from reference_service.ports import Points, Queue, Runtime, StageInput, StageOutput, Stages, Unavailable
from reference_service.queue import SqsQueue
from reference_service.queue.endpoints import HttpEndpoints
from reference_service.queue.sqs import read_s
from reference_service.rates import Rates
from reference_service.retry import persist
from reference_service.runtime import ForkRuntime
from reference_service.service import Service
from reference_service.settings import NO_SINK, BadSettings, GivenSettings, Settings, read_settings
from reference_service.sink import HttpSink
from reference_service.store import SqlDatabase, Store, schema
from reference_service.vision import HttpVision

POOL_SIZE = 1  # and all that a sweeper reads of its own clock is the pool's, with none to spare: clock-ahead
API_POOL_SIZE = 8  # it answers in so many threads
REHEARSALS = 10  # CPython 3.11 adapts code by its eighth call (`store.warming`)
START_PATIENCE_S = 10.0  # for a database that is away while a process starts
Loop = Callable[[Service, Runtime, Callable[[], None]], None]


def _push(service: Service, runtime: Runtime, on_ready: Callable[[], None]) -> None:
    push.loop(service, runtime, on_ready, endpoints=HttpEndpoints(service.settings.internal_token))


LOOPS: Mapping[str, Loop] = {
    "worker": worker.loop,
    "sweeper": sweeper.loop,
    "scheduler": scheduler.loop,
    "relay": relay.loop,
    "push": _push,
}


class NoStages:
    """For the roles that process no media, and need not load what does."""

    def run(self, stage: str, given: StageInput) -> StageOutput:
        raise NotImplementedError(f"stage={stage!r}: only workers run stages, not for {given.job}")


def build(settings: Settings, role: str) -> tuple[Service, SqlDatabase]:
    """The service of one role; nothing is opened. Raises `BadSettings`."""
    clock = SystemClock()
    try:
        database = SqlDatabase(
            settings.database_url,
            clock,
            pool_size=API_POOL_SIZE if role == "api" else POOL_SIZE,
            answer_s=_answer_s(settings, role),
        )
        points = _points(settings)
    except ValueError as error:
        raise BadSettings(str(error)) from None
    s3, sqs = _access(settings, settings.s3_endpoint), _access(settings, settings.sqs_endpoint)
    public = _access(settings, settings.s3_public_endpoint) if settings.s3_public_endpoint else None
    jobs_queue = SqsQueue(settings.jobs_queue, sqs, longest_wait_s=settings.receive_wait_s)
    service = Service(
        settings=settings,
        clock=clock,
        randomness=SystemRandomness(),
        store=Store.of(settings, database),
        objects=S3Objects(settings.bucket, s3, public),
        jobs_queue=jobs_queue if role != "worker" else _deliver_to_worker(settings, jobs_queue),
        uploads_queue=SqsQueue(settings.uploads_queue, sqs),
        vision=HttpVision(settings.vision_url, answer_s=settings.vision_answer_s),
        sink=HttpSink(settings.sink_url),
        stages=_stages(role),
        points=points,
        log=LineLog(clock, settings.log_format, role=role, instance=settings.instance),
        rates=Rates.of(settings),
        metrics=Metrics(kept=role == "api" or settings.metrics_port > 0),
    )
    return service, database


def warm_up() -> None:
    """Does beforehand what every role does at its start and at its first calls; reaches nobody, and leaves
    nothing open.

    For a process that forks roles. What it makes fits a role whose region, keys and waits are the defaults;
    another makes its own.
    """
    from reference_service import api  # noqa: PLC0415  a process that needs one role only needs no FastAPI
    from reference_service.store import warming  # noqa: PLC0415  the same for the other statements

    given = {"database_url": "postgresql://", "sink_url": NO_SINK}
    settings = GivenSettings.model_validate(given)
    aws.warm_up(_access(settings, None), {"sqs": read_s(settings.receive_wait_s)})
    warming.warm_up(SystemClock(), (POOL_SIZE, API_POOL_SIZE), rehearsals=REHEARSALS)
    api.warm_up()
    roles = itertools.cycle((*LOOPS, "api"))
    for role in itertools.islice(roles, REHEARSALS):
        with contextlib.suppress(BadSettings):  # of this process's environment: it is not the roles'
            read_settings(**given)
        build(settings, role)


def run(settings: Settings, role: str, flags: Sequence[str] = ()) -> int:
    """Runs a role to its end; its exit code. Raises `BadSettings`, `Unavailable`."""
    if role == "api":
        return run_api(settings)
    if role == "vision":
        return run_vision(settings)
    if role == "sink":
        return run_sink(settings)
    if role in {"migrate", "alerts"}:
        return run_migrate(settings) if role == "migrate" else run_alerts(settings)
    if role == "init":
        return run_init(settings, flags)
    return run_looping(settings, role)


def run_api(settings: Settings) -> int:
    """Serves until told to stop. Raises `BadSettings`, `Unavailable`."""
    from reference_service.api import Draining, make_app  # noqa: PLC0415  the others need no FastAPI
    from reference_service.serving import bind, serve  # noqa: PLC0415  same

    service, database = build(settings, "api")
    with bind(settings) as listener:
        _await_schema(service, database)
        draining = Draining()
        budget = Budget(service, OwnMemory(settings.memory_budget_bytes))
        serve(make_app(service, draining), draining, listener, service.clock, settings, budget)
    database.close()
    return 0


def run_looping(settings: Settings, role: str) -> int:
    """A worker, sweeper, scheduler, relay or push until told to stop. Raises `BadSettings`, `Unavailable`."""
    service, database = build(settings, role)
    if role == "worker":
        aws.load()  # once, and not in each child
    runtime = ForkRuntime(
        boot_id=service.randomness.token_hex(8),
        drain_on_sigterm=service.defended(Defence.DRAIN_ON_SIGTERM),
        memory_limit_bytes=settings.memory_limit_bytes,
        memory_budget_bytes=settings.memory_budget_bytes,
    )
    try:
        if settings.metrics_port:
            _expose(service, database, runtime, role)
        _await_schema(service, database, lambda: runtime.stopping)
        if service.jobs_queue.address is not None:
            runtime.watch(service.jobs_queue.fileno())
        LOOPS[role](service, runtime, lambda: print(f"{role} ready", flush=True))  # noqa: T201  for the starter
    finally:
        runtime.close()
        database.close()
    return 0


def run_command(settings: Settings, command: Callable[[Service], int]) -> int:
    """Something that an operator asks for, and its exit code. Raises `BadSettings`, `Unavailable`."""
    service, database = build(settings, "command")
    try:
        _require_schema(service, database)
        return command(service)
    finally:
        database.close()


def _answer_s(settings: Settings, role: str) -> float | None:
    """None, with `bounded_waits` off: as long as it takes. So may an operator's command, who can stop it."""
    serves = role == "api" or role in LOOPS
    return settings.database_answer_s if serves and settings.defended(Defence.BOUNDED_WAITS) else None


def _expose(service: Service, database: SqlDatabase, runtime: ForkRuntime, role: str) -> None:
    """Answers `GET /metrics`, `/livez` and `/readyz` while the role waits. Raises `BadSettings`."""
    from reference_service.examination import examine, trouble  # noqa: PLC0415  only a role that is asked for it
    from reference_service.exposition import Exposition, Progress  # noqa: PLC0415  same

    apart = service.defended(Defence.LIVENESS_APART)

    def lives() -> bool:
        return apart or all(finding.problem is None for finding in examine(service))

    def not_ready() -> str | None:
        return "draining" if runtime.stopping else trouble(service, role)

    progress = Progress(service.clock, lambda: runtime.waits + database.calls)
    exposition = Exposition(
        service.settings,
        service.metrics.render,
        lives,
        progress.goes_on,
        trouble=not_ready,
        aside=runtime.spawn_aside,
    )
    # Not amidst a step, if it asks the dependencies: a call to one would come within a call to another.
    at_once = apart and service.defended(Defence.BOUNDED_WAITS)
    runtime.attend(exposition, service.clock, at_once=at_once)


def run_vision(settings: Settings) -> int:
    """The stub of the vision API where `REFERENCE_VISION_URL` says."""
    from reference_service.vision import serve  # noqa: PLC0415  only this role needs it

    parts = urlsplit(settings.vision_url)
    host = settings.stub_host or parts.hostname or "127.0.0.1"
    serve(host, parts.port or 80, anywhere=settings.stub_host is not None)
    return 0


def run_sink(settings: Settings) -> int:
    """A stub of the downstream system where `REFERENCE_SINK_URL` says."""
    from reference_service.downstream import serve  # noqa: PLC0415  only this role needs it

    parts = urlsplit(settings.sink_url)
    host = settings.stub_host or parts.hostname or "127.0.0.1"
    serve(host, parts.port or 80, anywhere=settings.stub_host is not None)
    return 0


def run_migrate(settings: Settings) -> int:
    """The schema, brought up to this version; one line says what was done. Raises `Unavailable`."""
    from reference_service.store.migrations import migrate  # noqa: PLC0415  loads Alembic: no other role needs it

    _, database = build(settings, "migrate")
    try:
        print(database.run(migrate), flush=True)  # noqa: T201  for whoever deploys
    finally:
        database.close()
    return 0


def run_alerts(settings: Settings) -> int:
    """What is in force and what each rule measures, as JSON. Raises `Unavailable`."""
    from reference_service import alerts  # noqa: PLC0415  no role's start waits for it

    service, database = build(settings, "alerts")
    try:
        _require_schema(service, database)
        print(json.dumps(alerts.report(service), indent=2), flush=True)  # noqa: T201  for whoever asked
    finally:
        database.close()
    return 0


def run_rules() -> int:
    """The rules in Prometheus' format, with the thresholds of this environment. Raises `BadSettings`."""
    from reference_service.alert_rules import rule_file, settings_for_rules  # noqa: PLC0415  only for this

    print(rule_file(settings_for_rules()), end="", flush=True)  # noqa: T201  for whoever deploys
    return 0


def run_init(settings: Settings, flags: Sequence[str]) -> int:
    """As migrate; with `--resources` also bucket, queues and, unless told otherwise, the notification."""
    run_migrate(settings)
    if "--resources" in flags:
        provision.create_resources(
            settings,
            _access(settings, settings.s3_endpoint),
            _access(settings, settings.sqs_endpoint),
            notification="--no-notification" not in flags,
        )
    return 0


def _await_schema(
    service: Service, database: SqlDatabase, stopping: Callable[[], bool] = lambda: False
) -> None:
    """As `_require_schema`, once the database answers. Raises `Unavailable` also when it does not within
    `START_PATIENCE_S`, or when told to stop.

    A process that ends at each start makes its supervisor give up, or wait longer and longer: 1. a fault
    takes a role, 2. the database is away while it starts again, 3. it comes back, and the role does not.
    """

    def give_up_when_stopping() -> None:
        if stopping():
            raise Unavailable("told to stop while the database was away")

    if database.file is not None:  # a file is there, or it is not
        _require_schema(service, database)
        return
    revision = persist(
        service.clock,
        service.randomness,
        lambda: database.single(schema.revision_of),
        within_s=START_PATIENCE_S,
        between=give_up_when_stopping,
    )
    _accept(service, schema.sufficient(revision))


def _require_schema(service: Service, database: SqlDatabase) -> None:
    """Raises `Unavailable` when a migration is missing, or the file of SQLite, which would make a new one."""
    if database.file is not None and not database.file.exists():
        raise Unavailable(
            f"REFERENCE_DATABASE_URL={service.settings.database_url!r}: no such file. "
            "Check the path, or run `python -m reference_service migrate`."
        )
    _accept(service, database.single(schema.require))


def _accept(service: Service, revision: str) -> None:
    if revision != schema.HEAD:
        service.log.warning("the database is ahead of this version", revision=revision, known=schema.HEAD)


def _access(settings: Settings, endpoint: str | None) -> AwsAccess:
    return AwsAccess(
        endpoint=endpoint,
        region=settings.aws_region,
        key_id=settings.aws_access_key_id,
        secret=settings.aws_secret_access_key,
    )


def _deliver_to_worker(settings: Settings, jobs_queue: SqsQueue) -> Queue:
    if settings.delivery is Delivery.PULL:
        return jobs_queue
    from reference_service.queue.inbox import Inbox  # noqa: PLC0415  loads h11: nobody else needs it

    return Inbox(settings, jobs_queue)


def _points(settings: Settings) -> Points:
    return SocketPoints(settings.testpoints, settings.instance) if settings.testpoints else NoPoints()


def _stages(role: str) -> Stages:
    if role != "worker":
        return NoStages()
    from reference_service.stages import MediaStages  # noqa: PLC0415  loads PyAV

    stages: Any = MediaStages()
    return stages  # type: ignore[no-any-return]  # PyAV is untyped
