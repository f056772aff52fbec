"""What the adapter for S3 makes of answers that no emulator gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from reference_service.aws import AwsAccess
from reference_service.objects import S3Objects
from reference_service.ports import Rejected

NOWHERE = AwsAccess(endpoint="http://127.0.0.1:9", region="us-east-1", key_id="id", secret="secret")


class Locked:
    """Two objects on two pages; what lies under `a/locked` cannot be deleted."""

    def __init__(self) -> None:
        self.left = ["a/locked", "a/other"]

    def call(self, action: Callable[[Any], Any]) -> Any:
        return action(self)

    def get_paginator(self, _name: str) -> Locked:
        return self

    def paginate(self, **_given: str) -> list[dict[str, Any]]:
        return [{"Contents": [{"Key": key}]} for key in self.left]

    def delete_objects(self, *, Bucket: str, Delete: Any) -> dict[str, Any]:  # noqa: N803  boto3's own
        del Bucket
        (key,) = (one["Key"] for one in Delete["Objects"])
        if "locked" in key:
            return {"Errors": [{"Key": key, "Code": "AccessDenied"}]}
        self.left.remove(key)
        return {}


def test_an_object_that_cannot_be_deleted_keeps_none_of_later_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that can go goes; it is told all the same that something is left."""
    store, client = S3Objects("bucket", NOWHERE), Locked()
    monkeypatch.setattr(store, "_client", client)
    with pytest.raises(Rejected, match=r"a/locked: AccessDenied \(1 were not removed\)"):
        store.delete_prefix("a/")
    assert client.left == ["a/locked"]
