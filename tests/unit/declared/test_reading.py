"""Target files: what is right loads, and each mistake is one line with its place and the next step."""

from __future__ import annotations

from pathlib import Path

import pytest

from unstuck.errors import ScenarioError
from unstuck.targets.declared.file import JobSource, RedisSource, RowsSource, SqlCall
from unstuck.targets.declared.reading import load_target

GOOD = """\
name: shop
dependencies:
  broker: {kind: redis}
environment:
  URL: "redis://{broker}/0"
roles:
  worker:
    command: [worker, "{process}"]
    ready: ready
submit:
  command: [submit, "{item}"]
  values: {item: book}
observe:
  sources:
    - looks:
        - {key: "job:{job}", field: state, states: {done: succeeded, odd: null}}
        - {key: waiting, state: queued, held: queue}
"""


def write(folder: Path, text: str, name: str = "unstuck.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_good_file_loads(tmp_path: Path) -> None:
    """What is not said is as usual."""
    file = load_target(write(tmp_path, GOOD))
    assert (file.name, file.promise, file.folder) == ("shop", "at_least_once", tmp_path)
    assert file.roles["worker"].ready.line == "ready"
    assert file.roles["worker"].restart.policy == "always"
    [source] = file.observe.sources
    assert isinstance(source, RedisSource)
    assert source.looks[0].states == {"done": "succeeded", "odd": None}
    assert file.observe.absent == "lost"
    assert file.ledger


def test_a_look_may_be_for_the_reason_alone(tmp_path: Path) -> None:
    """Of a hash of the job's own; where it is, and its state, other looks say."""
    text = GOOD.replace(
        "        - {key: waiting", '        - {key: "why:{job}", reason: error}\n        - {key: waiting'
    )
    [source] = load_target(write(tmp_path, text)).observe.sources
    assert isinstance(source, RedisSource)
    assert source.looks[1].reason == "error"


def test_sources_of_each_kind_load(tmp_path: Path) -> None:
    """Rows by a call, and a call for each job; `on` is found where there is one dependency of the kind."""
    text = GOOD.replace("broker: {kind: redis}", "broker: {kind: redis}\n  base: {kind: postgres}").replace(
        "  sources:\n",
        "  sources:\n    - sql: select 1\n      says_held: {queued: queue}\n"
        '    - each: {http: "http://127.0.0.1:1/{job}"}\n      state: $.state\n',
    )
    rows, each, looks = load_target(write(tmp_path, text)).observe.sources
    assert isinstance(rows, RowsSource)
    assert rows.call == SqlCall(dependency="base", statement="select 1")
    assert isinstance(each, JobSource)
    assert isinstance(looks, RedisSource)


def test_a_table_of_pyproject_loads(tmp_path: Path) -> None:
    """`[tool.unstuck.target]` has the same keys."""
    path = write(
        tmp_path,
        '[tool.unstuck.target]\nname = "shop"\nsubmit = {command = ["s"]}\nroles = {w = {command = ["w"]}}\n'
        'observe = {sources = [{command = ["o"]}]}\n',
        "pyproject.toml",
    )
    assert load_target(path).roles["w"].command == ("w",)
    with pytest.raises(ScenarioError, match=r"pyproject.toml:1: has no \[tool.unstuck.target\]"):
        load_target(write(tmp_path, "[tool.other]\n", "pyproject.toml"))


MISTAKES = [
    # (what is replaced, by what, the line of the mistake, what is said)
    ("name: shop\n", "", 1, "'name' is missing. Add it; docs/your-own-service.md has examples"),
    ("name: shop", "name: a shop", 1, "must be a name of letters, digits"),
    ("name: shop", "nmae: shop", 1, "'nmae' is not a key here. Did you mean 'name'?"),
    ("name: shop", "name: shop\npromise: at_leest_once", 2, "Did you mean 'at_least_once'?"),
    ("kind: redis", "kind: reddis", 3, "is not a kind of dependency. Did you mean 'redis'?"),
    ("kind: redis", "kind: redis, databses: 3", 3, "Did you mean 'databases'?"),
    ("kind: redis", "database: 3", 3, "lacks 'kind'"),
    ("kind: redis", "kind: redis, databases: 0", 3, "databases=0 must be 1 or more"),
    ("{broker}/0", "{brokr}/0", 5, "{brokr} names nothing. Did you mean 'broker'?"),
    ("  worker:\n", "  Worker:\n", 7, "is no name. Write a word of small letters"),
    ("  worker:\n", "  job:\n", 7, "means something else already"),
    ("  worker:\n", "  broker:\n", 7, "is also a dependency"),
    ('    command: [worker, "{process}"]\n', "", 7, "lacks 'command'"),
    ('[worker, "{process}"]', "[]", 8, "is empty. Write the program"),
    ('[worker, "{process}"]', "worker 'x", 8, "cannot be split into words"),
    ("ready: ready", "ready: {line: x, port: true}", 9, "says several ways"),
    ("ready: ready", "ready: {lin: x}", 9, "Did you mean 'line'?"),
    ("ready: ready", "stop: {signal: SIGTREM}", 9, "Did you mean 'SIGTERM'?"),
    ("ready: ready", "stop: {grace_s: -1}", 9, "is out of range"),
    ("ready: ready", "replicas: many", 9, "Write a whole number"),
    ("ready: ready", "comand: x", 9, "Did you mean 'command'?"),
    ("command: [submit", "comand: [submit", 11, "Did you mean 'command'?"),
    ('  command: [submit, "{item}"]\n', "", 10, "says no way. Write one of: command, http"),
    ("  values:", "  python: a:b\n  values:", 10, "says 2 ways: command, python"),
    (
        'command: [submit, "{item}"]',
        "python: tasks.submit",
        11,
        "is no function. Write it as module:function",
    ),
    ('command: [submit, "{item}"]', "sql: select 1", 11, "there is no dependency of kind postgres"),
    ('command: [submit, "{item}"]', "redis: [PING]\n  on: other", 12, "is not a dependency of kind redis"),
    ("{item}", "{job}", 11, "{job} names nothing. Say `chosen: true` if the id is ours"),
    ("{item}", "{itme}", 11, "{itme} names nothing. Did you mean 'item'?"),
    ("  sources:", "  sorces:", 14, "Did you mean 'sources'?"),
    ("done: succeeded", "done: succeded", 16, "is not a state. Did you mean 'succeeded'?"),
    ("held: queue", "held: queu", 17, "is not where a job can be held. Did you mean 'queue'?"),
    ("state: queued, held: queue", "field: x", 17, "has a field, but its key is not the job's own"),
    (", state: queued, held: queue", "", 17, "says nothing"),
    ('key: "job:{job}"', 'key: "{folder}:{job}"', 16, "{folder} names nothing"),
    ('key: "job:{job}"', 'key: "job:{{job}}"', 16, "has a field, but its key is not the job's own"),
    ("key: waiting", 'key: "{bull}:waiting"', 17, "{bull} names nothing. Known: job. Double the braces"),
    ("field: state, states", "states", 16, "maps states, but reads none. Add `field`"),
    (
        "field: state, states: {done: succeeded, odd: null}",
        "state: failed, reason: e",
        16,
        "would be dropped",
    ),
    ("field: state, states: {done: succeeded, odd: null}", "held: queue, reason: e", 16, "would be dropped"),
    (
        "field: state, states: {done: succeeded, odd: null}",
        "reason: $.e",
        16,
        "is a JSONPath, and `field` is none",
    ),
    ("field: state,", "field: state, reason: $.e,", 16, "is a JSONPath, and `field` is none"),
    ("field: state,", "field: state, state: queued,", 16, "has a field and a state. Keep one of them"),
    (
        "state: queued, held: queue",
        "state: queued, reason: e",
        17,
        "has a reason, but its key is not the job's own",
    ),
    ("observe:\n", "observe:\n  every_s: 0\n", 14, "must be more than 0"),
    ("observe:\n", "observe:\n  absent: gone\n", 14, "is not allowed here. Known: lost, succeeded, unknown"),
    ("observe:\n", "effects: ledgr\nobserve:\n", 13, "Did you mean 'ledger'?"),
    ("observe:\n", 'effects: {each: {http: "http://127.0.0.1:1/{job}"}}\nobserve:\n', 13, "asks for one job"),
    ("observe:\n", 'effects: {looks: [{key: "d:{job}", state: active}]}\nobserve:\n', 13, "Name one list"),
    ("observe:\n", 'effects: {looks: [{key: "d:*", state: active}]}\nobserve:\n', 13, "Name one list"),
    (
        "observe:\n",
        "effects: {looks: [{key: d, through: h, state: active}]}\nobserve:\n",
        13,
        "Name one list",
    ),
    ("observe:\n", "settings: {x: {value: 1}}\nobserve:\n", 13, "lacks 'variable'"),
    (
        "observe:\n",
        "configurations: {r: {settings: {y: 1}}}\nobserve:\n",
        13,
        "is not a setting of this file",
    ),
    ("observe:\n", "folder: nowhere\nobserve:\n", 13, "is not a folder"),
    ("observe:\n", "timings: {lease: 1}\nobserve:\n", 13, "Did you mean 'lease_s'?"),
    (
        "redis://{broker}/0",
        "redis://prod.example/0",
        5,
        "environment.URL: 'prod.example' is not this machine",
    ),
    ("[worker,", "[worker, --host, db.prod,", 8, "roles.worker.command: 'db.prod' is not this machine"),
    ('[submit, "{item}"]', "[submit, 10.0.0.5]", 11, "submit.command: '10.0.0.5' is not this machine"),
    ("name: shop", "name: [shop", 1, ""),
    ("name: shop", "name: shop\nname: shop", 2, "stands here again, first on line 1"),
]


@pytest.mark.parametrize(("old", "new", "line", "said"), MISTAKES, ids=[one[3] or "YAML" for one in MISTAKES])
def test_a_mistake_is_told_with_its_line(tmp_path: Path, old: str, new: str, line: int, said: str) -> None:
    """`path:line:`, what is wrong, and what to do, in one line."""
    assert old in GOOD
    path = write(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(ScenarioError) as caught:
        load_target(path)
    text = str(caught.value)
    assert said in text
    assert "\n" not in text
    if said:
        assert text.startswith(f"{path}:{line}: "), text


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """Not there, no text, nothing in it."""
    with pytest.raises(ScenarioError, match="cannot be read"):
        load_target(tmp_path / "none.yaml")
    with pytest.raises(ScenarioError, match="cannot be read"):
        load_target(tmp_path)
    path = tmp_path / "unstuck.yaml"
    path.write_bytes(b"name: \xff\n")
    with pytest.raises(ScenarioError, match="yaml:1: byte 0xff is not UTF-8"):
        load_target(path)
    path.write_bytes(b"")
    with pytest.raises(ScenarioError, match="the file is empty"):
        load_target(path)


def test_a_host_takes_two_yeses(tmp_path: Path) -> None:
    """The file's and the command line's; one of them is not enough."""
    elsewhere = GOOD.replace("redis://{broker}/0", "redis://prod.example/0")
    named = write(tmp_path, elsewhere + "allow_hosts: [prod.example]\n")
    assert load_target(named, ["prod.example"]).hosts_allowed == {"prod.example"}
    with pytest.raises(ScenarioError, match=r"allow it with --allow-host prod\.example"):
        load_target(named)
    alone = write(tmp_path, elsewhere, "other.yaml")
    with pytest.raises(ScenarioError, match="name it in allow_hosts"):
        load_target(alone, ["prod.example"])
    assert load_target(alone, None).hosts_allowed == frozenset()  # it is only looked at
