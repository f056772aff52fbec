"""JUnit XML, one test case a run: a broken promise is a `failure`, inconclusive an `error`."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence

from unstuck.report.group import RunLine
from unstuck.report.model import Summary
from unstuck.report.text import evidence_sheet

# XML 1.0 has no way at all to write these, escaped or not.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_xml(name: str, lines: Sequence[RunLine]) -> str:
    """A suite of runs as XML that any CI server reads; ends with a newline."""
    words = [line.word for line in lines]
    total_s = sum(line.duration_s for line in lines)
    root = ET.Element("testsuites", {"name": "unstuck"})
    suite = ET.SubElement(
        root,
        "testsuite",
        {
            "name": _text(name),
            "tests": str(len(lines)),
            "failures": str(words.count("fail")),
            "errors": str(sum(word in ("inconclusive", "error", "interrupted") for word in words)),
            "skipped": str(words.count("excluded")),
            "time": f"{total_s:.3f}",
        },
    )
    for line in lines:
        _case(suite, line)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _case(suite: ET.Element, line: RunLine) -> None:
    name = line.title.split("[")[0]
    case = ET.SubElement(
        suite,
        "testcase",
        {
            "classname": f"unstuck.{_text(name)}",
            "name": _text(line.title),
            "time": f"{line.duration_s:.3f}",
        },
    )
    word = line.word
    if word == "excluded":
        ET.SubElement(case, "skipped", {"message": _text(line.excluded or "")})
    elif word != "pass":
        summary = line.summary
        message = line.error or (summary.reasons[0] if summary and summary.reasons else word)
        element = ET.SubElement(
            case, "failure" if word == "fail" else "error", {"type": word, "message": _text(message)}
        )
        element.text = _text(_details(line))
    if line.summary is not None:
        ET.SubElement(case, "system-out").text = _text(_circumstances(line.summary))


def _details(line: RunLine) -> str:
    if line.summary is None:
        return line.error or ""
    reasons = "".join(f"{reason}\n" for reason in line.summary.reasons)
    return reasons + evidence_sheet(line.summary).plain()


def _circumstances(summary: Summary) -> str:
    replay = f"{summary.replay}\n" if summary.replay else ""
    return f"{replay}seed {summary.seed}, Unstuck {summary.version}\n"


def _text(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
