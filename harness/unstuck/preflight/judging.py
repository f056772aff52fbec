"""Holds manifests against the rules. Pure: the same texts and figures give the same judgement."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from unstuck.preflight.finding import Broken, Finding, Kept, Open, Severity, Unjudged
from unstuck.preflight.measured import Measured
from unstuck.preflight.model import Manifest, Workload
from unstuck.preflight.rules import RULES
from unstuck.preflight.rules.port import Context, Rule

_ORDER: Final = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.NOTE: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """`kept`: rule -> how often it judged and found nothing. `measured`: the figures it was judged with."""

    files: Mapping[str, int]  # path -> workloads in it
    findings: tuple[Finding, ...]
    unjudged: tuple[Unjudged, ...]
    kept: Mapping[str, int]
    measured: Measured

    @property
    def failed(self) -> bool:
        """True when an error or a warning was found that nobody allowed."""
        return any(one.severity is not Severity.NOTE for one in self.standing)

    @property
    def standing(self) -> tuple[Finding, ...]:
        """The findings that nobody allowed."""
        return tuple(one for one in self.findings if one.allowed is None)

    @property
    def judged(self) -> int:
        """How many times a rule judged something."""
        return sum(self.kept.values()) + len(self.findings)


def judge(manifests: Sequence[Manifest], measured: Measured) -> Judgement:
    """Every rule on every workload; findings by file and line."""
    context = Context(tuple(one for manifest in manifests for one in manifest.workloads), measured)
    findings: list[Finding] = []
    unjudged: list[Unjudged] = []
    kept = dict.fromkeys(RULES, 0)
    for manifest in manifests:
        for workload in manifest.workloads:
            for rule in RULES.values():
                for one in _outcomes(rule, workload, context, manifest):
                    if isinstance(one, Finding):
                        findings.append(one)
                    elif isinstance(one, Unjudged):
                        unjudged.append(one)
                    else:
                        kept[rule.ID] += 1
    findings.sort(key=lambda one: (one.path, one.line, _ORDER[one.severity], one.rule, one.about))
    return Judgement(
        files={one.path: len(one.workloads) for one in manifests},
        findings=tuple(dict.fromkeys(findings)),
        unjudged=tuple(dict.fromkeys(unjudged)),
        kept=kept,
        measured=measured,
    )


def _outcomes(
    rule: Rule, workload: Workload, context: Context, manifest: Manifest
) -> Iterator[Finding | Unjudged | Kept]:
    for outcome in rule.judge(workload, context):
        if isinstance(outcome, Broken):
            yield Finding(
                rule=rule.ID,
                severity=outcome.severity or rule.SEVERITY,
                path=manifest.path,
                line=outcome.line,
                subject=workload.name,
                text=outcome.text,
                step=outcome.step,
                about=outcome.about,
                allowed=_allowed(manifest, rule.ID, {outcome.line, workload.line}),
            )
        elif isinstance(outcome, Open):
            yield Unjudged(
                rule=rule.ID,
                path=manifest.path,
                line=outcome.line,
                subject=workload.name,
                lacks=outcome.lacks,
                step=outcome.step,
            )
        else:
            yield outcome


def _allowed(manifest: Manifest, rule: str, lines: set[int]) -> str | None:
    """The reason of a comment at the value, or at the beginning of its workload."""
    for line in sorted(lines):
        rules, reason = manifest.allowed.get(line, (frozenset[str](), ""))
        if rule in rules:
            return reason
    return None
