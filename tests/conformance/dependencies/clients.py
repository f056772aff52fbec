"""A real client for each kind: it writes a word, and reads whether it is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import redis

from unstuck.targets.dependencies import Dependency


class Client(Protocol):
    def write(self, dependency: Dependency, word: str) -> None:
        """Returns once it was acknowledged."""
        ...

    def has(self, dependency: Dependency, word: str) -> bool: ...


def url_of(dependency: Dependency) -> str:
    return dependency.url(dependency.host, dependency.port)


class RedisClient:
    def write(self, dependency: Dependency, word: str) -> None:
        with redis.Redis.from_url(url_of(dependency)) as client:
            client.set(word, word)

    def has(self, dependency: Dependency, word: str) -> bool:
        with redis.Redis.from_url(url_of(dependency)) as client:
            return bool(client.exists(word))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A kind as the suite tries it."""

    kind: str
    client: Client
    options: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.kind


SAMPLES = [
    Sample(kind="redis", client=RedisClient()),
]
