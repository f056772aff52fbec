"""Manifests as texts, read and judged without any file."""

from __future__ import annotations

from unstuck.preflight.judging import Judgement, judge
from unstuck.preflight.measured import ANY, Measured
from unstuck.preflight.model import Workload
from unstuck.preflight.readers import read_manifest


def workloads(path: str, text: str) -> dict[str, Workload]:
    """What a text holds, by name."""
    return {one.name: one for one in read_manifest(path, text).workloads}


def workload(path: str, text: str) -> Workload:
    """The only one that a text holds."""
    [found] = read_manifest(path, text).workloads
    return found


def judged(
    *files: tuple[str, str],
    longest_stage_s: float | None = None,
    peak_mib: float | None = None,
    **peaks_mib: float,
) -> Judgement:
    """`peak_mib`: of every role; by a role's name: of that one."""
    peaks = {**peaks_mib, **({} if peak_mib is None else {ANY: peak_mib})}
    measured = Measured(longest_stage_s=longest_stage_s, peaks_mib=peaks)
    return judge([read_manifest(path, text) for path, text in files], measured)


def found(judgement: Judgement, rule: str) -> list[tuple[int, str]]:
    """(line, text) of what one rule found."""
    return [(one.line, one.text) for one in judgement.findings if one.rule == rule]


def unjudged(judgement: Judgement, rule: str) -> list[str]:
    """What one rule lacked."""
    return [one.lacks for one in judgement.unjudged if one.rule == rule]


def compose(lines: str, more: str = "") -> tuple[str, str]:
    """A compose file with a service `worker` of these lines."""
    body = "".join(f"    {line}\n" for line in lines.splitlines())
    return "compose.yaml", f"services:\n  worker:\n    image: video\n{body}{more}"
