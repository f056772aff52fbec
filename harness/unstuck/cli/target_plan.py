"""Says what runs of a target of one's own would start and reach, without starting it: a part of `--plan`."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence

from unstuck.cli.choosing import ChosenTarget
from unstuck.report.sheet import Sheet, Span
from unstuck.scenario import Scenario
from unstuck.targets.declared.file import Role, TargetFile
from unstuck.targets.declared.inherited import withheld
from unstuck.targets.declared.names import catalogue_of
from unstuck.targets.declared.roles import LEDGER_FILE, LEDGER_URL, python_of, replicas, variants_of
from unstuck.targets.declared.templates import fill
from unstuck.targets.declared.words import setting_text

PORT = "<free port>"
ADDRESS = f"127.0.0.1:{PORT}"


def target_sheet(target: ChosenTarget, cases: Sequence[Scenario]) -> Sheet:
    """Dependencies, processes with their commands, links, and who is signalled. Nothing for the reference."""
    sheet = Sheet()
    file = target.file
    if file is None:
        return sheet
    name = file.name if target.configuration is None else f"{file.name}, configuration {target.configuration}"
    sheet.line(Span(f"target {name}", "bold"), f"  {file.path}")
    for one, dependency in file.dependencies.items():
        options = "".join(f", {key}={value}" for key, value in dependency.options.items())
        sheet.paragraph(
            f"{one}: {dependency.kind}{options}, on {ADDRESS}, with data of its own", first="  - "
        )
    declared = _environment(target, file)
    for role in file.roles.values():
        _role(sheet, file, role, cases, declared)
    links = sorted(catalogue_of(file).links)
    sheet.paragraph(f"links: {', '.join(links) or 'none'}", first="  - ")
    if file.ledger:
        sheet.paragraph(f"a ledger of effects, told to roles by {LEDGER_URL} and {LEDGER_FILE}", first="  - ")
    kept = withheld(os.environ, file.inherit)
    if kept:
        sheet.paragraph(f"kept from the roles: {', '.join(kept)}", first="  - ")
    allowed = ", ".join(sorted(file.hosts_allowed)) or "nothing"
    sheet.paragraph(
        f"may reach off this machine: {allowed}. Signalled, cut and filled is only what is started here.",
        first="  - ",
    )
    return sheet


def _role(
    sheet: Sheet, file: TargetFile, role: Role, cases: Sequence[Scenario], declared: Mapping[str, str]
) -> None:
    counts = sorted({replicas(role, case) for case in cases}) or [role.replicas]
    many = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    name = f"{role.name}-1"
    command = shlex.join(_filled(word, file, name, role) for word in role.command)
    sheet.paragraph(f"{role.name}, {many}: {command}", first="  - ")
    for key, value in {**declared, **role.environment}.items():
        sheet.paragraph(f"{key}={_filled(value, file, name, role)}", first="      ", style="dim")


def _environment(target: ChosenTarget, file: TargetFile) -> Mapping[str, str]:
    """What the file says for every role, in the chosen configuration."""
    declared = dict(file.environment)
    chosen = {name: one.value for name, one in file.settings.items()}
    variants = variants_of(file, target.configuration, ())
    for variant in variants:
        chosen.update(variant.settings)
    declared |= {one.variable: setting_text(chosen[name]) for name, one in file.settings.items()}
    for variant in variants:
        declared |= variant.environment
    return declared


def _filled(text: str, file: TargetFile, process: str, role: Role) -> str:
    """The text as a run would have it; what is not known before shows as what it will be."""

    def value_of(name: str) -> str:
        place, _, what = name.partition(".")
        known = {
            "process": process, "role": role.name, "port": PORT, "python": python_of(file),
            "folder": "<a folder of the run>",
        }  # fmt: skip
        if name in known:
            return known[name]
        if place in file.dependencies or place in file.roles:
            return {"": ADDRESS, "host": "127.0.0.1", "port": PORT}.get(what, f"<{what} of {place}>")
        return f"{{{name}}}"

    return fill(text, value_of)
