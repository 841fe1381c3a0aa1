"""`moongate log`: the same whether a gateway runs on the data directory or nobody does."""
import base64
import json
import os
import pty
import subprocess

import pytest

import flyte
from gateway import BINARY, run
from wait import wait_until

CONFIG = """\
log: {path: data, segment_bytes: 1MiB, retain: 24h}
pipelines:
  - {name: all, publisher: {type: file, path: all.jsonl}}
  - {name: nodes, event_types: [node], hooks: [team.lua], publisher: {type: file, path: nodes.jsonl}}
"""
TEAM = 'return function(e) e.team = "a" end\n'
STREAM = [r for i in range(3) for r in (flyte.workflow(name=f"f{i}"), flyte.node(name=f"f{i}"), flyte.task(name=f"f{i}"))]
IDS = [flyte.id_of(r) for r in STREAM]
NODES = IDS[1::3]


def log(g, *args, check=0, **options):
    return run("log", *args, "-c", g.config_file, check=check, **options)


def fields(text):
    return dict(field.split("=", 1) for field in text.split())


def counts(done):
    return {k: v for k, v in fields(done.stdout).items() if k != "seconds"}


def dumped(g, *args):
    return [json.loads(line) for line in log(g, "dump", *args).stdout.splitlines()]


@pytest.fixture
def filled(gateway):
    def start(config=CONFIG):
        g = gateway(config, files={"team.lua": TEAM})
        with g.channel() as channel:
            for r in STREAM:
                flyte.send(channel, r)
        g.settled(len(STREAM))
        return g
    return start


@pytest.fixture(params=["running", "stopped"])
def held(request, filled):
    g = filled()
    if request.param == "stopped":
        assert g.stop() == 0
    return g


def test_running_or_stopped_the_output_is_the_same(filled):
    g = filled()
    asked = [["stats"], ["stats", "--pipeline", "nodes"], ["dump"], ["dump", "--pipeline", "nodes"], ["dump", "--to", "2020-01-01"],
             ["replay", "--dry-run"], ["replay", "--dry-run", "--pipeline", "all", "--from", "1h"]]
    running = [log(g, *args).stdout for args in asked]
    assert g.stop() == 0
    assert [log(g, *args).stdout for args in asked] == running
    assert running[4] == "" and running[5] == "records=9\n"


def test_stats(held):
    total, *pipelines = map(fields, log(held, "stats").stdout.splitlines())
    assert total["records"] == "9" and int(total["bytes"]) > 500
    assert sorted((p["pipeline"], p["lag"]) for p in pipelines) == [("all", "0"), ("nodes", "0")]
    assert log(held, "stats", "--pipeline", "all").stdout.splitlines()[1:] == ["pipeline=all lag=0"]
    assert "alll" in log(held, "stats", "--pipeline", "alll", check=1).stderr


def test_stats_tell_the_lag(gateway):
    g = gateway(CONFIG.replace("path: all.jsonl", "path: none/all.jsonl"), files={"team.lua": TEAM})
    with g.channel() as channel:
        for r in STREAM:
            flyte.send(channel, r)
    g.settled(name="nodes", accepted=9)
    assert "pipeline=all lag=9\n" in log(g, "stats").stdout


def test_dump_has_what_is_promised(held):
    every = dumped(held)
    assert [list(r) for r in every] == [["seq", "received_at", "kind", "key", "id"]] * 9
    assert [r["id"] for r in every] == IDS
    assert [r["seq"] for r in every] == list(range(1, 10))
    assert [r["kind"] for r in every] == ["workflow", "node", "task"] * 3
    assert every[3]["key"] == "flytesnacks:development:f1"
    times = [r["received_at"] for r in every]
    assert all(t.startswith("20") and t.endswith("Z") for t in times)


def test_a_long_dump_is_whole(gateway):
    g = gateway(CONFIG, files={"team.lua": TEAM})
    run("send", "--grpc", g.grpc, "--count", 3000, check=0)
    g.settled(3000)
    running = dumped(g)
    assert [r["seq"] for r in running] == list(range(1, 3001))
    assert g.stop() == 0
    assert dumped(g) == running


def test_dump_takes_times_and_a_pipeline(held):
    times = [r["received_at"] for r in dumped(held)]
    assert [r["id"] for r in dumped(held, "--from", times[2], "--to", times[5])] == IDS[2:5]
    assert len(dumped(held, "--from", "1h", "--to", "now")) == len(dumped(held, "--from", "-1h30m")) == 9
    assert dumped(held, "--from", "2100-01-01") == [] == dumped(held, "--to", "86400")
    assert [r["id"] for r in dumped(held, "--pipeline", "nodes")] == NODES
    assert "all, nodes" in log(held, "dump", "--pipeline", "none", check=1).stderr


def test_replay_sends_once_more_with_the_same_ids(held):
    done = log(held, "replay", "--pipeline", "all")
    assert counts(done) == {"records": "9", "published": "9", "filtered": "0", "failed": "0"}
    assert float(fields(done.stdout)["seconds"]) >= 0
    assert held.ids() == IDS + IDS
    times = [r["received_at"] for r in dumped(held)]
    assert counts(log(held, "replay", "--pipeline", "all", "--from", times[7]))["published"] == "2"
    assert held.ids() == IDS + IDS + IDS[7:]


def test_replay_with_another_script(held, tmp_path):
    (tmp_path / "other.lua").write_text('return function(e, r, f) if f.execution == "f1" then return false, "no" end e.team = "b" end\n')
    done = counts(log(held, "replay", "--pipeline", "nodes", "--script", "other.lua", cwd=tmp_path))
    assert (done["published"], done["filtered"]) == ("2", "1") and int(done["records"]) in (3, 9)
    assert [(e["id"], e["team"]) for e in held.lines("nodes.jsonl")] == [(i, "a") for i in NODES] + [(NODES[0], "b"), (NODES[2], "b")]


def test_replay_in_which_something_fails(held, tmp_path):
    (tmp_path / "broken.lua").write_text('return function(e) error("no such luck") end\n')
    done = log(held, "replay", "--pipeline", "nodes", "--script", tmp_path / "broken.lua", check=1)
    assert counts(done)["failed"] == "3" and "no such luck" in done.stderr


def test_a_script_that_is_not_there_or_does_not_load(held, tmp_path):
    assert "none.lua" in log(held, "replay", "--pipeline", "all", "--script", tmp_path / "none.lua", check=1).stderr
    (tmp_path / "bad.lua").write_text("oops oops\n")
    assert "bad.lua:1" in log(held, "replay", "--pipeline", "all", "--script", tmp_path / "bad.lua", check=1).stderr
    assert held.ids() == IDS


def test_counts_as_json(held):
    assert json.loads(log(held, "replay", "--json", "--dry-run").stdout) == {"records": 9}
    assert json.loads(log(held, "replay", "--json", "--dry-run", "--pipeline", "all").stdout) == {"records": 9}
    counts = json.loads(log(held, "replay", "--json", "--pipeline", "all").stdout)
    assert counts.pop("seconds") >= 0 and counts == {"records": 9, "published": 9, "filtered": 0, "failed": 0}


def test_a_dry_run_sends_nothing(held):
    assert log(held, "replay", "--dry-run", "--pipeline", "all").stdout == "records=9\n"
    assert log(held, "replay", "--dry-run").stdout == "records=9\n"
    assert held.ids() == IDS


def test_replay_of_an_unknown_pipeline(held):
    done = log(held, "replay", "--pipeline", "node", check=1)
    assert 'no pipeline node (did you mean \\"nodes\\"?): it has all, nodes' in done.stderr and done.stdout == ""


def test_replay_of_which_pipeline(filled):
    g = filled()
    for _ in ("running", "stopped"):
        assert "all, nodes" in log(g, "replay", check=1).stderr
        assert "all, nodes" in log(g, "replay", "--diff", "--script", g.path("team.lua"), check=1).stderr
        assert g.stop() == 0
    assert g.ids() == IDS
    g.configure(CONFIG[:CONFIG.index("  - {name: nodes")])
    assert counts(log(g, "replay"))["published"] == "9"                # there is one only
    g.start()
    assert counts(log(g, "replay"))["published"] == "9"
    assert g.ids() == IDS * 3


def test_diff_compares_and_sends_nothing(held, tmp_path):
    (tmp_path / "new.lua").write_text('return function(e, r, f) if f.execution == "f2" then return false, "no" end e.team = "b"; e.more = true end\n')
    args = ["replay", "--pipeline", "nodes", "--diff", "--script", "new.lua"]
    text = log(held, *args, cwd=tmp_path).stdout
    first, *rest = [json.loads(line) for line in log(held, *args, "--json", cwd=tmp_path).stdout.splitlines()]
    assert (first["changed"], first["newly_filtered"]) == (2, 1)
    assert [r["id"] for r in rest] == NODES
    assert {a["name"]: (a.get("before"), a.get("after")) for a in rest[0]["attributes"]} == {"team": ("a", "b"), "more": (None, "true")}
    assert text.splitlines()[0].split()[0] == "records" and NODES[0] in text and "newly filtered" in text
    assert held.ids("nodes.jsonl") == NODES
    first = json.loads(log(held, *args, "--json", "--from", "2100-01-01", cwd=tmp_path).stdout)
    assert first["records"] == 0


def test_diff_against_what_another_publisher_sent(held, tmp_path):
    """Here another pipeline of the same gateway: its file is as good as a file of FlyteAdmin's events (test_moving.py)."""
    theirs = [json.dumps(e) for e in held.lines()]
    unknown = flyte.workflow(name="f9")
    theirs.append(json.dumps(dict(held.lines()[0], id=flyte.id_of(unknown), data_base64=base64.b64encode(unknown.SerializeToString()).decode())))
    (tmp_path / "theirs.jsonl").write_text("\n".join(theirs + theirs[:1]) + "\n{\"specversion\"")
    args = ["replay", "--pipeline", "nodes", "--diff", "--against", "theirs.jsonl"]
    first, *rest = [json.loads(line) for line in log(held, *args, "--json", cwd=tmp_path).stdout.splitlines()]
    assert first.pop("attributes") == {"team": {"added": 3, "removed": 0, "changed": 0}}
    assert {k: v for k, v in first.items() if v} == {"records": 9, "events_there": 11, "changed": 3, "filtered_here": 6, "only_there": 1,
                                                     "repeated_there": 1}
    assert [r["id"] for r in rest if r["change"] == "changed"] == NODES
    assert rest[-1] == {"change": "only_there", "id": flyte.id_of(unknown), "kind": "workflow", "line": 10}
    text = log(held, *args, cwd=tmp_path).stdout
    assert "only there                   1\n" in text and "line 10) @@ only there\n" in text
    # Their events are from long ago, ours came just now: none of theirs is missed, all of ours are found.
    first = json.loads(log(held, *args, "--json", "--from", "1h", cwd=tmp_path).stdout.splitlines()[0])
    assert (first["records"], first["events_there"], first["changed"], first["filtered_here"], first["only_there"]) == (9, 0, 3, 6, 0)
    first = json.loads(log(held, *args, "--json", "--to", "1h", cwd=tmp_path).stdout.splitlines()[0])
    assert (first["records"], first["events_there"], first["only_there"]) == (0, 11, 1)     # those that came since are looked at, too
    (tmp_path / "new.lua").write_text('return function(e) if e.subject:find("Node") then e.both = true end end\n')
    first = json.loads(log(held, *args, "--json", "--script", "new.lua", cwd=tmp_path).stdout.splitlines()[0])
    assert first["attributes"] == {"both": {"added": 3, "removed": 0, "changed": 0}}
    assert held.ids("nodes.jsonl") == NODES


def test_a_diff_of_a_log_that_keeps_nothing_says_so(held):
    words = "log.retain is 0s: what was delivered may be gone"
    args = ["replay", "--pipeline", "all", "--diff", "--against", held.path("all.jsonl")]
    assert words not in log(held, *args).stderr
    held.configure(CONFIG.replace(", retain: 24h", ""))
    done = log(held, *args)
    assert words in done.stderr and "level=warn" in done.stderr and done.stdout.startswith("records ")


def test_a_file_of_events_that_cannot_be_read_is_told_with_its_line(held, tmp_path):
    args = ["replay", "--pipeline", "nodes", "--diff", "--against", "theirs.jsonl"]
    assert "theirs.jsonl" in log(held, *args, cwd=tmp_path, check=1).stderr
    (tmp_path / "theirs.jsonl").write_text(json.dumps(held.lines()[0]) + "\n{}\n")
    done = log(held, *args, cwd=tmp_path, check=1)
    assert "theirs.jsonl:2: " in done.stderr and "specversion" in done.stderr and done.stdout == ""


def test_forget(filled):
    g = filled()
    assert "nodes" in log(g, "forget", "nodes", check=1).stderr        # in use
    assert g.stop() == 0
    assert "nodes" in log(g, "forget", "nodes", check=1).stderr        # in the file
    assert "none" in log(g, "forget", "none", check=1).stderr
    g.configure(CONFIG[:CONFIG.index("  - {name: nodes")])
    g.start()
    assert "pipeline=nodes lag=0 orphan=true" in log(g, "stats").stdout
    assert log(g, "forget", "nodes").stdout == "forgotten=nodes\n"
    assert "nodes" not in log(g, "stats").stdout
    assert "nodes" in log(g, "forget", "nodes", check=1).stderr


def test_forget_with_no_gateway(filled):
    g = filled()
    assert g.stop() == 0
    g.configure(CONFIG[:CONFIG.index("  - {name: nodes")])
    assert log(g, "forget", "--pipeline", "nodes").stdout == "forgotten=nodes\n"
    assert [fields(line)["pipeline"] for line in log(g, "stats").stdout.splitlines()[1:]] == ["all"]


@pytest.mark.parametrize("args,hint", [
    (["stat"], 'mean \\"stats\\"'), ([], "stats dump replay forget"), (["dump", "--from", "yesterday"], "no time"), (["dump", "--to", "25:00"], "--to"),
    (["replay", "--pipeline", "a", "--against", "x"], "--diff"), (["replay", "--pipeline", "a", "--diff", "--against", "x"], "-c"),
    (["dump", "--from", "1h", "--to", "2h"], "before"), (["replay", "--pipeline", "a", "--diff"], "--script"),
    (["replay", "--pipeline", "a", "--diff", "--script", "x"], "-c"), (["forget"], "PIPELINE"), (["dump", "x"], "x"),
    (["forget", "a", "--pipeline", "a"], "a"), (["replay", "--dry-ru"], "--dry-run")], ids=" ".join)
def test_wrong_usage_is_exit_2(args, hint, tmp_path):
    done = run("log", *args, check=2, cwd=tmp_path)
    assert hint in done.stderr and done.stdout == ""


@pytest.mark.parametrize("args", [["log"], ["log", "stats"], ["log", "dump"], ["log", "replay"], ["log", "forget"]], ids=" ".join)
def test_help(args):
    done = run(*args, "--help", check=0)
    assert done.stdout.startswith("usage: moongate log") and not done.stderr


def test_without_a_directory_nothing_is_made(tmp_path):
    for args in (["stats"], ["dump"], ["replay", "--dry-run"], ["forget", "a"]):
        assert "moongate-data" in run("log", *args, check=1, cwd=tmp_path).stderr
    assert os.listdir(tmp_path) == []


def test_a_configuration_with_errors(tmp_path):
    (tmp_path / "moongate.yaml").write_text("sorce: x\n")
    assert "moongate.yaml:1:1: " in run("log", "stats", "-c", tmp_path / "moongate.yaml", check=1).stderr


# ---- the progress bar
def on_terminal(*args):
    """What a command writes to a terminal as its standard error, and its standard output."""
    leader, follower = pty.openpty()
    with subprocess.Popen([BINARY, *map(str, args)], stdout=subprocess.PIPE, stderr=follower, text=True) as p:
        os.close(follower)
        seen = b""
        while True:
            try:
                piece = os.read(leader, 65536)
            except OSError:                                            # EIO: nobody has the other end any more
                break
            seen += piece
        out = p.stdout.read()
        assert p.wait() == 0, seen
    os.close(leader)
    return seen.decode(), out


def test_a_replay_shows_a_bar_on_a_terminal(held):
    seen, out = on_terminal("log", "replay", "--pipeline", "all", "-c", held.config_file)
    assert "\r[" in seen and "#" * 30 in seen
    assert out.startswith("records=9 ") and "[" not in out
    assert "[#" not in log(held, "replay", "--pipeline", "all").stderr


def test_send_shows_a_bar_on_a_terminal(gateway):
    g = gateway()
    seen, out = on_terminal("send", "--grpc", g.grpc, "--count", 5)
    assert "\r[" + "#" * 30 + "] 5/5 failed=0" in seen and out.startswith("sent=5 ")


def test_a_diff_shows_how_far_it_is_on_a_terminal(gateway, tmp_path):
    g = gateway(CONFIG, files={"team.lua": TEAM})
    run("send", "--grpc", g.grpc, "--count", 600, check=0)
    g.settled(600)
    seen, _ = on_terminal("log", "replay", "--pipeline", "all", "--diff", "--script", g.path("team.lua"), "-c", g.config_file)
    assert "records=512" in seen


# ---- a replay under way
SLOW = """\
log: {path: data, segment_bytes: 1MiB, retain: 24h}
pipelines:
  - {name: all, rate: 0, publisher: {type: file, path: all.jsonl}}
"""


@pytest.mark.parametrize("state", ["running", "stopped"])
def test_a_replay_that_is_interrupted_says_so(gateway, state):
    g = gateway(SLOW)
    run("send", "--grpc", g.grpc, "--count", 300, check=0)
    g.settled(300)
    g.write("wait.lua", "return function(e) local n = 0 for i = 1, 200000 do n = n + i end end\n")
    if state == "stopped":
        assert g.stop() == 0
    with subprocess.Popen([BINARY, "log", "replay", "--pipeline", "all", "--script", g.path("wait.lua"), "-c", g.config_file],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as p:
        wait_until(lambda: len(g.lines()) > 310 or p.poll() is not None)
        p.send_signal(2)
        out, err = p.communicate()
    if p.returncode == -2:                                             # in its last moment, all was done
        assert len(g.lines()) >= 600, err
    elif p.returncode:                                                 # it may have ended before
        assert p.returncode == 1 and "interrupted" in err and out.startswith("records=")
    assert g.stop() == 0 if state == "running" else g.start().stop() == 0
