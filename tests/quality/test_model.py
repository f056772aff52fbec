"""Holds the checks to a simple model of their own: any events, legal or not, and the same verdicts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from reference_service.domain import LEGAL_MOVES
from tests.quality.lives import healthy
from unstuck.checks import PROPERTIES
from unstuck.checks.port import Verdict
from unstuck.checks.story import Story
from unstuck.history import Event, History

LEGAL = LEGAL_MOVES - {("queued", "awaiting_upload")}  # legal only for one that was queued by hand
JOBS = ("j-1", "j-2")
STATES = ("awaiting_upload", "queued", "active", "succeeded", "failed", "cancelled", "expired")
ENDS = STATES[3:]

Rows = Sequence[Event]
small = st.integers(0, 3)
state = st.sampled_from(STATES)
job = st.sampled_from(JOBS)


def of(kind: str, phase: str | None = None, **facts: st.SearchStrategy[Any]) -> st.SearchStrategy[Event]:
    names = {name.rstrip("_"): value for name, value in facts.items()}
    return st.builds(
        lambda job, data: Event(0, 0, kind, phase, job, None, data), job, st.fixed_dictionaries(names)
    )


an_event = st.one_of(
    of("transition", from_=st.none() | state, to=state, attempt=small, token=small),
    of("transition", from_=st.none() | state, to=state, attempt=small, token=small),
    of("effect", key=st.sampled_from("ab"), attempt=small, token=small, applied=st.booleans()),
    of("outcome", state=st.none() | state, held=st.none() | st.sampled_from(("lease", "queue"))),
    of(
        "said",
        "attempt",
        attempt=small,
        token=small,
        outcome=st.sampled_from(("handed_back", "lost", "failed")),
    ),
    of("op", "ok", id=st.uuids().map(str), action=st.just("initiate_upload")),
)
budget = Event(0, 0, "run", "budget")
ended = st.sampled_from(("settled", "budget", "interrupted")).map(
    lambda reason: (Event(0, 0, "run", "end", None, None, {"reason": reason}),)
)


@st.composite
def anything(draw: st.DrawFn) -> History:
    """Any events in any order, each a second after the other, in a run with a long budget."""
    events = (*draw(st.lists(an_event, max_size=12)), *draw(st.just(()) | ended))
    return History(tuple(e._replace(number=n, at_ns=n * 10**9) for n, e in enumerate(events)))


def chains(rows: Rows) -> dict[str, list[Event]]:
    found: dict[str, list[Event]] = {}
    for row in rows:
        if row.kind == "transition" and row.job is not None:
            found.setdefault(row.job, []).append(row)
    return found


def last_state(rows: Rows, name: str) -> str | None:
    moved: list[str] = [row.data["to"] for row in rows if row.kind == "transition" and row.job == name]
    looked: list[str | None] = [
        row.data["state"] for row in rows if row.kind == "outcome" and row.job == name
    ]
    return moved[-1] if moved else looked[-1] if looked else None


def played_out(rows: Rows) -> bool:
    return any(row.kind == "run" and row.data.get("reason") in ("settled", "budget") for row in rows)


def named(rows: Rows) -> set[str]:
    return {row.job for row in rows if row.job is not None}


def verdict(*, judged: bool, broken: bool, unclear: bool = False) -> Verdict:
    if broken:
        return Verdict.FAIL
    return Verdict.PASS if judged and not unclear else Verdict.INCONCLUSIVE


def model_every_job_terminal(rows: Rows) -> Verdict:
    """A job that is not terminal at the end breaks the promise if the run was played out."""
    open_jobs = [name for name in named(rows) if last_state(rows, name) not in ENDS]
    over = played_out(rows)
    return verdict(judged=bool(named(rows)), broken=bool(open_jobs) and over, unclear=bool(open_jobs))


def model_no_job_lost(rows: Rows) -> Verdict:
    """What a client was told of is, by the last look at it, ended or held."""
    told = {row.job for row in rows if row.kind == "op"}
    looks = {row.job: row.data for row in rows if row.kind == "outcome"}
    lost = [n for n in told if n in looks and looks[n]["state"] not in ENDS]
    lost = [n for n in lost if looks[n]["state"] is None or looks[n]["held"] is None]
    unseen = [n for n in told if n not in looks and n and last_state(rows, n) not in ENDS]
    broken = bool(lost) or (bool(unseen) and played_out(rows))
    return verdict(judged=bool(told), broken=broken, unclear=bool(unseen))


def model_terminal_is_final(rows: Rows) -> Verdict:
    """In the list of a job's states, a terminal one stands at the end only."""
    states = [[row.data["to"] for row in chain] for chain in chains(rows).values()]
    judged = any(set(chain) & set(ENDS) for chain in states)
    return verdict(judged=judged, broken=any(set(chain[:-1]) & set(ENDS) for chain in states))


def model_legal_transitions(rows: Rows) -> Verdict:
    """Moves are links of one chain, all in the service's own table, and tokens are as they must be."""
    broken = False
    for chain in chains(rows).values():
        befores = [row.data["from"] for row in chain]
        broken |= befores != [None, *(row.data["to"] for row in chain)][:-1]
        broken |= any((row.data["from"], row.data["to"]) not in LEGAL for row in chain)
        tokens = [row.data["token"] for row in chain if row.data["to"] == "active"]
        broken |= tokens != sorted(set(tokens))
        held: list[int] = []
        for row in chain:
            if row.data["to"] == "active":
                held = [row.data["token"]]
            elif row.data["from"] == "active":
                broken |= held not in ([], [row.data["token"]])
    return verdict(judged=bool(chains(rows)), broken=broken)


def model_effects(rows: Rows) -> Verdict:
    """Applied once for each job that succeeded, and never for another one."""
    broken = unclear = judged = False
    for name in named(rows):
        effects = [row for row in rows if row.kind == "effect" and row.job == name]
        times = sum(row.data["applied"] for row in effects)
        end = last_state(rows, name)
        judged |= bool(effects) or end == "succeeded"
        if times > 1:
            broken = True
        elif end is None and effects:
            unclear = True
        elif times != (end == "succeeded"):
            certain = played_out(rows) or (times == 1 and end in ENDS)
            broken |= certain
            unclear |= not certain
    return verdict(judged=judged, broken=broken, unclear=unclear)


def model_attempts_bounded(rows: Rows) -> Verdict:
    """Claims that nobody handed back are at most three, beside five that were lost."""
    judged = broken = unclear = False
    for name, chain in chains(rows).items():
        said = {r.data["token"]: r.data["outcome"] for r in rows if r.phase == "attempt" and r.job == name}
        claims = [said.get(row.data["token"], "?") for row in chain if row.data["to"] == "active"]
        judged |= bool(claims)
        counted = claims.count("failed") + max(0, claims.count("lost") - 5)
        broken |= counted > 3
        unclear |= counted + claims.count("?") > 3
    return verdict(judged=judged, broken=broken, unclear=unclear)


MODELS: dict[str, Callable[[Rows], Verdict]] = {
    "every_job_terminal": model_every_job_terminal,
    "no_job_lost": model_no_job_lost,
    "terminal_is_final": model_terminal_is_final,
    "legal_transitions": model_legal_transitions,
    "effects": model_effects,
    "attempts_bounded": model_attempts_bounded,
}


def agree(history: History) -> None:
    story = Story(history)
    checked = {p.NAME: p.check(story, {}).verdict for p in PROPERTIES if p.NAME in MODELS}
    assert checked == {name: model(history.events) for name, model in MODELS.items()}


def attempted(lost: int, failed: int) -> History:
    """A job that is claimed so often, one token after the other, and what the log says of each claim."""
    rows: list[Event] = []
    for token in range(1, lost + failed + 1):
        facts = {"attempt": token, "token": token}
        outcome = "lost" if token <= lost else "failed"
        rows.append(Event(0, 0, "transition", None, "j", None, {"from": "queued", "to": "active", **facts}))
        rows.append(Event(0, 0, "said", "attempt", "j", None, {"outcome": outcome, **facts}))
    return History(tuple(row._replace(number=n, at_ns=n * 10**9) for n, row in enumerate(rows)))


@settings(derandomize=True, database=None, deadline=None, max_examples=300)
@given(anything())
@example(attempted(lost=5, failed=3))
@example(attempted(lost=5, failed=4))
@example(attempted(lost=8, failed=0))
@example(attempted(lost=9, failed=0))
def test_checks_agree_with_the_model_on_anything(history: History) -> None:
    """On events in any order, most of them nonsense, check and model come to the same verdict."""
    agree(history)


@settings(derandomize=True, database=None, deadline=None, max_examples=50)
@given(healthy)
def test_checks_agree_with_the_model_on_healthy_histories(history: History) -> None:
    """On what a sound service leaves, too."""
    agree(history)


@settings(derandomize=True, database=None, deadline=None, max_examples=200)
@given(anything())
def test_no_check_crashes_on_anything(history: History) -> None:
    """Every property has a verdict for every history."""
    story = Story(history)
    for each in PROPERTIES:
        result = each.check(story, {})
        assert result.name == each.NAME
        assert (result.verdict is Verdict.PASS) <= (result.judged > 0)
        assert (result.verdict is Verdict.FAIL) <= bool(result.evidence)
