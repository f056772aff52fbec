"""Pages for browsers: self-contained, safe, small, with what one looks for first on the first screen."""

from __future__ import annotations

import re
import time
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tests.tooling.repository import ROOT
from tests.unit.report.made_up import recorded, scenario
from tests.unit.report.test_files import EVIL
from tests.unit.report.test_screens import gate
from unstuck.errors import ExitCode
from unstuck.report.broken import IN_FULL
from unstuck.report.group import Group, ProofLine, RunLine
from unstuck.report.group_page import group_html
from unstuck.report.markdown import group_markdown
from unstuck.report.model import Recovery
from unstuck.report.overview import _joined
from unstuck.report.places import Places, place
from unstuck.report.plots import recovery_svg
from unstuck.report.run_page import run_html
from unstuck.report.text import run_sheet
from unstuck.report.text_group import group_sheet

VOID = {"meta", "br", "rect", "line", "path", "circle", "input", "wbr"}
ALL = [{}, {"stuck": 2}, {"lands": False}, {"jobs": 1, "lands": False}, {"jobs": 120, "stuck": 9}]


class Page(HTMLParser):
    """Collects what a browser would fetch, run or jump to, and checks that elements are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.words: list[str] = []
        self.scripts: list[str] = []
        self.styles: list[str] = []
        self.policy = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []
        assert len(self.ids) == len(set(self.ids))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src", "xlink:href")]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.styles += [value or "" for name, value in attrs if name == "style"]
        assert not any(name.startswith("on") for name, _ in attrs), attrs
        if tag == "meta" and ("http-equiv", "Content-Security-Policy") in attrs:
            self.policy = dict(attrs)["content"] or ""
        if tag != "meta":
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in VOID
        self.handle_starttag(tag, attrs)
        if tag != "meta":
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        (self.scripts if self._open[-1:] == ["script"] else self.words).append(data)


def script_hashes(page: Page) -> list[str]:
    """The scripts as a browser hashes them: the text between the tags."""
    return [f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'" for text in page.scripts]


@pytest.mark.parametrize("how", ALL)
def test_the_page_asks_nothing_of_the_network(tmp_path: Path, how: dict[str, Any]) -> None:
    """No image, no style sheet, no frame; links lead into the folder or to a place that the page has."""
    _, line = recorded(tmp_path, **how)
    page = Page(run_html(line))
    assert not {"img", "iframe", "link", "object", "embed", "base", "form"} & set(page.tags)
    assert "default-src 'none'" in page.policy
    for link in page.links:
        assert re.fullmatch(r"logs/[\w.-]+", link) or link.removeprefix("#") in page.ids, link


@pytest.mark.parametrize("how", [{}, {"stuck": 2}])
def test_only_our_scripts_may_run(tmp_path: Path, how: dict[str, Any]) -> None:
    """Each by its hash, which a browser would compute the same; `unsafe` is said of styles only."""
    _, line = recorded(tmp_path, **how)
    page = Page(run_html(line))
    allowed = re.search(r"script-src ([^;]+)", page.policy)
    assert allowed is not None
    assert allowed[1].split() == script_hashes(page)
    assert len(page.scripts) == 2


def test_nothing_from_outside_becomes_markup(tmp_path: Path) -> None:
    """A job, a scenario and its summary named like a script are shown as they are, and are in no script."""
    evil = scenario(summary=EVIL)
    _, line = recorded(tmp_path, of=evil, stuck=1, name=f"</script></style>{EVIL}")
    _, harmless = recorded(tmp_path)
    page = Page(run_html(line))
    assert page.scripts == Page(run_html(harmless)).scripts
    assert page.tags.count("script") == len(page.scripts)
    assert not any("evil" in link for link in (*page.links, *page.ids))
    assert any(EVIL in word for word in page.words)


def test_styles_hold_numbers_of_ours_only(tmp_path: Path) -> None:
    """What a state, a stage or a job is called is never part of a style."""
    _, line = recorded(tmp_path, stuck=1, name="j;background:url(http://evil)")
    for style in Page(run_html(line)).styles:
        assert re.fullmatch(r"(--[\w]+:[\d.]+;?)+|width:\d+%", style), style


def test_five_hundred_jobs_are_a_page_soon(tmp_path: Path) -> None:
    """In less than two seconds of CPU, and less than a megabyte."""
    _, line = recorded(tmp_path, jobs=500, stuck=20)
    before_s = time.process_time()
    text = run_html(line)
    assert time.process_time() - before_s < 2
    assert len(text.encode()) < 1_000_000
    Page(text)


def test_a_failure_answers_the_four_questions_before_the_timeline(tmp_path: Path) -> None:
    """Which job, where it stopped, who held it, what should have moved it on."""
    _, line = recorded(tmp_path, stuck=2)
    before = run_html(line).partition('<div class="timeline">')[0]
    words = Page(before.partition("<body>")[2].partition("<main>")[2].rpartition("<h2>")[0]).words
    asked = words.index("which job")
    assert words[asked : asked + 8] == [
        "which job",
        "j-2",
        "where it stopped",
        "active, stage scenes, since 0.42 s",
        "who held it",
        "worker-2 (attempt 1, token 1), which ended at 1.1 s: SIGKILL",
        "what should have moved it on",
        "the sweeper once the lease has expired",
    ]


def test_evidence_leads_to_its_place(tmp_path: Path) -> None:
    """Each event that shows a broken promise is marked in its job's lane, at its time."""
    _, line = recorded(tmp_path, stuck=2)
    assert line.summary is not None
    text = run_html(line)
    first = line.summary.broken[0]
    assert first.marks
    lane = text.partition(f'id="{Places(line.summary).job(first.job)}"')[2].partition("</div></div>")[0]
    assert f'<u id="mark-0-0" style="--a:{place(first.marks[0].at_s)}"' in lane
    assert 'href="#mark-0-0"' in text


def test_evidence_without_a_lane_has_one_of_its_own(tmp_path: Path) -> None:
    """An event of the run itself belongs to no job and no process."""
    _, line = recorded(tmp_path, stuck=1)
    assert line.summary is not None
    item = line.summary.broken[0]
    of_the_run = tuple(replace(mark, job=None, process=None) for mark in item.marks)
    summary = replace(line.summary, broken=(replace(item, marks=of_the_run),))
    text = run_html(replace(line, summary=summary))
    assert text.partition('id="run"')[2].partition("</div></div>")[0].count("<u ") == len(of_the_run)


def test_a_run_in_which_all_is_broken_tells_some_and_counts_the_rest(tmp_path: Path) -> None:
    """The page stays one that can be read; the verdict's file has them all."""
    _, line = recorded(tmp_path, jobs=120, stuck=60)
    assert line.summary is not None
    words = Page(run_html(line)).words
    rest = len(line.summary.broken) - IN_FULL
    assert f"… and {rest} more; verdict.json has them all." in words


def test_jobs_with_a_broken_promise_come_first(tmp_path: Path) -> None:
    """And can be shown alone."""
    _, line = recorded(tmp_path, stuck=2)
    text = run_html(line)
    kinds = re.findall(r'class="row (job[ \w]*)"', text)
    assert kinds == ["job broken"] * 2 + ["job"] * 4
    assert "with a broken promise (2)" in text


def test_a_stage_ends_where_the_next_begins(tmp_path: Path) -> None:
    """The last one where the job leaves the attempt, so that a second attempt begins anew."""
    _, line = recorded(tmp_path, jobs=2)
    lane = run_html(line).partition('id="job-1"')[2].partition("</div></div>")[0]
    stages = re.findall(r'<s style="--a:([\d.]+);--b:([\d.]+)">(\w+)</s>', lane)
    active = re.findall(r's-active" style="--a:([\d.]+);--b:([\d.]+)"', lane)
    assert [name for _, _, name in stages] == [
        "inspect", "frames", "scenes", "captions", "thumbnails", "stitch", "publish",
    ]  # fmt: skip
    assert [end for _, end, _ in stages[:2]] == [begin for begin, _, _ in stages[1:3]]
    assert (stages[2][1], stages[6][1]) == (active[0][1], active[1][1])


def test_a_stage_of_somebody_who_lost_the_job_is_shown_as_such(tmp_path: Path) -> None:
    """It began after the job had ended: no attempt has it."""
    _, line = recorded(tmp_path, jobs=2)
    assert line.summary is not None
    job = line.summary.jobs[0]
    late = replace(job, stages=(*job.stages, (line.summary.duration_s - 0.2, "scenes")))
    assert 'class="late"' not in run_html(line)
    text = run_html(replace(line, summary=replace(line.summary, jobs=(late, *line.summary.jobs[1:]))))
    assert text.count('class="late"') == 1


def test_recovery_times_are_those_of_the_property(tmp_path: Path) -> None:
    """The page's distribution and `recovery_within` measure the same jobs from the same moments."""
    _, line = recorded(tmp_path, jobs=20)
    assert line.summary is not None
    told = line.summary
    assert len(told.recoveries) == 10
    assert max(one.claim_s or 0 for one in told.recoveries) == told.recovery["claim_max_s"]
    assert max(one.terminal_s or 0 for one in told.recoveries) == told.recovery["terminal_max_s"]
    assert told.terminal_budget_s == 10.0
    assert told.claim_budget_s is None


@pytest.mark.parametrize(
    ("values_s", "budget_s", "over", "beyond"),
    [
        ([1.0, 3.0], 2.0, 1, False),
        ([1.0, 1.5], 2.0, 0, False),
        ([0.1, 0.2], 60.0, 0, True),
        ([0.0], None, 0, False),
    ],
)
def test_recovery_is_shown_against_its_budget(
    values_s: list[float], budget_s: float | None, over: int, beyond: bool
) -> None:
    """What is over it is marked; a budget far away is told, not drawn, since it would hide the rest."""
    picture = recovery_svg(values_s, budget_s, "x")
    assert picture.count("column over") == over
    assert ("beyond the right edge" in picture) is beyond


def test_a_job_that_was_never_claimed_again_is_counted_as_such(tmp_path: Path) -> None:
    """Not left out of the whole."""
    _, line = recorded(tmp_path, jobs=20, stuck=3)
    assert line.summary is not None
    stuck = [one for one in line.summary.recoveries if one.terminal_s is None]
    assert stuck == [
        Recovery(job=job, fault=0, claim_s=None, terminal_s=None) for job in ("j-2", "j-4", "j-6")
    ]
    assert " 7 of 10" in Page(run_html(line)).words


def test_memory_is_shown_against_the_limit(tmp_path: Path) -> None:
    """For each process that has one."""
    _, line = recorded(tmp_path)
    words = Page(run_html(line)).words
    assert " 300 MiB of 512 MiB at most" in words
    assert words.count("limit 512 MiB") == 2


def test_strokes_that_overlap_are_one_in_the_overview() -> None:
    """A hundred at once would hide the jobs below."""
    assert _joined([(3.0, 9.0), (1.0, 2.0), (4.0, 5.0), (8.0, 10.0)]) == [(1.0, 2.0), (3.0, 10.0)]
    assert _joined([]) == []


def test_the_page_of_a_group_links_to_each_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a relative path, so that the folder can be moved; its only script is ours."""
    monkeypatch.chdir(tmp_path)
    group = gate(Path("reports"))
    page = Page(group_html(group))
    assert {link for link in page.links if link} == {
        f"{line.folder}/report.html" for line in group.lines if line.folder
    }
    assert page.policy.count("sha256-") == len(page.scripts) == 1
    assert script_hashes(page)[0] in page.policy


def test_a_gate_tells_what_is_wrong_before_its_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each run that did not pass: what broke, where it stopped, who held it, how to run it again."""
    monkeypatch.chdir(tmp_path)
    before = group_html(gate(Path("reports"))).partition("<h2>Runs")[0]
    assert "every_job_terminal: j-2: " in before
    assert "is still active (stage scenes, attempt 1, token 1)" in before
    assert "held by the lease of worker-2 (that worker ended" in before
    assert "unstuck replay reports/" in before
    assert "api-1 died at once" in before


def test_the_matrix_has_a_cell_for_each_guard() -> None:
    """In the row of the defence and the column of the scenario, linked to the run without the defence."""
    run = RunLine(title="worker-paused[stage=frames] without fencing", exit_code=ExitCode.FAIL, folder="f")
    proof = Group(
        name="prove", lines=(run,), seed=1, version="1", date="d", duration_s=1.0, decided=ExitCode.FAIL,
        defences=(
            ProofLine(subject="fencing", where="worker-paused[stage=frames]", by="effects", proved=True),
            ProofLine(subject="outbox", where="missed-event", by="effects", proved=False,
                      replay="unstuck replay x"),
        ),
    )  # fmt: skip
    text = group_html(proof)
    matrix = text.partition('class="wide matrix"')[2].partition("</table>")[0]
    heads = re.findall(r"<th[^>]*>([^<]+)</th>", matrix)
    firsts = re.findall(r"<tr><td[^>]*>([^<]+)</td>", matrix)
    assert heads == ["defence off", "missed-event", "worker-paused"]
    assert firsts == ["fencing", "outbox"]
    assert 'href="f/report.html"' in matrix
    assert "missed" in matrix
    assert "unstuck replay x" in text.partition('class="wide matrix"')[2]


def claimed_while_it_lasted(tmp_path: Path) -> RunLine:
    """The made-up run with its fault healed only when every job had been claimed again."""
    _, line = recorded(tmp_path)
    assert line.summary is not None
    recoveries = tuple(
        replace(one, claim_s=None, meanwhile_s=0.5 + (one.claim_s or 0.0)) for one in line.summary.recoveries
    )
    recovery = {**line.summary.recovery, "claim_max_s": 0.0}
    return replace(line, summary=replace(line.summary, recoveries=recoveries, recovery=recovery))


def test_a_claim_while_the_fault_lasted_is_no_recovery_of_no_time(tmp_path: Path) -> None:
    """It has no time from when the blow was over: how long after the blow it came is told instead."""
    line = claimed_while_it_lasted(tmp_path)
    group = Group(name="gate", lines=(line,), seed=1, version="0", date="", duration_s=1.0)
    assert "  recovery: 3 claimed while the fault lasted, 1.47 s after the blow at most\n" in (
        run_sheet(line).plain()
    )
    page = run_html(line)
    assert "from the blow to the next claim, while the fault lasted, at most" in page
    assert "3 claimed while the fault lasted, 1.47 s after the blow at most." in page
    for text in (group_sheet(group).plain(), group_html(group), group_markdown(group)):
        assert "during" in text
    assert "recovery 0 s" not in group_sheet(group).plain()


def test_every_place_counts_recovery_from_when_the_blow_was_over(tmp_path: Path) -> None:
    """The tile, the section, the README and the glossary: a reader has one number to think of."""
    _, line = recorded(tmp_path)
    page = run_html(line)
    assert "from when the blow was over to the next claim, at most (median" in page
    assert "from when the blow was over (landed, or healed if it lasts)." in page
    for name in ("README.md", "docs/glossary.md", "docs/report.md"):
        assert "from when the blow was" in " ".join((ROOT / name).read_text(encoding="utf-8").split())
