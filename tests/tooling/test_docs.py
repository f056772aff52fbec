"""Pages keep their word: links, terms, commands, tables."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from reference_service.alerts import RULES
from reference_service.api import Draining, make_app
from reference_service.domain import LEGAL_MOVES, STAGES, TERMINAL, Defence, State
from reference_service.metrics import METRICS
from reference_service.settings import Settings
from tests.tooling.repository import PROVED_ELSEWHERE, ROOT, blocks, modules, pages, table, text
from unstuck.cli import options
from unstuck.cli.policy import load_policy
from unstuck.errors import ExitCode
from unstuck.scenario_file import load, loads
from unstuck.targets.reference.names import POINTS, catalogue
from unstuck.targets.reference.roles import REACHES, REPLICAS

PAGES = pages()
SERVICE = Path("docs/reference-service.md")

TERMS = frozenset(
    {
        *("job", "state", "terminal", "stuck", "lost", "op", "fault", "error", "failure", "effect"),
        *("effects ledger", "delivery promise", "class", "verdict", "recovery budget", "recovery time"),
        *("trigger", "test point", "world", "target", "role", "link", "property", "defence", "variant"),
        *("case", "configuration", "run", "replay", "reproduce", "crash point", "trial", "explore"),
    }
)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_relative_links_lead_somewhere(page: Path) -> None:
    """Each file that a page links to is there, and each heading, too."""
    for link in re.findall(r"\]\(([^)\s]+)\)", text(page)):
        if "://" in link:
            continue
        file, _, heading = link.partition("#")
        path = (ROOT / page).parent / file if file else ROOT / page
        assert path.exists(), f"{page}: {link}"
        if heading:
            assert heading in headings(path), f"{page}: {link}"


def headings(path: Path) -> set[str]:
    """The anchors that a page's headings get."""
    found = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


def test_every_page_can_be_found_from_the_readme() -> None:
    """A page that nobody links to is read by nobody."""
    linked = {link.partition("#")[0] for page in PAGES for link in re.findall(r"\]\(([^)\s]+)\)", text(page))}
    names = {Path(link).name for link in linked}
    assert not [page for page in PAGES if page.parts[0] == "docs" and page.name not in names]


def test_the_glossary_has_every_word() -> None:
    """Each word that has one meaning has its line."""
    defined = set(re.findall(r"\*\*([\w ]+)\*\*", text(Path("docs/glossary.md"))))
    assert defined >= TERMS, sorted(TERMS - defined)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_yaml_blocks_are_scenarios_that_load(page: Path) -> None:
    """A block that begins with a name is a whole scenario for the reference target."""
    if page.name == "your-own-service.md":
        return  # of another target: tests/docs loads its blocks
    for block in blocks(page, "yaml"):
        if block.startswith("name: ") and "\njobs:" not in block:  # the other kind is a CI workflow
            assert loads(block, page, catalogue()).scenarios


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_commands_of_a_page_parse(page: Path) -> None:
    """Each `unstuck …` of a page is a command with flags that it has, over scenarios that exist."""
    for line, words in commands(page):
        assert words[0] in options.COMMANDS, f"{page}: {line}"
        if len(words) == 1 and words[0] not in {"gate", "prove"}:
            continue  # it is spoken of, not called
        chosen = options.parse(words[0], words[1:])
        folder = "targets/scenarios" if {"--target", "-t"} & set(words) else "scenarios"
        bundled = {path.stem for path in (ROOT / folder).rglob("*.yaml")}
        if words[0] in {"run", "gate", "prove"} and chosen is not None:
            for name in chosen.files:
                known = name.partition("[")[0] in bundled or name.endswith(".yaml") or name == "scenarios"
                assert known, f"{page}: {line}: {name}"


def commands(page: Path) -> Iterator[tuple[str, list[str]]]:
    """(line, words behind `unstuck`) of every command in fenced or indented blocks, and in backquotes."""
    lines = [line.strip() for line in text(page).splitlines()]
    quoted = re.findall(r"`(unstuck [^`]+)`", text(page))
    for line in (*lines, *quoted):
        found = re.match(r"(?:- run: |\$ )?(?:\.venv/bin/)?unstuck ([a-z].*)", line)
        words = shlex.split(found[1], comments=True) if found else []
        placeholder = found and re.search(r"\b[A-Z]+\b|…", found[1])
        if words and not placeholder and (line in quoted or words[0] in options.COMMANDS):
            yield line, words


def test_the_policy_of_the_page_on_ci_is_one(tmp_path: Path) -> None:
    """What a reader copies into pyproject.toml is read, and excludes what it says."""
    [block] = blocks(Path("docs/ci.md"), "toml")
    file = tmp_path / "pyproject.toml"
    file.write_text(block, encoding="utf-8")
    policy = load_policy(file)
    assert (policy.cases_max, policy.time_budget_s, policy.jobs) == (40, 300, 2)
    assert [exclusion.scenario for exclusion in policy.exclude] == ["memory-overrun"]


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_make_targets_of_a_page_exist(page: Path) -> None:
    """`make X` in backquotes or at the start of a line in a block is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z]+):", text(Path("Makefile")), flags=re.MULTILINE))
    named = re.findall(r"`make ([a-z]+)`|^(?: {4})?make ([a-z]+)(?=\s|$)", text(page), flags=re.MULTILINE)
    assert {one or other for one, other in named} <= targets


def test_the_readme_lists_every_exit_code() -> None:
    """The codes and nothing else."""
    assert {int(row[0].strip("`")) for row in table(Path("README.md"), "Exit codes")} == {
        int(code) for code in ExitCode
    }


def test_no_page_praises_itself() -> None:
    """Concrete, or not at all."""
    hype = re.compile(
        r"\b(amazing|awesome|blazing|effortless\w*|powerful|robust|seamless\w*|simply|state-of-the-art)\b",
        re.IGNORECASE,
    )
    assert not [(page, found) for page in PAGES if (found := hype.findall(text(page)))]


# --- docs/reference-service.md


def test_the_lifecycle_is_as_the_code_has_it() -> None:
    """Every state, and where each may go."""
    rows = {row[0].strip("`"): row[1] for row in table(SERVICE, "Lifecycle")}
    assert list(rows) == [str(state) for state in State]
    for state in State:
        after = {str(to) for before, to in LEGAL_MOVES if before == state}
        assert set(re.findall(r"`(\w+)`", rows[str(state)])) == after
        assert (state in TERMINAL) == (not after)


def test_the_settings_are_as_the_code_has_them() -> None:
    """Each variable with its default; what has none is required."""
    rows = {row[0].strip("`"): row[1].strip("`") for row in table(SERVICE, "Settings")}
    assert rows == {f"REFERENCE_{name.upper()}": default(name) for name in Settings.model_fields}


def test_the_metrics_are_as_the_code_has_them() -> None:
    """Each with its kind, labels and help."""
    rows = [[cell.replace("`", "") for cell in row] for row in table(SERVICE, "Metrics")]
    assert rows == [
        [metric.name, metric.kind, ", ".join(metric.labels) or "-", metric.help] for metric in METRICS
    ]


def test_the_alerts_are_as_the_code_has_them() -> None:
    """Each with its default threshold and its severity."""
    rows = {row[0].strip("`"): (row[2], row[3]) for row in table(SERVICE, "Alerts")}
    fields = Settings.model_fields
    assert rows == {rule.name: (f"{fields[rule.threshold].default:g}", rule.severity) for rule in RULES}


def default(name: str) -> str:
    field = Settings.model_fields[name]
    if field.is_required():
        return "required"
    value = field.default
    return "-" if value in (None, frozenset()) else f"{value:g}" if isinstance(value, float) else str(value)


def test_the_defences_are_as_the_scenarios_guard_them() -> None:
    """Each defence with the scenario that guards it, and the property by which."""
    guards = {
        (guard.defence, file.name, guard.by)
        for path in (ROOT / "scenarios").rglob("*.yaml")
        for file in (load(path, catalogue()),)
        for guard in file.base_case().guards
    }
    rows = {row[0].strip("`"): (row[2].strip("`"), row[3].strip("`")) for row in table(SERVICE, "Defences")}
    assert list(rows) == [str(defence) for defence in Defence]
    guarded = {(defence, *row) for defence, row in rows.items() if defence not in PROVED_ELSEWHERE}
    assert guarded <= guards
    assert {defence: rows[defence][0] for defence in PROVED_ELSEWHERE} == PROVED_ELSEWHERE


def test_the_routes_are_as_the_api_has_them() -> None:
    """Method and path of each route."""
    rows = {row[0].strip("`") for row in table(SERVICE, "API")}
    source = "".join(text(path) for path in modules("reference_service"))
    declared = re.findall(r'@app\.(get|post)\("([^"]+)"[,)]', source)
    assert rows == {f"{method.upper()} {path}" for method, path in declared}
    assert callable(make_app)
    assert not Draining().on


def test_the_test_points_are_as_the_catalogue_has_them() -> None:
    """Each name that a scenario may use."""
    assert {row[0].strip("`") for row in table(SERVICE, "Test points")} == POINTS


def test_the_roles_are_as_the_target_starts_them() -> None:
    """How many of each, and what they reach."""
    rows = {row[0].strip("`"): (row[2], row[3]) for row in table(SERVICE, "Roles")}
    assert rows == {
        role: (str(count), ", ".join(REACHES[role]) or "nothing") for role, count in REPLICAS.items()
    }


def test_the_stages_are_told_in_their_order() -> None:
    """Seven, each with what it leaves behind."""
    assert tuple(row[0].strip("`") for row in table(SERVICE, "Stages")) == STAGES
