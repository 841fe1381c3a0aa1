"""Hook scripts in the running gateway. What a hook can do in itself is tested in spec/lua."""
import base64
import json
import os
import sqlite3

import pytest

import flyte
from gateway import ROOT
from wait import wait_until


def pipeline(script="hook.lua", text=""):
    return f"pipelines:\n  - name: all\n    hooks: [{script}]\n    {text}\n    publisher: {{type: file, path: all.jsonl}}\n"


def send(g, requests):
    with g.channel() as channel:
        for r in requests:
            flyte.send(channel, r)


def hooked(gateway, script, text="", **options):
    return gateway(pipeline(text=text), files={"hook.lua": script}, **options)


TEAM = """\
local moongate = require "moongate"
return function(event, request, flyte)
  if not flyte or flyte.project ~= moongate.params.project then return false, "other project" end
  if not flyte.failed then return false, "not a failure" end
  event.team = moongate.params.team
  event.reason = moongate.clean(flyte.error_message, 200)
  moongate.rename(event, "jsonschemaurl", "dataschema")
end
"""


def test_the_documented_example(gateway):
    g = hooked(gateway, TEAM, "params: {project: flytesnacks, team: ml}")
    failed = flyte.task(phase="FAILED", error="out of\nmemory")
    send(g, [flyte.task(), flyte.task(project="other", phase="FAILED"), failed])
    state = g.settled(3)["all"]
    assert (state["published"], state["filtered"]) == (1, 2)
    event, = g.lines()
    assert (event["team"], event["reason"], event["dataschema"]) == ("ml", "out of memory", flyte.SCHEMA.format("task"))
    assert event["id"] == flyte.id_of(failed)
    assert g.metric("moongate_events_filtered_total", pipeline="all", reason="other project") == 1
    assert g.metric("moongate_events_filtered_total", pipeline="all", reason="not a failure") == 1


def test_hooks_run_in_order_and_a_split_goes_through_the_next(gateway):
    g = gateway(pipeline("split.lua, stamp.lua"), files={
        "split.lua": 'local m = require "moongate"\nreturn function(e) return {e, m.copy(e), m.copy(e)} end\n',
        "stamp.lua": "return function(e) e.stamp = e.id end\n"})
    send(g, [flyte.workflow()])
    state = g.settled(1)["all"]
    id_ = flyte.id_of(flyte.workflow())
    assert g.ids() == [id_, id_ + ":1", id_ + ":2"] == [e["stamp"] for e in g.lines()]
    assert (state["published"], state["accepted"]) == (1, 1)
    assert g.metric("moongate_messages_published_total", pipeline="all") == 3


def test_event_types_of_a_hook_skip_it_only(gateway):
    g = hooked(gateway, 'return {event_types = {"task"}, on_event = function(e) e.seen = true end}')
    send(g, [flyte.workflow(), flyte.task()])
    g.settled(2)
    assert [e.get("seen") for e in g.lines()] == [None, True]


def test_changing_the_request_changes_the_data(gateway):
    g = hooked(gateway, "return function(e, request) request.event.producer_id = nil; request.request_id = 'r1' end")
    send(g, [flyte.workflow()])
    g.settled(1)
    want = flyte.workflow()
    want.event.producer_id, want.request_id = "", "r1"
    flyte.assert_documented(g.lines()[0], want, same_bytes=False)


def test_modules_beside_the_script_and_shipped_ones(gateway):
    g = gateway(pipeline(), files={
        "helper.lua": "return {name = function() return 'helped' end}\n",
        "hook.lua": "local h = require 'helper'\nreturn function(e) e.by = h.name() end\n"})
    send(g, [flyte.workflow()])
    g.settled(1)
    assert g.lines()[0]["by"] == "helped"


BROKEN = "return function(event)\n  local x = nil\n  event.team = x.name\nend\n"


def test_an_error_is_a_dead_letter_with_its_place(gateway):
    g = hooked(gateway, BROKEN)
    send(g, [flyte.workflow()])
    state = g.settled(1)["all"]
    assert (state["published"], state["dead_lettered"]) == (0, 1)
    assert g.metric("moongate_events_dead_lettered_total", pipeline="all", reason="hook_error") == 1
    assert g.metric("moongate_hook_errors_total", pipeline="all", hook="hook") == 1
    wait_until(lambda: "hook.lua:3" in g.log(), g.log)
    assert flyte.id_of(flyte.workflow()) in g.log()


def test_whatever_a_hook_says_is_told_as_text(gateway):
    g = hooked(gateway, r"""return function(e)
  if e.id:find('filtered') then return false, "\xff a\nb" end
  return nil, "\xff kafka-1:9092: \27[31m refused"
end""")
    send(g, [flyte.workflow(name="filtered"), flyte.workflow()])
    state = g.settled(2)["all"]
    assert (state["filtered"], state["dead_lettered"]) == (1, 1)
    assert g.metric("moongate_events_filtered_total", pipeline="all", reason="? a b") == 1
    with sqlite3.connect(g.path("moongate-data/state.db")) as db:
        (error,), = db.execute("select error from dead_letters")
    assert error == f"hook.lua:1: ? kafka-1:9092:  [31m refused (event {flyte.id_of(flyte.workflow())})"


def test_publish_unchanged_is_the_event_before_the_hooks(gateway):
    g = gateway(pipeline("first.lua, hook.lua", "set: {rule: yes}\n    on_hook_error: publish_unchanged"),
                files={"first.lua": "return function(e) e.first = true end\n", "hook.lua": BROKEN})
    send(g, [flyte.workflow()])
    assert g.settled(1)["all"]["published"] == 1
    event, = g.lines()
    assert event["rule"] in (True, "yes") and "first" not in event


def test_drop_counts_as_filtered(gateway):
    g = hooked(gateway, BROKEN, "on_hook_error: drop")
    send(g, [flyte.workflow()])
    state = g.settled(1)["all"]
    assert (state["filtered"], state["dead_lettered"]) == (1, 0)
    assert g.metric("moongate_events_filtered_total", pipeline="all", reason="hook_error") == 1
    line, = [l for l in g.log().splitlines() if 'msg="hook failed"' in l]
    assert "level=warn" in line and "pipeline=all" in line and "hook.lua:" in line and flyte.id_of(flyte.workflow()) in line


def test_block_stops_at_the_record_and_goes_on_after_a_restart(gateway):
    g = hooked(gateway, "return function(e) if e.id:find('bad') then error('not this one') end end",
               "on_hook_error: block\n    retry: {initial: 10ms, max: 50ms}")
    requests = [flyte.workflow(name=n) for n in ("good", "bad", "later")]
    send(g, requests)
    wait_until(lambda: g.pipeline()["published"] == 1 and not g.pipeline()["up"], g.pipelines)
    state = g.pipeline()
    assert state["lag"] == 2 and "not this one" in state["last_error"]
    g.write("hook.lua", "return function(e) e.mended = true end\n")
    g.restart()
    g.settled(3)
    assert g.ids() == [flyte.id_of(r) for r in requests]


def test_retry_holds_back_its_key_only(gateway):
    g = hooked(gateway, """\
local moongate = require "moongate"
local tries, others = 0, false
return function(event, request, flyte)
  if flyte.execution ~= "wait" then others = true return end
  tries = tries + 1
  if tries < 4 or not others then return moongate.retry, "not yet" end
  event.tries = tries
end
""", "retry: {initial: 20ms, max: 20ms}")
    requests = [flyte.workflow(name="wait"), flyte.workflow(name="other"), flyte.workflow(name="wait", phase="SUCCEEDED")]
    send(g, requests)
    g.settled(3)
    ids = g.ids()
    assert sorted(ids) == sorted(flyte.id_of(r) for r in requests)
    assert ids.index(flyte.id_of(requests[0])) < ids.index(flyte.id_of(requests[2]))
    assert ids[0] == flyte.id_of(requests[1])
    assert next(e for e in g.lines() if e["id"] == flyte.id_of(requests[0]))["tries"] >= 4


@pytest.mark.parametrize("script,limits,reason", [
    ("return function(e) if e.id:find('bad') then while true do end end end", "{instructions: 100000}", "hook_budget"),
    ("return function(e) if e.id:find('bad') then while true do pcall(error) end end end", "{instructions: 100000}", "hook_budget"),
    ("return function(e) if e.id:find('bad') then local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1000) .. i end end end",
     "{memory: 4MiB, instructions: 100000000}", "hook_memory"),
    ("return function(e) if e.id:find('bad') then while true do end end end", "{instructions: 100000000000, timeout: 400ms}", "hook_timeout"),
], ids=["a loop", "a loop in pcall", "memory", "time"])
def test_a_runaway_script_kills_its_own_event_only(gateway, script, limits, reason):
    g = gateway(f"""\
pipelines:
  - {{name: mad, hooks: [hook.lua], hook_limits: {limits}, publisher: {{type: file, path: mad.jsonl}}}}
  - {{name: all, publisher: {{type: file, path: all.jsonl}}}}
""", files={"hook.lua": script})
    requests = [flyte.workflow(name=n) for n in ("a", "bad", "b", "c")]
    send(g, requests)
    every = g.settled(4)
    assert (every["mad"]["published"], every["mad"]["dead_lettered"]) == (3, 1)
    assert every["all"]["published"] == 4
    assert g.metric("moongate_events_dead_lettered_total", pipeline="mad", reason=reason) == 1
    assert g.ids("mad.jsonl") == [flyte.id_of(r) for r in requests if "bad" not in flyte.id_of(r)]


def test_five_stops_in_a_row_stop_the_pipeline(gateway):
    g = hooked(gateway, "return function() while true do end end", "hook_limits: {instructions: 10000}\n    retry: {initial: 1h, max: 1h}")
    send(g, [flyte.workflow(name=f"f{i}") for i in range(8)])
    wait_until(lambda: not g.pipeline()["up"], g.pipelines)
    state = g.pipeline()
    assert state["dead_lettered"] <= 5 and state["lag"] >= 3 and state["accepted"] == 8


@pytest.mark.parametrize("script,why", [("return function(", "hook.lua:1"), ("return 7", "hook.lua"), ("error('at load')", "at load"),
                                        ("while true do end", "hook.lua"), ("return {on_event = 1}", "hook.lua")],
                         ids=["syntax", "no function", "an error", "a loop", "no function in the table"])
def test_a_script_broken_at_start_leaves_its_pipeline_down_and_the_rest_running(gateway, script, why):
    g = gateway("""\
pipelines:
  - {name: broken, hooks: [hook.lua], publisher: {type: file, path: broken.jsonl}}
  - {name: all, publisher: {type: file, path: all.jsonl}}
""", files={"hook.lua": script})
    send(g, [flyte.workflow()])
    g.settled(1, "all")
    broken = g.pipeline("broken")
    assert broken["lag"] == 1 and not broken["up"] and why in broken["last_error"]
    assert g.metric("moongate_pipeline_up", pipeline="broken") == 0
    g.write("hook.lua", "return function() end\n")
    g.restart()
    g.settled(1)
    assert len(g.lines("broken.jsonl")) == 1


def test_what_a_hook_logs_and_prints(gateway):
    g = hooked(gateway, 'local m = require "moongate"\nreturn function(e)\n  m.log.warn("odd event", {size = 3})\n  print("hello", 1)\nend\n')
    send(g, [flyte.workflow()])
    g.settled(1)
    wait_until(lambda: "hello" in g.log(), g.log)
    line = next(x for x in g.log().splitlines() if "odd event" in x)
    assert "level=warn" in line and "size=3" in line and "at=hook.lua:3" in line and f"event={flyte.id_of(flyte.workflow())}" in line


def test_an_event_that_became_invalid_is_a_dead_letter(gateway):
    g = hooked(gateway, 'local m = require "moongate"\nreturn function(e) return {e, m.new{id = e.id, source = e.source, type = "x"}} end')
    send(g, [flyte.workflow()])
    state = g.settled(1)["all"]
    assert state["dead_lettered"] == 1 and g.lines() == []


def test_hook_seconds_and_memory_are_measured(gateway):
    g = hooked(gateway, "return function() end")
    send(g, [flyte.workflow(), flyte.node()])
    g.settled(2)
    assert g.metric("moongate_hook_seconds_count", pipeline="all", hook="hook") == 2
    assert g.metric("moongate_hook_memory_bytes", pipeline="all") > 10000


def test_text_is_bytes_to_a_hook(gateway):
    g = hooked(gateway, "return function(e) e.size = #e.data; e.data = e.data:gsub('old', 'new') end")
    body = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "datacontenttype": "text/plain", "data": "an old one"}
    g.post("/v1/events", json.dumps(body), "application/cloudevents+json")
    g.settled(1)
    event, = g.lines()
    assert event["data"] == "an new one" and event["size"] == len("an old one")


def test_json_is_a_view_to_a_hook_and_stays_byte_for_byte(gateway):
    g = hooked(gateway, "return function(e) e.size = #e.data.list; e.data.a = e.data.list[2].x; e.data.b = nil end")
    data = '{"z" : 1.50, "a":"old","list": [1, {"x":"\\u00e9"}],"b":0,"b":1, "z":12345678901234567890 }'
    g.post("/v1/events", '{"specversion":"1.0","id":"1","source":"/s","type":"t","data":' + data + "}", "application/cloudevents+json")
    g.settled(1)
    assert '"data":{"z" : 1.50, "a":"é","list": [1, {"x":"\\u00e9"}],"z":12345678901234567890 }}' in open(g.path("all.jsonl"), encoding="utf-8").read()
    assert g.lines()[0]["size"] == 2


def test_request_data_is_its_protobuf_bytes(gateway):
    g = hooked(gateway, "return function(e) e.size = #e.data end")
    send(g, [flyte.task()])
    g.settled(1)
    assert g.lines()[0]["size"] == len(flyte.task().SerializeToString())


SEEN = """\
return function(event, request, flyte)
  event.seen = flyte.kind .. " " .. flyte.phase .. " " .. request.event.id.node_id
end
"""


@pytest.mark.parametrize("style", ["flyteadmin", "flyteadmin-v2"])
def test_flyteadmins_own_events_have_request_and_flyte(gateway, style):
    """As its consumers get them: a CloudEvent as protobuf, or as JSON with the data in base64. Rules match on its facts."""
    with open(os.path.join(ROOT, "spec/golden/flyteadmin/node-failed.json"), encoding="utf-8") as f:
        vector = json.load(f)["styles"][style]
    sent = vector["id_spacing"]["1"]
    g = hooked(gateway, SEEN, "match: {kind: node, phase: [FAILED]}")
    assert g.post("/v1/events", base64.b64decode(sent["sns"]["message"]), "application/cloudevents+protobuf")[0] == 202
    assert g.post("/v1/events", sent["nats"]["data"], "application/cloudevents+json")[0] == 202
    other = {"specversion": "1.0", "id": "1", "source": "/s", "type": sent["attributes"]["type"], "data": {"event": {"phase": "RUNNING"}}}
    assert g.post("/v1/events", json.dumps(other), "application/cloudevents+json")[0] == 202
    state = g.settled(3)["all"]
    assert (state["published"], state["filtered"]) == (2, 1)
    for event in g.lines():
        assert event["seen"].startswith("node FAILED ")
        assert (event["id"], event["type"], event["source"]) == tuple(sent["attributes"][n] for n in ("id", "type", "source"))
        assert base64.b64decode(event["data_base64"]).decode() == vector["data"]
