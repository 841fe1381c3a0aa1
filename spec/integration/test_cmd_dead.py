"""`moongate dead`: the same whether a gateway runs on the data directory or nobody does."""
import fcntl
import json
import os
import re
import signal
import subprocess

import pytest

import flyte
from gateway import BINARY, request, run
from wait import wait_until

CONFIG = """\
log: {path: data, segment_bytes: 1MiB}
pipelines:
  - {name: all, publisher: {type: file, path: all.jsonl}}
  - {name: bad, event_types: [node], hooks: [bad.lua], publisher: {type: file, path: bad.jsonl}}
  - {name: worse, event_types: [task], hooks: [worse.lua], publisher: {type: file, path: worse.jsonl}}
"""
BAD = 'local function deep(e) error("no such luck: " .. e.id) end\nreturn function(e) deep(e) end\n'
WORSE = 'return function(e) while true do end end\n'
MENDED = "return function(e) e.mended = true end\n"
NODES = [flyte.node(name=f"f{i}") for i in range(3)]


def dead(g, *args, check=0, **options):
    return run("dead", *args, "-c", g.config_file, check=check, **options)


def letters(g, *args):
    return [json.loads(line) for line in dead(g, "list", "--json", *args).stdout.splitlines()]


def summary(done):
    return dict(field.split("=", 1) for field in done.stdout.split())


@pytest.fixture
def broken(gateway):
    """A gateway with three dead letters of `bad` and one of `worse`."""
    def start(config=CONFIG, **options):
        g = gateway(config, files={"bad.lua": BAD, "worse.lua": WORSE}, **options)
        with g.channel() as channel:
            for r in (*NODES, flyte.task(), flyte.workflow()):
                flyte.send(channel, r)
        g.settled(5)
        return g
    return start


@pytest.fixture(params=["running", "stopped"])
def held(request, broken):
    g = broken()
    if request.param == "stopped":
        assert g.stop() == 0
    return g


def test_running_or_stopped_the_output_is_the_same(broken):
    g = broken()
    asked = [["list"], ["list", "--json"], ["show", "bad/2"], ["show", "--json", "bad/2"], ["show", "--json", "--id", "worse/1"],
             ["list", "--reason", "hook_budget"], ["list", "--pipeline", "none"]]
    running = [dead(g, *args).stdout for args in asked]
    assert g.stop() == 0
    assert [dead(g, *args).stdout for args in asked] == running
    assert all(running[:-1]) and running[-1] == ""


def test_list_is_a_table_for_people(held):
    head, *rows = dead(held, "list").stdout.splitlines()
    assert head.split() == ["ID", "REASON", "ATTEMPTS", "LAST", "EVENT", "ERROR"]
    assert [row.split()[0] for row in rows] == ["bad/1", "bad/2", "bad/3", "worse/1"]
    for word in ("REASON", "EVENT", "ERROR"):                          # aligned
        assert all(row[head.index(word) - 1] == " " != row[head.index(word)] for row in rows)
    assert "no such luck" in rows[0] and "\n" not in rows[0]


def test_list_json_has_what_is_promised(held):
    every = letters(held)
    assert [list(d) for d in every] == [["id", "pipeline", "reason", "event_id", "attempts", "first_at", "last_at", "error"]] * 4
    first = every[0]
    assert (first["id"], first["pipeline"], first["reason"], first["attempts"]) == ("bad/1", "bad", "hook_error", 1)
    assert first["event_id"] == flyte.id_of(NODES[0])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", first["first_at"])
    assert "bad.lua:1: no such luck" in first["error"]
    assert every[3]["reason"] == "hook_budget"


def test_list_takes_filters(held):
    assert [d["id"] for d in letters(held, "--pipeline", "worse")] == ["worse/1"]
    assert [d["id"] for d in letters(held, "--reason", "hook_error")] == ["bad/1", "bad/2", "bad/3"]
    assert [d["id"] for d in letters(held, "--id", "bad/2")] == ["bad/2"]
    assert letters(held, "--pipeline", "worse", "--reason", "hook_error") == []
    assert "bad/9" in dead(held, "list", "--id", "bad/9", check=1).stderr


def test_show_has_the_traceback_and_the_request(held):
    text = dead(held, "show", "bad/1").stdout
    assert "bad.lua:1: no such luck" in text and "in deep" in text and "bad.lua:2:" in text
    whole = json.loads(dead(held, "show", "--json", "bad/1").stdout)
    record = whole["record"]
    assert (record["kind"], record["ingest"]) == ("node", "grpc")
    assert record["request"]["event"]["id"]["executionId"]["name"] == "f0"
    assert json.loads(text[text.index("record:") + 7:]) == record
    assert whole.items() >= letters(held, "--id", "bad/1")[0].items()
    assert "bad/9" in dead(held, "show", "bad/9", check=1).stderr


def test_replay_of_what_fails_again_stays(held):
    done = dead(held, "replay", "--pipeline", "bad", check=1)
    assert {k: v for k, v in summary(done).items() if k != "seconds"} == {"records": "3", "published": "0", "filtered": "0", "failed": "3"}
    assert [(d["id"], d["attempts"]) for d in letters(held)] == [("bad/1", 2), ("bad/2", 2), ("bad/3", 2), ("worse/1", 1)]


def test_replay_runs_todays_hooks_and_keeps_the_ids(held):
    held.write("bad.lua", MENDED)
    held.write("worse.lua", "return function() return false, 'never mind' end\n")
    assert summary(dead(held, "replay", "bad/2"))["published"] == "1"
    assert [d["id"] for d in letters(held)] == ["bad/1", "bad/3", "worse/1"]
    done = summary(dead(held, "replay"))
    assert (done["records"], done["published"], done["filtered"], done["failed"]) == ("3", "2", "1", "0")
    assert float(done["seconds"]) >= 0
    assert letters(held) == []
    assert sorted(held.ids("bad.jsonl")) == sorted(map(flyte.id_of, NODES))
    assert all(e["mended"] is True for e in held.lines("bad.jsonl"))
    assert summary(dead(held, "replay"))["records"] == "0"
    assert "bad/2" in dead(held, "replay", "bad/2", check=1).stderr


def test_replays_count_in_their_own_metric_only(broken):
    g = broken()
    before = g.pipeline("bad")
    g.write("bad.lua", MENDED)
    dead(g, "replay", "--pipeline", "bad")
    assert g.metric("moongate_replayed_total", pipeline="bad") == 3
    assert g.pipeline("bad") == before


@pytest.mark.parametrize("state", ["running", "stopped"])
def test_replay_of_a_pipeline_that_is_gone_does_not_hinder_others(broken, state):
    g = broken()
    assert g.stop() == 0
    g.configure(CONFIG.replace("name: bad", "name: better"))
    g.write("worse.lua", MENDED)
    if state == "running":
        g.start()
    done = dead(g, "replay", check=1)
    assert "no pipeline bad: it has all, better, worse" in done.stderr
    assert summary(done)["published"] == "1"
    assert [(d["id"], d["attempts"]) for d in letters(g)] == [("bad/1", 1), ("bad/2", 1), ("bad/3", 1)]
    done = dead(g, "replay", "bad/1", check=1)
    assert "no pipeline bad" in done.stderr and done.stdout == ""


@pytest.mark.parametrize("action", ["list", "replay", "drop"])
def test_a_pipeline_that_is_not_there_is_told(held, action):
    done = dead(held, action, "--json", "--pipeline", "bda", check=0 if action == "list" else 1)
    assert 'has no pipeline bda (did you mean \\"bad\\"?): it has all, bad, worse' in done.stderr and done.stdout == ""
    done = dead(held, action, "--pipeline", "all", check=0)            # there is, but has none
    assert "level=warn" not in done.stderr and len(letters(held)) == 4


def test_counts_as_json(held):
    counts = json.loads(dead(held, "replay", "--json", "--pipeline", "bad", check=1).stdout)
    assert counts.pop("seconds") >= 0 and counts == {"records": 3, "published": 0, "filtered": 0, "failed": 3}
    assert json.loads(dead(held, "drop", "--json", "--all").stdout) == {"dropped": 4}


def test_drop(held):
    assert "--all" in dead(held, "drop", check=2).stderr
    assert dead(held, "drop", "bad/1").stdout == "dropped=1\n"
    assert "bad/1" in dead(held, "drop", "bad/1", check=1).stderr
    assert dead(held, "drop", "--reason", "hook_budget").stdout == "dropped=1\n"
    assert [d["id"] for d in letters(held)] == ["bad/2", "bad/3"]
    assert dead(held, "drop", "--all").stdout == "dropped=2\n"
    assert letters(held) == []


@pytest.mark.parametrize("args,hint", [
    (["lst"], 'mean \\"list\\"'), ([], "list show replay drop"), (["show"], "ID"), (["show", "bad"], "PIPELINE/NUMBER"), (["show", "bad/0"], "bad/0"),
    (["show", "bad/99999999999999999999"], "PIPELINE/NUMBER"), (["list", "--reason", "hook_eror"], 'mean \\"hook_error\\"'),
    (["list", "--pipeline", "a", "--id", "b/1"], "another"), (["drop", "--all", "a/1"], "--all"), (["replay", "a/1", "b/1"], "b/1"),
    (["list", "--jsn"], "--json"), (["show", "--pipeline", "a"], "--pipeline")], ids=" ".join)
def test_wrong_usage_is_exit_2(args, hint, tmp_path):
    done = run("dead", *args, check=2, cwd=tmp_path)
    assert hint in done.stderr and done.stdout == ""


@pytest.mark.parametrize("args", [["dead"], ["dead", "list"], ["dead", "show"], ["dead", "replay"], ["dead", "drop"]], ids=" ".join)
def test_help(args):
    done = run(*args, "--help", check=0)
    assert done.stdout.startswith("usage: moongate dead") and not done.stderr


def test_without_a_directory_nothing_is_made(tmp_path):
    for args in (["list"], ["replay"], ["drop", "--all"]):
        assert "moongate-data" in run("dead", *args, check=1, cwd=tmp_path).stderr
    (tmp_path / "moongate-data").mkdir()
    assert "no data directory" in run("dead", "list", check=1, cwd=tmp_path).stderr
    assert os.listdir(tmp_path) == ["moongate-data"] and not os.listdir(tmp_path / "moongate-data")


def test_looking_at_a_stopped_directory_changes_nothing(broken):
    g = broken()
    assert g.stop() == 0
    before = files(g.path("data"))
    dead(g, "list")
    dead(g, "show", "bad/1")
    assert {k: v for k, v in files(g.path("data")).items() if "state.db" not in k and k != "lock"} == \
           {k: v for k, v in before.items() if "state.db" not in k and k != "lock"}
    assert g.start().pipeline("bad")["dead_lettered"] == 3


def files(folder):
    found = {}
    for root, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(root, name)
            with open(path, "rb") as f:
                found[os.path.relpath(path, folder)] = f.read()
    return found


# ---- the way to the gateway
def test_a_gateway_without_an_admin_listener_says_what_to_do(gateway):
    g = gateway("admin: {listen: none}\n" + CONFIG, files={"bad.lua": BAD, "worse.lua": WORSE})
    stderr = dead(g, "list", check=1).stderr
    assert f"pid {g.pid}" in stderr and "admin.listen" in stderr and "stop it" in stderr


def test_a_gateway_that_does_not_answer(broken):
    g = broken()
    assert g.stop() == 0
    with open(g.path("data/lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("4242\n127.0.0.1:1\n")
        lock.flush()
        stderr = dead(g, "list", check=1).stderr
        assert "4242" in stderr and "127.0.0.1:1" in stderr


def test_changes_show_the_token(broken, tmp_path):
    secret = "sesame-sesame-sesame"
    with open(tmp_path / "token", "w", encoding="ascii") as f:
        f.write(secret + "\n")
    with_token = f"admin: {{listen: '127.0.0.1:0', token_file: {tmp_path}/token}}\n{CONFIG}"
    g = broken(with_token)
    assert secret not in dead(g, "drop", "bad/1").stdout
    assert request(g.admin, "DELETE", "/api/dead?all=true")[0] == 401
    g.configure(CONFIG)                                                # the running gateway has it still
    assert "token" in dead(g, "drop", "bad/2", check=1).stderr
    (tmp_path / "other").write_text("another-another-another\n")
    g.configure(with_token.replace("/token", "/other"))
    assert "not the one" in dead(g, "drop", "bad/2", check=1).stderr
    g.configure(with_token)
    assert [d["id"] for d in letters(g)] == ["bad/2", "bad/3", "worse/1"]


def is_asked(address):
    """Somebody has a connection to it: the kernel's word, as the gateway itself may stand still."""
    with open("/proc/net/tcp", encoding="ascii") as f:
        return any(line.split()[2].endswith(f":{int(address.rsplit(':', 1)[1]):04X}") and line.split()[3] == "01" for line in f)


def test_a_replay_that_is_interrupted_before_it_begins_says_so(gateway):
    g = gateway(CONFIG, files={"bad.lua": BAD, "worse.lua": WORSE})
    with g.channel() as channel:
        flyte.send(channel, NODES[0])
    g.settled(1)
    wait_until(lambda: not is_asked(g.admin))
    g.signal(signal.SIGSTOP)
    with subprocess.Popen([BINARY, "dead", "replay", "-c", g.config_file], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as p:
        wait_until(lambda: is_asked(g.admin) or p.poll() is not None)
        p.send_signal(signal.SIGINT)
        out, err = p.communicate(timeout=60)
    g.signal(signal.SIGCONT)
    assert (p.returncode, out) == (1, "") and "interrupted: nothing was done yet" in err, (out, err)


def test_a_gateway_with_its_log_in_memory_is_asked_at_its_address(gateway):
    from gateway import free_port
    g = gateway(f"admin: {{listen: '127.0.0.1:{free_port()}'}}\n" + CONFIG.replace("path: data", "type: memory"), files={"bad.lua": BAD, "worse.lua": WORSE})
    with g.channel() as channel:
        flyte.send(channel, NODES[0])
    g.settled(1)
    assert [d["id"] for d in letters(g)] == ["bad/1"]
    assert g.stop() == 0
    assert "does not answer" in dead(g, "list", check=1).stderr


# ---- what is in the letters is not ours
def test_control_characters_do_not_reach_the_terminal(gateway):
    g = gateway(CONFIG, files={"bad.lua": 'return function(e) error("a\\27[31mred\\7") end\n', "worse.lua": WORSE})
    with g.channel() as channel:
        flyte.send(channel, NODES[0])
    g.settled(1)
    for args in (["list"], ["show", "bad/1"]):
        text = dead(g, *args).stdout
        assert "red" in text and not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text)


def test_show_of_an_event_that_came_in_as_one(gateway):
    g = gateway("pipelines: [{name: bad, hooks: [bad.lua], publisher: {type: 'null'}}]\n", files={"bad.lua": BAD})
    event = {"specversion": "1.0", "id": "x-1", "source": "/s", "type": "t", "data": {"n": [1, 2]}}
    assert g.post("/v1/events", json.dumps(event), "application/cloudevents+json")[0] == 202
    g.settled(1)
    record = json.loads(dead(g, "show", "--json", "bad/1").stdout)["record"]
    assert record["kind"] == "other" and record["event"] == event
