"""What follows from what was seen and what is declared: timings, and what will not be shown. Pure."""

from __future__ import annotations

from unstuck.doctor.steps import Notes, Step
from unstuck.doctor.trial import Attended
from unstuck.scenario import Scenario
from unstuck.targets.declared.file import JobSource, RedisSource, RowsSource, TargetFile, Timings
from unstuck.targets.declared.ledger import BEGIN

FAR_OFF = 5.0  # times: a declared time of a job is far off the measured one
SHORT_S = 0.05  # below that nothing can be told by ratio


def conclude_timings(file: TargetFile, timings: Timings, attended: Attended | None) -> Step:
    """The step `timings`: what is declared against itself and against what was measured."""
    notes = Notes("timings")
    measured_s = job_s(attended)
    longest_s = max(timings.job_s or 0.0, measured_s or 0.0)
    if measured_s is not None:
        declared = "not declared" if timings.job_s is None else f"declared {timings.job_s:g} s"
        notes.tell(f"a job takes {measured_s:.2f} s ({declared})")
    if timings.job_s is not None and measured_s is not None:
        low, high = sorted((max(timings.job_s, SHORT_S), max(measured_s, SHORT_S)))
        if high / low > FAR_OFF:
            notes.note(f"job_s={timings.job_s:g} is far from that", "Declare what a usual job takes.")
    if timings.lease_s is not None:
        if timings.lease_s <= longest_s:
            notes.bad(
                f"lease_s={timings.lease_s:g} is not longer than a job ({longest_s:.2f} s): the system will "
                "give each job to a second worker while the first still works",
                "Lengthen the lease, or submit shorter jobs; if leases are renewed, declare no lease_s.",
            )
        else:
            notes.tell(f"its lease of {timings.lease_s:g} s is longer")
    budget_s = Scenario(name="", summary="", workload=(), faults=(), expect={}).budget_s
    if timings.recovery_period_s is not None:
        text = f"the system takes up what was dropped within {timings.recovery_period_s:g} s"
        if timings.recovery_period_s > budget_s:
            notes.note(
                f"{text}: longer than the recovery budget ({budget_s:g} s): such jobs will count as stuck",
                "That is the finding, usually. If it may take so long, write "
                f"budget_s: {timings.recovery_period_s * 1.2:.0f} in the scenario; "
                f"`--follow {timings.recovery_period_s:.0f}` looks on and tells when they end.",
            )
        else:
            notes.tell(text)
    if timings == Timings():
        notes.tell("none are declared")
    del file
    return notes.step()


def conclude_abilities(file: TargetFile, timings: Timings, attended: Attended | None) -> Step:
    """The step `limits`: what a run of this target cannot show, so that green is not taken for more."""
    notes = Notes("limits")
    if not file.ledger and file.effects is None:
        notes.note("without effects: doubled, done_not_terminal and done_but_failed are never found")
    elif not file.ledger:
        notes.note("without the ledger: no attempts, and no fault at job.begin, job.end or job.ended")
    elif attended is not None and attended.effects and BEGIN not in attended.held_at:
        notes.note("without reports that wait: no fault at job.begin, job.end or job.ended")
    if not _sees_holders(file):
        notes.note(
            "no source says where a job is held: one that waits in a queue and one that is lost are told "
            "apart by its state alone"
        )
    if file.observe.absent == "unknown":
        notes.note("with `absent: unknown`: no job is ever called lost")
    if timings.recovery_period_s is None:
        notes.note(
            "without timings.recovery_period_s: nobody says when the system expects to rescue a stuck job"
        )
    if file.rescue is None:
        notes.tell("no `rescue` is declared: nobody is asked to take a job up again")
    return notes.step()


def job_s(attended: Attended | None) -> float | None:
    """How long the work itself took, as it was seen: begin to end, else the submission to the end."""
    if attended is None or (attended.ended_ns is None and attended.terminal_ns is None):
        return None
    ended_ns = attended.ended_ns if attended.ended_ns is not None else attended.terminal_ns
    assert ended_ns is not None
    begun_ns = attended.begun_ns if attended.begun_ns is not None else attended.submitted_ns
    return max(0.0, (ended_ns - begun_ns) / 1e9)


def _sees_holders(file: TargetFile) -> bool:
    for source in file.observe.sources:
        match source:
            case RedisSource(looks=looks):
                if any(look.held for look in looks):
                    return True
            case RowsSource(says_held=held) | JobSource(says_held=held):
                if held or (isinstance(source, RowsSource) and source.held != "held"):
                    return True
    return False
