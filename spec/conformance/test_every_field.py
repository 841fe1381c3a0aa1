"""Every field of Flyte's requests, assigned and read by its name in a hook, and read again by Google's own runtime."""
import base64
import json

import pytest
from google.protobuf.descriptor import FieldDescriptor as F

import flyte
from messages import INT

HOOK = """
local m = require "moongate"
local cases = m.json.decode(require("cases"))

local function put(at, path, i, value)
  if i == #path then at[path[i]] = value return end
  if at[path[i]] == nil then at[path[i]] = {} end
  put(at[path[i]], path, i + 1, value)
end

local function same(a, b)
  if type(b) == "table" then return m.json.encode(a) == m.json.encode(b) end
  return a == b and math.type(a) == math.type(b)
end

return function(event, request)
  local out = {}
  for name in pairs(m.to_table(request)) do request[name] = nil end
  for i, case in ipairs(cases) do
    local value = case.bytes and m.base64.decode(case.bytes) or case.value
    put(request, case.path, 1, value)
    local at = request
    for _, step in ipairs(case.path) do at = at[step] end
    if case.time then at = tostring(at) elseif case.seconds then at = m.time(at) elseif case.wrapped then at = m.to_table(at) end
    local want = case.want or value
    assert(same(at, want), table.concat(case.path, ".") .. " is " .. tostring(at) .. ", not " .. tostring(want))
    out[i] = m.new {id = tostring(i), source = "/spec", type = "spec", data = request}
    for name in pairs(m.to_table(request)) do request[name] = nil end
  end
  return out
end
"""
CONFIG = """
pipelines:
  - name: all
    hooks: [hook.lua]
    hook_limits: {instructions: 100000000, timeout: 60s}
    publisher: {type: file, path: all.jsonl}
"""
TIME, SECONDS, KEY = "2026-01-02T03:04:05.678Z", 3.25, "a key"


def value_of(f):
    """A value for the field as JSON can bring it to Lua, and what Google's runtime has then."""
    if f.message_type:
        name = f.message_type.full_name
        if name == "google.protobuf.Timestamp":
            return {"value": TIME, "time": True}, lambda m: m.ToJsonString() == TIME
        if name == "google.protobuf.Duration":
            return {"value": SECONDS, "seconds": True}, lambda m: m.ToJsonString() == "3.250s"
        if name == "google.protobuf.Struct":
            return {"value": {"a": [1.5, "x", True, None], "b": {"c": "d"}}}, \
                lambda m: list(m["a"]) == [1.5, "x", True, None] and m["b"]["c"] == "d"
        if name.startswith("google.protobuf."):
            return {"value": {"value": True}, "wrapped": True}, lambda m: m.value is True
        return None
    if f.type in INT:
        high = INT[f.type][1]
        if f.type in (F.TYPE_UINT64, F.TYPE_FIXED64):
            return {"value": str(high), "want": -1}, lambda v: v == high
        return {"value": high}, lambda v: v == high
    if f.type == F.TYPE_BOOL:
        return {"value": True}, lambda v: v is True
    if f.type in (F.TYPE_DOUBLE, F.TYPE_FLOAT):
        return {"value": 0.5}, lambda v: v == 0.5
    if f.type == F.TYPE_STRING:
        return {"value": f.name + " é"}, lambda v: v == f.name + " é"
    if f.type == F.TYPE_BYTES:
        return {"bytes": base64.b64encode(b"\x00\xff" + f.name.encode()).decode()}, lambda v: v == b"\x00\xff" + f.name.encode()
    last = f.enum_type.values[-1]
    return {"value": last.name}, lambda v: v == last.number


def walk(d, path=(), seen=None):
    """Each field of each message that can be reached, once: (path, case, check)."""
    seen = seen if seen is not None else set()
    found, inner = [], []
    if d.full_name in seen:
        return found
    seen.add(d.full_name)
    for f in d.fields:
        at = path + (f.name,)
        if f.message_type and f.message_type.GetOptions().map_entry:
            at += (KEY,)
            f = f.message_type.fields_by_name["value"]
        elif f.is_repeated:
            at += (1,)
        value = value_of(f)
        if value:
            found.append((at, *value))
        else:
            inner.append((f.message_type, at))
    for message, at in inner:
        found += walk(message, at, seen)
    return found


def read(m, path):
    for step in path:
        m = m[step - 1] if isinstance(step, int) else m[step] if step == KEY else getattr(m, step)
    return m


@pytest.mark.parametrize("make", [flyte.workflow, flyte.node, flyte.task], ids=["workflow", "node", "task"])
def test_every_field(gateway, make):
    request = make()
    cases = walk(request.DESCRIPTOR)
    assert len(cases) > 35
    text = json.dumps([{"path": path, **case} for path, case, _ in cases], ensure_ascii=False)
    g = gateway(CONFIG, files={"hook.lua": HOOK, "cases.lua": "return [==[" + text + "]==]"})
    with g.channel() as channel:
        flyte.send(channel, request)
    state = g.settled(1)["all"]
    assert state["published"] == 1, g.log()[-3000:]
    for event, (path, _, check) in zip(g.lines(), cases, strict=True):
        got = type(request).FromString(base64.b64decode(event["data_base64"]))
        assert check(read(got, path)), path
