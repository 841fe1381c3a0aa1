-- expect: hook_memory|hook_budget
-- Short strings are kept in one table of the state.
return function(event)
  if event.id == "next" then return end
  local t = {}
  for i = 1, math.huge do t["k" .. i] = i .. "v" end
end
