"""alerts: the service's alerts fire when they should, and are quiet when they should not."""

from __future__ import annotations

from tests.unit.checks.draft import Draft
from unstuck.checks import alerts as subject
from unstuck.checks.port import Verdict


def alert(draft: Draft, phase: str, name: str = "orphans") -> int:
    return draft.add("alert", phase, alert=name, value=7.0, threshold=5.0)


def test_nothing_named_is_inconclusive() -> None:
    """An alert that fires breaks nothing as long as no scenario speaks of it."""
    draft = Draft()
    alert(draft, "firing")
    draft.end()
    assert draft.check(subject).verdict is Verdict.INCONCLUSIVE


def test_alerts_that_do_as_they_should_pass() -> None:
    """One fires and ends, another is quiet from its first evaluation on."""
    draft = Draft()
    for phase in ("quiet", "firing", "quiet"):
        alert(draft, phase)
    alert(draft, "quiet", "failures")
    draft.end()
    result = draft.check(subject, fires=["orphans"], quiet=["failures"], ends=["orphans"])
    assert (result.verdict, result.judged) == (Verdict.PASS, 3)
    assert result.summary == "2 rules evaluated; orphans fired"


def test_an_alert_that_never_fired_fails() -> None:
    """Whether it was evaluated or not: it had to fire."""
    draft = Draft()
    quiet = alert(draft, "quiet")
    draft.end()
    result = draft.check(subject, fires=["orphans"])
    assert (result.verdict, result.evidence[0].events) == (Verdict.FAIL, (quiet,))
    unheard = draft.check(subject, fires=["failures"])
    assert unheard.verdict is Verdict.FAIL
    assert unheard.evidence[0].message == "failures never fired, and nobody evaluated it"


def test_an_alert_that_fires_when_it_should_be_quiet_fails() -> None:
    """For however short a time; its value and threshold are told."""
    draft = Draft()
    fired = alert(draft, "firing")
    alert(draft, "quiet")
    draft.end()
    result = draft.check(subject, quiet=["orphans"])
    assert (result.verdict, result.evidence[0].events) == (Verdict.FAIL, (fired,))
    assert result.evidence[0].message.endswith("its value was 7.0, above 5.0")


def test_an_alert_that_does_not_end_fails() -> None:
    """It fired, and it fires still; or it never fired at all."""
    draft = Draft()
    alert(draft, "firing")
    draft.end()
    assert "has not ended" in draft.check(subject, ends=["orphans"]).evidence[0].message
    assert draft.check(subject, ends=["failures"]).verdict is Verdict.FAIL


def test_a_rule_that_nobody_evaluated_was_not_quiet() -> None:
    """Silence of somebody who does not look is no evidence."""
    draft = Draft()
    draft.end()
    assert draft.check(subject, quiet=["orphans"]).verdict is Verdict.INCONCLUSIVE


def test_a_run_that_was_cut_short_settles_nothing() -> None:
    """What has not fired may fire yet, what was quiet may not stay so, and what fires may end."""
    draft = Draft()
    alert(draft, "quiet")
    alert(draft, "firing", "failures")
    draft.end("interrupted")
    for params in ({"fires": ["orphans"]}, {"quiet": ["orphans"]}, {"ends": ["failures"]}):
        assert draft.check(subject, **params).verdict is Verdict.INCONCLUSIVE
