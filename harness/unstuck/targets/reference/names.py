"""The names that a scenario for the reference service may use."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from pydantic import ValidationError

from reference_service.alerts import RULES
from reference_service.domain import STAGES, Defence
from reference_service.media import VIDEOS
from reference_service.settings import GivenSettings, Settings
from unstuck.catalogue import Catalogue
from unstuck.checks import property_parameters
from unstuck.faults import FAULTS
from unstuck.targets.reference import roles

POINTS = frozenset(
    {
        "api.cancel.committed",
        "api.complete.before_commit",
        "api.complete.committed",
        "api.initiate.committed",
        "api.retry.committed",
        "push.deliver.accepted",
        "push.deliver.before_post",
        "recovery.begun",
        "recovery.complete.before_commit",
        "recovery.complete.committed",
        "recovery.job.committed",
        "recovery.job.listed",
        "relay.complete.before_commit",
        "relay.complete.committed",
        "relay.publish.before_send",
        "relay.publish.sent",
        "sweeper.event.committed",
        "sweeper.lease.committed",
        "sweeper.upload.committed",
        "worker.claim.committed",
        "worker.event.received",
        "worker.finish.committed",
        "worker.publish.after_effect",
        "worker.publish.before_effect",
        "worker.stage.finished",
        "worker.stage.started",
        "worker.unit.done",
    }
)
"""Test points of the service; its name says where each stands."""

OURS = frozenset(
    {
        *("defences_off", "allow_unsafe", "testpoints", "instance", "work_folder"),
        *("database_url", "bucket", "jobs_queue", "uploads_queue", "vision_url", "sink_url", "stub_host"),
        *("inbox_host", "inbox_port", "inbox_url"),
        *("s3_endpoint", "s3_public_endpoint", "sqs_endpoint"),
        *("aws_region", "aws_access_key_id", "aws_secret_access_key"),
        *("tokens", "internal_token", "api_host", "api_port", "metrics_port"),
    }
)
"""Settings that are the harness's own: a scenario's word on them would be lost, or open a port to others."""


def catalogue() -> Catalogue:
    """Everything that can be named; built anew at each call, and cheap."""
    return Catalogue(
        faults={name: module.Parameters for name, module in FAULTS.items()},
        on_message=frozenset(name for name, module in FAULTS.items() if hasattr(module, "message_action")),
        at_point=frozenset(name for name, module in FAULTS.items() if "points" in module.NEEDS),
        properties=property_parameters(),
        roles=frozenset(roles.REPLICAS),
        resting=frozenset(role for role, count in roles.REPLICAS.items() if count == 0),
        stages=STAGES,
        points=POINTS,
        links=frozenset(
            f"{role}.{dependency}" for role, reached in roles.REACHES.items() for dependency in reached
        ),
        videos=frozenset(VIDEOS),
        defences=frozenset(str(defence) for defence in Defence),
        alerts=frozenset(rule.name for rule in RULES),
        settings={
            name: _plain(field.annotation)
            for name, field in Settings.model_fields.items()
            if name not in OURS and _plain(field.annotation) is not object
        },
        refuse_settings=_refuse,
    )


def _refuse(chosen: Mapping[str, object]) -> tuple[str | None, str] | None:
    """Asks the service's own model, which knows the bounds of each setting and what must fit together."""
    places = {"database_url": "sqlite://", "sink_url": "http://127.0.0.1:9"}
    try:
        GivenSettings.model_validate({**places, **roles.SETTINGS, **chosen})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0]) if first["loc"] else None
        return name, str(first["msg"]).removeprefix("Input ").removeprefix("Value error, ")
    return None


def _plain(annotation: object) -> type:
    """int, float, bool or str when a setting is one (or may be absent); else object."""
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return str
    for plain in (bool, int, float, str):
        if annotation in (plain, plain | None):
            return plain
    return object
