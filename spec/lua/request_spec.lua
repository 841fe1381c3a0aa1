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

  it("changes the data of the event whose hook changed it, not of its copies", function()
    local split = "local m = require 'moongate' return function(e, request) local c = m.copy(e) request.event.producer_id = 'first' return {e, c} end"
    local out = gate.hook(split)(failed)
    assert.has("first", out[1].data)
    assert(not out[2].data:find("first", 1, true))
    local late = "return function(e, request) if e.id:find(':1$') then request.event.producer_id = 'late' end end"
    out = gate.hook {split, late}(failed)
    assert(out[1].data:find("first", 1, true) and not out[1].data:find("late", 1, true))
    assert.has("late", out[2].data)
    out = gate.run("request.event.producer_id = 'first' return {e, m.copy(e)}", failed)
    assert.has("first", out[2].data)
  end)

  it("names the nearest field", function()
    assert.error(function() gate.run("local x = request.event.execution_id.projct", gate.workflow {}) end,
      'WorkflowExecutionIdentifier has no field "projct" (did you mean "project"?)')
    assert.error(function() gate.run("local x = request.event.projct", gate.workflow {}) end,
      'WorkflowExecutionEvent has no field "projct" (did you mean "project"?), which is in execution_id')
    assert.error(function() gate.run("request.evnt = nil", failed) end, '(did you mean "event"?)')
    assert.error(function() gate.run("request.event.phase = 'FAILD'", failed) end, '(did you mean "FAILED"?)')
    assert.error(function() gate.run("m.which(request.event, 'output_reslt')", failed) end, '(did you mean "output_result"?)')
  end)

  it("says what it was given in place of a message", function()
    assert.error(function() gate.run("request.event = e", failed) end, "event is a table or a message, not an event")
    assert.error(function() gate.run("request.event.error = flyte", failed) end, "error is a table or a message, not flyte")
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

  it("has scalars as Lua has them", function()
    gate.run([[
      local v = request.event
      assert(v.is_parent == false and v.event_version == 0 and v.node_name == "")
      v.is_parent, v.event_version, v.node_name = true, -3, "n\0\u{e9}"
      assert(v.is_parent == true and v.event_version == -3 and math.type(v.event_version) == "integer" and v.node_name == "n\0\u{e9}")
      v.task_node_metadata = {cache_status = 3, catalog_key = {}}
      assert(v.task_node_metadata.cache_status == "CACHE_POPULATED")
      v.output_data = {literals = {a = {scalar = {binary = {value = "\0\xff", tag = "t"}}},
                                   b = {scalar = {primitive = {integer = math.mininteger}}},
                                   c = {scalar = {primitive = {float_value = 0.5}}},
                                   d = {scalar = {primitive = {boolean = false}}}}}
      local l = v.output_data.literals
      assert(l.a.scalar.binary.value == "\0\xff" and l.b.scalar.primitive.integer == math.mininteger)
      assert(l.c.scalar.primitive.float_value == 0.5 and l.d.scalar.primitive.boolean == false and l.d.scalar.primitive.integer == nil)
      v.phase = 77
      assert(v.phase == 77 and m.to_json(request):find('"phase":77', 1, true))
      v.phase = "SUCCEEDED"
      assert(v.phase == "SUCCEEDED")]], gate.node {})
    assert.error(function() gate.run("request.event.phase = 2147483648", gate.node {}) end,
      "phase: 2147483648 is out of range (-2147483648 to 2147483647)")
    assert.error(function() gate.run("request.event.phase = true", gate.node {}) end, "phase is a name or a number, not true")
    assert.error(function() gate.run("request.event.is_parent = 1", gate.node {}) end, "is_parent is a boolean, not 1")
    assert.error(function() gate.run("request.event.event_version = 1.5", gate.node {}) end, "event_version is an integer, not 1.5")
  end)

  it("keeps a number that an enum does not have", function()
    local bytes = gate.run("request.event.phase = 99", gate.node {})[1].data
    local script = "assert(request.event.phase == 99 and flyte.phase == '99' and not flyte.failed and not flyte.terminal)"
    gate.run(script, gate.event {type = "com.flyte.resource.node", datacontenttype = "application/protobuf", data_base64 = gate.base64(bytes)})
  end)

  it("shows a uint64", function()
    gate.run([[
      assert(m.u64(-1) == "18446744073709551615" and m.u64(0) == "0" and m.u64(math.mininteger) == "9223372036854775808")
      assert(m.u64("12") == "12" and not pcall(m.u64, 1.5) and not pcall(m.u64))]])
  end)

  it("has lists that are read, assigned and grow", function()
    local out = gate.run([[
      local v = request.event
      local r = v.reasons
      assert(#r == 2 and r[1].reason == "a" and r[3] == nil and r[0] == nil and r[-1] == nil)
      local seen = {}
      for i, x in ipairs(r) do seen[#seen + 1] = i .. x.reason end
      for i, x in pairs(r) do seen[#seen + 1] = i .. x.reason end
      assert(table.concat(seen, " ") == "1a 2b 1a 2b")
      r[#r + 1] = {reason = "c"}
      assert(#v.reasons == 3 and r[3].reason == "c" and v.reasons == r)
      r[2] = r[3]
      assert(r[2].reason == "c" and r[2] ~= r[3])
      r[3] = nil
      assert(#r == 2)
      v.logs = {{uri = "u", name = "n"}}
      v.logs[1].name = "m"
      v.reasons = v.reasons
      assert(#v.reasons == 2 and v.reasons[2].reason == "c")
      assert(select(2, pcall(function() return r.x end)):find("reasons is a list: its items are [1] to [#reasons], not \"x\"", 1, true))
      assert(select(2, pcall(function() r[1] = nil end)):find("reasons: only the last item can be removed", 1, true))
      e.json = m.to_json(request)]], gate.task {reasons = {{reason = "a"}, {reason = "b"}}})
    assert.has('"logs":[{"uri":"u","name":"m"}]', out[1].json)
    assert.has('"reasons":[{"reason":"a"},{"reason":"c"}]', out[1].json)
    assert.is_nil(gate.run("request.event.reasons = {} e.n = #request.event.reasons request.event.reasons = nil e.j = m.to_json(request)",
      gate.task {reasons = {{reason = "a"}}})[1].j:find("reasons", 1, true))
  end)

  it("has maps that are read, assigned and gone over", function()
    local out = gate.run([[
      local v = request.event
      v.output_data = {literals = {}}
      local l = v.output_data.literals
      assert(l.x == nil and #l == 0 and next(m.to_table(l)) == nil)
      l.x = {scalar = {primitive = {integer = 1}}}
      l["two words"] = {scalar = {primitive = {string_value = "s"}}}
      assert(l.x.scalar.primitive.integer == 1 and #l == 2 and v.output_data.literals == l)
      l.x.scalar.primitive.integer = 2
      l.x = l.x
      local names = {}
      for k, x in pairs(l) do names[#names + 1] = k .. m.which(x.scalar.primitive, "value") end
      table.sort(names)
      assert(table.concat(names, " ") == "two wordsstring_value xinteger", table.concat(names, " "))
      l.gone = {}
      l.gone = nil
      assert(l.gone == nil and #l == 2)
      assert(select(2, pcall(function() l[7] = {} end)):find("key is a string, not 7", 1, true))
      e.json = m.to_json(request)]], gate.task {})
    assert.has('"outputData":{"literals":{"two words":{"scalar":{"primitive":{"stringValue":"s"}}},' ..
      '"x":{"scalar":{"primitive":{"integer":"2"}}}}}', out[1].json)
  end)

  it("has Struct as plain Lua values, copies of them", function()
    gate.run([[
      local v = request.event
      v.custom_info = {a = {1, 2.5, "x", false, m.json.null, {b = {}}}, n = m.json.null, e = {}}
      local t = v.custom_info
      assert(t.a[1] == 1.0 and t.a[2] == 2.5 and t.a[3] == "x" and t.a[4] == false and t.a[5] == m.json.null and t.a[6].b and t.n == m.json.null)
      t.a[1] = 7
      assert(v.custom_info.a[1] == 1.0 and v.custom_info ~= t)
      v.custom_info = t
      assert(v.custom_info.a[1] == 7.0 and m.to_table(request).event.custom_info.a[1] == 7.0)
      for _, bad in ipairs {0/0, 1/0} do assert(not pcall(function() v.custom_info = {x = bad} end)) end
      assert(not pcall(function() v.custom_info = {x = print} end) and not pcall(function() v.custom_info = 7 end))
      assert(not pcall(function() v.custom_info = {[1] = 1} end))]], failed)
  end)

  it("has Timestamp and Duration as time", function()
    gate.run([[
      local v = request.event
      for _, text in ipairs {"1970-01-01T00:00:00Z", "2026-01-02T03:04:05.678Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z"} do
        v.occurred_at = text
        assert(tostring(v.occurred_at) == text, text)
      end
      v.occurred_at = "2026-01-02T04:04:05+01:00"
      assert(tostring(v.occurred_at) == "2026-01-02T03:04:05Z" and m.time(v.occurred_at) == 1767323045.0)
      v.occurred_at = 1.5
      assert(v.occurred_at.seconds == 1 and v.occurred_at.nanos == 500000000 and m.time(v.occurred_at) == 1.5)
      v.occurred_at.nanos = 0
      assert(m.time(v.occurred_at) == 1.0 and m.time(v.reported_at) == nil)
      v.occurred_at = {seconds = 2^53 // 1 | 0}
      assert(tostring(v.occurred_at):find("Timestamp out of range: ", 1, true))
      v.occurred_at = {}
      assert(m.time(v.occurred_at) == 0.0)
      v.occurred_at = nil
      assert(v.occurred_at == nil)]], failed)
    local duration = "request.event.task_node_metadata = {dynamic_workflow = {compiled_workflow = {primary = {template = " ..
      "{nodes = {{metadata = {timeout = %s}}}}}}}} " ..
      "local d = request.event.task_node_metadata.dynamic_workflow.compiled_workflow.primary.template.nodes[1].metadata.timeout "
    gate.run(duration:format("90.25") .. "assert(tostring(d) == '90.250s' and m.time(d) == 90.25 and d.seconds == 90)", gate.node {})
    gate.run(duration:format("-0.5") .. "assert(tostring(d) == '-0.500s' and m.time(d) == -0.5 and d.seconds == 0 and d.nanos == -5e8)",
      gate.node {})
    gate.run(duration:format("{seconds = math.maxinteger}") .. "assert(tostring(d):find('Duration out of range', 1, true))", gate.node {})
  end)

  it("clears with nil and makes messages from tables", function()
    local out = gate.run([[
      local v = request.event
      v.error, v.producer_id, v.phase, v.occurred_at, v.reasons, v.retry_attempt = nil, nil, nil, nil, nil, nil
      assert(v.error == nil and v.producer_id == "" and v.phase == "UNDEFINED" and v.retry_attempt == 0 and #v.reasons == 0)
      assert(m.which(v, "output_result") == nil)
      v.metadata = {}
      assert(v.metadata ~= nil and v.metadata.generated_name == "")
      v.metadata = {external_resources = {{external_id = "x", cache_status = "CACHE_HIT"}}, instance_class = "INTERRUPTIBLE"}
      e.json = m.to_json(v.metadata)
      v.metadata = nil
      request.event = nil
      assert(request.event == nil)
      request.event = {phase = "RUNNING"}
      assert(request.event.phase == "RUNNING")
      e.all = m.to_json(request)]], gate.task {phase = "FAILED", error = "x", reasons = {{reason = "r"}}})
    assert.equal('{"externalResources":[{"externalId":"x","cacheStatus":"CACHE_HIT"}],"instanceClass":"INTERRUPTIBLE"}', out[1].json)
    assert.equal('{"event":{"phase":"RUNNING"}}', out[1].all)
  end)

  it("keeps fields that the schema does not have", function()
    local bytes = gate.run("", gate.node {})[1].data
    local extra = "\xfa\x3f\x03xyz" -- of the number 1023
    local out = gate.run("request.event.node_name = 'named' assert(not pcall(function() return request.unknown end))",
      gate.event {type = "com.flyte.resource.node", datacontenttype = "application/protobuf", data_base64 = gate.base64(bytes .. extra)})
    assert.has("named", out[1].data)
    assert.has(extra, out[1].data)
  end)

  it("is equal to itself, by field and message", function()
    gate.run([[
      local v = request.event
      assert(request == request and v == request.event and v.task_id == v.task_id and v.reasons == request.event.reasons)
      assert(v.reasons[1] == v.reasons[1] and v.reasons ~= v.logs and v.task_id ~= v.parent_node_execution_id and v ~= request)
      assert(v.reasons ~= v and v ~= 7 and v.task_id ~= nil)]], gate.task {reasons = {{reason = "a"}}})
  end)

  it("goes over what is set, by number", function()
    gate.run([[
      local names = {}
      for name, value in pairs(request.event) do
        assert(value == request.event[name] or name == "custom_info")
        names[#names + 1] = name
      end
      names = table.concat(names, " ")
      assert(names == "task_id parent_node_execution_id retry_attempt phase occurred_at error custom_info", names)]], failed)
  end)

  it("copies lists and maps out to tables", function()
    gate.run([[
      local v = request.event
      v.output_data = {literals = {x = {hash = "h"}}}
      local list, map = m.to_table(v.reasons), m.to_table(v.output_data.literals)
      assert(#list == 1 and list[1].reason == "a" and map.x.hash == "h" and getmetatable(list) == nil)
      assert(m.to_table("plain") == "plain" and m.to_table(nil) == nil and not pcall(m.to_table))
      assert(m.to_json(v.output_data) == '{"literals":{"x":{"hash":"h"}}}' and tostring(v.output_data) == m.to_json(v.output_data))
      assert(not pcall(m.to_json, v.reasons) and not pcall(m.to_json, "x") and not pcall(m.which, v, "reasons") and not pcall(m.which, "x", "y"))]],
      gate.task {reasons = {{reason = "a"}}})
  end)

  it("is written in Go's form on request", function()
    gate.run([[
      local v, go = request.event, {form = "jsonpb"}
      v.reason, v.phase = "<a&b>", 77
      local text = m.to_json(v, go)
      assert(text:find('"reason":"\\u003ca\\u0026b\\u003e"', 1, true) and text:find('"phase":77', 1, true), text)
      assert(m.to_json(v):find('"reason":"<a&b>"', 1, true) and m.to_json(v, {form = "protojson"}) == m.to_json(v))
      local function why(...) return select(2, pcall(m.to_json, v, ...)) end
      assert(why({form = "go"}):find('form is "protojson" or "jsonpb", not "go"', 1, true))
      assert(why({from = "jsonpb"}):find('there is no option "from"', 1, true) and why("jsonpb"):find("a table of options expected", 1, true))
      local d = m.proto.known:new("google.protobuf.Duration", {seconds = 400000000000})
      assert(select(2, pcall(m.to_json, d, go)):find("Duration", 1, true))]], gate.task {})
  end)

  it("nests to a bounded depth, whichever way", function()
    local function grows(step)
      assert.error(function()
        gate.run("request.event.output_data = {literals = {x = {}}} local at = request.event.output_data.literals.x\n" ..
          "for i = 1, 200 do " .. step .. " end", failed)
      end, "nest more than 90 deep")
    end
    grows("at.collection = {literals = {{}}} at = at.collection.literals[1]")
    grows("at.map = {literals = {y = {}}} at = at.map.literals.y")
    grows("at.map = {literals = {}} at.map.literals.y = {} at = at.map.literals.y")
  end)

  it("is the ActionEvent of Flyte 2", function()
    local out = gate.run([[
      assert(request.id.run.name == "r1" and request.id.name == "a0" and request.phase == "ACTION_PHASE_FAILED" and request.attempt == 2)
      assert(request.error_info.kind == "KIND_USER" and request.error_info.gpu_fault == nil and request.end_time == nil)
      request.error_info.gpu_fault = {kind = "KIND_XID"}
      assert(request.error_info.gpu_fault.gpu_index == nil)
      request.error_info.gpu_fault.gpu_index = 0
      assert(request.error_info.gpu_fault.gpu_index == 0)
      request.end_time = 1.5
      assert(not pcall(m.which, request, "_end_time"))
      request.log_info = {{uri = "u", ttl = 3, ShowWhilePending = true}}
      e.json = m.to_json(request)]], gate.action {phase = "FAILED", attempt = 2, version = 3, error = "no memory"})
    assert.equal("flytesnacks:development:r1:a0:2:FAILED:3", out[1].id)
    assert.equal("com.flyte.resource.action", out[1].type)
    assert.equal("workflow.ActionEvent", out[1].subject)
    assert.equal("2026-01-02T03:04:05Z", out[1].time)
    assert.is_nil(out[1].jsonschemaurl)
    assert.has('"endTime":"1970-01-01T00:00:01.500Z","errorInfo":{"message":"no memory","kind":"KIND_USER","code":"USER:Unknown",' ..
      '"gpuFault":{"kind":"KIND_XID","gpuIndex":0}},"logInfo":[{"uri":"u","ttl":"3s","ShowWhilePending":true}]', out[1].json)
    gate.run("assert(flyte.kind == 'action' and request.id.name == 'a0')",
      gate.event {type = "com.flyte.resource.action", datacontenttype = "application/protobuf", data_base64 = gate.base64(out[1].data)})
  end)

  it("is nil for other events", function()
    gate.run("assert(request == nil and flyte == nil)")
  end)
end)
