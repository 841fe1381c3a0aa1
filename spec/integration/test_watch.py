"""Scripts and other files that are saved: taken by themselves, whole or not at all, by their own pipeline only."""
import contextlib
import itertools
import os
import re
import resource
import signal
import threading

import grpc
import pytest

import flyte
from reloading import ALL, COUNT, FRESH, clients, counts, ids, said, send
from gateway import Gateway
from wait import wait_until
from webhook import Webhook

ONE = "pipelines:\n  - {name: a, hooks: [a.lua], publisher: {type: file, path: a.jsonl}}\n"


def version(i):
    return f"return function(e) e.v = {i} end\n"


def write_anew(g, name, text):
    os.unlink(g.path(name))
    g.write(name, text)


def write_in_pieces(g, name, text):
    """Each piece is a script too, and no version that was meant."""
    with open(g.path(name), "w", encoding="utf-8") as f:
        for piece in ("return function(e) e.v = -1 end\n", "-- more\n" * 3):
            f.write(piece)
            f.flush()
            os.fsync(f.fileno())
        f.seek(0)
        f.write(text.ljust(80) + "\n")
        f.truncate()


SAVES = [lambda g, name, text: g.write(name, text), Gateway.replace, write_anew, write_in_pieces]


def reloads(g, result="ok"):
    return g.metric("moongate_script_reloads_total", result=result)


def config_map(g, folder, files):
    """As a kubelet puts a new version of a ConfigMap in place: all of its files at one moment."""
    os.makedirs(g.path(folder), exist_ok=True)
    number = len(os.listdir(g.path(folder)))
    os.mkdir(g.path(f"{folder}/..{number}"))
    for name, text in files.items():
        g.write(f"{folder}/..{number}/{name}", text)
        if not os.path.lexists(g.path(f"{folder}/{name}")):
            os.symlink(f"..data/{name}", g.path(f"{folder}/{name}"))
    os.symlink(f"..{number}", g.path(f"{folder}/..data_tmp"))
    os.rename(g.path(f"{folder}/..data_tmp"), g.path(f"{folder}/..data"))


@pytest.mark.parametrize("save", SAVES)
def test_a_saved_script_takes_effect_by_itself(gateway, save):
    g = gateway(ONE, files={"a.lua": version(0)})
    for i in range(1, 4):
        save(g, "a.lua", version(i))
        wait_until(lambda i=i: reloads(g) == i, g.log)
        send(g, f"f{i}")
        g.settled(i)
    assert [e["v"] for e in g.lines("a.jsonl")] == [1, 2, 3]
    assert len(said(g, "script reloaded")) == 3 and not said(g, "reloaded") and reloads(g, "failed") == 0


def test_a_config_map_is_taken_as_one(gateway):
    def files(i):
        return {name: f"local v = require 'v'\nreturn function(e) e.{name[0]} = v * 10 + {i} end\n" for name in ("a.lua", "b.lua")} | {"v.lua": f"return {i}\n"}
    g = gateway(started=False, config=ONE.replace("[a.lua]", "[map/a.lua, map/b.lua]"))
    config_map(g, "map", files(0))
    g.start()
    for i in range(1, 4):
        config_map(g, "map", files(i))
        wait_until(lambda i=i: reloads(g) == i, g.log)
        send(g, f"f{i}")
        g.settled(i)
    assert [(e["a"], e["b"]) for e in g.lines("a.jsonl")] == [(11, 11), (22, 22), (33, 33)]


def test_a_link_to_a_release_that_is_turned_is_seen(gateway):
    g = gateway(started=False, config=ONE.replace("[a.lua]", "[current/hooks/a.lua]"))
    for i in range(2):
        os.makedirs(g.path(f"releases/{i}/hooks"))
        g.write(f"releases/{i}/hooks/a.lua", version(i))
    os.symlink("releases/0", g.path("current"))
    g.start()
    os.symlink("releases/1", g.path("next"))
    os.rename(g.path("next"), g.path("current"))
    wait_until(lambda: reloads(g) == 1, g.log)
    os.rename(g.path("releases/1/hooks"), g.path("releases/1/old"))     # a folder that goes, and one that comes
    wait_until(lambda: reloads(g, "failed") >= 1, g.log)
    os.mkdir(g.path("releases/1/hooks"))
    g.write("releases/1/hooks/a.lua", version(2))
    wait_until(lambda: reloads(g) == 2, g.log)
    send(g, "f1")
    g.settled(1)
    assert g.lines("a.jsonl")[0]["v"] == 2


def test_what_a_script_needs_is_watched_too(gateway):
    """A module, one that comes to stand before a shipped one, a spec."""
    g = gateway(ONE, files={"a.lua": "local m = require 'm'\nlocal r = require 'moongate.filters'\nreturn function(e) e.v = m .. tostring(r) end\n",
                            "m.lua": "return 'm1'\n"})
    os.mkdir(g.path("moongate"))
    for i, (name, text) in enumerate((("m.lua", "return 'm2'\n"), ("moongate/filters.lua", "return 'mine'\n"), ("a_spec.lua", "it('is well', function() end)\n"))):
        g.write(name, text)
        wait_until(lambda i=i: reloads(g) == i + 1, g.log)
    send(g, "f1")
    g.settled(1)
    assert g.lines("a.jsonl")[-1]["v"] == "m2mine" and reloads(g, "failed") == 0


def test_what_a_hook_needs_late_is_watched_from_then_on(gateway):
    """A module by a name that is made in the hook, and a lookup: long after the files were listed."""
    hook = ("local moongate = require 'moongate'\nreturn function(e, request, flyte)\n  local name = flyte.execution\n"
            "  if name:find('^m') then e.v = require(name) end\n  if name:find('^l') then e.v = moongate.lookup(name .. '.csv', 'k').x.v end\nend\n")
    files = {"a.lua": hook} | {f"m{i}.lua": "return 'old'\n" for i in range(3)} | {f"l{i}.csv": "k,v\nx,old\n" for i in range(3)}
    g = gateway(ONE.replace("[a.lua]", "[a.lua], hook_limits: {files: ['*.csv']}"), files=files)
    n = 0

    def seen(name):
        nonlocal n
        n += 1
        send(g, name)
        g.settled(n)
        return g.lines("a.jsonl")[-1].get("v")
    for i in range(3):
        for _ in range(5):
            seen("other")
        assert seen(f"m{i}") == "old"
        g.write(f"m{i}.lua", "return 'new'\n")
        wait_until(lambda i=i: reloads(g) == i + 1, g.log)
        for _ in range(5):
            seen("other")
        assert seen(f"m{i}") == "new" and seen(f"l{i}") == "old"
        g.write(f"l{i}.csv", "k,v\nx,new\n")
        wait_until(lambda i=i: g.log().count('msg="a lookup has changed"') == i + 1, g.log)
        assert seen(f"l{i}") == "new"


def test_only_the_pipeline_of_a_script_is_touched(gateway):
    g = gateway(ONE + "  - {name: b, hooks: [count.lua], publisher: {type: file, path: b.jsonl}}\n", files={"a.lua": version(0), "count.lua": COUNT})
    send(g, "f1")
    g.settled(1)
    g.write("a.lua", version(1))
    wait_until(lambda: reloads(g) == 1, g.log)
    os.utime(g.path("count.lua"))                                       # touched, and what it was
    g.write("count.lua", COUNT)
    g.write("a.lua", version(2))
    wait_until(lambda: reloads(g) == 2, g.log)
    send(g, "f2")
    g.settled(2)
    assert [e["n"] for e in g.lines("b.jsonl")] == [1, 2]
    assert len(said(g, "script reloaded")) == 2 and all("pipeline=a" in x for x in said(g, "script reloaded"))


def test_a_broken_save_leaves_what_runs_until_it_is_mended(gateway):
    g = gateway(ONE, files={"a.lua": version(1)})
    for i, broken in enumerate(("return funtion() end\n", "return 7\n", "error('no')\n")):
        g.write("a.lua", broken)
        wait_until(lambda i=i: reloads(g, "failed") == i + 1, g.log)
        p = g.pipeline("a")
        assert p["up"] is True and "a.lua:1:" in p["last_error"]
    refused = said(g, "script not reloaded, the version before goes on")
    assert len(refused) == 3 and all("level=error" in x and "pipeline=a" in x and "a.lua:1:" in x for x in refused)
    send(g, "f1")
    g.settled(1)
    g.write("a.lua", version(1))                                        # back to what runs
    wait_until(lambda: not g.pipeline("a")["last_error"], g.log)
    assert len(said(g, "script is again the one that runs")) == 1 and reloads(g) == 0
    os.unlink(g.path("a.lua"))
    wait_until(lambda: "no such file" in (g.pipeline("a")["last_error"] or ""), g.log)
    g.write("a.lua", version(2))
    wait_until(lambda: reloads(g) == 1, g.log)
    send(g, "f2")
    g.settled(2)
    assert [e["v"] for e in g.lines("a.jsonl")] == [1, 2] and not g.pipeline("a")["last_error"]


NEVER = "retry: {initial: 1h, max: 1h}"     # nothing goes on by itself


def test_a_pipeline_that_is_down_for_its_script_goes_on_when_it_is_mended(gateway):
    """Broken at the start; five stops in a row, of which the first four are dead letters; `block`. The rest goes on meanwhile."""
    limits = "hook_limits: {instructions: 10000}"
    g = gateway(ALL + f"  - {{name: broken, hooks: [broken.lua], {NEVER}, publisher: {{type: file, path: broken.jsonl}}}}\n"
                      f"  - {{name: loops, hooks: [loops.lua], {limits}, {NEVER}, publisher: {{type: file, path: loops.jsonl}}}}\n"
                      f"  - {{name: blocks, hooks: [blocks.lua], on_hook_error: block, {NEVER}, publisher: {{type: file, path: blocks.jsonl}}}}\n",
                files={"broken.lua": "return 7\n", "loops.lua": "return function() while true do end end\n",
                       "blocks.lua": "return function(e) error('not yet') end\n"})
    names = [f"f{i}" for i in range(8)]
    send(g, *names)
    g.settled(8, "all")
    wait_until(lambda: g.pipeline("loops")["dead_lettered"] == 4)
    wait_until(lambda: not any(g.pipeline(p)["up"] for p in ("broken", "loops", "blocks")))
    assert "broken.lua:1" in g.pipeline("broken")["last_error"] and g.pipeline("broken")["lag"] == 8
    assert "loops.lua:1" in g.pipeline("loops")["last_error"] and g.pipeline("loops")["lag"] == 4
    assert "not yet" in g.pipeline("blocks")["last_error"] and g.pipeline("blocks")["lag"] == 8
    for name in ("broken", "loops", "blocks"):
        g.write(name + ".lua", "return function() end\n")
    g.settled(8)
    wait_until(lambda: all(p["up"] for p in g.pipelines().values()))
    assert g.ids("broken.jsonl") == ids(*names) and g.ids("blocks.jsonl") == ids(*names)
    assert g.ids("loops.jsonl") == ids(*names[4:])


@pytest.mark.concurrent
def test_a_hundred_reloads_under_traffic(gateway):
    """Both scripts of an event are of one version, an event is there once, a key's are in order and of versions that do not go back."""
    def files(i):
        return {"a.lua": f"return function(e) e.a = {i} end\n",
                "b.lua": f"local m = require 'moongate'\nreturn function(e) e.b = {i}; local c = m.copy(e); c.c = {i}; return {{e, c}} end\n"}
    g = gateway(started=False, config=ONE.replace("[a.lua]", "[map/a.lua, map/b.lua], workers: 3"))
    config_map(g, "map", files(0))
    g.start()
    with clients(g, 4) as sent:
        for i in range(1, 101):
            config_map(g, "map", files(i))
            if i % 10:                                  # ten of them are taken by themselves
                assert counts(g)["failed"] == 0
            wait_until(lambda i=i: reloads(g) == i, g.log)
    g.settled()
    lines = g.lines("a.jsonl")
    seen = {}
    for e in lines:
        assert e["a"] == e["b"] == e.get("c", e["a"])
        key = e["id"].split(":")[2]
        assert e["a"] >= seen.get(key, 0)
        seen[key] = e["a"]
    got = [e["id"] for e in lines]
    for number, mine in enumerate(sent):
        assert [x for x in got if f":c{number}:" in x] == [y for x in mine for y in (x, x + ":1")]
    assert len({e["a"] for e in lines}) > 20 and reloads(g, "failed") == 0
    assert len(said(g, "script reloaded")) == 100 and not said(g, "a pipeline changes")


def test_killed_in_the_middle_of_reloads_nothing_is_lost(gateway):
    """kill -9 at any instant of a swap: what was acknowledged is delivered (again, perhaps), each time whole by one version."""
    def files(i):
        return {f"{name}.lua": f"return function(e) e.{name} = {i} end\n" for name in "ab"}
    g = gateway(started=False, config=ONE.replace("[a.lua]", "[map/a.lua, map/b.lua], workers: 2"))
    config_map(g, "map", files(0))
    sent, i = [], 0
    for _ in range(3):
        g.start()
        stop = threading.Event()

        def client(g=g, stop=stop):
            with contextlib.suppress(grpc.RpcError), g.channel() as channel:
                while not stop.is_set():
                    r = flyte.task(name=f"c{len(sent) % 5}", node_id=f"n{len(sent)}")
                    flyte.send(channel, r)
                    sent.append(flyte.id_of(r))
        sender = threading.Thread(target=client)
        sender.start()
        before = len(sent)
        wait_until(lambda before=before: len(sent) > before + 20, g.log)
        for _ in range(10):
            i += 1
            config_map(g, "map", files(i))
            if _ < 9:
                assert counts(g)["failed"] == 0
        g.signal(signal.SIGHUP)                     # one is under way
        g.kill()
        stop.set()
        sender.join()
    g.start()
    g.settled()
    lines = g.lines("a.jsonl")
    assert all(e["a"] == e["b"] for e in lines) and {e["id"] for e in lines} >= set(sent)
    first = list(dict.fromkeys(e["id"] for e in lines))
    for key in range(5):
        mine = [x for x in sent if f":c{key}:" in x]
        assert [x for x in first if x in set(mine)] == mine


def test_hooks_that_wait_end_in_the_version_they_began_in(gateway):
    """Reloads while hooks wait for an answer: the old version gets it, and what comes then is the new one's."""
    with contextlib.closing(Webhook()) as webhook:
        def script(i):
            return (f"local moongate = require 'moongate'\nreturn function(e, request, flyte)\n  e.a = {i}\n"
                    f"  local r = moongate.http.get('{webhook.url}')\n  e.b = {i}; e.status = r and r.status or 0\nend\n")
        held = threading.Event()
        webhook.answer = lambda request: (held.wait(20), (200, {}, b""))[1]
        g = gateway(ONE.replace("[a.lua]", "[a.lua], hook_limits: {timeout: 60s, allow_hosts: [127.0.0.1]}"), files={"a.lua": script(0)})
        for i in range(3):
            send(g, f"old{i}")
        for i in range(1, 6):
            wait_until(lambda i=i: len(webhook.server.open) == 2 + i, g.log)    # they wait
            g.write("a.lua", script(i))
            wait_until(lambda i=i: reloads(g) == i, g.log)
            send(g, f"new{i}")
        wait_until(lambda: len(webhook.server.open) == 8, g.log)
        held.set()
        g.settled(8)
        send(g, "last")
        g.settled(9)
        got = {e["id"].split(":")[2]: (e["a"], e["b"], e["status"]) for e in g.lines("a.jsonl")}
        assert len(g.lines("a.jsonl")) == 9 and all(a == b and status == 200 for a, b, status in got.values())
        # Four versions at once: then the newest waits until hooks of an older one have ended.
        assert [got[x][0] for x in ("old0", "old1", "old2", "new1", "new2", "new3", "new4", "new5", "last")] == [0, 0, 0, 1, 2, 3, 3, 3, 5]


def test_saves_by_halves_never_reach_the_pipeline(gateway):
    """Each half is a script of its own that would load."""
    g = gateway(ONE, files={"a.lua": version(0)})
    last = 0
    for i in range(1, 6):
        for k in range(60):
            write_in_pieces(g, "a.lua", version(i * 100 + k))
        last = i * 100 + 59
        send(g, f"f{i}")
    wait_until(lambda: (send(g, "again"), g.settled(), g.lines("a.jsonl")[-1]["v"] == last)[2], g.log)
    assert all(e["v"] >= 0 for e in g.lines("a.jsonl")) and reloads(g, "failed") == 0


# ---- other files that scripts and configurations name

def test_a_lookup_that_is_saved_is_read_again_and_no_script_with_it(gateway):
    """One that is looked up while loading, and one that a hook comes to later."""
    hook = ("local moongate = require 'moongate'\nlocal n, teams = 0, moongate.lookup('map/teams.csv', 'k')\n"
            "return function(e) n = n + 1; e.n = n; e.team = teams.x.team; e.late = moongate.lookup('late.csv', 'k').x.team end\n")
    g = gateway(started=False, config=ONE.replace("[a.lua]", "[a.lua], hook_limits: {files: ['*.csv', map]}"), files={"a.lua": hook, "late.csv": "k,team\nx,l0\n"})
    config_map(g, "map", {"teams.csv": "k,team\nx,t0\n"})
    g.start()
    send(g, "f0")
    g.settled(1)
    for i in range(1, 4):
        g.replace("late.csv", f"k,team\nx,l{i}\n")
        wait_until(lambda i=i: g.log().count('msg="a lookup has changed"') == 2 * i - 1, g.log)
        config_map(g, "map", {"teams.csv": f"k,team\nx,t{i}\n"})
        wait_until(lambda i=i: g.log().count('msg="a lookup has changed"') == 2 * i, g.log)
        send(g, f"f{i}")
        g.settled(i + 1)
    assert [(e["n"], e["team"], e["late"]) for e in g.lines("a.jsonl")] == [(i + 1, f"t{i}", f"l{i}") for i in range(4)]
    assert reloads(g) == 0



def test_a_lookup_that_could_not_be_read_for_a_while_is_tried_again(gateway):
    """No file changes when there are descriptors again."""
    hook = "local t = require('moongate').lookup('t.csv', 'k')\nreturn function(e) e.v = t.x.v end\n"
    g = gateway(ONE.replace("[a.lua]", "[a.lua], hook_limits: {files: [t.csv]}"), files={"a.lua": hook, "t.csv": "k,v\nx,old\n"})
    send(g, "f1")
    g.settled(1)
    _, most = resource.prlimit(g.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(g.process.pid, resource.RLIMIT_NOFILE, (3, most))
    g.replace("t.csv", "k,v\nx,new\n")
    wait_until(lambda: 't.csv: Too many open files"' in g.log(), g.log)
    g.write("a.lua", hook.replace("x.v", "x.v .. '!'"))
    resource.prlimit(g.process.pid, resource.RLIMIT_NOFILE, (most, most))
    wait_until(lambda: 'msg="a lookup has changed"' in g.log() and reloads(g) == 1, g.log)
    send(g, "f2")
    g.settled(2)
    assert [e["v"] for e in g.lines("a.jsonl")] == ["old", "new!"] and reloads(g, "failed") == 0
    assert g.log().count("cannot be read, the old one stays") == 1


def test_a_secret_that_changes_restarts_its_own_pipeline(gateway):
    with contextlib.closing(Webhook()) as webhook:
        g = gateway(started=False, config=ALL.replace("name: all", "name: all, hooks: [count.lua]") +
                    f"  - {{name: web, publisher: {{type: http, url: '{webhook.url}', bearer_token_file: secrets/token}}}}\n",
                    files={"count.lua": COUNT})
        config_map(g, "secrets", {"token": "one\n"})
        g.start()
        send(g, "f1")
        g.settled(1)
        config_map(g, "secrets", {"token": "two\n"})
        sent = itertools.count(2)

        def taken_up():
            send(g, f"f{next(sent)}")
            return webhook.requests[-1].headers["authorization"] == "Bearer two"
        wait_until(taken_up, g.log)
        n = next(sent) - 1
        g.settled(n)
        used = [r.headers["authorization"] for r in webhook.requests]
        assert len(used) == n and used == sorted(used) and set(used) == {"Bearer one", "Bearer two"}
        assert [e["n"] for e in g.lines()] == list(range(1, n + 1)) and len(said(g, "a pipeline changes")) == 1
        g.configure("pipelines: [")                     # being edited: nothing is taken of it
        config_map(g, "secrets", {"token": "three\n"})
        wait_until(lambda: said(g, "not reloaded, nothing has changed"), g.log)
        send(g, "last")
        g.settled(n + 1)
        assert [e["n"] for e in g.lines()] == list(range(1, n + 2))


def test_a_secret_that_waits_for_its_configuration_holds_no_script_back(gateway):
    with contextlib.closing(Webhook()) as webhook:
        web = "pipelines:\n  - {name: a, hooks: [a.lua], publisher: {type: http, url: '%s', bearer_token_file: token}}\n" % webhook.url
        g = gateway(web, files={"a.lua": version(0), "token": "one\n"})
        g.configure(web.replace("name: a,", "name: a, workers: 2,"))
        g.replace("token", "two\n")
        wait_until(lambda: "SIGHUP takes both" in g.log(), g.log)
        g.replace("a.lua", version(1))
        wait_until(lambda: reloads(g) == 1, g.log)
        send(g, "f1")
        g.settled(1)
        assert "restarting" not in g.log() and not said(g, "a pipeline changes")
        assert g.log().count("SIGHUP takes both") == 1  # not at every look
        assert [(r.headers["authorization"], r.event["v"]) for r in webhook.requests] == [("Bearer one", 1)]
        g.signal(signal.SIGHUP)
        wait_until(lambda: said(g, "reloaded"), g.log)
        send(g, "f2")
        g.settled(2)
        assert webhook.requests[-1].headers["authorization"] == "Bearer two"


def test_a_secret_of_the_gateway_itself_is_seen(gateway):
    """What hooks ask FlyteAdmin with restarts those that have hooks; a source's password has its consumer begin anew (with a broker that is
    there: test_publish_kafka_secure.py). What else is new in the configuration waits, and the password with it."""
    kafka = ("{brokers: '127.0.0.1:1', topics: t, group: g, sasl: {mechanism: PLAIN, username: u, password_file: secrets/password}, "
             "properties: {ssl.ca.location: FOLDER/secrets/ca}}")
    config = (f"ingest: {{grpc: {{listen: 127.0.0.1:0}}, kafka: [{kafka}]}}\n"
              "flyteadmin: {address: '127.0.0.1:1', client_id: c, client_secret_file: secrets/flyte}\n" +
              ALL.replace("name: all", "name: all, hooks: [count.lua]") + FRESH)
    g = gateway(config, files={"count.lua": COUNT, "secrets/password": "one\n", "secrets/flyte": "one\n", "secrets/ca": "one\n"}, started=False)
    config = config.replace("FOLDER", g.folder)
    g.configure(config)
    g.start()
    g.replace("secrets/flyte", "two\n")
    wait_until(lambda: said(g, "a pipeline changes"), g.log)
    wait_until(lambda: g.pipeline()["up"], g.log)
    assert "restart needed" not in g.log()
    begun = r"component=ingest.kafka msg=\"a password or a certificate has changed, the consumer begins anew\" topics=t group=g\n"
    assert not re.search(begun, g.log())
    g.replace("secrets/password", "two\n")
    wait_until(lambda: len(re.findall(begun, g.log())) == 1, g.log)
    g.replace("secrets/ca", "two\n")                # that librdkafka alone reads
    wait_until(lambda: len(re.findall(begun, g.log())) == 2, g.log)
    assert "restart needed" not in g.log()
    g.replace("secrets/password", "")               # half of a save
    wait_until(lambda: re.search(r"password_file: secrets/password: the file is empty", g.log()), g.log)
    g.replace("secrets/password", "three\n")
    wait_until(lambda: len(re.findall(begun, g.log())) == 3, g.log)
    g.configure(config.replace("topics: t", "topics: u"))
    g.replace("secrets/password", "four\n")
    wait_until(lambda: "a restart takes both" in g.log(), g.log)
    before = reloads(g)
    g.replace("count.lua", COUNT + "-- another look\n")
    wait_until(lambda: reloads(g) == before + 1, g.log)
    assert g.log().count("a restart takes both") == 1
    g.replace("secrets/password", "five\n")
    wait_until(lambda: g.log().count("a restart takes both") == 2, g.log)
    g.signal(signal.SIGHUP)
    wait_until(lambda: re.search(r'msg="restart needed" section=ingest\n', g.log()), g.log)
    assert len(re.findall(begun, g.log())) == 3 and len(said(g, "a pipeline changes")) == 1
    g.configure(config)
    g.signal(signal.SIGHUP)
    wait_until(lambda: len(re.findall(begun, g.log())) == 4, g.log)
    assert g.log().count("restart needed") == 1
