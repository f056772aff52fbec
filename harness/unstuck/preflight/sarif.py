"""A judgement as SARIF 2.1.0, which code hosts show beside the lines of a change.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/. What was not judged is a notification of the invocation,
and no result: one of kind `open` would be shown as an alert by hosts that do not know kinds. A finding
that a comment allows is a result with a suppression.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import quote

from unstuck.preflight.finding import Finding, Unjudged
from unstuck.preflight.judging import Judgement
from unstuck.preflight.rules import RULES
from unstuck.preflight.rules.port import Rule

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_INDEX: Final = {rule: index for index, rule in enumerate(RULES)}


def judgement_sarif(judgement: Judgement, *, version: str) -> str:
    """One run of the tool. The same finding has the same fingerprint when lines above it move."""
    run = {
        "tool": {
            "driver": {
                "name": "unstuck preflight",
                "version": version,
                "rules": [_rule(rule) for rule in RULES.values()],
            }
        },
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {
                "executionSuccessful": True,
                "toolExecutionNotifications": [_notification(one) for one in judgement.unjudged],
            }
        ],
        "results": [_result(one) for one in judgement.findings],
    }
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=1, ensure_ascii=False) + "\n"


def _rule(rule: Rule) -> dict[str, Any]:
    why_and_fix = f"{rule.WHY}\n\n{rule.FIX}"
    return {
        "id": rule.ID,
        "name": "".join(word.capitalize() for word in rule.__name__.rpartition(".")[2].split("_")),
        "shortDescription": {"text": f"{rule.TITLE}."},
        "fullDescription": {"text": rule.WHY},
        "help": {
            "text": f"{why_and_fix}\n\nBad ({rule.BAD.file}):\n{rule.BAD.text}\nGood:\n{rule.GOOD.text}",
            "markdown": f"{why_and_fix}\n\nBad (`{rule.BAD.file}`):\n\n```\n{rule.BAD.text}```\n\n"
            f"Good:\n\n```\n{rule.GOOD.text}```\n",
        },
        "defaultConfiguration": {"level": str(rule.SEVERITY)},
        "properties": {"tags": ["reliability", "deployment"]},
    }


def _result(one: Finding) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": one.rule,
        "ruleIndex": _INDEX[one.rule],
        "level": str(one.severity),
        "message": {"text": f"{one.subject}: {one.text}. {one.step}"},
        "locations": [_location(one)],
        "partialFingerprints": {"unstuckPreflight/v1": _fingerprint(one)},
    }
    if one.allowed is not None:
        result["suppressions"] = [{"kind": "inSource", "justification": one.allowed}]
    return result


def _notification(one: Unjudged) -> dict[str, Any]:
    return {
        "level": "note",
        "message": {"text": f"{one.subject}: not judged: {one.lacks}. {one.step}"},
        "associatedRule": {"id": one.rule, "index": _INDEX[one.rule]},
        "locations": [_location(one)],
    }


def _location(one: Finding | Unjudged) -> dict[str, Any]:
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": _uri(one.path)},
            "region": {"startLine": max(one.line, 1)},
        },
        "logicalLocations": [{"name": one.subject, "kind": "resource"}],
    }


def _uri(path: str) -> str:
    """Relative where the path is, so that it is found in a checkout."""
    posix = PurePosixPath(path.replace("\\", "/")).as_posix()
    encoded = quote(posix, errors="replace")
    return f"file://{encoded}" if posix.startswith("/") else encoded


def _fingerprint(one: Finding) -> str:
    parts = (one.rule, PurePosixPath(one.path).name, one.subject, one.about)
    return hashlib.sha256("\x1f".join(parts).encode(errors="replace")).hexdigest()[:32]
