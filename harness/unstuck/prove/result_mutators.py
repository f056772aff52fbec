"""Ways to falsify what our own look at a result found."""

from __future__ import annotations

from random import Random

from unstuck.prove.editing import Edit


def lose_result(edit: Edit, rng: Random) -> bool:
    """The outputs of a succeeded job are not there."""
    return _change_result(edit, rng, "exists", exists=False)


def stretch_result(edit: Edit, rng: Random) -> bool:
    """The output of a succeeded job lasts as long as it must not."""
    return _change_result(edit, rng, "expected_duration_s", duration_s=100_000.0)


def lose_pictures(edit: Edit, rng: Random) -> bool:
    """A result has fewer pictures than its source, and all else as it should be."""
    return _change_result(edit, rng, "expected_pictures", pictures=0)


def shift_sound(edit: Edit, rng: Random) -> bool:
    """The sound of a result comes a quarter of a second after its pictures."""
    return _change_result(edit, rng, "sound_behind_s", sound_behind_s=0.25)


def _change_result(edit: Edit, rng: Random, needs: str, **changes: object) -> bool:
    looks = [job.outcome for job in edit.succeeded() if job.outcome is not None]
    looks = [look for look in looks if isinstance(look.data.get("result"), dict)]
    looks = [look for look in looks if look.data["result"].get(needs) is not None]
    if not looks:
        return False
    look = rng.choice(looks)
    edit.change(look.number, result={**look.data["result"], **changes})
    return True
