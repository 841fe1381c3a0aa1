"""The commands beside run: check, schema, version, send, help; what they print and how they end."""
import json
import os
import re
import subprocess

import pytest
from google.protobuf import json_format

import flyte
from gateway import BINARY, FILE, ROOT, run

PROBLEM = re.compile(r"^(?P<file>[^:]+):(?P<line>\d+):(?P<column>\d+): (?P<level>error|warning|note): (?P<what>.+)$")
COMMANDS = ["run", "check", "try", "test", "send", "dead", "log", "tap", "schema", "version"]


def check(tmp_path, text, status=1, *args, **options):
    """The problems that `check` prints for a configuration: [(line, column, level, what)]."""
    (tmp_path / "moongate.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    done = run("check", "-c", tmp_path / "moongate.yaml", *args, **options)
    assert done.returncode == status, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    found = []
    for line in done.stdout.splitlines():
        m = PROBLEM.match(line)
        assert m, line
        found.append((os.path.basename(m["file"]), int(m["line"]), int(m["column"]), m["level"], m["what"]))
    return found


@pytest.mark.parametrize("first", ["pipelines:", "Pipelines: null"])
def test_a_list_of_pipelines_beside_an_empty_one_is_read(tmp_path, first):
    mine = f"{first}\nPIPELINES:\n  - {{name: a, publisher: {{type: nul}}}}\n"
    assert [(f, line) for f, line, *_ in check(tmp_path, mine)] == [("moongate.yaml", 3)]
    (tmp_path / "team.yaml").write_text(mine)
    found = check(tmp_path, "include: team.yaml\n")
    assert [(f, line) for f, line, *_ in found] == [("team.yaml", 3)] and 'mean "null"' in found[0][4]


# ---- help, usage, version
@pytest.mark.parametrize("args", [["--help"], ["-h"], *([c, "--help"] for c in COMMANDS), *([c, "-h"] for c in COMMANDS)], ids=" ".join)
def test_help(args):
    done = run(*args, check=0)
    assert done.stdout and not done.stderr


@pytest.mark.parametrize("args,hint", [([], ""), (["chek"], "check"), (["check", "--strct"], "strict"), (["run", "-c"], "-c"),
                                       (["version", "extra"], "extra"), (["run", "--log-level", "debg"], 'mean \\"debug\\"'),
                                       (["run", "--log-format", "jsn"], 'mean \\"json\\"'), (["send", "--kind", "workflo"], "workflow"),
                                       (["send", "--count", "x"], "count"), (["send", "--grpc", "a:1", "--http", "http://b"], "")], ids=str)
def test_wrong_usage_is_exit_2(args, hint):
    done = run(*args, check=2)
    assert hint in done.stderr and done.stdout == ""


def test_version_names_the_libraries():
    text = run("version", check=0).stdout
    for library in ("lua", "nghttp2", "libevent", "openssl", "curl", "rdkafka", "sqlite", "zlib", "yaml", "protobuf-c"):
        assert library in text.lower(), library


# ---- install
def test_installed_under_another_prefix_it_finds_its_modules(tmp_path):
    make = subprocess.run(["make", "-s", "install", "PREFIX=/opt/gate", f"DESTDIR={tmp_path}/root"], cwd=ROOT, capture_output=True, text=True,
                          env={k: v for k, v in os.environ.items() if k != "MAKEFLAGS"}, check=False)
    assert make.returncode == 0, make.stderr
    installed = tmp_path / "root/opt/gate"
    assert os.access(installed / "bin/moongate", os.X_OK) and (installed / "share/moongate/scripts/stamp_team.lua").exists()
    (tmp_path / "m.yaml").write_text("pipelines:\n  - {name: a, match: {kind: task}, publisher: {type: 'null'}}\n")
    done = subprocess.run([installed / "bin/moongate", "check", "-c", tmp_path / "m.yaml"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    done = subprocess.run([installed / "bin/moongate", "test", installed / "share/moongate/scripts"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


# ---- check
def test_a_good_file_has_no_problems(tmp_path):
    assert check(tmp_path, "", 0) == []
    assert check(tmp_path, "source: /s\n" + FILE, 0) == []


def test_without_a_file_the_defaults_are_checked(tmp_path):
    assert run("check", cwd=tmp_path, check=0).stdout == ""


def test_every_problem_is_reported_in_one_go(tmp_path):
    found = check(tmp_path, """\
sorce: /x
shutdown_timeout: soon
ingest: {threads: 0, grpc: {listen: 127.0.0.1:0, max_message_bytes: 4MB}}
pipelines:
  - name: UPPER
    publisher: {type: kafk, topic: t}
  - name: b
    on_hook_error: dead_leter
    workers: many
    publisher: {type: kafka, topic: t}
  - name: b
    publisher: {type: file, path: x}
""")
    lines = [f[1] for f in found]
    assert set(lines) == {1, 2, 3, 5, 6, 8, 9, 10, 11}
    assert lines == sorted(lines)
    assert all(f[0] == "moongate.yaml" and f[3] == "error" for f in found)
    text = "\n".join(f[4] for f in found)
    for hint in ('did you mean "source"?', 'did you mean "kafka"?', 'did you mean "dead_letter"?'):
        assert hint in text, text
    assert "brokers" in text


@pytest.mark.parametrize("text,line,column,what", [
    ("pipelines:\n  - name: a\n    publisher: {type: file, pth: x}\n", 3, 29, "path"),
    ("source: a\nsource: b\n", 2, 1, "source"),
    ("log: {max_bytes: 1XB}\n", 1, 18, "max_bytes"),
    ("log: {segment_bytes: 1KiB}\n", 1, 22, "segment_bytes"),
    ("admin: 9090\n", 1, 8, "admin"),
    ("admin: {listen: 9090}\n", 1, 17, "admin.listen"),
    ("ingest:\n  http: {listen: '127.0.0.1:70000'}\n", 2, 18, "ingest.http.listen"),
    ("pipelines: {a: b}\n", 1, 12, "pipelines"),
    ("a: [1\n", 2, 1, ""),
    ("pipelines:\n  - {name: a, set: {env: '${NO_SUCH_VARIABLE}'}, publisher: {type: 'null'}}\n", 2, 27, "NO_SUCH_VARIABLE"),
    ("pipelines:\n  - {name: a, set: {Bad: x}, publisher: {type: 'null'}}\n", 2, 21, "Bad"),
    ("pipelines:\n  - {name: a, set: {x: 1.5}, publisher: {type: 'null'}}\n", 2, 24, "set.x"),
    ("pipelines:\n  - {name: a, match: {projct: x}, publisher: {type: 'null'}}\n", 2, 0, None),
    ("pipelines:\n  - {name: a, event_types: [tsk], publisher: {type: 'null'}}\n", 2, 29, "task"),
], ids=["unknown key", "a key twice", "no size", "too small", "wrong type", "no address", "no port", "a map for a list", "no YAML", "unset variable",
        "no attribute name", "a fraction", "an attribute that may exist", "unknown event type"])
def test_a_problem_has_its_place(tmp_path, text, line, column, what):
    if what is None:                                       # match may name any attribute, so this is no problem
        assert [f for f in check(tmp_path, text, 0) if f[3] == "error"] == []
        return
    found = check(tmp_path, text)
    assert (found[0][1], found[0][2] if column > 1 or line == 1 else column) == (line, column), found
    assert what in found[0][4]


def test_scripts_are_loaded_and_their_place_told(tmp_path):
    (tmp_path / "bad.lua").write_text("return function(\n\n  oops oops\n")
    found = check(tmp_path, "pipelines:\n  - {name: a, hooks: [bad.lua, none.lua], publisher: {type: 'null'}}\n")
    places = {(f[0], f[1]) for f in found}
    assert ("bad.lua", 3) in places
    assert any(f[0] == "moongate.yaml" and f[1] == 2 and "none.lua" in f[4] for f in found)


def test_scripts_are_loaded_beside_other_problems(tmp_path):
    (tmp_path / "bad.lua").write_text("oops oops\n")
    found = check(tmp_path, "sorce: x\npipelines:\n  - {name: a, set: {id: ''}, hooks: [bad.lua, none.lua], publisher: {type: nul}}\n"
                            "  - {name: b, params: 3, hook_limits: {memory: 1}, hooks: none.lua, publisher: {type: 'null'}}\n")
    text = "\n".join(f"{f[0]}:{f[1]} {f[4]}" for f in found)
    for what in ("moongate.yaml:1 ", "moongate.yaml:3 set.id", "bad.lua:1 ", "none.lua", "nul"):
        assert what in text, text


def test_strict_makes_warnings_count(tmp_path):
    text = "pipelines:\n  - {name: a, publisher: {type: kafka, brokers: [a], topic: t, sasl: {mechanism: SCRAM-SHA-256, username: u, password: p}}}\n"
    found = check(tmp_path, text, 0)
    assert [f[3] for f in found] == ["warning"] and "2.6.1" in found[0][4]
    check(tmp_path, text, 1, "--strict")


def test_problems_are_data_and_go_to_standard_output(tmp_path):
    (tmp_path / "moongate.yaml").write_text("x: 1\n")
    done = run("check", "-c", tmp_path / "moongate.yaml", check=1)
    assert done.stdout.count("\n") == 1
    assert done.stdout.startswith(str(tmp_path / "moongate.yaml") + ":1:1: error: ")


def test_a_file_that_cannot_be_opened(tmp_path):
    done = run("check", "-c", tmp_path / "none.yaml", check=1)
    assert "none.yaml" in done.stdout + done.stderr


def test_included_pipelines(tmp_path):
    (tmp_path / "pipelines.d").mkdir()
    (tmp_path / "pipelines.d/a.yaml").write_text("pipelines:\n  - {name: a, publisher: {type: 'null'}}\n")
    done = run("check", "-c", _write(tmp_path, "include: pipelines.d/*.yaml\n"))
    assert done.returncode in (0, 1)
    if done.returncode == 1:                               # not built yet: then it is an unknown key, never ignored
        assert "include" in done.stdout


def _write(tmp_path, text):
    (tmp_path / "moongate.yaml").write_text(text)
    return tmp_path / "moongate.yaml"


@pytest.mark.parametrize("key", ["log: {type: kafka}"], ids=str)
def test_what_is_not_built_is_an_error_and_never_ignored(tmp_path, key):
    assert "error" in [level for *_, level, _ in check(tmp_path, key + "\n")]


@pytest.mark.parametrize("text", [b"\xff\xfe", b"a: \xff\n", b"a: &x [*x]\n", b"[" * 5000, b"a: !!python/object 1\n", b"\0", b"- 1\n", b"--- \n--- \n",
                                  b"a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\nd: &d [*c,*c]\n"], ids=repr)
def test_hostile_files_are_problems_and_no_crash(tmp_path, text):
    found = check(tmp_path, text[:6000])
    assert found and found[0][3] == "error"


def test_a_comma_list_and_null_as_people_write_it(tmp_path):
    assert check(tmp_path, "pipelines:\n  - {name: a, publisher: {type: null}}\n"
                           "  - {name: b, publisher: {type: kafka, brokers: 'a:1,b:2', topic: t}}\n", 0) == []


# ---- schema
def test_the_schema_knows_every_key(tmp_path):
    schema = json.loads(run("schema", check=0).stdout)
    assert schema["$schema"].startswith("http")
    text = json.dumps(schema)
    for key in ("shutdown_timeout", "max_pending_bytes", "segment_bytes", "on_hook_error", "max_in_flight", "rotate", "brokers", "hook_limits"):
        assert f'"{key}"' in text, key
    assert {"source", "ingest", "admin", "log", "pipelines"} <= set(schema["properties"])
    assert all(p.get("description") for p in schema["properties"].values())


# ---- send
def summary(done):
    return dict(line.split("=", 1) for line in done.stdout.split())


def test_send_files_and_streams(gateway, tmp_path):
    g = gateway()
    golden = os.path.join(os.path.dirname(BINARY), "../../spec/golden/streams/success.jsonl")
    done = run("send", "--grpc", g.grpc, golden, check=0)
    assert {k: v for k, v in summary(done).items() if k != "seconds"} == {"sent": "29", "ok": "29", "failed": "0"}
    g.settled(29)
    assert g.ids() == [flyte.id_of(r) for r in flyte.golden("success")]


def test_send_over_http(gateway):
    g = gateway()
    golden = os.path.join(os.path.dirname(BINARY), "../../spec/golden/streams/failure-retries.jsonl")
    assert summary(run("send", "--http", f"http://{g.http}", golden, check=0))["ok"] == "31"
    g.settled(31)
    assert g.ids() == [flyte.id_of(r) for r in flyte.golden("failure-retries")]
    assert g.metric("moongate_events_received_total", ingest="http") == 31


def test_send_protobuf_and_json_files_of_a_kind(gateway, tmp_path):
    g = gateway()
    (tmp_path / "task.pb").write_bytes(flyte.task().SerializeToString())
    (tmp_path / "task.json").write_text(json_format.MessageToJson(flyte.task(attempt=1)))
    run("send", "--grpc", g.grpc, "--kind", "task", tmp_path / "task.pb", tmp_path / "task.json", check=0)
    g.settled(2)
    assert g.ids() == [flyte.id_of(flyte.task()), flyte.id_of(flyte.task(attempt=1))]


@pytest.mark.parametrize("kind", ["workflow", "node", "task", None])
def test_samples_all_differ(gateway, kind):
    g = gateway()
    args = ["--kind", kind] if kind else []
    done = run("send", "--grpc", g.grpc, "--count", 200, "--concurrency", 8, *args, check=0)
    assert summary(done)["ok"] == "200"
    g.settled(200)
    assert len(set(g.ids())) == 200
    if kind:
        assert {e["type"] for e in g.lines()} == {f"com.flyte.resource.{kind}"}


def test_an_undelivered_send_is_exit_1(gateway, tmp_path):
    g = gateway()
    address = g.grpc
    g.stop()
    done = run("send", "--grpc", address, "--count", 3, check=1)
    assert summary(done)["ok"] == "0" and summary(done)["failed"] != "0"
    assert done.stderr


def test_send_says_which_line_is_wrong(gateway, tmp_path):
    g = gateway()
    (tmp_path / "x.jsonl").write_text('{"kind":"task","request":{}}\n{"kind":"task","request":{"evnt":{}}}\n')
    done = run("send", "--grpc", g.grpc, tmp_path / "x.jsonl", check=1)
    assert "x.jsonl:2" in done.stderr


def test_no_progress_bar_on_a_pipe(gateway):
    g = gateway()
    done = run("send", "--grpc", g.grpc, "--count", 50, check=0)
    assert "\r" not in done.stdout + done.stderr and "\x1b" not in done.stdout + done.stderr


@pytest.mark.parametrize("args", ["version", "schema", "--help", "send --help"])
def test_output_that_cannot_be_written_is_exit_1(args):
    done = subprocess.run(f"'{BINARY}' {args} > /dev/full", shell=True, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "standard output cannot be written" in done.stderr


def test_a_closed_pipe_is_no_crash():
    done = subprocess.run(f"'{BINARY}' schema | head -c 1", shell=True, capture_output=True, check=False)
    assert done.stdout and done.returncode == 0 and done.stderr == b""
