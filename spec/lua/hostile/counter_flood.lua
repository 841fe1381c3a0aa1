-- expect: hook_budget
-- Counters of names and labels without end.
local m = require "moongate"
return function(event)
  if event.id == "next" then return end
  local i, long = 0, ("\xff"):rep(100000)
  while true do
    i = i + 1
    m.counter("n" .. i, {a = i, b = long}):add()
    m.counter("same", {a = long .. i}):add()
  end
end
