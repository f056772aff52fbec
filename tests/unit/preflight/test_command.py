"""`unstuck preflight` on files and runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.compare.made_up_pair import keep
from tests.unit.preflight.test_sound import FOLDER
from unstuck.cli import main
from unstuck.errors import ExitCode

BAD = "FROM x\nCMD python -m worker\n"
GOOD = 'FROM x\nCMD ["python", "-m", "worker"]\n'


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a good and a bad Dockerfile, and something else."""
    (tmp_path / "Dockerfile.bad").write_text(BAD)
    (tmp_path / "Dockerfile.good").write_text(GOOD)
    (tmp_path / "other.yaml").write_text("a: 1\n")
    (tmp_path / "main.py").write_text("")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_exit_codes_tell_clean_from_found(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """0 and 1; a note alone is 0."""
    assert main(["preflight", "Dockerfile.good"]) == ExitCode.PASS
    assert "CLEAN" in capsys.readouterr().out
    assert main(["preflight", "Dockerfile.bad", "Dockerfile.good"]) == ExitCode.FAIL
    assert "Dockerfile.bad:2" in capsys.readouterr().out
    Path("Dockerfile.note").write_text('FROM x\nCMD ["celery", "worker"]\n')
    assert main(["preflight", "Dockerfile.note"]) == ExitCode.PASS
    assert "US015" in capsys.readouterr().out


@pytest.mark.parametrize("form", ["json", "sarif"])
def test_other_forms_are_json(form: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the same exit code."""
    assert main(["preflight", "Dockerfile.bad", "--format", form]) == ExitCode.FAIL
    assert "US006" in json.dumps(json.loads(capsys.readouterr().out))


def test_a_folder_is_its_manifests(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not what else is in it; a folder without any is refused."""
    assert main(["preflight", "."]) == ExitCode.FAIL
    assert "2 workloads in 2 files" in capsys.readouterr().out
    Path("empty").mkdir()
    assert main(["preflight", "empty"]) == ExitCode.USAGE
    assert "empty: holds no manifest" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "give the manifests to judge"),
        (["Dockerfile.god"], "no such file. Did you mean 'Dockerfile.good'?"),
        (["no/such/file"], "no such file. Check the path."),
        (["other.yaml"], "other.yaml:1: this YAML is no manifest that is read here"),
        (["main.py"], "main.py: the name tells no format"),
        ([""], "'': no such file."),
        (["a" * 300], "cannot be read (File name too long)"),
        (["Dockerfile.good", "--format", "sraif"], "value='sraif' is unknown. Did you mean 'sarif'?"),
        (["Dockerfile.good", "--peak-mib", "lots"], "value='lots' must be MiB"),
        (["Dockerfile.good", "--peak-mib", "=3"], "value='=3' must be MiB"),
        (["Dockerfile.good", "--longest-stage-s", "0"], "value='0' must be a number of seconds"),
        (["Dockerfile.good", "--run", "nope"], "nope: no such run"),
        (["--explain", "US099"], "rule 'US099' is unknown. Did you mean"),
    ],
)
def test_bad_input_is_one_line(
    words: list[str], says: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, and nothing is left behind."""
    before = sorted(here.iterdir())
    assert main(["preflight", *words]) == ExitCode.USAGE
    said = capsys.readouterr()
    assert said.out == ""
    assert says in said.err
    assert said.err.count("\n") == 1
    assert sorted(here.iterdir()) == before


def test_files_that_are_no_text_are_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the line; what is too large as well. A mark of byte order and lines of Windows are none of it."""
    Path("Dockerfile.binary").write_bytes(b"FROM x\n\xff\xfe")
    assert main(["preflight", "Dockerfile.binary"]) == ExitCode.USAGE
    assert "Dockerfile.binary:2: is not UTF-8" in capsys.readouterr().err
    Path("Dockerfile.large").write_bytes(b"#" * (1024 * 1024 + 1))
    assert main(["preflight", "Dockerfile.large"]) == ExitCode.USAGE
    assert "is larger than 1024 KiB" in capsys.readouterr().err
    Path("Dockerfile.windows").write_bytes(b"\xef\xbb\xbf" + BAD.replace("\n", "\r\n").encode())
    assert main(["preflight", "Dockerfile.windows"]) == ExitCode.FAIL
    assert "Dockerfile.windows:2" in capsys.readouterr().out


def test_a_run_gives_the_figures(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of the made-up run: a worker of 300 MiB; flags win."""
    keep(here, "before")
    Path("compose.yaml").write_text("services: {worker: {image: x, mem_limit: 384m, restart: always}}\n")
    words = ["preflight", "compose.yaml", "--format", "json"]
    main([*words, "--run", "before"])
    data = json.loads(capsys.readouterr().out)
    assert data["measured"]["peaks_mib"]["worker"] == 300
    assert data["measured"]["longest_stage_s"] > 0
    assert data["measured"]["sources"] == ["before"]
    assert "US005" in [one["rule"] for one in data["findings"]]
    main([*words, "--run", "before", "--peak-mib", "worker=200"])
    assert "US005" not in [one["rule"] for one in json.loads(capsys.readouterr().out)["findings"]]


def test_a_run_of_the_sim_makes_no_rule_pass(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What needs a figure is not judged, with the reason, as without any run; a flag still counts."""
    run = keep(here, "before")
    events = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    events[0]["data"]["world"] = "sim"
    (run / "history.jsonl").write_text("".join(json.dumps(one) + "\n" for one in events))
    Path("compose.yaml").write_text(
        "services: {worker: {image: x, mem_limit: 384m, restart: always, stop_grace_period: 30s}}\n"
    )
    words = ["preflight", "compose.yaml", "--run", "before"]
    main([*words, "--format", "json"])
    data = json.loads(capsys.readouterr().out)
    assert {"US003", "US005"} <= {one["rule"] for one in data["not_judged"]}
    assert (data["measured"]["longest_stage_s"], data["measured"]["peaks_mib"]) == (None, {})
    main(words)
    said = " ".join(capsys.readouterr().out.split())
    assert "the longest stage was not measured: the sim has virtual time" in said
    assert "(before)" in said
    assert "of real processes, or --longest-stage-s SECONDS." in said
    assert "Measured" not in said
    main([*words, "--longest-stage-s", "60"])
    assert "US003" in capsys.readouterr().out.split("Not judged")[0]


def test_a_run_without_a_figure_is_named(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The next step is another run, not the flag that was given."""
    keep(here, "before")
    Path("compose.yaml").write_text("services: {sweeper: {image: x, mem_limit: 384m, restart: always}}\n")
    main(["preflight", "compose.yaml", "--run", "before"])
    said = " ".join(capsys.readouterr().out.split())
    assert "the peak of memory was not measured by before. Give another --run RUN or --peak-mib" in said


def test_a_gate_gives_the_highest_figures(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of all its runs; without any history it is refused."""
    gate = here / "gate"
    gate.mkdir()
    (gate / "group.json").write_text("{}")
    assert main(["preflight", "Dockerfile.good", "--run", "gate"]) == ExitCode.USAGE
    assert "has no run with a history" in capsys.readouterr().err
    for name in ("one", "two"):
        keep(gate, name)
    main(["preflight", "Dockerfile.good", "--run", "gate", "--format", "json"])
    assert len(json.loads(capsys.readouterr().out)["measured"]["sources"]) == 2


def test_rules_are_listed_and_explained(capsys: pytest.CaptureFixture[str]) -> None:
    """In any case of letters."""
    assert main(["preflight", "--list"]) == ExitCode.PASS
    assert "US001" in capsys.readouterr().out
    assert main(["preflight", "--explain", "us004"]) == ExitCode.PASS
    assert "US004  Memory has a limit (warning)" in capsys.readouterr().out


def test_a_sound_folder_passes(capsys: pytest.CaptureFixture[str]) -> None:
    """From the command line as well."""
    assert main(["preflight", str(FOLDER / "systemd"), "--longest-stage-s", "40", "--peak-mib", "380"]) == 0
    assert "CLEAN" in capsys.readouterr().out
