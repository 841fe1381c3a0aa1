"""moongate.proto against Google's own runtime: messages at random, of every type that some descriptor sets declare."""
import base64
import json
import os
import shutil

import pytest
from google.protobuf import json_format

import flyte
import messages
from gateway import ROOT, run

# One event in, four out: encoded again, from a table, field by field from another message, as JSON.
HOOK = """
local m = require "moongate"
local pb = m.proto.load("set.desc")
return function(event)
  local type, msg = event.subject, pb:decode(event.subject, event.data)
  local table, copy, json = m.copy(event), m.copy(event), m.copy(event)
  local other = pb:new(type)
  for name, value in pairs(msg) do other[name] = value end
  table.data = pb:encode(type, m.to_table(msg))
  copy.data = other
  json.datacontenttype = "application/json"
  json.data = m.to_json(msg)
  event.data = pb:encode(type, msg)
  return {event, table, copy, json}
end
"""
CONFIG = """
pipelines:
  - name: all
    hooks: [hook.lua]
    publisher: {type: file, path: all.jsonl}
"""


# Of these JSON has forms of their own, or a type that is to be found by its name.
UNTOLD = {"google.protobuf.Any", "google.protobuf.FieldMask"}


def the_set(name, folder):
    if name.endswith(".desc"):
        return os.path.join(ROOT, "spec/golden", name)
    sources = os.path.join(ROOT, "spec/lua/proto")
    return messages.compiled(folder, name, include=[sources, os.path.join(ROOT, "proto")])


def cloudevent(i, m):
    return {"specversion": "1.0", "id": str(i), "source": "/spec", "type": "spec", "subject": m.DESCRIPTOR.full_name,
            "datacontenttype": "application/protobuf", "data_base64": base64.b64encode(m.SerializeToString()).decode()}


@pytest.mark.parametrize("name, each, package", [
    ("v2.proto", 40, ("team.", "old.")), ("flyteidl.desc", 1, ("flyteidl.",)), ("flyteidl2.desc", 1, ("flyteidl2.",))])
def test_the_same_as_googles_runtime(gateway, tmp_path, name, each, package):
    path = the_set(name, str(tmp_path))
    known = messages.Set(path)
    maker = messages.Maker(7, skip=lambda d: d.full_name in UNTOLD)
    sent = [maker.fill(known.new(d.full_name)) for d in known.types() if d.full_name.startswith(package)
            for _ in range(each)]
    sent = [m for m in sent if m.IsInitialized()]  # what proto2 requires is there
    assert len({m.DESCRIPTOR.full_name for m in sent}) > (2 if name == "v2.proto" else 300)
    folder = tmp_path / "gw"
    os.makedirs(folder, exist_ok=True)
    shutil.copy(path, folder / "set.desc")
    g = gateway(CONFIG, files={"hook.lua": HOOK})
    for at in range(0, len(sent), 100):
        batch = [cloudevent(at + i, m) for i, m in enumerate(sent[at:at + 100])]
        status, _, text = g.post("/v1/events", json.dumps(batch), "application/cloudevents-batch+json")
        assert status == 202, text
    state = g.settled(len(sent))["all"]
    assert state["published"] == len(sent), g.log()[-3000:]
    lines = g.lines()
    for i, m in enumerate(sent):
        check(known, m, lines[4 * i:4 * i + 4])


def check(known, m, events):
    name = m.DESCRIPTOR.full_name
    for e in events[:3]:
        assert known.new(name).FromString(base64.b64decode(e["data_base64"])) == m, e["id"]
    assert events[3]["data"] == json_format.MessageToDict(m, descriptor_pool=known.pool), name


DUAL = """
local m = require "moongate"
local pb = m.proto.load("set.desc")
return function(event, request, flyte)
  local v2 = m.copy(event)
  v2.type = "team.v2.run"
  local run = pb:new("team.v2.Run", {name = flyte.execution, project = flyte.project, at = request.event.occurred_at})
  run.state = flyte.terminal and "STATE_LOST" or "STATE_RUNNING"
  run.owners["ml"] = {name = "team ml"}
  run.details = {phase = flyte.phase, n = {1, 2}}
  v2.data = run
  run.name = "not sent: data was assigned before"
  return {event, v2}
end
"""


def test_both_formats_are_published(gateway, tmp_path):
    path = the_set("v2.proto", str(tmp_path))
    os.makedirs(tmp_path / "gw")
    shutil.copy(path, tmp_path / "gw" / "set.desc")
    g = gateway(CONFIG, files={"hook.lua": DUAL})
    request = flyte.workflow(phase="FAILED")
    with g.channel() as channel:
        flyte.send(channel, request)
    g.settled(1)
    v1, v2 = g.lines()
    assert base64.b64decode(v1["data_base64"]) == request.SerializeToString()
    assert (v2["type"], v2["id"], v2["datacontenttype"]) == ("team.v2.run", v1["id"] + ":1", "application/protobuf")
    made = messages.Set(path).new("team.v2.Run").FromString(base64.b64decode(v2["data_base64"]))
    id_ = request.event.execution_id
    assert (made.name, made.project, made.state, made.owners["ml"].name) == (id_.name, id_.project, -7, "team ml")
    assert made.at.ToJsonString() == request.event.occurred_at.ToJsonString()
    assert made.details["phase"] == "FAILED" and list(made.details["n"]) == [1, 2]


def test_a_set_that_is_none_keeps_its_pipeline_down(gateway):
    g = gateway(CONFIG, files={"hook.lua": 'local pb = require("moongate").proto.load("set.desc")\nreturn function() end\n',
                               "set.desc": 'syntax = "proto3";\n'}, started=False)
    done = run("check", "-c", g.config_file)
    assert done.returncode == 1
    assert "hook.lua:1:1: error: set.desc: cut short, or no descriptor set (protoc --include_imports" in done.stdout
