"""Every rule: its own examples, and the cases that are easy to get wrong."""

from __future__ import annotations

import pytest

from tests.unit.preflight.manifests import compose, found, judged, unjudged
from unstuck.preflight.finding import Severity
from unstuck.preflight.judging import Judgement
from unstuck.preflight.rules import RULES
from unstuck.preflight.rules.port import Example


@pytest.mark.parametrize("rule", RULES)
def test_the_bad_example_is_found(rule: str) -> None:
    """By this rule, with its severity, on a line of the example."""
    bad = RULES[rule].BAD
    judgement = _judged(bad)
    ones = [one for one in judgement.findings if one.rule == rule]
    assert [one.severity for one in ones] == [RULES[rule].SEVERITY]
    assert 1 <= ones[0].line <= bad.text.count("\n")
    assert judgement.failed is (RULES[rule].SEVERITY is not Severity.NOTE)


@pytest.mark.parametrize("rule", RULES)
def test_the_good_example_is_judged_and_kept(rule: str) -> None:
    """It is not merely passed over."""
    judgement = _judged(RULES[rule].GOOD)
    assert found(judgement, rule) == []
    assert unjudged(judgement, rule) == []
    assert judgement.kept[rule] >= 1


@pytest.mark.parametrize(
    "rule", [one for one in RULES if RULES[one].BAD.longest_stage_s or RULES[one].BAD.peak_mib]
)
def test_without_its_figures_a_rule_does_not_judge(rule: str) -> None:
    """It says so, and neither finds nor passes."""
    bad = RULES[rule].BAD
    judgement = judged((bad.file, bad.text))
    assert found(judgement, rule) == []
    assert len(unjudged(judgement, rule)) == 1
    assert judgement.kept[rule] == 0


@pytest.mark.parametrize("rule", RULES)
def test_texts_are_sentences(rule: str) -> None:
    """A finding ends without a full stop, a next step with one; nothing is longer than a line can bear."""
    for one in _judged(RULES[rule].BAD).findings:
        assert not one.text.endswith(".")
        assert one.step.endswith(".")
        assert len(str(one)) < 300
    for text in (RULES[rule].WHY, RULES[rule].FIX):
        assert text.endswith((".", ".)"))


def _judged(example: Example) -> Judgement:
    return judged(
        (example.file, example.text), longest_stage_s=example.longest_stage_s, peak_mib=example.peak_mib
    )


# --- grace


def test_a_drain_is_declared_by_a_variable_or_a_flag_else_measured() -> None:
    """The longest that is declared counts; a switch is no drain."""
    both = "environment: {DRAIN_GRACE_S: 8, SHUTDOWN_TIMEOUT_MS: 12000, GRACEFUL_SHUTDOWN: 'true'}"
    assert found(judged(compose(both)), "US002") == [
        (
            2,
            (
                "Compose's default grace of 10 s is no longer than SHUTDOWN_TIMEOUT_MS=12000: "
                "SIGKILL cuts the drain"
            ),
        )
    ]
    flag = compose("command: gunicorn app --graceful-timeout 45\nstop_grace_period: 40s")
    assert found(judged(flag), "US002")[0][0] == 5
    assert judged(compose("environment: {GRACEFUL_SHUTDOWN: 'true'}")).kept["US002"] == 0


def test_what_a_pre_stop_hook_sleeps_is_gone() -> None:
    """45 s of grace less 20 s are no longer than a stage of 30 s."""
    text = (
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: worker}\nspec: {template: {spec: {\n"
        "  terminationGracePeriodSeconds: 45,\n"
        "  containers: [{image: x, lifecycle: {preStop: {sleep: {seconds: 20}}}}]}}}\n"
    )
    judgement = judged(("w.yaml", text), longest_stage_s=30)
    [one] = [one for one in judgement.findings if one.rule == "US003"]
    assert one.text.startswith("terminationGracePeriodSeconds=45 less 20 s of preStop")
    assert one.step == "Write terminationGracePeriodSeconds: 55."
    assert not found(judged(("w.yaml", text), longest_stage_s=24), "US003")


def test_what_has_no_end_is_told_without_a_number() -> None:
    """A preStop hook that sleeps for ever leaves no grace, a drain without bound fits into none."""
    text = (
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: worker}\nspec: {template: {spec: {\n"
        "  containers: [{image: x, lifecycle: {preStop: {exec: {command: [sleep, infinity]}}}}]}}}\n"
    )
    for judgement in (
        judged(("w.yaml", text), longest_stage_s=1),
        judged(compose("environment: {DRAIN_S: infinity}")),
    ):
        steps = [one.step for one in judgement.findings if one.rule in ("US002", "US003")]
        assert steps == ["Bound the drain and the preStop hook first."]


def test_a_stage_that_a_declared_drain_hands_back_is_a_note() -> None:
    """The job is not stranded; its work is done again."""
    file = compose(
        "stop_grace_period: 20s\nenvironment: {DRAIN_S: 10}\nrestart: always\nmem_limit: 1g",
        "  sweeper: {image: video, restart: always, mem_limit: 1g}\n",
    )
    judgement = judged(file, longest_stage_s=60)
    assert [(one.rule, one.severity) for one in judgement.findings] == [("US003", Severity.NOTE)]
    assert not judgement.failed


def test_only_what_does_the_work_is_held_against_the_longest_stage() -> None:
    """The workers; where there are none the jobs, else the services; never what sweeps or prepares."""
    services = "services:\n  api: {image: a, ports: ['1:1']}\n"
    assert [
        one.subject
        for one in judged(("c.yaml", services), longest_stage_s=60).findings
        if one.rule == "US003"
    ] == ["api"]
    more = services + "  video-worker: {image: a}\n  sweeper: {image: a}\n  migrate: {image: a}\n"
    assert [
        one.subject for one in judged(("c.yaml", more), longest_stage_s=60).findings if one.rule == "US003"
    ] == ["video-worker"]


def test_an_execution_of_a_cloud_run_job_is_cut_by_no_deploy() -> None:
    """Its grace is not judged; a fixed one of a service is, and the next step does not ask to raise it."""
    assert not found(
        judged(("x.sh", "gcloud run jobs deploy j --task-timeout=1h\n"), longest_stage_s=60), "US003"
    )
    judgement = judged(("x.sh", "gcloud run deploy api --timeout=1h\n"), longest_stage_s=60)
    assert [one.step for one in judgement.findings if one.rule == "US003"] == [
        "This grace cannot be changed: hand the job back, or checkpoint it, within it."
    ]


def test_a_grace_that_is_not_known_is_not_judged() -> None:
    """By neither of both rules."""
    judgement = judged(compose("stop_grace_period: ${GRACE}\nenvironment: {DRAIN_S: 10}"), longest_stage_s=60)
    for rule in ("US002", "US003"):
        assert unjudged(judgement, rule) == ["stop_grace_period=${GRACE} is not known here"]
        assert not found(judgement, rule)


# --- memory


def test_a_peak_is_that_of_the_role_in_the_name() -> None:
    """Also in the command; a workload without its role is not judged."""
    file = (
        "c.yaml",
        (
            "services:\n  video-workers: {image: a, mem_limit: 512m}\n"
            "  app: {image: a, command: [run, api], mem_limit: 512m}\n"
            "  other: {image: a, mem_limit: 512m}\n"
        ),
    )
    judgement = judged(file, worker=480, api=100)
    assert [(one.subject, one.text) for one in judgement.findings if one.rule == "US005"] == [
        ("video-workers", "mem_limit=512m is below the measured peak of worker, 480 MiB, plus 30 % (624 MiB)")
    ]
    assert judgement.kept["US005"] == 1
    assert [one.subject for one in judgement.unjudged if one.rule == "US005"] == ["other"]


def test_a_role_of_two_words_is_found_in_a_name() -> None:
    """However they are joined, and before a role of one of them."""
    file = "services:\n  video-workers: {image: a, mem_limit: 512m}\n  other: {image: a, mem_limit: 512m}\n"
    judgement = judged(("c.yaml", file), worker=900, video_worker=480)
    [(_, text)] = found(judgement, "US005")
    assert text.startswith("mem_limit=512m is below the measured peak of video_worker, 480 MiB")
    assert [one.subject for one in judgement.unjudged if one.rule == "US005"] == ["other"]


def test_exactly_thirty_percent_is_enough() -> None:
    """One MiB less is not."""
    assert not found(judged(compose("mem_limit: 650m"), peak_mib=500), "US005")
    assert found(judged(compose("mem_limit: 649m"), peak_mib=500), "US005")


def test_a_limit_of_zero_is_none() -> None:
    """Docker's word for it is found as a limit that is missing; one that is not known is neither."""
    zero, missing = (judged(compose(lines), peak_mib=100) for lines in ("mem_limit: 0", "init: true"))
    assert [text for _, text in found(zero, "US004")] == [text for _, text in found(missing, "US004")]
    assert found(zero, "US004")
    unknown = judged(compose("mem_limit: '${LIMIT}'"), peak_mib=100)
    assert unjudged(unknown, "US005") == ["mem_limit=${LIMIT} is not known here"]


@pytest.mark.parametrize("switch", ["GRACEFUL_SHUTDOWN=1", "SHUTDOWN_GRACEFUL=0", "GRACEFUL_SHUTDOWN=true"])
def test_a_switch_is_no_drain(switch: str) -> None:
    """`1` says that it drains, and not for how long; where a time is named it is one second."""
    name, value = switch.split("=")
    grace = "command: python -m worker\nstop_grace_period: 1s\n"
    switched = judged(compose(f"{grace}environment: {{{name}: '{value}'}}"))
    assert not found(switched, "US002")
    assert not switched.kept["US002"]
    judgement = judged(compose(f"{grace}environment: {{GRACEFUL_SHUTDOWN_TIMEOUT: '1'}}"))
    assert found(judgement, "US002")


def test_databases_are_left_alone() -> None:
    """Somebody else's program is not held against the rules for one's own."""
    assert (
        judged(("c.yaml", "services:\n  db: {image: 'postgres:17'}\n"), longest_stage_s=9, peak_mib=9).judged
        == 0
    )


@pytest.mark.parametrize(
    ("option", "limit", "caught"),
    [
        ("-Xmx1g", "1g", True),
        ("-Xmx700m -Xms1g", "1g", False),
        ("--max-old-space-size=2048", "1g", True),
        ("--max-old-space-size=700", "1g", False),
    ],
)
def test_heaps_of_java_and_node(option: str, limit: str, caught: bool) -> None:
    """In a variable or in the command."""
    in_variable = compose(f"mem_limit: {limit}\nenvironment: {{OPTIONS: '{option}'}}")
    in_command = compose(f"mem_limit: {limit}\ncommand: program {option} x")
    for file in (in_variable, in_command):
        assert bool(found(judged(file), "US017")) is caught
