"""How a property comes to its verdict, the same for all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from unstuck.checks.port import Evidence, PropertyResult, Verdict


def conclude(
    name: str,
    *,
    judged: int,
    summary: str,
    broken: Sequence[Evidence] = (),
    unclear: Sequence[Evidence] = (),
    figures: Mapping[str, float] | None = None,
) -> PropertyResult:
    """Broken beats unclear, unclear beats kept; nothing to judge is inconclusive.

    `summary` describes what was judged. `unclear` names what the history does not settle; it is the
    evidence of an inconclusive result. Broken and unclear things count as judged.
    """
    judged = max(judged, len({item.job for item in broken}), len({item.job for item in unclear}))
    if broken:
        verdict, evidence = Verdict.FAIL, tuple(broken)
        summary = f"{summary}; broken {len(broken)} x: {_first(broken)}"
    elif unclear:
        verdict, evidence = Verdict.INCONCLUSIVE, tuple(unclear)
        summary = f"{summary}; unclear {len(unclear)} x: {_first(unclear)}"
    elif judged == 0:
        verdict, evidence, summary = Verdict.INCONCLUSIVE, (), "nothing to judge"
    else:
        verdict, evidence = Verdict.PASS, ()
    return PropertyResult(
        name=name,
        verdict=verdict,
        judged=judged,
        summary=summary,
        evidence=evidence,
        figures={} if figures is None else figures,
    )


def spread(name: str, values: Sequence[float]) -> dict[str, float]:
    """Median, 99th percentile (nearest rank) and maximum of some seconds, named for the figures."""
    if not values:
        return {}
    ranked = sorted(values)
    last = len(ranked) - 1
    return {
        f"{name}_p50_s": ranked[last // 2],
        f"{name}_p99_s": ranked[-(-last * 99 // 100)],
        f"{name}_max_s": ranked[last],
    }


def _first(items: Sequence[Evidence]) -> str:
    return items[0].message if items[0].job is None else f"{items[0].job} {items[0].message}"


def plural(count: int, noun: str) -> str:
    """`1 job`, `2 jobs`, `2 processes`."""
    if count == 1:
        return f"1 {noun}"
    return f"{count} {noun}{'es' if noun.endswith('s') else 's'}"
