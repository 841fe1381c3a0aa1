-- expect: hook_budget
-- Caches filled without end, outside of the Lua state, with tables of doubled strings.
local m = require "moongate"
return function(event)
  if event.id == "next" then return end
  local v, i = ("x"):rep(1000), 0
  while true do
    i = i + 1
    m.cache("c" .. i % 90, {max = 1000000, ttl = math.huge}):set(i, {v, {v, v}, [v] = v})
  end
end
