"""SIGHUP and POST /api/reload: pipelines come, go and change one by one, under traffic; a bad file changes nothing."""
import contextlib
import json
import os
import re
import signal
import socket
import threading

import pytest

import flyte
from gateway import request
from reloading import ALL, COUNT, DOWN, FRESH, SOON, changed_or_not, clients, counts, expect, hup, ids, reload, said, send, silence
from wait import wait_until


# ---- what changes, and what does not

def test_pipelines_come_go_and_change(gateway):
    g = gateway(SOON + ALL + DOWN)
    send(g, "f1")
    g.settled(1, "all")
    line = hup(g, SOON + ALL.replace("name: all", "name: all, set: {team: ml}") + FRESH)
    assert "added=1 removed=1 changed=1 unchanged=0 failed=0" in line
    assert set(g.pipelines()) == {"all", "fresh"}
    assert {dict(labels)["pipeline"]: v for (name, labels), v in g.metrics().items() if name == "moongate_pipeline_up"} == {"all": 1, "fresh": 1}
    send(g, "f2")
    g.settled(1)
    assert g.ids() == ids("f1", "f2") and ["team" in e for e in g.lines()] == [False, True]
    assert g.ids("fresh.jsonl") == ids("f2")
    assert g.pipeline()["published"] == 2


def test_a_pipeline_that_means_the_same_goes_on_untouched(gateway):
    """Its script's state is its own proof: a restart would count from 1 again."""
    g = gateway(ALL.replace("name: all", "name: all, hooks: [count.lua]"), files={"count.lua": COUNT})
    send(g, "f1")
    other = ("pipelines:\n  - publisher: {path: all.jsonl, type: file}\n    workers: 1\n    hooks: count.lua\n"
             "    retry: {initial: 0.1s}\n    name: all\n")
    assert counts(g, other.replace("0.1s", "100ms") + FRESH) == expect(added=1, unchanged=1)
    send(g, "f2")
    assert counts(g, other.replace("0.1s", "100ms")) == expect(removed=1, unchanged=1)
    assert counts(g) == expect(unchanged=1)
    send(g, "f3")
    g.settled(3)
    assert [e["n"] for e in g.lines()] == [1, 2, 3]


def test_a_script_whose_text_changed_takes_effect_and_no_other_pipeline_stops(gateway):
    config = ("pipelines:\n  - {name: a, hooks: [a.lua], publisher: {type: file, path: a.jsonl}}\n"
              "  - {name: b, hooks: [count.lua], publisher: {type: file, path: b.jsonl}}\n")
    g = gateway(config, files={"a.lua": "local m = require 'mod'\nreturn function(e) e.v = m end\n", "mod.lua": "return 'one'\n", "count.lua": COUNT})
    send(g, "f1")
    g.settled(1)
    g.write("mod.lua", "return 'two'\n")
    assert changed_or_not(g) == (2, 0)
    send(g, "f2")
    g.settled(2)
    g.write("a.lua", "return function(e) e.v = 'three' end\n")
    assert "failed=0" in hup(g)
    send(g, "f3")
    g.settled(3)
    assert [e["v"] for e in g.lines("a.jsonl")] == ["one", "two", "three"]
    assert [e["n"] for e in g.lines("b.jsonl")] == [1, 2, 3]


@pytest.mark.parametrize("broken", ["pipelines:\n  - {nam: all, publisher: {type: file, path: all.jsonl}}\n",
                                    "pipelines: [", ALL + "  - {name: x, publisher: {type: fil}}\n  - {name: y, start: then, publisher: {type: 'null'}}\n"])
def test_a_bad_file_changes_nothing_and_says_where(gateway, broken):
    g = gateway(ALL.replace("name: all", "name: all, hooks: [count.lua]"), files={"count.lua": COUNT})
    send(g, "f1")
    status, told = reload(g, broken)
    assert status == 400 and told["code"] == 3 and told["problems"]
    for problem in told["problems"]:
        assert re.match(r"\S+\.yaml:\d+:\d+: (error|warning): ", problem), problem
    g.signal(signal.SIGHUP)
    wait_until(lambda: len(said(g, "not reloaded, nothing has changed")) == 2, g.log)
    for problem in told["problems"]:
        assert g.log().count(json.dumps(re.sub(r": (error|warning)", "", problem, count=1), ensure_ascii=False)) == 2, problem
    assert not said(g, "reloaded")
    send(g, "f2")
    g.settled(2)
    assert [e["n"] for e in g.lines()] == [1, 2]
    assert counts(g, ALL.replace("name: all", "name: all, hooks: [count.lua]")) == expect(unchanged=1)


@pytest.mark.parametrize("broken, where", [("return funtion() end\n", r"a\.lua:1:1: error: <eof> expected near 'end'"),
                                           ("local x\nreturn x.y\n", r"a\.lua:2:1: error: attempt to index a nil value"), (None, "a.lua"),
                                           ("return function(e) e.v = 2 end, error('no')\n", r"a\.lua:1:1: error: no")])
def test_a_broken_script_keeps_its_own_pipeline_as_it_was(gateway, broken, where):
    """Its configuration too; the other pipelines change."""
    def config(team):
        return (f"pipelines:\n  - {{name: a, hooks: [count.lua, a.lua], set: {{team: {team}}}, publisher: {{type: file, path: a.jsonl}}}}\n"
                f"  - {{name: b, set: {{team: {team}}}, publisher: {{type: file, path: b.jsonl}}}}\n"
                "  - {name: c, hooks: [count.lua, c.lua], publisher: {type: file, path: c.jsonl}}\n")
    g = gateway(config("old"), files={"count.lua": COUNT, "a.lua": "return function(e) e.v = 1 end\n", "c.lua": "return function(e) e.v = 1 end\n"})
    send(g, "f1")
    g.settled(1)
    if broken:
        g.write("a.lua", broken)
    else:
        os.unlink(g.path("a.lua"))
    g.write("c.lua", "return function(e) e.v = 2 end\n")
    status, told = reload(g, config("new"))
    assert status == 200 and told["reloaded"] and (told["changed"] + told["unchanged"], told["failed"]) == (2, 1)
    assert len(told["problems"]) == 1 and re.search(where, told["problems"][0]), told["problems"]
    assert re.search(r"a\.lua:1: |a\.lua:2: ", g.pipeline("a")["last_error"]) and g.pipeline("a")["up"] is True
    assert "failed=1" in said(g, "reloaded")[-1] and g.metric("moongate_script_reloads_total", result="failed") >= 1
    refused = said(g, "script does not load, the pipeline goes on as it was")
    assert len(refused) == 1 and "level=error" in refused[0] and "pipeline=a" in refused[0] and "a.lua:" in refused[0]
    send(g, "f2")
    g.settled(2)
    assert [(e["n"], e["v"], e["team"]) for e in g.lines("a.jsonl")] == [(1, 1, "old"), (2, 1, "old")]
    assert [e["team"] for e in g.lines("b.jsonl")] == ["old", "new"]
    assert [(e["n"], e["v"]) for e in g.lines("c.jsonl")] == [(1, 1), (1, 2)]
    assert counts(g) == expect(failed=1, unchanged=2)              # still
    g.write("a.lua", "return function(e) e.v = 3 end\n")
    assert changed_or_not(g) == (3, 0)
    send(g, "f3")
    g.settled(3)
    last = g.lines("a.jsonl")[-1]
    assert (last["v"], last["team"]) == (3, "new") and not g.pipeline("a")["last_error"]


def test_scripts_are_gated_by_the_specs_beside_them(gateway):
    spec = ("local gate = require 'moongate.test'\ndescribe('a', function()\n  local hook = gate.hook('a.lua')\n"
            "  it('says its version', function()\n    assert.is_true(hook(gate.workflow{project = 'p'})[1].v < 10)\n  end)\nend)\n")
    g = gateway("pipelines:\n  - {name: a, hooks: [a.lua], publisher: {type: file, path: a.jsonl}}\n",
                files={"a.lua": "return function(e) e.v = 1 end\n", "a_spec.lua": spec})
    g.write("a.lua", "return function(e) e.v = 11 end\n")
    assert counts(g) == expect(failed=1)
    refused = said(g, "script not reloaded, the version before goes on")
    assert "a_spec.lua:5" in refused[0] and "a_spec.lua:5" in g.pipeline("a")["last_error"]
    send(g, "f1")
    g.settled(1)
    g.write("a.lua", "return function(e) e.v = 2 end\n")
    assert changed_or_not(g) == (1, 0)
    send(g, "f2")
    g.settled(2)
    g.write("a_spec.lua", spec.replace("< 10", "< 2"))
    assert counts(g) == expect(failed=1)
    os.unlink(g.path("a_spec.lua"))
    g.write("a.lua", "return function(e) e.v = 12 end\n")
    assert changed_or_not(g) == (1, 0)
    send(g, "f3")
    g.settled(3)
    assert [e["v"] for e in g.lines("a.jsonl")] == [1, 2, 12]
    assert g.metric("moongate_script_reloads_total", result="ok") == 2 and g.metric("moongate_script_reloads_total", result="failed") >= 2


def test_a_pipeline_whose_scripts_change_does_not_stop(gateway):
    """Its publisher is not opened again: what it has waits for its answer, and no record is sent twice."""
    with silence() as url:
        g = gateway(SOON + f"pipelines:\n  - {{name: web, hooks: [a.lua], publisher: {{type: http, url: '{url}', timeout: 1h}}}}\n",
                    files={"a.lua": "return function(e) e.v = 1 end\n"})
        send(g, "f1")
        wait_until(lambda: g.pipeline("web")["lag"] == 1)
        g.write("a.lua", "return function(e) e.v = 2 end\n")
        line = hup(g)
        assert "failed=0" in line and "pipeline=web" in said(g, "script reloaded")[0] and not said(g, "a pipeline changes")
        assert g.pipeline("web")["up"] is True


def test_a_file_that_is_not_there_changes_nothing(gateway):
    g = gateway(ALL)
    os.unlink(g.config_file)
    status, told = reload(g)
    assert status == 400 and "No such file" in told["problems"][0]
    send(g, "f1")
    g.settled(1)


def test_without_a_file_the_defaults_are_read_again(gateway):
    for port in (8089, 8088, 9090):
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                pytest.skip(f"port {port} is in use on this machine")
    g = gateway(config_file=False)
    assert counts(g) == expect(unchanged=1)


def test_what_needs_a_restart_is_named(gateway):
    g = gateway(ALL)
    status, told = reload(g, "log: {segment_bytes: 2MiB}\nadmin: {listen: 'localhost:0'}\n"
                             "ingest: {threads: 2, grpc: {listen: 127.0.0.1:0}, http: {listen: 127.0.0.1:0}}\n" + ALL)
    assert status == 200 and told["restart_needed"] == ["ingest", "admin", "log"]
    warned = said(g, "restart needed")
    assert len(warned) == 3 and all("level=warn" in x for x in warned)
    assert [re.search(r"section=(\w+)", x)[1] for x in warned] == ["ingest", "admin", "log"]
    status, told = reload(g, ALL)
    assert told["restart_needed"] == []
    send(g, "f1")
    g.settled(1)


def test_shutdown_timeout_is_read_again(gateway):
    with silence() as url:
        g = gateway(f"shutdown_timeout: 1h\npipelines:\n  - {{name: web, publisher: {{type: http, url: '{url}', timeout: 1h}}}}\n")
        send(g, "f1")
        assert counts(g, f"shutdown_timeout: 500ms\npipelines:\n  - {{name: web, publisher: {{type: http, url: '{url}', timeout: 1h}}}}\n") == \
            expect(unchanged=1)
        assert g.stop() == 0


# ---- cursors

def test_a_removed_pipelines_cursor_is_an_orphan_until_it_comes_back(gateway):
    g = gateway(ALL + FRESH)
    send(g, "f1")
    g.settled(1)
    assert counts(g, ALL) == expect(removed=1, unchanged=1)
    assert g.metric("moongate_log_orphan_cursors") == 1
    assert any("level=warn" in x and "pipeline=fresh" in x for x in g.log().splitlines())
    send(g, "f2")
    g.settled(2)
    assert g.metric("moongate_log_events") == 1
    assert counts(g, ALL + FRESH) == expect(added=1, unchanged=1)
    assert g.metric("moongate_log_orphan_cursors") == 0
    g.settled(2)
    assert g.ids("fresh.jsonl") == ids("f1", "f2")


def test_a_renamed_pipeline_takes_over_its_cursor(gateway):
    g = gateway(SOON + ALL + DOWN)
    send(g, "f1", "f2")
    g.settled(2, "all")
    assert counts(g, SOON + ALL + FRESH.replace("name: fresh", "name: fresh, renamed_from: down")) == expect(added=1, removed=1, unchanged=1)
    g.settled(2)
    assert g.ids("fresh.jsonl") == ids("f1", "f2") and g.pipeline("fresh")["accepted"] == 2
    assert g.metric("moongate_log_orphan_cursors") == 0
    g.restart()
    assert g.pipeline("fresh")["published"] == 2 and g.metric("moongate_log_orphan_cursors") == 0


def test_a_disabled_pipeline_makes_no_cursor(gateway):
    g = gateway(ALL + FRESH.replace("name: fresh", "name: fresh, enabled: false"))
    send(g, "f1")
    g.settled(1)
    assert set(g.pipelines()) == {"all"} and g.metric("moongate_log_events") == 0
    assert [p["name"] for p in json.loads(g.get("/api/log")[1])["pipelines"]] == ["all"]
    assert request(g.admin, "POST", "/api/pipelines/fresh/resume")[0] == 404
    assert counts(g, ALL + FRESH) == expect(changed=1, unchanged=1)
    send(g, "f2")
    g.settled(1)
    assert g.ids("fresh.jsonl") == ids("f2")


def test_a_pipeline_that_is_disabled_keeps_its_cursor_and_its_records(gateway):
    disabled = ALL + FRESH.replace("name: fresh", "name: fresh, enabled: false")
    g = gateway(ALL + FRESH)
    send(g, "f1")
    g.settled(1)
    assert counts(g, disabled) == expect(changed=1, unchanged=1)
    for _ in range(2):                              # while it runs, and at a start
        send(g, "f2")
        g.settled(name="all")
        p = g.pipeline("fresh")
        assert p["up"] is False and p["last_error"] == "disabled" and p["lag"] >= 1
        assert g.metric("moongate_log_orphan_cursors") == 0 and g.metric("moongate_log_events") >= 1
        assert ("moongate_pipeline_up", frozenset({("pipeline", "fresh")})) not in g.metrics()
        assert request(g.admin, "POST", "/api/pipelines/fresh/pause")[0] == 409
        assert request(g.admin, "GET", "/api/pipelines/fresh/tap")[0] == 409
        assert request(g.admin, "POST", "/api/log/forget?pipeline=fresh")[0] == 409
        g.restart()
    assert "level=warn" not in g.log()
    assert counts(g, ALL + FRESH) == expect(changed=1, unchanged=1)
    g.settled(3)
    assert g.ids("fresh.jsonl") == ids("f1", "f2", "f2")


def test_a_pause_holds_over_a_change(gateway):
    g = gateway(ALL)
    assert request(g.admin, "POST", "/api/pipelines/all/pause")[0] == 200
    send(g, *(f"f{i}" for i in range(50)))
    for team in ("ml", "ai"):                       # the new one sends nothing, not even at its start
        assert counts(g, ALL.replace("name: all", f"name: all, set: {{team: {team}}}")) == expect(changed=1)
        assert "paused" in g.pipeline()["last_error"]
    send(g, "last")
    assert g.pipeline()["lag"] == 51 and g.lines() == []
    assert request(g.admin, "POST", "/api/pipelines/all/resume")[0] == 200
    g.settled(51)
    assert {line["team"] for line in g.lines()} == {"ai"}


def test_a_pipeline_broken_at_start_is_mended_by_a_reload(gateway):
    g = gateway(ALL + "  - {name: broken, hooks: [hook.lua], publisher: {type: file, path: b.jsonl}}\n", files={"hook.lua": "return funtion() end\n"})
    send(g, "f1")
    g.settled(1, "all")
    p = g.pipeline("broken")
    assert p["up"] is False and "hook.lua:1" in p["last_error"] and p["lag"] == 1
    assert counts(g) == expect(failed=1, unchanged=1)
    g.write("hook.lua", "return function() end\n")
    assert reload(g)[0] == 200
    g.settled(1)
    assert g.ids("b.jsonl") == ids("f1") and g.pipeline("broken")["up"] is True


# ---- while something is slow

def test_the_admin_answers_while_a_pipeline_stops_and_one_more_wish_waits(gateway):
    with silence() as url:
        g = gateway(ALL + f"  - {{name: web, publisher: {{type: http, url: '{url}', timeout: 1h}}}}\n")
        send(g, "f1")
        g.settled(1, "all")
        g.configure("shutdown_timeout: 1s\n" + ALL)
        g.signal(signal.SIGHUP)
        wait_until(lambda: g.pipeline("web")["last_error"] == "stopping")
        answers = []
        asks = [threading.Thread(target=lambda: answers.append(reload(g))) for _ in range(3)]
        for t in asks:
            t.start()
        for _ in range(3):
            g.signal(signal.SIGHUP)
            assert g.get("/healthz")[0] == 200 and g.get("/readyz")[0] == 200 and g.get("/metrics")[0] == 200
        send(g, "f2")
        g.settled(2, "all")
        for t in asks:
            t.join()
        wait_until(lambda: len(said(g, "reloaded")) >= 2)
        assert all(status == 200 for status, _ in answers)
        assert set(g.pipelines()) == {"all"}
        assert 2 <= len(said(g, "reloaded")) <= 4       # six wishes
        assert g.metric("moongate_log_orphan_cursors") == 1


@pytest.mark.parametrize("times, status", [(1, 0), (2, 1)])
def test_sigterm_during_a_reload(gateway, times, status):
    with silence() as url:
        web = f"  - {{name: web, publisher: {{type: http, url: '{url}', timeout: 1h}}}}\n"
        timeout = "shutdown_timeout: 1s\n" if status == 0 else "shutdown_timeout: 1h\n"
        g = gateway(ALL + web)
        send(g, "f1")
        g.settled(1, "all")
        g.configure(timeout + ALL.replace("name: all", "name: all, set: {a: b}") + FRESH)
        g.signal(signal.SIGHUP)
        wait_until(lambda: g.pipeline("web")["last_error"] == "stopping")
        for n in range(times):
            g.signal(signal.SIGTERM)
            wait_until(lambda n=n: len(said(g, "stopping")) > n or g.process.poll() is not None)
        assert g.wait() == status
        assert not said(g, "reloaded")
        g.configure("shutdown_timeout: 1s\n" + ALL + web)
        g.start()
        assert g.pipeline("web")["lag"] == 1 and g.pipeline()["published"] == 1


def test_sighup_at_any_time_does_no_harm(gateway):
    g = gateway(ALL, started=False).spawn()
    wait_until(lambda: os.path.exists(g.path("moongate-data/lock")) or g.process.poll() is not None)
    g.signal(signal.SIGHUP)
    wait_until(lambda: os.path.exists(g.ready_file) or g.process.poll() is not None, g.log)
    with open(g.ready_file, encoding="utf-8") as f:
        g.addresses = json.load(f)
    wait_until(lambda: said(g, "reloaded"), g.log)
    g.signal(signal.SIGHUP)
    g.signal(signal.SIGTERM)
    wait_until(lambda: said(g, "stopping") or g.process.poll() is not None)
    g.signal(signal.SIGHUP)
    assert g.wait() == 0


# ---- under traffic

@pytest.mark.concurrent
def test_reloads_under_traffic_lose_and_repeat_nothing(gateway):
    """A clean stop of a pipeline repeats nothing, so each event is there exactly once, in the order of its key."""
    def config(i):
        every = "pipelines:\n  - {name: all, hooks: [count.lua], publisher: {type: file, path: all.jsonl}}\n"
        every += f"  - {{name: changing, workers: {1 + i % 3}, set: {{round: {i}}}, publisher: {{type: file, path: changing.jsonl}}}}\n"
        every += f"  - {{name: scripted, hooks: [version.lua], publisher: {{type: file, path: scripted.jsonl}}}}\n"
        return every + (FRESH if i % 2 else "")
    g = gateway(config(0), files={"count.lua": COUNT, "version.lua": "return function(e) e.version = 0 end\n"})
    with clients(g, 3) as sent:
        for i in range(1, 7):
            n = sum(map(len, sent))
            wait_until(lambda n=n: sum(map(len, sent)) > n + 30)
            g.write("version.lua", f"return function(e) e.version = {i} end\n")
            line = hup(g, config(i))
            assert "failed=0" in line
    g.settled()
    for name in ("all", "changing", "scripted"):
        got = g.ids(f"{name}.jsonl")
        for number, mine in enumerate(sent):
            assert [x for x in got if f":c{number}:" in x] == mine, name
    assert [e["n"] for e in g.lines()] == list(range(1, sum(map(len, sent)) + 1))
    assert {e["round"] for e in g.lines("changing.jsonl")} <= set(range(7)) and g.lines("changing.jsonl")[-1]["round"] == 6
    assert g.lines("scripted.jsonl")[-1]["version"] == 6
    fresh = g.ids("fresh.jsonl")
    assert len(fresh) == len(set(fresh))
    assert g.metric("moongate_log_orphan_cursors") == 1


def test_a_stop_does_not_wait_for_the_specs_of_a_reload(gateway):
    """Whoever waited would hear that they have failed."""
    g = gateway("pipelines:\n  - {name: a, hooks: [a.lua], publisher: {type: file, path: a.jsonl}}\n", files={"a.lua": "return function() end\n"})
    tasks = f"/proc/{g.process.pid}/task"

    def ticks(task):
        with contextlib.suppress(FileNotFoundError), open(f"{tasks}/{task}/stat", encoding="ascii") as f:
            return int(f.read().rsplit(")", 1)[1].split()[11])
        return 0

    g.write("a_spec.lua", "it('goes on', function() while true do end end)\n" * 6)
    wait_until(lambda: any(ticks(t) >= 20 for t in os.listdir(tasks)), g.log)
    assert g.stop() == 0
    assert not said(g, "script not reloaded, the version before goes on"), g.log()
