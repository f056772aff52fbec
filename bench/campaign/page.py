"""docs/campaign.md: how the scenarios of a campaign are drawn, and what became of their jobs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from bench.campaign.drawing import JOBS_MAX, production
from bench.campaign.totals import PERCENTILES_FROM, PLANNED, Campaign
from bench.claims.runs import ROOT
from bench.shares import CONFIDENCE, judge, needed, share_least, share_most
from unstuck.generate.whole import ANY_LENGTH_S, UNSPARING

PAGE: Final = ROOT / "docs/campaign.md"
ASKED: Final = (0.99, 0.999)
"""Shares of jobs that were claimed to succeed."""


def head() -> str:
    """How it is done; the same whatever came of it."""
    counts = ", ".join(str(number) for number in sorted(UNSPARING))
    lengths = ", ".join(f"{length:g}" for length in ANY_LENGTH_S)
    return f"""\
# The campaign

How many jobs succeed under mixed faults, measured on [scenarios that are drawn](generated-scenarios.md)
and not written. A rate of success is a figure of how one draws, too; so this is how:

- **Unsparing.** Number and length of the faults are drawn without regard to what the service allows a job:
  in each scenario one of {counts} deeds (of one fault or two), each as likely;
  whoever is away, frozen or cut off is so for one of {lengths} s. `attempts_max` stays
  {production("attempts_max")}, and `losses_spared` {production("losses_spared")}: a job that is
  struck more often fails, and counts as a failure.
- **Not drawn**: a sink that says that it has heard and has not, disks that fill, memory that runs out, and
  bugs of the service's own code and of its dependencies, which nobody knows how to draw.
- **Valid** is a job whose client announced it, put a whole video before the deadline and did not cancel, as
  the harness saw it, unless the scenario declares the job itself poisonous (a fault ends each attempt at
  it). What the service says of a job decides nothing.
- **Counted** is each job of each run that came to its end, whatever the verdict. Up to {JOBS_MAX} jobs share
  a run and its faults: their ends are not quite independent, and the bounds take them as if they were.
- **Hit** is a job once, however often: its message or its holder was struck, or it was claimed again. Its
  recovery is counted from the end of the last blow to its success, without the time in which another
  fault was still in force.
- **Planned** are {PLANNED} valid jobs in each world. Where fewer are told of, the campaign was cut short.
- **Bounds** are exact and one-sided, at {CONFIDENCE:.0%} (Clopper and Pearson). Without a failure, n jobs
  support about 1 - 3/n (the rule of three). A share is *held* when the lower bound is as high, *refuted* when
  the upper one is lower, and else *undecided*. Of fewer than {PERCENTILES_FROM} times no percentile is told.

Made by `python -m bench campaign --keep` on real processes, and with `--world sim` in virtual time with the
periods of production. Both go on where they were interrupted.
"""


def page(processes: Campaign | None, sim: Campaign | None) -> str:
    """The whole page."""
    parts = [head(), "## On real processes\n", *_of(processes)]
    parts += ["## In the sim, with the periods of production\n", _SIM, *_of(sim)]
    return "\n".join(parts).rstrip() + "\n"


_SIM: Final = """\
The same drawing without links, which the sim does not have, and without clients whose upload has to run out.
Every period of the service is its default, and who is away is away for 30 times as long. Stages are fakes
that take some tenths of a second, so times are those of the recovery alone: real minutes, not scaled.
"""


def _of(found: Campaign | None) -> Iterator[str]:
    if found is None:
        yield "Not measured since it is drawn this way.\n"
        return
    yield from (
        f"Seen {found.date} at commit `{found.commit or '?'}`, seed {found.seed}, in {found.runs} runs:",
        f"{seen(found)}.",
        "",
        "| | jobs |",
        "|---|---|",
        f"| in all | {found.jobs} |",
        *(f"| excluded: {why} | {count} |" for why, count in found.excluded.items()),
        f"| valid | {found.valid} |",
        f"| … in runs where no fault was drawn | {_part(found.valid_without_fault, found.valid)} |",
        f"| … hit by a fault, or claimed again | {_part(found.hit, found.valid)} |",
        f"| … succeeded | {_part(found.succeeded, found.valid)} |",
        *(f"| … ended otherwise: {end} | {count} |" for end, count in found.failures.items()),
        f"| of a broken promise (stuck, lost, doubled, …) | {found.bad} |",
        "",
        _runs(found),
        "",
        *(f"- {_supported(found, share)}" for share in ASKED),
        f"- {_recovery(found)}",
        "",
    )


def _runs(found: Campaign) -> str:
    return (
        f"{found.faults_landed} faults landed. In {found.missed_runs} runs one met nobody, mostly since the "
        f"job that it waited for had ended. {found.failed_runs} runs broke a promise{_named(found.broken)}; "
        f"{found.unjudged_runs} came to no end of their own, and their jobs are not counted."
    )


def _part(count: int, of: int) -> str:
    return f"{count} ({count / of:.2%})" if of else "0"


def _named(broken: Mapping[str, int]) -> str:
    return f" ({', '.join(f'{name} {count}' for name, count in broken.items())})" if broken else ""


def seen(found: Campaign) -> str:
    """How many valid jobs it saw of those that a whole one has, and that it is none where it is not."""
    cut = ": cut short" if found.valid < PLANNED else ""
    return f"{found.valid} of {PLANNED} planned valid jobs{cut}"


def _supported(found: Campaign, share: float) -> str:
    good, of = found.succeeded, found.valid
    word = judge(share, good, of)
    takes = f", and {needed(share)} without a failure support it" if good == of and word != "held" else ""
    asked = f"{share:.1%}".replace(".0%", "%")
    return (
        f"At least {asked} succeed: **{word}**. Seen {_part(good, of)} of {of}; by the bounds at least "
        f"{share_least(good, of):.2%} and at most {share_most(good, of):.2%}{takes}."
    )


def _recovery(found: Campaign) -> str:
    least = share_least(found.recovered, found.hit)
    return (
        f"Of the jobs that were hit {_part(found.recovered, found.hit)} recovered "
        f"(at least {least:.2%} supported): {took(found)}."
    )


def took(found: Campaign) -> str:
    """How long those took that recovered; percentiles only of enough of them."""
    most = f"at most {minutes(found, found.recovery_max_s)}"
    if not found.percentiles:
        return f"{most}, of too few for percentiles" if found.recovered else "no time to tell"
    median, p99 = minutes(found, found.recovery_median_s), minutes(found, found.recovery_p99_s)
    return f"median {median}, p99 {p99}, {most}"


def minutes(found: Campaign, seconds: float) -> str:
    """In real minutes: what is shortened is multiplied by its factor, and says so."""
    if found.factor == 1:
        return f"{seconds / 60:.1f} minutes"
    return f"{seconds:.1f} s (x {found.factor:g}: {seconds * found.factor / 60:.1f} minutes)"
