"""What the store forgets in the end, the same on SQLite and on PostgreSQL."""

from __future__ import annotations

import pytest

from reference_service.store import Store, alerting, events, work
from reference_service.store.work import Claimant
from tests.conformance.reference.test_store import queued, store

__all__ = ["store"]  # the fixture
pytestmark = pytest.mark.process


def test_published_events_are_forgotten_in_the_end(store: Store) -> None:
    """Only those that were published, and long ago."""
    queued(store)
    assert events.purge_published(store, age_s=-1) == 0
    (event,) = events.unpublished(store, limit=10)
    events.mark_published(store, event)
    assert events.purge_published(store, age_s=60) == 0
    assert events.purge_published(store, age_s=-1) == 1


def test_instances_are_forgotten_in_the_end(store: Store) -> None:
    """Not one that was heard of lately, nor one whose attempt is still open: cleanup judges by its row."""
    queued(store)
    job = work.claim(store, "j-1", Claimant(instance="w-1", boot_id="b-1", pid=1), lease_s=60)
    assert job is not None
    for boot_id in ("b-1", "b-2"):
        events.register_instance(store, instance="w-1", role="worker", boot_id=boot_id, pid=1)
    assert events.purge_instances(store, age_s=60) == 0
    assert events.purge_instances(store, age_s=-1) == 1
    assert not events.beat_instance(store, instance="w-1", boot_id="b-2")
    assert events.beat_instance(store, instance="w-1", boot_id="b-1")


def test_alerts_are_forgotten_in_the_end(store: Store) -> None:
    """Not those in force, however old: what a rule said last is what it says."""
    for value in (0.0, 9.0, 0.0):
        known = alerting.newest(store)
        alerting.record(store, known, {"orphans": (value, 5.0), "failures": (0.0, 5.0)})
    assert alerting.purge(store, age_s=60) == 0
    assert alerting.purge(store, age_s=-1) == 2
    assert [(spell.name, spell.number) for spell in alerting.newest(store)] == [
        ("failures", 1),
        ("orphans", 3),
    ]
