-- expect: hook_budget|hook_timeout
-- timeout: 100
-- Chains of __index and __newindex, long ones and closed ones.
return function(event)
  if event.id == "next" then return end
  local loop = {}
  loop.__index, loop.__newindex = loop, loop
  setmetatable(loop, loop)
  local chain = {}
  for _ = 1, 1990 do chain = setmetatable({}, {__index = chain, __newindex = chain}) end
  assert(not pcall(function() return loop.x end) and not pcall(function() loop.x = 1 end))
  while true do local x = chain.x end
end
