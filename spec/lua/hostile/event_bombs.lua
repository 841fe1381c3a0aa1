-- expect: hook_memory|hook_budget
-- Events made without end, and kept.
local m = require "moongate"
return function(event)
  if event.id == "next" then return end
  local all = {}
  for i = 1, math.huge do
    all[#all + 1] = m.copy(event)
    all[#all + 1] = m.new{id = "x" .. i, source = "/s", type = "t", data = ("x"):rep(1000)}
  end
  return all
end
