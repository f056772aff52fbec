"""The forms in which a judgement is told: screen, JSON, SARIF."""

from __future__ import annotations

import json
from typing import Any

from tests.unit.preflight.manifests import judged
from unstuck import __version__
from unstuck.cli.preflight_screen import judgement_sheet, list_sheet, rule_sheet
from unstuck.preflight.as_json import judgement_json
from unstuck.preflight.rules import RULES
from unstuck.preflight.sarif import judgement_sarif

TEXT = """\
services:
  worker: # unstuck: allow US004 because its host has no other tenant
    image: video
    restart: "no"
  other-worker:
    image: video
    restart: "no"
    mem_limit: 1g
"""
FILES = (("deploy/my file.yaml", TEXT),)


def sarif() -> dict[str, Any]:
    log = json.loads(judgement_sarif(judged(*FILES), version=__version__))
    assert log["version"] == "2.1.0"
    [run] = log["runs"]
    return dict(run)


def test_the_screen_groups_what_is_the_same() -> None:
    """One text with its places below; then what was allowed, what was not judged, and the sum."""
    lines = judgement_sheet(judged(*FILES)).plain().splitlines()
    head = lines.index("error    US014  restart=no leaves a worker that died as it is.")
    assert lines[head + 1 : head + 4] == [
        "                Write restart: unless-stopped.",
        "                deploy/my file.yaml:4  worker",
        "                deploy/my file.yaml:7  other-worker",
    ]
    assert "  US004  deploy/my file.yaml:2 worker: its host has no other tenant" in lines
    assert any(
        line.startswith("  - US003 of worker, other-worker: the longest stage was not") for line in lines
    )
    assert (
        lines[-1]
        == "FOUND  2 errors · 1 warning · 1 allowed · 5 judged, 3 not judged · 2 workloads in 1 file"
    )
    assert max(map(len, lines)) <= 99


def test_a_clean_screen_says_what_was_judged() -> None:
    """And with which figures."""
    judgement = judged(("c.yaml", "services:\n  db: {image: 'redis:7'}\n"), longest_stage_s=40, worker=100)
    assert judgement_sheet(judgement).plain() == (
        "Measured  longest stage 40 s; peak worker 100 MiB\n"
        "CLEAN  0 judged, 0 not judged · 1 workload in 1 file\n"
    )


def test_the_list_and_a_rule_are_whole() -> None:
    """Each rule has its line, and its page with both examples."""
    assert all(rule in list_sheet().plain() for rule in RULES)
    for name, rule in RULES.items():
        text = rule_sheet(name).plain()
        for example in (rule.BAD, rule.GOOD):
            assert all(f"  {line}" in text for line in example.text.splitlines())


def test_json_has_everything() -> None:
    """Findings with what allows them, what was not judged, and how often each rule kept."""
    data = json.loads(judgement_json(judged(*FILES, worker=100)))
    assert data["failed"] is True
    assert data["files"] == [{"path": "deploy/my file.yaml", "workloads": 2}]
    assert [(one["rule"], one["line"], one["allowed"]) for one in data["findings"]] == [
        ("US004", 2, "its host has no other tenant"),
        ("US013", 2, None),
        ("US014", 4, None),
        ("US014", 7, None),
    ]
    assert data["measured"]["peaks_mib"] == {"worker": 100}
    assert {one["rule"] for one in data["not_judged"]} == {"US003"}
    assert data["kept"]["US005"] == 1


def test_sarif_names_tool_and_rules() -> None:
    """Each with its help, its level, and the index that results refer to."""
    driver = sarif()["tool"]["driver"]
    assert (driver["name"], driver["version"]) == ("unstuck preflight", __version__)
    assert [one["id"] for one in driver["rules"]] == list(RULES)
    for one in driver["rules"]:
        assert one["name"].isidentifier()
        assert one["defaultConfiguration"]["level"] in ("error", "warning", "note")
        assert all(one[key]["text"] for key in ("shortDescription", "fullDescription", "help"))
        assert "```" in one["help"]["markdown"]


def test_sarif_results_have_their_place() -> None:
    """File, line, workload, level, fingerprint; a path is a URI."""
    for one in sarif()["results"]:
        [location] = one["locations"]
        assert location["physicalLocation"]["artifactLocation"]["uri"] == "deploy/my%20file.yaml"
        assert location["physicalLocation"]["region"]["startLine"] >= 1
        assert location["logicalLocations"][0]["name"] in ("worker", "other-worker")
        assert one["ruleId"] == list(RULES)[one["ruleIndex"]]
        assert one["message"]["text"].endswith(".")
        assert len(one["partialFingerprints"]["unstuckPreflight/v1"]) == 32


def test_sarif_tells_what_was_allowed_and_what_was_not_judged() -> None:
    """The first as suppressed, the second as a notification."""
    run = sarif()
    suppressed = [one for one in run["results"] if "suppressions" in one]
    assert [one["suppressions"] for one in suppressed] == [
        [{"kind": "inSource", "justification": "its host has no other tenant"}]
    ]
    notifications = run["invocations"][0]["toolExecutionNotifications"]
    assert {one["associatedRule"]["id"] for one in notifications} == {"US003", "US005"}


def test_a_fingerprint_outlives_moved_lines_and_differs_between_findings() -> None:
    """A host takes it for the same alert."""

    def prints(text: str) -> list[str]:
        log = json.loads(judgement_sarif(judged(("c.yaml", text)), version="0"))
        return [one["partialFingerprints"]["unstuckPreflight/v1"] for one in log["runs"][0]["results"]]

    assert sorted(prints(TEXT)) == sorted(prints(f"# moved\n\n{TEXT}"))
    assert len(set(prints(TEXT))) == len(prints(TEXT))


def test_outside_text_cannot_act_on_a_terminal() -> None:
    """An escape in a name is spelt out."""
    judgement = judged(("c.yaml", 'services:\n  "a\\e[31m worker": {image: x}\n'))
    assert judgement.findings
    assert "\x1b" not in judgement_sheet(judgement).plain()
