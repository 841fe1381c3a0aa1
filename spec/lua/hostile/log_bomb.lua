-- expect: hook_budget
-- Lines without end, and long ones.
local m = require "moongate"
return function(event)
  if event.id == "next" then return end
  local s = ("x"):rep(100000)
  while true do
    m.log.error(s, {a = s, b = s})
    print(s, s, s)
  end
end
