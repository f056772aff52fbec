"""Loads a scenario file and validates the whole of it: every alternative, every value of the matrix.

What a file says is checked against a `Catalogue`; nothing is started, and nothing in a file can
construct or call anything. Every mistake is one `ScenarioError`: `path:line: what, rule, next step`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

from unstuck import yaml_source
from unstuck.cases import Case, Grid, matches
from unstuck.catalogue import Catalogue
from unstuck.errors import ScenarioError
from unstuck.loading.defences import read_before, read_guards
from unstuck.loading.expectations import read_expect, read_roles, read_settings
from unstuck.loading.faults import read_faults
from unstuck.loading.fields import one_of, typed
from unstuck.loading.spot import Spot
from unstuck.loading.steps import read_workload
from unstuck.loading.template import Template, read_template, word
from unstuck.loading.vocabulary import Vocabulary
from unstuck.scenario import Before, Guard, Promise, Scenario

BUDGET_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioFile:
    """A valid scenario file; `scenarios` holds all its cases, the base first."""

    name: str
    path: Path
    grid: Grid
    scenarios: tuple[Scenario, ...]

    def base_case(self) -> Scenario:
        """The first alternative with the first value of each parameter."""
        return self.scenarios[0]

    def all_cases(self) -> tuple[Scenario, ...]:
        """The full product, the base first."""
        return self.scenarios

    def pairwise_cases(self) -> tuple[Scenario, ...]:
        """Few cases in which each two values meet that can meet; the base first. Deterministic."""
        return tuple(self.case(case) for case in self.grid.pairwise())

    def case(self, selection: Mapping[str, object] | None = None) -> Scenario:
        """The first case that has all the values of `selection`: what it leaves open is base.

        Raises `ScenarioError` when no case has them.
        """
        wanted = selection or {}
        for scenario in self.scenarios:
            if matches(scenario.case, wanted):
                return scenario
        raise ScenarioError(f"{self.path}:1: case {self.grid.why_none(wanted)}")


def load(path: Path, catalogue: Catalogue) -> ScenarioFile:
    """Reads and validates a file. Raises `ScenarioError`, one line, at the first thing that is wrong."""
    root, text = yaml_source.read(path)
    return _assemble(root, text, path, catalogue)


def loads(text: str, path: Path, catalogue: Catalogue) -> ScenarioFile:
    """As `load`, from a text; `path` stands for it in messages and in `Scenario.source`."""
    return _assemble(yaml_source.parse(text, str(path)), text, path, catalogue)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Head:
    """What is the same in all cases of a file."""

    name: str
    summary: str
    incident: str | None
    guards: tuple[Guard, ...]
    before: Before | None


def _assemble(root: yaml_source.Node, text: str, path: Path, catalogue: Catalogue) -> ScenarioFile:
    template = read_template(Spot(str(path), "", root))
    head = _read_head(template, catalogue)
    scenarios = tuple(_read_case(template, case, head, catalogue, text, path) for case in template.grid.all())
    return ScenarioFile(name=head.name, path=path, grid=template.grid, scenarios=scenarios)


def _read_head(template: Template, catalogue: Catalogue) -> _Head:
    keys = template.keys
    for key in ("name", "summary"):
        if key not in keys:
            raise template.root.error(f"{key!r} is missing. Add it at the top.")
    summary = " ".join(str(typed(keys["summary"], (str,))).split())
    if not summary:
        raise keys["summary"].error("is empty. Say in one sentence what happens and what must hold.")
    return _Head(
        name=word(keys["name"]),
        summary=summary,
        incident=word(keys["incident"]) if "incident" in keys else None,
        guards=read_guards(keys["guards"], template.grid, catalogue) if "guards" in keys else (),
        before=read_before(keys["before"], catalogue) if "before" in keys else None,
    )


def _read_case(
    template: Template, case: Case, head: _Head, catalogue: Catalogue, text: str, path: Path
) -> Scenario:
    body = template.body(case)
    for key in ("workload", "expect"):
        if key not in body:
            where = f" in {', '.join(f'{k} {v!r}' for k, v in case.items())}" if case else ""
            raise template.root.error(f"{key!r} is missing{where}. Add it.")
    words = Vocabulary(catalogue)
    workload = read_workload(body["workload"], words)
    words = Vocabulary(catalogue, frozenset(upload.tag for upload in workload))
    budget_s = BUDGET_S
    if "budget_s" in body:
        budget_s = cast("float", typed(body["budget_s"], (float,)))
        words.check("budget_s", body["budget_s"])
    promise = catalogue.promise
    if "promise" in body:
        promise = cast("Promise", one_of(body["promise"], get_args(Promise)))
    settings = read_settings(body["settings"], words) if "settings" in body else {}
    return Scenario(
        name=head.name,
        summary=head.summary,
        workload=workload,
        faults=read_faults(body["faults"], words) if "faults" in body else (),
        expect=read_expect(body["expect"], words),
        budget_s=budget_s,
        promise=promise,
        incident=head.incident,
        guards=head.guards,
        before=head.before,
        settings=settings,
        roles=read_roles(body["roles"], words, settings) if "roles" in body else {},
        case=case,
        source=path,
        text=text,
    )
