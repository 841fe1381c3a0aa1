-- expect: hook_error
-- says: refused
-- Tables that have no JSON, or too much of it.
local json = require "moongate".json
return function(event)
  if event.id == "next" then return end
  local cycle, deep = {}, {}
  cycle[1] = {cycle}
  for _ = 1, 200 do deep = {deep} end
  local bad = {cycle, deep, {[1.5] = 1}, {1, 2, x = 3}, {[true] = 1}, print, 0 / 0, math.huge, "\xff", {a = "\xff"}, {["\xff"] = 1}, (coroutine.running())}
  for i, value in ipairs(bad) do assert(not pcall(json.encode, value), i) end
  local texts = {("["):rep(100000), '{"a":' .. ("["):rep(100000), "[1,", "nul", "\xff", "1e", "[1 2]", "{}x", ""}
  for i, text in ipairs(texts) do assert(not pcall(json.decode, text), i) end
  assert(json.decode("1e999999999") and json.decode(("9"):rep(1000)))
  local lazy = setmetatable({}, {__index = function() while true do end end, __pairs = function() while true do end end, __len = print})
  assert(json.encode(lazy) == "{}")
  error("refused")
end
