"""Whatever a file holds: a judgement, or an error of one line. Never a traceback."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.preflight.test_sound import SYSTEMS, files
from unstuck.cli.preflight_screen import judgement_sheet
from unstuck.errors import UsageError
from unstuck.preflight.as_json import judgement_json
from unstuck.preflight.judging import judge
from unstuck.preflight.measured import ANY, Measured
from unstuck.preflight.readers import read_manifest
from unstuck.preflight.sarif import judgement_sarif

NAMES = (
    "compose.yaml",
    "Dockerfile",
    "deploy.sh",
    "a.service",
    "a.timer",
    "Procfile",
    "fly.toml",
    "notes",
    "a.txt",
)
SOUND = [one for system in SYSTEMS for one in files(system)]
MEASURED = Measured(longest_stage_s=40, peaks_mib={ANY: 380})

PIECES = st.sampled_from(
    [
        *(
            "services:",
            "  worker:",
            "    image: x",
            "    command: [",
            "    mem_limit: 1e9",
            "    environment:",
            "    - A",
        ),
        *(
            "steps:",
            "- name: gcloud",
            "  args: [run, deploy",
            "apiVersion: v1",
            "kind: Deployment",
            "kind: CronJob",
        ),
        *(
            "spec: {template: {spec: {containers: [{}, x, []]}}}",
            "---",
            "<<: *a",
            "a: &a",
            "FROM x AS y",
            "FROM y",
        ),
        *(
            "CMD [",
            'CMD ["a", 1]',
            "CMD \\",
            "ENTRYPOINT",
            "ENV =",
            "STOPSIGNAL",
            "RUN <<EOF",
            "[Service]",
            "ExecStart=",
        ),
        *(
            "ExecStart=sh -c",
            "TimeoutStopSec=\\",
            "[Timer]",
            "Environment='",
            "web: sh -c",
            "worker:",
            "kill_timeout = -1",
        ),
        *(
            "[processes]",
            'a = "b"',
            "[[vm]]",
            "memory = {}",
            "processes = 3",
            "gcloud run deploy --timeout",
            "gcloud",
        ),
        *(
            "gcloud run jobs deploy --memory= --set-env-vars=^",
            "aws sqs create-queue --attributes",
            "# unstuck: allow",
        ),
        *(
            "\t",
            "\x00",
            "😀",
            "'",
            '"',
            "\\",
            "${",
            "$(",
            "9" * 400,
            "infinity",
            "  DRAIN_S: infinity",
            "Environment=DRAIN_S=infinity",
            "sleep infinity",
            "\ud800",
            "\r",
            "{",
            "]",
        ),
    ]
)


def survives(path: str, text: str) -> None:
    """Reads, judges, and shows in every form."""
    manifest, refused = None, ""
    try:
        manifest = read_manifest(path, text)
    except UsageError as error:
        refused = str(error)
    assert "\n" not in refused
    if manifest is None:
        return
    judgement = judge([manifest], MEASURED)
    last = text.count("\n") + 1
    lines = [one.line for one in judgement.findings] + [one.line for one in judgement.unjudged]
    assert all(1 <= line <= last for line in lines)
    json.loads(judgement_json(judgement))
    json.loads(judgement_sarif(judgement, version="0"))
    assert judgement_sheet(judgement).plain()


@pytest.mark.parametrize("path", NAMES)
@given(text=st.text())
def test_any_text(path: str, text: str) -> None:
    """Of any letters."""
    survives(path, text)


@pytest.mark.parametrize("path", NAMES)
@given(pieces=st.lists(PIECES, max_size=12), joint=st.sampled_from(["\n", " ", "\n  "]))
def test_any_pieces_of_manifests(path: str, pieces: list[str], joint: str) -> None:
    """In any order: what looks like a manifest goes further before it breaks."""
    survives(path, joint.join(pieces))


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("compose.yaml", "services: {worker: {stop_grace_period: " + "1" * 39 + "!}}\n"),
        ("compose.yaml", "services: {worker: {stop_grace_period: '${" + "a" * 100_000 + "'}}\n"),
        ("fly.toml", 'a = """\n[' + " " * 50_000 + '\n"""\n'),
        ("Procfile", "web: a" + " " * 50_000 + "b\n"),
        ("deploy.sh", "gcloud run deploy '" + "a " * 100_000),
        ("Dockerfile", "FROM x\nCMD \\\n" * 20_000),
        ("a.service", "[Service]\nExecStart=" + "\\\n" * 20_000),
    ],
    ids=range(7),
)
@pytest.mark.timeout(20)
def test_long_texts_take_no_time(path: str, text: str) -> None:
    """No pattern goes through them in more ways than one."""
    survives(path, text)


@given(data=st.data())
def test_any_sound_manifest_with_a_hole(data: st.DataObject) -> None:
    """Something is cut out of it, and something else put in its place."""
    path, text = data.draw(st.sampled_from(SOUND))
    begin = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(begin, min(len(text), begin + 60)))
    survives(path, text[:begin] + data.draw(st.one_of(PIECES, st.text(max_size=5))) + text[end:])
