-- expect: hook_budget|hook_timeout|hook_memory
-- timeout: 100
-- Calls with very many values copy all of them.
return function(event)
  if event.id == "next" then return end
  local t, n = {}, 0
  for i = 1, 100000 do t[i] = i end
  local function pass(...) return ... end
  while true do
    n = n + select("#", pass(table.unpack(t)))
    n = n + #{pass(table.unpack(t))} + select(-1, table.unpack(t))
    math.max(table.unpack(t))
  end
end
