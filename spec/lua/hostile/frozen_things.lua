-- expect: hook_error
-- says: held
-- What scripts share cannot be changed, in no way that Lua has.
local moongate = require "moongate"
return function(event)
  if event.id == "next" then return end
  local function no(...) assert(not pcall(...)) end
  local shared = {string, table, math, utf8, coroutine, os, moongate, moongate.json, moongate.log, moongate.base64, moongate.params, _G, event}
  for i, t in ipairs(shared) do
    no(setmetatable, t, {})
    no(rawset, t, "x", 1)
    no(function() t.X = 1 end)
    no(function() t[1] = 1 end)
    no(table.insert, t, 1)
    no(table.insert, t, 1, 1)
    no(table.move, {1}, 1, 1, 1, t)
    no(table.sort, setmetatable({}, {__index = t, __len = function() return 2 end}))
    assert(not getmetatable(t), i)
  end
  no(function() getmetatable("").__index = nil end)
  local list = moongate.json.decode("[]")                 -- all empty lists share a metatable
  assert(not getmetatable(list))
  no(setmetatable, list, {})
  assert(rawget(string, "rep") == nil and rawlen(string) == 0 and rawequal(string, string) and ("x").rep)
  for _, value in ipairs {1, "x", print, true, coroutine.running()} do no(setmetatable, value, {}) end
  no(next, string, "absent")
  assert(not pcall(setmetatable, setmetatable({}, {__metatable = 1}), {}))
  error("held")
end
