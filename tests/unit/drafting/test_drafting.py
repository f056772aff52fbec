"""Target files for projects: what is recognised, what is filled in, what is left to do."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import pytest

from unstuck.cli import main
from unstuck.doctor.inspecting import look_at_file
from unstuck.drafting import Recipe, draft, fitting, look_at_project, recipes, write
from unstuck.drafting.writing import render
from unstuck.errors import UsageError
from unstuck.targets.declared.file import RedisSource, TargetFile
from unstuck.targets.declared.reading import load_target
from unstuck.targets.ready import ready_targets

CELERY = """\
import os
from celery import Celery, shared_task

app = Celery("shop", broker=os.environ["SHOP_REDIS_URL"], backend=os.getenv("SHOP_RESULT_URL"))
DATABASE = os.environ.get("DATABASE_URL")


@app.task
def pack(order: int, where: str, *, fast: bool): ...


@shared_task(bind=True)
def clean(self, days=3): ...
"""
RQ = "from rq import Queue\nfrom rq.decorators import job\n\n\n@job('default')\ndef mail(to: str): ...\n"
DRAMATIQ = "import dramatiq\n\n\n@dramatiq.actor\ndef clean(): ...\n"


def project(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def redis_source(file: TargetFile, number: int) -> RedisSource:
    source = file.observe.sources[number]
    assert isinstance(source, RedisSource)
    return source


def test_every_ready_made_target_can_be_begun_from(tmp_path: Path) -> None:
    """Also one that says nothing of drafts: it is copied, with its program, and the file loads there."""
    assert set(recipes()) >= set(ready_targets())
    for name, recipe in recipes().items():
        place = tmp_path / name / "unstuck.yaml"
        place.parent.mkdir()
        made = draft(recipe, look_at_project(place.parent), place)
        assert next(iter(made.files)) == place
        write(made.files, force=False)
        assert load_target(place).submit is not None


@pytest.mark.parametrize(
    ("files", "system", "where"),
    [
        ({"shop/tasks.py": CELERY}, "celery-redis", "shop/tasks.py:2"),
        ({"requirements.txt": "# celery\nrq==2.1\n"}, "rq", "requirements.txt:2"),
        (
            {"pyproject.toml": '[project]\ndependencies = ["dramatiq[redis]"]\n'},
            "dramatiq",
            "pyproject.toml:2",
        ),
        ({"Procfile": "worker: celery -A shop worker\n"}, "celery-redis", "Procfile:1"),
        ({"app.py": "from huey import RedisHuey\n"}, "huey", "app.py:1"),
        ({"package.json": '{\n "dependencies": {"bullmq": "^5"}\n}\n'}, "bullmq", "package.json:2"),
        (
            {"requirements.txt": "celery\n", "app.py": 'BROKER = "amqp://localhost"\n'},
            "celery-rabbitmq",
            "requirements.txt:1",
        ),
    ],
)
def test_systems_are_recognised(tmp_path: Path, files: Mapping[str, str], system: str, where: str) -> None:
    """By what the project needs, starts or imports; the broker tells those apart that share a name."""
    found = fitting(look_at_project(project(tmp_path, files)), [*recipes().values()])
    recipe, shown = found[0]
    assert recipe.name == system
    assert where in [f"{one.file}:{one.line}" for one in shown]


def test_a_project_without_any_shows_none(tmp_path: Path) -> None:
    """Words that only contain a name, comments, and files that are no Python say nothing."""
    files = {"requirements.txt": "# celery\nmarquee\npy-rq-x\n", "a.py": "x = = 1\nimport celery\n"}
    assert fitting(look_at_project(project(tmp_path, files)), [*recipes().values()]) == []


def test_what_a_project_calls_things_is_found(tmp_path: Path) -> None:
    """The application, tasks with what they need, the folder of modules, its Python, its variables."""
    files = {"src/shop/tasks.py": CELERY, ".venv/bin/python": "", "tests/test_x.py": DRAMATIQ}
    found = look_at_project(project(tmp_path, files))
    assert (found.source, found.python) == ("src", ".venv/bin/python")
    assert ("Celery", "shop.tasks", "app") in [(one.call, one.module, one.variable) for one in found.apps]
    tasks = {one.name: one.parameters for one in found.tasks}
    assert tasks["shop.tasks.pack"] == (("order", "int"), ("where", "str"), ("fast", "bool"))
    assert tasks["shop.tasks.clean"] == ()
    assert {*found.variables} == {"SHOP_REDIS_URL", "SHOP_RESULT_URL", "DATABASE_URL"}


def test_a_draft_is_filled_in(tmp_path: Path) -> None:
    """The task that needs nothing comes first; addresses that the project reads lead to the run's own."""
    project(tmp_path, {"shop/tasks.py": CELERY})
    place = tmp_path / "unstuck.yaml"
    made = draft(recipes()["celery-redis"], look_at_project(tmp_path), place)
    write(made.files, force=False)
    file = load_target(place)
    assert file.environment["SHOP_REDIS_URL"] == "redis://{broker}/0"
    assert file.environment["SHOP_RESULT_URL"] == "redis://{broker}/1"
    assert file.submit.values == {"task": "shop.tasks.clean", "seconds": 0.2, "poison": False}
    assert "shop.tasks:app" in file.roles["worker"].command
    assert 'APPLICATION = "shop.tasks:app"' in (tmp_path / "unstuck_jobs.py").read_text()
    [todo] = [text for text in look_at_file(file).told if "TODO" in text]  # what it cannot know
    assert "TODO DATABASE_URL" in todo


def test_what_celery_was_told_is_in_the_draft(tmp_path: Path) -> None:
    """A task goes by the name that it was given, jobs wait in the queue of the project, and are taken from a
    dead worker when its visibility timeout is over."""
    said = (
        "app.conf.task_default_queue = 'orders'\n"
        "app.conf.broker_transport_options = {'visibility_timeout': 600}\n"
        "@app.task(name='tidy-up')\ndef tidy(): ...\n"
    )
    project(tmp_path, {"shop.py": f"from celery import Celery\napp = Celery()\n{said}"})
    place = tmp_path / "unstuck.yaml"
    write(draft(recipes()["celery-redis"], look_at_project(tmp_path), place).files, force=False)
    file = load_target(place)
    assert file.submit.values["task"] == "tidy-up"
    assert [look.key for look in redis_source(file, 1).looks] == ["unacked", "orders"]
    assert (file.timings.lease_s, file.timings.recovery_period_s) == (600, 700)
    assert file.settings["lease_s"].value == 600


def test_without_any_setting_a_draft_has_those_of_celery(tmp_path: Path) -> None:
    """Its queue is `celery`, its visibility timeout an hour; a value that is computed says nothing."""
    text = "app = Celery()\napp.conf.broker_transport_options = {'visibility_timeout': 2 * HOUR}\n"
    project(tmp_path, {"shop.py": text})
    place = tmp_path / "unstuck.yaml"
    write(draft(recipes()["celery-redis"], look_at_project(tmp_path), place).files, force=False)
    file = load_target(place)
    assert redis_source(file, 1).looks[1].key == "celery"
    assert file.timings.lease_s == 3600


@pytest.mark.parametrize(
    ("system", "files", "values", "todos"),
    [
        ("rq", {"shop/jobs.py": RQ}, {"task": "shop.jobs.mail", "to": "unstuck"}, 1),
        ("dramatiq", {"shop/actors.py": DRAMATIQ}, {"task": "clean"}, 0),
        ("celery-redis", {}, {"task": "tasks.work"}, 2),
    ],
)
def test_what_is_not_known_is_marked(
    tmp_path: Path, system: str, files: Mapping[str, str], values: Mapping[str, object], todos: int
) -> None:
    """A guess stands there, so that the file loads, and a TODO beside it, which `doctor` names."""
    project(tmp_path, files)
    place = tmp_path / "unstuck.yaml"
    made = draft(recipes()[system], look_at_project(tmp_path), place)
    write(made.files, force=False)
    given = load_target(place).submit.values
    assert {key: given[key] for key in values} == values
    assert made.todos == todos
    assert len([text for text in look_at_file(load_target(place)).told if "TODO" in text]) == todos


def test_places_in_a_draft() -> None:
    """A value, a line that needs one, a TODO where there is none, several lines in the place of one."""
    text = "a: <<a>>\n  b: <<b?>><<b>>\n# <<todo b: say b>>\n# <<todo a: say a>>\n  <<lines?>><<lines>>\n"
    assert render(text, {"a": "1", "b": "", "lines": "x: 1\ny: 2"}) == "a: 1\n# TODO: say b\n  x: 1\n  y: 2\n"
    with pytest.raises(KeyError):
        render("<<c>>", {})


def test_nothing_is_written_over(tmp_path: Path) -> None:
    """None of the files, when one of them is there; all of them with force."""
    files = {tmp_path / "a": "new", tmp_path / "b": "new"}
    (tmp_path / "b").write_text("old")
    with pytest.raises(UsageError, match=r"is there already\. Write elsewhere, or over it with --force"):
        write(files, force=False)
    assert not (tmp_path / "a").exists()
    write(files, force=True)
    assert (tmp_path / "b").read_text() == "new"
    with pytest.raises(UsageError, match="cannot be written"):
        write({tmp_path / "no" / "a": "x"}, force=False)


def test_the_command_tells_what_it_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What was found and where, what was written, what to type next; bad input is one line."""
    project(tmp_path, {"shop/tasks.py": CELERY})
    assert main(["init", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "Found   celery-redis, shown by shop/tasks.py:2" in out
    assert "task shop.tasks.clean()" in out
    assert f"Next    unstuck doctor --target {tmp_path}/unstuck.yaml" in out
    for words, said in [
        ([str(tmp_path)], "is there already"),
        ([str(tmp_path / "nowhere")], "is no folder"),
        (["--from", "celry-redis", str(tmp_path)], "no such system. Did you mean 'celery-redis'?"),
    ]:
        assert main(["init", *words]) == 2
        assert said in capsys.readouterr().err
    assert main(["init", "--list"]) == 0
    assert "celery-redis" in capsys.readouterr().out


def test_without_a_hint_it_says_what_to_say(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody can be asked here, and nothing is written."""
    assert main(["init", str(tmp_path)]) == 2
    assert "Say it by --from: arq, bullmq, celery-rabbitmq" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_recipes_are_data() -> None:
    """A folder that says nothing of itself is recognised by its name."""
    huey = recipes()["huey"]
    assert isinstance(huey, Recipe)
    assert (huey.packages, huey.adapts) == (("huey",), False)


def test_programs_of_one_system_are_shared(tmp_path: Path) -> None:
    """Celery is handed jobs, and watched, in the same way on either broker; what a system has itself is its
    own."""
    one, other = (recipes()[name] for name in ("celery-rabbitmq", "celery-redis"))
    assert [path.name for path in one.files()] == [path.name for path in other.files()]
    assert one.files()[1:] == other.files()[1:]
    assert one.files()[0] != other.files()[0]
    for place, names in (("a", ["unstuck.yaml", "x.py", "y.py"]), ("b", ["unstuck.yaml", "y.py"])):
        (tmp_path / place / "draft").mkdir(parents=True)
        for name in names:
            (tmp_path / place / "draft" / name).touch()
    sharing = Recipe(name="b", folder=tmp_path / "b", packages=(), adapts=True, shares="a")
    assert [str(path.relative_to(tmp_path)) for path in sharing.files()] == [
        *("b/draft/unstuck.yaml", "a/draft/x.py", "b/draft/y.py")
    ]


def test_on_a_terminal_it_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What nothing says: the system, by its number; then which task, the first by an empty line."""
    project(tmp_path, {"shop/tasks.py": CELERY.replace("from celery import Celery, shared_task", "")})
    number = [*recipes()].index("celery-redis") + 1
    monkeypatch.setattr("unstuck.cli.init._terminal", lambda: True)
    monkeypatch.setattr("sys.stdin", io.StringIO(f"ninety\n{number}\n2\n"))
    assert main(["init", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "Which job system does it use?" in out
    assert "a number from 1 to" in out
    assert "task shop.tasks.pack(order, where, fast)" in out
