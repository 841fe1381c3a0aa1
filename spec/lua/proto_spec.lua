local gate = require "gate"

-- The set that protoc makes of spec/lua/proto; scripts stand beside it.
local set = os.tmpname() .. ".desc"
local name, folder = set:match("[^/]+$"), set:match("^.*/")
assert(os.execute("protoc --include_imports -I spec/lua/proto -I proto --descriptor_set_out=" .. set .. " v2.proto"))

local function run(body, input, conf)
  return gate.run("local pb = m.proto.load('" .. name .. "')\n" .. body, input, conf)
end

local function beside(file, text)
  local f = assert(io.open(folder .. file, "wb"))
  f:write(text)
  f:close()
end

local function raises(body, why, input, conf)
  assert.error(function() run(body, input, conf) end, why)
end

describe("moongate.proto.known", function()
  it("has the messages that are compiled in, as a descriptor set has them", function()
    gate.run([[
      local known = m.proto.known
      assert(tostring(known):find("^moongate.proto.known %(%d+ messages%)$"))
      local v2 = known:new("flyteidl.event.CloudEventTaskExecution", {raw_event = request.event, labels = {team = "ml"}})
      local back = known:decode("flyteidl.event.CloudEventTaskExecution", known:encode("flyteidl.event.CloudEventTaskExecution", v2))
      assert(back.labels.team == "ml" and back.raw_event.task_id.name == "wf.t")
      v2.labels.team = "ads"
      assert(back.labels.team == "ml" and v2.labels.team == "ads")
      for _, name in ipairs {"io.cloudevents.v1.CloudEvent", "google.protobuf.Timestamp", "flyteidl2.workflow.ActionEvent"} do
        assert(known:encode(name, known:new(name)) == "")
      end
      local ok, why = pcall(known.new, known, "flyteidl.event.CloudEventTaskExecutoin")
      assert(not ok and why:find('moongate.proto.known has no message "flyteidl.event.CloudEventTaskExecutoin" (did you mean', 1, true), why)
      assert(not pcall(known.new, known, "flyteidl.admin.Labels.ValuesEntry"))]], gate.task {})
  end)
  it("is there while a script loads", function()
    gate.hook("local m = require 'moongate'\nlocal known = m.proto.known\n" ..
      "return function(e) e.n = #known:encode('google.protobuf.Duration', {seconds = 1}) end\n")
  end)
end)

describe("moongate.proto", function()
  it("makes, encodes and decodes messages of a descriptor set", function()
    run([[
      local r = pb:new("team.v2.Run", {name = "f1", state = "STATE_RUNNING", attempt = 2})
      assert(r.name == "f1" and r.state == "STATE_RUNNING" and r.attempt == 2 and r.project == "")
      local bytes = pb:encode("team.v2.Run", r)
      assert(bytes == "\x0a\x02f1\x18\x01\x20\x02" and bytes == pb:encode("team.v2.Run", {name = "f1", state = 1, attempt = 2}))
      local back = pb:decode("team.v2.Run", bytes)
      assert(back.name == "f1" and m.to_json(back) == m.to_json(r) and back ~= r and back == back)
      assert(pb:encode("team.v2.Run", {}) == "" and pb:encode("team.v2.Run", pb:new("team.v2.Run")) == "")
      assert(pb:new("team.v2.Run.Owner").name == "" and tostring(pb):find(" messages)", 1, true))
      assert(m.proto.load("]] .. name .. [[") == pb)]])
  end)

  it("has every scalar type with its whole range", function()
    run([[
      local n = pb:new("team.v2.Numbers")
      for name, value in pairs {d = 1.5, f = 0.5, i64 = math.mininteger, u64 = -1, i32 = -2147483648, f64 = -2, f32 = 4294967295, b = true,
                                u32 = 4294967295, sf32 = -1, sf64 = math.maxinteger, s32 = -2147483648, s64 = math.mininteger} do
        n[name] = value
        assert(n[name] == value and math.type(n[name]) == math.type(value), name)
      end
      n.u64 = "18446744073709551614"
      assert(n.u64 == -2 and m.u64(n.u64) == "18446744073709551614")
      local back = pb:decode("team.v2.Numbers", pb:encode("team.v2.Numbers", n))
      for name, value in pairs(n) do assert(back[name] == value, name) end
      n = pb:new("team.v2.Numbers")
      assert(n.d == 0.0 and math.type(n.d) == "float" and n.i64 == 0 and math.type(n.i64) == "integer" and n.b == false and #n.many == 0)]])
  end)

  it("keeps apart what is unset and what is zero", function()
    run([[
      local r = pb:new("team.v2.Run")
      assert(r.limit == nil and r.wanted == nil and r.token == nil and r.child == nil and r.at == nil)
      r.limit, r.wanted, r.token = 0, "STATE_NONE", ""
      local back = pb:decode("team.v2.Run", pb:encode("team.v2.Run", r))
      assert(back.limit == 0 and back.wanted == "STATE_NONE" and back.token == "")
      assert(m.to_json(back) == '{"limit":0,"wanted":"STATE_NONE","token":""}')
      back.limit = nil
      assert(back.limit == nil and m.to_table(back).wanted == "STATE_NONE")
      assert(not pcall(m.which, back, "_limit"))]])
  end)

  it("chooses in a oneof", function()
    run([[
      local r = pb:new("team.v2.Run", {code = 0})
      assert(m.which(r, "result") == "code" and r.code == 0 and r.uri == nil and r.child == nil)
      r.child = {name = "c"}
      assert(m.which(r, "result") == "child" and r.code == nil and r.child.name == "c")
      r.raw = "\0\xff"
      assert(r.raw == "\0\xff" and r.child == nil and pb:decode("team.v2.Run", pb:encode("team.v2.Run", r)).raw == "\0\xff")]])
    raises("pb:new('team.v2.Run', {code = 1, uri = 'x'})", "both of the oneof result: only one can be set")
    raises("m.which(pb:new('team.v2.Run'), 'reslt')", '(did you mean "result"?)')
  end)

  it("has enums with aliases, negative and unknown numbers", function()
    run([[
      local r = pb:new("team.v2.Run", {state = "STATE_ACTIVE"})
      assert(r.state == "STATE_RUNNING")
      r.state = -7
      assert(r.state == "STATE_LOST")
      r.state = 2147483647
      assert(r.state == "STATE_LAST" and m.to_json(r) == '{"state":"STATE_LAST"}')
      r.state = 99
      assert(r.state == 99 and pb:decode("team.v2.Run", pb:encode("team.v2.Run", r)).state == 99)
      r.seen = {"STATE_LOST", 5}
      assert(r.seen[1] == "STATE_LOST" and r.seen[2] == 5 and #r.seen == 2)]])
    raises("pb:new('team.v2.Run', {state = 'STATE_LOSS'})", 'state: State has no value "STATE_LOSS" (did you mean "STATE_LOST"?)')
  end)

  it("has lists and maps", function()
    run([[
      local r = pb:new("team.v2.Run", {owners = {ml = {name = "a"}}, lines = {[-1] = "x"}, states = {[true] = "STATE_LOST"}, parts = {{name = "p"}}})
      assert(r.owners.ml.name == "a" and r.lines[-1] == "x" and r.states[true] == "STATE_LOST" and r.states[false] == nil)
      r.owners.ops = {name = "b", mail = ""}
      r.parts[2] = {name = "q"}
      r.parts[1].name = "P"
      local back = pb:decode("team.v2.Run", pb:encode("team.v2.Run", r))
      assert(#back.parts == 2 and back.parts[1].name == "P" and back.owners.ops.mail == "" and back.owners.ml.mail == nil)
      local names = {}
      for k, v in pairs(back.owners) do names[#names + 1] = k .. v.name end
      table.sort(names)
      assert(table.concat(names, " ") == "mla opsb")
      r.owners.ml = nil
      assert(r.owners.ml == nil and #r.owners == 1)
      local n = pb:new("team.v2.Numbers", {wide = {[-1] = 0.5}, named = {k = "\xff"}, deep = {[-3] = {i32 = 4}}, many = {-1, 2}})
      n = pb:decode("team.v2.Numbers", pb:encode("team.v2.Numbers", n))
      assert(n.wide[-1] == 0.5 and n.named.k == "\xff" and n.deep[-3].i32 == 4 and n.many[1] == -1)
      assert(m.to_json(n):find('"18446744073709551615":0.5', 1, true))]])
    raises("pb:new('team.v2.Run', {lines = {x = 'y'}})", 'key is an integer, not "x"')
  end)

  it("has the well-known types as request has them", function()
    run([[
      local r = pb:new("team.v2.Run", {at = "2026-01-02T03:04:05.5Z", took = -1.5, details = {a = {1, "x"}, b = m.json.null},
                                       cached = {value = false}})
      assert(tostring(r.at) == "2026-01-02T03:04:05.500Z" and m.time(r.at) == 1767323045.5)
      assert(tostring(r.took) == "-1.500s" and m.time(r.took) == -1.5)
      assert(r.details.a[1] == 1.0 and r.details.b == m.json.null and r.cached.value == false)
      assert(m.to_json(r) == '{"at":"2026-01-02T03:04:05.500Z","took":"-1.500s","details":{"a":[1,"x"],"b":null},"cached":false}', m.to_json(r))]])
  end)

  it("takes what the request has", function()
    local out = run([[
      local r = pb:new("team.v2.Run", {name = flyte.execution, at = request.event.occurred_at, details = request.event.custom_info})
      assert(r.at == r.at and r.at ~= request.event.occurred_at and m.time(r.at) == m.time(request.event.occurred_at))
      r.at.seconds = 7
      r.parts[1] = {name = "part"}
      e.data = r
      r.name = "later"]], gate.task {custom_info = {k = "v"}})
    assert.has("f1", out[1].data)
    assert.is_nil(out[1].data:find("later", 1, true))
    assert.equal("application/protobuf", out[1].datacontenttype)
  end)

  it("takes the request's messages where the set has the same ones", function()
    local f = assert(io.open("spec/golden/flyteidl.desc", "rb"))
    beside("flyteidl.desc", f:read("a"))
    f:close()
    local out = gate.run([[
      local pb = m.proto.load("flyteidl.desc")
      local v2 = pb:new("flyteidl.event.CloudEventWorkflowExecution", {raw_event = request.event, principal = "somebody"})
      assert(v2.raw_event.execution_id.name == "f1" and v2.raw_event ~= request.event)
      v2.raw_event.producer_id = "p"
      assert(request.event.producer_id == "")
      request.event = v2.raw_event
      assert(request.event.producer_id == "p" and request.event.phase == "FAILED")
      e.datacontenttype, e.data = "application/json", m.to_json(v2)]], gate.workflow {phase = "FAILED"})
    assert.equal('{"rawEvent":{"executionId":{"project":"flytesnacks","domain":"development","name":"f1"},"producerId":"p",' ..
      '"phase":"FAILED","occurredAt":"2026-01-02T03:04:05Z"},"principal":"somebody"}', out[1].data)
    os.remove(folder .. "flyteidl.desc")
  end)

  it("leaves the request as it came", function()
    local plain = gate.run("", gate.task {})[1].data
    local out = run([[
      local r = pb:new("team.v2.Run", {parts = {{}}, owners = {a = {}}, at = 5, child = {}})
      r.name, r.at.seconds, r.parts[1].name, r.owners.a.name, r.child.name = "n", 1, "n", "n", "n"
      r.parts[2] = {}
      r.owners.b = {}
      r.owners.a = nil]], gate.task {})
    assert.equal(plain, out[1].data)
    out = run("e.data = 'mine' local r = pb:new('team.v2.Run') r.name = 'x' r.at = 1 r.at.seconds = 2 r.parts[1] = {}", gate.task {})
    assert.equal("mine", out[1].data)
    run("local r = pb:new('team.v2.Run') r.name = 'x' r.at = 1 r.at.seconds = 2 r.parts[1] = {}")
  end)

  it("publishes both formats", function()
    local out = run([[
      local v2 = m.copy(e)
      v2.type, v2.data = "team.v2.run", pb:new("team.v2.Run", {name = flyte.execution})
      return {e, v2}]], gate.workflow {})
    assert.equal("\x0a\x02f1", out[2].data)
    assert.equal("team.v2.run", out[2].type)
    assert.equal(gate.run("", gate.workflow {})[1].data, out[1].data)
  end)

  it("keeps fields that the set does not have", function()
    run([[
      local bytes = "\x0a\x01a\xf2\x3f\x03xyz"
      local r = pb:decode("team.v2.Run", bytes)
      assert(pb:encode("team.v2.Run", r) == bytes)
      r.name = "b"
      assert(pb:encode("team.v2.Run", r) == "\x0a\x01b\xf2\x3f\x03xyz")
      assert(pb:encode("team.v2.Run", pb:new("team.v2.Run", {child = r})):find("xyz", 1, true))]])
  end)

  it("has proto2, where what is optional is unset until it is set", function()
    run([[
      local t = pb:new("old.Thing", {name = "n"})
      assert(t.count == nil and t.level == nil and t.inner == nil)
      t.count, t.level, t.loose, t.tight = 0, "LOW", {1, 2}, {1, 2}
      assert(pb:encode("old.Thing", t) == "\x0a\x01n\x10\x00\x18\x03\x20\x01\x20\x02\x2a\x02\x01\x02")
      assert(pb:decode("old.Thing", "\x0a\x00\xa2\x06\x01x").name == "")
      assert(pb:encode("old.Thing", pb:decode("old.Thing", "\x0a\x00\xa2\x06\x01x")) == "\x0a\x00\xa2\x06\x01x")]])
    raises("pb:encode('old.Thing', {})", "Thing: name is required and not set")
    raises("pb:encode('team.v2.Run', {parts = {{thing = {count = 1}}}})", "Run: name is required and not set")
    raises("e.data = pb:new('old.Thing')", "Thing: name is required and not set")
    raises("pb:decode('old.Thing', '\\x10\\x01')", "Thing: name is required and not there")
  end)

  it("says what is wrong", function()
    raises("pb:new('team.v2.Rum')", name .. ' has no message "team.v2.Rum" (did you mean "team.v2.Run"?)')
    raises("pb:new('Run')", 'has no message "Run"')
    raises("pb:new(7)", "has no message \"7\"")
    raises("pb:new()", "a string expected, got nothing")
    raises("pb.new('team.v2.Run')", "a loaded descriptor set (pb:new, with a colon) expected")
    raises("pb.new(e, 'team.v2.Run')", "a loaded descriptor set (pb:new, with a colon) expected, got an event")
    raises("pb:parse('x')", 'a loaded descriptor set has new, encode and decode, no "parse"')
    raises("pb.x = 1", 'a loaded descriptor set is read-only (field "x")')
    raises("pb:new('team.v2.Run', 7)", "Run is a table or a message, not 7")
    raises("pb:new('team.v2.Run', {nam = 'x'})", 'Run has no field "nam" (did you mean "name"?)')
    raises("local r = pb:new('team.v2.Run') local x = r.owners.a.b r.nam = 1", "")
    raises("pb:new('team.v2.Run', pb:new('team.v2.Numbers'))", "Run is a Run, not a Numbers")
    raises("pb:new('team.v2.Run', {at = pb:new('team.v2.Numbers')})", "at is a Timestamp, not a Numbers")
    raises("pb:encode('team.v2.Run')", "bad argument #2 to 'encode'")
    raises("pb:decode('team.v2.Run', '\\x0a\\x05a')", "Run: name: cut short: needs 5 bytes, has 1 at byte 2")
    raises("pb:decode('team.v2.Run', '\\x0a\\x01\\xff')", "Run: name: not UTF-8 at byte 0")
    raises("pb:decode('team.v2.Run')", "a string expected, got nothing")
    assert.error(function() gate.run("m.proto.load('no.desc')") end, "there is no such file: " .. folder .. "no.desc")
    for _, path in ipairs {"", "/etc/passwd", "../x.desc", "a/../x.desc", "a/..", ".."} do
      assert.error(function() gate.run("m.proto.load('" .. path .. "')") end,
        ": hook_limits.files does not name it (beside the script and below, every file is allowed)")
    end
    gate.run("assert(m.proto.load('" .. set .. "'):new('team.v2.Run'))", nil, {files = {set}})
    gate.run("assert(m.proto.load('./" .. name .. "'))")
    assert.error(function() gate.run("m.proto.load('a..b/..c')") end, "there is no such file")
    assert.error(function() gate.run("m.proto.load()") end, "a string expected, got nothing")
    beside("no.desc", "what is this")
    assert.error(function() gate.run("m.proto.load('no.desc')") end, "no.desc: cut short, or no descriptor set (protoc")
    os.remove(folder .. "no.desc")
  end)

  it("loads with the script, and makes messages only of an event", function()
    local hook = gate.hook("local pb = require('moongate').proto.load('" .. name .. "')\n" ..
                           "return function(e) e.data = pb:encode('team.v2.Run', {name = e.id}) end\n")
    assert.equal("\x0a\x02e1", hook {}[1].data)
    assert.equal("\x0a\x02e2", hook {id = "e2"}[1].data)
    for _, call in ipairs {"new", "encode", "decode"} do
      assert.error(function()
        gate.hook("local pb = require('moongate').proto.load('" .. name .. "')\npb:" .. call .. "('team.v2.Run', 'x')\nreturn function() end\n")
      end, "pb:" .. call .. ": there is no event while a script loads")
    end
  end)

  it("leaves nothing of an event to the next", function()
    local hook = gate.hook("local pb, kept = require('moongate').proto.load('" .. name .. "')\n" .. [[
      return function(e)
        if kept then return false, kept.name end
        kept = pb:new("team.v2.Run")
      end]])
    assert.equal("publish", hook {}.verdict)
    assert.has("a message used after its hook returned", hook {}.text)
  end)

  it("nests to a bounded depth, whichever way", function()
    local why = "messages nest more than 90 deep"
    raises("local at = pb:new('team.v2.Run') for i = 1, 200 do at.child = {} at = at.child end", why)
    raises("local at = pb:new('team.v2.Run') for i = 1, 200 do at.parts[1] = {} at = at.parts[1] end", why)
    raises("local at = pb:new('team.v2.Numbers') for i = 1, 200 do at.deep[1] = {} at = at.deep[1] end", why)
    raises("local r = {} for i = 1, 200 do r = {child = r} end pb:new('team.v2.Run', r)", why)
    raises("local r = pb:new('team.v2.Run') for i = 1, 200 do r = pb:new('team.v2.Run', {child = r}) end", "nests more than 100 deep")
    raises("local r = pb:new('team.v2.Run', {parts = {{}}}) for i = 1, 200 do r.parts[1] = r end", "nests more than 100 deep")
    raises("local at, long = pb:new('team.v2.Run'), pb:new('team.v2.Run') local down = long " ..
      "for i = 1, 60 do down.child = {} down = down.child at.child = {} at = at.child end at.child = long", "nests more than 100 deep")
    run([[
      local r = {}
      for i = 1, 88 do r = {child = r} end
      r = pb:decode("team.v2.Run", pb:encode("team.v2.Run", r))
      assert(#m.to_json(r) > 88 * 9 and m.to_table(r).child.child)]])
  end)

  it("keeps the bytes that a message was decoded from", function()
    run([[
      local r, b = pb:decode("team.v2.Run", "\x0a\xe8\x07" .. ("a"):rep(1000)), ("b"):rep(1000)
      for i = 1, 5000 do local _ = b .. i end
      assert(r.name == ("a"):rep(1000))]])
  end)

  it("counts what it makes as memory", function()
    local function reason(body, memory)
      local hook = gate.hook("local m = require 'moongate'\nlocal pb = m.proto.load('" .. name .. "')\nreturn function(e)\n" .. body .. "\nend\n",
        {memory = memory, instructions = 1000000000})
      local out = hook {}
      assert.equal("failed", out.verdict)
      assert.equal("publish", hook {id = "next", stop = true}.verdict)
      return out.reason
    end
    local stop = "if e.stop then return end "
    assert.equal("hook_memory", reason(stop .. "while true do pb:new('team.v2.Run') end", 4000000))
    assert.equal("hook_memory", reason(stop .. "local b = ('\\x7a\\0'):rep(1000) while true do pb:decode('team.v2.Run', b) end", 4000000))
    assert.equal("hook_memory", reason(stop .. "local r = pb:new('team.v2.Run') while true do r.parts[#r.parts + 1] = {} end", 4000000))
    -- a byte of it is eight of a list
    assert.equal("hook_memory", reason(stop .. "pb:decode('team.v2.Numbers', '\\x72\\x80\\x80\\x40' .. ('\\0'):rep(1 << 20))", 8000000))
    local f = assert(io.open("spec/golden/flyteidl2.desc", "rb"))
    beside("large.desc", f:read("a"))
    f:close()
    local load = "require('moongate').proto.load('large.desc')\nreturn function() end\n"
    gate.hook(load)
    assert.error(function() gate.hook(load, {memory = 500000}) end, "not enough memory")
    os.remove(folder .. "large.desc")
  end)
end)

os.remove(set)
