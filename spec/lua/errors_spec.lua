local gate = require "gate"
-- What a script's author reads when something is wrong.

local function text(body, input, conf)
  local hook = gate.hook("local m = require 'moongate'\nreturn function(e, request, flyte)\n" .. body .. "\nend\n", conf)
  local out = hook(input or {})
  assert.equal("failed", out.verdict)
  return out.text
end

local task = gate.task {phase = "FAILED", reasons = {{reason = "r"}}}

describe("an error's text", function()
  it("has a place, whatever else in it looks like one", function()
    for _, body in ipairs {
      "return nil, 'connect 10.0.0.1:9092: refused'", "error('kafka-1:9092: refused', 0)", "error('at 03:04:05: late', 0)",
    } do
      local line = body:find("^return") and 2 or 3
      assert.has(("_hook.lua:%d: "):format(line), text(body):match("^[^\n]*"))
    end
    assert.has("_hook.lua:2: two events with the same source and id", text("return {e, e}", task))
    assert.is_nil(text("error('boom')"):find("_hook.lua:3: .*_hook.lua:3: boom"))
    assert.is_nil(text("load('error(\"boom\")', '=rule')()"):find("rule:1: rule:1:"))
    assert.has("rule:1: boom", text("load('error(\"boom\")', '=rule')()"))
    assert.has('[string "x"]:1: boom', text("load('error(\"boom\")', 'x')()"))
  end)

  it("is one line of UTF-8 before its traceback", function()
    local first = text("error('\\xff a\\nb \\27[31m é', 0)"):match("^[^\n]*")
    assert.has(": ? a b  [31m é (event e1)", first)
  end)

  it("shows the value", function()
    for body, why in pairs {
      ["m.u64('x')"] = "an integer expected, got \"x\"",
      ["m.u64(1.5)"] = "an integer expected, got 1.5",
      ["m.hash('x', 0)"] = "at least 1",
      ["m.hex({})"] = "a string expected, got a table",
      ["m.hex()"] = "a string expected, got nothing",
      ["m.time(5)"] = "a Timestamp, a Duration or an RFC 3339 string expected, got 5",
      ["m.rfc3339('x')"] = "a number expected, got \"x\"",
      ["m.clean(true)"] = "a string expected, got true",
      ["m.log.info('x', 5)"] = "a table of fields expected, got 5",
      ["m.new('x')"] = "a table expected, got \"x\"",
      ["m.rename({}, 'a', 'b')"] = "an event expected, got a table",
      ["m.to_json(e)"] = "a message expected, got an event",
      ["m.copy(flyte)"] = "an event expected, got flyte",
      ["e.x = 1.0"] = "1.0 is a float",
      ["e.x = 0/0"] = "nan is a float",
      ["e.data = flyte"] = "not flyte",
      ["e.data = request.event.reasons"] = "not a list of a message",
      ["e.data = m.json.null"] = "not moongate.json.null",
      ["request.event.phase = true"] = "phase is a name or a number, not true",
      ["local x = request.event.reasons.reason"] = 'reasons is a list: its items are [1] to [#reasons], not "reason"',
      ["request.event.logs.uri = 'x'"] = 'logs is a list: its items are [1] to [#logs], not "uri"',
      ["request.event.custom_info = {a = 0/0}"] = "a number that JSON has, not nan",
      ["request.event.custom_info = {a = {1, math.huge}}"] = "a number that JSON has, not inf",
      ["return request"] = "a hook returned a message; it returns nothing",
      ["return m.copy(e)"] = "an event that is not its own",
      ["return {m.retry}"] = "item 1 is no event: moongate.retry",
      ["return m.retry, 5"] = "a message that is no string: 5",
      ["return false, 5"] = "a reason that is no string: 5",
    } do
      assert.has(why, text(body, task))
    end
  end)
end)

describe("a script that is wrong when it loads", function()
  local function why(script)
    local ok, said = pcall(gate.hook, script .. "\n")
    assert.equal(false, ok)
    return said
  end

  it("is told so", function()
    local f = "on_event = function() end"
    assert.has('no member "on_evnt" (did you mean "on_event"?)', why("return {on_evnt = print}"))
    assert.has('no member "event_typs" (did you mean "event_types"?)', why("return {event_typs = {'task'}, " .. f .. "}"))
    assert.has('no type "tsk" (did you mean "task"?)', why("return {event_types = {'tsk'}, " .. f .. "}"))
    assert.has("event_types is a list of one name or more", why("return {event_types = {task = true}, " .. f .. "}"))
    assert.has("on_event is a function, not nil", why("return {}"))
    assert.has("on_load is a function, not 5", why("return {on_load = 5, " .. f .. "}"))
    assert.has("returns a function or a table with on_event, not 5", why("return 5"))
    assert.has("more than 1000000 instructions", why("return {on_load = function() while true do end end, " .. f .. "}"))
    assert.has("_hook.lua:2: ", why("local x\nx.y = 1\nreturn print"))
  end)

  it("is not wrong for a byte order mark or a first line with #", function()
    local raise = "return function() error('here') end"
    for _, first in ipairs {"\xef\xbb\xbf", "#!/usr/bin/lua\n", "\xef\xbb\xbf#!/usr/bin/lua\n"} do
      local out = gate.hook(first .. raise .. "\n")({})
      assert.has(first:find("\n") and "_hook.lua:2: here" or "_hook.lua:1: here", out.text)
    end
    assert.has("_hook.lua:2: unexpected symbol", why("#\n\27Lua"))
    assert.has("not nil", why("#"))
    assert.has("unexpected symbol", why("\xef\xbb"))
  end)

  it("may have members of its own", function()
    gate.hook("return {on_event = function() end, helper = print, [1] = 2, description = 'x'}\n")
  end)
end)

describe("the iterator of a list", function()
  it("takes any number", function()
    gate.run([[
      local f, list = pairs(request.event.reasons)
      for _, i in ipairs {-1, -1000000, 1, 2, math.maxinteger, math.mininteger} do assert(f(list, i) == nil) end
      local i, r = f(list, 0)
      assert(i == 1 and r.reason == "r")
      assert(not pcall(f, list, "x"))]], task)
  end)
end)

describe("an error", function()
  local kept = [[
    local moongate = require "moongate"
    local old
    return function(e)
      if old then return old.id end
      old = e
    end]]
  it("says what to do", function()
    local hook = gate.hook(kept)
    hook {}
    assert.has("an event used after its hook returned: keep the strings and numbers you need of it", hook {}.text)
    assert.error(function() gate.run("counter = 1") end, 'global "counter" is read-only after load: keep what changes in a local')
    assert.error(function() gate.run("e.time = 'x'") end, '"x" is not an RFC 3339 time, as 2026-01-02T03:04:05Z')
    assert.error(function() gate.run("m.time('x')") end, '"x" is not an RFC 3339 time, as 2026-01-02T03:04:05Z')
    assert.error(function() gate.hook("require('moongate').new{id = '1', source = 's', type = 't'}\nreturn print\n") end,
      "moongate.new: there is no event while a script loads: call it in the hook")
  end)
end)
