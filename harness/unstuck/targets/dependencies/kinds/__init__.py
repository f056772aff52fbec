"""Every kind of dependency, by its name in a target file."""

from __future__ import annotations

from collections.abc import Mapping

from unstuck.targets.dependencies.kinds import command, postgres, rabbitmq, redis, s3, sqs
from unstuck.targets.dependencies.port import KindModule

KINDS: Mapping[str, KindModule] = {kind.KIND: kind for kind in (redis, postgres, rabbitmq, s3, sqs, command)}
