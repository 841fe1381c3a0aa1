local gate = require "gate"
-- request and flyte of events that came in as CloudEvents: FlyteAdmin's own, and documented ones.

local read = gate.read

local plain = {n = "\n", r = "\r", t = "\t", b = "\b", f = "\f"}

local function unescaped(json)
  return (json:gsub("\\(.)(%x?%x?%x?%x?)", function(c, hex)
    return c == "u" and utf8.char(tonumber(hex, 16)) or (plain[c] or c) .. hex
  end))
end

-- A golden vector: the kind, and the data in one style.
local function vector(name, style)
  local text = read("spec/golden/flyteadmin/" .. name .. ".json")
  local at = assert(text:find('\n  "' .. style .. '": {', 1, true))
  return text:match('"kind": "(%w+)"'), unescaped(text:match('\n   "data": "([^\n]*)",?\n', at))
end

local titles = {workflow = "Workflow", node = "Node", task = "Task"}
local types = {
  flyteadmin = function(kind) return "com.flyte.resource.flyteidl.admin." .. titles[kind] .. "ExecutionEventRequest" end,
  ["flyteadmin-v2"] = function(kind) return "com.flyte.resource.cloudevents." .. titles[kind] .. "Execution" end,
}

local function event(style, kind, data, encoded)
  local text = encoded and '"data_base64":"' .. gate.base64(data) .. '"' or '"data":' .. data
  return gate.event {json = '{"specversion":"1.0","id":"i","source":"/s","type":"' .. types[style](kind) ..
                            '","datacontenttype":"application/json",' .. text .. "}"}
end

local v1 = types.flyteadmin

describe("a CloudEvent of FlyteAdmin's", function()
  it("has request and flyte, in both versions, and keeps its attributes and its data", function()
    for _, name in ipairs {"workflow-failed-user", "node-failed", "task-failed-retries", "node-names-html", "task-custom-info-numbers"} do
      for style in pairs(types) do
        for _, encoded in ipairs {false, true} do
          local kind, data = vector(name, style)
          local out = gate.run([[
            local v, kind = request.event, flyte.kind
            local node = kind == "node" and v.id or kind == "task" and v.parent_node_execution_id
            local id = node and node.execution_id or v.execution_id
            assert(flyte.execution == id.name and flyte.project == id.project and flyte.phase == v.phase)
            e.seen = kind .. " " .. flyte.phase]], event(style, kind, data, encoded))
          assert.equal(data, out[1].data)
          assert.equal(types[style](kind), out[1].type)
          assert.has(kind .. " ", out[1].seen)
          assert.has('"phase":"' .. out[1].seen:match(" (.*)") .. '"', data)
        end
      end
    end
  end)

  it("is matched by its facts", function()
    local kind, data = vector("workflow-failed-user", "flyteadmin")
    local hook = gate.hook("\nreturn function() end", {match = {phase = "FAILED", kind = "workflow"}})
    assert.equal("publish", hook(event("flyteadmin", kind, data)).verdict)
    hook = gate.hook("\nreturn function() end", {match = {phase = "RUNNING"}})
    assert.equal("filter", hook(event("flyteadmin", kind, data)).verdict)
  end)

  it("is of the type of the request that it carries", function()
    local kind, data = vector("workflow-failed-user", "flyteadmin")
    local script = "\nreturn {event_types = {'%s'}, on_event = function() return false end}"
    for _, text in ipairs {data, "[]"} do -- its type says it, whatever is in it
      assert.equal("filter", gate.hook(script:format("workflow"))(event("flyteadmin", kind, text)).verdict)
      assert.equal("publish", gate.hook(script:format("other"))(event("flyteadmin", kind, text)).verdict)
    end
    assert.equal("publish", gate.hook(script:format("task"))(event("flyteadmin", kind, data)).verdict)
  end)

  it("carries a changed request in its own form", function()
    local body = [[
      request.event.producer_id = "changed"
      assert(tostring(e.data):find("changed", 1, true) and e.datacontenttype == "application/json")]]
    local out = gate.run(body, event("flyteadmin", "workflow", '{"event":{"phase":"FAILED"}}'))
    assert.equal('{"event":{"producerId":"changed","phase":"FAILED"}}', out[1].data)
    out = gate.run(body, event("flyteadmin-v2", "workflow", '{ "labels":{"a":"b"}, "rawEvent": {"phase":"FAILED"} , "principal":"p"}'))
    assert.equal('{ "labels":{"a":"b"}, "rawEvent": {"producerId":"changed","phase":"FAILED"} , "principal":"p"}', out[1].data)
    out = gate.run(body, event("flyteadmin-v2", "workflow", '{"rawEvent":{"phase":"FAILED"}}', true))
    assert.equal('{"rawEvent":{"producerId":"changed","phase":"FAILED"}}', out[1].data)
    assert.has('"data_base64"', gate.json(out[1]))
    out = gate.run("request.event = nil", event("flyteadmin-v2", "workflow", '{"rawEvent":{"phase":"FAILED"}}'))
    assert.equal('{"rawEvent":null}', out[1].data)
  end)

  it("may have fields that are newer than ours", function()
    gate.run("assert(request.event.phase == 'FAILED' and flyte.failed)",
      event("flyteadmin", "workflow", '{"event":{"phase":"FAILED","newer":{"x":[1]}},"newest":true}'))
  end)

  it("is any other event when its data is not what its type says", function()
    for _, data in ipairs {'{"event":7}', "[]", "7", '{"event":{"phase":"NO_SUCH"}}'} do
      gate.run("assert(request == nil and flyte == nil)", event("flyteadmin", "workflow", data))
    end
    for _, data in ipairs {'{"event":{}}', "[]", '{"rawEvent":{},"rawEvent":{}}', '{"rawEvent":7}'} do
      gate.run("assert(request == nil and flyte == nil)", event("flyteadmin-v2", "workflow", data))
    end
    gate.run("assert(request == nil and flyte == nil)", gate.event {type = v1("workflow")})
    gate.run("assert(request == nil and flyte == nil)", gate.event {type = v1("workflow"), data_base64 = gate.base64("\xff")})
    gate.run("assert(request == nil and flyte == nil)", gate.event {type = "com.flyte.resource.cloudevents.ExecutionStart", data = "x"})
  end)
end)

describe("a CloudEvent in the documented style", function()
  local bytes = gate.run("", gate.task {phase = "FAILED", error = "no memory"})[1].data

  it("has request and flyte", function()
    for kind, data in pairs {task = bytes, workflow = gate.run("", gate.workflow {})[1].data, node = gate.run("", gate.node {})[1].data} do
      gate.run(("assert(flyte.kind == '%s' and flyte.project == 'flytesnacks' and request.event)"):format(kind),
        gate.event {type = "com.flyte.resource." .. kind, datacontenttype = "application/protobuf", data_base64 = gate.base64(data)})
    end
  end)

  it("carries a changed request as bytes", function()
    local input = gate.event {type = "com.flyte.resource.task", datacontenttype = "application/protobuf", data_base64 = gate.base64(bytes)}
    assert.equal(bytes, gate.run("", input)[1].data)
    local out = gate.run("request.event.producer_id = 'changed'", input)
    assert.has("changed", out[1].data)
    assert.has("no memory", out[1].data)
    assert.equal("application/protobuf", out[1].datacontenttype)
  end)
end)
