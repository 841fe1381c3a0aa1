local gate = require "gate"

describe("request", function()
  local failed = gate.task {phase = "FAILED", attempt = 2, error = "no memory", custom_info = {a = {1, "x", true}, n = {b = "c"}}}

  it("reads fields by their proto names", function()
    gate.run([[
      local v = request.event
      assert(v.task_id.name == "wf.t" and v.task_id.resource_type == "TASK" and v.retry_attempt == 2)
      assert(v.phase == "FAILED" and v.error.message == "no memory" and v.error.kind == "UNKNOWN")
      assert(v.output_uri == nil and m.which(v, "output_result") == "error" and v.metadata == nil)
      assert(v.producer_id == "" and v.phase_version == 0)
      assert(#v.logs == 0 and v.logs[1] == nil and v.logs[0] == nil)
      assert(v.task_id == v.task_id and v.task_id ~= v.error and v.logs == v.logs and v.logs ~= v.reasons)]], failed)
  end)

  it("gives Struct as plain values and Timestamp as time", function()
    gate.run([[
      local v = request.event
      assert(v.custom_info.a[1] == 1.0 and v.custom_info.a[2] == "x" and v.custom_info.a[3] == true and v.custom_info.n.b == "c")
      assert(tostring(v.occurred_at) == "2026-01-02T03:04:05Z" and m.time(v.occurred_at) == 1767323045.0)
      assert(math.type(m.time(v.occurred_at)) == "float" and v.occurred_at.seconds == 1767323045)]], failed)
  end)

  it("names the nearest field", function()
    assert.error(function() gate.run("local x = request.event.execution_id.projct", gate.workflow {}) end,
      'WorkflowExecutionIdentifier has no field "projct" (did you mean "project"?)')
    assert.error(function() gate.run("request.evnt = nil", failed) end, '(did you mean "event"?)')
    assert.error(function() gate.run("request.event.phase = 'FAILD'", failed) end, '(did you mean "FAILED"?)')
    assert.error(function() gate.run("m.which(request.event, 'output_reslt')", failed) end, '(did you mean "output_result"?)')
  end)

  it("assigns, and data follows", function()
    local out = gate.run([[
      local v = request.event
      v.phase, v.producer_id, v.retry_attempt = "ABORTED", "somebody", 4294967295
      v.error = {code = "C", message = "M"}
      v.occurred_at = "2030-01-01T00:00:00.5Z"
      v.custom_info = {list = {1, 2}, flag = false}
      v.reasons = {{reason = "a"}, {reason = "b", occurred_at = 1.25}}
      v.reasons[3] = {reason = "c"}
      v.reasons[1].reason = "A"
      v.task_id = {name = "other"}
      e.json = m.to_json(request)
      assert(#v.reasons == 3 and v.custom_info.list[2] == 2.0 and v.task_id.project == "")
      local before = e.data
      v.producer_id = nil
      assert(e.data ~= before and not e.data:find("somebody", 1, true))]], failed)
    assert.has('"phase":"ABORTED"', out[1].json)
    assert.has('"reasons":[{"reason":"A"},{"reason":"b","occurredAt":"1970-01-01T00:00:01.250Z"},{"reason":"c"}]', out[1].json)
    assert.has('"customInfo":{"flag":false,"list":[1,2]}', out[1].json)
    assert.has('"error":{"code":"C","message":"M"}', out[1].json)
    assert.has('"taskId":{"name":"other"}', out[1].json)
  end)

  it("lets the last of request and data win", function()
    local out = gate.run("request.event.producer_id = 'x' e.data = 'mine'", failed)
    assert.equal("mine", out[1].data)
    out = gate.run("e.data = 'mine' request.event.producer_id = 'producer'", failed)
    assert.has("producer", out[1].data)
    out = gate.run("local c = m.copy(e) request.event.producer_id = 'producer' c.data = 'own' return {e, c}", failed)
    assert.has("producer", out[1].data)
    assert.equal("own", out[2].data)
  end)

  it("chooses in a oneof", function()
    gate.run([[
      local v = request.event
      v.output_uri = "s3://x"
      assert(v.error == nil and m.which(v, "output_result") == "output_uri")
      v.output_uri = nil
      assert(m.which(v, "output_result") == nil and v.output_uri == nil)]], failed)
    assert.error(function() gate.run("request.event = {output_uri = 'x', error = {code = 'c'}}", failed) end,
      "both of the oneof output_result: only one can be set")
  end)

  it("refuses wrong values at that line, and changes nothing", function()
    for body, why in pairs {
      ["request.event.retry_attempt = -1"] = "retry_attempt: -1 is out of range",
      ["request.event.retry_attempt = 'x'"] = 'retry_attempt is an integer, not "x"',
      ["request.event.producer_id = 7"] = "producer_id is a string, not 7",
      ["request.event.producer_id = '\\xff'"] = "not UTF-8 at byte 1",
      ["request.event.task_id = 7"] = "task_id is a table or a message, not 7",
      ["request.event.task_id = request.event.error"] = "task_id is a Identifier, not a ExecutionError",
      ["request.event.reasons = 7"] = "reasons is a list, not 7",
      ["request.event.reasons[3] = {}"] = "[3] cannot be assigned",
      ["request.event.occurred_at = 'x'"] = "occurred_at is an RFC 3339 time",
      ["local t = {} t.t = t request.event.custom_info = t"] = "nest more than",
    } do
      assert.error(function() gate.run(body, failed) end, why)
    end
    local out = gate.run("local before = e.data pcall(function() request.event.phase = 'NO' end) assert(e.data == before)", failed)
    assert.equal("publish", out.verdict)
  end)

  it("copies a message to another place", function()
    gate.run([[
      local v = request.event
      v.parent_node_execution_id.execution_id.name = "changed"
      local id = v.task_id
      v.task_id = id
      assert(v.task_id.name == "wf.t" and v.task_id ~= id)
      e.data = v.task_id
      assert(e.datacontenttype == "application/protobuf" and e.data:find("wf.t", 1, true))]], failed)
  end)

  it("copies out to a table", function()
    gate.run([[
      local t = m.to_table(request)
      assert(t.event.phase == "FAILED" and t.event.error.code == "USER:Unknown" and t.event.metadata == nil)
      assert(t.event.custom_info.a[2] == "x" and getmetatable(t.event) == nil)
      t.event.phase = "X"
      assert(request.event.phase == "FAILED")
      local names = {}
      for k in pairs(request.event.error) do names[#names + 1] = k end
      assert(table.concat(names, " ") == "code message")]], failed)
  end)

  it("is nil for other events", function()
    gate.run("assert(request == nil and flyte == nil)")
  end)
end)

describe("flyte", function()
  it("has the same fields for every kind", function()
    gate.run([[
      assert(flyte.kind == "task" and flyte.project == "flytesnacks" and flyte.domain == "development" and flyte.execution == "f1")
      assert(flyte.node == "n0" and flyte.task == "wf.t" and flyte.attempt == 1 and flyte.phase == "RETRYABLE_FAILED")
      assert(flyte.failed == true and flyte.terminal == false and flyte.error_message == "x")]],
      gate.task {phase = "RETRYABLE_FAILED", attempt = 1, error = "x"})
    gate.run("assert(flyte.kind == 'workflow' and flyte.node == nil and flyte.attempt == nil and flyte.terminal)",
      gate.workflow {phase = "SUCCEEDED"})
  end)

  it("is read-only and knows its names", function()
    assert.error(function() gate.run("flyte.project = 'x'", gate.node {}) end, "flyte is read-only")
    assert.error(function() gate.run("local x = flyte.projct", gate.node {}) end, '(did you mean "project"?)')
  end)
end)
