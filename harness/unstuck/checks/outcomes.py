"""Jobs end as the scenario says they must."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from unstuck.checks.port import Evidence, PropertyResult
from unstuck.checks.result import conclude
from unstuck.checks.story import JobStory, Story
from unstuck.scenario import CANONICAL_STATES

NAME = "outcomes"
PROMISE = "As many jobs end in each state, and for the reasons, as the scenario says."
PARAMETERS: Mapping[str, tuple[type, ...]] = {"*": (dict,)}

BOUNDS = ("exactly", "at_least", "at_most")


def check(story: Story, params: Mapping[str, Any]) -> PropertyResult:
    """Each parameter is a state or a tag of uploads, and says how many: `exactly`, `at_least`, `at_most`.

    `reason` narrows to jobs that ended for it. Under a tag, `state` is what its jobs end in; without a
    number, all of them.
    """
    jobs = list(story.jobs.values())
    broken: list[Evidence] = []
    unclear: list[Evidence] = []
    judged = 0
    for name, rule in params.items():
        of_tag = name not in CANONICAL_STATES
        among = [job for job in jobs if job.tag == name] if of_tag else jobs
        if of_tag and not among:
            unclear.append(Evidence(job=None, message=f"no job has the tag {name!r}"))
            continue
        judged += len(among) if of_tag else 1
        wanted = {**rule} if of_tag else {"state": name, **rule}
        message = _fault(name, wanted, among)
        if message is None:
            continue
        events = tuple(number for job in among if not _fits(job, wanted) for number in job.last_event)
        evidence = Evidence(job=None, message=message, events=events[:20])
        (broken if story.run.played_out else unclear).append(evidence)
    return conclude(
        NAME,
        judged=judged,
        summary=_count(jobs),
        broken=broken,
        unclear=unclear,
        figures=dict(Counter(job.state or "unknown" for job in jobs)),
    )


def _fits(job: JobStory, wanted: Mapping[str, Any]) -> bool:
    state, reason = wanted.get("state", job.state), wanted.get("reason", job.reason)
    return bool(job.state == state and job.reason == reason)


def _unheard_of(job: JobStory) -> bool:
    """1. A client announces an upload, 2. the job is made, 3. the answer is lost, 4. the client asks again.

    The first job waits for an upload that nobody will make, and expires: it is one too many for no fault of
    the service.
    """
    return job.acknowledged is None and job.state in {"awaiting_upload", "expired"}


def _fault(name: str, wanted: Mapping[str, Any], among: Sequence[JobStory]) -> str | None:
    fitting = [job for job in among if _fits(job, wanted)]
    count, least = len(fitting), sum(not _unheard_of(job) for job in fitting)
    others = sum(not _unheard_of(job) for job in among if job not in fitting)
    bounds = {word: wanted[word] for word in BOUNDS if word in wanted} or {"exactly": count + others}
    exactly = bounds.get("exactly", count)
    if (
        least <= exactly <= count
        and count >= bounds.get("at_least", count)
        and least <= bounds.get("at_most", least)
    ):
        return None
    rule = " and ".join(f"{word.replace('_', ' ')} {number}" for word, number in bounds.items())
    what = " ".join(str(wanted[word]) for word in ("state", "reason") if word in wanted)
    return f"{name}: {count} jobs {what}, not {rule} (there are {_count(among)})"


def _count(jobs: Sequence[JobStory]) -> str:
    """`6 succeeded, 1 failed (crashed)`."""
    counts = Counter(
        f"{job.state or 'unknown'} ({job.reason})" if job.reason else (job.state or "unknown") for job in jobs
    )
    return ", ".join(f"{count} {what}" for what, count in sorted(counts.items())) or "no jobs"
