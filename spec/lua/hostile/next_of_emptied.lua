-- expect: hook_budget|hook_timeout
-- timeout: 100
-- next goes over all that was removed before it finds anything.
return function(event)
  if event.id == "next" then return end
  local t = {}
  for i = 1, 30000 do t["k" .. i] = i end
  assert(not pcall(next, t, "absent"))
  while next(t) do t[next(t)] = nil end
  for i = 1, 20000 do t[i + .5] = i end
  for k in pairs(t) do t[k], t[-k] = nil, 1 end
  while true do next(t) end
end
