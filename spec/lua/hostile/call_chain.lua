-- expect: hook_timeout|hook_budget|hook_memory
-- timeout: 100
-- A value called through n values with __call moves its arguments n times, in one instruction.
return function(event)
  if event.id == "next" then return end
  local f = setmetatable({}, {__call = print})
  for _ = 1, 100000 do f = setmetatable({}, {__call = f}) end
  f()
end
