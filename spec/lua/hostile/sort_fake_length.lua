-- expect: hook_budget|hook_timeout
-- timeout: 100
-- A length that is not there, and functions in C that answer for the items.
return function(event)
  if event.id == "next" then return end
  local fake = setmetatable({}, {__len = function() return 200000 end, __index = math.abs, __newindex = print})
  pcall(table.sort, fake, rawequal)
  fake = setmetatable({}, {__len = function() return (1 << 31) - 2 end, __index = function(_, i) return i end, __newindex = rawequal})
  table.sort(fake, math.ult)
end
