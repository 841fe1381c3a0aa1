-- expect: hook_timeout|hook_budget|hook_memory
-- timeout: 100
-- A collection goes over a table with weak keys once for each few links of a chain through it.
return function(event)
  if event.id == "next" then return end
  local t, first = setmetatable({}, {__mode = "k"}), {}
  local k = first
  for _ = 1, 100000 do
    local v = {}
    t[k] = v
    k = v
  end
  local n
  repeat n = {n} until first == n
end
