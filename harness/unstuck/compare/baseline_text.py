"""What the baseline says of a gate, in sentences for every report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from unstuck.compare.slower import SAMPLES_MIN, Key
from unstuck.compare.verdict import Held, Judgement
from unstuck.report.words import plural, span

_NAMED: Final = 4  # of a list; the rest is counted
_WORDS: Final = {"claimed": "claimed again", "ended": "ended"}


def headline(judgement: Judgement) -> str:
    """Why the gate does not pass; of one that does, that it is as before."""
    if judgement.slower:
        return f"slower than before: {'; '.join(map(_slow, judgement.slower))}."
    if judgement.why_not is not None:
        return judgement.why_not
    return f"{plural(len(judgement.held), 'recovery time')} as before."


def notes(judgement: Judgement) -> tuple[str, ...]:
    """What a reader should know beside the verdict: above all, what was not judged."""
    told = []
    if judgement.held and not judgement.slower:
        told.append(f"baseline: {plural(len(judgement.held), 'recovery time')} judged, as before.")
    again = [one for one in judgement.held if one.again_s]
    if again:
        told.append(f"baseline: looked slow, and measured again: {_list(map(_again, again))}.")
    if judgement.absent:
        told.append(f"baseline: NOT judged, it does not know {_list(judgement.absent)}. {_ADD}")
    if judgement.few:
        told.append(
            f"baseline: NOT judged, fewer than {SAMPLES_MIN} samples of {_keys(judgement.few)}. {_ADD}"
        )
    if judgement.missing:
        told.append(f"baseline: NOT judged, this gate has no time of {_keys(judgement.missing)}.")
    unsure = [one.key for one in judgement.held if not one.sure and not one.slower]
    if unsure:
        told.append(f"baseline: too noisy to be sure that a doubling is noticed: {_keys(unsure)}.")
    if judgement.machine > 1 and judgement.held:
        told.append(
            f"baseline: this machine is {judgement.machine:.2f} times slower than the baseline's; "
            "what was measured here was divided by that."
        )
    return tuple(told)


_ADD: Final = "`unstuck gate --write-baseline FILE` adds a sample of each."


def _slow(one: Held) -> str:
    title, name = one.key
    return (
        f"{title} {_WORDS[name]} after {_measured(one)}, was {span(one.norm.typical_s)} (x {one.ratio:.1f})"
    )


def _again(one: Held) -> str:
    title, name = one.key
    return f"{title} {name} {span(one.first_s)}, then x {one.ratio:.2f} in {plural(len(one.again_s), 'run')}"


def _measured(one: Held) -> str:
    values = sorted(one.again_s or (one.first_s,))
    return span(values[len(values) // 2])


def _keys(keys: Sequence[Key]) -> str:
    return _list(f"{title} ({name})" for title, name in keys)


def _list(words: Iterable[str]) -> str:
    every = list(words)
    shown, rest = every[:_NAMED], len(every) - _NAMED
    return ", ".join(shown) + (f" and {rest} more" if rest > 0 else "")
