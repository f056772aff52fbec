"""What changed from one recorded run to another: pure. Worse, better, or merely different."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise
from statistics import median
from typing import Any, Final

from unstuck.compare.recorded import Recording, Run
from unstuck.report.words import size, span

TIMES_WORSE: Final = 1.5  # a recovery by so much slower; two single runs differ by a third from noise alone
STAGES_WORSE: Final = 2.0
MEMORY_WORSE: Final = 1.5
LEAST_S: Final = 0.1  # a difference below says nothing of a service
LEAST_BYTES: Final = 32 << 20
CHANGED: Final = 1.2  # from here on a figure is shown as changed

_RANKS: Final = ("pass", "inconclusive", "interrupted", "error", "fail")


class Kind(StrEnum):
    """Which way something changed; `changed` is neither good nor bad by itself."""

    WORSE = "worse"
    CHANGED = "changed"
    BETTER = "better"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that changed. `weight` ranks it among those of its kind: what matters more is larger."""

    kind: Kind
    what: str  # "verdict", "property effects", "recovery, claimed again", …
    before: str
    after: str
    weight: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseChange:
    """All that changed in one case, worst first. `same` counts what was compared and had not changed."""

    title: str
    circumstances: tuple[Difference, ...]  # what was not the same to begin with: text, seed, version, …
    differences: tuple[Difference, ...]
    same: int

    @property
    def worse(self) -> bool:
        return any(one.kind is Kind.WORSE for one in self.differences)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """From one recording to another. `why_not` says why there is nothing to compare."""

    cases: tuple[CaseChange, ...]
    only_before: tuple[str, ...] = ()
    only_after: tuple[str, ...] = ()
    why_not: str | None = None

    @property
    def worse(self) -> bool:
        return any(case.worse for case in self.cases)


def compare(before: Recording, after: Recording) -> Change:
    """Cases by their titles; of two single runs, whatever their cases, as long as it is one scenario."""
    if not before.is_group and not after.is_group:
        [one], [other] = before.runs.values(), after.runs.values()
        names = _name(one), _name(other)
        if names[0] != names[1]:
            return Change(cases=(), why_not=f"{names[0]} and {names[1]} are different scenarios.")
        return Change(cases=(compare_runs(one, other),))
    both = [title for title in before.runs if title in after.runs]
    if not both:
        return Change(cases=(), why_not="they have no case in common.")
    return Change(
        cases=tuple(compare_runs(before.runs[title], after.runs[title]) for title in both),
        only_before=tuple(title for title in before.runs if title not in after.runs),
        only_after=tuple(title for title in after.runs if title not in before.runs),
    )


def compare_runs(before: Run, after: Run) -> CaseChange:
    """Two runs of one scenario."""
    found: list[Difference] = []
    same = 0
    parts = (_verdict, _properties, _faults, _outcomes, _recovery, _counts, _stages, _memory)
    for part in parts if _is_judged(before) and _is_judged(after) else (_ending,):
        for one in part(before, after):
            if one is None:
                same += 1
            else:
                found.append(one)
    order = list(Kind)
    found.sort(key=lambda one: (order.index(one.kind), -one.weight))
    return CaseChange(
        title=after.title,
        circumstances=tuple(_circumstances(before, after)),
        differences=tuple(found),
        same=same,
    )


def _name(run: Run) -> str:
    return str(run.summary.get("name") or run.plan.get("scenario") or run.title.split("[")[0])


def _verdict(before: Run, after: Run) -> Iterator[Difference | None]:
    yield _ranked("verdict", before.verdict, after.verdict, _RANKS, weight=100)


def _is_judged(run: Run) -> bool:
    """False when the run did not come to its own end: what it lacks says nothing of the service."""
    return run.verdict in ("pass", "fail", "inconclusive") and bool(run.summary)


def _ending(before: Run, after: Run) -> Iterator[Difference | None]:
    """In place of all the rest: how each ended, and why."""
    texts = [f"{run.verdict} ({run.error})" if run.error else run.verdict for run in (before, after)]
    found = _ranked("verdict", before.verdict, after.verdict, _RANKS, weight=100)
    yield replace(found, before=texts[0], after=texts[1]) if found else None


def _properties(before: Run, after: Run) -> Iterator[Difference | None]:
    """A property that is not expected may have nothing to judge: that is a change, and no worse."""
    old, new = _by_name(before), _by_name(after)
    for name in dict.fromkeys((*old, *new)):
        one, other = old.get(name, {}), new.get(name, {})
        expected = one.get("expected") or other.get("expected")
        words = str(one.get("verdict", "absent")), str(other.get("verdict", "absent"))
        if words[0] == words[1]:
            yield None
        elif "fail" in words or expected:
            yield _ranked(f"property {name}", *words, (*_RANKS, "absent"), weight=90)
        else:
            yield Difference(kind=Kind.CHANGED, what=f"property {name}", before=words[0], after=words[1])


def _by_name(run: Run) -> dict[str, Mapping[str, Any]]:
    return {str(row.get("name")): row for row in _rows(run, "properties")}


def _faults(before: Run, after: Run) -> Iterator[Difference | None]:
    old, new = _rows(before, "faults"), _rows(after, "faults")
    for index in range(max(len(old), len(new))):
        one, other = (rows[index] if index < len(rows) else {} for rows in (old, new))
        what = f"fault {index} {other.get('name') or one.get('name')}"
        texts = _fault_text(one), _fault_text(other)
        troubles = bool(one.get("problem")), bool(other.get("problem"))
        if texts[0] == texts[1] and troubles[0] == troubles[1]:
            yield None
            continue
        kind = Kind.CHANGED if troubles[0] == troubles[1] else Kind.WORSE if troubles[1] else Kind.BETTER
        yield Difference(kind=kind, what=what, before=texts[0], after=texts[1], weight=80)


def _fault_text(row: Mapping[str, Any]) -> str:
    if not row:
        return "absent"
    text = f"fired {row.get('fired', 0)}, landed {row.get('landed', 0)}"
    return f"{text}: {row['problem']}" if row.get("problem") else text


def _outcomes(before: Run, after: Run) -> Iterator[Difference | None]:
    """Jobs by the class of their outcome; more of a class that the promise does not allow is worse."""
    old, new = before.summary.get("outcomes") or {}, after.summary.get("outcomes") or {}
    forbidden = {
        row.get("outcome") for run in (before, after) for row in _rows(run, "jobs") if not row.get("allowed")
    }
    for name in dict.fromkeys((*old, *new)):
        counts = old.get(name, 0), new.get(name, 0)
        if counts[0] == counts[1]:
            yield None
            continue
        kind = Kind.CHANGED
        if name in forbidden:
            kind = Kind.WORSE if counts[1] > counts[0] else Kind.BETTER
        yield Difference(
            kind=kind, what=f"jobs {name}", before=str(counts[0]), after=str(counts[1]), weight=70
        )
    yield _plain("jobs", len(_rows(before, "jobs")), len(_rows(after, "jobs")))


def _recovery(before: Run, after: Run) -> Iterator[Difference | None]:
    expect = after.settings.get("expect")
    allowed = expect.get("recovery_within", {}) if isinstance(expect, Mapping) else {}
    budget_s = allowed.get("budget_s", after.summary.get("budget_s"))
    series = (
        ("claimed again", before.recoveries.claimed_s, after.recoveries.claimed_s, allowed.get("claim_s")),
        ("ended", before.recoveries.ended_s, after.recoveries.ended_s, budget_s),
    )
    for name, old, new, budget in series:
        what = f"recovery, {name}"
        if not old and not new:
            continue
        texts = spread_text(old), spread_text(new)
        if old and new:
            yield _figure(
                what, median(old), median(new), texts,
                worse=TIMES_WORSE, least=LEAST_S, weight=60, budget=budget,
            )  # fmt: skip
        else:
            yield Difference(kind=Kind.CHANGED, what=what, before=texts[0], after=texts[1])


def spread_text(values: Sequence[float]) -> str:
    """`0.95 s (p90 1.2 s, max 1.3 s, 4 jobs)`; nearest rank."""
    if not values:
        return "none"
    ranked = sorted(values)
    if len(ranked) == 1:
        return f"{span(ranked[0])} (1 job)"
    p90 = ranked[-(-len(ranked) * 9 // 10) - 1]
    return f"{span(median(ranked))} (p90 {span(p90)}, max {span(ranked[-1])}, {len(ranked)} jobs)"


def _counts(before: Run, after: Run) -> Iterator[Difference | None]:
    for what, count in (("attempts", _attempts), ("effects applied", _applied), ("effects again", _again)):
        yield _plain(what, count(before), count(after))


def _attempts(run: Run) -> int:
    return sum(int(row.get("attempts") or 0) for row in _rows(run, "jobs"))


def _applied(run: Run) -> int:
    return sum(bool(effect[1]) for row in _rows(run, "jobs") for effect in row.get("effects") or ())


def _again(run: Run) -> int:
    return sum(not effect[1] for row in _rows(run, "jobs") for effect in row.get("effects") or ())


def _stages(before: Run, after: Run) -> Iterator[Difference | None]:
    """How long jobs stayed in each stage, in the median: from its beginning to that of the next."""
    old, new = _stage_times(before), _stage_times(after)
    for stage in [name for name in old if name in new]:
        values = median(old[stage]), median(new[stage])
        texts = span(values[0]), span(values[1])
        yield _figure(f"stage {stage}", *values, texts, worse=STAGES_WORSE, least=2 * LEAST_S, weight=20)


def _stage_times(run: Run) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for row in _rows(run, "jobs"):
        stages = row.get("stages") or []
        for (from_s, stage), (until_s, _) in pairwise(stages):
            found.setdefault(str(stage), []).append(float(until_s) - float(from_s))
    return found


def _memory(before: Run, after: Run) -> Iterator[Difference | None]:
    """The peak of each role, over its processes."""
    old, new = _peaks(before), _peaks(after)
    for role in [name for name in old if name in new]:
        texts = size(old[role]), size(new[role])
        yield _figure(
            f"memory of {role}", old[role], new[role], texts,
            worse=MEMORY_WORSE, least=LEAST_BYTES, weight=30,
        )  # fmt: skip


def _peaks(run: Run) -> dict[str, float]:
    found: dict[str, float] = {}
    for row in _rows(run, "processes"):
        if row.get("rss_bytes_max"):
            role = str(row.get("role"))
            found[role] = max(found.get(role, 0.0), float(row["rss_bytes_max"]))
    return found


def _circumstances(before: Run, after: Run) -> Iterator[Difference]:
    """What was not the same before anything ran: said first, since it may explain all the rest."""
    if before.scenario != after.scenario:
        yield _other("scenario.yaml", *_changed_lines(before.scenario, after.scenario))
    old = {**before.settings, **_flat(before.plan), **_of_summary(before)}
    new = {**after.settings, **_flat(after.plan), **_of_summary(after)}
    for name in dict.fromkeys((*old, *new)):
        if old.get(name) != new.get(name):
            yield _other(name, str(old.get(name)), str(new.get(name)))


def _of_summary(run: Run) -> dict[str, Any]:
    names = ("case", "seed", "version", "defences_off")
    return {name: run.summary[name] for name in names if name in run.summary}


def _flat(plan: Mapping[str, Any]) -> dict[str, Any]:
    return {name: plan.get(name) for name in ("case", "seed", "version", "defences_off", "emulator")}


def _changed_lines(before: str, after: str) -> tuple[str, str]:
    """The first line that only one of them has, of each, and how many more there are."""
    lines = before.splitlines(), after.splitlines()
    gone = [line.strip() for line in lines[0] if line not in set(lines[1])]
    come = [line.strip() for line in lines[1] if line not in set(lines[0])]
    return _first(gone), _first(come)


def _first(lines: Sequence[str]) -> str:
    if not lines:
        return "no line of its own"
    return lines[0] + (f" (and {len(lines) - 1} more)" if len(lines) > 1 else "")


def _other(what: str, before: str, after: str) -> Difference:
    return Difference(kind=Kind.CHANGED, what=what, before=before, after=after)


def _ranked(what: str, before: str, after: str, ranks: Sequence[str], *, weight: float) -> Difference | None:
    if before == after:
        return None
    places = [ranks.index(word) if word in ranks else len(ranks) for word in (before, after)]
    kind = Kind.WORSE if places[1] > places[0] else Kind.BETTER
    return Difference(kind=kind, what=what, before=before, after=after, weight=weight + places[1] / 10)


def _plain(what: str, before: int, after: int) -> Difference | None:
    return None if before == after else _other(what, str(before), str(after))


def _figure(
    what: str,
    before: float,
    after: float,
    texts: tuple[str, str],
    *,
    worse: float,
    least: float,
    weight: float,
    budget: float | None = None,
) -> Difference | None:
    """Worse from a ratio of `worse`, changed from `CHANGED`; differences below `least` are none."""
    before_text, after_text = texts
    low, high = min(before, after), max(before, after)
    grown = high / low if low > 0 else float("inf")
    if high - low < least or grown < CHANGED:
        return None
    kind = Kind.CHANGED if grown < worse else Kind.WORSE if after > before else Kind.BETTER
    text = f"{after_text}, x {after / before:.2g}" if before else after_text
    if isinstance(budget, int | float):
        text += f", of {span(budget)} allowed"
    return Difference(kind=kind, what=what, before=before_text, after=text, weight=weight + min(grown, 9))


def _rows(run: Run, name: str) -> Sequence[Mapping[str, Any]]:
    rows = run.summary.get(name)
    return rows if isinstance(rows, list) else []
