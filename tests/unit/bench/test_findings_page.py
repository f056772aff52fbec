"""docs/findings.md: what runs showed, joined with what no run can know."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench import exploring, seen
from bench.explanations import Explanation, explanations
from bench.findings_page import anchor, fault, joined, later, page, thread
from bench.seen import Case, Explored, Seen, Trial

BRPOP = "kill at worker.broker BRPOP celery, on its reply"
ENTRY = """\
- finding: Jobs get lost
  configurations: [defaults]
  class: lost
  shown_by: [worker-killed]
  documented: >
    That they
    do not.
  page: https://example.org
"""


def explanation(**facts: Any) -> Explanation:
    usual: dict[str, Any] = {
        "target": "celery-redis", "title": "Jobs get lost", "configurations": ("defaults",), "kind": "lost",
        "shown_by": ("worker-killed", "kill at worker.broker BRPOP*"), "documented": "That they do not.",
        "page": "https://example.org",
    }  # fmt: skip
    return Explanation(**{**usual, **facts})


def of_celery(*cases: Case, explored: tuple[Explored, ...] = ()) -> dict[str, Seen]:
    versions = {"celery": "5.6.3", "Redis": "7.0.15"}
    one = Seen(target="celery-redis", date="2026-01-02", versions=versions, cases=cases, explored=explored)
    return {"celery-redis": one}


def case(title: str = "worker-killed", verdict: str = "fail", **facts: Any) -> Case:
    usual: dict[str, Any] = {"configuration": "defaults", "cell": "2 lost, 1 ok", "broken": ("lost",)}
    return Case(title=title, verdict=verdict, **{**usual, **facts})


def exploration(*trials: Trial, **facts: Any) -> Explored:
    usual: dict[str, Any] = {
        "configuration": "defaults", "settings": "", "trials": 20, "landed": 19, "uncovered": 1,
        "classes": {"ok": 17, "lost": 1, "doubled": 1}, "took_s": 57.0,
    }  # fmt: skip
    return Explored(**{**usual, **facts}, broken=trials)


def test_a_finding_has_all_that_a_reader_asks_for() -> None:
    """Version, configuration, fault, class, command, documentation and thread, in that order."""
    told = explanation(cause="It is so.", upstream=("https://github.com/celery/kombu/issues/305",))
    places = exploration(Trial(at=BRPOP, word="lost"))
    text = page(of_celery(case(), explored=(places,)), [told])
    chapter = text.partition("## Celery on Redis\n")[2]
    lines = " ".join(chapter.split())
    wanted = [
        "celery 5.6.3, Redis 7.0.15; 2026-01-02.",
        "### Jobs get lost",
        "- **Fault**: A worker and all of its processes are killed",
        f"- **Class**: *lost*; seen: defaults: `worker-killed` (2 lost, 1 ok), `{BRPOP}` (lost)",
        "- **Shown by**: `unstuck run worker-killed --target celery-redis`",
        "- **Documentation**: That they do not. ([page](https://example.org))",
        "- **Cause**: It is so.",
        "- **Upstream**: [celery/kombu#305](https://github.com/celery/kombu/issues/305)",
    ]
    places_of = [lines.index(one) for one in wanted]
    assert places_of == sorted(places_of)
    assert "| [Jobs get lost](#jobs-get-lost) | lost |  | defaults |" in text
    assert "Not yet explained" not in text


def test_what_no_run_shows_is_left_out() -> None:
    """Another class, another configuration or another place is no evidence."""
    seen_now = of_celery(
        case(broken=("stuck",)),
        case(configuration="reliable"),
        case(title="broker-down"),
    )
    found = joined(seen_now, [explanation()])
    assert found.shown == ()
    assert found.unshown == (explanation(),)
    assert "Jobs get lost" not in page(seen_now, [explanation()])


def test_a_broken_promise_without_an_entry_is_not_hidden() -> None:
    """It is listed with its command, whatever it turns out to be."""
    text = page(of_celery(case("sigterm[scope=tree]", configuration="reliable", broken=("stuck",))), [])
    assert "## Not yet explained" in text
    command = "unstuck run sigterm --target celery-redis --case scope=tree --configuration reliable"
    assert f"`{command}`" in text


def test_each_class_of_a_run_needs_an_entry() -> None:
    """One that explains the lost jobs says nothing of the stuck ones."""
    found = joined(of_celery(case(broken=("lost", "stuck"))), [explanation()])
    assert [one.kind for one in found.unexplained] == ["stuck"]


def test_it_says_how_much_was_tried() -> None:
    """What was judged, and what of it kept every promise; what did not apply is not counted."""
    reliable = case(verdict="pass", configuration="reliable", broken=())
    unclear = case("child-killed", "inconclusive", configuration="reliable", broken=())
    trials = exploration(Trial(at=BRPOP, word="lost"), configuration="reliable", landed=20)
    text = page(of_celery(case(), reliable, unclear, explored=(trials,)), [explanation()])
    name = "[Celery on Redis](targets/celery-redis.md)"
    assert f"| {name} | defaults | 0 of 1 |  |\n| {name} | reliable | 1 of 1 | 19 of 20 |\n" in text


def test_the_smallest_place_comes_first() -> None:
    """An entry names its places in that order, and its first one that was seen is the one to run."""
    told = explanation(shown_by=("kill at worker.broker BRPOP*", "worker-killed"))
    seen_now = of_celery(case(), explored=(exploration(Trial(at=BRPOP, word="lost"), settings="lease_s=2"),))
    first = joined(seen_now, [told]).shown[0].places[0]
    words = "unstuck explore --target celery-redis --points --modes kill --link worker.broker"
    assert first.command == f"{words} --setting lease_s=2"
    assert "killed (SIGKILL), at `BRPOP celery` on the link worker.broker, on its reply." in fault(first)


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        (["1 stuck (expected after 900 s)", "1 stuck (rescued after 68 s), 1 ok"], "rescued after 68 s"),
        (["1 stuck, never started (expected after 900 s)"], "expected after 900 s"),
        (["1 stuck, never started (never), 2 ok"], "never"),
        (["1 stuck, never started, 2 ok"], ""),
        (["2 lost, 1 stuck (never)"], "never"),
        (["1 done but failed, 2 ok"], ""),
        (["stuck (queued, expected after 3700 s, in lease)"], "expected after 3700 s"),
    ],
)
def test_what_came_later_is_told_apart(cells: list[str], told: str) -> None:
    """Who reads *stuck* has to know for how long: seen before declared, and both before never."""
    stuck = [case(cell=cell, broken=("stuck",)) for cell in cells]
    [shown] = joined(of_celery(*stuck), [explanation(kind="stuck")]).shown
    assert later(shown) == told


def test_what_came_later_is_of_the_class_itself() -> None:
    """A stuck job of the same run says nothing of one that was done."""
    told = "job: 1 done not terminal, 2 stuck (expected after 311 s); later: 2 ok"
    done = case(cell=told, broken=("done_not_terminal",))
    [shown] = joined(of_celery(done), [explanation(kind="done_not_terminal")]).shown
    assert later(shown) == ""


def test_a_long_transaction_is_told_by_its_beginning() -> None:
    """RQ's have a dozen commands; two tell them apart."""
    at = "kill at worker.broker EXEC: HSET a, EXPIRE b, ZADD c, before it goes on"
    text = page(of_celery(explored=(exploration(Trial(at=at, word="lost")),)), [])
    assert "`kill at worker.broker EXEC: HSET a, EXPIRE b, …, before it goes on` (lost)" in text


def test_what_was_seen_is_kept_as_it_was(tmp_path: Path) -> None:
    """A file that is written and read says the same; without a file nothing was seen."""
    assert seen.read(tmp_path / "seen.json") == {}
    now = of_celery(case(), explored=(exploration(Trial(at=BRPOP, word="lost", note="in lease")),))
    seen.write(now, tmp_path / "seen.json")
    assert seen.read(tmp_path / "seen.json") == now


def test_an_entry_with_a_wrong_key_is_refused(tmp_path: Path) -> None:
    """Too many or too few: a typing error would be a claim that nobody holds against a run."""
    (tmp_path / "rq.yaml").write_text(ENTRY, encoding="utf-8")
    [one] = explanations(tmp_path)
    assert (one.target, one.documented, one.upstream) == ("rq", "That they do not.", ())
    for wrong in (ENTRY.replace("page:", "pages:"), ENTRY.partition("  page:")[0]):
        (tmp_path / "rq.yaml").write_text(wrong, encoding="utf-8")
        with pytest.raises(ValueError, match=r"finding 1: .*page"):
            explanations(tmp_path)


def test_an_exploration_is_read_from_its_folder(tmp_path: Path) -> None:
    """Each trial that broke a promise, where and how; notes without fractions, which no two runs share."""
    cells = [
        {"mode": "kill", "word": "stuck", "verdict": "fail", "note": "queued, expected after 3.7 s"},
        {"mode": "pause", "word": "ok", "verdict": "pass", "note": ""},
        {"mode": "cut", "word": "not covered", "verdict": "inconclusive", "note": "it never fired"},
    ]
    row = {"link": "worker.broker", "message": "BRPOP celery", "place": "on its reply", "cells": cells}
    folder = tmp_path / "explore-rq-defaults/some"
    folder.mkdir(parents=True)
    said = {"rows": [row], "uncovered": [["a", "b"]], "duration_s": 41.7}
    (folder / "points.json").write_text(json.dumps(said), encoding="utf-8")
    one = exploring.explore(tmp_path, "rq", "defaults")
    assert (one.trials, one.landed, one.uncovered, one.took_s) == (3, 2, 1, 42)
    assert one.classes == {"stuck": 1, "ok": 1}
    assert one.broken == (Trial(at=BRPOP, word="stuck", note="queued, expected after 4 s"),)


@pytest.mark.parametrize(
    ("target", "configuration", "budget"),
    [
        (
            "procrastinate",
            "reliable",
            ["--budget-s", "29"],
        ),  # it says that it takes up what was dropped in 12 s
        ("celery-redis", "defaults", []),  # in 3700 s: nobody waits for that
        ("celery-redis", "reliable", ["--budget-s", "15"]),  # explored with a lease of 2 s
    ],
)
def test_a_system_that_helps_itself_soon_gets_the_time(
    target: str, configuration: str, budget: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a sound configuration would look stuck; and what could not be explored is an error."""
    called: list[list[str]] = []

    def run(words: list[str], **_: Any) -> SimpleNamespace:
        called.append(words)
        return SimpleNamespace(stdout="", stderr="no redis-server was found")

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(RuntimeError, match="no redis-server"):
        exploring.explore(tmp_path, target, configuration)
    [words] = called
    assert words[words.index("--budget-s") :] == budget if budget else "--budget-s" not in words


def test_the_table_of_explorations_has_a_row_for_each() -> None:
    """What was broken; else what was neither broken nor ok."""
    sound = exploration(
        configuration="reliable",
        settings="lease_s=2",
        landed=20,
        uncovered=0,
        classes={"ok": 18, "doubled": 2},
    )
    rows = exploring.table(of_celery(explored=(exploration(Trial(at=BRPOP, word="lost")), sound)).values())
    assert rows.splitlines()[2:] == [
        "| celery-redis | 19 of 20, 1 not covered | 1 lost | 57 s |",
        "| celery-redis, reliable, `--setting lease_s=2` | 20 of 20 | nothing (2 doubled) | 57 s |",
    ]
    text = f"a\n{exploring.BEGIN}\nold\n{exploring.END}\nb\n"
    assert exploring.renewed(text, ()).startswith(f"a\n{exploring.BEGIN}\n\n| target |")
    with pytest.raises(ValueError, match="needs the lines"):
        exploring.renewed("a page without marks", ())


def test_links_are_as_readers_know_them() -> None:
    """Headings as anchors, threads as repository and number; what is no thread stays an address."""
    assert anchor("What a worker had put aside, again") == "what-a-worker-had-put-aside-again"
    assert thread("https://github.com/rq/rq/pull/2466") == "rq/rq#2466"
    assert thread("https://example.org/1") == "https://example.org/1"
