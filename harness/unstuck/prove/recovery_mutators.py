"""Ways to falsify what recovery sweeps did; see `unstuck.prove.mutators`."""

from __future__ import annotations

from random import Random

from unstuck.prove.editing import Edit


def sweep_at_once(edit: Edit, rng: Random) -> bool:
    """Another sweep begins while one is under way."""
    sweeps = list(edit.story.sweeps.values())
    if not sweeps:
        return False
    begun = rng.choice(sweeps).begun
    other = edit.like(begun.number)
    edit.add(begun.number, other._replace(data={**other.data, "run": 1 + max(edit.story.sweeps)}))
    return True
