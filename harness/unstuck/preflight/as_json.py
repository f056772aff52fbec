"""A judgement for programs."""

from __future__ import annotations

import json
from typing import Final

from unstuck.preflight.finding import Finding
from unstuck.preflight.judging import Judgement

FORMAT: Final = 1


def judgement_json(judgement: Judgement) -> str:
    """Everything: findings (those that were allowed, too), what was not judged, and the figures used."""
    measured = judgement.measured
    data = {
        "format": FORMAT,
        "failed": judgement.failed,
        "files": [{"path": path, "workloads": count} for path, count in judgement.files.items()],
        "measured": {
            "longest_stage_s": measured.longest_stage_s,
            "stage": measured.stage,
            "drain_s": measured.drain_s,
            "peaks_mib": {role or "*": round(peak, 1) for role, peak in measured.peaks_mib.items()},
            "sources": list(measured.sources),
            "in_sim": list(measured.in_sim),
        },
        "findings": [_finding(one) for one in judgement.findings],
        "not_judged": [
            {
                "rule": one.rule,
                "path": one.path,
                "line": one.line,
                "workload": one.subject,
                "lacks": one.lacks,
                "step": one.step,
            }
            for one in judgement.unjudged
        ],
        "judged": judgement.judged,
        "kept": dict(judgement.kept),
    }
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"


def _finding(one: Finding) -> dict[str, object]:
    return {
        "rule": one.rule,
        "severity": str(one.severity),
        "path": one.path,
        "line": one.line,
        "workload": one.subject,
        "text": one.text,
        "step": one.step,
        "allowed": one.allowed,
    }
