"""What the workers of a pipeline share: counters on /metrics, caches, lookups. What each does in itself is in spec/lua."""
import csv
import json
import random
import signal
import string
import threading

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway import request, run
from wait import wait_until

BATCH = "application/cloudevents-batch+json"


def pipeline(name="all", script="hook.lua", text="workers: 4", limits=""):
    return (f"  - name: {name}\n    hooks: [{script}]\n    hook_limits: {{files: [data]{limits}}}\n    {text}\n"
            f"    publisher: {{type: file, path: {name}.jsonl}}\n")


def config(*pipelines):
    return "pipelines:\n" + "".join(pipelines)


def event(i, **attributes):
    return dict({"specversion": "1.0", "id": str(i), "source": "/s", "type": "t", "partitionkey": str(i)}, **attributes)


def send(g, events):
    status, _, text = g.post("/v1/events", json.dumps(events), BATCH)
    assert status == 202, text


def reload(g):
    status, _, body = request(g.admin, "POST", "/api/reload")
    assert status == 200, body
    return json.loads(body)


# ---- counters

COUNT = """\
local moongate = require "moongate"
local seen = moongate.counter("seen")
return function(event)
  seen:add()
  moongate.counter("by_kind", {kind = event.kind, odd = tonumber(event.id) % 2 == 1}):add(0.25)
end
"""
TRICKY = 'a"b\\c\nd\xe9\U0001f319'


def test_counters_are_on_metrics_with_the_pipeline(gateway):
    g = gateway(config(pipeline("a"), pipeline("b", text="workers: 2")), files={"hook.lua": COUNT})
    send(g, [event(i, kind="x" if i < 60 else "y") for i in range(100)])
    g.settled(100)
    for name in "ab":
        assert g.metric("moongate_script_seen_total", pipeline=name) == 100
        assert g.metric("moongate_script_by_kind_total", pipeline=name, kind="x", odd="true") == 7.5
        assert g.metric("moongate_script_by_kind_total", pipeline=name, kind="y") == 10
    text = g.get("/metrics")[1]
    family, = [f for f in text_string_to_metric_families(text) if f.name == "moongate_script_seen"]
    assert (family.type, family.documentation) == ("counter", "Counted by a script with moongate.counter.")
    assert {frozenset(s.labels) for s in family.samples} == {frozenset({"pipeline"})}
    assert text.count("# TYPE moongate_script_seen_total counter\n") == 1


def test_counters_of_any_text_leave_the_scrape_readable(gateway):
    script = f"""
      local m = require "moongate"
      return function(e)
        m.counter("text", {{v = m.json.decode([==[{json.dumps(TRICKY)}]==])}}):add()
        m.counter("text", {{v = "bad\\xff"}}):add()
        for i = 1, 1100 do m.counter("many", {{i = i}}):add() end
      end"""
    g = gateway(config(pipeline()), files={"hook.lua": script})
    send(g, [event(1)])
    assert g.settled(1)["all"]["published"] == 1, g.log()
    samples = [(s.name, tuple(sorted(s.labels.items()))) for f in text_string_to_metric_families(g.get("/metrics")[1])
               for s in f.samples if s.name.startswith("moongate_script_")]
    assert len(samples) == len(set(samples))
    assert g.metric("moongate_script_text_total", v=TRICKY.replace("\n", " ")) == 1
    assert g.metric("moongate_script_text_total", v="bad\ufffd") == 1
    assert g.metric("moongate_script_many_total") == 1100
    assert g.metric("moongate_script_many_total", i="other") == 102
    assert "too many series of counters" in g.log()


def test_counters_go_on_over_reloads_and_go_with_their_pipeline(gateway):
    g = gateway(config(pipeline("a"), pipeline("b")), files={"hook.lua": COUNT})
    send(g, [event(i, kind="x") for i in range(10)])
    g.settled(10)
    g.write("hook.lua", COUNT.replace("0.25", "0.5"))
    reload(g)
    send(g, [event(i, kind="x") for i in range(10, 20)])
    g.settled(20)
    assert g.metric("moongate_script_by_kind_total", pipeline="a") == 7.5
    g.configure(config(pipeline("a", text="workers: 1")))
    reload(g)
    send(g, [event(i, kind="x") for i in range(20, 30)])
    wait_until(lambda: g.pipeline("a")["lag"] == 0 and g.pipeline("a")["accepted"] == 30, g.log)
    assert g.metric("moongate_script_seen_total", pipeline="a") == 30
    assert g.metric("moongate_script_seen_total", pipeline="b") == 0
    assert not [k for k in g.metrics() if k[0].startswith("moongate_script_") and ("pipeline", "b") in k[1]]


def test_counters_do_not_count_in_a_replay(gateway):
    script = COUNT.replace("seen:add()", "seen:add() if not moongate.params.good then error('no') end")
    g = gateway(config(pipeline("a")), files={"hook.lua": script})
    send(g, [event(1, kind="x")])
    assert g.settled(1)["a"]["dead_lettered"] == 1
    before = g.metric("moongate_script_seen_total", pipeline="a")
    g.configure(config(pipeline("a", text="params: {good: true}")))
    reload(g)
    run("dead", "replay", "-c", g.config_file, "--pipeline", "a", check=0)
    assert g.metric("moongate_replayed_total", pipeline="a") == 1
    assert g.lines("a.jsonl")[-1]["id"] == "1"
    assert g.metric("moongate_script_seen_total", pipeline="a") == before == 1


# ---- caches

FIRST = """\
local moongate = require "moongate"
local seen = moongate.cache("seen", {max = 100000, ttl = 3600})
return function(event)
  if seen:get(event.thing) then return false, "seen" end
  seen:set(event.thing, {by = event.id})
  event.first = true
end
"""


@pytest.mark.concurrent
def test_a_cache_is_shared_by_workers_and_kept_over_reloads_and_restarts(gateway):
    g = gateway(config(pipeline()), files={"hook.lua": FIRST})
    send(g, [event(i, thing=f"t{i}") for i in range(200)])     # 200 keys: on four workers
    assert g.settled(200)["all"]["published"] == 200
    send(g, [event(1000 + i, thing=f"t{i}") for i in range(200)])  # other keys, so mostly other workers
    assert g.settled(400)["all"]["filtered"] == 200
    g.write("hook.lua", FIRST + "-- another version\n")
    g.signal(signal.SIGHUP)
    wait_until(lambda: 'msg="reloaded"' in g.log(), g.log)
    send(g, [event(2000 + i, thing=f"t{i}") for i in range(200)])
    assert g.settled(600)["all"]["filtered"] == 400
    g.configure(config(pipeline(text="workers: 2")))           # stops the pipeline and starts it anew
    reload(g)
    send(g, [event(3000 + i, thing=f"t{i}") for i in range(200)])
    assert g.settled(800)["all"]["filtered"] == 600
    g.restart()                                                # it is the process's
    send(g, [event(4000, thing="t1")])
    assert g.settled(801)["all"]["published"] == 201


def test_caches_of_pipelines_are_their_own(gateway):
    g = gateway(config(pipeline("a"), pipeline("b")), files={"hook.lua": FIRST})
    send(g, [event(1, thing="t")])                  # one after the other: two workers may both find nothing
    g.settled(1)
    send(g, [event(2, thing="t")])
    every = g.settled(2)
    assert [every[p]["published"] for p in "ab"] == [1, 1]


# ---- lookups

TEAM = """\
local moongate = require "moongate"
local teams = moongate.lookup("data/teams.csv", "project")
return function(event)
  local row = teams[event.project]
  event.team, event.again, event.n = row and row.team, teams[event.project].team, #teams
end
"""


def teams(version, n=100):
    return "project,team\n" + "".join(f"p{i},{version}\n" for i in range(n))


@pytest.mark.concurrent
def test_a_lookup_that_changes_under_load_is_never_half_old_half_new(gateway):
    g = gateway(config(pipeline()), files={"hook.lua": TEAM, "data/teams.csv": teams("v0")})
    over = threading.Event()
    sent = [0]

    def load():
        while not over.is_set():
            send(g, [event(f"{sent[0]}-{i}", project=f"p{i}") for i in range(50)])
            sent[0] += 50

    thread = threading.Thread(target=load)
    thread.start()
    def done():
        return g.pipeline()["published"]

    wait_until(lambda: done() > 100, g.log)
    try:
        for version in range(1, 9):
            g.replace("data/teams.csv", teams(f"v{version}", 100 + version))
            reload(g)
            wait_until(lambda v=version: g.log().count('msg="a lookup has changed"') >= v, g.log)
            wait_until(lambda m=done(): done() > m + 100, g.log)
    finally:
        over.set()
        thread.join()
    assert g.settled(sent[0])["all"]["published"] == sent[0]
    versions = {}
    for e in g.lines():
        assert e["team"] == e["again"] and e["n"] == 100 + int(e["team"][1:]), e
        versions[e["team"]] = versions.get(e["team"], 0) + 1
    assert set(versions) == {f"v{i}" for i in range(9)}, versions


def test_a_lookup_that_breaks_stays_as_it_was(gateway):
    g = gateway(config(pipeline()), files={"hook.lua": TEAM, "data/teams.csv": teams("good")})
    g.replace("data/teams.csv", teams("bad") + 'p101,"open\n')
    reload(g)
    line = wait_until(lambda: [x for x in g.log().splitlines() if "cannot be read, the old one stays" in x], g.log)[0]
    assert "level=error" in line and "data/teams.csv:102: a quote that is never closed" in line and "pipeline=all" in line
    send(g, [event(1, project="p1")])
    g.settled(1)
    assert g.lines()[0]["team"] == "good"


def test_a_lookup_that_is_broken_at_start_leaves_its_pipeline_down_and_check_tells(gateway):
    g = gateway(config(pipeline(), pipeline("fine", script="fine.lua")),
                files={"hook.lua": TEAM, "fine.lua": "return function() end", "data/teams.csv": "project,team\np1\n"})
    assert g.pipeline("all")["up"] in (0, False) and "data/teams.csv:2: 1 cell, but 2 columns" in g.pipeline("all")["last_error"]
    send(g, [event(1, project="p1")])
    g.settled(1, "fine")
    g.replace("data/teams.csv", teams("mended"))
    assert g.settled(1)["all"]["published"] == 1               # it comes up by itself
    assert g.lines()[0]["team"] == "mended"


def test_a_lookup_outside_of_files_is_refused(gateway):
    g = gateway(config(pipeline()), files={"hook.lua": TEAM.replace("data/teams.csv", "/etc/passwd"), "data/x": ""})
    assert "/etc/passwd: hook_limits.files does not name it" in g.pipeline("all")["last_error"]


# ---- CSV as Python reads it

DUMP = """\
local moongate = require "moongate"
return function(event)
  local rows = {}
  for key, row in pairs(moongate.lookup("data/" .. event.subject, "k")) do
    rows[#rows + 1] = {key = key, row = moongate.to_table(row)}
  end
  event.data = {rows = rows}
end
"""


def any_cell(rng):
    return "".join(rng.choice(string.ascii_letters + ' ",;\t\'\xe4\u20ac\U0001f319' + ("\n" if rng.random() < 0.2 else ""))
                   for _ in range(rng.choice((0, 1, 3, 10))))


def any_csv(rng, path):
    columns = ["k"] + [f"c{i} {any_cell(rng)}" for i in range(rng.randint(1, 6))]
    rng.shuffle(columns)
    options = {"lineterminator": rng.choice(("\n", "\r\n")), "quoting": rng.choice((csv.QUOTE_MINIMAL, csv.QUOTE_ALL))}
    with open(path, "w", encoding=rng.choice(("utf-8", "utf-8-sig")), newline="") as f:
        out = csv.writer(f, **options)
        out.writerow(columns)
        for i in range(rng.randint(0, 30)):
            out.writerow([f"{i}{any_cell(rng)}" if c == "k" else any_cell(rng) for c in columns])


def test_csv_is_read_as_python_reads_it(gateway):
    g = gateway(config(pipeline(text="order_by: none", limits=", instructions: 100000000")), files={"hook.lua": DUMP, "data/x": ""})
    rng = random.Random(7)
    names = [f"g{i}.csv" for i in range(90)]
    for name in names:
        any_csv(rng, g.path("data/" + name))
    send(g, [event(name, subject=name) for name in names])
    assert g.settled(len(names))["all"]["published"] == len(names), g.log()
    for e in g.lines():
        with open(g.path("data/" + e["subject"]), encoding="utf-8-sig", newline="") as f:
            want = [{"key": row["k"], "row": dict(row)} for row in csv.DictReader(f)]
        assert (e["data"].get("rows") or []) == want, e["subject"]
