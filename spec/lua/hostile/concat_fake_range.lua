-- expect: hook_budget|hook_timeout
-- timeout: 100
return function(event)
  if event.id == "next" then return end
  local fake = setmetatable({}, {__index = function() return "" end, __len = function() return math.maxinteger end})
  assert(not pcall(table.unpack, fake, 1, 1e6) and not pcall(table.unpack, {}, math.mininteger, math.maxinteger))
  table.concat(fake, "", math.mininteger, math.maxinteger)
end
