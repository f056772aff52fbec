"""Ways to falsify what the alerts did; see `unstuck.prove.mutators`."""

from __future__ import annotations

from random import Random

from unstuck.checks.story import Story
from unstuck.history import Event
from unstuck.prove.editing import Edit


def silence(edit: Edit, rng: Random) -> bool:
    """An alert that had to fire never did."""
    fired = [name for name in _named(edit, "fires") if _firings(edit.story, name)]
    if not fired:
        return False
    edit.leave_out(event.number for event in _firings(edit.story, rng.choice(fired)))
    return True


def cry_wolf(edit: Edit, rng: Random) -> bool:
    """An alert that had to be quiet fires."""
    known = [name for name in _named(edit, "quiet") if edit.story.alerts.get(name)]
    return bool(known) and _fire_last(edit, rng.choice(known))


def ring_on(edit: Edit, rng: Random) -> bool:
    """An alert that had to end fires again, to the end."""
    known = [name for name in _named(edit, "ends") if edit.story.alerts.get(name)]
    return bool(known) and _fire_last(edit, rng.choice(known))


def _fire_last(edit: Edit, name: str) -> bool:
    last = edit.story.alerts[name][-1]
    edit.add(last.number, edit.like(last.number)._replace(phase="firing"))
    return True


def _firings(story: Story, name: str) -> list[Event]:
    return [event for event in story.alerts.get(name, []) if event.phase == "firing"]


def _named(edit: Edit, which: str) -> list[str]:
    return [str(name) for name in edit.expect("alerts").get(which, ())]
